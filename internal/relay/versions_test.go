package relay

import (
	"context"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/simulator/webexsim"
	"nms-alert-relay/internal/simulator/zabbixsim"
	"nms-alert-relay/internal/zabbix"
)

// zabbix starts a simulated Zabbix that signs with a secret, and returns it with its address.
func (o *onDisk) zabbix(version, secret string) (*zabbixsim.Server, string) {
	o.t.Helper()
	z, err := zabbixsim.New(zabbixsim.Options{Version: version, Quick: true, Relay: o.public + "/v1/zabbix/events", Secret: secret})
	require.NoError(o.t, err)
	server := httptest.NewServer(z)
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- z.Run(ctx) }()
	o.t.Cleanup(func() {
		stop()
		require.NoError(o.t, <-done)
		server.Close()
	})
	return z, server.URL
}

// listening is a configuration whose bot hears the rooms and whose people may act, without sources and routes.
func (o *onDisk) listening() string {
	return fmt.Sprintf(`
server: {public_url: "%s"}
webex: {api_url: "%s/v1", bots: [{name: relay, token_file: token, listen: webhook}]}
people: [{domain: example.com, role: operator}]
delivery: {debounce: 0s}
rooms: [{name: noc, id: %s}, {name: db, id: %s}]
default_rooms: [noc]
`, o.public, o.api, webexsim.RoomID("noc"), webexsim.RoomID("db"))
}

// hears waits until the bot has its webhooks.
func (o *onDisk) hears() {
	for range 3 {
		<-o.hooks
	}
}

// says makes Alice write to the bot; parent is the message she answers to, "" for none.
func (o *onDisk) says(room, parent, text string) {
	o.t.Helper()
	_, err := o.webex.Say(webexsim.Line{Room: room, From: "alice@example.com", Text: text, MentionBot: true, ParentID: parent})
	require.NoError(o.t, err)
}

// root waits for the message that starts a thread and has all the words, and returns its id.
func (o *onDisk) root(room string, words ...string) (id string) {
	o.t.Helper()
	o.await(fmt.Sprintf("a message in %s with %q", room, words), func(rooms map[string][]webexsim.MessageView) bool {
		for _, m := range rooms[room] {
			if m.From.Email == webexsim.DefaultBot && containsAll(m.Text, words) {
				id = m.ID
				return true
			}
		}
		return false
	})
	return id
}

// reply waits for a message of the bot in a thread that has all the words.
func (o *onDisk) reply(words ...string) (text string) {
	o.t.Helper()
	ctx, cancel := context.WithTimeout(o.t.Context(), 2*time.Minute)
	defer cancel()
	require.NoError(o.t, o.webex.Wait(ctx, func(s webexsim.State) bool {
		for _, room := range s.Rooms {
			for _, m := range room.Messages {
				if m.ParentID != "" && m.From.Email == webexsim.DefaultBot && containsAll(m.Text, words) {
					text = m.Text
					return true
				}
			}
		}
		return false
	}), "a reply with %q", words)
	return text
}

func containsAll(text string, words []string) bool {
	for _, word := range words {
		if !strings.Contains(text, word) {
			return false
		}
	}
	return true
}

// A problem of each version goes from Zabbix to its room, is acted on from there, and ends. The simulator refuses what the version
// refuses. What only later versions can do is refused with a sentence that names the version.
func TestEachVersionWorksThroughTheWholeRelay(t *testing.T) {
	// Causes reach a room by the API, which has them from 6.4 on.
	can := map[string]struct{ suppress, rank bool }{"6.0.14": {}, "6.2.9": {suppress: true}, "6.4.21": {true, true}, "7.0.22": {true, true},
		"7.2.13": {true, true}, "7.4.7": {true, true}, "8.0.0": {true, true}}
	require.Len(t, can, len(zabbixsim.Versions))
	for _, version := range zabbixsim.Versions {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			var z *zabbixsim.Server
			o := start(t, false, func(o *onDisk) {
				var url string
				z, url = o.zabbix(version, firstSecret)
				o.write("api-token", zabbixsim.RelayToken)
				o.write("relay.yaml", o.listening()+fmt.Sprintf("zabbix: [{name: main, url: %q, secret_file: secret, api_token_file: api-token}]\n", url))
			})
			o.hears()
			trigger := z.Triggers()[0]
			trigger.Name = "first problem"
			id := z.Raise(trigger)
			first := o.root("noc", "first problem")

			o.says("noc", "", fmt.Sprintf("ack %d on it", id))
			o.reply("Acknowledged", fmt.Sprint(id))
			o.root("noc", "first problem", "acknowledged")
			o.says("noc", first, "comment waiting for the vendor")
			o.root("noc", "first problem", "commented", "waiting for the vendor")
			o.says("noc", first, "severity disaster")
			o.root("noc", "first problem", "Disaster")
			p, ok := z.Problem(id)
			require.True(t, ok)
			require.True(t, p.Acked)
			require.Equal(t, alert.Disaster, p.Severity)
			var messages []string
			for _, a := range p.Acks {
				messages = append(messages, a.Message)
			}
			require.Contains(t, strings.Join(messages, "\n"), "on it")
			require.Contains(t, strings.Join(messages, "\n"), "alice@example.com")
			require.Contains(t, strings.Join(messages, "\n"), "waiting for the vendor")

			// There is no command for these yet.
			trigger = z.Triggers()[3]
			trigger.Name = "second problem"
			second := z.Raise(trigger)
			o.root("noc", "second problem")
			api := o.clients.zabbix["main"]
			refused := 0
			acknowledge := func(a zabbix.Acknowledge, able bool, refusal string) {
				t.Helper()
				a.EventIDs = []string{fmt.Sprint(second)}
				err := api.Acknowledge(t.Context(), a)
				if able {
					require.NoError(t, err)
					return
				}
				require.EqualError(t, err, "zabbix: event.acknowledge: "+refusal)
				refused++ // the version is asked again first: perhaps it was upgraded
			}
			acknowledge(zabbix.Acknowledge{Suppress: true, Until: time.Now().Add(time.Hour)}, can[version].suppress,
				"Zabbix "+version+" can't suppress a single problem: this needs 6.2 or later.")
			if can[version].suppress {
				o.root("noc", "second problem", "suppressed")
			}
			acknowledge(zabbix.Acknowledge{Unsuppress: true}, can[version].suppress,
				"Zabbix "+version+" can't suppress a single problem: this needs 6.2 or later.")
			acknowledge(zabbix.Acknowledge{SymptomOf: fmt.Sprint(id)}, can[version].rank,
				"Zabbix "+version+" has no causes and symptoms: this needs 6.4 or later.")
			if can[version].rank {
				acknowledge(zabbix.Acknowledge{Message: "makes the relay look"}, true, "") // Zabbix tells nobody about a rank
				o.root("noc", "second problem", "Symptom of", "first problem")
			}

			o.says("noc", first, "close replaced the disk")
			o.root("noc", "first problem", "resolved")
			z.Resolve(second)
			o.root("noc", "second problem", "resolved")
			_, _, failed := z.AlertCounts()
			require.Zero(t, failed)
			require.Equal(t, 1+refused, z.Calls()["apiinfo.version"])
			require.NotContains(t, o.log.String(), "level=ERROR")
			require.NotContains(t, o.log.String(), "level=WARN")
		})
	}
}
