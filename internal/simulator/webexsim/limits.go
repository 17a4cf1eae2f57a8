package webexsim

import (
	"maps"
	"math"
	"net/http"
	"strconv"
	"time"

	"nms-alert-relay/internal/webexid"
)

// Stats counts what clients did.
type Stats struct {
	Calls    map[string]int `json:"calls"`    // by "POST /messages"; "?" for an unknown operation
	Statuses map[string]int `json:"statuses"` // by "200"
	Limited  int            `json:"limited"`  // answered 429 by a limit or a fault
	// TooEarly counts requests of an account (or of an account in a room) that had been told to wait. A request at the very
	// moment of the 429 doesn't count: its client couldn't know.
	TooEarly         int `json:"tooEarly"`
	Delivered        int `json:"delivered"`        // webhook deliveries that were answered with 2xx
	DeliveriesFailed int `json:"deliveriesFailed"` // all other webhook deliveries
}

// Stats is a copy of the counters.
func (s *Server) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := s.stats
	out.Calls, out.Statuses = maps.Clone(out.Calls), maps.Clone(out.Statuses)
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

// wait is the pause that a 429 asked for.
type wait struct{ since, until time.Time }

// limitKeys are the buckets of a request: its account, and the account in a room if the request writes to one.
func (s *Server) limitKeys(req *request, account *person) (whole, inRoom string) {
	if account == nil {
		return "", ""
	}
	if room := s.roomTouched(req); room != "" {
		inRoom = account.id + " in " + room
	}
	return account.id, inRoom
}

// SetLimits changes Options.PerAccount and PerRoom. Saved tokens are kept up to the new bursts.
func (s *Server) SetLimits(perAccount, perRoom Rate) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.opts.PerAccount, s.opts.PerRoom = perAccount, perRoom
}

// LimitHeader says in a 429 which limit it is: limitAccount or limitRoom. It is for tests only: the real Webex doesn't say, so a
// client must not read it.
const LimitHeader = "X-Simulated-Limit"

const (
	limitAccount = "account"
	limitRoom    = "room"
)

// limited takes a token from each bucket of a request, or answers 429.
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
	now, burst := time.Now(), float64(max(rate.Burst, 1))
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
	s.startWait(key, seconds)
	r := refuse(http.StatusTooManyRequests, "Too many requests have been sent in a given amount of time.")
	r.retryAfter = strconv.Itoa(seconds)
	return r
}

func (s *Server) startWait(key string, seconds int) {
	now := time.Now()
	until := now.Add(time.Duration(seconds) * time.Second)
	if before := s.waits[key]; before.until.After(until) {
		until = before.until
	}
	s.waits[key] = wait{since: now, until: until}
}

// countEarly counts a request whose client had been told to wait.
func (s *Server) countEarly(req *request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	whole, inRoom := s.limitKeys(req, s.tokenOwner(req))
	for _, key := range []string{whole, inRoom} {
		if w := s.waits[key]; now.After(w.since) && now.Before(w.until) {
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
		for _, r := range s.rooms { // one limit per room, in any spelling of its id
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
