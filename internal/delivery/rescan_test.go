package delivery

import (
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/store"
)

// A rescan, the net for lost wake-ups, doesn't wake a waiting task without news. It finds in time
// what no wake-up announced.
func TestARescanWakesOnlyForNews(t *testing.T) {
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
		require.Greater(t, w.store.noticeNow(notice).Attempts, 3)
		read, before := reads(w), len(w.ops())
		w.pass(10 * time.Minute)
		tries := len(w.ops()) - before
		require.NotZero(t, tries)
		// A try reads once, and once more where it is the other one's turn.
		require.LessOrEqual(t, read.Load(), int64(2*tries+2), "600 rescans woke nobody")
		w.webex.set(func(f *fakeWebex) { f.meet = nil })
		w.pass(5 * time.Minute)
		require.Zero(t, w.store.pending())
	})
	// News of one that waits, for which nobody was woken: what happened to it, and that it may be told now.
	for name, change := range map[string]func(w *world){
		"it became severe":   func(w *world) { w.store.fold(key(1), severity(alert.Disaster)) },
		"it resolved":        func(w *world) { w.store.fold(key(1), resolve) },
		"it may be told now": func(*world) {},
	} {
		for _, rooms := range []Rooms{someRooms, stormy} {
			t.Run(name, func(t *testing.T) {
				inWorld(t, func(o *Options) { o.Rooms = rooms }, func(t *testing.T, w *world) {
					until := time.Now().Add(8 * time.Hour)
					w.later(1, 2, until)
					w.pass(time.Hour)
					require.Empty(t, w.ops())
					change(w)
					if name == "it may be told now" {
						w.tell(1, 2, time.Time{})
					}
					if name == "it became severe" {
						w.tell(1, 2, time.Time{})
					}
					w.pass(w.d.Rescan + time.Second)
					if name == "it resolved" {
						require.Empty(t, w.ops(), "it resolved before it was due")
					} else {
						require.NotEmpty(t, w.ops())
					}
					require.Zero(t, w.store.pending())
				})
			})
		}
	}
}

// A notice that waits after a failure and gets another body is sent at once.
func TestANewBodyEndsAWait(t *testing.T) {
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
		require.Equal(t, store.NoticePending, w.store.noticeNow(id).State)
		n.Markdown = "build 3"
		w.notice(n)
		w.pass(time.Second)
		require.Equal(t, []string{"build 3"}, w.texts("noc"))
		require.Equal(t, store.NoticeSent, w.store.noticeNow(id).State)
	})
}

// What is held back isn't read until it is nearly due, and is told in time, across a restart too.
func TestWhatIsHeldIsReadWhenItIsDue(t *testing.T) {
	inWorld(t, nil, func(t *testing.T, w *world) {
		until := time.Now().Add(8*time.Hour + 7*time.Second)
		for n := range 50 {
			w.store.fold(key(n), nil, "noc")
			w.store.mu.Lock()
			w.store.posts[key(n)][0].TellAfter = until
			w.store.mu.Unlock()
		}
		w.stop()
		w.start()
		w.pass(4 * time.Hour)
		require.Zero(t, w.metric("alert_relay_delivery_queue", "bot", "noc"), "nothing is held in memory for hours")
		w.store.fold(key(7), severity(alert.Disaster))
		w.store.mu.Lock()
		w.store.posts[key(7)][0].TellAfter = time.Time{}
		w.store.mu.Unlock()
		w.pass(w.d.Rescan + time.Second)
		require.NotEmpty(t, w.store.post(key(7), "noc").RootID, "what may be told sooner is found")
		w.pass(time.Until(until) - time.Second)
		require.Empty(t, w.store.post(key(8), "noc").RootID)
		require.Equal(t, 49, w.store.pending())
		w.pass(30 * time.Second)
		require.Zero(t, w.store.pending())
		first := slices.IndexFunc(w.webex.seen(), func(c aCall) bool { return c.at.After(until.Add(-time.Second)) })
		require.Less(t, w.webex.seen()[first].at.Sub(until), 100*time.Millisecond)
	})
}

// However much is behind, reading it costs a hundredth of the time at most.
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
