package command

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/vault"
)

func TestParseAudit(t *testing.T) {
	n := Names{Sources: map[string]string{"main": ""}}
	for said, want := range map[string]Request{
		"audit":                        {Verb: Audit},
		"audit 4711":                   {Verb: Audit, Refs: []alert.Key{{EventID: "4711"}}},
		"audit Alice since 2d, page 2": {Verb: Audit, Person: "alice", Length: Length{For: 48 * time.Hour}, Page: 1},
		"audit by bob@example.com main/4711 since=90m": {Verb: Audit, Person: "bob@example.com", Refs: []alert.Key{{Source: "main", EventID: "4711"}},
			Length: Length{For: 90 * time.Minute}},
		"audit person=4711": {Verb: Audit, Person: "4711"},
	} {
		r, q := n.Parse(said)
		require.Nil(t, q, "%q", said)
		require.Equal(t, want, r, "%q", said)
	}
	for said, want := range map[string]string{"audit since": "Since when?", "audit since forever": "Since when?", "audit room=noc": "I don't know the filter", "audit page 99": "pages 1 to"} {
		_, q := n.Parse(said)
		require.NotNil(t, q, "%q", said)
		require.Contains(t, q.Error(), want, "%q", said)
	}
}

// The audit log is for admins. In a room it has what concerns the room's problems, and nothing of other rooms.
func TestAudit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		boss, noc := Person{Email: "boss@example.com"}, Person{Email: "noc@example.com"}
		w.people = append(people().People, config.Person{Email: boss.Email, Role: config.RoleAdmin}, config.Person{Email: noc.Email, Role: config.RoleAdmin, Rooms: []string{"noc"}})
		w.problem("main/4711", "noc")
		w.problem("main/5000", "db")
		w.post(alert.ParseKey("main/4711"), "db", "R", "C")
		r := w.start(t)
		defer r.stop()
		r.receives("1", Input{Text: "ack main/4711 <@all> ok", Room: "noc"})
		r.receives("2", Input{Text: "comment main/5000 main/4711: secret of db", Room: "db"})
		r.receives("3", Input{Text: "close main/4711", Room: "noc", Person: Person{Email: "carol@example.com"}}) // denied
		r.receives("4", Input{Text: "show main/4711", Room: "noc"})
		time.Sleep(time.Second)
		n := 0
		audit := func(in Input) string {
			n++
			r.receives("A"+string(rune('a'+n)), in)
			time.Sleep(time.Second)
			synctest.Wait()
			all := w.answers()
			return all[len(all)-1]
		}
		require.Contains(t, audit(Input{Text: "audit", Room: "noc"}), "needs the role **admin**")
		require.Contains(t, audit(Input{Text: "audit", Direct: true}), "needs the role **admin**")

		here := audit(Input{Text: "audit", Room: "noc", Person: noc})
		require.Contains(t, here, "Alice Example, in noc: `ack main/4711 <\u200b@all> ok` · `main/4711` → **done**: ✅ Acknowledged")
		require.Contains(t, here, "carol&#64;example.com, in noc: `close main/4711` → **denied**")
		require.Contains(t, here, "in another room: `comment` · `main/4711` → **done**\n", "given in another room: without its words, and the other problem")
		for _, hidden := range []string{"secret", "5000", "in db", "show", "<@all>", "audit"} {
			require.NotContains(t, here, hidden)
		}
		require.Contains(t, audit(Input{Text: "audit", Direct: true, Person: boss}), "in db: `comment main/5000 main/4711: secret of db`")
		require.NotContains(t, audit(Input{Text: "audit", Direct: true, Person: noc}), "secret")
		require.NotContains(t, audit(Input{Text: "audit carol", Room: "noc", Person: noc}), "ack")
		require.Contains(t, audit(Input{Text: "audit 5000", Direct: true, Person: boss}), "`comment main/5000")
		require.Contains(t, audit(Input{Text: "audit 5000", Room: "noc", Person: noc}), "Nobody has done anything that matches")
		require.NotContains(t, audit(Input{Text: "audit", Direct: true, Person: boss, ParentID: "ROOT-main/5000@db"}), "close", "a thread's problem")
	})
}

// The audit log has every verb that changes something, whatever its role, and no other.
func TestActingVerbs(t *testing.T) {
	var reading []Verb
	for _, v := range verbs {
		if !slices.Contains(actingVerbs(), string(v.name)) {
			reading = append(reading, v.name)
		}
	}
	require.ElementsMatch(t, []Verb{Show, Why, History, Problems, Mine, More, Who, Rooms, Help, Audit}, reading)
}

