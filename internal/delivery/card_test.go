package delivery

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
)

// If Webex deleted a card but the answer was lost, the card is posted again, also if its old buttons apply
// again by the next attempt, or if the relay was killed in between.
func TestALostAnswerToADeletionReplacesTheCard(t *testing.T) {
	for _, killed := range []bool{false, true} {
		inWorld(t, nil, func(t *testing.T, w *world) {
			var lost atomic.Bool
			w.webex.meet = func(c aCall) *trouble {
				if c.op == "delete" && lost.CompareAndSwap(false, true) {
					return &trouble{lose: true}
				}
				return nil
			}
			w.fold(1, nil, "noc")
			w.pass(10 * time.Second)
			card := w.store.post(key(1), "noc").CardID
			require.NotEmpty(t, card)
			w.fold(1, ack)
			for w.pass(50 * time.Millisecond); !lost.Load(); w.pass(50 * time.Millisecond) {
			}
			if killed {
				w.stop()
			}
			w.fold(1, func(p *alert.Problem) { p.Acknowledged = false })
			if killed {
				w.start()
			}
			w.pass(time.Minute)
			require.Zero(t, w.store.pending())
			now := w.store.post(key(1), "noc").CardID
			require.NotEqual(t, card, now)
			require.False(t, w.webex.messages[now].deleted)
		})
	}
}
