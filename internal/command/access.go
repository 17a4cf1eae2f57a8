package command

import (
	"slices"
	"strings"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/store"
)

// Directory says who people are to the relay and which rooms it serves:
// *config.Config.
type Directory interface {
	// RoleOf is the role of a person with these addresses in a room, by the room's configured
	// name; "" for none. With no room it is the role that holds everywhere.
	RoleOf(emails []string, room string) config.Role
	// Allowed says whether the address is of an allowed domain.
	Allowed(email string) bool
	// RoomByID finds a configured room by its Webex id.
	RoomByID(id string) (config.Room, bool)
}

// may reports whether the role is enough for the verb.
func may(role config.Role, v Verb) bool { return role.AtLeast(v.entry().role) }

// personRoom is the room name of posts in a direct chat that {ALERT.SENDTO} named.
func personRoom(email string) string { return config.PersonRoom + email }

// scope is from where a person speaks.
type scope struct {
	Dir    Directory
	Rooms  []string // configured
	Email  string
	Also   []string // the person's other addresses
	Room   string   // configured name; "" in a direct chat that isn't configured
	Direct bool
}

// addresses are all of the person's.
func (s scope) addresses() []string { return append([]string{s.Email}, s.Also...) }

// roleIn is the person's role in a room, by all of their addresses.
func (s scope) roleIn(room string) config.Role { return s.Dir.RoleOf(s.addresses(), room) }

// role is what the person may do here, leaving aside which problem: in a
// direct chat the most that they may do anywhere.
func (s scope) role() config.Role {
	if !s.Direct {
		return s.roleIn(s.Room)
	}
	best := s.roleIn("")
	for _, room := range s.Rooms {
		best = higher(best, s.roleIn(room))
	}
	return best
}

// everywhere says whether the person sees every problem from here.
func (s scope) everywhere() bool {
	return s.Direct && s.roleIn("").AtLeast(config.RoleViewer)
}

// listed gives the rooms whose problems the person may list from here; nil for all problems.
func (s scope) listed() []string {
	switch {
	case !s.Direct:
		return []string{s.Room}
	case s.everywhere():
		return nil
	}
	var rooms []string
	for _, email := range s.addresses() {
		rooms = append(rooms, personRoom(email))
	}
	if s.Room != "" {
		rooms = append(rooms, s.Room)
	}
	for _, room := range s.Rooms {
		if room != s.Room && may(s.roleIn(room), Problems) {
			rooms = append(rooms, room)
		}
	}
	return rooms
}

// roleFor is what the person may do from here with a problem of which these
// posts told. "" is a problem that they aren't to know of. A room knows only what it
// was told. In a direct chat it is the most that they may do in one of the rooms that
// were told, so that a direct chat gives nobody more than the rooms do.
func (s scope) roleFor(posts []store.Post) config.Role {
	if !s.Direct {
		if slices.ContainsFunc(posts, func(p store.Post) bool { return p.Room == s.Room }) {
			return s.roleIn(s.Room)
		}
		return ""
	}
	var best config.Role
	told := false // to a configured room: there the role of that room counts, be it more or less
	for _, p := range posts {
		switch {
		case s.hears(p.Room):
			best = higher(best, higher(config.RoleViewer, s.roleIn(s.Room)))
		case !strings.HasPrefix(p.Room, personRoom("")):
			best = higher(best, s.roleIn(p.Room))
			told = true
		}
	}
	if !told {
		best = higher(best, s.roleIn(""))
	}
	return best
}

func higher(a, b config.Role) config.Role {
	if b.AtLeast(a) {
		return b
	}
	return a
}

// target is one problem that a command may touch, and what it knows of it.
type target struct {
	Key     alert.Key
	Problem alert.Problem
	Role    config.Role
	Own     bool // the command was said in the problem's own thread
	// Gone says that Zabbix doesn't show the event now; Reused, that the event id is another problem's there.
	Gone, Reused bool
}

// hears says whether a post's room is the one spoken in.
func (s scope) hears(room string) bool {
	return room != "" && (room == s.Room || s.Direct && slices.ContainsFunc(s.addresses(), func(email string) bool { return room == personRoom(email) }))
}