// A reader isn't told that a question failed. How a command ended is what its attempts say, whatever words the reply has.
func TestAuditResult(t *testing.T) {
	attempts := func(stages ...stage) detail {
		d := detail{Request: &Request{}}
		for _, s := range stages {
			d.Attempts = append(d.Attempts, attempt{Stage: s})
		}
		return d
	}
	for _, c := range []struct {
		state         store.CommandState
		detail        detail
		outcome, want string
	}{
		{store.CommandDone, attempts(stageDone), "✅ Acknowledged 4711.", "**done**: ✅ Acknowledged 4711."},
		{store.CommandDone, attempts(stageDone, stageDone), "- ✅ Acknowledged 4711.\n- ✅ Acknowledged 4712.", "**done**: ✅ Acknowledged 4711. ✅ Acknowledged 4712."},
		{store.CommandDone, detail{Asked: &Request{}}, askedFirst, "**asked for a confirmation**"},
		{store.CommandDone, detail{Asked: &Request{}, Second: true}, askedSecond, "**asked for a second person's approval**"},
		{store.CommandDone, detail{}, "", "**done**"},
		{store.CommandFailed, detail{}, "❔ Which host?", "**not done**: ❔ Which host?"},
		{store.CommandFailed, attempts(stageRefused), "🚫 You don't have the role any more.", "**not done**: 🚫 You don't have the role any more."},
		{store.CommandFailed, attempts(stageDone, stageFailed), "- ✅ Closed 1.\n- 🚫 Couldn't close 2.", "**partly done**: ✅ Closed 1. 🚫 Couldn't close 2."},
		{store.CommandExpired, attempts(stageDone, stageExpired), "- ✅ Closed 1.\n- ⌛ Couldn't close 2.", "**partly done**: ✅ Closed 1. ⌛ Couldn't close 2."},
		{store.CommandExpired, attempts(stageExpired), "⌛ Couldn't close 2.", "**expired**: ⌛ Couldn't close 2."},
		{store.CommandFailed, attempts(stageDone, stageUnknown), "❓ I don't know whether I could close 1.", "**unclear**: ❓ I don't know whether I could close 1."},
		{store.CommandFailed, attempts(stageUnverified, stageFailed), "⚠️ Zabbix accepted it.", "**incomplete**: ⚠️ Zabbix accepted it."},
		{store.CommandFailed, detail{Request: &Request{}, Wide: &wide{Done: 3, Failed: 2}}, "⚠️ 3 of 5:\n- 🚫 No.", "**partly done**: ⚠️ 3 of 5: 🚫 No."},
		{store.CommandFailed, detail{Request: &Request{}, Wide: &wide{Failed: 2}}, "⚠️ 0 of 2", "**failed**: ⚠️ 0 of 2"},
		{store.CommandFailed, attempts(stageFailed, stageFailed, stageRefused, stageFailed), "- 🚫 A.\n- 🚫 B.\n- 🚫 C.\n- 🚫 D.", "**failed**: 🚫 A. 🚫 B. 🚫 C. and 1 more"},
		{store.CommandFailed, attempts(stageExecuting), "given up: disk I/O error", "**unclear**: given up: disk I/O error"},
		{store.CommandFailed, attempts(stagePending), "given up: disk I/O error", "**failed**: given up: disk I/O error"},
		{store.CommandFailed, attempts(stageFailed), "failed", "**failed**"},
		{store.CommandFailed, attempts(stageFailed), "✅ ❔ words that a script printed", "**failed**: ✅ ❔ words that a script printed"},
		{store.CommandDenied, detail{}, "🚫 <@all> `close` needs the role operator.", "**denied**: 🚫 &lt;&#64;all&gt; \\`close\\` needs the role operator."},
	} {
		require.Equal(t, c.want, auditResult("", endOf(store.Command{State: c.state, Detail: c.detail.encode()}), c.outcome), c.outcome)
	}
	require.Equal(t, "failed", endOf(store.Command{State: store.CommandFailed}), "a row without detail")
}

// `more` shows the older commands.
func TestAuditPages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.people = append(people().People, config.Person{Email: alice.Email, Role: config.RoleAdmin})
		for i := range audited + 1 {
			_, err := w.ClaimCommand(t.Context(), store.Command{ID: string(rune('A' + i)), Text: "word" + string(rune('A'+i)), Action: "ack", State: store.CommandDone, CreatedAt: time.Now().Add(time.Duration(i))})
			require.NoError(t, err)
		}
		r := w.start(t)
		defer r.stop()
		r.receives("M1", Input{Text: "audit", Direct: true})
		synctest.Wait()
		require.NotContains(t, w.answers()[0], "wordA")
		require.Contains(t, w.answers()[0], "`more` shows older ones")
		r.receives("M2", Input{Text: "more", Direct: true})
		synctest.Wait()
		require.Contains(t, w.answers()[1], "wordA")
		require.NotContains(t, w.answers()[1], "wordB")
	})
}

// What an operator did by the admin API, and what the relay did by itself, wasn't said in a direct chat.
func TestAuditOutsideOfRooms(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := adminWorld()
		now := time.Now()
		removal := vault.Removal{Person: "P", Email: "gone@example.com", By: "admin API", Why: "asked for by 10.0.0.1", Reason: now, At: now}
		require.NoError(t, removal.Remove(t.Context(), w))
		r := w.start(t)
		defer r.stop()
		r.receives("M1", Input{Text: "forget me", Direct: true, Person: ann})
		r.receives("M2", Input{Text: "audit", Direct: true, Person: ann})
		synctest.Wait()
		said := w.answers()[len(w.answers())-1]
		require.Contains(t, said, "admin API, outside of the rooms: `removed the Zabbix API tokens of gone@example.com`")
		require.Contains(t, said, "in a direct chat: `forget me`")
	})
}
