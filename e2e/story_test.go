//go:build e2e

package e2e

import (
	"bytes"
	"cmp"
	"fmt"
	"image/png"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/simulator/webexsim"
	"nms-alert-relay/zabbix"
)

const storyConfig = `
webex:
  api_url: %s
  bots: [{name: noc, token_env: E2E_BOT, listen: webhook}]
zabbix:
  - {name: main, url: %q, api_token_env: E2E_API, secret_env: E2E_SECRET}
rooms:
  - {name: noc, id: %s, bot: noc}
  - {name: db, id: %s, bot: noc}
  - {name: network, id: %s, bot: noc}
routes:
  - {match: {tags: ["service=db"]}, rooms: [db]}
default_rooms: [noc]
people:
  - {email: alice@example.com, role: operator}
  - {email: bob@example.com, role: operator}
  - {email: carol@example.com, role: viewer}
allowed_domains: [example.com]
delivery: {debounce: 200ms, rate_limit: 50}
reconcile: {interval: 5s}
encryption: {keys_env: E2E_KEY}
log: {level: debug}
`

// story is a relay between a Zabbix and a Webex.
type story struct {
	*world
	relay *relayProcess
	webex *webexsim.Server
	title map[string]string // of the triggers, by the item's key, and of the problems, by event id
	t     *testing.T
}

// titles are the names of the triggers' problems, by the item's key.
var titles = map[string]string{"link": "Link down on {HOST.NAME}", "fan": "Fan broken", "later": "Posted later", "cut": "Cut off", "table": "Table full",
	"uplink": "Uplink down", "core": "Core down", "power": "Power lost", "rack": "Rack unreachable"}

// begin starts a relay and the triggers that define makes. The relay's user doesn't find its media type by this name, nor that of another
// test.
func begin(t *testing.T, z *server, define func(s *story)) *story {
	return beginWith(t, z, "Webex of "+t.Name(), define)
}

// beginWith is begin with a name for the media type.
func beginWith(t *testing.T, z *server, mediaType string, define func(s *story)) *story {
	sim, api := webexWorld(t, webexsim.Options{})
	s := &story{webex: sim, t: t, relay: newRelay(t), title: maps.Clone(titles)}
	s.world = z.build(t, zabbix.Settings{URL: "http://" + s.relay.public, Secret: secret}, mediaType)
	define(s)
	s.awaitConfiguration(t)
	s.relay.configure(t, fmt.Sprintf(storyConfig, api, z.url, webexsim.RoomID("noc"), webexsim.RoomID("db"), webexsim.RoomID("network")),
		"E2E_BOT="+webexsim.DefaultBotToken, "E2E_API="+s.relayToken, "E2E_SECRET="+secret, "E2E_KEY="+strings.Repeat("0f", 32))
	s.relay.start(t)
	return s
}

// raise opens the problem of a trigger and returns its event id.
func (s *story) raise(key, value string) string {
	s.t.Helper()
	s.set(s.t, key, value)
	var event string
	eventually(s.t, "the problem of "+key, func() error {
		rows := s.rows(s.t, "problem.get", object{"objectids": []string{s.triggerID[key]}})
		if len(rows) == 0 {
			return fmt.Errorf("no problem")
		}
		event = rows[0]["eventid"].(string)
		return nil
	})
	s.title[event] = strings.ReplaceAll(s.title[key], "{HOST.NAME}", s.visibleName)
	return event
}

// root waits until a problem's only message in a room contains all of the words, and returns it.
func (s *story) root(room, event string, words ...string) webexsim.MessageView {
	s.t.Helper()
	var found webexsim.MessageView
	sees(s.t, s.webex, fmt.Sprintf("%s shows %s as %q", room, event, words), room, func(messages []webexsim.MessageView) bool {
		var roots []webexsim.MessageView
		for _, m := range messages {
			if m.ParentID == "" && !m.Deleted && m.From.Bot && contains(m, s.title[event]) {
				roots = append(roots, m)
			}
		}
		require.LessOrEqual(s.t, len(roots), 1, "a problem has one message in a room")
		if len(roots) == 1 && contains(roots[0], words...) {
			found = roots[0]
			return true
		}
		return false
	})
	return found
}

// thread waits for a message below root that contains all of the words.
func (s *story) thread(room, root string, words ...string) webexsim.MessageView {
	s.t.Helper()
	var found webexsim.MessageView
	sees(s.t, s.webex, fmt.Sprintf("the thread says %q", words), room, func(messages []webexsim.MessageView) bool {
		for _, m := range messages {
			if m.ParentID == root && !m.Deleted && m.From.Bot && contains(m, words...) {
				found = m
				return true
			}
		}
		return false
	})
	return found
}

// card waits for the card below root.
func (s *story) card(room, root string) webexsim.MessageView {
	s.t.Helper()
	var found webexsim.MessageView
	sees(s.t, s.webex, "a card", room, func(messages []webexsim.MessageView) bool {
		for _, m := range messages {
			if m.ParentID == root && !m.Deleted && m.Card != nil {
				found = m
				return true
			}
		}
		return false
	})
	return found
}

