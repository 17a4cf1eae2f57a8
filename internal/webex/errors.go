package webex

import (
	"cmp"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/html"

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

// retryAfter is what the answer says, in either of the header's two forms; 0
// where the status asks for no waiting.
func retryAfter(resp *http.Response, now time.Time) time.Duration {
	switch resp.StatusCode {
	case http.StatusTooManyRequests, http.StatusLocked, http.StatusServiceUnavailable:
	default:
		return 0
	}
	value := strings.TrimSpace(resp.Header.Get("Retry-After"))
	if seconds, err := strconv.ParseFloat(value, 64); err == nil && seconds >= 0 {
		if seconds >= maxRetryAfter.Seconds() {
			return maxRetryAfter
		}
		return max(time.Duration(seconds*float64(time.Second)), time.Second)
	}
	if at, err := http.ParseTime(value); err == nil {
		// The answer's own clock is the one that the date was made with.
		if date, err := http.ParseTime(resp.Header.Get("Date")); err == nil {
			now = date
		}
		return min(max(at.Sub(now), time.Second), maxRetryAfter)
	}
	if resp.StatusCode == http.StatusTooManyRequests {
		return defaultRetryAfter
	}
	return 0
}

func bounded(s string) string { return text.ShortenBytes(s, maxReasonBytes) }

func textOfHTML(page string) string {
	var words strings.Builder
	tokens := html.NewTokenizer(strings.NewReader(page))
	hidden := false
	for {
		switch tokens.Next() {
		case html.ErrorToken:
			return words.String()
		case html.TextToken:
			if !hidden {
				words.Write(tokens.Text())
				words.WriteByte(' ')
			}
		case html.StartTagToken:
			name, _ := tokens.TagName()
			hidden = string(name) == "script" || string(name) == "style"
		case html.EndTagToken:
			hidden = false
		}
	}
}

func (c *Client) redacted(err error) error {
	if text := err.Error(); c.redact(text) != text {
		return errors.New(c.redact(text))
	}
	return err
}
