package delivery

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// What somebody acts on while it is gathered for a digest that the room has
// already leaves that at once: its own message tells what was said.
func TestActedOnWhileGathered(t *testing.T) {
	inStorm(t, func(t *testing.T, w *world) {
		w.rain(0, 8, nil)
		w.pass(5 * time.Second)
		w.rain(0, 1, resolve) // an edit is pending
		w.pass(700 * time.Millisecond)
		w.rain(10, 18, nil)
		w.pass(500 * time.Millisecond)
		w.rain(11, 12, ack)
		w.pass(20 * time.Second)
		require.Len(t, w.digestTexts("noc"), 1)
		require.Contains(t, w.digestTexts("noc")[0], "main/10=open")
		require.NotContains(t, w.digestTexts("noc")[0], "main/11=")
		require.NotEmpty(t, w.store.post(key(11), "noc").RootID)
	})
}

// What somebody acts on between the moment when the digest's posts were looked at and
// the moment when its text is made isn't taken for told by that: it leaves, too.
func TestActedOnAtTheLastMoment(t *testing.T) {
	inStorm(t, func(t *testing.T, w *world) {
		reads := 0
		w.store.fail = func(op string) error {
			if op == "DigestPosts" {
				if reads++; reads == 2 { // the first read sorts, the second is for the text
					p := w.store.problems[key(1)]
					ack(&p)
					p.Revision++
					w.store.problems[key(1)] = p
					w.store.posts[key(1)][0].Desired++
				}
			}
			return nil
		}
		w.rain(0, 8, nil)
		w.pass(5 * time.Second)
		require.Len(t, w.digestTexts("noc"), 1)
		require.NotContains(t, w.digestTexts("noc")[0], "main/1=")
		require.NotEmpty(t, w.store.post(key(1), "noc").RootID)
	})
}
