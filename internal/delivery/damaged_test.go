package delivery

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/webex"
)

func (s *memStore) damage(ns ...int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.damaged = map[alert.Key]bool{}
	for _, n := range ns {
		s.damaged[key(n)] = true
	}
}

// rejects has the store reject one operation for good.
func (s *memStore) rejects(op string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail = func(asked string) error {
		if asked == op {
			return fmt.Errorf("%w: as the test wants", store.ErrRejected)
		}
		return nil
	}
}

// A problem that can't be read is a dead letter with the reason, whatever was to be told of it. It
// holds up neither its room nor its bot, however many there are.
func TestAProblemThatCannotBeReadIsADeadLetter(t *testing.T) {
	for name, tc := range map[string]struct {
		rooms []string
		told  bool // before it was damaged
		then  func(*alert.Problem)
	}{
		"new":                         {rooms: []string{"noc"}},
		"new in several rooms":        {rooms: []string{"noc", "db", "card", "line"}},
		"told, then commented":        {rooms: []string{"noc"}, told: true, then: say("I look at it")},
		"told, then resolved":         {rooms: []string{"noc", "line"}, told: true, then: resolve},
		"told with a card, then over": {rooms: []string{"card"}, told: true, then: resolve},
		"told, then acknowledged":     {rooms: []string{"db"}, told: true, then: ack},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, nil, func(t *testing.T, w *world) {
				const broken = 6 // more than there are workers
				tell := func(change func(*alert.Problem)) {
					for n := range broken {
						w.fold(n, change, tc.rooms...)
					}
				}
				if tc.told {
					tell(nil)
					w.pass(time.Minute)
				}
				w.store.damage(0, 1, 2, 3, 4, 5)
				tell(tc.then)
				w.fold(10, nil, "noc", "db")
				answer := w.notice(store.Notice{Kind: store.NoticeAnswer, Room: "noc", Markdown: "done"})
				w.pass(5 * time.Second)
				for n := range broken {
					for _, room := range tc.rooms {
						post := w.store.post(key(n), room)
						require.Equal(t, store.PostDead, post.State)
						require.Contains(t, post.LastError, fmt.Sprintf("problem %s can't be read", key(n)))
					}
				}
				require.NotEmpty(t, w.store.post(key(10), "noc").RootID)
				require.NotEmpty(t, w.store.post(key(10), "db").RootID)
				require.Equal(t, store.NoticeSent, w.store.noticeNow(answer).State)
				require.Zero(t, w.store.pending())
				require.EqualValues(t, broken*len(tc.rooms), w.metric("alert_relay_dead_letters_total", "kind", "post"))
				before := len(w.ops())
				w.pass(time.Hour)
				require.Len(t, w.ops(), before, "and nothing is said again")
			})
		})
	}
}

// A digest names a problem that can't be read, and tells of all the others.
func TestADigestWithAProblemThatCannotBeRead(t *testing.T) {
	for name, broken := range map[string][]int{
		"the first": {0}, "the last": {19}, "one in the middle": {7}, "several": {0, 3, 4, 5, 18}, "all but one": {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18},
	} {
		t.Run(name, func(t *testing.T) {
			inStorm(t, func(t *testing.T, w *world) {
				w.store.damage(broken...)
				w.rain(0, 20, nil)
				w.pass(10 * time.Second)
				require.Len(t, w.digestTexts("noc"), 1)
				for n := range 20 {
					require.Contains(t, w.digestTexts("noc")[0], key(n).String()+"=open")
				}
				require.Zero(t, w.store.pending())
				require.Equal(t, len(broken), strings.Count(w.digestTexts("noc")[0], "+unreadable"))

				w.stop()
				w.start()
				w.rain(0, 10, resolve)
				w.pass(10 * time.Minute)
				for n := range 20 {
					require.Contains(t, w.digestTexts("noc")[0], key(n).String()+map[bool]string{true: "=resolved", false: "=open"}[n < 10])
				}
				w.rain(10, 20, resolve)
				w.pass(10 * time.Minute)
				require.NotContains(t, w.digestTexts("noc")[0], "=open")
				require.Zero(t, w.store.pending())

				// If a room refuses such a digest, the default room gets all its problems.
				w.webex.set(func(f *fakeWebex) { delete(f.rooms, "R-noc") })
				w.store.damage(append(broken, 40)...)
				w.rain(40, 60, nil)
				w.pass(10 * time.Minute)
				require.Zero(t, w.store.pending())
				all := strings.Join(w.texts("default"), "\n")
				for n := 40; n < 60; n++ {
					require.Contains(t, all, key(n).String()+"=")
				}
			})
		})
	}
}

