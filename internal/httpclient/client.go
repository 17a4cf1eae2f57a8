package httpclient

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"nms-alert-relay/internal/text"
)

const (
	// uploadRate is the slowest upload that doesn't time out, in bytes per second.
	uploadRate = 256 << 10
	// maxErrorBytes is how much is read of an answer that isn't 2xx.
	maxErrorBytes = 64 << 10
)

// ClientOptions configure a Client.
type ClientOptions struct {
	Transport http.RoundTripper // nil for the default
	Timeout   time.Duration     // of one call; an upload gets a second more per 256 KiB
	MaxAnswer int64             // bytes of a 2xx answer
	Version   string            // of the relay, for User-Agent; "dev" by default
	Token     *Token            // removed from errors
	Headers   http.Header       // sent with every call; their values are removed from errors too
	// Username and Password are for a web server or proxy before the neighbour. With them Bearer can't be used: both need Authorization.
	Username, Password string
}

// Client makes the calls to one neighbour. It never retries: the caller decides that by the error. It follows no redirect: the token
// goes to the configured host only, and a redirected POST would arrive as a GET. It is safe for concurrent use.
type Client struct {
	opts ClientOptions
	http http.Client
}

// NewClient makes a client.
func NewClient(o ClientOptions) *Client {
	if o.Version == "" {
		o.Version = "dev"
	}
	return &Client{opts: o, http: http.Client{
		Transport:     o.Transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// Call is one request.
type Call struct {
	Method, URL string
	Bearer      string // sent as Authorization, unless it is empty
	ContentType string // of Body
	Body        []byte // nil for none
	Headers     http.Header
	Timeout     time.Duration // 0 for the client's
}

// Answer is what came back, with any status.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte // the beginning only, if the status isn't 2xx
}

// OK reports whether the status is 2xx.
func (a Answer) OK() bool { return a.Status/100 == 2 }

// Error is a call without a complete answer.
type Error struct {
	What string // "no answer in time"
	// Sent says that the neighbour may have received the request: repeating the call may do the same thing twice.
	Sent bool
	Err  error // the cause, without addresses and tokens; nil for none
}

func (e *Error) Error() string {
	if e.Err == nil {
		return e.What
	}
	return e.What + ": " + e.Err.Error()
}

func (e *Error) Unwrap() error { return e.Err }

// Do makes a call. Any complete answer is returned, whatever its status; the error is an *Error.
func (c *Client) Do(ctx context.Context, call Call) (Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(call.Timeout, c.opts.Timeout)+time.Duration(len(call.Body)/uploadRate)*time.Second)
	defer cancel()
	var sent sentTrace
	var body io.Reader
	if call.Body != nil {
		body = bytes.NewReader(call.Body)
	}
	req, err := http.NewRequestWithContext(sent.trace(ctx), call.Method, call.URL, body)
	if err != nil {
		return Answer{}, &Error{What: "cannot make the request", Err: c.clean(err)}
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "alert-relay/"+c.opts.Version)
	for name, values := range c.opts.Headers {
		req.Header[name] = values
	}
	for name, values := range call.Headers {
		req.Header[name] = values
	}
	if c.opts.Username != "" {
		req.SetBasicAuth(c.opts.Username, c.opts.Password)
	}
	if call.Bearer != "" {
		req.Header.Set("Authorization", "Bearer "+call.Bearer)
	}
	if call.ContentType != "" {
		req.Header.Set("Content-Type", call.ContentType)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		what := "no answer"
		if errors.Is(err, context.DeadlineExceeded) {
			what = "no answer in time"
		}
		return Answer{}, &Error{What: what, Sent: sent.maybe(err), Err: c.clean(err)}
	}
	defer resp.Body.Close()
	answer := Answer{Status: resp.StatusCode, Header: resp.Header}
	if !answer.OK() {
		answer.Body, _ = io.ReadAll(io.LimitReader(resp.Body, maxErrorBytes)) // the beginning is enough
		return answer, nil
	}
	answer.Body, err = io.ReadAll(io.LimitReader(resp.Body, c.opts.MaxAnswer+1))
	switch {
	case err != nil:
		return answer, &Error{What: "the answer broke off", Sent: true, Err: c.clean(err)}
	case int64(len(answer.Body)) > c.opts.MaxAnswer:
		return answer, &Error{What: fmt.Sprintf("the answer is longer than %d MiB", c.opts.MaxAnswer>>20), Sent: true}
	}
	return answer, nil
}

// clean removes what an error must not show: the address, which net/http repeats and which may hold a password, and the token.
func (c *Client) clean(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	if s := err.Error(); c.Redact(s) != s {
		return errors.New(c.Redact(s))
	}
	return err
}

// Redact removes the token, the password and the headers' values from a text that comes from outside.
func (c *Client) Redact(s string) string {
	s = c.opts.Token.Redact(s)
	hide := func(value, name string) {
		if len(value) >= 4 { // shorter ones would garble words
			s = strings.ReplaceAll(s, value, name)
		}
	}
	for _, values := range c.opts.Headers {
		for _, v := range values {
			hide(v, "[header]")
		}
	}
	if c.opts.Username != "" {
		hide(base64.StdEncoding.EncodeToString([]byte(c.opts.Username+":"+c.opts.Password)), "[password]")
	}
	hide(c.opts.Password, "[password]")
	return s
}

// Glimpse describes an answer that isn't the neighbour's in a few words: its media type and the beginning of its text.
func (c *Client) Glimpse(a Answer) string {
	const most = 120 // bytes each
	kind, _, err := mime.ParseMediaType(a.Header.Get("Content-Type"))
	if err != nil {
		kind = ""
	}
	what := "without text"
	if words := text.ShortenBytes(c.Redact(PageText(a.Body[:min(len(a.Body), maxErrorBytes)])), most); words != "" {
		what = strconv.Quote(words)
	}
	return strings.TrimSpace(text.ShortenBytes(text.Line(kind), most) + " " + what)
}

// sentTrace finds out whether a request may have reached the neighbour. The transport asks for a connection once per attempt, and
// repeats a request that changes something only if it knows that nothing of it was sent.
type sentTrace struct{ traced, connected atomic.Bool }

func (s *sentTrace) trace(ctx context.Context) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GetConn: func(string) { s.traced.Store(true); s.connected.Store(false) },
		GotConn: func(httptrace.GotConnInfo) { s.connected.Store(true) },
	})
}

func (s *sentTrace) maybe(err error) bool {
	if s.traced.Load() {
		return s.connected.Load()
	}
	// A RoundTripper that ignores traces: only a failed dial certainly sent nothing.
	var op *net.OpError
	return !(errors.As(err, &op) && op.Op == "dial")
}

// Plain returns an HTTP client with the same transport, without a timeout, and following no redirect either: for connections that stay
// open.
func (c *Client) Plain() *http.Client {
	plain := c.http
	return &plain
}
