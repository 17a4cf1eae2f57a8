package sqlite

import (
	"cmp"
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync"

	"nms-alert-relay/internal/pace"
	"nms-alert-relay/internal/store"
)

// Bounds of the appends that wait for a commit. Beyond them Append returns store.ErrBusy at once, so that memory is
// bounded; the sender retries.
const (
	maxWaiting      = 4096
	maxWaitingBytes = 64 << 20
	maxBatchBytes   = 8 << 20 // of one commit, so that a burst doesn't block fold and delivery
)

// intake is the group commit: while one commit runs, the next batch of appends grows.
//
// A request is in waiting exactly as long as its caller waits for it and no commit has started on it, so that senders
// that give up leave nothing for others to wait for.
type intake struct {
	w *writer
	s *Store

	mu      sync.Mutex
	waiting []*request
	bytes   int // of the payloads in waiting
	closed  bool

	wake chan struct{}
	done chan struct{} // closed when run has returned
}

// request is one waiting Append.
type request struct {
	entry  store.Entry // with its payload packed
	packed int64       // see pack
	size   int         // of the original payload, which the caller keeps in memory
	id     int64
	done   chan error // buffered
}

func newIntake(w *writer, s *Store) *intake {
	q := &intake{w: w, s: s, wake: make(chan struct{}, 1), done: make(chan struct{})}
	go q.run()
	return q
}

// Append implements store.Store.
func (s *Store) Append(ctx context.Context, e store.Entry) (int64, error) {
	if e.ReceivedAt.IsZero() {
		e.ReceivedAt = s.clock()
	}
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	r := &request{entry: e, size: len(e.Payload), done: make(chan error, 1)}
	r.entry.Payload, r.packed = pack(e.Payload) // before the writer's turn, by many at once
	if err := s.intake.enqueue(r); err != nil {
		return 0, err
	}
	var err error
	select {
	case err = <-r.done:
	case <-ctx.Done():
		if s.intake.withdraw(r) {
			return 0, fmt.Errorf("append to the journal: %w, and nothing was written", ctx.Err())
		}
		return 0, fmt.Errorf("append to the journal: %w, while the entry was being written", ctx.Err())
	}
	if err != nil {
		return 0, fmt.Errorf("store %s: append to the journal: %w", s.path, explained(err, s.path))
	}
	return r.id, nil
}

func (q *intake) enqueue(r *request) error {
	q.mu.Lock()
	if q.closed {
		q.mu.Unlock()
		return store.ErrClosed
	}
	if len(q.waiting) >= maxWaiting || len(q.waiting) > 0 && q.bytes+r.size > maxWaitingBytes {
		q.mu.Unlock()
		return store.ErrBusy
	}
	first := len(q.waiting) == 0
	q.waiting = append(q.waiting, r)
	q.bytes += r.size
	if first { // under the lock, since close closes the channel
		pace.Wake(q.wake)
	}
	q.mu.Unlock()
	return nil
}

// run commits waiting appends until close.
func (q *intake) run() {
	defer close(q.done)
	for range q.wake {
		// Let other goroutines that are about to append join this commit. It doesn't wait: with none
		// runnable it returns at once.
		runtime.Gosched()
		for {
			_ = q.w.lock(background)
			batch := q.next()
			if len(batch) == 0 {
				q.w.unlock()
				break
			}
			err := q.commit(batch)
			q.w.unlock()
			for _, r := range batch {
				r.done <- err
			}
			clear(batch) // the next batch shares the array
			if err == nil {
				q.s.check.wrote()
			}
			runtime.Gosched()
		}
	}
}

// next dequeues a batch for one commit. It is empty only if nothing is waiting.
func (q *intake) next() []*request {
	q.mu.Lock()
	defer q.mu.Unlock()
	size, n := 0, 0
	for n < len(q.waiting) && (n == 0 || size < maxBatchBytes) {
		size += q.waiting[n].size
		n++
	}
	batch := q.waiting[:n:n]
	q.waiting = q.waiting[n:]
	q.bytes -= size
	return batch
}

// withdraw removes a request whose caller gave up; false if a commit has started on it.
func (q *intake) withdraw(r *request) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	i := slices.Index(q.waiting, r)
	if i < 0 {
		return false
	}
	q.waiting = slices.Delete(q.waiting, i, i+1)
	q.bytes -= r.size
	return true
}

// close writes the waiting appends and returns once they are on disk.
func (q *intake) close() {
	q.mu.Lock()
	q.closed = true
	close(q.wake)
	q.mu.Unlock()
	<-q.done
}

// commit writes a batch in a transaction of its own. The caller has the writer's turn.
func (q *intake) commit(batch []*request) error {
	if err := cmp.Or(q.s.damage.refuses(), q.s.files.err()); err != nil {
		return err
	}
	return q.w.transaction(func(t *tx) error { return q.insert(t, batch) })
}

// insert writes a batch into the journal.
func (q *intake) insert(t *tx, batch []*request) (err error) {
	for _, r := range batch {
		payload := r.entry.Payload
		if payload == nil {
			payload = []byte{} // nil would be NULL
		}
		if r.id, err = t.insert(insertEntry, r.entry.Source, string(r.entry.Kind), r.entry.ReceivedAt.UnixMicro(), r.packed, payload, r.entry.Trace); err != nil {
			return err
		}
	}
	return nil
}

const insertEntry = `INSERT INTO journal (source, kind, received_at, packed, payload, trace) VALUES (?, ?, ?, ?, ?, ?)`
