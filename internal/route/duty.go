package route

import (
	"slices"
	"time"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/config"
)

// OnDuty returns the addresses of those who are on duty in a layer of a schedule, or else why nobody can be reached (its zero value if
// somebody can).
type OnDuty func(schedule, layer string, at time.Time) (emails []string, gap alert.Gap)

// Step returns the rooms that the nth escalation goes to as well, and whom it mentions. gaps say why somebody on duty whom the step asks
// for can't be reached; then the rooms alone get it. onDuty may be nil: then nobody is asked for.
func (t Timing) Step(n int, onDuty OnDuty, now time.Time) (rooms, mention []string, gaps []alert.Gap) {
	step := t.Escalate[n]
	rooms = slices.Clone(step.Rooms)
	called := func(layer string) []string {
		if onDuty == nil {
			return nil
		}
		emails, gap := onDuty(t.Duty, layer, now)
		if gap != (alert.Gap{}) && !slices.Contains(gaps, gap) {
			gaps = append(gaps, gap)
		}
		return emails
	}
	add := func(emails ...string) {
		for _, email := range emails {
			if !slices.Contains(mention, email) {
				mention = append(mention, email)
			}
		}
	}
	for _, who := range step.Mention {
		if layer, ok := config.DutyLayer(who); ok {
			add(called(layer)...)
		} else {
			add(who)
		}
	}
	if step.Duty != "" {
		for _, email := range called(step.Duty) {
			add(email)
			rooms = append(rooms, config.DirectRoom(email))
		}
	}
	return rooms, mention, gaps
}
