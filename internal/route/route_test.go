package route

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/config"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Tuesday, noon in UTC.
var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

const head = `webex: {bots: [{name: noc, token_env: T}]}
zabbix:
  - {name: main, url: https://z1, secret_env: S1, api_token_env: S1}
  - {name: quiet, url: https://z2, secret_env: S2, api_token_env: S1, send_to: only}
  - {name: deaf, url: https://z3, secret_env: S3, api_token_env: S1, send_to: ignore}
rooms: [{name: noc, id: ID-NOC}, {name: db, id: ID-DB}, {name: Lab, id: ID-LAB}, {name: night, id: ID-NIGHT}]
default_rooms: [noc]
people: [{domain: example.com, role: viewer}]
`

func load(t testing.TB, routes string) *config.Config {
	cfg, err := config.Parse("relay.yaml", []byte(head+routes), config.Options{Env: func(name string) string { return name + "-0123456789abcdef" }})
	require.NoError(t, err)
	return cfg
}

func router(t testing.TB, routes string) *Router {
	r, err := New(load(t, routes))
	require.NoError(t, err)
	return r
}

func problem() alert.Problem {
	return alert.Problem{
		Key: alert.Key{Source: "main", EventID: "4711"}, Origin: alert.OriginTrigger, State: alert.StateOpen, Severity: alert.High,
		Facts: alert.Facts{
			Name:   "Link down on core switch",
			Hosts:  []alert.Host{{Host: "sw1", Name: "Core switch 1"}, {Host: "DB7"}},
			Groups: []string{"Network/Core", "Linux servers"},
			Tags:   []alert.Tag{{Tag: "Service", Value: "db"}, {Tag: "scope", Value: "availability"}, {Tag: "scope", Value: ""}, {Tag: alert.LinkTag, Value: "https://relay.example.com/m/main/4711"}},
		},
	}
}

func rooms(targets []Target) []string {
	out := []string{}
	for _, t := range targets {
		out = append(out, t.Room)
	}
	return out
}

// The first match wins, continue tries the routes below, the default rooms get the rest, and no room is listed twice.
func TestOrder(t *testing.T) {
	r := router(t, `routes:
  - {match: {hosts: nothing*}, rooms: [night]}
  - {match: {severity: ">=high"}, rooms: [db, Lab], continue: true, name: severe}
  - {match: {hosts: "core*"}, rooms: [db, noc]}
  - {match: {}, rooms: [night]}
`)
	require.Equal(t, []Target{{"db", "severe"}, {"Lab", "severe"}, {"noc", "route 3"}}, r.Rooms(problem(), "", noon))

	r = router(t, `routes: [{match: {severity: disaster}, rooms: [db]}]`)
	require.Equal(t, []Target{{Room: "noc"}}, r.Rooms(problem(), "", noon))

	r = router(t, `routes: [{match: {severity: high}, rooms: [db], continue: true}]`)
	require.Equal(t, []Target{{"db", "route 1"}}, r.Rooms(problem(), "", noon), "a route with continue has matched, so the default rooms don't apply")
	require.Equal(t, []Target{{Room: "noc"}}, router(t, "").Rooms(alert.Problem{}, "", noon))
}

