package config

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"gopkg.in/yaml.v3"
)

// No fault shows a password in an address, whatever is wrong with the address and whichever key it is under.
func TestNoFaultShowsAPassword(t *testing.T) {
	keys := map[string]string{
		"zabbix[].url":       "zabbix:\n  - {name: main, secret_env: OTHER, url: %s}",
		"zabbix[].proxy_url": "zabbix:\n  - {name: main, secret_env: OTHER, url: 'https://zbx', proxy_url: %s}",
		"webex.api_url":      "webex: {bots: [{name: noc}], api_url: %s}",
		"webex.u2c_url":      "webex: {bots: [{name: noc}], u2c_url: %s}",
		"webex.proxy_url":    "webex: {bots: [{name: noc}], proxy_url: %s}",
		"server.public_url":  "server: {public_url: %s}",
		"server.listen":      "server: {listen: %s}",
		"store.driver":       "store: {driver: %s}",
		"store.dsn":          "store: {dsn: %s}",
		"log.level":          "log: {level: %s}",
		"time_zone":          "time_zone: %s",
		"command.expiry":     "command: {expiry: %s}",
		"default_rooms":      "default_rooms: [%s]",
		"delivery.workers":   "delivery: {workers: %s}",
		"storm.individual":   "storm: {individual: %s}",
		"server":             "server: %s",
		"token_env":          "webex: {bots: [{name: noc, token_env: %s}]}",
		"people":             "people: [{email: %s, role: viewer}]",
		"allowed_domains":    "allowed_domains: [%s]",
		"routes[].hosts":     "routes: [{rooms: [noc], match: {when: {days: %s}}}]",
	}
	addresses := []string{
		"https://admin:hunter2@zabbix.example.com", "https://hunter2@zabbix.example.com", "https://admin:hunter2/@zabbix.example.com",
		"https://admin:h@hunter2@zabbix.example.com", "https://admin:hunter2%zz@zabbix.example.com", "https://admin:hunter2 x@zabbix.example.com",
		"https://admin:hunter2#x@zabbix.example.com", "https://admin:hunter2?x@zabbix.example.com", "ftp://admin:hunter2@zabbix.example.com",
		"https://zabbix.example.com/?token=hunter2", "https://zabbix.example.com/#hunter2", "https://admin:hunter2%40zabbix.example.com",
		`https://admin:"hunter2"\@zabbix.example.com`, "https://admin:hunter2ü@zabbix.example.com/api_jsonrpc.php", "postgres://relay:hunter2@db/relay",
	}
	for key, text := range keys {
		for _, address := range addresses {
			quoted, err := json.Marshal(address)
			require.NoError(t, err)
			section, _, _ := strings.Cut(text, ":")
			base := ""
			for _, line := range strings.SplitAfter(small, "\n") {
				if strings.HasPrefix(line, " ") && strings.HasPrefix(section, "webex") && strings.Contains(line, "bots") {
					continue
				}
				if strings.HasPrefix(line, " ") && strings.HasPrefix(section, "zabbix") && strings.Contains(line, "main") {
					continue
				}
				if !strings.HasPrefix(line, section+":") {
					base += line
				}
			}
			cfg, err := Parse("relay.yaml", []byte(base+fmt.Sprintf(text, quoted)+"\n"), Options{Env: env})
			if err != nil {
				require.NotContains(t, err.Error(), "hunter2", "%s: %s", key, address)
				asJSON, jsonErr := json.Marshal(err)
				require.NoError(t, jsonErr)
				require.NotContains(t, string(asJSON), "hunter2")
				continue
			}
			require.Contains(t, []string{"webex.proxy_url", "zabbix[].proxy_url"}, key, "%s was accepted", address)
			require.Contains(t, cfg.Webex.HTTP.ProxyURL.Reveal()+cfg.Zabbix[0].HTTP.ProxyURL.Reveal(), "hunter2")
			summary, err := json.Marshal(cfg.Summary())
			require.NoError(t, err)
			asYAML, err := yaml.Marshal(cfg)
			require.NoError(t, err)
			asJSON, err := json.Marshal(cfg)
			require.NoError(t, err)
			var logged strings.Builder
			slog.New(slog.NewTextHandler(&logged, nil)).Info("x", "webex", cfg.Webex, "proxy", cfg.Webex.HTTP.ProxyURL)
			for _, out := range []string{string(summary), string(asYAML), string(asJSON), logged.String(), fmt.Sprintf("%v %+v %#v", *cfg, *cfg, *cfg)} {
				require.NotContains(t, out, "hunter2", "%s: %s", key, address)
			}
		}
	}
}

