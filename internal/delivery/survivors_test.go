package delivery

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/render"
	"nms-alert-relay/internal/store"
)

// A problem that somebody acts on while it is gathered has a message of its own, and isn't in the digest.
func TestActedOnBeforeItsDigestIsWritten(t *testing.T) {
	for name, act := range map[string]func(*alert.Problem){
		"acknowledged": ack, "commented": say("I look at it"), "more severe": severity(alert.Disaster),
		"commented, then acknowledged": func(p *alert.Problem) { say("I look at it")(p); ack(p) },
	} {
		for _, after := range []time.Duration{0, 50 * time.Millisecond, 300 * time.Millisecond, 600 * time.Millisecond, time.Second} {
			t.Run(name+" after "+after.String(), func(t *testing.T) {
				inStorm(t, func(t *testing.T, w *world) {
					w.rain(0, 20, nil)
					w.pass(after)
					w.rain(3, 4, act)
					w.pass(20 * time.Second) // before the next rescan
					require.Zero(t, w.store.pending())
					own := w.store.post(key(3), "noc")
					require.NotEmpty(t, own.RootID)
					require.Zero(t, own.Digest)
					require.Len(t, w.digestTexts("noc"), 1)
					require.NotContains(t, w.digestTexts("noc")[0], "main/3=")
					require.Contains(t, w.digestTexts("noc")[0], "main/4=open")
				})
			})
		}
	}
}

// A digest's account forgets who left: the others stay as they are, whatever happens to it later.
func TestAnAccountForgetsWhoLeft(t *testing.T) {
	item := func(n int, open bool) render.DigestItem { return render.DigestItem{Key: key(n), Open: open} }
	for _, leaves := range []int{0, 1, 4} {
		a := &account{at: map[alert.Key]int{}}
		for n := range 5 {
			a.put(item(n, true))
		}
		left := []store.Post{{Key: key(leaves)}}
		a.remove(left)
		a.remove(left) // said twice
		require.Len(t, a.items, 4)
		for n := range 5 {
			if n != leaves {
				a.put(item(n, false))
			}
		}
		require.Len(t, a.items, 4)
		require.Equal(t, []alert.Key{key(leaves)}, a.take([]joining{{item: item(leaves, true)}}), "it isn't there any more")
		a.put(item(leaves, true))
		require.Len(t, a.items, 5)
		for _, i := range a.items {
			require.Equal(t, i.Key == key(leaves), i.Open)
		}
	}
}

// Problems that were gathered for no storm, and told by themselves, don't make the next storm older than
// it is: it is gathered as long as any, and named in one message.
func TestAStormAfterOneThatWasNone(t *testing.T) {
	for _, pause := range []time.Duration{2 * time.Second, 10 * time.Second, time.Minute, time.Hour} {
		t.Run(pause.String(), func(t *testing.T) {
			inWorld(t, func(o *Options) {
				o.Rooms = func(room, route string) (RoomSettings, bool) {
					s, ok := stormy(room, route)
					s.Storm.Threshold = 10
					return s, ok
				}
			}, func(t *testing.T, w *world) {
				w.rain(0, 6, nil) // more than a burst, less than a storm
				w.pass(pause)
				require.Empty(t, w.digestTexts("noc"))
				require.Zero(t, w.store.pending())
				for n := range 4 {
					w.rain(10+10*n, 20+10*n, nil)
					w.pass(400 * time.Millisecond)
				}
				require.Empty(t, w.digestTexts("noc"), "it still rains")
				w.pass(time.Minute)
				require.Zero(t, w.store.pending())
				require.Len(t, w.digestTexts("noc"), 1)
				for n := range 40 {
					require.Contains(t, w.digestTexts("noc")[0], key(10+n).String()+"=open")
				}
				require.NotContains(t, w.ops(), "edit", "it was told when all were there")
			})
		})
	}
}

