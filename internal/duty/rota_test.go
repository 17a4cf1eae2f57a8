package duty

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"nms-alert-relay/internal/config"
)

// schedule reads a schedule as the configuration does. Its zone is Europe/Berlin unless it says another.
func schedule(t require.TestingT, yaml string) Schedule {
	cfg := configured(t, yaml)
	return New(cfg.Duty[0], nil, nil)
}

func configured(t require.TestingT, yaml string) *config.Config {
	cfg, err := config.Parse("relay.yaml", []byte(`
webex: {bots: [{name: noc, token_env: TOKEN}]}
zabbix: [{name: main, url: "https://zabbix.example.com", secret_env: SECRET}]
rooms: [{name: noc, id: Y2lzY29zcGFyazovL3VzL1JPT00vYmJjZWIxYWQtNDNmMS0zYjU4LTkxNDctZjE0YmIwYzRkMTU0, duty: network}]
default_rooms: [noc]
allowed_domains: [example.com]
time_zone: Europe/Berlin
duty:
  - name: network
`+yaml), config.Options{Env: func(name string) string { return "a-secret-of-" + name + "-that-is-long" }})
	require.NoError(t, err)
	return cfg
}

func moment(t require.TestingT, text string) time.Time {
	at, err := time.Parse(time.RFC3339, text)
	require.NoError(t, err, text)
	return at
}

// who names the people on duty by the local part of their addresses.
func who(people []Person) string {
	var names []string
	for _, p := range people {
		name, _, _ := strings.Cut(p.Email, "@")
		if p.Email == "" {
			name = "?" + p.Name
		}
		names = append(names, name)
	}
	if len(names) == 0 {
		return "nobody"
	}
	return strings.Join(names, "+")
}

// The hand-over is at the same time of the wall's clock, to the second, also in the weeks in which clocks change.
func TestHandOver(t *testing.T) {
	weekly := `    rota: [{people: [alice@example.com, bob@example.com, carol@example.com], start: 2026-10-05 09:00, every: 7d}]`
	twelve := `    rota: [{people: [alice@example.com, bob@example.com], start: 2026-10-24 08:00, every: 12h}]`
	night := `    rota: [{people: [alice@example.com, bob@example.com], start: 2026-03-28 02:30, every: 1d}]`
	hourly := `    rota: [{people: [alice@example.com, bob@example.com, carol@example.com], start: 2026-10-25 00:00, every: 1h}]`
	for _, c := range []struct{ name, rota, at, want string }{
		{"before the start", weekly, "2026-10-05T08:59:59+02:00", "nobody"},
		{"the start", weekly, "2026-10-05T09:00:00+02:00", "alice"},
		{"a second before a hand-over", weekly, "2026-10-12T08:59:59+02:00", "alice"},
		{"the second of a hand-over", weekly, "2026-10-12T09:00:00+02:00", "bob"},
		{"the week in which clocks go back: before", weekly, "2026-10-26T08:59:59+01:00", "carol"},
		{"the week in which clocks go back: after", weekly, "2026-10-26T09:00:00+01:00", "alice"},
		{"the week in which clocks go forward: before", weekly, "2027-03-29T08:59:59+02:00", "alice"},
		{"the week in which clocks go forward: after", weekly, "2027-03-29T09:00:00+02:00", "bob"},
		{"years later", weekly, "2036-10-06T09:00:00+02:00", "alice"},

		{"a long night", twelve, "2026-10-25T07:59:59+01:00", "bob"},
		{"after a long night", twelve, "2026-10-25T08:00:00+01:00", "alice"},

		{"a hand-over that clocks skip: before", night, "2026-03-29T01:59:59+01:00", "alice"},
		{"a hand-over that clocks skip: at the change", night, "2026-03-29T03:00:00+02:00", "bob"},
		{"and the next day", night, "2026-03-30T02:30:00+02:00", "alice"},
		{"and the second before", night, "2026-03-30T02:29:59+02:00", "bob"},

		{"an hour that comes twice: the first", hourly, "2026-10-25T02:30:00+02:00", "carol"},
		{"an hour that comes twice: the second", hourly, "2026-10-25T02:30:00+01:00", "carol"},
		{"after it", hourly, "2026-10-25T03:00:00+01:00", "alice"},
	} {
		t.Run(c.name, func(t *testing.T) {
			require.Equal(t, c.want, who(schedule(t, c.rota).At("primary", moment(t, c.at))))
		})
	}
}

