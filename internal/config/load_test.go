package config

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"gopkg.in/yaml.v3"

	"nms-alert-relay/internal/alert"
)

// small is the smallest useful configuration.
const small = `webex:
  bots: [{name: noc}]
zabbix:
  - {name: main, url: "https://zabbix.example.com/"}
rooms: [{name: noc, id: Y2lzY29zcGFyazovL3VzL1JPT00vMQ}, {name: db, id: Y2lzY29zcGFyazovL3VzL1JPT00vMg}]
default_rooms: [noc]
people: [{domain: example.com, role: operator}]
`

var smallEnv = map[string]string{
	"ALERT_RELAY_WEBEX_NOC_TOKEN":       "webex-token-of-noc\n",
	"ALERT_RELAY_ZABBIX_MAIN_API_TOKEN": "zabbix-token-of-main",
	"ALERT_RELAY_ZABBIX_MAIN_SECRET":    "0123456789abcdef-secret",
	"LINES":                             "hunter22\nhunter23",
	"SHORT":                             "short",
	"OTHER":                             "another-secret-0123456789",
}

func env(name string) string { return smallEnv[name] }

func parse(t *testing.T, text string) (*Config, Faults) {
	t.Helper()
	cfg, err := Parse("relay.yaml", []byte(text), Options{Env: env})
	if err == nil {
		return cfg, nil
	}
	require.IsType(t, Faults{}, err)
	require.Nil(t, cfg)
	return nil, err.(Faults)
}

func valid(t *testing.T, text string) *Config {
	t.Helper()
	cfg, faults := parse(t, text)
	require.Empty(t, faults, "%v", faults)
	return cfg
}

// The token goes to the real Webex only if the REST API is the real one.
func TestServiceCatalogFollowsTheAPI(t *testing.T) {
	for api, want := range map[string]string{
		"https://webexapis.com/v1": "https://u2c.wbx2.com", "https://api.ciscospark.com/v1": "https://u2c.wbx2.com",
		"http://127.0.0.1:9999/v1": "http://127.0.0.1:9999", "https://gateway.example.com/webex": "https://gateway.example.com",
	} {
		require.Equal(t, want, catalogOf(api))
	}
}

// Keys left out have their documented defaults.
func TestDefaults(t *testing.T) {
	cfg := valid(t, small)
	require.Empty(t, cfg.Warnings)
	require.Equal(t, ":8080", cfg.Server.Listen)
	require.Equal(t, "127.0.0.1:9090", cfg.Server.AdminListen)
	require.Equal(t, Store{Driver: "sqlite", Path: "relay.db"}, cfg.Store)
	require.Equal(t, ListenWebsocket, cfg.Webex.Bots[0].Listen)
	require.Equal(t, "https://u2c.wbx2.com", cfg.Webex.U2CURL)
	require.Equal(t, Duration(30*time.Second), cfg.Webex.HTTP.Timeout)
	require.Equal(t, Duration(10*time.Second), cfg.Zabbix[0].HTTP.Timeout)
	require.Equal(t, "https://zabbix.example.com", cfg.Zabbix[0].URL)
	require.Equal(t, SendToAdd, cfg.Zabbix[0].SendTo)
	require.Equal(t, "UTC", cfg.Zabbix[0].TimeZone.String())
	require.Equal(t, "webex-token-of-noc", cfg.Webex.Bots[0].Token.Reveal())
	require.Equal(t, "zabbix-token-of-main", cfg.Zabbix[0].APIToken.Reveal())
	require.Equal(t, "0123456789abcdef-secret", cfg.Zabbix[0].Secrets[0].Reveal())
	require.Equal(t, "environment variable ALERT_RELAY_ZABBIX_MAIN_SECRET", cfg.Zabbix[0].Secrets[0].From())
	require.Equal(t, "noc", cfg.Rooms[0].Bot)
	require.Equal(t, PresentThread, cfg.Rooms[0].Presentation)
	require.Equal(t, Storm{Threshold: 10, Window: Duration(5 * time.Second), Individual: alert.Disaster}, *cfg.Rooms[0].Storm)
	require.Equal(t, Retention{Journal: Duration(7 * day), Problems: Duration(30 * day), Audit: Duration(365 * day)}, cfg.Retention)
}

