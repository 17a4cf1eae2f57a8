package command

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/binding"
	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/lang"
	"nms-alert-relay/internal/route"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/text"
)

// A reminder is a row that package assistant posts when it is due. These verbs make, move and remove such rows; what one says is in
// remind_due.go.

func remindVerbs() []verb {
	return []verb{
		{
			name: Remind, role: viewer, sets: true,
			usage: "remind me [ID …] TIME [WORDS]", does: "reminds you in the direct chat with me, with the problem as it is then: `2h`, `at 14:30`, `tomorrow 8:00`, `mon`. Without a problem: of your words",
			examples: []string{"remind me 4711 2h", "remind me 4711 tomorrow 8:00 call the vendor", "remind me 30m close the window"}, object: " 2h",
			problems: true, optional: true, spans: true, button: true, parse: parseRemind, handle: (*Executor).remind,
		},
		{
			name: Snooze, role: viewer, sets: true,
			usage: "snooze TIME", does: "moves a reminder: send it in the reminder's thread, or press its button. Anywhere else it is `suppress`",
			examples: []string{"snooze 1h", "snooze tomorrow 8:00"},
			parse:    parseSnooze, handle: (*Executor).snooze,
		},
		{
			name: Reminders, role: viewer,
			usage: "reminders", does: "lists your reminders and reports, with buttons; in a room, its report", examples: []string{"reminders"},
			parse: parseNothing, handle: (*Executor).listReminders,
		},
		{
			name: Unremind, role: viewer, sets: true,
			usage: "unremind NUMBER", does: "removes a reminder or report, or all of yours. `forget reminder 7` is the same", examples: []string{"unremind 7", "unremind all"},
			parse: parseUnbind, handle: (*Executor).unremind,
		},
		{
			name: Timezone, aliases: []string{"tz"}, role: viewer, sets: true,
			usage: "timezone [ZONE]", does: "sets your time zone, for this chat, reminders and reports; without one, says it", examples: []string{"timezone Europe/Berlin", "timezone"},
			parse: parseTimezone, handle: (*Executor).timezone,
		},
	}
}

// maxReminders bounds the reminders and reports of a person, maxAllReminders those of everybody.
const maxReminders, maxAllReminders = 50, 10000

var howRemind = lang.Say("For example: `remind me 2h`, `remind me at 14:30`, `remind me tomorrow 8:00 call the vendor`, or with an id: `remind me 4711 2h`.")

// cutWhen splits a moment off plain words: "2h", "in 2h", "at 14:30", "tomorrow 8:00", "until mon".
func cutWhen(words string) (l Length, after string, ok bool) {
	rest := strings.TrimLeft(words, " \n")
	first, behind := firstWord(rest)
	switch word := bareWord(first); {
	case word == "in" || word == "for":
		return cutSpan(strings.TrimLeft(behind, " \n"))
	case word == "at" || word == "on" || word == "by" || untils[word]:
		return cutUntil(behind)
	}
	if l, after, ok = cutSpan(rest); ok {
		return l, after, ok
	}
	return cutUntil(rest)
}

// splitWhen finds the first moment in plain words. head is what is before it.
func splitWhen(rest string) (head string, l Length, after string, ok bool) {
	return splitAt(rest, cutWhen)
}

// parseRemind parses "[me] [about] [ids] TIME [words]".
func parseRemind(n Names, v *verb, said spoken, t named) (Request, *misunderstanding) {
	rest := strings.TrimLeft(t.rest, ":,; \n")
	for _, skipped := range [][]string{{"me"}, {"of", "about"}} {
		if word, after := firstWord(rest); slices.Contains(skipped, bareWord(word)) {
			rest = strings.TrimLeft(after, " \n")
		}
	}
	head, l, after, ok := splitWhen(rest)
	if !ok {
		return Request{}, misunderstood(v.name, "When? %s Nothing was done.", howRemind)
	}
	t = n.scanIDs(v, head)
	words := strings.TrimLeft(t.rest, ":,- \n")
	switch {
	case t.ambiguous != "" || words != "":
		first, _ := firstWord(words)
		return Request{}, misunderstood(v.name, "I don't understand `%s` before the time, so I did nothing. %s Your own words come last.", echo(cmp.Or(t.ambiguous, first)), howRemind)
	case len(t.refs) > maxRefs:
		return Request{}, tooMany(v)
	}
	object, _ := strings.CutSuffix(strings.TrimLeft(rest[len(head):], " \n"), after)
	return n.behind(v, said, Request{Verb: v.name, Refs: t.refs, Length: l}, after, "me "+strings.TrimSpace(object))
}

