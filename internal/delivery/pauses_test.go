package delivery

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/webex"
)

// blockRoom has Webex answer every call in a room with 429 until a time.
func (w *world) blockRoom(room string, until time.Time, wait time.Duration) {
	w.webex.set(func(f *fakeWebex) {
		f.meet = func(c aCall) *trouble {
			if c.room == "R-"+room && time.Now().Before(until) {
				return &trouble{status: 429, retryAfter: wait, room: true}
			}
			return nil
		}
	})
}

// A room that gets a 429 for every kind of call waits exactly Retry-After, also across a restart. The other rooms go on
// meanwhile.
func TestARoomWithItsOwnWait(t *testing.T) {
	inWorld(t, func(o *Options) { o.RateLimit = 20 }, func(t *testing.T, w *world) {
		w.fold(1, nil, "noc")
		w.fold(2, nil, "noc", "db")
		w.pass(5 * time.Second)
		began := time.Now()
		w.blockRoom("noc", began.Add(35*time.Minute), 10*time.Minute)
		w.fold(1, resolve)
		w.fold(3, nil, "noc")
		w.fold(2, say("on it"))
		w.notice(store.Notice{Kind: store.NoticeAnswer, Room: "noc", Markdown: "an answer"})
		w.pass(time.Second)
		require.InDelta(t, 600, w.metric("alert_relay_paused_seconds"), 3, "the first one may be the account's")
		require.Zero(t, w.metric("alert_relay_paused_rooms"))
		for n := range 20 {
			w.fold(30+n, nil, "db")
		}
		w.pass(10*time.Minute + 45*time.Second)
		require.Contains(t, strings.Join(w.texts("db"), "|"), "said:on it", "the other rooms go first")
		require.Zero(t, w.metric("alert_relay_paused_seconds"), "the second one is the room's own")
		require.EqualValues(t, 1, w.metric("alert_relay_paused_rooms"))

		for n := range 5 {
			w.fold(10+n, severity(alert.Warning), "db", "noc")
			w.pass(4 * time.Second)
			require.Contains(t, strings.Join(w.texts("db"), "|"), fmt.Sprintf("main/%d ", 10+n), "no other room waits")
		}
		w.stop()
		w.start()
		require.EqualValues(t, 1, w.metric("alert_relay_paused_rooms"), "a restart doesn't end it")
		w.fold(20, severity(alert.Disaster), "db")
		w.pass(2 * time.Second)
		require.Contains(t, strings.Join(w.texts("db"), "|"), "main/20 ")
		refused := map[time.Time]bool{}
		for _, c := range w.webex.seen() {
			if c.status == 429 {
				require.Equal(t, "R-noc", c.room)
				refused[c.end] = true // some were in flight together
			}
		}
		require.Len(t, refused, 2)

		w.pass(31 * time.Minute)
		require.Zero(t, w.store.pending())
		require.Zero(t, w.metric("alert_relay_paused_rooms"))
		said := strings.Join(w.texts("noc"), "|")
		for _, words := range []string{"main/1 resolved", "main/3 ", "an answer", "said:on it", "main/14 "} {
			require.Contains(t, said, words)
		}
	})
}

// A room that gets 429s of an hour for hours delays the others once, even if they have little to send.
func TestARoomRefusesForHours(t *testing.T) {
	inWorld(t, func(o *Options) { o.RateLimit = 5 }, func(t *testing.T, w *world) {
		began := time.Now()
		w.blockRoom("noc", began.Add(5*time.Hour), time.Hour)
		w.fold(1, nil, "noc")
		for n := range 48 {
			w.fold(10+n, nil, "db")
			w.pass(5 * time.Minute)
			if time.Since(began) > 70*time.Minute {
				require.Contains(t, strings.Join(w.texts("db"), "|"), fmt.Sprintf("main/%d ", 10+n), "after %v", time.Since(began))
			}
		}
		w.pass(3 * time.Hour)
		require.Zero(t, w.store.pending())
		require.Contains(t, strings.Join(w.texts("noc"), "|"), "main/1 ")
	})
}

