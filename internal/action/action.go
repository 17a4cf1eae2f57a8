// Package action makes the requests of the configured actions: a signed POST about a problem to a ticket system, AWX or Rundeck.
package action

import (
	"bytes"
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/httpclient"
	"nms-alert-relay/internal/payload"
	"nms-alert-relay/internal/route"
	"nms-alert-relay/internal/text"
)

// Headers of a request, besides its own.
const (
	// HeaderID has the id by which an endpoint recognises a repetition.
	HeaderID = "X-Relay-Id"
	// HeaderTimestamp and HeaderSignature sign the body, as those of an event.
	HeaderTimestamp = "X-Relay-Timestamp"
	HeaderSignature = "X-Relay-Signature"
)

// Action is one configured action. It is safe for concurrent use.
type Action struct {
	config.Action
	fits         func(alert.Problem) bool
	body         *payload.Body
	answer, link *payload.Answer
	client       *httpclient.Client
	observe      func(Outcome)
}

// Options are an action's surroundings.
type Options struct {
	Transport http.RoundTripper
	Version   string
	Observe   func(Outcome) // called with the outcome of each request; nil for nobody
}

// New makes an action. It fails only for templates that config.Parse refuses.
func New(c config.Action, o Options) (*Action, error) {
	a := &Action{Action: c, observe: o.Observe}
	a.fits = route.Matching(c.Match)
	var faults [3]error
	if c.Body != "" {
		a.body, faults[0] = payload.NewBody(c.Body, c.ContentType)
	}
	if c.Answer != "" {
		a.answer, faults[1] = payload.NewAnswer(c.Answer)
	}
	if c.Link != "" {
		a.link, faults[2] = payload.NewAnswer(c.Link)
	}
	if err := errors.Join(faults[:]...); err != nil {
		return nil, fmt.Errorf("action %s: %w", c.Name, err)
	}
	a.client = httpclient.NewClient(httpclient.ClientOptions{
		Transport: o.Transport, Timeout: time.Duration(c.HTTP.Timeout), MaxAnswer: payload.MaxAnswer, Version: o.Version,
		Token:   httpclient.NewToken("the token of action "+c.Name, c.Token.Reveal(), "", nil, slog.New(slog.DiscardHandler)),
		Headers: config.HeaderOf(c.Headers), Username: c.BasicAuth.Username, Password: c.BasicAuth.Password.Reveal(),
	})
	return a, nil
}

// Fits reports whether the action is for a problem.
func (a *Action) Fits(p alert.Problem) bool { return a.fits(p) }

// Body makes the body of a request.
func (a *Action) Body(d payload.Data) ([]byte, error) { return a.body.Make(d) }

// Host is the endpoint's host, for people.
func (a *Action) Host() string {
	u, err := url.Parse(a.URL)
	if err != nil {
		return ""
	}
	return u.Host
}

// ID returns the id of a command's request about a problem. It is the same for every retry.
func ID(command string, key alert.Key) string {
	sum := sha256.Sum256([]byte(command + "\n" + key.String()))
	return hex.EncodeToString(sum[:16])
}

// Sign returns the signature of a body at a time (Unix seconds as text).
func Sign(secret, timestamp string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(timestamp + "."))
	mac.Write(body)
	return "sha256=" + hex.EncodeToString(mac.Sum(nil))
}

// request makes the call.
func (a *Action) request(id string, body []byte, now time.Time) httpclient.Call {
	call := httpclient.Call{Method: a.Method, URL: a.URL, Bearer: a.Token.Reveal(), ContentType: a.ContentType, Body: body, Headers: http.Header{}}
	call.Headers.Set(HeaderID, id)
	if a.Secret.IsSet() {
		timestamp := strconv.FormatInt(now.Unix(), 10)
		call.Headers.Set(HeaderTimestamp, timestamp)
		call.Headers.Set(HeaderSignature, Sign(a.Secret.Reveal(), timestamp, body))
	}
	return call
}

// Outcome is what a request led to.
type Outcome string

