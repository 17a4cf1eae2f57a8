package command

import "encoding/json"

// element is a part of an Adaptive Card.
type element map[string]any

// maxRow is how many buttons a row has. Webex shows five, a phone three of them.
const maxRow = 3

// encodeCard returns a card with its body and actions.
func encodeCard(body, actions []element) []byte {
	for len(actions) > maxRow {
		body = append(body, element{"type": "ActionSet", "actions": actions[:maxRow]})
		actions = actions[maxRow:]
	}
	card := element{
		"$schema": "http://adaptivecards.io/schemas/adaptive-card.json", "type": "AdaptiveCard", "version": "1.3", "body": body,
	}
	if len(actions) > 0 {
		card["actions"] = actions
	}
	content, err := json.Marshal(card)
	if err != nil {
		panic(err) // strings and numbers always marshal
	}
	return content
}

// submit is a button whose press comes back as a Button with this action and key.
func submit(title, style, action, key string) element {
	return element{"type": "Action.Submit", "title": title, "style": style, "data": element{"relay": 1, "action": action, "key": key}}
}
