package config

import (
	"net/http"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The examples in docs/actions.md are valid.
func TestDocumentedActions(t *testing.T) {
	blocks := regexp.MustCompile("(?ms)^```yaml\n(actions:.*?)^```").FindAllStringSubmatch(readText(t, "../../docs/actions.md"), -1)
	require.GreaterOrEqual(t, len(blocks), 4)
	for _, block := range blocks {
		_, err := Parse("relay.yaml", []byte(small+block[1]), Options{Elsewhere: true, Env: env})
		require.NoError(t, err, block[1])
	}
}

func TestActions(t *testing.T) {
	cfg, err := Parse("relay.yaml", []byte(small+`
actions:
  - {name: ticket, url: "https://tickets.example.com/hook?a=1"}
  - {name: restart, title: Restart, url: "http://awx.example.com/", token_env: OTHER, button: false, timeout: 3s, role: admin, headers: [{name: X-Key, value_env: OTHER}]}
`), Options{Env: func(name string) string {
		if name == "ALERT_RELAY_ACTION_TICKET_SECRET" {
			return "0123456789abcdef"
		}
		return env(name)
	}})
	require.NoError(t, err)
	a, b := cfg.Actions[0], cfg.Actions[1]
	require.Equal(t, []any{"ticket", "POST", "application/json", RoleOperator, true, Duration(10 * time.Second)}, []any{a.Title, a.Method, a.ContentType, a.Role, a.Button, a.HTTP.Timeout})
	require.Equal(t, "0123456789abcdef", a.Secret.Reveal())
	require.Equal(t, []any{"Restart", RoleAdmin, false, Duration(3 * time.Second)}, []any{b.Title, b.Role, b.Button, b.HTTP.Timeout})
	require.Equal(t, http.Header{"X-Key": {b.Token.Reveal()}}, HeaderOf(b.Headers))
	var warned []string
	for _, w := range cfg.Warnings {
		warned = append(warned, w.Error())
	}
	require.Contains(t, warned, "relay.yaml:11: actions[1].url: sends its token unencrypted (use https://)")
}
