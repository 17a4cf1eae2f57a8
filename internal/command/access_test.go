package command

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/store"
)

func people() *config.Config {
	utc := config.TimeZone{Location: time.UTC}
	return &config.Config{
		Rooms: []config.Room{
			{Name: "noc", ID: "ROOM-noc", Bot: "relay", TimeZone: utc}, {Name: "db", ID: "ROOM-db", Bot: "relay", TimeZone: utc}, {Name: "lan", ID: "ROOM-lan", Bot: "relay", TimeZone: utc},
		},
		People: []config.Person{
			{Email: "alice@example.com", Role: config.RoleOperator},
			{Email: "bob@example.com", Role: config.RoleAdmin, Rooms: []string{"db"}},
			{Email: "carol@example.com", Role: config.RoleViewer},
			{Email: "dave@example.com", Role: config.RoleViewer, Rooms: []string{"noc"}}, // an operator elsewhere, by domain
			{Domain: "ops.example.com", Role: config.RoleOperator},
			{Email: "erin@ops.example.com", Role: config.RoleViewer, Rooms: []string{"noc"}},
		},
		AllowedDomains: []string{"example.com", "ops.example.com"},
	}
}

// as returns the scope of a person in a room or a direct chat.
func as(email, room string, direct bool, also ...string) scope {
	cfg := people()
	return scope{Input{Room: room, Direct: direct, Person: Person{Email: email, Also: also}}, View{Directory: cfg, Rooms: cfg.Rooms}}
}

func postsIn(rooms ...string) []store.Post {
	var posts []store.Post
	for _, r := range rooms {
		posts = append(posts, store.Post{Room: r})
	}
	return posts
}

// The role for a problem is the person's role in the room of the command, if the problem was posted there.
func TestRoleForAProblem(t *testing.T) {
	for _, c := range []struct {
		why    string
		email  string
		room   string
		direct bool
		posts  []store.Post
		want   config.Role
	}{
		{"an operator everywhere, in a room with the post", "alice@example.com", "noc", false, postsIn("noc"), config.RoleOperator},
		{"a problem posted only in another room", "alice@example.com", "noc", false, postsIn("db"), ""},
		{"a problem posted in no room", "alice@example.com", "noc", false, nil, ""},
		{"an admin of one room", "bob@example.com", "db", false, postsIn("noc", "db"), config.RoleAdmin},
		{"an admin of one room, in another room", "bob@example.com", "noc", false, postsIn("noc", "db"), ""},
		{"a viewer", "carol@example.com", "noc", false, postsIn("noc"), config.RoleViewer},
		{"no role", "mallory@example.com", "noc", false, postsIn("noc"), ""},
		{"no address", "", "noc", false, postsIn("noc"), ""},
		{"a room's own entry can lower the role", "erin@ops.example.com", "noc", false, postsIn("noc"), config.RoleViewer},

		{"direct: the role in a room with the post", "bob@example.com", "", true, postsIn("noc", "db"), config.RoleAdmin},
		{"direct: no role in the room with the post", "bob@example.com", "", true, postsIn("noc"), ""},
		{"direct: an operator everywhere sees every problem", "alice@example.com", "", true, nil, config.RoleOperator},
		{"direct: not more than in the room with the post", "erin@ops.example.com", "", true, postsIn("noc"), config.RoleViewer},
		{"direct: the highest role of several rooms", "erin@ops.example.com", "", true, postsIn("noc", "db"), config.RoleOperator},
		{"direct: a post to the person gives the role viewer", "mallory@example.com", "", true, postsIn("person:mallory@example.com"), config.RoleViewer},
		{"direct: a post to somebody else gives no role", "mallory@example.com", "", true, postsIn("person:alice@example.com"), ""},
		{"direct: a post to somebody else keeps an operator's role", "alice@example.com", "", true, postsIn("person:bob@example.com"), config.RoleOperator},
		{"direct: a subscription's post gives no role", "mallory@example.com", "", true, []store.Post{{Room: "db"}, {Room: "person:mallory@example.com", Route: "subscription #1"}}, ""},
		{"direct: with a subscription's post, the role in the other room", "bob@example.com", "", true, []store.Post{{Room: "db"}, {Room: "person:bob@example.com", Route: "subscription #1"}}, config.RoleAdmin},
		{"direct: what is sent to the person gives it all the same", "mallory@example.com", "", true, []store.Post{{Room: "person:mallory@example.com", Route: "send_to"}}, config.RoleViewer},
		{"in a bound space, everywhere's role", "alice@example.com", "space:x", false, []store.Post{{Room: "space:x", Route: "binding #2"}}, config.RoleOperator},
		{"a group room that isn't configured isn't a direct chat", "alice@example.com", "", false, postsIn("noc"), ""},
	} {
		s := as(c.email, c.room, c.direct)
		require.Equal(t, c.want, s.roleFor(c.posts), c.why)
	}
}

