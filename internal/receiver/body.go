package receiver

import (
	"container/list"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"sync"
	"time"
)

// The most that the bodies of one kind of request may hold while they arrive, and the largest body of a webhook: Webex
// sends some hundred bytes.
const (
	eventBudget = 32 << 20
	otherBudget = 8 << 20
	maxWebhook  = 64 << 10
	firstRead   = 4 << 10 // most events fit
)

// budget bounds the bytes of bodies that are still arriving. When it is spent, the body that began
// first is given up: senders that trickle bodies push out each other's, and one that sends its body
// at once always gets through. Bytes count as they arrive, not as they are announced.
type budget struct {
	limit int64  // of all bodies together
	large string // what to do about a body that is too large

	mu       sync.Mutex
	used     int64
	arriving list.List // of *arrival, the first that began in front
}

// arrival is one body that is being read.
type arrival struct {
	size    int64
	evicted bool
	abort   func() // ends a read that is waiting
	place   *list.Element
}

func newBudget(limit int64, large string) *budget { return &budget{limit: limit, large: large} }

func (b *budget) begin(abort func()) *arrival {
	b.mu.Lock()
	defer b.mu.Unlock()
	a := &arrival{abort: abort}
	a.place = b.arriving.PushBack(a)
	return a
}

// grow counts n more bytes for a body; false where the body was given up for others.
func (b *budget) grow(a *arrival, n int64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if a.evicted {
		return false
	}
	a.size += n
	b.used += n
	for b.used > b.limit {
		oldest := b.arriving.Front().Value.(*arrival)
		b.remove(oldest)
		oldest.evicted = true
		oldest.abort()
	}
	return !a.evicted
}

// end gives back what a body held.
func (b *budget) end(a *arrival) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !a.evicted {
		b.remove(a)
	}
}

func (b *budget) remove(a *arrival) {
	b.used -= a.size
	b.arriving.Remove(a.place)
}

// read reads a request's body of at most limit bytes.
func (b *budget) read(w http.ResponseWriter, req *http.Request, limit int64) ([]byte, *refusal) {
	if req.ContentLength > limit {
		return nil, b.tooLarge(limit)
	}
	a := b.begin(func() {
		// A writer that can't do it, as a test's recorder, leaves the read waiting for its own deadline.
		_ = http.NewResponseController(w).SetReadDeadline(time.Now())
	})
	defer b.end(a)
	from := http.MaxBytesReader(w, req.Body, limit)
	size := int64(firstRead)
	if req.ContentLength >= 0 {
		size = min(size, req.ContentLength+1) // one more, to see the end without growing
	}
	body := make([]byte, 0, size)
	for {
		if len(body) == cap(body) {
			body = append(body, 0)[:len(body)]
		}
		n, err := from.Read(body[len(body):cap(body)])
		body = body[:len(body)+n]
		if !b.grow(a, int64(n)) {
			return nil, hangUp(busy("too many requests at once"))
		}
		if errors.Is(err, io.EOF) {
			return body, nil
		}
		if err != nil {
			return nil, b.broken(err, limit)
		}
	}
}

func (b *budget) tooLarge(limit int64) *refusal {
	return hangUp(refuse(http.StatusRequestEntityTooLarge, fmt.Sprintf("the body is larger than %d bytes", limit), b.large))
}

// busy asks to try again soon: Zabbix does after ten seconds by itself.
func busy(text string) *refusal {
	r := refuse(http.StatusTooManyRequests, text, "try again")
	r.retryAfter = 2 * time.Second
	return r
}

func (b *budget) broken(err error, limit int64) *refusal {
	if errors.As(err, new(*http.MaxBytesError)) {
		return b.tooLarge(limit)
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return hangUp(refuse(http.StatusRequestTimeout, "the body didn't arrive in time", ""))
	}
	return hangUp(refuse(http.StatusBadRequest, "the body ended early", ""))
}
