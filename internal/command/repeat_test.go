package command

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/zabbix"
)

// The same act by the same person, while the first is in progress or within a minute, is one call and one reply.
func TestRepetitionIsDoneOnce(t *testing.T) {
	const thread = "ROOT-main/4711@noc"
	press := func(action, comment, card string) Input {
		return Input{Button: &Button{Action: action, Key: "main/4711", Comment: comment, MessageID: card}, Room: "noc"}
	}
	say := func(text string) Input { return Input{Text: text, Room: "noc", ParentID: thread} }
	by := func(email string, h Input) Input {
		h.Person = Person{Email: email}
		return h
	}
	bob := func(h Input) Input { return by("pat@ops.example.com", h) }
	for _, c := range []struct {
		why   string
		input []Input
		pause time.Duration // between them
		calls int
	}{
		{"the same button at once", []Input{press("ack", "", "CARD"), press("ack", "", "CARD"), press("ack", "", "CARD")}, 0, 1},
		{"the same button a little later", []Input{press("close", "", "CARD"), press("close", "", "CARD")}, 300 * time.Millisecond, 1},
		{"the button of the card that replaced it", []Input{press("ack", "on it", "CARD"), press("ack", "on it", "CARD2")}, time.Second, 1},
		{"a comment by button", []Input{press("comment", "x", "CARD"), press("comment", "x", "CARD")}, 59 * time.Second, 1},
		{"the same words", []Input{say("comment x"), say("comment x")}, 30 * time.Second, 1},
		{"the same words with an id", []Input{say("comment x"), say("comment 4711: x"), say("note #4711. x")}, time.Second, 1},
		{"several problems in another order", []Input{say("ack 4711 4712 x"), say("ack 4712, 4711 x")}, time.Second, 2},
		{"a severity", []Input{say("severity high"), say("severity 4"), say("sev HIGH!")}, time.Second, 1},
		{"in a direct chat", []Input{{Text: "ack main/4711", Direct: true}, {Text: "ack main/4711", Direct: true}}, time.Second, 1},

		{"other words", []Input{press("comment", "x", "CARD"), press("comment", "y", "CARD")}, 0, 2},
		{"words and none", []Input{say("close"), say("close x")}, 0, 2},
		{"another person", []Input{press("close", "", "CARD"), bob(press("close", "", "CARD"))}, 0, 2},
		{"in another room, which needs its own reply", []Input{say("comment x"), {Text: "comment main/4711 x", Direct: true}}, time.Second, 2},
		{"another problem", []Input{say("comment x"), say("comment 4712 x")}, 0, 2},
		{"one problem more", []Input{say("comment x"), say("comment 4711 4712 x")}, 0, 3},
		{"another verb", []Input{say("ack x"), say("comment x")}, 0, 2},
		{"another severity", []Input{say("severity high"), say("severity disaster")}, 0, 2},
		{"after more than a minute", []Input{say("comment x"), say("comment x")}, 61 * time.Second, 2},
		{"undone in between", []Input{say("ack x"), say("unack y"), say("ack x")}, time.Second, 3},
		{"undone by somebody else", []Input{say("ack x"), bob(say("unack y")), say("ack x"), say("ack x")}, time.Second, 3},
		{"changed in between", []Input{say("severity high"), bob(say("severity warning")), say("severity high")}, time.Second, 3},
	} {
		for _, away := range []bool{false, true} {
			if away && c.pause > 10*time.Second {
				continue
			}
			story(t, func(t *testing.T, w *world, r *relay) {
				w.setDown("main", away) // the first command stays in progress
				for i, h := range c.input {
					r.receives(fmt.Sprint("M", i), h)
					time.Sleep(c.pause)
				}
				synctest.Wait()
				w.setDown("main", false)
				time.Sleep(5 * time.Minute)
				synctest.Wait()
				require.Len(t, w.calls("main"), c.calls, "%s, away %v", c.why, away)
				repeated := 0
				for i := range c.input {
					cmd := w.command(fmt.Sprint("M", i))
					require.Equal(t, store.CommandDone, cmd.State, c.why)
					if cmd.Outcome == "a repetition of command M0" || cmd.Outcome == "a repetition of command M2" {
						repeated++
						require.NotEmpty(t, cmd.Keys)
						for _, n := range w.notices() {
							require.NotContains(t, n.Dedup, cmd.ID, "%s: it is answered once", c.why)
						}
					}
				}
				require.InDelta(t, repeated, testutil.ToFloat64(r.o.Metrics.commands.WithLabelValues("ack", "repeated"))+
					testutil.ToFloat64(r.o.Metrics.commands.WithLabelValues("close", "repeated"))+testutil.ToFloat64(r.o.Metrics.commands.WithLabelValues("comment", "repeated"))+
					testutil.ToFloat64(r.o.Metrics.commands.WithLabelValues("severity", "repeated")), 0, c.why)
			})
		}
	}
}

