package ledger

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/route"
	"nms-alert-relay/internal/store"
)

var (
	epoch = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	k4711 = alert.Key{Source: "main", EventID: "4711"}
)

// world is a store for plans: each reads what the ones before wrote.
type world struct {
	t     *testing.T
	now   time.Time
	id    int64
	known Known
	rules Rules

	groups []store.Group // by id, from 1
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, now: epoch, known: Known{Problems: map[alert.Key]alert.Problem{}, Posts: map[alert.Key][]store.Post{}}}
	w.rules = Rules{
		OrphanWait: func() time.Duration { return 2 * time.Minute },
		// Disasters go to db as well; an address is a room.
		Rooms: func(p alert.Problem, sendTo string, _ time.Time) []route.Target {
			targets := []route.Target{{Room: "noc"}}
			if p.Severity == alert.Disaster {
				targets = append(targets, route.Target{Room: "db", Route: "databases"})
			}
			if sendTo != "" {
				targets = append(targets, route.Target{Room: sendTo, Route: "send_to"})
			}
			return targets
		},
		Test: func(source, sendTo string, now time.Time) []store.Notice {
			return []store.Notice{{Kind: store.NoticeTest, Room: "noc", Text: source + " " + sendTo}}
		},
	}
	return w
}

func (w *world) item(e alert.Event, sendTo string) Item {
	w.id++
	e.SendTo = sendTo
	kind := store.EntryEvent
	switch e.Kind {
	case alert.KindObservation:
		kind = store.EntryObservation
	case alert.KindAction:
		kind = store.EntryAction
	}
	return Item{Entry: store.Entry{ID: w.id, Source: e.Key.Source, Kind: kind}, Decoded: Decoded{Event: e}}
}

// plan folds events in one batch.
func (w *world) plan(events ...alert.Event) Outcome {
	items := make([]Item, len(events))
	for i, e := range events {
		items[i] = w.item(e, "")
	}
	return w.planItems(items...)
}

func (w *world) planItems(items ...Item) Outcome {
	w.t.Helper()
	out := w.finish(Plan(items, w.known, w.rules, w.now))
	require.Len(w.t, out.Results, len(items))
	require.Len(w.t, out.Fold.Applied, len(items)-len(out.Fold.SetAside))
	return out
}

func (w *world) finish(d *Draft) Outcome {
	answers := map[string]store.RoomGrouping{}
	for _, a := range d.Asks() {
		answers[a.Room] = w.grouping(a)
	}
	problems := map[alert.Key]alert.Problem{}
	for _, key := range d.Unknown(answers) {
		problems[key] = w.known.Problems[key]
	}
	out := d.Finish(answers, problems)
	w.keep(out.Fold)
	return out
}

// grouping is store.Store.Grouping for one room.
func (w *world) grouping(a store.GroupingAsk) (r store.RoomGrouping) {
	newest := map[string]store.Group{}
	for _, g := range w.groups {
		if g.Room != a.Room {
			continue
		}
		if slices.Contains(a.Groups, g.ID) {
			r.Groups = append(r.Groups, g)
			continue
		}
		if n, ok := newest[g.Name]; g.State == store.PostLive && (!ok || n.ID < g.ID) {
			newest[g.Name] = g
		}
		if g.Kind == store.GroupFlap && g.OpenedAt.After(a.Since) {
			r.NewFlaps++
		}
	}
	for _, g := range w.groups {
		if g.Room != a.Room || g.Kind != store.GroupCause || !slices.Contains(slices.Concat(a.Causes, a.Ended), g.Name) {
			continue
		}
		if !slices.ContainsFunc(r.Groups, func(o store.Group) bool { return o.ID == g.ID }) {
			r.Groups = append(r.Groups, g)
		}
		for _, posts := range w.known.Posts {
			for _, p := range posts {
				if p.Group == g.ID && p.Open && slices.Contains(a.Ended, g.Name) {
					r.Symptoms = append(r.Symptoms, p)
				}
			}
		}
	}
	for name, g := range newest {
		asked := slices.ContainsFunc(a.Openings, func(o int64) bool { return flapName(o) == name })
		if (g.Kind == store.GroupStorm || asked) && !slices.ContainsFunc(r.Groups, func(o store.Group) bool { return o.ID == g.ID }) {
			r.Groups = append(r.Groups, g)
		}
	}
	r.Openings = map[int64][]store.Opening{}
	for _, posts := range w.known.Posts {
		for _, p := range posts {
			if p.Room != a.Room {
				continue
			}
			if slices.Contains(a.Openings, p.Opening) && p.OpenedAt.After(a.OpenedAfter) {
				r.Openings[p.Opening] = append(r.Openings[p.Opening], store.Opening{Key: p.Key, OpenedAt: p.OpenedAt, Open: p.Open})
			}
			if a.Limit == 0 {
				continue
			}
			if p.JoinedAt.After(a.Since) {
				r.Recent++
			}
			if p.JoinedAt.After(a.BurstSince) {
				r.Burst++
			}
			if !p.PendingSince.IsZero() {
				r.Behind++
				if p.Fresh() && p.Severity < a.Below {
					r.Fresh = append(r.Fresh, p)
				}
			}
		}
	}
	slices.SortFunc(r.Fresh, func(a, b store.Post) int { return a.PendingSince.Compare(b.PendingSince) })
	return r
}

