package zabbix

import (
	"cmp"
	"encoding/json"
	"errors"
	"regexp"
	"slices"
	"strings"
	"time"

	"nms-alert-relay/internal/alert"
)

// DecodeOptions supply what a payload doesn't contain.
type DecodeOptions struct {
	Source     string         // the source's configured name
	Location   *time.Location // of the receiving Zabbix user; nil: derived from the payload's own clock
	ReceivedAt time.Time
}

// ErrTest is the error of Event for a payload of Zabbix's Test button.
var ErrTest = errors.New("a test of the media type has no event")

// Event returns the domain event of a payload without faults. The error of a test is ErrTest.
func (p Payload) Event(o DecodeOptions) (alert.Event, error) {
	if p.Test {
		return alert.Event{}, ErrTest
	}
	e := alert.Event{
		// A copy: keys live long, and would keep the whole payload in memory.
		Key:          alert.Key{Source: o.Source, EventID: strings.Clone(p.Macro("event.id"))},
		Kind:         p.Kind(),
		Origin:       p.Origin(),
		ReceivedAt:   o.ReceivedAt.UTC(),
		Acknowledged: yesNo(p.Macro("event.ack.status")),
		SendTo:       p.Macro("alert.sendto"),
		ActionID:     p.Macro("action.id"),
	}
	p.times(&e, p.zoneOf(o))
	p.severities(&e)
	e.Facts = p.facts(e)
	return e, nil
}

// times sets when things happened, and what an update did, since that may have a time of its own.
func (p Payload) times(e *alert.Event, z zone) {
	e.SentAt, _ = p.moment(z, whenSent)
	if e.SentAt.IsZero() || e.SentAt.After(e.ReceivedAt.Add(zoneSlack)) {
		// Missing, or in an unknown time zone: a state from the future would win over all later ones.
		e.SentAt = e.ReceivedAt
	}
	var exact bool
	e.Opened, exact = p.moment(z, whenOpened)
	e.At, e.Exact = e.Opened, exact && !e.Opened.IsZero()
	over := e.Kind == alert.KindRecovery || (e.Kind == alert.KindUpdate && p.value() == "0")
	if over {
		e.Resolved = true
		e.ResolvedAt, exact = p.moment(z, whenRecovered)
		e.Exact = e.Exact && (exact || e.ResolvedAt.IsZero())
	}
	switch {
	case p.Cancelled() && e.Kind == alert.KindUpdate && !p.updated():
		e.Cancelled = true
		e.At = e.SentAt
	case e.Kind == alert.KindUpdate:
		e.Update = p.update(z)
		e.Update.At = cmp.Or(e.Update.At, e.SentAt)
		e.At = e.Update.At
		e.Exact = e.Exact && e.Update.Exact
	case e.Kind == alert.KindRecovery:
		e.At = e.ResolvedAt
	}
	e.At = cmp.Or(e.At, e.SentAt)
}

func (p Payload) update(z zone) *alert.Update {
	u := &alert.Update{Message: p.Macro("event.update.message")}
	u.At, u.Exact = p.moment(z, whenUpdated)
	u.Actor.Name = author(p.Macro("user.fullname"))
	actions, at := p.actions(z)
	u.Actions = actions
	if !at.IsZero() {
		u.At, u.Exact = at, true
	}
	return u
}

// author returns the name in {USER.FULLNAME}: "Bob Builder (bob)", or the login name of a user without another name.
func author(fullName string) string {
	name := strings.TrimSpace(fullName)
	if name == alert.HiddenAuthor {
		return ""
	}
	if inner, ok := strings.CutPrefix(name, "("); ok {
		return strings.TrimSuffix(inner, ")")
	}
	return name
}

// severities sets the severity. Up to 7.0 {EVENT.NSEVERITY} of a trigger's problem follows a manual change; that of a service stays
// at the initial severity, and {EVENT.UPDATE.NSEVERITY} is the new one.
func (p Payload) severities(e *alert.Event) {
	e.Severity = severity(p.Macro("event.nseverity"))
	if e.Origin != alert.OriginService {
		if e.Severity == nil && e.Kind == alert.KindUpdate {
			e.Severity = severity(p.Macro("event.update.nseverity"))
		}
		return
	}
	began := e.Severity
	if e.Kind != alert.KindProblem {
		e.Severity = nil
	}
	if now := severity(p.Macro("event.update.nseverity")); now != nil && e.Update != nil {
		change := alert.SeverityChange{Old: alert.UnknownSeverity, New: *now}
		if began != nil {
			change.Old = *began
		}
		e.Severity, e.Update.Actions.Severity = now, &change
	}
}

func yesNo(text string) *bool {
	switch {
	case strings.EqualFold(text, "yes"):
		return new(true)
	case strings.EqualFold(text, "no"):
		return new(false)
	default:
		return nil
	}
}

