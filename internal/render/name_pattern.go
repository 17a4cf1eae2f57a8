package render

import (
	"cmp"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"nms-alert-relay/internal/alert"
)

// namePattern is a problem's name split into its words and its variable parts: host names, numbers with their units, ids,
// interface names, quoted values. Names that differ in variable parts alone have the same key, and can be shown as one.
type namePattern struct {
	key   string
	parts []namePart
}

type namePart struct {
	kind   byte // word, value or host; values and hosts are marked with it in keys
	text   string
	unit   string // of a value: "%", "ms", " GB"
	varies bool   // another name has another text here
}

const (
	word  byte = 0
	value byte = 1
	host  byte = 2
)

const (
	hostMark = "…" // shown by String in place of host names that differ
	// leastLetters is how many letters the words of a pattern must have: "# on …" would say nothing.
	leastLetters = 3
)

// patternOf splits a name. hosts are the problem's: their technical and visible names may be part of the name. A name without
// words has a key of its own.
func patternOf(name string, hosts []alert.Host) namePattern {
	s := nameScanner{rest: name, hosts: hostNames(hosts)}
	for s.rest != "" {
		s.next()
	}
	p := namePattern{parts: s.parts}
	var key strings.Builder
	letters := 0
	for _, part := range p.parts {
		if part.kind != word {
			key.WriteByte(part.kind)
			continue
		}
		key.WriteString(part.text)
		for _, r := range part.text {
			if unicode.IsLetter(r) {
				letters++
			}
		}
	}
	if p.key = key.String(); letters < leastLetters || strings.ContainsAny(name, "\x00\x01\x02") {
		p.key = "\x00" + name
	}
	return p
}

