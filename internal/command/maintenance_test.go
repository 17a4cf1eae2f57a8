package command

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/zabbix"
)

// site is what a fake Zabbix has besides problems.
type site struct {
	hosts        []zabbix.Host
	groups       []zabbix.HostGroup
	groupsOf     map[string][]string // by the host's technical name
	maintenances []zabbix.Maintenance
	creates      []zabbix.NewMaintenance // calls that had an effect
	deletes      int
	// fails are the results of the next calls that change something.
	fails   []failure
	scripts map[string][]zabbix.Script
	ran     []string // scripts, by their id and the host's
	result  zabbix.ScriptResult
	wait    chan struct{} // a script ends when it is closed; nil: at once
	// unchangeable: maintenances can be seen and not ended.
	unchangeable bool
	afterEnd     error // the answer to the next list after a maintenance was ended
	reads        int   // how often the items of a trigger were read
	refuses      error // its answer to that
}

func newSite() site {
	return site{
		hosts:    []zabbix.Host{{ID: "1", Host: "sw1", Name: "Core 1"}, {ID: "2", Host: "sw2", Name: "sw1"}, {ID: "3", Host: "db1", Name: "Database, one"}, {ID: "4", Host: "DB2", Name: "DB2"}},
		scripts:  map[string][]zabbix.Script{"Ping it": {{ID: "1", Name: "Ping it"}}, "Restart": {{ID: "2", Name: "Restart"}}, "Twice": {{ID: "3"}, {ID: "4"}}, "Asks": {{ID: "5", Input: true}}},
		groups:   []zabbix.HostGroup{{ID: "9", Name: "Core switches", Hosts: 2}},
		groupsOf: map[string][]string{"sw1": {"Core switches", "Site/Berlin"}, "sw2": {"Core switches"}, "db1": {"Databases", "Sites"}},
	}
}

func (z *fakeZabbix) FindHosts(_ context.Context, name string) (found, alike []zabbix.Host, err error) {
	z.w.mu.Lock()
	defer z.w.mu.Unlock()
	if z.down || z.w.crash == 0 {
		return nil, nil, &zabbix.Error{Kind: zabbix.Unreachable, Message: "connection refused"}
	}
	for _, h := range z.site.hosts {
		switch {
		case h.Is(name):
			found = append(found, h)
		case strings.Contains(h.Host, name):
			alike = append(alike, h)
		}
	}
	return found, alike, nil
}

func (z *fakeZabbix) FindHostGroup(_ context.Context, name string) (zabbix.HostGroup, bool, error) {
	for _, g := range z.site.groups {
		if g.Name == name {
			return g, true, nil
		}
	}
	return zabbix.HostGroup{}, false, nil
}

func (z *fakeZabbix) GroupsOf(_ context.Context, hosts []zabbix.Host) (names []string, err error) {
	z.w.mu.Lock()
	defer z.w.mu.Unlock()
	if z.down || z.w.crash == 0 {
		return nil, &zabbix.Error{Kind: zabbix.Unreachable, Message: "connection refused"}
	}
	for _, h := range hosts {
		names = append(names, z.site.groupsOf[h.Host]...)
	}
	return names, nil
}

func (z *fakeZabbix) Maintenances(_ context.Context, now time.Time) (list []zabbix.Maintenance, err error) {
	z.w.mu.Lock()
	defer z.w.mu.Unlock()
	if z.down || z.w.crash == 0 {
		return nil, &zabbix.Error{Kind: zabbix.Unreachable, Message: "connection refused"}
	}
	if z.site.refuses != nil {
		return nil, z.site.refuses
	}
	if err := z.site.afterEnd; err != nil && z.site.deletes > 0 {
		z.site.afterEnd = nil
		return nil, err
	}
	for _, m := range z.site.maintenances {
		if m.Until.After(now) {
			list = append(list, m)
		}
	}
	return list, nil
}

// changes makes a call that changes something.
func (z *fakeZabbix) changes(do func()) error {
	var f failure
	err := z.w.effect(func() {
		if z.down {
			f.err = &zabbix.Error{Kind: zabbix.Unreachable, Message: "connection refused"}
			return
		}
		if len(z.site.fails) > 0 {
			f, z.site.fails = z.site.fails[0], z.site.fails[1:]
		}
		if f.err == nil || f.done {
			do()
		}
	})
	if err != nil {
		return &zabbix.Error{Kind: zabbix.Unreachable, Unanswered: true, Err: err}
	}
	return f.err
}