// The outcomes.
const (
	Done       Outcome = "done"       // 2xx
	Refused    Outcome = "refused"    // final: another status
	Failing    Outcome = "failing"    // 5xx, 408 or 429: to be retried
	Unanswered Outcome = "unanswered" // no answer: to be retried
)

// Outcomes are all of them.
var Outcomes = [...]Outcome{Done, Refused, Failing, Unanswered}

// Result is the end of a request.
type Result struct {
	Outcome Outcome
	Status  int    // 0 without an answer
	Text    string // what the endpoint said, in one line; untrusted, without the relay's own secrets
	Link    string // where it leads, untrusted; "" for nowhere
	// Effect says that the endpoint may have done it, although it didn't say so.
	Effect     bool
	RetryAfter time.Duration
	Err        error // for the log, without secrets
}

const (
	// maxText is how much of an answer is shown, in characters.
	maxText = 500
	// maxWait bounds a Retry-After.
	maxWait = time.Hour
)

// Do makes a request. A call is bounded by the action's timeout.
func (a *Action) Do(ctx context.Context, id string, body []byte, now time.Time) Result {
	answer, err := a.client.Do(ctx, a.request(id, body, now))
	r := a.judge(answer, err, now)
	if a.observe != nil {
		a.observe(r.Outcome)
	}
	return r
}

// judge decides what an answer, or none, means.
func (a *Action) judge(answer httpclient.Answer, err error, now time.Time) Result {
	r := Result{Status: answer.Status}
	var failed *httpclient.Error
	switch {
	case answer.OK(): // also if the rest of its answer is missing, or too long to read
		r.Outcome = Done
		r.Text, r.Link = a.said(answer.Body[:min(len(answer.Body), payload.MaxAnswer)])
		return r
	case err != nil:
		r.Outcome, r.Err = Unanswered, err
		r.Effect = !errors.As(err, &failed) || failed.Sent
		return r
	case answer.Status >= 500, answer.Status == http.StatusTooManyRequests, answer.Status == http.StatusRequestTimeout:
		r.Outcome, r.Effect = Failing, answer.Status >= 500
		r.RetryAfter, _ = httpclient.RetryAfter(answer.Header, now, maxWait)
	default:
		r.Outcome = Refused
	}
	r.Text = a.plain(cmp.Or(keyOf(answer.Body, "message", "error", "detail"), httpclient.PageText(answer.Body)))
	r.Err = fmt.Errorf("HTTP %d: %s", answer.Status, r.Text)
	return r
}

// said returns what an answer says to people, and where it leads: by the templates, or else by usual keys of a JSON object, or else its
// beginning.
func (a *Action) said(answer []byte) (words, link string) {
	link, ok := a.link.Make(answer)
	if !ok {
		link = keyOf(answer, "url", "link")
	}
	words, ok = a.answer.Make(answer)
	if !ok {
		words = keyOf(answer, "message")
	}
	if words == "" && link == "" {
		words = httpclient.PageText(answer)
	}
	return a.plain(words), a.absolute(a.redact(text.Line(link)))
}

// absolute resolves a link that is relative to the action's address; "" for none.
func (a *Action) absolute(link string) string {
	base, err := url.Parse(a.URL)
	if err != nil || link == "" {
		return ""
	}
	to, err := base.Parse(link)
	if err != nil {
		return ""
	}
	return to.String()
}

// plain makes text from an endpoint one short line, without the secrets that it got.
func (a *Action) plain(s string) string { return text.Shorten(text.Line(a.redact(s)), maxText) }

// redact removes the secrets that an endpoint got from what it answers.
func (a *Action) redact(s string) string {
	s = a.client.Redact(s)
	if secret := a.Secret.Reveal(); secret != "" {
		s = strings.ReplaceAll(s, secret, "[secret]")
	}
	return s
}

// keyOf returns the first of these keys of a JSON object that is a text; "" for none.
func keyOf(answer []byte, names ...string) string {
	var object map[string]any
	d := json.NewDecoder(bytes.NewReader(answer))
	if d.Decode(&object) != nil {
		return ""
	}
	for _, name := range names {
		if s, _ := object[name].(string); strings.TrimSpace(s) != "" {
			return s
		}
	}
	return ""
}
