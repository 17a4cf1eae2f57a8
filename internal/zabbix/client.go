package zabbix

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"nms-alert-relay/internal/httpclient"
	untrusted "nms-alert-relay/internal/text"
)

// Options make a Client.
type Options struct {
	URL   string // the frontend's base URL; the API is at /api_jsonrpc.php below it
	Token string
	// TokenFrom says where the token is kept, for the log: "file /run/secrets/zabbix-token".
	TokenFrom string
	// Renew reads the token again from there. It is asked before each call for as long
	// as Zabbix refuses the one in use; nil where a token doesn't change.
	Renew     func() (string, error)
	Transport http.RoundTripper // proxy and CA; nil for the default
	Timeout   time.Duration     // of one call; 10 s by default
	Log       *slog.Logger
	// Observe is told of every call when it ends: for metrics. result is "ok" or an ErrorKind.
	Observe func(method, result string, took time.Duration)
}

const (
	defaultTimeout = 10 * time.Second
	// maxAnswer is the most that is read of an answer, in bytes.
	maxAnswer = 32 << 20
	// contentType is what the API insists on: anything else is HTTP 412 (measured on 6.0 and 7.0).
	contentType = "application/json-rpc"
)

// Client calls the JSON-RPC API of one Zabbix, 6.0 to 8.0, in the form that
// its version wants. It never retries by itself, but for a call that was
// refused because Zabbix was upgraded under it. It is safe for concurrent use.
type Client struct {
	opts     Options
	endpoint string
	http     *http.Client

	mu      sync.Mutex
	version release // zero until asked

	token *httpclient.Token
}

