package memory

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/webexid"
)

// AddNotice implements store.Store.
func (s *Store) AddNotice(ctx context.Context, n store.Notice) (int64, error) {
	return call(ctx, s, func() (int64, error) { return s.addNotice(n), nil })
}

func (d *data) addNotice(n store.Notice) int64 {
	now := d.now()
	n.Card = slices.Clone(n.Card)
	for _, is := range d.notices {
		if n.Dedup == "" || is.Dedup != n.Dedup || is.Sender != n.Sender || is.Room != n.Room || is.RoomID != n.RoomID || is.Person != n.Person {
			continue
		}
		// Another body is another message: earlier failures aren't its own.
		is.Kind, is.Bot, is.Markdown, is.Text, is.Card, is.State = n.Kind, n.Bot, n.Markdown, n.Text, n.Card, store.NoticePending
		is.Attempts, is.NotBefore, is.LastError, is.TrackingID, is.ChangedAt = 0, time.Time{}, "", "", now
		is.Version++
		return is.ID
	}
	if n.CreatedAt.IsZero() {
		n.CreatedAt = now
	}
	d.lastNotice++
	n.ID, n.State, n.MessageID, n.Version, n.SentVersion, n.Edits, n.Attempts = d.lastNotice, store.NoticePending, "", 1, 0, 0, 0
	n.LastError, n.TrackingID, n.NotBefore, n.CreatedAt, n.ChangedAt = "", "", micro(n.NotBefore), micro(n.CreatedAt), now
	d.notices[n.ID] = &n
	return n.ID
}

// Notice implements store.Store.
func (s *Store) Notice(ctx context.Context, id int64) (store.Notice, error) {
	return call(ctx, s, func() (store.Notice, error) {
		is := s.notices[id]
		if is == nil {
			return store.Notice{}, notFound("notice %d", id)
		}
		n := *is
		n.Card = slices.Clone(n.Card)
		return n, nil
	})
}

// PendingNotices implements store.Store.
func (s *Store) PendingNotices(ctx context.Context) ([]store.Notice, error) {
	return call(ctx, s, func() (all []store.Notice, err error) {
		for _, n := range sorted(s.notices, func(n *store.Notice) bool { return n.State == store.NoticePending },
			func(a, b *store.Notice) int { return cmp.Compare(a.ID, b.ID) }) {
			one := *n
			one.Card = slices.Clone(n.Card)
			all = append(all, one)
		}
		return all, nil
	})
}

// SaveNotice implements store.Store. n.Version is the body that was tried: what became of it says
// nothing about a newer one.
func (s *Store) SaveNotice(ctx context.Context, n store.Notice) error {
	return s.do(ctx, func() error {
		is := s.notices[n.ID]
		if is == nil {
			return notFound("notice %d", n.ID)
		}
		if n.MessageID != "" && n.MessageID != is.MessageID {
			s.messages[n.MessageID] = shows{notice: n.ID}
		}
		replaced := is.Version > n.Version
		if is.State = n.State; replaced || n.State == store.NoticeSent && is.Version > n.SentVersion {
			is.State = store.NoticePending
		}
		is.MessageID, is.SentVersion, is.Edits, is.Attempts = n.MessageID, n.SentVersion, n.Edits, n.Attempts
		is.NotBefore, is.LastError, is.TrackingID = micro(n.NotBefore), n.LastError, n.TrackingID
		switch {
		case replaced:
		case n.State == store.NoticePending && !n.ChangedAt.IsZero():
			is.ChangedAt = micro(n.ChangedAt)
		default:
			is.ChangedAt = s.now()
		}
		return nil
	})
}

// maxParents bounds how far a reply to a notice is followed.
const maxParents = 3

