package delivery

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/ledger"
	"nms-alert-relay/internal/route"
	"nms-alert-relay/internal/simulator/webexsim"
	"nms-alert-relay/internal/store"
)

// flappy is a real relay but for its doors: journal, ledger, store and delivery,
// in room noc, told from the third opening within 15 minutes on that a trigger flaps.
type flappy struct {
	*real
	fold *ledger.Ledger
	next int // event id
	end  func()

	delay time.Duration // of every route
}

type everywhere struct{}

func (everywhere) Rooms(alert.Problem, string, time.Time) []route.Target {
	return []route.Target{{Room: "noc"}}
}

func inFlapping(t *testing.T, story func(t *testing.T, f *flappy)) {
	opts := webexsim.Options{PerRoom: webexsim.Rate{PerSecond: 5, Burst: 5}}
	inReality(t, opts, func(t *testing.T, r *real) {
		r.stop()
		r.cfg.Storm = config.Storm{Threshold: 10, Window: config.Duration(5 * time.Second), Individual: alert.Disaster}
		r.cfg.Flapping = config.Flapping{Count: 3, Window: config.Duration(15 * time.Minute)}
		r.rate = 5
		f := &flappy{real: r, next: 4700}
		f.begin()
		t.Cleanup(func() { f.end() })
		story(t, f)
	})
}

func (f *flappy) begin() {
	f.start()
	deliver := f.d
	f.fold = ledger.New(ledger.Options{
		Store: f.store, Router: everywhere{},
		Decode: func(e store.Entry) (d ledger.Decoded, err error) { return d, json.Unmarshal(e.Payload, &d.Event) },
		Changed: func(written store.Fold) {
			deliver.Notify(written.Posts, written.Problems...)
		},
		Flapping:   func(string) ledger.Flapping { return ledger.Flapping{Count: 3, Window: 15 * time.Minute} },
		Timing:     func(string, string) route.Timing { return route.Timing{Delay: f.delay} },
		FlapWindow: 15 * time.Minute, Log: slog.New(slog.DiscardHandler), Metrics: ledger.NewMetrics(prometheus.NewRegistry(), []string{"main"}),
	})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- f.fold.Run(ctx) }()
	stop := f.stop
	ended := false
	f.end = func() {
		if ended {
			return
		}
		ended = true
		cancel()
		require.NoError(f.t, <-done)
		stop()
	}
	f.stop = f.end
}

func (f *flappy) tell(e alert.Event) {
	e.Origin, e.Exact, e.ReceivedAt, e.SentAt, e.At = alert.OriginTrigger, true, time.Now(), time.Now(), time.Now()
	payload, err := json.Marshal(e)
	require.NoError(f.t, err)
	_, err = f.store.Append(context.Background(), store.Entry{Source: "main", Kind: store.EntryEvent, Payload: payload, ReceivedAt: time.Now()})
	require.NoError(f.t, err)
	f.fold.Wake()
	synctest.Wait()
}

// opens is one more opening of a trigger on a host.
func (f *flappy) opens(host string, severity alert.Severity) (id int) {
	f.next++
	f.tell(alert.Event{Key: key(f.next), Kind: alert.KindProblem, Severity: &severity, Opened: time.Now(),
		Facts: alert.Facts{Name: "Link down on uplink 1", TriggerID: fmt.Sprint(1000 + len(host)), Hosts: []alert.Host{{Host: host}}}})
	return f.next
}

func (f *flappy) closes(id int) {
	f.tell(alert.Event{Key: key(id), Kind: alert.KindRecovery, Resolved: true, ResolvedAt: time.Now()})
}

func (f *flappy) acks(id int) {
	f.tell(alert.Event{Key: key(id), Kind: alert.KindUpdate, Update: &alert.Update{At: time.Now(), Actor: alert.Actor{Name: "Alice"}, Actions: alert.Actions{Ack: true}}})
}

// flaps are the messages of flapping triggers that the room shows, and singles all others.
func (f *flappy) messages() (flaps, singles, replies []webexsim.MessageView) {
	roots, replies := f.said("noc")
	for _, m := range roots {
		if strings.Contains(m.Text, "Flapping") {
			flaps = append(flaps, m)
		} else {
			singles = append(singles, m)
		}
	}
	return flaps, singles, replies
}

func (f *flappy) pending() int64 {
	s, err := f.store.Stats(context.Background())
	require.NoError(f.t, err)
	return s.PostsPending
}

