package relay

import (
	"context"
	"fmt"
	"strings"

	"nms-alert-relay/internal/binding"
	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/delivery"
	incidents "nms-alert-relay/internal/incident"
	"nms-alert-relay/internal/store"
)

// use makes a snapshot the current one, with the bindings as they are.
func (l *live) use(next *snapshot) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.set(next)
}

// rebind gives the current snapshot the bindings as they are: they have changed.
func (l *live) rebind() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.set(l.Load())
}

// set is use for a caller that holds mu.
func (l *live) set(s *snapshot) {
	next := *s
	next.router = s.router.With(l.bindings.Routes(), l.bindings.Faulty)
	l.Store(&next)
}

// space returns the settings of a space that is or was bound, or is an incident's: those of a direct chat, but where it is.
func (l *live) space(room, rule string) (delivery.RoomSettings, bool) {
	s, ok := l.Load().rooms(config.PersonRoom, rule)
	if i, is := l.incidents.Of(room); is {
		s.Name, s.Person, s.ID, s.Bot, s.NoIncidents = room, "", i.RoomID, i.Bot, true
		if origin, known := l.settings(i.Room, ""); known {
			s.Location, s.Lang = origin.Location, origin.Lang
		}
		return s, ok
	}
	b, is := l.bindings.Last(room)
	s.Name, s.Person, s.ID, s.Bot, s.NoIncidents = room, "", b.RoomID, b.Bot, false
	return s, ok && is
}

// withheld says why a direct chat or a space gets nothing about a problem that was posted in these rooms; "" if it does. Rights may
// have changed since the post was made. What is new needs a binding that counts; what is shown already is kept up to date after it ended.
func (l *live) withheld(room, rule string, posted []string, shown bool) string {
	space := binding.IsSpace(room)
	if i, is := l.incidents.Of(room); is {
		if incidents.Reachable(i) {
			return ""
		}
		return "the bot isn't in the space of " + incidents.Number(i.ID) + " any more"
	}
	switch {
	case space && rule == "": // a message with several problems: one binding is enough
		why := "nobody bound this space"
		for _, b := range l.bindings.Known(room) {
			if why = l.adds(b, shown); why == "" {
				break
			}
		}
		return why
	case space || config.MadeInChat(rule):
		b, ok := l.bindings.Named(room, rule)
		if !ok && (space || !shown) {
			return "its binding is forgotten"
		}
		if ok {
			if why := l.adds(b, shown); why != "" {
				return why
			}
		}
	}
	if email, direct := strings.CutPrefix(room, config.PersonRoom); direct {
		return l.Load().router.Withheld(email, rule, posted)
	}
	return ""
}

// withheldNotice says why a notice that waits isn't sent any more; "" if it is.
func (r *Relay) withheldNotice(ctx context.Context, n store.Notice) (string, error) {
	if why := r.live.withheldFrom(n); why != "" {
		return why, nil
	}
	return r.parts.executor.Withheld(ctx, n)
}

// withheldFrom says why a person gets no message any more, of whatever kind; "" if they do, or if it goes to a room. A token of the
// notify API may write to any address: that is its own right.
func (l *live) withheldFrom(n store.Notice) string {
	email, direct := strings.CutPrefix(n.Room, config.PersonRoom)
	if !direct {
		email = n.Person
	}
	if email == "" || !direct && n.Kind == store.NoticeNotify {
		return ""
	}
	return l.Load().router.Withheld(email, "", nil)
}

// adds says why a binding adds nothing new now, or isn't enough to keep what is shown up to date; "" if it is.
func (l *live) adds(b store.Binding, shown bool) string {
	switch {
	case b.Ended == store.BindingRefused:
		return "its binding ended, because the room refused messages"
	case !b.EndedAt.IsZero() && !shown:
		return "its binding has ended"
	}
	return l.rests(b)
}

// rests says why a binding adds nothing now, for the admin API and dead letters; "" if it doesn't rest.
func (l *live) rests(b store.Binding) string {
	r, err := binding.Route(b)
	if err != nil {
		return "what it matches can't be read"
	}
	return l.Load().router.Rests(r).String()
}

// refused ends what a room that refuses messages for good was for: an incident's space is lost, and its bindings end.
func (r *Relay) refused(ctx context.Context, room, reason string) {
	if lost, err := r.live.incidents.Lost(ctx, room, reason); lost || err != nil {
		r.log.Warn("the space of an incident refuses messages", "room", room, "reason", reason, "error", err)
	}
	ended, err := r.live.bindings.Refused(ctx, room)
	if err != nil {
		r.log.Error("cannot end the bindings of a room that refuses messages", "room", room, "error", err)
	}
	for _, b := range ended {
		r.log.Warn("a binding ended: its room refuses messages", "binding", b.ID, "room", room, "matches", binding.Words(b), "by", b.Email, "reason", reason)
		if err := r.parts.executor.Record(ctx, b, fmt.Sprintf("ended, because its room refuses messages: %s", reason)); err != nil {
			r.log.Error("cannot record the end of a binding in the audit log", "binding", b.ID, "error", err)
		}
	}
}

// directory is the configuration with the spaces that are bound.
type directory struct {
	*config.Config
	live *live
}

// RoomByID finds a room by its Webex id: a configured one, or a space that is bound.
func (d directory) RoomByID(id string) (config.Room, bool) {
	if room, ok := d.Config.RoomByID(id); ok {
		return room, true
	}
	if room, ok := d.bound(d.live.bindings.Of(binding.Space(id))); ok {
		return room, true
	}
	i, ok := d.live.incidents.Of(binding.Space(id))
	return d.incident(i), ok && incidents.Reachable(i)
}

// incident is the room of an incident's space.
func (d directory) incident(i store.Incident) config.Room {
	return config.Room{Name: incidents.Space(i), ID: i.RoomID, Bot: i.Bot}
}

// RoleOf is the role of a person in a room. In the space of an incident it is the one where that was opened.
func (d directory) RoleOf(emails []string, room string) config.Role {
	if i, ok := d.live.incidents.Of(room); ok {
		room = i.Room
	}
	return d.Config.RoleOf(emails, room)
}

// bound returns the space of the first of these bindings that doesn't rest.
func (d directory) bound(bindings []store.Binding) (config.Room, bool) {
	router := d.live.Load().router
	for _, b := range bindings {
		if r, err := binding.Route(b); err == nil && router.Rests(r).IsZero() {
			return config.Room{Name: b.Room, ID: b.RoomID, Bot: b.Bot}, true
		}
	}
	return config.Room{}, false
}

// RoomsOf are the rooms that a bot serves, with the spaces that are bound.
func (d directory) RoomsOf(bot string) []config.Room {
	rooms := d.Config.RoomsOf(bot)
	seen := map[string]bool{}
	for _, b := range d.live.bindings.Live() {
		if !binding.IsSpace(b.Room) || seen[b.Room] {
			continue
		}
		if room, ok := d.bound([]store.Binding{b}); ok && room.Bot == bot {
			seen[b.Room] = true
			rooms = append(rooms, room)
		}
	}
	for _, i := range d.live.incidents.Live() {
		if i.Bot == bot && incidents.Reachable(i) {
			rooms = append(rooms, d.incident(i))
		}
	}
	return rooms
}
