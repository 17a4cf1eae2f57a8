package command

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/lang"
	"nms-alert-relay/internal/lang/langtest"
	"nms-alert-relay/internal/reconcile"
	"nms-alert-relay/internal/render"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/zabbix"
)

var update = flag.Bool("update", false, "write golden files anew")

// Every reply as people see it. The names of problem and person and Zabbix's message contain markup, which must be
// escaped.
func TestReplies(t *testing.T) {
	for l, golden := range map[lang.Lang]string{lang.English: "testdata/answers.golden", lang.German: "testdata/answers.de.golden"} {
		text := everyReply(t, l)
		require.NotContains(t, text, "<@")
		require.NotContains(t, text, "](http")
		require.NotContains(t, text, "**link**")
		if *update {
			require.NoError(t, os.MkdirAll("testdata", 0o755))
			require.NoError(t, os.WriteFile(golden, []byte(text), 0o644))
		}
		want, err := os.ReadFile(golden)
		require.NoError(t, err)
		require.Equal(t, string(want), strings.ReplaceAll(text, "\r", ""))
	}
}

// With each text of the catalogue marked, what is left of a reply are names, times, numbers and commands.
func TestRepliesHaveOnlyDataOutsideOfTheCatalogue(t *testing.T) {
	data := "Nov Dec CET UTC main sw link down all http evil No what alice bob example com operator viewer admin database trouble one two"
	for _, reply := range strings.Split(everyReply(t, lang.Marked), "\n== ") {
		title, reply, _ := strings.Cut(reply, "\n")
		if found := langtest.Outside(reply, data); len(found) > 0 {
			t.Errorf("%s: %v aren't from the catalogue:\n%s", title, found, reply)
		}
	}
}

// everyReply is each reply in a language.
func everyReply(t *testing.T, l lang.Lang) string {
	t.Helper()
	var out bytes.Buffer
	say := func(title, text string) { fmt.Fprintf(&out, "== %s\n%s\n\n", title, text) }
	at := time.Date(2026, 11, 24, 14, 3, 0, 0, time.UTC)
	now := at.Add(25 * time.Hour)
	berlin, err := time.LoadLocation("Europe/Berlin")
	require.NoError(t, err)
	in := func(several bool, zone *time.Location) voice {
		return voice{l, render.Room{Lang: l, Location: zone}, several}
	}
	a := attempt{Key: alert.Key{Source: "main", EventID: "4711"}, Name: "sw1: <@all> **link** down [x](http://evil)"}
	high := alert.High
	for _, v := range []Verb{Ack, Unack, Comment, Close, Severity, Suppress, Unsuppress} {
		r := Request{Verb: v, Severity: &high, Until: at.Add(48 * time.Hour)}
		say("done "+string(v), doneWords(a, r, in(false, time.UTC), now))
		for _, kind := range zabbix.ErrorKinds {
			if v != Ack && kind != zabbix.NoObject && (v != Close || kind != zabbix.CloseForbidden) {
				continue // as for ack
			}
			say(fmt.Sprintf("refused %s %s", v, kind), refused(a, r, &zabbix.Error{Kind: kind, Message: "No `permissions` <@all>!"}, in(false, nil)))
		}
		say("expired "+string(v), expired(a, r, at, in(true, berlin), now))
		say("unknown "+string(v), unknown(a, r, absent, in(true, nil)))
	}
	for _, a := range []attempt{{Key: sourceKey("main"), Does: l.T("start a maintenance of %s", "`db1`")}, {Key: a.Key, Does: l.T("draw the graph of %s", "`4711`")}} {
		v := Graph
		if a.Key.EventID == "" {
			v = Maintenance
		}
		for _, kind := range []zabbix.ErrorKind{zabbix.NotAuthorised, zabbix.RoleForbids, zabbix.NoObject} {
			say(fmt.Sprintf("refused %s %s", v, kind), refused(a, Request{Verb: v}, &zabbix.Error{Kind: kind}, in(false, nil)))
		}
	}
	say("unknown, undone since", unknown(a, Request{Verb: Ack}, contradicted, in(false, nil)))
	say("not known any more", seen{}.refusal(a, in(false, nil)))
	say("event gone", refused(a, Request{Verb: Close}, &zabbix.Error{Kind: zabbix.NoObject}, in(false, nil)))
	for _, err := range []error{&zabbix.Error{Kind: zabbix.Unreachable}, &zabbix.Error{Kind: zabbix.Unreachable, Unanswered: true}, &zabbix.Error{Kind: zabbix.Unreachable, Unanswered: true, Status: 502},
		&zabbix.Error{Kind: zabbix.Broken, Message: "database trouble"}, errors.New("what?")} {
		say("waiting", waiting("main", at, reason(err), now, in(false, berlin)))
	}
	say("closed as gone", closedGone(a, in(false, nil)))
	say("nothing is shown", doubtful(a, reconcile.ShowsNone, in(false, nil)))
	say("no client", noClient(a, in(true, nil)))

	p := alert.Problem{Key: a.Key, Facts: alert.Facts{Name: a.Name}, State: alert.StateOpen, Acknowledged: true, Severity: high}
	say("acknowledged already, by an unknown person", doneEarlier(p, Request{Verb: Ack}, false, in(false, nil), now))
	p.Timeline = []alert.Entry{{Kind: alert.EntryUpdate, Update: &alert.Update{At: at, Actor: alert.Actor{Name: "<@all> Bob"}, Actions: alert.Actions{Ack: true}}}}
	say("acknowledged already", doneEarlier(p, Request{Verb: Ack}, false, in(false, berlin), now))
	say("severity already", doneEarlier(p, Request{Verb: Severity, Severity: &high}, false, in(false, nil), now))
	p.State = alert.StateResolved
	say("resolved already", doneEarlier(p, Request{Verb: Close}, false, in(false, nil), now))
	say("button of a resolved problem", doneEarlier(p, Request{Verb: Ack}, true, in(false, nil), now))
	say("button of a resolved problem, with a comment", doneEarlier(p, Request{Verb: Ack, Text: "x"}, true, in(false, nil), now))
	p.Origin = alert.OriginService
	say("a service", notATrigger(p, in(false, nil)))

	say("no role", noRole(l, false))
	say("no role, direct", noRole(l, true))
	say("role too low", denied(l, Ack, config.RoleViewer, l.T("in this room")))
	say("role too low, direct", denied(l, Ack, config.RoleViewer, l.T("for this problem")))
	say("too fast", tooFast(l, perMinute))
	for _, v := range []Verb{Ack, Comment, Severity, Show} {
		say("which problem "+string(v), whichProblem(l, v, false))
	}
	say("which problem, in a thread of something else", whichProblem(l, Ack, true))
	say("no such problem", noSuchProblem(l, ids("4711", "lab/4712"), Ack, false, false))
	say("no such problem, show, direct", noSuchProblem(l, ids("4711"), Show, true, false))
	say("no such problem, in a thread", noSuchProblem(l, ids("5"), Ack, false, true))
	say("which source", whichSource(l, Ack, "4711", []target{{Key: a.Key, Problem: p}, {Key: alert.Key{Source: "lab", EventID: "4711"}}}))
	say("unknown button", unknownButton().In(l))
	say("a refused press", addressed("Alice Example", denied(l, Ack, config.RoleViewer, l.T("in this room"))))
	say("unsure", unsure(lookup("ack"), "4804-4806", nil, "4804-4806 done").In(l))
	say("unsure, after an id", unsure(lookup("severity"), "4712", ids("main/4711"), "and 4712").In(l))
	say("role too low for one of several", denied(l, Ack, config.RoleViewer, l.T("for %s", nameIn(a.Key, false))))
	say("no match", noMatch(l, l.T("host `%s`", "sw1"), 0)+"\n"+noMatch(l, l.T("host `%s`", "sw1"), 1)+"\n"+noMatch(l, l.T("host `%s`", "sw1"), 17))
	say("all of what", allOfWhat(l, true)+"\n"+allOfWhat(l, false))
	say("given up", givenUp(l, false)+"\n"+givenUp(l, true))
	say("lost", lost(store.Command{CreatedAt: at}, now, in(false, berlin)))
	say("help, viewer", helpText(l, "", config.RoleViewer, false))
	say("help, operator, direct", helpText(l, "", config.RoleOperator, true))
	for _, v := range verbs {
		say("help "+string(v.name), helpText(l, v.name, config.RoleViewer, false))
	}
	say("several outcomes", outcome([]attempt{{Stage: stageDone, Outcome: "✅ one"}, {Stage: stageFailed, Outcome: "🚫 two"}}, false))

	return out.String()
}

