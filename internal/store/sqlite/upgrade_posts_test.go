package sqlite

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/store"
)

// An upgrade keeps what was posted in rooms, what is still to be posted and when, and the messages.
func TestUpgradeOfPosts(t *testing.T) {
	path := filepath.Join(t.TempDir(), "relay.db")
	olderStore(t, path, 8)
	db, err := open(path)
	require.NoError(t, err)
	do := func(text string, args ...any) {
		t.Helper()
		_, err := db.ExecContext(t.Context(), text, args...)
		require.NoError(t, err)
	}
	past, future := time.Now().Add(-time.Hour).Truncate(time.Microsecond), time.Now().Add(time.Hour).Truncate(time.Microsecond)
	type old struct {
		id                    string
		desired, delivered    int
		root                  string
		told, digest          int
		state                 string
		open                  bool
		hold, tell, due, fail time.Time
	}
	for _, p := range []old{
		{id: "posted", desired: 2, delivered: 2, root: "ROOT1", told: 1, open: true},
		{id: "behind", desired: 3, delivered: 2, root: "ROOT2", told: 1, open: true, tell: past},
		{id: "behind and dead", desired: 3, delivered: 2, root: "ROOT3", told: 1, state: "dead"},
		{id: "refused", desired: 1, state: "dead", open: true},
		{id: "failing", desired: 1, open: true, fail: future},
		{id: "left a digest", desired: 2, delivered: 1, told: 1, open: true},
		{id: "new", desired: 1, open: true},
		{id: "delay ended", desired: 1, open: true, tell: past},
		{id: "delayed", desired: 1, open: true, tell: future},
		{id: "delayed, suppressed", desired: 1, open: true, tell: future, due: past},
		{id: "held", desired: 1, open: true, hold: future},
		{id: "resolved early", desired: 1, tell: past},
		{id: "resolved early, marked", desired: 1, delivered: 1, tell: past},
		{id: "held back", desired: 1, open: true},
		{id: "in a digest", desired: 2, delivered: 2, told: 2, digest: 1, open: true},
		{id: "in a digest, behind", desired: 2, delivered: 1, told: 1, digest: 2, open: true},
		{id: "in a dead digest", desired: 1, digest: 3, open: true},
		{id: "in a flapping digest", desired: 1, delivered: 1, digest: 4},
		{id: "in a digest that is gone", desired: 1, delivered: 1, told: 1, digest: 99, open: true},
	} {
		state, failures := "live", 0
		if p.state != "" {
			state = p.state
		}
		if !p.fail.IsZero() {
			failures = 3
		}
		do(`INSERT INTO posts (event_id, source, room, route, desired, severity, open, opened_at, dirty_since, hold_until, state, delivered, shown, told_seq,
			root_id, root_hash, card_id, card_actions, edits, digest, attempts, not_before, last_error, tracking_id, dead_at, delivered_at,
			joined_at, tell_after, due_at)
			VALUES (?, 'main', 'noc', 'r', ?, 4, ?, 1, 2, ?, ?, ?, ?, ?, ?, '', '', '', 0, ?, ?, ?, '', '', 3, 4, 5, ?, ?)`,
			p.id, p.desired, p.open, micro(p.hold), state, p.delivered, p.delivered, p.told, p.root, p.digest, failures, micro(p.fail), micro(p.tell), micro(p.due))
	}
	do(`INSERT INTO problems (event_id, source, state, open, severity, acknowledged, opened_at, written_at, name, hosts, doc)
		VALUES ('held back', 'main', 'open', 1, 4, 0, 1, 1, '', '[]', CAST('{"revision":3,"held_back":true}' AS BLOB)),
			('new', 'main', 'open', 1, 4, 0, 1, 1, '', '[]', CAST('{"revision":7}' AS BLOB)), ('damaged', 'main', 'open', 1, 4, 0, 1, 1, '', '[]', x'00')`)
	digest := func(id int, message string, pending bool, state, flap string, listDead int) {
		do(`INSERT INTO digests (id, room, state, created_at, message_id, hash, complete, edits, shown, listed, said, spoke_at, pending, joined, left_for,
			attempts, not_before, last_error, tracking_id, dead_at, flap, list_dead_at, list_error)
			VALUES (?, 'noc', ?, 7, ?, 'H', 1, 2, 3, 1, 3, 8, ?, 3, 1, 0, 0, '', '', 9, ?, ?, 'x')`, id, state, message, pending, flap, listDead)
	}
	digest(1, "DIGEST1", false, "live", "", 0)
	digest(2, "DIGEST2", false, "live", "", 9)
	digest(3, "", true, "dead", "", 0)
	digest(4, "DIGEST4", false, "live", "main/13579", 0)
	digest(6, "", true, "live", "", 0)
	do(`DELETE FROM digests WHERE id = 6`)
	require.NoError(t, db.Close())

	s, log := reopen(t, path)
	require.NotContains(t, log.String(), "level=ERROR")
	type state struct {
		claimed, pending, waits, dead bool
		group                         int64
		told                          int
	}
	for id, want := range map[string]state{
		"posted":                   {claimed: true, told: 1},
		"behind":                   {claimed: true, pending: true, told: 1},
		"behind and dead":          {claimed: true, dead: true, told: 1},
		"refused":                  {claimed: true, dead: true},
		"failing":                  {claimed: true, pending: true},
		"left a digest":            {claimed: true, pending: true, told: 1},
		"new":                      {pending: true},
		"delay ended":              {pending: true},
		"delayed":                  {waits: true},
		"delayed, suppressed":      {}, // checked for its suppression first
		"held":                     {waits: true},
		"resolved early":           {},
		"resolved early, marked":   {},
		"held back":                {},
		"in a digest":              {group: 1},
		"in a digest, behind":      {group: 2},
		"in a dead digest":         {group: 3},
		"in a flapping digest":     {group: 4},
		"in a digest that is gone": {claimed: true, told: 1},
	} {
		key := alert.Key{Source: "main", EventID: id}
		posts, err := s.PostsOf(t.Context(), []alert.Key{key})
		require.NoError(t, err)
		require.Len(t, posts[key], 1, id)
		p := posts[key][0]
		got := state{claimed: p.Claimed, pending: p.Pending(), waits: !p.LookAt.IsZero() && p.LookAt.Equal(p.HeldUntil()), dead: p.State == store.PostDead, group: p.Group, told: p.ToldSeq}
		require.Equal(t, want, got, id)
		require.Equal(t, at(5), p.JoinedAt)
		require.Equal(t, p.LookAt, p.DueAt(), id)
		require.Equal(t, p.Group > 0, p.FromSeq > 0, "%s: members get no lines for what happened before the upgrade", id)
		if got.waits {
			require.WithinDuration(t, future, p.LookAt, 0)
		}
		if id == "failing" {
			require.Equal(t, 3, p.Attempts)
			require.WithinDuration(t, future, p.NotBefore, 0)
		}
		if id == "delay ended" {
			require.WithinDuration(t, past, p.PendingSince, 0, "since the end of the delay")
		}
	}
	due, err := s.DuePosts(t.Context(), future, 0)
	require.NoError(t, err)
	require.Len(t, due, 3)

	type group struct {
		kind                    store.GroupKind
		message                 string
		pending, dead, resolved bool
		open, list              bool
	}
	for id, want := range map[int64]group{
		1: {kind: store.GroupStorm, message: "DIGEST1", open: true},
		2: {kind: store.GroupStorm, message: "DIGEST2", open: true, pending: true, list: true},
		3: {kind: store.GroupStorm, dead: true, open: true},
		4: {kind: store.GroupFlap, message: "DIGEST4", resolved: true},
	} {
		g, err := s.Group(t.Context(), id)
		require.NoError(t, err)
		require.Equal(t, want, group{kind: g.Kind, message: g.MessageID, pending: !g.PendingSince.IsZero(), dead: g.State == store.PostDead, resolved: g.SaysResolved,
			open: g.Open, list: !g.ListDeadAt.IsZero()}, id)
		require.Equal(t, !want.dead && g.Pending(), !g.PendingSince.IsZero(), "%d: a dead letter from before the upgrade owes nothing", id)
		require.Equal(t, []int{3, 1, 2, 1}, []int{g.Joined, g.Left, g.Edits, g.Listed})
		if g.MessageID != "" {
			found, err := s.GroupByMessage(t.Context(), g.MessageID)
			require.NoError(t, err)
			require.Equal(t, id, found.ID)
		}
	}
	require.NoError(t, s.CommitFold(t.Context(), store.Fold{Read: map[alert.Key]int64{{Source: "main", EventID: "new"}: 7, {Source: "main", EventID: "held back"}: 3},
		Groups: []store.Group{{ID: -1, Room: "noc", Kind: store.GroupStorm, Revision: 1}}}))
	_, err = s.Group(t.Context(), 7)
	require.NoError(t, err, "the id of a removed digest isn't reused")
	post, err := s.PostByMessage(t.Context(), "ROOT1")
	require.NoError(t, err)
	require.Equal(t, "posted", post.Key.EventID)
	st, err := s.Stats(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, 5+2+2, st.PostsPending, "posts, groups, and those that wait")
	require.EqualValues(t, []int64{2, 1, 1}, []int64{st.Dead(store.LetterPost), st.Dead(store.LetterDigest), st.Dead(store.LetterList)})
}
