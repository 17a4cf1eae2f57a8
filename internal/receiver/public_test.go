package receiver

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/webex"
)

// Every status of the notify API, and what is stored.
func TestNotify(t *testing.T) {
	long := strings.Repeat("ü", maxMessage/2)
	for name, c := range map[string]struct {
		body   string
		token  string
		err    error
		status int
		answer string
		notice store.Notice
	}{
		"markdown to a room":  {body: `{"room":"noc","markdown":"**done**"}`, status: 202, answer: `{"id":"notice:1"}`, notice: store.Notice{Room: "noc", Markdown: "**done**", Bot: "bot-of-noc"}},
		"text with a key":     {body: `{"room":"db","text":"done <b>","key":"deploy/7"}`, status: 202, notice: store.Notice{Room: "db", Text: "done <b>", Dedup: "deploy/7", Bot: "bot-of-db"}},
		"to a person":         {body: `{"person":"Alice@Example.com","text":"hi","room":null}`, token: "ci-token", status: 202, notice: store.Notice{Person: "alice@example.com", Text: "hi", Bot: "bot-of-"}},
		"a person mentioned":  {body: `{"room":"noc","markdown":"<@personEmail:alice@example.com|Alice> look"}`, status: 202, notice: store.Notice{Room: "noc", Markdown: "<@personEmail:alice@example.com|Alice> look", Bot: "bot-of-noc"}},
		"all mentioned":       {body: `{"room":"noc","markdown":"<@all> and < @ALL|x> <<@all>@all> <@all the rest stays, <@allison> too <spark-mention data-group-type=\"all\">All</spark-mention>"}`, status: 202, notice: store.Notice{Room: "noc", Markdown: "‹@all> and ‹ @ALL|x> <‹@all>@all> ‹@all the rest stays, ‹@allison> too ‹spark-mention data-group-type=\"all\">All‹/spark-mention>", Bot: "bot-of-noc"}},
		"the longest":         {body: `{"room":"noc","text":"` + long + `x"}`, status: 202, notice: store.Notice{Room: "noc", Text: long + "x", Bot: "bot-of-noc"}},
		"too long":            {body: `{"room":"noc","text":"` + long + `ü"}`, status: 400, answer: `{"faults":[{"field":"text","what":"7440 bytes, Webex accepts 7439","hint":"split it, or send the beginning and a link"}]}`},
		"markdown too long":   {body: `{"room":"noc","markdown":"` + long + `ü"}`, status: 400},
		"no target, no body":  {body: `{}`, status: 400, answer: `{"faults":[{"field":"room","what":"missing","hint":"expected room or person, and markdown or text"},{"field":"markdown","what":"missing","hint":"expected room or person, and markdown or text"}]}`},
		"two targets":         {body: `{"room":"noc","person":"a@example.com","text":"x","markdown":"x"}`, status: 400, answer: `{"faults":[{"field":"person","what":"conflicts with room","hint":"use one of them"},{"field":"text","what":"conflicts with markdown","hint":"use one of them"}]}`},
		"blank":               {body: `{"room":"noc","text":" \n"}`, status: 400, answer: `{"faults":[{"field":"text","what":"empty"}]}`},
		"unknown keys":        {body: `{"room":"noc","text":"x","rooom":"y","Text":"z"}`, status: 400, answer: `{"faults":[{"field":"Text","what":"unknown","hint":"expected room, person, markdown, text, key, thread, severity or idempotency_key"},{"field":"rooom","what":"unknown","hint":"expected room, person, markdown, text, key, thread, severity or idempotency_key"}]}`},
		"wrong types":         {body: `{"room":1,"text":["x"]}`, status: 400, answer: `{"faults":[{"field":"room","what":"not a string"},{"field":"text","what":"not a string"}]}`},
		"not an address":      {body: `{"person":"alice","text":"x"}`, token: "ci-token", status: 400, answer: `{"faults":[{"field":"person","what":"not an e-mail address"}]}`},
		"key too long":        {body: `{"room":"noc","text":"x","key":"` + strings.Repeat("k", 201) + `"}`, status: 400, answer: `{"faults":[{"field":"key","what":"longer than 200 characters"}]}`},
		"one fault per field": {body: `{"room":"noc","person":"alice","text":"x"}`, status: 400, answer: `{"faults":[{"field":"person","what":"conflicts with room","hint":"use one of them"}]}`},
		"long room":           {body: `{"room":"` + strings.Repeat("r", 65) + `","text":"x"}`, status: 400, answer: `{"faults":[{"field":"room","what":"longer than 64 characters"}]}`},
		"long person":         {body: `{"person":"a@` + strings.Repeat("e", 253) + `","text":"x"}`, token: "ci-token", status: 400, answer: `{"faults":[{"field":"person","what":"longer than 254 characters"}]}`},
		"blank markdown":      {body: `{"room":"noc","markdown":"\t"}`, status: 400, answer: `{"faults":[{"field":"markdown","what":"empty"}]}`},
		"key of two lines":    {body: `{"room":"noc","text":"x","key":"a\nb"}`, status: 400, answer: `{"faults":[{"field":"key","what":"contains control characters"}]}`},
		"not JSON":            {body: `room=noc`, status: 400},
		"a list":              {body: `[]`, status: 400, answer: `{"faults":[{"field":"","what":"not a JSON object","hint":"expected {\"room\": \"noc\", \"markdown\": \"**done**\"}"}]}`},
		"null":                {body: `null`, status: 400},
		"nothing":             {body: ``, status: 400},
		"no token":            {body: `{}`, token: "-", status: 401, answer: `{"error":"no bearer token","hint":"send Authorization: Bearer TOKEN"}`},
		"wrong token":         {body: `{}`, token: "wrong", status: 401},
		"a source's secret":   {body: `{}`, token: secret, status: 401},
		"another room":        {body: `{"room":"lab","text":"x"}`, status: 403, answer: `{"error":"this token may not write to room \"lab\"","hint":"it may write to noc, db"}`},
		"no rooms":            {body: `{"room":"noc","text":"x"}`, token: "ci-token", status: 403, answer: `{"error":"this token may not write to room \"noc\"","hint":"it may write to no room"}`},
		"no persons":          {body: `{"person":"a@example.com","text":"x"}`, status: 403, answer: `{"error":"this token may not write to people","hint":"set persons: true in the relay's configuration"}`},
		"too large":           {body: `{"text":"` + strings.Repeat("x", MaxBody) + `"}`, status: 413},
		"severity":            {body: `{"room":"noc","markdown":"db1 **full**","severity":"HIGH"}`, status: 202, notice: store.Notice{Room: "noc", Markdown: "🟧 high · db1 **full**", Bot: "bot-of-noc"}},
		"severity of text":    {body: `{"room":"noc","text":"db1 full","severity":"not classified"}`, status: 202, notice: store.Notice{Room: "noc", Text: "🟧 not classified · db1 full", Bot: "bot-of-noc"}},
		"severity of a list":  {body: `{"room":"noc","markdown":"- a\n- b","severity":"warning"}`, status: 202, notice: store.Notice{Room: "noc", Markdown: "🟧 warning\n\n- a\n- b", Bot: "bot-of-noc"}},
		"unknown severity":    {body: `{"room":"noc","text":"x","severity":"bad"}`, status: 400, answer: `{"faults":[{"field":"severity","what":"unknown","hint":"expected not classified, information, warning, average, high or disaster"}]}`},
		"too long with it":    {body: `{"room":"noc","severity":"high","text":"` + long + `x"}`, status: 400},
		"thread":              {body: `{"room":"noc","text":"x","thread":"deploy 7","key":"k"}`, status: 202, notice: store.Notice{Room: "noc", Text: "x", Thread: "deploy 7", Dedup: "k", Bot: "bot-of-noc"}},
		"thread of two lines": {body: `{"room":"noc","text":"x","thread":"a\u0000b"}`, status: 400, answer: `{"faults":[{"field":"thread","what":"contains control characters"}]}`},
		"control characters":  {body: `{"room":"noc","text":"\u001b[1;31mred\u001b[0m\r\n\ta\u202eb\u0007"}`, status: 202, notice: store.Notice{Room: "noc", Text: "red\n\tab", Bot: "bot-of-noc"}},
		"a file in JSON":      {body: `{"room":"noc","text":"x","file":"eA=="}`, status: 400, answer: `{"faults":[{"field":"file","what":"unknown","hint":"send a file as multipart/form-data, such as curl -F file=@report.pdf"}]}`},
		"key reused":          {body: `{"room":"noc","text":"x"}`, err: fmt.Errorf("store: %w", store.ErrKeyReused), status: 422, answer: `{"error":"the idempotency key was used for another message","hint":"use a new key for each message, the same one only to repeat a request"}`},
		"store full":          {body: `{"room":"noc","text":"x"}`, err: store.ErrFull, status: 429},
		"store busy":          {body: `{"room":"noc","text":"x"}`, err: store.ErrBusy, status: 429},
		"store broken":        {body: `{"room":"noc","text":"x"}`, err: errors.New("disk full"), status: 503},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.err = c.err
			header := bearer(token)
			if c.token == "-" {
				header = nil
			} else if c.token != "" {
				header = bearer(c.token)
			}
			rec := f.do(request{path: "/v1/notify", body: c.body, header: header})
			require.Equal(t, c.status, rec.Code, rec.Body)
			if c.answer != "" {
				require.JSONEq(t, c.answer, rec.Body.String())
			}
			require.True(t, json.Valid(rec.Body.Bytes()))
			require.NotContains(t, rec.Body.String()+f.log.String(), token)
			if c.status != 202 {
				require.Empty(t, f.notices)
				require.Equal(t, c.status == 429 || c.status == 503, rec.Header().Get("Retry-After") != "")
				return
			}
			want := c.notice
			want.Kind, want.State, want.Sender, want.CreatedAt, want.ChangedAt = store.NoticeNotify, store.NoticePending, "ansible", now, now
			if c.token == "ci-token" {
				want.Sender = "ci"
			}
			require.Equal(t, []store.Notice{want}, f.notices)
		})
	}
}

