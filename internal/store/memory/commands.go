package memory

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/store"
)

// ClaimCommand implements store.Store.
func (s *Store) ClaimCommand(ctx context.Context, c store.Command) (bool, error) {
	c.State = cmp.Or(c.State, store.CommandReceived)
	return call(ctx, s, func() (bool, error) {
		if c.ID == "" {
			return false, errors.New("a command needs an id to be claimed")
		}
		if _, known := s.commands.rows[c.ID]; known {
			return false, nil
		}
		c.CreatedAt = cmp.Or(c.CreatedAt, s.now())
		s.lastRow++
		s.commands.put(c.ID, command{c, s.lastRow})
		return true, nil
	})
}

// SaveCommand implements store.Store.
func (s *Store) SaveCommand(ctx context.Context, c store.Command) error {
	return s.do(ctx, func() error {
		return s.commands.update(c.ID, "command "+c.ID, func(is *command) { is.Command = c })
	})
}

// Command implements store.Store.
func (s *Store) Command(ctx context.Context, id string) (store.Command, error) {
	return call(ctx, s, func() (store.Command, error) {
		c, err := s.commands.get(id, "command "+id)
		return c.Command, err
	})
}

func oldestCommand(a, b command) int {
	return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), cmp.Compare(a.Row, b.Row))
}

// findCommands returns the commands that pass, oldest first.
func (s *Store) findCommands(ctx context.Context, pass func(c command) bool) ([]store.Command, error) {
	return call(ctx, s, func() (all []store.Command, err error) {
		for _, c := range s.commands.find(0, oldestCommand, pass) {
			all = append(all, c.Command)
		}
		return all, nil
	})
}

func unfinished(c command) bool {
	return c.State == store.CommandReceived || c.State == store.CommandExecuting || c.State == store.CommandRetrying
}

// UnfinishedCommands implements store.Store.
func (s *Store) UnfinishedCommands(ctx context.Context) ([]store.Command, error) {
	return s.findCommands(ctx, unfinished)
}

// RecentCommands implements store.Store.
func (s *Store) RecentCommands(ctx context.Context, since, createdSince time.Time) ([]store.Command, error) {
	since, createdSince = own(since), own(createdSince)
	return s.findCommands(ctx, func(c command) bool {
		return !c.CreatedAt.Before(createdSince) && (unfinished(c) || !c.DoneAt.Before(since))
	})
}

// FindCommands implements store.Store.
func (s *Store) FindCommands(ctx context.Context, f store.CommandFilter) ([]store.Command, error) {
	since, person := own(f.Since), strings.ToLower(f.Person)
	found, err := s.findCommands(ctx, func(c command) bool {
		about := func(key string) bool {
			return f.Problem == "" || key == f.Problem || key[strings.IndexByte(key, '/')+1:] == f.Problem
		}
		posted := func(key string) bool {
			return slices.ContainsFunc(f.Rooms, func(room string) bool {
				_, known := s.posts.rows[postID{alert.ParseKey(key), room}]
				return known
			})
		}
		return c.Action != "" && !c.CreatedAt.Before(since) && (f.Actions == nil || slices.Contains(f.Actions, c.Action)) &&
			(strings.Contains(strings.ToLower(c.Email), person) || strings.Contains(strings.ToLower(c.Name), person)) &&
			(f.Problem == "" || slices.ContainsFunc(c.Keys, about)) &&
			(f.Rooms == nil || slices.Contains(f.Rooms, c.Room) || slices.ContainsFunc(c.Keys, posted))
	})
	slices.Reverse(found)
	found = found[min(f.Offset, len(found)):]
	if f.Limit > 0 {
		found = found[:min(f.Limit, len(found))]
	}
	return found, err
}
