package render

import (
	"slices"
	"strings"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/lang"
)

// The actions of buttons: the names of the commands.
const (
	ActionAck        = "ack"
	ActionUnack      = "unack"
	ActionTake       = "take"
	ActionComment    = "comment"
	ActionSuppress   = "suppress"
	ActionUnsuppress = "unsuppress"
	ActionSeverity   = "severity"
	ActionClose      = "close"
	ActionGraph      = "graph"
	ActionRoom       = "room"
	ActionRemind     = "remind"
)

// ActionStillOn is the action of the button that answers for problems of a digest. Its key is the digest's message, its value the
// moments at which people were asked.
const ActionStillOn = "still_on"

// The inputs of a card. A press sends them beside the data of its button.
const (
	inputComment  = "comment"
	inputFor      = "for"
	inputSeverity = "severity"
)

// maxCardLength is the limit of the field for a length, in characters.
const maxCardLength = 60

// Button is a button of a card that runs a command on the card's problem. A press sends
// {"relay": 1, "action": Action, "key": "main/4711", "value": Value} and the card's inputs.
type Button struct {
	Action string // the command's name
	Title  string // as it is; the relay's own buttons have words of the catalogue instead
	Style  string // "positive", "destructive" or ""
	// Value says what this button is for if a card has several with the same action. It differs from the inputs' names, since an
	// input of the same name would replace it.
	Value string

	words lang.Key
	place place
}

func (b Button) title(l lang.Lang) string {
	if b.words != "" {
		return l.Of(b.words)
	}
	return b.Title
}

// place is where on a card a button is. A button from outside is behind More.
type place int

const (
	placeExtra  place = iota
	placeAnswer       // above the bar
	placeBar
	placeLengths
	placeSuppress
	placeSeverity
	placeMore
)

// at returns the buttons of a place. Those from outside follow the relay's own behind More.
func at(list []Button, where place) (found []Button) {
	for _, b := range list {
		if b.place == where || where == placeMore && b.place == placeExtra {
			found = append(found, b)
		}
	}
	return found
}

// Actions names the buttons for the present state of a problem ("ack,take,comment"); "" means no card. Only open problems of
// triggers have buttons: not every version of Zabbix can acknowledge other events.
func (r *Renderer) Actions(p alert.Problem) string {
	var names []string
	for _, b := range r.buttons(p) {
		name := b.Action
		if b.place == placeExtra {
			name += ":" + b.Value
		}
		if len(names) == 0 || names[len(names)-1] != name {
			names = append(names, name)
		}
	}
	return strings.Join(names, ",")
}

// buttons are those that this problem's state, trigger, owner and version of Zabbix allow.
func (r *Renderer) buttons(p alert.Problem) []Button {
	if p.Origin != alert.OriginTrigger || !p.Open() || p.Gone {
		return nil
	}
	ack := Button{Action: ActionAck, words: lang.Key("Acknowledge"), Style: "positive", place: placeBar}
	if p.Acknowledged {
		ack = Button{Action: ActionUnack, words: lang.Key("Unacknowledge"), place: placeBar}
	}
	list := []Button{ack, {Action: ActionTake, words: lang.Key("Take"), place: placeBar}, {Action: ActionComment, words: lang.Key("Comment"), place: placeBar}}
	if p.Asked() != nil {
		list = slices.Insert(list, 0, Button{Action: ActionAck, words: lang.Key("Yes, still on it"), Style: "positive", Value: "Still on it", place: placeAnswer})
	}
	if p.CanSuppress {
		for _, l := range lengths {
			list = append(list, Button{Action: ActionSuppress, words: l.title, Value: l.length, place: placeLengths})
		}
		list = append(list, Button{Action: ActionSuppress, words: lang.Key("Suppress that long"), place: placeSuppress})
	}
	if p.CanUnsuppress() {
		list = append(list, Button{Action: ActionUnsuppress, words: lang.Key("Unsuppress"), place: placeSuppress})
	}
	list = append(list, Button{Action: ActionSeverity, words: lang.Key("Change severity"), place: placeSeverity})
	if p.TriggerID != "" {
		list = append(list, Button{Action: ActionGraph, words: lang.Key("Graph"), place: placeMore})
	}
	list = append(list, Button{Action: ActionRoom, words: lang.Key("Incident room"), place: placeMore})
	list = append(list, Button{Action: ActionRemind, words: lang.Key("Remind me in 1 h"), Value: "1h", place: placeMore})
	if p.CanClose {
		list = append(list, Button{Action: ActionClose, words: lang.Key("Close problem"), Style: "destructive", place: placeMore})
	}
	if r.extra != nil {
		for _, b := range r.extra(p) {
			b.place = placeExtra
			list = append(list, b)
		}
	}
	return list
}

// only leaves out the buttons that can do nothing in a room.
func (r Room) only(list []Button) []Button {
	return slices.DeleteFunc(list, func(b Button) bool { return r.NoIncidents && b.Action == ActionRoom })
}

// lengths are those of a suppression that have a button, as people write them.
var lengths = [...]struct {
	title  lang.Key
	length string
}{
	{lang.Key("15m"), "15m"}, {lang.Key("1h"), "1h"}, {lang.Key("4h"), "4h"}, {lang.Key("Tomorrow 8:00"), "until tomorrow 8:00"},
}

// submits are buttons as Adaptive Cards have them.
func submits(l lang.Lang, key alert.Key, list []Button) []element {
	actions := make([]element, 0, len(list))
	for _, b := range list {
		data := element{"relay": 1, "action": b.Action, "key": key.String()}
		if b.Value != "" {
			data["value"] = b.Value
		}
		action := element{"type": "Action.Submit", "title": b.title(l), "data": data}
		if b.Style != "" {
			action["style"] = b.Style
		}
		actions = append(actions, action)
	}
	return actions
}
