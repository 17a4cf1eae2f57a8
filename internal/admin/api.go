// Package admin is the operators' HTTP API of a running relay: dead letters, events that couldn't be applied, the audit log, people's
// tokens, bindings, reconciliation, rekeying and reload.
package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"time"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/binding"
	"nms-alert-relay/internal/fault"
	"nms-alert-relay/internal/incident"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/text"
	"nms-alert-relay/internal/vault"
)

// Store is what the API needs of store.Store.
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
	FindCommands(ctx context.Context, f store.CommandFilter) ([]store.Command, error)
	AllPersonTokens(ctx context.Context) ([]store.PersonToken, error)
	vault.LeftStore
	vault.RemovalStore
}

// API lets operators list and handle dead letters and set-aside entries. On loopback it needs no token (Guard), so it refuses every
// request that a web page could make a browser send.
//
//	GET  /v1/deadletters?room=NAME&limit=N   DeadLetterList
//	POST /v1/deadletters/replay              Choice → Done
//	POST /v1/deadletters/drop                Choice, with an id → Done
//	GET  /v1/setaside?limit=N                EntryList
//	GET  /v1/setaside/{id}                   Entry, with its payload
//	GET  /v1/journal/{id}                    Entry, with its payload
//	POST /v1/setaside/retry                  Choice → Done
//	GET  /v1/audit?since=TIME&person=PART&problem=KEY&limit=N   Audit
//	GET  /v1/tokens?limit=N                  TokenList
//	POST /v1/tokens/remove                   TokenOwner → TokensRemoved
//	GET  /v1/bindings?limit=N                BindingList
//	POST /v1/bindings/remove                 Choice, with an id → Done
//	GET  /v1/incidents?limit=N               IncidentList
//	GET  /v1/incidents/INC-N/review          IncidentReview
//	POST /v1/reconcile                       Sweep → Swept
//	POST /v1/rekey                           Rekey → vault.Rekeyed
//	POST /-/reload                           Reloaded
//
// A refusal is answered with {"error", "hint"}.
type API struct {
	Store   Store
	Log     *slog.Logger
	Metrics *Metrics
	Now     func() time.Time
	// Reload reads the configuration again. by is who asked. Its error may be a *Rejected.
	Reload func(ctx context.Context, by string) (Reloaded, error)
	// Reconcile compares Zabbix with the store.
	Reconcile Reconciler
	// Vault has the encryption keys.
	Vault *vault.Vault
	// Bindings are people's subscriptions and the bound spaces. Rests says why one adds nothing now; RecordEnd writes into the audit log
	// what became of one.
	Bindings  *binding.Keeper
	Rests     func(b store.Binding) string
	RecordEnd func(ctx context.Context, b store.Binding, outcome string) error
	// Incidents keeps the incidents; IncidentSettings is how they are run.
	Incidents        *incident.Keeper
	IncidentSettings func() incident.Settings
}

// Reloaded is what a reload did.
type Reloaded struct {
	// Hash identifies the configuration file, as the metric alert_relay_config_info does.
	Hash string `json:"hash"`
	// Changed are the keys that have another value now. Without any, only files that the configuration refers to may have changed.
	Changed []string `json:"changed"`
	// RestartNeeded are keys whose new value counts only after a restart.
	RestartNeeded []string `json:"restart_needed"`
	Warnings      []string `json:"warnings"`
}

// Rejected is the error of a reload that changed nothing.
type Rejected struct {
	What, Hint string
	Faults     []string // of the configuration, as 'alert-relay check' prints them
}

func (r *Rejected) Error() string { return fault.Fault{What: r.What, Hint: r.Hint}.Error() }

const (
	// listLimit is the default of ?limit.
	listLimit = 200
	// allTime bounds a request for "all". It is less than the listener's write timeout; the answer says how many are left.
	allTime = 30 * time.Second
	// retryLimit bounds the entries that one request retries, since it holds all of them in memory.
	retryLimit = 1000
	maxChoice  = 64 << 10
)

// Choice selects what an action applies to.
type Choice struct {
	ID   string `json:"id,omitempty"`
	All  bool   `json:"all,omitempty"`
	Room string `json:"room,omitempty"` // with All: only dead letters of this room
}

// Done lists the ids that an action was applied to. Left is how many of All it didn't reach in time.
type Done struct {
	Replayed []string `json:"replayed,omitempty"`
	Dropped  []string `json:"dropped,omitempty"`
	Retried  []string `json:"retried,omitempty"`
	Removed  []string `json:"removed,omitempty"`
	Left     int      `json:"left,omitempty"`
}

// IDs returns all of them.
func (d Done) IDs() []string { return slices.Concat(d.Replayed, d.Dropped, d.Retried, d.Removed) }

// refusal is an error with an HTTP status and a hint.
type refusal struct {
	status int
	what   string
	hint   string
}

func (r *refusal) Error() string { return fault.Fault{What: r.what, Hint: r.hint}.Error() }

