package httpclient

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const secret = "0123456789abcdef0123456789abcdef"

func client(t *testing.T, handler http.HandlerFunc) (*Client, string) {
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return NewClient(ClientOptions{Transport: transport, Timeout: time.Minute, MaxAnswer: 1 << 20, Token: newToken()}), server.URL
}

func newToken() *Token { return NewToken("the token", secret, "", nil, nil) }

func TestACallHasTheTokenAndTheVersion(t *testing.T) {
	var got http.Header
	c, url := client(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got = r.Header.Clone()
		_, _ = io.WriteString(w, r.Method+" "+r.URL.Path+" "+string(body))
	})
	answer, err := c.Do(t.Context(), Call{Method: "PUT", URL: url + "/x", Bearer: secret, ContentType: "text/plain", Body: []byte("hello")})
	require.NoError(t, err)
	require.True(t, answer.OK())
	require.Equal(t, "PUT /x hello", string(answer.Body))
	require.Equal(t, "Bearer "+secret, got.Get("Authorization"))
	require.Equal(t, "alert-relay/dev", got.Get("User-Agent"))
	require.Equal(t, "text/plain", got.Get("Content-Type"))

	_, err = c.Do(t.Context(), Call{Method: "GET", URL: url})
	require.NoError(t, err)
	require.Empty(t, got["Authorization"])
	require.Empty(t, got["Content-Type"])
}

// The token goes to the configured host only.
func TestRedirectsAreNotFollowed(t *testing.T) {
	calls := 0
	c, url := client(t, func(w http.ResponseWriter, r *http.Request) {
		calls++
		http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
	})
	answer, err := c.Do(t.Context(), Call{Method: "POST", URL: url, Bearer: secret})
	require.NoError(t, err)
	require.Equal(t, http.StatusTemporaryRedirect, answer.Status)
	require.Equal(t, 1, calls)
}

func TestAnswersAreReadToALimit(t *testing.T) {
	status := http.StatusOK
	c, url := client(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, strings.Repeat("x", 1<<20+1))
	})
	_, err := c.Do(t.Context(), Call{Method: "GET", URL: url})
	require.EqualError(t, err, "the answer is longer than 1 MiB")
	status = http.StatusBadGateway
	answer, err := c.Do(t.Context(), Call{Method: "GET", URL: url})
	require.NoError(t, err)
	require.Len(t, answer.Body, maxErrorBytes)
}

type transportFunc func(*http.Request) (*http.Response, error)

func (f transportFunc) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// Sent is false only if the request certainly didn't arrive.
func TestSent(t *testing.T) {
	failed := func(c *Client, url string) *Error {
		_, err := c.Do(t.Context(), Call{Method: "POST", URL: url, Body: []byte("x")})
		var e *Error
		require.ErrorAs(t, err, &e)
		return e
	}
	c, url := client(t, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	require.True(t, failed(c, url).Sent, "the connection was closed without an answer")
	c, url = client(t, func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Length", "9") })
	e := failed(c, url)
	require.True(t, e.Sent)
	require.Equal(t, "the answer broke off", e.What)

	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, l.Close())
	require.False(t, failed(c, "http://"+l.Addr().String()).Sent, "nobody listens")
	tls := httptest.NewUnstartedServer(nil)
	tls.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	tls.StartTLS()
	defer tls.Close()
	require.False(t, failed(c, tls.URL).Sent, "the certificate isn't trusted")

	for cause, sent := range map[error]bool{io.ErrUnexpectedEOF: true, &net.OpError{Op: "dial", Err: errors.New("refused")}: false, context.DeadlineExceeded: true} {
		c := NewClient(ClientOptions{Token: newToken(), Timeout: time.Minute, Transport: transportFunc(func(*http.Request) (*http.Response, error) { return nil, cause })})
		e := failed(c, "http://x")
		require.Equal(t, sent, e.Sent, "a RoundTripper without traces: %v", cause)
		require.ErrorIs(t, e, cause)
		require.Equal(t, cause == context.DeadlineExceeded, e.What == "no answer in time")
	}
}

// Neither an address, which may hold a password, nor the token gets into an error.
func TestErrorsShowNoSecret(t *testing.T) {
	c := NewClient(ClientOptions{Token: newToken(), Timeout: time.Minute, Transport: transportFunc(func(r *http.Request) (*http.Response, error) {
		return nil, errors.New("malformed status line: " + r.Header.Get("Authorization"))
	})})
	_, err := c.Do(t.Context(), Call{Method: "GET", URL: "http://user:hunter2@x/", Bearer: secret})
	require.EqualError(t, err, "no answer: malformed status line: Bearer [token]")
	_, err = c.Do(t.Context(), Call{Method: "GET", URL: "http://user:hunter2@x:y/"})
	require.ErrorContains(t, err, "cannot make the request")
	require.NotContains(t, err.Error(), "hunter2")
}

func TestGlimpse(t *testing.T) {
	c := NewClient(ClientOptions{Token: newToken()})
	glimpse := func(kind, body string) string {
		return c.Glimpse(Answer{Header: http.Header{"Content-Type": {kind}}, Body: []byte(body)})
	}
	require.Equal(t, `text/html "Log in"`, glimpse("text/html; charset=utf-8", "<title>Log\n in</title>"))
	require.Equal(t, `without text`, glimpse("", ""))
	require.Equal(t, `text/plain "`+strings.Repeat("x", 117)+`…"`, glimpse("text/plain", strings.Repeat("x", 500)))
	for _, page := range []string{
		"Bearer " + secret + " refused", "<title>" + secret + "</title>", "<p>" + secret + "</p>", `{"echo":"` + secret + `"}`,
		"\uFEFF" + secret, "<b>x</b>&quot;" + secret + "&quot;", strings.Repeat("x", 110) + secret,
	} {
		require.NotContains(t, glimpse("text/html", page), secret[:12], page)
	}
}

// A large upload has more time.
func TestUploadsHaveMoreTime(t *testing.T) {
	var left time.Duration
	c := NewClient(ClientOptions{Token: newToken(), Timeout: time.Hour, Transport: transportFunc(func(r *http.Request) (*http.Response, error) {
		deadline, _ := r.Context().Deadline()
		left = time.Until(deadline)
		return nil, io.EOF
	})})
	_, err := c.Do(t.Context(), Call{Method: "POST", URL: "http://x", Body: make([]byte, 1000*uploadRate)})
	require.Error(t, err)
	require.Greater(t, left, time.Hour)
}