// shown finds what a message shows or showed, through the notices of a thread.
func (d *data) shown(id string) shows {
	for range maxParents {
		if id == "" {
			break
		}
		found, ok := d.messages[id]
		if parsed, is := webexid.Parse(id); !ok && is && (parsed.Kind == webexid.Message || parsed.Kind == "") {
			found, ok = d.messages[parsed.REST(webexid.Message)]
		}
		if !ok {
			break
		}
		if found.notice == 0 {
			return found
		}
		id = ""
		if n := d.notices[found.notice]; n != nil {
			id = n.ParentID
		}
	}
	return shows{}
}

// PostByMessage implements store.Store.
func (s *Store) PostByMessage(ctx context.Context, messageID string) (store.Post, error) {
	return call(ctx, s, func() (store.Post, error) {
		p := s.posts[s.shown(messageID).post]
		if p == nil {
			return store.Post{}, notFound("post with message %s", messageID)
		}
		return *p, nil
	})
}

// GroupByMessage implements store.Store.
func (s *Store) GroupByMessage(ctx context.Context, messageID string) (store.Group, error) {
	return call(ctx, s, func() (store.Group, error) {
		g := s.groups[s.shown(messageID).group]
		if g == nil {
			return store.Group{}, notFound("group with message %s", messageID)
		}
		return s.group(g), nil
	})
}

// ClaimCommand implements store.Store.
func (s *Store) ClaimCommand(ctx context.Context, c store.Command) (bool, error) {
	if c.ID == "" {
		return false, errors.New("a command without an id can't be claimed: it couldn't be told from another")
	}
	if c.State == "" {
		c.State = store.CommandReceived
	}
	return call(ctx, s, func() (bool, error) {
		if s.commands[c.ID] != nil {
			return false, nil
		}
		if c.CreatedAt.IsZero() {
			c.CreatedAt = s.now()
		}
		s.lastCommand++
		s.commands[c.ID] = &command{own(c), s.lastCommand}
		return true, nil
	})
}

// own is a command that shares no memory.
func own(c store.Command) store.Command {
	c.Keys, c.Detail = slices.Clone(c.Keys), slices.Clone(c.Detail)
	c.NotBefore, c.CreatedAt, c.DoneAt = micro(c.NotBefore), micro(c.CreatedAt), micro(c.DoneAt)
	return c
}

// SaveCommand implements store.Store.
func (s *Store) SaveCommand(ctx context.Context, c store.Command) error {
	return s.do(ctx, func() error {
		is := s.commands[c.ID]
		if is == nil {
			return notFound("command %s", c.ID)
		}
		is.Command = own(c)
		return nil
	})
}

// Command implements store.Store.
func (s *Store) Command(ctx context.Context, id string) (store.Command, error) {
	return call(ctx, s, func() (store.Command, error) {
		is := s.commands[id]
		if is == nil {
			return store.Command{}, notFound("command %s", id)
		}
		return own(is.Command), nil
	})
}

func (s *Store) findCommands(ctx context.Context, pass func(*command) bool) ([]store.Command, error) {
	return call(ctx, s, func() (all []store.Command, err error) {
		for _, c := range sorted(s.commands, pass, func(a, b *command) int {
			return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), cmp.Compare(a.number, b.number))
		}) {
			all = append(all, own(c.Command))
		}
		return all, nil
	})
}

func unfinished(c *command) bool {
	return c.State == store.CommandReceived || c.State == store.CommandExecuting || c.State == store.CommandRetrying
}

// UnfinishedCommands implements store.Store.
func (s *Store) UnfinishedCommands(ctx context.Context) ([]store.Command, error) {
	return s.findCommands(ctx, unfinished)
}

// RecentCommands implements store.Store.
func (s *Store) RecentCommands(ctx context.Context, since, claimedSince time.Time) ([]store.Command, error) {
	return s.findCommands(ctx, func(c *command) bool {
		return !c.CreatedAt.Before(micro(claimedSince)) && (unfinished(c) || !c.DoneAt.Before(micro(since)))
	})
}

// Commands implements store.Store.
func (s *Store) Commands(ctx context.Context, limit int) ([]store.Command, error) {
	all, err := s.findCommands(ctx, func(*command) bool { return true })
	slices.Reverse(all)
	return limited(all, limit), err
}