// A repetition is recognised across a restart, whatever the state of the first command.
func TestRepetitionAcrossRestart(t *testing.T) {
	for _, away := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld()
			w.problem("main/4711", "noc")
			w.setDown("main", away)
			press := Input{Button: &Button{Action: "close", Key: "main/4711", MessageID: "CARD"}, Room: "noc"}
			r := w.start(t)
			r.receives("M1", press)
			synctest.Wait()
			r.stop()
			r = w.start(t)
			defer r.stop()
			r.receives("M2", press)
			synctest.Wait()
			w.setDown("main", false)
			time.Sleep(5 * time.Minute)
			synctest.Wait()
			require.Len(t, w.calls("main"), 1)
			require.Len(t, w.answers(), 1)
			require.Equal(t, store.CommandDone, w.command("M1").State)
			require.Contains(t, w.command("M2").Outcome, "a repetition of command M1")
		})
	}
}

// Wherever the relay crashes, two presses cause one call, and both commands end.
func TestRepetitionCrashes(t *testing.T) {
	for crash := range 14 {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld()
			w.problem("main/4711", "noc")
			press := Input{Button: &Button{Action: "close", Key: "main/4711", MessageID: "CARD"}, Room: "noc"}
			w.crash = crash
			r := w.start(t)
			r.receives("M1", press)
			r.receives("M2", press)
			synctest.Wait()
			r.stop()
			w.crash = -1
			r = w.start(t)
			defer r.stop()
			time.Sleep(5 * time.Minute)
			synctest.Wait()
			require.Len(t, w.calls("main"), 1, crash)
			for _, id := range []string{"M1", "M2"} {
				require.Equal(t, store.CommandDone, w.command(id).State, "%s, crash %d", id, crash)
			}
		})
	}
}

// A failed command can be repeated at once.
func TestFailedCommandCanBeRepeated(t *testing.T) {
	story(t, func(t *testing.T, w *world, r *relay) {
		w.zabbixes["main"].fail = []failure{{err: &zabbix.Error{Kind: zabbix.CloseForbidden}}}
		for _, id := range []string{"M1", "M2"} {
			r.receives(id, Input{Text: "close", Room: "noc", ParentID: "ROOT-main/4711@noc"})
			synctest.Wait()
		}
		require.Len(t, w.calls("main"), 1)
		require.Len(t, w.answers(), 2)
		for _, id := range []string{"M3", "M4"} { // misspelt, and a list: answered each time
			r.receives(id, Input{Text: "akc", Room: "noc"})
			r.receives(id+"L", Input{Text: "problems", Room: "noc"})
			synctest.Wait()
		}
		require.Len(t, w.answers(), 6)
	})
}

// After an act was undone in Zabbix, the next one is a new command; other changes don't matter.
func TestUndoneInZabbix(t *testing.T) {
	for _, c := range []struct {
		said  string
		then  alert.Actions
		calls int
	}{
		{"ack", alert.Actions{Unack: true}, 2},
		{"unack", alert.Actions{Ack: true}, 2},
		{"severity high", alert.Actions{Severity: &alert.SeverityChange{Old: alert.High, New: alert.Warning}}, 2},
		{"severity high", alert.Actions{Severity: &alert.SeverityChange{Old: alert.Average, New: alert.High}}, 1}, // this command's own
		{"ack", alert.Actions{Ack: true}, 1},
		{"ack", alert.Actions{Comment: true}, 1},
		{"comment x", alert.Actions{Unack: true}, 1},
	} {
		story(t, func(t *testing.T, w *world, r *relay) {
			h := Input{Text: c.said, Room: "noc", ParentID: "ROOT-main/4711@noc"}
			before := time.Now().Add(-time.Minute) // an undo before the command doesn't count
			r.receives("M1", h)
			time.Sleep(5 * time.Second)
			w.mu.Lock()
			p := w.find(alert.ParseKey("main/4711"))
			p.Timeline = nil
			for _, undo := range []alert.Actions{{Unack: true}, {Ack: true}, {Severity: &alert.SeverityChange{Old: alert.High, New: alert.Warning}}} {
				p.Timeline = append(p.Timeline, alert.Entry{Kind: alert.EntryUpdate, Update: &alert.Update{At: before, Actions: undo}})
			}
			p.Timeline = append(p.Timeline, alert.Entry{Kind: alert.EntryUpdate, Update: &alert.Update{At: time.Now(), Actions: c.then}})
			w.put(p)
			w.mu.Unlock()
			r.receives("M2", h)
			synctest.Wait()
			require.Len(t, w.calls("main"), c.calls, "%s %+v", c.said, c.then)
		})
	}
}

// "ack all yes" twice acknowledges a digest once, with one reply.
func TestAckAllRepetition(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.digested(45)
		r := w.start(t)
		defer r.stop()
		for i, h := range []Input{
			{Text: "ack all yes", Room: "noc", ParentID: "DIGEST"}, {Text: "ack all, yes!", Room: "noc", ParentID: "DIGEST"},
		} {
			r.receives(fmt.Sprint("M", i), h)
		}
		time.Sleep(30 * time.Second)
		synctest.Wait()
		r.receives("M9", Input{Text: "ack all yes", Room: "noc", ParentID: "DIGEST"}) // and once more after it has ended
		synctest.Wait()
		require.Len(t, append(w.calls("main"), w.calls("lab")...), 45)
		require.Len(t, w.answers(), 1)
	})
}
