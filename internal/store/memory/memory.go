// Package memory keeps everything in maps: a store.Store for tests. What is written is gone with
// the process.
package memory

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/store"
)

// Store is one handle on the data. Handles on the same data see each other's writes.
type Store struct {
	*data
	closed *atomic.Bool
}

// data is what a store holds.
type data struct {
	mu    sync.Mutex
	clock func() time.Time

	journal  map[int64]*store.Entry
	problems map[alert.Key]*problem
	posts    map[postID]*store.Post
	groups   map[int64]*store.Group // Open isn't kept: group derives it
	messages map[string]shows
	notices  map[int64]*store.Notice
	commands map[string]*command
	values   map[string]string

	lastEntry, lastProblem, lastGroup, lastNotice, lastCommand int64
}

type postID struct {
	key  alert.Key
	room string
}

// problem is kept as JSON, so that no caller shares memory with the store.
type problem struct {
	alert.Problem // to search; not handed out
	doc           []byte
	number        int64 // in order of insertion
	writtenAt     time.Time
}

type command struct {
	store.Command
	number int64
}

// shows is what a Webex message shows or showed: a post, a group or a notice.
type shows struct {
	post   postID
	group  int64
	notice int64
}

// New makes an empty store. clock is time.Now if nil.
func New(clock func() time.Time) *Store {
	if clock == nil {
		clock = time.Now
	}
	return &Store{closed: new(atomic.Bool), data: &data{
		clock: clock, journal: map[int64]*store.Entry{}, problems: map[alert.Key]*problem{}, posts: map[postID]*store.Post{}, groups: map[int64]*store.Group{},
		messages: map[string]shows{}, notices: map[int64]*store.Notice{}, commands: map[string]*command{}, values: map[string]string{},
	}}
}

// Handle is another handle on the same data.
func (s *Store) Handle() *Store { return &Store{closed: new(atomic.Bool), data: s.data} }

// Close implements store.Store. Other handles stay open.
func (s *Store) Close() error {
	s.closed.Store(true)
	return nil
}

// Ping implements store.Store.
func (s *Store) Ping(ctx context.Context) error {
	return s.do(ctx, func() error { return nil })
}

// do runs one call, alone, unless its context has ended.
func (s *Store) do(ctx context.Context, call func() error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed.Load() {
		return store.ErrClosed
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return call()
}

// call is do for calls that return something.
func call[T any](ctx context.Context, s *Store, do func() (T, error)) (result T, err error) {
	err = s.do(ctx, func() (err error) {
		result, err = do()
		return err
	})
	return result, err
}

// micro is a time as a database keeps it: in UTC, to the microsecond.
func micro(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return t.UTC().Truncate(time.Microsecond)
}

// now is the store's time.
func (d *data) now() time.Time { return micro(d.clock()) }

// limited cuts a list; 0 stands for no limit.
func limited[T any](all []T, limit int) []T {
	if limit > 0 && len(all) > limit {
		all = all[:limit]
	}
	return all
}

// sorted are the values of a map that pass, in an order.
func sorted[K comparable, V any](of map[K]V, pass func(V) bool, order func(a, b V) int) []V {
	var all []V
	for v := range maps.Values(of) {
		if pass(v) {
			all = append(all, v)
		}
	}
	slices.SortFunc(all, order)
	return all
}

// copies are the values of pointers.
func copies[T any](of []*T) (all []T) {
	for _, v := range of {
		all = append(all, *v)
	}
	return all
}

func notFound(format string, args ...any) error {
	return fmt.Errorf("%s: %w", fmt.Sprintf(format, args...), store.ErrNotFound)
}

// Value implements store.Store.
func (s *Store) Value(ctx context.Context, name string) (string, error) {
	return call(ctx, s, func() (string, error) {
		value, ok := s.values[name]
		if !ok {
			return "", notFound("value %s", name)
		}
		return value, nil
	})
}

// SetValue implements store.Store.
func (s *Store) SetValue(ctx context.Context, name, value string) error {
	return s.do(ctx, func() error {
		s.values[name] = value
		return nil
	})
}

// decode is a problem of the caller's own.
func decode(doc []byte) (p alert.Problem, err error) {
	if err = json.Unmarshal(doc, &p); err != nil {
		err = fmt.Errorf("%w: %w", store.ErrRejected, err)
	}
	return p, err
}
