package receiver

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/fault"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/testdata"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var now = time.Unix(1_795_528_800, 0).UTC()

const (
	event   = `{"EVENT.ID":"4711","EVENT.VALUE":"1","EVENT.SOURCE":"0","EVENT.NAME":"Link down","EVENT.NSEVERITY":"4"}`
	secret  = "main-secret-0123456789"
	rotated = "main-secret-next-0123456789"
	shared  = "secret-of-two-0123456789"
	token   = "ansible-token-0123456789"
)

// kept is a journal and a store of notices in memory.
type kept struct {
	mu      sync.Mutex
	entries []store.Entry
	notices []store.Notice
	err     error
}

func (k *kept) Append(_ context.Context, e store.Entry) (int64, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.err != nil {
		return 0, k.err
	}
	k.entries = append(k.entries, e)
	return int64(len(k.entries)), nil
}

func (k *kept) AddNotice(_ context.Context, n store.Notice) (int64, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.err != nil {
		return 0, k.err
	}
	k.notices = append(k.notices, n)
	return int64(len(k.notices)), nil
}

// fixture is a receiver with recorded effects.
type fixture struct {
	*kept
	*Receiver
	registry *prometheus.Registry
	log      *logged
	refused  []string
	hooked   [][]byte
}

// logged is a log for concurrent use.
type logged struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

type hook struct{ f *fixture }

func (h hook) Listens(bot string) bool { return bot == "noc" || bot == "panic" }

func (h hook) Deliver(_ context.Context, bot string, header http.Header, body []byte) int {
	if bot == "panic" {
		panic("out of order")
	}
	if header.Get("X-Spark-Signature") != "good" {
		return http.StatusUnauthorized
	}
	h.f.hooked = append(h.f.hooked, body)
	return http.StatusOK
}

type locator map[alert.Key]string

func (l locator) Locate(_ context.Context, key alert.Key) (string, bool, error) {
	address, ok := l[key]
	if address == "fails" {
		return "", false, errors.New("no database")
	}
	return address, ok, nil
}

func newFixture(t testing.TB) *fixture {
	f := &fixture{kept: &kept{}, registry: prometheus.NewRegistry(), log: &logged{}}
	f.Receiver = New(Options{
		Sources: []Source{{"main", []string{secret, rotated}}, {"east", []string{shared}}, {"west", []string{shared}}},
		Senders: []Sender{{Name: "ansible", Tokens: []string{"next-token", token}, Rooms: []string{"noc", "db"}}, {Name: "ci", Tokens: []string{"ci-token"}, Persons: true},
			{Name: "files", Tokens: []string{"files-token"}, Rooms: []string{"noc"}, MaxFile: 1000, MentionAll: true, PerMinute: 3}},
		Intake: f, Notices: f, Webhooks: hook{f},
		Label:     func(_ string, s alert.Severity) string { return "🟧 " + s.String() },
		Links:     locator{{Source: "main", EventID: "4711"}: "webexteams://im?space=X&y=<z>", {Source: "main", EventID: "1"}: "javascript:alert(1)", {Source: "main", EventID: "2"}: "", {Source: "main", EventID: "3"}: "fails"},
		PublicURL: "https://relay.example.com", LinkKey: []byte("link-key"),
		Now: func() time.Time { return now }, Log: slog.New(slog.NewTextHandler(f.log, nil)), Metrics: NewMetrics(f.registry),
	})
	return f
}

func (f *fixture) Test(_, sendTo string) (rooms, unknown []string) {
	if sendTo == "typo" {
		unknown = []string{"typo is no room"}
	}
	return []string{"noc"}, unknown
}

func (f *fixture) Refused(source, kind string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.refused = append(f.refused, source+"/"+kind)
}

func (f *fixture) BotOf(room string) string { return "bot-of-" + room }

type request struct {
	method, path string
	body         string
	header       map[string]string
}

func (f *fixture) do(r request) *httptest.ResponseRecorder {
	if r.method == "" {
		r.method = http.MethodPost
	}
	req := httptest.NewRequest(r.method, r.path, strings.NewReader(r.body))
	for k, v := range r.header {
		req.Header.Set(k, v)
	}
	rec := httptest.NewRecorder()
	f.Handler().ServeHTTP(rec, req)
	return rec
}

