package delivery

import (
	"context"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/store"
)

// racing is a store in which something happens to the problem between the two reads of a step.
type racing struct {
	*testStore
	between func()
}

func (r *racing) PostsOf(ctx context.Context, keys []alert.Key) (map[alert.Key][]store.Post, error) {
	posts, err := r.testStore.PostsOf(ctx, keys)
	r.between()
	return posts, err
}

func (r *racing) Problems(ctx context.Context, keys []alert.Key) (map[alert.Key]alert.Problem, error) {
	problems, err := r.testStore.Problems(ctx, keys)
	r.between()
	return problems, err
}

// A change that is committed between two reads of one step is posted, also without a wake-up.
func TestAChangeBetweenTwoReadsIsPosted(t *testing.T) {
	for name, tc := range map[string]struct {
		posted bool
		change func(*alert.Problem)
		shows  string
	}{
		"resolved before the first message":  {false, resolve, "resolved"},
		"resolved during an edit":            {true, resolve, "resolved"},
		"commented before the first message": {false, say("on it"), "said:on it"},
		"commented during an edit":           {true, say("on it"), "said:on it"},
		"more severe":                        {true, severity(alert.Disaster), "sev=disaster"},
	} {
		t.Run(name, func(t *testing.T) {
			for skipped := range 8 { // reads before the change
				r := &racing{between: func() {}}
				inWorld(t, func(o *Options) { r.testStore = o.Store.(*testStore); o.Store = r }, func(t *testing.T, w *world) {
					if tc.posted {
						w.fold(1, nil, "noc")
						w.pass(10 * time.Second)
					}
					n, once := 0, sync.OnceFunc(func() { w.store.fold(key(1), tc.change) })
					r.between = func() {
						if n++; n > skipped {
							once()
						}
					}
					if tc.posted {
						w.fold(1, say("first"))
					} else {
						w.fold(1, nil, "noc")
					}
					w.pass(2 * time.Minute)
					require.Zero(t, w.store.pending())
					if n > skipped {
						require.Contains(t, w.texts("noc")[0], tc.shows, "%d reads before", skipped)
					}
				})
			}
		})
	}
}

// A list names the problems that joined between the reads of its digest and of the members. It isn't attached again.
func TestAListIsAttachedOnceForWhatItNames(t *testing.T) {
	inStorm(t, func(t *testing.T, w *world) {
		joined := false
		w.store.set(func() {
			w.store.beforeMembers = func() {
				g := w.store.group(1)
				if joined || g.MessageID == "" || time.Since(g.JoinedAt) < 1500*time.Millisecond {
					return
				}
				joined = true
				w.rain(8, 12, nil)
			}
		})
		w.rain(0, 8, nil)
		w.pass(time.Minute)
		require.True(t, joined)
		require.Equal(t, []string{"post", "reply", "edit"}, w.ops())
		require.Contains(t, w.digestTexts("noc")[0], "main/11=open")
		require.Zero(t, w.store.pending())
	})
}

// claiming is a store that tells when a worker is about to make its first call.
type claiming struct {
	*testStore
	claimed func()
}

func (c *claiming) ClaimPost(ctx context.Context, key alert.Key, room string) (bool, error) {
	defer c.claimed()
	return c.testStore.ClaimPost(ctx, key, room)
}

// News of a task that a worker serves changes only what the queue owns: under the race detector, this test fails if the worker reads
// any of that, in a trace too. Nothing but turns of the processor orders the two, since a signal would.
func TestNewsOfATaskThatIsServed(t *testing.T) {
	served := make(chan struct{})
	yield := func(times int) {
		for range times {
			runtime.Gosched()
		}
	}
	inTraceOf(t, func(o *Options) { o.Store = &claiming{o.Store.(*testStore), sync.OnceFunc(func() { close(served) })} }, func(w *world) {
		w.webex.set(func(f *fakeWebex) {
			f.meet = func(aCall) *trouble { yield(10_000); return nil }
		})
		w.fold(1, nil, "noc")
		<-served
		for desired := range int64(20) {
			yield(100)
			w.d.Notify(store.Fold{Posts: []store.Post{{Key: key(1), Room: "noc", Severity: alert.High, Open: true, Desired: desired + 1, PendingSince: time.Now()}}})
		}
		w.pass(time.Minute)
		require.NotEmpty(t, w.texts("noc"))
		require.Zero(t, w.store.pending())
	})
}