// A webhook reaches its bot's listener unchanged, and the answer has the listener's status.
func TestWebhooks(t *testing.T) {
	f := newFixture(t)
	good := map[string]string{"X-Spark-Signature": "good"}
	require.Equal(t, 200, f.do(request{path: "/v1/webex/noc", body: " {raw} ", header: good}).Code)
	require.Equal(t, [][]byte{[]byte(" {raw} ")}, f.hooked)
	require.Equal(t, 401, f.do(request{path: "/v1/webex/noc", body: "x"}).Code)
	require.Equal(t, 404, f.do(request{path: "/v1/webex/other", body: "x", header: good}).Code)
	require.Equal(t, 413, f.do(request{path: "/v1/webex/noc", body: strings.Repeat("x", MaxBody+1), header: good}).Code)
	require.Equal(t, 404, f.do(request{path: "/v1/webex/noc/x", body: "x", header: good}).Code)
}

// Unknown paths and methods are answered in JSON, with a hint.
func TestUnknownPaths(t *testing.T) {
	f := newFixture(t)
	rec := f.do(request{method: "GET", path: "/"})
	require.Equal(t, 200, rec.Code)
	require.Contains(t, rec.Body.String(), "alert-relay")
	rec = f.do(request{path: "/v1/zabbix/event"})
	require.Equal(t, 404, rec.Code)
	require.Equal(t, `{"error":"no such path","hint":"events go to POST /v1/zabbix/events, messages to POST /v1/notify"}`, rec.Body.String())
	rec = f.do(request{method: "GET", path: "/v1/zabbix/events"})
	require.Equal(t, 405, rec.Code)
	require.Equal(t, `{"error":"method GET is not allowed here","hint":"expected POST"}`, rec.Body.String())
	require.Equal(t, 404, f.do(request{path: "/v1/zabbix/events/"}).Code, "a redirect would lose the body")
	require.Equal(t, 404, f.do(request{method: "GET", path: "/metrics"}).Code, "the public listener serves no metrics")
}

