package command

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/lang"
	"nms-alert-relay/internal/render"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/webex"
)

// A handover assigns what the speaker owns in a room to somebody else, as `assign` does, and says how things are.

func handoverVerbs() []verb {
	return []verb{{
		name: Handover, aliases: []string{"handoff"}, role: operator,
		usage: "handover PERSON [WORDS]", does: "in a room: passes your open problems there on to a person, and lists what is open, suppressed and due",
		examples: []string{"handover bob@example.com", "handover bob@example.com the vendor comes at 9"},
		parse:    parseHandover,
		act: &act{
			infinitive: "hand over", done: "Handed over", owns: true, find: (*Executor).handedOver,
			actions: func(Request, alert.Severity) alert.Actions { return alert.Actions{} },
			after: func(l lang.Lang, r Request, _ func(time.Time) string) string {
				return l.T(" to %s", ownerName(l, *r.Owner))
			},
		},
	}}
}

var howHandover = lang.Say("For example: `handover bob@example.com`, or mention the person.")

// parseHandover parses "[to] PERSON [words]".
func parseHandover(n Names, v *verb, said spoken, t named) (Request, *misunderstanding) {
	rest := strings.TrimLeft(t.rest, ":=>-, ")
	if word, after := firstWord(rest); strings.EqualFold(word, "to") {
		rest = after
	}
	name, after := n.cutPerson(rest)
	if name == "" {
		var word string
		word, after = firstWord(rest)
		name = strings.TrimPrefix(strings.Trim(word, ".,:;!*~`'\"()[]<>"), "@")
	}
	name = strings.ToLower(name)
	if name == "" || slices.Contains(nobody, name) || slices.Contains(me, name) {
		return Request{}, misunderstood(v.name, "To whom? %s Nothing was done.", howHandover)
	}
	return Request{Verb: v.name, Person: name, Text: said.words(strings.TrimLeft(after, ":,; "))}, nil
}

// maxHandover bounds how many problems one handover passes on.
const maxHandover = 200

// handedOver returns the problems that a handover passes on, after it has said how things are in the room. refusal is the reply if it
// can't be done.
func (e *Executor) handedOver(ctx context.Context, s scope, c *store.Command, r Request) (targets []target, refused *refusal, err error) {
	say := s.voice()
	refuse := func(said string) (_ []target, _ *refusal, _ error) {
		return nil, &refusal{store.CommandFailed, said}, nil
	}
	other := s
	other.Input.Person = Person{ID: r.Owner.ID, Email: r.Owner.Email}
	switch {
	case s.Direct:
		return refuse(say.T("🔁 A handover is about a room: send `%s` there.", Handover))
	case slices.Contains(s.addresses(), r.Owner.Email):
		return refuse(say.T("❔ You can't hand over to yourself. %s Nothing was done.", howHandover.In(say.Lang)))
	case !other.roleIn(s.Room).AtLeast(operator):
		return refuse(say.T("🚫 %s can't act in this room: it takes the role **%s**, under `people` in the configuration. Nothing was done.", ownerName(say.Lang, *r.Owner), config.RoleOperator))
	}
	open := s.listed()
	open.Open, open.Limit = true, maxOpen
	found, err := e.o.Store.FindProblems(ctx, open)
	if err != nil {
		return nil, nil, err
	}
	var keys []alert.Key
	for _, p := range found {
		if slices.Contains(s.addresses(), p.Owner.Email) && ofTrigger(p) && len(keys) < maxHandover {
			keys = append(keys, p.Key)
		}
	}
	visible, err := e.visible(ctx, s, keys)
	if err != nil {
		return nil, nil, err
	}
	c.Keys = nil
	for _, k := range keys {
		if t, ok := visible[k]; ok && may(t.Role, Handover) {
			targets = append(targets, t)
			c.Keys = append(c.Keys, k.String())
		}
	}
	all, err := e.o.Store.NextReminders(ctx, 0)
	if err != nil {
		return nil, nil, err
	}
	count, err := e.o.Store.CountProblems(ctx, open)
	if err != nil {
		return nil, nil, err
	}
	return targets, nil, e.answer(ctx, *c, ":list", s.handover(r, roomOf(*c, s.View), found, count, len(targets), s.ownReminders(all), time.Now()), nil)
}

// handover is what the next one has to know, in markdown.
func (s scope) handover(r Request, room render.Room, open []alert.Problem, count, passed int, reminders []store.Reminder, now time.Time) string {
	say := s.voice()
	by := ownerName(say.Lang, alert.Owner{Name: s.Input.Person.Name, Email: s.Input.Person.Email})
	parts := []string{say.T("🔁 **Handover** from %s to %s", by, webex.Mention(r.Owner.Email, r.Owner.Label()))}
	if r.Text != "" {
		parts = append(parts, "💬 "+webex.EscapeMarkdown(r.Text))
	}
	if passed == 0 {
		parts = append(parts, say.T("%s owns no open problem here, so none gets another owner.", by))
	} else {
		parts = append(parts, say.T("Problems that get another owner: %d. Each says so in its thread. To hand one back: `assign ID %s`.", passed, webex.EscapeCode(s.Input.Person.Email)))
	}
	var suppressed, others []string
	here := map[alert.Key]bool{}
	for _, p := range open {
		here[p.Key] = true
		if p.SuppressedAt(now) {
			until := say.T("until somebody ends it")
			if !p.SuppressedUntil.IsZero() {
				until = say.T("until %s", room.Moment(p.SuppressedUntil, now))
			}
			suppressed = append(suppressed, until+": "+s.Renderer.Item(p, room, now))
			continue
		}
		others = append(others, s.Renderer.Item(p, room, now))
	}
	section := func(title string, lines []string, total int) {
		if len(lines) == 0 {
			return
		}
		listed := lines[:min(len(lines), maxHandedLines)]
		text := "**" + title + " (" + say.Number(total) + "):**\n\n- " + strings.Join(listed, "\n- ")
		if more := total - len(listed); more > 0 {
			text += "\n- " + say.T("… and %d more: `problems`", more)
		}
		parts = append(parts, text)
	}
	section(say.T("Open"), others, count-len(suppressed))
	section(say.T("Suppressed"), suppressed, len(suppressed))
	if count == 0 {
		parts = append(parts, say.T("Nothing is open here. 🎉"))
	}
	var due []string
	for _, rem := range reminders {
		if here[rem.Problem] {
			due = append(due, fmt.Sprintf("%s: `%s`", room.Moment(rem.Due, now), webex.EscapeCode(idIn(rem.Problem, s.Several))))
		}
	}
	section(say.T("Reminders of %s, which stay theirs", by), due, len(due))
	return webex.CutMarkdown(strings.Join(parts, "\n\n"), webex.MaxMessageBytes)
}

// maxHandedLines is how many problems each list of a handover names.
const maxHandedLines = 8
