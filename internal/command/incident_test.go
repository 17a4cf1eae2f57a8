package command

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/assistant"
	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/incident"
	"nms-alert-relay/internal/render"
	"nms-alert-relay/internal/store"
)

// inIncident has INC-1 about two problems, opened in the room db, with a space, and tells what somebody gets as reply in a room to words or a press.
func inIncident(t *testing.T, story func(w *world, k *incident.Keeper, said func(text, room string, who Person) string, pressed func(b *Button, room string) string)) {
	synctest.Test(t, func(t *testing.T) {
		w := incidentWorld(t)
		r := w.start(t)
		defer r.stop()
		n := 0
		reply := func(in Input) string {
			n++
			r.receives(fmt.Sprint("M", n), in)
			time.Sleep(2 * time.Minute)
			synctest.Wait()
			return w.lastAnswer()
		}
		story(w, w.incidents, func(text, room string, who Person) string {
			return reply(Input{Text: text, Room: room, Direct: room == "", Person: who})
		}, func(b *Button, room string) string { return reply(Input{Button: b, Room: room}) })
	})
}

// incidentWorld has INC-1 about two problems, opened in the room db, with a space.
func incidentWorld(t *testing.T) *world {
	w := newWorld()
	w.people = append(people().People, config.Person{Email: "boss@example.com", Role: config.RoleAdmin},
		config.Person{Email: "olga@example.com", Role: config.RoleOperator, Rooms: []string{"noc"}}, config.Person{Email: "olga@example.com", Role: config.RoleViewer, Rooms: []string{"db"}})
	i := store.Incident{Command: "C", Title: "db1: Disk full (high)", Room: "db", Origin: "ROOM-db", Bot: "relay", By: someone(alice), Opened: time.Now(), RoomID: "SPACE"}
	for _, key := range []string{"main/4711", "main/4712"} {
		i.Problems = append(i.Problems, store.IncidentProblem{Key: w.problem(key, "db"), Joined: time.Now(), Posted: true})
	}
	_, err := w.AddIncident(t.Context(), i)
	require.NoError(t, err)
	w.problem("main/4713", "db")
	w.problem("main/4714", "noc")
	w.incidents, err = incident.Load(t.Context(), w)
	require.NoError(t, err)
	return w
}

// What somebody may know and do about an incident is decided by their role in the room where it was opened, wherever they ask.
func TestRightsInAnIncident(t *testing.T) {
	inIncident(t, func(w *world, k *incident.Keeper, said func(text, room string, who Person) string, pressed func(b *Button, room string) string) {
		i, _ := k.Get(1)
		space, olga, dave := incident.Space(i), Person{ID: "P-olga", Email: "olga@example.com"}, Person{ID: "P-dave", Email: "dave@example.com"}
		holder := func() string {
			entries, err := k.Entries(t.Context(), 1)
			require.NoError(t, err)
			return incident.Facts{Entries: entries}.Holder("lead").Email
		}
		// Olga is an operator in noc, and a viewer in db.
		require.Contains(t, said("role lead INC-1", "", olga), "needs the role **operator**")
		require.Contains(t, said("conclude INC-1", "", olga), "needs the role **operator**")
		require.Contains(t, said("incident INC-1", "", olga), "**INC-1**")
		require.Contains(t, said("incidents", "", olga), "**INC-1**")
		// Dave has no role in db.
		require.Contains(t, said("incident INC-1", "", dave), "I don't know INC-1 here")
		require.Contains(t, said("review INC-1", "", dave), "I don't know INC-1 here")
		require.Contains(t, said("incidents", "", dave), "No incident was opened here")
		// Another room learns nothing of it, whoever asks there.
		require.Contains(t, said("incidents", "noc", alice), "No incident was opened here")
		w.post(alert.ParseKey("main/4711"), "noc", "ROOT-noc", "")
		require.NotContains(t, said("room main/4711", "noc", alice), "INC-1")
		require.Contains(t, w.lastAnswer(), "opened in another room")
		i, _ = k.Get(1)
		require.Empty(t, i.Invite)
		// Its buttons are pressed in its space alone.
		for _, room := range []string{"noc", "db"} {
			require.Contains(t, pressed(&Button{Action: incident.ButtonAction, Key: "INC-1/role/lead", MessageID: "CARD"}, room), "button", room)
			require.Empty(t, holder(), room)
		}
		pressed(&Button{Action: incident.ButtonAction, Key: "INC-1/role/lead", MessageID: "CARD"}, space)
		require.Equal(t, alice.Email, holder())
	})
}

