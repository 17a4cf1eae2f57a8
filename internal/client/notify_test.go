package client

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/config"
)

// Send posts the notify API's body with the token as bearer.
func TestSend(t *testing.T) {
	var got map[string]string
	var answer string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = nil
		require.Equal(t, "POST /v1/notify", r.Method+" "+r.URL.Path)
		require.Equal(t, "Bearer s3cr3t", r.Header.Get("Authorization"))
		require.NoError(t, json.NewDecoder(r.Body).Decode(&got))
		w.WriteHeader(http.StatusAccepted)
		_, _ = io.WriteString(w, answer)
	}))
	defer server.Close()
	for _, c := range []struct {
		name, answer, id string
		o                Message
		want             map[string]string
	}{
		{"to a room", `{"id":"notice:17"}`, "notice:17", Message{To: "noc"}, map[string]string{"room": "noc", "markdown": "**done**"}},
		{"to a person, with a key", `{"id":"notice:18"}`, "notice:18", Message{To: "alice@example.com", Person: true, Key: "k"},
			map[string]string{"person": "alice@example.com", "markdown": "**done**", "key": "k"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			answer = c.answer
			c.o.URL, c.o.Token, c.o.Markdown = server.URL+"/", "s3cr3t", "**done**"
			id, err := Send(t.Context(), c.o)
			require.NoError(t, err)
			require.Equal(t, c.id, id)
			require.Equal(t, c.want, got)
		})
	}
}

// Any answer but a relay's 202 is an error in plain words, without the token.
func TestSendRefused(t *testing.T) {
	for _, c := range []struct {
		status       int
		answer, want string
	}{
		{403, `{"error":"this token may not write to people","hint":"persons: true"}`, `answered 403 Forbidden: this token may not write to people (persons: true)`},
		{400, `{"faults":[{"field":"room","what":"missing"},{"field":"key","what":"empty","hint":"leave it out"}]}`, `answered 400 Bad Request: room: missing; key: empty (leave it out)`},
		{502, `<html>Bad gateway</html>`, `answered 502 Bad Gateway: not an answer from alert-relay (is the address right?)`},
		{200, `{}`, `answered without an id: not an alert-relay (is the address right?)`},
		{202, `{}`, `answered without an id: not an alert-relay (is the address right?)`},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(c.status)
			_, _ = io.WriteString(w, c.answer)
		}))
		_, err := Send(t.Context(), Message{Relay: Relay{URL: server.URL, Token: "s3cr3t"}, To: "noc", Markdown: "x"})
		server.Close()
		require.EqualError(t, err, server.URL+" "+c.want)
	}
}

// A redirect is not followed: the token is only for the given address.
func TestSendFollowsNoRedirect(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the token went elsewhere") }))
	defer elsewhere.Close()
	server := httptest.NewServer(http.RedirectHandler(elsewhere.URL, http.StatusTemporaryRedirect))
	defer server.Close()
	_, err := Send(t.Context(), Message{Relay: Relay{URL: server.URL, Token: "s3cr3t"}, To: "noc", Markdown: "x"})
	require.ErrorContains(t, err, "answered 307 Temporary Redirect: not an answer from alert-relay")
}

// A configuration fills in what is missing: this host's relay, and the first sender that may write there and whose token is
// readable.
func TestSendFromConfig(t *testing.T) {
	sender := func(name, token string, persons bool, rooms ...string) config.Notify {
		n := config.Notify{Name: name, Rooms: rooms, Persons: persons}
		if token != "" {
			n.Tokens = []config.Secret{config.NewSecret(token)}
		}
		return n
	}
	cfg := &config.Config{
		File: "relay.yaml", Server: config.Server{Listen: ":8080"}, Rooms: []config.Room{{Name: "noc"}, {Name: "db"}},
		Notify: []config.Notify{sender("absent", "", false, "noc"), sender("ci", "of-ci", false, "noc"), sender("people", "of-people", true)},
	}
	for _, c := range []struct {
		listen     string
		o          Message
		url, token string
		fault      string
	}{
		{":8080", Message{To: "noc"}, "http://127.0.0.1:8080", "of-ci", ""},
		{"[::]:8080", Message{To: "noc"}, "http://127.0.0.1:8080", "of-ci", ""},
		{"10.0.0.7:80", Message{To: "a@example.com", Person: true}, "http://10.0.0.7:80", "of-people", ""},
		{"[::1]:80", Message{To: "anything", Relay: Relay{Token: "mine"}}, "http://[::1]:80", "mine", ""},
		{":8080", Message{To: "noc", Relay: Relay{URL: "https://relay.example.com"}}, "https://relay.example.com", "of-ci", ""},
		{":0", Message{To: "noc"}, "", "", "any free port: use --url with the relay's address"},
		{":8080", Message{To: "db"}, "", "", `no notify sender in relay.yaml may write to room "db"`},
		{":8080", Message{To: "nowhere"}, "", "", `unknown room "nowhere" (relay.yaml has noc, db`},
	} {
		cfg.Server.Listen = c.listen
		got, err := c.o.FromConfig(cfg)
		if c.fault != "" {
			require.ErrorContains(t, err, c.fault)
			continue
		}
		require.NoError(t, err)
		require.Equal(t, c.url, got.URL)
		require.Equal(t, c.token, got.Token)
	}

	cfg.Server.TLS.CertFile = "cert"
	_, err := Message{To: "noc"}.FromConfig(cfg)
	require.ErrorContains(t, err, "use --url with the relay's address")
	cfg.Notify = cfg.Notify[:1]
	cfg.Warnings = config.Faults{{File: "relay.yaml", Line: 3, Key: "notify[0].token_file", What: "cannot read it"}}
	_, err = Message{To: "noc"}.FromConfig(cfg)
	require.EqualError(t, err, `missing token of notify sender "absent": relay.yaml:3: notify[0].token_file: cannot read it`)
	_, err = Message{To: "a@example.com", Person: true}.FromConfig(cfg)
	require.ErrorContains(t, err, "may write to people (set persons: true for one)")
}

