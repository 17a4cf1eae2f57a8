package ledger

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/store"
)

// A post keeps the causes of what its room doesn't show yet, the first ones. A change that nobody sent adds none.
func TestCausesOfAPost(t *testing.T) {
	w := newWorld(t)
	traceOf := func(n int) string { return fmt.Sprintf("00-4bf92f3577b34da6a3ce929d0e0e4736-%016x-01", n) }
	plan := func(n int, e alert.Event) {
		item := Item{Entry: store.Entry{ID: int64(n), Kind: store.EntryEvent, ReceivedAt: e.ReceivedAt}, Decoded: Decoded{Event: e}}
		if n > 0 {
			item.Entry.Trace = traceOf(n)
		}
		d := Plan([]Item{item}, w.known, w.rules, epoch)
		w.keep(d.Finish(nil, nil).Fold)
	}
	plan(1, opened())
	require.Equal(t, []store.Cause{{Trace: traceOf(1), At: epoch}}, w.post("noc").Causes)
	plan(2, commented(time.Second, "on it"))
	plan(2, commented(2*time.Second, "the same request"))
	require.Len(t, w.post("noc").Causes, 2)
	w.deliver("noc")
	plan(0, commented(3*time.Second, "found by the API"))
	require.Empty(t, w.post("noc").Causes, "the room shows the others")

	for n := range 20 {
		plan(n+3, commented(time.Duration(n+4)*time.Second, fmt.Sprint(n)))
	}
	require.Len(t, w.post("noc").Causes, maxCauses)
	require.Equal(t, traceOf(3), w.post("noc").Causes[0].Trace)

	inGroup := store.Post{Group: 1, Desired: 1, Causes: []store.Cause{{Trace: traceOf(1)}, {Trace: traceOf(2)}}}
	require.Equal(t, []store.Cause{{Trace: traceOf(1)}, {Trace: traceOf(3)}}, causesOf(inGroup, store.Cause{Trace: traceOf(3)}))
	require.Equal(t, traceOf(2), inGroup.Causes[1].Trace, "the store's list is left alone")
}
