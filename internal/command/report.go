package command

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/assistant"
	"nms-alert-relay/internal/binding"
	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/lang"
	"nms-alert-relay/internal/render"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/text"
	"nms-alert-relay/internal/webex"
)

func reportVerbs() []verb {
	return []verb{
		{
			name: Report, role: viewer, sets: true,
			usage: "report [TIME DAYS [in ZONE]]", does: "reports what opened, was resolved and is still open. With a time: regularly, to you in a direct chat, or (for an admin) in the room; `report off` ends it",
			examples: []string{"report", "report 08:00 weekdays", "report 6:00 mon,thu in Europe/Berlin", "report 12h", "report off"},
			parse:    parseReport, handle: (*Executor).report,
		},
	}
}

// reportRole is the role that sets a room's report.
const reportRole = config.RoleAdmin

func notReporter(s scope) string {
	return deniedFor(s.voice().Lang, Report, reportRole, s.roleIn(s.Room))
}

// deniedFor is denied for a part of a verb that needs a role of its own.
func deniedFor(l lang.Lang, v Verb, need, have config.Role) string {
	return l.T("🚫 To change this room's report, `%s` needs the role **%s**. Your role in this room is **%s**. The relay's administrator can change that, under `people` in the configuration.", v, need, have)
}

var howReport = lang.Say("For example: `report` for now, `report 12h`, `report 08:00 weekdays`, `report 6:00 mon,thu in Europe/Berlin` or `report off`.")

// Appointment is what `report` asks for: a schedule, or its end.
type Appointment struct {
	Schedule string `json:"schedule,omitempty"`
	Zone     string `json:"zone,omitempty"`
	Off      bool   `json:"off,omitempty"`
}

// longestReport bounds the time of a report: resolved problems are kept for a month.
const longestReport = 14 * 24 * time.Hour

// parseReport parses "", "12h", "off" and "[at] TIME [DAYS] [in ZONE]".
func parseReport(_ Names, v *verb, _ spoken, t named) (Request, *misunderstanding) {
	r := Request{Verb: v.name}
	rest := strings.Trim(t.rest, ":,;.!` \n")
	if word := strings.ToLower(rest); word == "" || word == "now" {
		return r, nil
	} else if word == "off" || word == "stop" || word == "end" {
		r.Report = &Appointment{Off: true}
		return r, nil
	}
	if l, after, ok := cutSpan(rest); ok {
		if strings.TrimSpace(after) != "" || l.For > longestReport {
			return Request{}, misunderstood(v.name, "A report is about at most %d days. %s Nothing was done.", longestReport/(24*time.Hour), howReport)
		}
		r.Length = l
		return r, nil
	}
	words := strings.Fields(strings.ReplaceAll(rest, ", ", ","))
	if slices.Contains([]string{"at", "every", "daily"}, strings.ToLower(words[0])) && len(words) > 1 {
		words = words[1:]
	}
	var c Clock
	at := strings.Join(words, " ")
	if !cutClock(&at, &c) {
		return Request{}, misunderstood(v.name, "I don't understand `%s`. %s Nothing was done.", echo(rest), howReport)
	}
	schedule := assistant.Schedule{Hour: c.Hour, Minute: c.Minute, Days: assistant.Daily}
	var days []string
	zone := ""
	for words = strings.Fields(at); len(words) > 0; words = words[1:] {
		switch word := strings.ToLower(words[0]); {
		case word == "in" && len(words) > 1:
			var q *misunderstanding
			if zone, q = zoneNamed(v, strings.Join(words[1:], "_")); q != nil {
				return Request{}, q
			}
			words = words[:1]
		case word == "on" || word == "every" || word == "and":
		default:
			days = append(days, strings.Trim(word, ","))
		}
	}
	if len(days) > 0 {
		var err error
		if schedule.Days, err = assistant.ParseDays(strings.Join(days, ",")); err != nil {
			return Request{}, misunderstood(v.name, "I don't understand the days: %s. %s Nothing was done.", inMessage{err}, howReport)
		}
	}
	r.Report = &Appointment{Schedule: schedule.String(), Zone: zone}
	return r, nil
}

// configuredReport begins the Command of a reminder that the configuration makes.
const configuredReport = "config:report:"

// byConfiguration reports whether the configuration made a reminder.
func byConfiguration(r store.Reminder) bool { return strings.HasPrefix(r.Command, configuredReport) }

