package webexsim

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"time"

	"nms-alert-relay/internal/webexid"
)

// messageJSON is a message in the API.
type messageJSON struct {
	ID              string           `json:"id"`
	ParentID        string           `json:"parentId,omitempty"`
	RoomID          string           `json:"roomId"`
	RoomType        string           `json:"roomType"`
	Text            string           `json:"text,omitempty"`
	Markdown        string           `json:"markdown,omitempty"`
	HTML            string           `json:"html,omitempty"`
	Attachments     []attachmentJSON `json:"attachments,omitempty"`
	PersonID        string           `json:"personId"`
	PersonEmail     string           `json:"personEmail"`
	MentionedPeople []string         `json:"mentionedPeople,omitempty"`
	MentionedGroups []string         `json:"mentionedGroups,omitempty"`
	Created         string           `json:"created"`
	Updated         string           `json:"updated,omitempty"`
}

type attachmentJSON struct {
	ContentType string          `json:"contentType"`
	Content     json.RawMessage `json:"content"`
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02T15:04:05.000Z")
}

func (m *message) json() messageJSON {
	out := messageJSON{
		ID: m.id, ParentID: m.parent, RoomID: m.room.id, RoomType: m.room.kind(),
		Text: m.text, Markdown: m.md, HTML: m.html,
		PersonID: m.author.id, PersonEmail: m.author.email,
		MentionedPeople: m.mentions, MentionedGroups: m.groups,
		Created: stamp(m.created), Updated: stamp(m.updated),
	}
	if m.card != nil {
		out.Attachments = []attachmentJSON{{ContentType: cardContentType, Content: m.card}}
	}
	return out
}

// draft is a message before it is checked.
type draft struct {
	room     *room
	author   *person
	parentID string
	content  content
	card     json.RawMessage
	file     *file
}

func (s *Server) createMessage(req *request) (any, error) {
	d := draft{author: req.caller, parentID: req.str("parentId"), file: req.upload}
	var err error
	if d.room, err = s.destination(req); err != nil {
		return nil, err
	}
	if d.content, err = s.write(req.str("text"), req.str("markdown"), d.room); err != nil {
		return nil, err
	}
	if d.card, err = cardOf(req.fields["attachments"]); err != nil {
		return nil, err
	}
	if req.fields["files"] != nil {
		return nil, refuse(http.StatusBadRequest, "This Webex is simulated: it fetches no files. Send a file as multipart/form-data.")
	}
	m, err := s.post(d)
	if err != nil {
		return nil, err
	}
	return m.json(), nil
}

// destination is the room of a new message, given by exactly one of three fields.
func (s *Server) destination(req *request) (*room, error) {
	roomID, personID, email := req.str("roomId"), req.str("toPersonId"), req.str("toPersonEmail")
	given := 0
	for _, v := range []string{roomID, personID, email} {
		if v != "" {
			given++
		}
	}
	if given != 1 {
		return nil, refuse(http.StatusBadRequest, "Exactly one of roomId, toPersonId and toPersonEmail is required.")
	}
	if roomID != "" {
		if r := s.roomOf(roomID, req.caller); r != nil {
			return r, nil
		}
		return nil, errNoRoom
	}
	to := s.people[personID]
	if email != "" {
		to = s.byEmail(email)
	}
	if to == nil || to == req.caller {
		return nil, refuse(http.StatusNotFound, "Failed to find the person.")
	}
	return s.direct(req.caller, to), nil
}

// post accepts a message, or refuses it.
func (s *Server) post(d draft) (*message, error) {
	if d.content.text == "" && d.content.md == "" && d.card == nil && d.file == nil {
		return nil, refuse(http.StatusBadRequest, "A message needs text, markdown, a file or an attachment.")
	}
	root, err := s.rootOf(d.parentID, d.room)
	if err != nil {
		return nil, err
	}
	if member := d.room.member(d.author); d.room.announcements && (member == nil || !member.mod) {
		return nil, refuse(http.StatusForbidden, "Only moderators can post in a space for announcements.")
	}
	m := &message{
		id: publicID("MESSAGE", s.nextUUID()), room: d.room, author: d.author, parent: root, content: d.content,
		card: d.card, file: d.file, created: s.now(),
	}
	s.messages[m.id] = m
	d.room.messages = append(d.room.messages, m)
	d.room.active = m.created
	s.change(Event{Type: "message.created", Room: m.room.id, Message: m.id})
	s.notifyMessage("created", m, m.author)
	return m, nil
}

// rootOf resolves the id of any message of a thread to its root.
func (s *Server) rootOf(parentID string, r *room) (string, error) {
	if parentID == "" {
		return "", nil
	}
	parent := s.messages[parentID]
	if parent == nil || parent.room != r {
		return "", refuse(http.StatusBadRequest, "The parentId is not a message of this room.")
	}
	if parent.parent != "" {
		parent = s.messages[parent.parent]
	}
	if parent.deleted {
		return "", refuse(http.StatusNotFound, "The parent message has been deleted.") // Webex documents "4xx"
	}
	return parent.id, nil
}