func (z *fakeZabbix) StartMaintenance(_ context.Context, m zabbix.NewMaintenance) error {
	return z.changes(func() {
		if slices.ContainsFunc(z.site.maintenances, func(o zabbix.Maintenance) bool { return o.Mark == m.Mark }) {
			return // as the client: names are unique
		}
		z.site.creates = append(z.site.creates, m)
		groups := []string(nil)
		for _, id := range m.GroupIDs {
			groups = append(groups, z.site.groups[slices.IndexFunc(z.site.groups, func(g zabbix.HostGroup) bool { return g.ID == id })].Name)
		}
		z.site.maintenances = append(z.site.maintenances, zabbix.Maintenance{ID: fmt.Sprint(100 + len(z.site.creates)), Name: m.Title, Mark: m.Mark, Words: m.Words, Since: m.Since, Until: m.Until, Hosts: m.Hosts, Groups: groups})
	})
}

func (z *fakeZabbix) EndMaintenance(_ context.Context, id string) error {
	return z.changes(func() {
		z.site.deletes++
		if !z.site.unchangeable {
			z.site.maintenances = slices.DeleteFunc(z.site.maintenances, func(m zabbix.Maintenance) bool { return m.ID == id })
		}
	})
}

func (hanging) FindHosts(ctx context.Context, _ string) (found, alike []zabbix.Host, err error) {
	<-ctx.Done()
	return nil, nil, ctx.Err()
}

func (hanging) FindHostGroup(ctx context.Context, _ string) (zabbix.HostGroup, bool, error) {
	<-ctx.Done()
	return zabbix.HostGroup{}, false, ctx.Err()
}

func (hanging) GroupsOf(ctx context.Context, _ []zabbix.Host) ([]string, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func (hanging) Maintenances(ctx context.Context, _ time.Time) ([]zabbix.Maintenance, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func (hanging) StartMaintenance(ctx context.Context, _ zabbix.NewMaintenance) error {
	<-ctx.Done()
	return ctx.Err()
}

func (hanging) EndMaintenance(ctx context.Context, _ string) error {
	<-ctx.Done()
	return ctx.Err()
}

// failNext makes the next calls that change something fail.
func (z *fakeZabbix) failNext(f ...failure) {
	z.w.mu.Lock()
	defer z.w.mu.Unlock()
	z.site.fails = f
}

func (z *fakeZabbix) created() []zabbix.NewMaintenance {
	z.w.mu.Lock()
	defer z.w.mu.Unlock()
	return slices.Clone(z.site.creates)
}

// admins are Ann, an admin everywhere, and Bob, one in the room noc.
var admins = []config.Person{
	{Email: "ann@example.com", Role: config.RoleAdmin}, {Email: "bob@example.com", Role: config.RoleAdmin, Rooms: []string{"noc"}}, {Email: "alice@example.com", Role: config.RoleOperator},
}

var (
	ann = Person{ID: "P-ann", Name: "Ann <Admin>", Email: "ann@example.com"}
	bob = Person{ID: "P-bob", Name: "Bob", Email: "bob@example.com"}
)

// maintained runs a test with those admins and one Zabbix. The problem 4711 is of the host sw1.
func maintained(t *testing.T, test func(t *testing.T, w *world, r *relay, say func(p Person, text string) string)) {
	t.Helper()
	maintainedWith(t, func(*world) {}, test)
}

func maintainedWith(t *testing.T, prepare func(*world), test func(t *testing.T, w *world, r *relay, say func(p Person, text string) string)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := adminWorld()
		prepare(w)
		r := w.start(t)
		defer r.stop()
		n := 0
		test(t, w, r, func(p Person, text string) string {
			n++
			before := len(w.answers())
			in := Input{Text: text, Room: "noc", Person: p}
			if thread, after, ok := strings.Cut(text, "» "); ok {
				in.ParentID, in.Text = thread, after
			}
			r.receives(fmt.Sprintf("M%d", n), in)
			synctest.Wait()
			return strings.Join(w.answers()[before:], "\n")
		})
	})
}

