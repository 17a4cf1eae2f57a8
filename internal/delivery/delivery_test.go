package delivery

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/delivery/step"
	"nms-alert-relay/internal/store"
)

func TestAProblemFromOpenToResolved(t *testing.T) {
	inWorld(t, nil, func(t *testing.T, w *world) {
		w.fold(1, nil, "noc")
		w.pass(time.Second)
		require.Equal(t, []string{"post", "card"}, w.ops(), "posted at once")
		require.Zero(t, w.store.pending())

		w.fold(1, say("on it"))
		w.pass(500 * time.Millisecond)
		w.fold(1, ack)
		w.pass(time.Second)
		require.Len(t, w.ops(), 2, "changes are debounced")
		require.Equal(t, 1, w.store.pending())
		w.pass(2 * time.Second)
		require.Equal(t, []string{"edit", "reply", "delete", "card"}, w.ops()[2:])
		require.Equal(t, []string{
			"main/1 open rev=3 sev=high said:acknowledged",
			"main/1 line: on it; acknowledged",
			"card unack,close main/1 open rev=3 sev=high said:acknowledged",
		}, w.texts("noc"))

		w.fold(1, resolve)
		w.pass(time.Second)
		require.Equal(t, []string{"edit", "reply", "delete"}, w.ops()[6:], "a resolution waits for nothing")
		require.Equal(t, []string{
			"main/1 resolved rev=4 sev=high said:acknowledged",
			"main/1 line: on it; acknowledged",
			"main/1 line: resolved",
		}, w.texts("noc"))
		require.Zero(t, w.store.pending())
		require.Equal(t, "OK-m5", w.store.post(key(1), "noc").TrackingID, "of the last call that isn't a deletion")
		require.Zero(t, w.metric("alert_relay_delivery_queue", "bot", "noc"))
		require.EqualValues(t, 2, w.metric("alert_relay_messages_total", "op", "edit", "result", "ok"))
		require.EqualValues(t, 1, w.metric("alert_relay_delivery_seconds", "severity", "high"))
	})
}

func TestCardPresentation(t *testing.T) {
	inWorld(t, nil, func(t *testing.T, w *world) {
		w.fold(1, nil, "card")
		w.pass(time.Second)
		w.fold(1, say("looking"))
		w.pass(3 * time.Second)
		w.fold(1, ack)
		w.pass(3 * time.Second)
		w.fold(1, resolve)
		w.pass(time.Second)
		require.Equal(t, []string{"card", "reply", "delete", "card", "post", "delete"}, w.ops())
		require.Equal(t, []string{"main/1 line: looking", "main/1 resolved rev=4 sev=high said:acknowledged"}, w.texts("card"))
		require.Zero(t, w.store.pending())
	})
}

func TestLinePresentation(t *testing.T) {
	inWorld(t, nil, func(t *testing.T, w *world) {
		w.fold(1, nil, "line")
		w.pass(time.Second)
		w.fold(1, ack)
		w.pass(3 * time.Second)
		w.fold(1, resolve)
		w.pass(time.Second)
		require.Equal(t, []string{"post", "edit", "edit"}, w.ops())
		require.Equal(t, []string{"main/1 resolved rev=3 sev=high said:acknowledged"}, w.texts("line"))
	})
}

func TestTheEditBudget(t *testing.T) {
	for _, room := range []string{"noc", "line"} {
		inWorld(t, nil, func(t *testing.T, w *world) {
			w.fold(1, nil, room)
			for i := range 14 {
				w.pass(5 * time.Second)
				w.fold(1, say(fmt.Sprint("word ", i)))
			}
			w.pass(5 * time.Second)
			root := w.webex.live("R-" + room)[0]
			require.Equal(t, 9, root.edits, "one is kept")
			require.Contains(t, strings.Join(w.texts(room), "\n"), "line: word 13", "later changes are in the thread")
			require.Zero(t, w.store.pending(), "a spent budget isn't pending")
			w.fold(1, severity(alert.Disaster)) // without a timeline entry it can't be posted in the thread
			w.pass(5 * time.Second)
			require.Zero(t, w.store.pending())
			w.fold(1, resolve)
			w.pass(time.Second)
			root = w.webex.live("R-" + room)[0]
			require.Equal(t, 10, root.edits)
			require.Contains(t, root.markdown, "resolved")
			require.Zero(t, w.store.pending())
		})
	}
}

