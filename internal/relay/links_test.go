package relay

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/webex"
)

type located struct {
	posts  []store.Post
	groups map[int64]store.Group
	err    error
}

func (l located) PostsOf(context.Context, []alert.Key) (map[alert.Key][]store.Post, error) {
	return map[alert.Key][]store.Post{{Source: "main", EventID: "4711"}: l.posts}, l.err
}

func (l located) Group(_ context.Context, id int64) (store.Group, error) {
	if g, ok := l.groups[id]; ok {
		return g, nil
	}
	return store.Group{}, store.ErrNotFound
}

// The link in Zabbix's event menu leads to the message that shows the problem: its own, its digest's, or the direct chat.
func TestLocate(t *testing.T) {
	const (
		noc    = "Y2lzY29zcGFyazovL3VzL1JPT00vMDAwMDAwMDAtMDAwMC00MDAwLTgwMDAtMDAwMDAwMDAwMDAx" // …0001
		own    = "Y2lzY29zcGFyazovL3VzL01FU1NBR0UvMDAwMDAwMDAtMDAwMC00MDAwLTgwMDAtMDAwMDAwMDAwMDAy"
		digest = "Y2lzY29zcGFyazovL3VzL01FU1NBR0UvMDAwMDAwMDAtMDAwMC00MDAwLTgwMDAtMDAwMDAwMDAwMDAz"
		space  = "webexteams://im?space=00000000-0000-4000-8000-000000000001"
		toOwn  = space + "&message=00000000-0000-4000-8000-000000000002"
		toAll  = space + "&message=00000000-0000-4000-8000-000000000003"
		chat   = "webexteams://im?email=relay%40webex.bot"
	)
	cfg := &config.Config{Rooms: []config.Room{{Name: "noc", ID: noc, Bot: "b"}, {Name: "odd", ID: "ROOM1", Bot: "b"}}}
	cfg.Webex.Bots = []config.Bot{{Name: "b"}}
	key := alert.Key{Source: "main", EventID: "4711"}
	post := func(room, root string, group int64) store.Post {
		return store.Post{Key: key, Room: room, Group: group, Cursor: store.Cursor{RootID: root}}
	}
	groups := map[int64]store.Group{7: {ID: 7, GroupCursor: store.GroupCursor{MessageID: digest}}, 8: {ID: 8}}
	for name, c := range map[string]struct {
		posts   []store.Post
		address string
		posted  bool
	}{
		"no post":                        {nil, "", false},
		"not posted yet":                 {[]store.Post{post("noc", "", 0)}, "", false},
		"its own message":                {[]store.Post{post("noc", own, 0)}, toOwn, true},
		"in a digest":                    {[]store.Post{post("noc", "", 7)}, toAll, true},
		"in a digest, and posted before": {[]store.Post{post("noc", own, 7)}, toAll, true},
		"in a digest not posted yet":     {[]store.Post{post("noc", "", 8)}, "", false},
		"in a digest that was pruned":    {[]store.Post{post("noc", own, 9)}, toOwn, true},
		"a direct chat":                  {[]store.Post{post("person:alice@example.com", own, 0)}, chat, true},
		"a direct chat's digest":         {[]store.Post{post("person:alice@example.com", "", 7)}, chat, true},
		"a room comes before a chat":     {[]store.Post{post("person:alice@example.com", own, 0), post("noc", own, 0)}, toOwn, true},
		"a room id without a UUID":       {[]store.Post{post("odd", own, 0)}, "", true},
		"that, and a room with a link":   {[]store.Post{post("odd", own, 0), post("noc", "", 7)}, toAll, true},
		"that, and a direct chat":        {[]store.Post{post("odd", own, 0), post("person:alice@example.com", own, 0)}, chat, true},
		"a room not configured any more": {[]store.Post{post("gone", own, 0)}, "", true},
		"a message id without a UUID":    {[]store.Post{post("noc", "m1", 0)}, space, true},
	} {
		l := locator{located{posts: c.posts, groups: groups}, func() *config.Config { return cfg }, func(_ context.Context, bot string) (webex.Person, error) {
			require.Equal(t, "b", bot)
			return webex.Person{Emails: []string{"relay@webex.bot"}}, nil
		}}
		address, posted, err := l.Locate(t.Context(), key)
		require.NoError(t, err, name)
		require.Equal(t, c.address, address, name)
		require.Equal(t, c.posted, posted, name)
	}

	l := locator{located{err: errors.New("no database")}, func() *config.Config { return cfg }, nil}
	_, _, err := l.Locate(t.Context(), key)
	require.Error(t, err)
	l = locator{located{posts: []store.Post{post("person:a@example.com", own, 0)}}, func() *config.Config { return cfg }, func(context.Context, string) (webex.Person, error) {
		return webex.Person{}, errors.New("no Webex")
	}}
	address, posted, err := l.Locate(t.Context(), key)
	require.NoError(t, err)
	require.Empty(t, address)
	require.True(t, posted)
}

// values is a store of named values.
type values struct {
	held map[string]string
	err  error
}

func (v values) Value(_ context.Context, name string) (string, error) {
	if v.err != nil {
		return "", v.err
	}
	if value, ok := v.held[name]; ok {
		return value, nil
	}
	return "", store.ErrNotFound
}

func (v values) SetValue(_ context.Context, name, value string) error {
	v.held[name] = value
	return nil
}

// Each store has one link key, so links in Zabbix stay valid after a restart.
func TestLinkKeyIsKept(t *testing.T) {
	one, another := values{held: map[string]string{}}, values{held: map[string]string{}}
	first, err := linkKey(t.Context(), one)
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(first), 20)
	again, err := linkKey(t.Context(), one)
	require.NoError(t, err)
	require.Equal(t, first, again)
	other, err := linkKey(t.Context(), another)
	require.NoError(t, err)
	require.NotEqual(t, first, other)
	_, err = linkKey(t.Context(), values{err: errors.New("disk I/O error")})
	require.ErrorContains(t, err, "disk I/O error")
}
