package convergence

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/store/sqlite"
	"nms-alert-relay/internal/store/sqlite/sqlitetest"
	"nms-alert-relay/internal/testrace"
)

// between puts a proxy between the relay and Webex that garbles the first n answers to calls of each method. The
// requests arrive unless executed is false.
func between(w *world, methods []string, n int, executed bool, garble func(w http.ResponseWriter, r *http.Request, real *httptest.ResponseRecorder)) {
	var mu sync.Mutex
	next, left := w.server.Handler, map[string]int{}
	for _, method := range methods {
		left[method] = n
	}
	w.server.Handler = http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		mu.Lock()
		garbled := left[r.Method] > 0
		if garbled {
			left[r.Method]--
		}
		mu.Unlock()
		if !garbled {
			next.ServeHTTP(out, r)
			return
		}
		real := httptest.NewRecorder()
		if executed {
			next.ServeHTTP(real, r)
		}
		garble(out, r, real)
	})
}

// A call that gets something else than Webex's answer (a proxy's page or JSON with any status, half an answer, none)
// is retried, whether Webex executed it or not. Nothing becomes a dead letter, and only executed calls repeat.
func TestGarbledAnswers(t *testing.T) {
	says := func(status int, kind, body string, header ...string) func(http.ResponseWriter, *httptest.ResponseRecorder) {
		return func(w http.ResponseWriter, _ *httptest.ResponseRecorder) {
			w.Header().Set("Content-Type", kind)
			for n := 0; n < len(header); n += 2 {
				w.Header().Set(header[n], header[n+1])
			}
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		}
	}
	lost := step{Kind: lose, Op: "no such call", Count: 1} // tells the checks that answers get lost
	garbles := map[string]func(http.ResponseWriter, *httptest.ResponseRecorder){
		"a redirect":                       says(302, "text/html", "", "Location", "http://portal.example.com/login"),
		"a permanent redirect":             says(308, "text/html", "", "Location", "http://portal.example.com/login"),
		"200 with a login page":            says(200, "text/html", "<h1>Log in</h1>"),
		"200 with JSON of another program": says(200, "application/json", `{"status":"ok"}`),
		"200 with an error":                says(200, "application/json", `{"error":"denied"}`),
		"200 with an empty object":         says(200, "application/json", `{}`),
		"200 without a body":               says(200, "application/json", ""),
		"202 without a body":               says(202, "text/plain", ""),
		"403 of an API gateway":            says(403, "application/json", `{"message":"Forbidden"}`),
		"404 of another program":           says(404, "application/json", `{"error":"not found"}`),
		"401 with Basic":                   says(401, "text/html", "<h1>Log in</h1>", "WWW-Authenticate", `Basic realm="proxy"`),
		"403 without a body":               says(403, "text/plain", ""),
		"the JSON without its end": func(w http.ResponseWriter, real *httptest.ResponseRecorder) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write(bytes.TrimRight(real.Body.Bytes(), "}\n"))
		},
		"cut in the middle": func(w http.ResponseWriter, real *httptest.ResponseRecorder) {
			w.Header().Set("Content-Length", fmt.Sprint(real.Body.Len()+1000))
			_, _ = w.Write(real.Body.Bytes()[:real.Body.Len()/2])
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		},
		"cut before it begins": func(http.ResponseWriter, *httptest.ResponseRecorder) { panic(http.ErrAbortHandler) },
	}
	for _, status := range []int{400, 401, 403, 404, 405, 407, 409, 410, 413, 418, 451, 500, 502, 503, 504, 511} {
		garbles[fmt.Sprintf("%d as a page", status)] = says(status, "text/html", "<html><body>the proxy says no</body></html>")
	}
	for i, name := range slices.Sorted(maps.Keys(garbles)) {
		garble := garbles[name]
		t.Run(name, func(t *testing.T) {
			if i%5 > 0 {
				testrace.Skip(t)
			}
			for _, c := range []struct {
				executed bool
				methods  []string
			}{
				{true, []string{http.MethodPost}}, // messages repeat
				{true, []string{http.MethodPut, http.MethodDelete}},
				{false, []string{http.MethodPost, http.MethodPut, http.MethodDelete}},
			} {
				var met sync.Map
				note := func(w http.ResponseWriter, r *http.Request, real *httptest.ResponseRecorder) {
					met.Store(r.Method, true)
					garble(w, real)
				}
				playFaultsIn(t, "sw1", func(w *world) { between(w, c.methods, 4, c.executed, note) }, func(w *world) {
					for _, method := range c.methods {
						_, ok := met.Load(method)
						require.True(t, ok, "%s was met", method)
					}
					require.Zero(t, w.stats().Dead(store.LetterPost))
					if !c.executed || !slices.Contains(c.methods, http.MethodPost) {
						w.shows(t, "noc")
					}
				}, lost)
			}
		})
	}
}