// hostNames returns the names to look for, the longest first.
func hostNames(hosts []alert.Host) (names []string) {
	for _, h := range hosts {
		for _, name := range [2]string{h.Host, h.Name} {
			if name != "" && !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	slices.SortFunc(names, func(a, b string) int { return cmp.Or(cmp.Compare(len(b), len(a)), strings.Compare(a, b)) })
	return names
}

// merge marks the parts in which another name with the same key differs.
func (p namePattern) merge(other namePattern) {
	for i := range min(len(p.parts), len(other.parts)) {
		part, with := &p.parts[i], other.parts[i]
		part.varies = part.varies || part.text != with.text || part.unit != with.unit
		if part.unit != with.unit {
			part.unit = ""
		}
	}
}

// String returns the name with # for values that differ, and without host names that differ: at either end they are left out
// with what separates them from the rest.
func (p namePattern) String() string {
	var out strings.Builder
	for _, part := range p.parts {
		switch {
		case !part.varies:
			out.WriteString(part.text + part.unit)
		case part.kind == host:
			out.WriteString(hostMark)
		default:
			out.WriteString("#" + part.unit)
		}
	}
	if !slices.ContainsFunc(p.parts, func(part namePart) bool { return part.kind == host && part.varies }) {
		return out.String()
	}
	name := hostInBrackets.ReplaceAllString(out.String(), "")
	name = hostAtEnd.ReplaceAllString(hostAtStart.ReplaceAllString(name, ""), "")
	return strings.TrimSpace(name)
}

var (
	hostInBrackets = regexp.MustCompile(` ?[(\[{<]` + hostMark + `[)\]}>]`)
	hostAtStart    = regexp.MustCompile(`^(?:` + hostMark + `)?(?: *[:|>]| +[-–—])+ +|^` + hostMark + ` *[:|] *`)
	hostAtEnd      = regexp.MustCompile(`(?: *[:|,]| +[-–—@]| (?:on|at))+ *` + hostMark + `$`)
)

// nameScanner splits a name; rest is the part not read yet.
type nameScanner struct {
	rest   string
	hosts  []string
	parts  []namePart
	before rune // the character before rest; 0 at the start
}

// next reads the next part.
func (s *nameScanner) next() {
	r, size := utf8.DecodeRuneInString(s.rest)
	if !alphanumeric(s.before) {
		if name := s.hostName(); name != "" {
			s.part(host, len(name), 0)
			return
		}
		if n := quotedValue(s.rest, r); n > 0 {
			s.word(size)
			s.part(value, n, 0)
			return
		}
		if n := idAt(s.rest); n > 0 {
			s.part(value, n, 0)
			return
		}
	}
	if n, unit := numberAt(s.rest, s.before); n > 0 {
		s.part(value, n, unit)
		return
	}
	if n := strings.IndexFunc(s.rest, func(r rune) bool { return !unicode.IsLetter(r) }); n > 0 {
		size = n
	} else if n < 0 {
		size = len(s.rest)
	}
	if next := s.rest[size:]; strings.EqualFold(s.rest[:size], "IPv") && next != "" && (next[0] == '4' || next[0] == '6') {
		size++ // a word, although it ends with a digit
	}
	s.word(size)
}

// word makes the next size bytes a word, or a part of the one before.
func (s *nameScanner) word(size int) {
	if n := len(s.parts) - 1; n >= 0 && s.parts[n].kind == word {
		s.parts[n].text += s.rest[:size]
		s.advance(size)
		return
	}
	s.part(word, size, 0)
}

// part makes a part of the next size bytes, of which the last unit bytes are its unit.
func (s *nameScanner) part(kind byte, size, unit int) {
	s.parts = append(s.parts, namePart{kind: kind, text: s.rest[:size-unit], unit: s.rest[size-unit : size]})
	s.advance(size)
}

func (s *nameScanner) advance(size int) {
	s.before, _ = utf8.DecodeLastRuneInString(s.rest[:size])
	s.rest = s.rest[size:]
}

// hostName returns the host name at the start of rest, as a whole word; "" for none.
func (s *nameScanner) hostName() string {
	for _, name := range s.hosts {
		if len(name) <= len(s.rest) && strings.EqualFold(s.rest[:len(name)], name) && ends(s.rest[len(name):]) {
			return s.rest[:len(name)]
		}
	}
	return ""
}

func alphanumeric(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }

// ends reports whether no letter or digit follows.
func ends(rest string) bool {
	r, _ := utf8.DecodeRuneInString(rest)
	return rest == "" || !alphanumeric(r)
}

var quotes = map[rune]string{'"': `"`, '\'': "'", '`': "`", '“': "”", '„': "“", '«': "»", '‘': "’"}

// quotedValue returns the length of the quoted value after an opening quote. More than two words are a message, whose words
// count.
func quotedValue(rest string, opening rune) int {
	closing := quotes[opening]
	if closing == "" {
		return 0
	}
	rest = rest[utf8.RuneLen(opening):]
	n := strings.Index(rest, closing)
	if n <= 0 || !ends(rest[n+len(closing):]) || len(strings.Fields(rest[:n])) > 2 || strings.TrimSpace(rest[:n]) != rest[:n] {
		return 0
	}
	return n
}

var (
	// idPattern is a value that contains letters.
	idPattern = regexp.MustCompile(`^(?i:` + strings.Join([]string{
		`[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}`,          // UUID
		`[0-9a-f]{2}(?:[:-][0-9a-f]{2}){5,7}`,                  // MAC address, WWN
		`[0-9a-f]{0,4}(?::[0-9a-f]{0,4}){2,7}(?:/\d{1,3})?`,    // IPv6 address
		`[bcdf-hj-np-tv-xz2-9]{6,10}-[bcdf-hj-np-tv-xz2-9]{5}`, // end of a Kubernetes pod's name
		`0x[0-9a-f]+|[0-9a-f]{8,64}`,                           // hexadecimal id
		interfaceName + `(?:\([^()]*\))?`,                      // interface, with its alias: Gi0/1(Uplink)
	}, `|`) + `)`)
	// numberPattern is a number with a unit, or several of them: -5 °C, 19.5GB, 1h30m, 10.0.0.1/24.
	numberPattern = regexp.MustCompile(`^[-+]?\d+(?:[.,:/_-]\d+)*(?:((?: ?(?:%|(?:°[CF]|[kKMGTP]i?B(?:/s|ps)?|[KMGTP]?bps|B/s|ms|[kMG]?Hz|rpm|dBm)\b)` +
		`|(?:[KMGTP]i?|[µun]?s|min|[mhdwBVWAC])\b))|(?:[dhms](?:\d+(?:ms|[dhms]))+\b))?`)
)

const interfaceName = `(?:(?:[a-z]{1,24}-?)?\d+(?:/\d+)+(?:[.:]\d+)?` + // Gi0/1, ge-0/0/0.0, 1/0/24
	`|(?:eth|en[ops]|enx|em|bond|team|br-?|vmbr|virbr|docker|veth|wlan|wl[op]|tun|tap|wg|ppp|vlan|vl|po|port-channel|ae|irb|lag|ib|mgmt)\d[0-9a-z]*(?:[.:@]\w+)*)`

// idAt returns the length of the id, address or interface name at the start of rest; 0 for none.
func idAt(rest string) int {
	if first, _, _ := strings.Cut(rest, " "); !strings.ContainsAny(first, "0123456789") {
		return 0
	}
	n := len(idPattern.FindString(rest))
	if n == 0 || !ends(rest[n:]) || !strings.ContainsAny(rest[:n], "0123456789") {
		return 0
	}
	return n
}

// numberAt returns the length of the number at the start of rest, and of its unit; 0 for none.
func numberAt(rest string, before rune) (n, unit int) {
	m := numberPattern.FindStringSubmatchIndex(rest)
	if m == nil || strings.ContainsRune("-+", rune(rest[0])) && (alphanumeric(before) || strings.ContainsRune(")]%.", before)) {
		return 0, 0 // none, or a dash before one
	}
	return m[1], m[3] - m[2]
}
