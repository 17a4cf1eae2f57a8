package zabbix

import (
	"encoding/json"
	"strings"
)

// pair is one key of a payload with its value as text.
type pair struct{ name, value string }

// flat reads a JSON object of strings, numbers, true, false and null in one
// pass, each value as text. It gives false for everything else, what isn't JSON
// too: then object finds what is wrong. Every event goes through here before its 202,
// and a general decoder takes five times as long.
func flat(text string) ([]pair, bool) {
	s := scan{text: text}
	if !s.take('{') {
		return nil, false
	}
	pairs := make([]pair, 0, 1+strings.Count(text, `":`))
	if s.take('}') {
		return pairs, s.end()
	}
	for {
		var p pair
		var ok bool
		if p.name, ok = s.string(); !ok || !s.take(':') {
			return nil, false
		}
		if p.value, ok = s.scalar(); !ok {
			return nil, false
		}
		pairs = append(pairs, p)
		if s.take(',') {
			continue
		}
		return pairs, s.take('}') && s.end()
	}
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
	s.space()
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

// string reads a string. One of plain ASCII is a part of the text; any other
// is left to encoding/json, with its escapes and what isn't UTF-8.
func (s *scan) string() (string, bool) {
	if !s.take('"') {
		return "", false
	}
	begin, plain := s.at, true
	for ; s.at < len(s.text); s.at++ {
		switch c := s.text[s.at]; {
		case c == '"':
			raw := s.text[begin:s.at]
			s.at++
			if plain {
				return raw, true
			}
			var value string
			err := json.Unmarshal([]byte(s.text[begin-1:s.at]), &value)
			return value, err == nil
		case c == '\\':
			plain = false
			s.at++
		case c < ' ':
			return "", false
		case c > '~':
			plain = false
		}
	}
	return "", false
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
