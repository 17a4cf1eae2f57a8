package webexsim

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
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
	Files           []string         `json:"files,omitempty"`
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

func (m *message) json(req *request) messageJSON {
	out := messageJSON{
		ID: m.id, ParentID: m.parent, RoomID: m.room.id, RoomType: m.room.kind(),
		Text: m.text, Markdown: m.md, HTML: m.html,
		PersonID: m.author.id, PersonEmail: m.author.email,
		MentionedPeople: m.mentions, MentionedGroups: m.groups,
		Created: stamp(m.created), Updated: stamp(m.updated),
	}
	for _, f := range m.files {
		out.Files = append(out.Files, req.self("/v1/contents/"+f.id))
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
	text, md string
	typed    *rendered // as an app sends it, instead of text and md
	card     json.RawMessage
	upload   *file
}

func (s *Server) createMessage(req *request) (any, error) {
	d := draft{author: req.caller, parentID: req.str("parentId"), text: req.str("text"), md: req.str("markdown"), upload: req.upload}
	var err error
	if d.room, err = s.destination(req); err != nil {
		return nil, err
	}
	if d.card, err = cardOf(req.fields["attachments"]); err != nil {
		return nil, err
	}
	if links, given := req.fields["files"]; given && d.upload == nil {
		if d.upload, err = linkedFile(links); err != nil {
			return nil, err
		}
	}
	m, err := s.post(d)
	if err != nil {
		return nil, err
	}
	return m.json(req), nil
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
		return nil, refuse(http.StatusNotFound, "Could not find a room with provided ID.")
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

// linkedFile reads "files" of a JSON body: one public URL, which isn't fetched.
func linkedFile(field any) (*file, error) {
	links, ok := field.([]any)
	if !ok || len(links) != 1 {
		return nil, refuse(http.StatusBadRequest, "Only one file is allowed per message.")
	}
	link, _ := links[0].(string)
	u, err := url.Parse(link)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return nil, refuse(http.StatusBadRequest, "A file must be a public URL.")
	}
	name := u.Path[strings.LastIndex(u.Path, "/")+1:]
	return &file{name: name, ctype: "application/octet-stream", content: []byte{}}, nil
}

// post accepts a message, or refuses it.
func (s *Server) post(d draft) (*message, error) {
	if err := checkTexts(d.text, d.md); err != nil {
		return nil, err
	}
	if d.text == "" && d.md == "" && d.card == nil && d.upload == nil {
		return nil, refuse(http.StatusBadRequest, "A message needs text, markdown, a file or an attachment.")
	}
	root, err := s.rootOf(d.parentID, d.room)
	if err != nil {
		return nil, err
	}
	m := &message{
		id:  publicID("MESSAGE", s.nextUUID()),
		seq: s.revision + 1, room: d.room, author: d.author, parent: root,
		card: d.card, created: s.now(),
	}
	s.setTexts(m, d.text, d.md)
	if d.typed != nil {
		m.text, m.html, m.mentions = d.typed.text, d.typed.html, d.typed.people
	}
	if d.upload != nil {
		d.upload.id = publicID("CONTENT", s.nextUUID())
		d.upload.message = m
		m.files = []*file{d.upload}
		s.files[d.upload.id] = d.upload
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
		return "", refuse(s.opts.ParentGoneStatus, "The parent message has been deleted.")
	}
	return parent.id, nil
}

func checkTexts(text, md string) error {
	for name, value := range map[string]string{"text": text, "markdown": md} {
		if len(value) > MaxMessageBytes {
			return refuse(http.StatusBadRequest, fmt.Sprintf("The %s has %d bytes: the maximum is %d.", name, len(value), MaxMessageBytes))
		}
	}
	return nil
}

func (s *Server) setTexts(m *message, text, md string) {
	m.text, m.md, m.html, m.mentions, m.groups = text, md, "", nil, nil
	if md == "" {
		return
	}
	r := s.render(md, m.room)
	m.html, m.mentions, m.groups = r.html, r.people, r.groups
	if text == "" {
		m.text = r.text
	}
}

// readable is the message with this id, if the caller may read it.
func (s *Server) readable(req *request) (*message, error) {
	m := s.messages[req.id]
	if m == nil || m.deleted || !m.hears(req.caller) {
		return nil, refuse(http.StatusNotFound, "Unable to find the message.")
	}
	return m, nil
}

func (s *Server) getMessage(req *request) (any, error) {
	m, err := s.readable(req)
	if err != nil {
		return nil, err
	}
	if m.author != req.caller && s.now().Before(m.created.Add(s.opts.MessageDelay)) {
		return nil, refuse(http.StatusNotFound, "Unable to find the message.")
	}
	return m.json(req), nil
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
	if err := checkTexts(text, md); err != nil {
		return nil, err
	}
	s.edit(m, text, md, req.caller, func() {})
	return m.json(req), nil
}

// uneditable says why a message can't be edited by anybody; nil if it can.
func (m *message) uneditable() error {
	switch {
	case m.card != nil || len(m.files) > 0:
		return refuse(http.StatusBadRequest, "A message with a file or an attachment cannot be edited.")
	case m.edits >= MaxEdits:
		return refuse(http.StatusBadRequest, fmt.Sprintf("The message has been edited %d times: that is the maximum.", MaxEdits))
	}
	return nil
}

// edit changes a message's text; after changes more before anybody sees it.
func (s *Server) edit(m *message, text, md string, actor *person, after func()) {
	before := m.md
	if before == "" {
		before = m.text
	}
	m.history = append(m.history, before)
	s.setTexts(m, text, md)
	after()
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

func (s *Server) listMessages(req *request) (any, error) {
	q := req.URL.Query()
	r := s.roomOf(q.Get("roomId"), req.caller)
	if q.Get("roomId") == "" {
		return nil, refuse(http.StatusBadRequest, "The roomId is required.")
	}
	if r == nil {
		return nil, refuse(http.StatusNotFound, "Could not find a room with provided ID.")
	}
	return s.messagesOf(req, r)
}

func (s *Server) listDirectMessages(req *request) (any, error) {
	q := req.URL.Query()
	other := s.people[q.Get("personId")]
	if email := q.Get("personEmail"); email != "" {
		other = s.byEmail(email)
	}
	if other == nil {
		return nil, refuse(http.StatusNotFound, "Failed to find the person.")
	}
	r := s.roomOf(DirectRoomID(req.caller.email, other.email), req.caller)
	if r == nil {
		return nil, refuse(http.StatusNotFound, "There is no direct room with this person.")
	}
	return s.messagesOf(req, r)
}

func (s *Server) messagesOf(req *request, r *room) (any, error) {
	q := req.URL.Query()
	mentioned := q.Get("mentionedPeople")
	if mentioned == "me" {
		mentioned = req.caller.id
	}
	if req.caller.bot && !r.direct && mentioned != req.caller.id {
		return nil, refuse(http.StatusForbidden, "A bot may only list the messages of a group room that mention it: mentionedPeople=me.")
	}
	var before time.Time
	if text := q.Get("before"); text != "" {
		var err error
		if before, err = time.Parse(time.RFC3339, text); err != nil {
			return nil, refuse(http.StatusBadRequest, "before is not an ISO 8601 time.")
		}
	}
	beforeSeq := int64(1<<62 - 1)
	if id := q.Get("beforeMessage"); id != "" {
		m := s.messages[id]
		if m == nil || m.room != r {
			return nil, refuse(http.StatusNotFound, "beforeMessage is not a message of this room.")
		}
		beforeSeq = m.seq
	}
	var found []*message
	for _, m := range slices.Backward(r.messages) {
		switch {
		case m.deleted, m.seq >= beforeSeq, !before.IsZero() && !m.created.Before(before):
		case mentioned != "" && !slices.Contains(m.mentions, mentioned):
		case q.Get("parentId") != "" && m.parent != q.Get("parentId"):
		default:
			found = append(found, m)
		}
	}
	return page(req, found, 50, func(m *message) any { return m.json(req) })
}