// Each condition matches as documented, and explains its result.
func TestConditions(t *testing.T) {
	for _, c := range []struct {
		match, want string // want: "+" or "-", then the reason
	}{
		{`{}`, "+no conditions: matches everything"},
		{`{severity: high}`, "+severity is high (high)"},
		{`{severity: ">=average"}`, "+severity is high (>=average)"},
		{`{severity: ">high"}`, "-severity is high, not disaster"},
		{`{severity: "<=average"}`, "-severity high is above average"},
		{`{severity: [warning, average]}`, "-severity is high, not warning, average"},
		{`{sources: main}`, "+source is main"},
		{`{sources: [quiet, deaf]}`, "-source is main, not quiet or deaf"},
		{`{origins: [trigger, service]}`, "+origin is trigger"},
		{`{origins: internal}`, "-origin is trigger, not internal"},
		{`{hosts: "SW*"}`, "+a host matches SW*"},
		{`{hosts: "core switch ?"}`, "+a host matches core switch ?"},
		{`{hosts: [x, db7]}`, "+a host matches db7"},
		{`{hosts: [db, "*switch"]}`, "-no host matches db or *switch: hosts are sw1 (Core switch 1), DB7"},
		{`{groups: "network/*"}`, "+a host group matches network/*"},
		{`{groups: [network, linux]}`, "-no host group matches network or linux: groups are Network/Core, Linux servers"},
		{`{tags: service}`, "+a tag matches service"},
		{`{tags: "SERVICE=D*"}`, "+a tag matches SERVICE=D*"},
		{`{tags: "scope="}`, "+a tag matches scope="},
		{`{tags: "service="}`, "-no tag matches service=: tags are Service=db, scope=availability, scope="},
		{`{tags: ["x", "service=web"]}`, "-no tag matches x or service=web: tags are Service=db, scope=availability, scope="},
		{`{tags: "!service"}`, "-a tag is excluded by !service"},
		{`{tags: "!service=web"}`, "+no tag is excluded by !service=web"},
		{`{tags: [service, "!scope=avail*"]}`, "-a tag is excluded by !scope=avail*"},
		{`{tags: [service, "!lab"]}`, "+a tag matches service"},
		{`{trigger: "^Link (down|up)"}`, "+its name matches ^Link (down|up)"},
		{`{trigger: "^link"}`, "-its name Link down on core switch doesn't match ^link"},
		{`{when: {days: mon-fri, hours: "08:00-18:00"}}`, "+it is Tue 12:00 UTC: in mon-fri 08:00-18:00 UTC"},
		{`{when: [{days: [sat, sun]}, {hours: "22:00-06:00", time_zone: Asia/Tokyo}]}`, "-it is Tue 12:00 UTC: not in sat,sun UTC or every day 22:00-06:00 Asia/Tokyo"},
		{`{when: {hours: "20:00-06:00", time_zone: Asia/Tokyo}}`, "+it is Tue 21:00 JST: in every day 20:00-06:00 Asia/Tokyo"},
		{`{severity: ">=high", hosts: sw1, tags: nope}`, "-no tag matches nope: tags are Service=db, scope=availability, scope="},
		{`{severity: ">=high", hosts: sw1}`, "+severity is high (>=high); a host matches sw1"},
	} {
		t.Run(c.match, func(t *testing.T) {
			r := router(t, "routes: [{match: "+c.match+", rooms: [db]}]")
			steps, targets := r.Explain(problem(), "", noon)
			sign := map[bool]string{true: "+", false: "-"}[steps[0].Matched]
			require.Equal(t, c.want, sign+steps[0].Reason.String())
			require.Equal(t, map[bool][]string{true: {"db"}, false: {"noc"}}[steps[0].Matched], rooms(targets))
			require.Equal(t, 9, steps[0].Line)
		})
	}
}

// Missing hosts, groups and tags match nothing, and the reason says so.
func TestConditionsOnMissingData(t *testing.T) {
	for match, want := range map[string]string{
		`{hosts: "*"}`:            "no host matches *: it has no hosts",
		`{groups: "*"}`:           "no host group matches *: its groups are unknown",
		`{tags: a}`:               "no tag matches a: it has no tags",
		`{severity: ">=warning"}`: "severity not classified is below warning",
	} {
		steps, _ := router(t, "routes: [{match: "+match+", rooms: [db]}]").Explain(alert.Problem{Key: alert.Key{Source: "main"}}, "", noon)
		require.False(t, steps[0].Matched)
		require.Equal(t, want, steps[0].Reason.String())
	}
}