// Answers that take 25 s, or longer than the client waits, for half an hour: nothing is lost, and a call that
// was executed is repeated only if the client gave up on its answer.
func TestEachAnswerIsSlow(t *testing.T) {
	playFaults(t, "sw1", func(w *world) {
		w.shows(t, "noc")
		require.Empty(t, w.ears.lost, "25 s are within the time-out: no answer is abandoned")
		for _, a := range w.accepted {
			require.Less(t, a.took, time.Second, "Zabbix waits for none of it")
		}
	}, step{Kind: slow, Count: 1000, For: 25 * time.Second, Taken: true})
	playFaults(t, "sw1", func(w *world) {
		require.NotZero(t, w.ears.lost)
		for _, a := range w.accepted {
			require.Less(t, a.took, time.Second)
		}
	}, step{Kind: slow, Count: 40, For: 45 * time.Second})
}

// A room with answers of 25 s doesn't delay the bot's other rooms.
func TestOneRoomIsSlow(t *testing.T) {
	s := schedule{Seed: 1, Workers: 4, Rate: 10, Steps: []step{{Kind: slow, Room: "db", Count: 1000, For: 25 * time.Second, Taken: true}}}
	at := func(n int) time.Duration { return time.Duration(1+n) * time.Second }
	for n := range 30 {
		l := &sender{r: rand.New(rand.NewPCG(1, 1)), problem: n, host: "db1"}
		if n >= 20 {
			l.host = "sw1"
		}
		s.Steps = append(s.Steps, step{At: at(n), Kind: send, Problem: n, Payload: l.payload(truth{Severity: alert.Average, Opened: at(n)}, alert.KindProblem, update{}, "", at(n))})
	}
	s.sort()
	require.Empty(t, play(t, s, func(w *world) {
		posted := 0
		for _, m := range w.sim.Timeline("noc") {
			if m.ParentID == "" {
				posted++
				require.Less(t, m.Created.Sub(epoch)-at(problemsIn(m)[0]), 2*time.Second, m.Text)
			}
		}
		require.Equal(t, 10, posted)
		require.Len(t, w.roots("db"), 20)
	}))
}

// holdLock locks a database for a while, as another program would.
func holdLock(t *testing.T, path string, d time.Duration) {
	other, err := sql.Open("sqlite", "file:"+path+"?_pragma=busy_timeout(5000)")
	require.NoError(t, err)
	defer func() { require.NoError(t, other.Close()) }()
	conn, err := other.Conn(context.Background())
	require.NoError(t, err)
	defer func() { require.NoError(t, conn.Close()) }()
	_, err = conn.ExecContext(context.Background(), "BEGIN IMMEDIATE")
	require.NoError(t, err)
	time.Sleep(d)
	_, err = conn.ExecContext(context.Background(), "ROLLBACK")
	require.NoError(t, err)
}