func adminWorld() *world {
	w := newWorld()
	w.people = slices.Clone(admins)
	w.names = Names{Sources: map[string]string{"main": "https://zabbix.example.com"}}
	delete(w.zabbixes, "lab")
	k := w.problem("main/4711", "noc")
	p := w.find(k)
	p.Hosts = []alert.Host{{Host: "sw1", Name: "Core 1"}}
	w.put(p)
	return w
}

const inThread = "ROOT-main/4711@noc» "

func TestParseMaintenance(t *testing.T) {
	n := Names{Sources: map[string]string{"main": "https://zabbix.example.com"}}
	two := Length{For: 2 * time.Hour}
	for said, want := range map[string]Request{
		"maintenance start sw1 2h new firmware":            {Task: &Task{What: startIt, Hosts: []string{"sw1"}}, Length: two, Text: "new firmware"},
		"maint: start sw1, sw2 for 2h: 4712 is next":       {Task: &Task{What: startIt, Hosts: []string{"sw1", "sw2"}}, Length: two, Text: "4712 is next"},
		"Maintenance Start “Core 1, left” 2h":              {Task: &Task{What: startIt, Hosts: []string{"Core 1, left"}}, Length: two},
		`maintenance start "a b", "c" 2h x`:                {Task: &Task{What: startIt, Hosts: []string{"a b", "c"}}, Length: two, Text: "x"},
		"maintenance start on main/core 1 2h":              {Task: &Task{What: startIt, Source: "main", Hosts: []string{"core 1"}}, Length: two},
		"maintenance start host=sw1 2h":                    {Task: &Task{What: startIt, Hosts: []string{"sw1"}, Technical: true}, Length: two},
		`maintenance start group="Core switches" 2h yes x`: {Task: &Task{What: startIt, Group: "Core switches"}, Length: two, Yes: true, Text: "x"},
		"maintenance start 2h yes really":                  {Task: &Task{What: startIt}, Length: two, Text: "yes really"},
		"maintenance start for 2h":                         {Task: &Task{What: startIt}, Length: two},
		"maintenance list":                                 {Task: &Task{What: listThem}},
		"maintenance list sw1, core 1":                     {Task: &Task{What: listThem, Hosts: []string{"sw1", "core 1"}}},
		`maintenance show group="Core switches"`:           {Task: &Task{What: listThem, Group: "Core switches"}},
		"maintenance":                                      {Task: &Task{What: listThem}},
		"maintenance stop":                                 {Task: &Task{What: stopIt}},
		"maintenance stop sw1, sw2":                        {Task: &Task{What: stopIt, Hosts: []string{"sw1", "sw2"}}},
		`maintenance stop group="Core switches"`:           {Task: &Task{What: stopIt, Group: "Core switches"}},
	} {
		want.Verb = Maintenance
		r, q := n.Parse(said)
		require.Nil(t, q, "%q", said)
		require.Equal(t, want, r, "%q", said)
	}
	for said, want := range map[string]string{
		"maintenance sw1 2h": "Start, list or stop?", "maintenance start sw1": "For how long?", "maintenance start sw1 forever": "needs an end", `maintenance start "sw1" sw2 2h`: "before the length",
		"maintenance start " + strings.Repeat("a,", 10) + "b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q,r,s,t,u,v 2h": "more than 20 hosts",
	} {
		_, q := n.Parse(said)
		require.NotNil(t, q, "%q", said)
		require.Contains(t, q.Error(), want, "%q", said)
	}
}