func contains(m webexsim.MessageView, words ...string) bool {
	for _, word := range words {
		if !strings.Contains(strings.ToLower(m.Text), strings.ToLower(word)) {
			return false
		}
	}
	return true
}

// acknowledgements waits until Zabbix has recorded n updates of an event, and returns the last.
func (s *story) acknowledgements(event string, n int) object {
	s.t.Helper()
	var last object
	eventually(s.t, fmt.Sprintf("Zabbix records act %d on %s", n, event), func() error {
		row := s.rows(s.t, "event.get", object{"eventids": []string{event}, "select_acknowledges": "extend"})[0]
		acks := row["acknowledges"].([]any)
		if len(acks) != n {
			return fmt.Errorf("there are %d", len(acks))
		}
		last = slices.MaxFunc(acks, func(a, b any) int { return cmp.Compare(acknowledgeID(a), acknowledgeID(b)) }).(object) // in no order
		return nil
	})
	return last
}

func acknowledgeID(update any) int {
	id, err := strconv.Atoi(update.(object)["acknowledgeid"].(string))
	if err != nil {
		panic(err)
	}
	return id
}

// Both ways: Zabbix's events reach the rooms, and actions in the rooms reach Zabbix.
func TestStory(t *testing.T) {
	besideOthers(t, func(t *testing.T, z *server) {
		s := begin(t, z, func(s *story) {
			for key, title := range titles {
				more := object{}
				switch key {
				case "uplink", "core":
					continue
				case "cut":
					more = object{"text": true, "opdata": "{ITEM.LASTVALUE1}"}
				case "table":
					more = object{"priority": 4, "tags": []object{{"tag": "service", "value": "db"}}}
				}
				s.trigger(t, key, title, more)
			}
		})

		// A problem appears in the room of its route, or in the default room.
		link := s.raise("link", "1")
		root := s.root("noc", link, "Link down on "+s.visibleName, "Average", s.visibleName)
		table := s.raise("table", "1")
		tableRoot := s.root("db", table, "Table full", "High")

		// Zabbix links to it.
		eventually(t, "the link to the message", func() error {
			for _, tag := range s.rows(t, "problem.get", object{"eventids": []string{link}, "selectTags": "extend"})[0]["tags"].([]any) {
				if tag.(object)["tag"] == "relay_link" {
					return nil
				}
			}
			return fmt.Errorf("no relay_link")
		})

		// An update made in Zabbix is shown with its author.
		s.acknowledge(t, link, bitMessage|bitSeverity, object{"message": "looking <@all> at it", "severity": 5})
		s.root("noc", link, "Disaster")
		line := s.thread("noc", root.ID, "Bob Builder", "looking", "at it")
		require.Empty(t, line.Mentions, "a comment mentions nobody")

		// Somebody acts from the room, with a command in the thread.
		_, err := s.webex.Say(webexsim.Line{Room: "noc", From: "alice@example.com", Text: "ack on it", ParentID: root.ID, MentionBot: true})
		require.NoError(t, err)
		ack := s.acknowledgements(link, 2)
		require.Equal(t, "6", ack["action"], "acknowledged, with a message")
		require.Contains(t, ack["message"], "on it")
		require.Contains(t, ack["message"], "Alice Archer")
		require.Contains(t, ack["message"], "alice@example.com")
		s.root("noc", link, "acknowledged", "Alice Archer")

		// A viewer is refused, a stranger gets no reply, and neither reaches Zabbix.
		_, err = s.webex.Say(webexsim.Line{Room: "noc", From: "mallory@example.org", Text: "close", ParentID: root.ID, MentionBot: true})
		require.NoError(t, err)
		_, err = s.webex.Say(webexsim.Line{Room: "noc", From: "carol@example.com", Text: "close", ParentID: root.ID, MentionBot: true})
		require.NoError(t, err)
		s.thread("noc", root.ID, "operator")
		s.acknowledgements(link, 2)

		s.graph("noc", root.ID)

		// A second problem is closed with a comment, by button.
		fan := s.raise("fan", "1")
		fanRoot := s.root("noc", fan, "Fan broken")
		_, err = s.webex.PressButton(s.card("noc", fanRoot.ID).ID, "bob@example.com", "Acknowledge", map[string]any{"comment": "spare is here"})
		require.NoError(t, err)
		ack = s.acknowledgements(fan, 1)
		require.Contains(t, ack["message"], "spare is here")
		require.Contains(t, ack["message"], "Bob Builder")
		s.root("noc", fan, "acknowledged", "Bob Builder")
		// The card of an acknowledged problem is replaced, since its buttons differ.
		eventually(t, "the card is pressed", func() error {
			_, err := s.webex.PressButton(s.card("noc", fanRoot.ID).ID, "bob@example.com", "Close problem", map[string]any{"comment": "replaced"})
			return err
		})
		s.acknowledgements(fan, 2)
		s.root("noc", fan, "resolved")
		require.NotEqual(t, "0", s.rows(t, "event.get", object{"eventids": []string{fan}, "output": "extend"})[0]["r_eventid"], "closed in Zabbix")

		// With a token of his own, what Bob does is his in Zabbix.
		s.entrusts("bob@example.com", s.bobToken)
		_, err = s.webex.PressButton(s.card("db", tableRoot.ID).ID, "bob@example.com", "Acknowledge", map[string]any{"comment": "mine"})
		require.NoError(t, err)
		ack = s.acknowledgements(table, 1)
		require.Equal(t, s.bob, ack["userid"])
		require.Regexp(t, `^\(via Webex #[a-z2-7]{8}\): mine$`, ack["message"])
		s.root("db", table, "acknowledged", "Bob Builder")

		// A recovery resolves the message and removes the buttons.
		s.set(t, "link", "0")
		s.root("noc", link, "resolved")
		sees(t, s.webex, "resolved problems have no buttons", "noc", func(messages []webexsim.MessageView) bool {
			for _, m := range messages {
				if m.Card != nil && !m.Deleted && (m.ParentID == root.ID || m.ParentID == fanRoot.ID) {
					return false
				}
			}
			return true
		})

		s.ranks()

		// Zabbix retries events while the relay is down.
		s.relay.stop(t)
		later := s.raise("later", "1")
		s.relay.start(t)
		s.root("noc", later, "Posted later")

		// A truncated payload is posted too.
		cut := s.raise("cut", "1"+strings.Repeat("x", 65000))
		s.root("noc", cut, "Cut")

		// The Test button posts to the room, and Zabbix's page shows the room.
		before := len(s.webex.Timeline("noc"))
		answer := s.pressTest(t, nil)
		require.Equal(t, "success", answer["response"], answer)
		require.Contains(t, answer["data"], "noc")
		sees(t, s.webex, "the test message", "noc", func(messages []webexsim.MessageView) bool {
			return len(messages) > before && contains(messages[len(messages)-1], "test")
		})

		s.relay.idle(t)
		s.nothingElse()
	})
}

