package zabbix

import (
	"encoding/json"
	"fmt"
	"strings"

	"nms-alert-relay/internal/fault"
)

// parametersLimit is where Zabbix cuts all parameters of a webhook together, in characters (measured on 6.0 and 7.0): invalid JSON of
// that length was cut.
const parametersLimit = 65_535

// readObject reads a payload's JSON object and calls add for each key, in order, with its value as text; null is empty. There is a
// fault for each value that is an object or a list. If ok is false, the text as a whole is unusable, and the calls of add don't count.
//
// docs/adr/005-payload-scanner.md says why it has a scanner of its own.
func readObject(text string, add func(name, value string)) (faults fault.Faults, ok bool) {
	s := scanner{text: text}
	nested, ok := s.object(add)
	for _, name := range nested {
		faults = append(faults, fault.Fault{Field: normaliseKey(name), What: "not a string, number or true/false",
			Hint: "every value is a macro's text: send lists and objects as text"})
	}
	if ok {
		return faults, true
	}
	f := fault.Fault{What: "not a JSON object", Hint: `send {"event.id": "{EVENT.ID}", …}, as the relay's media type does`}
	if err := json.Unmarshal([]byte(text), new(any)); err != nil {
		f = fault.Fault{What: "not JSON: " + err.Error()}
		if len(text) >= parametersLimit {
			f.Hint = fmt.Sprintf("Zabbix cuts a webhook's parameters at %d characters in total: remove those with item values or history", parametersLimit)
		}
	}
	return fault.Faults{f}, false
}

// scanner is a position in a JSON text.
type scanner struct {
	text string
	at   int
}

// object reads an object and calls add for each key whose value isn't an object or a list; it returns the other keys. ok is false for
// any other or invalid JSON.
func (s *scanner) object(add func(name, value string)) (nested []string, ok bool) {
	if !s.next('{') {
		return nil, false
	}
	for first := true; !s.next('}'); first = false {
		if !first && !s.next(',') {
			return nil, false
		}
		name, ok := s.string()
		if !ok || !s.next(':') {
			return nil, false
		}
		value, scalar, ok := s.value()
		switch {
		case !ok:
			return nil, false
		case scalar:
			add(name, value)
		default:
			nested = append(nested, name)
		}
	}
	s.skipSpace()
	return nested, s.at == len(s.text)
}

func (s *scanner) skipSpace() {
	for s.at < len(s.text) {
		switch s.text[s.at] {
		case ' ', '\t', '\n', '\r':
			s.at++
		default:
			return
		}
	}
}

// next moves past white space and the character c; it returns false if another one follows.
func (s *scanner) next(c byte) bool {
	s.skipSpace()
	if s.at < len(s.text) && s.text[s.at] == c {
		s.at++
		return true
	}
	return false
}

// string reads a string. One that isn't printable ASCII without escapes is decoded by encoding/json.
func (s *scanner) string() (string, bool) {
	if !s.next('"') {
		return "", false
	}
	begin, plain := s.at, true
	for i := begin; i < len(s.text); i++ {
		switch c := s.text[i]; {
		case c == '"':
			s.at = i + 1
			if plain {
				return s.text[begin:i], true
			}
			return unquote(s.text[begin-1 : s.at])
		case c == '\\':
			plain = false
			i++
		case c < ' ' || c > '~':
			plain = false
		}
	}
	return "", false
}

// unquote is a function of its own, so that plain strings cost no allocation.
func unquote(quoted string) (value string, ok bool) {
	err := json.Unmarshal([]byte(quoted), &value)
	return value, err == nil
}

// value reads a value as text. scalar is false for an object or a list, which is only skipped.
func (s *scanner) value() (value string, scalar, ok bool) {
	s.skipSpace()
	rest := s.text[s.at:]
	switch {
	case strings.HasPrefix(rest, `"`):
		value, ok = s.string()
		return value, true, ok
	case strings.HasPrefix(rest, "{"), strings.HasPrefix(rest, "["):
		decoder := json.NewDecoder(strings.NewReader(rest))
		err := decoder.Decode(new(json.RawMessage))
		s.at += int(decoder.InputOffset())
		return "", false, err == nil
	}
	end := strings.IndexAny(rest, ",} \t\n\r")
	if end < 0 {
		return "", false, false
	}
	s.at += end
	if value = rest[:end]; value == "null" {
		return "", true, true
	}
	return value, true, json.Valid([]byte(value))
}
