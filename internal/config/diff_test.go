package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Diff names the keys that differ, and those that a running relay can't change. The same text twice makes no difference.
func TestDiff(t *testing.T) {
	full := readText(t, examplePath)
	parseFull := func(text string) *Config {
		cfg, err := Parse(examplePath, []byte(text), Options{Elsewhere: true, Env: env})
		require.NoError(t, err)
		return cfg
	}
	require.Empty(t, Diff(parseFull(full), parseFull(full)))
	require.Empty(t, Diff(parseFull(full), parseFull("x-a: 1\n\n"+full)), "lines don't count")

	for change, want := range map[string][]Change{
		"log: {level: debug}":                              {{"log.level", false}},
		"log: {format: json}":                              {{"log.format", true}},
		"store: {path: other.db}":                          {{"store.path", true}},
		"server: {listen: ':81', public_url: 'https://x'}": {{"server.listen", true}, {"server.public_url", false}, {"webex.bots", false}},
		"server: {admin_token_env: OTHER}":                 {{"server.admin_token_file", false}},
		"time_zone: Europe/Berlin":                         {{"rooms", false}, {"time_zone", false}},
		"default_rooms: [db]":                              {{"default_rooms", false}},
		"routes: [{rooms: db, match: {trigger: '^a'}}]":    {{"routes", false}},
		"notify: [{name: a, token_env: OTHER, rooms: db}]": {{"notify", false}},
		"storm: {threshold: 11}":                           {{"rooms", false}, {"storm.threshold", false}},
		"delivery: {rate_limit: 6, workers: 5}":            {{"delivery.workers", false}, {"delivery.rate_limit", true}},
	} {
		text := small + change + "\n"
		if strings.HasPrefix(change, "default_rooms") {
			text = strings.Replace(small, "default_rooms: [noc]", change, 1)
		}
		require.Equal(t, want, Diff(valid(t, small), valid(t, text)), change)
	}
	// The same secret in another place: the relay reads its file again when it is refused.
	dir := t.TempDir()
	for _, name := range []string{"a", "b"} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte("the-same-token-0123456789"), 0o600))
	}
	admin := func(name string) *Config {
		return valid(t, small+"server: {admin_token_file: "+filepath.Join(dir, name)+"}\n")
	}
	require.Equal(t, []Change{{"server.admin_token_file", false}}, Diff(admin("a"), admin("b")))
	require.Empty(t, Diff(admin("a"), admin("a")))
	// Values that are compiled from a text, within lists.
	for before, after := range map[string]string{
		"trigger: '^a'": "trigger: '^b'", "hosts: [a*]": "hosts: [b*]", "tags: [a=1]": "tags: [a=2]", "severity: high": "severity: '>=high'",
		"when: {hours: '08:00-18:00'}": "when: {hours: '08:00-19:00'}", "when: {days: mon}": "when: {days: tue}",
		"when: {days: mon, time_zone: UTC}": "when: {days: mon, time_zone: Europe/Berlin}", "sources: [main]": "sources: []",
	} {
		route := func(match string) *Config { return valid(t, small+"routes: [{rooms: db, match: {"+match+"}}]\n") }
		require.Equal(t, []Change{{"routes", false}}, Diff(route(before), route(after)), "%s, %s", before, after)
		require.Empty(t, Diff(route(before), route(before)), before)
	}
	source := func(zone string) *Config {
		return valid(t, strings.Replace(small, "name: main,", "name: main"+zone+",", 1))
	}
	require.Equal(t, []Change{{"zabbix", false}}, Diff(source(""), source(", time_zone: UTC")), "no zone isn't UTC")
}

// What a running relay can't change says so in the schema.
func TestKeysThatNeedARestartSaySo(t *testing.T) {
	a, b := defaults(), defaults()
	b.Server.Listen, b.Server.AdminListen, b.Store.Driver, b.Store.Path, b.Log.Format = "x", "x", "x", "x", "x"
	b.Delivery.RateLimit, b.Tracing.Endpoint = 1, "x"
	docs := readText(t, docsPath)
	for _, c := range Diff(a, b) {
		require.True(t, c.Restart, c.Key)
	}
	files, err := sources.ReadDir(".")
	require.NoError(t, err)
	source := ""
	for _, f := range files {
		text, err := sources.ReadFile(f.Name())
		require.NoError(t, err)
		source += string(text)
	}
	found := 0
	for _, c := range strings.Split(source, "\n") {
		if !strings.Contains(c, `reload:"restart"`) {
			continue
		}
		found++
		name := strings.Split(strings.Split(c, `yaml:"`)[1], `"`)[0]
		before, _, _ := strings.Cut(source, c)
		comment := strings.TrimSpace(before[strings.LastIndex(strings.TrimRight(before, "\n"), "\n")+1:])
		require.Contains(t, comment, "A change needs a restart.", name)
		require.Regexp(t, `(?m)^- .*`+"`[a-z.]*"+name+"`", docs[strings.Index(docs, "## Changing it"):], "docs/configuration.md, Changing it")
	}
	require.Equal(t, len(Diff(a, b)), found)
}
