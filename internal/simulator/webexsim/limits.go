package webexsim

import (
	"context"
	"math"
	"net/http"
	"slices"
	"strconv"
	"time"

	"nms-alert-relay/internal/webexid"
)

// Stats counts what clients did.
type Stats struct {
	Calls    map[string]int `json:"calls"`    // by "POST /messages"; "?" where there is no such thing
	Statuses map[string]int `json:"statuses"` // by "200"
	Limited  int            `json:"limited"`  // answered 429 by a limit or a fault
	// TooEarly counts the requests that came while their account (or the account in
	// that room) had been told to wait. One at the very moment of the 429 doesn't
	// count: its client couldn't know.
	TooEarly         int `json:"tooEarly"`
	Delivered        int `json:"delivered"`        // webhook deliveries that got 2xx
	DeliveriesFailed int `json:"deliveriesFailed"` // and those that didn't
}

func (s *Stats) init() { s.Calls, s.Statuses = map[string]int{}, map[string]int{} }

// Stats is a copy of the counters.
func (s *Server) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := s.stats
	out.init()
	for k, v := range s.stats.Calls {
		out.Calls[k] = v
	}
	for k, v := range s.stats.Statuses {
		out.Statuses[k] = v
	}
	return out
}

func (s *Server) count(op string, status int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stats.Calls[op]++
	s.stats.Statuses[strconv.Itoa(status)]++
	if status == http.StatusTooManyRequests {
		s.stats.Limited++
	}
}

type bucket struct {
	tokens float64
	at     time.Time
}

// wait is what a client was told by a 429.
type wait struct{ told, until time.Time }

// limitKeys are what a request counts for: its account and, if it writes to a
// room, the account in that room.
func (s *Server) limitKeys(req *request, account *person) (whole, inRoom string) {
	if account == nil {
		return "", ""
	}
	if room := s.roomTouched(req); room != "" {
		inRoom = account.id + " in " + room
	}
	return account.id, inRoom
}

// SetLimits changes what accounts may do from now on: Options.PerAccount and PerRoom.
// What was saved up of a burst counts as far as the new limits allow.
func (s *Server) SetLimits(perAccount, perRoom Rate) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.opts.PerAccount, s.opts.PerRoom = perAccount, perRoom
}

// LimitHeader says in a 429 whose limit it is: limitAccount or limitRoom. The real Webex doesn't
// say; it is for tests, and no relay may look at it.
const LimitHeader = "X-Simulated-Limit"

const (
	limitAccount = "account"
	limitRoom    = "room"
)

// limited takes a token from every bucket that the request draws on, or says 429.
func (s *Server) limited(req *request) *refusal {
	whole, inRoom := s.limitKeys(req, req.caller)
	if r := s.draw(whole, s.opts.PerAccount); r != nil {
		r.limit = limitAccount
		return r
	}
	r := s.draw(inRoom, s.opts.PerRoom)
	if r != nil {
		r.limit = limitRoom
	}
	return r
}

func (s *Server) draw(key string, rate Rate) *refusal {
	if key == "" || rate.PerSecond <= 0 {
		return nil
	}
	now, burst := s.opts.Clock(), float64(max(rate.Burst, 1))
	b := s.buckets[key]
	if b == nil {
		b = &bucket{tokens: burst, at: now}
		s.buckets[key] = b
	}
	b.tokens = min(burst, b.tokens+now.Sub(b.at).Seconds()*rate.PerSecond)
	b.at = now
	if b.tokens >= 1 {
		b.tokens--
		return nil
	}
	seconds := int(math.Ceil((1 - b.tokens) / rate.PerSecond))
	s.tellToWait(key, seconds)
	r := refuse(http.StatusTooManyRequests, "Too many requests have been sent in a given amount of time.")
	r.retryAfter = strconv.Itoa(seconds)
	return r
}

func (s *Server) tellToWait(key string, seconds int) {
	now := s.opts.Clock()
	until := now.Add(time.Duration(seconds) * time.Second)
	if before := s.waits[key]; before.until.After(until) {
		until = before.until
	}
	s.waits[key] = wait{told: now, until: until}
}

// countEarly counts a request that comes though its client was told to wait.
func (s *Server) countEarly(req *request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.opts.Clock()
	whole, inRoom := s.limitKeys(req, s.tokenOwner(req))
	for _, key := range []string{whole, inRoom} {
		if w := s.waits[key]; now.After(w.told) && now.Before(w.until) {
			s.stats.TooEarly++
			return
		}
	}
}

// roomTouched is the room that a request writes to; "" if it only reads.
func (s *Server) roomTouched(req *request) string {
	switch req.op {
	case "POST /messages", "PUT /messages/{id}", "DELETE /messages/{id}":
		return s.roomIn(req)
	}
	return ""
}