// An explanation lists every rule: evaluated, skipped, the default rooms, send_to.
func TestExplain(t *testing.T) {
	r := router(t, `routes:
  - {match: {severity: disaster}, rooms: [night]}
  - {match: {hosts: "sw*"}, rooms: [db], continue: true, name: switches}
  - {rooms: [Lab], name: all}
  - {match: {hosts: "x"}, rooms: [noc]}
`)
	steps, targets := r.Explain(problem(), "night", noon)
	told, err := json.Marshal(steps)
	require.NoError(t, err)
	require.JSONEq(t, `[
		{"route": "route 1", "line": 10, "matched": false, "reason": "severity is high, not disaster"},
		{"route": "switches", "line": 11, "matched": true, "reason": "a host matches sw*; continue: the routes below are tried too", "rooms": ["db"]},
		{"route": "all", "line": 12, "matched": true, "reason": "no conditions: matches everything", "rooms": ["Lab"]},
		{"route": "route 4", "line": 13, "matched": false, "skipped": true, "reason": "not evaluated: all won"},
		{"route": "default_rooms", "matched": false, "skipped": true, "reason": "not evaluated: a route matched"},
		{"route": "send_to", "matched": true, "reason": "night is a room: its room is added", "rooms": ["night"]}
	]`, string(told))
	require.Equal(t, []Target{{"db", "switches"}, {"Lab", "all"}, {"night", "send_to"}}, targets)
}

// {ALERT.SENDTO} adds rooms, replaces them or has no effect, as its source is configured.
func TestSendTo(t *testing.T) {
	r := router(t, `routes: [{match: {hosts: sw1}, rooms: [db]}]`)
	for _, c := range []struct {
		source, sendTo string
		want           []Target
		reason         string
	}{
		{"main", "", []Target{{"db", "route 1"}}, ""},
		{"main", "  ", []Target{{"db", "route 1"}}, ""},
		{"main", "lab", []Target{{"db", "route 1"}, {"Lab", "send_to"}}, "lab is a room: its room is added"},
		{"main", " ID-LAB ", []Target{{"db", "route 1"}, {"Lab", "send_to"}}, "ID-LAB is the id of room Lab: its room is added"},
		{"main", "id-lab", []Target{{"db", "route 1"}}, "id-lab is neither a configured room's name or id nor an e-mail address"},
		{"main", "db", []Target{{"db", "route 1"}}, "db is a room: its room is added"},
		{"main", "Alice@Example.com", []Target{{"db", "route 1"}, {"person:alice@example.com", "send_to"}}, "Alice@Example.com is a person's address: its room is added"},
		{"main", "eve@evil.org", []Target{{"db", "route 1"}}, "eve@evil.org is an address outside the allowed domains"},
		{"main", "<@all>@example.com", []Target{{"db", "route 1"}}, `"<@all>@example.com" is neither a configured room's name or id nor an e-mail address`},
		{"main", "a@evil.org@example.com", []Target{{"db", "route 1"}}, "a@evil.org@example.com is neither a configured room's name or id nor an e-mail address"},
		{"main", "x\x1b[31m", []Target{{"db", "route 1"}}, `"x\x1b[31m" is neither a configured room's name or id nor an e-mail address`},
		{"main", "routes", []Target{{"db", "route 1"}}, "routes means the routes' rooms"},
		{"main", " Routes ", []Target{{"db", "route 1"}}, "Routes means the routes' rooms"},
		{"main", "-", []Target{{"db", "route 1"}}, "- means the routes' rooms"},
		{"quiet", "routes", []Target{{"db", "route 1"}}, "routes means the routes' rooms"},
		{"quiet", "lab", []Target{{"Lab", "send_to"}}, "lab is a room: only its room is used"},
		{"quiet", "", []Target{{"db", "route 1"}}, ""},
		{"quiet", "nowhere", []Target{{"db", "route 1"}}, "nowhere is neither a configured room's name or id nor an e-mail address"},
		{"deaf", "lab", []Target{{"db", "route 1"}}, "the source has send_to: ignore"},
		{"unheard-of", "lab", []Target{{"db", "route 1"}, {"Lab", "send_to"}}, "lab is a room: its room is added"},
	} {
		p := problem()
		p.Key.Source = c.source
		steps, targets := r.Explain(p, c.sendTo, noon)
		require.Equal(t, c.want, targets, "%s %q", c.source, c.sendTo)
		last := steps[len(steps)-1]
		if c.reason == "" {
			require.NotEqual(t, SendTo, last.Route)
			continue
		}
		require.Equal(t, SendTo, last.Route)
		require.Equal(t, c.reason, last.Reason.String())
	}
}

