package webexsim

import (
	"html"
	"net/http"
	"slices"
	"strings"
)

// Line is something that a person says in a room.
type Line struct {
	Room       string `json:"room"`               // name or id; a direct chat: DirectRoomID
	From       string `json:"from"`               // e-mail address
	Text       string `json:"text,omitempty"`     // as typed: no markdown
	Markdown   string `json:"markdown,omitempty"` // instead of Text; with mentions as the API writes them
	ParentID   string `json:"parentId,omitempty"` // any message of the thread
	MentionBot bool   `json:"mentionBot,omitempty"`
}

// Say posts a person's message. MentionBot puts a mention of the room's first bot before it, as Webex's apps do: its name is at
// the start of the text.
func (s *Server) Say(l Line) (MessageView, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, p, err := s.who(l.Room, l.From)
	if err != nil {
		return MessageView{}, err
	}
	if r.member(p) == nil {
		return MessageView{}, refuse(http.StatusForbidden, p.email+" isn't in the room "+l.Room)
	}
	bot := r.bot()
	if l.MentionBot && bot == nil {
		return MessageView{}, refuse(http.StatusBadRequest, "there is no bot in the room "+l.Room)
	}
	if l.MentionBot && l.Markdown != "" {
		l.Markdown = "<@personId:" + bot.id + "> " + l.Markdown
	}
	c, err := s.write(l.Text, l.Markdown, r)
	if err != nil {
		return MessageView{}, err
	}
	if l.MentionBot && l.Markdown == "" {
		c = typed(bot, l.Text)
	}
	m, err := s.post(draft{room: r, author: p, parentID: l.ParentID, content: c})
	if err != nil {
		return MessageView{}, err
	}
	return m.view(), nil
}

// typed is a text with a mention before it, as an app sends it: without markdown.
func typed(bot *person, text string) content {
	return content{
		text: bot.name + " " + text, mentions: []string{bot.id},
		html: "<p>" + sparkMention(bot.id, bot.name) + " " + strings.ReplaceAll(html.EscapeString(text), "\n", "<br/>") + "</p>",
	}
}

// Edit changes the text of a person's message. A mention of a bot stays.
func (s *Server) Edit(messageID, email, text string) (MessageView, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m, p, err := s.visible(messageID, email)
	if err != nil {
		return MessageView{}, err
	}
	if m.author != p {
		return MessageView{}, errNoMessage
	}
	if bad := m.uneditable(); bad != nil {
		return MessageView{}, bad
	}
	c, err := s.write(text, "", m.room)
	if err != nil {
		return MessageView{}, err
	}
	if bot := m.room.bot(); bot != nil && slices.Contains(m.mentions, bot.id) {
		c = typed(bot, text)
	}
	s.edit(m, c, p)
	return m.view(), nil
}

// visible finds a message that a person can see, and the person.
func (s *Server) visible(messageID, email string) (*message, *person, error) {
	m, p := s.messages[messageID], s.byEmail(email)
	if m == nil || m.deleted || m.room.member(p) == nil {
		return nil, nil, errNoMessage
	}
	return m, p, nil
}

func (r *room) bot() *person {
	for _, m := range r.members {
		if m.person.bot {
			return m.person
		}
	}
	return nil
}

// Press presses a card's button as a person. inputs is what the app sends: the button's data and the card's inputs.
func (s *Server) Press(messageID, email string, inputs map[string]any) (actionID string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m, p, err := s.visible(messageID, email)
	if err != nil {
		return "", err
	}
	return s.press(m, p, inputs)
}

// PressButton presses the button with a title, also one behind another button. It sends the button's data and the card's inputs: those
// given, and defaults for the others.
func (s *Server) PressButton(messageID, email, title string, inputs map[string]any) (actionID string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m, p, err := s.visible(messageID, email)
	if err != nil {
		return "", err
	}
	var titles []string
	for _, b := range submits(m.card) {
		if b.title == title {
			return s.press(m, p, b.values(inputs))
		}
		titles = append(titles, b.title)
	}
	return "", refuse(http.StatusNotFound, "the message has no button "+title+"; it has "+strings.Join(titles, ", "))
}

func (s *Server) press(m *message, p *person, inputs map[string]any) (actionID string, err error) {
	if m.card == nil {
		return "", refuse(http.StatusBadRequest, "The message has no attachment.")
	}
	if inputs == nil {
		inputs = map[string]any{}
	}
	a := &action{id: publicID("ATTACHMENT_ACTION", s.nextUUID()), message: m, person: p, inputs: inputs, created: s.now()}
	s.actions[a.id] = a
	s.change(Event{Type: "action.created", Room: m.room.id, Message: m.id})
	s.notifyAction(a)
	return a.id, nil
}

func (a *action) json() map[string]any {
	return map[string]any{
		"id": a.id, "type": "submit", "messageId": a.message.id, "inputs": a.inputs,
		"personId": a.person.id, "roomId": a.message.room.id, "created": stamp(a.created),
	}
}

func (s *Server) getAction(req *request) (any, error) {
	a := s.actions[req.id]
	if a == nil || a.message.author != req.caller && a.person != req.caller {
		return nil, refuse(http.StatusNotFound, "Unable to find the attachment action.")
	}
	return a.json(), nil
}

// Delete deletes a message as a person: their own, or anybody's as a moderator could.
func (s *Server) Delete(messageID, email string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	m, p, err := s.visible(messageID, email)
	if err != nil {
		return err
	}
	s.remove(m, p)
	return nil
}

// emails are the members' addresses in the order of joining.
func (r *room) emails() []string {
	out := make([]string, 0, len(r.members))
	for _, m := range r.members {
		out = append(out, m.person.email)
	}
	return slices.Clip(out)
}
