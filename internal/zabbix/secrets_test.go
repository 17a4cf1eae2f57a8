package zabbix

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A parameter whose name says that it is a secret is dropped: templates could show it.
func TestParametersThatHoldSecretsAreNotKept(t *testing.T) {
	for name, kept := range map[string]bool{
		"bot_token": false, "Token": false, "TOKEN": false, "slack.token": false, "accessToken": false, "x-auth-token": false,
		"SECRET": false, "client_secret": false, "Password": false, "smtp_passwd": false, "PASSWORD2": false, "passphrase": false,
		"api_key": false, "API.KEY": false, "apiKey": false, "private_key": false, "credentials": false, "Authorization": false,
		"webhook_url": false, "teams_endpoint": false, "EVENT.TAGS.password": false, " bot_token ": false,
		"slack_mode": true, "channel": true, "zabbix_url": true, "item.key": true, "team": true, "pass_count": true, "notice": true,
		"event.tags.key": true, "author": true, "sector": true,
	} {
		t.Run(name, func(t *testing.T) {
			body, err := json.Marshal(map[string]string{"event_id": "5", "event_value": "1", "event_name": "x", name: "xoxb-hunter2"})
			require.NoError(t, err)
			p, faults := Parse(body)
			require.Empty(t, faults)
			e, err := p.Event(DecodeOptions{Source: "main", ReceivedAt: time.Now()})
			require.NoError(t, err)
			all, err := json.Marshal(e)
			require.NoError(t, err)
			require.Equal(t, kept, strings.Contains(string(all), "hunter2"), "%s", all)
		})
	}
}
