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

// Decoded is what a journal entry asks for.
type Decoded struct {
	Event  alert.Event
	Test   bool   // from Zabbix's Test button: there is no problem
	SendTo string // {ALERT.SENDTO}
	// Reroute is another room for the problem; then there is no event.
	Reroute string
}

// Item is a journal entry of a batch, decoded. Err is set if it can't be.
type Item struct {
	Entry   store.Entry
	Decoded Decoded
	Err     error
}

// Known is what the store has of the problems of a batch.
type Known struct {
	Problems map[alert.Key]alert.Problem
	Posts    map[alert.Key][]store.Post
}

// Rules are the configuration of a plan. Rooms is required, and Test where Decode returns tests.
type Rules struct {
	// Rooms returns where a problem goes: route.Router.Rooms.
	Rooms func(p alert.Problem, sendTo string, now time.Time) []route.Target
	// Test makes the messages of Zabbix's Test button.
	Test func(source, sendTo string, now time.Time) []store.Notice
	// OrphanWait is how long an update waits for its problem.
	OrphanWait time.Duration
	// Grouping returns when the problems of a room share messages; nil means never.
	Grouping func(room string) Grouping
	// Timing returns when a room hears of what a route sends there: route.Router.Timing. nil means at once.
	Timing func(room, rule string) route.Timing
}

func (r Rules) timing(post store.Post) route.Timing {
	if r.Timing == nil {
		return route.Timing{}
	}
	return r.Timing(post.Room, post.Route)
}

func (r Rules) grouping(room string) Grouping {
	if r.Grouping == nil {
		return Grouping{Individual: alert.Disaster + 1}
	}
	return r.Grouping(room)
}

// Result is what became of an entry, for metrics and the log.
type Result struct {
	Entry     store.Entry
	Key       alert.Key
	Kind      alert.Kind
	Duplicate bool
	Change    alert.Change
	SendTo    string // {ALERT.SENDTO}
	Replaced  string // name of the problem that had the event id before
	SetAside  string // the reason
	Test      bool
}

// Outcome is the plan of a batch.
type Outcome struct {
	Fold    store.Fold
	Results []Result
	// Learned are problems that a payload brought something new about, so that Zabbix's API may know more.
	Learned  []alert.Key
	Nudged   []Nudged
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
	rooms []string // to be looked at for a storm, though the batch may have nothing for them
	out   Outcome

	problems  map[alert.Key]alert.Problem // as changed by the batch
	posts     map[alert.Key][]store.Post
	order     []alert.Key // of problems, as first changed
	postOrder []alert.Key
	touched   map[postID]bool // posts to write
	joins     map[postID]bool // posts that are new
	released  map[postID]bool // posts that may be told from this batch on
	nudged    map[postID]bool
	headlines map[alert.Key]bool // problems whose headline changed
	acted     map[alert.Key]bool // problems that somebody acted on
	learned   map[alert.Key]bool
	waiting   map[alert.Key]alert.Problem // problems that wait for their first message, of earlier batches
	opened    int64                       // id of the group that was opened last: -1, -2, …
}

type postID struct {
	key  alert.Key
	room string
}

// Plan applies a batch of entries, in order, to what is known. Plan, Asks and Finish are pure.
func Plan(items []Item, known Known, rules Rules, now time.Time) *Draft {
	d := newDraft(known, rules, now, len(items))
	for i := range items {
		d.add(&items[i])
	}
	d.release()
	return d
}

// newDraft begins a batch of about so many entries.
func newDraft(known Known, rules Rules, now time.Time, entries int) *Draft {
	d := &Draft{
		known: known, rules: rules, now: now,
		problems: make(map[alert.Key]alert.Problem, entries), posts: make(map[alert.Key][]store.Post, entries),
		order: make([]alert.Key, 0, entries), postOrder: make([]alert.Key, 0, entries),
		touched: make(map[postID]bool, entries), joins: make(map[postID]bool, entries), released: make(map[postID]bool, entries),
		nudged: map[postID]bool{}, headlines: make(map[alert.Key]bool, entries), acted: map[alert.Key]bool{},
		learned: make(map[alert.Key]bool, entries),
	}
	d.out.Fold.SetAside = map[int64]string{}
	d.out.Fold.Applied = make([]int64, 0, entries)
	d.out.Results = make([]Result, 0, entries)
	d.out.Learned = make([]alert.Key, 0, entries)
	return d
}