// A message with a file is a form with the same fields.
func TestSendAFile(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		require.NoError(t, r.ParseMultipartForm(1<<20))
		require.Equal(t, map[string][]string{"room": {"noc"}, "text": {"x"}, "severity": {"high"}, "thread": {"t"}, "idempotency_key": {"i"}}, r.MultipartForm.Value)
		file, header, err := r.FormFile("file")
		require.NoError(t, err)
		content, err := io.ReadAll(file)
		require.NoError(t, err)
		require.Equal(t, "a.log line", header.Filename+" "+string(content))
		_, _ = io.WriteString(w, `{"id":"notice:1"}`)
	}))
	defer server.Close()
	id, err := Send(t.Context(), Message{
		Relay: Relay{URL: server.URL}, To: "noc", Text: "x", Severity: "high", Thread: "t", IdempotencyKey: "i", FileName: "a.log", File: []byte("line"),
	})
	require.NoError(t, err)
	require.Equal(t, "notice:1", id)
}

// A message is repeated, each time with the same idempotency key, only if that can help, and only for as long as the caller waits.
func TestWhenAMessageIsRepeated(t *testing.T) {
	status := func(status int, after time.Duration) error {
		return unauthorized{refused{errors.New("x"), status, after}}
	}
	for _, c := range []struct {
		promise string
		err     error
		n       int
		left    time.Duration
		wait    time.Duration
		again   bool
	}{
		{"accepted", nil, 1, time.Minute, 0, false},
		{"nobody listens", fmt.Errorf("%w: refused", ErrNoRelay), 1, time.Minute, time.Second / 4, true},
		{"the waits grow", ErrNoRelay, 4, time.Minute, 2 * time.Second, true},
		{"up to a limit", ErrNoRelay, 40, time.Minute, 15 * time.Second, true},
		{"once more at the end", ErrNoRelay, 40, 2 * time.Second, 2 * time.Second, true},
		{"no time left", ErrNoRelay, 1, 0, 0, false},
		{"told to wait", status(429, 20*time.Second), 1, time.Minute, 20 * time.Second, true},
		{"told to wait too long", status(503, 2*time.Minute), 1, time.Minute, 2 * time.Minute, false},
		{"a proxy without a relay", status(502, 0), 1, time.Minute, time.Second / 4, true},
		{"refused", status(403, 0), 1, time.Minute, 0, false},
		{"the key was used", status(422, 0), 1, time.Minute, 0, false},
	} {
		wait, again := pause(c.err, c.n, c.left)
		require.Equal(t, c.again, again, c.promise)
		require.Equal(t, c.wait, wait, c.promise)
	}
}

func TestSendWithin(t *testing.T) {
	keys := map[string]int{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body map[string]string
		require.NoError(t, json.NewDecoder(r.Body).Decode(&body))
		if keys[body["idempotency_key"]]++; len(keys) == 1 && keys[body["idempotency_key"]] < 3 {
			w.Header().Set("Retry-After", "0.001")
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		_, _ = io.WriteString(w, `{"id":"notice:1"}`)
	}))
	defer server.Close()
	waits := 0
	_, err := SendWithin(t.Context(), Message{Relay: Relay{URL: server.URL}, To: "noc", Markdown: "x"}, time.Hour, func(error) { waits++ })
	require.NoError(t, err)
	require.Equal(t, 2, waits)
	require.Len(t, keys, 1)
	_, err = SendWithin(t.Context(), Message{Relay: Relay{URL: server.URL}, To: "noc", Markdown: "x"}, 0, nil)
	require.NoError(t, err)
	require.Len(t, keys, 2, "another message has another key")
}
