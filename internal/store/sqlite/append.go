package sqlite

import (
	"cmp"
	"context"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"

	"nms-alert-relay/internal/store"
)

// What may wait for a commit. Beyond it store.ErrBusy says so at once: the
// sender comes again, and memory is bounded.
const (
	maxWaiting      = 4096
	maxWaitingBytes = 64 << 20
	maxBatchBytes   = 8 << 20 // of one commit, so that one burst doesn't hold up fold and delivery
)

// intake gathers appends into shared commits: while one commit runs, the next batch
// grows.
type intake struct {
	w *writer
	s *Store

	mu      sync.Mutex
	waiting []*request
	bytes   int
	closed  bool

	wake chan struct{}
	done chan struct{} // closed when the committer has ended

	insert journalInsert
}

// request is one Append that waits.
type request struct {
	entry store.Entry
	id    int64
	taken atomic.Int32 // see the states below
	done  chan error   // of one
}

// A request belongs to its caller until the committer takes it. A caller that
// gives up before that takes it back.
const (
	queued int32 = iota
	taken
	givenUp
)

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
	r := &request{entry: e, done: make(chan error, 1)}
	if err := s.intake.enqueue(r); err != nil {
		return 0, err
	}
	var err error
	select {
	case err = <-r.done:
	case <-ctx.Done():
		if r.taken.CompareAndSwap(queued, givenUp) {
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
	if len(q.waiting) >= maxWaiting || len(q.waiting) > 0 && q.bytes+len(r.entry.Payload) > maxWaitingBytes {
		q.mu.Unlock()
		return store.ErrBusy
	}
	first := len(q.waiting) == 0
	q.waiting = append(q.waiting, r)
	q.bytes += len(r.entry.Payload)
	if first { // under the lock, since close closes the channel
		select {
		case q.wake <- struct{}{}:
		default:
		}
	}
	q.mu.Unlock()
	return nil
}

// run commits until close. Its loop makes no garbage of its own: two slices
// change places.
func (q *intake) run() {
	defer close(q.done)
	var batch []*request
	for range q.wake {
		// Whoever is about to append may do so first: one commit for all of them.
		// Nothing is waited for; with nobody else to run this returns at once.
		runtime.Gosched()
		for {
			_ = q.w.take(context.Background())
			batch = q.next(batch[:0])
			if len(batch) == 0 {
				q.w.give()
				break
			}
			first, err := q.commit(batch)
			if err == nil {
				err = q.s.guard.after(q.s.rescue)
			}
			q.w.give()
			for i, r := range batch {
				r.id = first + int64(i)
				r.done <- err
				batch[i] = nil
			}
			if err == nil {
				q.s.check.wrote()
			}
			runtime.Gosched()
		}
	}
}

// next moves what waits into batch, but for what was given up.
func (q *intake) next(batch []*request) []*request {
	q.mu.Lock()
	defer q.mu.Unlock()
	size, n := 0, 0
	for n < len(q.waiting) && (n == 0 || size < maxBatchBytes) {
		r := q.waiting[n]
		size += len(r.entry.Payload)
		n++
		if r.taken.CompareAndSwap(queued, taken) {
			batch = append(batch, r)
		}
	}
	rest := copy(q.waiting, q.waiting[n:])
	clear(q.waiting[rest:])
	q.waiting = q.waiting[:rest]
	q.bytes -= size
	return batch
}

// close lets what waits be written, and returns when it is.
func (q *intake) close() {
	q.mu.Lock()
	q.closed = true
	close(q.wake)
	q.mu.Unlock()
	<-q.done
}

// commit writes a batch in one transaction and gives the id of its first
// entry. It has the writer's turn.
func (q *intake) commit(batch []*request) (first int64, err error) {
	first = q.w.lastID + 1
	if err := cmp.Or(q.s.damage.refuses(), q.s.guard.before(q.s.rescue)); err != nil {
		return first, err
	}
	err = q.w.conn.Raw(func(c any) error { return q.insert.run(q.w, c, first, batch) })
	if err == nil {
		q.w.lastID += int64(len(batch))
	}
	return first, err
}

// journalInsert writes what was gathered.
type journalInsert struct{ begin, insert, commit, rollback *hot }

func (j *journalInsert) prepare(w *writer, conn any) (err error) {
	if j.insert != nil {
		return nil
	}
	for _, p := range []struct {
		to  **hot
		sql string
	}{
		{&j.begin, "BEGIN IMMEDIATE"}, {&j.commit, "COMMIT"}, {&j.rollback, "ROLLBACK"},
		{&j.insert, "INSERT INTO journal (id, source, kind, received_at, payload) VALUES (?, ?, ?, ?, ?)"},
	} {
		if *p.to, err = w.prepareHot(conn, p.sql); err != nil {
			return err
		}
	}
	return nil
}

func (j *journalInsert) run(w *writer, conn any, first int64, batch []*request) error {
	if err := j.prepare(w, conn); err != nil {
		return err
	}
	if err := j.begin.exec(); err != nil {
		return err
	}
	for i, r := range batch {
		payload := r.entry.Payload
		if payload == nil {
			payload = []byte{} // nil would be NULL
		}
		if err := j.insert.exec(first+int64(i), r.entry.Source, string(r.entry.Kind), r.entry.ReceivedAt.UnixMicro(), payload); err != nil {
			_ = j.rollback.exec()
			return err
		}
	}
	if err := j.commit.exec(); err != nil {
		_ = j.rollback.exec()
		return err
	}
	return nil
}
