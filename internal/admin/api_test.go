package admin

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/store/sqlite"
	"nms-alert-relay/internal/store/sqlite/sqlitetest"
	"nms-alert-relay/internal/testlog"
)

var t0 = time.Date(2026, 11, 24, 13, 51, 52, 0, time.UTC)

// world is an API over a real store.
type world struct {
	*API
	store    *sqlite.Store
	registry *prometheus.Registry
	logged   testlog.Lines
}

func newWorld(t *testing.T) *world {
	s, err := sqlite.Open(t.Context(), sqlite.Options{Path: sqlitetest.New(t)})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	w := &world{store: s, registry: prometheus.NewRegistry()}
	w.API = &API{
		Store: s, Log: w.logged.Logger(), Metrics: NewMetrics(w.registry), Now: func() time.Time { return t0 },
	}
	return w
}

// deadPost adds a post of main/ID that Webex rejected.
func (w *world) deadPost(t *testing.T, id, room string, at time.Time) {
	key := alert.Key{Source: "main", EventID: id}
	require.NoError(t, w.store.CommitFold(t.Context(), store.Fold{
		Problems: []alert.Problem{{Key: key, Facts: alert.Facts{Name: "Disk full on db" + id}, Severity: alert.High, State: alert.StateOpen, OpenedAt: t0, Revision: 1}},
		Posts:    []store.Post{{Key: key, Room: room, Desired: 1, PendingSince: t0}},
	}))
	claimed, err := w.store.ClaimPost(t.Context(), key, room)
	require.NoError(t, err)
	require.True(t, claimed)
	require.NoError(t, w.store.SavePost(t.Context(), key, room, store.Cursor{
		State: store.PostDead, LastError: "webex: POST /messages: 400 bad (tracking id T" + id + ")", TrackingID: "T" + id, DeadAt: at,
	}))
}

func (w *world) deadNotice(t *testing.T, markdown string) {
	n := store.Notice{Kind: store.NoticeNotify, Sender: "ci", Room: "noc", Bot: "relay", Markdown: markdown}
	id, err := w.store.AddNotice(t.Context(), n)
	require.NoError(t, err)
	n, err = w.store.Notice(t.Context(), id)
	require.NoError(t, err)
	n.State, n.LastError = store.NoticeDead, "the room isn't configured (any more)"
	require.NoError(t, w.store.SaveNotice(t.Context(), n))
}

// aside adds a journal entry that is set aside.
func (w *world) aside(t *testing.T, payload string) {
	id, err := w.store.Append(t.Context(), store.Entry{Source: "main", Kind: store.EntryEvent, Payload: []byte(payload), ReceivedAt: t0})
	require.NoError(t, err)
	require.NoError(t, w.store.CommitFold(t.Context(), store.Fold{SetAside: map[int64]string{id: "it can't be used"}}))
}

// do makes a request as curl on this host would, unless change says otherwise.
func (w *world) do(t *testing.T, method, path, body string, change func(*http.Request)) (int, string) {
	r := httptest.NewRequestWithContext(t.Context(), method, "http://127.0.0.1:9090"+path, strings.NewReader(body))
	r.RemoteAddr = "127.0.0.1:5555"
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/json")
	}
	if change != nil {
		change(r)
	}
	rec := httptest.NewRecorder()
	w.Handler().ServeHTTP(rec, r)
	return rec.Code, rec.Body.String()
}

func read[T any](t *testing.T, text string) (v T) {
	require.NoError(t, json.Unmarshal([]byte(text), &v), text)
	return v
}