func (s *Server) roomIn(req *request) string {
	for _, id := range []string{req.str("roomId"), req.URL.Query().Get("roomId")} {
		if id == "" {
			continue
		}
		for _, r := range s.rooms { // however the id is spelt, the room has one limit
			if webexid.Same(r.id, id) {
				return r.id
			}
		}
		return id
	}
	if m := s.messages[req.id]; m != nil {
		return m.room.id
	}
	to := req.str("toPersonEmail")
	if p := s.people[req.str("toPersonId")]; p != nil {
		to = p.email
	}
	if from := s.tokenOwner(req); from != nil && to != "" {
		return DirectRoomID(from.email, to)
	}
	return ""
}

func (s *Server) tokenOwner(req *request) *person {
	const prefix = "Bearer "
	if auth := req.Header.Get("Authorization"); len(auth) > len(prefix) {
		return s.byToken(auth[len(prefix):])
	}
	return nil
}

// Fault makes requests fail. Its conditions must all hold; empty ones do.
type Fault struct {
	Op      string `json:"op,omitempty"`      // "POST /messages"
	Account string `json:"account,omitempty"` // e-mail address
	Room    string `json:"room,omitempty"`    // name or id of the room that the request is about
	Skip    int    `json:"skip,omitempty"`    // so many that match go through first
	Count   int    `json:"count,omitempty"`   // then so many fail; 0: all, until the fault is removed

	Delay      time.Duration `json:"delay,omitempty"`  // before anything is done, in nanoseconds
	Status     int           `json:"status,omitempty"` // the answer; 0: the true one
	RetryAfter string        `json:"retryAfter,omitempty"`
	Body       string        `json:"body,omitempty"`  // instead of JSON; text/html where it begins with <
	Taken      bool          `json:"taken,omitempty"` // the request is done nevertheless
	Drop       bool          `json:"drop,omitempty"`  // the connection is closed instead of an answer
}

type fault struct {
	Fault
	id   string
	seen int
}

func (f *fault) refusal() *refusal {
	r := &refusal{status: f.Status, message: "Injected fault: " + http.StatusText(f.Status) + ".", retryAfter: f.RetryAfter, body: f.Body}
	if f.Status == http.StatusTooManyRequests {
		r.limit = limitAccount
		if f.Room != "" {
			r.limit = limitRoom
		}
	}
	return r
}

// AddFault adds a fault; the first of the list that matches a request counts.
// The result takes it away again.
func (s *Server) AddFault(f Fault) (remove func()) {
	id := s.addFault(f)
	return func() { s.removeFault(id) }
}

func (s *Server) addFault(f Fault) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	added := &fault{Fault: f, id: s.nextUUID()}
	s.faults = append(s.faults, added)
	return added.id
}

func (s *Server) removeFault(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := len(s.faults)
	s.faults = slices.DeleteFunc(s.faults, func(f *fault) bool { return f.id == id })
	return len(s.faults) < before
}

// Outage makes every request fail with 503 until then.
func (s *Server) Outage(until time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.outage = until
}

// faultFor finds the fault of a request, and counts it.
func (s *Server) faultFor(req *request) *fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.faults {
		if !s.faultMatches(f, req) || f.Count > 0 && f.seen >= f.Skip+f.Count {
			continue
		}
		if f.seen++; f.seen <= f.Skip {
			continue
		}
		s.faultTold(f, req)
		return f
	}
	return nil
}

func (s *Server) faultMatches(f *fault, req *request) bool {
	if f.Op != "" && f.Op != req.op {
		return false
	}
	if f.Account != "" && s.tokenOwner(req) != s.byEmail(f.Account) {
		return false
	}
	if f.Room == "" {
		return true
	}
	r := s.roomBy(f.Room)
	return r != nil && r.id == s.roomIn(req)
}

// faultTold remembers that a 429 told the account to wait: TooEarly counts who doesn't.
func (s *Server) faultTold(f *fault, req *request) {
	seconds, err := strconv.Atoi(f.RetryAfter)
	if at, bad := http.ParseTime(f.RetryAfter); bad == nil {
		seconds, err = int(math.Ceil(at.Sub(s.opts.Clock()).Seconds())), nil
	}
	caller := s.tokenOwner(req)
	if f.Status != http.StatusTooManyRequests || err != nil || caller == nil {
		return
	}
	whole, inRoom := s.limitKeys(req, caller)
	if f.Room != "" && inRoom != "" {
		whole = inRoom
	}
	s.tellToWait(whole, seconds)
}

// before does what a fault does before the request; false means to close the connection.
func (s *Server) before(ctx context.Context, f *fault) bool {
	if f == nil {
		return true
	}
	if f.Delay > 0 {
		timer := time.NewTimer(f.Delay)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
			return f.Taken // the client gave up; what it sent may still be taken
		case <-s.ctx.Done():
			return false
		}
	}
	return !f.Drop || f.Taken
}
