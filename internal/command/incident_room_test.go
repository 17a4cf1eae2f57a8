package command

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/incident"
	"nms-alert-relay/internal/store"
)

// resolve resolves a problem.
func (w *world) resolve(key string) {
	p := w.find(alert.ParseKey(key))
	p.State, p.ResolvedAt = alert.StateResolved, time.Now()
	w.put(p)
}

// Each problem that `room` names is answered for, whatever becomes of the others; nothing joins by guessing.
func TestRoomAnswersForEachProblem(t *testing.T) {
	inIncident(t, func(w *world, k *incident.Keeper, said func(text, room string, who Person) string, pressed func(b *Button, room string) string) {
		answers := func(words string, lines ...string) {
			t.Helper()
			reply := strings.Split(said("room "+words, "db", alice), "\n\n")
			require.Len(t, reply, len(lines), reply)
			for n, line := range lines {
				require.Contains(t, reply[n], line)
			}
		}
		w.problem("main/4715", "db")
		w.problem("main/4716", "db")
		w.problem("main/4717", "db", "noc")
		w.resolve("main/4715")

		inOne, resolved := "`main/4711` is in **INC-1** already", "`main/4715` isn't open any more, so I opened no incident for it"
		answers("main/4711 main/4713", inOne, "`main/4713` is in no incident, and I opened none: `join main/4713 INC-1` adds it to that one, `room main/4713` opens another.")
		answers("main/4715 main/4711 main/4712", resolved, inOne, "`main/4712` is in **INC-1** already")
		require.Len(t, k.All(), 1)
		require.Equal(t, []string{"main/4711", "main/4712"}, current(t, k))
		i, _ := k.Get(1)
		require.Len(t, i.Invite, 1, "alice, once")

		answers("main/4713 main/4715", "Not open any more, so not in **INC-2**: `main/4715`.")
		i, _ = k.Get(2)
		require.Len(t, i.Problems, 1)
		answers("main/4711 main/4713 main/4716", inOne, "`main/4713` is in **INC-2** already", "`main/4716` is in no incident, and I opened none: `room main/4716` opens one.")
		i, err := k.Add(t.Context(), store.Incident{Command: "elsewhere", Room: "noc", Opened: time.Now(), Problems: []store.IncidentProblem{{Key: alert.ParseKey("main/4717")}}})
		require.NoError(t, err)
		answers("main/4717 main/4716", "`main/4717` is in an incident already, which was opened in another room.", "`main/4716` is in no incident, and I opened none: `room main/4716` opens one.")
		i, _ = k.Get(i.ID)
		require.Empty(t, i.Invite)
		require.Len(t, k.All(), 3)
	})
}

// Whoever can't be invited, since so many are already, is told what to do.
func TestRoomThatInvitesNoMore(t *testing.T) {
	inIncident(t, func(w *world, k *incident.Keeper, said func(text, room string, who Person) string, pressed func(b *Button, room string) string) {
		_, err := k.Update(t.Context(), 1, func(i *store.Incident) {
			for n := range incident.MaxInvited {
				incident.AddInvited(i, store.Someone{Email: fmt.Sprintf("p%d@example.com", n)})
			}
		})
		require.NoError(t, err)
		require.Contains(t, said("room main/4711", "db", alice), "I invite at most 50 people to an incident, so I can't invite you: ask somebody in its space to add you.")
	})
}
