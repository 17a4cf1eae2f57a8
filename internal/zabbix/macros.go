package zabbix

import "regexp"

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

// isOf says whether a value is the macro that its key names, written alike: as our media type sends
// what wasn't resolved.
func isOf(value, name string) bool {
	return len(value) == len(name)+2 && value[0] == '{' && value[len(value)-1] == '}' && value[1:len(value)-1] == name
}

// isOwnMacro says whether a value is none since it names a macro of the user's own,
// whatever its form: "{MY_MACRO}" sent as MY_MACRO.
func isOwnMacro(key, value string) bool {
	last := len(value) - 1
	return last > 0 && value[0] == '{' && value[last] == '}' && normaliseKey(value[1:last]) == key
}
