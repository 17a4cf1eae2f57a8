package convergence

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/simulator/webexsim"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/testrace"
)

// ranked makes three of four problems symptoms of the first. Zabbix's API says of the last that it has no cause, so that its rank
// changes.
func ranked(s schedule) schedule {
	s.Ranks, s.Steps = true, slices.Clone(s.Steps)
	for i := range s.Steps {
		st := &s.Steps[i]
		place := st.Problem % 4
		if place == 0 {
			continue
		}
		cause := eventID(st.Problem - place)
		switch st.Kind {
		case send:
			var m map[string]string
			if err := json.Unmarshal([]byte(st.Payload), &m); err != nil {
				panic(err)
			}
			m["EVENT.CAUSE.ID"] = cause
			st.Payload = encode(m)
		case observe:
			if place != 3 {
				st.Truth.Cause = cause
			}
		}
	}
	return s
}

// Causes and symptoms in the schedules of TestRoomsConverge: each problem is in one place, its own message or that of its cause's
// symptoms, and causes count right, whatever fails.
func TestRoomsConvergeWithRanks(t *testing.T) {
	n := uint64(max(24, *schedulesFlag/10))
	if testrace.On {
		n = 8
	}
	grouped := make(chan bool, n)
	t.Cleanup(func() {
		close(grouped)
		some := 0
		for g := range grouped {
			if g {
				some++
			}
		}
		require.Greater(t, some, int(n/10), "schedules with symptoms under their causes")
	})
	for seed := range n {
		seed++
		s := ranked(of(seed))
		t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) {
			if seed > 1 {
				t.Parallel()
			}
			any := false
			faults := play(t, s, func(w *world) {
				for _, g := range w.read(w.checkJournal()).groups {
					any = any || g.Kind == store.GroupCause
				}
			})
			grouped <- any
			for _, f := range faults {
				t.Error(f)
			}
			if len(faults) > 0 {
				t.Log(s)
			}
		})
	}
}

// under reports whether a problem is a symptom of the open cause of a group.
func under(h held, g store.Group, p alert.Problem) bool {
	cause := h.problems[alert.ParseKey(g.Name)]
	return cause.Open() && cause.CauseEventID == "" && p.CauseEventID == cause.Key.EventID
}

// checkCounted checks that a problem counts exactly the symptoms that say so.
func (w *world) checkCounted(h held, p alert.Problem) {
	var want alert.Symptoms
	for _, o := range h.problems {
		if o.CountedBy != "" && o.CountedBy != o.CauseEventID {
			w.fault("%s is counted by %s, but its cause is %q", o.Key, o.CountedBy, o.CauseEventID)
		}
		if id := o.SymptomOf(); id == p.Key.EventID && o.Key.Source == p.Key.Source && o.CountedBy != id {
			w.fault("%s is a symptom of %s, which doesn't count it", o.Key, p.Key)
		}
		if o.CountedBy == p.Key.EventID {
			want.All++
			if o.Open() {
				want.Open++
			}
		}
	}
	if p.Symptoms != want {
		w.fault("%s counts %+v, expected %+v", p.Key, p.Symptoms, want)
	}
}

// threadOf returns the replies about a group: of symptoms, all of the room, since a thread has no threads.
func (w *world) threadOf(g store.Group, m webexsim.MessageView) (replies []webexsim.MessageView) {
	if g.Kind != store.GroupCause {
		return w.thread(m)
	}
	for _, r := range w.sim.Timeline(m.RoomID) {
		if r.ParentID != "" && r.ID != m.ID && !r.Deleted {
			replies = append(replies, r)
		}
	}
	return replies
}