// Finish decides which messages show the batch's posts, and returns the whole plan. rooms answers Asks, problems Unknown.
func (d *Draft) Finish(rooms map[string]store.RoomGrouping, problems map[alert.Key]alert.Problem) Outcome {
	d.waiting = problems
	d.group(rooms)
	fold := &d.out.Fold
	fold.Problems = make([]alert.Problem, 0, len(d.order))
	fold.Read = make(map[alert.Key]int64, len(d.order))
	for _, key := range d.order {
		fold.Problems = append(fold.Problems, d.problems[key])
		fold.Read[key] = d.known.Problems[key].Revision
	}
	for _, post := range d.touchedPosts() {
		fold.Posts = append(fold.Posts, *post)
	}
	return d.out
}

// touchedPosts are the posts to write, with their problems.
func (d *Draft) touchedPosts() iter.Seq2[alert.Problem, *store.Post] {
	return func(yield func(alert.Problem, *store.Post) bool) {
		for _, key := range d.postOrder {
			for i := range d.posts[key] {
				post := &d.posts[key][i]
				if d.touched[postID{post.Key, post.Room}] && !yield(d.problem(key), post) {
					return
				}
			}
		}
	}
}

// add applies one entry. Whatever goes wrong with it, even a panic, sets the entry aside and leaves the batch as it was.
func (d *Draft) add(item *Item) {
	r := Result{Entry: item.Entry, Key: item.Decoded.Event.Key, Kind: item.Decoded.Event.Kind, SendTo: item.Decoded.SendTo, Test: item.Decoded.Test}
	var e effect
	err := item.Err
	if err == nil {
		e, err = d.effect(item)
	}
	if err != nil {
		r.SetAside = err.Error()
		d.out.Fold.SetAside[item.Entry.ID] = r.SetAside
		d.out.Results = append(d.out.Results, r)
		return
	}
	r.Change, r.Duplicate, r.Replaced = e.change, e.change.Duplicate, e.replaced
	d.out.Fold.Applied = append(d.out.Fold.Applied, item.Entry.ID)
	d.out.Fold.Notices = append(d.out.Fold.Notices, e.notices...)
	d.out.Results = append(d.out.Results, r)
	if item.Decoded.Test {
		return
	}
	// The API knows more about problems of triggers alone.
	if !r.Duplicate && item.Entry.Kind == store.EntryEvent && e.problem.Origin == alert.OriginTrigger && !d.learned[r.Key] {
		d.learned[r.Key] = true
		d.out.Learned = append(d.out.Learned, r.Key)
	}
	d.archive(e.old)
	d.merge(e.key(r.Key), e)
}

// merge adds to the batch what an entry, or a clock, does.
func (d *Draft) merge(key alert.Key, e effect) {
	if e.change.Changed {
		d.put(e.problem)
	}
	d.headlines[key] = d.headlines[key] || e.change.Headline
	d.acted[key] = d.acted[key] || e.change.Acted
	if _, ok := d.posts[key]; !ok {
		d.postOrder = append(d.postOrder, key)
	}
	d.posts[key] = e.posts
	for _, room := range e.touched {
		d.touched[postID{key, room}] = true
	}
	for _, room := range e.joins {
		d.joins[postID{key, room}] = true
	}
	for _, room := range e.nudged {
		d.nudged[postID{key, room}] = true
	}
}

// effect is what one entry does.
type effect struct {
	problem alert.Problem
	change  alert.Change
	posts   []store.Post // all of the problem's
	touched []string     // rooms whose posts are to be written
	joins   []string     // rooms that get a post
	nudged  []string     // rooms that are reminded of the problem, or that it escalated to or from
	notices []store.Notice
	// old are problems whose event id this one took, or that are found to be older than one known by their event id.
	old      []superseded
	replaced string // the name of such a problem, where that is news
}

// key is that of the problem that the entry changed, or else the one given.
func (e *effect) key(other alert.Key) alert.Key {
	if e.problem.Key != (alert.Key{}) {
		return e.problem.Key
	}
	return other
}

