package convergence

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/testrace"
)

// The schedules of this file are written by hand: one fault each, while problems open, change and resolve.
// The checks of TestRoomsConverge apply too.

// playFaults plays faults around three problems in the rooms of a host: the first resolves, the second is
// acknowledged, the third stays open.
func playFaults(t *testing.T, host string, then func(*world), troubles ...step) {
	t.Helper()
	playFaultsIn(t, host, func(*world) {}, then, troubles...)
}

// playFaultsIn is playFaults in a world that before changes first.
func playFaultsIn(t *testing.T, host string, before, then func(*world), troubles ...step) {
	t.Helper()
	s := schedule{Seed: 1, Workers: 2, Rate: 10, Network: 80 * time.Millisecond, Disk: 20 * time.Millisecond, Steps: troubles}
	for n := range 3 {
		l := &sender{r: rand.New(rand.NewPCG(1, 1)), problem: n, host: host}
		opened := truth{Severity: alert.Average, Opened: time.Duration(1+n) * time.Second}
		say := func(at time.Duration, k alert.Kind, tr truth, u update) {
			s.Steps = append(s.Steps, step{At: at, Kind: send, Problem: n, Payload: l.payload(tr, k, u, "", at)})
		}
		say(opened.Opened, alert.KindProblem, opened, update{})
		switch n {
		case 0:
			opened.Resolved, opened.ResolvedAt = true, 30*time.Second
			say(opened.ResolvedAt, alert.KindRecovery, opened, update{})
		case 1:
			opened.Acknowledged = true
			say(20*time.Second, alert.KindUpdate, opened, update{At: 20 * time.Second, Who: "Alice", Words: "acknowledged", Ack: true})
		}
	}
	s.sort()
	faults := playIn(t, s, before, then)
	require.Empty(t, faults, "%v", s)
}

// roots returns the texts of a room's live roots, or of their cards.
func (w *world) roots(room string) (texts []string) {
	for _, m := range w.sim.Timeline(room) {
		if m.ParentID == "" && !m.Deleted {
			texts = append(texts, m.Text)
		}
	}
	return texts
}

// shows checks that a room has exactly the three problems of playFaults, up to date.
func (w *world) shows(t *testing.T, room string) {
	t.Helper()
	texts := w.roots(room)
	require.Len(t, texts, 3)
	for _, text := range texts {
		require.Equal(t, strings.Contains(text, nameOf(0)), strings.Contains(text, "resolved"), text)
		require.Equal(t, strings.Contains(text, nameOf(1)), strings.Contains(text, "acknowledged"), text)
	}
}

// An hour without Webex only delays messages.
func TestAnHourOfOutage(t *testing.T) {
	playFaults(t, "sw1", func(w *world) {
		w.shows(t, "noc")
		require.Empty(t, w.ears.early)
	}, step{At: 2 * time.Second, Kind: outage, For: time.Hour})
}

// A 429 pauses the bot for exactly Retry-After, also across a kill -9.
func TestAnHourOfWaiting(t *testing.T) {
	playFaults(t, "sw1", func(w *world) {
		w.shows(t, "noc")
		require.False(t, w.forgot, "the wait survived the kill")
		require.Equal(t, 1, w.ears.refused[429], "no call was made before its end")
	},
		step{At: 2500 * time.Millisecond, Kind: limit, Count: 1, Status: 429, RetryAfter: 3600},
		step{At: time.Minute, Kind: crash, For: 5 * time.Second})
}

// A bot with a revoked token posts everything when it has a token again.
func TestARevokedToken(t *testing.T) {
	playFaults(t, "sw1", func(w *world) {
		w.shows(t, "noc")
		require.Less(t, w.ears.refused[401], 70, "one try a minute, for an hour")
		require.NotZero(t, w.ears.refused[401])
	}, step{At: 2 * time.Second, Kind: revoke}, step{At: time.Hour, Kind: restore})
}

