// Package alert is the domain: what a problem is, what happens to it, and how
// one event changes it. It does no I/O and imports nothing of ours.
package alert

import (
	"fmt"
	"strings"
	"time"
)

// Severity is Zabbix's, in its own order and with its own numbers (0 to 5).
type Severity int

// The six severities of Zabbix.
const (
	NotClassified Severity = iota
	Information
	Warning
	Average
	High
	Disaster
)

// Severities holds every severity, the lowest first.
var Severities = [...]Severity{NotClassified, Information, Warning, Average, High, Disaster}

var severityNames = [...]string{"not classified", "information", "warning", "average", "high", "disaster"}

// String is the severity's name in lower case, as configuration writes it.
func (s Severity) String() string {
	if !s.Valid() {
		return fmt.Sprintf("severity %d", int(s))
	}
	return severityNames[s]
}

// Valid says whether s is one of the six.
func (s Severity) Valid() bool { return s >= NotClassified && s <= Disaster }

// Title is the severity as Zabbix's own page writes it: "Not classified", "High".
func (s Severity) Title() string {
	name := s.String()
	return strings.ToUpper(name[:1]) + name[1:]
}

// ParseSeverity reads a severity's name (any case; "not_classified" and
// "not-classified" too) or its number.
func ParseSeverity(text string) (Severity, error) {
	t := strings.ToLower(strings.TrimSpace(text))
	t = strings.NewReplacer("_", " ", "-", " ").Replace(t)
	for i, name := range severityNames {
		if t == name || (len(t) == 1 && t[0] == byte('0'+i)) {
			return Severity(i), nil
		}
	}
	return 0, fmt.Errorf("unknown severity %q: want one of %s, or 0 to 5", text, strings.Join(severityNames[:], ", "))
}

// Key names one Zabbix problem: the source it comes from and its event id
// there. An event id alone isn't unique: every Zabbix counts from 1.
type Key struct {
	Source  string `json:"source"`
	EventID string `json:"event_id"`
}

// String is the key as people and URLs write it: "main/4711".
func (k Key) String() string { return k.Source + "/" + k.EventID }

// ParseKey reads what String writes. Without a slash the text is an event id
// and the source stays empty.
func ParseKey(text string) Key {
	if source, id, ok := strings.Cut(text, "/"); ok {
		return Key{Source: source, EventID: id}
	}
	return Key{EventID: text}
}

// Origin is what a Zabbix event is about: {EVENT.SOURCE}.
type Origin string

// Zabbix's five event sources, in the order of their numbers.
const (
	OriginTrigger          Origin = "trigger"
	OriginDiscovery        Origin = "discovery"
	OriginAutoregistration Origin = "autoregistration"
	OriginInternal         Origin = "internal"
	OriginService          Origin = "service"
)

// Kind is what one event tells of its problem.
type Kind string

const (
	// KindProblem opens a problem (or tells it again: an escalation's step).
	KindProblem Kind = "problem"
	// KindUpdate is something a person, or Zabbix, did to a problem.
	KindUpdate Kind = "update"
	// KindRecovery resolves a problem.
	KindRecovery Kind = "recovery"
	// KindOccurrence is a discovery or autoregistration event: it neither
	// lasts nor recovers.
	KindOccurrence Kind = "occurrence"
	// KindObservation is what the Zabbix API answered about a problem.
	KindObservation Kind = "observation"
	// KindAction is what the relay itself did in Zabbix for somebody.
	KindAction Kind = "action"
	// KindNudge is the relay's own word about a problem that nobody has acknowledged.
	KindNudge Kind = "nudge"
	// KindClock is time that passed: what ends by itself has ended.
	KindClock Kind = "clock"
)

// Host is one host of a problem.
type Host struct {
	ID   string `json:"id,omitempty"`
	Host string `json:"host,omitempty"` // technical name
	Name string `json:"name,omitempty"` // visible name
	IP   string `json:"ip,omitempty"`
}

// Label is the name people know the host by: the visible one if there is one.
func (h Host) Label() string {
	if h.Name != "" {
		return h.Name
	}
	return h.Host
}

// Tag is one event tag. A tag may repeat and its value may be empty.
type Tag struct {
	Tag   string `json:"tag"`
	Value string `json:"value"`
}

// Facts describe a problem. Every text is as Zabbix sent it: untrusted, and
// neither escaped nor cut.
type Facts struct {
	Name               string            `json:"name,omitempty"`
	Hosts              []Host            `json:"hosts,omitempty"`
	Groups             []string          `json:"groups,omitempty"`
	GroupsSplit        bool              `json:"groups_split,omitempty"` // Groups are parts of a joined list: a name with a comma is in several
	Tags               []Tag             `json:"tags,omitempty"`
	OpData             string            `json:"opdata,omitempty"`
	TriggerID          string            `json:"trigger_id,omitempty"`
	TriggerName        string            `json:"trigger_name,omitempty"`
	TriggerDescription string            `json:"trigger_description,omitempty"`
	TriggerURL         string            `json:"trigger_url,omitempty"` // a runbook, as a rule
	TriggerURLName     string            `json:"trigger_url_name,omitempty"`
	ItemID             string            `json:"item_id,omitempty"`
	ItemName           string            `json:"item_name,omitempty"`
	Service            string            `json:"service,omitempty"`
	RootCause          string            `json:"root_cause,omitempty"` // of a service
	CauseEventID       string            `json:"cause_event_id,omitempty"`
	Object             string            `json:"object,omitempty"` // {EVENT.OBJECT}: "0" trigger, "4" item, …
	Macros             map[string]string `json:"macros,omitempty"` // every other resolved macro, by its lower-case dotted name
}

