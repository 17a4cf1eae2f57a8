package webex

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"
)

// informative are the fields with times. An odd time must not make an answer unreadable: a message whose answer can't be read is
// posted again.
var informative = []string{"created", "updated", "lastActivity"}

// layouts are forms of times, other than RFC 3339, that have been seen in JSON.
var layouts = []string{"2006-01-02T15:04:05.999999999Z0700", "2006-01-02 15:04:05Z07:00", "2006-01-02T15:04:05", "2006-01-02 15:04:05", time.RFC1123, time.RFC1123Z}

// decode reads an answer of Webex. If its JSON doesn't fit, times in an odd form are converted or dropped, and it is read once more.
// wrote says that the call changed something: then only the id is indispensable, and other fields of an odd type are dropped.
func decode(body []byte, into any, wrote bool) error {
	err := json.Unmarshal(body, into)
	if err == nil {
		return nil
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	var answer any
	if d.Decode(&answer) != nil {
		return err
	}
	plain, failed := json.Marshal(withPlainTimes(answer))
	if failed != nil {
		return err
	}
	err = json.Unmarshal(plain, into)
	var odd *json.UnmarshalTypeError
	if wrote && errors.As(err, &odd) && odd.Field != "id" && odd.Field != "" { // the other fields have been read
		return nil
	}
	return err
}

// withPlainTimes converts the informative times of an object, or of a list's items, to RFC 3339, and drops those it can't read.
func withPlainTimes(v any) any {
	switch v := v.(type) {
	case []any:
		for i := range v {
			v[i] = withPlainTimes(v[i])
		}
	case map[string]any:
		for name, value := range v {
			switch {
			case name == "items":
				v[name] = withPlainTimes(value)
			case !slices.ContainsFunc(informative, func(of string) bool { return strings.EqualFold(of, name) }):
			default:
				delete(v, name)
				if t, ok := plainTime(value); ok {
					v[name] = t
				}
			}
		}
	}
	return v
}

func plainTime(v any) (time.Time, bool) {
	switch v := v.(type) {
	case string:
		var t time.Time
		if t.UnmarshalText([]byte(strings.TrimSpace(v))) == nil {
			return t, true
		}
		for _, layout := range layouts {
			if t, err := time.Parse(layout, strings.TrimSpace(v)); err == nil && t.Year() > 0 && t.Year() < 10000 {
				return t.UTC(), true
			}
		}
		return plainTime(json.Number(v))
	case json.Number:
		n, err := strconv.ParseFloat(string(v), 64)
		switch {
		case err != nil || n < 1e9 || n >= 1e14:
			return time.Time{}, false
		case n < 1e11:
			return time.Unix(int64(n), 0).UTC(), true
		}
		return time.UnixMilli(int64(n)).UTC(), true
	}
	return time.Time{}, false
}
