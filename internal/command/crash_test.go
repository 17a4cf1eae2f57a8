package command

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/store"
)

// Wherever the relay crashes, the command is executed exactly once, journalled and closed.
func TestCrashAnywhere(t *testing.T) {
	for said, done := range map[string]string{
		"ack main/4711 lab/7 on it":   "- ✅ Acknowledged `main/4711` problem 4711\n- ✅ Acknowledged `lab/7` problem 7",
		"close main/4711 lab/7":       "- ✅ Asked Zabbix to close `main/4711` problem 4711",
		"suppress main/4711 lab/7 2h": "- ✅ Suppressed `main/4711` problem 4711",
	} {
		for _, lost := range []bool{false, true} {
			for crash := range 20 {
				synctest.Test(t, func(t *testing.T) { crashAt(t, said, done, crash, lost) })
			}
		}
	}
}

// crashAt crashes the relay at one of its effects, which is lost or not, and restarts it.
func crashAt(t *testing.T, said, done string, crash int, lost bool) {
	w := newWorld()
	w.problem("main/4711", "noc")
	w.problem("lab/7", "noc")
	w.crash, w.lost = crash, lost
	r := w.start(t)
	r.receives("M1", Input{Text: said, Room: "noc"})
	r.receives("M2", Input{Text: "help", Room: "noc"})
	time.Sleep(time.Minute)
	synctest.Wait()
	r.stop()

	w.crash = -1 // no more crashes
	r = w.start(t)
	defer r.stop()
	time.Sleep(10 * time.Minute)
	synctest.Wait()
	for _, source := range []string{"main", "lab"} {
		require.Len(t, w.calls(source), 1, "crash %d, lost %v", crash, lost)
	}
	require.Equal(t, store.CommandDone, w.command("M1").State)
	require.Equal(t, store.CommandDone, w.command("M2").State)
	recorded := map[string]int{}
	for _, u := range w.updates(t) {
		recorded[fmt.Sprint(u.At, u.Message)]++
	}
	require.NotEmpty(t, w.updates(t))
	require.LessOrEqual(t, len(recorded), 2, "an action that is journalled twice is identical")
	answers := w.answers()
	require.LessOrEqual(t, len(answers), 2)
	require.Contains(t, strings.Join(answers, "\n"), done)
}

// A command that expired while the relay was down isn't executed.
func TestExpiredDuringRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.problem("main/4711", "noc")
		w.setDown("main", true)
		r := w.start(t)
		r.receives("M1", Input{Text: "ack 4711", Room: "noc"})
		synctest.Wait()
		synctest.Wait()
		r.stop()
		w.setDown("main", false)
		time.Sleep(2 * time.Hour)
		r = w.start(t)
		defer r.stop()
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Empty(t, w.calls("main"))
		require.Equal(t, store.CommandExpired, w.command("M1").State)
		answers := strings.Join(w.answers(), "\n")
		require.Contains(t, answers, "⌛ Couldn't acknowledge `main/4711`")
	})
}

// Commands of an earlier run go before new ones, however early those are accepted.
func TestEarlierRunGoesFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.problem("main/4711", "noc")
		w.setDown("main", true)
		r := w.start(t)
		r.receives("M1", Input{Text: "ack 4711 first", Room: "noc"})
		synctest.Wait()
		r.stop()
		w.setDown("main", false)
		var accepted sync.WaitGroup
		w.early = func(ctx context.Context, e *Executor) {
			c := store.Command{ID: "M2", State: store.CommandDone, CreatedAt: time.Now()} // so that start doesn't accept it too
			_, err := w.ClaimCommand(ctx, c)
			require.NoError(t, err)
			accepted.Go(func() {
				require.NoError(t, e.Accept(ctx, c, Input{Text: "comment 4711 second", Room: "noc", Person: alice}))
			})
			synctest.Wait()
			require.Empty(t, w.calls("main"))
		}
		r = w.start(t)
		defer r.stop()
		time.Sleep(time.Minute)
		accepted.Wait()
		calls := w.calls("main")
		require.Len(t, calls, 2)
		require.Contains(t, calls[0].Message, "first")
		require.Contains(t, calls[1].Message, "second")
	})
}

// Commands that an earlier version of the relay stored, with a mark for each problem, are continued: recorded actions aren't
// repeated, and each call has its own message.
func TestStoredByEarlierVersions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		var keys []alert.Key
		for _, id := range []string{"main/4711", "main/4712", "main/4713"} {
			keys = append(keys, w.problem(id, "noc"))
		}
		message := func(mark string) string { return "Alice <alice@example.com> (Webex #" + mark + "): on it" }
		w.zabbixes["main"].events["4711"].Updates = []alert.Update{{Message: message("aaaa2222")}}
		w.zabbixes["main"].events["4711"].Acknowledged = true
		c := store.Command{ID: "M1", Bot: "relay", RoomID: "ROOM-noc", Room: "noc", State: store.CommandExecuting, CreatedAt: time.Now(), Detail: []byte(`{
			"envelope": {"id": "W", "name": "", "resource": "messages", "event": "created", "data": {"id": "M1", "roomId": "ROOM-noc"}},
			"heard": {"Text": "ack 4711 4712 4713 on it", "Button": null, "Room": "noc", "RoomID": "ROOM-noc", "Direct": false, "ParentID": "", "Person": {"id": "P", "name": "Alice", "email": "alice@example.com"}},
			"request": {"verb": "ack", "refs": [{"event_id": "4711"}], "text": "on it"},
			"attempts": [
				{"key": {"source": "main", "event_id": "4711"}, "stage": "executing", "started_at": "` + time.Now().Format(time.RFC3339) + `", "message": "` + message("aaaa2222") + `", "words": "on it"},
				{"key": {"source": "main", "event_id": "4712"}, "message": "` + message("bbbb2222") + `", "words": "on it"},
				{"key": {"source": "main", "event_id": "4713"}, "message": "` + message("cccc2222") + `", "words": "on it"}]}`)}
		claimed, err := w.ClaimCommand(t.Context(), c)
		require.NoError(t, err)
		require.True(t, claimed)
		r := w.start(t)
		defer r.stop()
		time.Sleep(time.Minute)
		synctest.Wait()
		calls := w.calls("main")
		require.Len(t, calls, 2)
		require.Equal(t, message("bbbb2222"), calls[0].Message)
		require.Equal(t, message("cccc2222"), calls[1].Message)
		require.Equal(t, store.CommandDone, w.command("M1").State)
		require.Len(t, w.updates(t), len(keys))
	})
}

