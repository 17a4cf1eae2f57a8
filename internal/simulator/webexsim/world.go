package webexsim

import (
	"crypto/sha1"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"nms-alert-relay/internal/webexid"
)

type person struct {
	id, email, name, token string
	bot                    bool
	keptOut                bool // nobody can add them to a room
	created                time.Time
}

type room struct {
	id, name, title string
	direct          bool
	announcements   bool // only moderators may post
	created, active time.Time
	members         []*membership // in the order of joining
	messages        []*message    // likewise
}

type membership struct {
	id      string
	person  *person
	room    *room
	mod     bool
	created time.Time
}

type message struct {
	id     string
	room   *room
	author *person
	parent string // always a root
	content
	card    json.RawMessage
	file    *file
	created time.Time
	updated time.Time
	edits   int
	deleted bool
}

// content is what a message says.
type content struct {
	text, md, html string
	mentions       []string // person ids
	groups         []string // "all"
}

type file struct {
	name, ctype string
	content     []byte
}

type action struct {
	id      string
	message *message
	person  *person
	inputs  map[string]any
	created time.Time
}

// publicID makes a public id: ciscospark://us/KIND/UUID in base64url without padding.
func publicID(kind, uuid string) string {
	return base64.RawURLEncoding.EncodeToString([]byte("ciscospark://us/" + kind + "/" + uuid))
}

// named makes the UUID of a named object. It is the same in every run, so that a configuration can be written beforehand.
func named(kind, name string) string {
	h := sha1.Sum([]byte("webexsim/" + kind + "/" + name))
	h[6], h[8] = h[6]&0x0f|0x50, h[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", h[:4], h[4:6], h[6:8], h[8:10], h[10:16])
}

// RoomID is the id that AddRoom gives a room of this name.
func RoomID(name string) string { return publicID("ROOM", named("ROOM", name)) }

// PersonID is the id of the person or bot with this address.
func PersonID(email string) string {
	return publicID("PEOPLE", named("PEOPLE", strings.ToLower(email)))
}

// DirectRoomID is the id of the direct chat of two people.
func DirectRoomID(a, b string) string { return RoomID(directName(a, b)) }

func directName(a, b string) string {
	pair := []string{strings.ToLower(a), strings.ToLower(b)}
	slices.Sort(pair)
	return "direct:" + pair[0] + ":" + pair[1]
}

func (s *Server) uuid() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.nextUUID()
}

func (s *Server) nextUUID() string {
	a, b := s.random.Uint64(), s.random.Uint64()
	return fmt.Sprintf("%08x-%04x-4%03x-8%03x-%012x", a>>32, a>>16&0xffff, a&0xfff, b>>48&0xfff, b&0xffffffffffff)
}

// AddPerson adds a person and returns their id. Like all methods that build a world, it panics on a mistake.
func (s *Server) AddPerson(email, name string) string { return s.add(email, name, "", false) }

// AddBot adds a bot with its token.
func (s *Server) AddBot(email, name, token string) string { return s.add(email, name, token, true) }

func (s *Server) add(email, name, token string, bot bool) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.byEmail(email) != nil {
		panic("webexsim: " + email + " already exists")
	}
	p := &person{id: PersonID(email), email: strings.ToLower(email), name: name, token: token, bot: bot, created: s.now()}
	s.people[p.id] = p
	s.change(Event{Type: "person.created"})
	return p.id
}

// AddRoom adds a group room with these members (e-mail addresses) and returns its id.
func (s *Server) AddRoom(name, title string, members ...string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.roomBy(name) != nil {
		panic("webexsim: room " + name + " already exists")
	}
	r := &room{id: RoomID(name), name: name, title: title, created: s.now(), active: s.now()}
	s.rooms = append(s.rooms, r)
	for _, email := range members {
		p := s.byEmail(email)
		if p == nil {
			panic("webexsim: nobody has the address " + email)
		}
		s.join(r, p, nil)
	}
	s.change(Event{Type: "room.created", Room: r.id})
	return r.id
}

// Direct opens the direct chat of two people unless it exists, and returns its id.
func (s *Server) Direct(a, b string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, q := s.byEmail(a), s.byEmail(b)
	if p == nil || q == nil {
		panic("webexsim: nobody has the address " + a + " or " + b)
	}
	return s.direct(p, q).id
}

func (s *Server) direct(p, q *person) *room {
	name := directName(p.email, q.email)
	if r := s.roomBy(name); r != nil {
		return r
	}
	r := &room{id: RoomID(name), name: name, direct: true, created: s.now(), active: s.now()}
	s.rooms = append(s.rooms, r)
	s.join(r, p, p)
	s.join(r, q, p)
	s.change(Event{Type: "room.created", Room: r.id})
	return r
}

