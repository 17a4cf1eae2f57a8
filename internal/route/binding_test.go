package route

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/config"
)

// bindingRouter returns a router for these people instead of a whole domain.
func bindingRouter(t testing.TB, routes string) *Router {
	cfg := load(t, routes)
	cfg.People = []config.Person{
		{Email: "viewer@example.com", Role: config.RoleViewer},
		{Email: "nocop@example.com", Role: config.RoleOperator, Rooms: []string{"noc"}},
		{Email: "db@example.com", Role: config.RoleViewer, Rooms: []string{"db"}},
		{Email: "admin@example.com", Role: config.RoleAdmin},
		{Email: "dbadmin@example.com", Role: config.RoleAdmin, Rooms: []string{"db"}},
	}
	r, err := New(cfg)
	require.NoError(t, err)
	return r
}

func severity(t require.TestingT, texts ...string) config.SeverityMatch {
	m, err := config.ParseSeverityMatch(texts...)
	require.NoError(t, err)
	return m
}

// with returns a router with bindings, which get numbers.
func with(t require.TestingT, r *Router, bindings ...Binding) *Router {
	for i := range bindings {
		bindings[i].Name = BindingName(bindings[i].Room, int64(i+1))
		if bindings[i].Bot == "" {
			bindings[i].Bot = "noc"
		}
	}
	return r.With(bindings, func(b Binding, err error) { require.NoError(t, err, "%+v", b) })
}

func subscription(email string, f Filter) Binding {
	return Binding{Room: config.PersonRoom + email, Email: email, Filter: f}
}

func space(key, by string, f Filter) Binding {
	return Binding{Room: config.SpaceRoom + key, Email: by, Filter: f}
}

// A binding adds its room for the problems that it matches, if the person may see them, and takes nothing away.
func TestBindings(t *testing.T) {
	r := bindingRouter(t, `routes: [{match: {hosts: sw1}, rooms: [db]}]`)
	all := Filter{}
	db := Target{"db", "route 1"}
	for name, c := range map[string]struct {
		binding Binding
		want    []Target
	}{
		"everywhere":                {subscription("viewer@example.com", all), []Target{db, {"person:viewer@example.com", "subscription #1"}}},
		"in the room":               {subscription("db@example.com", all), []Target{db, {"person:db@example.com", "subscription #1"}}},
		"in another room":           {subscription("nocop@example.com", all), []Target{db}},
		"nobody":                    {subscription("nobody@example.com", all), []Target{db}},
		"outside":                   {subscription("eve@evil.org", all), []Target{db}},
		"by host":                   {subscription("viewer@example.com", Filter{Host: "CORE*"}), []Target{db, {"person:viewer@example.com", "subscription #1"}}},
		"by another host":           {subscription("viewer@example.com", Filter{Host: "db?*"}), []Target{db, {"person:viewer@example.com", "subscription #1"}}},
		"no host":                   {subscription("viewer@example.com", Filter{Host: "web*"}), []Target{db}},
		"by severity":               {subscription("viewer@example.com", Filter{Severity: severity(t, ">=high")}), []Target{db, {"person:viewer@example.com", "subscription #1"}}},
		"by another severity":       {subscription("viewer@example.com", Filter{Severity: severity(t, "disaster")}), []Target{db}},
		"by text":                   {subscription("viewer@example.com", Filter{Text: "LINK down"}), []Target{db, {"person:viewer@example.com", "subscription #1"}}},
		"by another text":           {subscription("viewer@example.com", Filter{Text: "link.down"}), []Target{db}},
		"by all, one of which not":  {subscription("viewer@example.com", Filter{Severity: severity(t, ">=high"), Host: "sw*", Text: "disk"}), []Target{db}},
		"a space":                   {space("s1", "admin@example.com", all), []Target{db, {"space:s1", "binding #1"}}},
		"by an admin of a room":     {space("s1", "dbadmin@example.com", all), []Target{db}},
		"by a viewer":               {space("s1", "viewer@example.com", all), []Target{db}},
		"a space of a lost bot":     {Binding{Room: "space:s1", Email: "admin@example.com", Bot: "gone"}, []Target{db}},
		"a room that is configured": {space("ID-NOC", "admin@example.com", all), []Target{db}},
	} {
		t.Run(name, func(t *testing.T) {
			r := with(t, r, c.binding)
			steps, explained := r.Explain(problem(), "", noon)
			require.Equal(t, c.want, r.Rooms(problem(), "", noon))
			require.Equal(t, c.want, explained)
			require.Equal(t, len(c.want) == 2, config.MadeInChat(steps[len(steps)-1].Route))
		})
	}
	require.Equal(t, []Target{db}, r.Rooms(problem(), "", noon), "the router itself hasn't changed")
}

