package config

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// One mistake is one fault: its consequences are not reported.
func TestOneMistakeIsOneFault(t *testing.T) {
	for name, c := range map[string]struct {
		text string // "old=>new" in small, or appended to it
		want string
	}{
		"misspelt required list":     {"default_rooms: [noc]=>default_room: [noc]", `relay.yaml:6: default_room: unknown key (did you mean default_rooms?)`},
		"misspelt section":           {"webex:\n=>webx:\n", `relay.yaml:1: webx: unknown key (did you mean webex?)`},
		"section in another case":    {"webex:\n=>Webex:\n", `relay.yaml:1: Webex: unknown key (did you mean webex?)`},
		"misspelt sources":           {"zabbix:\n=>zabix:\n", `relay.yaml:3: zabix: unknown key (did you mean zabbix?)`},
		"misspelt sources, named":    {"zabbix:\n=>routes: [{match: {sources: main}, rooms: noc}]\nzabix:\n", `relay.yaml:4: zabix: unknown key (did you mean zabbix?)`},
		"misspelt rooms":             {"rooms: [{=>room: [{", `relay.yaml:5: room: unknown key (did you mean rooms?)`},
		"misspelt bots, named":       {"bots: [{name: noc}]=>bot: [{name: noc}]", `relay.yaml:2: webex.bot: unknown key (did you mean bots?)`},
		"misspelt key with a dash":   {"url: \"https=>u-rl: \"https", `relay.yaml:4: zabbix[0].u-rl: unknown key (did you mean url?)`},
		"misspelt url":               {", url: \"https=>, ur: \"https", `relay.yaml:4: zabbix[0].ur: unknown key (did you mean url?)`},
		"misspelt secret":            {"{name: noc}=>{name: lab, tokenfile: x}", `relay.yaml:2: webex.bots[0].tokenfile: unknown key (did you mean token_file?)`},
		"secret in the file":         {"{name: noc}=>{name: lab, token: x}", `relay.yaml:2: webex.bots[0].token: secrets are not allowed in this file (use token_file or token_env)`},
		"signing secret in the file": {"name: main,=>name: m2, secret: x,", `relay.yaml:4: zabbix[0].secret: secrets are not allowed in this file (use secret_file or secret_env)`},
		"misspelt public_url":        {"{name: noc}=>{name: noc, listen: webhook}", "relay.yaml:8: server.publik_url: unknown key (did you mean public_url?)"},
		"a string for a section":     {"webex:\n  bots: [{name: noc}]=>webex: noc", `relay.yaml:1: webex: expected a mapping, got "noc"`},
		"a number for a room":        {"rooms: [{name: noc, id: Y2lzY29zcGFyazovL3VzL1JPT00vMQ}=>rooms: [7", "relay.yaml:5: rooms[0]: expected a mapping, got \"7\"\nrelay.yaml:6: default_rooms[0]: unknown room \"noc\" (known: db)"},
		"a string for a person":      {"people: [{domain: example.com, role: operator}]=>people: [alice@example.com]", `relay.yaml:7: people[0]: expected a mapping, got "alice@example.com"`},
		"misspelt role":              {"role: operator=>roles: operator", `relay.yaml:7: people[0].roles: unknown key (did you mean role?)`},
	} {
		t.Run(name, func(t *testing.T) {
			before, after, _ := strings.Cut(c.text, "=>")
			require.Contains(t, small, before)
			text := strings.Replace(small, before, after, 1)
			if name == "misspelt public_url" {
				text += "server: {publik_url: 'https://relay.example.com'}\n"
			}
			if name == "misspelt bots, named" {
				text = strings.Replace(text, "{name: db,", "{bot: noc, name: db,", 1)
			}
			_, faults := parse(t, text)
			require.Equal(t, c.want, faults.Error())
		})
	}
}

