package memory

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"nms-alert-relay/internal/store"
)

// AddNotice implements store.Store.
func (s *Store) AddNotice(ctx context.Context, n store.Notice) (int64, error) {
	return call(ctx, s, func() (int64, error) { return s.addNotice(n), nil })
}

func (d *data) addNotice(n store.Notice) int64 {
	for _, is := range d.notices.rows {
		if n.Dedup == "" || is.Dedup != n.Dedup || is.Sender != n.Sender || is.Room != n.Room || is.RoomID != n.RoomID || is.Person != n.Person {
			continue
		}
		// Failures of the earlier body don't count for the new one.
		is.Kind, is.Bot, is.Markdown, is.Text, is.Card, is.Trace, is.State = n.Kind, n.Bot, n.Markdown, n.Text, n.Card, n.Trace, store.NoticePending
		is.Attempts, is.NotBefore, is.LastError, is.TrackingID, is.ChangedAt = 0, time.Time{}, "", "", d.now()
		is.Version++
		d.notices.put(is.ID, is)
		return is.ID
	}
	d.lastNotice++
	d.notices.put(d.lastNotice, store.Notice{
		ID: d.lastNotice, Kind: n.Kind, Sender: n.Sender, Room: n.Room, RoomID: n.RoomID, Person: n.Person, Bot: n.Bot, ParentID: n.ParentID,
		Markdown: n.Markdown, Text: n.Text, Card: n.Card, Dedup: n.Dedup, Trace: n.Trace, NotBefore: n.NotBefore,
		State: store.NoticePending, Version: 1, CreatedAt: cmp.Or(n.CreatedAt, d.now()), ChangedAt: d.now(),
	})
	return d.lastNotice
}

func noticeName(id int64) string { return fmt.Sprintf("notice %d", id) }

// Notice implements store.Store.
func (s *Store) Notice(ctx context.Context, id int64) (store.Notice, error) {
	return call(ctx, s, func() (store.Notice, error) { return s.notices.get(id, noticeName(id)) })
}

// PendingNotices implements store.Store.
func (s *Store) PendingNotices(ctx context.Context) ([]store.Notice, error) {
	return call(ctx, s, func() ([]store.Notice, error) {
		oldest := func(a, b store.Notice) int { return cmp.Compare(a.ID, b.ID) }
		return s.notices.find(0, oldest, func(n store.Notice) bool { return n.State == store.NoticePending }), nil
	})
}

// SaveNotice implements store.Store. n.Version is the body that was sent; the outcome doesn't apply to a newer one.
func (s *Store) SaveNotice(ctx context.Context, n store.Notice) error {
	return s.do(ctx, func() error {
		return s.notices.update(n.ID, noticeName(n.ID), func(is *store.Notice) {
			s.show(n.MessageID, is.MessageID, shows{notice: n.ID})
			replaced := is.Version > n.Version
			if is.State = n.State; replaced || n.State == store.NoticeSent && is.Version > n.SentVersion {
				is.State = store.NoticePending
			}
			is.MessageID, is.SentVersion, is.Edits = n.MessageID, n.SentVersion, n.Edits
			if replaced {
				return
			}
			is.Attempts, is.NotBefore, is.LastError, is.TrackingID = n.Attempts, n.NotBefore, n.LastError, n.TrackingID
			is.ChangedAt = s.now()
			if n.State == store.NoticePending {
				is.ChangedAt = cmp.Or(n.ChangedAt, is.ChangedAt)
			}
		})
	})
}

// removeNotice removes a notice, and the records of its messages.
func (d *data) removeNotice(n store.Notice) {
	d.notices.delete(n.ID)
	d.forget(shows{notice: n.ID})
}