// A panic affects one request: it is answered 500, logged and counted.
func TestPanics(t *testing.T) {
	f := newFixture(t)
	rec := f.do(request{path: "/v1/webex/panic", body: "x"})
	require.Equal(t, 500, rec.Code)
	require.True(t, json.Valid(rec.Body.Bytes()))
	require.NotContains(t, rec.Body.String(), "out of order")
	require.Contains(t, f.log.String(), "out of order")
	require.Equal(t, 1.0, testutil.ToFloat64(f.opts.Metrics.panics))
	require.Zero(t, f.limits.hooks.used, "its bytes were released")
}

// Requests are counted by endpoint and class; every combination exists from the start.
func TestMetrics(t *testing.T) {
	f := newFixture(t)
	count, err := testutil.GatherAndCount(f.registry, "alert_relay_http_requests_total")
	require.NoError(t, err)
	require.Equal(t, len(endpoints)*len(statusClasses), count)
	f.do(request{path: "/v1/zabbix/events", body: event, header: bearer(secret)})
	f.do(request{path: "/v1/zabbix/events", body: event})
	f.do(request{path: "/v1/webex/panic", body: "x"})
	f.do(request{method: "GET", path: f.linkPath(alert.Key{Source: "main", EventID: "4711"})})
	m := f.opts.Metrics
	require.Equal(t, 1.0, testutil.ToFloat64(m.requests.WithLabelValues("events", "2xx")))
	require.Equal(t, 1.0, testutil.ToFloat64(m.requests.WithLabelValues("events", "4xx")))
	require.Equal(t, 1.0, testutil.ToFloat64(m.requests.WithLabelValues("webex", "5xx")))
	require.Equal(t, 1.0, testutil.ToFloat64(m.requests.WithLabelValues("message", "3xx")))
	problems, err := testutil.GatherAndLint(f.registry)
	require.NoError(t, err)
	require.Empty(t, problems)
}

