package zabbix

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"nms-alert-relay/internal/fault"
)

// This file reads the JSON object of a payload. Why it has a scanner of its own is docs/adr/005-payload-scanner.md.

// scanObject reads a JSON object of strings, numbers, true, false and null, and calls add for each key with its value as text (null
// is empty). It returns false for anything else, also for invalid JSON; then the calls of add are void and readObject finds what is
// wrong.
func scanObject(text string, add func(name, value string)) bool {
	s := scanner{text: text}
	if !s.next('{') {
		return false
	}
	if s.next('}') {
		return s.end()
	}
	for {
		name, ok := s.string()
		if !ok || !s.next(':') {
			return false
		}
		value, ok := s.scalar()
		if !ok {
			return false
		}
		add(name, value)
		if !s.next(',') {
			return s.next('}') && s.end()
		}
	}
}

// scanner is a position in a JSON text.
type scanner struct {
	text string
	at   int
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

func (s *scanner) end() bool {
	s.skipSpace()
	return s.at == len(s.text)
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

// scalar reads a value that isn't an object or a list.
func (s *scanner) scalar() (string, bool) {
	s.skipSpace()
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
	case word == "" || strings.IndexByte(`{["`, word[0]) >= 0:
		return "", false
	default:
		return word, json.Valid([]byte(word))
	}
}

// parametersLimit is where Zabbix cuts all parameters of a webhook together, in characters (measured on 6.0 and 7.0): invalid JSON of
// that length was cut.
const parametersLimit = 65_535

// readObject reads what scanObject rejects: it names every fault, and returns the values that can be used all the same, or nil if
// there are none.
func readObject(text string) (map[string]string, fault.Faults) {
	var value any
	dec := json.NewDecoder(bytes.NewReader([]byte(text)))
	dec.UseNumber() // an event id may be too large for a float
	err := dec.Decode(&value)
	if err == nil && dec.InputOffset() != int64(len(text)) {
		err = fmt.Errorf("unexpected text after the object, at byte %d", dec.InputOffset())
	}
	if err != nil {
		f := fault.Fault{What: "not JSON: " + err.Error()}
		if len(text) >= parametersLimit {
			f.Hint = fmt.Sprintf("Zabbix cuts a webhook's parameters at %d characters in total: remove those with item values or history", parametersLimit)
		}
		return nil, fault.Faults{f}
	}
	fields, ok := value.(map[string]any)
	if !ok {
		return nil, fault.Faults{{What: "not a JSON object", Hint: `send {"event.id": "{EVENT.ID}", …}, as the relay's media type does`}}
	}
	values, faults := map[string]string{}, fault.Faults(nil)
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		switch v := fields[name].(type) {
		case nil:
			values[name] = ""
		case string:
			values[name] = v
		case json.Number:
			values[name] = v.String()
		case bool:
			values[name] = strconv.FormatBool(v)
		default:
			faults = append(faults, fault.Fault{Field: normaliseKey(name), What: "not a string, number or true/false",
				Hint: "every value is a macro's text: send lists and objects as text"})
		}
	}
	return values, faults
}
