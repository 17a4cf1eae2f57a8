package convergence

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing/synctest"
	"time"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/delivery"
	"nms-alert-relay/internal/ledger"
	"nms-alert-relay/internal/route"
	"nms-alert-relay/internal/simulator/webexsim"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/webex"
)

// patience bounds the time until a relay is idle after the last fault: each of several faults may pause it three
// times for five minutes.
const patience = 3 * time.Hour

// settle waits until the relay reports that nothing is pending, and checks that this is true. Escalations are
// waited for; reminders never end.
func (w *world) settle() bool {
	const quiet = 40 * time.Second // longer than delivery's poll
	pause := time.Second
	for waited := time.Duration(0); waited < patience; waited += pause {
		time.Sleep(pause)
		synctest.Wait()
		escalates, reminds := w.clocks()
		if escalates {
			continue
		}
		if s := w.stats(); s.JournalPending+s.PostsPending+s.NoticesPending == 0 && (reminds.IsZero() || time.Until(reminds) > quiet+5*time.Second) {
			made := w.ears.callsMade()
			time.Sleep(quiet)
			synctest.Wait()
			if s := w.stats(); s.JournalPending+s.PostsPending+s.NoticesPending != 0 {
				w.fault("nothing was pending, and without an event something is: %+v", s)
			}
			if n := w.ears.callsMade() - made; n > 0 {
				w.fault("nothing was pending, but %d more calls were made", n)
			}
			return true
		}
		pause = min(20*time.Second, max(time.Second, waited/8))
	}
	posts, _ := w.life.db.PendingPosts(context.Background(), nil, time.Time{})
	w.fault("not idle %v after the last fault: %+v, posts %+v", patience, w.stats(), posts)
	return false
}

// clocks reports whether an escalation or a question about an acknowledgement is still to come, and when the next reminder is due.
func (w *world) clocks() (escalates bool, reminds time.Time) {
	due, err := w.life.db.DuePosts(context.Background(), time.Now().Add(24*time.Hour), 1000)
	if err != nil {
		panic(err)
	}
	for _, p := range due {
		escalates = escalates || !p.EscalateAt.IsZero() || !w.asksAt(p).IsZero()
		if !p.RemindAt.IsZero() && (reminds.IsZero() || p.RemindAt.Before(reminds)) {
			reminds = p.RemindAt
		}
	}
	return escalates, reminds
}

func (w *world) stats() store.Stats {
	s, err := w.life.db.Stats(context.Background())
	if err != nil {
		panic(err)
	}
	return s
}

// held is the final content of the relay's store.
type held struct {
	problems map[alert.Key]alert.Problem
	posts    map[alert.Key][]store.Post
	groups   map[int64]store.Group
	dead     []store.DeadLetter
	notices  map[string]store.Notice // by message id
}

// expected has the rooms and states of a problem that follow from its events, computed without the ledger.
type expected struct {
	problem   alert.Problem
	must, may map[string]bool // rooms
	states    []state         // after each of its entries
}

// state is a problem after one of its entries.
type state struct {
	at      time.Time
	problem alert.Problem
}

func (w *world) check() {
	folded := w.checkJournal()
	h := w.read(folded)
	w.checkFold(folded, h)
	for key, posts := range h.posts {
		for _, p := range posts {
			w.checkPost(h, h.problems[key], p)
		}
	}
	for _, g := range h.groups {
		w.checkGroup(h, g)
	}
	w.checkRules(folded, h)
	w.checkRepeats(h)
	w.checkManners(h)
}

// checkJournal checks that each accepted event is in the journal, byte for byte, and folds it again.
func (w *world) checkJournal() map[alert.Key]*expected {
	entries, err := w.life.db.Entries(context.Background(), 0, 1<<20)
	if err != nil {
		panic(err)
	}
	byID := map[int64]store.Entry{}
	folded := map[alert.Key]*expected{}
	for _, e := range entries {
		byID[e.ID] = e
		if e.SetAside != "" || !e.Applied {
			w.fault("journal entry %d isn't applied: %q, %s", e.ID, e.SetAside, e.Payload)
		}
		d, err := decodeAny(e)
		if err != nil {
			panic(err)
		}
		t := folded[d.Event.Key]
		if t == nil {
			t = &expected{must: map[string]bool{}, may: map[string]bool{}}
			folded[d.Event.Key] = t
		}
		if e.Kind == store.EntryReroute {
			t.may[d.Reroute.Room], t.must[d.Reroute.Room] = true, true
			continue
		}
		var change alert.Change
		t.problem, change = alert.Apply(t.problem, d.Event)
		t.route(w.router, d.Event, change, e.ReceivedAt)
		t.states = append(t.states, state{e.ReceivedAt, t.problem})
	}
	for _, a := range w.accepted {
		if e, ok := byID[a.id]; !ok || string(e.Payload) != a.payload {
			w.fault("accepted as entry %d and not in the journal: %s", a.id, a.payload)
		}
	}
	return folded
}

