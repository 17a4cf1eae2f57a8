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

// Options make a Server.
type Options struct {
	Clock func() time.Time // time.Now by default
	Log   *slog.Logger
	Seed  uint64 // of the ids of messages; 0: random
	// Transport carries webhook deliveries; nil is plain HTTP. Targets must be loopback addresses.
	Transport http.RoundTripper
	// PerAccount limits all requests of an account, PerRoom its posts, edits and deletions in one room.
	PerAccount Rate
	PerRoom    Rate
	// ParentGoneStatus is the answer to a reply to a deleted root; 404 by default (Webex documents "4xx").
	ParentGoneStatus int
	// MessageDelay is how long GET /messages/{id} answers 404 for a new message.
	MessageDelay time.Duration
	// RepeatDeliveries is how many more times each webhook delivery is sent.
	RepeatDeliveries int
}

// Server is the simulated Webex. It is safe for concurrent use.
type Server struct {
	opts   Options
	log    *slog.Logger
	client *http.Client // of webhook deliveries

	ctx    context.Context
	cancel context.CancelFunc
	work   sync.WaitGroup // deliveries

	mu       sync.Mutex
	random   *rand.Rand
	revision int64
	changed  chan struct{} // closed at the next change
	subs     map[chan Event]struct{}
	people   map[string]*person // by id
	rooms    []*room
	messages map[string]*message
	actions  map[string]*action
	webhooks []*webhook
	files    map[string]*file
	faults   []*fault
	outage   time.Time
	buckets  map[string]*bucket
	waits    map[string]wait
	stats    Stats
}

// New makes an empty world.
func New(opts Options) *Server {
	if opts.Clock == nil {
		opts.Clock = time.Now
	}
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	if opts.Seed == 0 {
		opts.Seed = rand.Uint64()
	}
	if opts.ParentGoneStatus == 0 {
		opts.ParentGoneStatus = http.StatusNotFound
	}
	s := &Server{
		opts: opts, log: opts.Log,
		random:   rand.New(rand.NewPCG(opts.Seed, 1)),
		changed:  make(chan struct{}),
		subs:     map[chan Event]struct{}{},
		people:   map[string]*person{},
		messages: map[string]*message{},
		actions:  map[string]*action{},
		files:    map[string]*file{},
		buckets:  map[string]*bucket{},
		waits:    map[string]wait{},
		stats:    Stats{Calls: map[string]int{}, Statuses: map[string]int{}},
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
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

func (s *Server) now() time.Time { return s.opts.Clock().UTC().Truncate(time.Millisecond) }

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
var endpoints = []struct {
	op     string
	handle handler
}{
	{"POST /messages", (*Server).createMessage},
	{"GET /messages", (*Server).listMessages},
	{"GET /messages/direct", (*Server).listDirectMessages},
	{"GET /messages/{id}", (*Server).getMessage},
	{"PUT /messages/{id}", (*Server).editMessage},
	{"DELETE /messages/{id}", (*Server).deleteMessage},
	{"GET /people/me", (*Server).me},
	{"GET /people/{id}", (*Server).getPerson},
	{"GET /people", (*Server).listPeople},
	{"GET /rooms", (*Server).listRooms},
	{"POST /rooms", (*Server).createRoom},
	{"GET /rooms/{id}", (*Server).getRoom},
	{"PUT /rooms/{id}", (*Server).updateRoom},
	{"DELETE /rooms/{id}", (*Server).deleteRoom},
	{"GET /memberships", (*Server).listMemberships},
	{"POST /memberships", (*Server).createMembership},
	{"GET /memberships/{id}", (*Server).getMembership},
	{"PUT /memberships/{id}", (*Server).updateMembership},
	{"DELETE /memberships/{id}", (*Server).deleteMembership},
	{"GET /webhooks", (*Server).listWebhooks},
	{"POST /webhooks", (*Server).createWebhook},
	{"GET /webhooks/{id}", (*Server).getWebhook},
	{"PUT /webhooks/{id}", (*Server).updateWebhook},
	{"DELETE /webhooks/{id}", (*Server).deleteWebhook},
	{"POST /attachment/actions", (*Server).createAction},
	{"GET /attachment/actions/{id}", (*Server).getAction},
	{"GET /contents/{id}", (*Server).getContents},
}

// match finds the endpoint of a path below /v1; the first match wins.
func match(method, path string) (op, id string, h handler, err *refusal) {
	parts := strings.Split(strings.Trim(path, "/"), "/")
	known := false
	for _, e := range endpoints {
		m, pattern, _ := strings.Cut(e.op, " ")
		want := strings.Split(strings.Trim(pattern, "/"), "/")
		if len(want) != len(parts) {
			continue
		}
		found, ok := "", true
		for i := range want {
			if want[i] == "{id}" {
				found = parts[i]
			} else if want[i] != parts[i] {
				ok = false
			}
		}
		if !ok || strings.HasSuffix(pattern, "{id}") && found == "" {
			continue
		}
		known = true
		if m == method {
			return e.op, found, e.handle, nil
		}
	}
	if known {
		return "", "", nil, refuse(http.StatusMethodNotAllowed, "Method "+method+" is not supported for this resource.")
	}
	return "", "", nil, refuse(http.StatusNotFound, "The requested resource could not be found.")
}

// ServeHTTP serves the API and the control API.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.URL.Path, "/sim/") {
		s.control(w, r)
		return
	}
	tracking := "SIM_" + s.uuid()
	w.Header().Set("Trackingid", tracking)
	path, ok := strings.CutPrefix(r.URL.Path, "/v1/")
	if !ok {
		s.answer(w, tracking, nil, nil, refuse(http.StatusNotFound, "The requested resource could not be found."))
		return
	}
	op, id, handle, bad := match(r.Method, path)
	if bad != nil {
		s.answer(w, tracking, nil, nil, bad)
		return
	}
	req := &request{Request: r, op: op, id: id, reply: http.Header{}}
	bodyErr := req.readBody(w)
	s.countEarly(req)
	fault := s.faultFor(req)
	if !s.before(r.Context(), fault) {
		panic(http.ErrAbortHandler) // closes the connection without an answer
	}
	if fault != nil && fault.Status != 0 && !fault.Taken {
		s.answer(w, tracking, req, nil, fault.refusal())
		return
	}
	out, err := s.serve(req, handle, bodyErr)
	if fault != nil && fault.Drop {
		panic(http.ErrAbortHandler)
	}
	if fault != nil && fault.Status != 0 {
		out, err = nil, fault.refusal()
	}
	s.answer(w, tracking, req, out, err)
}