// Dead letters are listed newest first, with their subject, Webex's reason and tracking id.
func TestDeadLettersAreListed(t *testing.T) {
	w := newWorld(t)
	status, body := w.do(t, "GET", "/v1/deadletters", "", nil)
	require.Equal(t, 200, status)
	require.JSONEq(t, `{"dead_letters": [], "total": 0}`, body)

	w.deadPost(t, "1", "noc", t0)
	w.deadPost(t, "2", "db", t0.Add(time.Second))
	w.deadNotice(t, "Backup of **db1** failed\nlog follows")
	_, body = w.do(t, "GET", "/v1/deadletters", "", nil)
	list := read[DeadLetterList](t, body)
	require.Equal(t, 3, list.Total)
	require.Equal(t, "notice:1", list.DeadLetters[0].ID, "DeadAt is the current time, long after t0")
	require.Equal(t, "Backup of **db1** failed …", list.DeadLetters[0].About)
	require.Equal(t, "notice", list.DeadLetters[0].Kind)
	require.Equal(t, []DeadLetter{
		{ID: "post:main/2@db", Kind: "post", Room: "db", Problem: "main/2", About: "Disk full on db2", Reason: "webex: POST /messages: 400 bad (tracking id T2)", TrackingID: "T2", At: t0.Add(time.Second)},
		{ID: "post:main/1@noc", Kind: "post", Room: "noc", Problem: "main/1", About: "Disk full on db1", Reason: "webex: POST /messages: 400 bad (tracking id T1)", TrackingID: "T1", At: t0},
	}, list.DeadLetters[1:])

	_, body = w.do(t, "GET", "/v1/deadletters?limit=1", "", nil)
	list = read[DeadLetterList](t, body)
	require.Len(t, list.DeadLetters, 1)
	require.Equal(t, 3, list.Total)
	_, body = w.do(t, "GET", "/v1/deadletters?room=db&limit=0", "", nil)
	list = read[DeadLetterList](t, body)
	require.Len(t, list.DeadLetters, 1)
	require.Equal(t, "post:main/2@db", list.DeadLetters[0].ID)
}

// A digest's list that Webex rejected is listed, replayed and dropped by an id of its own.
func TestDeadListIsListed(t *testing.T) {
	w := newWorld(t)
	require.NoError(t, w.store.CommitFold(t.Context(), store.Fold{Groups: []store.Group{{ID: -1, Room: "noc", Kind: store.GroupStorm, Revision: 1}}}))
	dead := store.GroupCursor{Shown: 1, ListDeadAt: t0, ListError: "webex: POST /messages: 400 bad", ListTrackingID: "T1"}
	die := func() { require.NoError(t, w.store.SaveGroup(t.Context(), 1, dead)) }
	die()
	_, body := w.do(t, "GET", "/v1/deadletters", "", nil)
	require.Equal(t, []DeadLetter{{ID: "list:1", Kind: "list", Room: "noc", About: "the list in a digest's thread (the digest itself was posted)", Reason: dead.ListError, TrackingID: "T1", At: t0}},
		read[DeadLetterList](t, body).DeadLetters)
	for _, do := range []string{"replay", "drop"} {
		status, _ := w.do(t, "POST", "/v1/deadletters/"+do, `{"id": "list:1"}`, nil)
		require.Equal(t, 200, status)
		status, _ = w.do(t, "POST", "/v1/deadletters/"+do, `{"id": "list:1"}`, nil)
		require.Equal(t, 404, status)
		die()
	}
}