func (w *world) keep(f store.Fold) {
	for _, m := range f.Moved {
		for _, p := range w.known.Posts[m.From] {
			p.Key = m.To
			w.known.Posts[m.To] = append(w.known.Posts[m.To], p)
		}
		delete(w.known.Posts, m.From)
	}
	for _, p := range f.Problems {
		w.known.Problems[p.Key] = p
	}
	ids := map[int64]int64{}
	for _, g := range f.Groups {
		if g.ID < 0 {
			ids[g.ID] = int64(len(w.groups) + 1)
			g.ID = ids[g.ID]
			w.groups = append(w.groups, g)
		}
		w.groups[g.ID-1] = g
	}
	for _, p := range f.Posts {
		if p.Group < 0 {
			p.Group = ids[p.Group]
		}
		if p.Claimed && p.Delivered >= p.Desired {
			p.PendingSince = time.Time{} // as CommitFold does
		}
		posts := w.known.Posts[p.Key]
		found := false
		for i := range posts {
			if posts[i].Room == p.Room {
				posts[i], found = p, true
			}
		}
		if !found {
			posts = append(posts, p)
		}
		w.known.Posts[p.Key] = posts
	}
}

func (w *world) post(room string) store.Post {
	w.t.Helper()
	for _, p := range w.known.Posts[k4711] {
		if p.Room == room {
			return p
		}
	}
	w.t.Fatalf("no post in %s: %+v", room, w.known.Posts)
	return store.Post{}
}

// deliver marks everything as shown in a room.
func (w *world) deliver(room string) {
	w.t.Helper()
	w.post(room)
	for i, p := range w.known.Posts[k4711] {
		if p.Room == room {
			p.Claimed, p.Delivered, p.Shown, p.RootID, p.PendingSince = true, p.Desired, p.Desired, "ROOT", time.Time{}
			w.known.Posts[k4711][i] = p
		}
	}
}

func event(kind alert.Kind, after time.Duration) alert.Event {
	at := epoch.Add(after)
	severity := alert.High
	return alert.Event{Key: k4711, Kind: kind, Origin: alert.OriginTrigger, ReceivedAt: at, SentAt: at, At: at, Opened: epoch, Severity: &severity,
		Facts: alert.Facts{Name: "Disk full"}}
}

func opened() alert.Event { return event(alert.KindProblem, 0) }

func recovered(after time.Duration) alert.Event {
	e := event(alert.KindRecovery, after)
	e.Resolved, e.ResolvedAt = true, e.At
	return e
}

func commented(after time.Duration, text string) alert.Event {
	e := event(alert.KindUpdate, after)
	e.Update = &alert.Update{At: e.At, Actor: alert.Actor{Name: "Alice"}, Actions: alert.Actions{Comment: true}, Message: text}
	return e
}

func observed(after time.Duration, o alert.Observation) alert.Event {
	e := event(alert.KindObservation, after)
	o.At, o.Opened = e.At, epoch
	e.Observation, e.Severity = &o, nil
	return e
}

// A problem gets a post in each room that routing names, and is looked up in the API.
func TestProblemOpensPosts(t *testing.T) {
	w := newWorld(t)
	e := opened()
	*e.Severity = alert.Disaster
	e.ReceivedAt = epoch.Add(-time.Minute) // it waited in the journal
	out := w.plan(e)
	p := w.known.Problems[k4711]
	require.Equal(t, alert.StateOpen, p.State)
	require.Equal(t, []alert.Key{k4711}, out.Learned)
	require.Len(t, out.Fold.Posts, 2)
	for room, name := range map[string]string{"noc": "", "db": "databases"} {
		post := w.post(room)
		require.True(t, post.Pending())
		require.Equal(t, p.Revision, post.Desired)
		require.Equal(t, name, post.Route)
		require.Equal(t, alert.Disaster, post.Severity)
		require.True(t, post.Open)
		require.Equal(t, p.OpenedAt, post.OpenedAt)
		require.Equal(t, epoch, post.PendingSince)
		require.Equal(t, []time.Time{epoch.Add(-time.Minute), epoch}, []time.Time{post.ReceivedAt, post.JoinedAt})
		require.Zero(t, post.HoldUntil)
		require.Equal(t, store.PostLive, post.State)
	}
}

