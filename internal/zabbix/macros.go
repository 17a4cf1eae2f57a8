package zabbix

import (
	"slices"
	"strconv"
	"strings"
)

// macros are a payload's values, without those that are absent. Most are fields, so that those are kept by number: a map of all of
// them costs each event several microseconds, twice.
type macros struct {
	fields []string          // by the numbers of fieldNumbers; nil for none
	rest   map[string]string // all others by normalised name, which are kept for templates; nil for none
}

func (m *macros) get(name string) string {
	if i, ok := fieldNumbers[name]; ok && m.fields != nil {
		return m.fields[i]
	}
	return m.rest[name]
}

func (m *macros) set(name, value string) {
	if i, ok := fieldNumbers[name]; ok {
		if m.fields == nil {
			m.fields = make([]string, len(fieldNumbers))
		}
		m.fields[i] = value
		return
	}
	if m.rest == nil {
		m.rest = map[string]string{}
	}
	m.rest[name] = value
}

// normaliseKey makes one form of all the ways to write a macro's name: EVENT.NSEVERITY, event_nseverity and event.nseverity.
func normaliseKey(name string) string {
	if known, ok := spelled[name]; ok {
		return known
	}
	return strings.ReplaceAll(strings.ToLower(strings.TrimSpace(name)), "_", ".")
}

// maxHosts is the number of hosts of a trigger for which Zabbix has macros: the first without a number, then 1 to 9.
const maxHosts = 10

// fieldNumbers numbers the macros that an event has a field for, and those that change with every message and say nothing about the
// problem.
var fieldNumbers = func() map[string]int {
	numbers := map[string]int{}
	for name := range strings.FieldsSeq(`
		event.id event.source event.object event.value event.status event.name event.opdata event.nseverity
		event.date event.time event.timestamp event.age event.duration event.ack.status
		event.tags event.tagsjson event.cause.id
		event.recovery.date event.recovery.time event.recovery.timestamp event.recovery.status event.recovery.value
		event.update.status event.update.action event.update.actionjson event.update.date event.update.time
		event.update.timestamp event.update.message event.update.history event.update.nseverity event.update.severity
		user.fullname alert.sendto action.id esc.history date time timestamp salvaged
		trigger.id trigger.name trigger.description trigger.url trigger.url.name trigger.hostgroup.name
		trigger.status trigger.value trigger.nseverity trigger.severity trigger.events.problem.unack
		item.id item.name service.name service.rootcause source`) {
		numbers[name] = len(numbers)
	}
	for _, host := range hostMacros {
		for _, name := range host {
			numbers[name] = len(numbers)
		}
	}
	return numbers
}()

// spelled maps the names of fields in Zabbix's spelling, as most payloads have them, to their normalised form, without an allocation.
var spelled = func() map[string]string {
	spelled := map[string]string{}
	for name := range fieldNumbers {
		spelled[strings.ToUpper(name)] = name
	}
	return spelled
}()

// hostMacros are the macros of each host: its id, technical name, visible name and address.
var hostMacros = func() (names [maxHosts][4]string) {
	for i := range names {
		for j, name := range []string{"host.id", "host.host", "host.name", "host.ip"} {
			if names[i][j] = name; i > 0 {
				names[i][j] += strconv.Itoa(i)
			}
		}
	}
	return names
}()

// secretWords in a parameter's name mean that its value is a secret of the media type: Zabbix's own Slack type sends bot_token, others
// send a password or an address that anybody may post to.
var secretWords = strings.Fields(`token secret passw passphrase pwd credential apikey api.key api-key accesskey access.key access-key
	privatekey private.key private-key authorization auth.header webhook endpoint`)

// namesSecret reports whether a parameter's normalised name suggests a secret. Such a value is dropped, since templates could show it.
// Zabbix's own macros contain none, unless a tag has such a name.
func namesSecret(name string) bool {
	return slices.ContainsFunc(secretWords, func(word string) bool { return strings.Contains(name, word) })
}