// Local finds each time of a clock on a wall, in both directions of a change, and where a zone changes at midnight or by half an hour.
func TestLocal(t *testing.T) {
	for _, c := range []struct{ zone, wall, want string }{
		{"Europe/Berlin", "2026-07-01 09:00", "2026-07-01T09:00:00+02:00"},
		{"Europe/Berlin", "2026-03-29 02:00", "2026-03-29T03:00:00+02:00"},
		{"Europe/Berlin", "2026-03-29 02:59", "2026-03-29T03:00:00+02:00"},
		{"Europe/Berlin", "2026-10-25 02:30", "2026-10-25T02:30:00+02:00"},
		{"Europe/Berlin", "2026-10-25 02:00", "2026-10-25T02:00:00+02:00"},
		{"Europe/Berlin", "2026-10-25 03:00", "2026-10-25T03:00:00+01:00"},
		{"America/New_York", "2026-03-08 02:30", "2026-03-08T03:00:00-04:00"},
		{"America/New_York", "2026-11-01 01:30", "2026-11-01T01:30:00-04:00"},
		{"Australia/Lord_Howe", "2026-10-04 02:15", "2026-10-04T02:30:00+11:00"},
		{"Australia/Lord_Howe", "2026-04-05 01:45", "2026-04-05T01:45:00+11:00"},
		{"Africa/Cairo", "2026-04-24 00:30", "2026-04-24T01:00:00+03:00"},
		{"UTC", "2026-03-29 02:30", "2026-03-29T02:30:00Z"},
	} {
		zone, err := time.LoadLocation(c.zone)
		require.NoError(t, err)
		wall, err := time.Parse("2006-01-02 15:04", c.wall)
		require.NoError(t, err)
		require.Equal(t, c.want, Local(wall, zone).Format(time.RFC3339), "%s %s", c.zone, c.wall)
	}
}

// Windows of the week, layers, and several entries of one layer.
func TestWindowsAndLayers(t *testing.T) {
	s := schedule(t, `    rota:
      - {people: [alice@example.com], start: 2026-01-01, when: [{days: mon-fri, hours: "08:00-18:00"}]}
      - {people: [bob@example.com], start: 2026-01-01, when: [{days: mon-fri, hours: "18:00-08:00"}]}
      - {layer: secondary, people: [carol@example.com], start: 2026-01-01}
`)
	require.Equal(t, []string{"primary", "secondary"}, s.Layers)
	for at, want := range map[string]string{
		"2026-12-01T07:59:59+01:00": "bob carol",
		"2026-12-01T08:00:00+01:00": "alice carol",
		"2026-12-01T18:00:00+01:00": "bob carol",
		"2026-12-05T07:59:59+01:00": "bob carol", // Friday's night
		"2026-12-05T08:00:00+01:00": "nobody carol",
	} {
		require.Equal(t, want, who(s.At("primary", moment(t, at)))+" "+who(s.At("secondary", moment(t, at))), at)
	}
	var turns []string
	for _, turn := range s.Turns("primary", moment(t, "2026-12-04T12:00:00+01:00"), moment(t, "2026-12-07T12:00:00+01:00")) {
		turns = append(turns, turn.From.In(s.Zone).Format("Mon 15:04")+" "+who(turn.People))
	}
	require.Equal(t, []string{"Fri 12:00 alice", "Fri 18:00 bob", "Sat 08:00 nobody", "Mon 08:00 alice"}, turns)
}