// serve executes a request atomically.
func (s *Server) serve(req *request, handle handler, bodyErr error) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.opts.Clock().Before(s.outage) {
		return nil, &refusal{status: http.StatusServiceUnavailable, body: "<html><body><h1>503 Service Unavailable</h1></body></html>"}
	}
	token, ok := strings.CutPrefix(req.Header.Get("Authorization"), "Bearer ")
	if ok {
		req.caller = s.byToken(token)
	}
	if req.caller == nil {
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

func (s *Server) answer(w http.ResponseWriter, tracking string, req *request, out any, err error) {
	status := http.StatusOK
	if _, empty := out.(noContent); empty {
		status = http.StatusNoContent
	}
	var bad *refusal
	if err != nil && !errors.As(err, &bad) {
		bad = refuse(http.StatusInternalServerError, err.Error())
	}
	if bad != nil {
		status = bad.status
		if bad.retryAfter != "" {
			w.Header().Set("Retry-After", bad.retryAfter)
		}
		if bad.limit != "" {
			w.Header().Set(LimitHeader, bad.limit)
		}
	}
	op := "?"
	if req != nil {
		op = req.op
		if bad == nil {
			for name, values := range req.reply {
				w.Header()[name] = values
			}
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
		_, _ = w.Write([]byte(bad.body))
	case bad != nil:
		writeJSON(w, status, map[string]any{
			"message":    bad.message,
			"errors":     []map[string]string{{"description": bad.message}},
			"trackingId": tracking,
		})
	case status == http.StatusNoContent:
		w.WriteHeader(status)
	default:
		if f, ok := out.(*file); ok {
			serveFile(w, f)
			return
		}
		writeJSON(w, status, out)
	}
}
