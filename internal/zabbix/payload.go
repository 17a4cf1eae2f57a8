// Package zabbix reads the payloads of Zabbix's webhook and calls its JSON-RPC API, 6.0 to 8.0.
package zabbix

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/fault"
	untrusted "nms-alert-relay/internal/text"
)

// Payload is a parsed payload: a flat JSON object of macro values.
type Payload struct {
	macros macros
	// Source names the Zabbix installation, if the payload does.
	Source string
	// Test says that somebody pressed Zabbix's Test button: the macros came unresolved ({EVENT.ID} is "{EVENT.ID}").
	Test bool
}

// Macro returns a macro's value by its normalised name (lower case, "." for "_"); "" if it is absent.
func (p Payload) Macro(name string) string { return p.macros.get(name) }

// has reports whether a macro has a value.
func (p Payload) has(name string) bool { return p.macros.get(name) != "" }

// Parse reads a payload and names every fault that makes it unusable. A payload of the Test button needs only the right form. If a
// key is given several times, the first one with a value counts.
func Parse(body []byte) (Payload, fault.Faults) {
	var p Payload
	faults, ok := readObject(string(bytes.TrimSpace(bytes.TrimPrefix(body, []byte("\xef\xbb\xbf")))), p.add)
	if !ok {
		return Payload{}, faults
	}
	p.Source = strings.TrimSpace(p.Macro("source"))
	if !p.Test {
		faults = append(faults, p.faults()...)
	}
	return p, faults
}

// add adds one key of the object, unless it has no value, there is one already, or it is a secret of the media type.
func (p *Payload) add(name, value string) {
	trimmed := strings.TrimSpace(value)
	if isOwnMacro(name, trimmed) { // as half of our media type's are
		p.Test = p.Test || strings.EqualFold(trimmed, "{EVENT.ID}")
		return
	}
	if isAbsent(trimmed) {
		return
	}
	key := normaliseKey(name)
	if _, isField := fieldNumbers[key]; !p.has(key) && (isField || !namesSecret(key)) {
		p.macros.set(key, value)
	}
}

// The numbers of {EVENT.SOURCE}.
var origins = map[string]alert.Origin{
	"0": alert.OriginTrigger,
	"1": alert.OriginDiscovery,
	"2": alert.OriginAutoregistration,
	"3": alert.OriginInternal,
	"4": alert.OriginService,
}

func (p Payload) faults() (faults fault.Faults) {
	switch id := p.Macro("event.id"); {
	case id == "":
		faults = append(faults, fault.Fault{Field: "event.id", What: "missing", Hint: "add a parameter EVENT.ID with the value {EVENT.ID} to the media type"})
	case !IsEventID(id):
		faults = append(faults, fault.Fault{Field: "event.id", What: fmt.Sprintf("%q is not an event id", shorten(id)), Hint: "expected the number that {EVENT.ID} resolves to"})
	}
	for _, name := range []string{"event.nseverity", "event.update.nseverity"} {
		if v := p.Macro(name); v != "" && severity(v) == nil {
			faults = append(faults, fault.Fault{Field: name, What: fmt.Sprintf("%q is not a severity", shorten(v)), Hint: "expected 0 (not classified) to 5 (disaster)"})
		}
	}
	if v := p.Macro("event.source"); v != "" && origins[v] == "" {
		faults = append(faults, fault.Fault{Field: "event.source", What: fmt.Sprintf("%q is not an event source", shorten(v)),
			Hint: "expected 0 trigger, 1 discovery, 2 autoregistration, 3 internal or 4 service"})
	}
	if v := p.Macro("event.value"); v != "" && v != "0" && v != "1" {
		faults = append(faults, fault.Fault{Field: "event.value", What: fmt.Sprintf("%q is neither a problem nor a recovery", shorten(v)), Hint: "expected 1 or 0, as {EVENT.VALUE} is"})
	} else if p.Kind() == "" {
		faults = append(faults, fault.Fault{Field: "event.value", What: "missing: cannot tell whether this is a problem or a recovery",
			Hint: "add a parameter EVENT.VALUE with the value {EVENT.VALUE} to the media type"})
	}
	return faults
}

// IsEventID reports whether a text is an event id: an unsigned 64-bit number.
func IsEventID(id string) bool {
	n, err := strconv.ParseUint(id, 10, 64)
	return err == nil && n > 0 && len(id) <= 20 // with leading zeros it could have more
}

// shorten bounds a value that an error repeats.
func shorten(s string) string { return untrusted.Shorten(s, 40) }

func severity(text string) *alert.Severity {
	if n, err := strconv.Atoi(text); err == nil && alert.Severity(n).Valid() {
		s := alert.Severity(n)
		return &s
	}
	return nil
}

// Origin returns the payload's {EVENT.SOURCE}. If it is missing, other macros tell; a trigger by default.
func (p Payload) Origin() alert.Origin {
	if o, ok := origins[p.Macro("event.source")]; ok {
		return o
	}
	switch {
	case p.has("service.name") || p.Macro("service.id") != "":
		return alert.OriginService
	case p.has("discovery.device.ipaddress"):
		return alert.OriginDiscovery
	default:
		return alert.OriginTrigger
	}
}

// Kind returns the kind of event; "" if it is unknown. Updates are recognised first, since they have the problem's {EVENT.VALUE} too,
// which is 0 after a recovery (measured on 6.0 and 7.0).
func (p Payload) Kind() alert.Kind {
	switch origin := p.Origin(); {
	case origin == alert.OriginDiscovery || origin == alert.OriginAutoregistration:
		return alert.KindOccurrence
	case p.updated() || p.Cancelled():
		return alert.KindUpdate
	}
	switch p.value() {
	case "1":
		return alert.KindProblem
	case "0":
		return alert.KindRecovery
	}
	if p.salvaged() {
		// One message too many is better than none: the API says right afterwards what it was.
		return alert.KindProblem
	}
	return ""
}

// updated reports whether it is an update. A service's update has only a date: its status is unresolved on 6.0 and "0" on 7.0.
func (p Payload) updated() bool {
	return p.Macro("event.update.status") == "1" || p.has("event.update.date") || p.has("event.update.timestamp")
}

// Cancelled reports whether this is Zabbix's note that it cancelled an escalation (its trigger, host or item was disabled). Except for
// the message it looks like the problem itself.
func (p Payload) Cancelled() bool {
	const note = "NOTE: Escalation cancel" // "canceled" by 6.0 and 7.0
	message := p.Macro("alert.message")
	return len(message) >= len(note) && strings.EqualFold(message[:len(note)], note)
}

// value returns {EVENT.VALUE}, or what other macros say about it.
func (p Payload) value() string {
	if v := p.Macro("event.value"); v != "" {
		return v
	}
	switch strings.ToUpper(p.Macro("event.status")) {
	case "PROBLEM":
		return "1"
	case "RESOLVED", "OK":
		return "0"
	}
	if p.has("event.recovery.id") {
		return "0"
	}
	return ""
}

// salvaged reports whether the media type got cut parameters from Zabbix and sent what it could read: the API gives the rest.
func (p Payload) salvaged() bool {
	return p.Macro("salvaged") == "1" || p.Macro("salvaged") == "true"
}