// unnudged returns a problem without the relay's own entries, which aren't in the journal, and without the fields
// that depend on them.
func unnudged(p alert.Problem) alert.Problem {
	p.Timeline = slices.Clone(p.Timeline)
	p.Timeline = slices.DeleteFunc(p.Timeline, func(e alert.Entry) bool { return e.Nudge != nil })
	for i := range p.Timeline {
		p.Timeline[i].Seq = i
	}
	p.Merge.Reports = slices.Clone(p.Merge.Reports)
	for i := range p.Merge.Reports {
		p.Merge.Reports[i].Seq = 0
	}
	p.Merge.Nudges, p.Merge.Seq, p.Revision, p.ChangedAt = nil, 0, 0, time.Time{}
	return p
}

// route returns the rooms that get a problem because of one event.
func (t *expected) route(r *route.Router, e alert.Event, change alert.Change, at time.Time) {
	p := t.problem
	for _, target := range r.Rooms(p, e.SendTo, at) {
		t.may[target.Room] = true
		for _, step := range r.Timing(target.Room, target.Route).Escalate {
			for _, room := range step.Rooms {
				t.may[room] = true
			}
		}
		switch {
		case p.HeldBack || p.Gone:
		case e.Kind == alert.KindProblem, e.Kind == alert.KindUpdate && p.Open() && change.Visible:
			t.must[target.Room] = true
		}
	}
}

// decodeAny reads an entry of any kind.
func decodeAny(e store.Entry) (ledger.Decoded, error) {
	if e.Kind == store.EntryEvent {
		return decode(e)
	}
	var env store.Envelope
	if err := json.Unmarshal(e.Payload, &env); err != nil {
		return ledger.Decoded{}, err
	}
	d := ledger.Decoded{Reroute: route.Target{Room: env.Room, Route: env.Route}, Event: alert.Event{
		Key: alert.Key{Source: e.Source, EventID: env.EventID}, Origin: alert.OriginTrigger, ReceivedAt: e.ReceivedAt, Exact: true,
	}}
	switch o, u := env.Observation, env.Update; {
	case o != nil:
		d.Event.Kind, d.Event.Observation, d.Event.SentAt, d.Event.At, d.Event.Opened = alert.KindObservation, o, o.At, o.At, o.Opened
	case u != nil:
		d.Event.Kind, d.Event.Update, d.Event.SentAt, d.Event.At = alert.KindAction, u, u.At, u.At
	}
	return d, nil
}

// read reads everything from the store.
func (w *world) read(folded map[alert.Key]*expected) held {
	h := held{notices: map[string]store.Notice{}, groups: map[int64]store.Group{}}
	ctx := context.Background()
	var keys []alert.Key
	for key := range folded {
		keys = append(keys, key)
	}
	var err error
	if h.problems, err = w.life.db.Problems(ctx, keys); err != nil {
		panic(err)
	}
	if h.posts, err = w.life.db.PostsOf(ctx, keys); err != nil {
		panic(err)
	}
	if h.dead, err = w.life.db.DeadLetters(ctx); err != nil {
		panic(err)
	}
	for id, gap := int64(1), 0; gap < 100; id++ { // ids may have gaps
		g, err := w.life.db.Group(ctx, id)
		if gap++; err == nil {
			h.groups[id], gap = g, 0
		} else if !errors.Is(err, store.ErrNotFound) {
			panic(err)
		}
	}
	for id := int64(1); ; id++ {
		n, err := w.life.db.Notice(ctx, id)
		if errors.Is(err, store.ErrNotFound) {
			return h
		}
		if err != nil {
			panic(err)
		}
		if n.MessageID != "" {
			h.notices[n.MessageID] = n
		}
	}
}

