package render

import (
	"fmt"
	"strings"
	"time"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/lang"
)

// View is a problem as templates see it. It holds no secrets. Times are in the room's zone, and zero if unknown.
type View struct {
	ID      Text // as people write it in commands: "4711", or "main/4711" with several sources
	Source  Text
	EventID Text
	Origin  Text // "trigger", "service", "internal", "discovery", "autoregistration"
	State   Text // "open", "resolved", "occurred", "unknown" (only updates of it came yet)

	Emoji  string // of the severity, or of the state
	Status string // "High problem, acknowledged"; "resolved · High"
	Title  Text   // Name, or another name; never empty

	Severity     alert.Severity
	HasSeverity  bool // triggers and services have one, unless only updates of them came
	Open         bool
	Resolved     bool
	Acknowledged bool
	Owner        Text // who takes care of it; "" for nobody
	Suppressed   bool
	Cancelled    bool // Zabbix cancelled the escalation of an open problem
	Gone         bool // Zabbix no longer knows it
	CanClose     bool

	Name            Text
	Hosts           []Text
	Groups          []Text
	Tags            []Tag // without the relay's own
	OpData          Text
	RecoveredOpData Text // only if it differs from OpData
	Trigger         Text // the trigger's name
	Description     Text // the trigger's, perhaps of several lines
	Item            Text
	Service         Text
	RootCause       Text // of a service
	Subject         Text // of an internal, discovery or autoregistration event
	Cause           Text // of a symptom: the ID of its cause
	CauseName       Text
	CauseHosts      []Text
	CauseURL        URL     // the cause in Zabbix
	Symptoms        string  // of a cause: "3 symptoms, 2 open"
	Memory          *Memory // what is remembered of the trigger; nil if nothing is, or the route hides it

	OpenedAt        time.Time
	ResolvedAt      time.Time
	Period          string // "since 24 Nov 14:18:00 CET", "24 Nov 14:18:00 – 14:28:19 CET (10m 19s)"
	SuppressedUntil time.Time
	Now             time.Time

	Ack            *Entry // who acknowledged it
	LastComment    *Entry
	SeverityChange *Entry // the last one
	ClosedBy       *Entry
	Notes          []Entry // these, the suppression and the escalation to this room, each once, by time
	Lines          []Entry // the entries of a reply (lines.md.tmpl)
	Timeline       []Entry // everything that happened (show.md.tmpl)
	Earlier        int     // how many of Lines or Timeline were left out: only the newest 50 are included

	ZabbixURL    URL // "" if the source has no address
	RunbookURL   URL // the trigger's URL, if it is a web page's
	RunbookLabel Text

	Lang         string // the room's language: "en", "de"
	Room         Text
	Presentation string // "thread", "card", "line"

	lang   lang.Lang
	macros map[string]string
	facts  *alert.Facts
	limit  func(int) int
}

// String returns the title, so that a template that prints the whole view prints nothing unescaped.
func (v *View) String() string { return v.Title.String() }

// Format makes every verb of printf print the same.
func (v *View) Format(f fmt.State, verb rune) { v.Title.Format(f, verb) }

// Tag is an event tag.
type Tag struct{ Tag, Value Text }

// String returns "tag: value", escaped, or the tag alone.
func (t Tag) String() string {
	if t.Value == "" {
		return t.Tag.String()
	}
	return t.Tag.String() + ": " + t.Value.String()
}

// Tag returns the value of the first tag of that name; "" for none.
func (v *View) Tag(name string) Text {
	for _, t := range v.facts.Tags {
		if t.Tag == name {
			return limited(t.Value, v.limit(maxOpData))
		}
	}
	return ""
}

// Macro returns the value of a macro that Zabbix sent, by its name in any case ("event.opdata", "EVENT_OPDATA"); "" for none.
func (v *View) Macro(name string) Text {
	name = strings.ReplaceAll(strings.ToLower(strings.Trim(name, "{}")), "_", ".")
	value, ok := v.macros[name]
	if !ok {
		value = factMacro(v.facts, name)
	}
	return limited(value, v.limit(maxOpData))
}

// Age returns how long it has been open; "" if it isn't. Don't use it in messages that stay.
func (v *View) Age() string {
	if !v.Open {
		return ""
	}
	return formatDuration(v.lang, v.OpenedAt, v.Now)
}

// factMacro gives the macros that are stored as facts.
func factMacro(f *alert.Facts, name string) string {
	var host alert.Host
	if len(f.Hosts) > 0 {
		host = f.Hosts[0]
	}
	return map[string]string{
		"event.name": f.Name, "event.opdata": f.OpData, "event.object": f.Object, "event.cause.id": f.CauseEventID,
		"host.id": host.ID, "host.host": host.Host, "host.name": host.Name, "host.ip": host.IP,
		"trigger.id": f.TriggerID, "trigger.name": f.TriggerName, "trigger.description": f.TriggerDescription,
		"trigger.url": f.TriggerURL, "trigger.url.name": f.TriggerURLName,
		"item.id": f.ItemID, "item.name": f.ItemName, "service.name": f.Service, "service.rootcause": f.RootCause,
	}[name]
}
