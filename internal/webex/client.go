package webex

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"nms-alert-relay/internal/httpclient"
)

const (
	defaultTimeout = 30 * time.Second
	// maxAnswer bounds the bytes that are read of one answer; a page of a hundred messages of the greatest length is below 2 MiB.
	maxAnswer = 16 << 20
)

// Options configure a Client.
type Options struct {
	BaseURL string // "https://webexapis.com/v1"
	Token   string
	// TokenFrom names the place of the token, for errors: "file /run/secrets/webex-token".
	TokenFrom string
	// Renew reads the token again from there. It is called before each call for as long as Webex refuses the current one; nil for
	// a token that can't change.
	Renew     func() (string, error)
	Version   string            // of the relay, for User-Agent
	Transport http.RoundTripper // proxy and CA; nil for the default
	Timeout   time.Duration     // of one call, 30 s by default; an upload gets a second more per 256 KiB
	Log       *slog.Logger      // calls at debug level; nil for none
	Observe   func(Call)        // called after each call, for metrics
}

// Call is a finished call, for metrics.
type Call struct {
	Op      string // one of Ops
	Status  int    // 0 without a complete answer
	Foreign bool   // see Error.Foreign
	Took    time.Duration
}

// Ops are the names of all calls that a Client makes: the values of Error.Op and Call.Op.
var Ops = []string{
	"POST /messages", "PUT /messages/{id}", "DELETE /messages/{id}", "GET /messages/{id}", "GET /messages",
	"GET /people/me", "GET /people/{id}", "GET /people", "GET /rooms", "GET /rooms/{id}", "POST /rooms", "GET /memberships", "POST /memberships", "DELETE /memberships/{id}",
	"GET /webhooks", "POST /webhooks", "PUT /webhooks/{id}", "DELETE /webhooks/{id}",
	"GET /attachment/actions/{id}",
	OpCatalog, OpDevices, OpCreateDevice, OpRefreshDevice, OpDeleteDevice, OpActivity,
}

// Client calls the Webex REST API as one bot. It never retries: the caller decides by the error's Class. Every method returns an
// *Error if the call failed. It is safe for concurrent use.
type Client struct {
	opts   Options                    // of New; what Reconfigure changes is in to
	to     *atomic.Pointer[neighbour] // shared with the clients that Through returns
	token  *httpclient.Token
	outage *outage
	gate   func(ctx context.Context, op string, call func() error) error
}

// neighbour is where a client's calls go, and how.
type neighbour struct {
	base *url.URL // nil if BaseURL is invalid: every call returns that error
	http *httpclient.Client
}

// New makes a client. An invalid BaseURL is an error of every call.
func New(opts Options) *Client {
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	if opts.Observe == nil {
		opts.Observe = func(Call) {}
	}
	c := &Client{opts: opts, outage: &outage{}, to: new(atomic.Pointer[neighbour])}
	c.token = httpclient.NewToken("the bot's token", opts.Token, opts.TokenFrom, opts.Renew, opts.Log)
	c.connect(opts)
	return c
}

// Reconfigure changes address, token, transport and timeout for the calls that begin from now on.
func (c *Client) Reconfigure(o Options) {
	c.token.Replace(o.Token, o.TokenFrom, o.Renew)
	c.connect(o)
}

func (c *Client) connect(o Options) {
	if o.Timeout <= 0 {
		o.Timeout = defaultTimeout
	}
	to := &neighbour{http: httpclient.NewClient(httpclient.ClientOptions{
		Transport: o.Transport, Timeout: o.Timeout, MaxAnswer: maxAnswer, Version: c.opts.Version, Token: c.token,
	})}
	base, err := url.Parse(strings.TrimRight(o.BaseURL, "/"))
	if err == nil && (base.Scheme == "http" || base.Scheme == "https") && base.Host != "" {
		to.base = base
	}
	c.to.Store(to)
}

// Through returns the same client with a gate before each call. The gate runs the call, or returns an error without running it:
// that is how other callers of an account keep to the pauses that Webex asked delivery for.
func (c *Client) Through(gate func(ctx context.Context, op string, call func() error) error) *Client {
	gated := *c
	gated.gate = gate
	return &gated
}