// A duplicate changes nothing, is marked as applied, and isn't looked up.
func TestDuplicate(t *testing.T) {
	w := newWorld(t)
	w.plan(opened())
	out := w.plan(opened())
	require.True(t, out.Results[0].Change.Duplicate)
	require.Empty(t, out.Fold.Problems)
	require.Empty(t, out.Fold.Posts)
	require.Empty(t, out.Learned)
	require.Equal(t, []int64{2}, out.Fold.Applied)
}

// A duplicate may have a later state, which is kept without posting anything.
func TestDuplicateWithLaterKnowledge(t *testing.T) {
	w := newWorld(t)
	w.plan(opened())
	w.deliver("noc")
	step := opened()
	step.ReceivedAt, step.SentAt = epoch.Add(time.Hour), epoch.Add(time.Hour)
	out := w.plan(step)
	require.True(t, out.Results[0].Change.Duplicate)
	require.Len(t, out.Fold.Problems, 1)
	require.Empty(t, out.Fold.Posts)
	require.False(t, w.post("noc").Pending())

	stale := event(alert.KindUpdate, time.Minute) // overtaken by the step, and outdated
	low := alert.Warning
	stale.Severity = &low
	stale.Update = &alert.Update{At: stale.At, Actions: alert.Actions{Comment: true}, Message: "late"}
	w.plan(stale)
	require.Equal(t, alert.High, w.known.Problems[k4711].Severity)
}

// The same event sent to another address adds that room. Rooms are never removed.
func TestUnionOfRooms(t *testing.T) {
	w := newWorld(t)
	w.planItems(w.item(opened(), "noc"), w.item(opened(), "db"))
	require.Len(t, w.known.Posts[k4711], 2)
	w.deliver("noc")
	w.deliver("db")
	later := opened()
	later.ReceivedAt = epoch.Add(time.Hour)
	out := w.planItems(w.item(later, "storage"))
	require.True(t, out.Results[0].Change.Duplicate)
	require.Len(t, out.Fold.Posts, 1, "rooms that have it don't change")
	require.Equal(t, later.ReceivedAt, out.Fold.Posts[0].ReceivedAt, "of the event that added the room")
	require.Equal(t, "storage", out.Fold.Posts[0].Room)
	require.Equal(t, "send_to", out.Fold.Posts[0].Route)

	w.plan(recovered(time.Minute))
	require.Len(t, w.known.Posts[k4711], 3)
	for _, p := range w.known.Posts[k4711] {
		require.True(t, p.Pending(), p.Room)
		require.False(t, p.Open)
	}
}

// The same goes for an update.
func TestUnionOfRoomsByUpdate(t *testing.T) {
	w := newWorld(t)
	w.plan(opened(), commented(time.Minute, "on it"))
	out := w.planItems(w.item(commented(time.Minute, "on it"), "storage"))
	require.True(t, out.Results[0].Change.Duplicate)
	require.True(t, w.post("storage").Pending())
	require.Equal(t, w.known.Problems[k4711].Revision, w.post("storage").Desired)
}

// A higher severity may add rooms. A lower one removes none.
func TestSeverityAddsRooms(t *testing.T) {
	w := newWorld(t)
	w.plan(opened())
	w.deliver("noc")
	raised := func(after time.Duration, s alert.Severity) alert.Event {
		e := event(alert.KindUpdate, after)
		e.Severity = &s
		e.Update = &alert.Update{At: e.At, Actions: alert.Actions{Severity: &alert.SeverityChange{Old: alert.High, New: s}}}
		return e
	}
	w.now = epoch.Add(time.Minute)
	w.plan(raised(time.Minute, alert.Disaster))
	require.True(t, w.post("db").Pending())
	require.True(t, w.post("noc").Pending())
	require.Equal(t, w.now, w.post("noc").PendingSince)
	w.plan(raised(2*time.Minute, alert.Warning))
	require.Len(t, w.known.Posts[k4711], 2)
	require.Equal(t, alert.Warning, w.post("db").Severity)
}