// A bot uses a webhook if the relay has a public URL.
func TestListenDefaultsToWebhookWithAPublicURL(t *testing.T) {
	cfg := valid(t, small+"server: {public_url: 'https://relay.example.com/'}\n")
	require.Equal(t, ListenWebhook, cfg.Webex.Bots[0].Listen)
	require.Equal(t, "https://relay.example.com", cfg.Server.PublicURL)
}

// A room inherits storm settings that it leaves out; a zero counts as set.
func TestRoomStormInherits(t *testing.T) {
	cfg := valid(t, strings.Replace(small, "id: Y2lzY29zcGFyazovL3VzL1JPT00vMQ", "id: Y2lzY29zcGFyazovL3VzL1JPT00vMQ, storm: {individual: not classified}", 1)+"storm: {threshold: 3}\n")
	require.Equal(t, Storm{Threshold: 3, Window: Duration(5 * time.Second), Individual: alert.NotClassified}, *cfg.Rooms[0].Storm)
	require.Equal(t, alert.Disaster, cfg.Rooms[1].Storm.Individual)
}

// Flapping is inherited likewise, and off is a valid count.
func TestRoomFlappingInherits(t *testing.T) {
	cfg := valid(t, strings.Replace(small, "id: Y2lzY29zcGFyazovL3VzL1JPT00vMQ", "id: Y2lzY29zcGFyazovL3VzL1JPT00vMQ, flapping: {count: off}", 1)+"flapping: {window: 5m}\n")
	require.Equal(t, Flapping{Count: 3, Window: Duration(5 * time.Minute)}, cfg.Flapping)
	require.Equal(t, Flapping{Count: 0, Window: Duration(5 * time.Minute)}, *cfg.Rooms[0].Flapping)
	require.Equal(t, cfg.Flapping, *cfg.Rooms[1].Flapping)
	require.Zero(t, valid(t, small+"flapping: {count: 0}\n").Flapping.Count)
	require.Equal(t, "off", cfg.Rooms[0].Flapping.Count.String())
}

// One value is a list of one, anchors and merges work, keys without a value count as absent.
func TestYAMLConveniences(t *testing.T) {
	cfg := valid(t, small+`routes:
  - match: &m {hosts: db*, severity: ">=high", tags: service=db, when: {days: mon-fri}, groups: }
    rooms: db
  - match: {<<: *m, hosts: [a, b]}
    rooms: [noc]
  - match: {severity: 4}
    rooms: &r [noc, db]
  - match: {severity: [warning, ">=High"]}
    rooms: *r
notify:
`)
	require.Equal(t, "[db*]", fmt.Sprint(cfg.Routes[0].Match.Hosts))
	require.Equal(t, []string{"db"}, cfg.Routes[0].Rooms)
	require.Equal(t, "route 1", cfg.Routes[0].Name)
	require.Equal(t, 9, cfg.Routes[0].Line)
	require.Equal(t, "[a b]", fmt.Sprint(cfg.Routes[1].Match.Hosts))
	require.Equal(t, "[service=db]", fmt.Sprint(cfg.Routes[1].Match.Tags))
	require.Equal(t, map[alert.Severity]bool{alert.High: true}, cfg.Routes[2].Match.Severity.Set)
	require.Equal(t, map[alert.Severity]bool{alert.Warning: true, alert.High: true, alert.Disaster: true}, cfg.Routes[3].Match.Severity.Set)
	require.Equal(t, "UTC", cfg.Routes[0].Match.When[0].TimeZone.String())
	require.Empty(t, cfg.Notify)
}

