package command

import (
	"encoding/json"

	"nms-alert-relay/internal/render"
)

// element is a part of an Adaptive Card.
type element map[string]any

// encodeCard returns a card with its body and actions.
func encodeCard(body, actions []element) []byte {
	if rows := render.Rows(actions); len(rows) > 1 {
		for _, row := range rows[:len(rows)-1] {
			body = append(body, element{"type": "ActionSet", "actions": row})
		}
		actions = rows[len(rows)-1]
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
