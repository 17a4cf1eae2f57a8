package render

import (
	"strings"
	"time"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/config"
)

// The buttons of a card, as Actions lists them and as Action.Submit's data has
// them in "action": the commands' own names.
const (
	ActionAck     = "ack"
	ActionUnack   = "unack"
	ActionComment = "comment"
	ActionClose   = "close"
)

var buttonTitles = map[string]string{
	ActionAck: "Acknowledge", ActionUnack: "Unacknowledge", ActionComment: "Comment", ActionClose: "Close problem",
}

// MaxCardComment is how much a card's comment field takes, in characters: what
// the relay adds to it still fits into a message of Zabbix.
const MaxCardComment = 1500

// Actions are the buttons that make sense for a problem now, as a stable text
// ("ack,comment,close"); "" for no card at all: it is resolved, or nothing can be done about it.
// Only triggers' problems have any: Zabbix acknowledges nothing else in all of its versions.
func (r *Renderer) Actions(p alert.Problem) string { return strings.Join(actions(p), ",") }

func actions(p alert.Problem) []string {
	if p.Origin != alert.OriginTrigger || !p.Open() || p.Gone {
		return nil
	}
	list := []string{ActionAck, ActionComment}
	if p.Acknowledged {
		list[0] = ActionUnack
	}
	if p.CanClose {
		list = append(list, ActionClose)
	}
	return list
}

// An Adaptive Card, as far as the relay makes any.
type card struct {
	Schema  string `json:"$schema"`
	Type    string `json:"type"`
	Version string `json:"version"`
	Body    []any  `json:"body"`
	Actions []any  `json:"actions,omitempty"`
}

type textBlock struct {
	Type     string `json:"type"`
	Text     string `json:"text"`
	Wrap     bool   `json:"wrap"`
	Size     string `json:"size,omitempty"`
	Spacing  string `json:"spacing,omitempty"`
	IsSubtle bool   `json:"isSubtle,omitempty"`
}

type inputText struct {
	Type        string `json:"type"`
	ID          string `json:"id"`
	Placeholder string `json:"placeholder"`
	MaxLength   int    `json:"maxLength"`
	IsMultiline bool   `json:"isMultiline"`
}

type submit struct {
	Type  string     `json:"type"`
	Title string     `json:"title"`
	Style string     `json:"style,omitempty"`
	Data  submitData `json:"data"`
}

type submitData struct {
	Relay  int    `json:"relay"`
	Action string `json:"action"`
	Key    string `json:"key"`
}

type openURL struct {
	Type  string `json:"type"`
	Title string `json:"title"`
	URL   URL    `json:"url"`
}

// Card is the Adaptive Card (1.3) with the buttons of Actions, and the markdown
// beside it. Its Action.Submit data is {"relay": 1, "action": "ack", "key": "main/4711"},
// with the input "comment" beside it. In presentation "card" the card is the
// root and shows what Root tells; else it stands in the root's thread and shows just which problem it is for.
func (r *Renderer) Card(p alert.Problem, room Room, now time.Time) (content any, fallback string) {
	whole := room.Presentation == config.PresentCard
	c := card{Schema: "http://adaptivecards.io/schemas/adaptive-card.json", Type: "AdaptiveCard", Version: "1.3"}
	var v *View
	for _, scale := range scales {
		var fits bool
		v = r.builder(&p, room, scale).view(room, now)
		if c.Body, fits = textBlocks(r.execute(fileCard, room, v)); fits {
			break
		}
	}
	list := actions(p)
	if len(list) > 0 {
		c.Body = append(c.Body, inputText{Type: "Input.Text", ID: "comment", Placeholder: "Comment", MaxLength: MaxCardComment, IsMultiline: true})
	}
	for _, action := range list {
		button := submit{Type: "Action.Submit", Title: buttonTitles[action], Data: submitData{Relay: 1, Action: action, Key: p.Key.String()}}
		switch action {
		case ActionAck:
			button.Style = "positive"
		case ActionClose:
			button.Style = "destructive"
		}
		c.Actions = append(c.Actions, button)
	}
	if v.ZabbixURL != "" {
		c.Actions = append(c.Actions, openURL{Type: "Action.OpenUrl", Title: "Zabbix", URL: v.ZabbixURL})
	}
	if whole {
		return c, r.Root(p, Room{Name: room.Name, Location: room.Location, Templates: room.Templates}, now)
	}
	fallback, _ = finish(v.Emoji + " " + v.Title.String() + " · " + v.ID.String() + buttonWords(list))
	return c, fallback
}

// buttonWords tells a client that shows no cards what to say instead.
func buttonWords(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return "\nBy button or by mentioning me here: " + strings.Join(list, ", ")
}

// How much a card's text may be, in lines and bytes. Webex documents no limit
// for cards; a message's is a safe one, also with what JSON makes of it.
const (
	maxBlocks     = 40
	maxBlockBytes = 4000
)

// textBlocks makes a card's text of a message: a block a line, for not every
// Webex app breaks lines within one. Block quotes, which cards don't know, become subtle text.
// It says whether all of it fitted.
func textBlocks(message string) (blocks []any, fits bool) {
	bytes := 0
	spacing := ""
	for _, line := range tidy(message) {
		if line == "" {
			spacing = "Small"
			continue
		}
		if bytes += len(line); bytes > maxBlockBytes || len(blocks) == maxBlocks {
			return append(blocks, textBlock{Type: "TextBlock", Text: "…", Wrap: true, Spacing: "None"}), false
		}
		block := textBlock{Type: "TextBlock", Text: line, Wrap: true, Spacing: spacing}
		if quoted, ok := strings.CutPrefix(line, "> "); ok {
			block.Text, block.IsSubtle = quoted, true
		}
		if len(blocks) == 0 {
			block.Size, block.Spacing = "Medium", ""
		}
		blocks = append(blocks, block)
		spacing = "None"
	}
	return blocks, true
}