// An invalid request is refused with a hint, and changes nothing.
func TestAdminRefuses(t *testing.T) {
	w := newWorld(t)
	w.deadPost(t, "1", "noc", t0)
	w.aside(t, `{}`)
	const id = `{"id": "post:main/1@noc"}`
	header := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(name, value) }
	}
	for _, c := range []struct {
		name, method, path, body string
		change                   func(*http.Request)
		status                   int
		says                     string
	}{
		{"a page of another site", "POST", "/v1/deadletters/drop", id, header("Sec-Fetch-Site", "cross-site"), 403, "cross-origin"},
		{"a page in an older browser", "POST", "/v1/deadletters/drop", id, header("Origin", "https://evil.example.com"), 403, "cross-origin"},
		{"a form", "POST", "/v1/deadletters/drop", id, header("Content-Type", "text/plain"), 415, "application/json"},
		{"no type", "POST", "/v1/deadletters/replay", id, header("Content-Type", ""), 415, "application/json"},
		{"a stranger's name for this machine", "POST", "/v1/deadletters/drop", id, func(r *http.Request) { r.Host = "evil.example.com:9090" }, 403, "localhost"},
		{"a stranger's name for this machine, reading", "GET", "/v1/deadletters", "", func(r *http.Request) { r.Host = "evil.example.com" }, 403, "localhost"},
		{"GET for a change", "GET", "/v1/deadletters/drop", "", nil, 405, "Method Not Allowed"},
		{"no JSON", "POST", "/v1/deadletters/drop", "id=1", nil, 400, "invalid body"},
		{"an unknown key", "POST", "/v1/deadletters/drop", `{"ids": ["1"]}`, nil, 400, "unknown field"},
		{"too much", "POST", "/v1/deadletters/drop", `{"id": "` + strings.Repeat("x", maxChoice) + `"}`, nil, 400, "too large"},
		{"nothing", "POST", "/v1/deadletters/replay", `{}`, nil, 400, "missing id"},
		{"id and all", "POST", "/v1/deadletters/replay", `{"id": "post:main/1@noc", "all": true}`, nil, 400, "id excludes all and room"},
		{"an id and a room", "POST", "/v1/deadletters/replay", `{"id": "post:main/1@noc", "room": "noc"}`, nil, 400, "id excludes all and room"},
		{"a drop of all", "POST", "/v1/deadletters/drop", `{"all": true}`, nil, 400, "each must be named"},
		{"a replay of an unknown id", "POST", "/v1/deadletters/replay", `{"id": "post:main/1@db"}`, nil, 404, "'alert-relay deadletter list' lists"},
		{"a drop of an unknown id", "POST", "/v1/deadletters/drop", `{"id": "notice:99"}`, nil, 404, "'alert-relay deadletter list' lists"},
		{"an invalid id", "POST", "/v1/deadletters/drop", `{"id": "../../etc"}`, nil, 404, "unknown dead letter"},
		{"a limit in words", "GET", "/v1/deadletters?limit=many", "", nil, 400, "expected a number"},
		{"a negative limit", "GET", "/v1/setaside?limit=-1", "", nil, 400, "expected a number"},
		{"an unknown entry", "POST", "/v1/setaside/retry", `{"id": "99"}`, nil, 404, "'alert-relay setaside list' lists"},
		{"an invalid entry id", "POST", "/v1/setaside/retry", `{"id": "x"}`, nil, 404, "'alert-relay setaside list' lists"},
		{"a room's entries", "POST", "/v1/setaside/retry", `{"all": true, "room": "noc"}`, nil, 400, "have no room"},
		{"an unknown entry to show", "GET", "/v1/setaside/99", "", nil, 404, "'alert-relay setaside list' lists"},
		{"no such path", "GET", "/v1/nothing", "", nil, 404, "not found"},
	} {
		t.Run(c.name, func(t *testing.T) {
			status, body := w.do(t, c.method, c.path, c.body, c.change)
			require.Equal(t, c.status, status, body)
			require.Contains(t, body, c.says)
		})
	}
	letters, err := w.store.DeadLetters(t.Context())
	require.NoError(t, err)
	require.Len(t, letters, 1)
	entries, err := w.store.SetAsideEntries(t.Context(), 0)
	require.NoError(t, err)
	require.Len(t, entries, 1)
}

// A request from another host may call the listener by any name.
func TestAdminFromAnotherHost(t *testing.T) {
	w := newWorld(t)
	status, _ := w.do(t, "GET", "/v1/deadletters", "", func(r *http.Request) { r.RemoteAddr, r.Host = "10.0.0.7:1", "alert-relay.monitoring.svc" })
	require.Equal(t, 200, status)
}

// A replayed dead letter is pending again, and the replay is counted and logged with its caller.
func TestReplay(t *testing.T) {
	w := newWorld(t)
	w.deadPost(t, "1", "noc", t0)
	status, body := w.do(t, "POST", "/v1/deadletters/replay", `{"id": "post:main/1@noc"}`, nil)
	require.Equal(t, 200, status, body)
	require.JSONEq(t, `{"replayed": ["post:main/1@noc"]}`, body)
	pending, err := w.store.PendingPosts(t.Context(), nil, time.Time{})
	require.NoError(t, err)
	require.Len(t, pending, 1)
	require.Equal(t, 1.0, testutil.ToFloat64(w.Metrics.Replayed.WithLabelValues("post")))
	require.Contains(t, w.logged.String(), `msg="dead letter replayed" dead_letter=post:main/1@noc by=127.0.0.1:5555`)
}