// Problems of a room that the bot was removed from are in the default room. When the bot is back and the dead
// letters are replayed, the room has them all.
func TestARemovedBotIsReadmitted(t *testing.T) {
	out := step{At: 2500 * time.Millisecond, Kind: expel, Room: "line"}
	playFaults(t, "line1", func(w *world) {
		require.NotEmpty(t, w.roots("noc"))
		require.Contains(t, strings.Join(w.roots("noc"), "\n"), "Room line refuses messages.")
	}, out)
	playFaults(t, "line1", func(w *world) {
		w.shows(t, "line")
		require.Zero(t, w.stats().Dead(store.LetterPost))
	}, out, step{At: 50 * time.Second, Kind: readmit, Room: "line"})
}

// A message that Webex refuses is a dead letter and delays no other.
func TestOneMessageIsRefused(t *testing.T) {
	playFaults(t, "line1", func(w *world) {
		require.EqualValues(t, 1, w.stats().Dead(store.LetterPost))
		require.Len(t, w.roots("line"), 2)
	}, step{At: 0, Kind: refuse, Op: "POST /messages", Room: "line", Count: 1, Status: 400})
}

// A digest that Webex refuses is a dead letter. A member that becomes a disaster afterwards, and one that somebody acts on,
// are posted at once, and the digest doesn't name them when it is replayed.
func TestMembersLeaveARefusedDigest(t *testing.T) {
	s := schedule{Seed: 1, Workers: 2, Rate: 10, Storm: config.Storm{Threshold: 4, Individual: alert.Disaster},
		Steps: []step{{Kind: refuse, Op: "no such call", Count: 1, Status: 400}}} // tells the checks that messages are refused
	for n := range 12 {
		l := &sender{r: rand.New(rand.NewPCG(1, 1)), problem: n, host: "sw1"}
		tr := truth{Severity: alert.Average, Opened: time.Second}
		say := func(at time.Duration, k alert.Kind, u update) {
			s.Steps = append(s.Steps, step{At: at, Kind: send, Problem: n, Payload: l.payload(tr, k, u, "", at)})
		}
		switch at := time.Minute; n {
		case 0:
			say(1300*time.Millisecond, alert.KindProblem, update{}) // the digest has begun
			tr.Severity = alert.Disaster
			say(at, alert.KindUpdate, update{At: at, Who: "Bob", Words: "changed severity from Average to Disaster"})
		case 1:
			say(1300*time.Millisecond, alert.KindProblem, update{})
			tr.Acknowledged = true
			say(at, alert.KindUpdate, update{At: at, Who: "Alice", Words: "acknowledged"})
		default:
			say(tr.Opened, alert.KindProblem, update{})
		}
	}
	s.sort()
	var welcome atomic.Bool
	refuseDigests := func(w *world) {
		next := w.server.Handler
		w.server.Handler = http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(r.Body)
			if err == nil && !welcome.Load() && strings.Contains(string(body), "problems at once") {
				out.Header().Set("Content-Type", "application/json")
				out.WriteHeader(http.StatusBadRequest)
				_, _ = fmt.Fprint(out, `{"message": "no digests here", "trackingId": "T"}`)
				return
			}
			r.Body = io.NopCloser(bytes.NewReader(body))
			next.ServeHTTP(out, r)
		})
	}
	require.Empty(t, playIn(t, s, refuseDigests, func(w *world) {
		alone := func() (n int) {
			for _, text := range w.roots("noc") {
				if !strings.Contains(text, "at once") && (strings.Contains(text, nameOf(0)) || strings.Contains(text, nameOf(1))) {
					n++
				}
			}
			return n
		}
		require.Equal(t, 2, alone())
		require.NotContains(t, strings.Join(w.roots("noc"), "\n"), "at once")
		welcome.Store(true)
		w.readmit("noc") // replays all dead letters
		require.True(t, w.settle())
		w.check()
		require.Equal(t, 2, alone())
		require.Contains(t, strings.Join(w.roots("noc"), "\n"), "at once")
	}))
}

// With answers after 20 s, or after the client's time-out, everything is posted, and repeated no more often than
// answers were lost.
func TestASlowWebex(t *testing.T) {
	for _, delay := range []time.Duration{20 * time.Second, 45 * time.Second} {
		playFaults(t, "sw1", func(w *world) {
			require.Len(t, w.accepted, 5, "Zabbix waits for none of it")
			for _, a := range w.accepted {
				require.Less(t, a.took, time.Second)
			}
		}, step{Kind: slow, Count: 12, For: delay, Taken: true})
	}
}