// A configuration without default rooms is refused.
func TestNewRefuses(t *testing.T) {
	_, err := New(&config.Config{})
	require.ErrorContains(t, err, "no default rooms")
}

// genProblem draws a problem from few names, so that routes match often.
func genProblem(t *rapid.T) alert.Problem {
	word := rapid.SampledFrom([]string{"a", "b", "ab", "A", ""})
	p := alert.Problem{Severity: rapid.SampledFrom(alert.Severities[:]).Draw(t, "severity"), Origin: alert.OriginTrigger}
	p.Key.Source = rapid.SampledFrom([]string{"main", "quiet", "deaf", "other"}).Draw(t, "source")
	p.Name = word.Draw(t, "name")
	for range rapid.IntRange(0, 2).Draw(t, "hosts") {
		p.Hosts = append(p.Hosts, alert.Host{Host: word.Draw(t, "host"), Name: word.Draw(t, "visible")})
	}
	for range rapid.IntRange(0, 2).Draw(t, "groups") {
		p.Groups = append(p.Groups, word.Draw(t, "group"))
	}
	for range rapid.IntRange(0, 2).Draw(t, "tags") {
		p.Tags = append(p.Tags, alert.Tag{Tag: word.Draw(t, "tag"), Value: word.Draw(t, "value")})
	}
	return p
}

func genRoute(t *rapid.T) config.Route {
	maybe := func(name string) bool { return rapid.IntRange(0, 3).Draw(t, name) == 0 }
	var m config.Match
	globs := func(name string) []config.Glob {
		return drawParsed(t, name, config.ParseGlob, "a", "b*", "*b", "?", "[!a]")
	}
	if maybe("by severity") {
		m.Severity, _ = config.ParseSeverityMatch(rapid.SampledFrom([]string{">=high", "warning", "<average"}).Draw(t, "severities"))
	}
	if maybe("by source") {
		m.Sources = []string{rapid.SampledFrom([]string{"main", "quiet"}).Draw(t, "source")}
	}
	if maybe("by host") {
		m.Hosts = globs("hosts")
	}
	if maybe("by group") {
		m.Groups = globs("groups")
	}
	if maybe("by tag") {
		m.Tags = drawParsed(t, "tags", config.ParseTagRule, "a", "a=b*", "!b", "!ab=a")
	}
	if maybe("by name") {
		m.Trigger = drawParsed(t, "trigger", config.ParsePattern, "a", "^b$")[0]
	}
	if maybe("by time") {
		m.When = []config.When{{Days: drawParsed(t, "days", config.ParseDays, "tue"), Hours: drawParsed(t, "hours", config.ParseHours, "", "22:00-06:00", "08:00-13:00")[0]}}
	}
	return config.Route{Match: m, Rooms: rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"noc", "db", "Lab", "night"}), 1, 3, rapid.ID).Draw(t, "rooms"), Continue: rapid.Bool().Draw(t, "continue")}
}

// drawParsed draws one or two of these texts, and parses them.
func drawParsed[T any](t *rapid.T, name string, parse func(string) (T, error), texts ...string) (out []T) {
	for _, text := range rapid.SliceOfN(rapid.SampledFrom(texts), 1, 2).Draw(t, name) {
		value, err := parse(text)
		require.NoError(t, err)
		out = append(out, value)
	}
	return out
}