// A password in an address is refused, even if the URL parser treats it as part of the path.
func TestNoPasswordInAServiceURL(t *testing.T) {
	for _, address := range []string{"https://admin:hunter2@zbx", "https://admin@zbx", "https://:hunter2@zbx", "https://@zbx", "https://admin:80/hunter2@zbx"} {
		for _, key := range []string{"api_url", "u2c_url"} {
			_, faults := parse(t, strings.Replace(small, "bots:", key+": '"+address+"'\n  bots:", 1))
			require.Contains(t, faults.Error(), "webex."+key+":", address)
		}
		_, faults := parse(t, small+"server: {public_url: '"+address+"'}\n")
		require.Contains(t, faults.Error(), "server.public_url:", address)
		_, faults = parse(t, strings.Replace(small, "https://zabbix.example.com/", address, 1))
		require.Contains(t, faults.Error(), "zabbix[0].url:", address)
	}
}

// Any signing secret works with Zabbix's media type, or is refused with the reason.
func TestSigningSecrets(t *testing.T) {
	for name, c := range map[string]struct{ secret, wrong string }{
		"hexadecimal":            {strings.Repeat("0123abcd", 8), ""},
		"begins with <":          {"<abc-0123456789-abcdef", ""},
		"begins with {":          {"{abc-0123456789-abcdef", ""},
		"in braces":              {"{abc-0123456789-abcdef}", ""},
		"in angle brackets":      {"<abc-0123456789-abcdef>", ""},
		"quotes, backslashes":    {`it's "0123456789" \n \\ abcdef`, ""},
		"spaces inside":          {"two  spaces 0123456789", ""},
		"not ASCII":              {"Zürich-密码-0123456789-abc", ""},
		"dollar without brace":   {"$HOME-0123456789-abcdef", ""},
		"the longest":            {strings.Repeat("x", 2048), ""},
		"the longest, not ASCII": {strings.Repeat("ü", 2048), ""},
		"too long":               {strings.Repeat("x", 2049), "more than 2048 characters"},
		"a user macro":           {"{$WEBEX.SECRET}", "macro"},
		"a user macro inside":    {"0123456789{$SECRET}abcdef", "macro"},
		"with context":           {"0123456789{$SECRET:ctx}abcdef", "macro"},
		"a built-in macro":       {"0123456789{HOST.NAME}abcdef", "macro"},
		"a numbered macro":       {"0123456789{HOST.NAME2}abcdef", "macro"},
		"a macro function":       {`0123456789{{HOST.NAME}.regsub("(.*)", \1)}`, "macro"},
		"an expression":          {"0123456789{?last(/h/k)}", "macro"},
		"a discovery macro":      {"0123456789{#IFNAME}", "macro"},
		"a tab":                  {"0123456789\tabcdefghij", "control"},
		"a null byte":            {"0123456789\x00abcdefghij", "control"},
		"a zero-width space":     {"0123456789\u200babcdefghij", "invisible"},
		"a byte order mark":      {"0123456789abcdefghij\ufeff", "invisible"},
		"an emoji":               {"0123456789🔑abcdefghij", "emoji"},
		"not UTF-8":              {"0123456789\xffabcdefghij", "UTF-8"},
		"the placeholder":        {"<secret of this source>", "placeholder"},
	} {
		t.Run(name, func(t *testing.T) {
			wrong, hint := SigningSecret(c.secret)
			if c.wrong == "" {
				require.Empty(t, wrong)
			} else {
				require.Contains(t, wrong, c.wrong)
				require.NotEmpty(t, hint)
			}
			_, err := Parse("relay.yaml", []byte(small), Options{Env: func(name string) string {
				if name == "ALERT_RELAY_ZABBIX_MAIN_SECRET" {
					return c.secret
				}
				return env(name)
			}})
			if c.wrong == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, "zabbix[0].secret_file: secret 1 (environment variable ALERT_RELAY_ZABBIX_MAIN_SECRET) "+wrong)
			require.NotContains(t, err.Error(), c.secret)
		})
	}
}
