package command

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/incident"
	"nms-alert-relay/internal/store"
)

// done is all that a verb of incidents may have done.
type done struct {
	incidents []string
	entries   []string
	calls     []string // in Zabbix
	said      []string
	state     store.CommandState
}

func doneIn(t *testing.T, w *world, command string) (d done) {
	t.Helper()
	for _, i := range w.incidents.All() {
		line := incident.Number(i.ID) + " " + i.Title
		for _, p := range i.Problems {
			line += fmt.Sprint(" ", p.Key, p.Parted.IsZero())
		}
		for _, p := range i.Invite {
			line += " " + p.Email
		}
		d.incidents = append(d.incidents, line+" "+i.Ended.Email)
		entries, err := w.incidents.Entries(t.Context(), i.ID)
		require.NoError(t, err)
		for _, o := range entries {
			d.entries = append(d.entries, fmt.Sprint(i.ID, o.Kind, o.By.Email, o.Who.Email, o.Subject, o.Text))
		}
	}
	for _, c := range w.calls("main") {
		d.calls = append(d.calls, fmt.Sprint(c.EventIDs, c.Message))
	}
	d.said, d.state = w.answers(), w.command(command).State
	return d
}

// A crash at any effect of a verb of incidents, which lasts or is lost, changes nothing of what it does and says: nothing is missing, and
// nothing happens twice.
func TestIncidentVerbsAcrossCrashes(t *testing.T) {
	in := func(room, text string) func(*testing.T, *world, *relay) Input {
		return func(*testing.T, *world, *relay) Input { return Input{Text: text, Room: room} }
	}
	const space = "space:SPACE"
	for name, c := range map[string]struct {
		input     func(t *testing.T, w *world, r *relay) Input
		effects   int // at least
		incidents int
		entries   int
		calls     int
	}{
		"room": {in("db", "room main/4713"), 2, 2, 0, 0},
		"room for one that is in an incident, and another": {in("db", "room main/4711 main/4713"), 3, 1, 0, 0},
		"room for one that is resolved, and another": {func(_ *testing.T, w *world, _ *relay) Input {
			w.problem("main/4715", "db")
			w.resolve("main/4715")
			return Input{Text: "room main/4715 main/4713", Room: "db"}
		}, 3, 2, 0, 0},
		"join":  {in("db", "join main/4713 INC-1"), 4, 1, 1, 0},
		"part":  {in("db", "part main/4712 INC-1"), 4, 1, 1, 0},
		"note":  {in(space, "note the carrier is on it"), 6, 1, 1, 2},
		"role":  {in("db", "role scribe bob@example.com INC-1"), 4, 1, 1, 0},
		"check": {in("db", "check 1 INC-1"), 3, 1, 1, 0},
		"the button of a role": {func(*testing.T, *world, *relay) Input {
			return Input{Button: &Button{Action: incident.ButtonAction, Key: "INC-1/role/lead", MessageID: "CARD"}, Room: space}
		}, 3, 1, 1, 0},
		"the button of an item": {func(*testing.T, *world, *relay) Input {
			return Input{Button: &Button{Action: incident.ButtonAction, Key: "INC-1/check/" + incident.ItemID("Carrier called"), MessageID: "CARD"}, Room: space}
		}, 2, 1, 1, 0},
		"conclude": {func(t *testing.T, w *world, r *relay) Input {
			r.receives("M0", Input{Text: "conclude INC-1", Room: "db"})
			time.Sleep(time.Minute)
			synctest.Wait()
			return Input{Button: w.buttonOf(t, "Yes, end it"), Room: "db"}
		}, 3, 1, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			var whole done
			for _, lost := range []bool{false, true} {
				for crash, crashed := -1, true; crashed; crash++ {
					synctest.Test(t, func(t *testing.T) {
						w := incidentWorld(t)
						require.Equal(t, space, incident.Space(w.incidents.All()[0]))
						r := w.start(t)
						input := c.input(t, w, r)
						w.mu.Lock()
						w.crash, w.lost = crash, lost
						w.mu.Unlock()
						r.receives("M1", input)
						time.Sleep(time.Minute)
						synctest.Wait()
						r.stop()
						w.mu.Lock()
						crashed = crash < 0 || w.crash == 0 && isClosed(w.dead)
						w.crash = -1
						w.mu.Unlock()
						r = w.start(t)
						defer r.stop()
						time.Sleep(10 * time.Minute)
						synctest.Wait()
						got := doneIn(t, w, "M1")
						if crash < 0 {
							whole = got
							require.Equal(t, store.CommandDone, got.state, got.said)
							require.Len(t, got.incidents, c.incidents)
							require.Len(t, got.entries, c.entries)
							require.Len(t, got.calls, c.calls)
						}
						require.Equal(t, whole, got, "crash %d, lost %v", crash, lost)
						require.True(t, crashed || crash >= c.effects, "it has so many effects, not %d", crash)
					})
				}
			}
		})
	}
	for _, v := range incidentVerbs() {
		tested := []Verb{Room, Join, Part, Note, Role, Check, Conclude}
		require.True(t, !v.sets || slices.Contains(tested, v.name), "%s isn't tested", v.name)
	}
}

func isClosed(ch chan struct{}) bool {
	select {
	case <-ch:
		return true
	default:
		return false
	}
}
