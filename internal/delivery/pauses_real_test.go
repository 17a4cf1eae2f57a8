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
	"nms-alert-relay/internal/simulator/webexsim"
	"nms-alert-relay/internal/store"
)

// withRooms gives a real delivery more rooms, and no digests.
func (r *real) withRooms(names ...string) {
	r.stop()
	for _, name := range names {
		r.sim.AddRoom(name, name, botEmail, "alice@example.com")
		r.cfg.Rooms = append(r.cfg.Rooms, config.Room{Name: name, ID: webexsim.RoomID(name), Presentation: config.PresentLine})
	}
	r.start()
}

// postedOnce fails unless each of the problems has one message in its room.
func (r *real) postedOnce(from, to int, rooms ...string) {
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

// After an outage or a wait of an hour, 300 posts of several rooms meet a Webex that allows less than before. The
// limit is found with at most two 429s in the first minute, and no request is made during a wait.
func TestTheLimitIsFoundAgain(t *testing.T) {
	outage := func(r *real) { r.sim.Outage(time.Now().Add(time.Hour)) }
	date := func(r *real) {
		until := time.Now().Add(time.Hour).UTC().Truncate(time.Second)
		r.sim.AddFault(webexsim.Fault{Count: 1, Status: 429, RetryAfter: until.Format(http.TimeFormat)})
	}
	for _, c := range []struct {
		name    string
		trouble func(*real)
		limit   float64
	}{{"an outage", outage, 1}, {"a wait until a date", date, 3}} {
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
				require.LessOrEqual(t, r.sim.Stats().Limited-before, 3)
				require.Zero(t, r.sim.Stats().TooEarly)
				r.postedOnce(0, 80, rooms...)
			})
		})
	}
}

// A backlog of many minutes is sent near the limit, with a 429 every few minutes.
func TestABacklogIsSentNearTheLimit(t *testing.T) {
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
		require.LessOrEqual(t, found, 2, "while it looks for the limit")
		r.settle(15 * time.Minute)
		took := time.Since(began)
		t.Logf("1000 posts at 5 a second took %v: %d refusals in the first two minutes, %d after that", took, found, r.sim.Stats().Limited-found)
		require.Less(t, took, 225*time.Second, "200 s are the least")
		require.LessOrEqual(t, r.sim.Stats().Limited-found, 1)
		r.postedOnce(0, 250, rooms...)
	})
}

// With 5,000 problems waiting and five calls a second, a disaster and a reply are posted within two seconds: in the same
// room, in another one, and with digests off.
func TestADisasterAndAReplyOvertakeAStorm(t *testing.T) {
	inReality(t, webexsim.Options{PerAccount: webexsim.Rate{PerSecond: 5, Burst: 5}}, func(t *testing.T, r *real) {
		r.rate = 5
		r.withRooms("a")
		for from := 0; from < 5000; from += 500 {
			r.batch(numbers(from, from+500), stormProblem(alert.High), "noc")
		}
		time.Sleep(queue.Patience + 10*time.Second) // so that items that waited long get their turns
		for n, room := range []string{"noc", "a", "db", "noc", "line"} {
			key := 90000 + n
			began := time.Now()
			r.batch([]int{key}, stormProblem(alert.Disaster), room)
			_, err := r.store.AddNotice(context.Background(), store.Notice{Kind: store.NoticeAnswer, Room: room, Bot: "noc", Markdown: fmt.Sprint("the answer ", n)})
			require.NoError(t, err)
			r.d.Notifier.Notify(store.TopicNotices)
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

// A thousand reminders that are due at once are sent at the pace that Webex allows. New problems of rooms, and replies, go before them.
func TestAThousandRemindersDelayNoProblem(t *testing.T) {
	inReality(t, webexsim.Options{PerAccount: webexsim.PerSecond(5)}, func(t *testing.T, r *real) {
		r.rate = 5
		r.withRooms("a")
		const people = 1000
		for n := range people {
			email := fmt.Sprintf("p%d@example.com", n)
			r.sim.AddPerson(email, email)
			_, err := r.store.AddNotice(t.Context(), store.Notice{Kind: store.NoticeReminder, Room: config.PersonRoom + email, Markdown: "You asked me to remind you"})
			require.NoError(t, err)
		}
		began := time.Now()
		r.stop()
		r.start()
		for n := range 20 { // a problem every ten seconds, in each of two rooms
			r.open(n, "line", "a")
			time.Sleep(10 * time.Second) // if its call is the one that Webex refuses, its room yields for twenty calls
			r.postedOnce(0, n+1, "line", "a")
		}
		r.settle(10 * time.Minute)
		took := time.Since(began)
		stats := r.sim.Stats()
		t.Logf("1000 reminders at 5 a second took %v: %d refusals", took, stats.Limited)
		require.LessOrEqual(t, stats.Limited, 4)
		require.Zero(t, stats.TooEarly)
		for n := range people {
			require.Len(t, r.sim.Timeline(webexsim.DirectRoomID(fmt.Sprintf("p%d@example.com", n), botEmail)), 1, "once")
		}
	})
}
