package relay

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/binding"
	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/delivery"
	"nms-alert-relay/internal/route"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/store/memory"
)

// No kind of message to a person is sent once they have left the allowed domains. Messages to rooms are, and those that a token of the
// notify API writes to an address.
func TestWithheldFromAPerson(t *testing.T) {
	cfg := &config.Config{
		Rooms: []config.Room{{Name: "noc", ID: "N"}}, DefaultRooms: []string{"noc"}, AllowedDomains: []string{"example.com"},
		People: []config.Person{{Email: "bob@example.com", Role: config.RoleViewer}},
	}
	router, err := route.New(cfg)
	require.NoError(t, err)
	l := new(live)
	l.Store(&snapshot{cfg: cfg, router: router})
	const inside, outside = "bob@example.com", "bob@elsewhere.example.com"
	for _, kind := range []store.NoticeKind{store.NoticeAnswer, store.NoticeReminder, store.NoticeTest, store.NoticeSystem, store.NoticeGraph, store.NoticeNotify} {
		for email, allowed := range map[string]bool{inside: true, outside: false} {
			for _, n := range []store.Notice{{Room: config.PersonRoom + email}, {Person: email}, {RoomID: "R", Person: email}} {
				n.Kind = kind
				want := allowed || kind == store.NoticeNotify && n.Person != ""
				require.Equal(t, want, l.withheldFrom(n) == "", "%+v", n)
			}
		}
		require.Empty(t, l.withheldFrom(store.Notice{Kind: kind, Room: "noc"}))
		require.Empty(t, l.withheldFrom(store.Notice{Kind: kind, RoomID: "R"}), "of an earlier version")
	}
}

// What a binding added is sent while that binding counts. No other binding of the room vouches for it.
func TestWithheldByTheBindingOfThePost(t *testing.T) {
	cfg := &config.Config{
		Rooms: []config.Room{{Name: "noc", ID: "N"}}, DefaultRooms: []string{"noc"}, AllowedDomains: []string{"example.com"},
		Webex: config.Webex{Bots: []config.Bot{{Name: "first"}, {Name: "second"}}},
		People: []config.Person{
			{Email: "dora@example.com", Role: config.RoleAdmin}, {Email: "erin@example.com", Role: config.RoleAdmin},
			{Email: "bob@example.com", Role: config.RoleViewer},
		},
	}
	k, err := binding.Load(t.Context(), memory.New(nil), slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	l := &live{bindings: k}
	use := func(change func(cfg *config.Config)) {
		next := *cfg
		change(&next)
		router, err := route.New(&next)
		require.NoError(t, err)
		l.use(&snapshot{cfg: &next, router: router, rooms: delivery.RoomsOf(&next)})
	}
	asItIs := func(*config.Config) {}
	use(asItIs)
	add := func(b store.Binding) (store.Binding, string) {
		b.Command, b.CreatedAt = b.Room+b.Host+b.Email+time.Now().String(), time.Now()
		b, _, err := k.Add(context.Background(), b)
		require.NoError(t, err)
		return b, route.BindingName(b.Room, b.ID)
	}
	const space, bob = "space:x", "person:bob@example.com"
	_, rule := add(store.Binding{Room: space, RoomID: "X", Bot: "second", Host: "db*", Email: "dora@example.com"})
	erin, _ := add(store.Binding{Room: space, RoomID: "X", Bot: "second", Host: "web*", Email: "erin@example.com"})
	own, subscription := add(store.Binding{Room: bob, RoomID: "B", Bot: "second", Host: "db*", Email: "bob@example.com"})
	check := func(room, rule string, fresh, shown bool, why string) {
		t.Helper()
		posted := []string{"noc", room}
		require.Equal(t, fresh, l.withheld(room, rule, posted, false) == "", "new: %s", why)
		require.Equal(t, shown, l.withheld(room, rule, posted, true) == "", "shown: %s", why)
	}
	check(space, rule, true, true, "it counts")
	check(bob, subscription, true, true, "it counts")
	check("noc", "", true, true, "a configured room")
	check(bob, "send_to", true, true, "not by a subscription")

	use(func(cfg *config.Config) { cfg.People = cfg.People[1:] })
	check(space, rule, false, false, "who bound it is no admin any more, whoever else bound this space")
	check(space, "", true, true, "a message with several problems: Erin's counts")
	use(func(cfg *config.Config) { cfg.Webex.Bots = cfg.Webex.Bots[:1] })
	check(space, rule, false, false, "its bot isn't configured")
	check(space, "", false, false, "no binding's is")
	use(func(cfg *config.Config) { cfg.People = cfg.People[:2] })
	check(bob, subscription, false, false, "he has no role")
	use(asItIs)

	end := func(b store.Binding, why store.BindingEnd) {
		_, err := k.End(context.Background(), b.ID, why)
		require.NoError(t, err)
	}
	add(store.Binding{Room: space, RoomID: "X", Bot: "second", Host: "db*", Email: "dora@example.com"})
	check(space, rule, true, true, "the same was bound again")
	last, _ := k.Last(space)
	end(last, store.BindingRemoved)
	end(own, store.BindingExpired)
	check(space, rule, false, true, "it has ended")
	check(bob, subscription, false, true, "it has ended")
	check(space, "", true, true, "Erin's counts")
	end(erin, store.BindingRefused)
	check(space, "", false, true, "only one that has ended is left")
	check(space, route.BindingName(space, erin.ID), false, false, "the room refused messages")
	check(space, "binding #99", false, false, "it is forgotten")
	check(bob, "subscription #99", false, true, "it is forgotten, and he may see it")
}
