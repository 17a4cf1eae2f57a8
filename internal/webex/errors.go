package webex

import (
	"encoding/json"
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
	body, _ := io.ReadAll(io.LimitReader(resp.Body, maxErrorBytes)) // what came of it will do
	reason, id := reasonIn(body)
	if header := trackingID(resp.Header); header != "" {
		id = header
	}
	if reason == "" {
		reason = http.StatusText(resp.StatusCode)
	}
	if resp.StatusCode >= 300 && resp.StatusCode <= 399 {
		reason = "redirected, which isn't followed (is webex.api_url right, or does a proxy want a login?): " + reason
	}
	hint := ""
	if resp.StatusCode == http.StatusUnauthorized {
		hint = c.tokenHint()
	}
	return &Error{
		Op:         op,
		Status:     resp.StatusCode,
		Message:    c.redact(reason),
		Hint:       hint,
		TrackingID: c.redact(text.Line(id)),
		RetryAfter: retryAfter(resp, time.Now()),
		// A gateway that lost its upstream can't say whether that took the request.
		Unanswered: resp.StatusCode == http.StatusBadGateway || resp.StatusCode == http.StatusGatewayTimeout,
	}
}

func trackingID(h http.Header) string { return text.Line(h.Get("Trackingid")) } // Get ignores case

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

// reasonIn finds Webex's words in the body of an error: JSON, HTML or text.
func reasonIn(body []byte) (reason, trackingID string) {
	var answer struct {
		Message string `json:"message"`
		Errors  []struct {
			Description string `json:"description"`
		} `json:"errors"`
		TrackingID string `json:"trackingId"`
	}
	if err := json.Unmarshal(body, &answer); err == nil {
		parts := []string{}
		if m := text.Line(answer.Message); m != "" {
			parts = append(parts, m)
		}
		for _, e := range answer.Errors {
			if d := text.Line(e.Description); d != "" && (len(parts) == 0 || d != parts[0]) {
				parts = append(parts, d)
			}
		}
		return text.ShortenBytes(strings.Join(parts, "; "), maxReasonBytes), answer.TrackingID
	}
	if raw := strings.TrimSpace(string(body)); strings.HasPrefix(raw, "{") || strings.HasPrefix(raw, "[") {
		return text.ShortenBytes(text.Line(raw), maxReasonBytes), ""
	}
	return text.ShortenBytes(text.Line(textOfHTML(string(body))), maxReasonBytes), ""
}

func textOfHTML(page string) string {
	var text strings.Builder
	tokens := html.NewTokenizer(strings.NewReader(page))
	hidden := false
	for {
		switch tokens.Next() {
		case html.ErrorToken:
			return text.String()
		case html.TextToken:
			if !hidden {
				text.Write(tokens.Text())
				text.WriteByte(' ')
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
