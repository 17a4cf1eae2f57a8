package zabbix

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"nms-alert-relay/internal/httpclient"
	untrusted "nms-alert-relay/internal/text"
)

// Options configure a Client.
type Options struct {
	URL   string // the frontend's base URL; the API is at /api_jsonrpc.php below it
	Token string
	// TokenFrom says where the token is kept, for the log: "file /run/secrets/zabbix-token".
	TokenFrom string
	// Renew reads the token again from there. It is called before each call for as long as Zabbix refuses the current one; nil for a
	// token that can't change.
	Renew     func() (string, error)
	Transport http.RoundTripper // proxy, CA and client certificate; nil for the default
	// Headers are sent with every call, for a proxy before Zabbix.
	Headers http.Header
	// Username and Password are for a web server or proxy before Zabbix. They need the header Authorization, so the API token goes into
	// the body: 7.2 and later can't be called with them.
	Username, Password string
	Timeout            time.Duration // of one call; 10 s by default
	Log                *slog.Logger
	Version            string // of the relay, for User-Agent
	// HeaderStripped is called when the Authorization header turns out not to reach Zabbix, and when it does again, for metrics.
	HeaderStripped func(stripped bool)
	// Observe is called after each call, for metrics. result is "ok" or an ErrorKind.
	Observe func(method, result string, took time.Duration)
}

const (
	defaultTimeout = 10 * time.Second
	// maxAnswer bounds an answer, in bytes.
	maxAnswer = 32 << 20
	// contentType is required by the API: anything else is HTTP 412 (measured on 6.0 and 7.0).
	contentType = "application/json-rpc"
)

// Client calls the JSON-RPC API of one Zabbix, 6.0 to 8.0, in the form of its version. It repeats a call only if Zabbix refused its form
// and has been upgraded. It is safe for concurrent use.
type Client struct {
	opts Options // of New; what Reconfigure changes is in to
	to   atomic.Pointer[neighbour]

	mu      sync.Mutex
	version Version // zero until asked

	token     *httpclient.Token
	body      bool                      // the token goes into the body if the version allows it; guarded by mu
	printed   atomic.Bool               // whether the warning about text around the answers was logged
	noPlaceAt atomic.Pointer[neighbour] // where the log said that password and token can't be sent together
	scripts   atomic.Pointer[scripts]   // of the media types, when none had our name
	denied    sync.Map                  // the methods that the role forbids, so that each is logged once
}

// neighbour is where a client's calls go, and how.
type neighbour struct {
	endpoint string
	http     *httpclient.Client
	basic    bool    // Authorization is the user's and password's
	opts     Options // it was made of
}

// New makes a client. The first call that needs the version asks for it.
func New(opts Options) *Client {
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	if opts.Observe == nil {
		opts.Observe = func(string, string, time.Duration) {}
	}
	if opts.HeaderStripped == nil {
		opts.HeaderStripped = func(bool) {}
	}
	c := &Client{opts: opts}
	c.token = httpclient.NewToken("the API token", opts.Token, opts.TokenFrom, opts.Renew, opts.Log)
	c.connect(opts)
	return c
}

// Reconfigure changes address, token, transport, headers, password and timeout for the calls that begin from now on.
func (c *Client) Reconfigure(o Options) {
	c.token.Replace(o.Token, o.TokenFrom, o.Renew)
	before := c.to.Load().endpoint
	c.connect(o)
	if c.to.Load().endpoint == before {
		return
	}
	c.mu.Lock()
	c.version = Version{} // perhaps of another version
	c.mu.Unlock()
	c.useBody(false)
}

func (c *Client) connect(o Options) {
	if o.Timeout <= 0 {
		o.Timeout = defaultTimeout
	}
	c.to.Store(&neighbour{endpoint: strings.TrimRight(o.URL, "/") + "/api_jsonrpc.php", basic: o.Username != "", opts: o, http: httpclient.NewClient(httpclient.ClientOptions{
		Transport: o.Transport, Timeout: o.Timeout, MaxAnswer: maxAnswer, Version: c.opts.Version, Token: c.token,
		Headers: o.Headers, Username: o.Username, Password: o.Password,
	})})
}

// Version returns Zabbix's version, such as "7.0.22".
func (c *Client) Version(ctx context.Context) (string, error) {
	v, _, err := c.current(ctx)
	return v.Text, err
}

// Call calls any method, authenticated in the way of the version, and decodes its result, which may be nil. Errors are *Error.
func (c *Client) Call(ctx context.Context, method string, params, result any) error {
	return c.call(ctx, method, func(Version) any { return params }, result)
}

// call makes the parameters for Zabbix's version. If a refusal may be due to a changed version, it asks for that and repeats the call
// once.
func (c *Client) call(ctx context.Context, method string, params func(Version) any, result any) error {
	v, fresh, err := c.current(ctx)
	if err != nil {
		return preparation(err)
	}
	for {
		err := c.do(ctx, v, method, params(v), result)
		var e *Error
		if fresh || !errors.As(err, &e) || !e.mayBeForm() {
			return err
		}
		now, askErr := c.ask(ctx)
		if askErr != nil || now.sameForm(v) {
			return err
		}
		v, fresh = now, true
	}
}