// A burst after one that was no storm is waited for as long as the first was: what comes within half a second of it joins it
// in one message.
func TestABurstAfterOneThatWasNone(t *testing.T) {
	for _, pause := range []time.Duration{10 * time.Second, time.Minute, time.Hour} {
		t.Run(pause.String(), func(t *testing.T) {
			inWorld(t, func(o *Options) {
				o.Rooms = func(room, route string) (RoomSettings, bool) {
					s, ok := stormy(room, route)
					s.Storm.Threshold = 10
					return s, ok
				}
			}, func(t *testing.T, w *world) {
				w.rain(0, 4, nil)
				w.pass(pause)
				require.Empty(t, w.digestTexts("noc"))
				require.Zero(t, w.store.pending())
				w.rain(10, 14, nil)
				w.pass(300 * time.Millisecond)
				w.rain(14, 40, nil)
				w.pass(time.Minute)
				require.Zero(t, w.store.pending())
				require.Len(t, w.digestTexts("noc"), 1)
				for n := 10; n < 40; n++ {
					require.Empty(t, w.store.post(key(n), "noc").RootID, "it is told by the digest alone")
					require.Contains(t, w.digestTexts("noc")[0], key(n).String()+"=open")
				}
			})
		})
	}
}

// racing is a store in which something happens to the problem between the two reads of a step.
type racing struct {
	*memStore
	between func()
}

func (r *racing) PostsOf(ctx context.Context, keys []alert.Key) (map[alert.Key][]store.Post, error) {
	posts, err := r.memStore.PostsOf(ctx, keys)
	r.between()
	return posts, err
}

func (r *racing) Problems(ctx context.Context, keys []alert.Key) (map[alert.Key]alert.Problem, error) {
	problems, err := r.memStore.Problems(ctx, keys)
	r.between()
	return problems, err
}

// What happens to a problem while it is looked at is told, also if nobody is woken for it.
func TestAProblemThatChangesWhileItIsLookedAt(t *testing.T) {
	for name, tc := range map[string]struct {
		told   bool
		change func(*alert.Problem)
		shows  string
	}{
		"resolved before it is told":  {false, resolve, "resolved"},
		"resolved while an edit":      {true, resolve, "resolved"},
		"commented before it is told": {false, say("on it"), "said:on it"},
		"commented while an edit":     {true, say("on it"), "said:on it"},
		"more severe":                 {true, severity(alert.Disaster), "sev=disaster"},
	} {
		t.Run(name, func(t *testing.T) {
			for skipped := range 8 { // reads before it happens
				r := &racing{between: func() {}}
				inWorld(t, func(o *Options) { r.memStore = o.Store.(*memStore); o.Store = r }, func(t *testing.T, w *world) {
					if tc.told {
						w.fold(1, nil, "noc")
						w.pass(10 * time.Second)
					}
					n, once := 0, sync.OnceFunc(func() { w.store.fold(key(1), tc.change) })
					r.between = func() {
						if n++; n > skipped {
							once()
						}
					}
					if tc.told {
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

// A problem that was held back and may be told sooner after all takes its turn among those that came
// then: it is neither older nor younger, and others that keep coming don't go before it for ever.
func TestWhatIsLetGoTakesItsTurn(t *testing.T) {
	inWorld(t, func(o *Options) {
		o.RateLimit = 1
		o.Rooms = func(room, route string) (RoomSettings, bool) {
			s, ok := stormy(room, route)
			s.Storm.Threshold, s.Storm.Window = 1000, 0
			return s, ok
		}
	}, func(t *testing.T, w *world) {
		w.webex.took = 990 * time.Millisecond
		w.webex.set(func(f *fakeWebex) { // the pace doesn't grow
			f.meet = func(c aCall) *trouble { return nil }
		})
		w.later(1, 2, time.Now().Add(8*time.Hour))
		for n := range 30 {
			w.rain(100+n, 101+n, nil)
		}
		w.pass(5 * time.Second)
		w.tell(1, 2, time.Time{})
		w.d.Notify([]store.Post{w.store.post(key(1), "noc")})
		let := time.Now()
		for n := range 120 {
			w.rain(200+n, 201+n, nil)
			w.pass(250 * time.Millisecond)
		}
		place := func(n int) int {
			for i, c := range w.webex.seen() {
				if c.op == "post" && c.parent == "" && strings.HasPrefix(c.markdown, key(n).String()+" ") {
					return i
				}
			}
			return 1 << 20
		}
		require.Less(t, place(1), place(220), "those that came after it come after it: %v", time.Since(let))
		require.Greater(t, place(1), place(110), "those that came before it come before it")
	})
}
