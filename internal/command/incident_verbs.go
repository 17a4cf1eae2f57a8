package command

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/incident"
)

// The verbs of incidents, how their words and buttons are read.

func incidentVerbs() []verb {
	comment := lookupAct(Comment)
	return []verb{
		{
			name: Room, role: operator, sets: true,
			usage: "room [ID …]", does: "opens a space for an incident about problems, and invites you, who acted on them and who is on duty. If there is one already, it invites you",
			examples: []string{"room 4711", "room 4711 4712"},
			problems: true, button: true, parse: parseShow, handle: (*Executor).openRoom,
		},
		{
			name: Join, role: operator, sets: true,
			usage: "join [ID …] [INC-NUMBER]", does: "joins problems to an incident: in its space, or with its number where it was opened",
			examples: []string{"join 4712", "join 4712 INC-7"}, object: " INC-7",
			problems: true, spans: true, parse: parseJoin, handle: (*Executor).joinIncident,
		},
		{
			name: Part, role: operator, sets: true,
			usage: "part [ID …] [INC-NUMBER]", does: "takes problems out of an incident",
			examples: []string{"part 4712", "part 4712 INC-7"}, object: " INC-7",
			problems: true, spans: true, parse: parseJoin, handle: (*Executor).partIncident,
		},
		{
			name: Note, role: operator,
			usage: "note [ID …] WORDS", does: "in the space of an incident, writes into its timeline, and a comment on each of its open problems in Zabbix. With an id, or elsewhere, it is `comment`",
			examples: []string{"note the carrier is on it", "note 4711 disk ordered"}, object: " waiting for the vendor",
			problems: true, prose: true, parse: parseComment, act: comment,
		},
		{
			name: Role, role: operator, sets: true,
			usage: "role ROLE [PERSON] [INC-NUMBER]", does: "takes a role in an incident, or gives it to a person: a mention, an e-mail address, `me` or `nobody`",
			examples: []string{"role lead", "role scribe alice@example.com", "role lead nobody"},
			parse:    parseRole, handle: (*Executor).takeRole,
		},
		{
			name: Check, role: operator, sets: true,
			usage: "check NUMBER [INC-NUMBER]", does: "ticks an item of an incident's checklist, or takes the tick back",
			examples: []string{"check 2"}, parse: parseCheck, handle: (*Executor).tick,
		},
		{
			name: Incident, role: viewer,
			usage: "incident [INC-NUMBER]", does: "shows an incident: its state, roles, checklist and the end of its timeline",
			examples: []string{"incident", "incident INC-7"}, parse: parseIncident, handle: (*Executor).showIncident,
		},
		{
			name: Incidents, role: viewer,
			usage: "incidents", does: "lists the incidents that were opened here, the newest first", examples: []string{"incidents"},
			parse: parseNothing, handle: (*Executor).listIncidents,
		},
		{
			name: Review, role: viewer,
			usage: "review [INC-NUMBER]", does: "posts the review of an incident as a file: timeline, who did what, and how long it took",
			examples: []string{"review", "review INC-7"}, parse: parseIncident, handle: (*Executor).reviewIncident,
		},
		{
			name: Conclude, role: operator, sets: true,
			usage: "conclude [INC-NUMBER]", does: "ends an incident although problems of it are open: its review is posted, and it closes",
			examples: []string{"conclude", "conclude INC-7"}, parse: parseIncident, confirms: confirmConclude, handle: (*Executor).conclude,
		},
	}
}

// lookupAct is what a verb does in Zabbix, before the table is filled.
func lookupAct(v Verb) *act {
	return &act{
		infinitive: "comment on", done: "Commented on",
		actions: func(Request, alert.Severity) alert.Actions { return alert.Actions{} },
	}
}

// incidentNumber matches an incident's number in a command, with the word before it.
var incidentNumber = regexp.MustCompile(`(?i)(?:^|[ \n])(?:(?:to|from|of|in|into|for) )?[("'` + "`" + `]?(inc-?[0-9]{1,12})[)"'` + "`" + `.,;:!?]*(?:[ \n]|$)`)

// cutIncident takes an incident's number out of words.
func cutIncident(words string) (id int64, rest string) {
	at := incidentNumber.FindStringSubmatchIndex(words)
	if at == nil {
		return 0, words
	}
	word := words[at[2]:at[3]]
	if !strings.Contains(word, "-") {
		word = word[:3] + "-" + word[3:]
	}
	id, ok := incident.ParseNumber(word)
	if !ok {
		return 0, words
	}
	return id, strings.TrimSpace(words[:at[0]] + " " + words[at[1]:])
}

