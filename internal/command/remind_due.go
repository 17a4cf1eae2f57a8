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
	"nms-alert-relay/internal/assistant"
	"nms-alert-relay/internal/binding"
	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/incident"
	"nms-alert-relay/internal/lang"
	"nms-alert-relay/internal/render"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/webex"
)

// Kinds are what becomes of each kind of reminder that is due.
func (e *Executor) Kinds() map[store.ReminderKind]assistant.Kind {
	return map[store.ReminderKind]assistant.Kind{store.ReminderProblem: e.remindDue, store.ReminderReport: e.reportDue}
}

// reminded is the person of a reminder where it is posted. Their other addresses aren't known here: only the one that they acted
// under counts.
func (e *Executor) reminded(r store.Reminder) scope {
	in := Input{Room: r.Room, Person: Person{ID: r.Person, Email: r.Email, Name: r.Name}}
	if r.Room == binding.Person(r.Email) {
		in.Room, in.Direct = "", true
	}
	return scope{in, e.o.View()}
}

// resting says why a reminder isn't posted now; "" if it is. Rights may have changed since it was made.
func (s scope) resting(r store.Reminder) string {
	if s.Direct {
		return s.personRests(r.Email)
	}
	if _, ok := s.Settings(r.Room, ""); !ok {
		return "its room isn't configured any more"
	}
	switch {
	case byConfiguration(r):
		return ""
	case s.personRests(r.Email) != "":
		return s.personRests(r.Email)
	case !s.roleIn(r.Room).AtLeast(reportRole):
		return r.Email + " isn't an admin of the room any more"
	}
	return ""
}

// zoneFor is the zone of a reminder: its own, its person's, or its room's. It is the room's too if the person's can't be read.
func (e *Executor) zoneFor(ctx context.Context, s scope, r store.Reminder) (loc *time.Location, err error) {
	if r.Zone != "" {
		if own, err := time.LoadLocation(r.Zone); err == nil {
			return own, nil
		}
	}
	if s.Direct {
		loc, err = e.zoneOf(ctx, r.Person)
	}
	return cmp.Or(loc, s.roomFor(r).Location, s.Location), err
}

// roomFor returns the settings of the room in which a reminder is posted.
func (s scope) roomFor(r store.Reminder) render.Room {
	room, _ := s.Settings(r.Room, "")
	return room
}

// senderOf is the Sender of a reminder's notice, which says what is asked for again when that is sent: the reminder and, of a person's
// report, the rooms whose problems it has; none for all of them. "reminder/7 noc,db"
func senderOf(r store.Reminder, rooms []string) string {
	return strings.TrimSpace(fmt.Sprintf("reminder/%d %s", r.ID, strings.Join(rooms, ",")))
}

// parseSender reads what senderOf returns. id is 0 if it is something else.
func parseSender(sender string) (id int64, rooms []string) {
	head, names, _ := strings.Cut(sender, " ")
	number, _ := strings.CutPrefix(head, "reminder/")
	id, _ = strconv.ParseInt(number, 10, 64)
	if names != "" {
		rooms = strings.Split(names, ",")
	}
	return id, rooms
}

// Withheld says why a reminder or a report that waits to be sent isn't sent any more; "" if it is. Between being due and being sent it may
// wait for hours, if Webex is away.
func (e *Executor) Withheld(ctx context.Context, n store.Notice) (why string, err error) {
	id, rooms := parseSender(n.Sender)
	if n.Kind != store.NoticeReminder || id == 0 {
		return "", nil
	}
	r, err := e.o.Store.Reminder(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return "the reminder is forgotten", nil
	}
	if err != nil {
		return "", err
	}
	s := e.reminded(r)
	if why := s.resting(r); why != "" {
		return why, nil
	}
	switch {
	case r.Kind == store.ReminderReport && r.Due.IsZero():
		return "the report was ended", nil
	case r.Kind == store.ReminderReport && s.Direct:
		if now := s.listed().Rooms; now != nil && (rooms == nil || slices.ContainsFunc(rooms, func(room string) bool { return !slices.Contains(now, room) })) {
			return "its person has no role any more in a room of the report", nil
		}
	case r.Problem != (alert.Key{}):
		return e.hidden(ctx, s, r.Problem)
	}
	return "", nil
}

// hidden says that a person may not see a problem that the store has; "" if they may, or if it has it no longer.
func (e *Executor) hidden(ctx context.Context, s scope, key alert.Key) (why string, err error) {
	visible, err := e.visible(ctx, s, []alert.Key{key})
	if err != nil || len(visible) > 0 {
		return "", err
	}
	known, err := e.o.Store.Problems(ctx, []alert.Key{key})
	if err != nil && !store.Lasting(err) {
		return "", err
	}
	if _, ok := known[key]; ok {
		return "its person may not see the problem any more", nil
	}
	return "", nil
}