// All faults are reported at once, in the order of the file.
func TestAllFaultsAtOnce(t *testing.T) {
	_, faults := parse(t, `server: {listne: ":1"}
webex:
  bots:
    - {name: noc, listen: webhook}
zabbix:
  - {name: main, url: zabbix}
rooms:
  - {name: noc, id: R, bot: x}
routes:
  - {match: {hosts: "[", trigger: "("}, rooms: [nope]}
people:
  - {email: bad, role: none}
storm: {window: soon}
`)
	var got []string
	for _, f := range faults {
		got = append(got, fmt.Sprintf("%d %s", f.Line, f.Key))
	}
	require.Equal(t, []string{"1 default_rooms", "1 server.listne", "4 webex.bots[0].listen", "6 zabbix[0].url", "8 rooms[0].bot",
		"10 routes[0].match.hosts[0]", "10 routes[0].match.trigger", "10 routes[0].rooms[0]", "12 people[0].email", "12 people[0].role", "13 storm.window"}, got)
	data, err := json.Marshal(faults[:1])
	require.NoError(t, err)
	require.JSONEq(t, `[{"file":"relay.yaml","line":1,"key":"default_rooms","what":"is missing","hint":"rooms for problems that no route matches: default_rooms: [noc]"}]`, string(data))
}

// Faults of an empty file are the missing keys; a missing file is a fault.
func TestEmptyAndMissing(t *testing.T) {
	_, faults := parse(t, "# nothing\n")
	require.Contains(t, faults.Error(), "relay.yaml:1: webex.bots: is missing")
	_, err := Read(filepath.Join(t.TempDir(), "no.yaml"), Options{Env: env})
	require.ErrorContains(t, err, "no.yaml: cannot read the file: no such file or directory")
}

// Secret files are relative to the configuration, a final newline is ignored, and one that everybody can read is a warning.
func TestSecretFiles(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string, mode fs.FileMode) {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), mode))
		require.NoError(t, os.Chmod(filepath.Join(dir, name), mode))
	}
	write("token", "the-token\r\n", 0o600)
	write("old", "old-secret-0123456789\n", 0o600)
	write("new", "new-secret-0123456789", 0o644)
	write("empty", " \n", 0o600)
	write("two", "a\nb\n", 0o600)
	text := strings.Replace(strings.Replace(small, "{name: noc}", "{name: noc, token_file: token}", 1), "name: main,", "name: main, secret_file: [old, new], secret_env: OTHER,", 1)
	write("relay.yaml", text, 0o600)

	cfg, err := Read(filepath.Join(dir, "relay.yaml"), Options{Env: env})
	require.NoError(t, err)
	require.Equal(t, "the-token", cfg.Webex.Bots[0].Token.Reveal())
	var secrets []string
	for _, s := range cfg.Zabbix[0].Secrets {
		secrets = append(secrets, s.Reveal())
	}
	require.Equal(t, []string{"old-secret-0123456789", "new-secret-0123456789", "another-secret-0123456789"}, secrets)
	require.Equal(t, filepath.Join(dir, "relay.db"), cfg.Store.Path)
	require.Len(t, cfg.Warnings, 1)
	require.Equal(t, fmt.Sprintf("%s:4: zabbix[0].secret_file[1]: %s is readable by everybody on this machine (chmod o-r %[2]s)",
		filepath.Join(dir, "relay.yaml"), filepath.Join(dir, "new")), cfg.Warnings[0].Error())

	write("relay.yaml", strings.Replace(text, "[old, new]", "[empty, two]", 1), 0o600)
	_, err = Read(filepath.Join(dir, "relay.yaml"), Options{Env: env})
	require.ErrorContains(t, err, "zabbix[0].secret_file[0]: "+filepath.Join(dir, "empty")+" is empty")
	require.ErrorContains(t, err, "zabbix[0].secret_file[1]: "+filepath.Join(dir, "two")+" has more than one line")
	require.NotContains(t, err.Error(), "a\nb")
}

// Secrets that are missing are faults, or warnings if the relay runs elsewhere.
func TestMissingSecretsElsewhere(t *testing.T) {
	text := strings.Replace(small, "{name: noc}", "{name: noc, token_file: /nowhere/token}", 1)
	cfg, err := Parse("relay.yaml", []byte(text), Options{Elsewhere: true})
	require.NoError(t, err)
	require.Len(t, cfg.Warnings, 3)
	require.Contains(t, cfg.Warnings.Error(), "relay.yaml:2: webex.bots[0].token_file: cannot read /nowhere/token: no such file or directory")
	_, err = Parse("relay.yaml", []byte(text), Options{})
	require.Error(t, err)
}

