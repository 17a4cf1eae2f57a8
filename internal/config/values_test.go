package config

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"nms-alert-relay/internal/alert"
)

// Durations are Go's, plus days.
func TestDurations(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"0": 0, "0s": 0, "90s": 90 * time.Second, "7d": 7 * day, "1d12h": 36 * time.Hour, "0.5d": 12 * time.Hour, "1h30m": 90 * time.Minute, " 5s ": 5 * time.Second,
	} {
		d, err := ParseDuration(text)
		require.NoError(t, err, text)
		require.Equal(t, Duration(want), d, text)
	}
	for _, text := range []string{"", "5", "d", "-1s", "1d-1h", "+5s", "1w", "7 d", "1d1d", "99999999999d", "1e9d"} {
		_, err := ParseDuration(text)
		require.Error(t, err, text)
	}
}

// A printed duration parses to the same duration.
func TestDurationsRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := Duration(rapid.Int64Range(0, int64(4000*day)).Draw(t, "d"))
		again, err := ParseDuration(d.String())
		require.NoError(t, err)
		require.Equal(t, d, again)
	})
	require.Equal(t, "1d12h", Duration(36*time.Hour).String())
	require.Equal(t, "1h30m", Duration(90*time.Minute).String())
	require.Equal(t, "0s", Duration(0).String())
}

// Severities are names, numbers and ranges.
func TestSeverityMatches(t *testing.T) {
	for text, want := range map[string]string{
		">=high": ">=high", ">average": ">=high", "disaster": "disaster", "=5": "disaster", "<information": "not classified",
		"<=1": "<=information", "<disaster": "<=high", ">=0": ">=not classified", "Not_Classified": "not classified",
	} {
		m, err := ParseSeverityMatch(text)
		require.NoError(t, err, text)
		require.Equal(t, want, m.String(), text)
	}
	require.Equal(t, "", SeverityMatch{}.String())
	require.True(t, SeverityMatch{}.Has(alert.NotClassified))
}

