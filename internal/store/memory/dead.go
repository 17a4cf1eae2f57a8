package memory

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"nms-alert-relay/internal/store"
)

// DeadLetters implements store.Store.
func (s *Store) DeadLetters(ctx context.Context) ([]store.DeadLetter, error) {
	return call(ctx, s, func() ([]store.DeadLetter, error) { return s.deadLetters(), nil })
}

func (d *data) deadLetters() (all []store.DeadLetter) {
	add := func(kind store.LetterKind, number int64, room, reason, trackingID string, at time.Time) {
		all = append(all, store.DeadLetter{Kind: kind, Number: number, Room: room, Reason: reason, TrackingID: trackingID, At: at})
	}
	for id, p := range d.posts.rows {
		if p.State == store.PostDead {
			add(store.LetterPost, 0, p.Room, p.LastError, p.TrackingID, p.DeadAt)
			all[len(all)-1].Key = id.key
		}
	}
	for id, g := range d.groups.rows {
		if g.State == store.PostDead {
			add(store.LetterDigest, id, g.Room, g.LastError, g.TrackingID, g.DeadAt)
		}
		if !g.ListDeadAt.IsZero() {
			add(store.LetterList, id, g.Room, g.ListError, g.ListTrackingID, g.ListDeadAt)
		}
	}
	for id, n := range d.notices.rows {
		if n.State == store.NoticeDead {
			add(store.LetterNotice, id, cmp.Or(n.Room, n.Person, n.RoomID), n.LastError, n.TrackingID, n.ChangedAt)
		}
	}
	slices.SortFunc(all, func(a, b store.DeadLetter) int { return cmp.Or(b.At.Compare(a.At), strings.Compare(a.ID(), b.ID())) })
	return all
}

// onDead applies a function to a dead letter.
func (s *Store) onDead(ctx context.Context, id string, do func(d store.DeadLetter)) error {
	return s.do(ctx, func() error {
		d, err := store.ParseLetter(id)
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(s.deadLetters(), func(d store.DeadLetter) bool { return d.ID() == id }) {
			return fmt.Errorf("dead letter %q: %w", id, store.ErrNotFound)
		}
		do(d)
		return nil
	})
}

// ReplayDead implements store.Store.
func (s *Store) ReplayDead(ctx context.Context, id string) error {
	return s.onDead(ctx, id, func(d store.DeadLetter) {
		switch d.Kind {
		case store.LetterPost:
			p := s.posts.rows[postID{d.Key, d.Room}]
			p.State, p.Attempts, p.NotBefore, p.LastError, p.TrackingID, p.DeadAt = store.PostLive, 0, time.Time{}, "", "", time.Time{}
			p.Delivered = min(p.Delivered, p.Desired-1)
			settle(&p, s.now())
			s.posts.put(postID{d.Key, d.Room}, p)
		case store.LetterNotice:
			n := s.notices.rows[d.Number]
			n.State, n.ChangedAt, n.Attempts, n.NotBefore, n.LastError, n.TrackingID = store.NoticePending, s.now(), 0, time.Time{}, "", ""
			s.notices.put(d.Number, n)
		default:
			g := s.groups.rows[d.Number]
			if d.Kind == store.LetterList {
				g.Listed, g.ListDeadAt, g.ListError, g.ListTrackingID = 0, time.Time{}, "", ""
			} else {
				g.State, g.Reroute, g.Attempts, g.NotBefore, g.LastError, g.TrackingID, g.DeadAt = store.PostLive, false, 0, time.Time{}, "", "", time.Time{}
				g.Shown = min(g.Shown, g.Revision-1)
			}
			if g.Pending() {
				g.PendingSince = cmp.Or(g.PendingSince, s.now())
			}
			s.groups.put(d.Number, g)
		}
	})
}

// DropDead implements store.Store.
func (s *Store) DropDead(ctx context.Context, id string) error {
	return s.onDead(ctx, id, func(d store.DeadLetter) {
		switch d.Kind {
		case store.LetterPost:
			s.removePost(s.posts.rows[postID{d.Key, d.Room}])
		case store.LetterNotice:
			s.removeNotice(s.notices.rows[d.Number])
		case store.LetterList:
			g := s.groups.rows[d.Number]
			g.ListDeadAt, g.ListError, g.ListTrackingID = time.Time{}, "", ""
			s.groups.put(d.Number, g)
		case store.LetterDigest:
			s.removeGroup(s.groups.rows[d.Number])
			s.posts.remove(0, byKey, func(p store.Post) bool { return p.Group == d.Number }, s.removePost)
		}
	})
}