// Handler serves the API below /v1/ and /-/.
func (a *API) Handler() http.Handler {
	mux := http.NewServeMux()
	for pattern, do := range map[string]func(*http.Request) (any, error){
		"GET /v1/deadletters":               a.deadLetters,
		"POST /v1/deadletters/replay":       a.choosing(a.replay),
		"POST /v1/deadletters/drop":         a.choosing(a.drop),
		"GET /v1/setaside":                  a.setAside,
		"GET /v1/setaside/{id}":             a.setAsideEntry,
		"POST /v1/setaside/retry":           a.choosing(a.retry),
		"GET /v1/journal/{id}":              a.journalEntry,
		"GET /v1/audit":                     a.audit,
		"GET /v1/tokens":                    a.tokens,
		"POST /v1/tokens/remove":            a.removeTokens,
		"GET /v1/bindings":                  a.bindings,
		"GET /v1/incidents":                 a.incidents,
		"GET /v1/incidents/{number}/review": a.incidentReview,
		"POST /v1/bindings/remove":          a.choosing(a.removeBinding),
		"POST /v1/reconcile":                a.reconcile,
		"POST /v1/rekey":                    a.rekey,
		"POST /-/reload":                    func(r *http.Request) (any, error) { return a.Reload(r.Context(), r.RemoteAddr) },
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
			err = checkHost(r)
		}
		if err != nil {
			a.answer(w, r, nil, &refusal{http.StatusForbidden, err.Error(), "this API is for 'alert-relay' and curl, not for pages of other sites"})
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// checkHost refuses a request from this host that calls the listener by a foreign name. A web page can point a name of its own to the
// loopback address; its browser then takes page and listener for one site (DNS rebinding).
func checkHost(r *http.Request) error {
	if text.Loopback(r.RemoteAddr) && !text.Loopback(r.Host) {
		return fmt.Errorf("request from this host to %q: use 127.0.0.1 or localhost", r.Host)
	}
	return nil
}

// decode reads a JSON body; expected is an example.
func decode(r *http.Request, into any, expected string) error {
	// A form can't send this type, and a script of another site only after a preflight, which fails.
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return &refusal{http.StatusUnsupportedMediaType, "body must be JSON", "send Content-Type: application/json"}
	}
	body := json.NewDecoder(http.MaxBytesReader(nil, r.Body, maxChoice))
	body.DisallowUnknownFields()
	if err := body.Decode(into); err != nil {
		return &refusal{http.StatusBadRequest, "invalid body: " + err.Error(), "expected " + expected}
	}
	return nil
}

// choosing decodes an action's Choice.
func (a *API) choosing(do func(*http.Request, Choice) (Done, error)) func(*http.Request) (any, error) {
	return func(r *http.Request) (any, error) {
		var c Choice
		if err := decode(r, &c, `{"id": "…"}`); err != nil {
			return nil, err
		}
		switch {
		case c.ID == "" && !c.All:
			return nil, &refusal{http.StatusBadRequest, "missing id", "name one, or use all: true"}
		case c.ID != "" && c.All, c.ID != "" && c.Room != "":
			return nil, &refusal{http.StatusBadRequest, "id excludes all and room", "use either"}
		}
		return do(r, c)
	}
}

// limitOf returns ?limit; 0 means all.
func limitOf(r *http.Request) (int, error) {
	given := r.URL.Query().Get("limit")
	if given == "" {
		return listLimit, nil
	}
	n, err := strconv.Atoi(given)
	if err != nil || n < 0 {
		return 0, &refusal{http.StatusBadRequest, fmt.Sprintf("limit: expected a number, got %q", given), "0 for no limit"}
	}
	return n, nil
}

func (a *API) answer(w http.ResponseWriter, r *http.Request, out any, err error) {
	status := http.StatusOK
	var rejected *Rejected
	switch {
	case errors.As(err, &rejected):
		status = http.StatusUnprocessableEntity
		out = struct {
			Error  string   `json:"error"`
			Hint   string   `json:"hint"`
			Faults []string `json:"faults,omitempty"`
		}{rejected.What, rejected.Hint, rejected.Faults}
	case err != nil:
		var no *refusal
		if !errors.As(err, &no) {
			a.Log.Error("admin request failed", "request", r.Method+" "+r.URL.Path, "by", r.RemoteAddr, "error", err)
			no = &refusal{http.StatusServiceUnavailable, "the store failed", "the relay's log says why"}
		}
		status = no.status
		out = map[string]string{"error": no.what, "hint": no.hint}
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(out) // the client went away: nothing to do
}

// each calls do for the chosen id, or for all ids until allTime has passed. Of all, an id that is unknown by then is skipped. It
// returns the ids done, and how many are left.
func (a *API) each(c Choice, all func() ([]string, error), do func(id string) error) (done []string, left int, err error) {
	if c.ID != "" {
		return []string{c.ID}, 0, do(c.ID)
	}
	ids, err := all()
	until := a.Now().Add(allTime)
	for i, id := range ids {
		if !a.Now().Before(until) {
			return done, len(ids) - i, nil
		}
		err := do(id)
		if no := (*refusal)(nil); errors.As(err, &no) && no.status == http.StatusNotFound {
			continue
		}
		if err != nil {
			return done, len(ids) - i, err
		}
		done = append(done, id)
	}
	return done, 0, err
}
