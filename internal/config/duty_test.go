package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Each fault of a schedule, and of a reference to one, has its line and a hint.
func TestFaultsOfDuty(t *testing.T) {
	rota := func(rest string) string {
		return "duty:\n  - name: network\n    rota: [{people: [a@example.com], start: 2026-01-05 09:00}]\n" + rest
	}
	step := func(step string) string {
		return rota("routes:\n  - rooms: [noc]\n    duty: network\n    escalate: [{after: 5m, " + step + "}]")
	}
	for name, c := range map[string]struct{ text, want string }{
		"nothing":         {"duty: [{name: x}]", "relay.yaml:8: duty[0]: has neither rota nor calendar (rota: [{people: [alice@example.com], start: 2026-01-05 09:00}], or calendar: [{url_file: FILE}])"},
		"both":            {rota("    calendar: {file: x}"), "relay.yaml:9: duty[0]: has both rota and calendar (one schedule for each)"},
		"nobody":          {"duty: [{name: x, rota: {start: 2026-01-05}}]", "relay.yaml:8: duty[0].rota[0].people: is missing"},
		"no start":        {"duty: [{name: x, rota: {people: a@example.com}}]", "relay.yaml:8: duty[0].rota[0].start: is missing"},
		"no such start":   {"duty: [{name: x, rota: {people: a@example.com, start: 2026-02-30 09:00}}]", `relay.yaml:8: duty[0].rota[0].start: "2026-02-30 09:00" is not a date with a time (such as 2026-01-05 09:00, without a zone: that is time_zone)`},
		"with a zone":     {"duty: [{name: x, rota: {people: a@example.com, start: \"2026-02-03T09:00:00Z\"}}]", `relay.yaml:8: duty[0].rota[0].start: "2026-02-03T09:00:00Z" is not a date with a time (such as 2026-01-05 09:00, without a zone: that is time_zone)`},
		"too often":       {"duty: [{name: x, rota: {people: a@example.com, start: 2026-01-05, every: 30m}}]", "relay.yaml:8: duty[0].rota[0].every: must be at least 1h, got 30m"},
		"seconds":         {"duty: [{name: x, rota: {people: a@example.com, start: 2026-01-05, every: 1h0m1s}}]", "relay.yaml:8: duty[0].rota[0].every: must be whole minutes, got 1h0m1s (such as 7d or 12h)"},
		"no address":      {"duty: [{name: x, rota: {people: alice, start: 2026-01-05}}]", `relay.yaml:8: duty[0].rota[0].people[0]: invalid e-mail address "alice" (such as alice@example.com)`},
		"a stranger":      {"duty: [{name: x, rota: {people: a@evil.org, start: 2026-01-05}}]", "relay.yaml:8: duty[0].rota[0].people[0]: a@evil.org is not in an allowed domain (add the domain to allowed_domains, or the person to people)"},
		"the name twice":  {rota("  - name: Network\n    rota: {people: a@example.com, start: 2026-01-05}"), `relay.yaml:11: duty[1].name: duplicate schedule "Network" (first at duty[0].name, line 9)`},
		"no calendar":     {"duty: [{name: x, calendar: {refresh: 5m}}]", "relay.yaml:8: duty[0].calendar[0]: has no address (url_file or url_env (most addresses contain a secret), url, or file)"},
		"two calendars":   {"duty: [{name: x, calendar: {file: a.ics, url: \"https://example.com/x\"}}]", "relay.yaml:8: duty[0].calendar[0]: has more than one address (one of url, url_file, url_env and file; several calendars are several entries)"},
		"no URL":          {"duty: [{name: x, calendar: {url: \"ftp://example.com/secret-token\"}}]", "relay.yaml:8: duty[0].calendar[0].url: isn't the address of a calendar (https://, http:// or webcal://)"},
		"refreshed often": {"duty: [{name: x, calendar: {file: a.ics, refresh: 1s}}]", "relay.yaml:8: duty[0].calendar[0].refresh: must be at least 1m, got 1s"},
		"a name twice":    {"duty: [{name: x, calendar: {file: a.ics, people: [{name: A, email: a@example.com}, {name: a, email: b@example.com}]}}]", `relay.yaml:8: duty[0].calendar[0].people[1].name: duplicate name "a" (first at duty[0].calendar[0].people[0].name, line 8)`},
		"an override of no layer": {rota("    overrides:\n      - {layer: second, from: 2026-12-24, until: 2026-12-25, person: a@example.com}"),
			`relay.yaml:12: duty[0].overrides[0].layer: unknown layer "second" (known: primary)`},
		"a reversed override": {rota("    overrides: [{from: 2026-12-24, until: 2026-12-24, person: a@example.com}]"), "relay.yaml:11: duty[0].overrides[0].until: must be after from, 2026-12-24, got 2026-12-24"},

		"a route without such a schedule": {rota("routes:\n  - {rooms: [noc], duty: netwrok}"), `relay.yaml:12: routes[0].duty: unknown schedule "netwrok" (did you mean network?)`},
		"a step without a schedule":       {rota("routes:\n  - {rooms: [noc], escalate: {after: 5m, duty: primary}}"), "relay.yaml:12: routes[0].escalate[0].duty: room noc has no schedule of duty (duty: NAME on the room or on this route, with a schedule of that name under the top-level duty)"},
		"a mention without a schedule":    {rota("routes:\n  - {rooms: [noc], escalate: {after: 5m, mention: duty}}"), "relay.yaml:12: routes[0].escalate[0].mention[0]: room noc has no schedule of duty (duty: NAME on the room or on this route, with a schedule of that name under the top-level duty)"},
		"a step for no layer":             {step("duty: secondary"), `relay.yaml:14: routes[0].escalate[0].duty: unknown layer of network "secondary" (known: primary)`},
		"a mention of no layer":           {step("mention: [a@example.com, duty:primry]"), `relay.yaml:14: routes[0].escalate[0].mention[1]: unknown layer of network "primry" (did you mean primary?)`},
		"a step that does nothing":        {step("rooms: []"), "relay.yaml:14: routes[0].escalate[0]: has no effect (rooms: [leads], mention: [alice@example.com], duty: primary, or several of them)"},
	} {
		t.Run(name, func(t *testing.T) {
			_, faults := parse(t, small+c.text+"\n")
			require.NotEmpty(t, faults)
			require.Equal(t, c.want, faults.Error())
		})
	}
	_, faults := parse(t, strings.Replace(small, "{name: db,", "{name: db, duty: network,", 1))
	require.Equal(t, `relay.yaml:5: rooms[1].duty: unknown schedule "network"`, faults.Error())
}