// A button ticks the item that it showed, whatever number that has by now.
func TestButtonsOfTheChecklist(t *testing.T) {
	inIncident(t, func(w *world, k *incident.Keeper, said func(text, room string, who Person) string, pressed func(b *Button, room string) string) {
		i, _ := k.Get(1)
		press := func(value string) {
			pressed(&Button{Action: incident.ButtonAction, Key: "INC-1/check/" + value, MessageID: "CARD"}, incident.Space(i))
		}
		ticked := func() (items []string) {
			entries, err := k.Entries(t.Context(), 1)
			require.NoError(t, err)
			for _, e := range entries {
				items = append(items, string(e.Kind)+" "+e.Subject)
			}
			return items
		}
		press(incident.ItemID("Another item"))
		press("1")
		require.Empty(t, ticked())
		press(incident.ItemID("Carrier called"))
		require.Equal(t, []string{"check Carrier called"}, ticked())
		press(incident.ItemID("Carrier called"))
		require.Equal(t, []string{"check Carrier called"}, ticked(), "two people pressed it")
	})
}

// The same note within a minute is one, also from somebody's second device.
func TestNoteTwice(t *testing.T) {
	inIncident(t, func(w *world, k *incident.Keeper, said func(text, room string, who Person) string, pressed func(b *Button, room string) string) {
		i, _ := k.Get(1)
		notes := func() (n int) {
			entries, err := k.Entries(t.Context(), 1)
			require.NoError(t, err)
			for _, e := range entries {
				if e.Kind == store.IncidentNote {
					n++
				}
			}
			return n
		}
		said("note on it", incident.Space(i), alice)
		_, err := k.Enter(t.Context(), store.IncidentEntry{Incident: 1, Key: "note:other", Kind: store.IncidentNote, At: time.Now().Add(-10 * time.Second), By: someone(alice), Text: "again"})
		require.NoError(t, err)
		require.Contains(t, said("note again", incident.Space(i), alice), "I noted that a moment ago")
		require.Equal(t, 2, notes())
		said("note again", incident.Space(i), alice)
		require.Equal(t, 3, notes(), "minutes later it is another one")
	})
}

// Incidents that go on are bounded.
func TestTooManyIncidents(t *testing.T) {
	inIncident(t, func(w *world, k *incident.Keeper, said func(text, room string, who Person) string, pressed func(b *Button, room string) string) {
		for n := range maxLiveIncidents - 1 {
			_, err := k.Add(t.Context(), store.Incident{Command: fmt.Sprint("C", n), Room: "noc", Opened: time.Now()})
			require.NoError(t, err)
		}
		require.Contains(t, said("room main/4713", "db", alice), "100 incidents go on already")
		_, err := k.Update(t.Context(), 2, func(i *store.Incident) { i.Closed = time.Now() })
		require.NoError(t, err)
		said("room main/4713", "db", alice)
		require.Len(t, k.All(), maxLiveIncidents+1)
	})
}

// A problem that is posted in two rooms gets one incident, although people of both ask for it at the same moment.
func TestOneIncidentForAProblem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.problem("main/1", "noc", "db")
		r := w.start(t)
		defer r.stop()
		var err error
		r.o.Incidents, err = incident.Load(t.Context(), slowly{w})
		require.NoError(t, err)
		var both sync.WaitGroup
		for _, room := range []string{"noc", "db"} {
			both.Go(func() { r.receives("M-"+room, Input{Text: "room main/1", Room: room}) })
		}
		both.Wait()
		synctest.Wait()
		require.Len(t, r.o.Incidents.All(), 1)
		require.Contains(t, w.lastAnswer(), "is in an incident already")
	})
}

// slowly lets others go first before it adds an incident.
type slowly struct{ *world }

func (s slowly) AddIncident(ctx context.Context, i store.Incident) (int64, error) {
	for range 1000 {
		runtime.Gosched()
	}
	return s.world.AddIncident(ctx, i)
}

