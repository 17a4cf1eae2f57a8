package ledger

import (
	"fmt"
	"iter"
	"runtime/debug"
	"slices"
	"time"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/route"
	"nms-alert-relay/internal/store"
)

// Decoded is a decoded journal entry.
type Decoded struct {
	Event  alert.Event
	Test   bool   // from Zabbix's Test button: of the event, only SendTo is set
	Canary Canary // there is no event then
	// Reroute is another room for the problem; then the event says only which problem and when.
	Reroute route.Target
}

// Canary is a proof that the chain from the journal to a room works. The zero value is none.
type Canary struct{ Name, Room string }

// Item is a journal entry of a batch, decoded. Err is set if it can't be.
type Item struct {
	Entry   store.Entry
	Decoded Decoded
	Err     error
}

// Known has the stored problems of a batch, and their posts.
type Known struct {
	Problems map[alert.Key]alert.Problem
	Posts    map[alert.Key][]store.Post
	Groups   map[int64]store.Group // of posts whose question waits for an answer
}

// Rules are the configuration of a plan. Rooms is required, and Test where Decode returns tests.
type Rules struct {
	// Rooms returns where a problem goes: route.Router.Rooms.
	Rooms func(p alert.Problem, sendTo string, now time.Time) []route.Target
	// Test makes the messages of Zabbix's Test button.
	Test func(source, sendTo string, now time.Time) []store.Notice
	// Canary makes the message of a canary.
	Canary func(c Canary, now time.Time) []store.Notice
	// OrphanWait returns how long an update waits for its problem; nil means not at all.
	OrphanWait func() time.Duration
	// Grouping returns when the problems of a room share messages; nil means never. A plan calls it once for each room.
	Grouping func(room string) Grouping
	// Timing returns when a room gets the problems that a route sends there: route.Router.Timing. nil means at once.
	Timing func(room, rule string) route.Timing
	// OnDuty returns who is on duty; nil means that no route asks for them.
	OnDuty route.OnDuty
}

func (r Rules) timing(post store.Post) route.Timing {
	if r.Timing == nil {
		return route.Timing{}
	}
	return r.Timing(post.Room, post.Route)
}

func (r Rules) orphanWait() time.Duration {
	if r.OrphanWait == nil {
		return 0
	}
	return r.OrphanWait()
}

// Result is the outcome of one entry, for metrics and the log.
type Result struct {
	*Item
	Change   alert.Change
	Replaced string // name of the problem that had the event id before
	SetAside string // the reason
}

// Outcome is the plan of a batch.
type Outcome struct {
	Fold    store.Fold
	Results []Result
	// Learned are problems that a payload changed, about which Zabbix's API may know more. A problem is listed once
	// for each such payload.
	Learned  []alert.Key
	Nudged   []Nudged
	Lapsed   []Lapsed
	Faults   []error // of posts whose clocks were stopped because of them
	Gathered []Gathered
}

// empty reports whether there is nothing to write.
func (o Outcome) empty() bool {
	f := o.Fold
	return len(f.Applied)+len(f.SetAside)+len(f.Moved)+len(f.Problems)+len(f.Posts)+len(f.Groups)+len(f.Notices) == 0
}

// Draft is a batch, applied to its problems. Finish decides which messages show them.
type Draft struct {
	known Known
	rules Rules
	now   time.Time
	rooms []string // to be checked for a storm, even if the batch changes nothing there
	out   Outcome

	groupings map[string]Grouping // by room
	trace     string              // of the entry that is being applied
	problems  map[alert.Key]*draftProblem
	order     []alert.Key                 // of problems
	waiting   map[alert.Key]alert.Problem // problems that wait for their first message, of earlier batches
	awaiting  map[alert.Key][]alert.Key   // symptoms of problems that aren't known, by those
	opened    int64                       // id of the group that was opened last: -1, -2, …
}

// draftProblem is a problem with the changes that the batch has made so far.
type draftProblem struct {
	alert.Problem
	posts    []draftPost // all of the problem's
	changed  bool        // to be written
	headline bool        // its headline changed
	acted    bool        // somebody acted on it
}

// draftPost is a post with the changes that the batch has made so far.
type draftPost struct {
	store.Post
	touched  bool // to be written
	joins    bool // it is new
	released bool // delivery may post it from this batch on
}

// Plan applies a batch of entries, in order, to the known problems. Plan, Asks and Finish are pure.
func Plan(items []Item, known Known, rules Rules, now time.Time) *Draft {
	d := newDraft(known, rules, now, len(items))
	for i := range items {
		d.add(&items[i])
	}
	d.release()
	return d
}

