package delivery

import (
	"context"
	"slices"
	"time"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/render"
	"nms-alert-relay/internal/store"
)

// account is what a digest tells of each post in it, as it was read last: reading all of
// tens of thousands again for each look would cost more than all else. It is a cache of the worker's: who
// joined is told by the bot, who changed by the store, and where the store counts more than it
// holds it is made anew.
type account struct {
	items   []render.DigestItem
	at      map[alert.Key]int // in items
	flap    bool
	pruned  int       // counted by the store, and kept no more
	waiting []waiting // of those that the room isn't told of yet
}

// waiting is how many posts came to a room at a time.
type waiting struct {
	posts int
	since time.Time
}

// joinedDigest is who joined a digest since its account was brought up to date.
type joinedDigest struct {
	posts   []joining
	waiting []waiting
}

// joining is one of them: what is told of it, as it was when it joined, where that is known.
type joining struct {
	item  render.DigestItem
	known bool
}

// items are what digests tell of those problems that were told with their posts.
func (d *Delivery) items(posts []store.Post, of map[alert.Key]*alert.Problem) map[alert.Key]render.DigestItem {
	items := make(map[alert.Key]render.DigestItem, len(posts))
	for _, post := range posts {
		if p := of[post.Key]; p != nil {
			items[post.Key] = d.Render.DigestItem(*p)
		}
	}
	return items
}

func (a *account) put(i render.DigestItem) {
	if !a.flap {
		i.Link = "" // which a storm's has no room for
	}
	if n, known := a.at[i.Key]; known {
		a.items[n] = i
		return
	}
	a.at[i.Key] = len(a.items)
	a.items = append(a.items, i)
}

// take puts in who joined, and gives those that are still to be read. One that is there
// already was read since it joined, and isn't what it was then.
func (a *account) take(joined []joining) (unknown []alert.Key) {
	for _, one := range joined {
		if _, there := a.at[one.item.Key]; there {
			continue
		}
		if one.known {
			a.put(one.item)
		} else {
			unknown = append(unknown, one.item.Key)
		}
	}
	return unknown
}

// remove forgets posts that left.
func (a *account) remove(posts []store.Post) {
	for _, p := range posts {
		n, known := a.at[p.Key]
		if !known {
			continue
		}
		last := len(a.items) - 1
		a.items[n] = a.items[last]
		a.at[a.items[n].Key] = n
		a.items = slices.Delete(a.items, last, last+1)
		delete(a.at, p.Key)
	}
}

// forget takes out of a digest's account who left.
func (b *bot) forget(t *task, id int64, left []store.Post) {
	if a := t.Value.digest.accounts[id]; a != nil {
		a.remove(left)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if j, ok := t.Value.digest.joined[id]; ok {
		j.posts = slices.DeleteFunc(j.posts, func(one joining) bool {
			return slices.ContainsFunc(left, func(p store.Post) bool { return p.Key == one.item.Key })
		})
		t.Value.digest.joined[id] = j
	}
}

// lacks says how many posts the store counts that the account doesn't hold.
func (a *account) lacks(d store.Digest) int { return d.Joined - d.Left - a.pruned - len(a.items) }

// accountOf takes a digest's account out of the worker's, with who joined by the fold. What
// changed is to be put in, and then it is to be kept.
func (b *bot) accountOf(l lives, t *task, d store.Digest) (*account, bool) {
	b.mu.Lock()
	joined := t.Value.digest.joined[d.ID]
	delete(t.Value.digest.joined, d.ID)
	if g := b.gather[t.Room]; g != nil && d.Flap == "" && d.Shown < d.Joined {
		g.toldAll()
	}
	b.mu.Unlock()
	a := t.Value.digest.accounts[d.ID]
	delete(t.Value.digest.accounts, d.ID) // one that is filled half is of no use
	if a == nil {
		a = &account{at: map[alert.Key]int{}, flap: d.Flap != ""}
	}
	a.waiting = append(a.waiting, joined.waiting...)
	return a, b.fill(l, d.Room, a, a.take(joined.posts))
}

// keep puts an account back, made anew where it lacks any.
func (b *bot) keep(l lives, t *task, d store.Digest, a *account) (*account, bool) {
	if a.lacks(d) > 0 {
		var keys []alert.Key
		if !b.persist(l.begin, "reading who is in a digest", func(ctx context.Context) (err error) {
			keys, err = b.Store.DigestKeys(ctx, d.ID)
			return err
		}) {
			return nil, false
		}
		a = &account{at: make(map[alert.Key]int, len(keys)), items: make([]render.DigestItem, 0, len(keys)), waiting: a.waiting, flap: a.flap}
		if !b.fill(l, d.Room, a, keys) {
			return nil, false
		}
		a.pruned = max(0, a.lacks(d))
	}
	t.Value.digest.accounts[d.ID] = a
	return a, true
}

// fill reads problems in batches, and keeps of each only what is told.
func (b *bot) fill(l lives, room string, a *account, keys []alert.Key) bool {
	for batch := range slices.Chunk(keys, digestBatch) {
		problems, broken, ok := b.problems(l.begin, "reading a digest's problems", batch)
		if !ok || broken != nil && !b.standIns(l, room, batch, problems) {
			return false
		}
		for _, k := range batch {
			p := problems[k]
			p.Key = k
			a.put(b.Render.DigestItem(p))
		}
	}
	return true
}

// standIns puts in those problems of a room that can't be read.
func (b *bot) standIns(l lives, room string, keys []alert.Key, into map[alert.Key]alert.Problem) bool {
	return b.persist(l.begin, "reading the posts of problems that can't be read", func(ctx context.Context) error {
		posts, err := b.Store.PostsOf(ctx, keys)
		for k, of := range posts {
			for _, p := range of {
				if _, readable := into[k]; !readable && p.Room == room {
					into[k] = standIn(p)
				}
			}
		}
		return err
	})
}
