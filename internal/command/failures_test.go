package command

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/simulator/memnet"
	"nms-alert-relay/internal/simulator/zabbixsim"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/zabbix"
)

// simulated runs a test with the simulated Zabbix as source main, with an open problem in the room noc.
func simulated(t *testing.T, version string, test func(t *testing.T, w *world, r *relay, z *zabbixsim.Server, id string)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		z, err := zabbixsim.New(zabbixsim.Options{Version: version, Quick: true})
		require.NoError(t, err)
		id := strconv.FormatInt(z.Raise(z.Triggers()[0]), 10)
		w := newWorld()
		w.problem("main/"+id, "noc")
		transport, hangUp := memnet.Serve("zabbix.test:80", z)
		defer hangUp()
		w.clients = map[string]Zabbix{"main": Acting(zabbix.New(zabbix.Options{URL: "http://zabbix.test", Token: zabbixsim.RelayToken, Transport: transport}))}
		r := w.start(t)
		defer r.stop()
		test(t, w, r, z, id)
	})
}

func acksOf(z *zabbixsim.Server, id string) []zabbixsim.Ack {
	n, _ := strconv.ParseInt(id, 10, 64)
	p, _ := z.Problem(n)
	return p.Acks
}

// Only Zabbix's own refusal ends a command. Any other answer delays it: there is an interim reply, and the command
// is executed exactly once when Zabbix works again.
func TestBreakdowns(t *testing.T) {
	const (
		broken  = "is failing"
		another = "answers with something other than its API"
		lost    = "got the request but didn't answer"
		at      = "" // done without a delay
	)
	refused := map[string]string{"refuse-unknown": "Cannot change the moon.”"}
	reply := map[string]string{
		"database-away": broken + ` \(its database can't be reached\)`, "database-away-old": broken + ` \(its database can't be reached\)`,
		"database-charset": broken, "system-error": broken + ` \(it reports an internal error\)`, "internal-error": broken,
		"sql-failed": broken + ` \(its database failed\)`, "sql-failed-code": broken + ` \(its database failed\)`, "no-reason": broken,
		"server-away": broken + ` \(its server isn't running\)`, "unknown-code": broken, "error-in-data": broken,
		"login-page": another + ` \(HTTP 200\)`, "page-502": another + ` \(HTTP 502\)`, "page-500": another, "page-504": another, "page-503": another,
		"page-429": another, "page-401": another + ` \(HTTP 401\)`, "page-403": another, "page-404": another, "page-412": another, "page-413": another,
		"page-414": another, "redirect": another, "php-fatal": another, "other-json": another, "gateway-json": another, "gateway-text": another,
		"list": another, "empty": another, "truncated": another, "wrong-id": another, "wrong-type": another, "null-result": another, "lost-502": another,
		"lost-cut":   lost,
		"php-notice": at, "bom": at, "php-shutdown": at, "text-around": at,
	}
	for _, name := range slices.Sorted(maps.Keys(zabbixsim.Breakdowns())) {
		if strings.Contains(name, ":") || name == "strip-header" || name == "show-nothing" {
			continue // these have tests of their own
		}
		for _, only := range []string{"", "only:event.acknowledge"} {
			t.Run(name+" "+only, func(t *testing.T) {
				simulated(t, "7.0.22", func(t *testing.T, w *world, r *relay, z *zabbixsim.Server, id string) {
					require.NoError(t, z.Break(name))
					if only != "" {
						require.NoError(t, z.Break(only))
					} else if refused[name] != "" {
						return // apiinfo.version needs no permission
					}
					r.receives("M1", Input{Text: "ack on it", Room: "noc", ParentID: "ROOT-main/" + id + "@noc"})
					time.Sleep(20 * time.Second)
					synctest.Wait()
					want, known := reply[name]
					if only == "" && want == lost {
						want = "can't be reached" // the call for the version failed, not the act
					}
					if reason := refused[name]; reason != "" {
						require.Equal(t, store.CommandFailed, w.command("M1").State)
						require.Contains(t, w.answers()[0], reason)
						return
					}
					require.True(t, known, "a breakdown without an expected reply")
					for _, a := range w.answers() {
						for _, no := range []string{"INSERT", "SQL", ".php", "zabbix'@", "hunter2", "secret words", "<"} {
							require.NotContains(t, a, no)
						}
					}
					if want == at {
						require.Equal(t, store.CommandDone, w.command("M1").State)
					} else if done := len(acksOf(z, id)) > 0 && w.command("M1").State == store.CommandDone; !done { // Zabbix's record may have shown it already
						require.Len(t, w.answers(), 1)
						require.Contains(t, w.answers()[0], "⏳ Zabbix `main` "+want)
						require.NotContains(t, []store.CommandState{store.CommandDone, store.CommandFailed}, w.command("M1").State)
					}
					time.Sleep(5 * time.Minute)
					z.Mend()
					time.Sleep(3 * time.Minute)
					synctest.Wait()
					require.Equal(t, store.CommandDone, w.command("M1").State, "%v", w.answers())
					require.Len(t, acksOf(z, id), 1, "the action is recorded exactly once")
					require.Len(t, w.updates(t), 1)
				})
			})
		}
	}
}

