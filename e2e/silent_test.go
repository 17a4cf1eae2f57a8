//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/simulator/webexsim"
	client "nms-alert-relay/internal/zabbix"
	"nms-alert-relay/zabbix"
)

// A disabled media type, a disabled action and messages that Zabbix gave up on are told in the default room, and so is their end. Of these
// a user of the type User sees the messages to itself, on 7.0 the media type, and some actions.
func TestSilentSource(t *testing.T) {
	onEachZabbix(t, func(t *testing.T, z *server) {
		user := ""
		s := beginWith(t, z, zabbix.Name, func(s *story) {
			s.trigger(t, "link", titles["link"], object{})
			user = s.relayToken
			s.relayToken = s.token(t, z.rows(t, "user.get", object{"filter": object{"username": "Admin"}})[0]["userid"].(string))
		})
		config, err := os.ReadFile(s.relay.config)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(s.relay.config, []byte(strings.Replace(string(config), "reconcile: {interval: 5s}", "reconcile: {interval: 1s}", 1)), 0o600))
		notice := func(words ...string) {
			t.Helper()
			sees(t, s.webex, fmt.Sprintf("one message with %q", words), "noc", func(messages []webexsim.MessageView) bool {
				n := 0
				for _, m := range messages {
					if !m.Deleted && m.From.Bot && contains(m, words...) {
						n++
					}
				}
				require.LessOrEqual(t, n, 1)
				return n == 1
			})
		}
		set := func(method, id, value string, status int) {
			t.Helper()
			z.call(t, method, object{id: value, "status": status})
		}
		s.call(t, "mediatype.update", object{"mediatypeid": s.mediatype, "maxattempts": "1"})
		s.relay.stop(t)
		s.raise("link", "1")
		eventually(t, "Zabbix gives up sending", func() error {
			if failed := s.rows(t, "alert.get", object{"output": []string{"alertid"}, "filter": object{"status": 2}}); len(failed) < 1 {
				return fmt.Errorf("%d alerts failed", len(failed))
			}
			return nil
		})
		set("mediatype.update", "mediatypeid", s.mediatype, 1)
		set("action.update", "actionid", s.actionID, 1)
		s.relay.start(t)
		notice("⚠️", "gave up on", "to the relay", "The last error")
		notice("⚠️", "its media type", "is disabled")
		notice("⚠️", "its action", "To Webex", "is disabled")
		for _, kind := range []string{"alerts", "media_type", "action"} {
			require.InDelta(t, 1, s.relay.metric(t, `alert_relay_source_trouble{kind="`+kind+`",source="main"}`), 0)
		}

		own, err := client.New(client.Options{URL: z.url, Token: user}).Sending(t.Context(), time.Now().Add(-time.Hour))
		require.NoError(t, err)
		t.Logf("a user of the type User sees %d actions", len(own.Actions))
		ours, shown := own.OurMediaType()
		require.Equal(t, z.number >= 7, shown)
		require.Equal(t, shown, ours.Disabled)
		require.True(t, own.FailedKnown)
		require.NotEmpty(t, own.Failed)

		set("mediatype.update", "mediatypeid", s.mediatype, 0)
		set("action.update", "actionid", s.actionID, 0)
		notice("✅ Over", "its media type", "is disabled")
		notice("✅ Over", "its action", "is disabled")
	})
}