// What the default room can't be told, for the problem can't be read or isn't there, holds up neither the
// dead letter nor the rest of a digest.
func TestARerouteThatIsRejected(t *testing.T) {
	for name, why := range map[string]error{"rejected": store.ErrRejected, "not found": store.ErrNotFound} {
		t.Run(name, func(t *testing.T) {
			rerouted := map[alert.Key]bool{}
			var w *world
			reroute := func(_ context.Context, k alert.Key, _ string) error {
				w.store.mu.Lock()
				defer w.store.mu.Unlock()
				if k == key(1) || k == key(101) {
					return fmt.Errorf("%w: as the test wants", why)
				}
				rerouted[k] = true
				return nil
			}
			inWorld(t, func(o *Options) { o.Reroute = reroute }, func(t *testing.T, in *world) {
				w = in
				w.webex.set(func(f *fakeWebex) { delete(f.rooms, "R-noc") })
				w.rain(1, 2, nil)
				w.pass(10 * time.Second)
				require.Equal(t, store.PostDead, w.store.post(key(1), "noc").State)
				w.rain(100, 130, nil)
				w.pass(time.Minute)
				require.Zero(t, w.store.pending())
				require.Len(t, rerouted, 29)
				require.EqualValues(t, 1, w.metric("alert_relay_dead_letters_total", "kind", "digest"))
			})
		})
	}
}

// Whatever the store rejects holds up nobody else, and nothing is said twice for it: in other rooms
// all is told, and each message is there once an hour later.
func TestWhatTheStoreRejectsHoldsUpNobody(t *testing.T) {
	for _, op := range []string{
		"PostsOf", "Problems", "SavePost", "Notice", "SaveNotice", "AddNotice", "Digest", "NewestDigest", "PendingDigests", "DigestPosts",
		"DigestKeys", "SaveDigest", "JoinDigest", "LeaveDigest", "PendingPosts", "PendingNotices", "Value", "SetValue",
	} {
		t.Run(op, func(t *testing.T) {
			inWorld(t, nil, func(t *testing.T, w *world) {
				w.webex.set(func(f *fakeWebex) { delete(f.rooms, "R-db") })
				w.store.rejects(op)
				w.fold(200, nil, "db")
				for n := range 20 {
					w.fold(n, nil, "noc")
				}
				id, err := w.store.AddNotice(context.Background(), store.Notice{Kind: store.NoticeSystem, Room: "noc", Markdown: "a notice"})
				if err != nil {
					require.ErrorIs(t, err, store.ErrRejected)
				}
				w.d.WakeNotices()
				w.pass(time.Hour)
				seen := map[string]int{}
				for _, c := range w.webex.seen() {
					if c.op == "post" && c.room != "R-db" && c.status < 300 {
						seen[c.markdown]++
					}
				}
				for text, times := range seen {
					require.Equal(t, 1, times, text)
				}
				refused := 0
				for _, c := range w.webex.seen() {
					if c.status >= 400 {
						refused++
					}
				}
				require.LessOrEqual(t, refused, 3, "nobody hammers a room that refuses")

				// Once it is right again, and at the latest after a restart, all is told.
				w.store.mu.Lock()
				w.store.fail = nil
				w.store.mu.Unlock()
				w.stop()
				w.start()
				w.d.WakeNotices()
				w.pass(time.Hour)
				require.Zero(t, w.store.pending(), "of %v", id)
			})
		})
	}
}

// The store is read and written again and again only where that can help.
func TestAttempts(t *testing.T) {
	for _, tc := range []struct {
		err   error
		again bool
	}{
		{store.ErrNotFound, false}, {store.ErrRejected, false}, {store.ErrClosed, false}, {fmt.Errorf("store: %w: x", store.ErrRejected), false},
		{errors.New("disk I/O error"), true}, {store.ErrBusy, true}, {context.DeadlineExceeded, true},
	} {
		t.Run(tc.err.Error(), func(t *testing.T) {
			inWorld(t, nil, func(t *testing.T, w *world) {
				tries := 0
				err := w.d.attempt(t.Context(), "testing", func(context.Context) error {
					if tries++; tries < 3 {
						return tc.err
					}
					return nil
				})
				if tc.again {
					require.NoError(t, err)
					require.Equal(t, 3, tries)
					return
				}
				require.ErrorIs(t, err, tc.err)
				require.Equal(t, 1, tries)
			})
		})
	}
}

// An outage in which something else answers for Webex isn't a line for each message: the client logs it once.
func TestAForeignAnswerIsNoLineForEachMessage(t *testing.T) {
	require.Equal(t, slog.LevelDebug, refusalLevel(&webex.Error{Status: 403, Foreign: true}))
	require.Equal(t, slog.LevelDebug, refusalLevel(fmt.Errorf("x: %w", &webex.Error{Status: 200, Foreign: true})))
	for _, err := range []error{&webex.Error{Status: 403}, &webex.Error{Status: 503}, errors.New("no answer")} {
		require.Equal(t, slog.LevelWarn, refusalLevel(err))
	}
}
