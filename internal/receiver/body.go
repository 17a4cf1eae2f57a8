package receiver

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"sync"
	"time"
)

// firstRead is what is set aside for a body before any of it has come: whoever
// only announces a large one must not hold memory.
const firstRead = 64 << 10

// scratchSize is what most events fit into: they are read into memory that is used again.
const scratchSize = 4 << 10

var scratches = sync.Pool{New: func() any { return new([scratchSize]byte) }}

// body reads a request's body, into scratch where it fits. held is to be given back to
// r.bodies when the body isn't needed any more, whatever became of it.
func (r *Receiver) body(req *http.Request, scratch []byte) (body []byte, held int64, refused *refusal) {
	if req.ContentLength > MaxBody {
		return nil, held, tooLarge()
	}
	size := int64(firstRead)
	if req.ContentLength >= 0 {
		size = min(size, req.ContentLength+1) // one more, to see the end without growing
	}
	if size <= int64(cap(scratch)) {
		size = int64(cap(scratch))
	}
	for {
		if !r.bodies.TryAcquire(size - held) {
			return nil, held, busy("too many requests at once")
		}
		held = size
		grown := scratch
		if size != int64(cap(scratch)) {
			grown = make([]byte, 0, size)
		}
		body = append(grown[:0], body...)
		for len(body) < cap(body) {
			n, err := req.Body.Read(body[len(body):cap(body)])
			body = body[:len(body)+n]
			if errors.Is(err, io.EOF) {
				if len(body) > MaxBody {
					return nil, held, tooLarge()
				}
				return body, held, nil
			}
			if err != nil {
				return nil, held, broken(err)
			}
		}
		if len(body) > MaxBody {
			return nil, held, tooLarge()
		}
		size = min(2*size, MaxBody+1)
	}
}

func tooLarge() *refusal {
	return refuse(http.StatusRequestEntityTooLarge, fmt.Sprintf("the body is larger than %d bytes", MaxBody), "leave out macros that hold item values or history")
}

// busy asks to try again soon: Zabbix does after ten seconds by itself.
func busy(text string) *refusal {
	return &refusal{status: http.StatusTooManyRequests, body: problem{Error: text, Hint: "try again"}, retryAfter: 2 * time.Second}
}

func broken(err error) *refusal {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return refuse(http.StatusRequestTimeout, "the body didn't come in time", "")
	}
	return refuse(http.StatusBadRequest, "the body ended early", "")
}
