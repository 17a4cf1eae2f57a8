package command

import (
	"cmp"
	"strings"
	"time"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/lang"
	"nms-alert-relay/internal/render"
)

// suppressVerbs are the verbs that suppress problems by hand, which Zabbix can since 6.2.
func suppressVerbs() []verb {
	return []verb{
		{
			name: Suppress, aliases: []string{"silence"}, role: operator,
			usage: "suppress [ID …] LENGTH [WORDS]", does: "suppresses problems for a while: `2h`, `1h30m`, `2d`, `until 14:30`, `until mon 8:00`, `forever` (Zabbix 6.2 or later)",
			examples: []string{"suppress 4711 2h", "suppress 4711 4712 until tomorrow 8:00 the vendor comes at 7", "suppress 4711 until mon 8:00"}, object: " 2h",
			problems: true, lasts: true, parse: parseLasting,
			act: &act{
				infinitive: "suppress", done: "Suppressed", button: true,
				verified: func(r Request, o alert.Observation) bool { return o.Suppressed || closedIn(r, o) },
				after: func(l lang.Lang, r Request, moment func(time.Time) string) string {
					if r.Until.IsZero() {
						return l.T(" until somebody unsuppresses it")
					}
					return l.T(" until %s", moment(r.Until))
				},
				actions: func(r Request, _ alert.Severity) alert.Actions {
					return alert.Actions{Suppress: true, SuppressUntil: r.Until}
				},
			},
		},
		{
			name: Unsuppress, aliases: []string{"unsnooze", "unsilence"}, role: operator,
			usage: "unsuppress [ID …] [WORDS]", does: "ends a suppression by hand (Zabbix 6.2 or later)",
			examples: []string{"unsuppress 4711"},
			problems: true, parse: parseAct,
			act: &act{
				infinitive: "unsuppress", done: "Unsuppressed", button: true,
				verified: func(r Request, o alert.Observation) bool { return !o.ByHand || closedIn(r, o) },
				actions:  func(Request, alert.Severity) alert.Actions { return alert.Actions{Unsuppress: true} },
			},
		},
	}
}

// parseLasting parses "[ids] LENGTH [words]". The length is found first, since "2h" resembles an id.
func parseLasting(n Names, v *verb, said spoken, t named) (Request, *misunderstanding) {
	rest := t.rest
	head, l, after, ok := splitLength(rest)
	if !ok {
		head = rest
	}
	t = n.scanIDs(v, head)
	words := strings.TrimLeft(t.rest, ":,- \n")
	switch {
	case !ok && t.ambiguous != "":
		return Request{}, misunderstood(v.name, "I'm not sure whether `%s` is an event id or a length, so I did nothing. %s", echo(t.ambiguous), howLong(v))
	case t.ambiguous != "" || ok && words != "":
		first, _ := firstWord(words)
		word := cmp.Or(t.ambiguous, first)
		return Request{}, misunderstood(v.name, "I don't understand `%s` before the length, so I did nothing. %s Your own words come last.", echo(word), howLong(v))
	case !ok:
		return Request{}, misunderstood(v.name, "For how long? %s", howLong(v))
	case len(t.refs) > maxRefs:
		return Request{}, tooMany(v)
	}
	object, _ := strings.CutSuffix(strings.TrimLeft(rest[len(head):], " \n"), after)
	return n.behind(v, said, Request{Verb: v.name, Refs: t.refs, Length: l}, after, strings.TrimSpace(object))
}

// howLong shows how lengths are written.
func howLong(v *verb) lang.Phrase {
	return lang.Say("For example: `%s 4711 2h`, `1h30m`, `2d`, `until 14:30`, `until mon 8:00` or `until tomorrow`.", v.name)
}

// splitLength finds the first length in plain words. head is what is before it.
func splitLength(rest string) (head string, l Length, after string, ok bool) {
	return splitAt(rest, cutLength)
}

// splitAt finds the first word at which cut succeeds.
func splitAt(rest string, cut func(words string) (Length, string, bool)) (head string, l Length, after string, ok bool) {
	for from := 0; from < len(rest); {
		if l, after, ok = cut(rest[from:]); ok {
			return rest[:from], l, after, true
		}
		space := strings.IndexAny(rest[from:], " \n")
		if space < 0 {
			break
		}
		from += space
		from += len(rest[from:]) - len(strings.TrimLeft(rest[from:], " \n"))
	}
	return "", Length{}, "", false
}

// lastsUntil returns when the length of a command ends. It counts from when the command was written: one that was read late lasts
// no longer.
func lastsUntil(v *verb, l Length, said, now time.Time, room render.Room) (time.Time, *misunderstanding) {
	end, fault := l.end(said, room.Location)
	if fault.IsZero() && !end.IsZero() && !end.After(now) {
		fault = lang.Say("That time has passed")
	}
	if !fault.IsZero() {
		return time.Time{}, misunderstood(v.name, "%s, so I did nothing. %s", fault, howLong(v))
	}
	return end, nil
}
