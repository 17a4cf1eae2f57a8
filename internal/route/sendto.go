package route

import (
	"fmt"
	"slices"
	"strings"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/webexid"
)

// named is what the "Send to" of a problem's messages names.
type named struct {
	rooms   []string // without doubles
	why     []string // one for each name, known or not
	unknown []string // those of why that name nothing
}

// named reads every {ALERT.SENDTO} of a problem.
func (r *Router) named(p alert.Problem, sendTo string) (n named) {
	mode := r.mode(p.Key.Source)
	seen := make(map[string]bool) // one payload may hold a hundred thousand names
	for _, value := range append(slices.Clip(p.SendTo), sendTo) {
		for _, name := range r.split(value) {
			room, why := r.resolve(name, mode)
			if seen[why] {
				continue
			}
			seen[why] = true
			n.why = append(n.why, why)
			if room != "" && !seen["room "+room] {
				seen["room "+room] = true
				n.rooms = append(n.rooms, room)
			} else if room == "" && mode != config.SendToIgnore && !leavesToRoutes(name) {
				n.unknown = append(n.unknown, why)
			}
		}
	}
	return n
}

// Unknown says in words what a source's {ALERT.SENDTO} holds that names nothing; nil for nothing.
func (r *Router) Unknown(source, sendTo string) []string {
	return r.named(alert.Problem{Key: alert.Key{Source: source}}, sendTo).unknown
}

// mode is what {ALERT.SENDTO} of a source does.
func (r *Router) mode(source string) config.SendTo {
	if mode := r.sources[source]; mode != "" {
		return mode
	}
	return config.SendToAdd
}

// split gives the names in one {ALERT.SENDTO}: they stand between commas, semicolons or ends of
// lines, unless the whole of it is the name of a room. They may be in quotes, and an address in the
// form that Zabbix's e-mail media take too: "Alice <alice@example.com>".
func (r *Router) split(value string) (names []string) {
	if _, whole := r.room(strings.TrimSpace(value)); whole {
		return []string{strings.TrimSpace(value)}
	}
	for name := range strings.FieldsFuncSeq(value, func(c rune) bool { return strings.ContainsRune(",;\r\n，；、", c) }) {
		if name = bare(name); name != "" {
			names = append(names, name)
		}
	}
	return names
}

// bare is a name without quotes, and an address without a person's name and mailto.
func bare(name string) string {
	name = strings.TrimSpace(strings.Trim(strings.TrimSpace(name), `"'“”„`))
	if before, rest, ok := strings.Cut(name, "<"); ok && strings.HasSuffix(rest, ">") {
		if address := strings.TrimSpace(strings.TrimSuffix(rest, ">")); isAddress(address) || before == "" {
			name = address
		}
	}
	if len(name) > len("mailto:") && strings.EqualFold(name[:len("mailto:")], "mailto:") {
		name = name[len("mailto:"):]
	}
	return name
}

// room finds a configured room by its name, which people also write with a number sign.
func (r *Router) room(name string) (room string, ok bool) {
	if room, ok = r.byName[strings.ToLower(name)]; !ok {
		room, ok = r.byName[strings.ToLower(strings.TrimSpace(strings.TrimPrefix(name, "#")))]
	}
	return room, ok
}

// resolve finds the room that one name in {ALERT.SENDTO} means: a configured room's name or id,
// or the e-mail address of a person whose domain is allowed ("person:alice@example.com", a direct
// chat). It says why or why not.
func (r *Router) resolve(name string, mode config.SendTo) (room, why string) {
	if mode == config.SendToIgnore {
		return "", "the source says send_to: ignore"
	}
	if leavesToRoutes(name) {
		return "", quoted(name) + " leaves it to the routes"
	}
	did := "its room is added"
	if mode == config.SendToOnly {
		did = "only its room is told"
	}
	if room, ok := r.room(name); ok {
		return room, fmt.Sprintf("%s names a room: %s", quoted(name), did)
	}
	if room, ok := r.byID[webexid.Key(name)]; ok {
		return room, fmt.Sprintf("%s is the id of room %s: %s", quoted(name), room, did)
	}
	if !isAddress(name) {
		return "", fmt.Sprintf("%s is neither a configured room's name or id nor an e-mail address", quoted(name))
	}
	if !r.allowed(name) {
		return "", fmt.Sprintf("%s is an address outside the allowed domains", quoted(name))
	}
	return config.PersonRoom + strings.ToLower(name), fmt.Sprintf("%s is a person's address: %s", quoted(name), did)
}

// leavesToRoutes says whether a name stands for no room: Zabbix doesn't let the field be empty.
func leavesToRoutes(name string) bool {
	return strings.EqualFold(name, config.SendToRoutes) || name == "-"
}

// isAddress says whether a text can be one person's e-mail address; Webex has
// the last word.
func isAddress(text string) bool {
	local, domain, ok := strings.Cut(text, "@")
	return ok && local != "" && domain != "" && len(text) <= 254 && !strings.ContainsFunc(text, func(r rune) bool {
		return r <= ' ' || r > '~' || strings.ContainsRune(`<>()[]"\,;:|`, r)
	}) && !strings.Contains(domain, "@")
}
