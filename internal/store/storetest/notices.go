package storetest

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/store"
)

// A notice is stored unchanged and is pending until it is sent, also across a restart.
func testNotices(t *testing.T, open Opener) {
	dir := t.TempDir()
	s := open(t, dir)
	want := store.Notice{Kind: store.NoticeAnswer, Sender: "x", Room: "noc", RoomID: "R1", Person: "alice@example.com", Bot: "noc", ParentID: "P1",
		Markdown: "**done**", Text: "done", Card: []byte(`{"type":"AdaptiveCard"}`), NotBefore: t0, CreatedAt: t0, Trace: trace}
	first := must(s.AddNotice(t.Context(), want))(t)
	second := must(s.AddNotice(t.Context(), store.Notice{Kind: store.NoticeNotify, Room: "noc", Text: "next"}))(t)
	require.NotEqual(t, first, second)
	require.NoError(t, s.Close())

	s = open(t, dir)
	got := must(s.Notice(t.Context(), first))(t)
	require.NotZero(t, got.ChangedAt)
	want.ID, want.State, want.Version, want.ChangedAt = first, store.NoticePending, 1, got.ChangedAt
	same(t, want, got)
	pending := must(s.PendingNotices(t.Context()))(t)
	require.Len(t, pending, 2)
	require.Equal(t, first, pending[0].ID, "the oldest first")

	got.Attempts, got.NotBefore, got.LastError, got.TrackingID = 1, t0.Add(time.Minute), "503", "T1"
	require.NoError(t, s.SaveNotice(t.Context(), got))
	same(t, got, must(s.Notice(t.Context(), first))(t))
	got.State, got.SentVersion, got.MessageID, got.Edits = store.NoticeSent, 1, "M1", 0
	require.NoError(t, s.SaveNotice(t.Context(), got))
	require.Len(t, must(s.PendingNotices(t.Context()))(t), 1)
	require.Equal(t, "M1", must(s.Notice(t.Context(), first))(t).MessageID)

	_, err := s.Notice(t.Context(), 99)
	require.ErrorIs(t, err, store.ErrNotFound)
	require.ErrorIs(t, s.SaveNotice(t.Context(), store.Notice{ID: 99}), store.ErrNotFound)
}

// Only notices with a card count that were sent since.
func testCardNotices(t *testing.T, open Opener) {
	s := open(t, t.TempDir())
	add := func(n store.Notice, sent bool) int64 {
		n.Kind, n.RoomID = store.NoticeAnswer, "R1"
		id := must(s.AddNotice(t.Context(), n))(t)
		if sent {
			n = must(s.Notice(t.Context(), id))(t)
			n.State, n.SentVersion, n.MessageID = store.NoticeSent, n.Version, "M"+n.Markdown
			require.NoError(t, s.SaveNotice(t.Context(), n))
		}
		return id
	}
	card := []byte(`{"type":"AdaptiveCard","actions":[{"type":"Action.Submit"}]}`)
	want := []int64{add(store.Notice{Markdown: "1", Card: card}, true)}
	add(store.Notice{Markdown: "2"}, true)
	add(store.Notice{Markdown: "3", Card: card}, false)
	want = append(want, add(store.Notice{Markdown: "4", Card: []byte(`{"type":"AdaptiveCard"}`)}, true))
	found := must(s.CardNotices(t.Context(), time.Time{}))(t)
	require.Len(t, found, 2)
	require.Equal(t, want, []int64{found[0].ID, found[1].ID})
	require.True(t, found[0].HasButtons())
	require.False(t, found[1].HasButtons())
	same(t, found[0], must(s.Notice(t.Context(), want[0]))(t))
	require.Len(t, must(s.CardNotices(t.Context(), found[0].ChangedAt))(t), 2)
	require.Empty(t, must(s.CardNotices(t.Context(), found[1].ChangedAt.Add(time.Hour)))(t))
}