// Event is one thing that a source told the relay, decoded: macros that are
// absent are empty, times are absolute.
type Event struct {
	Key        Key
	Kind       Kind
	Origin     Origin
	ReceivedAt time.Time // by the relay
	SentAt     time.Time // when Zabbix evaluated the macros; ReceivedAt where it can't be told
	At         time.Time // when it happened: the problem, the update, the recovery
	Exact      bool      // At and Opened come from {…TIMESTAMP} or the API, not from a local date
	Opened     time.Time // when its problem began; zero if not told

	ResolvedAt time.Time // when its problem ended; zero if not told

	Facts        Facts
	Severity     *Severity // as it was at SentAt; nil if the event doesn't say
	Acknowledged *bool     // likewise
	Resolved     bool      // the problem is over, whatever the kind (a manual close's update says so too)
	Cancelled    bool      // an "Escalation canceled" note: Zabbix will tell no recovery
	Update       *Update   // for updates and actions
	Observation  *Observation
	Nudge        *Nudge

	SendTo   string // {ALERT.SENDTO}
	ActionID string // {ACTION.ID}, of the Zabbix action that sent it
}

// Update is one thing that was done to a problem.
type Update struct {
	AckID   string    `json:"ack_id,omitempty"` // Zabbix's acknowledgeid, where the API told it
	At      time.Time `json:"at"`
	Exact   bool      `json:"exact,omitempty"`
	Actor   Actor     `json:"actor,omitzero"`
	Actions Actions   `json:"actions"`
	Message string    `json:"message,omitempty"` // exactly as Zabbix holds it
	Comment string    `json:"comment,omitempty"` // of an action: what the person wrote, without the relay's signature
	Wide    bool      `json:"wide,omitempty"`    // of an action: done to many problems at once, not to this one in particular
}

// Actor is who did something. Name is what Zabbix or Webex calls them.
type Actor struct {
	Name  string `json:"name,omitempty"`
	Email string `json:"email,omitempty"`
}

// Actions is what one update did; several may be set at once.
type Actions struct {
	Ack           bool            `json:"ack,omitempty"`
	Unack         bool            `json:"unack,omitempty"`
	Comment       bool            `json:"comment,omitempty"`
	Close         bool            `json:"close,omitempty"`
	Severity      *SeverityChange `json:"severity,omitempty"`
	Suppress      bool            `json:"suppress,omitempty"`
	SuppressUntil time.Time       `json:"suppress_until,omitzero"` // zero with Suppress: indefinitely
	Unsuppress    bool            `json:"unsuppress,omitempty"`
	ToCause       bool            `json:"to_cause,omitempty"`
	ToSymptom     bool            `json:"to_symptom,omitempty"`
	Other         string          `json:"other,omitempty"` // Zabbix's own words where none of the above was recognised
}

// SeverityChange is a change of severity by hand (or of a service by its parts).
type SeverityChange struct {
	Old Severity `json:"old"`
	New Severity `json:"new"`
}

// Observation is the truth about one problem as the Zabbix API told it.
type Observation struct {
	At           time.Time `json:"at"`             // when the API answered
	Gone         bool      `json:"gone,omitempty"` // Zabbix no longer knows the event (or we may not see it)
	Name         string    `json:"name,omitempty"`
	Opened       time.Time `json:"opened,omitzero"`
	Severity     Severity  `json:"severity"`
	Acknowledged bool      `json:"acknowledged,omitempty"`
	Suppressed   bool      `json:"suppressed,omitempty"` // by a maintenance or by hand
	// ByHand says that nothing but a person's act suppresses it: no maintenance does.
	ByHand          bool      `json:"by_hand,omitempty"`
	SuppressedUntil time.Time `json:"suppressed_until,omitzero"` // zero with Suppressed: for good, or not told
	Resolved        bool      `json:"resolved,omitempty"`
	ResolvedAt      time.Time `json:"resolved_at,omitzero"`
	CauseEventID    string    `json:"cause_event_id,omitempty"`
	Hosts           []Host    `json:"hosts,omitempty"`
	Groups          []string  `json:"groups,omitempty"`
	Tags            []Tag     `json:"tags,omitempty"`
	OpData          string    `json:"opdata,omitempty"`
	TriggerID       string    `json:"trigger_id,omitempty"`
	ItemID          string    `json:"item_id,omitempty"`
	ItemName        string    `json:"item_name,omitempty"`
	ManualClose     bool      `json:"manual_close,omitempty"` // the trigger allows closing by hand
	Updates         []Update  `json:"updates,omitempty"`      // every acknowledgement, by acknowledgeid
}

// Event is the event that tells a problem what the API answered. received is when the relay learned it.
func (o *Observation) Event(key Key, received time.Time) Event {
	return Event{
		Key: key, Kind: KindObservation, Origin: OriginTrigger, Observation: o,
		At: o.At, SentAt: o.At, Opened: o.Opened, ReceivedAt: received, Exact: true,
	}
}
