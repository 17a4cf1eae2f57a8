package webex

import (
	"cmp"
	"errors"
	"io"
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
func (c *Client) refusal(op string, resp *http.Response) error {
	body, _ := io.ReadAll(io.LimitReader(resp.Body, maxErrorBytes)) // a part of it is enough
	answer := parseError(body)
	header := c.trackingID(resp.Header)
	e := &Error{
		Op:         op,
		Status:     resp.StatusCode,
		Message:    bounded(c.redact(answer.reason())),
		TrackingID: cmp.Or(header, bounded(c.redact(text.Line(answer.TrackingID)))),
		RetryAfter: retryAfter(resp, time.Now()),
		Foreign:    !ownError(resp.StatusCode, header != "", answer),
	}
	// A gateway that lost its upstream can't say whether Webex got the request, and neither
	// can anything else on the way: a filter may block the answer instead of the request.
	e.Unanswered = e.Foreign || resp.StatusCode == http.StatusBadGateway || resp.StatusCode == http.StatusGatewayTimeout
	switch {
	case e.Foreign:
		e.Message, e.Hint = c.looksLike(resp, body), foreignHint
	case e.Message == "":
		e.Message = http.StatusText(resp.StatusCode)
	}
	if e.Class() == Unauthorized {
		e.Hint = c.tokenHint()
	}
	return e
}

// trackingID is the answer's header; Get ignores case.
func (c *Client) trackingID(h http.Header) string {
	return bounded(c.redact(text.Line(h.Get("Trackingid"))))
}

// retryAfter is how long the answer asks the bot to wait; 0 for a status that asks for none.
func retryAfter(resp *http.Response, now time.Time) time.Duration {
	switch resp.StatusCode {
	case http.StatusTooManyRequests, http.StatusLocked, http.StatusServiceUnavailable:
	default:
		return 0
	}
	if wait, ok := httpclient.RetryAfter(resp.Header, now, maxRetryAfter); ok {
		return max(wait, time.Second)
	}
	if resp.StatusCode == http.StatusTooManyRequests {
		return defaultRetryAfter
	}
	return 0
}

func bounded(s string) string { return text.ShortenBytes(s, maxReasonBytes) }

func (c *Client) redacted(err error) error {
	if text := err.Error(); c.redact(text) != text {
		return errors.New(c.redact(text))
	}
	return err
}