// Replaying all dead letters, or all of a room, goes in the order in which they died, and leaves none.
func TestReplayAll(t *testing.T) {
	w := newWorld(t)
	w.deadPost(t, "2", "noc", t0)
	w.deadPost(t, "1", "noc", t0.Add(time.Second))
	w.deadPost(t, "1", "db", t0)
	w.deadNotice(t, "hello")
	_, body := w.do(t, "POST", "/v1/deadletters/replay", `{"all": true, "room": "db"}`, nil)
	require.JSONEq(t, `{"replayed": ["post:main/1@db"]}`, body)
	_, body = w.do(t, "POST", "/v1/deadletters/replay", `{"all": true}`, nil)
	require.JSONEq(t, `{"replayed": ["post:main/2@noc", "post:main/1@noc", "notice:1"]}`, body)
	require.Equal(t, 3.0, testutil.ToFloat64(w.Metrics.Replayed.WithLabelValues("post")))
	require.Equal(t, 1.0, testutil.ToFloat64(w.Metrics.Replayed.WithLabelValues("notice")))
	status, body := w.do(t, "POST", "/v1/deadletters/replay", `{"all": true}`, nil)
	require.Equal(t, 200, status)
	require.JSONEq(t, `{}`, body)
}

// A request that replays all is bounded in time, and says how many are left.
func TestReplayAllStopsInTime(t *testing.T) {
	w := newWorld(t)
	for _, id := range []string{"1", "2", "3"} {
		w.deadPost(t, id, "noc", t0)
	}
	now := t0
	w.Now = func() time.Time { now = now.Add(allTime / 2); return now }
	_, body := w.do(t, "POST", "/v1/deadletters/replay", `{"all": true}`, nil)
	done := read[Done](t, body)
	require.Len(t, done.Replayed, 1)
	require.Equal(t, 2, done.Left)
}

// A dropped dead letter is gone, its problem stays, and the drop is counted and logged with its caller.
func TestDrop(t *testing.T) {
	w := newWorld(t)
	w.deadPost(t, "1", "noc", t0)
	status, body := w.do(t, "POST", "/v1/deadletters/drop", `{"id": "post:main/1@noc"}`, nil)
	require.Equal(t, 200, status, body)
	require.JSONEq(t, `{"dropped": ["post:main/1@noc"]}`, body)
	letters, err := w.store.DeadLetters(t.Context())
	require.NoError(t, err)
	require.Empty(t, letters)
	key := alert.Key{Source: "main", EventID: "1"}
	problems, err := w.store.Problems(t.Context(), []alert.Key{key})
	require.NoError(t, err)
	require.Contains(t, problems, key)
	require.Equal(t, 1.0, testutil.ToFloat64(w.Metrics.Dropped.WithLabelValues("post")))
	require.Contains(t, w.logged.String(), `msg="dead letter dropped" dead_letter=post:main/1@noc by=127.0.0.1:5555`)
}

// Entries that are set aside are listed without payload, shown with it, and retried singly or all together.
func TestSetAside(t *testing.T) {
	w := newWorld(t)
	w.aside(t, `{"event": 1}`)
	w.aside(t, "no\x00JSON")
	w.aside(t, `{"event": 3}`)
	_, body := w.do(t, "GET", "/v1/setaside?limit=2", "", nil)
	list := read[EntryList](t, body)
	require.Equal(t, 3, list.Total)
	require.Equal(t, []Entry{
		{ID: "3", Source: "main", Kind: "event", ReceivedAt: t0, Reason: "it can't be used", Bytes: 12},
		{ID: "2", Source: "main", Kind: "event", ReceivedAt: t0, Reason: "it can't be used", Bytes: 7},
	}, list.Entries)
	_, body = w.do(t, "GET", "/v1/setaside/1", "", nil)
	require.Equal(t, `{"event": 1}`, read[Entry](t, body).Payload)
	_, body = w.do(t, "GET", "/v1/setaside/2", "", nil)
	require.Equal(t, "no\x00JSON", read[Entry](t, body).Payload)

	status, body := w.do(t, "POST", "/v1/setaside/retry", `{"id": "2"}`, nil)
	require.Equal(t, 200, status, body)
	require.JSONEq(t, `{"retried": ["2"]}`, body)
	require.Contains(t, w.logged.String(), `msg="journal entry retried" entry=2 by=127.0.0.1:5555`)
	_, body = w.do(t, "POST", "/v1/setaside/retry", `{"all": true}`, nil)
	require.JSONEq(t, `{"retried": ["1", "3"]}`, body)
	require.Equal(t, 3.0, testutil.ToFloat64(w.Metrics.Retried))
	entries, err := w.store.PendingEntries(t.Context(), 10)
	require.NoError(t, err)
	require.Len(t, entries, 3)
	status, _ = w.do(t, "GET", "/v1/setaside/1", "", nil)
	require.Equal(t, 404, status, "no longer set aside")
}

