package render

import (
	"encoding/json"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/lang"
)

// element is an Adaptive Card or a part of one.
type element = map[string]any

// MaxCardComment is the limit of a card's comment field, in characters: with the author's name added, a comment still fits
// into a message in Zabbix.
const MaxCardComment = 1500

// maxCardJSON is the limit of a whole card, in bytes. Webex documents none for cards; it stores messages of up to 10,000 bytes.
const maxCardJSON = 9500

// Card returns the Adaptive Card (1.3) of a problem and its fallback markdown. Its buttons are those of Actions. A row of them
// has the width of a phone: not every app wraps one. What is needed less often is behind Suppress and More. In presentation "card" the card is the root message and shows what Root shows; otherwise it is in
// the root's thread and only names its problem.
func (r *Renderer) Card(p alert.Problem, room Room, now time.Time) (content any, fallback string) {
	whole := room.Presentation == config.PresentCard
	list := room.only(r.buttons(p))
	var v *View
	var card element
	for i, scale := range scales {
		b := r.builder(&p, room, scale)
		v = b.view(room, now)
		body, fits := cardText(r.execute(fileCard, room, v), maxCardLines, maxCardBytes)
		var details []element
		if last := i == len(scales)-1; !last {
			v.Timeline, v.Earlier = b.newest(p.Timeline[max(0, len(p.Timeline)-maxDetailEntries):], v.Now)
			v.Earlier += max(0, len(p.Timeline)-maxDetailEntries)
			details, _ = cardText(r.execute(fileDetails, room, v), maxDetailLines, maxDetailBytes)
		}
		card = layout(room.Lang, p, list, body, details, linksOf(v))
		if fits && sizeOf(card) <= maxCardJSON {
			break
		}
	}
	if whole {
		room.Presentation = ""
		return card, r.Root(p, room, now)
	}
	fallback, _ = finish(v.Emoji + " " + v.Title.String() + " · " + v.ID.String() + buttonWords(room.Lang, list))
	return card, fallback
}

func newCard(body, actions []element) element {
	card := element{
		"$schema": "http://adaptivecards.io/schemas/adaptive-card.json", "type": "AdaptiveCard", "version": "1.3", "body": body,
	}
	if len(actions) > 0 {
		card["actions"] = actions
	}
	return card
}

// layout puts a card together. A problem without buttons has only its links.
func layout(l lang.Lang, p alert.Problem, list []Button, body, details, links []element) element {
	if len(list) == 0 {
		return newCard(body, links)
	}
	body = append(slices.Clone(body), element{
		"type": "Input.Text", "id": inputComment, "label": l.T("Comment"), "placeholder": l.T("Sent with the button that you press"),
		"maxLength": MaxCardComment, "isMultiline": true,
	})
	if answers := at(list, placeAnswer); len(answers) > 0 {
		body = append(body, actionSet(submits(l, p.Key, answers)))
	}
	body = append(body, actionSet(submits(l, p.Key, at(list, placeBar))))
	var parts []element
	if lengths := at(list, placeLengths); len(lengths) > 0 {
		parts = append(parts, element{"type": "Action.ShowCard", "title": l.T("Suppress"), "card": suppressCard(l, p.Key, lengths, at(list, placeSuppress))})
	}
	return newCard(body, append(parts, element{"type": "Action.ShowCard", "title": l.T("More"), "card": moreCard(l, p, list, details, links)}))
}

// suppressCard is the part behind Suppress: lengths to press, and a field for any other.
func suppressCard(l lang.Lang, key alert.Key, lengths, others []Button) element {
	return element{"type": "AdaptiveCard", "body": []element{
		actionSet(submits(l, key, lengths)),
		{"type": "Input.Text", "id": inputFor, "label": l.T("Another length"), "placeholder": "2d, until 14:30, until mon 8:00", "maxLength": maxCardLength},
		actionSet(submits(l, key, others)),
	}}
}

// moreCard is the part behind More: what is needed less often, and the details.
func moreCard(l lang.Lang, p alert.Problem, list []Button, details, links []element) element {
	var body []element
	if graded := at(list, placeSeverity); len(graded) > 0 {
		var choices []element
		for _, s := range slices.Backward(alert.Severities[:]) {
			choices = append(choices, element{"title": emojiOf(s) + " " + wordOf(l, s), "value": s.String()})
		}
		body = append(body, element{
			"type": "Input.ChoiceSet", "id": inputSeverity, "label": l.T("Severity"), "style": "compact", "choices": choices, "value": p.Severity.String(),
		}, actionSet(submits(l, p.Key, graded)))
	}
	body = append(body, rows(append(submits(l, p.Key, at(list, placeMore)), links...))...)
	if len(details) > 0 {
		first := details[0]
		first["separator"], first["spacing"] = true, "Medium"
		body = append(body, details...)
	}
	return element{"type": "AdaptiveCard", "body": body}
}

// maxActions is how many buttons a row has, and maxTitles how many characters their titles have together. Webex shows five, a phone
// three of them, and fewer long ones (TestCardsInABrowser).
const maxActions, maxTitles = 3, 31

// Rows puts buttons into rows that a phone shows.
func Rows[E ~map[string]any](actions []E) (rows [][]E) {
	width := 0
	for _, a := range actions {
		title, _ := a["title"].(string)
		size := utf8.RuneCountInString(title)
		if last := len(rows) - 1; last < 0 || len(rows[last]) == maxActions || width+size > maxTitles {
			rows, width = append(rows, nil), 0
		}
		rows[len(rows)-1], width = append(rows[len(rows)-1], a), width+size
	}
	return rows
}

// rows are sets of buttons, each a row.
func rows(actions []element) (sets []element) {
	for _, row := range Rows(actions) {
		sets = append(sets, actionSet(row))
	}
	return sets
}

func actionSet(actions []element) element { return element{"type": "ActionSet", "actions": actions} }

// linksOf are the buttons that open pages. Not every client shows the links in the text.
func linksOf(v *View) (links []element) {
	if v.ZabbixURL != "" {
		links = append(links, element{"type": "Action.OpenUrl", "title": "Zabbix", "url": v.ZabbixURL})
	}
	if v.RunbookURL != "" {
		links = append(links, element{"type": "Action.OpenUrl", "title": v.lang.T("Runbook"), "url": v.RunbookURL})
	}
	return links
}

// sizeOf is how long a card is as JSON.
func sizeOf(card element) int {
	raw, err := json.Marshal(card)
	if err != nil {
		panic(err) // strings, numbers and booleans always marshal
	}
	return len(raw)
}

// buttonWords lists the commands to write in a client that shows no cards.
func buttonWords(l lang.Lang, list []Button) string {
	var verbs []string
	for _, b := range list {
		if !slices.Contains(verbs, b.Action) && b.Action != "" && b.place != placeExtra {
			verbs = append(verbs, b.Action)
		}
	}
	if len(verbs) == 0 {
		return ""
	}
	return "\n" + l.T("Use the buttons, or mention me here with: %s", strings.Join(verbs, ", "))
}
