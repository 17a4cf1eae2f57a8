package ledger_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/store"
)

// A canary becomes a notice in its room, and no problem. One that names no room is set aside.
func TestCanary(t *testing.T) {
	b := newBench(t)
	b.append(payload("1", "1"))
	b.own(store.EntryCanary, store.Envelope{EventID: "canary1", Room: "noc"})
	b.own(store.EntryCanary, store.Envelope{EventID: "canary2"})
	b.run()
	notices, err := b.store.PendingNotices(t.Context())
	require.NoError(t, err)
	require.Len(t, notices, 1)
	require.Equal(t, store.NoticeCanary, notices[0].Kind)
	require.Equal(t, "noc", notices[0].Room)
	require.Equal(t, "canary1", notices[0].Dedup)
	stats := b.stats()
	require.EqualValues(t, 1, stats.SetAside)
	require.Zero(t, stats.JournalPending)
	require.Len(t, b.posts("1"), 1, "the problem beside it has its post")
	require.Empty(t, b.posts("canary1"))
}
