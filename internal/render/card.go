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

var buttons = map[string]struct{ title, style string }{
	ActionAck:     {"Acknowledge", "positive"},
	ActionUnack:   {"Unacknowledge", ""},
	ActionComment: {"Comment", ""},
	ActionClose:   {"Close problem", "destructive"},
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

// element is an Adaptive Card or a part of one.
type element = map[string]any

// Card returns the Adaptive Card (1.3) with the buttons of Actions, and its fallback markdown. Its Action.Submit data is
// {"relay": 1, "action": "ack", "key": "main/4711"} and the input "comment". In presentation "card" the card is the root message
// and shows what Root shows; otherwise it is in the root's thread and only names its problem.
func (r *Renderer) Card(p alert.Problem, room Room, now time.Time) (content any, fallback string) {
	whole := room.Presentation == config.PresentCard
	var v *View
	var body, bar []element
	for _, scale := range scales {
		var fits bool
		v = r.builder(&p, room, scale).view(room, now)
		if body, fits = cardText(r.execute(fileCard, room, v)); fits {
			break
		}
	}
	list := actions(p)
	if len(list) > 0 {
		body = append(body, element{"type": "Input.Text", "id": "comment", "placeholder": "Comment", "maxLength": MaxCardComment, "isMultiline": true})
	}
	for _, action := range list {
		button := element{
			"type": "Action.Submit", "title": buttons[action].title, "data": element{"relay": 1, "action": action, "key": p.Key.String()},
		}
		if style := buttons[action].style; style != "" {
			button["style"] = style
		}
		bar = append(bar, button)
	}
	if v.ZabbixURL != "" {
		bar = append(bar, element{"type": "Action.OpenUrl", "title": "Zabbix", "url": v.ZabbixURL})
	}
	if whole && v.RunbookURL != "" { // not every client shows the link in the text
		bar = append(bar, element{"type": "Action.OpenUrl", "title": "Runbook", "url": v.RunbookURL})
	}
	card := element{
		"$schema": "http://adaptivecards.io/schemas/adaptive-card.json", "type": "AdaptiveCard", "version": "1.3", "body": body,
	}
	if len(bar) > 0 {
		card["actions"] = bar
	}
	if whole {
		room.Presentation = ""
		return card, r.Root(p, room, now)
	}
	fallback, _ = finish(v.Emoji + " " + v.Title.String() + " · " + v.ID.String() + buttonWords(list))
	return card, fallback
}

// buttonWords lists the commands to write in a client that shows no cards.
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

// cardText makes a card's text from a message: one RichTextBlock per line, since not every Webex app breaks lines
// within a block. No client interprets the runs of a RichTextBlock as markdown, so untrusted text shows literally.
// fits reports that nothing was cut.
func cardText(message string) (blocks []element, fits bool) {
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
			block := element{"type": "RichTextBlock", "inlines": runs}
			if len(blocks) > 0 {
				block["spacing"] = spacing
			}
			blocks, spacing = append(blocks, block), "None"
		}
		if !fits {
			return blocks, false
		}
	}
	return blocks, true
}

// inlines returns the runs of a line. Cards have no quotes, headings and lists: they become subtle text, bold text and bullets.
func inlines(line string, first bool) []element {
	line, quoted := strings.CutPrefix(line, "> ")
	var heading bool
	if marks := strings.TrimLeft(line, "#"); len(marks) < len(line) && len(line)-len(marks) <= 6 && strings.HasPrefix(marks, " ") {
		line, heading = marks[1:], true
	}
	if item := strings.TrimLeft(line, " "); strings.HasPrefix(item, "- ") || strings.HasPrefix(item, "* ") {
		line = "• " + item[2:]
	}
	runs := webex.Runs(line)
	list := make([]element, 0, len(runs))
	for _, r := range runs {
		run := element{"type": "TextRun", "text": r.Text}
		if first {
			run["size"] = "Medium"
		}
		if r.Bold || heading {
			run["weight"] = "Bolder"
		}
		if r.Italic {
			run["italic"] = true
		}
		if r.Code {
			run["fontType"] = "Monospace"
		}
		if quoted {
			run["isSubtle"] = true
		}
		if r.URL != "" {
			run["selectAction"] = element{"type": "Action.OpenUrl", "url": r.URL}
		}
		list = append(list, run)
	}
	return list
}
