package command

import (
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/render"
	"nms-alert-relay/internal/store"
)

// knocker is a person of TestRights. The roles are written out, so that the test doesn't ask the code which it tests.
type knocker struct {
	email   string
	entries []config.Person
	// The roles in the rooms noc, db and lan, and in a direct chat for what was posted in none of them.
	roles map[string]config.Role
}

func everywhere(role config.Role) map[string]config.Role {
	return map[string]config.Role{"noc": role, "db": role, "lan": role, "": role}
}

var knockers = []knocker{
	{"nobody@example.com", nil, nil},
	{"viewer@example.com", []config.Person{{Email: "viewer@example.com", Role: config.RoleViewer}}, everywhere(config.RoleViewer)},
	{"operator@example.com", []config.Person{{Email: "operator@example.com", Role: config.RoleOperator}}, everywhere(config.RoleOperator)},
	{"admin@example.com", []config.Person{{Email: "admin@example.com", Role: config.RoleAdmin}}, everywhere(config.RoleAdmin)},
	{"nocop@example.com", []config.Person{{Email: "nocop@example.com", Role: config.RoleOperator, Rooms: []string{"noc"}}}, map[string]config.Role{"noc": config.RoleOperator}},
	{"nocadmin@example.com", []config.Person{{Email: "nocadmin@example.com", Role: config.RoleAdmin, Rooms: []string{"noc"}}}, map[string]config.Role{"noc": config.RoleAdmin}},
	{"dbadmin@example.com", []config.Person{{Email: "dbadmin@example.com", Role: config.RoleAdmin, Rooms: []string{"db"}}}, map[string]config.Role{"db": config.RoleAdmin}},
	{
		"mixed@example.com",
		[]config.Person{{Email: "mixed@example.com", Role: config.RoleOperator, Rooms: []string{"noc"}}, {Email: "mixed@example.com", Role: config.RoleViewer, Rooms: []string{"db"}}},
		map[string]config.Role{"noc": config.RoleOperator, "db": config.RoleViewer},
	},
	// An entry for the address counts for less than the domain's.
	{"erin@ops.example.com", []config.Person{{Domain: "ops.example.com", Role: config.RoleAdmin}, {Email: "erin@ops.example.com", Role: config.RoleViewer}}, everywhere(config.RoleViewer)},
}

// wanted is what a verb needs.
type wanted struct {
	role config.Role
	said string // after the verb; ID is the problem's id, which a thread or a button replaces
	does bool   // somebody with the role has an effect by it, always
	own  bool   // it takes back what is the person's own, without any role
	// The button's values.
	comment, length string
}

// rights are those of each verb: which role it needs. A new verb has to be entered here.
var rights = map[Verb]wanted{
	Ack:         {role: config.RoleOperator, said: "ID", does: true},
	Unack:       {role: config.RoleOperator, said: "ID"},
	Comment:     {role: config.RoleOperator, said: "ID hello", does: true, comment: "hello"},
	Close:       {role: config.RoleOperator, said: "ID"},
	Severity:    {role: config.RoleOperator, said: "ID high", does: true},
	Suppress:    {role: config.RoleOperator, said: "ID 2h", does: true, length: "2h"},
	Unsuppress:  {role: config.RoleOperator, said: "ID"},
	Symptom:     {role: config.RoleOperator, said: "ID of 9001", does: true},
	Cause:       {role: config.RoleOperator, said: "ID"},
	Take:        {role: config.RoleOperator, said: "ID", does: true},
	Assign:      {role: config.RoleOperator, said: "ID operator@example.com"},
	Audit:       {role: config.RoleAdmin},
	Token:       {role: config.RoleOperator},
	Forget:      {role: config.RoleViewer, said: "me", own: true},
	MuteRoute:   {role: config.RoleAdmin, said: "to-db 2h"},
	UnmuteRoute: {role: config.RoleAdmin, said: "to-db"},
	Show:        {role: config.RoleViewer, said: "ID"},
	Why:         {role: config.RoleViewer, said: "ID"},
	History:     {role: config.RoleViewer, said: "ID"},
	Graph:       {role: config.RoleViewer, said: "ID"},
	Who:         {role: config.RoleViewer, said: "ID"},
	Problems:    {role: config.RoleViewer},
	Mine:        {role: config.RoleViewer},
	More:        {role: config.RoleViewer},
	Rooms:       {role: config.RoleViewer},
	Help:        {role: config.RoleViewer},
	Maintenance: {role: config.RoleAdmin, said: "start main/db1 2h", does: true},
	Approve:     {role: config.RoleOperator},
	Do:          {role: config.RoleOperator, said: "ticket ID", does: true},
	Run:         {role: config.RoleOperator, said: "ping on main/db1", does: true},

	Room:      {role: config.RoleOperator, said: "ID"},
	Join:      {role: config.RoleOperator, said: "ID"},
	Part:      {role: config.RoleOperator, said: "ID"},
	Note:      {role: config.RoleOperator, said: "ID hello", does: true, comment: "hello"},
	Role:      {role: config.RoleOperator, said: "lead"},
	Check:     {role: config.RoleOperator, said: "1"},
	Incident:  {role: config.RoleViewer},
	Incidents: {role: config.RoleViewer},
	Review:    {role: config.RoleViewer},
	Conclude:  {role: config.RoleOperator},

	Subscribe:     {role: config.RoleViewer, said: ">=high"},
	Subscriptions: {role: config.RoleViewer},
	Unsubscribe:   {role: config.RoleViewer, said: "all"},
	Bind:          {role: config.RoleAdmin, said: ">=high"},
	Unbind:        {role: config.RoleAdmin},

	Remind:    {role: config.RoleViewer, said: "me ID 2h", length: "2h", does: true},
	Snooze:    {role: config.RoleOperator, said: "ID 2h"}, // outside a reminder's thread it is suppress
	Reminders: {role: config.RoleViewer},
	Unremind:  {role: config.RoleViewer, said: "all"},
	Timezone:  {role: config.RoleViewer, said: "UTC"},
	Report:    {role: config.RoleViewer},
	Handover:  {role: config.RoleOperator, said: "operator@example.com"},
}