// parseSnooze parses "TIME". Whatever else it is is read as `suppress`, of which it was always another name.
func parseSnooze(n Names, v *verb, said spoken, t named) (Request, *misunderstanding) {
	if l, after, ok := cutWhen(strings.TrimLeft(t.rest, ":,; ")); ok && strings.Trim(after, " \n.,;:!") == "" {
		return Request{Verb: v.name, Length: l}, nil
	}
	return parseLasting(n, lookup(string(Suppress)), said, t)
}

// dueAt returns when a request is due.
func dueAt(r Request, said, now time.Time, loc *time.Location) (time.Time, *misunderstanding) {
	due, fault := r.Length.end(said, loc)
	if fault.IsZero() && !due.After(now) {
		fault = lang.Say("That time has passed")
	}
	if !fault.IsZero() {
		return time.Time{}, misunderstood(r.Verb, "%s, so I did nothing. %s", fault, howRemind)
	}
	return due, nil
}

func (e *Executor) remind(ctx context.Context, c store.Command, s scope, r Request) (outcome string, err error) {
	now := time.Now()
	loc := s.clock(c)
	due, q := dueAt(r, c.CreatedAt, now, loc)
	if q == nil && len(c.Keys) == 0 && r.Text == "" {
		q = misunderstood(r.Verb, "Of what? Send it in a problem's thread, or with an id: `remind me 4711 2h`, or with your words: `remind me 2h call the vendor`. Nothing was done.")
	}
	if q != nil {
		return e.reply(ctx, c, "❔ "+q.said.In(s.voice().Lang))
	}
	keys := c.Keys
	if len(keys) == 0 {
		keys = []string{""}
	}
	var made []store.Reminder
	for _, key := range keys {
		rem := s.reminder(c, store.ReminderProblem)
		rem.Problem, rem.Words, rem.Due, rem.Command = alert.ParseKey(key), text.CutBytes(r.Text, maxText/4), due, c.ID+"/"+key
		made = append(made, rem)
	}
	refusal, err := e.addReminders(ctx, s, made, nil)
	if err != nil {
		return "", err
	}
	if refusal != "" {
		return e.reply(ctx, c, refusal)
	}
	numbers, say := text.Names(made, numberOf), s.voice()
	where := say.T("here")
	if !s.Direct {
		where = say.T("in the direct chat with me")
	}
	return e.reply(ctx, c, say.T("⏰ I'll remind you %s, at %s (%s). `reminders` lists yours, with buttons.", where, say.momentIn(loc, due, now), strings.Join(numbers, ", ")))
}

// numberOf is a reminder's number as people see it.
func numberOf(r store.Reminder) string { return "#" + strconv.FormatInt(r.ID, 10) }

// reminder begins a reminder of the person, which is posted in their direct chat.
func (s scope) reminder(c store.Command, kind store.ReminderKind) store.Reminder {
	r := store.Reminder{
		Kind: kind, Room: binding.Person(s.Input.Person.Email), RoomID: c.RoomID,
		Person: s.Input.Person.ID, Email: s.Input.Person.Email, Name: text.Line(text.CutBytes(s.Input.Person.Name, 200)), Command: c.ID, CreatedAt: c.CreatedAt,
	}
	if s.Direct {
		r.Bot = c.Bot
	}
	return r
}

