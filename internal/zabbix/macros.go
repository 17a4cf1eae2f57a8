package zabbix

import (
	"slices"
	"strconv"
	"strings"
)

// macros are a payload's values by normalised name, without those that are absent.
type macros map[string]string

// normaliseKey makes one form of all the ways to write a macro's name: EVENT.NSEVERITY, event_nseverity and event.nseverity.
func normaliseKey(name string) string {
	if known, ok := spelled[name]; ok {
		return known
	}
	return strings.ReplaceAll(strings.ToLower(strings.TrimSpace(name)), "_", ".")
}

// rest returns the macros that an event has no field for, by name: they are kept for templates. It is nil for none.
func (m macros) rest() map[string]string {
	var rest map[string]string
	for name, value := range m {
		if fields[name] {
			continue
		}
		if rest == nil {
			rest = map[string]string{}
		}
		rest[name] = value
	}
	return rest
}

// maxHosts is the number of hosts of a trigger for which Zabbix has macros: the first without a number, then 1 to 9.
const maxHosts = 10

// fields are the macros that an event has a field for, and those that change with every message and say nothing about the problem.
var fields = func() map[string]bool {
	fields := map[string]bool{}
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
		fields[name] = true
	}
	for i := range maxHosts {
		for _, part := range []string{"host.id", "host.host", "host.name", "host.ip"} {
			fields[hostMacro(part, i)] = true
		}
	}
	return fields
}()

// spelled maps the names of fields in Zabbix's spelling, as most payloads have them, to their normalised form, without an allocation.
var spelled = func() map[string]string {
	spelled := map[string]string{}
	for name := range fields {
		spelled[strings.ToUpper(name)] = name
	}
	return spelled
}()

// hostMacro is the name of a macro of the i-th host.
func hostMacro(name string, i int) string {
	if i == 0 {
		return name
	}
	return name + strconv.Itoa(i)
}

// secretWords in a parameter's name mean that its value is a secret of the media type: Zabbix's own Slack type sends bot_token, others
// send a password or an address that anybody may post to.
var secretWords = strings.Fields(`token secret passw passphrase pwd credential apikey api.key api-key accesskey access.key access-key
	privatekey private.key private-key authorization auth.header webhook endpoint`)

// namesSecret reports whether a parameter's normalised name suggests a secret. Such a value is dropped, since templates could show it.
// Zabbix's own macros contain none, unless a tag has such a name.
func namesSecret(name string) bool {
	return slices.ContainsFunc(secretWords, func(word string) bool { return strings.Contains(name, word) })
}
