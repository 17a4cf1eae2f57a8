package ledger_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/store"
)

// A problem whose room refuses it gets a post in another room. A reroute of an unknown problem is set aside.
func TestReroute(t *testing.T) {
	b := newBench(t)
	b.append(payload("1", "1"))
	b.own(store.EntryReroute, store.Envelope{EventID: "1", Room: "elsewhere"})
	b.own(store.EntryReroute, store.Envelope{EventID: "1", Room: "elsewhere"}) // a repetition changes nothing
	b.own(store.EntryReroute, store.Envelope{EventID: "99", Room: "elsewhere"})
	b.run()
	rooms := func() (names []string) {
		for _, p := range b.posts("1") {
			require.True(t, p.Pending())
			require.Equal(t, b.problem("1").Revision, p.Desired)
			names = append(names, p.Room)
		}
		return names
	}
	before := rooms()
	require.Contains(t, before, "elsewhere")
	require.EqualValues(t, 1, b.stats().SetAside)

	b.append(payload("1", "0", "EVENT.RECOVERY.DATE", "2026.11.24", "EVENT.RECOVERY.TIME", "11:59:59"))
	b.run()
	require.ElementsMatch(t, before, rooms())
}
