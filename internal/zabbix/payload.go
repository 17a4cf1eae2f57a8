// Package zabbix knows Zabbix: the payloads of its webhook and its JSON-RPC
// API from 6.0 to 8.0.
package zabbix

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unsafe"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/fault"
	untrusted "nms-alert-relay/internal/text"
)

// Payload is what Parse read: one flat JSON object of macro values, without those that are
// absent. It holds their texts alone, nothing of the body.
type Payload struct {
	macros *macros // nil for none
	sound  bool    // Parse found that an event can be made of it
	// Source names the Zabbix installation, where the payload does.
	Source string
	// Test says that the macros came as they stand ({EVENT.ID} is "{EVENT.ID}"): somebody
	// pressed Zabbix's Test button.
	Test bool
}

// Macro gives a macro's value by its normalised name (lower case, "_" as "."); "" where it
// is absent.
func (p Payload) Macro(name string) string {
	if of, ok := knownMacros[name]; ok {
		return p.macros.get(of)
	}
	if p.macros == nil {
		return ""
	}
	return p.macros.others[name]
}

// Zabbix cuts all parameters of a webhook together at this many characters
// (measured on 6.0 and 7.0): what is as long and isn't JSON was cut.
const parametersLimit = 65_535

// Parse reads a payload and names every fault that keeps it from being used.
// The payload of the Test button has none but what is wrong with its form. Of a key that is
// given in several ways the first that has a value counts. The body is the caller's again
// afterwards.
func Parse(body []byte) (Payload, fault.Faults) {
	body = bytes.TrimSpace(bytes.TrimPrefix(body, []byte("\xef\xbb\xbf")))
	// Read in place: a copy would cost as much memory as all else that an event takes here. Nothing
	// writes to the body meanwhile, and settle leaves nothing behind that is a part of it.
	text := unsafe.String(unsafe.SliceData(body), len(body))
	p := Payload{macros: &macros{values: make([]string, 0, 8+len(text)/64)}}
	var faults fault.Faults
	if !flat(text, p.take) {
		pairs, found := general(body)
		if pairs == nil {
			return Payload{}, found
		}
		p, faults = Payload{macros: &macros{}}, found
		for _, field := range pairs {
			p.take(field.name, field.value)
		}
	}
	p.macros.settle()
	p.Source = strings.TrimSpace(p.macros.get(mSource))
	if !p.Test {
		found := p.faults()
		p.sound, faults = len(found) == 0, append(faults, found...)
	}
	return p, faults
}

// take takes one key of the object.
func (p *Payload) take(name, value string) {
	trimmed := strings.TrimSpace(value)
	if !isOf(trimmed, name) && !isAbsent(trimmed) {
		p.macros.add(name, value, trimmed)
	} else if strings.EqualFold(trimmed, "{EVENT.ID}") && normaliseKey(name) == macroNames[mEventID] {
		p.Test = true // half of what comes is absent: its name needn't be looked at
	}
}

// general reads what flat doesn't: it finds what is wrong, and what can be used
// in spite of it; nil where nothing can.
func general(text []byte) ([]pair, fault.Faults) {
	var value any
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber() // an event id can be larger than what a float holds
	err := dec.Decode(&value)
	if err == nil && dec.InputOffset() != int64(len(text)) {
		err = fmt.Errorf("something follows the object, at byte %d", dec.InputOffset())
	}
	if err != nil {
		f := fault.Fault{What: "not JSON: " + err.Error()}
		if len(text) >= parametersLimit {
			f.Hint = fmt.Sprintf("Zabbix cuts a webhook's parameters at %d characters in all: leave out those that hold item values or history", parametersLimit)
		}
		return nil, fault.Faults{f}
	}
	fields, ok := value.(map[string]any)
	if !ok {
		return nil, fault.Faults{{What: "not a JSON object", Hint: `send {"event.id": "{EVENT.ID}", …}, as the relay's media type does`}}
	}
	pairs, faults := make([]pair, 0, len(fields)), fault.Faults(nil)
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		text, ok := scalar(fields[name])
		if !ok {
			faults = append(faults, fault.Fault{Field: normaliseKey(name), What: "not a string, number or true/false",
				Hint: "every value is a macro's text: put lists and objects in as text"})
			continue
		}
		pairs = append(pairs, pair{name, text})
	}
	return pairs, faults
}

// scalar is a JSON value as text; null is the empty text.
func scalar(value any) (string, bool) {
	switch v := value.(type) {
	case string:
		return v, true
	case json.Number:
		return v.String(), true
	case bool:
		return strconv.FormatBool(v), true
	case nil:
		return "", true
	default:
		return "", false
	}
}

// normaliseKey makes one of the ways in which a macro's name can be written:
// EVENT.NSEVERITY, event_nseverity and event.nseverity are one.
func normaliseKey(name string) string {
	name = strings.TrimSpace(name)
	var buf [48]byte
	if len(name) > len(buf) {
		return strings.ReplaceAll(strings.ToLower(name), "_", ".")
	}
	same := true
	for i := range len(name) {
		c := name[i]
		switch {
		case c >= 0x80:
			return strings.ReplaceAll(strings.ToLower(name), "_", ".")
		case c >= 'A' && c <= 'Z':
			c, same = c+'a'-'A', false
		case c == '_':
			c, same = '.', false
		}
		buf[i] = c
	}
	if same {
		return name
	}
	if of, ok := knownMacros[string(buf[:len(name)])]; ok { // no allocation for what comes every time
		return macroNames[of]
	}
	return string(buf[:len(name)])
}