// The right key beside a misspelt one is still checked.
func TestMisspeltKeyBesideTheRightOne(t *testing.T) {
	_, faults := parse(t, strings.Replace(small, "default_rooms: [noc]", "default_rooms: []\ndefault_room: [noc]", 1))
	require.Equal(t, "relay.yaml:6: default_rooms: is missing (rooms for problems that no route matches: default_rooms: [noc])\n"+
		"relay.yaml:7: default_room: unknown key (did you mean default_rooms?)", faults.Error())
}

// A duplicate key doesn't hide faults in its first value.
func TestDuplicateKeyIsCheckedToo(t *testing.T) {
	_, faults := parse(t, small+"routes: [{rooms: [db], delay: 25h}]\nroutes: []\n")
	require.Equal(t, "relay.yaml:8: routes[0].delay: must be at most 1d, got 1d1h\nrelay.yaml:9: routes: duplicate key (first on line 8)", faults.Error())
}

// Known names are listed once each, and a duplicate names the first.
func TestNamesAreListedOnce(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"rooms": {strings.Replace(strings.Replace(small, "name: db", "name: noc", 1), "default_rooms: [noc]", "default_rooms: [elsewhere]", 1),
			`relay.yaml:5: rooms[1].name: duplicate room "noc" (first at rooms[0].name, line 5)` + "\n" + `relay.yaml:6: default_rooms[0]: unknown room "elsewhere" (known: noc)`},
		"bots": {strings.Replace(strings.Replace(small, "{name: noc}]", "{name: noc}, {name: noc, token_env: OTHER}]", 1), "{name: db,", "{name: db, bot: elsewhere,", 1),
			`relay.yaml:2: webex.bots[1].name: duplicate bot "noc" (first at webex.bots[0].name, line 2)` + "\n" + `relay.yaml:5: rooms[1].bot: unknown bot "elsewhere" (known: noc)`},
		"sources": {strings.Replace(small, "rooms: [{", "  - {name: main, url: 'https://x', secret_env: OTHER}\nroutes: [{match: {sources: elsewhere}, rooms: noc}]\nrooms: [{", 1),
			`relay.yaml:5: zabbix[1].name: duplicate source "main" (first at zabbix[0].name, line 4)` + "\n" + `relay.yaml:6: routes[0].match.sources[0]: unknown source "elsewhere" (known: main)`},
		"a room without a name": {strings.Replace(strings.Replace(small, "{name: db,", "{", 1), "default_rooms: [noc]", "default_rooms: [elsewhere]", 1),
			"relay.yaml:5: rooms[1].name: is missing\n" + `relay.yaml:6: default_rooms[0]: unknown room "elsewhere" (known: noc)`},
	} {
		t.Run(name, func(t *testing.T) {
			_, faults := parse(t, c.text)
			require.Equal(t, c.want, faults.Error())
		})
	}
}

// Top-level keys that begin with x- are ignored, for anchors. Elsewhere and in other spellings they are unknown.
func TestExtensionKeys(t *testing.T) {
	cfg := valid(t, "x-defaults: &d {presentation: line}\nx-hosts: &hosts [db*, web*]\nx-: 1\nx-empty:\n"+
		strings.Replace(small, "{name: noc, id", "{<<: *d, name: noc, id", 1)+"routes: [{rooms: db, match: {hosts: *hosts}}]\n")
	require.Equal(t, PresentLine, cfg.Rooms[0].Presentation)
	require.Equal(t, "[db* web*]", fmt.Sprint(cfg.Routes[0].Match.Hosts))
	for text, want := range map[string]string{
		"x_hosts: 1":                           "relay.yaml:8: x_hosts: unknown key (valid keys: ",
		"X-hosts: 1":                           "relay.yaml:8: X-hosts: unknown key (valid keys: ",
		"x: 1":                                 "relay.yaml:8: x: unknown key (valid keys: ",
		"server: {x-listen: 1}":                "relay.yaml:8: server.x-listen: unknown key (",
		"x-a: 1\nx-a: 2":                       "relay.yaml:9: x-a: duplicate key (first on line 8)",
		"x-a: &a {nonsense: 1}\nstorm: *a":     "relay.yaml:8: storm.nonsense: unknown key (valid keys: individual, threshold, window)",
		"x-a: [\n":                             "relay.yaml:9: invalid YAML: ",
		"routes: [{x-rooms: noc, rooms: noc}]": "relay.yaml:8: routes[0].x-rooms: unknown key (",
	} {
		_, faults := parse(t, small+text+"\n")
		require.Len(t, faults, 1, text)
		require.Contains(t, faults.Error(), want)
	}
}