// An override replaces everybody of its layer; of those that overlap the last one in the list counts.
func TestOverrides(t *testing.T) {
	s := schedule(t, `    rota: [{people: [alice@example.com], start: 2026-01-01}, {layer: secondary, people: [bob@example.com], start: 2026-01-01}]
    overrides:
      - {from: 2026-12-24 09:00, until: 2026-12-27 09:00, person: Carol@Example.com}
      - {from: 2026-12-25 09:00, until: 2026-12-26 09:00, person: dave@example.com}
`)
	for at, want := range map[string]string{
		"2026-12-24T08:59:59+01:00": "alice",
		"2026-12-24T09:00:00+01:00": "carol",
		"2026-12-25T09:00:00+01:00": "dave",
		"2026-12-26T09:00:00+01:00": "carol",
		"2026-12-27T09:00:00+01:00": "alice",
	} {
		require.Equal(t, want, who(s.At("primary", moment(t, at))), at)
		require.Equal(t, "bob", who(s.At("secondary", moment(t, at))), at)
	}
	emails, gap := s.Call("primary", moment(t, "2026-12-25T09:00:00+01:00"))
	require.Equal(t, []string{"dave@example.com"}, emails)
	require.Empty(t, gap)
	emails, gap = s.Call("tertiary", moment(t, "2026-12-25T09:00:00+01:00"))
	require.Empty(t, emails)
	require.Equal(t, "network (tertiary): nobody", gap.String())
}

// For any rota the turns cover the whole time without breaks, and say what At says at any moment of it.
func TestTurnsAgreeWithAt(t *testing.T) {
	zones := []string{"Europe/Berlin", "UTC", "America/New_York", "Australia/Lord_Howe", "Africa/Cairo", "Asia/Kathmandu"}
	rapid.Check(t, func(t *rapid.T) {
		every := rapid.SampledFrom([]string{"1h", "7h", "12h", "1d", "36h", "7d", "14d"}).Draw(t, "every")
		hours := rapid.SampledFrom([]string{"", `hours: "08:00-18:00"`, `hours: "22:00-06:00"`, `hours: "02:30-03:30"`, `days: [sat, sun]`, `days: mon-fri, hours: "00:30-02:15"`}).Draw(t, "hours")
		start := rapid.SampledFrom([]string{"2026-03-20 09:00", "2026-03-28 02:30", "2026-10-20 01:30", "2026-10-24 00:00"}).Draw(t, "start")
		when := ""
		if hours != "" {
			when = ", when: [{" + hours + "}]"
		}
		overrides := ""
		if rapid.Bool().Draw(t, "override") {
			overrides = "    overrides: [{from: 2026-03-29 02:30, until: 2026-03-30 01:00, person: carol@example.com}, {from: 2026-10-25 02:30, until: 2026-10-25 03:30, person: dave@example.com}]\n"
		}
		s := schedule(t, fmt.Sprintf("    time_zone: %s\n    rota: [{people: [alice@example.com, bob@example.com, eve@example.com], start: %s, every: %s%s}]\n%s",
			rapid.SampledFrom(zones).Draw(t, "zone"), start, every, when, overrides))
		from := moment(t, rapid.SampledFrom([]string{"2026-03-27T00:00:00Z", "2026-10-03T12:00:00Z", "2026-10-24T00:00:00Z", "2026-04-03T00:00:00Z"}).Draw(t, "from")).
			Add(time.Duration(rapid.IntRange(0, 3600*24).Draw(t, "second")) * time.Second)
		until := from.Add(4 * 24 * time.Hour)
		turns := s.Turns("primary", from, until)
		require.Equal(t, from, turns[0].From)
		require.True(t, turns[len(turns)-1].Until.Equal(until))
		for i, turn := range turns {
			require.True(t, turn.Until.After(turn.From))
			if i > 0 {
				require.True(t, turn.From.Equal(turns[i-1].Until))
				require.NotEqual(t, turns[i-1].People, turn.People)
			}
			length := int(turn.Until.Sub(turn.From) / time.Second)
			for range 20 {
				at := turn.From.Add(time.Duration(rapid.IntRange(0, length-1).Draw(t, "moment")) * time.Second)
				require.Equal(t, turn.People, s.At("primary", at), "%s", at.In(s.Zone))
			}
			require.Equal(t, turn.People, s.At("primary", turn.Until.Add(-time.Second)), "the last second")
		}
	})
}
