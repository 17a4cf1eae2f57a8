package webexsim

import (
	"context"
	"math"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// Fault makes requests fail. Its conditions must all hold; empty ones do.
type Fault struct {
	Op      string `json:"op,omitempty"`      // "POST /messages"
	Account string `json:"account,omitempty"` // e-mail address
	Room    string `json:"room,omitempty"`    // name or id of the room that the request is about
	Skip    int    `json:"skip,omitempty"`    // how many matching requests go through first
	Count   int    `json:"count,omitempty"`   // how many fail then; 0: all, until the fault is removed

	Delay      time.Duration `json:"delay,omitempty"`  // before the request is executed, in nanoseconds
	Status     int           `json:"status,omitempty"` // of the answer; 0: the true one
	RetryAfter string        `json:"retryAfter,omitempty"`
	Body       string        `json:"body,omitempty"`  // instead of JSON; text/html if it begins with <
	Taken      bool          `json:"taken,omitempty"` // the request is executed all the same
	Drop       bool          `json:"drop,omitempty"`  // the connection is closed instead of an answer
}

type fault struct {
	Fault
	id   string
	seen int
}

func (f Fault) refusal() *refusal {
	r := &refusal{status: f.Status, message: "Injected fault: " + http.StatusText(f.Status) + ".", retryAfter: f.RetryAfter, body: f.Body}
	if f.Status == http.StatusTooManyRequests {
		r.limit = limitAccount
		if f.Room != "" {
			r.limit = limitRoom
		}
	}
	return r
}

// AddFault adds a fault. The first fault that matches a request is used. remove takes the fault away.
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

// Outage makes every request fail with 503 until a time.
func (s *Server) Outage(until time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.outage = until
}

// faultFor finds the fault of a request, and counts it. Without one it returns the zero Fault.
func (s *Server) faultFor(req *request) Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.faults {
		if !s.faultMatches(f, req) || f.Count > 0 && f.seen >= f.Skip+f.Count {
			continue
		}
		if f.seen++; f.seen <= f.Skip {
			continue
		}
		s.startFaultWait(f.Fault, req)
		return f.Fault
	}
	return Fault{}
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

// startFaultWait records that a 429 told the account to wait, for TooEarly.
func (s *Server) startFaultWait(f Fault, req *request) {
	seconds, err := strconv.Atoi(f.RetryAfter)
	if at, bad := http.ParseTime(f.RetryAfter); bad == nil {
		seconds, err = int(math.Ceil(time.Until(at).Seconds())), nil
	}
	caller := s.tokenOwner(req)
	if f.Status != http.StatusTooManyRequests || err != nil || caller == nil {
		return
	}
	whole, inRoom := s.limitKeys(req, caller)
	if f.Room != "" && inRoom != "" {
		whole = inRoom
	}
	s.startWait(whole, seconds)
}

// before applies what a fault does before the request; false means that the connection is closed.
func (s *Server) before(ctx context.Context, f Fault) bool {
	if f.Delay > 0 {
		timer := time.NewTimer(f.Delay)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
			return f.Taken // the client gave up, but its request may still be executed
		case <-s.ctx.Done():
			return false
		}
	}
	return !f.Drop || f.Taken
}
