// Package roster runs one loop for each member of a set that changes while they run, such as the bots and sources of a configuration.
package roster

import (
	"context"
	"sync"
)

// Roster is a set of named members. It is safe for concurrent use, and its zero value is empty.
type Roster[T any] struct {
	mu      sync.RWMutex
	members map[string]*member[T]
	leaving map[string]*member[T] // the last one removed, by name: its loop may still run
	start   func(*member[T])      // nil unless Run runs
}

type member[T any] struct {
	name  string
	value T
	stop  context.CancelFunc // nil if its loop was never started
	ended chan struct{}      // closed when its loop has ended
}

// Get returns a member.
func (r *Roster[T]) Get(name string) (value T, ok bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	m, ok := r.members[name]
	if !ok {
		return value, false
	}
	return m.value, true
}

// All returns the members, by name.
func (r *Roster[T]) All() map[string]T {
	r.mu.RLock()
	defer r.mu.RUnlock()
	all := make(map[string]T, len(r.members))
	for name, m := range r.members {
		all[name] = m.value
	}
	return all
}

// Set makes these the members. Those that are members already stay as they are; add makes the value of a new one. The loops of the
// others are told to end; Set doesn't wait for them.
func (r *Roster[T]) Set(names []string, add func(name string) T) (added, removed []T) {
	r.mu.Lock()
	defer r.mu.Unlock()
	next := make(map[string]*member[T], len(names))
	for _, name := range names {
		if m := r.members[name]; m != nil {
			next[name] = m
			continue
		}
		m := &member[T]{name: name, value: add(name)}
		next[name] = m
		added = append(added, m.value)
		if r.start != nil {
			r.start(m)
		}
	}
	for name, m := range r.members {
		if next[name] != nil {
			continue
		}
		removed = append(removed, m.value)
		if m.stop != nil {
			m.stop()
			if r.leaving == nil {
				r.leaving = map[string]*member[T]{}
			}
			r.leaving[name] = m
		}
	}
	r.members = next
	return added, removed
}

// Run runs loop for each member, also for those that Set adds later, until ctx ends and every loop has ended. The context of a loop
// ends with ctx, or when its member is removed. A member that is removed and added again has one loop at a time.
func (r *Roster[T]) Run(ctx context.Context, loop func(ctx context.Context, name string, value T)) {
	var loops sync.WaitGroup
	r.mu.Lock()
	r.start = func(m *member[T]) {
		own, stop := context.WithCancel(ctx)
		m.stop, m.ended = stop, make(chan struct{})
		before := r.leaving[m.name]
		loops.Go(func() {
			defer close(m.ended)
			defer stop()
			if before != nil {
				<-before.ended
			}
			loop(own, m.name, m.value)
		})
	}
	for _, m := range r.members {
		r.start(m)
	}
	r.mu.Unlock()
	<-ctx.Done()
	r.mu.Lock()
	r.start = nil
	r.mu.Unlock()
	loops.Wait()
}
