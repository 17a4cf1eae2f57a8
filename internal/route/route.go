// Package route says which rooms a problem goes to, and why.
package route

import (
	"time"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/config"
)

// Target is one room that a problem goes to.
type Target struct {
	Room  string // configured name
	Route string // the route's name; "" for the default rooms; "send_to" for {ALERT.SENDTO}
}

// Router holds the compiled routes of one configuration. It is safe for
// concurrent use: it never changes.
type Router struct{}

// New compiles the routes. A Config that config.Load returned never fails.
func New(cfg *config.Config) (*Router, error) { return &Router{}, nil }

// Rooms gives the targets of a problem, without doubles, in the order found.
// sendTo is the event's {ALERT.SENDTO}, "" for none: a room's name or id, or an
// e-mail address (a direct chat with that person, Target.Room "person:alice@example.com"; only
// where the address's domain is allowed).
func (r *Router) Rooms(p alert.Problem, sendTo string, now time.Time) []Target { return nil }

// Step is one rule of an explanation.
type Step struct {
	Route   string   `json:"route"`
	Line    int      `json:"line,omitempty"`
	Matched bool     `json:"matched"`
	Reason  string   `json:"reason"` // why it did or didn't match, in words
	Rooms   []string `json:"rooms,omitempty"`
	Skipped bool     `json:"skipped,omitempty"` // not asked: an earlier rule won
}

// Explain says for every rule whether it matched and why, and the targets.
func (r *Router) Explain(p alert.Problem, sendTo string, now time.Time) ([]Step, []Target) {
	return nil, nil
}