// newDraft begins a batch of about this many entries.
func newDraft(known Known, rules Rules, now time.Time, entries int) *Draft {
	d := &Draft{
		known: known, rules: rules, now: now,
		problems: make(map[alert.Key]*draftProblem, entries), order: make([]alert.Key, 0, entries), groupings: map[string]Grouping{},
		awaiting: map[alert.Key][]alert.Key{},
	}
	for _, p := range known.Problems {
		d.awaitCause(p)
	}
	d.out.Fold.SetAside = map[int64]string{}
	d.out.Fold.Applied = make([]int64, 0, entries)
	d.out.Results = make([]Result, 0, entries)
	d.out.Learned = make([]alert.Key, 0, entries)
	return d
}

// grouping returns Rules.Grouping of a room. It is the same for the whole plan: the pace of a room may change meanwhile.
func (d *Draft) grouping(room string) Grouping {
	g, known := d.groupings[room]
	if !known {
		g = Grouping{Individual: alert.Disaster + 1}
		if d.rules.Grouping != nil {
			g = d.rules.Grouping(room)
		}
		d.groupings[room] = g
	}
	return g
}

// Finish decides which messages show the batch's posts, and returns the whole plan. rooms answers Asks, problems Unknown.
func (d *Draft) Finish(rooms map[string]store.RoomGrouping, problems map[alert.Key]alert.Problem) Outcome {
	d.waiting = problems
	d.group(rooms)
	fold := &d.out.Fold
	fold.Problems = make([]alert.Problem, 0, len(d.order))
	fold.Read = make(map[alert.Key]int64, len(d.order))
	for _, key := range d.order {
		if p := d.problems[key]; p.changed {
			fold.Problems = append(fold.Problems, p.Problem)
			fold.Read[key] = d.known.Problems[key].Revision
		}
	}
	for _, post := range d.touchedPosts() {
		fold.Posts = append(fold.Posts, post.Post)
	}
	return d.out
}

// touchedPosts are the posts to write, with their problems.
func (d *Draft) touchedPosts() iter.Seq2[*draftProblem, *draftPost] {
	return func(yield func(*draftProblem, *draftPost) bool) {
		for _, key := range d.order {
			p := d.problems[key]
			for i := range p.posts {
				if post := &p.posts[i]; post.touched && !yield(p, post) {
					return
				}
			}
		}
	}
}

// add applies one entry. A fault, even a panic, sets the entry aside and leaves the batch unchanged.
func (d *Draft) add(item *Item) {
	was := d.problem(item.Decoded.Event.Key)
	e, err := d.effect(item)
	if err != nil {
		d.out.Fold.SetAside[item.Entry.ID] = err.Error()
		d.out.Results = append(d.out.Results, Result{Item: item, SetAside: err.Error()})
		return
	}
	d.out.Fold.Applied = append(d.out.Fold.Applied, item.Entry.ID)
	d.out.Fold.Notices = append(d.out.Fold.Notices, e.notices...)
	d.out.Results = append(d.out.Results, Result{Item: item, Change: e.change, Replaced: e.replaced})
	if item.Decoded.Test || item.Decoded.Canary != (Canary{}) {
		return
	}
	// The API knows more only about problems of triggers.
	if !e.change.Duplicate && item.Entry.Kind == store.EntryEvent && e.problem.Origin == alert.OriginTrigger {
		d.out.Learned = append(d.out.Learned, item.Decoded.Event.Key)
	}
	d.archive(e.old)
	d.merge(e)
	if len(e.old) == 0 {
		d.count(e.problem.Key, was)
	}
	if was.Revision == 0 {
		d.countAwaiting(e.problem.Key)
	}
}

// merge adds the effect of an entry or a clock to the batch.
func (d *Draft) merge(e effect) {
	key := e.problem.Key
	p := d.problems[key]
	if p == nil {
		p = &draftProblem{}
		d.problems[key] = p
		d.order = append(d.order, key)
	}
	p.Problem, p.posts = e.problem, e.posts
	p.changed = p.changed || e.change.Changed
	p.headline = p.headline || e.change.Headline
	p.acted = p.acted || e.change.Acted
}

// effect is the effect of one entry or clock.
type effect struct {
	problem alert.Problem
	change  alert.Change
	posts   []draftPost // all of the problem's
	notices []store.Notice
	// old are problems whose event id this one has now, or that turn out to be older than the stored one with their
	// event id.
	old      []superseded
	replaced string // the name of the problem that this one supersedes; "" for none
}