// The report of an incident's space rests while the bot isn't in it, and ends with the incident.
func TestReportOfAnIncident(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.people = []config.Person{{Email: "boss@example.com", Role: config.RoleAdmin}}
		w.settings = func(string, string) (render.Room, bool) { return render.Room{}, true }
		var err error
		w.incidents, err = incident.Load(t.Context(), w)
		require.NoError(t, err)
		e := w.start(t)
		defer e.stop()
		k := e.o.Incidents
		i, err := k.Add(t.Context(), store.Incident{Command: "C", Room: "db", RoomID: "SPACE", Opened: time.Now()})
		require.NoError(t, err)
		r := store.Reminder{Kind: store.ReminderReport, Room: incident.Space(i), Person: "P-boss", Email: "boss@example.com", Schedule: "08:00 daily", Due: time.Now()}
		due := func(change func(i *store.Incident)) assistant.Due {
			_, err := k.Update(t.Context(), 1, change)
			require.NoError(t, err)
			d, err := e.reportDue(t.Context(), r, time.Now())
			require.NoError(t, err)
			return d
		}
		d := due(func(*store.Incident) {})
		require.NotNil(t, d.Notice)
		d = due(func(i *store.Incident) { i.Lost = time.Now() })
		require.Nil(t, d.Notice)
		require.NotZero(t, d.Next)
		d = due(func(i *store.Incident) { i.Lost, i.Closed = time.Time{}, time.Now() })
		require.Nil(t, d.Notice)
		require.Zero(t, d.Next)
	})
}

// current returns the problems of INC-1.
func current(t *testing.T, k *incident.Keeper) (keys []string) {
	t.Helper()
	i, ok := k.Get(1)
	require.True(t, ok)
	for _, key := range incident.Current(i) {
		keys = append(keys, key.String())
	}
	return keys
}

// Problems join from the room where the incident was opened and from its space, and part; the last one stays.
func TestJoinAndPart(t *testing.T) {
	inIncident(t, func(w *world, k *incident.Keeper, said func(text, room string, who Person) string, pressed func(b *Button, room string) string) {
		i, _ := k.Get(1)
		space := incident.Space(i)
		require.Contains(t, said("join main/4713", "db", alice), "Which incident?")
		require.Contains(t, said("join main/4713 INC-9", "db", alice), "I don't know INC-9 here")
		require.Contains(t, said("join main/4713 INC-1", "noc", alice), "Unknown in this room", "neither the problem nor the incident is of that room")
		require.Equal(t, []string{"main/4711", "main/4712"}, current(t, k))
		require.Contains(t, said("join main/4713 INC-1", "db", alice), "Joined to **INC-1**")
		require.Contains(t, said("join main/4713 INC-1", "db", alice), "is in INC-1 already")
		require.Equal(t, []string{"main/4711", "main/4712", "main/4713"}, current(t, k))
		require.Contains(t, said("part main/4714", space, alice), "4714")
		require.Contains(t, said("part main/4711 main/4712 main/4713 INC-1", "db", alice), "would leave INC-1 without a problem")
		require.Equal(t, []string{"main/4711", "main/4712", "main/4713"}, current(t, k))
		require.Contains(t, said("part main/4711 main/4713 INC-1", "db", alice), "Parted from **INC-1**")
		require.Equal(t, []string{"main/4712"}, current(t, k))
		require.Contains(t, said("part main/4711 INC-1", "db", alice), "isn't in INC-1")
		require.Contains(t, said("join main/4711", space, alice), "Joined to **INC-1**", "in the space, by an id of where it was opened")
		require.Equal(t, []string{"main/4711", "main/4712"}, current(t, k))
	})
}

// In a direct chat a person may know of problems of other rooms. They don't join, since the people of the incident have no role for
// them; and one that did so long ago keeps no note out of Zabbix.
func TestProblemsOfOtherRoomsDontJoin(t *testing.T) {
	inIncident(t, func(w *world, k *incident.Keeper, said func(text, room string, who Person) string, pressed func(b *Button, room string) string) {
		require.Contains(t, said("join main/4714 INC-1", "", alice), "isn't a problem of the room where INC-1 was opened, so I joined nothing")
		require.Contains(t, said("join main/4713 main/4714 INC-1", "", alice), "so I joined nothing")
		require.Equal(t, []string{"main/4711", "main/4712"}, current(t, k))
		require.Contains(t, said("join main/4713 INC-1", "", alice), "Joined to **INC-1**")
		i, err := k.Update(context.Background(), 1, func(i *store.Incident) { incident.Join(i, alert.ParseKey("main/4714"), time.Now()) })
		require.NoError(t, err)
		require.NotContains(t, said("note the carrier is on it", incident.Space(i), alice), "Nothing was done")
		var noted []string
		for _, call := range w.calls("main") {
			noted = append(noted, call.EventIDs...)
		}
		require.ElementsMatch(t, []string{"4711", "4712", "4713"}, noted)
	})
}

