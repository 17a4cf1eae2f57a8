package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/simulator/webexsim"
	"nms-alert-relay/internal/simulator/zabbixsim"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/store/sqlite"
)

// small returns a small bench that needs nothing but this binary.
func small(t *testing.T) *bench {
	b := &bench{dir: t.TempDir(), log: io.Discard, report: &report{}}
	b.connections, b.problems, b.open, b.foldEvents = 8, 40, 300, 200
	return b
}

// A problem of a storm, and its recovery, decode as such.
func TestEventsOfAStorm(t *testing.T) {
	p := zabbixProblem(4711, time.Now())
	e, err := decoded(store.Entry{Source: "main", Payload: zabbixsim.Payload(p, alert.KindProblem, p.Opened), ReceivedAt: time.Now()})
	require.NoError(t, err)
	require.Equal(t, alert.KindProblem, e.Kind)
	require.Equal(t, "4711", e.Key.EventID)
	require.Equal(t, p.Trigger.Host.Host, e.Facts.Hosts[0].Host)
	require.Less(t, *e.Severity, alert.Disaster)
	e, err = decoded(store.Entry{Source: "main", Payload: zabbixsim.Payload(p, alert.KindRecovery, p.Resolved), ReceivedAt: time.Now()})
	require.NoError(t, err)
	require.Equal(t, alert.KindRecovery, e.Kind)
	require.True(t, e.Resolved)
	require.Equal(t, "4711", e.Key.EventID)
}

func TestTheRoomIsReadCorrectly(t *testing.T) {
	said := []webexsim.MessageView{
		{Text: "🔥 Link down: sw-storm-00001 (4701), sw-storm-00002 (4702)", From: webexsim.PersonView{Bot: true}, Edits: 3},
		{Text: "the list", From: webexsim.PersonView{Bot: true}, ParentID: "x", Files: []webexsim.FileView{{Content: []byte("open  main/4703  sw-storm-00003 [x]\r\n")}}},
		{Text: "sw-storm-00004", Deleted: true, From: webexsim.PersonView{Bot: true}},
		{Text: "ack 4701"},
	}
	words := wordsOf(said)
	for _, word := range []string{"sw-storm-00001", "4701", "sw-storm-00002", "sw-storm-00003", "4703", "ack"} {
		require.True(t, words[word], word)
	}
	require.False(t, words["sw-storm-00004"], "a deleted message doesn't count")
	messages, edits := countOf(said)
	require.Equal(t, []int{3, 3}, []int{messages, edits})

	for text, over := range map[string]bool{
		"✅ 5,000 problems at once, all resolved":     true,
		"✅ resolved · High · Link down":              true,
		"🌩️ 9 problems at once · 1 open, 8 resolved": false,
		"🔥 High · Link down":                         false,
	} {
		require.Equal(t, over, saysResolved(text), text)
	}
}

// Refusals are counted from the first call, in whatever order they were answered.
func TestRefusals(t *testing.T) {
	began := time.Now()
	at := func(ms int, status int) write {
		return write{at: began.Add(time.Duration(ms) * time.Millisecond), status: status}
	}
	all, late := refusals([]write{at(500, 429), at(0, 200), at(999, 429), at(1001, 429), at(3000, 200)})
	require.Equal(t, []int{3, 1}, []int{all, late})
	all, late = refusals(nil)
	require.Zero(t, all+late)
}

// Each request of a barrage is sent once; an unexpected answer is an error.
func TestBarrage(t *testing.T) {
	seen := make(chan string, 100)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var alerts []struct{ Labels map[string]string }
		if json.NewDecoder(r.Body).Decode(&alerts) != nil || len(alerts) != 1 || r.URL.Path != "/api/v2/alerts" {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		seen <- alerts[0].Labels["host"] + alerts[0].Labels["event_id"]
	}))
	defer server.Close()
	var requests [][]byte
	for i := range 50 {
		body, err := alertBody(stormTrigger(i), strconv.Itoa(i))
		require.NoError(t, err)
		requests = append(requests, append([]byte(alertHead(len(body))), body...))
	}
	_, err := barrage(requests, status200, 0).fire(t.Context(), server.Listener.Addr().String(), 4)
	require.NoError(t, err)
	close(seen)
	once := map[string]bool{}
	for s := range seen {
		once[s] = true
	}
	require.Len(t, once, 50)
	_, err = barrage([][]byte{append([]byte(alertHead(2)), "[]"...)}, status200, 0).fire(t.Context(), server.Listener.Addr().String(), 1)
	require.ErrorContains(t, err, "400")
}

