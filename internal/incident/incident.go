// Package incident keeps the rooms that people open for an incident: what is decided about them, and the loop that does it.
package incident

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/lang"
	"nms-alert-relay/internal/render"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/text"
	"nms-alert-relay/internal/webexid"
)

// Number returns an incident's number as people see it.
func Number(id int64) string { return prefix + strconv.FormatInt(id, 10) }

const prefix = "INC-"

// ParseNumber reads what Number returns, in any case.
func ParseNumber(word string) (id int64, ok bool) {
	if len(word) <= len(prefix) || !strings.EqualFold(word[:len(prefix)], prefix) {
		return 0, false
	}
	id, err := strconv.ParseInt(word[len(prefix):], 10, 64)
	return id, err == nil && id > 0
}

// Rule returns the name of the rule by which an incident's problems are in its space, as store.Post.Route.
func Rule(id int64) string { return config.IncidentRule + strconv.FormatInt(id, 10) }

// Space returns the room of an incident's space, as store.Post.Room; "" while there is none.
func Space(i store.Incident) string {
	if i.RoomID == "" {
		return ""
	}
	return config.SpaceRoom + webexid.Key(i.RoomID)
}

// maxTitle bounds a space's title, in characters. Webex documents no limit.
const maxTitle = 100

// Title returns the title of an incident's space. It begins with the number, by which the space is found again.
func Title(i store.Incident) string {
	return text.Shorten(text.Line(Number(i.ID)+" "+i.Title), maxTitle)
}

// Headline returns the title of an incident about problems, the worst first, without the number.
func Headline(l lang.Lang, problems []alert.Problem) string {
	p := slices.MaxFunc(problems, func(a, b alert.Problem) int { return cmp.Compare(a.Severity, b.Severity) })
	said := nameOf(p) + " (" + render.Word(l, p.Severity) + ")"
	if more := len(problems) - 1; more > 0 {
		said += l.T(" and %d more", more)
	}
	return text.Line(said)
}

// nameOf returns a problem's host and name, cut.
func nameOf(p alert.Problem) string {
	name := text.Shorten(text.Line(p.Name), 60)
	if len(p.Hosts) == 0 {
		return name
	}
	host := text.Shorten(text.Line(cmp.Or(p.Hosts[0].Name, p.Hosts[0].Host)), 30)
	return host + ": " + name
}

// Settings are what the configuration says about incidents.
type Settings struct {
	Roles       []string
	Checklist   []string
	UpdateEvery time.Duration           // 0: nobody is reminded
	ReviewAfter time.Duration           // all problems are resolved for so long
	CloseAfter  time.Duration           // the review was posted so long ago
	Leave       bool                    // the bot leaves the space then
	Allowed     func(email string) bool // may be invited

	Room func(room string) render.Room // the language and the time zone of a room, as in store.Post.Room; nil: English and UTC in each
}

// room returns how the messages of an incident are written: as in the room where it was opened.
func (s Settings) room(i store.Incident) render.Room {
	if s.Room == nil {
		return render.Room{}
	}
	return s.Room(i.Room)
}

// lang is the language of an incident.
func (s Settings) lang(i store.Incident) lang.Lang { return s.room(i).Lang }

// State is the state of an incident.
type State string

const (
	Opening  State = "opening" // there is no space yet
	Open     State = "open"
	Resolved State = "resolved" // all of its problems are, or somebody ended it
	Closed   State = "closed"
)

var stateWords = map[State]lang.Key{Opening: lang.Key("opening"), Open: lang.Key("open"), Resolved: lang.Key("resolved"), Closed: lang.Key("closed")}

// Word is the state as people read it.
func (s State) Word(l lang.Lang) string { return l.Of(stateWords[s]) }

// Facts are all that is known about an incident.
type Facts struct {
	store.Incident
	Entries  []store.IncidentEntry
	Known    map[alert.Key]alert.Problem
	Damaged  bool                 // problems that Known lacks may be there, and can't be read
	Messages map[alert.Key]string // links to the problems' messages where the incident was opened
}

// State returns the incident's state.
func (f Facts) State() State {
	switch {
	case !f.Closed.IsZero():
		return Closed
	case f.RoomID == "":
		return Opening
	case f.EndedAt.IsZero() && f.anyOpen():
		return Open
	}
	return Resolved
}

// anyOpen reports whether a problem goes on.
func (f Facts) anyOpen() bool { return slices.ContainsFunc(f.Current(), f.goesOn) }

// goesOn reports whether a problem does. One that was pruned doesn't; one that can't be read may.
func (f Facts) goesOn(key alert.Key) bool {
	p, known := f.Known[key]
	return known && p.Open() || !known && f.Damaged
}

// Current returns the problems that are in the incident, in the order of joining.
func (f Facts) Current() []alert.Key { return Current(f.Incident) }

// Current returns the problems that are in an incident.
func Current(i store.Incident) (keys []alert.Key) {
	for _, p := range i.Problems {
		if p.Parted.IsZero() {
			keys = append(keys, p.Key)
		}
	}
	return keys
}