// A command that the store lost, or doesn't accept, is given up with a reply. No other command waits for it.
func TestMissingRecord(t *testing.T) {
	for name, broken := range map[string]error{"missing": store.ErrNotFound, "rejected": store.ErrRejected} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld()
				w.problem("main/4711", "noc")
				w.problem("main/4712", "noc")
				w.setDown("main", true)
				r := w.start(t)
				defer r.stop()
				r.receives("M1", Input{Text: "ack 4711", Room: "noc"})
				r.receives("M2", Input{Text: "ack 4712", Room: "noc"})
				time.Sleep(time.Minute)
				w.mu.Lock()
				w.broken = map[string]error{"M1": broken}
				w.mu.Unlock()
				w.setDown("main", false)
				time.Sleep(5 * time.Minute)
				synctest.Wait()
				require.Equal(t, store.CommandDone, w.command("M2").State)
				calls := w.calls("main")
				require.Len(t, calls, 1)
				require.Equal(t, []string{"4712"}, calls[0].EventIDs)
				var replies []string
				for _, n := range w.notices() {
					if n.ParentID == "M1" {
						replies = append(replies, n.Markdown)
					}
				}
				require.Len(t, replies, 2, "an interim reply and the final one")
				require.Equal(t, givenUp("", true), replies[1])
				require.Equal(t, 1.0, testutil.ToFloat64(r.o.Metrics.commands.WithLabelValues("ack", "failed")))
			})
		})
	}
}

// A command about a digest whose record disappears between two of its parts is given up with a reply.
func TestMissingRecordBetweenParts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		for i := range 2 * wideParts {
			w.member(w.problem(fmt.Sprintf("main/%d", 1000+i)), "DIGEST", true, time.Time{})
		}
		w.zabbixes["main"].took = time.Second
		r := w.start(t)
		defer r.stop()
		r.receives("M1", Input{Text: "ack all yes", Room: "noc", ParentID: "DIGEST"})
		time.Sleep(1500 * time.Millisecond) // the first call is in flight
		w.mu.Lock()
		w.broken = map[string]error{"M1": store.ErrNotFound}
		w.mu.Unlock()
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		require.Len(t, w.calls("main"), wideParts, "the first part")
		answers := w.answers()
		require.Equal(t, givenUp("", true), answers[len(answers)-1])
	})
}

// A command about a problem that the store can't read isn't executed and is answered, whether the problem was damaged before or
// after the command was accepted.
func TestUnreadableProblem(t *testing.T) {
	for name, accepted := range map[string]bool{"accepted": true, "not accepted": false} {
		t.Run(name, func(t *testing.T) {
			story(t, func(t *testing.T, w *world, r *relay) {
				w.damaged.Store(!accepted)
				w.setDown("main", true)
				r.receives("M1", Input{Text: "ack 4711", Room: "noc"})
				synctest.Wait()
				w.damaged.Store(true)
				w.setDown("main", false)
				time.Sleep(5 * time.Minute)
				synctest.Wait()
				require.Empty(t, w.calls("main"))
				require.Equal(t, store.CommandFailed, w.command("M1").State)
				answers := w.answers()
				require.Equal(t, damagedProblem(alert.ParseKey("main/4711"), voice{several: true}), answers[len(answers)-1])
			})
		})
	}
}

// A damaged record of an earlier run doesn't stop the relay, nor later commands.
func TestDamagedRecordOfEarlierRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.problem("main/4711", "noc")
		w.damaged.Store(true)
		r := w.start(t)
		defer r.stop()
		w.damaged.Store(false)
		r.receives("M1", Input{Text: "ack 4711", Room: "noc"})
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Equal(t, store.CommandDone, w.command("M1").State)
	})
}

// acrossCrashes gives a command to a relay that crashes at one of its first effects, which lasts or is lost, and then starts the relay
// again, which doesn't. It does so in a world for each.
func acrossCrashes(t *testing.T, effects int, input Input, prepare func(*testing.T, *world), check func(t *testing.T, w *world, what string)) {
	t.Helper()
	for _, lost := range []bool{false, true} {
		for crash := range effects {
			synctest.Test(t, func(t *testing.T) {
				w := adminWorld()
				prepare(t, w)
				w.crash, w.lost = crash, lost
				r := w.start(t)
				r.receives("M1", input)
				time.Sleep(time.Minute)
				synctest.Wait()
				r.stop()
				w.crash = -1
				r = w.start(t)
				defer r.stop()
				time.Sleep(10 * time.Minute)
				synctest.Wait()
				check(t, w, fmt.Sprintf("crash %d, lost %v", crash, lost))
			})
		}
	}
}
