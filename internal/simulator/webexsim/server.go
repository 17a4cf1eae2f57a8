// Package webexsim is a Webex in memory: the part of the REST API that bots use, with its limits and refusals, and the people in
// the rooms. It is as strict as Webex is known to be. Where Webex's behaviour is unknown, it does what harms a careless client
// more, and a comment says so.
//
// The API is under /v1/. What people do and see is available as Go methods, and under /sim/ for the demo's page and for tests in
// other processes (control.go).
package webexsim

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"time"
)

// The limits, as Webex documents them.
const (
	MaxMessageBytes = 7439
	MaxEdits        = 10
	MaxFileBytes    = 100 << 20
	// disableAfter failures within disableWindow disable a webhook.
	disableAfter  = 100
	disableWindow = 5 * time.Minute
)

// Rate is a token bucket; the zero value has no limit.
type Rate struct {
	PerSecond float64
	Burst     int // at least 1
}

// PerSecond allows n requests a second, in bursts of a second's worth; 0 is no limit.
func PerSecond(n float64) Rate { return Rate{PerSecond: n, Burst: max(1, int(n))} }

// Options configure a Server.
type Options struct {
	Log  *slog.Logger
	Seed uint64 // of the ids of messages; 0: random
	// Transport carries webhook deliveries; nil is plain HTTP. Targets must be loopback addresses.
	Transport http.RoundTripper
	// PerAccount limits all requests of an account, PerRoom its posts, edits and deletions in one room.
	PerAccount Rate
	PerRoom    Rate
	// MessageDelay is how long GET /messages/{id} answers 404 for a new message.
	MessageDelay time.Duration
	// Cluster is the name of the cluster in the catalog of services, "urn:TEAM:us-east-2_a" by default. Public ids always say "us".
	Cluster string
	// RepeatDeliveries is how many more times each webhook delivery is sent.
	RepeatDeliveries int
}

// Server is the simulated Webex. It is safe for concurrent use.
type Server struct {
	opts   Options
	log    *slog.Logger
	client *http.Client // of webhook deliveries
	mux    *http.ServeMux

	ctx    context.Context
	cancel context.CancelFunc
	work   sync.WaitGroup // deliveries

	mu          sync.Mutex
	random      *rand.Rand
	revision    int64
	changed     chan struct{} // closed at the next change
	subs        map[chan Event]struct{}
	people      map[string]*person // by id
	rooms       []*room
	messages    map[string]*message
	actions     map[string]*action
	webhooks    []*webhook
	devices     []*device
	faults      []*fault
	outage      time.Time
	heldSockets bool // websockets that open are never authorised
	buckets     map[string]*bucket
	waits       map[string]wait
	stats       Stats
}

// New makes an empty world.
func New(opts Options) *Server {
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	if opts.Seed == 0 {
		opts.Seed = rand.Uint64()
	}
	s := &Server{
		opts: opts, log: opts.Log,
		random:   rand.New(rand.NewPCG(opts.Seed, 1)),
		changed:  make(chan struct{}),
		subs:     map[chan Event]struct{}{},
		people:   map[string]*person{},
		messages: map[string]*message{},
		actions:  map[string]*action{},
		buckets:  map[string]*bucket{},
		waits:    map[string]wait{},
		stats:    Stats{Calls: map[string]int{}, Statuses: map[string]int{}},
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.mux = s.routes()
	s.client = &http.Client{
		Transport:     opts.Transport,
		Timeout:       10 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	if opts.Transport == nil { // its own connections, so that Close can close them
		s.client.Transport = &http.Transport{MaxIdleConnsPerHost: 4, IdleConnTimeout: time.Minute}
	}
	return s
}

// Close cancels the deliveries in flight and waits for them.
func (s *Server) Close() {
	s.mu.Lock()
	s.cancel() // under the lock, so that no delivery begins afterwards
	s.mu.Unlock()
	s.work.Wait()
	s.client.CloseIdleConnections()
	s.mu.Lock()
	defer s.mu.Unlock()
	for ch := range s.subs {
		delete(s.subs, ch)
		close(ch)
	}
}

func (s *Server) now() time.Time { return time.Now().UTC().Truncate(time.Millisecond) }

// refusal is an answer that isn't 2xx.
type refusal struct {
	status     int
	message    string
	retryAfter string
	body       string // instead of the JSON made of message
	limit      string // of LimitHeader
}

func refuse(status int, message string) *refusal { return &refusal{status: status, message: message} }

func (r *refusal) Error() string { return r.message }

// request is one call of the API.
type request struct {
	*http.Request
	op     string // "PUT /messages/{id}"
	id     string // the path's
	caller *person
	fields map[string]any // of a JSON or multipart body
	upload *file          // of a multipart body
	reply  http.Header
}

// str is a string field of the body; "" if it is absent or no string.
func (r *request) str(name string) string {
	s, _ := r.fields[name].(string)
	return s
}

type handler func(*Server, *request) (any, error)

// endpoints are the simulated part of the API.
var endpoints = map[string]handler{
	"POST /messages":               (*Server).createMessage,
	"GET /messages":                (*Server).listMessages,
	"GET /messages/{id}":           (*Server).getMessage,
	"PUT /messages/{id}":           (*Server).editMessage,
	"DELETE /messages/{id}":        (*Server).deleteMessage,
	"GET /people/me":               (*Server).me,
	"GET /people/{id}":             (*Server).getPerson,
	"GET /people":                  (*Server).listPeople,
	"GET /rooms":                   (*Server).listRooms,
	"POST /rooms":                  (*Server).createRoom,
	"GET /rooms/{id}":              (*Server).getRoom,
	"PUT /rooms/{id}":              (*Server).updateRoom,
	"DELETE /rooms/{id}":           (*Server).deleteRoom,
	"GET /memberships":             (*Server).listMemberships,
	"POST /memberships":            (*Server).createMembership,
	"GET /memberships/{id}":        (*Server).getMembership,
	"PUT /memberships/{id}":        (*Server).updateMembership,
	"DELETE /memberships/{id}":     (*Server).deleteMembership,
	"GET /webhooks":                (*Server).listWebhooks,
	"POST /webhooks":               (*Server).createWebhook,
	"PUT /webhooks/{id}":           (*Server).updateWebhook,
	"DELETE /webhooks/{id}":        (*Server).deleteWebhook,
	"GET /attachment/actions/{id}": (*Server).getAction,
}

// routes serve the API and the control API.
func (s *Server) routes() *http.ServeMux {
	mux := http.NewServeMux()
	for op, handle := range endpoints {
		method, path, _ := strings.Cut(op, " ")
		mux.HandleFunc(method+" /v1"+path, func(w http.ResponseWriter, r *http.Request) { s.call(w, r, op, handle) })
	}
	for op, handle := range services {
		mux.HandleFunc(op, func(w http.ResponseWriter, r *http.Request) { s.call(w, r, op, handle) })
	}
	mux.HandleFunc("GET /u2c/api/v1/limited/catalog", s.limitedCatalog)
	mux.HandleFunc("GET /mercury/{id}", s.serveSocket)
	for op, control := range s.controls() {
		mux.Handle(op, guard(control))
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete} {
			if _, pattern := mux.Handler(&http.Request{Method: method, Host: r.Host, URL: r.URL}); pattern != "/" {
				s.answer(w, "?", nil, refuse(http.StatusMethodNotAllowed, "Method "+r.Method+" is not supported for this resource."))
				return
			}
		}
		s.answer(w, "?", nil, refuse(http.StatusNotFound, "The requested resource could not be found."))
	})
	return mux
}