// A maintenance of a host carries the person's name and words, is listed, and is ended by its host.
func TestMaintenanceOfAHost(t *testing.T) {
	maintained(t, func(t *testing.T, w *world, _ *relay, say func(Person, string) string) {
		z := w.zabbixes["main"]
		said := say(ann, "maintenance start core 1 2h new <@all> firmware 🔥")
		require.Contains(t, said, "✅ Started a maintenance of `sw1 (Core 1)` until ")
		require.NotContains(t, said, "<@all>")
		created := z.created()
		require.Len(t, created, 1)
		m := created[0]
		require.Equal(t, "Started from Webex by Ann Admin <ann@example.com>: new <@all> firmware", m.Words, "without characters that a database may refuse")
		require.Equal(t, []zabbix.Host{{ID: "1", Host: "sw1", Name: "Core 1"}}, m.Hosts)
		require.WithinDuration(t, time.Now().Add(2*time.Hour), m.Until, time.Minute)
		require.Contains(t, said, "maintenance stop "+m.Mark)

		z.site.maintenances = append(z.site.maintenances, zabbix.Maintenance{ID: "7", Name: "Weekly <@all>", Until: time.Now().Add(time.Hour), Hosts: []zabbix.Host{{ID: "3", Host: "db1", Name: "db1"}}})
		list := say(ann, "maintenance list")
		require.Contains(t, list, "- `"+m.Mark+"` `sw1 (Core 1)` · until ")
		require.Contains(t, list, "Ann Admin")
		require.Contains(t, list, "(not started here) `db1`")
		require.NotContains(t, list, "<@all>")
		require.NotEmpty(t, say(ann, "maintenance list"), "a list can be asked for twice")

		require.Contains(t, say(ann, "maintenance stop db1"), "must be ended there")
		require.Zero(t, z.site.deletes)
		require.Contains(t, say(ann, "maintenance stop Core 1"), "✅ Ended the maintenance of `sw1 (Core 1)`")
		require.Len(t, z.site.maintenances, 1)
		time.Sleep(2 * repeatWindow)
		synctest.Wait()
		require.Contains(t, say(ann, "maintenance stop Core 1"), "No maintenance that was started here is running")
		require.Contains(t, say(ann, "maintenance start core 1 2h new <@all> firmware 🔥"), "✅ Started", "not a repetition of the first one")
		require.Equal(t, 1, z.site.deletes)
	})
}

// In a problem's thread a maintenance is of its hosts.
func TestMaintenanceInAThread(t *testing.T) {
	maintained(t, func(t *testing.T, w *world, _ *relay, say func(Person, string) string) {
		z := w.zabbixes["main"]
		require.Contains(t, say(bob, inThread+"maintenance start 2h"), "✅ Started a maintenance of `sw1 (Core 1)`", "by its technical name, although another host's visible name is the same")
		require.Equal(t, []string{"main/4711"}, w.command("M1").Keys)
		z.site.maintenances = append(z.site.maintenances, zabbix.Maintenance{ID: "7", Name: "other", Until: time.Now().Add(time.Hour), Hosts: []zabbix.Host{{ID: "3", Host: "db1"}}})
		require.NotContains(t, say(bob, inThread+"maintenance list"), "db1", "a thread's list is of its hosts")
		require.Contains(t, say(bob, inThread+"maintenance stop"), "✅ Ended")
	})
}

// A host is in maintenance through its groups too, and through those that they are nested in: `list` and `stop` say so.
func TestMaintenanceThroughAGroup(t *testing.T) {
	maintained(t, func(t *testing.T, w *world, _ *relay, say func(Person, string) string) {
		z := w.zabbixes["main"]
		until := time.Now().Add(time.Hour)
		require.Contains(t, say(ann, "maintenance list db1"), "ℹ️ No maintenance of `db1` is running in Zabbix `main`")
		z.site.maintenances = []zabbix.Maintenance{
			{ID: "7", Name: "Weekly", Mark: "aaaaaaaa", Until: until, Groups: []string{"Core switches"}},
			{ID: "8", Name: "Site <@all>", Until: until, Groups: []string{"Site"}},
			{ID: "9", Name: "both", Mark: "cccccccc", Until: until, Groups: []string{"Site"}, Hosts: []zabbix.Host{{ID: "1", Host: "sw1", Name: "Core 1"}}},
		}
		for _, said := range []string{say(ann, "maintenance list core 1"), say(bob, inThread+"maintenance list")} {
			require.Contains(t, said, "- `aaaaaaaa` through its group `Core switches` · until ")
			require.Contains(t, said, "(not started here) through its group `Site` · until")
			require.Contains(t, said, "- `cccccccc` group `Site`, `sw1 (Core 1)` · until")
			require.NotContains(t, said, "<@all>")
		}
		require.NotContains(t, say(ann, "maintenance list sw2"), "Site")
		require.Contains(t, say(ann, "maintenance list db1, sw2"), "`aaaaaaaa` through its group")
		time.Sleep(2 * repeatWindow)
		synctest.Wait()
		require.Contains(t, say(ann, "maintenance list db1"), "No maintenance of `db1`", "Site isn't the parent of Sites")
		require.Contains(t, say(ann, `maintenance list group="core switches"`), "`aaaaaaaa` group `Core switches`")
		require.Contains(t, say(ann, "maintenance list nothere"), "no host `nothere`")
		require.Contains(t, say(ann, "maintenance list sw1"), "is the name of several hosts")

		z.site.maintenances = z.site.maintenances[:2]
		said := say(ann, "maintenance stop core 1")
		require.Contains(t, said, "No maintenance that was started here is running for `core 1`")
		require.Contains(t, said, "in the maintenance of its group `Core switches` until ")
		require.Contains(t, said, "`maintenance stop aaaaaaaa`")
		require.Contains(t, said, "its group `Site`, which was started in Zabbix and must be ended there")
		require.Zero(t, z.site.deletes)
		require.Contains(t, say(ann, "maintenance stop zzzzzzzz"), "No maintenance that was started here")
		require.Contains(t, say(ann, "maintenance stop aaaaaaaa"), "✅ Ended the maintenance of group `Core switches`")
	})
}

