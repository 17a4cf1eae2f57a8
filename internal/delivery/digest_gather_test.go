package delivery

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/render"
	"nms-alert-relay/internal/store"
)

// What comes while a digest gathers is put into it by the fold: delivery joins and reads no
// posts, and tells all in an edit; a digest that was told takes in more, until it has had its edits.
func TestTheFoldGathers(t *testing.T) {
	inStorm(t, func(t *testing.T, w *world) {
		calls := map[string]int{}
		w.store.fail = func(op string) error {
			calls[op]++
			return nil
		}
		pour := func(from, to int) { // with their problems, as the ledger does
			var posts []store.Post
			var problems []alert.Problem
			for n := from; n < to; n++ {
				posts = append(posts, w.store.fold(key(n), nil, "noc")...)
				problems = append(problems, w.store.problems[key(n)])
			}
			w.d.Notify(posts, problems...)
		}
		pour(0, 8)
		w.pass(300 * time.Millisecond)
		require.Equal(t, 1, calls["JoinDigest"], "a storm is gathered at once")
		require.Empty(t, w.ops(), "and told in a moment")
		clear(calls)
		for n := 8; n < 200; n += 8 {
			pour(n, n+8)
			w.pass(100 * time.Millisecond)
		}
		w.pass(gatherMost)
		require.Zero(t, calls["JoinDigest"])
		require.LessOrEqual(t, calls["DigestKeys"], 1, "for those that came before it gathered")
		require.LessOrEqual(t, calls["Problems"], 1)
		require.Len(t, w.digestTexts("noc"), 1)
		for n := range 200 {
			require.Contains(t, w.digestTexts("noc")[0], fmt.Sprintf(" main/%d=open", n))
			require.EqualValues(t, 1, w.store.post(key(n), "noc").Digest)
		}
		require.EqualValues(t, 200, w.metric("alert_relay_digested_posts_total"))
		require.EqualValues(t, 200, w.metric("alert_relay_delivery_seconds"))

		// What happens to them is read once, by who tells it, unless it may make them leave.
		clear(calls)
		var posts []store.Post
		var problems []alert.Problem
		for n := range 10 {
			posts = append(posts, w.store.fold(key(n), resolve, "noc")...)
			posts[n].Digest, posts[n].ToldSeq = 1, 1
			problems = append(problems, w.store.problems[key(n)])
		}
		w.d.Notify(posts, problems...)
		w.pass(20 * time.Second)
		require.Zero(t, calls["PostsOf"])
		require.Equal(t, 10, strings.Count(w.digestTexts("noc")[0], "=resolved"))

		// It rains on: at most joinEdits edits, then another one; and what comes later is told by itself.
		for n := 200; n < 1000; n += 4 {
			pour(n, n+4)
			w.pass(200 * time.Millisecond)
		}
		w.pass(time.Minute)
		texts := w.digestTexts("noc")
		require.Greater(t, len(texts), 1)
		require.LessOrEqual(t, strings.Count(strings.Join(w.ops(), " "), "edit"), joinEdits*len(texts))
		pour(1000, 1001)
		w.pass(10 * time.Second)
		require.NotEmpty(t, w.store.post(key(1000), "noc").RootID)
		require.Zero(t, w.store.pending())
	})
}

// Who leaves before a digest has told anything isn't told by it.
func TestWhoLeavesWhileItGathers(t *testing.T) {
	inStorm(t, func(t *testing.T, w *world) {
		w.rain(0, 8, nil)
		w.pass(100 * time.Millisecond)
		w.rain(8, 12, nil)
		w.pass(100 * time.Millisecond)
		w.rain(3, 4, ack)
		w.rain(9, 10, severity(alert.Disaster))
		w.pass(10 * time.Second)
		require.Len(t, w.digestTexts("noc"), 1)
		for n := range 12 {
			own := n == 3 || n == 9
			require.Equal(t, own, w.store.post(key(n), "noc").RootID != "", n)
			require.Equal(t, !own, strings.Contains(w.digestTexts("noc")[0], fmt.Sprintf(" main/%d=", n)), n)
		}
		require.Zero(t, w.store.pending())
	})
}

// lateStore says what is pending a while after it looked.
type lateStore struct{ *memStore }

func (s lateStore) PendingDigests(ctx context.Context, room string) ([]store.Digest, error) {
	pending, err := s.memStore.PendingDigests(ctx, room)
	time.Sleep(100 * time.Millisecond)
	return pending, err
}

// What comes while the room's digests are looked at isn't forgotten until somebody looks again.
func TestJoiningWhileTheDigestIsLookedAt(t *testing.T) {
	inWorld(t, func(o *Options) { o.Rooms, o.Store = stormy, lateStore{o.Store.(*memStore)} }, func(t *testing.T, w *world) {
		w.rain(0, 8, nil)
		w.pass(5 * time.Second)
		for at := time.Duration(0); at < 6*time.Second; at += 50 * time.Millisecond {
			n := 1000 + 10*int(at/time.Millisecond)
			w.rain(n, n+8, nil)
			w.pass(at)
			w.rain(n+8, n+9, nil)
			w.pass(15*time.Second - at)
			require.Zero(t, w.store.pending(), at)
		}
	})
}

