package relay

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/simulator/webexsim"
	"nms-alert-relay/internal/simulator/zabbixsim"
)

// direct waits for a message of the bot in Alice's direct chat, and returns its id.
func (o *onDisk) direct(words ...string) (id string) {
	o.t.Helper()
	require.NoError(o.t, o.webex.Wait(o.t.Context(), func(s webexsim.State) bool {
		for _, room := range s.Rooms {
			for _, m := range room.Messages {
				if room.Type == "direct" && !m.Deleted && m.From.Email == webexsim.DefaultBot && containsAll(m.Text, words) {
					id = m.ID
					return true
				}
			}
		}
		return false
	}), "a direct message with %q", words)
	return id
}

// A person's token goes from a card to Zabbix, and is nowhere else: not in the store's files, a message, the log, a metric or a trace.
// What the person does is theirs in Zabbix.
func TestPersonsTokenIsNowhere(t *testing.T) {
	t.Setenv("OTEL_BSP_SCHEDULE_DELAY", "50") // milliseconds
	traces := newReceiverOfTraces(t)
	var z *zabbixsim.Server
	token := strings.Repeat("0123456789abcdef", 4)
	o := start(t, false, func(o *onDisk) {
		var url string
		z, url = o.zabbix("7.0.22", firstSecret)
		z.SetUser(zabbixsim.User{ID: "50", Username: "alice", Name: "Alice", Surname: "Example", Token: token})
		o.write("api-token", zabbixsim.RelayToken)
		o.write("key", strings.Repeat("0f", 32))
		o.write("relay.yaml", o.listening()+fmt.Sprintf("zabbix: [{name: main, url: %q, secret_file: secret, api_token_file: api-token}]\nencryption: {keys_file: key}\nlog: {level: debug}\ntracing: {endpoint: %q}\n", url, traces.URL))
	})
	o.hears()
	_, err := o.webex.Say(webexsim.Line{Room: webexsim.DirectRoomID("alice@example.com", webexsim.DefaultBot), From: "alice@example.com", Text: "token"})
	require.NoError(t, err)
	card := o.direct("Your own API token for Zabbix main")
	_, err = o.webex.PressButton(card, "alice@example.com", "Check it", map[string]any{"token": token})
	require.NoError(t, err)
	question := o.direct("This is a token of the Zabbix user alice", "Is this you?")
	require.NotEqual(t, card, question)
	_, err = o.webex.PressButton(card, "alice@example.com", "Check it", nil)
	require.Error(t, err, "the card with the field is deleted")
	_, err = o.webex.PressButton(question, "alice@example.com", "Yes, that is me", nil)
	require.NoError(t, err)
	o.direct("what you do in Zabbix main is done as its user alice")

	typed := strings.Repeat("fedcba9876543210", 4)
	_, err = o.webex.Say(webexsim.Line{Room: webexsim.DirectRoomID("alice@example.com", webexsim.DefaultBot), From: "alice@example.com", Markdown: "hello, the token that I made for you this morning is `" + typed + "`, please use it"})
	require.NoError(t, err)
	o.direct("Don't send a token as a message")

	trigger := z.Triggers()[0]
	trigger.Name = "first problem"
	id := z.Raise(trigger)
	root := o.root("noc", "first problem")
	o.says("noc", root, "ack on it")
	o.root("noc", "first problem", "acknowledged")
	p, ok := z.Problem(id)
	require.True(t, ok)
	require.Len(t, p.Acks, 1)
	require.Equal(t, "alice", p.Acks[0].User.Username)
	require.Regexp(t, `^\(via Webex #[a-z2-7]{8}\): on it$`, p.Acks[0].Message)
	thread := 0
	o.await("the words in the thread, once", func(map[string][]webexsim.MessageView) bool {
		thread = 0
		for _, room := range o.webex.State().Rooms {
			for _, m := range room.Messages {
				if m.ParentID == root && strings.Contains(m.Text, "on it") && m.From.Email == webexsim.DefaultBot {
					thread++
				}
			}
		}
		return thread > 0
	})
	require.Equal(t, 1, thread, "Zabbix's update is recognised as the relay's own")

	files, err := filepath.Glob(o.file("relay.db*"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		content, err := os.ReadFile(file)
		require.NoError(t, err)
		require.NotContains(t, string(content), token, file)
		require.NotContains(t, string(content), typed, file)
	}
	require.NotContains(t, o.log.String(), token)
	require.NotContains(t, o.log.String(), typed)
	rooms, err := json.Marshal(o.webex.State().Rooms)
	require.NoError(t, err)
	require.NotContains(t, string(rooms), token)
	resp, err := http.Get("http://" + o.AdminAddr() + "/metrics")
	require.NoError(t, err)
	defer resp.Body.Close()
	metrics, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.NotContains(t, string(metrics), token)
	require.Contains(t, string(metrics), "alert_relay_encryption_key_wrong 0")

	traces.await(t, "zabbix event.acknowledge", "command") // spans arrive in the order in which they end
	traces.mu.Lock()
	names := map[string]int{}
	for _, span := range traces.spans {
		names[span.Name]++
	}
	raw := string(traces.raw)
	traces.mu.Unlock()
	require.GreaterOrEqual(t, names["read and decide"], 4, "the word token, two presses, and ack: %v", names)
	require.NotContains(t, raw, token)
	require.NotContains(t, raw, typed)

	list, err := http.Get("http://" + o.AdminAddr() + "/v1/tokens")
	require.NoError(t, err)
	defer list.Body.Close()
	listed, err := io.ReadAll(list.Body)
	require.NoError(t, err)
	require.Contains(t, string(listed), `"person":"alice@example.com","source":"main","user":"alice","confirmed":true`)
	require.NotContains(t, string(listed), token)
	require.NotContains(t, string(listed), "v1:")

	// The key is replaced without a restart, and a wrong one is reported.
	o.write("key", strings.Repeat("1e", 32))
	o.mustReload()
	require.Contains(t, o.log.String(), "encryption.keys_file doesn't have the key with which the store was sealed")
}
