package route

import (
	"slices"
	"time"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/lang"
)

// Timing is when a room gets a problem, and when again. The zero value means at once, and never again.
type Timing struct {
	Delay    time.Duration
	Remind   time.Duration       // 0: never
	Escalate []config.Escalation // by After
	// AckExpires is how long an acknowledgement lasts; 0: for good.
	AckExpires time.Duration
	Quiet      *config.Quiet // nil: none
	Own        bool          // the room is one of the rule's, rather than one that it escalates to
	Duty       string        // the schedule of who is on duty, for Escalate; "" for none
	Muted      time.Time     // until when somebody muted the rule; zero or past for not
}

// Timing is the timing of a rule (Target.Route) in a room. Rooms that got the problem by the rule's escalation have only quiet
// hours: an escalation doesn't escalate again.
func (r *Router) Timing(room, rule string) Timing {
	t := Timing{Quiet: r.quiet[room]}
	for i := range r.rules {
		if c := &r.rules[i]; c.name == rule && slices.Contains(c.rooms, room) {
			t.Own, t.Duty = true, c.duty[room]
			t.Delay, t.Remind, t.Escalate, t.AckExpires = c.timing.Delay, c.timing.Remind, c.timing.Escalate, c.timing.AckExpires
		}
	}
	return t
}

// When describes the timing of a target for a problem that begins now, for a terminal; "" means at once, and never again.
func (r *Router) When(t Target, p alert.Problem, now time.Time) string {
	timing := r.Timing(t.Room, t.Route)
	var words []lang.Phrase
	if timing.Delay > 0 {
		words = append(words, lang.Say("delay %s", config.Duration(timing.Delay).String()))
	}
	if until := timing.Quiet.Until(p.Severity, now.Add(timing.Delay)); !until.IsZero() {
		words = append(words, lang.Say("quiet until %s", lang.Moment{At: until.In(r.zones[t.Room]), Layout: "Mon 15:04 MST"}))
	}
	for _, e := range timing.Escalate {
		words = append(words, e.Words())
	}
	if timing.Remind > 0 {
		words = append(words, lang.Say("reminds every %s", config.Duration(timing.Remind).String()))
	}
	if timing.AckExpires > 0 {
		words = append(words, lang.Say("an acknowledgement lapses after %s", config.Duration(timing.AckExpires).String()))
	}
	return lang.Join(words, ", ").String()
}