// A small storm through a real relay: everything reaches the room, without a refusal.
func TestSmallStorm(t *testing.T) {
	t.Parallel()
	b := small(t)
	w, err := newWorld(strict, 0)
	require.NoError(t, err)
	defer w.close()
	ours, err := b.startRelay(t.Context(), "storm", w.webexURL, w.zabbixURL, "", filepath.Join(b.dir, "profile"))
	require.NoError(t, err)
	r := &raining{bench: b, world: w, ours: ours, calm: pollRoom}
	out, err := r.opens(t.Context(), r.raise(0, b.problems), 0, nothing)
	require.NoError(t, err)
	require.NoError(t, ours.stop())
	require.Equal(t, b.problems, out.named)
	require.Positive(t, out.messages)
	require.Zero(t, out.early)
	require.Zero(t, out.dead)
	if runtime.GOOS == "linux" {
		require.Positive(t, out.peak)
	}
	b.reportStorm(out, nil, nil)
	require.Equal(t, notInstalled, b.report.Rows[3].Note)
}

// A filled store looks like one of a relay that has delivered everything.
func TestFill(t *testing.T) {
	t.Parallel()
	b := small(t)
	for name, over := range map[string]bool{"open": false, "stored": true} {
		_, err := b.fill(t.Context(), name, b.open, over)
		require.NoError(t, err)
		s, err := sqlite.Open(t.Context(), sqlite.Options{Path: filepath.Join(b.dir, name+".db")})
		require.NoError(t, err)
		defer s.Close()
		stats, err := s.Stats(t.Context())
		require.NoError(t, err)
		require.Zero(t, stats.PostsPending)
		var open int64
		for _, n := range stats.OpenProblems {
			open += n
		}
		problems, err := s.FindProblems(t.Context(), store.Filter{Limit: 2 * b.open})
		require.NoError(t, err)
		require.Len(t, problems, b.open)
		require.Equal(t, over, open == 0)
		require.Equal(t, !over, open == int64(b.open))
		for _, p := range problems {
			require.Equal(t, over, p.State == alert.StateResolved)
			require.True(t, p.Observed)
			require.NotEmpty(t, p.Facts.Macros, "a document of the usual size")
		}
	}
}

// A fold process reports what it folded.
func TestFold(t *testing.T) {
	t.Parallel()
	b := small(t)
	p, err := b.startFold(t.Context(), "none")
	require.NoError(t, err)
	cost, err := p.round(b.foldEvents)
	require.NoError(t, err)
	require.NoError(t, p.stop())
	require.Equal(t, b.foldEvents, cost.Events)
	require.Positive(t, cost.CPU)
	s, err := sqlite.Open(t.Context(), sqlite.Options{Path: filepath.Join(b.dir, "none.db")})
	require.NoError(t, err)
	defer s.Close()
	problems, err := s.FindProblems(t.Context(), store.Filter{})
	require.NoError(t, err)
	require.Len(t, problems, b.foldEvents/2)
	for _, p := range problems {
		require.Equal(t, alert.StateResolved, p.State)
	}
}

func TestVersionOfAlertmanager(t *testing.T) {
	require.Equal(t, "0.25.0", versionIn("alertmanager, version 0.25.0 (branch: debian/sid, revision: 0.25.0-1+b4)\n"))
	require.Equal(t, "of an unknown version", versionIn("what?"))
	b := small(t)
	b.alertmanager = "none"
	require.NoError(t, b.findAlertmanager(t.Context()))
	require.Equal(t, notInstalled, b.report.Machine.Alertmanager)
	require.Empty(t, b.rival)
}

// An installed Alertmanager accepts our alerts and configurations.
func TestAlertmanagerAcceptsAlerts(t *testing.T) {
	t.Parallel()
	b := small(t)
	if err := b.findAlertmanager(t.Context()); err != nil || b.rival == "" {
		t.Skip("no Alertmanager is installed:", err)
	}
	b.problems = 20
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	each, grouped, err := b.rivalStorm(ctx, func(ctx context.Context, rooms [2]*world) (err error) {
		for _, w := range rooms {
			err = errors.Join(err, w.webex.Wait(ctx, func(s webexsim.State) bool { return len(s.Room("noc").Messages) > 0 }))
		}
		return err
	})
	require.NoError(t, err)
	require.Positive(t, each.named)
	require.Positive(t, grouped.named)
}
