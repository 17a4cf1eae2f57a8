// Package webexid reads Webex ids in all the forms in which people and clients write them.
// Two spellings name the same thing when the UUIDs inside are the same.
package webexid

import (
	"encoding/base64"
	"net/url"
	"regexp"
	"strings"
)

// The kinds of ids that the relay knows.
const (
	Room    = "ROOM"
	People  = "PEOPLE"
	Message = "MESSAGE"
)

// ID is a Webex id taken apart.
type ID struct {
	Cluster string // "us", "urn:TEAM:us-west-2_r"; "" where the form doesn't tell
	Kind    string // "ROOM"; "" for a bare UUID
	UUID    string // in lower case
	IsREST  bool   // it was written as the REST API writes it
}

var (
	uuidPattern = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)
	// spacePath is a link to a space in the web app.
	spacePath = regexp.MustCompile(`/(?:spaces?|rooms?)/([0-9A-Fa-f-]{36})(?:/|$)`)
)

const scheme = "ciscospark://"

// Parse reads an id: as the REST API writes it (base64 of ciscospark://CLUSTER/KIND/UUID, of
// either alphabet, padded or not), the same in clear text, a bare UUID, or a link that opens a
// space in the Webex app. It is false for anything else.
func Parse(text string) (ID, bool) {
	text = strings.TrimSpace(text)
	if id, ok := parseClear(decode(text)); ok {
		id.IsREST = true
		return id, true
	}
	if id, ok := parseClear(text); ok {
		return id, true
	}
	if uuid, ok := parseUUID(text); ok {
		return ID{UUID: uuid}, true
	}
	return parseLink(text)
}

// decode is the text inside of a REST id, or "".
func decode(text string) string {
	text = strings.TrimRight(strings.NewReplacer("+", "-", "/", "_").Replace(text), "=")
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return ""
	}
	return string(raw)
}

// parseClear reads ciscospark://CLUSTER/KIND/UUID. What stands in the UUID's place needn't be
// one: memberships have two.
func parseClear(text string) (ID, bool) {
	if len(text) < len(scheme) || !strings.EqualFold(text[:len(scheme)], scheme) {
		return ID{}, false
	}
	parts := strings.Split(text[len(scheme):], "/")
	if len(parts) != 3 || parts[1] == "" || parts[2] == "" {
		return ID{}, false
	}
	return ID{Cluster: parts[0], Kind: strings.ToUpper(parts[1]), UUID: strings.ToLower(parts[2])}, true
}

func parseUUID(text string) (string, bool) {
	text = strings.ToLower(text)
	return text, uuidPattern.MatchString(text)
}

// parseLink reads a link to a space: webexteams://im?space=UUID, webex://…, or the web app's.
func parseLink(text string) (ID, bool) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme == "" {
		return ID{}, false
	}
	if uuid, ok := parseUUID(u.Query().Get("space")); ok {
		return ID{Kind: Room, UUID: uuid}, true
	}
	for _, path := range []string{u.Path, u.Fragment} {
		if m := spacePath.FindStringSubmatch(path); m != nil {
			if uuid, ok := parseUUID(m[1]); ok {
				return ID{Kind: Room, UUID: uuid}, true
			}
		}
	}
	return ID{}, false
}

// Key is the part of an id that is the same in all of its spellings; of text that isn't an id
// it is the text. Maps and tables are keyed by it.
func Key(text string) string {
	if id, ok := Parse(text); ok {
		return id.UUID
	}
	return strings.TrimSpace(text)
}

// Same says whether two texts name the same thing: the UUIDs inside are the same, and the kinds
// don't contradict each other. Empty text names nothing.
func Same(a, b string) bool {
	if a == b {
		return strings.TrimSpace(a) != ""
	}
	ka, kb := Key(a), Key(b)
	if ka == "" || ka != kb && !strings.EqualFold(ka, kb) {
		return false
	}
	ia, oka := Parse(a)
	ib, okb := Parse(b)
	if !oka && !okb { // neither is an id: the same text, to the letter
		return ka == kb
	}
	return ia.Kind == ib.Kind || ia.Kind == "" || ib.Kind == ""
}

// REST is the id as the REST API writes it, for the cluster "us" where the id doesn't name
// one.
func (id ID) REST(kind string) string {
	cluster := id.Cluster
	if cluster == "" {
		cluster = "us"
	}
	return base64.RawURLEncoding.EncodeToString([]byte(scheme + cluster + "/" + kind + "/" + id.UUID))
}

// HasUUID says whether the id ends in a UUID, as those of rooms, people and messages do.
func (id ID) HasUUID() bool { return uuidPattern.MatchString(id.UUID) }
