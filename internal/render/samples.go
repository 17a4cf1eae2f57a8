package render

import (
	"fmt"
	"time"

	"nms-alert-relay/internal/alert"
)

// SamplesNow is the time at which the samples are rendered.
var SamplesNow = time.Date(2026, 11, 24, 13, 30, 0, 0, time.UTC)

// Samples are invented problems of each kind, by name, for previews and for trying custom templates at start.
func Samples() map[string]alert.Problem {
	trigger := sample("4711", alert.OriginTrigger, 12*time.Minute, alert.Facts{
		Name: "Temperature too high on Core switch 1", Hosts: []alert.Host{{ID: "10084", Host: "sw1", Name: "Core switch 1", IP: "192.0.2.1"}},
		Groups: []string{"Network", "Rack 4"}, OpData: "68 °C", TriggerID: "23118", TriggerName: "Temperature too high on {HOST.NAME}",
		Tags:               []alert.Tag{{Tag: "service", Value: "switching"}, {Tag: "site", Value: "Zürich"}},
		TriggerDescription: "What to do:\n1. look\n2. fix", TriggerURL: "https://wiki.example.com/runbooks/temperature",
		ItemID: "44601", ItemName: "Temperature", Object: "0",
	})
	alice := alert.Actor{Name: "Alice Example", Email: "alice@example.com"}
	bob := alert.Actor{Name: "Bob Builder (bob)"}
	ack := alert.Update{Actor: alice, Actions: alert.Actions{Ack: true, Comment: true}, Comment: "on it", Message: "on it (Alice Example <alice@example.com>)"}
	closing := alert.Update{Actor: bob, Actions: alert.Actions{Close: true, Comment: true}, Message: "Fan replaced.\nWatching it until noon."}
	severity := alert.Update{Actor: bob, Actions: alert.Actions{Severity: &alert.SeverityChange{Old: alert.High, New: alert.Disaster}}}

	trigger.CanSuppress, trigger.Observed = true, true
	samples := map[string]alert.Problem{"open": trigger}
	with := func(name string, p alert.Problem, change func(*alert.Problem)) {
		change(&p)
		samples[name] = p
	}
	with("again", trigger, func(p *alert.Problem) {
		p.Memory = &alert.Memory{Known: true, Times: 7, Usual: 12 * time.Minute, Latest: 9 * time.Minute,
			Remarks: remarks(alert.Remark{By: alice.Name, At: p.OpenedAt.Add(-21 * 24 * time.Hour), Text: "compaction, drains by itself"})}
	})
	with("first-time", trigger, func(p *alert.Problem) { p.Memory = &alert.Memory{Times: 1} })
	with("acknowledged", trigger, func(p *alert.Problem) {
		p.Acknowledged = true
		did(p, 4*time.Minute, ack)
	})
	with("taken", trigger, func(p *alert.Problem) {
		p.Owner = alert.Owner{Email: alice.Email, Name: alice.Name, Since: p.OpenedAt.Add(4 * time.Minute)}
		did(p, 4*time.Minute, alert.Update{Actor: alice, Actions: alert.Actions{Comment: true}, Owner: &p.Owner})
	})
	with("zabbix-6.0", trigger, func(p *alert.Problem) { p.CanSuppress, p.CanClose = false, true })
	with("severity-changed", trigger, func(p *alert.Problem) {
		p.Severity, p.CanClose = alert.Disaster, true
		did(p, 6*time.Minute, severity)
	})
	with("suppressed", trigger, func(p *alert.Problem) {
		p.Suppressed, p.SuppressedUntil = true, SamplesNow.Add(2*time.Hour)
		did(p, 7*time.Minute, alert.Update{Actor: bob, Actions: alert.Actions{Suppress: true, SuppressUntil: p.SuppressedUntil}})
	})
	with("resolved", trigger, func(p *alert.Problem) {
		p.Acknowledged = true
		did(p, 4*time.Minute, ack)
		resolve(p, 10*time.Minute+19*time.Second, "12 °C")
	})
	with("closed", trigger, func(p *alert.Problem) {
		did(p, 10*time.Minute, closing)
		resolve(p, 10*time.Minute+2*time.Second, "")
	})
	with("cancelled", trigger, func(p *alert.Problem) {
		p.Cancelled = true
		entry(p, alert.EntryCancelled, 3*time.Minute, nil)
	})
	with("escalated", trigger, func(p *alert.Problem) {
		nudge(p, 5*time.Minute, alert.Nudge{Kind: alert.EntryEscalated, Room: "noc", Rooms: []string{"leads"}, Mention: []string{"alice@example.com", alert.MentionAll}, After: 5 * time.Minute})
		nudge(p, 10*time.Minute, alert.Nudge{Kind: alert.EntryReminded, Room: "noc"})
	})
	with("escalated-here", trigger, func(p *alert.Problem) {
		nudge(p, 5*time.Minute, alert.Nudge{Kind: alert.EntryEscalated, Room: "first line", Rooms: []string{"noc"}, After: 5 * time.Minute})
		nudge(p, 10*time.Minute, alert.Nudge{Kind: alert.EntryReminded, Room: "first line"})
	})
	with("asked", trigger, func(p *alert.Problem) {
		p.Acknowledged = true
		did(p, 4*time.Minute, ack)
		nudge(p, 4*time.Hour+4*time.Minute, alert.Nudge{Kind: alert.EntryAsked, Room: "noc", Mention: []string{"alice@example.com"}, After: 4 * time.Hour})
	})
	with("gone", trigger, func(p *alert.Problem) { p.State, p.Gone = alert.StateResolved, true })
	with("symptom", trigger, func(p *alert.Problem) {
		p.CauseEventID = "4700"
		p.Macros = map[string]string{"event.cause.name": "Uplink of rack 4 is down"}
	})
	with("many-hosts", trigger, func(p *alert.Problem) {
		p.Hosts = nil
		for i := range 12 {
			p.Hosts = append(p.Hosts, alert.Host{Host: fmt.Sprintf("sw%d", i), Name: fmt.Sprintf("Access switch %d", i)})
		}
	})
	with("update-only", trigger, func(p *alert.Problem) {
		*p = alert.Problem{Key: p.Key, Origin: alert.OriginTrigger, State: alert.StateUnknown, Acknowledged: true}
		did(p, 0, alert.Update{Actor: alert.Actor{Name: alert.HiddenAuthor}, Actions: alert.Actions{Ack: true}})
	})
	with("hostile", trigger, func(p *alert.Problem) {
		const text = "<@all> **bold** [click](https://evil.example.com) `code`\r\n# \u202egnp.exe <b>&amp;"
		p.Name, p.OpData, p.Tags, p.Groups = text, text, []alert.Tag{{Tag: text, Value: text}}, []string{text}
		p.Hosts, p.TriggerURL = []alert.Host{{Host: text}}, "javascript:alert(1)"
		p.Memory = &alert.Memory{Known: true, Times: 2, Remarks: remarks(alert.Remark{By: text, At: p.OpenedAt.AddDate(-1, 0, 0), Text: text})}
		did(p, time.Minute, alert.Update{Actor: alert.Actor{Name: text}, Actions: alert.Actions{Comment: true}, Message: text})
	})
	service := sample("4720", alert.OriginService, 2*time.Hour, alert.Facts{
		Name: `Status of service "Orders" changed to Average`, Service: "Orders", Object: "6",
		RootCause: "web1: Checkout is slow (High)", Tags: []alert.Tag{{Tag: "owner", Value: "shop"}},
	})
	did(&service, time.Minute, alert.Update{Actions: alert.Actions{Severity: &alert.SeverityChange{Old: alert.Average, New: alert.High}}})
	samples["service"] = service
	with("service-resolved", service, func(p *alert.Problem) { resolve(p, 90*time.Minute, "") })
	samples["internal"] = sample("4730", alert.OriginInternal, time.Minute, alert.Facts{
		Name: `Value "n/a" is not suitable for value type "Numeric (unsigned)"`, ItemID: "44518", ItemName: "Fan speed", Object: "4",
		Hosts: []alert.Host{{Host: "sw1", Name: "Core switch 1"}}, Macros: map[string]string{"event.status": "Not supported"},
	})
	samples["discovery"] = sample("4740", alert.OriginDiscovery, time.Minute, alert.Facts{Object: "2", Macros: map[string]string{
		"discovery.rule.name": "Server room", "discovery.device.ipaddress": "192.0.2.44", "discovery.device.status": "UP",
		"discovery.service.name": "SSH", "discovery.service.port": "22", "discovery.service.status": "UP",
	}})
	samples["autoregistration"] = sample("4750", alert.OriginAutoregistration, time.Minute, alert.Facts{
		Object: "3", Hosts: []alert.Host{{Host: "new-host", IP: "192.0.2.50"}}, Macros: map[string]string{"host.port": "10050"},
	})
	return samples
}

