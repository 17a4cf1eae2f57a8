package receiver

import (
	"bytes"
	"mime/multipart"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/store"
)

// form writes fields as multipart/form-data; "file:NAME" is a file.
func form(t testing.TB, fields ...string) (body string, header map[string]string) {
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for i := 0; i < len(fields); i += 2 {
		name, file, ok := strings.Cut(fields[i], ":")
		if ok {
			part, err := w.CreateFormFile(name, file)
			require.NoError(t, err)
			_, err = part.Write([]byte(fields[i+1]))
			require.NoError(t, err)
		} else {
			require.NoError(t, w.WriteField(name, fields[i+1]))
		}
	}
	require.NoError(t, w.Close())
	header = bearer("files-token")
	header["Content-Type"] = w.FormDataContentType()
	return b.String(), header
}

// A form has the same fields as JSON, and a file, whose name is made harmless and whose type is found by its content.
func TestNotifyByForm(t *testing.T) {
	pdf := "%PDF-1.7\n..."
	for name, c := range map[string]struct {
		fields []string
		cut    int // bytes at the end that don't arrive
		token  string
		status int
		answer string // part of it
		notice store.Notice
	}{
		"fields only":     {fields: []string{"room", "noc", "text", "done", "thread", "t", "key", "k"}, status: 202, notice: store.Notice{Text: "done", Thread: "t", Dedup: "k"}},
		"a file alone":    {fields: []string{"room", "noc", "file:a.pdf", pdf}, status: 202, notice: store.Notice{File: &store.File{Name: "a.pdf", Type: "application/pdf", Content: []byte(pdf)}}},
		"file and text":   {fields: []string{"file:a.html", "text", "room", "noc", "markdown", "**log**", "severity", "high"}, status: 202, notice: store.Notice{Markdown: "🟧 high · **log**", File: &store.File{Name: "a.html", Type: "text/plain; charset=utf-8", Content: []byte("text")}}},
		"severity alone":  {fields: []string{"file:x", "text", "room", "noc", "severity", "high"}, status: 202, notice: store.Notice{Markdown: "🟧 high", File: &store.File{Name: "x", Type: "text/plain; charset=utf-8", Content: []byte("text")}}},
		"everybody":       {fields: []string{"room", "noc", "markdown", "<@all> <@allison> <spark-mention>"}, status: 202, notice: store.Notice{Markdown: "<@all> ‹@allison> ‹spark-mention>"}},
		"file and key":    {fields: []string{"room", "noc", "file:a", "x", "key", "k"}, status: 400, answer: "conflicts with key: Webex can't edit a message with a file"},
		"an empty file":   {fields: []string{"room", "noc", "file:a", ""}, status: 400, answer: `{"field":"file","what":"empty"}`},
		"two files":       {fields: []string{"room", "noc", "file:a", "x", "file:b", "y"}, status: 400, answer: "given twice"},
		"unknown field":   {fields: []string{"room", "noc", "files:a", "x"}, status: 400, answer: `"field":"files"`},
		"the largest":     {fields: []string{"room", "noc", "file:a", strings.Repeat("x", 1000)}, status: 202, notice: store.Notice{File: &store.File{Name: "a", Type: "text/plain; charset=utf-8", Content: bytes.Repeat([]byte("x"), 1000)}}},
		"too large":       {fields: []string{"room", "noc", "file:a", strings.Repeat("x", 1001)}, status: 413, answer: "the file is larger than 1000 bytes"},
		"much too large":  {fields: []string{"room", "noc", "file:a", strings.Repeat("x", 1001+formOverhead)}, status: 413, answer: "the file is larger than 1000 bytes"},
		"half a form":     {fields: []string{"room", "noc", "file:a", "x"}, cut: 20, status: 400, answer: "not a complete multipart/form-data body"},
		"another room":    {fields: []string{"room", "db", "file:a", "x"}, status: 403},
		"no files at all": {fields: []string{"room", "noc", "file:a", "x"}, token: token, status: 403, answer: "this token may not send files"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			body, header := form(t, c.fields...)
			if c.token != "" {
				header["Authorization"] = "Bearer " + c.token
			}
			rec := f.do(request{path: "/v1/notify", body: body[:len(body)-c.cut], header: header})
			require.Equal(t, c.status, rec.Code, rec.Body)
			require.Contains(t, rec.Body.String(), c.answer)
			if c.status != 202 {
				require.Empty(t, f.notices)
				return
			}
			c.notice.Kind, c.notice.State, c.notice.Sender, c.notice.CreatedAt, c.notice.ChangedAt = store.NoticeNotify, store.NoticePending, "files", now, now
			c.notice.Room, c.notice.Bot = "noc", "bot-of-noc"
			require.Equal(t, []store.Notice{c.notice}, f.notices)
		})
	}
}

