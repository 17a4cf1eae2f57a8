package delivery

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/store"
)

// later folds new problems that the room isn't told of before a moment.
func (w *world) later(from, to int, until time.Time) {
	var told []store.Post
	for n := from; n < to; n++ {
		told = append(told, w.store.fold(key(n), nil, "noc")...)
	}
	w.tell(from, to, until)
	for i := range told {
		told[i].TellAfter = until
	}
	w.d.Notify(told)
}

// tell is the ledger's word of when the room may be told.
func (w *world) tell(from, to int, until time.Time) {
	w.store.mu.Lock()
	defer w.store.mu.Unlock()
	for n := from; n < to; n++ {
		for i := range w.store.posts[key(n)] {
			w.store.posts[key(n)][i].TellAfter = until
		}
	}
}

// asked counts how often delivery looks at a post.
func (w *world) asked() *int {
	n := new(int)
	w.store.mu.Lock()
	defer w.store.mu.Unlock()
	w.store.fail = func(op string) error {
		if op == "PostsOf" {
			*n++
		}
		return nil
	}
	return n
}

// What isn't to be told yet costs nothing while it waits, and when its time comes it
// comes as a storm does.
func TestWhatIsHeldComesAtOnce(t *testing.T) {
	inStorm(t, func(t *testing.T, w *world) {
		looked := w.asked()
		until := time.Now().Add(8 * time.Hour)
		w.later(0, 50, until)
		w.pass(8*time.Hour - time.Second)
		require.Empty(t, w.ops())
		require.Zero(t, *looked, "in eight hours of looking for what a lost wake missed")
		require.NotZero(t, w.store.pending())
		w.pass(20 * time.Second)
		require.Equal(t, []string{"post", "reply"}, w.ops(), "a digest and its list")
		require.Zero(t, w.store.pending())
	})
}

// A few that are held for the same time are told by themselves, as a few that come at once are.
func TestAFewThatAreHeldAreToldByThemselves(t *testing.T) {
	inStorm(t, func(t *testing.T, w *world) {
		w.later(0, 2, time.Now().Add(time.Hour))
		w.pass(time.Hour - time.Second)
		require.Empty(t, w.ops())
		w.pass(5 * time.Second)
		require.Equal(t, []string{"post", "post", "card", "card"}, w.ops())
		require.Zero(t, w.store.pending())
	})
}

// What is over while it is held is looked at once, and told nobody; what may be told
// earlier is; what is put off is told later, also across a restart.
func TestWhatHappensToWhatIsHeld(t *testing.T) {
	inStorm(t, func(t *testing.T, w *world) {
		until := time.Now().Add(time.Hour)
		w.later(0, 3, until)
		w.pass(time.Minute)
		looked := w.asked()
		gone := w.store.fold(key(0), func(p *alert.Problem) { resolve(p); p.ResolvedAt = time.Now() }, "noc")
		w.d.Notify(gone)
		w.pass(time.Second)
		require.Equal(t, 1, *looked)
		require.Empty(t, w.ops())
		require.Zero(t, w.store.post(key(0), "noc").RootID)
		require.EqualValues(t, 2, w.store.pending())

		w.tell(1, 2, time.Time{}) // it became severe
		w.d.Notify(w.store.fold(key(1), severity(alert.Disaster), "noc"))
		w.pass(time.Second)
		require.Equal(t, []string{"post", "card"}, w.ops())

		w.tell(2, 3, until.Add(time.Hour)) // its severity fell
		w.d.Notify(w.store.fold(key(2), severity(alert.Warning), "noc"))
		w.stop()
		w.start()
		w.pass(time.Until(until.Add(time.Hour)) - time.Second)
		require.Equal(t, []string{"post", "card"}, w.ops())
		w.pass(10 * time.Second)
		require.Equal(t, []string{"post", "card", "post", "card"}, w.ops())
		require.Zero(t, w.store.pending())
		synctest.Wait()
	})
}
