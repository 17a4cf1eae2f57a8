package relay

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/config"
)

// A mute survives a restart. When it ends, the room is told, and what is still open is posted.
func TestMuteAcrossARestart(t *testing.T) {
	throughLapse(t, true, func(i *incident, step func()) {
		for p := range i.cfg.People {
			i.cfg.People[p].Role = config.RoleAdmin
		}
		step()
		i.say("alice", "mute average 1h")
		said := len(i.webex.Timeline("noc"))
		require.Contains(i.t, i.webex.Timeline("noc")[said-1].Text, "muted the route")
		step()
		i.event = i.zabbix.Raise(i.zabbix.Triggers()[0])
		i.pass(30 * time.Minute)
		require.Len(i.t, i.webex.Timeline("noc"), said)
		step()
		i.pass(32 * time.Minute)
		var texts string
		for _, m := range i.webex.Timeline("noc")[said:] {
			texts += m.Text
		}
		require.Equal(i.t, 1, strings.Count(texts, "isn't muted any more"))
		require.Contains(i.t, texts, "High problem")
	})
}

// A mute holds back what the route's rooms would get, and no escalation of what they have.
func TestMuteLeavesEscalations(t *testing.T) {
	throughIncident(t, func(i *incident, _ func(string)) {
		for p := range i.cfg.People {
			i.cfg.People[p].Role = config.RoleAdmin
		}
		i.event = i.zabbix.Raise(i.zabbix.Triggers()[0])
		i.pass(time.Minute)
		i.root = i.webex.Timeline("noc")[0].ID
		i.say("alice", "mute average 2h")
		i.pass(16 * time.Minute)
		require.NotEmpty(i.t, i.webex.Timeline("leads"))
	})
}