// Of a digest's account: who joined is told as it was then, unless it was read since.
func TestAccount(t *testing.T) {
	item := func(n int, open bool) render.DigestItem {
		return render.DigestItem{Key: key(n), Open: open, Link: "https://zabbix.example.com"}
	}
	a := &account{at: map[alert.Key]int{}}
	a.put(item(1, false))
	require.Equal(t, []alert.Key{key(3)}, a.take([]joining{{item(1, true), true}, {item(2, true), true}, {item(3, true), false}}))
	require.Equal(t, []render.DigestItem{{Key: key(1)}, {Key: key(2), Open: true}}, a.items)
	a.put(item(4, true))
	require.Equal(t, 2, a.lacks(store.Digest{Joined: 6, Left: 1}))
	a.remove([]store.Post{{Key: key(1)}, {Key: key(5)}})
	a.put(item(4, false))
	require.Equal(t, []render.DigestItem{{Key: key(4)}, {Key: key(2), Open: true}}, a.items)
}

// What changed and says nothing new in a digest is soon done with, however long its next edit waits;
// what says something waits for that, and isn't looked at again and again.
func TestWhatADigestDoesNotSay(t *testing.T) {
	inStorm(t, func(t *testing.T, w *world) {
		w.rain(0, 8, nil)
		w.pass(5 * time.Second)
		for n := range 3 {
			w.rain(n, n+1, resolve)
			w.pass(20 * time.Second)
		}
		ops := len(w.ops())
		w.rain(4, 5, resolve)
		w.pass(20 * time.Second)
		require.Len(t, w.ops(), ops+1)
		w.rain(5, 7, func(p *alert.Problem) { p.CanClose = true })
		w.pass(2 * time.Second)
		require.Zero(t, w.store.pending())
		var looks atomic.Int32
		w.store.fail = func(op string) error {
			if op == "DigestPosts" {
				looks.Add(1)
			}
			return nil
		}
		w.rain(5, 6, resolve)
		w.pass(10 * time.Second)
		require.Len(t, w.ops(), ops+1)
		require.NotZero(t, w.store.pending())
		require.LessOrEqual(t, looks.Load(), int32(3))
		w.pass(time.Minute)
		require.Len(t, w.ops(), ops+2)
		require.Contains(t, w.digestTexts("noc")[0], " main/5=resolved")
		require.Zero(t, w.store.pending())
	})
}

// A digest that Webex refuses for good leaves no storm behind: what comes next is told by itself.
func TestAStormEndsWithItsDigest(t *testing.T) {
	inStorm(t, func(t *testing.T, w *world) {
		w.webex.set(func(f *fakeWebex) { f.meet = func(aCall) *trouble { return &trouble{status: 400} } })
		w.rain(0, 8, nil)
		w.pass(200 * time.Millisecond)
		w.rain(8, 30, nil)
		w.pass(time.Minute)
		require.Equal(t, store.PostDead, w.store.digests[1].State)
		w.webex.set(func(f *fakeWebex) { f.meet = nil })
		w.rain(30, 31, nil)
		w.pass(10 * time.Second)
		require.NotEmpty(t, w.store.post(key(30), "noc").RootID)
	})
}

// Who joined without anybody saying so is told as well, once the store was asked.
func TestAJoiningThatNobodyTells(t *testing.T) {
	inStorm(t, func(t *testing.T, w *world) {
		w.rain(0, 8, nil)
		w.pass(300 * time.Millisecond)
		w.store.fold(key(8), nil, "noc") // the commit's answer was lost, say
		w.rain(9, 12, nil)
		w.pass(5 * time.Second)
		require.EqualValues(t, 1, w.store.post(key(8), "noc").Digest)
		require.Contains(t, w.digestTexts("noc")[0], " main/8=open")
		w.store.fold(key(8), resolve)
		w.rain(9, 10, resolve)
		w.pass(time.Minute)
		require.Contains(t, w.digestTexts("noc")[0], " main/8=resolved")
		require.Zero(t, w.store.pending())
	})
}

// What comes to a room while it turns out that the room takes nothing, and the default room is told of all
// that its digest stands for, is told there as well.
func TestWhatComesWhileADigestIsGivenUp(t *testing.T) {
	var w *world
	var mu sync.Mutex
	told, pour := map[alert.Key]bool{}, sync.OnceFunc(func() { w.d.Notify(w.store.fold(key(100), nil, "away")) })
	reroute := func(_ context.Context, k alert.Key, _ string) error {
		mu.Lock()
		told[k] = true
		mu.Unlock()
		pour()
		return nil
	}
	inWorld(t, func(o *Options) { o.Rooms, o.Reroute = stormy, reroute }, func(t *testing.T, in *world) {
		w = in
		w.rainIn("away", 0, 8)
		w.pass(300 * time.Millisecond)
		w.store.mu.Lock()
		gathers := w.store.digests[1].GathersUntil
		w.store.mu.Unlock()
		require.False(t, gathers.IsZero())
		w.pass(time.Minute)
		mu.Lock()
		defer mu.Unlock()
		for n := range 8 {
			require.True(t, told[key(n)], n)
		}
		require.True(t, told[key(100)])
		require.Zero(t, w.store.pending())
	})
}

// rainIn opens problems in one room.
func (w *world) rainIn(room string, from, to int) {
	var told []store.Post
	for n := from; n < to; n++ {
		told = append(told, w.store.fold(key(n), nil, room)...)
	}
	w.d.Notify(told)
}