// graph asks for a problem's graph in its thread, which shows the values that Zabbix has of its item.
func (s *story) graph(room, root string) {
	s.t.Helper()
	_, err := s.webex.Say(webexsim.Line{Room: room, From: "carol@example.com", Text: "graph 1h", ParentID: root, MentionBot: true})
	require.NoError(s.t, err)
	sees(s.t, s.webex, "the graph", room, func(messages []webexsim.MessageView) bool {
		for _, m := range messages {
			if m.ParentID != root || len(m.Files) == 0 {
				continue
			}
			file := m.Files[0]
			require.Equal(s.t, "image/png", file.ContentType)
			require.Contains(s.t, m.Text, "Item link")
			picture, err := png.Decode(bytes.NewReader(file.Content))
			require.NoError(s.t, err)
			require.Greater(s.t, picture.Bounds().Dx(), 600)
			if dir := os.Getenv("E2E_PICTURES"); dir != "" {
				require.NoError(s.t, os.WriteFile(filepath.Join(dir, "graph-"+s.version+".png"), file.Content, 0o600))
			}
			return true
		}
		return false
	})
}

// entrusts gives the relay a person's API token, in the direct chat.
func (s *story) entrusts(email, token string) {
	s.t.Helper()
	room := s.webex.Direct(email, webexsim.DefaultBot)
	_, err := s.webex.Say(webexsim.Line{Room: room, From: email, Text: "token"})
	require.NoError(s.t, err)
	said := func(words ...string) (card string) {
		sees(s.t, s.webex, fmt.Sprintf("the bot says %q in the direct chat", words), room, func(messages []webexsim.MessageView) bool {
			for _, m := range messages {
				if m.From.Bot && !m.Deleted && contains(m, words...) {
					card = m.ID
					return true
				}
			}
			return false
		})
		return card
	}
	_, err = s.webex.PressButton(said("your own API token"), email, "Check it", map[string]any{"token": token})
	require.NoError(s.t, err)
	_, err = s.webex.PressButton(said("is this you?", "bob-"), email, "Yes, that is me", nil)
	require.NoError(s.t, err)
	said("is done as its user bob-")
}

// nothingElse requires that no message has a macro, a mention or a duplicate, and that Webex refused none.
func (s *story) nothingElse() {
	s.t.Helper()
	for _, room := range s.webex.State().Rooms {
		for _, m := range room.Messages {
			if !m.From.Bot {
				continue
			}
			require.NotContains(s.t, m.Text, "{EVENT.", "an unresolved macro")
			require.NotContains(s.t, m.Text, "*UNKNOWN*")
			require.NotContains(s.t, m.Mentions, "all")
		}
	}
	require.Empty(s.t, s.webex.State().Room("network").Messages, "no route leads there")
	resp, err := http.Get("http://" + s.relay.public + "/metrics")
	require.NoError(s.t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(s.t, err)
	require.NotContains(s.t, string(body), "alert_relay_", "only the admin listener serves metrics")
}
