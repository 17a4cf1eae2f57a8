package webexsim

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"strings"
)

// The part of Adaptive Cards 1.3 that Webex accepts ("Buttons and Cards Guide"), without pictures and columns: the relay sends text,
// inputs and actions.
const (
	cardContentType = "application/vnd.microsoft.card.adaptive"
	maxActions      = 5
)

var cardVersion = regexp.MustCompile(`^1\.[0-3]$`)

// elements are the element types with their required properties.
var elements = map[string][]string{
	"TextBlock": {"text"}, "RichTextBlock": {"inlines"}, "Container": {"items"}, "ActionSet": {"actions"},
	"Input.Text": {"id"}, "Input.Number": {"id"}, "Input.Date": {"id"}, "Input.Time": {"id"},
	"Input.Toggle": {"id", "title"}, "Input.ChoiceSet": {"id", "choices"},
}

type cardCheck struct {
	faults []string
	inputs map[string]bool
}

// cardOf is the card in a message's "attachments"; nil for none.
func cardOf(field any) (json.RawMessage, error) {
	if field == nil {
		return nil, nil
	}
	list, ok := field.([]any)
	if !ok || len(list) != 1 {
		return nil, refuse(http.StatusBadRequest, "Only one attachment is allowed per message.")
	}
	attachment, _ := list[0].(map[string]any)
	if attachment["contentType"] != cardContentType {
		return nil, refuse(http.StatusBadRequest, "Attachment contentType must be "+cardContentType+".")
	}
	card, ok := attachment["content"].(map[string]any)
	if !ok {
		return nil, refuse(http.StatusBadRequest, "Attachment content must be a JSON object.")
	}
	if faults := checkCard(card); len(faults) > 0 {
		return nil, refuse(http.StatusBadRequest, "Unable to process the card: "+strings.Join(faults, "; "))
	}
	raw, err := json.Marshal(card)
	return raw, err
}

// checkCard reports everything that Webex would refuse in an Adaptive Card; nil if nothing.
func checkCard(card map[string]any) []string {
	c := &cardCheck{inputs: map[string]bool{}}
	version, _ := card["version"].(string)
	if !cardVersion.MatchString(version) {
		c.fault("card", "version %q: at most 1.3", version)
	}
	c.card("card", card)
	return c.faults
}

func (c *cardCheck) fault(at, format string, args ...any) {
	c.faults = append(c.faults, at+": "+fmt.Sprintf(format, args...))
}

// card checks a card, or the card within an Action.ShowCard.
func (c *cardCheck) card(at string, card map[string]any) {
	if card["type"] != "AdaptiveCard" {
		c.fault(at, "type %v: expected AdaptiveCard", card["type"])
	}
	c.each(at+".body", card["body"], c.element)
	c.actions(at+".actions", card["actions"])
	c.selectAction(at, card)
}

// each checks every object of a list; an absent list is empty.
func (c *cardCheck) each(at string, list any, check func(at string, o map[string]any)) {
	if list == nil {
		return
	}
	items, ok := list.([]any)
	if !ok {
		c.fault(at, "expected a list")
	}
	for i, item := range items {
		here := fmt.Sprintf("%s[%d]", at, i)
		if o, ok := item.(map[string]any); ok {
			check(here, o)
		} else {
			c.fault(here, "expected an object")
		}
	}
}

func (c *cardCheck) element(at string, e map[string]any) {
	kind, _ := e["type"].(string)
	required, known := elements[kind]
	if !known {
		c.fault(at, "unknown element type %q", kind)
		return
	}
	for _, name := range required {
		if v, ok := e[name]; !ok || v == "" || v == nil {
			c.fault(at, "%s needs %s", kind, name)
		}
	}
	switch kind {
	case "TextBlock":
		if _, ok := e["text"].(string); !ok {
			c.fault(at, "text must be a string")
		}
	case "RichTextBlock":
		c.inlines(at+".inlines", e["inlines"])
	case "Container":
		c.each(at+".items", e["items"], c.element)
	case "ActionSet":
		c.actions(at+".actions", e["actions"])
	case "Input.ChoiceSet":
		c.each(at+".choices", e["choices"], func(at string, choice map[string]any) { c.texts(at, choice, "title", "value") })
	}
	if strings.HasPrefix(kind, "Input.") {
		id, _ := e["id"].(string)
		if c.inputs[id] {
			c.fault(at, "two inputs have the id %q", id)
		}
		c.inputs[id] = true
	}
	c.selectAction(at, e)
}