// addReminders makes reminders, which get their ids, and ends others in their place. refusal is the reply if there would be too many:
// nothing is done then.
func (e *Executor) addReminders(ctx context.Context, s scope, made, ended []store.Reminder) (refusal string, err error) {
	e.reminding.Lock()
	defer e.reminding.Unlock()
	all, err := e.o.Store.NextReminders(ctx, 0)
	if err != nil {
		return "", err
	}
	known, before := map[string]bool{}, map[int64]bool{} // a command is read again after a crash
	for _, r := range all {
		known[r.Command] = true
	}
	for _, r := range ended {
		before[r.ID] = true
	}
	stay, more := slices.DeleteFunc(all, func(r store.Reminder) bool { return before[r.ID] }), 0
	for _, r := range made {
		if !known[r.Command] {
			more++
		}
	}
	if refusal := s.tooManyReminders(stay, more, strings.HasPrefix(made[0].Room, config.PersonRoom)); refusal != "" {
		return refusal, nil
	}
	for _, r := range ended {
		if err := e.endReminder(ctx, r); err != nil {
			return "", err
		}
	}
	for i := range made {
		if made[i].ID, err = e.o.Store.AddReminder(ctx, made[i]); err != nil {
			return "", err
		}
	}
	return "", nil
}

// tooManyReminders is the reply if so many more, the person's own or a room's, are too many; "" if they aren't.
func (s scope) tooManyReminders(all []store.Reminder, more int, own bool) string {
	switch have := len(s.ownReminders(all)); {
	case more == 0:
	case own && have+more > maxReminders:
		return s.voice().T("🚫 You have %d reminders and reports already, and I keep at most %d for you, so I did nothing. Remove one first: `reminders`.", have, maxReminders)
	case len(all)+more > maxAllReminders:
		return s.voice().T("🚫 The relay keeps %d reminders already, which is the most, so I did nothing. Tell its administrator.", len(all))
	}
	return ""
}

// ownReminders are those of the person, also from an earlier address.
func (s scope) ownReminders(all []store.Reminder) (own []store.Reminder) {
	for _, r := range all {
		if strings.HasPrefix(r.Room, config.PersonRoom) && s.owns(r) {
			own = append(own, r)
		}
	}
	return own
}

// owns reports whether the person made a reminder.
func (s scope) owns(r store.Reminder) bool {
	return r.Person == s.Input.Person.ID && r.Person != "" || slices.Contains(s.addresses(), r.Email)
}

// reminderHere are the reminders that the person may list and remove from here: their own in a direct chat, else the room's.
func (e *Executor) remindersHere(ctx context.Context, s scope) ([]store.Reminder, error) {
	all, err := e.o.Store.NextReminders(ctx, 0)
	if err != nil || s.Direct {
		return s.ownReminders(all), err
	}
	return slices.DeleteFunc(all, func(r store.Reminder) bool { return r.Room != s.Room }), nil
}

// snoozes reports whether a request is the answer to a reminder: `snooze` in the thread of one. Its number is the reminder's then.
// Elsewhere it is a suppression.
func (e *Executor) snoozes(ctx context.Context, c store.Command, s scope, r Request) (Request, error) {
	if r.Verb != Snooze {
		return r, nil
	}
	if s.Direct && c.ParentID != "" {
		rem, err := e.o.Store.ReminderByMessage(ctx, c.ParentID)
		if err == nil {
			r.Number = rem.ID
			return r, nil
		}
		if !errors.Is(err, store.ErrNotFound) {
			return r, err
		}
	}
	r.Verb = Suppress
	return r, nil
}

func (e *Executor) snooze(ctx context.Context, c store.Command, s scope, r Request) (outcome string, err error) {
	now := time.Now()
	loc := s.clock(c)
	due, q := dueAt(r, c.CreatedAt, now, loc)
	if q != nil {
		return e.reply(ctx, c, "❔ "+q.said.In(s.voice().Lang))
	}
	say := s.voice()
	rem, err := e.o.Store.Reminder(ctx, r.Number)
	if errors.Is(err, store.ErrNotFound) || err == nil && (!s.owns(rem) || rem.Kind != store.ReminderProblem) {
		return e.reply(ctx, c, say.T("❔ I have no reminder #%s of yours any more, so I did nothing. For a new one: `remind me 2h`.", strconv.FormatInt(r.Number, 10)))
	}
	if err != nil {
		return "", err
	}
	refusal, err := e.moveReminder(ctx, s, rem, due)
	if refusal != "" {
		return e.reply(ctx, c, refusal)
	}
	if errors.Is(err, store.ErrConflict) {
		return e.reply(ctx, c, say.T("❔ That reminder was posted or moved in this moment. Please try again."))
	} else if err != nil {
		return "", err
	}
	return e.reply(ctx, c, say.T("💤 I'll remind you again at %s (%s).", say.momentIn(loc, due, now), numberOf(rem)))
}

