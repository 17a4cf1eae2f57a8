package webex

import (
	"net/url"

	"nms-alert-relay/internal/webexid"
)

// SpaceLink returns the link that opens a room in the Webex app. It is false if no link can be made from the room's id.
// webexteams://im?space=UUID is documented; an https form is not.
func SpaceLink(roomID string) (string, bool) {
	space, ok := uuidOf(roomID, webexid.Room)
	if !ok {
		return "", false
	}
	return "webexteams://im?" + url.Values{"space": {space}}.Encode(), true
}

// ChatLink returns the link that opens the direct chat with an account: webexteams://im?email=ADDRESS is documented.
func ChatLink(email string) (string, bool) {
	if !emailPattern.MatchString(email) {
		return "", false
	}
	return "webexteams://im?" + url.Values{"email": {email}}.Encode(), true
}

// MessageLink returns the link to one message, as the app's own "Copy message link" makes it. It is not documented: an app that
// doesn't know "message" opens the room.
func MessageLink(roomID, messageID string) (string, bool) {
	link, ok := SpaceLink(roomID)
	message, ok2 := uuidOf(messageID, webexid.Message)
	if !ok || !ok2 {
		return link, ok
	}
	return link + "&" + url.Values{"message": {message}}.Encode(), true
}

// uuidOf returns the UUID of an id of this kind, in any spelling.
func uuidOf(id, kind string) (string, bool) {
	parsed, ok := webexid.Parse(id)
	return parsed.UUID, ok && (parsed.Kind == kind || parsed.Kind == "") && parsed.HasUUID()
}
