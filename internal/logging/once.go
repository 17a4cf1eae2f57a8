package logging

import "sync"

// Once helps to log each thing once. It is bounded: when it is full, nothing is new. It is safe for concurrent use.
type Once struct {
	limit int

	mu   sync.Mutex
	seen map[string]bool
}

// NewOnce makes a Once for at most limit keys.
func NewOnce(limit int) *Once { return &Once{limit: limit, seen: make(map[string]bool)} }

// First reports whether a key is new, and remembers it.
func (o *Once) First(key string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.seen[key] || len(o.seen) >= o.limit {
		return false
	}
	o.seen[key] = true
	return true
}
