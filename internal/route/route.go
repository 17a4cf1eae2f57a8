// Package route decides which rooms a problem goes to, and explains why.
package route

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/lang"
	"nms-alert-relay/internal/webexid"
)

// Names of rules that aren't configured routes, in Target.Route and Step.Route.
const (
	// SendTo is the rule of {ALERT.SENDTO}.
	SendTo = "send_to"
	// DefaultRooms is the rule for problems that no route matches. In a Target it is "".
	DefaultRooms = "default_rooms"
)

// Matching returns whether a problem meets conditions.
func Matching(p config.ProblemMatch) func(alert.Problem) bool {
	m := config.Match{ProblemMatch: p}
	conditions, commas := compile(m), commaGlobs([]config.Route{{Match: m}})
	return func(p alert.Problem) bool { return failing(conditions, newSubject(&p, time.Time{}, commas)) == nil }
}

// Target is a room that a problem goes to.
type Target struct {
	Room  string // configured name, or config.PersonRoom with an e-mail address
	Route string // the route's name; "" for the default rooms; "send_to" for {ALERT.SENDTO}
}

// Router holds the routes of one configuration, and the bindings. It never changes, so it is safe for concurrent use.
type Router struct {
	rules    []rule
	defaults []string
	sources  map[string]config.SendTo
	byName   map[string]string // by the name in lower case
	byID     map[string]string // by webexid.Key
	allowed  func(email string) bool
	commas   []commaGlob
	quiet    map[string]*config.Quiet  // by room
	zones    map[string]*time.Location // by room

	cfg      *config.Config
	bindings []binding         // by room
	rights   map[string]rights // of the people of the bindings, by address
}

// rule is one compiled route.
type rule struct {
	name       string
	line       int
	rooms      []string
	proceed    bool // try the rules below too
	conditions []condition
	timing     Timing            // without quiet hours and schedule: they depend on the room
	duty       map[string]string // by room: the schedule's name
}

// New prepares the routes. It fails only for a Config without default rooms, which config.Parse never returns.
func New(cfg *config.Config) (*Router, error) {
	r := &Router{
		defaults: slices.Clone(cfg.DefaultRooms),
		sources:  map[string]config.SendTo{},
		byName:   map[string]string{},
		byID:     map[string]string{},
		allowed:  cfg.Allowed,
		commas:   commaGlobs(cfg.Routes),
		quiet:    map[string]*config.Quiet{},
		zones:    map[string]*time.Location{},
		cfg:      cfg,
	}
	if len(r.defaults) == 0 {
		return nil, fmt.Errorf("route: no default rooms for problems that no route matches")
	}
	for _, s := range cfg.Zabbix {
		r.sources[s.Name] = s.SendTo
	}
	for _, room := range cfg.Rooms {
		r.byName[strings.ToLower(room.Name)] = room.Name
		r.byID[webexid.Key(room.ID)] = room.Name
		r.quiet[room.Name], r.zones[room.Name] = room.Quiet, cmp.Or(room.TimeZone.Location, time.UTC)
	}
	for _, route := range cfg.Routes {
		duty := map[string]string{}
		for _, name := range route.Rooms {
			room, _ := cfg.Room(name)
			duty[name] = route.ScheduleIn(room)
		}
		r.rules = append(r.rules, rule{name: route.Name, line: route.Line, rooms: slices.Clone(route.Rooms), proceed: route.Continue, conditions: compile(route.Match),
			timing: Timing{Delay: time.Duration(route.Delay), Remind: time.Duration(route.Remind), Escalate: route.Escalate, AckExpires: time.Duration(route.AckExpires)}, duty: duty})
	}
	return r, nil
}

// Rooms returns the targets of a problem, at least one, without duplicates, in the order of the rules. It uses every "Send to" that
// the problem's messages had (Problem.SendTo); sendTo is one more, "" for none.
func (r *Router) Rooms(p alert.Problem, sendTo string, now time.Time) []Target {
	return r.decide(p, sendTo, now, nil)
}

// Step is one rule of an explanation.
type Step struct {
	Route   string      `json:"route"` // the route's name, "default_rooms" or "send_to"
	Line    int         `json:"line,omitempty"`
	Matched bool        `json:"matched"`
	Reason  lang.Phrase `json:"reason"` // why it matched or didn't
	Rooms   []string    `json:"rooms,omitempty"`
	Skipped bool        `json:"skipped,omitempty"` // not evaluated: an earlier rule won
}

