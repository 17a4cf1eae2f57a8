package route

import (
	"slices"
	"strings"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/lang"
	"nms-alert-relay/internal/webexid"
)

// named has the rooms that the "Send to" fields of a problem's messages refer to.
type named struct {
	rooms   []string      // without duplicates
	why     []lang.Phrase // an explanation for each name
	unknown []string      // the explanations of unknown names, for the log
}

// named reads every {ALERT.SENDTO} of a problem.
func (r *Router) named(p alert.Problem, sendTo string) (n named) {
	mode := r.mode(p.Key.Source)
	seen := make(map[string]bool) // one payload may have a hundred thousand names
	for _, value := range append(slices.Clip(p.SendTo), sendTo) {
		for _, name := range r.split(value) {
			room, why := r.resolve(name, mode)
			said := why.String()
			if seen[said] {
				continue
			}
			seen[said] = true
			n.why = append(n.why, why)
			if room != "" && !seen["room "+room] {
				seen["room "+room] = true
				n.rooms = append(n.rooms, room)
			} else if room == "" && mode != config.SendToIgnore && !leavesToRoutes(name) {
				n.unknown = append(n.unknown, said)
			}
		}
	}
	return n
}

// Unknown explains each name in a source's {ALERT.SENDTO} that refers to nothing.
func (r *Router) Unknown(source, sendTo string) []string {
	return r.named(alert.Problem{Key: alert.Key{Source: source}}, sendTo).unknown
}

// mode is the effect of a source's {ALERT.SENDTO}.
func (r *Router) mode(source string) config.SendTo {
	if mode := r.sources[source]; mode != "" {
		return mode
	}
	return config.SendToAdd
}

// split returns the names in one {ALERT.SENDTO}, separated by commas, semicolons or line breaks, unless the whole text is a room's
// name. Names may be quoted, and addresses may have the form of Zabbix's e-mail media: "Alice <alice@example.com>".
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

// bare removes quotes, and from an address the person's name and "mailto:".
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

// room finds a configured room by its name, with or without a number sign before it.
func (r *Router) room(name string) (room string, ok bool) {
	if room, ok = r.byName[strings.ToLower(name)]; !ok {
		room, ok = r.byName[strings.ToLower(strings.TrimSpace(strings.TrimPrefix(name, "#")))]
	}
	return room, ok
}

// resolve finds the room of one name in {ALERT.SENDTO}, and explains the result. The name is a configured room's name or id, or the
// e-mail address of a person in an allowed domain ("person:alice@example.com", a direct chat).
func (r *Router) resolve(name string, mode config.SendTo) (room string, why lang.Phrase) {
	if mode == config.SendToIgnore {
		return "", lang.Say("the source has send_to: ignore")
	}
	if leavesToRoutes(name) {
		return "", lang.Say("%s means the routes' rooms", quoted(name))
	}
	did := lang.Say("its room is added")
	if mode == config.SendToOnly {
		did = lang.Say("only its room is used")
	}
	if room, ok := r.room(name); ok {
		return room, lang.Say("%s is a room: %s", quoted(name), did)
	}
	if room, ok := r.byID[webexid.Key(name)]; ok {
		return room, lang.Say("%s is the id of room %s: %s", quoted(name), room, did)
	}
	if !isAddress(name) {
		return "", lang.Say("%s is neither a configured room's name or id nor an e-mail address", quoted(name))
	}
	if !r.allowed(name) {
		return "", lang.Say("%s is an address outside the allowed domains", quoted(name))
	}
	return config.DirectRoom(name), lang.Say("%s is a person's address: %s", quoted(name), did)
}

// leavesToRoutes reports whether a name stands for no room: Zabbix requires text in the field.
func leavesToRoutes(name string) bool {
	return strings.EqualFold(name, config.SendToRoutes) || name == "-"
}

// isAddress reports whether a text can be one person's e-mail address; Webex decides.
func isAddress(text string) bool {
	local, domain, ok := strings.Cut(text, "@")
	return ok && local != "" && domain != "" && len(text) <= 254 && !strings.ContainsFunc(text, func(r rune) bool {
		return r <= ' ' || r > '~' || strings.ContainsRune(`<>()[]"\,;:|`, r)
	}) && !strings.Contains(domain, "@")
}