// visit is somebody at a place, trying everything there.
type visit struct {
	t     *testing.T
	w     *world
	r     *relay
	e     *endpoint
	who   knocker
	place string // a room, or "" for a direct chat
	n     int
	// posted are the rooms of each problem, by its key.
	posted map[string][]string
}

// role is the person's role for a problem in these rooms, from this place.
func (v *visit) role(rooms []string) config.Role {
	if v.place != "" {
		if slices.Contains(rooms, v.place) {
			return v.who.roles[v.place]
		}
		return ""
	}
	var best config.Role
	for _, room := range rooms {
		if role := v.who.roles[room]; role.AtLeast(best) || best == "" {
			best = role
		}
	}
	return best
}

// effects counts what was done: calls to Zabbix, entries of the journal, mutes.
func (v *visit) effects() string {
	mutes, _ := v.w.Value(context.Background(), mutesValue)
	v.w.mu.Lock()
	defer v.w.mu.Unlock()
	bindings, _ := v.w.Bindings(context.Background())
	reminders, _ := v.w.NextReminders(context.Background(), 0)
	v.e.mu.Lock()
	defer v.e.mu.Unlock()
	return fmt.Sprintf("%d bindings, %d reminders, %d requests, %d calls, %d maintenances, %d scripts, %d entries, mutes %q", len(bindings), len(reminders), len(v.e.got), len(v.w.zabbixes["main"].calls), len(v.w.zabbixes["main"].site.creates), len(v.w.zabbixes["main"].site.ran), v.w.appended, mutes)
}

// said returns the answers since the first n, and how many there are.
func (v *visit) said(n int) (string, int) {
	v.w.mu.Lock()
	defer v.w.mu.Unlock()
	return strings.Join(v.w.told[n:], "\n"), len(v.w.told)
}

// tries passes one input to the relay and requires that it has an effect, or is answered with the problem, only if it may. It returns
// the answers.
func (v *visit) tries(what string, in Input, need wanted, role config.Role, secret string) (answers string) {
	v.n++
	id := fmt.Sprintf("M%d", v.n)
	what = fmt.Sprintf("%s at %q: %s (role here: %q)", v.who.email, v.place, what, role)
	in.Person, in.Room, in.Direct = Person{Email: v.who.email}, v.place, v.place == ""
	before := v.effects()
	_, said := v.said(0)
	v.r.receives(id, in)
	time.Sleep(10 * time.Second)
	synctest.Wait()
	answers, _ = v.said(said)
	optional := in.Text == "who" || in.Text == "remind me 2h" // in a thread that names no problem here, it answers about the room
	state := v.w.command(id).State
	require.NotEqual(v.t, store.CommandReceived, state, "%s: it has ended", what)
	if !role.AtLeast(need.role) || role == "" {
		require.Equal(v.t, before, v.effects(), "%s: nothing is done\n%s", what, answers)
		require.True(v.t, state != store.CommandDone || optional || need.own, "%s\n%s", what, answers)
	} else if need.does {
		require.NotEqual(v.t, before, v.effects(), "%s: it is done\n%s", what, answers)
	}
	if secret != "" && (role == "" || need.role == config.RoleViewer && !role.AtLeast(config.RoleViewer)) {
		require.NotContains(v.t, answers, secret, what)
	}
	return answers
}

