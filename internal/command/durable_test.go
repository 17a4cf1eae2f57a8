package command

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/zabbix"
)

// durableVerbs are the verbs that act in Zabbix, as they are typed in the thread of 4711.
var durableVerbs = map[Verb]string{
	Ack: "ack", Unack: "unack", Comment: "comment still there", Close: "close", Severity: "severity high",
	Suppress: "suppress 3h", Unsuppress: "unsuppress", Take: "take", Assign: "assign alice@example.com",
	Symptom: "symptom of 4712", Cause: "cause",
}

// Whatever goes wrong at Zabbix, each verb is executed exactly once, or not at all if it expires, and the person is told: at first
// that it will be done later, in the end what became of it. The thread gets one message.
func TestDurable(t *testing.T) {
	fails := func(f failure) func(*world) {
		return func(w *world) { w.zabbixes["main"].fail = []failure{f, {}} }
	}
	const waits, silent = "⏳", "" // the reply at first
	faults := map[string]struct {
		begin   func(*world)
		end     func(*world)
		first   string
		expires bool
		restart bool
	}{
		"away":              {begin: func(w *world) { w.setDown("main", true) }, end: func(w *world) { w.setDown("main", false) }, first: waits},
		"away for too long": {begin: func(w *world) { w.setDown("main", true) }, first: waits, expires: true},
		"away, restarted":   {begin: func(w *world) { w.setDown("main", true) }, end: func(w *world) { w.setDown("main", false) }, first: waits, restart: true},
		"its database is away": {begin: fails(failure{err: &zabbix.Error{Kind: zabbix.Broken, Message: "its database can't be reached", Interrupted: true}}),
			first: waits},
		"HTTP 502":          {begin: fails(failure{err: &zabbix.Error{Kind: zabbix.Unreachable, Status: 502, Unanswered: true}}), first: waits},
		"a page":            {begin: fails(failure{err: &zabbix.Error{Kind: zabbix.Unreachable, Status: 200, Unanswered: true}, done: true}), first: waits},
		"timeout, done":     {begin: fails(failure{err: errors.New("timeout"), done: true}), first: waits},
		"timeout, not done": {begin: fails(failure{err: errors.New("timeout")}), first: waits},
		"the relay stops between call and answer, done":     {begin: func(w *world) { w.crash, w.lost = 2, true }, first: silent, restart: true},
		"the relay stops between call and answer, not done": {begin: func(w *world) { w.crash = 2 }, first: silent, restart: true},
	}
	for verb, said := range durableVerbs {
		for name, fault := range faults {
			t.Run(string(verb)+"/"+name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := newWorld()
					key, cause := w.problem("main/4711", "noc"), w.problem("main/4712", "noc")
					o := w.zabbixes["main"].events["4711"]
					p := w.find(key)
					switch verb {
					case Unack:
						p.Acknowledged, o.Acknowledged = true, true
					case Unsuppress:
						p.Suppressed, p.Observed, o.Suppressed, o.ByHand = true, true, true, true
					case Cause:
						p.CauseEventID, p.Observed, o.CauseEventID = cause.EventID, true, cause.EventID
					}
					w.put(p)
					r := w.start(t)
					fault.begin(w)
					r.receives("M1", Input{Text: said, Room: "noc", ParentID: "ROOT-main/4711@noc"})
					time.Sleep(10 * time.Second)
					synctest.Wait()
					if fault.first == waits && w.command("M1").State != store.CommandDone {
						require.Len(t, w.answers(), 1)
						require.Contains(t, w.answers()[0], waits)
					}
					time.Sleep(5 * time.Minute)
					if fault.restart {
						r.stop()
						w.crash = -1
						w.dead = make(chan struct{})
						r = w.start(t)
					}
					defer func() { r.stop() }()
					if fault.end != nil {
						fault.end(w)
					}
					time.Sleep(2 * time.Hour)
					synctest.Wait()
					answers := w.answers()
					if fault.expires {
						require.Empty(t, w.calls("main"))
						require.Equal(t, store.CommandExpired, w.command("M1").State)
						require.Contains(t, answers[len(answers)-1], "⌛ Couldn't "+verb.entry().act.infinitive)
						return
					}
					require.Len(t, w.calls("main"), 1, "executed exactly once: %v", answers)
					require.Equal(t, store.CommandDone, w.command("M1").State, "%v", answers)
					require.Contains(t, w.command("M1").Outcome, "✅ "+verb.entry().act.done)
					require.LessOrEqual(t, len(answers), 1, "the thread gets one message: %v", answers)
					if fault.first == waits && len(answers) > 0 {
						require.True(t, strings.HasPrefix(answers[0], "✅"), "the interim reply becomes the final one: %v", answers)
					}
					marks := map[string]bool{}
					for _, u := range w.updates(t) {
						marks[u.Message] = true
					}
					require.Len(t, marks, 1, "journalled")
				})
			})
		}
	}
	// A note acts as a comment; TestHandoverAcrossCrashes tests the handover, which is an assignment after a message of its own.
	for i := range verbs {
		require.True(t, verbs[i].act == nil || verbs[i].name == Note || verbs[i].name == Handover || durableVerbs[verbs[i].name] != "", "%s isn't tested", verbs[i].name)
	}
}