// Globs match the whole name, match slashes and ignore case.
func TestGlobs(t *testing.T) {
	for _, c := range []struct {
		pattern   string
		yes, no   []string
		isInvalid bool
	}{
		{pattern: "db*", yes: []string{"db", "DB1", "db/x"}, no: []string{"xdb", ""}},
		{pattern: "*.example.com", yes: []string{"a.example.com"}, no: []string{"example.com", "a.example.community"}},
		{pattern: "*core*", yes: []string{"core", "my Core 1"}, no: []string{"cor"}},
		{pattern: "*", yes: []string{"", "x"}},
		{pattern: "**", yes: []string{"", "x"}},
		{pattern: "", yes: []string{""}, no: []string{"x"}},
		{pattern: "Core Switch 1", yes: []string{"core switch 1"}, no: []string{"core switch 10"}},
		{pattern: "sw?", yes: []string{"sw1", "swö", "sw\n"}, no: []string{"sw", "sw12"}},
		{pattern: "sw[1-3]*", yes: []string{"sw1", "SW3b"}, no: []string{"sw4", "sw"}},
		{pattern: "sw[!1-3]", yes: []string{"sw4"}, no: []string{"sw1"}},
		{pattern: "[]]", yes: []string{"]"}, no: []string{"[", ""}},
		{pattern: `a\*`, yes: []string{"a*"}, no: []string{"ab"}},
		{pattern: "[a-c-]x", yes: []string{"-x", "bx"}, no: []string{"dx"}},
		{pattern: "[^]]*ä?", yes: []string{"aÄb", "xyzäb"}, no: []string{"]äb", "aä"}},
		{pattern: "a.b", yes: []string{"a.b"}, no: []string{"axb"}},
		{pattern: "a*c*e", yes: []string{"ace", "abcde"}, no: []string{"aec"}},
		{pattern: "[", isInvalid: true},
		{pattern: `a*b\`, isInvalid: true},
		{pattern: "[z-a]", isInvalid: true},
	} {
		g, err := ParseGlob(c.pattern)
		if c.isInvalid {
			require.Error(t, err, c.pattern)
			continue
		}
		require.NoError(t, err, c.pattern)
		for _, s := range c.yes {
			require.True(t, g.Match(strings.ToLower(s)), "%s %q", c.pattern, s)
		}
		for _, s := range c.no {
			require.False(t, g.Match(strings.ToLower(s)), "%s %q", c.pattern, s)
		}
	}
}

// A pattern matches as the regular expression that it stands for, even if stars at its ends are left out.
func TestGlobsAgreeWithRegexps(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pattern := rapid.StringMatching(`([ab*?]|\[!a\]|\[a-b\]){0,6}`).Draw(t, "pattern")
		name := rapid.StringMatching(`[ab]{0,8}`).Draw(t, "name")
		g, err := ParseGlob(pattern)
		require.NoError(t, err)
		expr := `\A` + strings.NewReplacer("*", ".*", "?", ".", "[!", "[^").Replace(pattern) + `\z`
		require.Equal(t, regexp.MustCompile(expr).MatchString(name), g.Match(name))
	})
}

// Any pattern is refused or can match.
func FuzzGlob(f *testing.F) {
	for _, seed := range []string{"*", "[a-", "[!]", `\`, "a[^^]b", "[[:alpha:]]", "[a&&b]", "[-a]"} {
		f.Add(seed, "a")
	}
	f.Fuzz(func(t *testing.T, pattern, name string) {
		g, err := ParseGlob(pattern)
		if err != nil {
			return
		}
		g.Match(strings.ToLower(name))
	})
}

// Spans use the local wall clock, may cross midnight, and keep their hours across clock changes.
func TestSpans(t *testing.T) {
	berlin, err := ParseTimeZone("Europe/Berlin")
	require.NoError(t, err)
	at := func(text string) time.Time {
		parsed, err := time.ParseInLocation("Mon 2006-01-02 15:04:05", text, berlin.Location)
		require.NoError(t, err)
		return parsed.UTC()
	}
	work := when(t, "mon-fri", "08:00-18:00", berlin)
	night := when(t, "fri sat", "22:00-06:00", berlin)
	wrap := when(t, "sat-mon", "", berlin)
	late := when(t, "", "18:00-24:00", berlin)
	for _, c := range []struct {
		when   When
		moment string
		want   bool
	}{
		{work, "Mon 2026-11-23 08:00:00", true},
		{work, "Mon 2026-11-23 07:59:59", false},
		{work, "Mon 2026-11-23 17:59:59", true},
		{work, "Mon 2026-11-23 18:00:00", false},
		{work, "Sun 2026-11-22 12:00:00", false},
		{work, "Mon 2026-10-26 08:00:00", true}, // the day after the clocks went back
		{work, "Mon 2026-10-26 07:59:00", false},
		{work, "Mon 2026-03-30 08:00:00", true}, // the day after they went forward
		{night, "Fri 2026-11-27 22:00:00", true},
		{night, "Sat 2026-11-28 05:59:00", true}, // of Friday
		{night, "Fri 2026-11-27 05:00:00", false},
		{night, "Sun 2026-11-29 05:00:00", true}, // of Saturday
		{night, "Sun 2026-11-29 06:00:00", false},
		{night, "Sun 2026-11-29 23:00:00", false},
		{night, "Sun 2026-03-29 03:30:00", true}, // the night that lacks an hour
		{wrap, "Mon 2026-11-23 23:59:59", true},
		{wrap, "Sat 2026-11-28 00:00:00", true},
		{wrap, "Tue 2026-11-24 00:00:00", false},
		{late, "Tue 2026-11-24 23:59:59", true},
		{late, "Tue 2026-11-24 00:00:00", false},
	} {
		require.Equal(t, c.want, c.when.Contains(at(c.moment)), "%v %s", c.when, c.moment)
	}
	// 02:30 comes twice on 2026-10-25; both are in the span.
	for _, utc := range []string{"2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z"} {
		moment, err := time.Parse(time.RFC3339, utc)
		require.NoError(t, err)
		require.True(t, night.Contains(moment), utc)
	}
}

// Entries for an address come before those for its domain, the highest role in the room counts, and strangers have none.
func TestRoles(t *testing.T) {
	cfg := &Config{
		Rooms: []Room{{Name: "noc"}, {Name: "db"}},
		People: []Person{
			{Email: "alice@example.com", Role: RoleOperator},
			{Email: "alice@example.com", Role: RoleAdmin, Rooms: []string{"db"}},
			{Email: "bob@example.com", Role: RoleAdmin, Rooms: []string{"db"}},
			{Email: "eve@example.com", Role: RoleViewer},
			{Domain: "example.com", Role: RoleOperator},
			{Domain: "example.org", Role: RoleViewer, Rooms: []string{"noc"}},
		},
	}
	for _, c := range []struct {
		email, room string
		want        Role
	}{
		{"alice@example.com", "noc", RoleOperator},
		{"Alice@Example.com ", "db", RoleAdmin},
		{"alice@example.com", "", RoleOperator},
		{"bob@example.com", "db", RoleAdmin},
		{"bob@example.com", "noc", RoleOperator},
		{"eve@example.com", "db", RoleViewer},
		{"x@example.org", "noc", RoleViewer},
		{"x@example.org", "db", ""},
		{"x@example.org", "", ""},
		{"x@mail.example.com", "noc", ""},
		{"x@evil.com", "noc", ""},
		{"example.com", "noc", ""},
		{"@example.com", "noc", ""},
		{"", "noc", ""},
	} {
		require.Equal(t, c.want, cfg.RoleOf([]string{c.email}, c.room), "%s in %s", c.email, c.room)
	}
	require.True(t, RoleAdmin.AtLeast(RoleOperator))
	require.False(t, Role("").AtLeast(Role("")))
}

// All addresses of a person count. An entry for one of them overrides entries for domains, so that one person can have a lower
// role than everybody else.
func TestRoleOfSeveralAddresses(t *testing.T) {
	cfg := &Config{People: []Person{
		{Email: "new@example.com", Role: RoleOperator}, {Email: "less@example.com", Role: RoleViewer}, {Email: "db@example.com", Role: RoleAdmin, Rooms: []string{"db"}},
		{Domain: "example.com", Role: RoleOperator}, {Domain: "example.org", Role: RoleViewer},
	}}
	for _, c := range []struct {
		emails  []string
		room    string
		want    Role
		address string
	}{
		{[]string{"old@example.org", "new@example.com"}, "noc", RoleOperator, "new@example.com"},
		{[]string{"x@example.com", "less@example.com"}, "noc", RoleViewer, "less@example.com"},
		{[]string{"less@example.com", "db@example.com"}, "noc", RoleViewer, "db@example.com"},
		{[]string{"less@example.com", "db@example.com"}, "db", RoleAdmin, "db@example.com"},
		{[]string{"x@example.org", "x@example.com"}, "noc", RoleOperator, "x@example.com"},
		{[]string{"x@elsewhere.net", "x@example.org"}, "noc", RoleViewer, "x@example.org"},
		{[]string{"new+x@example.net", "x@elsewhere.net"}, "noc", "", ""},
		{[]string{" NEW@Example.COM"}, "", RoleOperator, "new@example.com"},
		{nil, "noc", "", ""},
		{[]string{"", "@example.com", "example.com"}, "noc", "", ""},
	} {
		require.Equal(t, c.want, cfg.RoleOf(c.emails, c.room), "%v in %s", c.emails, c.room)
		require.Equal(t, c.address, cfg.AddressOf(c.emails), "%v", c.emails)
		turned := slices.Clone(c.emails)
		slices.Reverse(turned)
		require.Equal(t, c.want, cfg.RoleOf(turned, c.room), "%v", turned)
		require.Equal(t, c.address, cfg.AddressOf(turned), "%v", turned)
	}
}

// The relay listens to the allowed domains, or to the domains that people names.
func TestAllowed(t *testing.T) {
	cfg := &Config{People: []Person{{Email: "alice@example.com", Role: RoleViewer}, {Domain: "example.org", Role: RoleViewer}}}
	for email, want := range map[string]bool{"bob@EXAMPLE.com": true, "x@example.org": true, "x@mail.example.org": false, "example.org": false, "": false, "@example.org": false, "a@b@example.org": true} {
		require.Equal(t, want, cfg.Allowed(email), email)
	}
	cfg.AllowedDomains = []string{"example.net"}
	require.True(t, cfg.Allowed("x@example.net"))
	require.False(t, cfg.Allowed("x@example.org"))
	require.False(t, (&Config{}).Allowed("x@example.org"))
}

// Rooms, bots and sources are found by name; rooms that are not configured are served by the first bot.
func TestLookups(t *testing.T) {
	cfg := valid(t, strings.Replace(strings.Replace(small, "{name: noc}", "{name: noc}, {name: lab, token_env: OTHER}", 1), "id: Y2lzY29zcGFyazovL3VzL1JPT00vMg", "id: Y2lzY29zcGFyazovL3VzL1JPT00vMg, bot: lab", 1))
	r, ok := cfg.RoomByID("Y2lzY29zcGFyazovL3VzL1JPT00vMg")
	require.True(t, ok)
	require.Equal(t, "db", r.Name)
	_, ok = cfg.RoomByID("ROOM3")
	require.False(t, ok)
	require.Equal(t, "lab", cfg.BotOf("db"))
	require.Equal(t, "noc", cfg.BotOf("person:alice@example.com"))
	require.Equal(t, "person:alice@example.com", DirectRoom("Alice@Example.com"))
	_, ok = cfg.Source("main")
	require.True(t, ok)
	s := cfg.Summary()
	require.Equal(t, []string{"noc", "lab"}, s.Bots)
	require.Equal(t, []RoomSummary{{Name: "noc", Bot: "noc"}, {Name: "db", Bot: "lab"}}, s.Rooms)
}