// A target is never guessed, and nobody acts beyond their role.
func TestMaintenanceRefusals(t *testing.T) {
	refusals(t, []refusedCommand{
		{alice, "maintenance start sw1 2h", "`maintenance` needs the role **admin**"},
		{alice, inThread + "maintenance start 2h", "`maintenance` needs the role **admin**"},
		{alice, "maintenance list", "`maintenance` needs the role **admin**"},
		{bob, "maintenance start db1 2h", "the role **admin** everywhere"},
		{bob, inThread + "maintenance start db1 2h", "the role **admin** everywhere"},
		{bob, "maintenance list", "the role **admin** everywhere"},
		{bob, "maintenance stop abcdefgh", "the role **admin** everywhere"},
		{ann, "maintenance start sw1 2h", "`sw1` is the name of several hosts in Zabbix `main`: `sw1 (Core 1)`, `sw2 (sw1)`"},
		{ann, "maintenance start sw 2h", "no host `sw`"},
		{ann, "maintenance start sw 2h", "Similar names: `sw1 (Core 1)`, `sw2 (sw1)`"},
		{ann, "maintenance start db1 db2 2h", "Commas separate several hosts"},
		{ann, "maintenance start host=Core 1h", "no host `Core`"},
		{ann, "maintenance start db1, nothere 2h", "no host `nothere`"},
		{ann, "maintenance start 2h", "Which host?"},
		{ann, "maintenance stop", "Which host?"},
		{ann, "maintenance start db1 4m", "at least 5 minutes"},
		{ann, "maintenance start db1 400d", "more than a year"},
		{ann, `maintenance start group=Core 2h`, "no host group `Core`"},
	})
}

// refusals requires that each command is answered with these words, and does nothing.
func refusals(t *testing.T, table []refusedCommand) {
	t.Helper()
	for _, c := range table {
		maintained(t, func(t *testing.T, w *world, _ *relay, say func(Person, string) string) {
			require.Contains(t, say(c.person, c.said), c.want, c.said)
			require.Zero(t, len(w.zabbixes["main"].created())+len(w.zabbixes["main"].ran()), c.said)
			require.NotEqual(t, store.CommandDone, w.command("M1").State, c.said)
		})
	}
}

type refusedCommand struct {
	person     Person
	said, want string
}

// `start` and `list` say when Zabbix ends the maintenance: it counts in whole minutes.
func TestStartAndListSayTheSameEnd(t *testing.T) {
	maintained(t, func(t *testing.T, w *world, _ *relay, say func(Person, string) string) {
		time.Sleep(25 * time.Second)
		begun := time.Now()
		said := say(ann, "maintenance start db1, DB2 2h")
		m := w.zabbixes["main"].created()[0]
		require.Equal(t, begun.Truncate(time.Minute).Add(2*time.Hour+time.Minute), m.Until, "not shorter than asked for")
		until := " until " + (voice{}).moment(m.Until, time.Now())
		require.Contains(t, said, until)
		require.Contains(t, say(ann, "maintenance list"), until)
		require.Contains(t, say(ann, `maintenance start group="Core switches" 2h`), until)
	})
}