// PendingSince is when the room fell behind, not when the last change arrived.
func TestPendingSince(t *testing.T) {
	w := newWorld(t)
	w.plan(opened())
	w.now = epoch.Add(time.Minute)
	w.plan(commented(time.Minute, "one"))
	require.Equal(t, epoch, w.post("noc").PendingSince)
	w.deliver("noc")
	w.now = epoch.Add(time.Hour)
	w.plan(commented(time.Hour, "two"))
	require.Equal(t, w.now, w.post("noc").PendingSince)
}

// A problem that opens and resolves in one batch is posted, even if the recovery arrives first.
func TestOpenedAndResolvedTogether(t *testing.T) {
	for name, events := range map[string][]alert.Event{
		"in order":  {opened(), recovered(time.Minute)},
		"overtaken": {recovered(time.Minute), opened()},
	} {
		w := newWorld(t)
		out := w.plan(events...)
		require.Len(t, out.Fold.Posts, 1, name)
		require.Len(t, out.Fold.Problems, 1, name)
		require.Equal(t, alert.StateResolved, out.Fold.Problems[0].State, name)
		post := w.post("noc")
		require.True(t, post.Pending(), name)
		require.Equal(t, out.Fold.Problems[0].Revision, post.Desired, name)
		require.False(t, post.Open, name)
		require.Zero(t, post.HoldUntil, name)
	}
}

// A recovery without its problem is kept and not posted, whatever the API answers later.
func TestRecoveryAlone(t *testing.T) {
	w := newWorld(t)
	w.plan(recovered(time.Minute))
	require.Equal(t, alert.StateResolved, w.known.Problems[k4711].State)
	require.Empty(t, w.known.Posts[k4711])
	w.plan(observed(2*time.Minute, alert.Observation{Severity: alert.High, Resolved: true, ResolvedAt: epoch.Add(time.Minute)}))
	require.Empty(t, w.known.Posts[k4711])
	w.plan(opened())
	require.True(t, w.post("noc").Pending(), "until its problem arrives, late")
}

// An update without its problem waits for it for two minutes.
func TestOrphanWaits(t *testing.T) {
	w := newWorld(t)
	out := w.plan(commented(time.Minute, "on it"))
	require.Equal(t, []alert.Key{k4711}, out.Learned)
	require.False(t, w.post("noc").Pending())
	require.Equal(t, epoch.Add(time.Minute+2*time.Minute), w.post("noc").HoldUntil)
	require.Equal(t, epoch.Add(time.Minute+2*time.Minute), w.post("noc").DueAt())
	w.plan(commented(90*time.Second, "still on it"))
	require.Equal(t, epoch.Add(3*time.Minute), w.post("noc").HoldUntil, "another update doesn't make it wait longer")

	w.plan(opened())
	require.Zero(t, w.post("noc").HoldUntil)
	require.True(t, w.post("noc").Pending())
	require.Equal(t, w.known.Problems[k4711].Revision, w.post("noc").Desired)
}

// An answer of the API that the problem is open ends the wait as well.
func TestOrphanConfirmed(t *testing.T) {
	w := newWorld(t)
	w.plan(commented(time.Minute, "on it"))
	w.plan(observed(61*time.Second, alert.Observation{Name: "Disk full", Severity: alert.High}))
	require.Zero(t, w.post("noc").HoldUntil)
	require.True(t, w.post("noc").Pending())
}

// A problem that a maintenance holds back is posted nowhere until its problem event arrives.
func TestHeldBack(t *testing.T) {
	w := newWorld(t)
	w.plan(commented(time.Minute, "on it"))
	w.plan(observed(61*time.Second, alert.Observation{Name: "Disk full", Severity: alert.High, Suppressed: true}))
	require.True(t, w.known.Problems[k4711].HeldBack)
	require.False(t, w.post("noc").Pending())
	require.Zero(t, w.post("noc").DueAt())
	w.planItems(w.item(commented(2*time.Minute, "waiting for the maintenance's end"), "storage"))
	require.Len(t, w.known.Posts[k4711], 1, "nor does another room get it")

	late := opened()
	late.ReceivedAt, late.SentAt = epoch.Add(time.Hour), epoch.Add(time.Hour)
	w.now = epoch.Add(time.Hour)
	w.plan(late)
	require.True(t, w.post("noc").Pending())
	require.Zero(t, w.post("noc").HoldUntil)
}

// A problem that only the API reports is posted like any other. Rooms that have it show when it is gone from Zabbix.
func TestFoundByReconciliation(t *testing.T) {
	w := newWorld(t)
	w.plan(observed(time.Minute, alert.Observation{Name: "Disk full", Severity: alert.High}))
	require.True(t, w.post("noc").Pending())
	require.Zero(t, w.post("noc").HoldUntil)
	w.deliver("noc")
	out := w.plan(observed(time.Hour, alert.Observation{Gone: true}))
	require.Empty(t, out.Learned, "it is from the API")
	require.True(t, w.post("noc").Pending())
	require.Len(t, w.known.Posts[k4711], 1)
}

