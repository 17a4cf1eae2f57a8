package zabbix

import (
	"encoding/json"
	"strings"
	"unicode/utf8"

	"nms-alert-relay/internal/alert"
)

// pair is one key of a payload with its value as text.
type pair struct{ name, value string }

// flat reads a JSON object of strings, numbers, true, false and null in one
// pass, each value as text, and hands over each key. It gives false for everything else, what
// isn't JSON too: then general finds what is wrong, and what was handed over is void. Every event
// goes through here before its 202, and a general decoder takes five times as long.
func flat(text string, take func(name, value string)) bool {
	s := scan{text: text}
	if !s.take('{') {
		return false
	}
	if s.take('}') {
		return s.end()
	}
	for {
		name, ok := s.string()
		if !ok || !s.take(':') {
			return false
		}
		value, ok := s.scalar()
		if !ok {
			return false
		}
		take(name, value)
		if !s.take(',') {
			return s.take('}') && s.end()
		}
	}
}

// flatTags reads a list of tags as Zabbix writes it, without those that are
// empty. It gives false for everything else: that is left to encoding/json.
func flatTags(text string) (tags []alert.Tag, ok bool) {
	s := scan{text: text}
	if !s.take('[') {
		return nil, false
	}
	if n := strings.Count(text, "{"); n > 1 { // more where a value has some: those are bounded
		tags = make([]alert.Tag, 0, min(n, 16))
	}
	for first := true; !s.take(']'); first = false {
		if !first && !s.take(',') {
			return nil, false
		}
		var t alert.Tag
		for _, part := range []struct {
			before byte
			name   string
			to     *string
		}{{'{', "tag", &t.Tag}, {',', "value", &t.Value}} {
			if !s.take(part.before) {
				return nil, false
			}
			if name, ok := s.string(); !ok || name != part.name || !s.take(':') {
				return nil, false
			}
			if *part.to, ok = s.string(); !ok {
				return nil, false
			}
		}
		if !s.take('}') {
			return nil, false
		}
		if t != (alert.Tag{}) {
			tags = append(tags, t)
		}
	}
	return tags, s.end()
}

// scan is a place in a JSON text.
type scan struct {
	text string
	at   int
}

func (s *scan) space() {
	for s.at < len(s.text) {
		switch s.text[s.at] {
		case ' ', '\t', '\n', '\r':
			s.at++
		default:
			return
		}
	}
}

// take goes past a character, and the white space before it.
func (s *scan) take(c byte) bool {
	if s.at < len(s.text) && s.text[s.at] <= ' ' {
		s.space()
	}
	if s.at < len(s.text) && s.text[s.at] == c {
		s.at++
		return true
	}
	return false
}

func (s *scan) end() bool {
	s.space()
	return s.at == len(s.text)
}

// plain are the characters that a JSON string holds as they are: ASCII but for
// quotes, backslashes and what must be escaped.
var plain = func() (plain [256]bool) {
	for c := byte(' '); c <= '~'; c++ {
		plain[c] = c != '"' && c != '\\'
	}
	return plain
}()

// string reads a string. One without escapes is a part of the text; any other,
// and what isn't UTF-8, is left to encoding/json.
func (s *scan) string() (string, bool) {
	if !s.take('"') {
		return "", false
	}
	text, begin := s.text, s.at
	i := begin
	for i < len(text) && plain[text[i]] {
		i++
	}
	if i < len(text) && text[i] == '"' {
		s.at = i + 1
		return text[begin:i], true
	}
	escaped := false
	for ; i < len(text); i++ {
		switch c := text[i]; {
		case c == '"':
			s.at = i + 1
			if raw := text[begin:i]; utf8.ValidString(raw) {
				if !escaped {
					return raw, true
				}
				if value, ok := unescape(raw); ok {
					return value, true
				}
			}
			var value string
			err := json.Unmarshal([]byte(text[begin-1:s.at]), &value)
			return value, err == nil
		case c == '\\':
			escaped = true
			i++
		case c < ' ':
			return "", false
		}
	}
	return "", false
}

// unescaped are the characters that stand for others after a backslash.
var unescaped = [256]byte{'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}

// unescape reads a string's escapes of one character: the quotes of tags and the lines of
// a text. Any others are left to encoding/json.
func unescape(raw string) (string, bool) {
	var b strings.Builder
	b.Grow(len(raw))
	for {
		i := strings.IndexByte(raw, '\\')
		if i < 0 {
			b.WriteString(raw)
			return b.String(), true
		}
		c := unescaped[raw[i+1]]
		if c == 0 {
			return "", false
		}
		b.WriteString(raw[:i])
		b.WriteByte(c)
		raw = raw[i+2:]
	}
}

// scalar reads a value as text; null is the empty text.
func (s *scan) scalar() (string, bool) {
	s.space()
	if s.at < len(s.text) && s.text[s.at] == '"' {
		return s.string()
	}
	begin := s.at
	for s.at < len(s.text) && strings.IndexByte(",} \t\n\r", s.text[s.at]) < 0 {
		s.at++
	}
	switch word := s.text[begin:s.at]; {
	case word == "null":
		return "", true
	case word == "" || word[0] == '{' || word[0] == '[' || word[0] == '"':
		return "", false
	default:
		return word, json.Valid([]byte(word))
	}
}