// While the disk is full, events are refused, and are posted when they are sent again. Messages in flight aren't
// repeated.
func TestAFullDisk(t *testing.T) {
	playFaults(t, "sw1", func(w *world) {
		w.shows(t, "noc")
		require.Len(t, w.accepted, 5)
	}, step{At: 1200 * time.Millisecond, Kind: diskFull, For: 15 * time.Second})
}

// A stop drains and repeats nothing.
func TestARestartRepeatsNothing(t *testing.T) {
	var stops []step
	for at := time.Second; at < 40*time.Second; at += 2500 * time.Millisecond {
		stops = append(stops, step{At: at, Kind: restart, For: 100 * time.Millisecond})
	}
	playFaults(t, "sw1", func(w *world) { w.shows(t, "noc") }, stops...)
}

// After fourteen changes that use up the edits, the last edit is left for the resolution.
func TestTheLastEditIsForTheResolution(t *testing.T) {
	l := &sender{r: rand.New(rand.NewPCG(1, 1)), host: "sw1"}
	s := schedule{Seed: 1, Workers: 2, Rate: 10}
	tr := truth{Severity: alert.Average, Opened: time.Second}
	at := time.Second
	say := func(k alert.Kind, u update) {
		s.Steps = append(s.Steps, step{At: at, Kind: send, Payload: l.payload(tr, k, u, "", at)})
		at += 15 * time.Second
	}
	say(alert.KindProblem, update{})
	for n := range 14 {
		say(alert.KindUpdate, update{At: at, Who: "Alice", Words: "commented", Message: fmt.Sprint("comment ", n)})
	}
	tr.Resolved, tr.ResolvedAt = true, at
	say(alert.KindRecovery, update{})
	require.Empty(t, play(t, s, func(w *world) {
		require.Len(t, w.roots("noc"), 1)
		require.Contains(t, w.roots("noc")[0], "resolved")
	}))
}

// An edit is executed, its answer is lost, and the change is undone at once: the room shows the final state.
func TestALostEditIsUndone(t *testing.T) {
	for n := range 10 {
		l := &sender{r: rand.New(rand.NewPCG(1, 1)), host: "line1"}
		s := schedule{Seed: 1, Workers: 2, Rate: 10, Steps: []step{{Kind: lose, Op: "PUT /messages/{id}", Count: 1, Taken: true}}}
		say := func(at time.Duration, k alert.Kind, acked bool, u update) {
			tr := truth{Severity: alert.Average, Opened: time.Second, Acknowledged: acked}
			s.Steps = append(s.Steps, step{At: at, Kind: send, Payload: l.payload(tr, k, u, "", at.Truncate(time.Second))})
		}
		say(time.Second, alert.KindProblem, false, update{})
		say(10*time.Second, alert.KindUpdate, true, update{At: 10 * time.Second, Who: "Alice", Words: "acknowledged", Ack: true})
		back := 12*time.Second + time.Duration(n)*150*time.Millisecond
		say(back, alert.KindUpdate, false, update{At: 12 * time.Second, Who: "Alice", Words: "unacknowledged", Unack: true})
		require.Empty(t, play(t, s), "undone after %v", back)

		// The same if the relay was killed before the answer arrived.
		s.Steps = append(s.Steps[1:3:3], step{At: back - 100*time.Millisecond, Kind: crash, For: 2 * time.Second})
		s.Network = 500 * time.Millisecond
		say(back-150*time.Millisecond, alert.KindUpdate, false, update{At: 12 * time.Second, Who: "Alice", Words: "unacknowledged", Unack: true})
		s.sort()
		require.Empty(t, play(t, s), "killed at %v", back)
	}
}

// kill -9 at every tenth of a second while a problem's first messages are posted, and its last: at most one message
// per worker is repeated.
func TestKilledAtAnyMoment(t *testing.T) {
	for _, from := range []time.Duration{time.Second, 30 * time.Second} {
		for n := range 12 {
			at := from + time.Duration(n)*53*time.Millisecond
			t.Run(fmt.Sprint(at), func(t *testing.T) {
				if n%3 > 0 {
					testrace.Skip(t)
				}
				playFaults(t, "sw1", func(*world) {}, step{At: at, Kind: crash, For: 2 * time.Second})
			})
		}
	}
}
