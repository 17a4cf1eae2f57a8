package memory

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/store"
)

// putPost writes a post in the ledger's columns.
func (d *data) putPost(p store.Post, now time.Time) {
	since := micro(p.PendingSince)
	for _, at := range []*time.Time{&p.OpenedAt, &p.JoinedAt, &p.HoldUntil, &p.TellAfter, &p.RemindAt, &p.EscalateAt, &p.LookAt} {
		*at = micro(*at)
	}
	p.PendingSince, p.Claimed, p.Cursor = time.Time{}, false, store.Cursor{State: store.PostLive}
	id := postID{p.Key, p.Room}
	if is := d.posts[id]; is != nil {
		p.PendingSince, p.Claimed, p.Cursor = is.PendingSince, is.Claimed, is.Cursor
	}
	switch {
	case p.Claimed:
		if since.IsZero() {
			since = now
		}
		settle(&p, latest(since, p.DeliveredAt))
	case p.Group != 0 || since.IsZero():
		p.PendingSince = time.Time{}
	case p.PendingSince.IsZero():
		p.PendingSince = since
	}
	d.posts[id] = &p
}

// settle keeps a claimed post pending exactly while it is live and not delivered.
func settle(p *store.Post, since time.Time) {
	switch {
	case p.State == store.PostDead || p.Delivered >= p.Desired:
		p.PendingSince = time.Time{}
	case p.PendingSince.IsZero():
		p.PendingSince = since
	}
}

func latest(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

func byKey(a, b *store.Post) int {
	return cmp.Or(strings.Compare(a.Key.EventID, b.Key.EventID), strings.Compare(a.Key.Source, b.Key.Source), strings.Compare(a.Room, b.Room))
}

func bySince(a, b *store.Post) int {
	return cmp.Or(a.PendingSince.Compare(b.PendingSince), byKey(a, b))
}

// find gives the posts that pass, in an order.
func (s *Store) find(ctx context.Context, limit int, pass func(*store.Post) bool, order func(a, b *store.Post) int) ([]store.Post, error) {
	return call(ctx, s, func() ([]store.Post, error) { return copies(limited(sorted(s.posts, pass, order), limit)), nil })
}

// PostsOf implements store.Store.
func (s *Store) PostsOf(ctx context.Context, keys []alert.Key) (map[alert.Key][]store.Post, error) {
	wanted := map[alert.Key]bool{}
	for _, k := range keys {
		wanted[k] = true
	}
	found, err := s.find(ctx, 0, func(p *store.Post) bool { return wanted[p.Key] }, byKey)
	if err != nil {
		return nil, err
	}
	of := map[alert.Key][]store.Post{}
	for _, p := range found {
		of[p.Key] = append(of[p.Key], p)
	}
	return of, nil
}

// PendingPosts implements store.Store.
func (s *Store) PendingPosts(ctx context.Context, rooms []string, dueBefore time.Time) ([]store.Post, error) {
	return s.find(ctx, 0, func(p *store.Post) bool {
		if !p.Pending() || rooms != nil && !slices.Contains(rooms, p.Room) {
			return false
		}
		due := latest(p.PendingSince, p.NotBefore)
		return dueBefore.IsZero() || !due.After(micro(dueBefore))
	}, bySince)
}

// DuePosts implements store.Store.
func (s *Store) DuePosts(ctx context.Context, now time.Time, limit int) ([]store.Post, error) {
	return s.find(ctx, limit, func(p *store.Post) bool { return !p.DueAt().IsZero() && !p.DueAt().After(micro(now)) },
		func(a, b *store.Post) int { return cmp.Or(a.DueAt().Compare(b.DueAt()), byKey(a, b)) })
}

// ClaimPost implements store.Store.
func (s *Store) ClaimPost(ctx context.Context, key alert.Key, room string) (bool, error) {
	return call(ctx, s, func() (bool, error) {
		p := s.posts[postID{key, room}]
		if p == nil {
			return false, nil
		}
		p.Claimed = p.Claimed || p.Group == 0 && p.Pending()
		return p.Claimed, nil
	})
}

// SavePost implements store.Store.
func (s *Store) SavePost(ctx context.Context, key alert.Key, room string, c store.Cursor) error {
	if c.State == "" {
		c.State = store.PostLive
	}
	c.NotBefore, c.DeadAt, c.DeliveredAt = micro(c.NotBefore), micro(c.DeadAt), micro(c.DeliveredAt)
	return s.do(ctx, func() error {
		id := postID{key, room}
		p := s.posts[id]
		if p == nil || !p.Claimed {
			return notFound("cursor of %s in %s", key, room)
		}
		if by := s.messages[c.RootID].post.key; by.Source == key.Source && strings.HasPrefix(by.EventID, key.EventID+"~") {
			return notFound("cursor of %s in %s: its root shows %s by now", key, room, by)
		}
		for now, was := range map[string]string{c.RootID: p.RootID, c.CardID: p.CardID} {
			if now != "" && now != was {
				s.messages[now] = shows{post: id}
			}
		}
		p.Cursor = c
		settle(p, s.now())
		return nil
	})
}

// removePosts removes posts with what is known of their messages.
func (d *data) removePosts(which func(p *store.Post) bool) {
	for id, p := range d.posts {
		if which(p) {
			delete(d.posts, id)
			d.forget(shows{post: id})
		}
	}
}
