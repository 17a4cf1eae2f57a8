package config

import (
	"fmt"
	"regexp"
	"strings"
)

// Glob is a compiled pattern for a whole name: * matches any text (also a slash), ? one character, [a-c] and [!a-c] one
// character of a set. It ignores case.
type Glob struct {
	pattern string
	parts   []string       // between the stars, of a pattern without ?, sets and backslashes; else nil
	re      *regexp.Regexp // of others
}

// ParseGlob compiles a pattern.
func ParseGlob(pattern string) (Glob, error) {
	lower := strings.ToLower(pattern)
	if !strings.ContainsAny(lower, `?[\`) {
		return Glob{pattern: pattern, parts: strings.Split(lower, "*")}, nil
	}
	expression, err := translate([]rune(lower))
	if err != nil {
		return Glob{}, err
	}
	// Without .* at its ends, *core* is a search for a text, which is a hundred times faster.
	expression = strings.TrimPrefix(strings.TrimSuffix(`\A`+expression+`\z`, `.*\z`), `\A.*`)
	re, err := regexp.Compile(`(?s)` + expression)
	if err != nil {
		return Glob{}, invalid(fmt.Sprintf("invalid pattern %q: %v", pattern, err), "")
	}
	return Glob{pattern: pattern, re: re}, nil
}

// Match reports whether a name matches; lower is the name in lower case.
func (g Glob) Match(lower string) bool {
	if g.parts == nil {
		return g.re.MatchString(lower)
	}
	// A thousand bindings are compared with each problem: this takes a twentieth of a regular expression's time.
	first, last := g.parts[0], g.parts[len(g.parts)-1]
	if len(g.parts) == 1 {
		return lower == first
	}
	if len(lower) < len(first)+len(last) || !strings.HasPrefix(lower, first) || !strings.HasSuffix(lower, last) {
		return false
	}
	rest := lower[len(first) : len(lower)-len(last)]
	for _, part := range g.parts[1 : len(g.parts)-1] {
		i := strings.Index(rest, part)
		if i < 0 {
			return false
		}
		rest = rest[i+len(part):]
	}
	return true
}

// translate writes a glob as a regular expression.
func translate(glob []rune) (string, error) {
	var out strings.Builder
	for i := 0; i < len(glob); i++ {
		switch r := glob[i]; r {
		case '*':
			out.WriteString(".*")
		case '?':
			out.WriteByte('.')
		case '\\':
			if i++; i == len(glob) {
				return "", invalid(fmt.Sprintf("%q ends with a backslash", string(glob)), `\\ matches a backslash, \* a star`)
			}
			out.WriteString(regexp.QuoteMeta(string(glob[i])))
		case '[':
			set, length, err := translateSet(glob[i:])
			if err != nil {
				return "", err
			}
			out.WriteString(set)
			i += length - 1
		default:
			out.WriteString(regexp.QuoteMeta(string(r)))
		}
	}
	return out.String(), nil
}

// translateSet writes "[a-c]" or "[!a-c]" as a character class; a ] that comes first is a member of the set.
func translateSet(glob []rune) (class string, length int, err error) {
	var out strings.Builder
	out.WriteByte('[')
	i := 1
	if i < len(glob) && (glob[i] == '!' || glob[i] == '^') {
		out.WriteByte('^')
		i++
	}
	for first := i; i < len(glob) && (glob[i] != ']' || i == first); i++ {
		from, to := glob[i], glob[i]
		if i+2 < len(glob) && glob[i+1] == '-' && glob[i+2] != ']' {
			to = glob[i+2]
			i += 2
		}
		if to < from {
			return "", 0, invalid(fmt.Sprintf("invalid range %c-%c", from, to), fmt.Sprintf("did you mean [%c-%c]?", to, from))
		}
		fmt.Fprintf(&out, `\x{%x}-\x{%x}`, from, to)
	}
	if i >= len(glob) {
		return "", 0, invalid(fmt.Sprintf("missing ] in %q", string(glob)), `\[ matches a bracket`)
	}
	out.WriteByte(']')
	return out.String(), i + 1, nil
}

// String returns the pattern as it was written.
func (g Glob) String() string { return g.pattern }

// parseNameGlob is ParseGlob for a name that can't be empty.
func parseNameGlob(pattern string) (Glob, error) {
	if pattern == "" {
		return Glob{}, invalid("is empty", "* matches every name")
	}
	return ParseGlob(pattern)
}

// TagRule is one entry of match.tags.
type TagRule struct {
	text   string // as it was written
	Tag    string // in lower case
	Value  *Glob  // nil: any value
	Absent bool   // "!tag": the problem must not have the tag
}

// ParseTagRule reads "tag", "tag=value" (the value is a glob), "!tag" and "!tag=value".
func ParseTagRule(text string) (TagRule, error) {
	rest, absent := strings.CutPrefix(strings.TrimSpace(text), "!")
	tag, value, hasValue := strings.Cut(rest, "=")
	rule := TagRule{text: text, Tag: strings.ToLower(strings.TrimSpace(tag)), Absent: absent}
	if rule.Tag == "" {
		return TagRule{}, invalid(fmt.Sprintf("missing tag name in %q", text), `"tag", "tag=value" or "!tag"`)
	}
	if hasValue {
		g, err := ParseGlob(strings.TrimSpace(value))
		if err != nil {
			return TagRule{}, err
		}
		rule.Value = &g
	}
	return rule, nil
}

// String returns the rule as it was written.
func (r TagRule) String() string { return r.text }

// Pattern is a regular expression in RE2 syntax; the zero value is none.
type Pattern struct{ *regexp.Regexp }

// ParsePattern compiles a regular expression; "" is none.
func ParsePattern(text string) (Pattern, error) {
	if text == "" {
		return Pattern{}, nil
	}
	re, err := regexp.Compile(text)
	if err != nil {
		return Pattern{}, invalid("invalid regular expression: "+strings.TrimPrefix(err.Error(), "error parsing regexp: "),
			"RE2 syntax: no look-around, no backreferences")
	}
	return Pattern{re}, nil
}

// MarshalText writes the expression. The embedded method, which JSON, YAML and slog would call, panics without one.
func (p Pattern) MarshalText() ([]byte, error) {
	if p.Regexp == nil {
		return nil, nil
	}
	return p.Regexp.MarshalText()
}
