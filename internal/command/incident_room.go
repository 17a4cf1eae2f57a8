package command

import (
	"context"
	"slices"
	"strings"
	"time"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/incident"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/webex"
)

// Package incident makes the space; `room` only records what people want.

// maxLiveIncidents bounds the incidents that go on.
const maxLiveIncidents = 100

// openRoom opens an incident about the command's problems, or invites the person to the one that there is.
func (e *Executor) openRoom(ctx context.Context, c store.Command, s scope, _ Request) (outcome string, err error) {
	say := s.voice()
	if e.o.Incidents == nil {
		return e.reply(ctx, c, say.T("🚫 This relay keeps no incidents."))
	}
	e.accepting.Lock()
	defer e.accepting.Unlock()
	problems, err := e.problemsOf(ctx, c.Keys)
	if err != nil {
		return "", err
	}
	i, opened := e.openedBy(c.ID)
	if !opened { // else it is read again after a crash
		here, inSpace := e.o.Incidents.Of(s.Room)
		open := slices.DeleteFunc(slices.Clone(problems), func(p alert.Problem) bool { return !p.Open() })
		switch {
		case s.Direct:
			return e.reply(ctx, c, say.T("🚨 Send `room` in the room that has the problem, or in the problem's thread there: its people and roles count."))
		case inSpace:
			return e.reply(ctx, c, say.T("🚨 This is the space of %s already. `join` adds a problem to it.", incident.Number(here.ID)))
		case slices.ContainsFunc(problems, func(p alert.Problem) bool { _, in := e.o.Incidents.With(p.Key); return in }):
			return e.inviteTo(ctx, c, s, problems)
		case len(open) == 0:
			return e.reply(ctx, c, say.T("ℹ️ Nothing of that is open any more, so I opened no incident."))
		case len(e.o.Incidents.Live()) >= maxLiveIncidents:
			return e.reply(ctx, c, say.T("🚫 %d incidents go on already, which is the most. End one first: `incidents`, `conclude INC-7`.", maxLiveIncidents))
		}
		if i, err = e.open(ctx, c, s, open); err != nil {
			return "", err
		}
	}
	var left []string
	for _, p := range problems {
		if !slices.ContainsFunc(i.Problems, func(o store.IncidentProblem) bool { return o.Key == p.Key }) {
			left = append(left, nameIn(p.Key, s.Several))
		}
	}
	if len(left) > 0 { // the loop tells of the incident itself
		if _, err := e.reply(ctx, c, say.T("ℹ️ Not open any more, so not in **%s**: %s.", incident.Number(i.ID), say.And(left))); err != nil {
			return "", err
		}
	}
	return "opened " + incident.Number(i.ID), nil
}

// open opens an incident about open problems.
func (e *Executor) open(ctx context.Context, c store.Command, s scope, problems []alert.Problem) (store.Incident, error) {
	now := time.Now()
	i := store.Incident{
		Command: c.ID, Title: incident.Headline(s.voice().Lang, problems), Room: c.Room, Origin: c.RoomID, Thread: c.Thread(), Bot: c.Bot, By: someone(s.Input.Person), Opened: now,
	}
	incident.AddInvited(&i, i.By)
	for _, p := range problems {
		i.Problems = append(i.Problems, store.IncidentProblem{Key: p.Key, Joined: now})
		incident.AddInvited(&i, incident.Actors(p)...)
	}
	incident.AddInvited(&i, s.onCall(now)...)
	return e.o.Incidents.Add(ctx, i)
}

func (e *Executor) openedBy(command string) (store.Incident, bool) {
	for _, i := range e.o.Incidents.All() {
		if i.Command == command {
			return i, true
		}
	}
	return store.Incident{}, false
}

// inviteTo answers for each problem of a command of which one is in an incident already: it invites the person to those that they may
// know of. Nothing joins, and nothing is opened: which of both is meant isn't clear.
func (e *Executor) inviteTo(ctx context.Context, c store.Command, s scope, problems []alert.Problem) (outcome string, err error) {
	say, join := s.voice(), ""
	invited := map[int64]store.Incident{}
	for _, p := range problems {
		i, in := e.o.Incidents.With(p.Key)
		if !in || !e.mayKnow(s, i) {
			continue
		}
		if _, done := invited[i.ID]; !done {
			entries, err := e.o.Incidents.Entries(ctx, i.ID)
			if err != nil {
				return "", err
			}
			if invited[i.ID], err = e.o.Incidents.Update(ctx, i.ID, func(i *store.Incident) { incident.InviteAgain(i, entries, someone(s.Input.Person)) }); err != nil {
				return "", err
			}
			join = incident.Number(i.ID)
		}
	}
	lines := make([]string, 0, len(problems))
	for _, p := range problems {
		name, id := nameIn(p.Key, s.Several), webex.EscapeCode(idIn(p.Key, s.Several))
		i, in := e.o.Incidents.With(p.Key)
		known, knows := invited[i.ID]
		switch {
		case in && knows:
			lines = append(lines, invitedTo(say, known, name, someone(s.Input.Person)))
		case in:
			lines = append(lines, say.T("🚨 %s is in an incident already, which was opened in another room.", name))
		case !p.Open():
			lines = append(lines, say.T("ℹ️ %s isn't open any more, so I opened no incident for it.", name))
		case len(invited) == 1:
			lines = append(lines, say.T("❔ %s is in no incident, and I opened none: `join %s %s` adds it to that one, `room %[2]s` opens another.", name, id, join))
		default:
			lines = append(lines, say.T("❔ %s is in no incident, and I opened none: `room %s` opens one.", name, id))
		}
	}
	return e.reply(ctx, c, strings.Join(lines, "\n\n"))
}

// invitedTo says that a person is invited to the incident that has a problem, or that they can't be.
func invitedTo(say voice, i store.Incident, name string, who store.Someone) string {
	number := incident.Number(i.ID)
	link, ok := webex.SpaceLink(i.RoomID)
	switch {
	case !incident.Invites(i, who):
		return say.T("🚨 %s is in **%s** already. I invite at most %d people to an incident, so I can't invite you: ask somebody in its space to add you.", name, number, incident.MaxInvited)
	case ok && incident.Reachable(i):
		return say.T("🚨 %s is in **%s** already: I invite you to [its space](%s).", name, number, link)
	}
	return say.T("🚨 %s is in **%s** already.", name, number)
}

// onCall returns who is on duty for the room, in the first layer of each schedule.
func (s scope) onCall(now time.Time) (people []store.Someone) {
	if s.Duty == nil {
		return nil
	}
	for _, name := range s.schedules() {
		schedule, _, ok := s.Duty(name)
		if !ok || len(schedule.Layers) == 0 {
			continue
		}
		for _, p := range schedule.At(schedule.Layers[0], now) {
			people = append(people, store.Someone{Email: p.Email, Name: p.Name})
		}
	}
	return people
}
