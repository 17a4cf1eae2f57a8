// Package alert is the domain: problems, events, and how an event changes a problem (Apply). It does no I/O and imports
// no other package of the relay.
package alert

import (
	"fmt"
	"strings"
	"time"
)

// Severity is a severity of Zabbix, with Zabbix's numbers (0 to 5).
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

// UnknownSeverity is the earlier severity of a change of which only the new one is known.
const UnknownSeverity Severity = -1

// Severities are all severities, lowest first.
var Severities = [...]Severity{NotClassified, Information, Warning, Average, High, Disaster}

var severityNames = [...]string{"not classified", "information", "warning", "average", "high", "disaster"}

// String is the severity's name in lower case, as in the configuration.
func (s Severity) String() string {
	if !s.Valid() {
		return fmt.Sprintf("severity %d", int(s))
	}
	return severityNames[s]
}

// Valid reports whether s is one of the six.
func (s Severity) Valid() bool { return s >= NotClassified && s <= Disaster }

// Title is the severity as Zabbix's frontend writes it: "Not classified", "High".
func (s Severity) Title() string {
	name := s.String()
	return strings.ToUpper(name[:1]) + name[1:]
}

// ParseSeverity parses a name (in any case, also "not_classified" and "not-classified") or a number.
func ParseSeverity(text string) (Severity, error) {
	t := strings.ToLower(strings.TrimSpace(text))
	t = strings.NewReplacer("_", " ", "-", " ").Replace(t)
	for i, name := range severityNames {
		if t == name || (len(t) == 1 && t[0] == byte('0'+i)) {
			return Severity(i), nil
		}
	}
	return 0, fmt.Errorf("unknown severity %q, expected one of %s, or 0 to 5", text, strings.Join(severityNames[:], ", "))
}

// Key identifies a problem: its source and its event id there. Event ids alone aren't unique, since every Zabbix counts
// from 1.
type Key struct {
	Source  string `json:"source"`
	EventID string `json:"event_id"`
}

// String is the key as people and URLs write it: "main/4711".
func (k Key) String() string { return k.Source + "/" + k.EventID }

// ParseKey parses what String returns. A text without a slash is an event id, and the source stays empty.
func ParseKey(text string) Key {
	if source, id, ok := strings.Cut(text, "/"); ok {
		return Key{Source: source, EventID: id}
	}
	return Key{EventID: text}
}

// Origin is the kind of object that an event is about: {EVENT.SOURCE}.
type Origin string

// Zabbix's event sources, in the order of their numbers.
const (
	OriginTrigger          Origin = "trigger"
	OriginDiscovery        Origin = "discovery"
	OriginAutoregistration Origin = "autoregistration"
	OriginInternal         Origin = "internal"
	OriginService          Origin = "service"
)

// Kind is the kind of an event.
type Kind string

const (
	// KindProblem opens a problem, or repeats it (a step of Zabbix's escalation).
	KindProblem Kind = "problem"
	// KindUpdate is an action of a person or of Zabbix on a problem.
	KindUpdate Kind = "update"
	// KindRecovery resolves a problem.
	KindRecovery Kind = "recovery"
	// KindOccurrence is a discovery or autoregistration event, which neither lasts nor recovers.
	KindOccurrence Kind = "occurrence"
	// KindObservation is an answer of the Zabbix API about a problem.
	KindObservation Kind = "observation"
	// KindAction is an action of the relay in Zabbix on behalf of a person.
	KindAction Kind = "action"
	// KindNudge is an escalation or a reminder of the relay's own.
	KindNudge Kind = "nudge"
	// KindClock is the passing of time: a suppression may have ended.
	KindClock Kind = "clock"
	// KindSymptom is a change of the symptoms of this problem. The ledger makes it, exactly once.
	KindSymptom Kind = "symptom"
)

// Host is a host of a problem.
type Host struct {
	ID   string `json:"id,omitempty"`
	Host string `json:"host,omitempty"` // technical name
	Name string `json:"name,omitempty"` // visible name
	IP   string `json:"ip,omitempty"`
}

// Label is the visible name, or else the technical one.
func (h Host) Label() string {
	if h.Name != "" {
		return h.Name
	}
	return h.Host
}

// Tag is an event tag. A tag may repeat, and its value may be empty.
type Tag struct {
	Tag   string `json:"tag"`
	Value string `json:"value"`
}

// LinkTag is the relay's own tag, which links from Zabbix to the message.
const LinkTag = "relay_link"

// Facts describe a problem. Texts are as Zabbix sent them: untrusted, neither escaped nor cut.
type Facts struct {
	Name               string            `json:"name,omitempty"`
	Hosts              []Host            `json:"hosts,omitempty"`
	Groups             []string          `json:"groups,omitempty"`
	GroupsSplit        bool              `json:"groups_split,omitempty"` // Groups were split at commas, which names may contain
	Tags               []Tag             `json:"tags,omitempty"`
	OpData             string            `json:"opdata,omitempty"`
	TriggerID          string            `json:"trigger_id,omitempty"`
	TriggerName        string            `json:"trigger_name,omitempty"`
	TriggerDescription string            `json:"trigger_description,omitempty"`
	TriggerURL         string            `json:"trigger_url,omitempty"` // often a runbook
	TriggerURLName     string            `json:"trigger_url_name,omitempty"`
	ItemID             string            `json:"item_id,omitempty"`
	ItemName           string            `json:"item_name,omitempty"`
	Service            string            `json:"service,omitempty"`
	RootCause          string            `json:"root_cause,omitempty"` // of a service
	CauseEventID       string            `json:"cause_event_id,omitempty"`
	Object             string            `json:"object,omitempty"` // {EVENT.OBJECT}: "0" trigger, "4" item, …
	Macros             map[string]string `json:"macros,omitempty"` // all other resolved macros, by lower-case dotted name
}

