package webexsim

import (
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"
)

func (p *person) json() map[string]any {
	kind := "person"
	if p.bot {
		kind = "bot"
	}
	return map[string]any{
		"id": p.id, "emails": []string{p.email}, "displayName": p.name, "nickName": strings.Fields(p.name + " ?")[0],
		"orgId": publicID("ORGANIZATION", named("ORGANIZATION", "example.com")), "created": stamp(p.created), "type": kind, "status": "active",
	}
}

func (s *Server) me(req *request) (any, error) { return req.caller.json(), nil }

func (s *Server) getPerson(req *request) (any, error) {
	if p := s.people[req.id]; p != nil {
		return p.json(), nil
	}
	return nil, refuse(http.StatusNotFound, "Person not found.")
}

func (s *Server) listPeople(req *request) (any, error) {
	q := req.URL.Query()
	if q.Get("email") == "" {
		return nil, refuse(http.StatusBadRequest, "This Webex is simulated: it finds people by email only.")
	}
	var found []*person
	if p := s.byEmail(q.Get("email")); p != nil {
		found = append(found, p)
	}
	return page(req, found, 100, (*person).json)
}

func (r *room) json(caller *person) map[string]any {
	return map[string]any{
		"id": r.id, "title": r.titleFor(caller), "type": r.kind(), "isLocked": false,
		"isAnnouncementOnly": r.announcements, "isReadOnly": false,
		"lastActivity": stamp(r.active), "created": stamp(r.created),
	}
}

func (s *Server) listRooms(req *request) (any, error) {
	kind := req.URL.Query().Get("type")
	if kind != "" && kind != "group" && kind != "direct" {
		return nil, refuse(http.StatusBadRequest, "type must be group or direct.")
	}
	var found []*room
	for _, r := range s.rooms {
		if r.member(req.caller) != nil && (kind == "" || kind == r.kind()) {
			found = append(found, r)
		}
	}
	switch by := req.URL.Query().Get("sortBy"); by {
	case "", "id", "created": // the order of creation
	case "lastactivity":
		slices.SortStableFunc(found, func(a, b *room) int { return b.active.Compare(a.active) })
	default:
		return nil, refuse(http.StatusBadRequest, "sortBy must be id, lastactivity or created.")
	}
	return page(req, found, 100, func(r *room) any { return r.json(req.caller) })
}

func (s *Server) getRoom(req *request) (any, error) {
	if r := s.roomOf(req.id, req.caller); r != nil {
		return r.json(req.caller), nil
	}
	return nil, errNoRoom
}

// maxTitle is the limit of a room's title, in characters. Webex documents none: nobody may rely on a longer one.
const maxTitle = 128

func titleOf(req *request) (string, error) {
	title := strings.TrimSpace(req.str("title"))
	switch {
	case title == "":
		return "", refuse(http.StatusBadRequest, "The title is required.")
	case utf8.RuneCountInString(title) > maxTitle:
		return "", refuse(http.StatusBadRequest, "The title is too long.")
	}
	return title, nil
}

func (s *Server) createRoom(req *request) (any, error) {
	title, err := titleOf(req)
	if err != nil {
		return nil, err
	}
	r := &room{id: publicID("ROOM", s.nextUUID()), title: title, created: s.now(), active: s.now()}
	s.rooms = append(s.rooms, r)
	s.join(r, req.caller, req.caller).mod = true
	s.change(Event{Type: "room.created", Room: r.id})
	return r.json(req.caller), nil
}

func (s *Server) updateRoom(req *request) (any, error) {
	r := s.roomOf(req.id, req.caller)
	title, err := titleOf(req)
	switch {
	case r == nil:
		return nil, errNoRoom
	case r.direct:
		return nil, refuse(http.StatusBadRequest, "A direct room has no title of its own.")
	case err != nil:
		return nil, err
	}
	r.title = title
	s.change(Event{Type: "room.updated", Room: r.id})
	s.notifyRoom("updated", r, req.caller)
	return r.json(req.caller), nil
}

