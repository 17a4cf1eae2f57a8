package receiver

import (
	"container/list"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/gin-gonic/gin"
	"golang.org/x/time/rate"

	"nms-alert-relay/internal/logging"
)

// Limits on the bytes of all bodies of one kind that are still arriving.
const (
	eventBudget = 32 << 20
	otherBudget = 8 << 20
	fileBudget  = 128 << 20 // messages with a file
	firstRead   = 4 << 10   // most events fit
)

// budget bounds the bytes of bodies that are still arriving. When it is spent, the oldest body is aborted: slow senders evict each
// other, and a sender that sends its body at once always succeeds. Bytes count as they arrive, not as they are announced.
type budget struct {
	limit int64

	mu       sync.Mutex
	used     int64
	arriving list.List // of *arrival, the oldest in front
}

// arrival is one body that is being read.
type arrival struct {
	size    int64
	evicted bool
	abort   func() // ends a blocked read
	place   *list.Element
}

// Limits are those that all receivers of a process share, so that a reload, which makes a new receiver, doesn't double them.
type Limits struct {
	events, notices, files, hooks *budget // bodies
	senders                       senderRates
	refused                       *logging.Limited
}

// NewLimits makes the limits of a process. log gets one line a minute for each reason to refuse a request.
func NewLimits(log *slog.Logger) *Limits {
	return &Limits{
		events: newBudget(eventBudget), notices: newBudget(otherBudget), files: newBudget(fileBudget), hooks: newBudget(otherBudget),
		senders: senderRates{buckets: map[string]*rate.Limiter{}}, refused: logging.NewLimited(log, time.Minute),
	}
}

func newBudget(limit int64) *budget { return &budget{limit: limit} }

func (b *budget) begin(abort func()) *arrival {
	b.mu.Lock()
	defer b.mu.Unlock()
	a := &arrival{abort: abort}
	a.place = b.arriving.PushBack(a)
	return a
}

// grow counts n more bytes of a body. It returns false if the body has been evicted.
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

// end releases a body's bytes.
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

// read reads a request's body of at most limit bytes; hint says what to do about a larger one.
func (b *budget) read(c *gin.Context, limit int64, hint string) ([]byte, *refusal) {
	tooLarge := hangUp(refuse(http.StatusRequestEntityTooLarge, fmt.Sprintf("the body is larger than %d bytes", limit), hint))
	if c.Request.ContentLength > limit {
		return nil, tooLarge
	}
	a := b.begin(func() {
		// If the writer can't do it, like a test's recorder, the read waits for its own deadline.
		_ = http.NewResponseController(c.Writer).SetReadDeadline(time.Now())
	})
	defer b.end(a)
	from := http.MaxBytesReader(c.Writer, c.Request.Body, limit)
	size := int64(firstRead)
	if c.Request.ContentLength >= 0 {
		size = min(size, c.Request.ContentLength+1) // one more, to see the end without growing
	}
	body := make([]byte, 0, size)
	for {
		if len(body) == cap(body) {
			body = append(body, 0)[:len(body)]
		}
		n, err := from.Read(body[len(body):cap(body)])
		body = body[:len(body)+n]
		switch {
		case !b.grow(a, int64(n)):
			return nil, hangUp(busy("too many requests at once"))
		case err == nil:
		case errors.Is(err, io.EOF):
			return body, nil
		case errors.As(err, new(*http.MaxBytesError)):
			return nil, tooLarge
		case errors.Is(err, os.ErrDeadlineExceeded):
			return nil, hangUp(refuse(http.StatusRequestTimeout, "the body didn't arrive in time", ""))
		default:
			return nil, hangUp(refuse(http.StatusBadRequest, "the body ended early", ""))
		}
	}
}
