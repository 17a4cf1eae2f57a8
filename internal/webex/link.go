package webex

import (
	"encoding/base64"
	"net/url"
	"regexp"
	"strings"
)

var uuidPattern = regexp.MustCompile(`^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$`)

// SpaceLink is the link that opens a room in the Webex app, made from the
// room's id; false where the id isn't one from which a link can be made.
// webexteams://im?space=UUID is documented; an https form is not.
func SpaceLink(roomID string) (string, bool) {
	space, ok := uuidOf(roomID, "ROOM")
	if !ok {
		return "", false
	}
	return "webexteams://im?" + url.Values{"space": {space}}.Encode(), true
}

// MessageLink is the link to one message, as the app's own "Copy message link"
// makes it (seen, not documented: an app that doesn't know "message" opens the room).
func MessageLink(roomID, messageID string) (string, bool) {
	link, ok := SpaceLink(roomID)
	message, ok2 := uuidOf(messageID, "MESSAGE")
	if !ok || !ok2 {
		return link, ok
	}
	return link + "&" + url.Values{"message": {message}}.Encode(), true
}

// uuidOf takes the UUID out of a public id: base64url of
// "ciscospark://CLUSTER/KIND/UUID", padded or not.
func uuidOf(id, kind string) (string, bool) {
	raw, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(strings.NewReplacer("+", "-", "/", "_").Replace(id), "="))
	if err != nil {
		return "", false
	}
	rest, ok := strings.CutPrefix(string(raw), "ciscospark://")
	if !ok {
		return "", false
	}
	parts := strings.Split(rest, "/")
	if len(parts) != 3 || parts[1] != kind || !uuidPattern.MatchString(parts[2]) {
		return "", false
	}
	return parts[2], true
}
