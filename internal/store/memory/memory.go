// Package memory keeps everything in maps: a store.Store for tests. Its data is lost when the process ends.
package memory

import (
	"context"
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

// data is the content of a store, shared by its handles.
type data struct {
	mu    sync.Mutex
	clock func() time.Time
	undo  undo // of the call in progress

	journal   table[int64, store.Entry]
	problems  table[alert.Key, problem]
	posts     table[postID, store.Post]
	rooms     map[string]bool           // that have or had posts, to find the posts of a problem
	groups    table[int64, store.Group] // Open isn't kept: group derives it
	messages  table[string, shows]
	notices   table[int64, store.Notice]
	commands  table[string, command]
	values    table[string, string]
	triggers  table[alert.TriggerKey, trigger]
	requests  table[requestID, request] // of notices, by their idempotency keys
	tokens    table[tokenID, store.PersonToken]
	bindings  table[int64, store.Binding]
	reminders table[int64, reminder]

	lastEntry, lastGroup, lastNotice, lastRow, lastBinding, lastReminder int64
	incidents                                                            table[int64, []byte] // as JSON, so that no caller shares memory with the store
	incidentRows                                                         table[int64, store.IncidentEntry]
	lastIncident, lastIncidentEntry                                      int64
}

type requestID struct{ sender, key string }

type request struct {
	digest string
	notice int64
	at     time.Time
}

type postID struct {
	key  alert.Key
	room string
}

type problem struct {
	alert.Problem        // to search; not returned
	Doc           []byte // the problem as JSON, so that no caller shares memory with the store
	Row           int64  // in order of insertion
	WrittenAt     time.Time
}

type trigger struct {
	Key       alert.TriggerKey
	Doc       []byte
	WrittenAt time.Time
}

type command struct {
	store.Command
	Row int64 // in order of insertion
}

// shows is the post, group or notice that a Webex message shows or showed.
type shows struct {
	post   postID
	group  int64
	notice int64
}

// New returns an empty store. clock is time.Now if nil.
func New(clock func() time.Time) *Store {
	if clock == nil {
		clock = time.Now
	}
	d := &data{clock: clock, rooms: map[string]bool{}}
	u := &d.undo
	d.journal, d.problems, d.posts = newTable[int64, store.Entry](u), newTable[alert.Key, problem](u), newTable[postID, store.Post](u)
	d.groups, d.messages, d.notices = newTable[int64, store.Group](u), newTable[string, shows](u), newTable[int64, store.Notice](u)
	d.commands, d.values = newTable[string, command](u), newTable[string, string](u)
	d.triggers = newTable[alert.TriggerKey, trigger](u)
	d.requests = newTable[requestID, request](u)
	d.tokens = newTable[tokenID, store.PersonToken](u)
	d.bindings = newTable[int64, store.Binding](u)
	d.reminders = newTable[int64, reminder](u)
	d.incidents, d.incidentRows = newTable[int64, []byte](u), newTable[int64, store.IncidentEntry](u)
	return &Store{closed: new(atomic.Bool), data: d}
}

// Handle returns another handle on the same data.
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

// do runs one call at a time, unless its context has ended. A call that fails writes nothing.
func (s *Store) do(ctx context.Context, call func() error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed.Load() {
		return store.ErrClosed
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	s.undo = nil
	err := call()
	if err != nil {
		for _, back := range slices.Backward(s.undo) {
			back()
		}
	}
	return err
}

// call is do for calls that return something.
func call[T any](ctx context.Context, s *Store, do func() (T, error)) (result T, err error) {
	err = s.do(ctx, func() (err error) {
		result, err = do()
		return err
	})
	return result, err
}

// now is the store's time.
func (d *data) now() time.Time { return own(d.clock()) }

// Value implements store.Store.
func (s *Store) Value(ctx context.Context, name string) (string, error) {
	return call(ctx, s, func() (string, error) { return s.values.get(name, "value "+name) })
}

// SetValue implements store.Store.
func (s *Store) SetValue(ctx context.Context, name, value string) error {
	return s.do(ctx, func() error {
		s.values.put(name, value)
		return nil
	})
}