// A trigger that opens and closes 20 times in ten minutes costs the room two
// messages of problems, and one that says how often, names every event and ends resolved; a restart in the middle
// changes nothing. Two at once are two such messages.
func TestATriggerFlaps(t *testing.T) {
	for name, hosts := range map[string][]string{"one": {"sw1"}, "two at once": {"sw1", "core1"}} {
		t.Run(name, func(t *testing.T) {
			inFlapping(t, func(t *testing.T, f *flappy) {
				ids := map[string][]int{}
				for n := range 20 {
					for _, host := range hosts {
						ids[host] = append(ids[host], f.opens(host, alert.High))
					}
					time.Sleep(15 * time.Second)
					if n == 10 {
						f.end()
						f.begin()
					}
					for _, host := range hosts {
						f.closes(ids[host][n])
					}
					time.Sleep(15 * time.Second)
				}
				time.Sleep(5 * time.Minute)
				synctest.Wait()
				require.Zero(t, f.pending())
				flaps, singles, replies := f.messages()
				require.Len(t, flaps, len(hosts))
				require.Len(t, singles, 2*len(hosts))
				for _, m := range flaps {
					require.Contains(t, m.Text, "now resolved")
					require.Contains(t, m.Text, "opened again 18 times in 8m 30s")
					require.LessOrEqual(t, m.Edits, 9)
					host := hosts[0]
					if !strings.Contains(m.Text, host) {
						host = hosts[1]
					}
					for n, id := range ids[host] {
						require.Equal(t, n >= 2, strings.Contains(m.Text, fmt.Sprint(id)), "event %d", id)
					}
				}
				for _, m := range replies {
					require.NotContains(t, []string{flaps[0].ID, flaps[len(flaps)-1].ID}, m.ParentID, m.Text)
				}

				// It calms down: the next time is told as usual.
				time.Sleep(15 * time.Minute)
				f.opens(hosts[0], alert.High)
				time.Sleep(5 * time.Second)
				_, singles, _ = f.messages()
				require.Len(t, singles, 2*len(hosts)+1)
			})
		})
	}
}

// What goes on for three hours has a message about every twenty minutes, never
// one beyond its edits, and each shows in the end how it is.
func TestATriggerFlapsForHours(t *testing.T) {
	inFlapping(t, func(t *testing.T, f *flappy) {
		for range 3 * 60 {
			id := f.opens("sw1", alert.High)
			time.Sleep(30 * time.Second)
			f.closes(id)
			time.Sleep(30 * time.Second)
		}
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		require.Zero(t, f.pending())
		flaps, singles, _ := f.messages()
		require.Len(t, singles, 2)
		require.LessOrEqual(t, len(flaps), 10)
		for _, m := range flaps {
			require.Contains(t, m.Text, "now resolved")
			require.LessOrEqual(t, m.Edits, 10)
		}
	})
}

// Of a disaster that opens again people are notified, but not twice in a minute:
// an edit alone notifies nobody.
func TestADisasterFlaps(t *testing.T) {
	inFlapping(t, func(t *testing.T, f *flappy) {
		for range 12 {
			id := f.opens("sw1", alert.Disaster)
			time.Sleep(10 * time.Second)
			f.closes(id)
			time.Sleep(10 * time.Second)
		}
		last := f.opens("sw1", alert.Disaster)
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		require.Zero(t, f.pending())
		flaps, singles, replies := f.messages()
		require.Len(t, flaps, 1)
		require.Len(t, singles, 2)
		var lines []string
		for _, m := range replies {
			if m.ParentID == flaps[0].ID {
				lines = append(lines, m.Text)
			}
		}
		require.GreaterOrEqual(t, len(lines), 2)
		require.LessOrEqual(t, len(lines), 5, lines)
		require.Contains(t, lines[len(lines)-1], fmt.Sprintf("Disaster opened again at %s (%d)", time.Now().UTC().Add(-10*time.Minute).Format("15:04:05"), last))
		require.Contains(t, flaps[0].Text, "open since")
	})
}

// Who is acted on leaves for a message of its own, and the next opening goes on
// in that of the trigger.
func TestAnOpeningIsActedOn(t *testing.T) {
	inFlapping(t, func(t *testing.T, f *flappy) {
		var ids []int
		for range 3 {
			ids = append(ids, f.opens("sw1", alert.High))
			time.Sleep(30 * time.Second)
			if len(ids) < 3 {
				f.closes(ids[len(ids)-1])
			}
		}
		f.acks(ids[2])
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		flaps, singles, _ := f.messages()
		require.Len(t, singles, 3)
		require.Contains(t, singles[2].Text+singles[1].Text+singles[0].Text, "Alice acknowledged")
		require.Contains(t, flaps[0].Text, "has a message of its own now")
		f.closes(ids[2])
		ids = append(ids, f.opens("sw1", alert.High))
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		require.Zero(t, f.pending())
		flaps, singles, _ = f.messages()
		require.Len(t, flaps, 1)
		require.Len(t, singles, 3)
		require.Contains(t, flaps[0].Text, "opened again 2 times")
		require.Contains(t, flaps[0].Text, fmt.Sprintf("(%d)", ids[3]))
		require.NotContains(t, flaps[0].Text, fmt.Sprintf(" %d ", ids[2]))
	})
}

// A delay longer than the window holds each opening back: those that last it are told in one
// message all the same, and what is over sooner isn't told at all.
func TestFlappingWithADelay(t *testing.T) {
	inFlapping(t, func(t *testing.T, f *flappy) {
		f.end()
		f.delay = 20 * time.Minute
		f.begin()
		for n := range 12 {
			id := f.opens("sw1", alert.High)
			if n%3 == 0 {
				time.Sleep(30 * time.Second)
				f.closes(id)
			}
			time.Sleep(6 * time.Minute)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		require.Zero(t, f.pending())
		flaps, singles, _ := f.messages()
		require.Len(t, singles, 1, "the second opening; the first was over")
		require.Len(t, flaps, 1)
		require.Contains(t, flaps[0].Text, "opened again 7 times")
	})
}
