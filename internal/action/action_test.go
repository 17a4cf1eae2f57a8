package action

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/httpclient"
	"nms-alert-relay/internal/payload"
	"nms-alert-relay/internal/receiver"
)

const (
	token  = "t0ken-of-the-endpoint"
	header = "k3y-of-a-gateway"
	secret = "s3cret-that-signs"
)

func newAction(t *testing.T, c config.Action, o Options) *Action {
	t.Helper()
	if c.Name == "" {
		c.Name = "ticket"
	}
	c.Method, c.ContentType, c.HTTP.Timeout = http.MethodPost, payload.DefaultType, config.Duration(5*time.Second)
	if o.Transport == nil {
		via, err := httpclient.New(httpclient.Options{Key: "actions[0].url"})
		require.NoError(t, err)
		t.Cleanup(via.CloseIdleConnections)
		o.Transport = via
	}
	a, err := New(c, o)
	require.NoError(t, err)
	return a
}

// A request has the id, the credentials, and a signature that the receiver of events would accept.
func TestRequest(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	var got *http.Request
	var body []byte
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = r
		body, _ = io.ReadAll(r.Body)
		w.WriteHeader(http.StatusCreated)
		_, _ = w.Write([]byte(`{"message": "Ticket 17", "url": "/17"}`))
	}))
	defer server.Close()
	a := newAction(t, config.Action{
		URL: server.URL + "/hook?x=1", Token: config.NewSecret(token), Secret: config.NewSecret(secret),
		Headers: []config.Header{{Name: "X-Key", Secret: config.NewSecret(header)}, {Name: "X-Team", Value: "noc"}},
	}, Options{Version: "1.2"})
	id := ID("message", alert.ParseKey("main/4711"))
	require.Regexp(t, "^[0-9a-f]{32}$", id)
	require.NotEqual(t, id, ID("message", alert.ParseKey("main/4712")))
	raw, err := a.Body(payload.Data{ID: id})
	require.NoError(t, err)
	r := a.Do(t.Context(), id, raw, now)
	require.Equal(t, Result{Outcome: Done, Status: 201, Text: "Ticket 17", Link: server.URL + "/17"}, r)
	require.Equal(t, raw, body)
	require.Equal(t, "POST /hook?x=1", got.Method+" "+got.URL.RequestURI())
	require.Equal(t, "1800000000", got.Header.Get(receiver.HeaderTimestamp))
	require.Equal(t, receiver.Sign(secret, "1800000000", body), got.Header.Get(receiver.HeaderSignature))
	require.Equal(t, id, got.Header.Get(HeaderID))
	require.Equal(t, "Bearer "+token, got.Header.Get("Authorization"))
	require.Equal(t, header+" noc", got.Header.Get("X-Key")+" "+got.Header.Get("X-Team"))
	require.Equal(t, "application/json", got.Header.Get("Content-Type"))
	require.Equal(t, "alert-relay/1.2", got.Header.Get("User-Agent"))

	plain := newAction(t, config.Action{URL: server.URL, BasicAuth: config.BasicAuth{Username: "u", Password: config.NewSecret("p")}}, Options{})
	plain.Do(t.Context(), id, raw, now)
	require.Empty(t, got.Header.Get(HeaderSignature), "without a secret nothing is signed")
	user, password, _ := got.BasicAuth()
	require.Equal(t, "u p", user+" "+password)
}

// No redirect is followed: the token stays where it belongs.
func TestNoRedirect(t *testing.T) {
	elsewhere := 0
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere++ }))
	defer other.Close()
	server := httptest.NewServer(http.RedirectHandler(other.URL, http.StatusTemporaryRedirect))
	defer server.Close()
	r := newAction(t, config.Action{URL: server.URL, Token: config.NewSecret(token)}, Options{}).Do(t.Context(), "1", []byte("{}"), time.Now())
	require.Equal(t, Refused, r.Outcome)
	require.Equal(t, 307, r.Status)
	require.Zero(t, elsewhere)
}