// Who lost the role in a room reads no problems of it any more, although a subscription posted them before.
func TestASubscriptionGivesNoRole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		k := w.problem("main/4711", "db")
		w.commit(store.Fold{Posts: []store.Post{{Key: k, Room: "person:dave@example.com", Route: "subscription #1", Desired: 1, Open: true, TellAfter: time.Now()}}})
		r := w.start(t)
		defer r.stop()
		for n, say := range []string{"problems", "mine problems", "show 4711"} {
			r.receives(fmt.Sprint("M", n), Input{Direct: true, Person: Person{Email: "dave@example.com"}, Text: say})
			synctest.Wait()
		}
		require.Len(t, w.answers(), 3)
		require.NotContains(t, strings.Join(w.answers(), "\n"), "main/4711")
	})
}

// Each verb needs its role, and nobody may do anything without one.
func TestVerbsNeedRoles(t *testing.T) {
	admins, operators := []Verb{MuteRoute, UnmuteRoute, Audit, Maintenance, Bind, Unbind}, []Verb{Approve, Room, Join, Part, Role, Check, Conclude}
	for _, v := range verbs {
		require.False(t, may("", v.name), v.name)
		require.Equal(t, v.act == nil && v.name != Token && !slices.Contains(admins, v.name) && !slices.Contains(operators, v.name), may(config.RoleViewer, v.name), v.name)
		require.Equal(t, !slices.Contains(admins, v.name), may(config.RoleOperator, v.name), v.name)
		require.True(t, may(config.RoleAdmin, v.name), v.name)
	}
}

// In a direct chat a person has the highest role of any room.
func TestRoleInDirectChat(t *testing.T) {
	role := func(email string) config.Role {
		return as(email, "", true).role()
	}
	require.Equal(t, config.RoleAdmin, role("bob@example.com"))
	require.Equal(t, config.RoleOperator, role("erin@ops.example.com"))
	require.Equal(t, config.Role(""), role("mallory@example.com"))
}

// All of a person's addresses count for their role, in rooms and in direct chats.
func TestRolesByAllAddresses(t *testing.T) {
	cfg := people()
	for _, c := range []struct {
		emails []string
		room   string
	}{
		{[]string{"alice@example.com", "old@example.org"}, "noc"}, {[]string{"old@example.org", "alice@example.com"}, "noc"},
		{[]string{"old@example.org", "ALICE@example.com "}, "noc"},
	} {
		s := as(c.emails[0], c.room, false, c.emails[1:]...)
		require.Equal(t, cfg.RoleOf([]string{"alice@example.com"}, c.room), s.role())
		s.Direct, s.Room = true, ""
		require.True(t, s.isHere(config.DirectRoom(c.emails[0])))
		require.True(t, s.isHere(config.DirectRoom(c.emails[1])))
		require.False(t, s.isHere(config.DirectRoom("other@example.com")))
	}
	s := as("old@example.org", "noc", false, "alice+x@example.org")
	require.Equal(t, cfg.RoleOf([]string{"old@example.org"}, "noc"), s.role())
}
