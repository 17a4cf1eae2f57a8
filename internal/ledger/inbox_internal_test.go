package ledger

import (
	"testing"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/store"
)

// What waits decoded is bounded in entries and in bytes, and what is taken out makes room
// again, however it leaves and however often.
func TestInboxIsBounded(t *testing.T) {
	for name, c := range map[string]struct {
		size int // of each payload
		fits int
	}{
		"small payloads":      {100, inboxMost},
		"empty payloads":      {0, inboxMost},
		"large payloads":      {1 << 20, 16},
		"almost all of it":    {inboxBytes - 1, 1},
		"all of it":           {inboxBytes, 1},
		"more than all of it": {inboxBytes + 1, 0},
	} {
		for _, how := range []string{"run", "read"} {
			t.Run(name+", "+how, func(t *testing.T) {
				var b inbox
				payload := make([]byte, c.size)
				id := int64(0)
				for range 3 {
					first, fits := id+1, 0
					for b.put(Item{Entry: store.Entry{ID: id + 1, Payload: payload}}) {
						id++
						fits++
					}
					require.Equal(t, c.fits, fits)
					if how == "run" {
						items, _ := b.run(fits)
						require.Len(t, items, fits)
					} else {
						var entries []store.Entry
						for n := first; n <= id; n++ {
							entries = append(entries, store.Entry{ID: n})
						}
						items, _ := b.read(entries, func(store.Entry) Item { t.Error("it was decoded already"); return Item{} })
						require.Len(t, items, fits)
					}
					require.Zero(t, b.bytes)
					require.Zero(t, b.len())
				}
			})
		}
	}
}