// moveReminder makes a reminder due at another time. One that was posted is one more then: refusal is the reply if that is too many.
func (e *Executor) moveReminder(ctx context.Context, s scope, rem store.Reminder, due time.Time) (refusal string, err error) {
	e.reminding.Lock()
	defer e.reminding.Unlock()
	was := rem.Due
	if was.IsZero() {
		all, err := e.o.Store.NextReminders(ctx, 0)
		if err != nil {
			return "", err
		}
		if refusal := s.tooManyReminders(all, 1, true); refusal != "" {
			return refusal, nil
		}
	}
	rem.Due = due
	return "", e.o.Store.SaveReminder(ctx, rem, was)
}

func (e *Executor) listReminders(ctx context.Context, c store.Command, s scope, r Request) (outcome string, err error) {
	return e.replyReminders(ctx, c, s, r)
}

func (e *Executor) unremind(ctx context.Context, c store.Command, s scope, r Request) (outcome string, err error) {
	say := s.voice()
	list, err := e.remindersHere(ctx, s)
	if err != nil {
		return "", err
	}
	if !s.Direct && !s.roleIn(s.Room).AtLeast(reportRole) {
		return e.reply(ctx, c, notReporter(s))
	}
	if i := slices.IndexFunc(list, func(rem store.Reminder) bool { return rem.ID == r.Number }); i >= 0 {
		list = list[i : i+1]
	} else if r.Number > 0 && s.Direct {
		// The button of a reminder that was posted: it may be snoozed, or over.
		rem, err := e.o.Store.Reminder(ctx, r.Number)
		if err == nil && s.owns(rem) {
			return e.reply(ctx, c, say.T("✅ Done: the reminder %s is over.", numberOf(rem)))
		}
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return "", err
		}
		return e.replyReminders(ctx, c, s, r, say.T("❔ There is no reminder #%s of yours, so I did nothing.", strconv.FormatInt(r.Number, 10)))
	} else if r.Number > 0 || r.Number == 0 && len(list) != 1 {
		return e.replyReminders(ctx, c, s, r, say.T("❔ Which one? Give its number: `unremind 7`, or `unremind all`. Nothing was done."))
	}
	var removed []string
	for _, rem := range list {
		if byConfiguration(rem) {
			continue
		}
		if err := e.endReminder(ctx, rem); err != nil {
			return "", err
		}
		removed = append(removed, numberOf(rem))
	}
	if len(removed) == 0 {
		return e.replyReminders(ctx, c, s, r, say.T("ℹ️ There is nothing to remove here."))
	}
	return e.replyReminders(ctx, c, s, r, say.T("✅ Removed: %s.", say.Some(removed, 10)))
}

// personRests says why a person gets nothing now; "" if they do. It is for logs.
func (s scope) personRests(email string) string {
	return s.Routing.Rests(route.Binding{Room: binding.Person(email), Email: email}).String()
}

// buttonReminder is the action of the buttons of reminders. Their key is what they do, and the reminder's number: "1h/7".
const buttonReminder = "reminder"

const (
	reminderDone = "done"
	reminderList = "list"
	reminderSend = "send" // a command of assistantOffers: "send/report"
	reminderZone = "zone" // "zone/Europe/Berlin"
)

// morningReport is the command of the button that sets a regular report.
const morningReport = "report 08:00 weekdays"

// assistantOffers are the commands that the buttons under a person's list of reminders send.
var assistantOffers = []struct {
	command string
	title   lang.Key
}{
	{"my problems", lang.Key("My problems")},
	{"report", lang.Key("Report now")},
	{morningReport, lang.Key("Report on weekdays at 08:00")},
	{"subscriptions", lang.Key("Subscriptions")},
	{"timezone", lang.Key("Time zone")},
}

