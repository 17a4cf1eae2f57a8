package receiver

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"
)

// firstRead is what is set aside for a body before any of it has come: whoever
// only announces a large one must not hold memory.
const firstRead = 64 << 10

// body reads a request's body. release must be called when it isn't needed any
// more; it is never nil.
func (r *Receiver) body(req *http.Request) (body []byte, release func(), refused *refusal) {
	held := int64(0)
	release = func() {
		if held > 0 {
			r.bodies.Release(held)
		}
	}
	if req.ContentLength > MaxBody {
		return nil, release, tooLarge()
	}
	size := int64(firstRead)
	if req.ContentLength >= 0 {
		size = min(size, req.ContentLength+1) // one more, to see the end without growing
	}
	for {
		if !r.bodies.TryAcquire(size - held) {
			return nil, release, busy("too many requests at once")
		}
		held = size
		grown := make([]byte, len(body), size)
		copy(grown, body)
		body = grown
		for len(body) < cap(body) {
			n, err := req.Body.Read(body[len(body):cap(body)])
			body = body[:len(body)+n]
			if errors.Is(err, io.EOF) {
				if len(body) > MaxBody {
					return nil, release, tooLarge()
				}
				return body, release, nil
			}
			if err != nil {
				return nil, release, broken(err)
			}
		}
		if len(body) > MaxBody {
			return nil, release, tooLarge()
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