// A command expires with a reply if Zabbix fails for too long. The call that asks for the version is never
// mistaken for the act.
func TestFailingUntilExpiry(t *testing.T) {
	for name, reply := range map[string]string{
		"database-away": "⌛ Couldn't acknowledge", "page-502": "⌛ Couldn't acknowledge", "login-page": "⌛ Couldn't acknowledge",
		"sql-failed": "⌛ Couldn't acknowledge", "page-429": "⌛ Couldn't acknowledge", "lost-cut": "⌛ Couldn't acknowledge",
	} {
		t.Run(name, func(t *testing.T) {
			simulated(t, "7.0.22", func(t *testing.T, w *world, r *relay, z *zabbixsim.Server, id string) {
				require.NoError(t, z.Break(name))
				r.receives("M1", Input{Text: "ack on it", Room: "noc", ParentID: "ROOT-main/" + id + "@noc"})
				time.Sleep(2 * time.Minute)
				synctest.Wait()
				require.NotContains(t, w.answers()[0], "got the request")
				time.Sleep(time.Hour)
				synctest.Wait()
				require.Zero(t, z.Calls()["event.acknowledge"], "the version is unknown: no other call was made")
				require.Len(t, w.answers(), 2)
				require.Contains(t, w.answers()[1], reply)
				require.Contains(t, w.answers()[1], "so I gave up")
				require.Equal(t, store.CommandExpired, w.command("M1").State)
			})
		})
	}
}

// Retry-After of a proxy is honoured.
func TestRetryAfter(t *testing.T) {
	simulated(t, "7.0.22", func(t *testing.T, w *world, r *relay, z *zabbixsim.Server, id string) {
		require.NoError(t, z.Break("page-429")) // in 90 s
		r.receives("M1", Input{Text: "ack on it", Room: "noc", ParentID: "ROOT-main/" + id + "@noc"})
		time.Sleep(30 * time.Second)
		r.receives("M2", Input{Text: "comment " + id + " more", Room: "noc"}) // it doesn't shorten the wait
		time.Sleep(55 * time.Second)
		synctest.Wait()
		require.Equal(t, 1, z.Calls()["apiinfo.version"])
		z.Mend()
		time.Sleep(10 * time.Second)
		synctest.Wait()
		require.Len(t, acksOf(z, id), 2)
	})
}

// An act is executed once and keeps the person's name, however the database changes wide characters and long texts, and even if
// the answer is lost.
func TestDatabaseChangesText(t *testing.T) {
	people := map[string]Person{"alice": alice, "a name with an emoji": {ID: "PERSON-alice", Name: "Alice 🚀", Email: "alice@example.com"}}
	words := map[string]string{"an emoji": "done 👍 all fine", "only emoji": "👍👍", "a long text": strings.Repeat("wörter und mehr ", 30), "plain": "on it", "an emoji first": "🔥 two\nlines"}
	for _, kind := range []string{"", "text:question", "text:questions", "text:cut", "text:strict", "text:short", "text:trimmed", "text:crlf"} {
		for _, lost := range []string{"", "lost-502", "lost-cut"} {
			for who, person := range people {
				for what, text := range words {
					t.Run(strings.Join([]string{kind, lost, who, what}, "/"), func(t *testing.T) {
						simulated(t, "7.0.22", func(t *testing.T, w *world, r *relay, z *zabbixsim.Server, id string) {
							if kind != "" {
								require.NoError(t, z.Break(kind))
							}
							if lost != "" {
								require.NoError(t, z.Break("only:event.acknowledge"))
								require.NoError(t, z.Break(lost))
							}
							r.receives("M1", Input{Person: person, Text: "comment " + text, Room: "noc", ParentID: "ROOT-main/" + id + "@noc"})
							time.Sleep(time.Minute)
							synctest.Wait()
							acks := acksOf(z, id)
							require.Len(t, acks, 1, "%v", w.answers())
							require.True(t, strings.HasPrefix(acks[0].Message, "Alice"), acks[0].Message)
							require.Contains(t, acks[0].Message, "<alice@example.com>")
							require.Equal(t, store.CommandDone, w.command("M1").State)
							require.Len(t, w.updates(t), 1)
							require.Equal(t, strings.TrimSpace(text), w.updates(t)[0].Comment, "the room has the words as they were said")
							require.True(t, alert.SameMessage(w.updates(t)[0].Message, acks[0].Message), "recognised when Zabbix sends it back")
							if kind == "text:strict" && what == "an emoji" && lost == "" {
								require.True(t, strings.HasSuffix(acks[0].Message, ": done all fine"), acks[0].Message)
								require.Empty(t, w.answers(), "no interim reply")
							}
						})
					})
				}
			}
		}
	}
}

