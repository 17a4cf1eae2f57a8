package incident

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strconv"
	"strings"

	"nms-alert-relay/internal/render"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/text"
	"nms-alert-relay/internal/webex"
)

// ButtonAction is the action of the buttons of an incident's card. Their key is the number of the incident, and what they do.
const ButtonAction = "incident"

// What the buttons do: "INC-7/role/lead", "INC-7/check/" and the ItemID.
const (
	ButtonRole  = "role"
	ButtonCheck = "check"
)

// ItemID identifies an item of the checklist in the key of a button: its number may be another one's after a reload.
func ItemID(item string) string {
	sum := sha256.Sum256([]byte(item))
	return hex.EncodeToString(sum[:4])
}

// ParseButton reads the key of a button.
func ParseButton(key string) (id int64, what, value string, ok bool) {
	parts := strings.SplitN(key, "/", 3)
	if len(parts) != 3 {
		return 0, "", "", false
	}
	id, ok = ParseNumber(parts[0])
	return id, parts[1], parts[2], ok && (parts[1] == ButtonRole || parts[1] == ButtonCheck)
}

// maxCardProblems bounds the problems that the card names.
const maxCardProblems = 8

type element = map[string]any

// run is text in a card. No client interprets that of a RichTextBlock.
type run struct {
	text string
	bold bool
}

// card is the message that shows the incident as it is: a card with buttons, and the same in markdown. Webex edits no message with a
// card, so it is posted again at the end of the space, where it is at hand.
func (f Facts) card(s Settings) Message {
	in := s.room(f.Incident)
	l := in.Lang
	var body, buttons []element
	var said []string
	line := func(separated bool, runs ...run) {
		var inlines []element
		var md strings.Builder
		for _, r := range runs {
			inline := element{"type": "TextRun", "text": r.text}
			escaped := between(r.text)
			if r.bold {
				inline["weight"] = "Bolder"
				escaped = "**" + escaped + "**"
			}
			inlines = append(inlines, inline)
			md.WriteString(escaped)
		}
		block := element{"type": "RichTextBlock", "inlines": inlines, "spacing": "Small"}
		if separated {
			block["separator"], block["spacing"] = true, "Medium"
		}
		body, said = append(body, block), append(said, md.String())
	}
	state := map[State]string{Open: "🚨", Resolved: "✅"}[f.State()]
	line(false, run{state + " " + Number(f.ID) + " " + text.Shorten(f.Title, 120), true})
	line(false, run{l.T("%s since %s · %s · opened by %s", f.State().Word(l), moment(in, f.since()), f.counted(l), Label(f.By)), false})
	for n, key := range f.Current() {
		if n == maxCardProblems {
			line(false, run{l.T("… and %d more: send incident", len(f.Current())-n), false})
			break
		}
		p := f.Known[key]
		mark, owner := "🟢 "+l.T("resolved"), ""
		if f.goesOn(key) {
			mark = "🔴 " + render.Word(l, p.Severity)
		}
		if p.Owner.Email != "" {
			owner = " · 👤 " + text.Line(p.Owner.Label())
		}
		line(n == 0, run{mark + " · ", false}, run{nameOf(p), true}, run{" · " + key.EventID + owner, false})
	}
	for n, role := range s.Roles {
		who, title := l.C("owner", "nobody"), l.T("Take %s", role)
		if holder := f.Holder(role); holder != (store.Someone{}) {
			who, title = Label(holder), l.T("Take or leave %s", role)
		}
		line(n == 0, run{title1(role) + ": ", false}, run{who, true})
		buttons = append(buttons, button(title, "default", f.ID, ButtonRole, role))
	}
	for n, item := range s.Checklist {
		by, ticked := f.Ticked(item)
		box, after := "☐ ", ""
		if ticked {
			box, after = "☑ ", " · "+Label(by.By)+", "+moment(in, by.At)
		} else if f.State() == Open {
			buttons = append(buttons, button("☑ "+text.Shorten(item, 30), "positive", f.ID, ButtonCheck, ItemID(item)))
		}
		line(n == 0, run{box + strconv.Itoa(n+1) + ". " + item + after, false})
	}
	if f.State() != Open {
		buttons = nil
	}
	for _, row := range render.Rows(buttons) {
		body = append(body, element{"type": "ActionSet", "actions": row})
	}
	card := element{"$schema": "http://adaptivecards.io/schemas/adaptive-card.json", "type": "AdaptiveCard", "version": "1.3", "body": body}
	content, err := json.Marshal(card)
	if err != nil {
		panic(err) // strings and numbers always marshal
	}
	return Message{Name: messageCard, Text: webex.CutMarkdown(strings.Join(said, "\n\n"), webex.MaxMessageBytes), Card: content}
}

// between escapes text between other text: it keeps the spaces at its ends, which EscapeMarkdown removes.
func between(s string) string {
	inner := strings.TrimSpace(s)
	if inner == "" {
		return s
	}
	at := strings.Index(s, inner)
	return s[:at] + webex.EscapeMarkdown(inner) + s[at+len(inner):]
}

func title1(word string) string {
	first := []rune(word)
	if len(first) == 0 {
		return word
	}
	return strings.ToUpper(string(first[:1])) + string(first[1:])
}

func button(title, style string, id int64, what, value string) element {
	return element{
		"type": "Action.Submit", "title": title, "style": style,
		"data": element{"relay": 1, "action": ButtonAction, "key": Number(id) + "/" + what + "/" + value},
	}
}