// current returns the version, and whether it was asked for just now. It is remembered until Zabbix turns out to have been upgraded.
func (c *Client) current(ctx context.Context) (Version, bool, error) {
	c.mu.Lock()
	v := c.version
	c.mu.Unlock()
	if v.Text != "" {
		return v, false, nil
	}
	v, err := c.ask(ctx)
	return v, true, err
}

func (c *Client) ask(ctx context.Context) (Version, error) {
	const method = "apiinfo.version"
	var text string
	if err := c.do(ctx, Version{}, method, []string{}, &text); err != nil {
		return Version{}, err
	}
	v, err := ParseVersion(text)
	if err != nil {
		return Version{}, &Error{Method: method, Kind: Unreachable, Message: err.Error()}
	}
	c.mu.Lock()
	was, body := c.version, c.body
	c.version = v
	c.mu.Unlock()
	if was != v {
		if body && !v.TokenInBody {
			c.opts.HeaderStripped(false) // from 7.2 on it is an error instead
		}
		c.opts.Log.Info("zabbix API", "url", c.display(), "version", v.Text, "was", was.Text)
	}
	return v, nil
}

// request is a JSON-RPC call.
type request struct {
	Version string `json:"jsonrpc"`
	Method  string `json:"method"`
	Params  any    `json:"params"`
	ID      int    `json:"id"`
	Auth    string `json:"auth,omitempty"`
}

// do makes a call; a zero Version means without authentication. If Zabbix saw no token, and its version reads one in another place too,
// it tries that.
func (c *Client) do(ctx context.Context, v Version, method string, params, result any) error {
	if v.Text == "" {
		return asError(c.observed(ctx, "", false, method, params, result))
	}
	basic := c.to.Load().basic
	if basic && !v.TokenInBody {
		return asError(c.noPlace(v, method))
	}
	token, body := c.token.Current(), basic || c.tokenInBody(v)
	failed := c.observed(ctx, token, body, method, params, result)
	if v.TokenInHeader && v.TokenInBody && !basic && failed.noToken() {
		again := c.observed(ctx, token, !body, method, params, result)
		if again == nil || again.Kind != NotAuthorised {
			failed = again
		}
		if again == nil || again.Code != 0 && again.Kind != NotAuthorised {
			c.useBody(!body)
		}
	}
	c.tokenJudged(v, token, failed)
	return asError(failed)
}

// asError keeps a nil *Error from becoming a non-nil error.
func asError(e *Error) error {
	if e == nil {
		return nil
	}
	return e
}

func (c *Client) observed(ctx context.Context, token string, body bool, method string, params, result any) *Error {
	return c.observedFor(ctx, 0, token, body, method, params, result)
}

// observedFor makes one HTTP call, logs a failure and counts the call. timeout is the call's own; 0 for the client's.
func (c *Client) observedFor(ctx context.Context, timeout time.Duration, token string, body bool, method string, params, result any) *Error {
	start := time.Now()
	err := c.post(ctx, timeout, token, body, method, params, result)
	took := time.Since(start)
	outcome := "ok"
	if err != nil {
		outcome = string(err.Kind)
		c.opts.Log.Debug("zabbix call failed", "method", method, "kind", outcome, "error", err, "took", took)
	}
	c.opts.Observe(method, outcome, took)
	return err
}

// post makes one HTTP call, with the token in its body or in the header.
func (c *Client) post(ctx context.Context, timeout time.Duration, token string, body bool, method string, params, result any) *Error {
	r := request{Version: "2.0", Method: method, Params: params, ID: callID}
	to := c.to.Load()
	call := httpclient.Call{Method: http.MethodPost, URL: to.endpoint, ContentType: contentType, Timeout: timeout}
	if body {
		r.Auth = token
	} else {
		call.Bearer = token
	}
	var err error
	several, isBatch := params.(batched)
	if isBatch {
		call.Body, err = json.Marshal(several.requests(r))
	} else {
		call.Body, err = json.Marshal(r)
	}
	if err != nil {
		return &Error{Method: method, Kind: Invalid, Err: err, Message: "cannot write the parameters as JSON: " + err.Error()}
	}
	answer, err := to.http.Do(ctx, call)
	var failed *httpclient.Error
	if errors.As(err, &failed) {
		return &Error{Method: method, Kind: Unreachable, Unanswered: failed.Sent, Err: failed.Err, Message: c.display() + ": " + failed.Error()}
	}
	if isBatch {
		return several.read(c, method, answer)
	}
	return c.read(method, answer, result)
}

// display is the API's address as logs and errors may show it.
func (c *Client) display() string { return untrusted.RedactURL(c.to.Load().endpoint) }