// A second notice with the same key replaces the first one's body. A key counts for its sender and its
// room or person only.
func testNoticeDedup(t *testing.T, open Opener) {
	s := open(t, t.TempDir())
	add := func(n store.Notice) int64 { t.Helper(); return must(s.AddNotice(t.Context(), n))(t) }
	n := store.Notice{Kind: store.NoticeNotify, Sender: "ansible", Room: "noc", Text: "running", Dedup: "deploy-7", CreatedAt: t0}
	id := add(n)
	sent := must(s.Notice(t.Context(), id))(t)
	sent.State, sent.SentVersion, sent.MessageID, sent.Edits = store.NoticeSent, 1, "M1", 2
	require.NoError(t, s.SaveNotice(t.Context(), sent))

	n.Text, n.Markdown, n.CreatedAt, n.Trace = "", "**done**", t0.Add(time.Hour), trace
	require.Equal(t, id, add(n))
	got := must(s.Notice(t.Context(), id))(t)
	require.Equal(t, store.NoticePending, got.State)
	require.EqualValues(t, 2, got.Version)
	require.EqualValues(t, 1, got.SentVersion)
	require.Equal(t, "**done**", got.Markdown)
	require.Empty(t, got.Text)
	require.Equal(t, trace, got.Trace)
	require.Equal(t, "M1", got.MessageID, "the message to edit")
	require.Equal(t, 2, got.Edits)
	require.Equal(t, t0, got.CreatedAt)

	seen := map[int64]bool{id: true}
	for _, change := range []func(*store.Notice){
		func(n *store.Notice) { n.Sender = "cron" },
		func(n *store.Notice) { n.Room = "db" },
		func(n *store.Notice) { n.Room, n.Person = "", "alice@example.com" },
		func(n *store.Notice) { n.Dedup = "deploy-8" },
		func(n *store.Notice) { n.Dedup = "" },
		func(n *store.Notice) { n.Dedup = "" },
	} {
		other := n
		change(&other)
		id := add(other)
		require.False(t, seen[id], "%+v", other)
		seen[id] = true
	}
}

// If a notice's body is replaced while the old one is being sent, the new one is sent as well, at once: failures of
// the old one don't count for it.
func testNoticeReplaced(t *testing.T, open Opener) {
	for _, end := range []store.NoticeState{store.NoticeSent, store.NoticePending, store.NoticeDead} {
		s := open(t, t.TempDir())
		n := store.Notice{Kind: store.NoticeNotify, Sender: "ansible", Room: "noc", Text: "one", Dedup: "k"}
		id := must(s.AddNotice(t.Context(), n))(t)
		sending := must(s.Notice(t.Context(), id))(t)
		n.Text = "two"
		require.Equal(t, id, must(s.AddNotice(t.Context(), n))(t))
		want := must(s.Notice(t.Context(), id))(t)

		sending.State, sending.MessageID, sending.Edits = end, "M1", 3
		if end == store.NoticeSent {
			sending.SentVersion = sending.Version
		} else {
			sending.Attempts, sending.NotBefore, sending.LastError, sending.TrackingID = 4, t0.Add(time.Minute), "503", "T1"
		}
		require.NoError(t, s.SaveNotice(t.Context(), sending))
		got := must(s.Notice(t.Context(), id))(t)
		want.SentVersion, want.MessageID, want.Edits = sending.SentVersion, "M1", 3
		same(t, want, got)
		require.EqualValues(t, 1, stats(t, s).NoticesPending)

		got.State, got.SentVersion = store.NoticeSent, got.Version
		require.NoError(t, s.SaveNotice(t.Context(), got))
		require.Zero(t, stats(t, s).NoticesPending)
	}
}

// The newest root of a thread gets the replies. A thread counts for its sender and its room or person only.
func testNoticeThread(t *testing.T, open Opener) {
	s := open(t, t.TempDir())
	n := store.Notice{Kind: store.NoticeNotify, Sender: "ansible", Room: "noc", Text: "x", Thread: "deploy"}
	add := func(n store.Notice, message, parent string) store.Notice {
		t.Helper()
		id := must(s.AddNotice(t.Context(), n))(t)
		got := must(s.Notice(t.Context(), id))(t)
		if message != "" {
			got.State, got.SentVersion, got.MessageID, got.ParentID = store.NoticeSent, 1, message, parent
			require.NoError(t, s.SaveNotice(t.Context(), got))
			same(t, parent, must(s.Notice(t.Context(), id))(t).ParentID)
		}
		return got
	}
	root := func(n store.Notice) string { t.Helper(); return must(s.ThreadRoot(t.Context(), n))(t) }
	add(n, "", "")
	require.Empty(t, root(n), "nothing was sent yet")
	first := add(n, "M1", "")
	require.Equal(t, "M1", root(n))
	require.Empty(t, root(first), "a message isn't below itself")
	add(n, "M2", "M1")
	require.Equal(t, "M1", root(n))
	add(n, "M3", "")
	require.Equal(t, "M3", root(n), "the thread has begun again")
	for _, change := range []func(*store.Notice){
		func(n *store.Notice) { n.Sender = "cron" },
		func(n *store.Notice) { n.Room = "db" },
		func(n *store.Notice) { n.Room, n.Person = "", "alice@example.com" },
		func(n *store.Notice) { n.Thread = "other" },
		func(n *store.Notice) { n.Thread = "" },
	} {
		other := n
		change(&other)
		require.Empty(t, root(other), "%+v", other)
	}
}