// request posts a body; length may differ from the body's, and is -1 for none.
func (f *fixture) request(path string, header map[string]string, length int64, body io.Reader) *httptest.ResponseRecorder {
	req := httptest.NewRequest(http.MethodPost, path, body)
	req.ContentLength = length
	for k, v := range header {
		req.Header.Set(k, v)
	}
	rec := httptest.NewRecorder()
	f.Handler().ServeHTTP(rec, req)
	return rec
}

func bearer(secret string) map[string]string {
	return map[string]string{"Authorization": "Bearer " + secret}
}

func signed(secret, body string, at time.Time) map[string]string {
	ts := strconv.FormatInt(at.Unix(), 10)
	return map[string]string{HeaderTimestamp: ts, HeaderSignature: Sign(secret, ts, []byte(body))}
}

// Every status of the events endpoint, and what is stored.
func TestEvents(t *testing.T) {
	ok := `{"problem":"main/4711","tags":{"relay_link":"https://relay.example.com/m/main/4711/foDNm5jEJkgzqo8y"}}`
	stale, _ := strings.CutSuffix(`{"error":"the signature's time is 301 s behind the relay's","hint":"at most 300 s: synchronise both clocks by NTP","time":1795528800}`, "\n")
	for name, c := range map[string]struct {
		body    string
		header  map[string]string
		err     error
		status  int
		answer  string
		source  string
		retry   string
		refused string
	}{
		"bearer":                    {body: event, header: bearer(secret), status: 202, answer: ok, source: "main"},
		"bearer in another case":    {body: event, header: map[string]string{"Authorization": "bearer  " + secret}, status: 202, answer: ok, source: "main"},
		"signed":                    {body: event, header: signed(secret, event, now), status: 202, answer: ok, source: "main"},
		"signed with the other":     {body: event, header: signed(rotated, event, now), status: 202, answer: ok, source: "main"},
		"bearer with the other":     {body: event, header: bearer(rotated), status: 202, answer: ok, source: "main"},
		"signed 300 s ago":          {body: event, header: signed(secret, event, now.Add(-MaxSkew)), status: 202, answer: ok, source: "main"},
		"signed 300 s ahead":        {body: event, header: signed(secret, event, now.Add(MaxSkew)), status: 202, answer: ok, source: "main"},
		"signed 301 s ago":          {body: event, header: signed(secret, event, now.Add(-MaxSkew-time.Second)), status: 401, answer: stale, refused: "/"},
		"signed 301 s ahead":        {body: event, header: signed(secret, event, now.Add(MaxSkew+time.Second)), status: 401, answer: strings.Replace(stale, "behind", "ahead of", 1), refused: "/"},
		"signed in milliseconds":    {body: event, header: map[string]string{HeaderTimestamp: "1795528800000", HeaderSignature: Sign(secret, "1795528800000", []byte(event))}, status: 401, refused: "/"},
		"signed without a time":     {body: event, header: map[string]string{HeaderSignature: Sign(secret, "", []byte(event))}, status: 401, refused: "/", answer: `{"error":"X-Relay-Timestamp is missing or not a number of seconds","hint":"Unix time: Math.floor(Date.now() / 1000)"}`},
		"signed at minus one":       {body: event, header: map[string]string{HeaderTimestamp: "-1", HeaderSignature: Sign(secret, "-1", []byte(event))}, status: 401, refused: "/"},
		"signed with a plus":        {body: event, header: map[string]string{HeaderTimestamp: "+1795528800", HeaderSignature: Sign(secret, "+1795528800", []byte(event))}, status: 401, refused: "/"},
		"signature too short":       {body: event, header: map[string]string{HeaderTimestamp: "1795528800", HeaderSignature: "sha256=00"}, status: 401, refused: "/"},
		"signature too long":        {body: event, header: map[string]string{HeaderTimestamp: "1795528800", HeaderSignature: Sign(secret, "1795528800", []byte(event)) + "00"}, status: 401, refused: "/"},
		"another kind of signature": {body: event, header: map[string]string{HeaderTimestamp: "1795528800", HeaderSignature: strings.Replace(Sign(secret, "1795528800", []byte(event)), "256", "512", 1)}, status: 401, refused: "/"},
		"signature in capitals":     {body: event, header: map[string]string{HeaderTimestamp: "1795528800", HeaderSignature: "sha256=" + strings.ToUpper(Sign(secret, "1795528800", []byte(event))[7:])}, status: 202, answer: ok, source: "main"},
		"body changed":              {body: strings.Replace(event, "4711", "4712", 1), header: signed(secret, event, now), status: 401, refused: "/", answer: `{"error":"wrong signature","hint":"the secret differs, or something changed the body on its way"}`},
		"time changed":              {body: event, header: map[string]string{HeaderTimestamp: "1795528801", HeaderSignature: Sign(secret, "1795528800", []byte(event))}, status: 401, refused: "/"},
		"signature beats bearer":    {body: event, header: map[string]string{"Authorization": "Bearer " + secret, HeaderTimestamp: "1795528800", HeaderSignature: Sign("x", "1795528800", []byte(event))}, status: 401, refused: "/"},
		"unsigned":                  {body: event, status: 401, refused: "/", answer: `{"error":"no signature and no bearer token","hint":"sign with X-Relay-Timestamp and X-Relay-Signature, or send Authorization: Bearer SECRET"}`},
		"empty bearer":              {body: event, header: bearer(""), status: 401, refused: "/"},
		"wrong bearer":              {body: event, header: bearer("wrong"), status: 401, refused: "/", answer: `{"error":"wrong bearer token"}`},
		"basic":                     {body: event, header: map[string]string{"Authorization": "Basic " + secret}, status: 401, refused: "/"},
		"a sender's token":          {body: event, header: bearer(token), status: 401, refused: "/"},
		"shared, source named":      {body: strings.Replace(event, "{", `{"source":"west",`, 1), header: bearer(shared), status: 202, answer: `{"problem":"west/4711","tags":{"relay_link":"https://relay.example.com/m/west/4711/wiQfMDJMzXuy67TH"}}`, source: "west"},
		"shared, none named":        {body: event, header: bearer(shared), status: 400, refused: "/problem", answer: `{"faults":[{"field":"source","what":"missing: the secret serves several sources","hint":"add a parameter source to the media type, one of east, west"}]}`},
		"another's source":          {body: strings.Replace(event, "{", `{"SOURCE":"east",`, 1), header: bearer(secret), status: 400, refused: "/problem", answer: `{"faults":[{"field":"source","what":"\"east\" is not a source of this secret","hint":"expected main"}]}`},
		"own source named":          {body: strings.Replace(event, "{", `{"source":"main",`, 1), header: bearer(secret), status: 202, answer: ok, source: "main"},
		"not JSON":                  {body: "EVENT.ID=4711", header: bearer(secret), status: 400, refused: "main/"},
		"nothing":                   {body: "", header: bearer(secret), status: 400, refused: "main/"},
		"several faults":            {body: `{"EVENT.ID":"x","EVENT.NSEVERITY":"9"}`, header: bearer(secret), status: 400, refused: "main/"},
		"at the limit":              {body: pad(event, MaxBody), header: bearer(secret), status: 202, answer: ok, source: "main"},
		"over the limit":            {body: pad(event, MaxBody+1), header: bearer(secret), status: 413, refused: "/", answer: `{"error":"the body is larger than 1048576 bytes","hint":"remove macros with item values or history"}`},
		"any content type":          {body: event, header: map[string]string{"Authorization": "Bearer " + secret, "Content-Type": "text/plain"}, status: 202, answer: ok, source: "main"},
		"store busy":                {body: event, header: bearer(secret), err: fmt.Errorf("queue: %w", store.ErrBusy), status: 429, retry: "2", refused: "main/problem", answer: `{"error":"the store can't keep up","hint":"try again"}`},
		"store closed":              {body: event, header: bearer(secret), err: store.ErrClosed, status: 503, retry: "10", refused: "main/problem", answer: `{"error":"cannot store it","hint":"try again; see the relay's log"}`},
		"sender hung up":            {body: event, header: bearer(secret), err: fmt.Errorf("append: %w", context.Canceled), status: 408, refused: "main/problem"},
		"store broken":              {body: event, header: bearer(secret), err: errors.New("disk full"), status: 503, retry: "10", refused: "main/problem"},
		"test button":               {body: strings.Replace(event, "4711", "{EVENT.ID}", 1), header: bearer(secret), status: 202, source: "main", answer: `{"message":"The relay received this test of source main and posts a test message to noc.","problem":null,"test":true,"rooms":["noc"]}`},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.err = c.err
			rec := f.do(request{path: "/v1/zabbix/events", body: c.body, header: c.header})
			require.Equal(t, c.status, rec.Code, rec.Body)
			if c.answer != "" {
				require.Equal(t, c.answer, rec.Body.String())
			}
			require.Equal(t, "application/json; charset=utf-8", rec.Header().Get("Content-Type"))
			require.Equal(t, c.retry, rec.Header().Get("Retry-After"))
			require.Equal(t, c.status == 401, rec.Header().Get("WWW-Authenticate") != "")
			require.True(t, json.Valid(rec.Body.Bytes()))
			require.NotContains(t, rec.Body.String()+f.log.String(), secret)
			if c.status != 202 {
				require.Empty(t, f.entries)
				require.Equal(t, []string{c.refused}, f.refused)
				require.Contains(t, f.log.String(), "event refused")
				if c.err != nil && c.status == 503 {
					require.Contains(t, f.log.String(), c.err.Error())
				}
				return
			}
			require.Empty(t, f.refused)
			require.Equal(t, []store.Entry{{Source: c.source, Kind: store.EntryEvent, Payload: []byte(c.body), ReceivedAt: now}}, f.entries, "the payload is stored unchanged")
		})
	}
}