// Only an explicit close closes a problem that Zabbix no longer has.
func TestCloseGone(t *testing.T) {
	for name, c := range map[string]struct {
		text    string
		others  bool // a second open problem that Zabbix still has
		prepare func(t *testing.T, z *zabbixsim.Server, id int64)
		gone    bool
		reply   string
	}{
		"close, deleted": {"close", true, func(_ *testing.T, z *zabbixsim.Server, id int64) { z.Delete(id) }, true, "I closed it here as gone from Zabbix"},
		"close, trigger deleted, 6.0 keeps the event": {"close", true, func(_ *testing.T, z *zabbixsim.Server, id int64) { z.DeleteTrigger(id) }, true, "I closed it here as gone from Zabbix"},
		"close with words":                            {"close cable replaced", true, func(_ *testing.T, z *zabbixsim.Server, id int64) { z.Delete(id) }, true, "I closed it here"},
		"close, deleted, the only open one": {"close", false, func(_ *testing.T, z *zabbixsim.Server, id int64) {
			z.Delete(id)
			z.Resolve(z.Raise(z.Triggers()[1]))
		}, true, "I closed it here"},
		"close, Zabbix is empty": {"close", false, func(_ *testing.T, z *zabbixsim.Server, id int64) { z.Delete(id) }, false, "shows the relay's user no event at all"},
		"close, Zabbix shows nothing, the only one": {"close", false, func(t *testing.T, z *zabbixsim.Server, _ int64) {
			require.NoError(t, z.Break("show-nothing"))
		}, false, "shows the relay's user no event at all. I changed nothing"},
		"close, deleted, later ones only": {"close", true, func(_ *testing.T, z *zabbixsim.Server, id int64) {
			z.Delete(id)
			z.Delete(id + 1)
			z.Raise(z.Triggers()[1])
		}, true, "I closed it here"},
		"close, deleted, another one fails": {"close", true, func(t *testing.T, z *zabbixsim.Server, id int64) {
			z.Delete(id)
			require.NoError(t, z.Break("fail-event:4702"))
		}, true, "I closed it here"},
		"close, deleted, its own fails": {"close", true, func(t *testing.T, z *zabbixsim.Server, id int64) {
			z.Delete(id)
			require.NoError(t, z.Break("fail-event:4701"))
			require.NoError(t, z.Break("only:event.get"))
		}, false, "⏳"},
		"ack, deleted":                {"ack", true, func(_ *testing.T, z *zabbixsim.Server, id int64) { z.Delete(id) }, false, "If its trigger was deleted, `close main/4701` closes it here."},
		"comment, deleted":            {"comment x", true, func(_ *testing.T, z *zabbixsim.Server, id int64) { z.Delete(id) }, false, "`close main/4701` closes it here."},
		"severity, deleted":           {"severity high", true, func(_ *testing.T, z *zabbixsim.Server, id int64) { z.Delete(id) }, false, "`close main/4701` closes it here."},
		"close, Zabbix shows nothing": {"close", true, func(t *testing.T, z *zabbixsim.Server, _ int64) { require.NoError(t, z.Break("show-nothing")) }, false, "shows the relay's user no event at all"},
		"close, the database is away": {"close", true, func(t *testing.T, z *zabbixsim.Server, id int64) {
			z.Delete(id)
			require.NoError(t, z.Break("database-away"))
		}, false, "⏳"},
		"close, a page for everything": {"close", true, func(t *testing.T, z *zabbixsim.Server, id int64) {
			z.Delete(id)
			require.NoError(t, z.Break("login-page"))
		}, false, "⏳"},
		"close, event.get fails": {"close", true, func(t *testing.T, z *zabbixsim.Server, id int64) {
			z.Delete(id)
			require.NoError(t, z.Break("only:event.get"))
			require.NoError(t, z.Break("page-500"))
		}, false, "⏳"},
		"close, event.get is forbidden": {"close", true, func(t *testing.T, z *zabbixsim.Server, id int64) {
			z.Delete(id)
			require.NoError(t, z.Break("forbid:event.get"))
		}, false, "event not found in Zabbix"},
		"close, no permission to close it": {"close", true, func(t *testing.T, z *zabbixsim.Server, _ int64) { z.LimitRelay() }, false, "no write permission"},
		"close, nothing for everything":    {"close", false, func(t *testing.T, z *zabbixsim.Server, _ int64) { require.NoError(t, z.Break("list")) }, false, "⏳"},
	} {
		t.Run(name, func(t *testing.T) {
			version := "7.0.22"
			if strings.Contains(name, "6.0") {
				version = "6.0.14"
			}
			simulated(t, version, func(t *testing.T, w *world, r *relay, z *zabbixsim.Server, id string) {
				if c.others {
					w.problem("main/"+strconv.FormatInt(z.Raise(z.Triggers()[1]), 10), "noc")
				} else {
					for _, k := range w.keys() {
						if k.EventID != id && k.Source == "main" {
							w.put(alert.Problem{Key: k, State: alert.StateResolved})
						}
					}
					later := time.Now().Add(time.Hour)
					_, err := w.Prune(t.Context(), later, later, later, 0)
					require.NoError(t, err)
				}
				c.prepare(t, z, 4701)
				r.receives("M1", Input{Text: c.text, Room: "noc", ParentID: "ROOT-main/" + id + "@noc"})
				time.Sleep(10 * time.Second)
				synctest.Wait()
				require.Len(t, w.answers(), 1)
				require.Contains(t, w.answers()[0], c.reply)
				seen := w.observations(t)
				if !c.gone {
					time.Sleep(2 * time.Hour)
					synctest.Wait()
					require.Empty(t, w.observations(t))
					return
				}
				require.Equal(t, []string{id}, slices.Collect(maps.Keys(seen)))
				require.True(t, seen[id].Gone)
				require.WithinDuration(t, time.Now(), seen[id].At, time.Minute)
				require.Equal(t, store.CommandDone, w.command("M1").State)
			})
		})
	}
}

