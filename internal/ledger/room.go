package ledger

import (
	"slices"
	"strconv"
	"time"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/store"
)

// roomDraft holds the changes of a batch to the groups of one room.
type roomDraft struct {
	*Draft
	room     string
	rules    Grouping
	known    store.RoomGrouping
	posts    []*draftPost // of the batch, in its order
	fresh    []draftPost  // gatherable posts of known.Fresh, without the batch's
	waiting  []*draftPost // that could share a message: of posts and fresh
	joined   int          // posts that join the room with this batch
	groups   []*store.Group
	changed  []*store.Group                // to be written, in the order of their first change
	leaving  map[*store.Group][]*draftPost // members that somebody acted on
	released []*draftPost                  // open symptoms that are no longer shown under their cause
}

// group decides, room by room, in which messages the batch's posts are shown.
func (d *Draft) group(known map[string]store.RoomGrouping) {
	byRoom := map[string]*roomDraft{}
	of := func(room string) *roomDraft {
		if byRoom[room] == nil {
			r := &roomDraft{Draft: d, room: room, rules: d.grouping(room), known: known[room], leaving: map[*store.Group][]*draftPost{}}
			for i := range r.known.Groups {
				r.groups = append(r.groups, &r.known.Groups[i])
			}
			byRoom[room] = r
		}
		return byRoom[room]
	}
	for _, post := range d.touchedPosts() {
		r := of(post.Room)
		r.posts = append(r.posts, post)
	}
	for room := range known {
		of(room)
	}
	rooms := make([]string, 0, len(byRoom))
	for room := range byRoom {
		rooms = append(rooms, room)
	}
	slices.Sort(rooms)
	for _, room := range rooms {
		byRoom[room].decide()
	}
}

func (r *roomDraft) decide() {
	r.silenceRepeats()
	r.updateMembers()
	inBatch := make(map[alert.Key]bool, len(r.posts))
	for _, post := range r.posts {
		inBatch[post.Key] = true
		if post.joins {
			r.joined++
		}
		if r.rules.gatherable(post.Post) {
			r.waiting = append(r.waiting, post)
		}
	}
	for _, m := range r.out.Fold.Moved {
		inBatch[m.From] = true // read under the key that another problem has now
	}
	for _, post := range r.known.Fresh {
		if !inBatch[post.Key] && r.rules.gatherable(post) && r.problem(post.Key).Revision > 0 {
			r.fresh = append(r.fresh, draftPost{Post: post})
		}
	}
	for i := range r.fresh {
		r.waiting = append(r.waiting, &r.fresh[i])
	}
	r.joinCauses(false)
	r.excludeActed()
	begin := r.joinFlapping(inBatch)
	if r.rules.storm(r.inflow(begin)) {
		r.joinStorm()
	} else {
		r.joinCauses(true)
		for _, post := range begin {
			r.join(r.flapGroup(post.Opening), post)
		}
		r.holdBurst()
	}
	r.leaveActed()
	r.release(inBatch)
	for _, post := range r.posts {
		r.addLines(post)
	}
	for i := range r.fresh {
		if post := &r.fresh[i]; post.Group != 0 {
			r.addLines(post)
			r.out.Fold.Posts = append(r.out.Fold.Posts, post.Post)
		}
	}
	for _, g := range r.changed {
		r.out.Fold.Groups = append(r.out.Fold.Groups, *g)
	}
}

// excludeActed gives problems that somebody acted on a message of their own, unless there are more than the threshold.
func (r *roomDraft) excludeActed() {
	acted := func(post *draftPost) bool { return r.problem(post.Key).ActedOn() }
	n := 0
	for _, post := range r.waiting {
		if acted(post) {
			n++
		}
	}
	if r.rules.Threshold <= 0 || n <= r.rules.Threshold {
		r.waiting = slices.DeleteFunc(r.waiting, acted)
	}
}

// updateMembers marks the groups of members that changed, and takes out members that became severe. A symptom stays under
// its cause when somebody acts on it, and leaves when it is no longer that cause's.
func (r *roomDraft) updateMembers() {
	for _, post := range r.posts {
		g := r.groupOf(post)
		if g == nil {
			continue
		}
		p := r.problems[post.Key]
		if p.Open() && p.Severity >= r.rules.Individual {
			r.leave(g, post)
			continue
		}
		if g.Kind == store.GroupCause {
			if p.Open() && !r.stays(g, post.Key) {
				r.released = append(r.released, post)
				continue
			}
		} else if p.Open() && p.acted {
			r.leaving[g] = append(r.leaving[g], post)
		}
		if p.headline {
			r.touch(g)
		}
	}
}

// joinFlapping puts openings of flapping triggers into the messages of their triggers. It returns those whose trigger
// has no message that accepts them.
func (r *roomDraft) joinFlapping(inBatch map[alert.Key]bool) (begin []*draftPost) {
	openings := map[int64][]store.Opening{}
	for opening, known := range r.known.Openings {
		for _, o := range known {
			if !inBatch[o.Key] {
				openings[opening] = append(openings[opening], o)
			}
		}
	}
	for _, post := range r.posts {
		if post.Opening != 0 {
			openings[post.Opening] = append(openings[post.Opening], asOpening(post.Post))
		}
	}
	begun := map[int64]bool{}
	r.waiting = slices.DeleteFunc(r.waiting, func(post *draftPost) bool {
		if post.Opening == 0 || !post.released || r.problem(post.Key).Origin == alert.OriginDiscovery {
			return false
		}
		g := r.newest(store.GroupFlap, flapName(post.Opening))
		takes := g != nil && acceptsOpenings(*g, r.rules.FlapWindow, r.now)
		if !r.rules.flaps(asOpening(post.Post), openings[post.Opening], takes || begun[post.Opening]) {
			return false
		}
		if takes {
			r.join(g, post)
			return true
		}
		begun[post.Opening] = true
		begin = append(begin, post)
		return false
	})
	return begin
}

