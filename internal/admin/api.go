// Package admin is the operators' HTTP API of a running relay (dead letters, and events that couldn't be applied), and its client.
package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"mime"
	"net"
	"net/http"
	"strconv"
	"time"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/fault"
	"nms-alert-relay/internal/store"
)

// Store is what operators see and mend of store.Store.
type Store interface {
	DeadLetters(ctx context.Context) ([]store.DeadLetter, error)
	ReplayDead(ctx context.Context, id string) error
	DropDead(ctx context.Context, id string) error
	Problems(ctx context.Context, keys []alert.Key) (map[alert.Key]alert.Problem, error)
	Notice(ctx context.Context, id int64) (store.Notice, error)
	SetAsideEntries(ctx context.Context, limit int) ([]store.Entry, error)
	Entries(ctx context.Context, after int64, limit int) ([]store.Entry, error)
	RetryEntry(ctx context.Context, id int64) error
	Stats(ctx context.Context) (store.Stats, error)
}

// API is what the admin listener does for operators: dead letters and
// entries set aside. It asks for no password, so it takes only what no web page
// can make a browser send.
//
//	GET  /v1/deadletters?room=NAME&limit=N   DeadLetterList
//	POST /v1/deadletters/replay              Choice → Done
//	POST /v1/deadletters/drop                Choice, with an id → Done
//	GET  /v1/setaside?limit=N                SetAsideList
//	GET  /v1/setaside/{id}                   SetAsideEntry, with its payload
//	POST /v1/setaside/retry                  Choice → Done
//
// What it refuses it answers with {"error", "hint"}.
type API struct {
	Store   Store
	Log     *slog.Logger
	Metrics *Metrics
	Now     func() time.Time
}

const (
	// listLimit is how much is listed unless more is asked for.
	listLimit = 200
	// allTime is how long one request works at "all": less than the listener's
	// time for an answer. The answer says what is left.
	allTime = 30 * time.Second
	// retryLimit is how many entries one request retries: they are in memory, with
	// their payloads.
	retryLimit = 1000
	maxChoice  = 64 << 10
)

// Choice says which ones an action is for.
type Choice struct {
	ID   string `json:"id,omitempty"`
	All  bool   `json:"all,omitempty"`
	Room string `json:"room,omitempty"` // with All: those of this room (dead letters only)
}

// Done is what became of it. Left is how many of All weren't reached in time.
type Done struct {
	Replayed []string `json:"replayed,omitempty"`
	Dropped  []string `json:"dropped,omitempty"`
	Retried  []string `json:"retried,omitempty"`
	Left     int      `json:"left,omitempty"`
}

// IDs are those that were done.
func (d Done) IDs() []string { return append(append(d.Replayed, d.Dropped...), d.Retried...) }

// refusal is an error with its status and what to do about it.
type refusal struct {
	status int
	what   string
	hint   string
}

func (r *refusal) Error() string { return fault.Fault{What: r.what, Hint: r.hint}.Error() }

// Handler serves the API below /v1/.
func (a *API) Handler() http.Handler {
	mux := http.NewServeMux()
	for pattern, do := range map[string]func(*http.Request) (any, error){
		"GET /v1/deadletters":         a.deadLetters,
		"POST /v1/deadletters/replay": a.choosing(a.replay),
		"POST /v1/deadletters/drop":   a.choosing(a.drop),
		"GET /v1/setaside":            a.setAside,
		"GET /v1/setaside/{id}":       a.setAsideEntry,
		"POST /v1/setaside/retry":     a.choosing(a.retry),
		"GET /v1/journal/{id}":        a.journalEntry,
	} {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			out, err := do(r)
			a.answer(w, r, out, err)
		})
	}
	protection := http.NewCrossOriginProtection()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		err := protection.Check(r)
		if err == nil {
			err = ownName(r)
		}
		if err != nil {
			a.answer(w, r, nil, &refusal{http.StatusForbidden, err.Error(), "this is for 'alert-relay' and curl, not for pages of other sites"})
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// ownName refuses what comes from this machine and calls it by a stranger's
// name: a web page can point a name of its own here, and its browser then takes
// page and listener for one site.
func ownName(r *http.Request) error {
	if loopback(r.RemoteAddr) && !loopback(r.Host) {
		return fmt.Errorf("a request from this machine to %q: call it 127.0.0.1 or localhost", r.Host)
	}
	return nil
}

func loopback(hostport string) bool {
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		host = hostport
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// choosing reads an action's Choice.
func (a *API) choosing(do func(*http.Request, Choice) (Done, error)) func(*http.Request) (any, error) {
	return func(r *http.Request) (any, error) {
		// A page's form can't send this type, and a script may not without being asked.
		if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
			return nil, &refusal{http.StatusUnsupportedMediaType, "the body must be JSON", "send Content-Type: application/json"}
		}
		var c Choice
		body := json.NewDecoder(http.MaxBytesReader(nil, r.Body, maxChoice))
		body.DisallowUnknownFields()
		if err := body.Decode(&c); err != nil {
			return nil, &refusal{http.StatusBadRequest, "the body can't be used: " + err.Error(), `want {"id": "…"}`}
		}
		switch {
		case c.ID == "" && !c.All:
			return nil, &refusal{http.StatusBadRequest, "id is missing", "which one?"}
		case c.ID != "" && c.All, c.ID != "" && c.Room != "":
			return nil, &refusal{http.StatusBadRequest, "id stands alone", "give it without all and room"}
		}
		return do(r, c)
	}
}

// limitOf reads ?limit: 0 for all.
func limitOf(r *http.Request) (int, error) {
	text := r.URL.Query().Get("limit")
	if text == "" {
		return listLimit, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		return 0, &refusal{http.StatusBadRequest, fmt.Sprintf("limit: %q is no number", text), "0 is no limit"}
	}
	return n, nil
}

func (a *API) answer(w http.ResponseWriter, r *http.Request, out any, err error) {
	status := http.StatusOK
	if err != nil {
		var no *refusal
		if !errors.As(err, &no) {
			a.Log.Error("an operator's request failed", "request", r.Method+" "+r.URL.Path, "by", r.RemoteAddr, "error", err)
			no = &refusal{http.StatusServiceUnavailable, "the store failed", "the relay's log says why"}
		}
		status = no.status
		out = map[string]string{"error": no.what, "hint": no.hint}
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(out) // whoever asked went away: nothing to do
}

// each does something to each of ids until allTime is over. One that is gone
// meanwhile is no fault. It gives those done.
func (a *API) each(ctx context.Context, ids []string, do func(ctx context.Context, id string) error) (done []string, left int, err error) {
	until := a.Now().Add(allTime)
	done = []string{}
	for i, id := range ids {
		if !a.Now().Before(until) {
			return done, len(ids) - i, nil
		}
		err := do(ctx, id)
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil {
			return done, len(ids) - i, err
		}
		done = append(done, id)
	}
	return done, 0, nil
}