// checkFold checks that each entry was applied once, and that each room that should have a problem has a post.
func (w *world) checkFold(folded map[alert.Key]*expected, h held) {
	for key, t := range folded {
		expected, kept := t.problem, h.problems[key]
		w.checkCounted(h, kept)
		changed := kept.Symptoms != alert.Symptoms{} || w.Ranks
		kept.Symptoms, kept.CountedBy = alert.Symptoms{}, ""
		w.checkMemory(kept)
		kept.Memory = nil
		if len(kept.Merge.Nudges) > 0 || changed {
			expected, kept = unnudged(expected), unnudged(kept)
		}
		want, _ := json.Marshal(expected)
		got, _ := json.Marshal(kept)
		if !bytes.Equal(want, got) {
			w.fault("%s differs from its entries, each applied once:\nwant %s\ngot  %s", key, want, got)
		}
		have := map[string]bool{}
		for _, p := range h.posts[key] {
			have[p.Room] = true
			if !t.may[p.Room] {
				w.fault("%s has a post in %s, where no route sends it", key, p.Room)
			}
		}
		for room := range t.must {
			if !have[room] {
				w.fault("%s has no post in %s", key, room)
			}
		}
	}
}

// checkMemory checks that a problem of a trigger knows how often that opened before. checkRoot compares what the room shows of it.
func (w *world) checkMemory(p alert.Problem) {
	if _, ok := p.Trigger(); ok && p.Announced && (p.Memory == nil || p.Memory.Times < 1 || p.Memory.Times > 1 && !p.Memory.Known) {
		w.fault("%s has no memory of its trigger, or an impossible one: %+v", p.Key, p.Memory)
	}
}

// simRoom returns the simulator's name of a post's room.
func simRoom(room string) string {
	if room == config.PersonRoom+person {
		return "direct:" + min(botEmail(0), person) + ":" + max(botEmail(0), person)
	}
	return room
}

// checkPost checks that a room shows the current problem, or that a dead letter has the reason.
func (w *world) checkPost(h held, p alert.Problem, post store.Post) {
	where := post.Key.String() + " in " + post.Room
	if post.State == store.PostDead {
		if !slices.ContainsFunc(h.dead, func(d store.DeadLetter) bool { return d.Key == post.Key && d.Room == post.Room && d.Reason != "" }) {
			w.fault("%s is dead without a dead letter that has the reason", where)
		}
		w.checkFallback(h, p, post)
		return
	}
	if post.Pending() {
		w.fault("%s is still pending: %+v", where, post)
	}
	if post.Group != 0 {
		w.checkMember(h, p, post, where)
		return
	}
	if post.RootID == "" {
		if !p.HeldBack && post.CardID == "" && !resolvedEarly(p, post) {
			w.fault("%s was never posted: %+v", where, post)
		}
		return
	}
	root, ok := w.sim.Message(post.RootID)
	switch {
	case !ok:
		w.fault("%s: its root isn't a message", where)
		return
	case w.erased[root.ID]:
		return // no change since somebody deleted it
	case root.Deleted:
		w.fault("%s: its root was deleted, but by nobody", where)
		return
	case !slices.Contains(problemsIn(root), problemOf(post.Key)):
		w.fault("%s: its root shows something else: %s", where, root.Text)
	}
	w.checkRoot(p, post, root, where)
	w.checkThread(p, post, root, where)
}

