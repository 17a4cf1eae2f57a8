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
			w.webex.meets(func(c aCall) *trouble {
				if c.op == "delete" && lost.CompareAndSwap(false, true) {
					return &trouble{lose: true}
				}
				return nil
			})
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
			require.False(t, w.webex.message(now).deleted)
		})
	}
}

// A card goes as soon as one of its buttons did something, before the debounce ends, and a new one takes its place. The card of another room
// stays.
func TestAPressedCardIsSpentAtOnce(t *testing.T) {
	inWorld(t, nil, func(t *testing.T, w *world) {
		w.fold(1, nil, "noc", "db")
		w.pass(10 * time.Second)
		pressed, other := w.store.post(key(1), "noc").CardID, w.store.post(key(1), "db").CardID
		w.fold(1, func(p *alert.Problem) {
			p.Timeline = append(p.Timeline, alert.Entry{Seq: p.LastSeq() + 1, Kind: alert.EntryUpdate, At: time.Now(), Update: &alert.Update{Message: "on it", Card: pressed}})
		})
		w.pass(100 * time.Millisecond)
		require.True(t, w.webex.message(pressed).deleted)
		w.pass(time.Minute)
		require.Zero(t, w.store.pending())
		now := w.store.post(key(1), "noc").CardID
		require.NotEqual(t, pressed, now)
		require.False(t, w.webex.message(now).deleted)
		require.Equal(t, other, w.store.post(key(1), "db").CardID)
		require.False(t, w.webex.message(other).deleted)
	})
}

// A card that is the message is replaced at once too if its button changed what it shows; a comment goes to its thread at once.
func TestAPressOnACardThatIsTheMessage(t *testing.T) {
	inWorld(t, nil, func(t *testing.T, w *world) {
		press := func(change func(*alert.Problem)) (before, after string, more int) {
			before, more = w.store.post(key(1), "card").CardID, len(w.webex.live("R-card"))
			w.fold(1, func(p *alert.Problem) {
				p.Timeline = append(p.Timeline, alert.Entry{Seq: p.LastSeq() + 1, Kind: alert.EntryUpdate, At: time.Now(), Update: &alert.Update{Message: "on it", Card: before}})
				change(p)
			})
			w.pass(200 * time.Millisecond)
			return before, w.store.post(key(1), "card").CardID, len(w.webex.live("R-card")) - more
		}
		w.fold(1, nil, "card")
		w.pass(10 * time.Second)
		before, after, more := press(func(*alert.Problem) {})
		require.Equal(t, before, after)
		require.Equal(t, 1, more, "a line in its thread")
		before, after, _ = press(func(p *alert.Problem) { p.Acknowledged = true })
		require.NotEqual(t, before, after)
		require.True(t, w.webex.message(before).deleted)
		require.Equal(t, after, w.store.post(key(1), "card").RootID)
	})
}
