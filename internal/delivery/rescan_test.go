package delivery

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/store"
)

// A rescan, the net for lost wake-ups, finds new work and doesn't wake a waiting task without news.
func TestARescanWakesOnlyNewWork(t *testing.T) {
	reads := func(w *world) *atomic.Int64 {
		read := new(atomic.Int64)
		w.store.mu.Lock()
		defer w.store.mu.Unlock()
		w.store.fail = func(op string) error {
			if op == "Problems" || op == "Notice" {
				read.Add(1)
			}
			return nil
		}
		return read
	}
	inWorld(t, func(o *Options) { o.Rescan = time.Second }, func(t *testing.T, w *world) {
		w.webex.set(func(f *fakeWebex) { f.meet = func(aCall) *trouble { return &trouble{status: 500} } })
		w.fold(1, nil, "noc")
		notice := w.notice(store.Notice{Kind: store.NoticeSystem, Room: "noc", Markdown: "x"})
		w.pass(10 * time.Minute)
		require.Greater(t, w.store.notice(notice).Attempts, 3)
		read, before := reads(w), len(w.ops())
		w.pass(10 * time.Minute)
		tries := len(w.ops()) - before
		require.NotZero(t, tries)
		// An attempt reads once, and once more if the other task is served first.
		require.LessOrEqual(t, read.Load(), int64(2*tries+2), "600 rescans without news")
		w.webex.set(func(f *fakeWebex) { f.meet = nil })
		w.pass(5 * time.Minute)
		require.Zero(t, w.store.pending())
	})
}

// A notice that backs off and gets a new body is sent at once.
func TestANewBodyEndsABackoff(t *testing.T) {
	inWorld(t, nil, func(t *testing.T, w *world) {
		w.webex.set(func(f *fakeWebex) { f.meet = func(aCall) *trouble { return &trouble{status: 500} } })
		n := store.Notice{Kind: store.NoticeNotify, Sender: "ansible", Room: "noc", Markdown: "build 1", Dedup: "build"}
		id := w.notice(n)
		w.pass(20 * time.Minute)
		w.webex.set(func(f *fakeWebex) { f.meet = nil })
		w.notice(store.Notice{Kind: store.NoticeNotify, Sender: "other", Room: "db", Markdown: "Webex is back"})
		w.pass(2 * time.Minute)
		w.webex.set(func(f *fakeWebex) {
			f.meet = func(c aCall) *trouble {
				if c.markdown == "build 2" {
					return &trouble{status: 500}
				}
				return nil
			}
		})
		n.Markdown = "build 2"
		w.notice(n)
		w.pass(10 * time.Minute)
		require.Equal(t, store.NoticePending, w.store.notice(id).State)
		n.Markdown = "build 3"
		w.notice(n)
		w.pass(time.Second)
		require.Equal(t, []string{"build 3"}, w.texts("noc"))
		require.Equal(t, store.NoticeSent, w.store.notice(id).State)
	})
}

// A post that waits for a possible storm is neither read nor claimed before PendingSince, and is posted at once then.
// One that joined a group meanwhile isn't claimed.
func TestAPostIsClaimedWhenDue(t *testing.T) {
	inWorld(t, nil, func(t *testing.T, w *world) {
		w.store.set(func() { w.store.burst = 500 * time.Millisecond })
		for n := range 2 {
			w.fold(n, nil, "noc")
		}
		w.pass(499 * time.Millisecond)
		require.Empty(t, w.ops())
		require.False(t, w.store.post(key(0), "noc").Claimed)
		w.store.set(func() { w.store.storm = true })
		w.store.setPost(key(1), "noc", func(p *store.Post, groups groupDraft) { p.Group = groups.join("noc") })
		w.pass(time.Second)
		require.NotEmpty(t, w.store.post(key(0), "noc").RootID)
		w.pass(time.Minute)
		require.Empty(t, w.store.post(key(1), "noc").RootID)
		require.False(t, w.store.post(key(1), "noc").Claimed)
	})
}

// Rescans take at most a hundredth of the time, however much is pending.
func TestRescanAfter(t *testing.T) {
	for _, tc := range []struct{ took, last, least, want time.Duration }{
		{0, 30 * time.Second, 30 * time.Second, 30 * time.Second},
		{100 * time.Millisecond, 30 * time.Second, 30 * time.Second, 30 * time.Second},
		{500 * time.Millisecond, 30 * time.Second, 30 * time.Second, 50 * time.Second},
		{2 * time.Second, 30 * time.Second, 30 * time.Second, time.Minute},
		{2 * time.Second, time.Minute, 30 * time.Second, 2 * time.Minute},
		{2 * time.Second, 10 * time.Minute, 30 * time.Second, 200 * time.Second},
		{time.Millisecond, 10 * time.Minute, 30 * time.Second, 30 * time.Second},
	} {
		require.Equal(t, tc.want, rescanAfter(tc.took, tc.last, tc.least), fmt.Sprint(tc))
	}
}