// Nobody without the right acts on a problem or sees it: each role, in each room, with each verb, by each way.
func TestRights(t *testing.T) {
	known := slices.Sorted(maps.Keys(rights))
	var table []Verb
	for _, v := range verbs {
		table = append(table, v.name)
	}
	slices.Sort(table)
	require.Equal(t, known, table, "each verb is in the table of rights")

	posted := [][]string{{"noc"}, {"db"}, {"noc", "db"}}
	for _, who := range knockers {
		for _, place := range []string{"noc", "db", "lan", ""} {
			t.Run(who.email+" in "+place, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := newWorld()
					w.people = append(slices.Clone(who.entries), config.Person{Email: "boss@example.com", Role: config.RoleAdmin}, config.Person{Email: "operator@example.com", Role: config.RoleOperator})
					w.names = Names{Sources: map[string]string{"main": "", "lab": ""}}
					w.routes = []config.Route{{Name: "to-db", Rooms: []string{"db"}}, {Name: "to-both", Rooms: []string{"noc", "db"}}}
					w.routing = routes(t)
					w.settings = func(string, string) (render.Room, bool) { return render.Room{}, false }
					w.problem("main/9001", "noc", "db", "lan") // the cause in every room
					e := withActions(t, w)
					v := &visit{t: t, w: w, e: e, r: w.start(t), who: who, place: place, posted: map[string][]string{}}
					defer v.r.stop()
					v.posted["main/9001"] = []string{"noc", "db", "lan"}
					next := 1000
					fresh := func(rooms []string) (id, key string) {
						next++
						id, key = fmt.Sprint(next), fmt.Sprintf("main/%d", next)
						v.posted[key] = rooms
						p := w.find(w.problem(key, rooms...))
						p.CanClose, p.Facts.Name = true, "secret of "+id
						w.put(p)
						return id, key
					}
					for _, verb := range known {
						need := rights[verb]
						if !strings.Contains(need.said, "ID") {
							v.alone(verb, need)
							continue
						}
						for _, rooms := range posted {
							id, _ := fresh(rooms)
							text := string(verb) + " " + strings.Replace(need.said, "ID", id, 1)
							hidden := v.tries(text, Input{Text: text}, need, v.role(rooms), "secret of "+id)
							if v.role(rooms) == "" { // as if there were no such problem
								none := string(verb) + " " + strings.Replace(need.said, "ID", "777777", 1)
								missing := v.tries(none, Input{Text: none}, need, "", "")
								require.Equal(t, strings.ReplaceAll(missing, "777777", id), hidden, "%s at %q: %s", who.email, place, text)
							}

							for _, thread := range rooms {
								id, key := fresh(rooms)
								text := strings.Join(strings.Fields(string(verb)+" "+strings.Replace(need.said, "ID", "", 1)), " ")
								role := v.role(rooms)
								if place != thread { // another room's message: the thread names no problem here
									role = ""
								}
								v.tries(text+" in its thread in "+thread, Input{Text: text, ParentID: "ROOT-" + key + "@" + thread}, need, role, "secret of "+id)
							}
							if !verb.entry().pressable() && verb != Do {
								need.role = "none" // no button has it
							}
							id, key := fresh(rooms)
							press := Button{Action: string(verb), Key: key, Comment: need.comment, For: need.length, Severity: "high", MessageID: "CARD-" + key + "@" + rooms[0]}
							if verb == Do {
								press.Value = "ticket"
							} else {
								need.does = need.does && verb.entry().pressable()
							}
							v.tries(string(verb)+" by a button", Input{Button: &press}, need, v.role(rooms), "secret of "+id)
							need = rights[verb]
						}
					}
					v.confirms(fresh)
				})
			})
		}
	}
}

