package zabbix

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/config"
)

// Everything that the configuration says about calls to a source reaches its client; the token is given apart.
func TestOptionsOfASource(t *testing.T) {
	cfg, err := config.Parse("relay.yaml", []byte(`
webex: {bots: [{name: noc, token_env: SECRET, listen: off}]}
zabbix:
  - name: main
    url: https://zabbix.example.com/path
    secret_env: SECRET
    api_token_env: SECRET
    basic_auth: {username: relay, password_env: SECRET}
    headers: [{name: X-Gateway, value: main}]
    proxy_url: http://proxy.example.com:3128
    timeout: 7s
rooms: [{name: noc, id: Y2lzY29zcGFyazovL3VzL1JPT00vNWU5Y2E2YmMtZWEyYi01NWQxLWEzODYtMWEwZjE1YTE4ZjUw}]
default_rooms: [noc]
people: [{domain: example.com, role: viewer}]
`), config.Options{Env: func(string) string { return "secret-0123456789" }})
	require.NoError(t, err)
	source := cfg.Zabbix[0]
	source.HTTP.CAFile, source.HTTP.CA = "ca.pem", []byte("pem")
	require.Equal(t, Options{URL: "https://zabbix.example.com/path", Timeout: 7 * time.Second, Headers: http.Header{"X-Gateway": {"main"}}, Username: "relay",
		Password: "secret-0123456789"}, OptionsOf(source))
	transport := TransportOf(source, "zabbix[0].url")
	require.Equal(t, []string{"http://proxy.example.com:3128", "ca.pem", "pem", "zabbix[0].url"}, []string{transport.ProxyURL, transport.CAFile, string(transport.CA), transport.Key})
}