// pad makes a body of exactly this size.
func pad(body string, size int) string {
	inner := strings.TrimSuffix(body, "}") + `,"x":"`
	return inner + strings.Repeat("y", size-len(inner)-2) + `"}`
}

// All faults of a payload are named.
func TestEventFaultsAreAllNamed(t *testing.T) {
	rec := newFixture(t).do(request{path: "/v1/zabbix/events", body: `{"EVENT.ID":"x","EVENT.NSEVERITY":"9","EVENT.VALUE":"7","source":"no"}`, header: bearer(secret)})
	var got struct{ Faults fault.Faults }
	require.NoError(t, json.Unmarshal(rec.Body.Bytes(), &got))
	var fields []string
	for _, f := range got.Faults {
		fields = append(fields, f.Field)
		require.NotEmpty(t, f.What)
	}
	require.ElementsMatch(t, []string{"event.id", "event.nseverity", "event.value", "source"}, fields)
}

// The public form of a signature: HMAC-SHA256 of the timestamp, a dot and the body.
func TestSignatureVector(t *testing.T) {
	// printf '1700000000.{"a":1}' | openssl dgst -sha256 -hmac key
	require.Equal(t, "sha256=a438e398bfafc57e4396bb7fc2304422f0f768e965d073ca313cb52e22e6ad03", Sign("key", "1700000000", []byte(`{"a":1}`)))
}

