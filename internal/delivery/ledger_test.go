package delivery

import (
	"context"
	"slices"
	"time"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/store"
)

// fold is one change by the ledger: the problem gets a revision, and a post in each of rooms. It returns what the
// ledger passes to Notify, with cursors that may be stale.
func (s *testStore) fold(key alert.Key, change func(p *alert.Problem), rooms ...string) store.Fold {
	return s.commit(key, change, true, rooms...)
}

// commit is fold; without a revision only rooms are added.
func (s *testStore) commit(key alert.Key, change func(p *alert.Problem), revision bool, rooms ...string) store.Fold {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := s.problem(key)
	p := before
	opens := p.Revision == 0
	if opens {
		s.keys = append(s.keys, key)
		p.Key, p.State, p.Severity, p.OpenedAt = key, alert.StateOpen, alert.High, time.Now()
		addEntry(&p, alert.EntryOpened, "")
	}
	if change != nil {
		change(&p)
	}
	if revision {
		p.Revision++
	}
	if opens && len(p.Timeline) > 1 {
		p.Revision++ // it opened, and something happened to it
	}
	posts := s.postsOf(key)
	groups := groupDraft{store: s, changed: map[int64]*store.Group{}}
	for _, room := range rooms {
		if slices.ContainsFunc(posts, func(p store.Post) bool { return p.Room == room }) {
			continue
		}
		post := store.Post{Key: key, Room: room, JoinedAt: time.Now(), PendingSince: time.Now().Add(s.burst), Causes: s.causes}
		if p.Severity < alert.Disaster && !acted(before, p) {
			post.Group = groups.join(room)
		}
		posts = append(posts, post)
	}
	for i := range posts {
		post := &posts[i]
		post.Desired, post.Severity, post.Open, post.OpenedAt = p.Revision, p.Severity, p.Open(), p.OpenedAt
		if post.Group != 0 && p.Open() && (p.Severity >= alert.Disaster || acted(before, p)) {
			groups.leave(post)
		}
		if post.Group != 0 {
			groups.raise(post, p)
		} else if post.PendingSince.IsZero() {
			post.PendingSince = time.Now()
		}
	}
	s.commitFold(store.Fold{Problems: []alert.Problem{p}, Posts: posts}, groups)
	written := store.Fold{Posts: s.postsOf(key)}
	for i := range written.Posts {
		if p := &written.Posts[i]; p.State != store.PostDead {
			p.Cursor = store.Cursor{State: store.PostLive}
		}
	}
	return written
}

// commitFold commits a fold with the groups that it changes.
func (s *testStore) commitFold(f store.Fold, groups groupDraft) {
	for _, g := range groups.changed {
		f.Groups = append(f.Groups, *g)
	}
	must(0, s.CommitFold(context.Background(), f))
}

// setPost changes a post in the ledger's columns.
func (s *testStore) setPost(key alert.Key, room string, change func(p *store.Post, groups groupDraft)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, groups := s.post(key, room), groupDraft{store: s, changed: map[int64]*store.Group{}}
	change(&p, groups)
	s.commitFold(store.Fold{Posts: []store.Post{p}}, groups)
}

// groupDraft are the groups that a fold changes. New ones have a negative id.
type groupDraft struct {
	store   *testStore
	changed map[int64]*store.Group
}

func (d groupDraft) get(id int64) *store.Group {
	if d.changed[id] == nil {
		g := d.store.group(id)
		d.changed[id] = &g
	}
	return d.changed[id]
}

// join returns the group that a new post of a room joins, 0 for none.
func (d groupDraft) join(room string) int64 {
	kind, name := store.GroupStorm, ""
	switch {
	case d.store.flap != "":
		kind, name = store.GroupFlap, d.store.flap
	case d.store.cause != "":
		kind, name = store.GroupCause, d.store.cause
	case !d.store.storm:
		return 0
	}
	now, joins := time.Now(), int64(0)
	for id := int64(1); ; id++ {
		g := d.store.group(id)
		if g.ID == 0 {
			break
		}
		if g.Room != room || g.Kind != kind || g.Name != name || g.State == store.PostDead {
			continue
		}
		takes := g.MessageID == "" || g.Open && g.Edits < 5 && now.Sub(g.OpenedAt) < 10*time.Minute
		if kind == store.GroupFlap {
			takes = g.MessageID == "" || g.Edits < 8
		}
		if joins = 0; takes {
			joins = id
		}
	}
	if joins == 0 {
		joins = -int64(len(d.changed)) - 1
		d.changed[joins] = &store.Group{ID: joins, Room: room, Kind: kind, Name: name, OpenedAt: now}
	}
	g := d.get(joins)
	g.Joined++
	g.JoinedAt, g.JoinedRevision = now, g.Revision+1
	return joins
}

// leave takes a post out of its group.
func (d groupDraft) leave(p *store.Post) {
	g := d.get(p.Group)
	g.Left++
	g.Revision++
	g.LeftAt, g.LeftRevision = time.Now(), g.Revision
	p.LeftGroup, p.LeftRevision, p.Group, p.FromSeq = g.ID, g.Revision, 0, max(1, p.FromSeq)
	for _, l := range p.Lines {
		if l.N > g.LinesPosted {
			p.FromSeq = min(p.FromSeq, l.Seq-1)
		}
	}
	p.Lines = nil
}

// raise records that a member joined or changed.
func (d groupDraft) raise(post *store.Post, p alert.Problem) {
	g := d.get(post.Group)
	g.Revision++
	if post.GroupRevision == 0 {
		post.GroupRevision = g.Revision
	}
	for _, e := range p.Timeline {
		if e.Seq <= post.FromSeq || (e.Nudge == nil || !e.Nudge.For(g.Room)) && (e.Update == nil || e.Update.Text() == "") {
			continue
		}
		if g.Lines == g.LinesPosted {
			g.LinesSince = time.Now()
		}
		g.Lines++
		g.LinesAt = time.Now()
		post.Lines = append(post.Lines, store.Line{Seq: e.Seq, N: g.Lines})
	}
	post.FromSeq = p.LastSeq()
}

// acted reports whether somebody acted on a problem.
func acted(before, after alert.Problem) bool {
	return slices.ContainsFunc(after.Timeline, func(e alert.Entry) bool { return e.Seq > before.LastSeq() && e.Update != nil && !e.Update.Wide })
}

func addEntry(p *alert.Problem, kind alert.EntryKind, words string) {
	e := alert.Entry{Seq: p.LastSeq() + 1, Kind: kind, At: time.Now()}
	if words != "" {
		e.Update = &alert.Update{At: time.Now(), Message: words}
	}
	p.Timeline = append(p.Timeline, e)
}

func say(words string) func(*alert.Problem) {
	return func(p *alert.Problem) { addEntry(p, alert.EntryUpdate, words) }
}

func ack(p *alert.Problem) {
	p.Acknowledged = true
	addEntry(p, alert.EntryUpdate, "acknowledged")
}

func resolve(p *alert.Problem) {
	p.State, p.ResolvedAt = alert.StateResolved, time.Now()
	addEntry(p, alert.EntryResolved, "")
}

func severity(s alert.Severity) func(*alert.Problem) {
	return func(p *alert.Problem) { p.Severity = s }
}