func TestEntriesThatARouteFiltersCostNoCall(t *testing.T) {
	inWorld(t, nil, func(t *testing.T, w *world) {
		w.fold(1, nil, "noc")
		w.pass(time.Second)
		w.store.setPost(key(1), "noc", func(p *store.Post, _ groupDraft) { p.Route = "terse" })
		w.fold(1, say("chatter"))
		w.pass(3 * time.Second)
		require.Equal(t, []string{"post", "card", "edit"}, w.ops())
		require.Zero(t, w.store.pending())
		w.fold(1, resolve)
		w.pass(3 * time.Second)
		require.Equal(t, []string{"edit", "reply", "delete"}, w.ops()[3:])
	})
}

// No request is made while Webex says to wait, and the next one as soon as the wait ends.
func TestRetryAfterIsExact(t *testing.T) {
	slow := newTestStore()
	slow.slow = 30 * time.Millisecond // so that some tasks are picked but not sent yet when the 429 comes
	inWorld(t, func(o *Options) { o.Store = slow }, func(t *testing.T, w *world) {
		w.store = slow
		limited := false
		w.webex.meets(func(c aCall) *trouble {
			if !limited && len(w.webex.calls) >= 10 {
				limited = true
				return &trouble{status: 429, retryAfter: 37 * time.Second}
			}
			return nil
		})
		w.pass(time.Second) // delivery has read its saved waits
		for n := range 50 {
			w.fold(n, nil, "noc")
			if n < 3 {
				w.pass(70 * time.Millisecond) // so that one worker reads while another one calls
			}
		}
		w.pass(2 * time.Second)
		require.EqualValues(t, 1, w.metric("alert_relay_messages_total", "op", "root", "result", "rate_limited"))
		require.InDelta(t, 36, w.metric("alert_relay_paused_seconds"), 1)
		rate := w.metric("alert_relay_rate_limit_per_second")
		require.InDelta(t, 50, rate, 1, "half the speed")
		w.pass(2 * time.Minute)
		require.Zero(t, w.store.pending())
		require.Zero(t, w.metric("alert_relay_paused_seconds"))
		var resumed time.Time
		for _, c := range w.webex.seen() {
			if c.at.After(w.webex.quietFrom) && resumed.IsZero() {
				resumed = c.at
			}
		}
		require.Equal(t, w.webex.quiet.Add(2*slow.slow), resumed, "at once, after two reads of the store")
		require.Len(t, w.webex.live("R-noc"), 100, "and nothing was posted twice")
	})
}

func TestABackoffSurvivesARestart(t *testing.T) {
	inWorld(t, nil, func(t *testing.T, w *world) {
		w.webex.meets(func(aCall) *trouble { return &trouble{status: 502} })
		w.fold(1, nil, "noc")
		w.pass(10 * time.Second)
		post := w.store.post(key(1), "noc")
		require.Equal(t, 4, post.Attempts, "after 0, 0.75, 1.5 and 3 s")
		require.Contains(t, post.LastError, "502")
		require.Equal(t, "T1", post.TrackingID)
		calls := len(w.ops())
		require.Equal(t, 4, calls)
		w.stop()
		w.webex.set(func(f *fakeWebex) { f.meet = nil })
		w.start()
		w.pass(time.Until(post.NotBefore) - time.Millisecond)
		require.Len(t, w.ops(), calls, "the wait goes on")
		w.pass(time.Second)
		require.Len(t, w.ops(), calls+2)
		require.Zero(t, w.store.post(key(1), "noc").Attempts)
	})
}

// An hour without Webex costs about a call a minute. When Webex is back, the worst problem is posted first, within a
// minute.
func TestAnOutageDelaysMessages(t *testing.T) {
	inWorld(t, nil, func(t *testing.T, w *world) {
		away := func(aCall) *trouble { return &trouble{status: 503} }
		w.webex.meets(away)
		for n := range 100 {
			w.fold(n, severity(alert.Severity(n%6)), "noc")
		}
		w.pass(time.Hour)
		require.EqualValues(t, 1, w.metric("alert_relay_webex_away"))
		calls := len(w.ops())
		require.Less(t, calls, 90)
		w.webex.set(func(f *fakeWebex) { f.meet = nil })
		w.pass(time.Minute)
		require.Zero(t, w.metric("alert_relay_webex_away"))
		// The worst first, except for the one pick in four that goes to the longest waiting item.
		var first []string
		for _, c := range w.webex.seen()[calls : calls+4] {
			first = append(first, c.markdown)
		}
		require.Contains(t, strings.Join(first, "\n"), "sev=disaster")
		require.Zero(t, w.store.pending())
		require.Len(t, w.webex.live("R-noc"), 200)
	})
}

