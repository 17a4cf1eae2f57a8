package webex

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"nms-alert-relay/internal/httpclient"
)

const (
	defaultTimeout = 30 * time.Second
	// uploadRate is how slow an upload may be before its time runs out.
	uploadRate = 256 << 10 // bytes a second
	// maxAnswerBytes bounds what is read of one answer; a page of a hundred
	// messages of the greatest length is below 2 MiB.
	maxAnswerBytes = 16 << 20
	maxErrorBytes  = 64 << 10
)

// Options make a Client.
type Options struct {
	BaseURL string // "https://webexapis.com/v1"
	Token   string
	// TokenFrom says where the token is kept, for errors: "file /run/secrets/webex-token".
	TokenFrom string
	// Renew reads the token again from there. It is asked before each call for as long
	// as Webex refuses the one in use; nil where a token doesn't change.
	Renew     func() (string, error)
	Version   string            // of the relay, for User-Agent; "dev" by default
	Transport http.RoundTripper // proxy and CA; nil for the default
	Timeout   time.Duration     // of one call, 30 s by default; an upload gets a second more for each 256 KiB
	Log       *slog.Logger      // calls at debug level; nil for none
	// Observe is told of every call when it ends: for metrics. status is 0 where there was no answer.
	// op is one of Ops.
	Observe func(op string, status int, took time.Duration)
	// Foreign is called for every answer that wasn't Webex's own (Error.Foreign): for metrics.
	Foreign func(op string)
}

// Ops are the names of all calls that a Client makes, as Error.Op and Observe have them.
var Ops = []string{
	"POST /messages", "PUT /messages/{id}", "DELETE /messages/{id}", "GET /messages/{id}", "GET /messages",
	"GET /people/me", "GET /people/{id}", "GET /people",
	"GET /rooms", "GET /rooms/{id}", "POST /rooms",
	"GET /memberships", "POST /memberships", "DELETE /memberships/{id}",
	"GET /webhooks", "POST /webhooks", "PUT /webhooks/{id}", "DELETE /webhooks/{id}",
	"GET /attachment/actions/{id}",
}

// Client calls the Webex REST API as one bot. It never retries by itself:
// whoever calls it decides, by the error's Class. Every method returns an *Error
// where Webex, or the way to it, failed. It follows no redirects: the token goes
// to the configured host and nowhere else. It is safe for concurrent use.
type Client struct {
	opts  Options
	base  *url.URL // nil where BaseURL is no URL: every call says so
	http  *http.Client
	token *httpclient.Token
	way   way
}