// noticeOf begins the notice of a reminder. In a configured room the bot that serves it now posts it. rooms are those whose problems
// are in it, if it is a person's report.
func noticeOf(r store.Reminder, rooms []string, markdown string, card []byte) *store.Notice {
	bot := r.Bot
	if !binding.IsSpace(r.Room) && !strings.HasPrefix(r.Room, config.PersonRoom) {
		bot = ""
	}
	return &store.Notice{Sender: senderOf(r, rooms), Room: r.Room, Bot: bot, Markdown: webex.CutMarkdown(markdown, webex.MaxMessageBytes), Card: card}
}

// remindDue decides what a reminder says. A problem that was resolved meanwhile is said so in a word; one that its person may not see
// any more isn't mentioned.
func (e *Executor) remindDue(ctx context.Context, r store.Reminder, now time.Time) (assistant.Due, error) {
	s := e.reminded(r)
	if why := s.resting(r); why != "" {
		return assistant.Due{Why: why}, nil
	}
	loc, err := e.zoneFor(ctx, s, r)
	if err != nil && !store.Lasting(err) { // it comes with its times in the room's zone then
		return assistant.Due{}, err
	}
	say := s.voice()
	link, web, zabbix, said := "", "", "", say.T("⏰ **You asked me to remind you**")
	if r.Words != "" {
		said += ": " + webex.EscapeMarkdown(r.Words)
	}
	if late := now.Sub(r.Due); late > 5*time.Minute {
		said += say.T(" (at %s: I was away)", say.momentIn(loc, r.Due, now))
	}
	if r.Problem != (alert.Key{}) {
		if why, err := e.hidden(ctx, s, r.Problem); why != "" || err != nil {
			return assistant.Due{Why: why}, err
		}
		visible, err := e.visible(ctx, s, []alert.Key{r.Problem})
		if err != nil {
			return assistant.Due{}, err
		}
		t, ok := visible[r.Problem]
		room := s.roomFor(r)
		room.Location = loc
		switch {
		case !ok:
			said += "\n\n" + say.T("of the problem `%s`, which was resolved so long ago that I don't have it any more.", webex.EscapeCode(idIn(r.Problem, s.Several)))
		case t.Unreadable:
			said += "\n\n" + say.T("of the problem `%s`.", webex.EscapeCode(idIn(r.Problem, s.Several)))
		case !t.Problem.Open():
			said += "\n\n" + say.T("It is over by now: %s", s.Renderer.Item(t.Problem, room, now))
		default:
			said += "\n\n" + s.Renderer.Item(t.Problem, room, now)
		}
		if ok {
			zabbix = render.ProblemURL(s.Names.Sources[r.Problem.Source], t.Problem)
			if link, err = e.messageLink(ctx, s, r.Problem); err != nil && !store.Lasting(err) { // it comes without a link then
				return assistant.Due{}, err
			}
			if link != "" && s.Link != nil {
				web = s.Link(r.Problem)
			}
		}
	}
	card := reminderCard(say.Lang, said, r.ID, web, zabbix)
	if link != "" {
		said += say.T(" · [message](%s)", link)
	}
	return assistant.Due{Notice: noticeOf(r, nil, said, card)}, nil
}

// messageLink leads to the message of a problem in a room that the person may read; "" for none.
func (e *Executor) messageLink(ctx context.Context, s scope, key alert.Key) (string, error) {
	posts, err := e.o.Store.PostsOf(ctx, []alert.Key{key})
	if err != nil {
		return "", err
	}
	for _, room := range s.Rooms {
		for _, p := range posts[key] {
			if p.Room != room.Name || p.Group > 0 || p.RootID == "" || !may(s.roleIn(room.Name), Show) {
				continue
			}
			if link, ok := webex.MessageLink(room.ID, p.RootID); ok {
				return link, nil
			}
		}
	}
	return "", nil
}

// reminderCard has the buttons of a reminder, and web addresses that it leads to.
func reminderCard(in lang.Lang, said string, id int64, message, zabbix string) []byte {
	var buttons []element
	for _, l := range snoozeFor {
		buttons = append(buttons, submit("💤 "+l, "default", buttonReminder, fmt.Sprintf("%s/%d", l, id)))
	}
	buttons = append(buttons, submit(in.T("Done"), "positive", buttonReminder, fmt.Sprintf("%s/%d", reminderDone, id)))
	for _, link := range [][2]string{{in.T("Open the message"), message}, {in.T("Open Zabbix"), zabbix}} {
		if link[1] != "" {
			buttons = append(buttons, element{"type": "Action.OpenUrl", "title": link[0], "url": link[1]})
		}
	}
	return encodeCard(cardLines(said), buttons)
}