// What an answer means, and what of it is shown: short, in one line, without the relay's own secrets.
func TestAnswersAreJudged(t *testing.T) {
	long := strings.Repeat("x", 200_000)
	for _, c := range []struct {
		name         string
		status       int
		body, after  string
		answer, link string // templates
		want         Result
	}{
		{name: "empty", status: 204, want: Result{Outcome: Done}},
		{name: "message and link", status: 200, body: `{"message": "ok", "link": "https://t/1"}`, want: Result{Outcome: Done, Text: "ok", Link: "https://t/1"}},
		{name: "a link alone", status: 200, body: `{"id": 1, "url": "https://t/1"}`, want: Result{Outcome: Done, Link: "https://t/1"}},
		{name: "other JSON", status: 200, body: `{"id": 1}`, want: Result{Outcome: Done, Text: `{"id": 1}`}},
		{name: "a page", status: 200, body: `<h1>Created</h1><script>x</script>`, want: Result{Outcome: Done, Text: "Created"}},
		{name: "templates", status: 201, body: `{"key": "OPS-1"}`, answer: "Ticket {{.key}}", link: "https://jira.example.com/browse/{{.key}}", want: Result{Outcome: Done, Text: "Ticket OPS-1", Link: "https://jira.example.com/browse/OPS-1"}},
		{name: "relative link", status: 201, body: `{"job": 42}`, answer: "Job {{.job}}", link: "/#/jobs/{{.job}}", want: Result{Outcome: Done, Text: "Job 42", Link: "https://awx.example.com/#/jobs/42"}},
		{name: "templates that don't fit", status: 200, body: `{"message": "m"}`, answer: "{{.key}}", link: "{{.key}}", want: Result{Outcome: Done, Text: "m"}},
		{name: "its own secrets", status: 200, body: `{"message": "got ` + token + ` and ` + header + ` and ` + secret + `"}`, want: Result{Outcome: Done, Text: "got [token] and [header] and [secret]"}},
		{name: "its own secrets in a link", status: 200, body: `{"url": "https://t/` + token + `/` + header + `?k=` + secret + `"}`, want: Result{Outcome: Done, Link: "https://t/[token]/[header]?k=[secret]"}},
		{name: "its own secrets in a template", status: 200, body: `{"k": "` + secret + `"}`, answer: "{{.k}}", link: "/t/{{.k}}", want: Result{Outcome: Done, Text: "[secret]", Link: "https://awx.example.com/t/[secret]"}},
		{name: "too long to read", status: 200, body: long, want: Result{Outcome: Done, Text: strings.Repeat("x", maxText-1) + "…"}},
		{name: "refused", status: 422, body: `{"error": "no queue"}`, want: Result{Outcome: Refused, Text: "no queue"}},
		{name: "not found", status: 404, body: `<h1>Not found</h1>`, want: Result{Outcome: Refused, Text: "Not found"}},
		{name: "failing", status: 503, body: "busy", after: "7", want: Result{Outcome: Failing, Effect: true, RetryAfter: 7 * time.Second, Text: "busy"}},
		{name: "too many", status: 429, after: "100000000", want: Result{Outcome: Failing, RetryAfter: maxWait}},
		{name: "request timeout", status: 408, want: Result{Outcome: Failing}},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := http.Header{}
			if c.after != "" {
				h.Set("Retry-After", c.after)
			}
			a := newAction(t, config.Action{URL: "https://awx.example.com/launch/", Answer: c.answer, Link: c.link, Token: config.NewSecret(token), Secret: config.NewSecret(secret),
				Headers: []config.Header{{Name: "X-Key", Secret: config.NewSecret(header)}}}, Options{Transport: answering{c.status, h, c.body}})
			got := a.Do(t.Context(), "1", []byte("{}"), time.Now())
			c.want.Status = c.status
			require.Equal(t, c.want.Outcome == Done, got.Err == nil)
			got.Err = nil
			require.Equal(t, c.want, got)
		})
	}
}

type answering struct {
	status int
	header http.Header
	body   string
}

func (a answering) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: a.status, Header: a.header, Body: io.NopCloser(strings.NewReader(a.body))}, nil
}

// Without an answer it is known whether the endpoint may have got the request, and the error has no secret.
func TestNoAnswer(t *testing.T) {
	reg := prometheus.NewRegistry()
	m := NewMetrics(reg)
	m.Add([]string{"ticket"})
	require.Equal(t, len(Outcomes), testutil.CollectAndCount(reg), "each result from the start")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_ = c.Close()
		}
	}()
	a := newAction(t, config.Action{URL: "http://" + l.Addr().String() + "/?key=" + token, Token: config.NewSecret(token)}, Options{Observe: m.For("ticket")})
	r := a.Do(context.Background(), "1", []byte("{}"), time.Now())
	require.Equal(t, Unanswered, r.Outcome)
	require.True(t, r.Effect, "it was sent")
	require.NotContains(t, r.Err.Error(), token)
	require.NoError(t, l.Close())
	r = a.Do(context.Background(), "1", []byte("{}"), time.Now())
	require.Equal(t, Unanswered, r.Outcome)
	require.False(t, r.Effect, "nobody listens")
	require.NotContains(t, r.Err.Error(), token)
	require.InDelta(t, 2, testutil.ToFloat64(m.requests.WithLabelValues("ticket", string(Unanswered))), 0)
}

func TestFits(t *testing.T) {
	high, err := config.ParseSeverityMatch(">=high")
	require.NoError(t, err)
	db, err := config.ParseGlob("db*")
	require.NoError(t, err)
	a := newAction(t, config.Action{URL: "https://x", Match: config.ProblemMatch{Severity: high, Hosts: []config.Glob{db}}}, Options{})
	p := alert.Problem{Severity: alert.High}
	p.Hosts = []alert.Host{{Host: "DB1"}}
	require.True(t, a.Fits(p))
	p.Severity = alert.Average
	require.False(t, a.Fits(p))
	require.True(t, newAction(t, config.Action{URL: "https://x"}, Options{}).Fits(alert.Problem{}), "without conditions it is for every problem")
}

func TestTemplatesOfAnAction(t *testing.T) {
	for _, c := range []config.Action{{Body: "{{"}, {Answer: "{{"}, {Link: "{{"}} {
		c.ContentType = payload.DefaultType
		_, err := New(c, Options{})
		require.Error(t, err)
	}
	a := newAction(t, config.Action{URL: "https://x", Body: `{"n": {{json .Comment}}}`}, Options{})
	body, err := a.Body(payload.Data{Comment: `"`})
	require.NoError(t, err)
	require.JSONEq(t, `{"n": "\""}`, string(body))
	require.Equal(t, "x", a.Host())
}
