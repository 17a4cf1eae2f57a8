package zabbix

import (
	"regexp"
	"strings"
)

// unknown is what Zabbix sends for a macro that it knows but has no value for.
const unknown = "*UNKNOWN*"

// literal matches what Zabbix leaves in place of a macro that it doesn't resolve (measured on 6.0 and 7.0): the macro as it was
// written. Only a value that is exactly one macro matches, and only in the forms that macros have, because people's text may contain
// braces: the comment "{EVENT.ID}" counts as a macro; "{done}", "{x}" and "{DONE}" don't.
var literal = regexp.MustCompile(`(?s)^\{(?:` +
	`[A-Z][A-Z0-9]*(\.[A-Z0-9_]+)+` + // {EVENT.ID}
	`|(DATE|TIME|TIMESTAMP|STATUS|HOSTNAME|IPADDRESS)[1-9]?` +
	`|[A-Z]+(\.[A-Z]+)*\.TAGS\.[^{}]+` + // {EVENT.TAGS.service}
	`|[$#][A-Z0-9_.]+(:[^{}]*)?` + // {$USER.MACRO:"context"}, {#LLD}
	`|\?.*` + // {?last(/host/key)}
	`|\{[$#?A-Z][^{}]*\}\.[a-z]+\(.*\)` + // {{ITEM.VALUE}.regsub("…")}
	`)\}$`)

// isLiteral reports whether a value is one unresolved macro.
func isLiteral(value string) bool {
	return len(value) > 2 && value[0] == '{' && literal.MatchString(value)
}

// isAbsent reports whether a trimmed value counts as missing: empty, unknown or an unresolved macro.
func isAbsent(value string) bool { return value == "" || value == unknown || isLiteral(value) }

// isOwnMacro reports whether a value is the macro that its key names, in any spelling: "{MY_MACRO}" sent as my.macro.
func isOwnMacro(key, value string) bool {
	macro, braced := strings.CutPrefix(value, "{")
	macro, closed := strings.CutSuffix(macro, "}")
	dots := func(s string) string { return strings.ReplaceAll(s, "_", ".") }
	return braced && closed && strings.EqualFold(dots(macro), dots(strings.TrimSpace(key)))
}