// Without a public URL there are no tags, since Zabbix would set an empty one.
func TestNoTagsWithoutALink(t *testing.T) {
	f := newFixture(t)
	f.Receiver = New(Options{Sources: f.opts.Sources, Intake: f, Metrics: f.opts.Metrics, Now: f.opts.Now})
	rec := f.do(request{path: "/v1/zabbix/events", body: event, header: bearer(secret)})
	require.Equal(t, `{"problem":"main/4711"}`, rec.Body.String())
	rec = f.do(request{path: "/v1/zabbix/events", body: strings.Replace(event, "4711", "{EVENT.ID}", 1), header: bearer(secret)})
	require.Equal(t, `{"message":"The relay received this test of source main and posts a test message to noc.","problem":null,"test":true,"rooms":["noc"]}`, rec.Body.String())
}

// An empty secret authorises nobody.
func TestEmptySecretsAuthoriseNobody(t *testing.T) {
	f := newFixture(t)
	f.Receiver = New(Options{Sources: []Source{{"main", []string{""}}}, Senders: []Sender{{Name: "x"}}, Intake: f, Notices: f, Metrics: f.opts.Metrics})
	for _, header := range []map[string]string{bearer(""), bearer(" "), signed("", event, time.Now())} {
		require.Equal(t, 401, f.do(request{path: "/v1/zabbix/events", body: event, header: header}).Code)
		require.Equal(t, 401, f.do(request{path: "/v1/notify", body: `{}`, header: header}).Code)
	}
}

// The answer comes after the append.
func TestTheAnswerWaitsForTheDisk(t *testing.T) {
	f := newFixture(t)
	gate, reached := make(chan struct{}), make(chan struct{})
	f.opts.Intake = slow{f, gate, reached}
	done := make(chan int)
	go func() { done <- f.do(request{path: "/v1/zabbix/events", body: event, header: bearer(secret)}).Code }()
	<-reached
	select {
	case code := <-done:
		t.Fatalf("answered %d before it was on disk", code)
	default:
	}
	close(gate)
	require.Equal(t, 202, <-done)
}

type slow struct {
	Intake
	gate, reached chan struct{}
}

func (s slow) Append(context.Context, store.Entry) (int64, error) {
	close(s.reached)
	<-s.gate
	return 1, nil
}