// parseIncident parses "[INC-NUMBER]".
func parseIncident(_ Names, v *verb, _ spoken, t named) (Request, *misunderstanding) {
	id, rest := cutIncident(t.rest)
	if rest = strings.Trim(rest, ":,;.!? \n"); rest != "" {
		return Request{}, misunderstood(v.name, "I don't understand `%s`. Give the number of the incident, or nothing in its space: `%s INC-7`.", echo(rest), v.name)
	}
	return Request{Verb: v.name, Incident: id}, nil
}

// parseJoin parses "[ids] [INC-NUMBER]".
func parseJoin(n Names, v *verb, _ spoken, t named) (Request, *misunderstanding) {
	id, rest := cutIncident(t.rest)
	t = n.scanIDs(v, strings.TrimLeft(rest, ": \n"))
	switch words := strings.Trim(t.rest, ":,;.! \n"); {
	case t.ambiguous != "":
		return Request{}, misunderstood(v.name, "I'm not sure whether `%s` is an event id, so I did nothing. For example: `%s 4712`, or `%[2]s 4712 INC-7`.", echo(t.ambiguous), v.name)
	case words != "":
		return Request{}, misunderstood(v.name, "I don't understand `%s`, so I did nothing. For example: `%s 4712`, or `%[2]s 4712 INC-7`.", echo(words), v.name)
	case len(t.refs) > maxRefs:
		return Request{}, tooMany(v)
	}
	return Request{Verb: v.name, Refs: t.refs, Incident: id}, nil
}

// parseRole parses "ROLE [PERSON] [INC-NUMBER]".
func parseRole(n Names, v *verb, _ spoken, t named) (Request, *misunderstanding) {
	id, rest := cutIncident(t.rest)
	word, after := firstWord(strings.TrimLeft(rest, ":,- \n"))
	r := Request{Verb: v.name, Incident: id, Role: bareWord(word)}
	if r.Role == "" {
		return Request{}, misunderstood(v.name, "Which role? For example: `role lead`, or `role scribe alice@example.com`.")
	}
	after = strings.TrimLeft(after, ":=>- \n")
	if to, behind := firstWord(after); strings.EqualFold(to, "to") {
		after = behind
	}
	if written, behind := n.cutPerson(after); written != "" {
		r.Person, after = strings.ToLower(written), behind
	} else {
		word, behind := firstWord(after)
		r.Person, after = strings.TrimPrefix(strings.Trim(strings.ToLower(word), ".,:;!*~`'\"()[]<>"), "@"), behind
	}
	if strings.Trim(after, ".,;:! \n") != "" {
		return Request{}, misunderstood(v.name, "I don't understand `%s`, so I did nothing. For example: `role lead`, or `role scribe alice@example.com`.", echo(after))
	}
	return r, nil
}

// parseCheck parses "NUMBER [INC-NUMBER]".
func parseCheck(_ Names, v *verb, _ spoken, t named) (Request, *misunderstanding) {
	id, rest := cutIncident(t.rest)
	n, err := strconv.ParseInt(strings.Trim(rest, "#:,;.!()`\"' \n"), 10, 64)
	if err != nil || n < 1 {
		return Request{}, misunderstood(v.name, "Give the number of the item on the checklist: `check 2`. `incident` shows the list.")
	}
	return Request{Verb: v.name, Incident: id, Number: n}, nil
}

// incidentPress reads a press of a button of an incident's card.
func (e *Executor) incidentPress(s scope, b Button) (Request, *misunderstanding) {
	id, what, value, ok := incident.ParseButton(b.Key)
	i, known := e.o.Incidents.Get(id)
	if !ok || !known || s.Room == "" || s.Room != incident.Space(i) {
		return Request{}, &misunderstanding{said: unknownButton()}
	}
	if what == incident.ButtonRole {
		return Request{Verb: Role, Incident: id, Role: value, Toggle: true}, nil
	}
	n := slices.IndexFunc(s.Incident.Checklist, func(item string) bool { return incident.ItemID(item) == value })
	if n < 0 {
		return Request{}, &misunderstanding{said: unknownButton()}
	}
	return Request{Verb: Check, Incident: id, Number: int64(n) + 1}, nil
}
