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
	id := postID{p.Key, p.Room}
	is := d.posts[id]
	if is == nil {
		is = &post{}
		d.posts[id] = is
	}
	since := micro(p.PendingSince)
	for _, at := range []*time.Time{&p.OpenedAt, &p.JoinedAt, &p.HoldUntil, &p.TellAfter, &p.RemindAt, &p.EscalateAt, &p.LookAt} {
		*at = micro(*at)
	}
	p.PendingSince, p.Claimed, p.Cursor = time.Time{}, false, store.Cursor{}
	is.Post = p
	switch {
	case is.cursor == nil && (p.Group != 0 || since.IsZero()):
		is.since = time.Time{}
	case is.cursor == nil && is.since.IsZero():
		is.since = since
	case is.cursor != nil:
		if since.IsZero() {
			since = now
		}
		is.settle(latest(since, is.cursor.DeliveredAt))
	}
}

// settle keeps a claimed post pending exactly while it is live and not delivered.
func (p *post) settle(since time.Time) {
	switch {
	case p.cursor.State == store.PostDead || p.cursor.Delivered >= p.Desired:
		p.since = time.Time{}
	case p.since.IsZero():
		p.since = since
	}
}

func latest(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// whole is the post as callers see it.
func (p *post) whole() store.Post {
	all := p.Post
	all.PendingSince, all.Cursor = p.since, store.Cursor{State: store.PostLive}
	if p.cursor != nil {
		all.Claimed, all.Cursor = true, *p.cursor
	}
	return all
}

func byKey(a, b *post) int {
	return cmp.Or(strings.Compare(a.Key.EventID, b.Key.EventID), strings.Compare(a.Key.Source, b.Key.Source), strings.Compare(a.Room, b.Room))
}

func bySince(a, b *post) int { return cmp.Or(a.since.Compare(b.since), byKey(a, b)) }

// find gives the posts that pass, in an order.
func (s *Store) find(ctx context.Context, limit int, pass func(*post) bool, order func(a, b *post) int) (found []store.Post, err error) {
	err = s.do(ctx, func() error {
		found = whole(limited(sorted(s.posts, pass, order), limit))
		return nil
	})
	return found, err
}

func whole(posts []*post) (all []store.Post) {
	for _, p := range posts {
		all = append(all, p.whole())
	}
	return all
}

// PostsOf implements store.Store.
func (s *Store) PostsOf(ctx context.Context, keys []alert.Key) (map[alert.Key][]store.Post, error) {
	wanted := map[alert.Key]bool{}
	for _, k := range keys {
		wanted[k] = true
	}
	found, err := s.find(ctx, 0, func(p *post) bool { return wanted[p.Key] }, byKey)
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
	return s.find(ctx, 0, func(p *post) bool {
		if p.since.IsZero() || rooms != nil && !slices.Contains(rooms, p.Room) {
			return false
		}
		due := p.since
		if p.cursor != nil {
			due = latest(due, p.cursor.NotBefore)
		}
		return dueBefore.IsZero() || !due.After(micro(dueBefore))
	}, bySince)
}

// DuePosts implements store.Store.
func (s *Store) DuePosts(ctx context.Context, now time.Time, limit int) ([]store.Post, error) {
	return s.find(ctx, limit, func(p *post) bool { return !p.DueAt().IsZero() && !p.DueAt().After(micro(now)) },
		func(a, b *post) int { return cmp.Or(a.DueAt().Compare(b.DueAt()), byKey(a, b)) })
}

// ClaimPost implements store.Store.
func (s *Store) ClaimPost(ctx context.Context, key alert.Key, room string) (claimed bool, err error) {
	err = s.do(ctx, func() error {
		p := s.posts[postID{key, room}]
		if p != nil && p.cursor == nil && p.Group == 0 && !p.since.IsZero() {
			p.cursor = &store.Cursor{State: store.PostLive}
		}
		claimed = p != nil && p.cursor != nil
		return nil
	})
	return claimed, err
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
		if p == nil || p.cursor == nil {
			return notFound("cursor of %s in %s", key, room)
		}
		if by := s.messages[c.RootID].post.key; by.Source == key.Source && strings.HasPrefix(by.EventID, key.EventID+"~") {
			return notFound("cursor of %s in %s: its root shows %s by now", key, room, by)
		}
		for now, was := range map[string]string{c.RootID: p.cursor.RootID, c.CardID: p.cursor.CardID} {
			if now != "" && now != was {
				s.messages[now] = shows{post: id}
			}
		}
		p.cursor = &c
		p.settle(s.now())
		return nil
	})
}

// removePost removes a post with what is known of its messages.
func (d *data) removePost(id postID) {
	delete(d.posts, id)
	for message, of := range d.messages {
		if of.post == id {
			delete(d.messages, message)
		}
	}
}
