package render

import (
	"strings"
	"time"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/webex"
)

// The buttons of a card, in Actions and in the "action" of Action.Submit's data: the names of the commands.
const (
	ActionAck     = "ack"
	ActionUnack   = "unack"
	ActionComment = "comment"
	ActionClose   = "close"
)

var buttonTitles = map[string]string{
	ActionAck: "Acknowledge", ActionUnack: "Unacknowledge", ActionComment: "Comment", ActionClose: "Close problem",
}

// MaxCardComment is the limit of a card's comment field, in characters: with the author's name added, a comment still fits
// into a message in Zabbix.
const MaxCardComment = 1500

// Actions lists the buttons for the present state of a problem ("ack,comment,close"); "" means no card. Only open problems of
// triggers have buttons: not every version of Zabbix can acknowledge other events.
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

// card is the part of an Adaptive Card that the relay uses.
type card struct {
	Schema  string `json:"$schema"`
	Type    string `json:"type"`
	Version string `json:"version"`
	Body    []any  `json:"body"`
	Actions []any  `json:"actions,omitempty"`
}

// richText holds all text of cards, because no client interprets its runs as markdown: untrusted text shows as it is.
type richText struct {
	Type    string    `json:"type"`
	Spacing string    `json:"spacing,omitempty"`
	Inlines []textRun `json:"inlines"`
}

type textRun struct {
	Type         string   `json:"type"`
	Text         string   `json:"text"`
	Size         string   `json:"size,omitempty"`
	Weight       string   `json:"weight,omitempty"`
	Italic       bool     `json:"italic,omitempty"`
	FontType     string   `json:"fontType,omitempty"`
	IsSubtle     bool     `json:"isSubtle,omitempty"`
	SelectAction *openURL `json:"selectAction,omitempty"`
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
	Title string `json:"title,omitempty"`
	URL   URL    `json:"url"`
}

// Card is the Adaptive Card (1.3) with the buttons of Actions, and its fallback markdown. Its Action.Submit data is
// {"relay": 1, "action": "ack", "key": "main/4711"} and the input "comment". In presentation "card" the card is the root message
// and shows what Root shows; otherwise it is in the root's thread and only names its problem.
func (r *Renderer) Card(p alert.Problem, room Room, now time.Time) (content any, fallback string) {
	whole := room.Presentation == config.PresentCard
	c := card{Schema: "http://adaptivecards.io/schemas/adaptive-card.json", Type: "AdaptiveCard", Version: "1.3"}
	var v *View
	for _, scale := range scales {
		var fits bool
		v = r.builder(&p, room, scale).view(room, now)
		if c.Body, fits = cardText(r.execute(fileCard, room, v)); fits {
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
	if whole && v.RunbookURL != "" { // not every client shows the link in the text
		c.Actions = append(c.Actions, openURL{Type: "Action.OpenUrl", Title: "Runbook", URL: v.RunbookURL})
	}
	if whole {
		return c, r.Root(p, Room{Name: room.Name, Location: room.Location, Templates: room.Templates}, now)
	}
	fallback, _ = finish(v.Emoji + " " + v.Title.String() + " · " + v.ID.String() + buttonWords(list))
	return c, fallback
}

// buttonWords says what to write in a client that shows no cards.
func buttonWords(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return "\nUse the buttons, or mention me here with: " + strings.Join(list, ", ")
}

// The limits of a card's text. Webex documents none for cards; these keep the card's JSON below the limit of a message.
const (
	maxCardLines = 40
	maxCardBytes = 4000
)

// cardText makes a card's text from a message, one block per line, since not every Webex app breaks lines within a block. fits
// reports that nothing was cut.
func cardText(message string) (blocks []any, fits bool) {
	bytes := 0
	spacing := ""
	for _, line := range tidy(message) {
		if line == "" {
			spacing = "Small"
			continue
		}
		bytes += len(line)
		fits := bytes <= maxCardBytes && len(blocks) < maxCardLines
		if !fits {
			line = "…"
		}
		if runs := inlines(line, len(blocks) == 0); len(runs) > 0 {
			block := richText{Type: "RichTextBlock", Inlines: runs, Spacing: spacing}
			if len(blocks) == 0 {
				block.Spacing = ""
			}
			blocks, spacing = append(blocks, block), "None"
		}
		if !fits {
			return blocks, false
		}
	}
	return blocks, true
}

// inlines are the runs of a line. Cards have no block quotes, headings and lists: they become subtle text, bold text and bullets.
func inlines(line string, first bool) []textRun {
	line, quoted := strings.CutPrefix(line, "> ")
	var heading bool
	if marks := strings.TrimLeft(line, "#"); len(marks) < len(line) && len(line)-len(marks) <= 6 && strings.HasPrefix(marks, " ") {
		line, heading = marks[1:], true
	}
	if item := strings.TrimLeft(line, " "); strings.HasPrefix(item, "- ") || strings.HasPrefix(item, "* ") {
		line = "• " + item[2:]
	}
	runs := webex.Runs(line)
	list := make([]textRun, 0, len(runs))
	for _, r := range runs {
		t := textRun{Type: "TextRun", Text: r.Text, Italic: r.Italic, IsSubtle: quoted}
		if first {
			t.Size = "Medium"
		}
		if r.Bold || heading {
			t.Weight = "Bolder"
		}
		if r.Code {
			t.FontType = "Monospace"
		}
		if r.URL != "" {
			t.SelectAction = &openURL{Type: "Action.OpenUrl", URL: URL(r.URL)}
		}
		list = append(list, t)
	}
	return list
}