// A schedule has its defaults, addresses in lower case, and the zone of the configuration.
func TestDuty(t *testing.T) {
	cfg := valid(t, strings.Replace(small, "{name: db,", "{name: db, duty: network,", 1)+`time_zone: Europe/Berlin
duty:
  - name: network
    rota:
      - {people: [Alice@Example.com, bob@example.com], start: 2026-01-05 09:00, when: {days: mon-fri}}
      - {layer: secondary, people: carol@example.com, start: 2026-01-05, every: 1d}
    overrides: [{from: 2026-12-24T09:00, until: 2026-12-25 09:00, person: Carol@Example.com}, {from: 2026-12-24 20:00, until: 2026-12-26 09:00, person: bob@example.com}]
  - {name: calendar, calendar: {url: "webcal://calendar.example.com/x", layers: [secondary]}}
routes:
  - {match: {hosts: db*}, rooms: [db], escalate: [{after: 5m, mention: [duty, "duty:secondary"]}, {after: 15m, duty: primary}]}
  - {rooms: [noc], duty: calendar, escalate: {after: 15m, duty: secondary}}
`)
	require.Len(t, cfg.Warnings, 1)
	require.Equal(t, "relay.yaml:14: duty[0].overrides[1]: overlaps the override on line 14 (the last one in the list counts)", cfg.Warnings[0].Error())
	d := cfg.Duty[0]
	require.Equal(t, "Europe/Berlin", d.TimeZone.String())
	require.Equal(t, "Europe/Berlin", d.Rota[0].When[0].TimeZone.String())
	require.Equal(t, []string{"alice@example.com", "bob@example.com"}, d.Rota[0].People)
	require.Equal(t, Duration(7*day), d.Rota[0].Every)
	require.Equal(t, time.Date(2026, 12, 24, 9, 0, 0, 0, time.UTC), d.Overrides[0].From.Wall())
	require.Equal(t, "carol@example.com", d.Overrides[0].Person)
	require.Equal(t, []string{"primary", "secondary"}, d.Layers())
	require.Equal(t, "https://calendar.example.com/x", cfg.Duty[1].Calendars[0].Address())
	require.Equal(t, Duration(15*time.Minute), cfg.Duty[1].Calendars[0].Refresh)
	db, _ := cfg.Room("db")
	require.Equal(t, "network", cfg.Routes[0].ScheduleIn(db))
	require.Equal(t, "calendar", cfg.Routes[1].ScheduleIn(db))
	require.Equal(t, "route route 1: escalates after 5m mentioning duty and duty:secondary, escalates after 15m to whoever is on duty (primary)", cfg.Summary().Timing[0])
}

// A calendar's address is a secret: it is in no fault, no warning and no summary.
func TestACalendarsAddressIsASecret(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "calendar")
	text := func(key string) string {
		return small + "duty: [{name: x, calendar: {" + key + "}}]\n"
	}
	for _, address := range []string{"ftp://calendar.example.com/s3cr3t-token", "http://calendar.example.com/s3cr3t-token", "https://calendar.example.com/s3cr3t-token", "s3cr3t-token", "https://u:s3cr3t-token@x y/"} {
		require.NoError(t, os.WriteFile(file, []byte(address), 0o600))
		require.NoError(t, os.WriteFile(filepath.Join(dir, "relay.yaml"), []byte(text("url_file: calendar")), 0o600))
		cfg, err := Read(filepath.Join(dir, "relay.yaml"), Options{Env: env})
		if err != nil {
			require.NotContains(t, err.Error(), "s3cr3t")
			require.ErrorContains(t, err, "duty[0].calendar[0].url_file: isn't the address of a calendar")
			continue
		}
		require.Contains(t, cfg.Duty[0].Calendars[0].Address(), "s3cr3t-token")
		for _, w := range cfg.Warnings {
			require.NotContains(t, w.Error(), "s3cr3t")
		}
	}
}
