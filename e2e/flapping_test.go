//go:build e2e

package e2e

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/simulator/webexsim"
)

// roots returns the bot's messages of a room whose text contains these words.
func roots(messages []webexsim.MessageView, words ...string) (found []webexsim.MessageView) {
	for _, m := range messages {
		if m.ParentID == "" && !m.Deleted && m.From.Bot && contains(m, words...) {
			found = append(found, m)
		}
	}
	return found
}

// bounce opens and resolves a problem of each trigger, and waits until the room shows that. The relay learns it from the API, seconds
// before Zabbix sends the recovery.
func (s *story) bounce(keys ...string) {
	s.t.Helper()
	id := map[string]*regexp.Regexp{}
	for _, key := range keys {
		id[key] = regexp.MustCompile(`[ (]` + s.raise(key, "1") + `[ )]`)
	}
	for _, key := range keys {
		s.set(s.t, key, "0")
	}
	for _, key := range keys {
		sees(s.t, s.webex, key+" is resolved", "noc", func(messages []webexsim.MessageView) bool {
			return slices.ContainsFunc(roots(messages, s.title[key], "resolved"), func(m webexsim.MessageView) bool { return id[key].MatchString(m.Text) })
		})
	}
}

// What flaps, and what doesn't, with the triggers that real Zabbixes have.
func TestFlapping(t *testing.T) {
	besideOthers(t, func(t *testing.T, z *server) {
		s := begin(t, z, func(s *story) {
			s.trigger(t, "uplink", "Uplink down", nil)
			s.trigger(t, "core", "Core down", object{"priority": 5})
			const port = `{{ITEM.VALUE}.regsub("port (\d+)", \1)}`
			s.trigger(t, "ports", "A port", object{
				"text": true, "event_name": "Port " + port + " is dead", "type": 1, "tags": []object{{"tag": "port", "value": port}},
				"expression":    fmt.Sprintf(`find(/%s/ports,,"regexp","dead")=1`, s.hostName),
				"recovery_mode": 1, "recovery_expression": fmt.Sprintf(`find(/%s/ports,,"regexp","alive")=1`, s.hostName),
				"correlation_mode": 1, "correlation_tag": "port",
			})
		})

		// Ports of one trigger, all dead at once: each is a problem of its own, with a message and a name.
		for port := 3; port <= 8; port++ {
			s.set(t, "ports", fmt.Sprintf("port %d dead", port))
		}
		for port := 3; port <= 8; port++ {
			sees(t, s.webex, fmt.Sprintf("port %d has a message", port), "noc", func(messages []webexsim.MessageView) bool {
				return len(roots(messages, fmt.Sprintf("Port %d is dead", port))) == 1
			})
		}
		require.Empty(t, roots(s.webex.Timeline("noc"), "Flapping"), "six problems that are open at once don't flap")

		// A disaster has a message of its own each time. Another trigger that opens and resolves again and again flaps, and all that
		// follows is in one message.
		for range 4 {
			s.bounce("core", "uplink")
		}
		require.Len(t, roots(s.webex.Timeline("noc"), "Core down", "resolved"), 4)
		require.Empty(t, roots(s.webex.Timeline("noc"), "Flapping", "Core down"))
		require.Len(t, roots(s.webex.Timeline("noc"), "Flapping", "Uplink down"), 1)
		// It stays down: the room is notified, and the message doesn't say "resolved" from when it shows this opening.
		stays := s.raise("uplink", "1")
		sees(t, s.webex, "the uplink is down", "noc", func(messages []webexsim.MessageView) bool {
			root := roots(messages, "Flapping", "Uplink down")[0]
			if strings.Contains(root.Text, " "+stays+" ") || strings.Contains(root.Text, "("+stays+")") { // not in a time
				require.NotContains(t, strings.ToLower(root.Text), "resolved")
			}
			for _, m := range messages {
				if m.ParentID == root.ID && contains(m, "Uplink down", "open again", stays) {
					return true
				}
			}
			return false
		})
		require.Len(t, roots(s.webex.Timeline("noc"), "Flapping", "open since", stays), 1)
		s.set(t, "uplink", "0")
		sees(t, s.webex, "the uplink is resolved", "noc", func(messages []webexsim.MessageView) bool {
			return len(roots(messages, "Flapping, now resolved", stays)) == 1
		})
		s.nothingElse()
	})
}
