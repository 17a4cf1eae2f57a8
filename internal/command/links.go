package command

import (
	"net/url"
	"regexp"
	"slices"
	"strings"

	"nms-alert-relay/internal/alert"
)

// Names are what a command may name: the addresses that links can lead to, and the people whom the message mentions.
type Names struct {
	Sources map[string]string // the address of each Zabbix frontend, by the source's name
	Relay   string            // the relay's own public address
	people  []string          // their names as written, in plain form
}

var (
	markdownLink = regexp.MustCompile(`^\[[^\]\n]*\]\(([^)\s]+)\)[.,;:!]*`)
	plainLink    = regexp.MustCompile("^[(\\[{<\"'`*_]*((?i:[a-z][a-z0-9+.-]*://|www\\.)[^\\s<>\"'`]+)[^\\s]*")
	bareLink     = regexp.MustCompile(`^[^\s/]+\.[^\s]*/[^\s]*(?i:eventids?(\[\]|%5B%5D)?=|/m/)[^\s]*`)
)

// linkIn returns the link at the start of a text and its length in bytes; 0 for none.
func linkIn(text string) (target string, size int) {
	for _, form := range []*regexp.Regexp{markdownLink, plainLink} {
		if m := form.FindStringSubmatch(text); m != nil {
			return strings.TrimRight(m[1], ".,;:!?)]}*_"), len(m[0])
		}
	}
	if m := bareLink.FindString(text); m != "" {
		return "https://" + strings.TrimRight(m, ".,;:!?)]}*_"), len(m)
	}
	return "", 0
}

// NamesEvent reports whether a link has an event id in it, wherever it leads.
func NamesEvent(link string) bool {
	lower := strings.ToLower(link)
	return strings.Contains(lower, "eventid") || strings.Contains(lower, "/m/")
}

// follow returns the one problem that a link to a configured Zabbix or to the relay leads to.
func (n Names) follow(link string) (alert.Key, bool) {
	u, err := url.Parse(link)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" {
		return alert.Key{}, false
	}
	var found []alert.Key
	for source, base := range n.Sources {
		if _, below := under(u, base); below {
			for _, id := range eventIDs(u) {
				found = append(found, alert.Key{Source: source, EventID: id})
			}
		}
	}
	if path, below := under(u, n.Relay); below && strings.HasPrefix(path, "/m/") {
		if source, id, ok := strings.Cut(strings.TrimPrefix(path, "/m/"), "/"); ok {
			rest := strings.TrimLeft(id, digits)
			id = id[:len(id)-len(rest)]
			if key, ok := n.parseRef(source + "/" + id); ok && (rest == "" || !isLetter(rest[0])) {
				found = append(found, key)
			}
			for _, id := range eventIDs(u) {
				found = append(found, alert.Key{Source: source, EventID: id})
			}
		}
	}
	slices.SortFunc(found, orderKeys)
	found = slices.Compact(found)
	if len(found) == 0 {
		return alert.Key{}, false
	}
	for _, key := range found {
		if key.EventID != found[0].EventID || strings.Trim(key.EventID, digits) != "" || key.EventID == "" || len(key.EventID) > maxDigits {
			return alert.Key{}, false
		}
	}
	if len(found) > 1 { // two sources with the same address
		return alert.Key{EventID: found[0].EventID}, true
	}
	return found[0], true
}

// linkedIDs returns the event ids in a link, wherever it leads.
func linkedIDs(link string) (ids []string) {
	target, _ := linkIn(link)
	if u, err := url.Parse(target); err == nil {
		for _, id := range eventIDs(u) {
			if id != "" && strings.Trim(id, digits) == "" {
				ids = append(ids, id)
			}
		}
	}
	return ids
}

// under reports whether a URL is at or below a base, and its path from there.
func under(u *url.URL, base string) (path string, below bool) {
	b, err := url.Parse(base)
	if err != nil || b.Host == "" || !strings.EqualFold(hostPort(u), hostPort(b)) {
		return "", false
	}
	prefix := strings.TrimRight(b.Path, "/")
	path, below = strings.CutPrefix(u.Path, prefix)
	return path, below && (path == "" || path[0] == '/')
}

// hostPort omits the default ports of both schemes: people paste http for https.
func hostPort(u *url.URL) string {
	if port := u.Port(); port != "" && port != "80" && port != "443" {
		return u.Hostname() + ":" + port
	}
	return u.Hostname()
}

// eventIDs returns the values of all parameters for event ids.
func eventIDs(u *url.URL) (ids []string) {
	for name, values := range u.Query() {
		if name, _, _ := strings.Cut(strings.ToLower(name), "["); name == "eventid" || name == "eventids" {
			ids = append(ids, values...)
		}
	}
	return ids
}