func (s *Server) deleteRoom(req *request) (any, error) {
	r := s.roomOf(req.id, req.caller)
	switch {
	case r == nil:
		return nil, errNoRoom
	case r.direct:
		return nil, refuse(http.StatusForbidden, "A direct room can't be deleted.")
	case !r.moderates(req.caller):
		return nil, refuse(http.StatusForbidden, "Only a moderator can delete a moderated room.")
	}
	for _, m := range slices.Clone(r.members) {
		s.leave(m, req.caller)
	}
	for _, m := range r.messages {
		m.deleted = true
	}
	s.rooms = slices.DeleteFunc(s.rooms, func(o *room) bool { return o == r })
	s.change(Event{Type: "room.deleted", Room: r.id})
	return noContent{}, nil
}

// moderates reports whether p may do what is reserved for moderators: everybody may in a room without one.
func (r *room) moderates(p *person) bool {
	return r.member(p).mod || !slices.ContainsFunc(r.members, func(m *membership) bool { return m.mod })
}

func (m *membership) json() map[string]any {
	return map[string]any{
		"id": m.id, "roomId": m.room.id, "roomType": m.room.kind(), "personId": m.person.id, "personEmail": m.person.email,
		"personDisplayName": m.person.name, "isModerator": m.mod, "isMonitor": false, "created": stamp(m.created),
	}
}

func (s *Server) listMemberships(req *request) (any, error) {
	q := req.URL.Query()
	var found []*membership
	if id := q.Get("roomId"); id != "" {
		r := s.roomOf(id, req.caller)
		if r == nil {
			return nil, errNoRoom
		}
		for _, m := range r.members {
			if (q.Get("personEmail") == "" || strings.EqualFold(q.Get("personEmail"), m.person.email)) &&
				(q.Get("personId") == "" || q.Get("personId") == m.person.id) {
				found = append(found, m)
			}
		}
	} else { // the caller's own, in all rooms
		for _, r := range s.rooms {
			if m := r.member(req.caller); m != nil {
				found = append(found, m)
			}
		}
	}
	return page(req, found, 100, (*membership).json)
}

func (s *Server) createMembership(req *request) (any, error) {
	r := s.roomOf(req.str("roomId"), req.caller)
	if r == nil {
		return nil, errNoRoom
	}
	if r.direct {
		return nil, refuse(http.StatusForbidden, "Nobody can be added to a direct room.")
	}
	email, id := req.str("personEmail"), req.str("personId")
	if (email == "") == (id == "") {
		return nil, refuse(http.StatusBadRequest, "Exactly one of personEmail and personId is required.")
	}
	p := s.people[id]
	if email != "" {
		p = s.byEmail(email)
	}
	if p == nil {
		return nil, refuse(http.StatusNotFound, "Person not found.")
	}
	switch {
	case r.member(p) != nil:
		return nil, refuse(http.StatusConflict, "User is already a participant.")
	case p.keptOut:
		return nil, refuse(http.StatusForbidden, "The person is outside of the organisation, whose policy doesn't let them in.")
	}
	m := s.join(r, p, req.caller)
	m.mod, _ = req.fields["isModerator"].(bool)
	return m.json(), nil
}

func (s *Server) membershipOf(req *request) (*membership, error) {
	for _, r := range s.rooms {
		for _, m := range r.members {
			if m.id == req.id && r.member(req.caller) != nil {
				return m, nil
			}
		}
	}
	return nil, refuse(http.StatusNotFound, "Unable to find the membership.")
}

func (s *Server) getMembership(req *request) (any, error) {
	m, err := s.membershipOf(req)
	if err != nil {
		return nil, err
	}
	return m.json(), nil
}

func (s *Server) updateMembership(req *request) (any, error) {
	m, err := s.membershipOf(req)
	if err != nil {
		return nil, err
	}
	moderator, given := req.fields["isModerator"].(bool)
	switch {
	case m.room.direct:
		return nil, refuse(http.StatusForbidden, "A direct room has no moderators.")
	case !given:
		return nil, refuse(http.StatusBadRequest, "isModerator is required.")
	case !m.room.moderates(req.caller):
		return nil, refuse(http.StatusForbidden, "Only a moderator can change who moderates the room.")
	}
	m.mod = moderator
	s.change(Event{Type: "membership.updated", Room: m.room.id})
	s.notifyMembership("updated", m, req.caller)
	return m.json(), nil
}

func (s *Server) deleteMembership(req *request) (any, error) {
	m, err := s.membershipOf(req)
	if err != nil {
		return nil, err
	}
	if m.room.direct {
		return nil, refuse(http.StatusForbidden, "A direct room can't be left.")
	}
	s.leave(m, req.caller)
	return noContent{}, nil
}