// The numbers of {EVENT.SOURCE}.
var origins = map[string]alert.Origin{
	"0": alert.OriginTrigger,
	"1": alert.OriginDiscovery,
	"2": alert.OriginAutoregistration,
	"3": alert.OriginInternal,
	"4": alert.OriginService,
}

// maxEventID is the most digits of an event id: it is an unsigned 64-bit number.
const maxEventID = 20

func (p Payload) faults() (faults fault.Faults) {
	switch id := p.macros.get(mEventID); {
	case id == "":
		faults = append(faults, fault.Fault{Field: "event.id", What: "missing", Hint: "the media type needs a parameter EVENT.ID with the value {EVENT.ID}"})
	case !isEventID(id):
		faults = append(faults, fault.Fault{Field: "event.id", What: fmt.Sprintf("%q is not an event id", shorten(id)), Hint: "want the number that {EVENT.ID} resolves to"})
	}
	for _, of := range [...]macro{mEventNSeverity, mUpdateNSeverity} {
		if v, ok := p.macros.look(of); ok && !isSeverity(v) {
			faults = append(faults, fault.Fault{Field: macroNames[of], What: fmt.Sprintf("%q is not a severity", shorten(v)), Hint: "want 0 (not classified) to 5 (disaster)"})
		}
	}
	if v, ok := p.macros.look(mEventSource); ok && origins[v] == "" {
		faults = append(faults, fault.Fault{Field: "event.source", What: fmt.Sprintf("%q is not an event source", shorten(v)),
			Hint: "want 0 trigger, 1 discovery, 2 autoregistration, 3 internal or 4 service"})
	}
	if v, ok := p.macros.look(mEventValue); ok && v != "0" && v != "1" {
		faults = append(faults, fault.Fault{Field: "event.value", What: fmt.Sprintf("%q is neither a problem nor a recovery", shorten(v)), Hint: "want 1 or 0, as {EVENT.VALUE} is"})
	} else if p.Kind() == "" {
		faults = append(faults, fault.Fault{Field: "event.value", What: "missing: it can't be told whether this is a problem or a recovery",
			Hint: "the media type needs a parameter EVENT.VALUE with the value {EVENT.VALUE}"})
	}
	return faults
}

func isEventID(id string) bool {
	n, err := strconv.ParseUint(id, 10, 64)
	return err == nil && n > 0 && len(id) <= maxEventID && id[0] != '+'
}

// shorten bounds what an error repeats of a value.
func shorten(s string) string { return untrusted.Shorten(s, 40) }

func severity(text string) *alert.Severity {
	if n, err := strconv.Atoi(text); err == nil && alert.Severity(n).Valid() {
		s := alert.Severity(n)
		return &s
	}
	return nil
}

func isSeverity(text string) bool {
	n, err := strconv.Atoi(text)
	return err == nil && alert.Severity(n).Valid()
}

// Origin is the payload's {EVENT.SOURCE}. Without one it is told by what only
// one source has; a trigger otherwise.
func (p Payload) Origin() alert.Origin {
	if o, ok := origins[p.macros.get(mEventSource)]; ok {
		return o
	}
	switch {
	case p.has(mServiceName) || p.Macro("service.id") != "":
		return alert.OriginService
	case p.has(mDeviceAddress):
		return alert.OriginDiscovery
	default:
		return alert.OriginTrigger
	}
}

func (p Payload) has(of macro) bool { return p.macros.get(of) != "" }

// Kind says what the payload tells, in the order that Zabbix needs (measured
// on 6.0 and 7.0): an update is asked for first, for it has the problem's
// {EVENT.VALUE} too, 0 after a recovery. "" where it can't be told.
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
		// Better told once too often: what it was the API tells right afterwards.
		return alert.KindProblem
	}
	return ""
}

// updated says whether it is an update. A service's update is known by its
// date alone: its status is literal on 6.0 and "0" on 7.0.
func (p Payload) updated() bool {
	return p.macros.get(mUpdateStatus) == "1" || p.has(mUpdateDate) || p.has(mUpdateTimestamp)
}

// Cancelled says whether this is Zabbix's note that it cancelled an escalation
// (its trigger, host or item was disabled). It looks like the problem come
// again, but for the message.
func (p Payload) Cancelled() bool {
	const note = "NOTE: Escalation cancel" // "canceled" by 6.0 and 7.0
	message := p.macros.get(mAlertMessage)
	return len(message) >= len(note) && strings.EqualFold(message[:len(note)], note)
}

// value is {EVENT.VALUE}, or what says the same.
func (p Payload) value() string {
	if v := p.macros.get(mEventValue); v != "" {
		return v
	}
	switch strings.ToUpper(p.macros.get(mEventStatus)) {
	case "PROBLEM":
		return "1"
	case "RESOLVED", "OK":
		return "0"
	}
	if p.has(mRecoveryID) {
		return "0"
	}
	return ""
}

// salvaged says that the media type couldn't parse what Zabbix gave it (it was
// cut), and sent what it could read of it: the API gives the rest.
func (p Payload) salvaged() bool {
	return p.macros.get(mSalvaged) == "1" || p.macros.get(mSalvaged) == "true"
}