// An item is ticked and unticked by typing its number; what isn't one is a question.
func TestCheckByTyping(t *testing.T) {
	inIncident(t, func(w *world, k *incident.Keeper, said func(text, room string, who Person) string, pressed func(b *Button, room string) string) {
		ticked := func() bool {
			entries, err := k.Entries(t.Context(), 1)
			require.NoError(t, err)
			_, ticked := incident.Facts{Entries: entries}.Ticked("Carrier called")
			return ticked
		}
		for words, want := range map[string]string{"check": "Give the number", "check x INC-1": "Give the number", "check 0 INC-1": "Give the number", "check 3 INC-1": "2 items", "check 2": "Which incident?"} {
			require.Contains(t, said(words, "db", alice), want, words)
			require.False(t, ticked(), words)
		}
		require.Contains(t, said("check #2 INC-1", "db", alice), "Ticked in INC-1: Carrier called")
		require.True(t, ticked())
		require.Contains(t, said("check 2 inc1", "db", alice), "Unticked in INC-1: Carrier called")
		require.False(t, ticked())
	})
}

// A role is given to others, taken from them, and never to somebody outside of the allowed domains.
func TestRolesForOthers(t *testing.T) {
	inIncident(t, func(w *world, k *incident.Keeper, said func(text, room string, who Person) string, pressed func(b *Button, room string) string) {
		holder := func() string {
			entries, err := k.Entries(t.Context(), 1)
			require.NoError(t, err)
			return incident.Facts{Entries: entries}.Holder("scribe").Email
		}
		require.Contains(t, said("role INC-1", "db", alice), "Which role?")
		require.Contains(t, said("role cook INC-1", "db", alice), "There is no role `cook`")
		require.Contains(t, said("role scribe to bob@example.com INC-1", "db", alice), "**scribe** in INC-1")
		require.Equal(t, "bob@example.com", holder())
		i, _ := k.Get(1)
		require.Len(t, i.Invite, 1, "who gets a role is invited")
		require.NotContains(t, said("role scribe eve@evil.org INC-1", "db", alice), "**scribe** in")
		require.Equal(t, "bob@example.com", holder())
		require.Contains(t, said("role scribe nobody INC-1", "db", alice), "nobody")
		require.Empty(t, holder())
	})
}

// It ends once somebody has confirmed it, and a closed one takes no more orders.
func TestConclude(t *testing.T) {
	inIncident(t, func(w *world, k *incident.Keeper, said func(text, room string, who Person) string, pressed func(b *Button, room string) string) {
		require.Contains(t, said("conclude INC-1", "db", Person{Email: "carol@example.com"}), "needs the role")
		require.Contains(t, said("conclude INC-1", "db", alice), "This ends **INC-1**")
		i, _ := k.Get(1)
		require.Zero(t, i.EndedAt)
		require.Contains(t, pressed(w.buttonOf(t, "Yes, end it"), "db"), "Ended **INC-1**")
		i, _ = k.Get(1)
		require.NotZero(t, i.EndedAt)
		require.Equal(t, alice.Email, i.Ended.Email)
		_, err := k.Update(context.Background(), 1, func(i *store.Incident) { i.Closed = time.Now() })
		require.NoError(t, err)
		for _, words := range []string{"join main/4713 INC-1", "part main/4711 INC-1", "role lead INC-1", "check 1 INC-1", "conclude INC-1"} {
			require.Contains(t, said(words, "db", alice), "INC-1 is closed", words)
		}
		require.Equal(t, []string{"main/4711", "main/4712"}, current(t, k))
	})
}

// After the review nothing follows, and the reply doesn't promise it.
func TestConcludeAfterTheReview(t *testing.T) {
	inIncident(t, func(w *world, k *incident.Keeper, said func(text, room string, who Person) string, pressed func(b *Button, room string) string) {
		_, err := k.Update(context.Background(), 1, func(i *store.Incident) { i.Reviewed = time.Now() })
		require.NoError(t, err)
		require.Contains(t, said("conclude INC-1", "db", alice), "Its review was posted already")
		require.Contains(t, pressed(w.buttonOf(t, "Yes, end it"), "db"), "Closed **INC-1**. Its review was posted already: `review INC-1`")
		i, _ := k.Get(1)
		require.NotZero(t, i.EndedAt)
	})
}

// The audit log names the space of an incident by its number, to whoever has a role where it was opened.
func TestAuditOfAnIncident(t *testing.T) {
	inIncident(t, func(w *world, k *incident.Keeper, said func(text, room string, who Person) string, pressed func(b *Button, room string) string) {
		i, _ := k.Get(1)
		said("check 1", incident.Space(i), alice)
		require.Contains(t, said("audit", incident.Space(i), Person{Email: "boss@example.com"}), "in the space of INC-1: `check 1`")
	})
}
