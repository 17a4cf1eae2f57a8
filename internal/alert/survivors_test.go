package alert

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// A problem keeps a bounded number of places that its messages were sent to, the same in any order of arrival.
func TestSendToIsBounded(t *testing.T) {
	var first []string
	for range 20 {
		var p Problem
		for _, n := range rand.Perm(3 * maxSendTo) {
			p.takeSendTo(Event{Kind: KindProblem, SendTo: fmt.Sprintf(" room %03d", n)})
		}
		require.Len(t, p.SendTo, maxSendTo)
		if first == nil {
			first = p.SendTo
		}
		require.Equal(t, first, p.SendTo)
	}
}

// However many comments come, the newest of each act is kept: it says why the problem is as it is.
func TestActsOutliveComments(t *testing.T) {
	for _, bit := range []int{bitClose, bitAck, bitSuppress, bitUnack, bitSeverity} {
		var pieces []piece
		for n := range 3 * (keepFirst + keepNewest) {
			c := piece{At: int64(n), Bits: bitComment, Comment: fmt.Sprint(n)}
			if n == keepFirst+5 || n == keepFirst+9 {
				c.Bits |= bit
			}
			pieces = append(pieces, c)
		}
		var acts []int64
		for _, c := range bounded(pieces) {
			if c.Bits&bit != 0 {
				acts = append(acts, c.At)
			}
		}
		require.Equal(t, []int64{int64(keepFirst + 9)}, acts)
	}
}

// A time that lies after the relay heard of it is taken for the moment at which it heard.
func TestNoTimeLiesInTheFuture(t *testing.T) {
	for _, c := range []struct{ at, received, want int64 }{
		{1_000_000, 2_000_000, 1_000_000}, {2_000_000, 2_000_000, 2_000_000}, {3_000_000, 2_000_000, 2_000_000}, {90_000_000_000, 2_000_000, 2_000_000},
		{3_000_000, 0, 3_000_000}, // of a store that didn't keep it
	} {
		require.Equal(t, c.want, clock{At: c.at, Received: c.received}.time().UnixMicro())
	}
}