// join makes p a new member of r.
func (s *Server) join(r *room, p, actor *person) *membership {
	m := &membership{
		id:     publicID("MEMBERSHIP", named("MEMBERSHIP", p.id+":"+r.id)),
		person: p, room: r, created: s.now(),
	}
	r.members = append(r.members, m)
	s.change(Event{Type: "membership.created", Room: r.id})
	if actor == nil {
		actor = p
	}
	s.notifyMembership("created", m, actor)
	return m
}

func (s *Server) leave(m *membership, actor *person) {
	s.notifyMembership("deleted", m, actor) // also to the removed member
	m.room.members = slices.DeleteFunc(m.room.members, func(o *membership) bool { return o == m })
	s.change(Event{Type: "membership.deleted", Room: m.room.id})
}

// AddToRoom makes a person or bot a member of a room.
func (s *Server) AddToRoom(roomName, email string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, p, err := s.who(roomName, email)
	if err != nil {
		return err
	}
	if r.member(p) != nil {
		return refuse(http.StatusConflict, p.email+" is in it already")
	}
	s.join(r, p, nil)
	return nil
}

// KeepOut puts a person outside of the organisation, whose policy lets nobody add them to a room. They stay where they are.
func (s *Server) KeepOut(email string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.byEmail(email)
	if p == nil {
		return refuse(http.StatusNotFound, "nobody has the address "+email)
	}
	p.keptOut = true
	return nil
}

// RemoveFromRoom removes a person or bot from a room.
func (s *Server) RemoveFromRoom(roomName, email string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	m, err := s.memberOf(roomName, email)
	if err != nil {
		return err
	}
	s.leave(m, m.person)
	return nil
}

// Announce makes a room one for announcements: only moderators may post there.
func (s *Server) Announce(roomName string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.roomBy(roomName)
	if r == nil {
		return refuse(http.StatusNotFound, "no room "+roomName)
	}
	r.announcements = true
	return nil
}

// Moderate makes a member of a room a moderator.
func (s *Server) Moderate(roomName, email string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	m, err := s.memberOf(roomName, email)
	if err != nil {
		return err
	}
	m.mod = true
	return nil
}

// SetToken gives an account, also a person's, a token; "" revokes it.
func (s *Server) SetToken(email, token string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.byEmail(email)
	if p == nil {
		return refuse(http.StatusNotFound, "nobody has the address "+email)
	}
	p.token = token
	return nil
}

// who finds a room (by name, id or title) and a person.
func (s *Server) who(roomName, email string) (*room, *person, error) {
	r, p := s.roomBy(roomName), s.byEmail(email)
	if r == nil {
		return nil, nil, refuse(http.StatusNotFound, "no room "+roomName)
	}
	if p == nil {
		return nil, nil, refuse(http.StatusNotFound, "nobody has the address "+email)
	}
	return r, p, nil
}

func (s *Server) memberOf(roomName, email string) (*membership, error) {
	r, p, err := s.who(roomName, email)
	if err != nil {
		return nil, err
	}
	m := r.member(p)
	if m == nil {
		return nil, refuse(http.StatusNotFound, p.email+" isn't in it")
	}
	return m, nil
}

func (s *Server) byEmail(email string) *person { return s.people[PersonID(email)] }

func (s *Server) byToken(token string) *person {
	if token == "" {
		return nil
	}
	for _, p := range s.people {
		if p.token == token {
			return p
		}
	}
	return nil
}

func (s *Server) roomBy(name string) *room {
	for _, r := range s.rooms {
		if r.id == name || r.name == name {
			return r
		}
	}
	for _, r := range s.rooms {
		if r.title == name && name != "" {
			return r
		}
	}
	return nil
}

// roomOf is a room by its id, or bare UUID, as Webex accepts according to users. It doesn't exist for people outside it.
func (s *Server) roomOf(id string, p *person) *room {
	for _, r := range s.rooms {
		if webexid.Same(r.id, id) && r.member(p) != nil {
			return r
		}
	}
	return nil
}

func (r *room) member(p *person) *membership {
	for _, m := range r.members {
		if m.person == p {
			return m
		}
	}
	return nil
}

func (r *room) kind() string {
	if r.direct {
		return "direct"
	}
	return "group"
}

// titleFor is a room's title; of a direct chat the other person's name.
func (r *room) titleFor(p *person) string {
	if !r.direct {
		return r.title
	}
	for _, m := range r.members {
		if m.person != p {
			return m.person.name
		}
	}
	return r.title
}

// hears reports whether p may read m. People read all of their rooms; a bot reads its own messages, messages that mention it (not
// those that mention all), and its direct chats.
func (m *message) hears(p *person) bool {
	if m.room.member(p) == nil {
		return false
	}
	return !p.bot || m.room.direct || m.author == p || slices.Contains(m.mentions, p.id)
}