// racedStore is a store in which another operator was faster with one dead letter, and which has more set-aside entries than one
// request retries.
type racedStore struct{ Store }

func (r racedStore) ReplayDead(ctx context.Context, id string) error {
	if id == "post:main/2@noc" {
		return store.ErrNotFound
	}
	return r.Store.ReplayDead(ctx, id)
}

func (racedStore) Stats(context.Context) (store.Stats, error) {
	return store.Stats{SetAside: retryLimit + 7}, nil
}

// A dead letter that somebody else handles in the meantime doesn't end a replay of all.
func TestReplayAllSkipsHandledLetters(t *testing.T) {
	w := newWorld(t)
	w.API.Store = racedStore{w.store}
	for i, id := range []string{"1", "2", "3"} {
		w.deadPost(t, id, "noc", t0.Add(time.Duration(i)*time.Second))
	}
	_, body := w.do(t, "POST", "/v1/deadletters/replay", `{"all": true}`, nil)
	require.JSONEq(t, `{"replayed": ["post:main/1@noc", "post:main/3@noc"]}`, body)
}

// The answer counts the entries that are too many for one request.
func TestRetryAllCountsTheRest(t *testing.T) {
	w := newWorld(t)
	w.API.Store = racedStore{w.store}
	w.aside(t, `{"event": 1}`)
	_, body := w.do(t, "POST", "/v1/setaside/retry", `{"all": true}`, nil)
	require.Equal(t, Done{Retried: []string{"1"}, Left: retryLimit + 6}, read[Done](t, body))
}

// brokenStore fails to read.
type brokenStore struct{ Store }

func (brokenStore) DeadLetters(context.Context) ([]store.DeadLetter, error) {
	return nil, errors.New("disk I/O error at /var/lib/alert-relay/relay.db")
}

// A failing store is a 503, and only the log has the details.
func TestStoreFailureIs503(t *testing.T) {
	w := newWorld(t)
	w.API.Store = brokenStore{w.store}
	for _, c := range [][2]string{{"GET", "/v1/deadletters"}, {"POST", "/v1/deadletters/replay"}} {
		status, body := w.do(t, c[0], c[1], `{"all": true}`, nil)
		require.Equal(t, 503, status)
		require.Contains(t, body, "the relay's log says why")
		require.NotContains(t, body, "disk")
	}
	require.Contains(t, w.logged.String(), "disk I/O error")
}

// Counters exist at zero before anybody does anything.
func TestCountersStartAtZero(t *testing.T) {
	registry := prometheus.NewRegistry()
	NewMetrics(registry)
	n, err := testutil.GatherAndCount(registry)
	require.NoError(t, err)
	require.Equal(t, 9, n)
}

// A missing entry is not answered with the next one.
func TestMissingEntryIs404(t *testing.T) {
	w := newWorld(t)
	id, err := w.store.Append(t.Context(), store.Entry{Source: "main", Kind: store.EntryEvent, Payload: []byte(`{}`), ReceivedAt: t0})
	require.NoError(t, err)
	require.NoError(t, w.store.CommitFold(t.Context(), store.Fold{Applied: []int64{id}}))
	w.aside(t, `{"event": 2}`)
	n, err := w.store.Prune(t.Context(), t0.Add(time.Hour), time.Time{}, time.Time{}, 10)
	require.NoError(t, err)
	require.Equal(t, 1, n)
	status, body := w.do(t, "GET", "/v1/setaside/1", "", nil)
	require.Equal(t, 404, status, body)
}