func (r *roomDraft) inflow(begin []*draftPost) inflow {
	in := inflow{fresh: len(r.waiting), joined: r.known.Recent + r.joined, behind: r.known.Behind, newFlaps: r.known.NewFlaps}
	for _, post := range r.posts {
		if post.released && post.Group == 0 {
			in.behind++
		}
	}
	begun := map[int64]bool{}
	for _, post := range begin {
		begun[post.Opening] = true
	}
	in.newFlaps += len(begun)
	if g := r.newest(store.GroupStorm, ""); g != nil {
		in.ongoing = g.State != store.PostDead && r.now.Sub(g.JoinedAt) < recent
	}
	return in
}

// joinStorm puts all waiting posts into the newest digest that accepts them, or into a new one.
func (r *roomDraft) joinStorm() {
	g := r.newest(store.GroupStorm, "")
	for _, post := range r.waiting {
		if g == nil || !acceptsProblems(*g, r.now) {
			g = r.open(store.GroupStorm, "")
		}
		r.join(g, post)
	}
}

// holdBurst delays the first messages of problems that arrive in a burst for a moment: if a storm begins, they share
// one message.
func (r *roomDraft) holdBurst() {
	if r.rules.Threshold <= 0 || r.known.Burst+r.joined <= burst {
		return
	}
	for _, post := range r.waiting {
		if post.Group == 0 && post.joins {
			post.PendingSince = r.now.Add(burstTime)
		}
	}
}

// leaveActed takes out members that somebody acted on. If more than the threshold would leave within a short time,
// they stay, and their group shows the action.
func (r *roomDraft) leaveActed() {
	for _, g := range r.groups {
		if len(r.leaving[g]) == 0 {
			continue
		}
		r.endBurst(g)
		if r.rules.Threshold > 0 && g.LeftBurst+len(r.leaving[g]) > r.rules.Threshold {
			continue
		}
		for _, post := range r.leaving[g] {
			r.leave(g, post)
		}
		g.LeftBurst += len(r.leaving[g])
	}
}

// endBurst resets the count of members that left in a row once the last of them left some time ago.
func (r *roomDraft) endBurst(g *store.Group) {
	if r.now.Sub(g.LeftAt) >= recent {
		g.LeftBurst = 0
	}
}

// groupOf is the group that a post is in; nil for none.
func (r *roomDraft) groupOf(post *draftPost) *store.Group {
	i := slices.IndexFunc(r.groups, func(g *store.Group) bool { return g.ID == post.Group })
	if i < 0 {
		return nil
	}
	return r.groups[i]
}

// newest is the group of a kind and name that was opened most recently; nil for none.
func (r *roomDraft) newest(kind store.GroupKind, name string) (newest *store.Group) {
	for _, g := range r.groups {
		if g.Kind == kind && g.Name == name && (newest == nil || !g.OpenedAt.Before(newest.OpenedAt)) {
			newest = g
		}
	}
	return newest
}

func flapName(opening int64) string { return strconv.FormatInt(opening, 10) }

// flapGroup is the group for a trigger that begins to flap.
func (r *roomDraft) flapGroup(opening int64) *store.Group {
	if g := r.newest(store.GroupFlap, flapName(opening)); g != nil && acceptsOpenings(*g, r.rules.FlapWindow, r.now) {
		return g // opened by this batch
	}
	return r.open(store.GroupFlap, flapName(opening))
}

// open begins a group. The store gives it its id.
func (r *roomDraft) open(kind store.GroupKind, name string) *store.Group {
	r.opened--
	g := &store.Group{ID: r.opened, Room: r.room, Kind: kind, Name: name, OpenedAt: r.now, Open: true, GroupCursor: store.GroupCursor{State: store.PostLive}}
	r.groups = append(r.groups, g)
	return g
}

// touch marks a group whose message or thread must change. A dead group shows the change once it is replayed.
func (r *roomDraft) touch(g *store.Group) {
	if slices.Contains(r.changed, g) {
		return
	}
	r.changed = append(r.changed, g)
	if g.Revision <= g.Shown {
		g.PendingSince = r.now
	}
	g.Revision++
}

func (r *roomDraft) join(g *store.Group, post *draftPost) {
	r.touch(g)
	g.Joined++
	g.JoinedAt, g.JoinedRevision = r.now, g.Revision
	post.Group, post.GroupRevision, post.PendingSince = g.ID, g.Revision, time.Time{}
	r.out.Gathered = append(r.out.Gathered, Gathered{Key: post.Key, Room: r.room, Kind: g.Kind, Joined: g.Joined})
}

// leave gives a member a message of its own, which begins with the first line that its group hasn't posted.
func (r *roomDraft) leave(g *store.Group, post *draftPost) {
	r.touch(g)
	r.endBurst(g)
	g.Left++
	g.LeftAt, g.LeftRevision = r.now, g.Revision
	for _, l := range unpostedLines(post.Lines, g) {
		post.FromSeq = min(post.FromSeq, l.Seq-1)
	}
	post.FromSeq = max(1, post.FromSeq)
	post.Group, post.Lines, post.LeftGroup, post.LeftRevision = 0, nil, g.ID, g.Revision
	post.TellAfter, post.HoldUntil, post.PendingSince = time.Time{}, time.Time{}, r.now
}