// snoozeFor are the lengths of the buttons under a reminder.
var snoozeFor = []string{"15m", "1h", "4h"}

// reminderPress reads a press on the card of a reminder, or of a list of them.
func reminderPress(c *store.Command, b Button) (Request, *misunderstanding) {
	what, number, _ := strings.Cut(b.Key, "/")
	switch what {
	case reminderSend:
		for _, offer := range assistantOffers {
			if offer.command == number {
				c.Text = fmt.Sprintf("pressed the button for %q", number)
				return Names{}.Parse(number)
			}
		}
	case reminderZone:
		c.Text = fmt.Sprintf("pressed the time zone %q", number)
		zone, q := zoneNamed(Timezone.entry(), number)
		return Request{Verb: Timezone, Text: zone}, q
	}
	n, err := strconv.ParseInt(number, 10, 64)
	l, after, ok := cutSpan(what)
	switch {
	case what == reminderList:
		return Request{Verb: Reminders}, nil
	case err != nil || n < 1:
	case what == reminderDone:
		c.Text = fmt.Sprintf("pressed done on the reminder %d", n)
		return Request{Verb: Unremind, Number: n}, nil
	case ok && after == "":
		c.Text = fmt.Sprintf("pressed snooze %s on the reminder %d", what, n)
		return Request{Verb: Snooze, Number: n, Length: l}, nil
	}
	return Request{Verb: Reminders}, &misunderstanding{Reminders, unknownButton()}
}

// replyReminders replies with the lines, and a card that lists the reminders here.
func (e *Executor) replyReminders(ctx context.Context, c store.Command, s scope, _ Request, lines ...string) (outcome string, err error) {
	list, err := e.remindersHere(ctx, s)
	if err != nil {
		return "", err
	}
	loc := s.clock(c)
	card, now, say := tokenCard{lines: lines}, time.Now(), s.voice()
	switch {
	case len(list) > 0 && s.Direct:
		card.lines = append(card.lines, say.T("⏰ Your reminders:"))
	case len(list) > 0:
		card.lines = append(card.lines, say.T("⏰ In this room:"))
	case s.Direct:
		card.lines = append(card.lines, say.T("ℹ️ You have no reminders. For example: `remind me 2h call the vendor`, or `report 08:00 weekdays`."))
	default:
		card.lines = append(card.lines, say.T("ℹ️ This room has no report. For example: `report 08:00 weekdays`. Your own reminders are listed in the direct chat with me."))
	}
	for i, rem := range list {
		card.lines = append(card.lines, s.reminderLine(rem, now, loc))
		if i < maxEndButtons && !byConfiguration(rem) {
			card.buttons = append(card.buttons, tokenButton{say.T("Remove %s", numberOf(rem)), "destructive", buttonReminder, fmt.Sprintf("%s/%d", reminderDone, rem.ID)})
		}
	}
	if s.Direct {
		reports := slices.ContainsFunc(list, func(r store.Reminder) bool { return r.Kind == store.ReminderReport })
		for _, offer := range assistantOffers {
			if offer.command != morningReport || !reports {
				card.buttons = append(card.buttons, tokenButton{say.Of(offer.title), "default", buttonReminder, reminderSend + "/" + offer.command})
			}
		}
	}
	return e.replyCard(ctx, c, card)
}

// reminderLine describes a reminder, in plain text.
func (s scope) reminderLine(r store.Reminder, now time.Time, loc *time.Location) string {
	say := s.voice()
	due := say.momentIn(loc, r.Due, now)
	said := numberOf(r) + " " + due
	if r.Kind == store.ReminderReport {
		said = say.T("%s report %s, next at %s", numberOf(r), inCode(r.Schedule), due)
		if r.Zone != "" {
			said += say.T(", in the time zone %s", inCode(r.Zone))
		}
		if byConfiguration(r) {
			said += say.T(" (by the configuration)")
		}
	}
	if r.Problem.EventID != "" {
		said += say.T(" · problem %s", inCode(idIn(r.Problem, s.Several)))
	}
	if r.Words != "" {
		said += " · " + inPlain(text.Cut(text.Line(r.Words), 100))
	}
	return said
}
