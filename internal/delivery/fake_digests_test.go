package delivery

import (
	"context"
	"slices"
	"time"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/store"
)

// inDigest gives the posts of a digest; the caller holds the lock.
func (s *memStore) inDigest(id int64, change func(p *store.Post)) {
	for k, posts := range s.posts {
		for i := range posts {
			if posts[i].Digest == id {
				change(&s.posts[k][i])
			}
		}
	}
}

func (s *memStore) counted(d store.Digest) store.Digest {
	d.Open, d.Behind, d.BehindSince = false, false, time.Time{}
	s.inDigest(d.ID, func(p *store.Post) {
		if p.Open {
			d.Open = true
		}
		if p.State == store.PostLive && p.Desired > p.Delivered {
			d.Behind = true
			if d.BehindSince.IsZero() || p.DirtySince.Before(d.BehindSince) {
				d.BehindSince = p.DirtySince
			}
		}
	})
	return d
}

func (s *memStore) JoinDigest(_ context.Context, d store.Digest, keys []alert.Key, now time.Time) (store.Digest, []alert.Key, error) {
	leave, err := s.enter("JoinDigest")
	if err != nil {
		return d, nil, err
	}
	defer leave()
	var joined []alert.Key
	id := d.ID
	if id == 0 {
		id = int64(len(s.digests)) + 1
	}
	for _, k := range keys {
		for i, p := range s.posts[k] {
			if p.Room == d.Room && p.Pending() && p.RootID == "" && p.ToldSeq == 0 && !p.HeldUntil().After(now) && (p.Open || p.TellAfter.IsZero()) {
				s.posts[k][i].Digest, s.posts[k][i].Attempts, s.posts[k][i].NotBefore = id, 0, time.Time{}
				joined = append(joined, k)
			}
		}
	}
	if len(joined) == 0 {
		return d, nil, nil
	}
	if d.ID == 0 {
		s.digests[id] = store.Digest{ID: id, Room: d.Room, Flap: d.Flap, State: store.PostLive, CreatedAt: now}
	}
	kept := s.digests[id]
	kept.Joined += len(joined)
	kept.Pending, kept.GathersUntil, kept.GathersBelow = true, d.GathersUntil, d.GathersBelow
	s.digests[id] = kept
	return s.counted(kept), joined, nil
}

// gathers puts a new post into the digest that gathers for its room; the caller holds the lock.
func (s *memStore) gathers(p *store.Post) {
	for id := int64(len(s.digests)); id > 0 && p.Gathers(s.problems[p.Key]); id-- {
		d := s.digests[id]
		if d.Room != p.Room || d.Flap != "" || d.State != store.PostLive {
			continue
		}
		if time.Now().Before(d.GathersUntil) && p.Severity < d.GathersBelow {
			p.Digest, p.Delivered, p.ToldSeq, p.DirtySince, p.DeliveredAt = id, p.Desired, 1, time.Time{}, time.Now()
			d.Joined++
			d.Pending = true
			s.digests[id] = d
		}
		return
	}
}

func (s *memStore) LeaveDigest(_ context.Context, id int64, keys []alert.Key) error {
	leave, err := s.enter("LeaveDigest")
	if err != nil {
		return err
	}
	defer leave()
	s.inDigest(id, func(p *store.Post) {
		if slices.Contains(keys, p.Key) {
			p.Digest, p.Delivered, p.Shown, p.ToldSeq = 0, min(p.Delivered, p.Desired-1), 0, max(1, p.ToldSeq)
			if p.DirtySince.IsZero() {
				p.DirtySince = time.Now()
			}
			d := s.digests[id]
			d.Left++
			d.Pending = true
			d.Gone += p.Key.String() + "\n"
			s.digests[id] = d
		}
	})
	return nil
}

func (s *memStore) SaveDigest(_ context.Context, d store.Digest, shown []store.Shown) error {
	leave, err := s.enter("SaveDigest")
	if err != nil {
		return err
	}
	defer leave()
	old, ok := s.digests[d.ID]
	if !ok {
		return store.ErrNotFound
	}
	d.Pending = d.Pending || old.Joined > d.Joined
	d.Joined, d.Left = old.Joined, old.Left
	s.digests[d.ID] = d
	for _, one := range shown {
		for i, p := range s.posts[one.Key] {
			if p.Digest == d.ID && p.Room == d.Room {
				post := &s.posts[one.Key][i]
				post.Delivered, post.Shown, post.ToldSeq, post.DeliveredAt = one.Revision, one.Revision, max(post.ToldSeq, one.Seq), time.Now()
				if post.Delivered >= post.Desired {
					post.DirtySince = time.Time{}
				}
			}
		}
	}
	return nil
}

func (s *memStore) Digest(_ context.Context, id int64) (store.Digest, error) {
	leave, err := s.enter("Digest")
	if err != nil {
		return store.Digest{}, err
	}
	defer leave()
	d, ok := s.digests[id]
	if !ok {
		return d, store.ErrNotFound
	}
	return s.counted(d), nil
}

func (s *memStore) NewestDigest(_ context.Context, room, flap string) (store.Digest, error) {
	leave, err := s.enter("NewestDigest")
	if err != nil {
		return store.Digest{}, err
	}
	defer leave()
	for id := int64(len(s.digests)); id > 0; id-- {
		if d := s.digests[id]; d.Room == room && d.Flap == flap && d.State == store.PostLive {
			return s.counted(d), nil
		}
	}
	return store.Digest{}, store.ErrNotFound
}

func (s *memStore) PendingDigests(_ context.Context, room string) ([]store.Digest, error) {
	leave, err := s.enter("PendingDigests")
	if err != nil {
		return nil, err
	}
	defer leave()
	var out []store.Digest
	for id := int64(1); id <= int64(len(s.digests)); id++ {
		d := s.counted(s.digests[id])
		if d.State == store.PostLive && (room == "" || d.Room == room) && (d.Pending || d.Behind) {
			out = append(out, d)
		}
	}
	return out, nil
}

func (s *memStore) DigestPosts(_ context.Context, id int64, behind bool) ([]store.Post, error) {
	leave, err := s.enter("DigestPosts")
	if err != nil {
		return nil, err
	}
	defer leave()
	var out []store.Post
	s.inDigest(id, func(p *store.Post) {
		if !behind || p.State == store.PostLive && p.Desired > p.Delivered {
			out = append(out, *p)
		}
	})
	return out, nil
}

func (s *memStore) DigestKeys(_ context.Context, id int64) ([]alert.Key, error) {
	leave, err := s.enter("DigestKeys")
	if err != nil {
		return nil, err
	}
	defer leave()
	var out []alert.Key
	s.inDigest(id, func(p *store.Post) { out = append(out, p.Key) })
	return out, nil
}