// Words that other programs use get a suggestion.
func TestSuggestions(t *testing.T) {
	for text, want := range map[string]string{
		"log: {level: warning}":           "did you mean warn?",
		"log: {level: Info}":              "did you mean info?",
		"log: {level: err}":               "unknown value \"err\", expected debug, info, warn or error",
		"log: {format: JSON}":             "did you mean json?",
		"storm: {individual: warn}":       "did you mean warning?",
		"storm: {individual: HIGH}":       "",
		"zabbix: {sendto: add}":           "did you mean send_to?",
		"routes: [{room: db, rooms: db}]": "did you mean rooms?",
	} {
		base := small
		if strings.HasPrefix(text, "zabbix") {
			base, _, _ = strings.Cut(small, "zabbix:")
		}
		_, err := Parse("relay.yaml", []byte(base+text+"\n"), Options{Env: env})
		if want == "" {
			require.NoError(t, err)
			continue
		}
		require.ErrorContains(t, err, want, text)
	}
}

// Strict turns warnings into faults, in the order of the file. Without warnings it changes nothing.
func TestStrict(t *testing.T) {
	strict := func(text string, o Options) string {
		o.Env, o.Strict = env, true
		_, err := Parse("relay.yaml", []byte(text), o)
		if err == nil {
			return ""
		}
		return err.Error()
	}
	require.Empty(t, strict(small, Options{}))
	for name, c := range map[string]struct{ text, want string }{
		"a token in clear text": {strings.Replace(small, "bots:", "u2c_url: http://u2c.example.com\n  bots:", 1), "relay.yaml:2: webex.u2c_url: sends its token unencrypted (use https://)"},
		"a short token":         {small + "server: {admin_token_env: SHORT}\n", "relay.yaml:8: server.admin_token_file: token 1 is short (at least 16 characters: openssl rand -hex 32)"},
		"an unreachable route":  {small + "routes:\n- rooms: noc\n- rooms: db\n", "relay.yaml:10: routes[1]: unreachable: route 1 above matches everything (move it up, or set continue: true there)"},
		"nobody may act":        {strings.Replace(small, "people: [{domain: example.com, role: operator}]\n", "", 1), "relay.yaml:1: people: not set: nobody can acknowledge from a room (people: [{domain: example.com, role: operator}])"},
		"a short secret":        {strings.Replace(small, "name: main,", "name: main, secret_env: SHORT,", 1), "relay.yaml:4: zabbix[0].secret_file: secret 1 is short (at least 16 characters: openssl rand -hex 32)"},
		"a warning and a fault": {"x-a: 1\n" + strings.Replace(small, "bots:", "u2c_url: http://u2c.example.com\n  bots:", 1) + "log: {level: loud}\n", "relay.yaml:3: webex.u2c_url: sends its token unencrypted (use https://)\nrelay.yaml:10: log.level: unknown value \"loud\", expected debug, info, warn or error"},
	} {
		t.Run(name, func(t *testing.T) { require.Equal(t, c.want, strict(c.text, Options{})) })
	}
	// Strict takes precedence over Elsewhere for missing files.
	missing := strings.Replace(small, "{name: noc}", "{name: noc, token_file: /nowhere/token}", 1)
	require.Equal(t, strict(missing, Options{}), strict(missing, Options{Elsewhere: true}))
}