// An act in a problem's own thread needs no reply, since the timeline shows it. Everything else gets one.
func TestThreadIsTheReply(t *testing.T) {
	done := attempt{Stage: stageDone, Outcome: "✅ done"}
	own := done
	own.Own = true
	require.Empty(t, outcome([]attempt{own}, false))
	require.Equal(t, "✅ done", outcome([]attempt{done}, false), "outside of the thread")
	require.Equal(t, "✅ done", outcome([]attempt{own}, true), "after an interim reply")
	require.Equal(t, "- ✅ done\n- ✅ done", outcome([]attempt{own, done}, false), "several")
	for _, s := range []stage{stageFailed, stageExpired, stageUnknown} {
		bad := own
		bad.Stage = s
		require.Equal(t, "✅ done", outcome([]attempt{bad}, false), s)
	}
	unshown := own
	unshown.NeedsReply = true
	require.Equal(t, "✅ done", outcome([]attempt{unshown}, false), "the timeline doesn't show it")
}

// A comment that wasn't sent is offered with the id that the person uses.
func TestUnsentCommentNamesID(t *testing.T) {
	p := alert.Problem{Key: alert.Key{Source: "main", EventID: "4711"}, State: alert.StateResolved}
	for _, button := range []bool{true, false} {
		r := Request{Verb: Close, Text: "done"}
		require.Contains(t, doneEarlier(p, r, button, voice{}, time.Time{}), "To send it anyway: `comment 4711 …`.")
		require.Contains(t, doneEarlier(p, r, button, voice{several: true}, time.Time{}), "To send it anyway: `comment main/4711 …`.")
		r.Text = ""
		require.NotContains(t, doneEarlier(p, r, button, voice{several: true}, time.Time{}), "not sent")
	}
}
