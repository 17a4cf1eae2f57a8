package httpclient

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Retry-After is read in both forms and is bounded.
func TestRetryAfter(t *testing.T) {
	const most = 10 * time.Minute
	now := time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	for value, want := range map[string]time.Duration{
		"0": 0, "7": 7 * time.Second, " 90 ": 90 * time.Second, "1.5": 1500 * time.Millisecond, "99999999999": most, "86400": most, "Inf": most,
		now.Add(time.Minute).Format(http.TimeFormat): time.Minute, now.Add(-time.Minute).Format(http.TimeFormat): 0, "Wed, 29 Nov 2100 12:00:00 GMT": most,
	} {
		wait, ok := RetryAfter(http.Header{"Retry-After": {value}}, now, most)
		require.True(t, ok, value)
		require.Equal(t, want, wait, value)
	}
	for _, value := range []string{"", "-5", "abc", "NaN", "1 minute"} {
		wait, ok := RetryAfter(http.Header{"Retry-After": {value}}, now, most)
		require.False(t, ok, value)
		require.Zero(t, wait, value)
	}
	// A date is relative to the clock of the server.
	own := http.Header{"Retry-After": {now.Add(time.Minute).Format(http.TimeFormat)}, "Date": {now.Add(30 * time.Second).Format(http.TimeFormat)}}
	wait, _ := RetryAfter(own, now.Add(-time.Hour), most)
	require.Equal(t, 30*time.Second, wait)
}

func TestPageText(t *testing.T) {
	for body, want := range map[string]string{
		"<html><head><style>b{}</style><title>Sign in</title></head><body><script>x()</script><h1>Please</h1>\n log&nbsp;in</body>": "Sign in Please log in",
		` {"error": "<b>denied</b>"} `: `{"error": "<b>denied</b>"}`,
		"[1]":                          "[1]",
		"plain\r\n\x1b[31mwords":       "plain [31mwords",
		"\uFEFF&lt;b&gt; a < b":        "<b> a < b",
		"<script>never closed":         "",
		"\xff":                         "\uFFFD",
		"":                             "",
	} {
		require.Equal(t, want, PageText([]byte(body)), body)
	}
}
