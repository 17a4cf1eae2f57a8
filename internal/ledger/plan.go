package ledger

import (
	"fmt"
	"runtime/debug"
	"slices"
	"time"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/route"
	"nms-alert-relay/internal/store"
)

// Decoded is a journal entry as the fold takes it.
type Decoded struct {
	Event  alert.Event
	Test   bool   // Zabbix's Test button: no problem
	SendTo string // {ALERT.SENDTO}
	// Reroute is another room that is to be told of the problem; no event.
	Reroute string
}

// Item is one journal entry of a batch, decoded; Err says why it couldn't be.
type Item struct {
	Entry   store.Entry
	Decoded Decoded
	Err     error
}

// Known is what the store holds of the problems of a batch.
type Known struct {
	Problems map[alert.Key]alert.Problem
	Posts    map[alert.Key][]store.Post
	Openings *openings // what opened lately; nil for nothing
}

// Rules are what a plan asks besides.
type Rules struct {
	// Rooms says where a problem goes: route.Router.Rooms.
	Rooms func(p alert.Problem, sendTo string, now time.Time) []route.Target
	// Test makes the messages of a test.
	Test func(source, sendTo string, now time.Time) []store.Notice
	// OrphanWait is how long an update waits for its problem.
	OrphanWait time.Duration
	// Flapping says when a trigger is told as flapping in a room; nil: never.
	Flapping func(room string) Flapping
	// Timing says when a room hears of what a route sends there: route.Router.Timing; nil: at once.
	Timing func(room, rule string) route.Timing
}

// Result is what became of one entry, for the metrics and the log.
type Result struct {
	Entry     store.Entry
	Key       alert.Key
	Kind      alert.Kind
	Duplicate bool
	Change    alert.Change
	SendTo    string // {ALERT.SENDTO}
	Replaced  string // name of the problem that had the event id before
	SetAside  string
	Test      bool
}

// Outcome is the plan of a batch.
type Outcome struct {
	Fold    store.Fold
	Results []Result
	// Learned are the problems that a payload told something new of: worth asking
	// the API about.
	Learned []alert.Key
	Opened  []Opening // what joined rooms, for Known.Openings
}

// Plan applies a batch of entries, in order, to what is known. It is pure: the
// same batch gives the same plan.
func Plan(items []Item, known Known, rules Rules, now time.Time) Outcome {
	b := newBatch(known, rules, now, len(items))
	for i := range items {
		b.add(&items[i])
	}
	b.finish()
	return b.out
}

// newBatch begins a batch of about so many entries.
func newBatch(known Known, rules Rules, now time.Time, entries int) *batch {
	b := &batch{
		known: known, rules: rules, now: now,
		problems: make(map[alert.Key]alert.Problem, entries), posts: make(map[alert.Key][]store.Post, entries),
		order: make([]alert.Key, 0, entries), postOrder: make([]alert.Key, 0, entries),
		touched: make(map[postID]bool, entries), learned: make(map[alert.Key]bool, entries), opened: map[openingID]history{},
	}
	b.out.Fold.SetAside = map[int64]string{}
	b.out.Fold.Applied = make([]int64, 0, entries)
	b.out.Results = make([]Result, 0, entries)
	b.out.Learned = make([]alert.Key, 0, entries)
	return b
}

// finish writes what changed into the fold.
func (b *batch) finish() {
	b.out.Fold.Problems = make([]alert.Problem, 0, len(b.order))
	b.out.Fold.Posts = make([]store.Post, 0, len(b.touched))
	b.out.Fold.Read = make(map[alert.Key]int64, len(b.order))
	for _, key := range b.order {
		b.out.Fold.Read[key] = b.known.Problems[key].Revision
		b.out.Fold.Problems = append(b.out.Fold.Problems, b.problems[key])
	}
	for _, key := range b.postOrder {
		for _, p := range b.posts[key] {
			if b.touched[postID{p.Key, p.Room}] {
				b.out.Fold.Posts = append(b.out.Fold.Posts, p)
			}
		}
	}
}

type batch struct {
	known     Known
	rules     Rules
	now       time.Time
	problems  map[alert.Key]alert.Problem // as changed by the batch
	posts     map[alert.Key][]store.Post
	order     []alert.Key // of problems, as first changed
	postOrder []alert.Key
	touched   map[postID]bool // posts to write
	learned   map[alert.Key]bool
	opened    map[openingID]history
	out       Outcome
}

type postID struct {
	key  alert.Key
	room string
}

// add applies one entry. Whatever goes wrong with it, a panic too, sets the
// entry aside and leaves the batch as it was: one bad entry holds up nobody.
func (b *batch) add(item *Item) {
	r := Result{Entry: item.Entry, Key: item.Decoded.Event.Key, Kind: item.Decoded.Event.Kind, SendTo: item.Decoded.SendTo, Test: item.Decoded.Test}
	var e effect
	err := item.Err
	if err == nil {
		e, err = b.effect(item)
	}
	if err != nil {
		r.SetAside = err.Error()
		b.out.Fold.SetAside[item.Entry.ID] = r.SetAside
		b.out.Results = append(b.out.Results, r)
		return
	}
	r.Change, r.Duplicate, r.Replaced = e.change, e.change.Duplicate, e.replaced
	b.out.Fold.Applied = append(b.out.Fold.Applied, item.Entry.ID)
	b.out.Fold.Notices = append(b.out.Fold.Notices, e.notices...)
	b.out.Results = append(b.out.Results, r)
	if item.Decoded.Test {
		return
	}
	// The API knows more of trigger problems alone.
	if !r.Duplicate && item.Entry.Kind == store.EntryEvent && e.problem.Origin == alert.OriginTrigger && !b.learned[r.Key] {
		b.learned[r.Key] = true
		b.out.Learned = append(b.out.Learned, r.Key)
	}
	b.archive(e.old)
	b.take(e.key(r.Key), e)
	b.open(e.opened)
}