// call is one request and the destination of its answer.
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
		return call{}, &Error{Op: op, Status: http.StatusBadRequest, Message: "not sent: cannot write it as JSON: " + err.Error()}
	}
	return call{op: op, path: path, body: body, ctype: "application/json", into: into}, nil
}

// do makes one call, through the gate if there is one, and returns the answer's header.
func (c *Client) do(ctx context.Context, k call) (header http.Header, err error) {
	if c.gate == nil {
		return c.doNow(ctx, k)
	}
	err = c.gate(ctx, k.op, func() error {
		header, err = c.doNow(ctx, k)
		return err
	})
	return header, err
}

func (c *Client) doNow(ctx context.Context, k call) (http.Header, error) {
	start := time.Now()
	answer, err := c.exchange(ctx, k)
	done := Call{Op: k.op, Status: answer.Status, Foreign: isForeign(err), Took: time.Since(start)}
	c.opts.Observe(done)
	c.noteOutage(ctx, done, err)
	if err != nil {
		c.opts.Log.DebugContext(ctx, "webex call failed", "op", k.op, "status", done.Status, "took", done.Took, "error", err)
		return answer.Header, err
	}
	c.opts.Log.DebugContext(ctx, "webex call", "op", k.op, "status", done.Status, "took", done.Took, "tracking_id", c.trackingID(answer.Header))
	return answer.Header, nil
}

func (c *Client) exchange(ctx context.Context, k call) (httpclient.Answer, error) {
	method, _, _ := strings.Cut(k.op, " ")
	to := c.to.Load()
	target, err := to.target(k)
	if err != nil {
		return httpclient.Answer{}, err
	}
	token := c.token.Current()
	answer, err := to.http.Do(ctx, httpclient.Call{Method: method, URL: target, Bearer: token, ContentType: k.ctype, Body: k.body})
	var failed *httpclient.Error
	if errors.As(err, &failed) {
		return answer, &Error{Op: k.op, Message: failed.What, TrackingID: c.trackingID(answer.Header), Unanswered: failed.Sent, Err: failed.Err}
	}
	if answer.OK() {
		err = c.decode(k, answer)
	} else {
		err = c.refusal(k.op, answer)
	}
	if !isForeign(err) {
		c.token.Judge(token, err != nil && ClassOf(err) == Unauthorized)
	}
	return answer, err
}

// target returns the URL of a call. An empty part of the path would be another resource (DELETE /messages/): it is not sent.
func (to *neighbour) target(k call) (string, error) {
	if to.base == nil {
		return "", &Error{Op: k.op, Message: "webex.api_url is not an http(s) URL: expected https://webexapis.com/v1"}
	}
	if k.url != "" {
		return k.url, nil
	}
	target := to.base.String()
	for _, part := range k.path {
		if part == "" || part == "." || part == ".." {
			return "", &Error{Op: k.op, Status: http.StatusNotFound, Message: fmt.Sprintf("not sent: %q is not an id", part)}
		}
		target += "/" + url.PathEscape(part)
	}
	if len(k.query) > 0 {
		target += "?" + k.query.Encode()
	}
	return target, nil
}

// decode reads a 2xx answer. One that isn't Webex's is as good as none: Webex may have done what was asked, or may never have
// received the request.
func (c *Client) decode(k call, a httpclient.Answer) error {
	tracking := c.trackingID(a.Header)
	if !ownSuccess(k.want, a.Status, tracking != "", a.Body) {
		return &Error{Op: k.op, Status: a.Status, Message: c.describeForeign(a), Hint: foreignHint, TrackingID: tracking, Unanswered: true, Foreign: true}
	}
	if k.want == shapeNothing {
		return nil
	}
	if err := decode(a.Body, k.into, !strings.HasPrefix(k.op, "GET ")); err != nil {
		return &Error{Op: k.op, Message: "the answer is not the expected JSON", TrackingID: tracking, Unanswered: true, Err: err}
	}
	return nil
}