// OpenProblems returns those that go on.
func (f Facts) OpenProblems() (open []alert.Problem) {
	for _, key := range f.Current() {
		if p, known := f.Known[key]; known && p.Open() {
			open = append(open, p)
		}
	}
	return open
}

// endedEarly reports whether somebody ended the incident while a problem went on.
func (f Facts) endedEarly() bool {
	return !f.EndedAt.IsZero() && slices.ContainsFunc(f.Current(), func(key alert.Key) bool {
		p, known := f.Known[key]
		return known && (p.Open() || p.ResolvedAt.After(f.EndedAt))
	})
}

// ResolvedAt returns when the incident was resolved; zero if it isn't.
func (f Facts) ResolvedAt() (at time.Time) {
	if f.endedEarly() {
		return f.EndedAt
	}
	if f.anyOpen() {
		return time.Time{}
	}
	for _, key := range f.Current() {
		if p := f.Known[key]; p.ResolvedAt.After(at) {
			at = p.ResolvedAt
		}
	}
	if at.Before(f.Incident.Opened) { // it was resolved when it was joined, or its end isn't known
		at = f.Incident.Opened
	}
	return at
}

// Reachable reports whether the bot can post in the space.
func (f Facts) Reachable() bool { return Reachable(f.Incident) }

// Reachable reports whether the bot can post in an incident's space.
func Reachable(i store.Incident) bool { return i.RoomID != "" && i.Lost.IsZero() && !i.Left }

// Holder returns who has a role; the zero value for nobody.
func (f Facts) Holder(role string) (who store.Someone) {
	for _, e := range f.Entries {
		if e.Kind == store.IncidentRole && e.Subject == role {
			who = e.Who
		}
	}
	return who
}

// Ticked returns the entry that ticked an item of the checklist; false if it isn't ticked.
func (f Facts) Ticked(item string) (by store.IncidentEntry, ticked bool) {
	for _, e := range f.Entries {
		if e.Subject == item && (e.Kind == store.IncidentCheck || e.Kind == store.IncidentUncheck) {
			by, ticked = e, e.Kind == store.IncidentCheck
		}
	}
	return by, ticked
}

// invitations returns how often a person was invited, or couldn't be, and the last result.
func (f Facts) invitations(email string) (n int, last store.IncidentEntry) {
	for _, e := range f.Entries {
		if e.Kind == store.IncidentInvited && e.Subject == email {
			n, last = n+1, e
		}
	}
	return n, last
}

// LastUpdate returns when people last heard from somebody: the opening, or the last note.
func (f Facts) LastUpdate() time.Time {
	at := f.Incident.Opened
	for _, e := range f.Entries {
		if e.Kind == store.IncidentNote && e.At.After(at) {
			at = e.At
		}
	}
	return at
}

// Label is a person's name, or else the address.
func Label(s store.Someone) string { return text.Line(cmp.Or(s.Name, s.Email)) }

// Same reports whether two records are of one person.
func Same(a, b store.Someone) bool {
	return a.ID != "" && a.ID == b.ID || a.Email != "" && strings.EqualFold(a.Email, b.Email)
}

// AddInvited adds people to those who should be in the space, once each. Those beyond MaxInvited are named there instead.
func AddInvited(i *store.Incident, people ...store.Someone) {
	for _, p := range people {
		if p.Email = strings.ToLower(p.Email); p.Email != "" && !slices.ContainsFunc(i.Invite, func(o store.Someone) bool { return Same(o, p) }) && len(i.Invite) < maxWanted {
			i.Invite = append(i.Invite, p)
		}
	}
}

// InviteAgain adds a person to those who should be in the space. One who was invited before is invited once more: they may have left,
// or it may be possible now.
func InviteAgain(i *store.Incident, entries []store.IncidentEntry, p store.Someone) {
	AddInvited(i, p)
	for _, o := range i.Invite {
		if n, _ := (Facts{Entries: entries}).invitations(o.Email); Same(o, p) && n > 0 {
			if i.Again == nil {
				i.Again = map[string]int{}
			}
			i.Again[o.Email] = n
		}
	}
}

// The limits of one incident.
const (
	MaxProblems = 50
	MaxInvited  = 50
	maxWanted   = 500 // in Incident.Invite
)

// Invites reports whether a person is one of those whom the bot invites.
func Invites(i store.Incident, p store.Someone) bool {
	return slices.ContainsFunc(invited(i), func(o store.Someone) bool { return Same(o, p) })
}

func invited(i store.Incident) []store.Someone { return i.Invite[:min(len(i.Invite), MaxInvited)] }

// Actors returns the people who acted on a problem, and its owner.
func Actors(p alert.Problem) (people []store.Someone) {
	for _, e := range p.Timeline {
		if u := e.Update; u != nil && u.Actor.Email != "" {
			people = append(people, store.Someone{Email: u.Actor.Email, Name: u.Actor.Name})
		}
	}
	if p.Owner.Email != "" {
		people = append(people, store.Someone{ID: p.Owner.ID, Email: p.Owner.Email, Name: p.Owner.Name})
	}
	return people
}

// since returns when the incident got its state.
func (f Facts) since() time.Time {
	if at := f.ResolvedAt(); f.State() == Resolved && !at.IsZero() {
		return at
	}
	return f.Incident.Opened
}
