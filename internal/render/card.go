package render

import (
	"strings"
	"time"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/webex"
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

// richText holds all text of cards: no client takes its runs for markdown, so that what strangers wrote shows as it is.
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
	if whole && v.RunbookURL != "" { // the text links to it too, which not every client shows
		c.Actions = append(c.Actions, openURL{Type: "Action.OpenUrl", Title: "Runbook", URL: v.RunbookURL})
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
	maxCardLines = 40
	maxCardBytes = 4000
)

// cardText makes a card's text of a message: a block for each line, since not every Webex app breaks lines within one. It reports
// whether all of it fitted.
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

// inlines are the runs of a line. Block quotes, which cards don't have, become subtle text, headings bold text, and list items get
// a bullet.
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
