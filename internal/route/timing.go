package route

import (
	"slices"
	"strings"
	"time"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/config"
)

// Timing is when a room hears of a problem, besides at once. Its zero value is
// at once, and never again.
type Timing struct {
	Delay    time.Duration
	Remind   time.Duration       // 0: never
	Escalate []config.Escalation // by After
	Quiet    *config.Quiet       // nil: none
}

// Timing is that of a room for what a rule, Target.Route, sends there. A room that
// isn't one of the rule's own was told by its escalation: that ends there.
func (r *Router) Timing(room, rule string) Timing {
	t := Timing{Quiet: r.quiet[room]}
	for i := range r.rules {
		if c := &r.rules[i]; c.name == rule && slices.Contains(c.rooms, room) {
			t.Delay, t.Remind, t.Escalate = c.timing.Delay, c.timing.Remind, c.timing.Escalate
		}
	}
	return t
}

// When says in words when the room of a target hears of a problem that began
// now, besides at once; "" for at once, and never again.
func (r *Router) When(t Target, p alert.Problem, now time.Time) string {
	timing := r.Timing(t.Room, t.Route)
	var words []string
	if timing.Delay > 0 {
		words = append(words, "delay "+config.Duration(timing.Delay).String())
	}
	if until := timing.Quiet.Until(p.Severity, now.Add(timing.Delay)); !until.IsZero() {
		words = append(words, "quiet until "+until.In(r.zones[t.Room]).Format("Mon 15:04 MST"))
	}
	for _, e := range timing.Escalate {
		words = append(words, e.String())
	}
	if timing.Remind > 0 {
		words = append(words, "reminds every "+config.Duration(timing.Remind).String())
	}
	return strings.Join(words, ", ")
}
