//go:build e2e

package e2e

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/simulator/webexsim"
	"nms-alert-relay/zabbix"
)

// The template is imported, reads a relay whose metrics need a token, finds its bots, rooms and sources, and reports that the relay is
// down: once, and with no other trigger.
func TestTemplate(t *testing.T) {
	besideOthers(t, func(t *testing.T, z *server) {
		const admin = "admin-token-of-the-template-test"
		_, api := webexWorld(t, webexsim.Options{})
		w := newWorld(z)
		w.inGroup(t)
		relay := newRelay(t)
		token := w.token(t, w.user(t, "relay", w.userGroup(t), object{}))
		relay.configure(t, fmt.Sprintf(storyConfig, api, z.url, webexsim.RoomID("noc"), webexsim.RoomID("db"), webexsim.RoomID("network"))+
			"heartbeats: [{name: backup, interval: 1d}]\nnotify: [{name: cron, token_env: E2E_NOTIFY, rooms: [noc]}]\ncanary: {interval: 1d}\n",
			"E2E_NOTIFY=token-of-the-backup-job", "E2E_BOT="+webexsim.DefaultBotToken, "E2E_API="+token, "E2E_SECRET="+secret, "E2E_KEY="+strings.Repeat("0f", 32), "ALERT_RELAY_ADMIN_TOKEN="+admin)
		relay.start(t)

		all := object{"createMissing": true, "updateExisting": true}
		rules := object{"templates": all, "items": all, "triggers": all, "discoveryRules": all, "valueMaps": all, "graphs": all, "templateDashboards": all}
		for _, groups := range map[bool][]string{true: {"groups"}, false: {"template_groups", "host_groups"}}[z.number < 6.2] {
			rules[groups] = object{"createMissing": true}
		}
		z.call(t, "configuration.import", object{"format": "yaml", "source": string(zabbix.Template), "rules": rules})
		template := z.rows(t, "template.get", object{"filter": object{"host": "Alert relay by HTTP"}})[0]["templateid"]
		group := z.create(t, "hostgroup.create", "groupids", object{"name": "Relays"})
		ip, port, err := net.SplitHostPort(relay.admin)
		require.NoError(t, err)
		host := z.create(t, "host.create", "hostids", object{"host": "relay", "groups": []object{{"groupid": group}}, "templates": []object{{"templateid": template}},
			"interfaces": []object{{"type": 1, "main": 1, "useip": 1, "ip": ip, "dns": "", "port": "10050"}},
			"macros": []object{{"macro": "{$ALERT_RELAY.PORT}", "value": port}, {"macro": "{$ALERT_RELAY.TOKEN}", "value": admin, "type": 1},
				{"macro": "{$ALERT_RELAY.INTERVAL}", "value": "2s"}, {"macro": "{$ALERT_RELAY.NODATA}", "value": "15s"}}})

		values := map[string]string{}
		eventually(t, "each item has a value", func() error {
			var without []string
			clear(values)
			for _, method := range []string{"item.get", "discoveryrule.get"} {
				for _, item := range z.rows(t, method, object{"hostids": host, "output": "extend"}) {
					key := item["key_"].(string)
					if item["state"] != "0" || method == "item.get" && key != "alert_relay.metrics" && item["lastclock"] == "0" {
						without = append(without, fmt.Sprintf("%s: state %v, %v", key, item["state"], item["error"]))
					}
					if method == "item.get" {
						values[key] = item["lastvalue"].(string)
					}
				}
			}
			for _, found := range []string{`bot.away["noc"]`, `bot.webhooks_ready["noc"]`, `bot.caught_up["noc"]`, `room.pending["noc"]`, `room.dead_letters["db"]`,
				`room.oldest_pending["other"]`, `source.events["main"]`, `source.away["main"]`, `source.gone_held["main"]`,
				`source.trouble["main","media_type"]`, `source.stale["main"]`, `heartbeat.missing["backup"]`, `canary.success["noc"]`} {
				if _, ok := values["alert_relay."+found]; !ok {
					without = append(without, "not discovered: "+found)
				}
			}
			if len(without) > 0 {
				return fmt.Errorf("%s", strings.Join(without, "\n"))
			}
			return nil
		})
		require.Equal(t, "1", values["alert_relay.store.up"])
		require.Equal(t, "1", values["alert_relay.reload.successful"])
		require.Equal(t, "0", values[`alert_relay.source.away["main"]`])
		require.NotEmpty(t, values["alert_relay.version"])
		require.NotContains(t, values, `alert_relay.source.events["unknown"]`)
		require.NotContains(t, values, `alert_relay.source.trouble["main","reconcile"]`, "it has a trigger of its own")

		// firing are the triggers with a problem; unknown those that Zabbix can't calculate.
		firing := func() (names, unknown []string) {
			for _, trigger := range z.rows(t, "trigger.get", object{"hostids": host, "output": "extend"}) {
				if trigger["priority"] == "1" {
					continue // it has been restarted; whether its version changed is unknown until there are two
				}
				if trigger["state"] != "0" {
					unknown = append(unknown, fmt.Sprintf("%s: %s", trigger["description"], trigger["error"]))
				}
				if trigger["value"] == "1" {
					names = append(names, trigger["description"].(string))
				}
			}
			return names, unknown
		}
		names, unknown := firing()
		require.Empty(t, names)
		require.Empty(t, unknown)
		relay.stop(t)
		deadline := time.Now().Add(2 * patience) // Zabbix looks every 30 s whether data is missing
		for len(names) == 0 && time.Now().Before(deadline) {
			time.Sleep(time.Second)
			names, _ = firing() // 7.0 can't calculate the others while the metrics can't be read
		}
		require.Equal(t, []string{"Alert relay: Metrics can't be read"}, names)
		problem := z.rows(t, "problem.get", object{"hostids": host, "severities": []int{4}})
		require.Len(t, problem, 1)
		require.Equal(t, "Alert relay: Metrics can't be read (no data for 15s)", problem[0]["name"])
	})
}