// While a database is locked for longer than a write waits, senders are refused after ten seconds with the reason,
// and none of their events is stored. Earlier events stay, and work resumes when the lock is gone.
func TestTheDatabaseStaysLocked(t *testing.T) {
	path := sqlitetest.New(t)
	synctest.Test(t, func(t *testing.T) {
		s, err := sqlite.Open(t.Context(), sqlite.Options{Path: path})
		require.NoError(t, err)
		defer func() { require.NoError(t, s.Close()) }()
		accept := func(payload string) error {
			_, err := s.Append(context.Background(), store.Entry{Source: source, Kind: store.EntryEvent, Payload: []byte(payload)})
			return err
		}
		require.NoError(t, accept("before"))
		var held sync.WaitGroup
		held.Go(func() { holdLock(t, path, time.Minute) })
		synctest.Wait()
		start := time.Now()
		err = accept("refused")
		require.ErrorContains(t, err, "database is locked")
		require.ErrorContains(t, err, "another program has locked the database")
		require.NotErrorIs(t, err, store.ErrRejected)
		require.Equal(t, 10*time.Second, time.Since(start))
		held.Wait()
		require.NoError(t, accept("after"))
		entries, err := s.Entries(t.Context(), 0, 0)
		require.NoError(t, err)
		require.Len(t, entries, 2)
		require.Equal(t, "after", string(entries[1].Payload))
	})

	// End to end: events are sent again, and messages in flight aren't repeated.
	playFaultsIn(t, "sw1", func(w *world) {
		w.sending.Go(func() {
			time.Sleep(1200 * time.Millisecond)
			w.mu.Lock()
			path := w.life.path
			w.mu.Unlock()
			holdLock(t, path, 25*time.Second)
		})
	}, func(w *world) {
		w.shows(t, "noc")
		require.Len(t, w.accepted, 5)
	})
}

// A room that accepts messages and no files: a digest's list becomes a dead letter, and the digest is kept up to date.
// When files are accepted again and the dead letter is replayed, the thread has the list.
func TestARoomThatAcceptsNoFiles(t *testing.T) {
	s := schedule{Seed: 1, Workers: 2, Rate: 10, Storm: config.Storm{Threshold: 5, Individual: alert.Disaster},
		Steps: []step{{Kind: refuse, Op: "no such call", Count: 1, Status: 400}}} // tells the checks that messages are refused
	for n := range 30 {
		at := time.Second + time.Duration(n)*20*time.Millisecond
		l := &sender{r: rand.New(rand.NewPCG(1, 1)), problem: n, host: "sw1" + strings.Repeat("-long", 50)}
		tr := truth{Severity: alert.Average, Opened: time.Second}
		say := func(at time.Duration, k alert.Kind) {
			s.Steps = append(s.Steps, step{At: at, Kind: send, Problem: n, Payload: l.payload(tr, k, update{}, "", at)})
		}
		say(at, alert.KindProblem)
		if tr.Resolved, tr.ResolvedAt = true, 5*time.Minute; n < 5 {
			say(tr.ResolvedAt+at, alert.KindRecovery)
		}
	}
	s.sort()
	for _, status := range []int{http.StatusBadRequest, http.StatusForbidden} {
		var welcome atomic.Bool
		faults := playIn(t, s, func(w *world) {
			next := w.server.Handler
			w.server.Handler = http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
				if welcome.Load() || r.Method != http.MethodPost || !strings.HasPrefix(r.Header.Get("Content-Type"), "multipart/") {
					next.ServeHTTP(out, r)
					return
				}
				_, _ = io.Copy(io.Discard, r.Body)
				out.Header().Set("Content-Type", "application/json")
				out.WriteHeader(status)
				_, _ = fmt.Fprint(out, `{"message": "no files here", "trackingId": "T"}`)
			})
		}, func(w *world) {
			st := w.stats()
			require.EqualValues(t, 2, st.Dead(store.LetterList), "in noc and ops")
			require.Zero(t, st.Dead(store.LetterDigest)+st.Dead(store.LetterPost))
			require.Zero(t, w.ears.refused[http.StatusNotFound])
			welcome.Store(true)
			w.readmit("noc") // replays all dead letters
			require.True(t, w.settle())
			w.check()
			require.Zero(t, w.stats().Dead(store.LetterList))
			for _, room := range []string{"noc", "ops"} {
				files := 0
				for _, m := range w.sim.Timeline(room) {
					files += len(m.Files)
				}
				require.Equal(t, 1, files, room)
			}
		})
		require.Empty(t, faults)
	}
}