// facts describes the problem.
func (p Payload) facts(e alert.Event) alert.Facts {
	f := alert.Facts{
		Name:               p.Macro("event.name"),
		Hosts:              p.hosts(),
		Tags:               p.tags(),
		OpData:             p.Macro("event.opdata"),
		TriggerID:          p.Macro("trigger.id"),
		TriggerName:        p.Macro("trigger.name"),
		TriggerDescription: p.Macro("trigger.description"),
		TriggerURL:         p.Macro("trigger.url"),
		TriggerURLName:     p.Macro("trigger.url.name"),
		ItemID:             p.Macro("item.id"),
		ItemName:           p.Macro("item.name"),
		Service:            p.Macro("service.name"),
		RootCause:          rootCause(p.Macro("service.rootcause")),
		CauseEventID:       p.Macro("event.cause.id"),
		Object:             p.Macro("event.object"),
	}
	f.Groups, f.GroupsSplit = groups(p.Macro("trigger.hostgroup.name"))
	f.Name = cmp.Or(f.Name, f.TriggerName, p.occurrence(e.Origin), p.subject())
	f.Macros = p.macros.rest
	return f
}

// rootProblem is a line of {SERVICE.ROOTCAUSE} (measured on 6.0 and 7.0). A name may contain quotes.
var rootProblem = regexp.MustCompile(`^Host: "(.*?)" Problem name: "(.*)" Severity: "(.*?)" Age: .*$`)

// rootCause shortens {SERVICE.ROOTCAUSE}, whose text for people has one problem a line, with tags and an age: "host: name (severity); …".
// Anything else stays as it is, and so do names of several lines. An age would change the problem with each message.
func rootCause(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	for i, line := range lines {
		m := rootProblem.FindStringSubmatch(line)
		if m == nil {
			return text
		}
		lines[i] = m[1] + ": " + m[2] + " (" + m[3] + ")"
	}
	return strings.Join(lines, "; ")
}

// subject returns the problem's name in {ALERT.SUBJECT}, the only one that Zabbix's own Slack media type sends.
func (p Payload) subject() string {
	return strings.TrimPrefix(p.Macro("alert.subject"), "Problem: ") // as Zabbix's default message begins
}

// groups reads {TRIGGER.HOSTGROUP.NAME}, which joins names by ", ". A name may contain that too: split says that the names may be parts.
// A JSON list of names is exact.
func groups(text string) (names []string, split bool) {
	if text == "" {
		return nil, false
	}
	if strings.HasPrefix(text, "[") && json.Unmarshal([]byte(text), &names) == nil {
		return names, false
	}
	names = strings.Split(text, ", ")
	return names, len(names) > 1
}

// occurrence names a discovery or autoregistration event: Zabbix gives them no name.
func (p Payload) occurrence(origin alert.Origin) string {
	switch origin {
	case alert.OriginDiscovery:
		device := cmp.Or(p.Macro("discovery.device.ipaddress"), "a device")
		status := p.Macro("discovery.device.status")
		if p.Macro("discovery.service.name") != "" {
			device = strings.Join(strings.Fields(device+" "+p.Macro("discovery.service.name")+" "+p.Macro("discovery.service.port")), " ")
			status = p.Macro("discovery.service.status")
		}
		if status == "" {
			return "Discovery: " + device
		}
		return "Discovery: " + device + " is " + status
	case alert.OriginAutoregistration:
		name := cmp.Or(p.Macro("host.host"), p.Macro("host.ip"))
		return strings.Join(strings.Fields("New host "+name+" registered itself"), " ")
	default:
		return ""
	}
}

// hosts returns the trigger's hosts, or a discovered device.
func (p Payload) hosts() (hosts []alert.Host) {
	for i, names := range hostMacros {
		h := alert.Host{ID: p.Macro(names[0]), Host: p.Macro(names[1]), Name: p.Macro(names[2]), IP: p.Macro(names[3])}
		if h != (alert.Host{}) && (i != 1 || hosts == nil) {
			hosts = append(hosts, h)
		}
	}
	if ip := p.Macro("discovery.device.ipaddress"); hosts == nil && ip != "" {
		hosts = append(hosts, alert.Host{Host: cmp.Or(p.Macro("discovery.device.dns"), ip), IP: ip})
	}
	return hosts
}

// tags reads {EVENT.TAGSJSON}, which Zabbix's own Slack media type sends as EVENT.TAGS. If it is missing or cut, {EVENT.TAGS} is used:
// "name:value" joined by ", ", though names and values may contain both.
func (p Payload) tags() (tags []alert.Tag) {
	for _, of := range []string{"event.tagsjson", "event.tags"} {
		text := p.Macro(of)
		if tags = nil; strings.HasPrefix(text, "[") && json.Unmarshal([]byte(text), &tags) == nil {
			if tags = slices.DeleteFunc(tags, func(t alert.Tag) bool { return t == alert.Tag{} }); len(tags) == 0 {
				return nil
			}
			return tags
		}
	}
	tags = nil
	if text := p.Macro("event.tags"); text != "" && !strings.HasPrefix(text, `[{"tag"`) {
		for part := range strings.SplitSeq(text, ", ") {
			name, value, _ := strings.Cut(part, ":")
			tags = append(tags, alert.Tag{Tag: name, Value: value})
		}
	}
	return tags
}