// A request's identity has everything that the sender asked for, and nothing else.
func TestARequestIsKnownAgain(t *testing.T) {
	f := newFixture(t)
	ask := func(body string, header ...string) store.Once {
		t.Helper()
		h := bearer(token)
		for i := 0; i < len(header); i += 2 {
			h[header[i]] = header[i+1]
		}
		before := len(f.notices)
		rec := f.do(request{path: "/v1/notify", body: body, header: h})
		if rec.Code != 202 {
			require.Contains(t, rec.Body.String(), "differs from the header")
			return store.Once{Key: "refused"}
		}
		return f.notices[before].Once
	}
	first := ask(`{"room":"noc","text":"x","idempotency_key":"k1"}`)
	require.Equal(t, "k1", first.Key)
	require.Equal(t, first, ask(`{"text":"x","idempotency_key":"k1", "room":"noc","key":null}`))
	require.Equal(t, first, ask(`{"room":"noc","text":"x"}`, "Idempotency-Key", "k1"))
	require.Equal(t, "refused", ask(`{"room":"noc","text":"x","idempotency_key":"k1"}`, "Idempotency-Key", "k2").Key)
	require.Zero(t, ask(`{"room":"noc","text":"x"}`))
	seen := map[string]bool{first.Digest: true}
	for _, fields := range []string{
		`"room":"db","text":"x"`, `"room":"noc","text":"y"`, `"room":"noc","markdown":"x"`, `"room":"noc","text":"x","key":"k"`,
		`"room":"noc","text":"x","thread":"k"`, `"room":"noc","text":"x","severity":"high"`, `"room":"noc","text":"x\n1 k"`,
	} {
		digest := ask(`{` + fields + `,"idempotency_key":"k1"}`).Digest
		require.False(t, seen[digest], fields)
		seen[digest] = true
	}
	for _, file := range []string{"x", "y"} {
		body, header := form(t, "room", "noc", "text", "x", "idempotency_key", "k1", "file:a", file)
		require.Equal(t, 202, f.do(request{path: "/v1/notify", body: body, header: header}).Code)
		digest := f.notices[len(f.notices)-1].Once.Digest
		require.False(t, seen[digest])
		seen[digest] = true
	}
}

// A sender that floods is told to wait, as long as it has to; others aren't. A reload changes nothing about it.
func TestAFloodIsRefused(t *testing.T) {
	f := newFixture(t)
	at := now
	f.opts.Now = func() time.Time { return at }
	f.Receiver = New(f.opts)
	ask := func(token string) *httptest.ResponseRecorder {
		return f.do(request{path: "/v1/notify", body: `{"room":"noc","text":"x"}`, header: bearer(token)})
	}
	for range 3 {
		require.Equal(t, 202, ask("files-token").Code)
	}
	for range 5 {
		rec := ask("files-token")
		require.Equal(t, 429, rec.Code)
		require.JSONEq(t, `{"error":"more than 3 messages a minute","hint":"try again"}`, rec.Body.String())
		require.Equal(t, "20", rec.Header().Get("Retry-After"))
		require.Equal(t, 202, ask(token).Code)
		f.opts.Limits = f.limits
		f.Receiver = New(f.opts)
	}
	at = at.Add(20 * time.Second)
	require.Equal(t, 202, ask("files-token").Code)
	require.Equal(t, 429, ask("files-token").Code)
	count := func(sender, result string) float64 {
		return testutil.ToFloat64(f.opts.Metrics.notices.WithLabelValues(sender, result))
	}
	require.Equal(t, []float64{4, 6, 5, 0}, []float64{count("files", "accepted"), count("files", "refused"), count("ansible", "accepted"), count("", "refused")})
	require.Equal(t, 401, ask("nobody").Code)
	require.Equal(t, 1.0, count("", "refused"))
}