// With several installations of Zabbix, a host needs its source.
func TestMaintenanceNeedsItsSource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.people, w.names = slices.Clone(admins), Names{Sources: map[string]string{"main": "", "lab": ""}}
		r := w.start(t)
		defer r.stop()
		r.receives("M1", Input{Text: "maintenance start db1 2h", Room: "noc", Person: ann})
		r.receives("M2", Input{Text: "maintenance start LAB/db1 2h", Room: "noc", Person: ann})
		r.receives("M3", Input{Text: "maintenance list", Room: "noc", Person: ann})
		synctest.Wait()
		require.Contains(t, w.answers()[0], "In which Zabbix? `maintenance start lab/sw1 2h` or `maintenance start main/sw1 2h`")
		require.Empty(t, w.zabbixes["main"].created())
		require.Len(t, w.zabbixes["lab"].created(), 1)
		require.Contains(t, strings.Join(w.answers(), "\n"), "No maintenance is running in Zabbix `main`")
		require.Contains(t, strings.Join(w.answers(), "\n"), "Maintenances in Zabbix `lab`")
	})
}

// A maintenance of a host group asks with the number of hosts, and only one person's confirmation counts.
func TestMaintenanceOfAGroup(t *testing.T) {
	maintained(t, func(t *testing.T, w *world, r *relay, say func(Person, string) string) {
		z := w.zabbixes["main"]
		require.Contains(t, say(ann, `maintenance start group="Core switches" 2h`), "all **2 hosts** of the host group `Core switches`")
		require.Empty(t, z.created())
		require.Contains(t, string(w.notices()[0].Card), `"key":"M1"`)

		press := func(id, room string, p Person) {
			r.receives(id, Input{Button: &Button{Action: buttonConfirm, Key: "M1", MessageID: "Q"}, Room: room, Person: p})
			synctest.Wait()
		}
		press("A1", "noc", alice)
		press("A2", "noc", bob)
		press("A3", "db", ann)
		require.Empty(t, z.created(), "not without the role, nor from another room")
		press("A4", "noc", ann)
		press("A5", "noc", Person{Email: "ann@example.com", Name: "Ann again"})
		require.Len(t, z.created(), 1)
		require.Contains(t, strings.Join(w.answers(), "\n"), "confirmed already")
		require.Contains(t, say(ann, "M1» approve"), "No question of mine waits")

		say(ann, `maintenance start group="Core switches" 3h`)
		require.Contains(t, say(ann, "maintenance stop sw1"), "No maintenance that was started here", "its hosts are the group's")
		require.Contains(t, say(ann, "M3» approve"), "✅ Started a maintenance of the host group `Core switches`")
		require.Contains(t, say(ann, `maintenance stop group="Core switches"`), "✅ Ended")
		require.Empty(t, z.site.maintenances)
	})
}

// `stop` ends nothing that is wider than what it names.
func TestStopOfAWiderMaintenance(t *testing.T) {
	maintained(t, func(t *testing.T, w *world, _ *relay, say func(Person, string) string) {
		z := w.zabbixes["main"]
		say(ann, "maintenance start db1, DB2 2h")
		mark := z.created()[0].Mark
		require.Contains(t, say(ann, "maintenance stop db1"), "- `maintenance stop "+mark+"`: `db1 (Database, one)`, `DB2`")
		require.Zero(t, z.site.deletes)
		z.site.unchangeable = true
		require.Contains(t, say(ann, "maintenance stop "+mark), "no write permission", "Zabbix has the same words for a maintenance that is gone")
		z.site.unchangeable = false
		require.Contains(t, say(ann, "maintenance stop "+mark), "✅ Ended")
	})
}

// Zabbix away: the reply says so, and it is done later, once, however its answers are lost.
func TestMaintenanceIsDurable(t *testing.T) {
	maintained(t, func(t *testing.T, w *world, _ *relay, say func(Person, string) string) {
		z := w.zabbixes["main"]
		w.setDown("main", true)
		require.Contains(t, say(ann, "maintenance start db1 2h"), "⏳ Zabbix `main` can't be reached")
		w.setDown("main", false)
		lost := &zabbix.Error{Kind: zabbix.Unreachable, Unanswered: true}
		z.failNext(failure{err: lost, done: true})
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		require.Len(t, z.created(), 1)
		require.Contains(t, w.answers()[0], "✅ Started")

		z.failNext(failure{err: lost}, failure{err: lost, done: true})
		say(ann, "maintenance stop db1")
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		require.Empty(t, z.site.maintenances)
		require.Contains(t, strings.Join(w.answers(), "\n"), "✅ Ended")

		z.failNext(failure{err: &zabbix.Error{Kind: zabbix.RoleForbids, Message: "No permissions to call \"maintenance.create\"."}})
		require.Contains(t, say(ann, "maintenance start db1 3h"), "alert-relay setup zabbix --maintenance")

		w.setDown("main", true)
		say(ann, "maintenance start db1 4h")
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		require.Contains(t, strings.Join(w.answers(), "\n"), "⌛ Couldn't start a maintenance of `db1`: Zabbix `main` was unreachable")
		require.Len(t, z.created(), 1)
	})
}