// The file of a notice stays until the notice is sent or dropped, also across a restart. Reading notices doesn't read files.
func testNoticeFile(t *testing.T, open Opener) {
	dir := t.TempDir()
	s := open(t, dir)
	content := bytes.Repeat([]byte{0, 1, 255}, 1<<19)
	n := store.Notice{Kind: store.NoticeNotify, Sender: "ansible", Room: "noc", File: &store.File{Name: "report.pdf", Type: "application/pdf", Content: content}}
	sent, dropped := must(s.AddNotice(t.Context(), n))(t), must(s.AddNotice(t.Context(), n))(t)
	require.NoError(t, s.Close())
	s = open(t, dir)
	without := &store.File{Name: "report.pdf", Type: "application/pdf"}
	for _, got := range append(must(s.PendingNotices(t.Context()))(t), must(s.Notice(t.Context(), sent))(t)) {
		same(t, without, got.File)
	}
	require.Equal(t, content, must(s.NoticeFile(t.Context(), sent))(t))

	end := func(id int64, state store.NoticeState) {
		got := must(s.Notice(t.Context(), id))(t)
		got.State, got.SentVersion = state, 1
		require.NoError(t, s.SaveNotice(t.Context(), got))
	}
	gone := func(id int64) {
		t.Helper()
		_, err := s.NoticeFile(t.Context(), id)
		require.ErrorIs(t, err, store.ErrNotFound)
	}
	end(sent, store.NoticeSent)
	gone(sent)
	same(t, without, must(s.Notice(t.Context(), sent))(t).File)
	letter := store.DeadLetter{Kind: store.LetterNotice, Number: dropped}.ID()
	end(dropped, store.NoticeDead)
	require.Equal(t, content, must(s.NoticeFile(t.Context(), dropped))(t), "a dead letter can be replayed")
	require.NoError(t, s.ReplayDead(t.Context(), letter))
	require.Equal(t, content, must(s.NoticeFile(t.Context(), dropped))(t))
	end(dropped, store.NoticeDead)
	require.NoError(t, s.DropDead(t.Context(), letter))
	gone(dropped)
	gone(99)
}

// The same request again changes nothing; another one with its key is refused.
func testNoticeOnce(t *testing.T, open Opener) {
	dir := t.TempDir()
	s := open(t, dir)
	n := store.Notice{Kind: store.NoticeNotify, Sender: "ansible", Room: "noc", Text: "done", Dedup: "run", Once: store.Once{Key: "k1", Digest: "a"}}
	id := must(s.AddNotice(t.Context(), n))(t)
	require.NoError(t, s.Close())
	s = open(t, dir)
	require.Equal(t, id, must(s.AddNotice(t.Context(), n))(t))
	require.EqualValues(t, 1, must(s.Notice(t.Context(), id))(t).Version, "its body isn't replaced")

	other := n
	other.Text, other.Once.Digest = "failed", "b"
	_, err := s.AddNotice(t.Context(), other)
	require.ErrorIs(t, err, store.ErrKeyReused)
	require.Equal(t, "done", must(s.Notice(t.Context(), id))(t).Text)
	other.Once.Key = "k2"
	require.Equal(t, id, must(s.AddNotice(t.Context(), other))(t), "another request edits by the notice's key")
	require.Equal(t, "failed", must(s.Notice(t.Context(), id))(t).Text)
	n.Sender = "cron"
	require.NotEqual(t, id, must(s.AddNotice(t.Context(), n))(t), "a key is its sender's")
}