// alone tries a verb that isn't about one problem.
func (v *visit) alone(verb Verb, need wanted) {
	role := v.who.roles[v.place]
	if v.place == "" {
		for _, r := range v.who.roles {
			if role == "" || r.AtLeast(role) {
				role = r
			}
		}
	}
	if verb == Maintenance || verb == Run { // of any host: the role in a room doesn't count
		role = v.who.roles[""]
	}
	if verb == MuteRoute || verb == UnmuteRoute {
		for _, room := range []string{"db"} {
			if !v.who.roles[room].AtLeast(config.RoleAdmin) {
				before := v.effects()
				v.tries(string(verb), Input{Text: strings.TrimSpace(string(verb) + " " + need.said)}, wanted{role: config.RoleViewer}, role, "")
				require.Equal(v.t, before, v.effects(), "%s mutes a route to a room in which they aren't an admin", v.who.email)
				return
			}
		}
	}
	_, before := v.said(0)
	v.tries(string(verb), Input{Text: strings.TrimSpace(string(verb) + " " + need.said)}, need, role, "")
	answers, _ := v.said(before)
	listed := regexp.MustCompile(`main/\d+`).FindAllString(answers, -1)
	if verb == Audit || verb == More { // it repeats ids that somebody wrote here
		listed = nil
		for _, m := range regexp.MustCompile(`secret of (\d+)`).FindAllStringSubmatch(answers, -1) {
			listed = append(listed, "main/"+m[1])
		}
	}
	for _, key := range listed { // only what is visible from here
		require.NotEmpty(v.t, v.role(v.posted[key]), "%s at %q: %s lists %s", v.who.email, v.place, verb, key)
	}
}

// confirms tries to confirm what an admin asked for in the room noc.
func (v *visit) confirms(fresh func(rooms []string) (id, key string)) {
	var ids []string
	for range maxUnasked + 1 {
		id, _ := fresh([]string{"noc"})
		ids = append(ids, id)
	}
	v.r.receives("ASKED", Input{Text: "ack " + strings.Join(ids, " "), Person: Person{Email: "boss@example.com"}, Room: "noc"})
	time.Sleep(10 * time.Second)
	role := v.role([]string{"noc"})
	if v.place != "noc" { // the question belongs to its room
		role = ""
	}
	need := wanted{role: config.RoleOperator, does: true}
	v.tries("the button of another's question", Input{Button: &Button{Action: buttonConfirm, Key: "ASKED", MessageID: "QUESTION"}}, need, role, "")
}

// A command that waits for Zabbix is done only if the person still has the role then.
func TestRightLostWhileWaiting(t *testing.T) {
	for _, c := range []struct {
		why   string
		after []config.Person
		acts  bool
	}{
		{"still an operator", []config.Person{{Email: "alice@example.com", Role: config.RoleOperator}}, true},
		{"a viewer now", []config.Person{{Email: "alice@example.com", Role: config.RoleViewer}}, false},
		{"an operator of another room", []config.Person{{Email: "alice@example.com", Role: config.RoleOperator, Rooms: []string{"db"}}}, false},
		{"removed", []config.Person{{Email: "bob@example.com", Role: config.RoleOperator}}, false},
	} {
		for _, in := range []Input{
			{Text: "ack 4711", Room: "noc"},
			{Button: &Button{Action: "ack", Key: "main/4711", MessageID: "CARD-main/4711@noc"}, Room: "noc"},
			{Text: "close main/4711", Direct: true},
			{Text: "ack all yes", Room: "noc", ParentID: "DIGEST"},
		} {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld()
				rooms := []string{"noc"}
				if in.ParentID == "DIGEST" {
					rooms = nil
				}
				k := w.problem("main/4711", rooms...)
				p := w.find(k)
				p.CanClose = true
				w.put(p)
				if rooms == nil {
					w.member(k, "DIGEST", true, time.Time{})
				}
				w.setDown("main", true)
				r := w.start(t)
				r.receives("M1", in)
				time.Sleep(time.Minute)
				synctest.Wait()
				require.Empty(t, w.calls("main"), c.why)
				r.stop()
				w.people = c.after
				w.setDown("main", false)
				r = w.start(t)
				defer r.stop()
				time.Sleep(5 * time.Minute)
				synctest.Wait()
				if c.acts {
					require.Len(t, w.calls("main"), 1, "%s: %v", c.why, in)
					return
				}
				require.Empty(t, w.calls("main"), "%s: %v", c.why, in)
				require.Equal(t, store.CommandFailed, w.command("M1").State)
				require.Contains(t, strings.Join(w.answers(), "\n"), "you no longer have the role **operator**", "%s: %v", c.why, in)
			})
		}
	}
}