// A person whom Zabbix addresses, and one with several subscriptions that match, is a target once.
func TestBindingsAddRoomsOnce(t *testing.T) {
	r := with(t, bindingRouter(t, ""), subscription("admin@example.com", Filter{}), space("s1", "admin@example.com", Filter{Host: "sw1"}),
		subscription("admin@example.com", Filter{Host: "sw1"}), subscription("viewer@example.com", Filter{}))
	require.Equal(t, []Target{
		{"noc", ""}, {"person:viewer@example.com", SendTo}, {"person:admin@example.com", "subscription #1"}, {"space:s1", "binding #2"},
	}, r.Rooms(problem(), "viewer@example.com", noon))
}

// A binding that rests says why.
func TestRests(t *testing.T) {
	r := bindingRouter(t, "")
	for why, b := range map[string]Binding{
		"": subscription("db@example.com", Filter{}),
		"eve@evil.org isn't in an allowed domain":       subscription("eve@evil.org", Filter{}),
		"nobody@example.com has no role":                subscription("nobody@example.com", Filter{}),
		"the configuration names this room: noc":        space("ID-NOC", "admin@example.com", Filter{}),
		"dbadmin@example.com isn't an admin everywhere": space("s1", "dbadmin@example.com", Filter{}),
		"the bot gone isn't configured any more":        {Room: "space:s1", Email: "admin@example.com", Bot: "gone"},
	} {
		if b.Bot == "" {
			b.Bot = "noc"
		}
		require.Equal(t, why, r.Rests(b).String())
	}
}

// Before a message is sent to a person, their domain is asked for whatever rule it came by, and their roles if the rule is a binding.
func TestWithheld(t *testing.T) {
	const domain, role = "the person isn't in an allowed domain any more", "the person has no role any more in a room of the problem"
	const byPerson = config.SubscriptionRule + "1"
	for name, c := range map[string]struct {
		email, rule string
		rooms       []string
		want        string
	}{
		"send to":                        {"viewer@example.com", SendTo, []string{"noc"}, ""},
		"send to, without a role":        {"nobody@example.com", SendTo, []string{"noc"}, ""},
		"send to, outside":               {"eve@evil.org", SendTo, []string{"noc"}, domain},
		"on duty, outside":               {"eve@evil.org", "all", nil, domain},
		"several problems":               {"nobody@example.com", "", nil, ""},
		"several problems, outside":      {"eve@evil.org", "", nil, domain},
		"a subscription":                 {"viewer@example.com", byPerson, []string{"noc"}, ""},
		"a subscription, by room":        {"db@example.com", byPerson, []string{"noc", "db"}, ""},
		"a subscription, another room":   {"db@example.com", byPerson, []string{"noc"}, role},
		"a subscription, no role at all": {"nobody@example.com", byPerson, []string{"noc"}, role},
		"a subscription, outside":        {"eve@evil.org", byPerson, []string{"noc"}, domain},
	} {
		r := bindingRouter(t, "")
		require.Equal(t, c.want, r.Withheld(c.email, c.rule, c.rooms), name)
		r = with(t, r, subscription(c.email, Filter{}))
		require.Equal(t, c.want, r.Withheld(c.email, c.rule, c.rooms), name+", bound")
	}
}

// A pattern that can't be compiled is reported, and only its binding is left out.
func TestFaultyBindings(t *testing.T) {
	faulty := 0
	bad, good := subscription("viewer@example.com", Filter{Host: "a["}), subscription("admin@example.com", Filter{})
	r := bindingRouter(t, "").With([]Binding{bad, good}, func(b Binding, err error) {
		require.Equal(t, bad, b)
		require.Error(t, err)
		faulty++
	})
	require.Equal(t, 1, faulty)
	require.Equal(t, []string{"noc", "person:admin@example.com"}, rooms(r.Rooms(problem(), "", noon)))
}

