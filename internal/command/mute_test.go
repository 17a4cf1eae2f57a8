package command

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/render"
)

func TestParseMute(t *testing.T) {
	for said, want := range map[string]Request{
		"mute db 2h":                       {Verb: MuteRoute, Route: "db", Length: Length{For: 2 * time.Hour}},
		"mute route “db servers” 2h move":  {Verb: MuteRoute, Route: "db servers", Length: Length{For: 2 * time.Hour}, Text: "move"},
		"mute: db until tomorrow: patches": {Verb: MuteRoute, Route: "db", Length: Length{Until: &Clock{Hour: 8, Days: new(1)}}, Text: "patches"},
		"unmute db":                        {Verb: UnmuteRoute, Route: "db"},
		"unmute route 'db'.":               {Verb: UnmuteRoute, Route: "db"},
	} {
		r, q := Names{}.Parse(said)
		require.Nil(t, q, "%q", said)
		require.Equal(t, want, r, "%q", said)
	}
	for said, want := range map[string]string{"mute": "Which route, and for how long?", "mute db": "for how long?", "mute 2h": "Which route?", "mute db forever": "needs an end", "unmute": "Which route?"} {
		_, q := Names{}.Parse(said)
		require.NotNil(t, q, "%q", said)
		require.Contains(t, q.Error(), want, "%q", said)
	}
}

// roles gives roles by room.
type roles map[string]config.Role

func (r roles) RoleOf(_ []string, room string) config.Role { return r[room] }

// A mute needs the role in each of the route's rooms, is told there, and survives a restart.
func TestMute(t *testing.T) {
	w := newWorld()
	ctx := context.Background()
	mutes, err := LoadMutes(ctx, w, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	e := &Executor{o: Options{Store: w, Mutes: mutes}}
	view := View{
		Rooms:  []config.Room{{Name: "noc"}, {Name: "db"}, {Name: "boss"}},
		Routes: []config.Route{{Name: "DBs", Rooms: []string{"noc", "db"}}, {Name: "secret", Rooms: []string{"boss"}}, {Name: "route 3", Rooms: []string{"noc"}}},
	}
	view.Directory = roles{"noc": config.RoleAdmin, "db": config.RoleAdmin, "boss": config.RoleOperator}
	s := scope{Input{Room: "noc", Person: alice}, view}
	until := time.Now().Add(time.Hour).Truncate(time.Second)
	mute := func(route string) string {
		reply, _, err := answerMute(ctx, e, s, Request{Verb: MuteRoute, Route: route, Until: until, Text: "<@all>"}, nil, render.Room{Location: time.UTC})
		require.NoError(t, err)
		require.NotContains(t, reply, "<@all>")
		return reply
	}
	require.Contains(t, mute("secret"), "aren't **admin**")
	require.Contains(t, mute("dbx"), "I don't know the route `dbx`")
	for _, position := range []string{"route 3", "3", "Route 3"} {
		require.Contains(t, mute(position), "`route 3` has no name, only a position")
		require.True(t, mutes.Until("route 3").IsZero())
	}
	require.True(t, mutes.Until("secret").IsZero())
	require.Empty(t, w.notices())

	require.Contains(t, mute("dbs"), "🔇 Alice Example muted the route `DBs` until")
	mute("dbs") // read again after a crash
	require.Len(t, w.notices(), 1, "the other room is told once")
	require.Equal(t, "db", w.notices()[0].Room)

	again, err := LoadMutes(ctx, w, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	require.True(t, again.Until("DBs").Equal(until))

	reply, _, err := answerUnmute(ctx, e, s, Request{Verb: UnmuteRoute, Route: "DBs"}, nil, render.Room{})
	require.NoError(t, err)
	require.Contains(t, reply, "🔔 Alice Example unmuted")
	require.True(t, mutes.Until("DBs").IsZero())
	again, err = LoadMutes(ctx, w, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	require.True(t, again.Until("DBs").IsZero())
	reply, _, err = answerUnmute(ctx, e, s, Request{Verb: UnmuteRoute, Route: "DBs"}, nil, render.Room{})
	require.NoError(t, err)
	require.True(t, strings.HasSuffix(reply, "isn't muted."))
}

// The rooms of a route are told once when its mute ends by itself, also if that was while the relay was down.
func TestMuteEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.routes = []config.Route{{Name: "DBs", Rooms: []string{"noc", "db"}}, {Name: "lan", Rooms: []string{"lan"}}}
		start := time.Now()
		mute := func(r *relay, route string, length time.Duration) {
			require.NoError(t, r.o.Mutes.set(t.Context(), route, Mute{Until: time.Now().Add(length)}))
		}
		ends := func() (rooms string) {
			for _, n := range w.notices() {
				require.Equal(t, "relay", n.Bot)
				require.Equal(t, "🔔 The route `"+map[string]string{"noc": "DBs", "db": "DBs", "lan": "lan"}[n.Room]+"` isn't muted any more. What is still open is posted within a minute.", n.Markdown)
				rooms += n.Room + " "
			}
			return rooms
		}
		r := w.start(t)
		mute(r, "DBs", 150*time.Second)
		mute(r, "lan", 2*time.Hour)
		mute(r, "removed", time.Minute) // from the configuration
		time.Sleep(150*time.Second - time.Millisecond)
		synctest.Wait()
		require.Empty(t, ends())
		time.Sleep(time.Millisecond)
		synctest.Wait()
		require.Equal(t, "noc db ", ends())
		require.True(t, r.o.Mutes.Until("DBs").IsZero())
		require.False(t, r.o.Mutes.Until("lan").IsZero())

		mute(r, "DBs", time.Hour)
		require.NoError(t, r.o.Mutes.set(t.Context(), "DBs", Mute{})) // ended by a person, which has its own message
		r.stop()
		time.Sleep(3 * time.Hour)
		r = w.start(t)
		synctest.Wait()
		require.Equal(t, "noc db lan ", ends())
		r.stop()

		// It crashed before it forgot the mute.
		time.Sleep(time.Minute)
		synctest.Wait()
		require.NoError(t, w.SetValue(t.Context(), mutesValue, fmt.Sprintf(`{"lan": {"until": %q}}`, start.Add(2*time.Hour).Format(time.RFC3339Nano))))
		r = w.start(t)
		defer r.stop()
		synctest.Wait()
		require.Equal(t, "noc db lan ", ends())
		require.True(t, r.o.Mutes.Until("lan").IsZero())
	})
}