// write makes the content of a message from its text and markdown. The text is what notifications show; without one it is made
// from the markdown.
func (s *Server) write(text, md string, r *room) (content, error) {
	if n := max(len(text), len(md)); n > MaxMessageBytes {
		return content{}, refuse(http.StatusBadRequest, fmt.Sprintf("The message has %d bytes: the maximum is %d.", n, MaxMessageBytes))
	}
	if md == "" {
		return content{text: text}, nil
	}
	c := s.render(md, r)
	c.text = cmp.Or(text, c.text)
	return c, nil
}

// The answers for a message or a room that is gone, or that the caller may not see.
var (
	errNoMessage = refuse(http.StatusNotFound, "Unable to find the message.")
	errNoRoom    = refuse(http.StatusNotFound, "Could not find a room with provided ID.")
)

// readable is the message with this id, if the caller may read it.
func (s *Server) readable(req *request) (*message, error) {
	m := s.messages[req.id]
	if m == nil || m.deleted || !m.hears(req.caller) {
		return nil, errNoMessage
	}
	return m, nil
}

func (s *Server) getMessage(req *request) (any, error) {
	m, err := s.readable(req)
	if err != nil {
		return nil, err
	}
	if m.author != req.caller && s.now().Before(m.created.Add(s.opts.MessageDelay)) {
		return nil, errNoMessage
	}
	return m.json(), nil
}

func (s *Server) editMessage(req *request) (any, error) {
	m, err := s.readable(req)
	if err != nil {
		return nil, err
	}
	text, md := req.str("text"), req.str("markdown")
	switch {
	case m.author != req.caller:
		return nil, refuse(http.StatusForbidden, "You can only edit your own messages.")
	case !webexid.Same(req.str("roomId"), m.room.id):
		return nil, refuse(http.StatusBadRequest, "The roomId of the message is required.")
	case text == "" && md == "":
		return nil, refuse(http.StatusBadRequest, "An edit needs text or markdown.")
	case req.upload != nil || req.fields["attachments"] != nil || req.fields["files"] != nil:
		return nil, refuse(http.StatusBadRequest, "A message with a file or an attachment cannot be edited.")
	}
	if bad := m.uneditable(); bad != nil {
		return nil, bad
	}
	c, err := s.write(text, md, m.room)
	if err != nil {
		return nil, err
	}
	s.edit(m, c, req.caller)
	return m.json(), nil
}

// uneditable says why a message can't be edited by anybody; nil if it can.
func (m *message) uneditable() error {
	switch {
	case m.card != nil || m.file != nil:
		return refuse(http.StatusBadRequest, "A message with a file or an attachment cannot be edited.")
	case m.edits >= MaxEdits:
		return refuse(http.StatusBadRequest, fmt.Sprintf("The message has been edited %d times: that is the maximum.", MaxEdits))
	}
	return nil
}

// edit changes what a message says.
func (s *Server) edit(m *message, c content, actor *person) {
	m.content = c
	m.edits++
	m.updated = s.now()
	s.change(Event{Type: "message.updated", Room: m.room.id, Message: m.id})
	s.notifyMessage("updated", m, actor)
}

func (s *Server) deleteMessage(req *request) (any, error) {
	m, err := s.readable(req)
	if err != nil {
		return nil, err
	}
	if m.author != req.caller {
		return nil, refuse(http.StatusForbidden, "You can only delete your own messages.")
	}
	s.remove(m, req.caller)
	return noContent{}, nil
}

func (s *Server) remove(m *message, actor *person) {
	m.deleted = true
	m.updated = s.now()
	s.change(Event{Type: "message.deleted", Room: m.room.id, Message: m.id})
	s.notifyMessage("deleted", m, actor)
}

// listMessages lists a room's messages, newest first.
func (s *Server) listMessages(req *request) (any, error) {
	q := req.URL.Query()
	if q.Get("roomId") == "" {
		return nil, refuse(http.StatusBadRequest, "The roomId is required.")
	}
	r := s.roomOf(q.Get("roomId"), req.caller)
	if r == nil {
		return nil, errNoRoom
	}
	mentioned := q.Get("mentionedPeople")
	if mentioned == "me" {
		mentioned = req.caller.id
	}
	if req.caller.bot && !r.direct && mentioned != req.caller.id {
		return nil, refuse(http.StatusForbidden, "A bot may only list the messages of a group room that mention it: mentionedPeople=me.")
	}
	var found []*message
	for _, m := range slices.Backward(r.messages) {
		if !m.deleted && (mentioned == "" || slices.Contains(m.mentions, mentioned)) && (q.Get("parentId") == "" || m.parent == q.Get("parentId")) {
			found = append(found, m)
		}
	}
	return page(req, found, 50, (*message).json)
}
