package memory

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"time"

	"nms-alert-relay/internal/store"
)

// AddNotice implements store.Store.
func (s *Store) AddNotice(ctx context.Context, n store.Notice) (int64, error) {
	return call(ctx, s, func() (int64, error) {
		if n.Once.Key == "" {
			return s.addNotice(n)
		}
		id, now := requestID{n.Sender, n.Once.Key}, s.now()
		if known, ok := s.requests.rows[id]; ok && known.at.After(now.Add(-store.OnceFor)) {
			if known.digest != n.Once.Digest {
				return 0, store.ErrKeyReused
			}
			return known.notice, nil
		}
		notice, err := s.addNotice(n)
		s.requests.put(id, request{n.Once.Digest, notice, now})
		return notice, err
	})
}

func (d *data) addNotice(n store.Notice) (int64, error) {
	for _, is := range d.notices.rows {
		if n.Dedup == "" || is.Dedup != n.Dedup || is.Sender != n.Sender || is.Room != n.Room || is.RoomID != n.RoomID || is.Person != n.Person {
			continue
		}
		// Failures of the earlier body don't count for the new one.
		is.Kind, is.Bot, is.Markdown, is.Text, is.Card, is.Trace, is.State = n.Kind, n.Bot, n.Markdown, n.Text, n.Card, n.Trace, store.NoticePending
		is.Attempts, is.NotBefore, is.LastError, is.TrackingID, is.ChangedAt = 0, time.Time{}, "", "", d.now()
		is.Version++
		d.notices.put(is.ID, is)
		return is.ID, nil
	}
	if n.File != nil {
		waiting := len(n.File.Content)
		for _, is := range d.notices.rows {
			if is.File != nil {
				waiting += len(is.File.Content)
			}
		}
		if waiting > store.MaxFiles {
			return 0, store.ErrFull
		}
		n.File = &store.File{Name: n.File.Name, Type: n.File.Type, Content: bytes.Clone(n.File.Content)}
	}
	d.lastNotice++
	d.notices.put(d.lastNotice, store.Notice{
		ID: d.lastNotice, Kind: n.Kind, Sender: n.Sender, Room: n.Room, RoomID: n.RoomID, Person: n.Person, Bot: n.Bot, ParentID: n.ParentID,
		Markdown: n.Markdown, Text: n.Text, Card: n.Card, Dedup: n.Dedup, Thread: n.Thread, File: n.File, Trace: n.Trace, NotBefore: n.NotBefore,
		State: store.NoticePending, Version: 1, CreatedAt: cmp.Or(n.CreatedAt, d.now()), ChangedAt: d.now(),
	})
	return d.lastNotice, nil
}

func noticeName(id int64) string { return fmt.Sprintf("notice %d", id) }

// Notice implements store.Store.
func (s *Store) Notice(ctx context.Context, id int64) (store.Notice, error) {
	return call(ctx, s, func() (store.Notice, error) {
		n, err := s.notices.get(id, noticeName(id))
		return withoutContent(n), err
	})
}

// withoutContent is a notice whose file has no content.
func withoutContent(n store.Notice) store.Notice {
	if n.File != nil {
		n.File = &store.File{Name: n.File.Name, Type: n.File.Type}
	}
	return n
}

// NoticeFile implements store.Store.
func (s *Store) NoticeFile(ctx context.Context, id int64) ([]byte, error) {
	return call(ctx, s, func() ([]byte, error) {
		n, err := s.notices.get(id, noticeName(id))
		if err == nil && (n.File == nil || n.File.Content == nil) {
			err = fmt.Errorf("file of notice %d: %w", id, store.ErrNotFound)
		}
		if err != nil {
			return nil, err
		}
		return n.File.Content, nil
	})
}

// ThreadRoot implements store.Store. The newest root counts: a thread whose root was deleted has begun again.
func (s *Store) ThreadRoot(ctx context.Context, n store.Notice) (string, error) {
	return call(ctx, s, func() (string, error) {
		newest := func(a, b store.Notice) int { return cmp.Compare(b.ID, a.ID) }
		for _, is := range s.notices.find(1, newest, func(is store.Notice) bool {
			return n.Thread != "" && is.Thread == n.Thread && is.Sender == n.Sender && is.Room == n.Room && is.RoomID == n.RoomID &&
				is.Person == n.Person && is.MessageID != "" && is.ParentID == "" && is.ID != n.ID
		}) {
			return is.MessageID, nil
		}
		return "", nil
	})
}

// PendingNotices implements store.Store.
func (s *Store) PendingNotices(ctx context.Context) ([]store.Notice, error) {
	return s.findNotices(ctx, func(n store.Notice) bool { return n.State == store.NoticePending })
}

// CardNotices implements store.Store.
func (s *Store) CardNotices(ctx context.Context, since time.Time) ([]store.Notice, error) {
	return s.findNotices(ctx, func(n store.Notice) bool {
		return n.State == store.NoticeSent && len(n.Card) > 0 && !n.ChangedAt.Before(own(since))
	})
}

// findNotices returns the notices that pass, oldest first.
func (s *Store) findNotices(ctx context.Context, pass func(n store.Notice) bool) ([]store.Notice, error) {
	return call(ctx, s, func() ([]store.Notice, error) {
		oldest := func(a, b store.Notice) int { return cmp.Compare(a.ID, b.ID) }
		found := s.notices.find(0, oldest, pass)
		for i := range found {
			found[i] = withoutContent(found[i])
		}
		return found, nil
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
			if is.State == store.NoticeSent {
				*is = withoutContent(*is)
			}
			is.ParentID, is.MessageID, is.SentVersion, is.Edits = n.ParentID, n.MessageID, n.SentVersion, n.Edits
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
