package tryout

import (
	"nms-alert-relay/internal/route"
)

// RouteExplanation is which rooms a problem goes to, and why.
type RouteExplanation struct {
	Problem  string       `json:"problem"`
	Name     string       `json:"name"`
	Severity string       `json:"severity"`
	Steps    []route.Step `json:"steps"`
	Rooms    []string     `json:"rooms"`
	When     []RoomTiming `json:"when,omitempty"` // rooms that get it later, or more than once
}

// RoomTiming is when a room gets a problem, in words.
type RoomTiming struct {
	Room  string `json:"room"`
	Route string `json:"route,omitempty"`
	When  string `json:"when"`
}

// ExplainRoute routes payloads as the relay would.
func ExplainRoute(o Options) (*RouteExplanation, error) {
	p, sendTo, err := readProblem(o)
	if err != nil {
		return nil, err
	}
	router, err := route.New(o.Config)
	if err != nil {
		return nil, err
	}
	e := &RouteExplanation{Problem: p.Key.String(), Name: p.Name, Severity: p.Severity.String(), Rooms: []string{}}
	var targets []route.Target
	e.Steps, targets = router.Explain(p, sendTo, o.Now)
	for _, t := range targets {
		e.Rooms = append(e.Rooms, t.Room)
		if when := router.When(t, p, o.Now); when != "" {
			e.When = append(e.When, RoomTiming{Room: t.Room, Route: t.Route, When: when})
		}
	}
	return e, nil
}