// Whatever the routes, people and bindings: those of the configuration go first, unchanged; a person gets only problems that go to a
// room in which they are a viewer, or are one everywhere; and a space only while an admin vouches for it.
func TestBindingsShowNobodyMoreThanTheirRights(t *testing.T) {
	base := load(t, "")
	emails := []string{"a@example.com", "b@example.com", "c@other.example.com", "d@evil.org"}
	names := []string{"noc", "db", "Lab", "night"}
	rapid.Check(t, func(t *rapid.T) {
		cfg := *base
		cfg.Routes, cfg.People = nil, nil
		for i := range rapid.IntRange(0, 3).Draw(t, "routes") {
			route := genRoute(t)
			route.Name = fmt.Sprintf("route %d", i+1)
			cfg.Routes = append(cfg.Routes, route)
		}
		for range rapid.IntRange(0, 5).Draw(t, "people") {
			p := config.Person{Role: rapid.SampledFrom([]config.Role{config.RoleViewer, config.RoleOperator, config.RoleAdmin}).Draw(t, "role")}
			if rapid.Bool().Draw(t, "domain") {
				p.Domain = rapid.SampledFrom([]string{"example.com", "other.example.com", "evil.org"}).Draw(t, "of")
			} else {
				p.Email = rapid.SampledFrom(emails).Draw(t, "email")
			}
			if rapid.Bool().Draw(t, "in rooms") {
				p.Rooms = rapid.SliceOfNDistinct(rapid.SampledFrom(names), 1, 2, rapid.ID).Draw(t, "rooms")
			}
			cfg.People = append(cfg.People, p)
		}
		plain, err := New(&cfg)
		require.NoError(t, err)
		var bindings []Binding
		for range rapid.IntRange(1, 6).Draw(t, "bindings") {
			f := Filter{Host: rapid.SampledFrom([]string{"", "a*", "*b", "[!a]*"}).Draw(t, "host"), Text: rapid.SampledFrom([]string{"", "A", "b"}).Draw(t, "text")}
			email := rapid.SampledFrom(emails).Draw(t, "who")
			if rapid.Bool().Draw(t, "person") {
				bindings = append(bindings, subscription(email, f))
			} else {
				bindings = append(bindings, space(rapid.SampledFrom([]string{"s1", "s2", "ID-NOC"}).Draw(t, "space"), email, f))
			}
		}
		r := with(t, plain, bindings...)
		p := genProblem(t)
		sendTo := rapid.SampledFrom([]string{"", "db", "a@example.com"}).Draw(t, "sendto")
		before, got := plain.Rooms(p, sendTo, noon), r.Rooms(p, sendTo, noon)
		require.Equal(t, before, got[:len(before)], "the configuration wins")
		_, explained := r.Explain(p, sendTo, noon)
		require.Equal(t, got, explained)

		added := map[string]bool{}
		for _, target := range got[len(before):] {
			require.False(t, added[target.Room], "once")
			added[target.Room] = true
		}
		want := map[string]bool{}
		for _, b := range bindings { // a model, by the rules as the documents say them
			role := func(room string) config.Role { return cfg.RoleOf([]string{b.Email}, room) }
			may := cfg.Allowed(b.Email)
			if key, isSpace := strings.CutPrefix(b.Room, config.SpaceRoom); isSpace {
				may = may && key != "ID-NOC" && role("") == config.RoleAdmin
			} else if role("") == "" {
				seen := false
				for _, target := range before {
					seen = seen || !strings.Contains(target.Room, ":") && role(target.Room) != ""
				}
				may = may && seen
			}
			if may && matches(t, b.Filter, p) && !contains(before, b.Room) {
				want[b.Room] = true
			}
		}
		require.Equal(t, want, added)
	})
}

func contains(targets []Target, room string) bool {
	for _, t := range targets {
		if t.Room == room {
			return true
		}
	}
	return false
}

// matches is a model of Filter.
func matches(t require.TestingT, f Filter, p alert.Problem) bool {
	glob, err := config.ParseGlob(f.Host)
	require.NoError(t, err)
	host := f.Host == ""
	for _, h := range p.Hosts {
		for _, name := range []string{h.Host, h.Name} {
			host = host || name != "" && glob.Match(strings.ToLower(name))
		}
	}
	return host && strings.Contains(strings.ToLower(p.Name), strings.ToLower(f.Text))
}

// A thousand people may subscribe to the same problem.
func TestAThousandBindings(t *testing.T) {
	var bindings []Binding
	cfg := load(t, "")
	for i := range 1000 {
		bindings = append(bindings, subscription(fmt.Sprintf("p%d@example.com", i), Filter{Host: []string{"sw*", "db8"}[i%2]}))
	}
	r, err := New(cfg)
	require.NoError(t, err)
	r = with(t, r, bindings...)
	got := r.Rooms(problem(), "", noon)
	require.Len(t, got, 501)
	require.Equal(t, Target{Room: "noc"}, got[0])
}

// The fold asks for each event: a thousand bindings must not slow it down.
func BenchmarkBindings(b *testing.B) {
	for name, filter := range map[string]func(i int) Filter{
		"host prefixes": func(i int) Filter { return Filter{Host: fmt.Sprintf("db%d*", i), Severity: severity(b, ">=high")} },
		"host suffixes": func(i int) Filter { return Filter{Host: fmt.Sprintf("*-%d", i)} },
		"texts":         func(i int) Filter { return Filter{Text: fmt.Sprintf("disk %d", i)} },
	} {
		for _, n := range []int{0, 1000} {
			r := bindingRouter(b, "")
			var bindings []Binding
			for i := range n {
				bindings = append(bindings, subscription("viewer@example.com", filter(i)))
			}
			r = with(b, r, bindings...)
			b.Run(fmt.Sprintf("%s/%d", name, n), func(b *testing.B) {
				for b.Loop() {
					r.Rooms(problem(), "", noon)
				}
			})
		}
	}
}
