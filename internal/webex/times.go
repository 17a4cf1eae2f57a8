package webex

import (
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"time"
)

// Time is a time in an answer of Webex. Reading one never fails: an unknown form gives zero. A message whose answer can't be read
// is posted again.
type Time struct{ time.Time }

// layouts are forms of times that have been seen in JSON.
var layouts = []string{
	time.RFC3339Nano, "2006-01-02T15:04:05.999999999Z0700", "2006-01-02 15:04:05Z07:00", "2006-01-02T15:04:05", "2006-01-02 15:04:05",
	time.RFC1123, time.RFC1123Z,
}

// UnmarshalJSON reads a text, or a number of seconds or milliseconds. It never fails.
func (t *Time) UnmarshalJSON(raw []byte) error {
	t.Time = time.Time{}
	text := strings.TrimSpace(strings.Trim(string(raw), `"`))
	for _, layout := range layouts {
		// A year of five digits could not be written as JSON.
		if at, err := time.Parse(layout, text); err == nil && at.UTC().Year() > 0 && at.UTC().Year() < 10000 {
			t.Time = at.UTC()
			return nil
		}
	}
	switch n, err := strconv.ParseFloat(text, 64); {
	case err != nil || n < 1e9 || n >= 1e14:
	case n < 1e11:
		t.Time = time.Unix(int64(n), 0).UTC()
	default:
		t.Time = time.UnixMilli(int64(n)).UTC()
	}
	return nil
}

// decode reads an answer of Webex. wrote says that the call changed something: then only the id is indispensable, and other
// fields of an unexpected type are dropped.
func decode(body []byte, into any, wrote bool) error {
	err := json.Unmarshal(body, into)
	var odd *json.UnmarshalTypeError
	if wrote && errors.As(err, &odd) && odd.Field != "id" && odd.Field != "" { // the other fields have been read
		return nil
	}
	return err
}