// checkRoot compares a root with the rendered problem.
func (w *world) checkRoot(p alert.Problem, post store.Post, root webexsim.MessageView, where string) {
	settings, _ := delivery.RoomsOf(w.cfg)(post.Room, post.Route)
	said := root.Text + string(root.Card)
	if post.CardID == post.RootID {
		if !p.Open() || root.Card == nil {
			w.fault("%s: the root is a card, but the problem is resolved or the message has no card: %s", where, said)
		}
		if p.Severity != alert.NotClassified && !strings.Contains(said, p.Severity.Title()) {
			w.fault("%s: the card doesn't say %q: %s", where, p.Severity.Title(), said)
		}
		return
	}
	limit := webex.MaxEdits
	if p.Open() {
		limit--
	}
	exact := slices.ContainsFunc([]time.Time{root.Created, root.Updated, post.DeliveredAt}, func(at time.Time) bool {
		return w.render.Root(p, settings.Room, at) == root.Markdown
	})
	if !exact && post.Edits < limit {
		w.fault("%s: the root isn't up to date (%d edits, %d counted):\nwant %s\ngot  %s", where, root.Edits, post.Edits, w.render.Root(p, settings.Room, root.Updated), root.Markdown)
	}
	if p.State == alert.StateResolved && !strings.Contains(strings.ToLower(said), "resolved") && !w.has(refuse, lose, slow, fail, crash, diskFull) {
		w.fault("%s is resolved but its root doesn't say so, though every edit was counted: %s", where, said)
	}
	for _, reply := range w.thread(root) {
		said += "\n" + reply.Text // without edits left, the change is in the thread
	}
	if p.State == alert.StateResolved && !strings.Contains(strings.ToLower(said), "resolved") {
		w.fault("%s is resolved but its messages don't say so: %s", where, said)
	}
	by := "acknowledged" // a line doesn't say by whom
	if u := p.AcknowledgedBy(); u != nil && u.Actor.Name != "" && settings.Presentation != config.PresentLine {
		by = u.Actor.Name
	}
	// Without edits left the thread has what people did, but not what only the API reported, or the status of
	// another update.
	visible := post.Edits < limit || !w.has(observe) && p.AcknowledgedBy() != nil
	if p.Acknowledged && visible && !strings.Contains(said, by) && p.Open() {
		w.fault("%s is acknowledged (%s) but its messages don't say so: %s", where, by, said)
	}
}

// thread returns a root's replies that aren't deleted.
func (w *world) thread(root webexsim.MessageView) (replies []webexsim.MessageView) {
	for _, m := range w.sim.Timeline(root.RoomID) {
		if m.ParentID == root.ID && !m.Deleted {
			replies = append(replies, m)
		}
	}
	return replies
}

// checkThread checks that the right buttons are there, and that every entry was posted.
func (w *world) checkThread(p alert.Problem, post store.Post, root webexsim.MessageView, where string) {
	if slices.ContainsFunc(p.Timeline, func(e alert.Entry) bool { return e.Seq > post.ToldSeq && (e.Nudge == nil || e.Nudge.For(post.Room)) }) {
		w.fault("%s: posted up to entry %d of %d", where, post.ToldSeq, p.LastSeq())
	}
	w.checkOrder(p, root, where)
	if post.CardID == "" || post.CardID == post.RootID {
		return
	}
	card, ok := w.sim.Message(post.CardID)
	if !ok || card.Deleted || card.ParentID != root.ID || !p.Open() {
		w.fault("%s: its card isn't a live reply to its root, or the problem is over: deleted %v, open %v, %+v", where, card.Deleted, p.Open(), post)
	}
}

// checkOrder checks that a thread has the changes in the order in which the relay received them.
func (w *world) checkOrder(p alert.Problem, root webexsim.MessageView, where string) {
	at := map[string]int{} // somebody's text → the first reply that has it
	for i, reply := range w.thread(root) {
		for _, said := range comments.FindAllString(reply.Text, -1) {
			if _, before := at[said]; !before {
				at[said] = i
			}
		}
	}
	entries := slices.SortedFunc(slices.Values(p.Timeline), func(a, b alert.Entry) int { return a.Seq - b.Seq })
	last := 0
	for _, e := range entries {
		if e.Update == nil {
			continue
		}
		if i, posted := at[e.Update.Message]; posted && i < last {
			w.fault("%s: %q is posted before an earlier entry", where, e.Update.Message)
		} else if posted {
			last = i
		}
	}
}

// checkFallback checks that problems of a room that refuses for good are in the default room.
func (w *world) checkFallback(h held, p alert.Problem, post store.Post) {
	to, ok := delivery.FallbackOf(w.cfg)(post.Room)
	if !ok || strings.Contains(post.LastError, " 400 ") || // only this message was refused
		w.member(post.Room) || post.Room == config.PersonRoom+person || !w.member(to) {
		return
	}
	// The post there is checked like any other.
	if !slices.ContainsFunc(h.posts[p.Key], func(o store.Post) bool { return o.Room == to }) {
		w.fault("%s was refused in %s (%s), and %s doesn't have it", p.Key, post.Room, post.LastError, to)
	}
}

// member reports whether a room's bot is in it.
func (w *world) member(room string) bool {
	for _, r := range w.sim.State().Rooms {
		if r.Name == room {
			return slices.Contains(r.Members, w.botIn(room))
		}
	}
	return true
}