// sampleRoom has seen the earlier problems of samples.
const sampleRoom = "noc"

func remarks(r alert.Remark) []alert.PostedRemark {
	return []alert.PostedRemark{{Remark: r, Rooms: []string{sampleRoom}}}
}

// sample returns an open problem that began before SamplesNow, or an occurrence.
func sample(id string, origin alert.Origin, ago time.Duration, facts alert.Facts) alert.Problem {
	p := alert.Problem{
		Key: alert.Key{Source: "main", EventID: id}, Origin: origin, OpenedAt: SamplesNow.Add(-ago), Facts: facts,
		State: alert.StateOpen, Announced: true,
	}
	kind := alert.EntryOpened
	switch origin {
	case alert.OriginTrigger, alert.OriginService:
		p.Severity = alert.High
	case alert.OriginDiscovery, alert.OriginAutoregistration:
		p.State, p.Announced, kind = alert.StateOccurred, false, alert.EntryOccurred
	}
	entry(&p, kind, 0, nil)
	return p
}

// entry adds to the timeline, at a time after the problem began.
func entry(p *alert.Problem, kind alert.EntryKind, after time.Duration, u *alert.Update) {
	e := alert.Entry{Seq: len(p.Timeline) + 1, Kind: kind, At: p.OpenedAt.Add(after), Update: u}
	if p.OpenedAt.IsZero() {
		e.At = SamplesNow.Add(after)
	}
	if u != nil {
		u.At = e.At
	}
	p.Timeline = append(p.Timeline[:len(p.Timeline):len(p.Timeline)], e)
}

func nudge(p *alert.Problem, after time.Duration, n alert.Nudge) {
	entry(p, n.Kind, after, nil)
	n.At = p.OpenedAt.Add(after)
	p.Timeline[len(p.Timeline)-1].Nudge = &n
}

func did(p *alert.Problem, after time.Duration, u alert.Update) {
	entry(p, alert.EntryUpdate, after, &u)
}

func resolve(p *alert.Problem, after time.Duration, opdata string) {
	p.State, p.ResolvedAt, p.RecoveredOpData = alert.StateResolved, p.OpenedAt.Add(after), opdata
	entry(p, alert.EntryResolved, after, nil)
}