// A maintenance was ended, although Zabbix is away before it can be seen.
func TestStopBeforeAnOutage(t *testing.T) {
	maintained(t, func(t *testing.T, w *world, _ *relay, say func(Person, string) string) {
		z := w.zabbixes["main"]
		require.Contains(t, say(ann, "maintenance start core 1 2h"), "✅ Started")
		w.mu.Lock()
		z.site.afterEnd = &zabbix.Error{Kind: zabbix.Unreachable}
		w.mu.Unlock()
		require.Contains(t, say(ann, "maintenance stop core 1"), "⏳")
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		require.Contains(t, w.answers()[1], "✅ Ended the maintenance of")
		require.Equal(t, store.CommandDone, w.command("M2").State)
	})
}

// If Zabbix refuses to say what became of a call whose answer was lost, it isn't known whether it was done.
func TestMaintenanceThatCannotBeLookedUp(t *testing.T) {
	for _, words := range []string{"maintenance start db1 2h", "maintenance stop core 1"} {
		maintained(t, func(t *testing.T, w *world, _ *relay, say func(Person, string) string) {
			z := w.zabbixes["main"]
			require.Contains(t, say(ann, "maintenance start core 1 2h"), "✅ Started")
			z.failNext(failure{err: &zabbix.Error{Kind: zabbix.Unreachable, Unanswered: true}, done: true})
			say(ann, words)
			w.mu.Lock()
			z.site.refuses = &zabbix.Error{Kind: zabbix.NotAuthorised}
			w.mu.Unlock()
			time.Sleep(5 * time.Minute)
			synctest.Wait()
			require.Contains(t, strings.Join(w.answers(), "\n"), "❓ I don't know whether I could")
			require.NotContains(t, strings.Join(w.answers(), "\n"), "Nothing was done")
			require.Equal(t, store.CommandFailed, w.command("M2").State)
		})
	}
}

// A command that waited for Zabbix is done only if the person still has the role.
func TestMaintenanceNeedsTheRoleWhenItBegins(t *testing.T) {
	for _, thread := range []string{"", "ROOT-main/4711@noc"} {
		synctest.Test(t, func(t *testing.T) {
			w := adminWorld()
			w.setDown("main", true)
			r := w.start(t)
			said := map[string]string{"": "maintenance start db1 2h"}[thread]
			if thread != "" {
				said = "maintenance start 2h"
			}
			r.receives("M1", Input{Text: said, Room: "noc", ParentID: thread, Person: ann})
			synctest.Wait()
			r.stop()
			w.people[0].Role = config.RoleOperator
			w.setDown("main", false)
			r = w.start(t)
			defer r.stop()
			time.Sleep(5 * time.Minute)
			synctest.Wait()
			require.Empty(t, w.zabbixes["main"].created())
			require.Contains(t, strings.Join(w.answers(), "\n"), "you don't have the role for it any more")
		})
	}
}

// Wherever the relay crashes, one maintenance is started, and one reply says so.
func TestMaintenanceSurvivesCrashes(t *testing.T) {
	for _, lost := range []bool{false, true} {
		for crash := range 10 {
			synctest.Test(t, func(t *testing.T) {
				w := adminWorld()
				w.crash, w.lost = crash, lost
				r := w.start(t)
				r.receives("M1", Input{Text: "maintenance start db1 2h", Room: "noc", Person: ann})
				time.Sleep(time.Minute)
				synctest.Wait()
				r.stop()
				w.crash = -1
				r = w.start(t)
				defer r.stop()
				time.Sleep(5 * time.Minute)
				synctest.Wait()
				require.Len(t, w.zabbixes["main"].created(), 1, "crash %d, lost %v", crash, lost)
				require.Equal(t, store.CommandDone, w.command("M1").State)
				require.Len(t, w.answers(), 1)
				require.Contains(t, w.answers()[0], "✅ Started")
			})
		}
	}
}