// For any routes and problem there is a target, no room is listed twice, only existing rooms are listed, and the explanation
// agrees with Rooms.
func TestRoomsAndExplainAgree(t *testing.T) {
	base := load(t, "")
	rapid.Check(t, func(t *rapid.T) {
		cfg := *base
		cfg.Routes = nil
		for i := range rapid.IntRange(0, 5).Draw(t, "routes") {
			route := genRoute(t)
			route.Name = fmt.Sprintf("route %d", i+1)
			cfg.Routes = append(cfg.Routes, route)
		}
		r, err := New(&cfg)
		require.NoError(t, err)
		p := genProblem(t)
		sendTo := rapid.SampledFrom([]string{"", "db", "ID-LAB", "a@example.com", "a@evil.org", "zzz"}).Draw(t, "sendto")
		now := noon.Add(time.Duration(rapid.IntRange(0, 48*60).Draw(t, "minutes")) * time.Minute)

		targets := r.Rooms(p, sendTo, now)
		steps, explained := r.Explain(p, sendTo, now)
		require.Equal(t, targets, explained)
		require.NotEmpty(t, targets)
		require.Len(t, steps, len(cfg.Routes)+1+min(1, len(sendTo)))

		var seen []string
		for _, target := range targets {
			require.NotContains(t, seen, target.Room)
			seen = append(seen, target.Room)
			if _, ok := cfg.Room(target.Room); !ok {
				require.Equal(t, "person:a@example.com", target.Room)
			}
		}
		// A model: the targets follow from the steps.
		var want []string
		won := false
		for i, s := range steps {
			require.NotEmpty(t, s.Reason.String())
			require.False(t, s.Matched && s.Skipped)
			if won && i < len(cfg.Routes) {
				require.True(t, s.Skipped, "a rule above won")
			}
			if !s.Matched {
				continue
			}
			if i < len(cfg.Routes) {
				won = !cfg.Routes[i].Continue
			}
			for _, room := range s.Rooms {
				if !slices.Contains(want, room) {
					want = append(want, room)
				}
			}
		}
		require.Equal(t, want, seen)
	})
}

// A router never changes: concurrent calls return the same result.
func TestRouterIsSafeForConcurrentUse(t *testing.T) {
	r := router(t, `routes: [{match: {hosts: "s[a-z]?", tags: "service=*", trigger: "core"}, rooms: [db]}]`)
	want := r.Rooms(problem(), "lab", noon)
	done := make(chan []Target)
	for range 8 {
		go func() { done <- r.Rooms(problem(), "lab", noon) }()
	}
	for range 8 {
		require.Equal(t, want, <-done)
	}
}

// Untrusted text is shown without control characters, and shortened.
func TestExplanationsAreSafe(t *testing.T) {
	p := problem()
	p.Name = "a\x1b]0;x\x07" + strings.Repeat("ü", 5000)
	p.Hosts = nil
	for range 50 {
		p.Hosts = append(p.Hosts, alert.Host{Host: "h\u202e"})
	}
	steps, _ := router(t, `routes: [{match: {trigger: zzz}, rooms: [db]}, {match: {hosts: zzz}, rooms: [db]}]`).Explain(p, "", noon)
	for _, s := range steps {
		require.Less(t, len(s.Reason.String()), 500)
		require.NotContains(t, s.Reason.String(), "\x1b")
		require.NotContains(t, s.Reason.String(), "\u202e")
	}
	require.Contains(t, steps[1].Reason.String(), "and 42 more")
}

// BenchmarkRooms evaluates a hundred routes, none of which matches.
func BenchmarkRooms(b *testing.B) {
	var routes strings.Builder
	routes.WriteString("routes:\n")
	for i := range 100 {
		fmt.Fprintf(&routes, "  - {match: {severity: '>=warning', hosts: ['web%d*', '*.dc%d.example.com', 'x[0-9]%d'], tags: ['team=t%d']}, rooms: [db]}\n", i, i, i, i)
	}
	r := router(b, routes.String())
	p := problem()
	p.Hosts = []alert.Host{{Host: "db-prod-01.dc1.example.org", Name: "Database 1 (Berlin)"}}
	b.ReportAllocs()
	for b.Loop() {
		r.Rooms(p, "noc", noon)
	}
}