// Settings that are valid but look wrong are warnings.
func TestWarnings(t *testing.T) {
	cfg := valid(t, `webex:
  api_url: http://webex.example.com/v1
  bots: [{name: noc}]
zabbix:
  - {name: lab, url: "http://10.0.0.1", secret_env: SHORT}
  - {name: main, url: "http://10.0.0.1", secret_env: OTHER}
rooms: [{name: noc, id: Y2lzY29zcGFyazovL3VzL1JPT00vMQ}]
routes:
  - {rooms: [noc]}
  - {rooms: [noc], match: {hosts: a}}
default_rooms: [noc]
`)
	require.Equal(t, strings.TrimSpace(`
relay.yaml:1: people: not set: nobody can acknowledge from a room (people: [{domain: example.com, role: operator}])
relay.yaml:2: webex.api_url: sends its token unencrypted (use https://)
relay.yaml:5: zabbix[0].api_token: not set: nobody can acknowledge from a room, what Zabbix's messages miss isn't found, and details that a payload lacks stay unknown (api_token_file, api_token_env or ALERT_RELAY_ZABBIX_LAB_API_TOKEN)
relay.yaml:5: zabbix[0].secret_file: secret 1 is short (at least 16 characters: openssl rand -hex 32)
relay.yaml:6: zabbix[1].url: same URL as zabbix[0] (one Zabbix under two names is posted twice)
relay.yaml:6: zabbix[1].url: sends its token unencrypted (use https://)
relay.yaml:10: routes[1]: unreachable: route 1 above matches everything (move it up, or set continue: true there)`), cfg.Warnings.Error())
}

// No way of printing shows a secret.
func TestSecretsAreHidden(t *testing.T) {
	cfg := valid(t, small+"routes: [{rooms: [db]}]\n")
	s := cfg.Webex.Bots[0].Token
	inner := struct{ hidden Secret }{s}
	var logged strings.Builder
	slog.New(slog.NewJSONHandler(&logged, nil)).Info("x", "token", s, "bot", cfg.Webex.Bots[0], "cfg", cfg)
	asJSON, err := json.Marshal(cfg.Webex.Bots)
	require.NoError(t, err)
	asYAML, err := yaml.Marshal(cfg)
	require.NoError(t, err)
	for _, text := range []string{fmt.Sprint(s), fmt.Sprintf("%s %q %v %+v %#v %x", s, s, s, s, s, s), fmt.Sprintf("%v %+v %#v", inner, inner, inner),
		fmt.Sprintf("%v %+v", cfg, cfg), fmt.Sprintf("%#v", *cfg), logged.String(), string(asJSON), string(asYAML)} {
		require.NotContains(t, text, "webex-token")
		require.NotContains(t, text, fmt.Sprintf("%x", "webex-token"))
	}
	require.Equal(t, "[secret]", fmt.Sprint(s))
	require.Contains(t, string(asYAML), "[secret]")
	require.Equal(t, "", fmt.Sprint(Secret{}))
}

// The parser never panics, and returns either a configuration or faults with lines in the file.
func FuzzParse(f *testing.F) {
	f.Add(small)
	f.Add("a: &a [*a]")
	f.Add("webex: {<<: {bots: 3}}")
	f.Add("rooms: [[[]]]\n? [a]\n: b")
	if data, err := os.ReadFile(examplePath); err == nil {
		f.Add(string(data))
	}
	breaks := regexp.MustCompile(`\r\n|[\r\n\x{85}\x{2028}\x{2029}]`) // the ends of lines in YAML
	plain := regexp.MustCompile(`_file|templates|dir`)                // never read files that a fuzzer names
	f.Fuzz(func(t *testing.T, text string) {
		if plain.MatchString(text) {
			t.Skip()
		}
		cfg, err := Parse("f.yaml", []byte(text), Options{Env: env})
		if err == nil {
			require.NotEmpty(t, cfg.DefaultRooms)
			return
		}
		for _, fault := range err.(Faults) {
			require.NotEmpty(t, fault.What)
			require.LessOrEqual(t, fault.Line, 2+len(breaks.FindAllString(text, -1)))
		}
	})
}
