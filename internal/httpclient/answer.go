package httpclient

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/html"

	"nms-alert-relay/internal/text"
)

// RetryAfter returns how long an answer asks the client to wait, by its Retry-After header in either form: seconds, or a date by the
// answer's own clock. The result is between 0 and most; ok is false if the header is missing or invalid.
func RetryAfter(h http.Header, now time.Time, most time.Duration) (wait time.Duration, ok bool) {
	value := strings.TrimSpace(h.Get("Retry-After"))
	if seconds, err := strconv.ParseFloat(value, 64); err == nil && seconds >= 0 {
		if seconds >= most.Seconds() {
			return most, true
		}
		return time.Duration(seconds * float64(time.Second)), true
	}
	at, err := http.ParseTime(value)
	if err != nil {
		return 0, false
	}
	if date, err := http.ParseTime(h.Get("Date")); err == nil {
		now = date
	}
	return min(max(at.Sub(now), 0), most), true
}

// PageText returns the text of an unexpected body in one line: HTML without markup, anything else as it is.
func PageText(body []byte) string {
	raw := strings.TrimSpace(string(body))
	if strings.HasPrefix(raw, "{") || strings.HasPrefix(raw, "[") {
		return text.Line(raw)
	}
	var words strings.Builder
	tokens := html.NewTokenizer(strings.NewReader(raw))
	hidden := false
	for {
		switch tokens.Next() {
		case html.ErrorToken:
			return text.Line(words.String())
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