// Event is a decoded report of a source: absent macros are empty, times are absolute.
type Event struct {
	Key        Key
	Kind       Kind
	Origin     Origin
	ReceivedAt time.Time // by the relay
	SentAt     time.Time // when Zabbix evaluated the macros; ReceivedAt if unknown
	At         time.Time // when it happened
	Exact      bool      // At and Opened are from {…TIMESTAMP} or the API, not from a local date
	Opened     time.Time // when its problem began; zero if unknown

	ResolvedAt time.Time // when its problem ended; zero if unknown

	Facts        Facts
	Severity     *Severity // at SentAt; nil if unknown
	Acknowledged *bool     // likewise
	Resolved     bool      // the problem is resolved; the update of a manual close sets it too
	Cancelled    bool      // an "Escalation canceled" note: Zabbix will send no recovery
	Update       *Update   // for updates and actions
	Observation  *Observation
	Nudge        *Nudge
	Symptoms     Symptoms // by how much they change

	SendTo   string // {ALERT.SENDTO}
	ActionID string // {ACTION.ID}
}

// Update is an action on a problem.
type Update struct {
	AckID   string    `json:"ack_id,omitempty"` // Zabbix's acknowledgeid, if the API returned it
	At      time.Time `json:"at"`
	Exact   bool      `json:"exact,omitempty"`
	Actor   Actor     `json:"actor,omitzero"`
	Actions Actions   `json:"actions"`
	Message string    `json:"message,omitempty"` // exactly as Zabbix stores it
	Comment string    `json:"comment,omitempty"` // of an action: the person's text, without the relay's signature
	Wide    bool      `json:"wide,omitempty"`    // of an action: done to many problems at once
	Card    string    `json:"card,omitempty"`    // of an action: the message whose button was pressed for it
	Owner   *Owner    `json:"owner,omitempty"`   // of an action: who owns the problem from then on, the zero value for nobody; nil for no change
}

// Actor is the person who did something. Name is from Zabbix or Webex.
type Actor struct {
	Name  string `json:"name,omitempty"`
	Email string `json:"email,omitempty"`
}

// Observation is a problem as the Zabbix API returned it.
type Observation struct {
	At time.Time `json:"at"` // when the API answered
	// Found is set if reconciliation found a difference that Zabbix's messages should have told by then.
	Found Found `json:"found,omitempty"`
	// Quiet is set if the problem is to be known, but posted in no room because of this answer.
	Quiet        bool      `json:"quiet,omitempty"`
	Gone         bool      `json:"gone,omitempty"` // Zabbix doesn't know the event, or the relay's user may not see it
	Name         string    `json:"name,omitempty"`
	Opened       time.Time `json:"opened,omitzero"`
	Severity     Severity  `json:"severity"`
	Acknowledged bool      `json:"acknowledged,omitempty"`
	Suppressed   bool      `json:"suppressed,omitempty"` // by a maintenance or by hand
	// ByHand is set if a person suppressed it and no maintenance does.
	ByHand          bool      `json:"by_hand,omitempty"`
	SuppressedUntil time.Time `json:"suppressed_until,omitzero"` // zero with Suppressed: indefinitely or unknown
	Resolved        bool      `json:"resolved,omitempty"`
	ResolvedAt      time.Time `json:"resolved_at,omitzero"`
	CauseEventID    string    `json:"cause_event_id,omitempty"`
	Hosts           []Host    `json:"hosts,omitempty"`
	Groups          []string  `json:"groups,omitempty"`
	Tags            []Tag     `json:"tags,omitempty"`
	OpData          string    `json:"opdata,omitempty"`
	TriggerID       string    `json:"trigger_id,omitempty"`
	TriggerGone     bool      `json:"trigger_gone,omitempty"` // Zabbix has no such trigger any more
	ItemID          string    `json:"item_id,omitempty"`
	ItemName        string    `json:"item_name,omitempty"`
	ManualClose     bool      `json:"manual_close,omitempty"` // the trigger allows manual closing
	CanSuppress     bool      `json:"can_suppress,omitempty"` // this version of Zabbix can suppress single problems
	Updates         []Update  `json:"updates,omitempty"`      // every acknowledgement, by acknowledgeid
}

// Found is what only reconciliation found: Zabbix's message about it never came.
type Found string

// The kinds of what reconciliation finds.
const (
	FoundProblem  Found = "problem"  // a problem that the relay didn't know
	FoundRecovery Found = "recovery" // it resolved
	FoundUpdate   Found = "update"   // somebody acted on it, or its severity changed
	FoundGone     Found = "gone"     // Zabbix no longer knows it
)

// FoundKinds is all of them.
var FoundKinds = [...]Found{FoundProblem, FoundRecovery, FoundUpdate, FoundGone}

// Event converts the answer to an event. received is when the relay got it.
func (o *Observation) Event(key Key, received time.Time) Event {
	return Event{Key: key, Kind: KindObservation, Origin: OriginTrigger, Observation: o, ReceivedAt: received}
}
