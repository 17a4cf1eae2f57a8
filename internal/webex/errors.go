package webex

import (
	"cmp"
	"net/http"
	"time"

	"nms-alert-relay/internal/httpclient"
	"nms-alert-relay/internal/text"
)

const (
	// defaultRetryAfter is how long to wait after a 429 that doesn't say.
	defaultRetryAfter = 10 * time.Second
	// maxRetryAfter bounds what a faulty answer can make a bot wait. Users have
	// reported up to an hour.
	maxRetryAfter  = 24 * time.Hour
	maxReasonBytes = 400
)

// refusal makes the error of an answer that isn't 2xx.
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
	// A gateway that lost its upstream can't say whether Webex got the request, and neither
	// can anything else on the way: a filter may block the answer instead of the request.
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

// trackingID is the answer's header; Get ignores case.
func (c *Client) trackingID(h http.Header) string {
	return bounded(c.token.Redact(text.Line(h.Get("Trackingid"))))
}

// retryAfter is how long the answer asks the bot to wait; 0 for a status that asks for none.
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
