package memory

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/pace"
	"nms-alert-relay/internal/store"
)

// putPost writes a post in the ledger's columns.
func (d *data) putPost(p store.Post, now time.Time) error {
	id := postID{p.Key, p.Room}
	is := d.posts.rows[id]
	if p.NeedsFresh() && is.Claimed {
		return fmt.Errorf("%w: the post of %s in %s was claimed", store.ErrConflict, p.Key, p.Room)
	}
	since := p.PendingSince
	p.PendingSince, p.Claimed, p.Cursor = is.PendingSince, is.Claimed, is.Cursor
	p.State = cmp.Or(p.State, store.PostLive)
	switch {
	case p.Claimed:
		settle(&p, pace.Later(cmp.Or(since, now), p.DeliveredAt))
	case p.Group != 0 || since.IsZero():
		p.PendingSince = time.Time{}
	default:
		p.PendingSince = cmp.Or(p.PendingSince, since)
	}
	d.posts.put(id, p)
	d.rooms[p.Room] = true
	return nil
}

// settle keeps a claimed post pending exactly while it is live and not delivered.
func settle(p *store.Post, since time.Time) {
	if p.State == store.PostDead || p.Delivered >= p.Desired {
		p.PendingSince = time.Time{}
	} else {
		p.PendingSince = cmp.Or(p.PendingSince, since)
	}
}

// CardRooms implements store.Store.
func (s *Store) CardRooms(ctx context.Context) (rooms []string, err error) {
	found, err := s.findPosts(ctx, 0, byKey, func(p store.Post) bool { return p.Open && p.CardActions != "" && p.State == store.PostLive })
	for _, p := range found {
		rooms = append(rooms, p.Room)
	}
	slices.Sort(rooms)
	return slices.Compact(rooms), err
}

func byKey(a, b store.Post) int {
	return cmp.Or(strings.Compare(a.Key.EventID, b.Key.EventID), strings.Compare(a.Key.Source, b.Key.Source), strings.Compare(a.Room, b.Room))
}

func bySince(a, b store.Post) int {
	return cmp.Or(a.PendingSince.Compare(b.PendingSince), byKey(a, b))
}

// findPosts returns the posts that pass, in an order.
func (s *Store) findPosts(ctx context.Context, limit int, order func(a, b store.Post) int, pass func(store.Post) bool) ([]store.Post, error) {
	return call(ctx, s, func() ([]store.Post, error) { return s.posts.find(limit, order, pass), nil })
}

// PostsOf implements store.Store.
func (s *Store) PostsOf(ctx context.Context, keys []alert.Key) (map[alert.Key][]store.Post, error) {
	return call(ctx, s, func() (map[alert.Key][]store.Post, error) {
		found := map[alert.Key][]store.Post{}
		for _, key := range keys {
			var posts []store.Post
			for room := range s.rooms {
				if p, ok := s.posts.rows[postID{key, room}]; ok {
					posts = append(posts, own(p))
				}
			}
			if posts != nil {
				slices.SortFunc(posts, byKey)
				found[key] = posts
			}
		}
		return found, nil
	})
}

// PendingPosts implements store.Store.
func (s *Store) PendingPosts(ctx context.Context, rooms []string, dueBefore time.Time) ([]store.Post, error) {
	dueBefore = own(dueBefore)
	return s.findPosts(ctx, 0, bySince, func(p store.Post) bool {
		return p.Pending() && (rooms == nil || slices.Contains(rooms, p.Room)) &&
			(dueBefore.IsZero() || !pace.Later(p.PendingSince, p.NotBefore).After(dueBefore))
	})
}

// DuePosts implements store.Store.
func (s *Store) DuePosts(ctx context.Context, now time.Time, limit int) ([]store.Post, error) {
	now = own(now)
	order := func(a, b store.Post) int { return cmp.Or(a.DueAt().Compare(b.DueAt()), byKey(a, b)) }
	return s.findPosts(ctx, limit, order, func(p store.Post) bool { return !p.DueAt().IsZero() && !p.DueAt().After(now) })
}

// ClaimPost implements store.Store.
func (s *Store) ClaimPost(ctx context.Context, key alert.Key, room string) (bool, error) {
	return call(ctx, s, func() (bool, error) {
		id := postID{key, room}
		p := s.posts.rows[id]
		if p.Fresh() && p.Pending() {
			p.Claimed = true
			s.posts.put(id, p)
		}
		return p.Claimed, nil
	})
}

// SavePost implements store.Store.
func (s *Store) SavePost(ctx context.Context, key alert.Key, room string, c store.Cursor) error {
	c.State = cmp.Or(c.State, store.PostLive)
	id, name := postID{key, room}, fmt.Sprintf("cursor of %s in %s", key, room)
	return s.do(ctx, func() error {
		if !s.posts.rows[id].Claimed {
			return fmt.Errorf("%s: %w", name, store.ErrNotFound)
		}
		if by := s.messages.rows[c.RootID].post.key; by.Source == key.Source && strings.HasPrefix(by.EventID, key.EventID+"~") {
			return fmt.Errorf("%s: its root shows %s now: %w", name, by, store.ErrNotFound)
		}
		return s.posts.update(id, name, func(p *store.Post) {
			s.show(c.RootID, p.RootID, shows{post: id})
			s.show(c.CardID, p.CardID, shows{post: id})
			p.Cursor = c
			settle(p, s.now())
		})
	})
}

// removePost removes a post, and the records of its messages.
func (d *data) removePost(p store.Post) {
	id := postID{p.Key, p.Room}
	d.posts.delete(id)
	d.forget(shows{post: id})
}