// A room with a limit of its own has a lower pace than the others.
func TestALimitedRoomHasALowerPace(t *testing.T) {
	inWorld(t, func(o *Options) { o.RateLimit = 5 }, func(t *testing.T, w *world) {
		w.blockRoom("noc", time.Now().Add(7*time.Minute), 2*time.Minute)
		w.fold(1, nil, "noc", "db")
		w.pass(time.Minute)
		for n := range 80 {
			w.fold(30+n, nil, "db")
			w.pass(4 * time.Second)
		}
		require.EqualValues(t, 1, w.metric("alert_relay_paused_rooms"))
		require.Less(t, w.d.Pace("noc"), w.d.Pace("db"))
	})
}

// A 503 with Retry-After pauses the whole bot, also across a restart. One without is retried soon.
func TestA503WithRetryAfterPausesTheBot(t *testing.T) {
	inWorld(t, func(o *Options) { o.RateLimit = 5 }, func(t *testing.T, w *world) {
		began, until := time.Now(), time.Now().Add(20*time.Minute)
		w.webex.meets(func(c aCall) *trouble {
			if time.Now().Before(until) {
				return &trouble{status: 503, retryAfter: time.Until(until)}
			}
			return nil
		})
		w.fold(1, nil, "noc")
		w.pass(time.Minute)
		w.fold(2, nil, "db")
		w.pass(time.Minute)
		require.InDelta(t, 18*60, w.metric("alert_relay_paused_seconds"), 1)
		w.stop()
		w.start()
		w.pass(19 * time.Minute)
		require.Zero(t, w.store.pending())
		for n, c := range w.webex.seen() {
			require.True(t, n == 0 || !c.at.Before(until), "a call after %v", c.at.Sub(began))
		}
	})
}

// A direct chat has one wait, whether it is addressed by its person or by its id.
func TestADirectChatIsOneRoom(t *testing.T) {
	inWorld(t, nil, func(t *testing.T, w *world) {
		b := w.d.bot("noc")
		require.Equal(t, "person:alice@example.com", b.webexRoom("person:alice@example.com"))
		w.fold(1, nil, "person:alice@example.com")
		w.pass(2 * time.Second)
		id := w.webex.seen()[0].room
		require.Equal(t, id, b.webexRoom("person:alice@example.com"))
		answer := b.newNoticeTask(store.Notice{Kind: store.NoticeAnswer, RoomID: id})
		require.Equal(t, id, b.webexRoom(answer.Room))
		require.Equal(t, "R-noc", b.webexRoom(b.newNoticeTask(store.Notice{Room: "noc"}).Room))
	})
}

// Calls of other parts with the bot's account, such as reading a command, obey its wait and count for its pace; their
// 429s pause delivery.
func TestOtherCallsObeyTheWait(t *testing.T) {
	inWorld(t, func(o *Options) { o.RateLimit = 5 }, func(t *testing.T, w *world) {
		ctx, calls := context.Background(), 0
		beside := func(answer error) error {
			return w.d.CallPaced(ctx, "noc", "GET /messages/{id}", func() error {
				calls++
				return answer
			})
		}
		require.NoError(t, beside(nil))
		gone := &webex.Error{Status: 404}
		require.Equal(t, gone, beside(gone))
		limited := &webex.Error{Status: 429, RetryAfter: time.Minute}
		require.Equal(t, limited, beside(limited))
		require.Equal(t, 3, calls)
		w.fold(1, nil, "noc")
		w.pass(20 * time.Second)
		require.Empty(t, w.ops(), "delivery waits as well")
		w.stop()
		w.start()
		err := beside(nil)
		require.Equal(t, webex.RateLimited, webex.ClassOf(err))
		require.Equal(t, 40*time.Second, webex.ErrorOf(err).RetryAfter, "the remaining wait, also after a restart")
		require.Equal(t, 3, calls, "and nothing was sent")
		w.pass(41 * time.Second)
		require.NotEmpty(t, w.ops())
		require.NoError(t, beside(nil))

		w.pass(time.Minute)
		for range 20 {
			require.NoError(t, beside(nil), "a person waits for them: they don't queue")
		}
		before := len(w.ops())
		w.fold(2, nil, "noc")
		w.pass(2 * time.Second)
		require.Len(t, w.ops(), before, "but they delay delivery's next call")
		w.pass(10 * time.Second)
		require.Greater(t, len(w.ops()), before)
	})
}
