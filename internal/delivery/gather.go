package delivery

import (
	"time"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/delivery/queue"
	"nms-alert-relay/internal/render"
	"nms-alert-relay/internal/store"
)

// gathering is what a room doesn't know of yet. The bot's lock guards it.
type gathering struct {
	Inflow
	untold map[*task]bool // tasks of new problems that aren't parked
	parked map[*task]bool
	held   map[*task]bool // tasks of new problems that the room may not be told of yet
	joined int            // new problems that are in a digest whose message doesn't tell of them yet
	// nextHeld is when the first of them may be; zero for none.
	nextHeld time.Time
}

// toldAll begins anew: what was gathered up to now is told, or about to be.
func (g *gathering) toldAll() {
	g.joined = 0
	if len(g.parked) == 0 {
		g.First = time.Time{}
	}
}

// digestTask serves the digests of a room, and what is gathered for them. The
// bot's lock guards it.
type digestTask struct {
	changed   map[alert.Key]bool // posts in digests that changed and weren't looked at; whether they may leave
	changedAt time.Time          // when the first of them did
	sorted    bool               // those that changed before this task began were looked at
	seen      Seen
	doubts    map[int64]digestDoubts // of digests
	// nudgeAt is until when a digest's nudges are gathered; of the worker.
	nudgeAt  map[int64]time.Time
	differs  map[int64]bool // Seen.Differs, of the worker
	openings []*task        // parked: what opened again and is to join the message of its trigger
	joined   map[int64]joinedDigest
	came     bool               // some of them since the worker began
	accounts map[int64]*account // of the worker
}

// rankOfDigests lets a digest of new problems go right after a new disaster.
var rankOfDigests = int(alert.Disaster - alert.High)

// gatheringOf is the room's; nil where it gets no digests.
func (b *bot) gatheringOf(room string) *gathering {
	s, ok := b.Rooms(room, "")
	if !ok || s.Storm.Threshold <= 0 {
		return nil
	}
	g := b.gather[room]
	if g == nil {
		g = &gathering{untold: map[*task]bool{}, parked: map[*task]bool{}, held: map[*task]bool{}}
		b.gather[room] = g
	}
	g.Settings = s.Storm
	return g
}

// arrived takes in new problems of a room, which are in the queue already.
func (b *bot) arrived(room string, tasks []*task, now time.Time) {
	g := b.gatheringOf(room)
	if g == nil {
		return
	}
	for _, t := range tasks {
		g.untold[t] = true
	}
	g.Arrived(len(tasks), now)
	b.park(room, g, now)
}

// park gathers what may join a digest, if it rains or is about to.
func (b *bot) park(room string, g *gathering, now time.Time) {
	may := make([]*task, 0, len(g.untold))
	for t := range g.untold {
		if gatherable(t, g.Settings, now) {
			may = append(may, t)
		}
	}
	storm := g.Judge(len(may)+len(g.parked)+g.joined, b.rate.SpeedIn(b.webexRoom(room)), now)
	if !storm && !g.Burst(now) {
		return
	}
	for _, t := range may {
		if !storm && t.Value.post.waited {
			continue
		}
		t.Value.post.waited = true
		b.queue.Park(t)
		delete(g.untold, t)
		g.parked[t] = true
	}
	if len(g.parked) == 0 {
		return
	}
	if g.First.IsZero() {
		g.First = now
	}
	_, until := g.Gather(now)
	b.digestsOf(room, until, now)
}

// digestsOf is the task of a room's digests; it is served at the time given, or earlier.
func (b *bot) digestsOf(room string, at, now time.Time) *digestTask {
	id := "digest:" + room
	t := b.queue.Get(id)
	if t == nil {
		t = &task{
			ID: id, Room: room, Urgency: queue.Urgency{Class: classNew, Rank: rankOfDigests, Since: now},
			Value: work{digest: &digestTask{
				changed: map[alert.Key]bool{}, doubts: map[int64]digestDoubts{}, nudgeAt: map[int64]time.Time{}, differs: map[int64]bool{},
				joined: map[int64]joinedDigest{}, accounts: map[int64]*account{},
			}},
		}
		b.queue.Add(t)
		b.queue.Sleep(t, at, true)
		return t.Value.digest
	}
	b.queue.Sleep(t, at, false)
	return t.Value.digest
}

// took tells that the digest that gathers for a room took in new problems as they became
// known: so one of a storm costs no task, and no statement of its own.
func (b *bot) took(room string, posts []store.Post, items map[alert.Key]render.DigestItem) {
	b.mu.Lock()
	now := time.Now()
	until := now
	if g := b.gatheringOf(room); g != nil {
		g.joined += len(posts)
		g.Arrived(len(posts), now)
		g.Judge(len(g.parked)+g.joined, b.rate.SpeedIn(b.webexRoom(room)), now)
		if g.First.IsZero() {
			g.First = now
		}
		until = g.Until()
	}
	t := b.digestsOf(room, until, now)
	t.came = true
	for _, p := range posts {
		if i, ok := items[p.Key]; ok {
			t.join(p.Digest, now, joining{item: i, known: true})
		} else {
			t.join(p.Digest, now, joining{item: render.DigestItem{Key: p.Key}})
		}
	}
	b.mu.Unlock()
	b.Metrics.Digested.Add(float64(len(posts)))
	signal(b.woken)
}