// A body without announced length, or one that ends early, has the same limits.
func TestBodiesWithoutALength(t *testing.T) {
	f := newFixture(t)
	post := func(body io.Reader, length int64) int {
		return f.request("/v1/zabbix/events", bearer(secret), length, body).Code
	}
	require.Equal(t, 202, post(strings.NewReader(event), -1))
	require.Equal(t, 202, post(strings.NewReader(pad(event, 3*firstRead)), -1))
	require.Equal(t, 202, post(strings.NewReader(pad(event, MaxBody)), -1))
	require.Equal(t, 413, post(strings.NewReader(pad(event, MaxBody+1)), -1))
	require.Equal(t, 413, post(endless{}, -1))
	require.Equal(t, 400, post(io.MultiReader(strings.NewReader("{"), failing{io.ErrUnexpectedEOF}), 100))
	require.Equal(t, 408, post(failing{os.ErrDeadlineExceeded}, 100))
	require.Equal(t, 413, post(failing{errors.New("read")}, MaxBody+1), "nothing is read")
	require.Zero(t, f.limits.events.used, "all bytes were released")
	require.Len(t, f.entries, 3)
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// Every recorded payload of both Zabbix versions is accepted, stored unchanged, and answered as in the golden file.
func TestRecordedPayloads(t *testing.T) {
	f := newFixture(t)
	var answers strings.Builder
	err := fs.WalkDir(testdata.Fixtures, "fixtures", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.Contains(name, "/events/") || path.Base(name) == "cut-at-64k.json" {
			return err
		}
		data, err := fs.ReadFile(testdata.Fixtures, name)
		require.NoError(t, err)
		var line bytes.Buffer
		require.NoError(t, json.Compact(&line, data))
		rec := f.do(request{path: "/v1/zabbix/events", body: line.String(), header: signed(secret, line.String(), now)})
		require.Equal(t, 202, rec.Code, "%s: %s", name, rec.Body)
		require.Equal(t, line.String(), string(f.entries[len(f.entries)-1].Payload))
		fmt.Fprintf(&answers, "%s %s\n", strings.TrimPrefix(name, "fixtures/"), rec.Body)
		return nil
	})
	require.NoError(t, err)
	golden(t, "answers.txt", answers.String())
}

func golden(t *testing.T, name, got string) {
	file := filepath.Join("testdata", name)
	if *update {
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(file, []byte(got), 0o644))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, string(want), got)
}

// For any body with the right secret, the answer is valid JSON with a documented status, and an accepted body is stored
// unchanged.
func FuzzEvents(f *testing.F) {
	for _, seed := range []string{event, "", "null", "[]", `{"EVENT.ID":"{EVENT.ID}"}`, `{"event_id":4711,"event_value":1}`, `{"EVENT.ID":"1","EVENT.VALUE":"0","x":"<@all>\u0000"}`, `{"source":"\ud800"}`} {
		f.Add([]byte(seed), true)
	}
	fx := newFixture(f)
	f.Fuzz(func(t *testing.T, body []byte, notify bool) {
		fx.entries, fx.notices = nil, nil
		where, proof := "/v1/zabbix/events", secret
		if notify {
			where, proof = "/v1/notify", token
		}
		rec := fx.do(request{path: where, body: string(body), header: bearer(proof)})
		require.True(t, json.Valid(rec.Body.Bytes()), rec.Body)
		require.Contains(t, []int{202, 400, 403, 413}, rec.Code)
		require.Equal(t, rec.Code == 202, len(fx.entries)+len(fx.notices) == 1)
		if len(fx.entries) == 1 {
			require.Equal(t, body, fx.entries[0].Payload)
		}
		if len(fx.notices) == 1 {
			require.NotRegexp(t, `(?i)<[\s/]*(@\s*all\b|spark-)`, fx.notices[0].Markdown+fx.notices[0].Text)
		}
	})
}

func TestTheTestAnswerNamesUnknownRooms(t *testing.T) {
	f := newFixture(t)
	body := strings.Replace(event, "4711", "{EVENT.ID}", 1)
	body = strings.Replace(body, "{", `{"ALERT.SENDTO":"typo",`, 1)
	rec := f.do(request{path: "/v1/zabbix/events", body: body, header: bearer(secret)})
	require.Equal(t, 202, rec.Code)
	require.JSONEq(t, `{"problem":null,"test":true,"rooms":["noc"],"unknown":["typo is no room"],
		"message":"The relay received this test of source main and posts a test message to noc. Send to: typo is no room."}`, rec.Body.String())
}