func (d *Draft) effect(item *Item) (e effect, err error) {
	defer func() {
		if fault := recover(); fault != nil {
			err = fmt.Errorf("applying the entry failed, a bug in the relay: %v\n%s", fault, debug.Stack())
		}
	}()
	if item.Decoded.Test {
		e.notices = d.rules.Test(item.Entry.Source, item.Decoded.SendTo, d.now)
		return e, nil
	}
	key := item.Decoded.Event.Key
	if key.Source == "" || key.EventID == "" {
		return e, fmt.Errorf("the entry names no event (source %q, event id %q)", key.Source, key.EventID)
	}
	e.posts = d.postsOf(key)
	if room := item.Decoded.Reroute; room != "" {
		if e.problem = d.problem(key); e.problem.Revision == 0 {
			return e, fmt.Errorf("problem %s isn't stored any more", key)
		}
		d.join(&e, route.Target{Room: room}, item.Decoded, 0)
		return e, nil
	}
	was := d.problem(key)
	switch was.Relation(item.Decoded.Event) {
	case alert.Later:
		was = d.supersede(&e, was, item.Decoded.Event)
	case alert.Earlier:
		was = d.overtaken(&e, was, item.Decoded.Event)
	}
	e.problem, e.change = alert.Apply(was, item.Decoded.Event)
	d.tell(&e, was, item.Decoded)
	return e, nil
}

// join gives the problem a post in a room that has none. opening is its Post.Opening.
func (d *Draft) join(e *effect, t route.Target, decoded Decoded, opening int64) {
	if slices.ContainsFunc(e.posts, func(post store.Post) bool { return post.Room == t.Room }) {
		return
	}
	post := store.Post{
		Key: e.problem.Key, Room: t.Room, Route: t.Route, JoinedAt: d.now, Opening: opening, Cursor: store.Cursor{State: store.PostLive},
	}
	d.desire(&post, e.problem, decoded)
	d.schedule(&post, alert.Problem{}, e.problem)
	e.posts = append(e.posts, post)
	e.touched = append(e.touched, post.Room)
	e.joins = append(e.joins, post.Room)
}

func (d *Draft) problem(key alert.Key) alert.Problem {
	if p, ok := d.problems[key]; ok {
		return p
	}
	if p, ok := d.known.Problems[key]; ok {
		return p
	}
	return d.waiting[key]
}

func (d *Draft) put(p alert.Problem) {
	if _, ok := d.problems[p.Key]; !ok {
		d.order = append(d.order, p.Key)
	}
	d.problems[p.Key] = p
}

// postsOf returns a copy: an entry that fails must leave no trace.
func (d *Draft) postsOf(key alert.Key) []store.Post {
	if posts, ok := d.posts[key]; ok {
		return slices.Clone(posts)
	}
	return slices.Clone(d.known.Posts[key])
}

// tell makes the problem's posts ask for what rooms should show now, and adds those of rooms that are to hear of it.
func (d *Draft) tell(e *effect, was alert.Problem, decoded Decoded) {
	if e.change.Visible {
		for i := range e.posts {
			d.desire(&e.posts[i], e.problem, decoded)
			d.schedule(&e.posts[i], was, e.problem)
			e.touched = append(e.touched, e.posts[i].Room)
		}
	}
	if !tellable(e.problem, decoded, e.change) {
		return
	}
	opening := openingOf(e.problem)
	for _, t := range d.rules.Rooms(e.problem, decoded.SendTo, d.now) {
		d.join(e, t, decoded, opening)
	}
}

// tellable reports whether an event makes new rooms hear of its problem.
func tellable(p alert.Problem, decoded Decoded, change alert.Change) bool {
	switch {
	case p.HeldBack || p.Gone || p.Superseded():
		return false
	case decoded.Event.Kind == alert.KindProblem || decoded.Event.Kind == alert.KindOccurrence:
		return true // a duplicate too: the same event to another address is news for another room
	case decoded.Event.Kind == alert.KindUpdate && p.Open():
		return change.Visible || change.Duplicate
	case p.Open():
		// A change may make another rule match, and a rumour may be confirmed.
		return change.Visible
	}
	return false // nobody is told of a recovery alone
}

// desire makes a post ask for the problem as it is now.
func (d *Draft) desire(post *store.Post, p alert.Problem, decoded Decoded) {
	post.Severity, post.Open, post.OpenedAt = p.Severity, p.Open(), p.OpenedAt
	post.Desired = p.Revision
	switch {
	case p.Announced:
		post.HoldUntil = time.Time{}
	case post.HoldUntil.IsZero() && untold(*post):
		post.HoldUntil = decoded.Event.ReceivedAt.Add(d.rules.OrphanWait)
	}
}
