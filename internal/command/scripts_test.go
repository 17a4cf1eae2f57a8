package command

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/zabbix"
)

func (z *fakeZabbix) FindScripts(_ context.Context, name string) ([]zabbix.Script, error) {
	z.w.mu.Lock()
	defer z.w.mu.Unlock()
	if z.down || z.w.crash == 0 {
		return nil, &zabbix.Error{Kind: zabbix.Unreachable, Message: "connection refused"}
	}
	return z.site.scripts[name], nil
}

func (z *fakeZabbix) ExecuteScript(_ context.Context, scriptID, hostID string) (zabbix.ScriptResult, error) {
	if z.site.wait != nil {
		<-z.site.wait
	}
	err := z.changes(func() { z.site.ran = append(z.site.ran, scriptID+" on "+hostID) })
	return z.site.result, err
}

func (hanging) FindScripts(ctx context.Context, _ string) ([]zabbix.Script, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func (hanging) ExecuteScript(ctx context.Context, _, _ string) (zabbix.ScriptResult, error) {
	<-ctx.Done()
	return zabbix.ScriptResult{}, ctx.Err()
}

func (z *fakeZabbix) ran() []string {
	z.w.mu.Lock()
	defer z.w.mu.Unlock()
	return append([]string{}, z.site.ran...)
}

var testScripts = []config.Script{
	{Name: "ping", Script: "Ping it", Role: config.RoleOperator},
	{Name: "restart", Script: "Restart", Role: config.RoleAdmin, Approval: true},
	{Name: "twice", Script: "Twice", Role: config.RoleOperator},
	{Name: "asks", Script: "Asks", Role: config.RoleOperator},
	{Name: "gone", Script: "Gone", Role: config.RoleOperator},
	{Name: "lab", Script: "Ping it", Role: config.RoleOperator, Sources: []string{"lab"}},
}

func TestParseRun(t *testing.T) {
	n := Names{Sources: map[string]string{"main": ""}}
	for said, want := range map[string]*Task{
		"run":                        {},
		"run ping":                   {Script: "ping"},
		"run: `ping` on sw1":         {Script: "ping", Hosts: []string{"sw1"}},
		"Run Ping On main/Core 1":    {Script: "Ping", Source: "main", Hosts: []string{"Core 1"}},
		"run ping on “Core 1, left”": {Script: "ping", Hosts: []string{"Core 1, left"}},
		"run ping on host=sw1":       {Script: "ping", Hosts: []string{"sw1"}, Technical: true},
	} {
		r, q := n.Parse(said)
		require.Nil(t, q, "%q", said)
		require.Equal(t, Request{Verb: Run, Task: want}, r, "%q", said)
	}
	for _, said := range []string{"run ping sw1", "run ping on", "run ping 3 on sw1"} {
		_, q := n.Parse(said)
		require.NotNil(t, q, "%q", said)
		require.Contains(t, q.Error(), "ran nothing", said)
	}
}

// A script's output is shown as code, however it looks, and a long one is a file too.
func TestRun(t *testing.T) {
	maintained(t, func(t *testing.T, w *world, _ *relay, say func(Person, string) string) {
		z := w.zabbixes["main"]
		z.site.result = zabbix.ScriptResult{Output: "64 bytes\n```\n<@all> \x1b[31mred <@personEmail:x@example.com>\u202e\n"}
		said := say(alice, "run Ping on db1")
		require.Contains(t, said, "✅ Ran `ping` on `db1 (Database, one)`:\n\n```\n64 bytes\n'''\n")
		require.Equal(t, 2, strings.Count(said, "```"), "the output can't end the block: %s", said)
		require.NotContains(t, said, "<@")
		require.NotContains(t, said, "\x1b")
		require.NotContains(t, said, "\u202e")
		require.Equal(t, []string{"1 on 3"}, z.ran())

		z.site.result = zabbix.ScriptResult{Output: strings.Repeat("a line of output\n", 1000)}
		before := len(w.notices())
		require.Contains(t, say(alice, "run ping on db1"), "of 1,000 lines; the file has everything", "it may run again once it has ended")
		var files []string
		for _, n := range w.notices()[before:] {
			require.LessOrEqual(t, len(n.Markdown), 7000)
			if n.File != nil {
				files = append(files, n.File.Name)
				content, err := w.NoticeFile(t.Context(), n.ID)
				require.NoError(t, err)
				require.Equal(t, 1000, strings.Count(string(content), "a line"))
			}
		}
		require.Equal(t, []string{"ping-db1.txt"}, files)

		z.site.result = zabbix.ScriptResult{Output: "exit 1", Failed: true}
		require.Contains(t, say(alice, "run ping on db1"), "❌ Zabbix answered with an error to `ping` on `db1 (Database, one)`:\n\n```\nexit 1\n```")
		z.site.result = zabbix.ScriptResult{}
		require.Contains(t, say(alice, inThread+"run ping"), "✅ Ran `ping` on `sw1 (Core 1)`. It printed nothing.")
		require.Contains(t, say(alice, "run"), "`run ping on HOST`")
		require.NotContains(t, say(alice, "run"), "restart")
	})
}

// A target is never guessed, and nobody runs what their role doesn't allow.
func TestRunRefusals(t *testing.T) {
	refusals(t, []refusedCommand{
		{alice, "run restart on db1", "needs the role **admin** everywhere"},
		{alice, inThread + "run restart", "needs the role **admin**"},
		{bob, "run ping on db1", "needs the role **operator** everywhere"},
		{alice, "run rm on db1", "I don't know the script `rm`"},
		{alice, "run pin on db1", "Did you mean `run ping`?"},
		{alice, "run ping", "On which host?"},
		{alice, "run ping on sw1", "is the name of several hosts"},
		{alice, "run ping on nothere", "no host `nothere`"},
		{alice, "run twice on db1", "2 scripts named “Twice”"},
		{alice, "run asks on db1", "asks for a value"},
		{alice, "run gone on db1", "has no script “Gone”"},
		{alice, "run lab on main/db1", "can't be run in Zabbix `main`"},
	})
}

// The full stop of a sentence isn't part of a host's name, unless a host has that name.
func TestFullStopAfterAHost(t *testing.T) {
	maintained(t, func(t *testing.T, w *world, _ *relay, say func(Person, string) string) {
		z := w.zabbixes["main"]
		require.Contains(t, say(alice, "run ping on db1."), "✅ Ran `ping` on `db1 (Database, one)`")
		require.Contains(t, say(ann, "maintenance start db1. 2h"), "✅ Started a maintenance of `db1 (Database, one)`")
		require.Contains(t, say(ann, "maintenance list db1."), "`db1 (Database, one)`")
		require.Contains(t, say(ann, "maintenance stop db1!"), "✅ Ended")
		say(ann, "maintenance start db1 2h")
		require.Contains(t, say(ann, "maintenance stop "+z.created()[1].Mark+"."), "✅ Ended")
		z.site.hosts = append(z.site.hosts, zabbix.Host{ID: "9", Host: "db1.", Name: "db1."})
		say(alice, "run ping on db1.")
		require.Equal(t, []string{"1 on 3", "1 on 9"}, z.ran())
		require.Contains(t, say(ann, "maintenance stop db1."), "No maintenance", "of that host")
	})
}

// A script with approval runs once, after a second person with the role approved it.
func TestApproval(t *testing.T) {
	maintained(t, func(t *testing.T, w *world, r *relay, say func(Person, string) string) {
		z := w.zabbixes["main"]
		press := func(id string, p Person) string {
			before := len(w.answers())
			r.receives(id, Input{Button: &Button{Action: buttonConfirm, Key: "M1", MessageID: "Q"}, Room: "noc", Person: p})
			synctest.Wait()
			return strings.Join(w.answers()[before:], "\n")
		}
		require.Contains(t, say(ann, inThread+"run restart"), "❔ Ann &lt;Admin&gt; wants to run `restart` on `sw1 (Core 1)`")
		require.Contains(t, press("A1", ann), "A second person must approve this")
		require.Contains(t, press("A2", Person{ID: "other", Email: "x@example.com", Also: []string{"ann@example.com"}}), "A second person must approve this", "by another address")
		require.Contains(t, press("A3", alice), "needs the role **admin**")
		require.Empty(t, z.ran())
		require.Contains(t, press("A4", bob), "✅ Ran `restart` on `sw1 (Core 1)`, for Ann &lt;Admin&gt;, approved by Bob", "an admin in the room, for its problem")
		require.Contains(t, press("A6", bob)+press("A7", bob), "confirmed already")
		require.Equal(t, []string{"2 on 1"}, z.ran(), "once")
		log := say(ann, "audit")
		require.Contains(t, log, "Bob, in noc: `pressed confirm, asked by Ann <Admin>: run restart (sw1)` · `main/4711` → **done**: ✅ Ran", "what was approved, and who asked")
		require.Contains(t, log, "Ann &lt;Admin&gt;, in noc: `pressed confirm, asked by Ann <Admin>: run restart (sw1)` · `main/4711` → **denied**")
	})
	maintained(t, func(t *testing.T, w *world, _ *relay, say func(Person, string) string) {
		say(ann, inThread+"run restart")
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		require.Contains(t, say(bob, inThread+"approve"), "That question expired at ", "within a day")
		say(ann, inThread+"run restart")
		require.Contains(t, say(bob, inThread+"approve"), "✅ Ran `restart`")
		require.Contains(t, say(ann, "audit"), "Bob, in noc: `approve, asked by Ann <Admin>: run restart (sw1)`")
		require.Len(t, w.zabbixes["main"].ran(), 1)
	})
	maintained(t, func(t *testing.T, w *world, r *relay, _ func(Person, string) string) {
		r.receives("M1", Input{Text: "run restart on db1", Direct: true, Person: ann})
		synctest.Wait()
		require.Contains(t, w.answers()[0], "ask for it in a room")
	})
}

// A script runs at most once, whatever crashes, and its reply says so if nobody knows.
func TestRunIsAtMostOnce(t *testing.T) {
	known := 0
	acrossCrashes(t, 10, Input{Text: "run ping on db1", Room: "noc", Person: alice}, func(_ *testing.T, w *world) {
		w.zabbixes["main"].site.result = zabbix.ScriptResult{Output: strings.Repeat("x\n", 3000)}
	}, func(t *testing.T, w *world, what string) {
		ran := len(w.zabbixes["main"].ran())
		require.LessOrEqual(t, ran, 1, what)
		said := strings.Join(w.answers(), "\n")
		switch state := w.command("M1").State; state {
		case store.CommandDone:
			require.Equal(t, 1, ran, what)
			require.Contains(t, said, "✅ Ran")
			known++
		default:
			require.Equal(t, store.CommandFailed, state, what)
			require.Contains(t, said, "I don't know whether it worked", what)
		}
	})
	require.NotZero(t, known)
	maintained(t, func(t *testing.T, w *world, _ *relay, say func(Person, string) string) {
		z := w.zabbixes["main"]
		z.failNext(failure{err: &zabbix.Error{Kind: zabbix.Unreachable, Unanswered: true}, done: true})
		require.Contains(t, say(alice, "run ping on db1"), "I won't run it again")
		time.Sleep(time.Hour)
		synctest.Wait()
		require.Len(t, z.ran(), 1)
		z.failNext(failure{err: &zabbix.Error{Kind: zabbix.Unreachable, Message: "connection refused"}})
		require.Contains(t, say(alice, "run ping on db1"), "⏳")
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Len(t, z.ran(), 2, "what certainly wasn't sent is tried again")
	})
}

// A script that waited for Zabbix runs only if the configuration still allows it then: in that Zabbix, and for that role.
func TestRunNeedsItsConfigurationWhenItBegins(t *testing.T) {
	for name, then := range map[string][]config.Script{
		"of another Zabbix": {{Name: "ping", Script: "Ping it", Role: config.RoleOperator, Sources: []string{"lab"}}},
		"of a higher role":  {{Name: "ping", Script: "Ping it", Role: config.RoleAdmin}},
		"not at all":        {},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := adminWorld()
			w.setDown("main", true)
			r := w.start(t)
			r.receives("M1", Input{Text: "run ping on db1", Room: "noc", Person: alice})
			synctest.Wait()
			r.stop()
			w.scripts = then
			w.setDown("main", false)
			r = w.start(t)
			defer r.stop()
			time.Sleep(5 * time.Minute)
			synctest.Wait()
			require.Empty(t, w.zabbixes["main"].ran(), name)
			require.Contains(t, strings.Join(w.answers(), "\n"), "you don't have the role for it any more, or it isn't configured any more", name)
			require.Equal(t, "not done", endOf(w.command("M1")))
		})
	}
}

// A script that takes minutes delays no other command.
func TestScriptsHaveTheirOwnLane(t *testing.T) {
	maintained(t, func(t *testing.T, w *world, _ *relay, say func(Person, string) string) {
		slow := make(chan struct{})
		w.zabbixes["main"].site.wait = slow
		say(alice, "run ping on db1")
		require.Empty(t, w.answers())
		say(alice, "ack 4711")
		require.Len(t, w.calls("main"), 1)
		close(slow)
		synctest.Wait()
		require.Contains(t, strings.Join(w.answers(), "\n"), "✅ Ran")
	})
}
