package zabbix

import (
	"encoding/json"
	"regexp"
	"strings"
	"time"

	"nms-alert-relay/internal/alert"
)

// actions returns what an update did, by {EVENT.UPDATE.ACTIONJSON} if it resolves (after 7.0), else by the English words of
// {EVENT.UPDATE.ACTION}.
func (p Payload) actions(z zone) (a alert.Actions, at time.Time) {
	a, at, ok := parseActionJSON(p.Macro("event.update.actionjson"))
	if !ok {
		a = parseActions(p.Macro("event.update.action"), z.Location)
	}
	a.Comment = a.Comment || p.has("event.update.message")
	return a, at
}

// parseActionJSON reads {EVENT.UPDATE.ACTIONJSON}, as Zabbix's documentation of macros describes it.
func parseActionJSON(text string) (a alert.Actions, at time.Time, ok bool) {
	if text == "" {
		return a, at, false
	}
	var fields map[string]json.RawMessage
	if json.Unmarshal([]byte(text), &fields) != nil {
		return a, at, false
	}
	a.Ack, a.Unack = truth(fields["acknowledge"]), truth(fields["unacknowledge"])
	a.Close, a.Unsuppress = truth(fields["close"]), truth(fields["unsuppress"])
	a.ToCause, a.ToSymptom = truth(fields["cause"]), truth(fields["symptom"])
	if raw, has := fields["message"]; has {
		var s string
		a.Comment = json.Unmarshal(raw, &s) == nil && s != ""
	}
	if raw, has := fields["severity"]; has {
		var change map[string]json.RawMessage
		if json.Unmarshal(raw, &change) == nil {
			old, now := severity(bare(change["old"])), severity(bare(change["new"]))
			if old != nil && now != nil {
				a.Severity = &alert.SeverityChange{Old: *old, New: *now}
			}
		}
	}
	if raw, has := fields["suppress_until"]; has {
		a.Suppress = true
		a.SuppressUntil, _ = parseStamp(bare(raw))
	}
	at, _ = parseStamp(bare(fields["timestamp"]))
	return a, at, true
}

// bare returns the digits of a JSON number or of a string with a number.
func bare(raw json.RawMessage) string { return strings.Trim(string(raw), `"`) }

func truth(raw json.RawMessage) bool {
	switch bare(raw) {
	case "", "0", "false", "null":
		return false
	default:
		return true
	}
}

// The words of {EVENT.UPDATE.ACTION} on 6.0 and 7.0: any of these, in this order, joined by commas and a last "and".
var (
	severityWords = regexp.MustCompile(`^changed severity from (Not classified|Information|Warning|Average|High|Disaster) to (Not classified|Information|Warning|Average|High|Disaster)`)
	untilWords    = regexp.MustCompile(`^suppressed until (\d{4}\.\d\d\.\d\d) (\d\d:\d\d:\d\d)`)
	joint         = regexp.MustCompile(`^(, and |, | and )`)
)

// parseActions reads {EVENT.UPDATE.ACTION}. Unknown words (an installation may rename its severities) go into Other unchanged.
func parseActions(text string, loc *time.Location) (a alert.Actions) {
	rest := strings.TrimSpace(text)
	var other []string
	for rest != "" {
		read := a
		n := readAction(rest, loc, &read)
		if n > 0 && (n == len(rest) || joint.MatchString(rest[n:])) {
			a = read
		} else {
			n = unknownWords(rest)
			other = append(other, rest[:n])
		}
		rest = rest[n:]
		rest = rest[len(joint.FindString(rest)):]
	}
	a.Other = strings.Join(other, ", ")
	return a
}

// readAction reads one action at the start of text and returns its length; 0 for an unknown one.
func readAction(text string, loc *time.Location, a *alert.Actions) int {
	if m := severityWords.FindStringSubmatch(text); m != nil {
		before, _ := alert.ParseSeverity(m[1])
		after, _ := alert.ParseSeverity(m[2])
		a.Severity = &alert.SeverityChange{Old: before, New: after}
		return len(m[0])
	}
	if m := untilWords.FindStringSubmatch(text); m != nil {
		a.Suppress = true
		a.SuppressUntil, _ = parseWall(m[1], m[2], loc)
		return len(m[0])
	}
	for _, w := range [...]struct {
		words string
		set   *bool
	}{
		{"acknowledged", &a.Ack},
		{"unacknowledged", &a.Unack},
		{"commented", &a.Comment},
		{"closed", &a.Close},
		{"suppressed indefinitely", &a.Suppress},
		{"suppressed", &a.Suppress},
		{"unsuppressed", &a.Unsuppress},
		{"changed rank to cause", &a.ToCause},
		{"changed rank to symptom", &a.ToSymptom},
	} {
		if strings.HasPrefix(text, w.words) {
			*w.set = true
			return len(w.words)
		}
	}
	return 0
}

var known = regexp.MustCompile(`(?:, and |, | and )(?:acknowledged|unacknowledged|commented|closed|suppressed|unsuppressed|changed (?:severity|rank))\b`)

// unknownWords returns the length of the text before the next known action.
func unknownWords(text string) int {
	if i := known.FindStringIndex(text); i != nil && i[0] > 0 {
		return i[0]
	}
	return len(text)
}
