// Package webexid reads Webex ids in all their spellings. Two spellings name the same thing if the UUIDs inside are the same.
package webexid

import (
	"encoding/base64"
	"net/url"
	"regexp"
	"strings"
)

// The kinds of ids.
const (
	Room    = "ROOM"
	People  = "PEOPLE"
	Message = "MESSAGE"
)

// ID is a parsed Webex id.
type ID struct {
	Cluster string // "us", "urn:TEAM:us-west-2_r"; "" if the spelling has none
	Kind    string // "ROOM"; "" for a bare UUID
	UUID    string // in lower case
	IsREST  bool   // whether the spelling is that of the REST API
}

var (
	uuidPattern = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)
	// spacePath matches a link to a space in the web app.
	spacePath = regexp.MustCompile(`/(?:spaces?|rooms?)/([0-9A-Fa-f-]{36})(?:/|$)`)
)

const scheme = "ciscospark://"

// Parse reads an id: in the form of the REST API (base64 of ciscospark://CLUSTER/KIND/UUID in either alphabet, padded or not),
// the same in clear text, a bare UUID, or a link that opens a space in the Webex app. It is false for anything else.
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

// decode returns the text inside a REST id, or "".
func decode(text string) string {
	text = strings.TrimRight(strings.NewReplacer("+", "-", "/", "_").Replace(text), "=")
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return ""
	}
	return string(raw)
}

// parseClear reads ciscospark://CLUSTER/KIND/UUID. The last part needn't be a UUID: memberships have two.
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

// Key returns the form that all spellings of an id share, for maps and tables; for text that isn't an id, the text.
func Key(text string) string {
	if id, ok := Parse(text); ok {
		return id.UUID
	}
	return strings.TrimSpace(text)
}

// Same reports whether two texts name the same thing: the UUIDs inside are equal, and the kinds don't conflict. Empty text names
// nothing.
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
	if !oka && !okb { // neither is an id: compare literally
		return ka == kb
	}
	return ia.Kind == ib.Kind || ia.Kind == "" || ib.Kind == ""
}

// REST returns the id in the form of the REST API, for the cluster "us" if the id has none.
func (id ID) REST(kind string) string {
	cluster := id.Cluster
	if cluster == "" {
		cluster = "us"
	}
	return base64.RawURLEncoding.EncodeToString([]byte(scheme + cluster + "/" + kind + "/" + id.UUID))
}

// HasUUID reports whether the id ends in a UUID, as those of rooms, people and messages do.
func (id ID) HasUUID() bool { return uuidPattern.MatchString(id.UUID) }