// A mute of a route that is known by its position alone isn't kept: another route may have that position now.
func TestMutesOfNumberedRoutesAreDropped(t *testing.T) {
	w := newWorld()
	until := time.Now().Add(time.Hour).Truncate(time.Second)
	stored := fmt.Sprintf(`{"route 1": {"until": %q}, "route 12": {"until": %[1]q}, "db": {"until": %[1]q}, "route x": {"until": %[1]q}, "route": {"until": %[1]q}}`, until.Format(time.RFC3339))
	require.NoError(t, w.SetValue(t.Context(), mutesValue, stored))
	var log strings.Builder
	mutes, err := LoadMutes(t.Context(), w, slog.New(slog.NewTextHandler(&log, nil)))
	require.NoError(t, err)
	for route, kept := range map[string]bool{"route 1": false, "route 12": false, "db": true, "route x": true, "route": true} {
		require.Equal(t, kept, mutes.Until(route).Equal(until), route)
		require.Equal(t, !kept, strings.Contains(log.String(), fmt.Sprintf("route=%q ", route)), route)
	}
}

// Damaged mutes don't keep the relay from starting.
func TestDamagedMutes(t *testing.T) {
	w := newWorld()
	until := time.Now().Add(time.Hour).Format(time.RFC3339)
	for _, value := range []string{"damaged", "[]", `{"db": {"until": "` + until + `"}, "lan": {"until": 5}}`} {
		require.NoError(t, w.SetValue(t.Context(), mutesValue, value))
		var log strings.Builder
		mutes, err := LoadMutes(t.Context(), w, slog.New(slog.NewTextHandler(&log, nil)))
		require.NoError(t, err)
		require.Contains(t, log.String(), "level=ERROR")
		require.Contains(t, log.String(), "no route is muted")
		require.True(t, mutes.Until("db").IsZero())
		require.NoError(t, mutes.set(t.Context(), "db", Mute{Until: time.Now()}))
	}
	require.NoError(t, w.Close())
	_, err := LoadMutes(t.Context(), w, slog.New(slog.DiscardHandler))
	require.ErrorContains(t, err, "reading the muted routes")
}
