//go:build e2e

package e2e

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/simulator/webexsim"
)

// events returns Zabbix's problems of this run, open and resolved.
func (c *chaos) events() []object {
	c.t.Helper()
	return c.rows(c.t, "event.get", object{"output": "extend", "source": 0, "object": 0, "value": []int{1}, "hostids": c.host, "sortfield": "eventid"})
}

// linked finds the ids of the problems that a message shows.
var linked = regexp.MustCompile(`eventid=(\d+)`)

// shown are the messages of both rooms, by the problem that they are about.
type shown struct {
	roots   map[string][]webexsim.MessageView // event id → live messages
	replies map[string][]webexsim.MessageView // root's id → live replies
}

func (c *chaos) shown() shown {
	s := shown{map[string][]webexsim.MessageView{}, map[string][]webexsim.MessageView{}}
	for _, room := range []string{"noc", "db"} {
		for _, m := range c.webex.Timeline(room) {
			switch {
			case m.Deleted || !m.From.Bot:
			case m.ParentID != "":
				s.replies[m.ParentID] = append(s.replies[m.ParentID], m)
			default:
				var ids []string
				for _, found := range linked.FindAllStringSubmatch(m.Markdown, -1) {
					ids = append(ids, found[1])
				}
				slices.Sort(ids)
				for _, id := range slices.Compact(ids) {
					s.roots[id] = append(s.roots[id], m)
				}
			}
		}
	}
	return s
}

// named returns the messages that have this name in them.
func (c *chaos) named(name string) string {
	var all strings.Builder
	for _, room := range []string{"noc", "db"} {
		for _, m := range c.webex.Timeline(room) {
			if m.ParentID == "" && strings.Contains(m.Text, name) {
				fmt.Fprintf(&all, "\n%s %s, deleted: %v, edits: %d: %s", room, m.ID, m.Deleted, m.Edits, m.Markdown)
			}
		}
	}
	return all.String()
}

// inFlight reports whether the answer to a message may have been lost by a kill: the relay may repeat it.
func (c *chaos) inFlight(m webexsim.MessageView) bool {
	return slices.ContainsFunc(c.kills, func(at time.Time) bool { return m.Created.Before(at) && at.Sub(m.Created) < time.Second })
}

// owned drops messages that a kill may have repeated: all but the newest.
func (c *chaos) owned(messages []webexsim.MessageView) []webexsim.MessageView {
	last := len(messages) - 1
	var left []webexsim.MessageView
	for i, m := range messages {
		if i == last || !c.inFlight(m) {
			left = append(left, m)
		}
	}
	return left
}

// differences compares what the rooms show with what Zabbix holds, fact by fact.
func (c *chaos) differences() (all []string) {
	c.t.Helper()
	s := c.shown()
	differ := func(event object, format string, args ...any) {
		all = append(all, fmt.Sprintf("event %s (%s): ", event["eventid"], event["name"])+fmt.Sprintf(format, args...))
	}
	for _, e := range c.events() {
		id, open := e["eventid"].(string), e["r_eventid"] == "0"
		roots := c.owned(s.roots[id])
		switch {
		case len(roots) > 1:
			differ(e, "%d messages: %q and %q", len(roots), roots[0].Text, roots[1].Text)
			continue
		case len(roots) == 0 && open:
			differ(e, "open, but no room shows it, only: %s", c.named(e["name"].(string)))
			continue
		case len(roots) == 0:
			continue // it resolved before it was found
		}
		root := roots[0]
		headline, _, _ := strings.Cut(root.Text, "\n")
		if strings.Contains(headline, "Flapping") {
			c.compareFlapping(e, root, open, differ)
		} else {
			for word, expected := range map[string]bool{
				"resolved": !open, "acknowledged": open && e["acknowledged"] == "1", "suppressed": open && e["suppressed"] == "1",
				alert.Severity(number(c.t, e["severity"])).Title(): true,
			} {
				if strings.Contains(headline, word) != expected {
					differ(e, "%q should be there: %v; %s", word, expected, headline)
				}
			}
		}
		c.compareThread(e, root, s.replies[root.ID], open, differ)
	}
	return all
}

// compareFlapping compares one opening in the message of its trigger.
func (c *chaos) compareFlapping(e object, root webexsim.MessageView, open bool, differ func(object, string, ...any)) {
	line := regexp.MustCompile(`(?m)^.*\d\d:\d\d:\d\d ` + e["eventid"].(string) + ` · (.*)$`).FindStringSubmatch(root.Text)
	if line == nil {
		differ(e, "no line in %s", root.Text)
		return
	}
	if shown := strings.HasPrefix(line[1], "open"); shown != open {
		differ(e, "open: %v, but shown as %q", open, line[0])
	}
	if acked := strings.Contains(line[1], "acknowledged"); open && acked != (e["acknowledged"] == "1") {
		differ(e, "acknowledged: %s, but shown as %q", e["acknowledged"], line[0])
	}
}

// compareThread requires the last comment in the message or below it, no comment and no end twice, and buttons only while it is open.
func (c *chaos) compareThread(e object, root webexsim.MessageView, replies []webexsim.MessageView, open bool, differ func(object, string, ...any)) {
	once := func(what string) int {
		var with []webexsim.MessageView
		for _, m := range replies {
			if m.Card == nil && strings.Contains(m.Text, what) {
				with = append(with, m)
			}
		}
		return len(c.owned(with))
	}
	for _, r := range c.remarks {
		last := c.last[r.event] == r.text && !strings.Contains(root.Text, r.text)
		if n := once(r.text); r.event == e["eventid"] && (n > 1 || n == 0 && last) {
			differ(e, "%q is %d times in its thread", r.text, n)
		}
	}
	if strings.Contains(root.Text, "Flapping") {
		return
	}
	if n := once("Resolved after"); n > 1 {
		differ(e, "its end is %d times in its thread", n)
	}
	cards := c.owned(slices.DeleteFunc(slices.Clone(replies), func(m webexsim.MessageView) bool { return m.Card == nil }))
	if !open { // the relay can't delete a card whose id a kill has cost it
		cards = slices.DeleteFunc(cards, c.inFlight)
	}
	if n := len(cards); n > 1 || !open && n > 0 {
		differ(e, "%d cards, open: %v", n, open)
	}
}
