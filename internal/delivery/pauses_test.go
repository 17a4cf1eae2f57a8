package delivery

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/delivery/queue"
	"nms-alert-relay/internal/delivery/step"
	"nms-alert-relay/internal/simulator/webexsim"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/webex"
)

// blockRoom has Webex refuse everything in a room until a time, with waits of a length.
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

// A room that refuses everything, posts, edits, cards, digests and notices alike, is left alone for
// exactly as long as it says; the others go on, and it goes on at once when it is over, also across a restart.
func TestARoomIsLeftAlone(t *testing.T) {
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
		require.Contains(t, strings.Join(w.texts("db"), "|"), "said:on it", "the others were told first")
		require.Zero(t, w.metric("alert_relay_paused_seconds"), "the second one is the room's own")
		require.EqualValues(t, 1, w.metric("alert_relay_paused_rooms"))

		for n := range 5 {
			w.fold(10+n, severity(alert.Warning), "db", "noc")
			w.pass(4 * time.Second)
			require.Contains(t, strings.Join(w.texts("db"), "|"), fmt.Sprintf("main/%d ", 10+n), "nobody else waits")
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
				refused[c.end] = true // some were under way together
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

// A room that is refused for hours, an hour at a time, holds up the others once, though they
// say little.
func TestARoomIsRefusedForHours(t *testing.T) {
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

// A room that takes little is further behind with the same number of problems: it gets a digest of them.
func TestASlowRoomGetsADigestEarlier(t *testing.T) {
	rooms := func(room, route string) (RoomSettings, bool) {
		s, ok := someRooms(room, route)
		s.Storm = config.Storm{Threshold: 30, Window: config.Duration(5 * time.Second), Individual: alert.Disaster}
		if room == "db" {
			s.Storm.Threshold, s.Storm.Window = 1000, 0
		}
		return s, ok
	}
	inWorld(t, func(o *Options) { o.RateLimit = 5; o.Rooms = rooms }, func(t *testing.T, w *world) {
		w.blockRoom("noc", time.Now().Add(7*time.Minute), 2*time.Minute)
		w.fold(1, nil, "noc", "db")
		w.pass(time.Minute)
		for n := range 80 {
			w.fold(30+n, nil, "db")
			w.pass(4 * time.Second)
		}
		require.EqualValues(t, 1, w.metric("alert_relay_paused_rooms"))
		for n := range 4 {
			w.fold(10+n, severity(alert.Warning), "noc", "db")
			w.pass(10 * time.Second)
		}
		w.pass(5 * time.Minute)
		require.Zero(t, w.store.pending())
		require.Contains(t, strings.Join(w.texts("noc"), "|"), "digest")
		require.NotContains(t, strings.Join(w.texts("db"), "|"), "digest")
	})
}

// A 503 that says until when is kept to as well, by all and across a restart; one that doesn't is tried again soon.
func TestAnOutageThatSaysUntilWhen(t *testing.T) {
	inWorld(t, func(o *Options) { o.RateLimit = 5 }, func(t *testing.T, w *world) {
		began, until := time.Now(), time.Now().Add(20*time.Minute)
		w.webex.meet = func(c aCall) *trouble {
			if time.Now().Before(until) {
				return &trouble{status: 503, retryAfter: time.Until(until)}
			}
			return nil
		}
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

// A direct chat is one room, whether it is addressed by its person or by its id.
func TestADirectChatWaitsUnderBothNames(t *testing.T) {
	inWorld(t, nil, func(t *testing.T, w *world) {
		b := w.d.bots["noc"]
		require.Equal(t, "person:alice@example.com", b.webexRoom("person:alice@example.com"))
		w.fold(1, nil, "person:alice@example.com")
		w.pass(2 * time.Second)
		id := w.webex.seen()[0].room
		require.Equal(t, id, b.webexRoom("person:alice@example.com"))
		answer := newNoticeTask(store.Notice{Kind: store.NoticeAnswer, RoomID: id})
		require.Equal(t, id, b.webexRoom(answer.Room))
		require.Equal(t, "R-noc", b.webexRoom(newNoticeTask(store.Notice{Room: "noc"}).Room))
	})
}

// What else calls with the bot's account, to read a command say, keeps to what Webex told it, and
// tells delivery what it was told; its calls count.
func TestCallsBesideDelivery(t *testing.T) {
	inWorld(t, func(o *Options) { o.RateLimit = 5 }, func(t *testing.T, w *world) {
		ctx, calls := context.Background(), 0
		beside := func(answer error) error {
			return w.d.Beside(ctx, "noc", "GET /messages/{id}", func() error {
				calls++
				return answer
			})
		}
		require.NoError(t, beside(nil))
		gone := &webex.Error{Status: 404}
		require.Equal(t, gone, beside(gone))
		told := &webex.Error{Status: 429, RetryAfter: time.Minute}
		require.Equal(t, told, beside(told))
		require.Equal(t, 3, calls)
		w.fold(1, nil, "noc")
		w.pass(20 * time.Second)
		require.Empty(t, w.ops(), "delivery waits as well")
		w.stop()
		w.start()
		err := beside(nil)
		require.Equal(t, webex.RateLimited, webex.ClassOf(err))
		require.Equal(t, 40*time.Second, step.Fault(err).RetryAfter, "the rest of it, also after a restart")
		require.Equal(t, 3, calls, "and nothing was sent")
		w.pass(41 * time.Second)
		require.NotEmpty(t, w.ops())
		require.NoError(t, beside(nil))

		w.pass(time.Minute)
		for range 20 {
			require.NoError(t, beside(nil), "somebody waits: they don't queue")
		}
		before := len(w.ops())
		w.fold(2, nil, "noc")
		w.pass(2 * time.Second)
		require.Len(t, w.ops(), before, "but delivery calls the later for them")
		w.pass(10 * time.Second)
		require.Greater(t, len(w.ops()), before)
	})
}

// withRooms gives a real delivery more rooms, and no digests.
func (r *real) withRooms(names ...string) {
	r.stop()
	for _, name := range names {
		r.sim.AddRoom(name, name, botEmail, "alice@example.com")
		r.cfg.Rooms = append(r.cfg.Rooms, config.Room{Name: name, ID: webexsim.RoomID(name), Presentation: config.PresentLine})
	}
	r.start()
}

// toldOnce fails unless each of the problems from one number to another has one message in its room.
func (r *real) toldOnce(from, to int, rooms ...string) {
	r.t.Helper()
	for _, room := range rooms {
		roots, _ := r.said(room)
		var all strings.Builder
		for _, m := range roots {
			all.WriteString(m.Text + "\n")
		}
		for n := from; n < to; n++ {
			require.Equal(r.t, 1, strings.Count(all.String(), fmt.Sprintf("problem number %d ", n))+strings.Count(all.String(), fmt.Sprintf("problem number %d\n", n)), "problem %d in %s", n, room)
		}
	}
}

// After an hour's outage, or an hour that Webex told it to wait, 300 posts of several rooms wait for a
// Webex that now allows less than before. The limit is found again with two refusals
// at most in the first minute, and nothing is asked while told to wait.
func TestTheLimitIsFoundAgain(t *testing.T) {
	outage := func(r *real) { r.sim.Outage(time.Now().Add(time.Hour)) }
	wait := func(r *real) { r.sim.AddFault(webexsim.Fault{Count: 1, Status: 429, RetryAfter: "3600"}) }
	date := func(r *real) {
		until := time.Now().Add(time.Hour).UTC().Truncate(time.Second)
		r.sim.AddFault(webexsim.Fault{Count: 1, Status: 429, RetryAfter: until.Format(http.TimeFormat)})
	}
	for _, c := range []struct {
		name    string
		trouble func(*real)
		limit   float64
	}{{"an outage", outage, 1}, {"an outage", outage, 3}, {"a wait", wait, 1}, {"a wait until a date", date, 3}} {
		t.Run(fmt.Sprint(c.name, ", ", c.limit, " a second"), func(t *testing.T) {
			inReality(t, webexsim.Options{}, func(t *testing.T, r *real) {
				rooms := []string{"line", "a", "b", "c"}
				r.rate = 5
				r.withRooms(rooms[1:]...)
				for n := range 5 {
					r.open(n, rooms...)
				}
				r.settle(time.Minute)
				c.trouble(r)
				began := time.Now()
				for n := 5; n < 80; n++ {
					r.open(n, rooms...)
					time.Sleep(10 * time.Second)
				}
				r.sim.SetLimits(webexsim.PerSecond(c.limit), webexsim.Rate{})
				time.Sleep(time.Until(began.Add(time.Hour)))
				before := r.sim.Stats().Limited
				time.Sleep(2 * time.Minute) // the breaker tries once a minute
				synctest.Wait()
				require.LessOrEqual(t, r.sim.Stats().Limited-before, 2, "refusals since it is back")
				r.settle(20 * time.Minute)
				require.LessOrEqual(t, r.sim.Stats().Limited-before, 8)
				require.Zero(t, r.sim.Stats().TooEarly)
				r.toldOnce(0, 80, rooms...)
			})
		})
	}
}

// A backlog that takes many minutes is worked off near the limit, with a refusal once in some minutes.
func TestABacklogIsToldNearTheLimit(t *testing.T) {
	inReality(t, webexsim.Options{PerAccount: webexsim.PerSecond(5)}, func(t *testing.T, r *real) {
		r.rate = 5
		r.withRooms("a", "b", "c")
		rooms := []string{"line", "a", "b", "c"}
		began := time.Now()
		for n := range 250 {
			r.open(n, rooms...)
		}
		time.Sleep(2 * time.Minute)
		found := r.sim.Stats().Limited
		require.LessOrEqual(t, found, 4, "while it looks for the limit")
		r.settle(15 * time.Minute)
		took := time.Since(began)
		t.Logf("1000 posts at 5 a second took %v: %d refusals in the first two minutes, %d after that", took, found, r.sim.Stats().Limited-found)
		require.Less(t, took, 260*time.Second, "200 s are the least")
		require.LessOrEqual(t, r.sim.Stats().Limited-found, 2)
		r.toldOnce(0, 250, rooms...)
	})
}

// Whoever has 5,000 problems waiting still hears of a disaster, and gets an answer, within two seconds
// at five calls a second: in a room that is deep in it, in another, and with digests off.
func TestInAStormADisasterAndAnAnswerTakeTwoSeconds(t *testing.T) {
	inReality(t, webexsim.Options{PerAccount: webexsim.Rate{PerSecond: 5, Burst: 5}}, func(t *testing.T, r *real) {
		r.rate = 5
		r.withRooms("a")
		for from := 0; from < 5000; from += 500 {
			r.batch(numbers(from, from+500), stormProblem(alert.High), "noc")
		}
		time.Sleep(queue.Patience + 10*time.Second) // so that what waits long has its turns
		for n, room := range []string{"noc", "a", "db", "noc", "line"} {
			key := 90000 + n
			began := time.Now()
			r.batch([]int{key}, stormProblem(alert.Disaster), room)
			_, err := r.store.AddNotice(context.Background(), store.Notice{Kind: store.NoticeAnswer, Room: room, Bot: "noc", Markdown: fmt.Sprint("the answer ", n)})
			require.NoError(t, err)
			r.d.WakeNotices()
			for !r.says(room, fmt.Sprint("host-", key)) || !r.says(room, fmt.Sprint("the answer ", n)) {
				time.Sleep(50 * time.Millisecond)
				synctest.Wait()
				require.Less(t, time.Since(began), 2*time.Second)
			}
			time.Sleep(3 * time.Second)
		}
		s, err := r.store.Stats(context.Background())
		require.NoError(t, err)
		require.Greater(t, int(s.PostsPending), 4000, "the storm isn't over")
		r.stop() // the rest would take an hour
	})
}