func TestABadTokenIsRetriedOnceAMinute(t *testing.T) {
	inWorld(t, nil, func(t *testing.T, w *world) {
		w.webex.meets(func(aCall) *trouble { return &trouble{status: 401} })
		for n := range 10 {
			w.fold(n, nil, "noc")
		}
		w.pass(time.Second)
		calls := len(w.ops())
		require.Equal(t, 3, calls, "those in flight")
		require.EqualValues(t, 1, w.metric("alert_relay_bot_unauthorized"))
		w.pass(10 * time.Minute)
		require.Len(t, w.ops(), calls+9)
		w.webex.set(func(f *fakeWebex) { f.meet = nil })
		w.pass(2 * time.Minute)
		require.Zero(t, w.store.pending())
		require.Zero(t, w.metric("alert_relay_bot_unauthorized"))
		require.Len(t, w.webex.live("R-noc"), 20)
	})
}

// A worker that can't save the outcome of a call makes no further call, and doesn't repeat that one.
func TestAFailingStoreRepeatsNoMessage(t *testing.T) {
	inWorld(t, func(o *Options) { o.Workers = 2 }, func(t *testing.T, w *world) {
		full := true
		w.store.fail = func(op string) error {
			if op == "SavePost" && full {
				return errors.New("disk full")
			}
			return nil
		}
		for n := range 10 {
			w.fold(n, nil, []string{"noc", "db"}[n%2])
		}
		w.pass(time.Minute)
		require.Len(t, w.ops(), 2, "one call of each worker")
		w.store.mu.Lock()
		full = false
		w.store.mu.Unlock()
		w.pass(time.Minute)
		require.Len(t, append(w.webex.live("R-noc"), w.webex.live("R-db")...), 20)
		require.Zero(t, w.store.pending())
		require.NotZero(t, w.metric("alert_relay_delivery_store_errors_total"))
	})
}

func TestReadsOfTheStoreAreRetried(t *testing.T) {
	inWorld(t, nil, func(t *testing.T, w *world) {
		down := true
		w.store.fail = func(string) error {
			if down {
				return store.ErrBusy
			}
			return nil
		}
		w.fold(1, nil, "noc")
		w.pass(time.Minute)
		require.Empty(t, w.ops())
		w.store.mu.Lock()
		down = false
		w.store.mu.Unlock()
		w.pass(10 * time.Second)
		require.Equal(t, []string{"post", "card"}, w.ops())
	})
}

func TestARescanFindsALostWakeUp(t *testing.T) {
	inWorld(t, nil, func(t *testing.T, w *world) {
		w.store.fold(key(1), nil, "noc")
		_, err := w.store.silent.AddNotice(context.Background(), store.Notice{Kind: store.NoticeNotify, Room: "noc", Markdown: "hello"})
		require.NoError(t, err)
		w.pass(29 * time.Second)
		require.Empty(t, w.ops())
		w.pass(2 * time.Second)
		require.Len(t, w.ops(), 3)
	})
}

func TestPendingWorkIsFoundAtTheStart(t *testing.T) {
	inWorld(t, nil, func(t *testing.T, w *world) {
		w.stop()
		w.store.fold(key(1), nil, "noc")
		w.start()
		w.pass(time.Second)
		require.Equal(t, []string{"post", "card"}, w.ops())
	})
}

// A wake-up can come from a ledger that read the post before delivery saved its cursor.
func TestAStaleWakeUpRepeatsNothing(t *testing.T) {
	inWorld(t, nil, func(t *testing.T, w *world) {
		stale := w.store.fold(key(1), nil, "noc")
		w.d.Notify(stale)
		w.pass(time.Second)
		w.d.Notify(stale)
		w.pass(time.Second)
		require.Equal(t, []string{"post", "card"}, w.ops())
	})
}