// reportDue makes the report of a person or a room.
func (e *Executor) reportDue(ctx context.Context, r store.Reminder, now time.Time) (due assistant.Due, err error) {
	s := e.reminded(r)
	loc, err := e.zoneFor(ctx, s, r)
	if err != nil { // in another zone it would come at another time, or twice
		return due, err
	}
	schedule, err := assistant.ParseSchedule(r.Schedule)
	if err != nil {
		return assistant.Due{Why: err.Error()}, nil
	}
	due.Next = schedule.Next(now, loc)
	if i, is := e.o.Incidents.Of(r.Room); is && !i.Closed.IsZero() {
		return assistant.Due{Why: incident.Number(i.ID) + " is closed"}, nil
	} else if is && !incident.Reachable(i) {
		due.Why = "the bot isn't in the space of " + incident.Number(i.ID)
		return due, nil
	}
	if due.Why = s.resting(r); due.Why != "" {
		return due, nil
	}
	to := schedule.Before(now.Add(time.Microsecond), loc)
	from := schedule.Before(to, loc)
	if !r.Last.IsZero() && r.Last.Before(from) && now.Sub(r.Last) < longestReport { // the relay was away when one was due
		from = r.Last
	}
	report, err := e.tally(ctx, s, from, to, now)
	if err != nil {
		return due, err
	}
	message, file := report.Message(s.words(s.reportTitle(), s.roomFor(r), loc, now))
	var rooms []string
	if s.Direct {
		rooms = s.listed().Rooms
	}
	due.Notice = noticeOf(r, rooms, message, nil)
	if file != "" {
		due.Notice.File = new(reportFile(file, to, loc))
	}
	return due, nil
}

// SetReports makes the reports of the configuration's rooms rows that are due, and ends those that it has no longer. It is called at the
// start and at each reload.
func (e *Executor) SetReports(ctx context.Context, rooms []config.Room, now time.Time) error {
	all, err := e.o.Store.NextReminders(ctx, 0)
	if err != nil {
		return err
	}
	wanted, reporting := map[string]store.Reminder{}, map[string]bool{}
	for _, room := range rooms {
		if room.Report == nil {
			continue
		}
		schedule, err := assistant.ParseSchedule(room.Report.Schedule())
		if err != nil {
			return fmt.Errorf("report of the room %s: %w", room.Name, err)
		}
		zone := room.Report.TimeZone.Location
		reporting[room.Name] = true
		wanted[configuredReport+room.Name] = store.Reminder{
			Kind: store.ReminderReport, Room: room.Name, RoomID: room.ID, Command: configuredReport + room.Name, CreatedAt: now,
			Schedule: schedule.String(), Zone: zone.String(), Due: schedule.Next(now, zone),
		}
	}
	for _, r := range all {
		if reporting[r.Room] && r.Kind == store.ReminderReport && !byConfiguration(r) {
			if err := e.endReminder(ctx, r); err != nil { // an admin's, from before
				return err
			}
		}
		if !byConfiguration(r) {
			continue
		}
		next, ok := wanted[r.Command]
		if ok && next.Schedule == r.Schedule && next.Zone == r.Zone {
			delete(wanted, r.Command)
			continue
		}
		if ok {
			continue // AddReminder returns it
		}
		if err := e.endReminder(ctx, r); err != nil {
			return err
		}
	}
	for _, next := range wanted {
		id, err := e.o.Store.AddReminder(ctx, next)
		if err != nil {
			return err
		}
		r, err := e.o.Store.Reminder(ctx, id)
		if err != nil {
			return err
		}
		was := r.Due
		r.Schedule, r.Zone, r.Due = next.Schedule, next.Zone, next.Due
		if err := e.o.Store.SaveReminder(ctx, r, was); err != nil && !errors.Is(err, store.ErrConflict) {
			return err
		}
	}
	return nil
}

func (e *Executor) endReminder(ctx context.Context, r store.Reminder) error {
	was := r.Due
	r.Due = time.Time{}
	err := e.o.Store.SaveReminder(ctx, r, was)
	if errors.Is(err, store.ErrConflict) || errors.Is(err, store.ErrNotFound) {
		return nil
	}
	return err
}
