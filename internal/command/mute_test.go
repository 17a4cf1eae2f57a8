package command

import (
	"context"
	"strings"
	"testing"
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
		require.Contains(t, q.text, want, "%q", said)
	}
}

// roles gives roles by room.
type roles map[string]config.Role

func (r roles) RoleOf(_ []string, room string) config.Role { return r[room] }

// A mute needs the role in each of the route's rooms, is told there, and survives a restart.
func TestMute(t *testing.T) {
	w := newWorld()
	ctx := context.Background()
	mutes, err := LoadMutes(ctx, w)
	require.NoError(t, err)
	e := &Executor{o: Options{Store: w, Mutes: mutes}}
	view := View{
		Rooms:  []config.Room{{Name: "noc"}, {Name: "db"}, {Name: "boss"}},
		Routes: []config.Route{{Name: "DBs", Rooms: []string{"noc", "db"}}, {Name: "secret", Rooms: []string{"boss"}}},
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
	require.True(t, mutes.Until("secret").IsZero())
	require.Empty(t, w.notices())

	require.Contains(t, mute("dbs"), "🔇 Alice Example muted the route `DBs` until")
	mute("dbs") // read again after a crash
	require.Len(t, w.notices(), 1, "the other room is told once")
	require.Equal(t, "db", w.notices()[0].Room)

	again, err := LoadMutes(ctx, w)
	require.NoError(t, err)
	require.True(t, again.Until("DBs").Equal(until))

	reply, _, err := answerUnmute(ctx, e, s, Request{Verb: UnmuteRoute, Route: "DBs"}, nil, render.Room{})
	require.NoError(t, err)
	require.Contains(t, reply, "🔔 Alice Example unmuted")
	require.True(t, mutes.Until("DBs").IsZero())
	again, err = LoadMutes(ctx, w)
	require.NoError(t, err)
	require.True(t, again.Until("DBs").IsZero())
	reply, _, err = answerUnmute(ctx, e, s, Request{Verb: UnmuteRoute, Route: "DBs"}, nil, render.Room{})
	require.NoError(t, err)
	require.True(t, strings.HasSuffix(reply, "isn't muted."))

	require.NoError(t, w.SetValue(ctx, mutesValue, "damaged"))
	_, err = LoadMutes(ctx, w)
	require.ErrorContains(t, err, "reading the muted routes")
}
