package delivery

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A digest and its list show the same members: they are read once. A change in between, and an edit that failed, read
// them again.
func TestADigestAndItsListReadTheMembersOnce(t *testing.T) {
	for name, tc := range map[string]struct {
		after func(w *world) // after the digest was posted
		reads int
	}{
		"digest and list": {reads: 1},
		"a member resolves before the list": {
			after: func(w *world) { w.rain(0, 1, resolve) },
			reads: 2, // the list's; the edit follows
		},
		"the list fails once": {
			after: func(w *world) {
				failed := false
				w.webex.set(func(f *fakeWebex) {
					f.meet = func(aCall) *trouble {
						if failed {
							return nil
						}
						failed = true
						return &trouble{status: 503}
					}
				})
			},
			reads: 2,
		},
	} {
		t.Run(name, func(t *testing.T) {
			inStorm(t, func(t *testing.T, w *world) {
				reads := 0
				w.store.beforeMembers = func() { reads++ }
				w.rain(0, 8, nil)
				for len(w.ops()) == 0 {
					w.pass(100 * time.Millisecond)
				}
				if tc.after != nil {
					tc.after(w)
				}
				w.pass(5 * time.Minute)
				require.Zero(t, w.store.pending())
				require.Equal(t, tc.reads, reads, "%v", w.ops())
				live := w.webex.live("R-noc")
				require.NotEmpty(t, live[len(live)-1].file)
				require.EqualValues(t, 8, w.metric("alert_relay_digested_posts_total"))
			})
		})
	}
}