// ServeHTTP serves the API and the control API.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Trackingid", "SIM_"+s.uuid())
	s.mux.ServeHTTP(w, r)
}

// call serves a call of the API.
func (s *Server) call(w http.ResponseWriter, r *http.Request, op string, handle handler) {
	req := &request{Request: r, op: op, id: r.PathValue("id"), reply: w.Header()}
	bodyErr := req.readBody(w)
	s.countEarly(req)
	fault := s.faultFor(req)
	if !s.before(r.Context(), fault) {
		panic(http.ErrAbortHandler) // closes the connection without an answer
	}
	if fault.Status != 0 && !fault.Taken {
		s.answer(w, op, nil, fault.refusal())
		return
	}
	out, err := s.serve(req, handle, bodyErr)
	if fault.Drop {
		panic(http.ErrAbortHandler)
	}
	if fault.Status != 0 {
		err = fault.refusal()
	}
	s.answer(w, op, out, err)
}

// serve executes a request atomically.
func (s *Server) serve(req *request, handle handler, bodyErr error) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if time.Now().Before(s.outage) {
		return nil, &refusal{status: http.StatusServiceUnavailable, body: "<html><body><h1>503 Service Unavailable</h1></body></html>"}
	}
	if req.caller = s.tokenOwner(req); req.caller == nil {
		return nil, refuse(http.StatusUnauthorized, "The request requires a valid access token set in the Authorization request header.")
	}
	if bad := s.limited(req); bad != nil {
		return nil, bad
	}
	if bodyErr != nil {
		return nil, bodyErr
	}
	return handle(s, req)
}

// noContent is the result of a handler that answers 204.
type noContent struct{}

// answer counts and writes the answer to a call; op is "?" for an unknown one.
func (s *Server) answer(w http.ResponseWriter, op string, out any, err error) {
	status, tracking := http.StatusOK, w.Header().Get("Trackingid")
	if out == (noContent{}) {
		status = http.StatusNoContent
	}
	var bad *refusal
	if err != nil {
		if !errors.As(err, &bad) {
			bad = refuse(http.StatusInternalServerError, err.Error())
		}
		status, out = bad.status, map[string]any{
			"message":    bad.message,
			"errors":     []map[string]string{{"description": bad.message}},
			"trackingId": tracking,
		}
		if bad.retryAfter != "" {
			w.Header().Set("Retry-After", bad.retryAfter)
		}
		if bad.limit != "" {
			w.Header().Set(LimitHeader, bad.limit)
		}
	}
	s.count(op, status)
	s.log.Debug("webex simulator", "op", op, "status", status, "tracking_id", tracking)
	switch {
	case bad != nil && bad.body != "":
		if strings.HasPrefix(bad.body, "<") {
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
		}
		w.WriteHeader(status)
		_, _ = w.Write([]byte(bad.body)) // the client may be gone
	case status == http.StatusNoContent:
		w.WriteHeader(status)
	default:
		writeJSON(w, status, out)
	}
}