// The server limits the time and size of headers and connections.
func TestServerHasLimits(t *testing.T) {
	s := NewServer("127.0.0.1:0", http.NotFoundHandler())
	require.NotZero(t, s.ReadHeaderTimeout)
	require.NotZero(t, s.ReadTimeout)
	require.NotZero(t, s.WriteTimeout)
	require.NotZero(t, s.IdleTimeout)
	require.NotZero(t, s.MaxHeaderBytes)
}

// Whatever strangers send, the log has one line a minute per reason, with a count.
func TestRefusalsAreLoggedOnceAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		ask := func() {
			for i := range 50 {
				f.do(request{path: "/v1/zabbix/events", body: event})
				f.do(request{path: "/v1/zabbix/events", body: event, header: bearer(strconv.Itoa(i))})
				f.do(request{path: "/v1/zabbix/events", body: event, header: signed(secret, event, now.Add(time.Duration(i+400)*time.Second))})
				f.do(request{path: "/v1/zabbix/events", body: event, header: map[string]string{HeaderTimestamp: strconv.Itoa(i), HeaderSignature: "x"}})
				f.do(request{path: "/v1/zabbix/events", body: strings.Repeat("x", i), header: signed(secret, event, now)})
				f.do(request{path: "/v1/notify", body: strconv.Itoa(i)})
				f.do(request{path: "/v1/webex/panic", body: strconv.Itoa(i)})
				f.do(request{path: "/v1/webex/" + strconv.Itoa(i), body: "x"})
				f.do(request{path: "/" + strconv.Itoa(i), body: "x"})
			}
		}
		reasons := 6 // no credentials, wrong token, clock, signature, no notify token, panic
		ask()
		require.Equal(t, reasons, strings.Count(f.log.String(), "\n"), f.log)
		ask()
		require.Equal(t, reasons, strings.Count(f.log.String(), "\n"))
		time.Sleep(time.Minute + time.Second)
		synctest.Wait()
		require.Equal(t, 2*reasons, strings.Count(f.log.String(), "\n"))
		require.Contains(t, f.log.String(), "count=")
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		require.Equal(t, 2*reasons, strings.Count(f.log.String(), "\n"), "no further line")
	})
}

// The receiver must not import the Webex client, so it has Webex's limit as a constant of its own.
func TestMaxMessageIsWebexs(t *testing.T) { require.Equal(t, webex.MaxMessageBytes, maxMessage) }