// join notes that a post joined a digest.
func (t *digestTask) join(id int64, since time.Time, one joining) {
	j := t.joined[id]
	j.posts = append(j.posts, one)
	if n := len(j.waiting); n > 0 && j.waiting[n-1].since.Equal(since) {
		j.waiting[n-1].posts++
	} else {
		j.waiting = append(j.waiting, waiting{1, since})
	}
	t.joined[id] = j
}

// changed tells that posts in digests of a room changed; with no keys, that
// something is to be done for its digests. Those that stay needn't be read to see whether they leave.
func (b *bot) changed(room string, keys []alert.Key, stay map[alert.Key]bool) {
	b.mu.Lock()
	now := time.Now()
	t := b.digestsOf(room, now.Add(sortAfter), now)
	if len(keys) > 0 {
		if len(t.changed) == 0 {
			t.changedAt = now
		}
		for _, k := range keys {
			t.changed[k] = t.changed[k] || !stay[k]
		}
		t.seen.Changed = now
	} else {
		t.sorted = false
		b.queue.Wake(b.queue.Get("digest:" + room))
	}
	b.mu.Unlock()
	signal(b.woken)
}

// reconsider lets a parked post go that became too severe for a digest.
func (b *bot) reconsider(t *task) {
	g := b.gather[t.Room]
	if g == nil || !g.parked[t] || alert.Disaster-alert.Severity(t.Rank) < g.Settings.Individual {
		return
	}
	delete(g.parked, t)
	g.untold[t] = true
	b.queue.Unpark(t)
}

// known forgets a post whose room knows of it.
func (b *bot) known(t *task) {
	if g := b.gather[t.Room]; g != nil {
		delete(g.untold, t)
		delete(g.held, t)
	}
}

// regather says when the task of a room's digests is to be served again, with
// what came while it was served.
func (b *bot) regather(t *task, out *outcome, now time.Time) {
	sooner := func(at time.Time) {
		if out.done || at.Before(out.wake) {
			out.done, out.wake = false, at
		}
	}
	u := queue.Urgency{Class: classUpdate, Rank: rankOfDigests, Since: now}
	if out.urgency != nil {
		u = *out.urgency
	}
	if g := b.gatheringOf(t.Room); g != nil {
		b.park(t.Room, g, now)
		if len(g.parked)+g.joined > 0 {
			u.Class = classNew
		}
		if len(g.parked) > 0 {
			_, until := g.Gather(now)
			sooner(until)
		}
	}
	if t.Value.digest.came {
		until := now
		if g := b.gather[t.Room]; g != nil {
			until = g.Until()
		}
		sooner(until)
	}
	if len(t.Value.digest.openings) > 0 {
		u.Class = classNew
		sooner(now)
	}
	if len(t.Value.digest.changed) > 0 {
		sooner(t.Value.digest.changedAt.Add(sortAfter))
	}
	out.urgency = &u
}

// gathered takes out what is to join a digest now. What was gathered for no
// storm is told by itself.
func (b *bot) gathered(room string, now time.Time) map[alert.Key]*task {
	b.mu.Lock()
	defer b.mu.Unlock()
	g := b.gatheringOf(room)
	if g == nil {
		g = b.gather[room] // digests were switched off meanwhile
		if g == nil {
			return nil
		}
		g.Storm = false
	}
	if len(g.parked) == 0 {
		return nil
	}
	op, _ := g.Gather(now)
	if op == GatherHold {
		return nil
	}
	parked := g.parked
	g.parked = map[*task]bool{}
	if op == GatherRelease {
		g.First = time.Time{}
		for t := range parked {
			g.untold[t] = true
			b.queue.Unpark(t)
		}
		return nil
	}
	tasks := make(map[alert.Key]*task, len(parked))
	for t := range parked {
		tasks[t.Value.post.key] = t
	}
	return tasks
}

// joined forgets the tasks of posts that joined; the others are told by themselves.
// Somebody may have acted on one that joined while it was gathered: all are looked at again.
func (b *bot) joined(digests *task, d store.Digest, tasks map[alert.Key]*task, keys []alert.Key) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(keys) > 0 {
		digests.Value.digest.sorted = false
	}
	if g := b.gather[digests.Room]; g != nil && d.ID != 0 {
		g.joined += len(keys)
	}
	for _, k := range keys {
		if t := tasks[k]; t != nil {
			b.queue.Drop(t)
			delete(tasks, k)
		}
	}
	for _, t := range tasks {
		t.Value.post.single = true
		b.queue.Unpark(t) // for good: its turn finds out what is the matter with it
	}
}

// slowed looks again at every room: what is behind may take too long now.
func (b *bot) slowed(now time.Time) {
	for room := range b.gather {
		if g := b.gatheringOf(room); g != nil {
			b.park(room, g, now)
		}
	}
}