func (d *Draft) effect(item *Item) (e effect, err error) {
	defer func() {
		if fault := recover(); fault != nil {
			err = fmt.Errorf("applying the entry failed, a bug in the relay: %v\n%s", fault, debug.Stack())
		}
	}()
	event := item.Decoded.Event
	key := event.Key
	d.trace = item.Entry.Trace
	switch {
	case item.Err != nil:
		return e, item.Err
	case item.Decoded.Test:
		e.notices = d.rules.Test(item.Entry.Source, event.SendTo, d.now)
		return e, nil
	case item.Decoded.Canary != (Canary{}):
		e.notices = d.rules.Canary(item.Decoded.Canary, d.now)
		return e, nil
	case key.Source == "" || key.EventID == "":
		return e, fmt.Errorf("the entry names no event (source %q, event id %q)", key.Source, key.EventID)
	}
	e.problem, e.posts = d.problem(key), d.postsOf(key)
	if to := item.Decoded.Reroute; to.Room != "" {
		if e.problem.Revision == 0 {
			return e, fmt.Errorf("problem %s isn't stored any more", key)
		}
		d.join(&e, to, event.ReceivedAt, 0, false)
		return e, nil
	}
	was := e.problem
	switch was.Relation(event) {
	case alert.Later:
		was = d.supersede(&e, was, event)
	case alert.Earlier:
		was = d.overtaken(&e, was, event)
	}
	e.problem, e.change = alert.Apply(was, event)
	d.updatePosts(&e, was, event)
	return e, nil
}

// join gives the problem a post in a room that has none. opening is its Post.Opening. A quiet one isn't posted (store.Never).
func (d *Draft) join(e *effect, t route.Target, received time.Time, opening int64, quiet bool) {
	if slices.ContainsFunc(e.posts, func(post draftPost) bool { return post.Room == t.Room }) {
		return
	}
	post := draftPost{touched: true, joins: !quiet, Post: store.Post{
		Key: e.problem.Key, Room: t.Room, Route: t.Route, JoinedAt: d.now, ReceivedAt: received, Opening: opening, Cursor: store.Cursor{State: store.PostLive},
	}}
	d.desire(&post, e.problem, received)
	if quiet {
		post.TellAfter = store.Never
	} else {
		d.schedule(&post.Post, alert.Problem{}, e.problem)
	}
	e.posts = append(e.posts, post)
}

func (d *Draft) problem(key alert.Key) alert.Problem {
	if p, ok := d.problems[key]; ok {
		return p.Problem
	}
	if p, ok := d.known.Problems[key]; ok {
		return p
	}
	return d.waiting[key]
}

// postsOf returns a copy: an entry that fails must leave no trace.
func (d *Draft) postsOf(key alert.Key) []draftPost {
	if p, ok := d.problems[key]; ok {
		return slices.Clone(p.posts)
	}
	posts := make([]draftPost, len(d.known.Posts[key]))
	for i, post := range d.known.Posts[key] {
		posts[i].Post = post
	}
	return posts
}

// updatePosts updates the problem's posts, and adds posts in further rooms that should show it.
func (d *Draft) updatePosts(e *effect, was alert.Problem, event alert.Event) {
	quiet := staysQuiet(event, e.posts)
	if e.change.Visible {
		for i := range e.posts {
			d.desire(&e.posts[i], e.problem, event.ReceivedAt)
			if !quiet || !e.posts[i].TellAfter.Equal(store.Never) {
				d.schedule(&e.posts[i].Post, was, e.problem)
			}
		}
	}
	if !addsRooms(e.problem, event.Kind, e.change) {
		return
	}
	opening := openingOf(e.problem)
	for _, t := range d.rules.Rooms(e.problem, event.SendTo, d.now) {
		d.join(e, t, event.ReceivedAt, opening, quiet)
	}
}

// staysQuiet reports whether an answer of the API posts nothing about a problem in rooms that weren't told of it: reconciliation says
// so (alert.Observation.Quiet), or it found nothing new and the problem is only known there so far.
func staysQuiet(event alert.Event, posts []draftPost) bool {
	o := event.Observation
	if event.Kind != alert.KindObservation || o == nil {
		return false
	}
	return o.Quiet || o.Found == "" && slices.ContainsFunc(posts, func(post draftPost) bool { return post.TellAfter.Equal(store.Never) })
}

// addsRooms reports whether an event may add rooms to its problem.
func addsRooms(p alert.Problem, kind alert.Kind, change alert.Change) bool {
	switch {
	case p.HeldBack || p.Gone || p.Superseded():
		return false
	case kind == alert.KindProblem || kind == alert.KindOccurrence:
		return true // a duplicate too: the same event to another address is news for another room
	case kind == alert.KindUpdate && p.Open():
		return change.Visible || change.Duplicate
	case p.Open():
		// A change may make another rule match, or confirm a problem of which only updates had come.
		return change.Visible
	}
	return false // a recovery alone isn't posted
}

// desire makes the current state of the problem the post's target. received is when the relay got the event that
// changed it.
func (d *Draft) desire(post *draftPost, p alert.Problem, received time.Time) {
	post.touched = true
	post.Severity, post.Open, post.OpenedAt = p.Severity, p.Open(), p.OpenedAt
	post.Causes = causesOf(post.Post, store.Cause{Trace: d.trace, At: received})
	post.Desired = p.Revision
	switch {
	case p.Announced:
		post.HoldUntil = time.Time{}
	case post.HoldUntil.IsZero() && unposted(post.Post):
		post.HoldUntil = received.Add(d.rules.orphanWait())
	}
}