// take takes in what one entry, or one clock, did.
func (b *batch) take(key alert.Key, e effect) {
	if e.change.Changed {
		b.put(e.problem)
	}
	if _, ok := b.posts[key]; !ok {
		b.postOrder = append(b.postOrder, key)
	}
	b.posts[key] = e.posts
	for _, room := range e.touched {
		b.touched[postID{key, room}] = true
	}
}

// effect is what one entry does.
type effect struct {
	problem alert.Problem
	change  alert.Change
	posts   []store.Post // all of the problem's
	touched []string     // rooms whose posts are to be written
	notices []store.Notice
	opened  []Opening
	// old are problems that another one took the event id of, or was found to have taken it of.
	old      []superseded
	replaced string // the name of such a one, where that is news
}

// key is that of the problem which the entry changed; other where it changed none.
func (e *effect) key(other alert.Key) alert.Key {
	if e.problem.Key != (alert.Key{}) {
		return e.problem.Key
	}
	return other
}

func (b *batch) effect(item *Item) (e effect, err error) {
	defer func() {
		if fault := recover(); fault != nil {
			err = fmt.Errorf("applying it failed, which is a fault of the relay's: %v\n%s", fault, debug.Stack())
		}
	}()
	if item.Decoded.Test {
		e.notices = b.rules.Test(item.Entry.Source, item.Decoded.SendTo, b.now)
		return e, nil
	}
	key := item.Decoded.Event.Key
	if key.Source == "" || key.EventID == "" {
		return e, fmt.Errorf("it names no event (source %q, event id %q)", key.Source, key.EventID)
	}
	e.posts = b.postsOf(key)
	if room := item.Decoded.Reroute; room != "" {
		if e.problem = b.problem(key); e.problem.Revision == 0 {
			return e, fmt.Errorf("problem %s isn't kept (any more)", key)
		}
		b.join(&e, route.Target{Room: room}, item.Decoded)
		return e, nil
	}
	was := b.problem(key)
	switch was.Relation(item.Decoded.Event) {
	case alert.Later:
		was = b.supersede(&e, was, item.Decoded.Event)
	case alert.Earlier:
		was = b.overtaken(&e, was, item.Decoded.Event)
	}
	e.problem, e.change = alert.Apply(was, item.Decoded.Event)
	b.tell(&e, was, item.Decoded)
	return e, nil
}

// join gives the problem a post in a room that has none of it yet.
func (b *batch) join(e *effect, t route.Target, d Decoded) {
	if slices.ContainsFunc(e.posts, func(post store.Post) bool { return post.Room == t.Room }) {
		return
	}
	post := store.Post{
		Key: e.problem.Key, Room: t.Room, Route: t.Route, JoinedAt: b.now, Flap: b.flaps(e, t.Room), Cursor: store.Cursor{State: store.PostLive},
	}
	b.desire(&post, e.problem, d)
	b.schedule(&post, alert.Problem{}, e.problem)
	e.posts = append(e.posts, post)
	e.touched = append(e.touched, post.Room)
}

func (b *batch) problem(key alert.Key) alert.Problem {
	if p, ok := b.problems[key]; ok {
		return p
	}
	return b.known.Problems[key]
}

func (b *batch) put(p alert.Problem) {
	if _, ok := b.problems[p.Key]; !ok {
		b.order = append(b.order, p.Key)
	}
	b.problems[p.Key] = p
}

// postsOf gives a copy: an entry that fails half-way must leave no trace.
func (b *batch) postsOf(key alert.Key) []store.Post {
	if posts, ok := b.posts[key]; ok {
		return slices.Clone(posts)
	}
	return slices.Clone(b.known.Posts[key])
}

// tell brings the problem's posts to what rooms should show now.
func (b *batch) tell(e *effect, was alert.Problem, d Decoded) {
	if e.change.Visible {
		for i := range e.posts {
			b.desire(&e.posts[i], e.problem, d)
			b.schedule(&e.posts[i], was, e.problem)
			e.touched = append(e.touched, e.posts[i].Room)
		}
	}
	if !tellable(e.problem, d, e.change) {
		return
	}
	for _, t := range b.rules.Rooms(e.problem, d.SendTo, b.now) {
		b.join(e, t, d)
	}
}

// tellable says whether rooms are to hear of the problem by this event.
func tellable(p alert.Problem, d Decoded, change alert.Change) bool {
	switch {
	case p.HeldBack || p.Gone || p.Superseded():
		return false
	case d.Event.Kind == alert.KindProblem || d.Event.Kind == alert.KindOccurrence:
		return true // also a duplicate: the same event to another address is news for another room
	case d.Event.Kind == alert.KindUpdate && p.Open():
		return change.Visible || change.Duplicate
	case p.Open():
		// A change may make another rule match; what was only a rumour may be confirmed.
		return change.Visible
	}
	return false // a recovery alone is told nobody
}

// desire is what the ledger says of one post.
func (b *batch) desire(post *store.Post, p alert.Problem, d Decoded) {
	post.Severity, post.Open, post.OpenedAt = p.Severity, p.Open(), p.OpenedAt
	post.LookAt = lookAt(p, b.now)
	if post.Desired <= post.Delivered || post.DirtySince.IsZero() {
		post.DirtySince = b.now
	}
	post.Desired = p.Revision
	switch {
	case p.Announced:
		post.HoldUntil = time.Time{}
	case post.HoldUntil.IsZero() && post.RootID == "":
		post.HoldUntil = d.Event.ReceivedAt.Add(b.rules.OrphanWait)
	}
}