func (e *Executor) report(ctx context.Context, c store.Command, s scope, r Request) (outcome string, err error) {
	now, say := time.Now(), s.voice()
	loc := s.clock(c)
	if r.Report == nil {
		length := r.Length.For
		if length == 0 {
			length = 24 * time.Hour
		}
		return e.reportNow(ctx, c, s, now.Add(-length), now, loc)
	}
	here, err := e.remindersHere(ctx, s)
	if err != nil {
		return "", err
	}
	if !s.Direct && !s.roleIn(s.Room).AtLeast(reportRole) {
		return e.reply(ctx, c, notReporter(s))
	}
	if i := slices.IndexFunc(here, byConfiguration); i >= 0 {
		return e.reply(ctx, c, say.T("🚫 The relay's configuration has the report of this room (%s). To change it, change `report` of the room there.", inCode(here[i].Schedule)))
	}
	var schedule assistant.Schedule
	if !r.Report.Off {
		if schedule, err = assistant.ParseSchedule(r.Report.Schedule); err != nil {
			return e.reply(ctx, c, "❔ "+inPlain(say.Error(err)))
		}
		if r.Report.Zone != "" {
			if loc, err = time.LoadLocation(r.Report.Zone); err != nil {
				return e.reply(ctx, c, "❔ "+inPlain(say.Error(err)))
			}
		}
	}
	var before []store.Reminder
	ended := ""
	for _, rem := range here {
		if rem.Kind == store.ReminderReport && rem.Command != c.ID {
			before = append(before, rem)
			ended = say.T("The report %s (%s) has ended.", inCode(rem.Schedule), numberOf(rem))
		}
	}
	if r.Report.Off {
		for _, rem := range before {
			if err := e.endReminder(ctx, rem); err != nil {
				return "", err
			}
		}
		if ended == "" {
			return e.reply(ctx, c, say.T("ℹ️ There is no regular report here. For one: `report 08:00 weekdays`."))
		}
		return e.reply(ctx, c, "✅ "+ended)
	}
	rem := s.reminder(c, store.ReminderReport)
	rem.Schedule, rem.Zone, rem.Due = r.Report.Schedule, r.Report.Zone, schedule.Next(now, loc)
	if !s.Direct {
		rem.Room, rem.Bot = s.Room, c.Bot
	}
	made := []store.Reminder{rem}
	refusal, err := e.addReminders(ctx, s, made, before)
	if err != nil {
		return "", err
	}
	if refusal != "" {
		return e.reply(ctx, c, refusal)
	}
	rem = made[0]
	said := say.T("📊 I report here at %s, in the time zone %s; the next one comes at %s (%s). `report off` ends it.", inCode(rem.Schedule), inCode(loc.String()), say.momentIn(loc, rem.Due, now), numberOf(rem))
	return e.reply(ctx, c, strings.TrimSpace(said+" "+ended))
}

// maxTallied bounds how many problems a report reads, maxOpen how many open ones it lists.
const maxTallied, maxOpen = 50000, 2000

// tally makes the report of what a person may list in a place.
func (e *Executor) tally(ctx context.Context, s scope, from, to, now time.Time) (assistant.Report, error) {
	filter, t, n := s.listed(), assistant.NewTally(from, to), 0
	open := filter
	open.Open, open.Limit = true, maxOpen
	found, err := e.o.Store.FindProblems(ctx, open)
	if err != nil {
		return assistant.Report{}, err
	}
	count := len(found)
	if count == maxOpen {
		if count, err = e.o.Store.CountProblems(ctx, open); err != nil {
			return assistant.Report{}, err
		}
	}
	for _, p := range found { // before what has ended: one that ends in between counts as open
		t.Add(p)
	}
	err = e.o.Store.EndedProblems(ctx, filter, t.Since(), maxTallied+1, func(p alert.Problem) {
		if n++; n <= maxTallied {
			t.Add(p)
		}
	})
	return t.Report(now, count, n > maxTallied || count > len(found)), err
}

// words are how a report is written for a room.
func (s scope) words(title string, room render.Room, loc *time.Location, now time.Time) assistant.Words {
	room.Location = loc
	return assistant.Words{Title: title, Room: room, Item: func(p alert.Problem) string { return s.Renderer.Item(p, room, now) }}
}

func (s scope) reportTitle() string {
	l := s.voice().Lang
	switch {
	case s.Direct:
		return l.T("Your report")
	case binding.IsSpace(s.Room):
		return l.T("Report for this space")
	}
	return l.T("Report for %s", webex.EscapeMarkdown(s.Room))
}

func (e *Executor) reportNow(ctx context.Context, c store.Command, s scope, from, to time.Time, loc *time.Location) (outcome string, err error) {
	report, err := e.tally(ctx, s, from, to, to)
	if err != nil {
		return "", err
	}
	room, _ := s.Settings(cmp.Or(s.Room, config.DirectRoom(s.Input.Person.Email)), "")
	message, file := report.Message(s.words(s.reportTitle(), room, loc, to))
	outcome = plain(text.Cut(message, 500))
	if file == "" {
		return outcome, e.answer(ctx, c, "", message, nil)
	}
	missing, err := e.attach(ctx, c, "report", message, reportFile(file, to, loc))
	if err == nil && missing != "" {
		err = e.answer(ctx, c, "", message+missing, nil)
	}
	return outcome, err
}

func reportFile(content string, at time.Time, loc *time.Location) store.File {
	return store.File{Name: "report-" + at.In(loc).Format("2006-01-02-1504") + ".md", Type: "text/markdown", Content: []byte(content)}
}
