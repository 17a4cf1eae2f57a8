package webexsim

import (
	"encoding/json"
	"html"
	"maps"
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
	d := draft{room: r, author: p, parentID: l.ParentID, md: l.Markdown}
	if l.Markdown == "" {
		d.text = l.Text
	}
	if l.MentionBot {
		bot := r.bot()
		switch {
		case bot == nil:
			return MessageView{}, refuse(http.StatusBadRequest, "there is no bot in the room "+l.Room)
		case d.md != "":
			d.md = "<@personId:" + bot.id + "> " + d.md
		default: // text and html, and no markdown
			d.typed = typed(bot, l.Text)
			d.text = d.typed.text
		}
	}
	m, err := s.post(d)
	if err != nil {
		return MessageView{}, err
	}
	return m.view(), nil
}

// typed is a text with a mention before it, as an app sends it.
func typed(bot *person, text string) *rendered {
	return &rendered{
		text: bot.name + " " + text, people: []string{bot.id},
		html: "<p>" + sparkMention(bot.id, bot.name) + " " + strings.ReplaceAll(html.EscapeString(text), "\n", "<br/>") + "</p>",
	}
}

// Edit changes the text of a person's message. A mention of a bot stays.
func (s *Server) Edit(messageID, email, text string) (MessageView, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m, p := s.messages[messageID], s.byEmail(email)
	if m == nil || m.deleted || p == nil || m.author != p || m.room.member(p) == nil {
		return MessageView{}, refuse(http.StatusNotFound, "Unable to find the message.")
	}
	if bad := m.uneditable(); bad != nil {
		return MessageView{}, bad
	}
	bot := m.room.bot()
	mentions := bot != nil && slices.Contains(m.mentions, bot.id)
	s.edit(m, text, "", p, func() {
		if mentions {
			t := typed(bot, text)
			m.text, m.html, m.mentions = t.text, t.html, t.people
		}
	})
	return m.view(), nil
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
	a, err := s.press(messageID, s.byEmail(email), inputs)
	if err != nil {
		return "", err
	}
	return a.id, nil
}

// PressButton presses the button with a title. It sends the button's data and the card's inputs: those given, and defaults for
// the others.
func (s *Server) PressButton(messageID, email, title string, inputs map[string]any) (actionID string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.messages[messageID]
	if m == nil || m.card == nil {
		return "", refuse(http.StatusNotFound, "the message has no card")
	}
	var card map[string]any
	if err := json.Unmarshal(m.card, &card); err != nil {
		return "", err
	}
	var titles []string
	for _, b := range submits(card) {
		titles = append(titles, b.title)
		if b.title != title {
			continue
		}
		sent := maps.Clone(b.inputs)
		maps.Copy(sent, inputs)
		maps.Copy(sent, b.data)
		a, err := s.press(messageID, s.byEmail(email), sent)
		if err != nil {
			return "", err
		}
		return a.id, nil
	}
	return "", refuse(http.StatusNotFound, "the card has no button "+title+"; it has "+strings.Join(titles, ", "))
}

func (s *Server) press(messageID string, p *person, inputs map[string]any) (*action, error) {
	m := s.messages[messageID]
	if m == nil || m.deleted || p == nil || m.room.member(p) == nil {
		return nil, refuse(http.StatusNotFound, "Unable to find the message.")
	}
	if m.card == nil {
		return nil, refuse(http.StatusBadRequest, "The message has no attachment.")
	}
	a := &action{id: publicID("ATTACHMENT_ACTION", s.nextUUID()), message: m, person: p, inputs: inputs, created: s.now()}
	if a.inputs == nil {
		a.inputs = map[string]any{}
	}
	s.actions[a.id] = a
	s.change(Event{Type: "action.created", Room: m.room.id, Message: m.id})
	s.notifyAction(a)
	return a, nil
}

func (a *action) json() map[string]any {
	return map[string]any{
		"id": a.id, "type": "submit", "messageId": a.message.id, "inputs": a.inputs,
		"personId": a.person.id, "roomId": a.message.room.id, "created": stamp(a.created),
	}
}

func (s *Server) createAction(req *request) (any, error) {
	if req.str("type") != "submit" {
		return nil, refuse(http.StatusBadRequest, "The type must be submit.")
	}
	inputs, _ := req.fields["inputs"].(map[string]any)
	a, err := s.press(req.str("messageId"), req.caller, inputs)
	if err != nil {
		return nil, err
	}
	return a.json(), nil
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
	m, p := s.messages[messageID], s.byEmail(email)
	if m == nil || m.deleted || p == nil || m.room.member(p) == nil {
		return refuse(http.StatusNotFound, "Unable to find the message.")
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