// A problem that Zabbix no longer knows is posted in no further room.
func TestAGoneProblemGetsNoFurtherRooms(t *testing.T) {
	w := newWorld(t)
	w.plan(opened())
	w.plan(observed(time.Hour, alert.Observation{Gone: true}))
	again := opened()
	again.ReceivedAt = w.now.Add(2 * time.Hour)
	w.planItems(w.item(again, "db"))
	require.Len(t, w.known.Posts[k4711], 1)
}

// An action of the relay's own changes the post, and isn't looked up.
func TestOwnAction(t *testing.T) {
	w := newWorld(t)
	w.plan(opened())
	w.deliver("noc")
	e := event(alert.KindAction, time.Minute)
	e.Update = &alert.Update{At: e.At, Actor: alert.Actor{Name: "Alice", Email: "alice@example.com"}, Actions: alert.Actions{Ack: true}}
	out := w.plan(e)
	require.True(t, w.known.Problems[k4711].Acknowledged)
	require.True(t, w.post("noc").Pending())
	require.Empty(t, out.Learned)
}

// A dead letter stays one when its problem changes.
func TestDeadPost(t *testing.T) {
	w := newWorld(t)
	w.plan(opened())
	w.known.Posts[k4711][0].Claimed, w.known.Posts[k4711][0].State = true, store.PostDead
	w.plan(commented(time.Minute, "on it"))
	require.Equal(t, store.PostDead, w.post("noc").State)
	require.False(t, w.post("noc").Pending())
}

// Zabbix's Test button makes a message and no problem.
func TestTestButton(t *testing.T) {
	w := newWorld(t)
	out := w.planItems(Item{Entry: store.Entry{ID: 1, Source: "main", Kind: store.EntryEvent}, Decoded: Decoded{Test: true, Event: alert.Event{SendTo: "noc"}}})
	require.Equal(t, []store.Notice{{Kind: store.NoticeTest, Room: "noc", Text: "main noc"}}, out.Fold.Notices)
	require.Empty(t, out.Fold.Problems)
	require.Empty(t, out.Fold.Posts)
	require.True(t, out.Results[0].Decoded.Test)
}

// An entry that can't be decoded, names no event or makes routing panic is set aside, and leaves no trace in its batch.
func TestBadEntriesAreSetAside(t *testing.T) {
	w := newWorld(t)
	rooms := w.rules.Rooms
	w.rules.Rooms = func(p alert.Problem, sendTo string, now time.Time) []route.Target {
		if sendTo == "panic" {
			panic("a broken route")
		}
		return rooms(p, sendTo, now)
	}
	nameless := opened()
	nameless.Key.EventID = ""
	undecodable := w.item(opened(), "")
	undecodable.Err = errors.New("no event id")
	raise := commented(time.Minute, "never seen")
	out := w.planItems(
		undecodable,
		w.item(opened(), ""),
		w.item(nameless, ""),
		w.item(raise, "panic"),
		w.item(commented(2*time.Minute, "seen"), ""),
		w.item(commented(3*time.Minute, "never seen either"), "panic"),
	)
	require.Equal(t, []int64{2, 5}, out.Fold.Applied)
	require.Len(t, out.Fold.SetAside, 4)
	require.Equal(t, "no event id", out.Fold.SetAside[1])
	require.Contains(t, out.Fold.SetAside[3], "names no event")
	require.Contains(t, out.Fold.SetAside[4], "a broken route")
	require.Equal(t, "seen", w.known.Problems[k4711].LastComment().Message)
	require.Len(t, w.known.Problems[k4711].Timeline, 2)
	require.Len(t, out.Fold.Posts, 1)
	require.Equal(t, w.known.Problems[k4711].Revision, w.post("noc").Desired)
}

// The same events result in the same problem and posts, however they are split into batches.
func TestBatchBoundariesDontMatter(t *testing.T) {
	events := []alert.Event{commented(time.Second, "first"), opened(), opened(), commented(time.Minute, "two"), recovered(time.Hour), commented(time.Hour, "over")}
	whole := newWorld(t)
	whole.plan(events...)
	single := newWorld(t)
	for _, e := range events {
		single.plan(e)
	}
	require.Equal(t, whole.known.Problems[k4711], single.known.Problems[k4711])
	require.Equal(t, whole.post("noc"), single.post("noc"))
}