// A call that ended with an internal error was rolled back: the command expires, and isn't uncertain.
func TestInternalErrorsUntilExpiry(t *testing.T) {
	for _, name := range []string{"system-error", "sql-failed", "internal-error"} {
		t.Run(name, func(t *testing.T) {
			simulated(t, "7.0.22", func(t *testing.T, w *world, r *relay, z *zabbixsim.Server, id string) {
				r.receives("M0", Input{Text: "comment first", Room: "noc", ParentID: "ROOT-main/" + id + "@noc"}) // the version is known then
				synctest.Wait()
				require.NoError(t, z.Break(name))
				r.receives("M1", Input{Text: "ack on it", Room: "noc", ParentID: "ROOT-main/" + id + "@noc"})
				time.Sleep(2 * time.Hour)
				synctest.Wait()
				require.Positive(t, z.Calls()["event.acknowledge"])
				require.Equal(t, store.CommandExpired, w.command("M1").State)
				answers := w.answers()
				require.Contains(t, answers[len(answers)-1], "gave up")
				require.Len(t, acksOf(z, id), 1, "the first")
			})
		})
	}
}

// If the answer to a close is lost and Zabbix no longer shows the event, the close is repeated: only a refusal
// closes the problem as gone.
func TestCloseGoneAfterLostAnswer(t *testing.T) {
	simulated(t, "7.0.22", func(t *testing.T, w *world, r *relay, z *zabbixsim.Server, id string) {
		w.problem("main/"+strconv.FormatInt(z.Raise(z.Triggers()[1]), 10), "noc")
		z.Delete(4701)
		require.NoError(t, z.Break("only:event.acknowledge"))
		require.NoError(t, z.Break("lost-502"))
		r.receives("M1", Input{Text: "close", Room: "noc", ParentID: "ROOT-main/" + id + "@noc"})
		time.Sleep(settleTime + 10*time.Second)
		synctest.Wait()
		require.Empty(t, w.observations(t))
		require.Contains(t, w.answers()[0], "⏳")
		z.Mend()
		time.Sleep(settleTime + time.Minute)
		synctest.Wait()
		require.True(t, w.observations(t)[id].Gone)
		require.Equal(t, store.CommandDone, w.command("M1").State)
	})
}
