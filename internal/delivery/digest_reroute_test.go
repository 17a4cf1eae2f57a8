package delivery

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/store"
)

// If a room refuses its digest, the default room gets every problem of it, including those that joined at the last
// moment, even if the relay crashes right after the digest became a dead letter.
func TestARefusedDigestIsReroutedAfterACrash(t *testing.T) {
	inStorm(t, func(t *testing.T, w *world) {
		w.webex.set(func(f *fakeWebex) { delete(f.rooms, "R-noc") })
		crashed := false
		w.store.setFail(func(op string) error {
			if op == "GroupPosts" && w.store.group(1).State == store.PostDead {
				crashed = true
			}
			if crashed {
				return store.ErrClosed
			}
			return nil
		})
		w.rain(0, 20, nil)
		w.pass(time.Minute)
		require.True(t, crashed)
		require.Empty(t, w.texts("default"))
		require.Equal(t, 1, w.store.pending(), "the dead digest owes its problems")
		w.stop()
		w.store.setFail(nil)
		w.start()
		w.pass(time.Minute)
		texts := strings.Join(w.texts("default"), "\n")
		for n := range 20 {
			require.Contains(t, texts, fmt.Sprint(key(n), " open"))
		}
		require.Zero(t, w.store.pending())
		require.EqualValues(t, 20, w.metric("alert_relay_reroutes_total"))
		require.Len(t, w.digestTexts("noc"), 0)
	})
}