// Explain returns the targets, as Rooms does, and for every rule whether and why it matched.
func (r *Router) Explain(p alert.Problem, sendTo string, now time.Time) ([]Step, []Target) {
	steps := make([]Step, 0, len(r.rules)+2)
	targets := r.decide(p, sendTo, now, &steps)
	return steps, targets
}

// decide finds the targets, and records each step if steps isn't nil.
func (r *Router) decide(p alert.Problem, sendTo string, now time.Time, steps *[]Step) []Target {
	named := r.named(p, sendTo)
	s := newSubject(&p, now, r.commas)
	var targets []Target
	if r.mode(p.Key.Source) == config.SendToOnly && named.rooms != nil {
		if steps != nil {
			r.skipAll(steps, lang.Say("not evaluated: source %s has send_to: only", p.Key.Source))
		}
	} else {
		targets = r.match(s, steps)
	}
	for _, room := range named.rooms {
		targets = add(targets, Target{Room: room, Route: SendTo})
	}
	if steps != nil && named.why != nil {
		*steps = append(*steps, Step{Route: SendTo, Matched: named.rooms != nil, Reason: lang.Join(named.why, "; "), Rooms: named.rooms})
	}
	if len(r.bindings) > 0 {
		targets = r.bound(targets, s, steps)
	}
	return targets
}

// match evaluates the rules; if none matches, the default rooms are the targets.
func (r *Router) match(s *subject, steps *[]Step) []Target {
	var targets []Target
	matched, winner := 0, ""
	for i := range r.rules {
		rule := &r.rules[i]
		if winner != "" {
			if steps == nil {
				break
			}
			*steps = append(*steps, Step{Route: rule.name, Line: rule.line, Skipped: true, Reason: lang.Say("not evaluated: %s won", winner)})
			continue
		}
		failed := failing(rule.conditions, s)
		if steps != nil {
			*steps = append(*steps, rule.step(s, failed))
		}
		if failed != nil {
			continue
		}
		matched++
		for _, room := range rule.rooms {
			targets = add(targets, Target{Room: room, Route: rule.name})
		}
		if !rule.proceed {
			winner = rule.name
		}
	}
	if matched == 0 {
		for _, room := range r.defaults {
			targets = add(targets, Target{Room: room})
		}
	}
	if steps != nil {
		step := Step{Route: DefaultRooms, Matched: matched == 0, Rooms: r.defaults, Reason: lang.Say("no route matched")}
		if matched > 0 {
			step.Skipped, step.Rooms, step.Reason = true, nil, lang.Say("not evaluated: a route matched")
		}
		*steps = append(*steps, step)
	}
	return targets
}

// skipAll records every rule as skipped.
func (r *Router) skipAll(steps *[]Step, why lang.Phrase) {
	for _, rule := range r.rules {
		*steps = append(*steps, Step{Route: rule.name, Line: rule.line, Skipped: true, Reason: why})
	}
	*steps = append(*steps, Step{Route: DefaultRooms, Skipped: true, Reason: why})
}

// failing is the first condition that doesn't hold; nil if all hold.
func failing(conditions []condition, s *subject) condition {
	for _, c := range conditions {
		if !c.holds(s) {
			return c
		}
	}
	return nil
}

// step explains a rule that was evaluated.
func (r *rule) step(s *subject, failed condition) Step {
	step := Step{Route: r.name, Line: r.line, Matched: failed == nil}
	if failed != nil {
		step.Reason = failed.why(s, false)
		return step
	}
	step.Rooms = r.rooms
	step.Reason = lang.Say("no conditions: matches everything")
	if len(r.conditions) > 0 {
		step.Reason = lang.Join(reasons(r.conditions, s), "; ")
	}
	if r.proceed {
		step.Reason = step.Reason.And(lang.Say("; continue: the routes below are tried too"))
	}
	return step
}

// reasons says why each condition holds.
func reasons(conditions []condition, s *subject) []lang.Phrase {
	why := make([]lang.Phrase, len(conditions))
	for i, c := range conditions {
		why[i] = c.why(s, true)
	}
	return why
}

// add appends a target unless its room is in the list already.
func add(targets []Target, t Target) []Target {
	if slices.ContainsFunc(targets, func(known Target) bool { return known.Room == t.Room }) {
		return targets
	}
	return append(targets, t)
}