// What Zabbix accepts and does later is looked up, across restarts. If Zabbix doesn't do it within a minute, the reply says so.
func TestAcceptedActsAreVerified(t *testing.T) {
	for verb, said := range map[Verb]string{Close: "close", Suppress: "suppress 3h", Symptom: "symptom of 4712"} {
		for name, c := range map[string]struct{ idle, restart, away, late bool }{
			"done": {}, "not done": {idle: true}, "done, restarted": {restart: true}, "not done, restarted": {idle: true, restart: true},
			"not done, Zabbix away meanwhile": {idle: true, away: true}, "done, Zabbix away meanwhile": {away: true},
			"done soon after Zabbix was away": {idle: true, away: true, late: true},
		} {
			t.Run(string(verb)+"/"+name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := newWorld()
					w.problem("main/4711", "noc")
					w.problem("main/4712", "noc")
					w.zabbixes["main"].idle = c.idle
					r := w.start(t)
					r.receives("M1", Input{Text: said, Room: "noc", ParentID: "ROOT-main/4711@noc"})
					synctest.Wait()
					first := w.answers()
					if verb == Close {
						require.Len(t, first, 1, "the reply doesn't wait")
						require.Contains(t, first[0], "✅ Asked Zabbix to close")
					} else {
						require.Empty(t, first, "the thread shows it")
					}
					require.Equal(t, store.CommandExecuting, w.command("M1").State)
					if c.restart {
						r.stop()
						r = w.start(t)
					}
					defer func() { r.stop() }()
					r.receives("M2", Input{Text: "comment 4712 no command waits for it", Room: "noc"})
					synctest.Wait()
					require.Equal(t, store.CommandDone, w.command("M2").State)
					if c.away {
						w.setDown("main", true)
						time.Sleep(10 * time.Minute)
						synctest.Wait()
						require.Equal(t, store.CommandExecuting, w.command("M1").State)
						w.setDown("main", false)
					}
					if c.late { // after the first look since Zabbix is back: the looks were every half a minute
						time.Sleep(lookLater - 5*time.Second)
						w.mu.Lock()
						w.zabbixes["main"].events["4711"].Resolved = true
						w.mu.Unlock()
					}
					time.Sleep(2 * time.Minute)
					synctest.Wait()
					var said []string
					for _, n := range w.notices() {
						if n.ParentID == "ROOT-main/4711@noc" {
							said = append(said, n.Markdown)
						}
					}
					if !c.idle || c.late {
						require.Equal(t, store.CommandDone, w.command("M1").State)
						require.ElementsMatch(t, first, said)
						return
					}
					require.Equal(t, store.CommandFailed, w.command("M1").State)
					require.Len(t, said, 1)
					require.Contains(t, said[0], "⚠️ Zabbix `main` accepted the request to "+verb.entry().act.infinitive)
					require.Len(t, w.calls("main"), 2, "never repeated")
				})
			})
		}
	}
}

// A source that is removed ends the verification of what it accepted.
func TestVerificationOfARemovedSource(t *testing.T) {
	story(t, func(t *testing.T, w *world, r *relay) {
		w.zabbixes["main"].idle = true
		r.receives("M1", Input{Text: "close 4711", Room: "noc"})
		synctest.Wait()
		r.SetSources(map[string]Zabbix{"lab": w.zabbixes["lab"]})
		synctest.Wait()
		require.Equal(t, store.CommandDone, w.command("M1").State)
		require.Len(t, w.answers(), 1)
		require.Equal(t, alert.StateOpen, w.find(alert.ParseKey("main/4711")).State)
	})
}