// New makes a client. A BaseURL that isn't one is told by every call.
func New(opts Options) *Client {
	if opts.Timeout <= 0 {
		opts.Timeout = defaultTimeout
	}
	if opts.Version == "" {
		opts.Version = "dev"
	}
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	if opts.Observe == nil {
		opts.Observe = func(string, int, time.Duration) {}
	}
	if opts.Foreign == nil {
		opts.Foreign = func(string) {}
	}
	c := &Client{opts: opts, token: httpclient.NewToken("the bot's token", opts.Token, opts.TokenFrom, opts.Renew, opts.Log), http: &http.Client{
		Transport:     opts.Transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	base, err := url.Parse(strings.TrimRight(opts.BaseURL, "/"))
	if err == nil && (base.Scheme == "http" || base.Scheme == "https") && base.Host != "" {
		c.base = base
	}
	return c
}

// call is one request and where its answer goes.
type call struct {
	op    string // of Ops
	path  []string
	query url.Values
	url   string // a page's next link, instead of path and query
	body  []byte
	ctype string // of body
	want  shape
	into  any // decoded from JSON; nil for shapeNothing
}

func jsonCall(op string, in, into any, path ...string) (call, error) {
	body, err := json.Marshal(in)
	if err != nil {
		return call{}, &Error{Op: op, Status: http.StatusBadRequest, Message: "not sent: it can't be written as JSON: " + err.Error()}
	}
	return call{op: op, path: path, body: body, ctype: "application/json", into: into}, nil
}

// do makes one call and returns the answer's header.
func (c *Client) do(ctx context.Context, k call) (http.Header, error) {
	timeout := c.opts.Timeout + time.Duration(len(k.body)/uploadRate)*time.Second
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	start := time.Now()
	header, status, err := c.exchange(ctx, k)
	took := time.Since(start)
	c.opts.Observe(k.op, status, took)
	c.judge(ctx, k.op, status, err)
	if err != nil {
		c.opts.Log.DebugContext(ctx, "webex call failed", "op", k.op, "status", status, "took", took, "error", err)
		return header, err
	}
	c.opts.Log.DebugContext(ctx, "webex call", "op", k.op, "status", status, "took", took, "tracking_id", c.trackingID(header))
	return header, nil
}

func (c *Client) exchange(ctx context.Context, k call) (http.Header, int, error) {
	method, _, _ := strings.Cut(k.op, " ")
	target, err := c.target(k)
	if err != nil {
		return nil, 0, err
	}
	var sent sentTrace
	var body io.Reader
	if k.body != nil {
		body = bytes.NewReader(k.body)
	}
	req, err := http.NewRequestWithContext(sent.trace(ctx), method, target, body)
	if err != nil {
		return nil, 0, &Error{Op: k.op, Message: "the request can't be made", Err: bare(err)}
	}
	token := c.token.Now()
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "nms-alert-relay/"+c.opts.Version)
	if k.ctype != "" {
		req.Header.Set("Content-Type", k.ctype)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		message := "no answer"
		if errors.Is(err, context.DeadlineExceeded) {
			message = "no answer in time"
		}
		return nil, 0, &Error{Op: k.op, Message: message, Unanswered: sent.maybe(err), Err: c.redacted(bare(err))}
	}
	defer resp.Body.Close()
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		err = c.refusal(k.op, resp)
	} else {
		err = c.decode(k, resp)
	}
	if !isForeign(err) {
		c.token.Judged(token, err != nil && ClassOf(err) == Unauthorized)
	}
	return resp.Header, resp.StatusCode, err
}

// target is the URL of a call. An empty part of the path would be another
// resource (DELETE /messages/), so it is refused here.
func (c *Client) target(k call) (string, error) {
	if c.base == nil {
		return "", &Error{Op: k.op, Message: "webex.api_url isn't an http(s) URL: want https://webexapis.com/v1"}
	}
	if k.url != "" {
		return k.url, nil
	}
	target := c.base.String()
	for _, part := range k.path {
		if part == "" || part == "." || part == ".." {
			return "", &Error{Op: k.op, Status: http.StatusNotFound, Message: fmt.Sprintf("not sent: %q is no id", part)}
		}
		target += "/" + url.PathEscape(part)
	}
	if len(k.query) > 0 {
		target += "?" + k.query.Encode()
	}
	return target, nil
}

// decode reads a 2xx answer. One that broke off or isn't Webex's is as good as none: Webex
// may have done what was asked, or may never have heard of it.
func (c *Client) decode(k call, resp *http.Response) error {
	tracking := c.trackingID(resp.Header)
	lost := func(what string, err error) *Error {
		return &Error{Op: k.op, Message: what, TrackingID: tracking, Unanswered: true, Err: err}
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswerBytes+1))
	switch {
	case err != nil:
		return lost("the answer broke off", c.redacted(bare(err)))
	case len(body) > maxAnswerBytes:
		return lost(fmt.Sprintf("the answer is longer than %d bytes", maxAnswerBytes), nil)
	case !ownSuccess(k.want, resp.StatusCode, tracking != "", body):
		e := lost(c.looksLike(resp, body), nil)
		e.Status, e.Hint, e.Foreign = resp.StatusCode, foreignHint, true
		return e
	case k.want == shapeNothing:
		return nil
	}
	if err := decode(body, k.into, !strings.HasPrefix(k.op, "GET ")); err != nil {
		return lost("the answer isn't the JSON that was expected", err)
	}
	return nil
}

// sentTrace finds out whether a request may have reached Webex. The transport
// asks for a connection once for each attempt, and repeats a request that
// writes only if it knows that nothing of it was sent.
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
	// A transport that tells nothing: only a failed dial is certain.
	var op *net.OpError
	return !(errors.As(err, &op) && op.Op == "dial")
}

// bare takes off the layer in which net/http repeats the method and the URL:
// Error.Op says it, without ids and addresses.
func bare(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}
