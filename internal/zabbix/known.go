package zabbix

import (
	"slices"
	"strconv"
	"strings"
)

// macro is one of the macros that are met again and again: it has a number, so that
// a payload's are found without comparing names.
type macro uint8

// Those that an event has a field for, and those that change with every message and say
// nothing. All others are kept as they are, for templates.
const (
	mEventID macro = iota
	mEventSource
	mEventObject
	mEventValue
	mEventStatus
	mEventName
	mEventOpData
	mEventNSeverity
	mEventDate
	mEventTime
	mEventTimestamp
	mEventAge
	mEventDuration
	mEventAckStatus
	mEventTags
	mEventTagsJSON
	mEventCauseID
	mRecoveryDate
	mRecoveryTime
	mRecoveryTimestamp
	mRecoveryStatus
	mRecoveryValue
	mUpdateStatus
	mUpdateAction
	mUpdateActionJSON
	mUpdateDate
	mUpdateTime
	mUpdateTimestamp
	mUpdateMessage
	mUpdateHistory
	mUpdateNSeverity
	mUpdateSeverity
	mUserFullName
	mAlertSendTo
	mActionID
	mEscHistory
	mDate
	mTime
	mTimestamp
	mSalvaged
	mTriggerID
	mTriggerName
	mTriggerDescription
	mTriggerURL
	mTriggerURLName
	mTriggerGroups
	mTriggerStatus
	mTriggerValue
	mTriggerNSeverity
	mTriggerSeverity
	mTriggerUnack
	mItemID
	mItemName
	mServiceName
	mServiceRootCause
	mSource
	mHosts // the first of the hosts' macros: see hostMacro
)

// hostParts are the macros that each of a trigger's hosts has, and hostCount how many hosts
// can be told apart: the first without a number, then 1 to 9.
var hostParts = [...]string{hostID: "host.id", hostHost: "host.host", hostName: "host.name", hostIP: "host.ip"}

const (
	hostID = iota
	hostHost
	hostName
	hostIP

	hostCount = 10
)

// Macros that are kept for templates and that something is told by. Those after them in
// macroNames have a number since they are met every time.
const (
	mAlertMessage = mHosts + hostCount*macro(len(hostParts)) + iota
	mRecoveryID
	mDeviceAddress
)

// hostMacro is the macro of a part of the i-th host.
func hostMacro(i, part int) macro { return mHosts + macro(i*len(hostParts)+part) }

// macroNames are the names by number.
var macroNames = func() []string {
	names := strings.Fields(`
		event.id event.source event.object event.value event.status event.name event.opdata event.nseverity
		event.date event.time event.timestamp event.age event.duration event.ack.status
		event.tags event.tagsjson event.cause.id
		event.recovery.date event.recovery.time event.recovery.timestamp event.recovery.status event.recovery.value
		event.update.status event.update.action event.update.actionjson event.update.date event.update.time
		event.update.timestamp event.update.message event.update.history event.update.nseverity event.update.severity
		user.fullname alert.sendto action.id esc.history date time timestamp salvaged
		trigger.id trigger.name trigger.description trigger.url trigger.url.name trigger.hostgroup.name
		trigger.status trigger.value trigger.nseverity trigger.severity trigger.events.problem.unack
		item.id item.name service.name service.rootcause source`)
	for i := range hostCount {
		for _, part := range hostParts {
			if i > 0 {
				part += strconv.Itoa(i)
			}
			names = append(names, part)
		}
	}
	return append(names, strings.Fields(`
		alert.message event.recovery.id discovery.device.ipaddress
		alert.subject action.name event.severity event.recovery.name event.recovery.tagsjson event.cause.name event.symptoms
		host.dns host.conn host.port host.description item.key item.value item.lastvalue item.state`)...)
}()

// knownMacros are the numbers by name, as normaliseKey writes it and as Zabbix does.
var knownMacros = func() map[string]macro {
	known := make(map[string]macro, 2*len(macroNames))
	for i, name := range macroNames {
		known[name], known[strings.ToUpper(name)] = macro(i), macro(i)
	}
	return known
}()

// mostKnown bounds the numbers; a test holds that it is enough.
const mostKnown = 128

// macros are the values of a payload.
type macros struct {
	known  [mostKnown]uint8 // one more than where a macro's value is; 0 where it has none
	values []string
	others map[string]string // by normalised name; as a rule there are none
}

// get gives a value; "" where there is none.
func (m *macros) get(of macro) string {
	value, _ := m.look(of)
	return value
}

func (m *macros) look(of macro) (value string, ok bool) {
	if m == nil || m.known[of] == 0 {
		return "", false
	}
	return m.values[m.known[of]-1], true
}

// add takes a value, unless there is one of that name already, or it is the macro's own name.
func (m *macros) add(name, value, trimmed string) {
	of, known := knownMacros[name]
	if !known {
		name = normaliseKey(name)
		of, known = knownMacros[name]
	}
	if known {
		if m.known[of] == 0 && !isOwnMacro(macroNames[of], trimmed) {
			m.values = append(m.values, value)
			m.known[of] = uint8(len(m.values))
		}
		return
	}
	if _, twice := m.others[name]; twice || isOwnMacro(name, trimmed) || namesSecret(name) {
		return
	}
	if m.others == nil {
		m.others = map[string]string{}
	}
	m.others[strings.Clone(name)] = strings.Clone(value)
}

// secretWords are those in a parameter's name that say that its value is a secret of the media type: Zabbix's own Slack
// type sends bot_token, others a password or an address that anybody may post to.
var secretWords = strings.Fields(`token secret passw passphrase pwd credential apikey api.key api-key accesskey access.key access-key
	privatekey private.key private-key authorization auth.header webhook endpoint`)

// namesSecret reports whether a parameter holds a secret, by its normalised name. Such a value is not kept: templates
// could show it. A macro of Zabbix's own never holds one, unless a tag is named so.
func namesSecret(name string) bool {
	return slices.ContainsFunc(secretWords, func(word string) bool { return strings.Contains(name, word) })
}

// settle copies the values into one text of their own.
func (m *macros) settle() {
	size := 0
	for _, v := range m.values {
		size += len(v)
	}
	var all strings.Builder
	all.Grow(size)
	for _, v := range m.values {
		all.WriteString(v)
	}
	text := all.String()
	for i, v := range m.values {
		m.values[i], text = text[:len(v)], text[len(v):]
	}
}

// rest gives what an event has no field for, by name; nil for nothing.
func (m *macros) rest() map[string]string {
	n := len(m.others)
	for of := mAlertMessage; int(of) < len(macroNames); of++ {
		if m.known[of] != 0 {
			n++
		}
	}
	if n == 0 {
		return nil
	}
	rest := make(map[string]string, n)
	for name, value := range m.others {
		rest[name] = value
	}
	for of := mAlertMessage; int(of) < len(macroNames); of++ {
		if value, ok := m.look(of); ok {
			rest[macroNames[of]] = value
		}
	}
	return rest
}