// inlines are strings, or text runs that may have an action.
func (c *cardCheck) inlines(at string, list any) {
	runs, ok := list.([]any)
	if !ok || len(runs) == 0 {
		c.fault(at, "expected a list of runs")
	}
	for i, run := range runs {
		here := fmt.Sprintf("%s[%d]", at, i)
		switch run := run.(type) {
		case string:
		case map[string]any:
			if run["type"] != "TextRun" {
				c.fault(here, "type %v: expected TextRun", run["type"])
			}
			c.texts(here, run, "text")
			c.selectAction(here, run)
		default:
			c.fault(here, "expected a string or a TextRun")
		}
	}
}

func (c *cardCheck) texts(at string, o map[string]any, names ...string) {
	for _, name := range names {
		if _, ok := o[name].(string); !ok {
			c.fault(at, "%s must be a string", name)
		}
	}
}

func (c *cardCheck) actions(at string, list any) {
	if items, ok := list.([]any); ok && len(items) > maxActions {
		c.fault(at, "%d actions: at most %d are shown", len(items), maxActions)
	}
	c.each(at, list, c.action)
}

func (c *cardCheck) selectAction(at string, e map[string]any) {
	if a, ok := e["selectAction"].(map[string]any); ok {
		c.action(at+".selectAction", a)
	}
}

func (c *cardCheck) action(at string, a map[string]any) {
	switch a["type"] {
	case "Action.Submit":
		switch a["data"].(type) {
		case nil, string, map[string]any:
		default:
			c.fault(at, "data must be a string or an object")
		}
	case "Action.OpenUrl":
		c.webURL(at, a["url"])
	case "Action.ShowCard":
		if card, ok := a["card"].(map[string]any); ok {
			c.card(at+".card", card)
		} else {
			c.fault(at, "Action.ShowCard needs card")
		}
	default:
		c.fault(at, "unknown action type %q", a["type"])
	}
}

func (c *cardCheck) webURL(at string, v any) {
	text, _ := v.(string)
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		c.fault(at, "url %q: expected http(s)://…", text)
	}
}

// submit is an Action.Submit of a card.
type submit struct {
	title string
	data  map[string]any
	scope *inputScope
}

// inputScope holds the inputs of a card by id, with their defaults. A card behind a button is within another one.
type inputScope struct {
	inputs map[string]any
	outer  *inputScope
}

// values is what a press sends: the button's data, and the inputs of its card and of those around it, the inputs last.
func (s submit) values(given map[string]any) map[string]any {
	out := maps.Clone(s.data)
	if out == nil {
		out = map[string]any{}
	}
	for scope := s.scope; scope != nil; scope = scope.outer {
		maps.Copy(out, scope.inputs)
	}
	maps.Copy(out, given)
	return out
}

// submits finds the submit buttons of a card, and of the cards within it.
func submits(raw json.RawMessage) []submit {
	var found []submit
	var walk func(o any, scope *inputScope)
	walk = func(o any, scope *inputScope) {
		switch o := o.(type) {
		case []any:
			for _, item := range o {
				walk(item, scope)
			}
		case map[string]any:
			kind, _ := o["type"].(string)
			if kind == "AdaptiveCard" {
				scope = &inputScope{map[string]any{}, scope}
			}
			if kind == "Action.Submit" {
				data, _ := o["data"].(map[string]any)
				title, _ := o["title"].(string)
				found = append(found, submit{title, data, scope})
			}
			if id, _ := o["id"].(string); strings.HasPrefix(kind, "Input.") {
				scope.inputs[id] = cmp.Or(o["value"], any(""))
			}
			for _, name := range []string{"body", "items", "actions", "card", "selectAction", "inlines"} {
				walk(o[name], scope)
			}
		}
	}
	var card any
	if json.Unmarshal(raw, &card) == nil { // a message without a card has no buttons
		walk(card, nil)
	}
	return found
}
