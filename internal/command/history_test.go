package command

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/store"
)

// history shows the statistics of the problem's trigger, to those who may see the problem.
func TestHistoryOfATrigger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		k := w.problem("main/4711", "noc")
		p := w.find(k)
		p.TriggerID, p.Hosts = "23118", []alert.Host{{Host: "sw1"}}
		trigger := alert.TriggerKey{Source: "main", TriggerID: "23118", Host: "sw1"}
		stats := alert.TriggerStats{Trigger: trigger, Occurrences: []alert.Occurrence{{EventID: "4600", Opened: alert.MicroOf(time.Now().Add(-time.Hour)), Rooms: []string{"noc"}}}}
		w.commit(store.Fold{Problems: []alert.Problem{p}, Triggers: []alert.TriggerStats{stats}})
		w.problem("main/4712", "noc")
		r := w.start(t)
		defer r.stop()
		r.receives("M1", Input{Text: "history 4711", Room: "noc"})
		r.receives("M2", Input{Text: "history 4711 4712", Room: "noc"})
		r.receives("M3", Input{Text: "history 4711", Room: "db"})
		r.receives("M4", Input{Text: "history 4711 please look", Room: "noc"})
		synctest.Wait()
		answers := w.answers()
		require.Len(t, answers, 4)
		require.Equal(t, "HISTORY main/4711 4600", answers[0])
		require.Equal(t, "HISTORY main/4711 4600\n\n---\n\nHISTORY main/4712", answers[1])
		require.NotContains(t, answers[2], "HISTORY")
		require.Contains(t, answers[3], "`history` takes event ids and nothing else")
	})
}

// What was written about earlier problems is read from where those may be seen: in their rooms, and in the direct chats of people with
// a role in one of them.
func TestWhoReadsWhatWasWrittenEarlier(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		p := w.find(w.problem("main/4711", "noc", "db", "lan"))
		p.TriggerID, p.Hosts = "23118", []alert.Host{{Host: "sw1"}}
		p.Memory = &alert.Memory{Known: true, Times: 2, Remarks: []alert.PostedRemark{{Remark: alert.Remark{Text: "loose cable"}, Rooms: []string{"db"}}}}
		stats := alert.TriggerStats{Trigger: alert.TriggerKey{Source: "main", TriggerID: "23118", Host: "sw1"}, Occurrences: []alert.Occurrence{
			{EventID: "4500", Opened: alert.MicroOf(time.Now().Add(-2 * time.Hour))}, // of which nobody knows the rooms
			{EventID: "4600", Opened: alert.MicroOf(time.Now().Add(-time.Hour)), Rooms: []string{"db"}},
		}}
		w.commit(store.Fold{Problems: []alert.Problem{p}, Triggers: []alert.TriggerStats{stats}})
		w.setDown("main", true) // show answers with the stored problem
		r := w.start(t)
		defer r.stop()
		for i, c := range []struct {
			room, email string
			direct      bool
			want        string
		}{
			{"db", "bob@example.com", false, "4600"},
			{"noc", "carol@example.com", false, ""},
			{"lan", "alice@example.com", false, ""}, // the room reads it, not she
			{"", "bob@example.com", true, "4600"},
			{"", "alice@example.com", true, "4500 4600"},
			{"", "dave@example.com", true, ""},
		} {
			for _, verb := range []string{"show", "history"} {
				r.receives(fmt.Sprint(verb, i), Input{Text: verb + " 4711", Room: c.room, Direct: c.direct, Person: Person{Email: c.email}})
				synctest.Wait()
				answers := w.answers()
				require.Contains(t, answers[len(answers)-1], "main/4711", "%s: %+v", verb, c)
				switch verb {
				case "show":
					require.Equal(t, c.want != "", strings.Contains(answers[len(answers)-1], "loose cable"), "%s: %+v", verb, c)
				default:
					require.Equal(t, strings.TrimSpace("HISTORY main/4711 "+c.want), answers[len(answers)-1], "%+v", c)
				}
			}
		}
	})
}
