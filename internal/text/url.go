package text

import (
	"net"
	"regexp"
	"strings"
)

// hiddenPart replaces hidden parts of an address.
const hiddenPart = "***"

// schemePattern matches the start of an address. Some people type backslashes instead of slashes.
var schemePattern = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9+.-]*:[/\\]{2}`)

// RedactURL returns an address as logs, errors and other output may show it: without user, password, query and fragment, each of
// which may be secret. The address may be invalid, for instance because of an unescaped character in the password. In doubt it
// hides too much.
func RedactURL(address string) string {
	scheme := schemePattern.FindString(address)
	rest := address[len(scheme):]
	if scheme == "" && strings.ContainsAny(rest, "@?#=") {
		return hiddenPart
	}
	if i := strings.LastIndexByte(rest, '@'); i >= 0 { // the last one: a password may contain others
		if strings.ContainsAny(rest[:i], "?#") { // the @ may be in a password or in a query
			return scheme + hiddenPart
		}
		scheme, rest = scheme+hiddenPart+"@", rest[i+1:]
	}
	mark := ""
	if i := strings.IndexAny(rest, "?#"); i >= 0 {
		rest, mark = rest[:i], rest[i:i+1]+hiddenPart
	}
	host, path := rest, ""
	if i := strings.IndexAny(rest, `/\`); i >= 0 {
		host, path = rest[:i], rest[i:]
	}
	if !hostPattern.MatchString(host) {
		host, path = hiddenPart, ""
	}
	return scheme + host + path + mark
}

// hostPattern matches a host with an optional port. Anything else between scheme and path could be a login without its @.
var hostPattern = regexp.MustCompile(`^(\[[0-9A-Fa-f:.%a-z]*\]|[^:%\s"'<>]*)(:[0-9]{0,5})?$`)

// RedactURLs redacts the address in a sentence that may quote one, such as `"https://…" is not a base URL`.
func RedactURLs(sentence string) string {
	i := strings.Index(sentence, "://")
	if i < 0 {
		return sentence
	}
	start := i
	for start > 0 && isSchemeByte(sentence[start-1]) {
		start--
	}
	end, quoted := len(sentence), start > 0 && sentence[start-1] == '"'
	if j := strings.LastIndexByte(sentence, '"'); quoted && j > i {
		end = j
	}
	if !quoted && !strings.ContainsRune(sentence[i:], '@') {
		return sentence // an example, such as "want https:// and a host"
	}
	return sentence[:start] + RedactURL(sentence[start:end]) + sentence[end:]
}

func isSchemeByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '+' || c == '.' || c == '-'
}

// Loopback reports whether a host, with or without a port, is this machine: localhost or a loopback address.
func Loopback(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	ip := net.ParseIP(strings.Trim(host, "[]"))
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
