package receiver

import (
	"encoding/json"
	"fmt"
	"html"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"

	"nms-alert-relay/internal/fault"
)

// refusal is the answer to a request that the receiver doesn't accept.
type refusal struct {
	status     int
	faults     fault.Faults // one, unless status is 400
	time       int64        // the relay's clock in Unix seconds, if the answer has it
	retryAfter time.Duration
	cause      error  // for the log only
	reason     string // a fixed word, by which log lines are limited
	hangUp     bool   // the rest of the request isn't read
}

// refuse makes a refusal with a fixed text.
func refuse(status int, what, hint string) *refusal {
	return &refusal{status: status, faults: fault.Faults{{What: what, Hint: hint}}, reason: what}
}

// invalid makes the refusal of a request with the given mistakes.
func invalid(faults fault.Faults) *refusal {
	return &refusal{status: http.StatusBadRequest, faults: faults, reason: "faults"}
}

// body is the JSON form: a 400 lists the faults, any other status has one error.
func (r *refusal) body() any {
	if r.status == http.StatusBadRequest {
		return struct {
			Faults fault.Faults `json:"faults"`
		}{r.faults}
	}
	return struct {
		Error string `json:"error"`
		Hint  string `json:"hint,omitempty"`
		Time  int64  `json:"time,omitempty"`
	}{r.faults[0].What, r.faults[0].Hint, r.time}
}

// hangUp makes a refusal end the connection: the server would otherwise wait for a body that nobody wants.
func hangUp(r *refusal) *refusal {
	r.hangUp = true
	return r
}

func (r *refusal) answer(c *gin.Context) {
	if r.retryAfter > 0 {
		c.Header("Retry-After", strconv.Itoa(int(r.retryAfter/time.Second)))
	}
	if r.status == http.StatusUnauthorized {
		c.Header("WWW-Authenticate", "Bearer")
	}
	if r.hangUp {
		c.Header("Connection", "close")
	}
	answer(c, r.status, r.body())
}

// answer writes a body as JSON.
func answer(c *gin.Context, status int, body any) {
	data, err := json.Marshal(body)
	if err != nil {
		panic(err) // our own types of texts and numbers
	}
	write(c, status, data)
}

var jsonType = []string{"application/json; charset=utf-8"}

func write(c *gin.Context, status int, data []byte) {
	c.Writer.Header()["Content-Type"] = jsonType
	c.Writer.WriteHeader(status)
	_, _ = c.Writer.Write(data) // a client that is gone can't be told
}

// redirect sends a browser on, with a link for those that don't follow to an
// address of an app by themselves.
func redirect(c *gin.Context, address string) {
	c.Header("Location", address)
	c.Data(http.StatusFound, "text/html; charset=utf-8", fmt.Appendf(nil,
		"<!doctype html><title>To Webex</title><p><a href=\"%s\">Open the message in Webex</a>\n", html.EscapeString(address)))
}

// appendJSON appends a text as a JSON string.
func appendJSON(b []byte, text string) []byte {
	for i := range len(text) {
		if ch := text[i]; ch < ' ' || ch > '~' || ch == '"' || ch == '\\' {
			quoted, err := json.Marshal(text)
			if err != nil {
				panic(err) // no string fails
			}
			return append(b, quoted...)
		}
	}
	b = append(b, '"')
	b = append(b, text...)
	return append(b, '"')
}

// serve wraps a handler with what all have: metrics, the access log, and an answer
// when it panics.
func (r *Receiver) serve(e Endpoint, handle gin.HandlerFunc) gin.HandlerFunc {
	requests := r.opts.Metrics.requests[e]
	return func(c *gin.Context) {
		defer func() {
			if cause := recover(); cause != nil {
				if cause == http.ErrAbortHandler { //nolint:errorlint // it is compared by identity, as net/http does
					panic(cause)
				}
				r.opts.Metrics.panics.Inc()
				r.refused.Log(slog.LevelError, "panic "+e.String(), "a request made the relay panic: please report this", "endpoint", e, "fault", cause, "stack", string(debug.Stack()))
				if !c.Writer.Written() {
					refuse(http.StatusInternalServerError, "the relay failed to handle this: its log says more", "").answer(c)
				}
			}
			status := c.Writer.Status()
			if class := status/100 - 1; class >= 0 && class < len(requests) {
				requests[class].Inc()
			}
			if r.opts.Log.Enabled(c.Request.Context(), levelAccess) {
				r.opts.Log.Log(c.Request.Context(), levelAccess, "request", "method", c.Request.Method, "path", c.Request.URL.Path,
					"status", status, "from", c.Request.RemoteAddr)
			}
		}()
		handle(c)
	}
}
