package logging

import "sync"

// Once remembers what was logged, so that each thing is logged once. It is bounded: once it is full, nothing counts as new. It is
// safe for concurrent use.
type Once struct {
	most int

	mu   sync.Mutex
	seen map[string]bool
}

// NewOnce makes one that remembers at most most things.
func NewOnce(most int) *Once { return &Once{most: most, seen: make(map[string]bool)} }

// First reports whether what is new, and remembers it.
func (o *Once) First(what string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.seen[what] || len(o.seen) >= o.most {
		return false
	}
	o.seen[what] = true
	return true
}
