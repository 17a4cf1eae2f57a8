package command

import (
	"slices"
	"strings"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/store"
)

// Directory knows people: *config.Config.
type Directory interface {
	// RoleOf is the role of a person with these addresses in a room, by its configured name; "" for none.
	// Without a room it is the role that the person has everywhere.
	RoleOf(emails []string, room string) config.Role
}

// may reports whether the role is enough for the verb.
func may(role config.Role, v Verb) bool { return role.AtLeast(v.entry().role) }

// scope is a person, the place where they wrote, and the current configuration.
type scope struct {
	Input
	View
}

// addresses returns all addresses of the person.
func (s scope) addresses() []string { return s.Person.addresses() }

// roleIn returns the person's role in a room.
func (s scope) roleIn(room string) config.Role { return s.RoleOf(s.addresses(), room) }

// role returns the person's role here, regardless of the problem: in a direct chat the highest that they have
// anywhere.
func (s scope) role() config.Role {
	if !s.Direct {
		return s.roleIn(s.Room)
	}
	best := s.roleIn("")
	for _, room := range s.Rooms {
		best = higher(best, s.roleIn(room.Name))
	}
	return best
}

// everywhere reports whether the person sees every problem from here.
func (s scope) everywhere() bool {
	return s.Direct && s.roleIn("").AtLeast(config.RoleViewer)
}

// listed selects the problems that the person may list from here, as roleAmong decides.
func (s scope) listed() store.Filter {
	f := store.Filter{NotBy: config.SubscriptionRule}
	switch {
	case !s.Direct:
		f.Rooms = []string{s.Room}
		return f
	case s.everywhere():
		return store.Filter{}
	}
	for _, email := range s.addresses() {
		f.Rooms = append(f.Rooms, config.DirectRoom(email))
	}
	if s.Room != "" {
		f.Rooms = append(f.Rooms, s.Room)
	}
	for _, room := range s.Rooms {
		if room.Name != s.Room && may(s.roleIn(room.Name), Problems) {
			f.Rooms = append(f.Rooms, room.Name)
		}
	}
	return f
}

// roleFor returns the person's role for a problem with these posts; "" if it isn't visible from here. A room sees only the problems that
// were posted to it. In a direct chat it is the highest role that the person has in one of the problem's rooms, so that a direct chat
// gives nobody more than the rooms do. A subscription's post gives no role: it needs one, and may have been withheld without.
func (s scope) roleFor(posts []store.Post) config.Role {
	var rooms []string
	for _, p := range posts {
		if !strings.HasPrefix(p.Route, config.SubscriptionRule) {
			rooms = append(rooms, p.Room)
		}
	}
	return s.roleAmong(rooms)
}

// roleAmong is roleFor for a problem that was posted in these rooms by others than subscriptions.
func (s scope) roleAmong(rooms []string) config.Role {
	if !s.Direct {
		if slices.Contains(rooms, s.Room) {
			return s.roleIn(s.Room)
		}
		return ""
	}
	var best config.Role
	posted := false // in a configured room: its role counts, whether higher or lower
	for _, room := range rooms {
		switch {
		case s.isHere(room):
			best = higher(best, higher(config.RoleViewer, s.roleIn(s.Room)))
		case !strings.HasPrefix(room, config.PersonRoom):
			best = higher(best, s.roleIn(room))
			posted = true
		}
	}
	if !posted {
		best = higher(best, s.roleIn(""))
	}
	return best
}

// mayRead reports whether the person may read here what was written about a problem that was posted in these rooms.
func (s scope) mayRead(rooms []string) bool { return may(s.roleAmong(rooms), Show) }

func higher(a, b config.Role) config.Role {
	if b.AtLeast(a) {
		return b
	}
	return a
}

// target is a problem that a command is about.
type target struct {
	Key     alert.Key
	Problem alert.Problem
	Role    config.Role
	Own     bool // the command was written in the problem's own thread
	// Unreadable: the store can't read the problem any more.
	Unreadable bool
	// Gone says that Zabbix doesn't show the event now; Reused, that the event id is another problem's there.
	Gone, Reused bool
}

// isHere reports whether a post is in the room of the command.
func (s scope) isHere(room string) bool {
	return room != "" && (room == s.Room || s.Direct && slices.ContainsFunc(s.addresses(), func(email string) bool { return room == config.DirectRoom(email) }))
}
