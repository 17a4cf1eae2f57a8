package zabbix

import (
	"regexp"
	"strings"
)

// unknown is what Zabbix puts for a macro that it knows but has no value for.
const unknown = "*UNKNOWN*"

// What Zabbix leaves where it doesn't know a macro (measured on 6.0 and 7.0):
// the macro as it was written. Only a value that is one macro and nothing else
// counts, and only in the forms that macros have: a person's text may hold
// braces. "{EVENT.ID}" as a whole comment is taken for a macro, "{done}", "{x}" and
// "{DONE}" aren't.
var (
	single     = regexp.MustCompile(`^(DATE|TIME|TIMESTAMP|STATUS|HOSTNAME|IPADDRESS)[1-9]?$`)
	byTag      = regexp.MustCompile(`^[A-Z]+(\.[A-Z]+)*\.TAGS\.[^{}]+$`)
	userMacro  = regexp.MustCompile(`^[$#][A-Z0-9_.]+(:[^{}]*)?$`)
	expression = regexp.MustCompile(`(?s)^\?.*$`)
	function   = regexp.MustCompile(`(?s)^\{[$#?A-Z][^{}]*\}\.[a-z]+\(.*\)$`)
)

// isLiteral says whether a value is one macro as it was written.
func isLiteral(value string) bool {
	if len(value) < 3 || value[0] != '{' || value[len(value)-1] != '}' {
		return false
	}
	inner := value[1 : len(value)-1]
	if isBuiltIn(inner) {
		return true
	}
	switch inner[0] {
	case '$', '#':
		return userMacro.MatchString(inner)
	case '?':
		return expression.MatchString(inner)
	case '{':
		return function.MatchString(inner)
	default:
		return single.MatchString(inner) || byTag.MatchString(inner)
	}
}

// isBuiltIn says whether a text is the name of one of Zabbix's macros: words of
// capitals and digits with dots between them. By hand, because half of the values that
// come are such names.
func isBuiltIn(text string) bool {
	word, dots := 0, 0
	for i := range len(text) {
		switch c := text[i]; {
		case c == '.':
			if word == 0 {
				return false
			}
			word = 0
			dots++
			continue
		case c >= 'A' && c <= 'Z', c >= '0' && c <= '9' && i > 0, c == '_' && dots > 0:
			word++
		default:
			return false
		}
	}
	return dots > 0 && word > 0
}

// isAbsent says whether a trimmed value is none: it is empty, unknown, or a
// macro as it was written.
func isAbsent(value string) bool { return value == "" || value == unknown || isLiteral(value) }

// isOwnMacro says whether a value is none since it names a macro of the user's own,
// whatever its form: "{MY_MACRO}" sent as MY_MACRO.
func isOwnMacro(key, value string) bool {
	last := len(value) - 1
	return last > 0 && value[0] == '{' && value[last] == '}' && normaliseKey(value[1:last]) == key
}

// represented are the macros that an event has a field for, and those that
// change with every message and say nothing. All others are kept as they are,
// for templates.
var represented = func() map[string]bool {
	names := strings.Fields(`
		event.id event.source event.object event.value event.status event.name event.opdata
		event.nseverity event.date event.time event.timestamp event.age event.duration event.ack.status
		event.tags event.tagsjson event.cause.id
		event.recovery.date event.recovery.time event.recovery.timestamp event.recovery.status event.recovery.value
		event.update.status event.update.action event.update.actionjson event.update.date event.update.time
		event.update.timestamp event.update.message event.update.history event.update.nseverity event.update.severity
		user.fullname alert.sendto action.id esc.history date time timestamp salvaged
		trigger.id trigger.name trigger.description trigger.url trigger.url.name trigger.hostgroup.name
		trigger.status trigger.value trigger.nseverity trigger.severity trigger.events.problem.unack
		item.id item.name service.name service.rootcause`)
	for _, part := range []string{"host.id", "host.host", "host.name", "host.ip"} {
		for _, index := range strings.Split(",1,2,3,4,5,6,7,8,9", ",") {
			names = append(names, part+index)
		}
	}
	set := make(map[string]bool, len(names))
	for _, name := range names {
		set[name] = true
	}
	return set
}()

// knownKeys are the names that are met again and again, by themselves.
var knownKeys = func() map[string]string {
	names := map[string]string{}
	for name := range represented {
		names[name] = name
	}
	for _, name := range strings.Fields("alert.message alert.subject action.name event.severity event.recovery.id event.recovery.name event.recovery.tagsjson " +
		"event.cause.name event.symptoms host.dns host.conn host.port host.description item.key item.value item.lastvalue item.state source") {
		names[name] = name
	}
	return names
}()