// New makes a client. It doesn't call Zabbix: the version is asked by the first call that needs it.
func New(opts Options) *Client {
	if opts.Timeout <= 0 {
		opts.Timeout = defaultTimeout
	}
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	if opts.Observe == nil {
		opts.Observe = func(string, string, time.Duration) {}
	}
	c := &Client{
		opts:     opts,
		endpoint: strings.TrimRight(opts.URL, "/") + "/api_jsonrpc.php",
		http: &http.Client{
			Transport: opts.Transport,
			// A redirected POST comes as a GET: say so instead of following.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
	c.token = httpclient.NewToken("the API token", opts.Token, opts.TokenFrom, opts.Renew, opts.Log.With("url", c.display()))
	return c
}

// CloseIdleConnections closes the connections that no call uses.
func (c *Client) CloseIdleConnections() { c.http.CloseIdleConnections() }

// Version is the API's version: "6.0.14". It is asked once and remembered, until
// Zabbix turns out to have become another.
func (c *Client) Version(ctx context.Context) (string, error) {
	v, _, err := c.release(ctx)
	return v.text, err
}

// Call calls any method, authenticated as the version wants it, and decodes its
// result. params is marshalled as it is; result may be nil. Errors are *Error.
func (c *Client) Call(ctx context.Context, method string, params, result any) error {
	return c.call(ctx, method, func(release) (any, error) { return params, nil }, result)
}

// open are the methods that must be called without authentication (measured).
var open = []string{"apiinfo.version", "user.login", "user.checkAuthentication"}

// call makes the parameters for the version that Zabbix has. Where a refusal
// can come from a wrong guess of that, it asks again, once.
func (c *Client) call(ctx context.Context, method string, params func(release) (any, error), result any) error {
	if slices.Contains(open, method) {
		p, err := params(release{})
		if err != nil {
			return err
		}
		return c.do(ctx, release{}, method, p, result)
	}
	v, fresh, err := c.release(ctx)
	if err != nil {
		return err
	}
	for {
		p, err := params(v)
		if err != nil {
			return err
		}
		err = c.do(ctx, v, method, p, result)
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

// release is the version, and whether it was asked just now.
func (c *Client) release(ctx context.Context) (release, bool, error) {
	c.mu.Lock()
	v := c.version
	c.mu.Unlock()
	if v.text != "" {
		return v, false, nil
	}
	v, err := c.ask(ctx)
	return v, true, err
}

func (c *Client) ask(ctx context.Context) (release, error) {
	const method = "apiinfo.version"
	var text string
	if err := c.do(ctx, release{}, method, []string{}, &text); err != nil {
		return release{}, err
	}
	v, err := parseRelease(text)
	if err != nil {
		return release{}, &Error{Method: method, Kind: Unreachable, Message: err.Error()}
	}
	c.mu.Lock()
	was := c.version
	c.version = v
	c.mu.Unlock()
	if was != v {
		c.opts.Log.Info("zabbix API", "url", c.display(), "version", v.text, "was", was.text)
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

// response is its answer.
type response struct {
	Result json.RawMessage `json:"result"`
	Error  *struct {
		Code    int    `json:"code"`
		Message string `json:"message"`
		Data    string `json:"data"`
	} `json:"error"`
}

// do makes one HTTP call. A zero release means: without authentication.
func (c *Client) do(ctx context.Context, v release, method string, params, result any) error {
	start := time.Now()
	err := c.post(ctx, v, method, params, result)
	took := time.Since(start)
	outcome := "ok"
	if err != nil {
		outcome = string(err.Kind)
		c.opts.Log.Debug("zabbix call failed", "method", method, "kind", outcome, "error", err.Message, "took", took)
	}
	c.opts.Observe(method, outcome, took)
	if err != nil {
		return err
	}
	return nil
}

func (c *Client) post(ctx context.Context, v release, method string, params, result any) *Error {
	fail := func(kind ErrorKind, err error, format string, args ...any) *Error {
		return &Error{Method: method, Kind: kind, Message: fmt.Sprintf(format, args...), Err: err}
	}
	r := request{Version: "2.0", Method: method, Params: params, ID: 1}
	token := ""
	if v.text != "" {
		token = c.token.Now()
	}
	if !v.bearer() {
		r.Auth = token
	}
	body, err := json.Marshal(r)
	if err != nil {
		return fail(Invalid, err, "the parameters can't be written as JSON: %v", err)
	}
	ctx, cancel := context.WithTimeout(ctx, c.opts.Timeout)
	defer cancel()
	var sent atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		WroteRequest: func(info httptrace.WroteRequestInfo) { sent.Store(info.Err == nil) },
	})
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.endpoint, bytes.NewReader(body))
	if err != nil {
		return fail(Invalid, nil, "the address %q can't be used: set the source's url to the frontend's", c.display())
	}
	req.Header.Set("Content-Type", contentType)
	req.Header.Set("Accept", "application/json")
	if v.bearer() && token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		e := fail(Unreachable, withoutAddress(err), "no answer from %s: %v", c.display(), withoutAddress(err))
		e.Unanswered = sent.Load()
		return e
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil {
		e := fail(Unreachable, err, "the answer of %s broke off: %v", c.display(), err)
		e.Unanswered = true
		return e
	}
	if len(answer) > maxAnswer {
		return fail(Other, nil, "the answer is larger than %d MiB", maxAnswer>>20)
	}
	failed := c.read(method, resp, answer, result)
	if token != "" {
		c.tokenJudged(token, failed)
	}
	return failed
}

// read makes sense of an answer. The status is 200 for errors too.
func (c *Client) read(method string, resp *http.Response, answer []byte, result any) *Error {
	fail := func(kind ErrorKind, unanswered bool, format string, args ...any) *Error {
		return &Error{Method: method, Kind: kind, Message: fmt.Sprintf(format, args...), Unanswered: unanswered}
	}
	switch {
	case resp.StatusCode == http.StatusPreconditionFailed:
		return fail(Invalid, false, "HTTP 412: Zabbix wants the content type %s, and a proxy may have changed it", contentType)
	case resp.StatusCode/100 == 3:
		return fail(Unreachable, false, "%s redirects to %s: set the source's url to where the frontend really is", c.display(), untrusted.RedactURL(resp.Header.Get("Location")))
	}
	var r response
	if err := json.Unmarshal(answer, &r); err != nil || (r.Error == nil && r.Result == nil) {
		// What did the work may still have failed to say so.
		unanswered := resp.StatusCode == http.StatusOK || resp.StatusCode >= 500
		return fail(Unreachable, unanswered, "HTTP %d from %s with %s, and no answer of Zabbix's API: is the source's url the frontend's base URL?",
			resp.StatusCode, c.display(), mediaType(resp))
	}
	if r.Error != nil {
		return newError(method, r.Error.Code, r.Error.Message, r.Error.Data)
	}
	if result == nil {
		return nil
	}
	if err := json.Unmarshal(r.Result, result); err != nil {
		e := fail(Other, true, "the result isn't of the expected form: %v", err)
		e.Err = err
		return e
	}
	return nil
}

func mediaType(resp *http.Response) string {
	t, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if err != nil {
		return "no content type"
	}
	return t
}

// display is the API's address as logs and errors may show it.
func (c *Client) display() string { return untrusted.RedactURL(c.endpoint) }

// withoutAddress takes the address, which may hold a password, off an HTTP error.
func withoutAddress(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}
