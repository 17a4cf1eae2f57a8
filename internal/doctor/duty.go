package doctor

import (
	"context"
	"fmt"
	"time"

	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/duty"
	"nms-alert-relay/internal/lang"
	"nms-alert-relay/internal/text"
)

// dutyAhead is how far gaps of a schedule are looked for.
const dutyAhead = 14 * 24 * time.Hour

// dutyChecks reads the calendars of a schedule, and says who is on duty, whom the relay can't write to, and when nobody is on duty.
func dutyChecks(ctx context.Context, o Options, i int) []Check {
	d := o.Config.Duty[i]
	l := list{area: "duty", target: d.Name}
	var shifts []duty.Shift
	now := o.Now()
	for j, c := range d.Calendars {
		name := fmt.Sprintf("calendar %d", j+1)
		if c.File == "" && c.Address() == "" {
			l.failure(name, "has no address"+o.Config.WhyMissing(fmt.Sprintf("duty[%d].calendar[%d].url", i, j)), "put it into its url_file")
			continue
		}
		c.HTTP.Timeout = config.Duration(o.timeout(time.Duration(c.HTTP.Timeout)))
		raw, err := duty.Fetcher{Version: o.Version}.Fetch(ctx, c, fmt.Sprintf("duty[%d].calendar[%d]", i, j))
		var content duty.Content
		if err == nil {
			content, err = duty.Parse(raw, duty.ReadingOf(o.Config, d, c), now.Add(-time.Hour), now.Add(dutyAhead))
		}
		if err != nil {
			l.failure(name, err.Error(), "a running relay keeps its last good copy; correct the address, or what it leads to")
			continue
		}
		shifts = append(shifts, content.Shifts...)
		l.ok(name, fmt.Sprintf("read: events %d, shifts in the next two weeks %d", content.Events, len(content.Shifts)))
		if content.Unreadable > 0 {
			l.warning(name, fmt.Sprintf("events that can't be read: %d (%s)", content.Unreadable, lang.Join(content.Faults, "; ")), "correct them in the calendar")
		}
	}
	if len(l.checks) == 0 || Worst(l.checks) != Failure {
		judgeDuty(&l, duty.New(d, shifts, nil), now)
	}
	return l.checks
}

// judgeDuty judges who is on duty in the next two weeks.
func judgeDuty(l *list, s duty.Schedule, now time.Time) {
	if unknown := s.Unknown(); len(unknown) > 0 {
		names := text.Names(unknown, func(p duty.Person) string { return text.Quoted(p.Name, 60) + " (" + p.Why.String() + ")" })
		l.warning("people", "the relay can't write to "+text.Some(names, 5), "give their addresses under calendar.people, or add their domain to allowed_domains")
	}
	for _, layer := range s.Layers {
		gaps, first := 0, time.Time{}
		turns := s.Turns(layer, now, now.Add(dutyAhead))
		for _, t := range turns {
			if emails, _ := s.Call(layer, t.From); len(emails) == 0 {
				if gaps++; gaps == 1 {
					first = t.From
				}
			}
		}
		name := "layer " + layer
		switch {
		case gaps == 1 && len(turns) == 1:
			l.warning(name, "nobody whom the relay can write to is on duty in the next two weeks", "escalations to it reach the rooms alone")
		case gaps > 0:
			l.warning(name, fmt.Sprintf("times in the next two weeks in which nobody is on duty whom the relay can write to: %d, the first from %s", gaps, first.In(s.Zone).Format("Mon 2 Jan 15:04 MST")), "escalations reach the rooms alone then; 'alert-relay duty' lists them")
		default:
			l.ok(name, "somebody is on duty at any time of the next two weeks")
		}
	}
}
