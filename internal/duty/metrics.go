package duty

import "github.com/prometheus/client_golang/prometheus"

var (
	peopleDesc = prometheus.NewDesc("alert_relay_duty_people",
		"People on duty now whom the relay can write to, by schedule and layer; 0 is a gap.", []string{"schedule", "layer"}, nil)
	ageDesc = prometheus.NewDesc("alert_relay_duty_calendar_age_seconds",
		"Time since a schedule's calendars were last read without a fault, the oldest of them; since the start of the relay if one never was.", []string{"schedule"}, nil)
	refreshDesc = prometheus.NewDesc("alert_relay_duty_refreshes_total",
		"Attempts to read the calendars of a schedule, by result: ok, failed (the last good copy stays in use).", []string{"schedule", "result"}, nil)
	unknownDesc = prometheus.NewDesc("alert_relay_duty_unknown_people",
		"People in the calendars of a schedule, for the next two months, whom the relay can't write to: no address, or not in an allowed domain.", []string{"schedule"}, nil)
	unreadableDesc = prometheus.NewDesc("alert_relay_duty_unreadable_events",
		"Events in the calendars of a schedule that can't be read.", []string{"schedule"}, nil)
)

// Describe describes the metrics.
func (b *Book) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{peopleDesc, ageDesc, refreshDesc, unknownDesc, unreadableDesc} {
		to <- d
	}
}

// Collect collects the metrics.
func (b *Book) Collect(to chan<- prometheus.Metric) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.opts.Now()
	for _, p := range b.plans {
		name, s := p.config.Name, p.schedule()
		for _, layer := range s.Layers {
			emails, _ := s.Call(layer, now)
			to <- prometheus.MustNewConstMetric(peopleDesc, prometheus.GaugeValue, float64(len(emails)), name, layer)
		}
		if len(p.calendars) == 0 {
			continue
		}
		oldest, unreadable := now, 0
		for _, c := range p.calendars {
			at := c.copy.At
			if at.IsZero() {
				at = b.began
			}
			if at.Before(oldest) {
				oldest = at
			}
			unreadable += c.content.Unreadable
		}
		to <- prometheus.MustNewConstMetric(ageDesc, prometheus.GaugeValue, now.Sub(oldest).Seconds(), name)
		to <- prometheus.MustNewConstMetric(unknownDesc, prometheus.GaugeValue, float64(len(s.Unknown())), name)
		to <- prometheus.MustNewConstMetric(unreadableDesc, prometheus.GaugeValue, float64(unreadable), name)
		for _, result := range []string{resultOK, resultFailed} {
			to <- prometheus.MustNewConstMetric(refreshDesc, prometheus.CounterValue, float64(b.refreshes[refreshKey{name, result}]), name, result)
		}
	}
}

// Unknown returns the people of the calendars whom the relay can't write to.
func (s Schedule) Unknown() (people []Person) {
	seen := map[string]bool{}
	for _, shift := range s.shifts {
		if name := fold(shift.Person.Name); shift.Person.Email == "" && !seen[name] {
			seen[name] = true
			people = append(people, shift.Person)
		}
	}
	return people
}
