package webex

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"time"

	"nms-alert-relay/internal/httpclient"
	"nms-alert-relay/internal/text"
)

const (
	// defaultRetryAfter is the wait after a 429 without Retry-After.
	defaultRetryAfter = 10 * time.Second
	// maxRetryAfter bounds the wait that a faulty answer can impose on a bot. Users have reported up to an hour.
	maxRetryAfter  = 24 * time.Hour
	maxReasonBytes = 400
)

// Class is the consequence of a failed call for the caller.
type Class int

const (
	// Temporary: the network, a timeout, 5xx, 423, and any answer that isn't Webex's own (Error.Foreign). Retry with backoff.
	Temporary Class = iota + 1
	// RateLimited is 429: make no call before Error.RetryAfter is over.
	RateLimited
	// Unauthorized is 401: the token is invalid. Alert somebody, and slow down.
	Unauthorized
	// NotFound is 404 and 410: the room, message or person is gone, or the bot isn't in it.
	NotFound
	// Conflict is 409: it exists already.
	Conflict
	// Forbidden is 403: the bot may not do this in this room.
	Forbidden
	// Refused is any other 4xx: the same call can't succeed.
	Refused
)

// Error is a call that failed.
type Error struct {
	Op         string        // "POST /messages"
	Status     int           // HTTP status; 0 if there was no answer. Decide by Class, not by this.
	Message    string        // Webex's reason, or what went wrong on the way
	Hint       string        // the remedy, if it is known
	TrackingID string        // for Webex's support
	RetryAfter time.Duration // of a 429 (10 s without a header), or of a 423 or 503 with the header; at most a day
	// Unanswered says that the call may have had its effect: the request was sent, and Webex's answer didn't arrive.
	// Repeating the call may do it twice.
	Unanswered bool
	// Foreign says that something between the relay and Webex answered: a proxy, a firewall, a login page. Such an answer is never
	// final, whatever its status.
	Foreign bool
	Err     error // the cause if there was no answer
}

func (e *Error) Error() string {
	text := "webex: " + e.Op + ": "
	if e.Status != 0 {
		text += fmt.Sprintf("%d ", e.Status)
	}
	text += e.Message
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	if e.Hint != "" {
		text += " (" + e.Hint + ")"
	}
	if e.TrackingID != "" {
		text += " (tracking id " + e.TrackingID + ")"
	}
	return text
}

func (e *Error) Unwrap() error { return e.Err }

// Class classifies the error.
func (e *Error) Class() Class {
	switch {
	case e.Status == 429: // from anywhere: waiting does no harm
		return RateLimited
	case e.Foreign:
		return Temporary
	case e.Status == 401:
		return Unauthorized
	case e.Status == 404 || e.Status == 410:
		return NotFound
	case e.Status == 409:
		return Conflict
	case e.Status == 403:
		return Forbidden
	case e.Status < 400 || e.Status >= 500 || e.Status == 407 || e.Status == 408 || e.Status == 423:
		return Temporary
	}
	return Refused
}

// ClassOf returns the class of an error; one that isn't an *Error is Temporary.
func ClassOf(err error) Class {
	var e *Error
	if errors.As(err, &e) {
		return e.Class()
	}
	return Temporary
}

// ErrorOf returns the *Error in err, or the zero value if there is none.
func ErrorOf(err error) Error {
	if e := (*Error)(nil); errors.As(err, &e) {
		return *e
	}
	return Error{}
}

// refusal returns the error of an answer that isn't 2xx.
func (c *Client) refusal(op string, a httpclient.Answer) error {
	answer := parseError(a.Body)
	header := c.trackingID(a.Header)
	e := &Error{
		Op:         op,
		Status:     a.Status,
		Message:    bounded(c.token.Redact(answer.reason())),
		TrackingID: cmp.Or(header, bounded(c.token.Redact(text.Line(answer.TrackingID)))),
		RetryAfter: retryAfter(a, time.Now()),
		Foreign:    !ownError(a.Status, header != "", answer),
	}
	// A gateway that lost its upstream can't know whether Webex received the request. Neither can anything else on the way: a
	// filter may block the answer instead of the request.
	e.Unanswered = e.Foreign || a.Status == http.StatusBadGateway || a.Status == http.StatusGatewayTimeout
	switch {
	case e.Foreign:
		e.Message, e.Hint = c.describeForeign(a), foreignHint
	case e.Message == "":
		e.Message = http.StatusText(a.Status)
	}
	if e.Class() == Unauthorized {
		e.Hint = "the token isn't valid: make a new one for the same bot on Webex's developer site" + c.token.Hint()
	}
	return e
}

// trackingID returns the tracking id in an answer's header; Get ignores case.
func (c *Client) trackingID(h http.Header) string {
	return bounded(c.token.Redact(text.Line(h.Get("Trackingid"))))
}

// retryAfter returns how long the answer asks the bot to wait; 0 for a status that asks for no wait.
func retryAfter(a httpclient.Answer, now time.Time) time.Duration {
	switch a.Status {
	case http.StatusTooManyRequests, http.StatusLocked, http.StatusServiceUnavailable:
	default:
		return 0
	}
	if wait, ok := httpclient.RetryAfter(a.Header, now, maxRetryAfter); ok {
		return max(wait, time.Second)
	}
	if a.Status == http.StatusTooManyRequests {
		return defaultRetryAfter
	}
	return 0
}

func bounded(s string) string { return text.ShortenBytes(s, maxReasonBytes) }
