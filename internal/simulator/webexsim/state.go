package webexsim

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// State is the whole world as people see it (GET /sim/state): rooms with their messages, oldest first, and threads by ParentID,
// which is always a root's id.
type State struct {
	Revision int64        `json:"revision"` // increases with every change
	Now      time.Time    `json:"now"`
	People   []PersonView `json:"people"` // by address; bots too
	Rooms    []RoomView   `json:"rooms"`  // oldest first
}

// PersonView is a person or a bot.
type PersonView struct {
	ID    string `json:"id"`
	Email string `json:"email"`
	Name  string `json:"name"`
	Bot   bool   `json:"bot,omitempty"`
}

// RoomView is a room with all its messages.
type RoomView struct {
	ID       string        `json:"id"`
	Name     string        `json:"name"`  // a short name for configurations: "noc", or "direct:A:B" for a direct chat; "" if the API made the room
	Title    string        `json:"title"` // of a direct chat: both names
	Type     string        `json:"type"`  // "group" or "direct"
	Members  []string      `json:"members"`
	Messages []MessageView `json:"messages"`
}

// MessageView is a message as a chat client shows it.
type MessageView struct {
	ID       string     `json:"id"`
	ParentID string     `json:"parentId,omitempty"` // the thread's root; "" for a root
	RoomID   string     `json:"roomId"`
	From     PersonView `json:"from"`
	Text     string     `json:"text"`               // plain
	Markdown string     `json:"markdown,omitempty"` // as it was sent
	// HTML is sanitised; each mention is a <spark-mention> element (data-object-type person or groupMention, data-object-id).
	// "" if only text was sent: show Text.
	HTML     string          `json:"html,omitempty"`
	Mentions []string        `json:"mentions,omitempty"` // addresses; "all" for everybody
	Card     json.RawMessage `json:"card,omitempty"`     // the Adaptive Card; show it instead of the text
	Files    []FileView      `json:"files,omitempty"`    // one at most
	Created  time.Time       `json:"created"`
	Updated  time.Time       `json:"updated,omitzero"` // last edit, or deletion
	Edits    int             `json:"edits,omitempty"`
	Deleted  bool            `json:"deleted,omitempty"` // other fields stay, for tests; a client shows "deleted"
}

// FileView is an attached file.
type FileView struct {
	Name        string `json:"name"`
	ContentType string `json:"contentType"`
	Size        int    `json:"size"`
	URL         string `json:"url"` // of the content: a path of this server
	Content     []byte `json:"-"`
}

// Event is one change. Type is message.created, .updated, .deleted; membership.created, .updated, .deleted; action.created;
// room.created, .updated, .deleted; person.created. Revision is that of the State that first includes it. A gap means that events
// were dropped: read the state again.
type Event struct {
	Revision int64        `json:"revision"`
	Type     string       `json:"type"`
	Room     string       `json:"room,omitempty"`
	Message  string       `json:"messageId,omitempty"`
	View     *MessageView `json:"message,omitempty"` // of message events
}

// change counts and publishes a change. The caller holds the lock.
func (s *Server) change(e Event) {
	s.revision++
	e.Revision = s.revision
	if m := s.messages[e.Message]; m != nil && strings.HasPrefix(e.Type, "message.") && len(s.subs) > 0 {
		view := m.view()
		e.View = &view
	}
	for ch := range s.subs {
		select {
		case ch <- e:
		default: // the subscriber is too slow, and will see the gap
		}
	}
	close(s.changed)
	s.changed = make(chan struct{})
}

// Subscribe sends every change until cancel (which closes the channel) or Close. A subscriber that is more than 256 events behind
// misses some.
func (s *Server) Subscribe() (<-chan Event, func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ch := make(chan Event, 256)
	s.subs[ch] = struct{}{}
	return ch, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if _, open := s.subs[ch]; open {
			delete(s.subs, ch)
			close(ch)
		}
	}
}

// Wait waits until ok accepts the state; it is called now and after each change. If ctx ends first, the error shows the state.
func (s *Server) Wait(ctx context.Context, ok func(State) bool) error {
	for {
		s.mu.Lock()
		state, changed := s.state(), s.changed
		s.mu.Unlock()
		if ok(state) {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("the rooms never reached the expected state: %w\n%s", context.Cause(ctx), state)
		}
	}
}

// String shows the rooms' messages, for failing tests.
func (st State) String() string {
	var out strings.Builder
	for _, r := range st.Rooms {
		fmt.Fprintf(&out, "%s (%s)\n", r.Name, r.Title)
		for _, m := range r.Messages {
			indent, note := "  ", ""
			if m.ParentID != "" {
				indent = "    "
			}
			if m.Deleted {
				note = " deleted"
			}
			if m.Card != nil {
				note += " card"
			}
			fmt.Fprintf(&out, "%s%s%s: %s\n", indent, m.From.Name, note, strings.ReplaceAll(m.Text, "\n", " ⏎ "))
		}
	}
	return out.String()
}

// State is the present state of the world.
func (s *Server) State() State {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state()
}

func (s *Server) state() State {
	st := State{Revision: s.revision, Now: s.now(), People: []PersonView{}, Rooms: []RoomView{}}
	for _, p := range s.people {
		st.People = append(st.People, p.view())
	}
	slices.SortFunc(st.People, func(a, b PersonView) int { return strings.Compare(a.Email, b.Email) })
	for _, r := range s.rooms {
		st.Rooms = append(st.Rooms, r.view())
	}
	return st
}

// Room gives the room with this name; its zero value if there is none.
func (st State) Room(name string) RoomView {
	for _, r := range st.Rooms {
		if r.Name == name || r.ID == name {
			return r
		}
	}
	return RoomView{}
}

// Timeline is every message of a room, oldest first, including deleted ones.
func (s *Server) Timeline(room string) []MessageView {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r := s.roomBy(room); r != nil {
		return r.view().Messages
	}
	return nil
}

// Message is one message by its id.
func (s *Server) Message(id string) (MessageView, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.messages[id]
	if m == nil {
		return MessageView{}, false
	}
	return m.view(), true
}

func (p *person) view() PersonView {
	return PersonView{ID: p.id, Email: p.email, Name: p.name, Bot: p.bot}
}

func (r *room) view() RoomView {
	v := RoomView{ID: r.id, Name: r.name, Title: r.title, Type: r.kind(), Members: r.emails(), Messages: make([]MessageView, 0, len(r.messages))}
	if r.direct {
		names := []string{}
		for _, m := range r.members {
			names = append(names, m.person.name)
		}
		v.Title = strings.Join(names, ", ")
	}
	for _, m := range r.messages {
		v.Messages = append(v.Messages, m.view())
	}
	return v
}

func (m *message) view() MessageView {
	v := MessageView{
		ID: m.id, ParentID: m.parent, RoomID: m.room.id, From: m.author.view(),
		Text: m.text, Markdown: m.md, HTML: m.html, Card: m.card,
		Created: m.created, Updated: m.updated, Edits: m.edits, Deleted: m.deleted,
		Mentions: slices.Clone(m.groups),
	}
	for _, id := range m.mentions {
		for _, member := range m.room.members {
			if member.person.id == id {
				v.Mentions = append(v.Mentions, member.person.email)
			}
		}
	}
	if f := m.file; f != nil {
		v.Files = []FileView{{Name: f.name, ContentType: f.ctype, Size: len(f.content), URL: "/sim/files/" + m.id, Content: f.content}}
	}
	return v
}