func TestAShutdownFinishesCallsInFlight(t *testing.T) {
	inWorld(t, nil, func(t *testing.T, w *world) {
		w.webex.set(func(f *fakeWebex) { f.took = 3 * time.Second })
		for n := range 10 {
			w.fold(n, nil, []string{"noc", "db"}[n%2])
		}
		w.pass(time.Second)
		began := time.Now()
		w.stop()
		require.Equal(t, 2*time.Second, time.Since(began))
		require.Len(t, w.ops(), 4, "no new call was made")
		for n := range 4 {
			require.NotEmpty(t, w.store.post(key(n), []string{"noc", "db"}[n%2]).RootID)
		}
		w.webex.set(func(f *fakeWebex) { f.took = 100 * time.Millisecond })
		w.start()
		w.pass(5 * time.Second)
		require.Len(t, append(w.webex.live("R-noc"), w.webex.live("R-db")...), 20, "and nothing was posted twice")
	})
}

func TestAShutdownCancelsAHangingCall(t *testing.T) {
	inWorld(t, nil, func(t *testing.T, w *world) {
		w.webex.set(func(f *fakeWebex) { f.took = time.Hour })
		w.fold(1, nil, "noc")
		w.pass(time.Second)
		began := time.Now()
		w.stop()
		require.LessOrEqual(t, time.Since(began), 10*time.Second)
		require.Equal(t, 1, w.store.post(key(1), "noc").Attempts, "and how it ended is saved")
		w.webex.set(func(f *fakeWebex) { f.took = 0 })
		w.start()
		w.pass(10 * time.Second)
	})
}

func TestADirectChat(t *testing.T) {
	inWorld(t, nil, func(t *testing.T, w *world) {
		const room = "person:alice@example.com"
		w.fold(1, nil, room)
		w.pass(time.Second)
		w.fold(1, ack)
		w.pass(3 * time.Second)
		w.stop() // a new process doesn't know the chat's id by heart
		w.start()
		w.fold(1, resolve)
		w.pass(time.Second)
		require.Equal(t, []string{"post", "card", "edit", "reply", "delete", "card", "edit", "reply", "delete"}, w.ops())
		messages := w.webex.live("direct:alice@example.com")
		require.Contains(t, messages[0].markdown, "resolved")

		// If the id of the direct chat was lost, a new message is posted.
		w.fold(2, nil, room)
		w.pass(time.Second)
		w.stop()
		require.NoError(t, w.store.SetValue(t.Context(), w.d.bot("noc").directName("alice@example.com"), ""))
		w.start()
		w.fold(2, resolve)
		w.pass(time.Second)
		require.Zero(t, w.store.pending())
		messages = w.webex.live("direct:alice@example.com")
		require.Contains(t, messages[len(messages)-1].markdown, "main/2 resolved")
	})
}

func TestOnlyALostAnswerIsRepeated(t *testing.T) {
	inWorld(t, nil, func(t *testing.T, w *world) {
		lost := false
		w.webex.meets(func(c aCall) *trouble {
			if !lost && c.op == "post" {
				lost = true
				return &trouble{lose: true}
			}
			return nil
		})
		w.fold(1, nil, "noc")
		w.pass(5 * time.Second)
		require.Equal(t, []string{"post", "post", "card"}, w.ops())
		require.EqualValues(t, 1, w.metric("alert_relay_message_retries_total"))
	})
}

func TestEveryLabelValueExistsFromTheStart(t *testing.T) {
	inWorld(t, nil, func(t *testing.T, w *world) {
		for _, op := range []step.Op{step.OpRoot, step.OpEdit, step.OpLines, step.OpCard, step.OpDelete, step.OpNotice, step.OpNoticeEdit} {
			for _, r := range []string{"ok", "rate_limited", "temporary", "unauthorized", "gone", "refused"} {
				require.Zero(t, w.metric("alert_relay_messages_total", "bot", "noc", "op", string(op), "result", r))
			}
		}
		require.EqualValues(t, 100, w.metric("alert_relay_rate_limit_per_second", "bot", "noc"))
		require.Zero(t, w.metric("alert_relay_dead_letters_total", "kind", "notice"))
	})
}
