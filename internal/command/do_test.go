package command

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/action"
	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/payload"
	"nms-alert-relay/internal/store"
)

// endpoint is what actions call.
type endpoint struct {
	w *world

	mu      sync.Mutex
	got     []posted
	answers []func() (*http.Response, error) // of the next requests; then 200
	said    string                           // in a 200
	wait    chan struct{}                    // a request waits for it, if it isn't nil
	poison  string                           // requests about this problem fail
}

type posted struct {
	action, id string
	body       payload.Data
	raw        string
}

func (e *endpoint) RoundTrip(r *http.Request) (*http.Response, error) {
	raw, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	e.mu.Lock()
	wait := e.wait
	e.mu.Unlock()
	if wait != nil && strings.HasSuffix(r.URL.Path, "/ticket") {
		<-wait
	}
	p := posted{action: strings.TrimPrefix(r.URL.Path, "/"), id: r.Header.Get(action.HeaderID), raw: string(raw)}
	if err := json.Unmarshal(raw, &p.body); err != nil {
		return nil, err
	}
	crashed := e.w.effect(func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.got = append(e.got, p)
	})
	if crashed != nil {
		return nil, io.ErrUnexpectedEOF
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if p.body.Problem.ID == e.poison {
		return answers(http.StatusInternalServerError, "", "")()
	}
	if len(e.answers) > 0 {
		next := e.answers[0]
		e.answers = e.answers[1:]
		return next()
	}
	return answers(http.StatusOK, e.said, "")()
}

func answers(status int, body, retryAfter string) func() (*http.Response, error) {
	return func() (*http.Response, error) {
		h := http.Header{}
		if retryAfter != "" {
			h.Set("Retry-After", retryAfter)
		}
		return &http.Response{StatusCode: status, Header: h, Body: io.NopCloser(strings.NewReader(body))}, nil
	}
}

// away fails like an endpoint that doesn't listen.
func away() (*http.Response, error) {
	return nil, &net.OpError{Op: "dial", Err: errors.New("connection refused")}
}

// mute gets the request and doesn't answer.
func mute() (*http.Response, error) { return nil, context.DeadlineExceeded }

// times makes an endpoint answer so, that often.
func (e *endpoint) times(n int, answer func() (*http.Response, error)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.answers = nil
	for range n {
		e.answers = append(e.answers, answer)
	}
}

func (e *endpoint) says(body string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.said = body
}

func (e *endpoint) requests() []posted {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.got)
}

// ids are those of the requests, without repetitions: what an endpoint does that recognises them.
func (e *endpoint) ids() (ids []string) {
	for _, p := range e.requests() {
		if !slices.Contains(ids, p.id) {
			ids = append(ids, p.id)
		}
	}
	return ids
}

const endpointURL = "https://tickets.example.com/"

func severe(t *testing.T) config.SeverityMatch {
	m, err := config.ParseSeverityMatch(">=high")
	require.NoError(t, err)
	return m
}

// withActions gives a world actions and their endpoint.
func withActions(t *testing.T, w *world) *endpoint {
	e := &endpoint{w: w, said: `{"message": "Ticket 17 opened", "url": "https://tickets.example.com/17"}`}
	for _, c := range []config.Action{
		{Name: "ticket", Title: "Open ticket", Role: config.RoleOperator, Button: true},
		{Name: "restart", Title: "restart", Role: config.RoleAdmin, Approval: true},
		{Name: "once", Title: "once", Role: config.RoleOperator, Once: true, Match: config.ProblemMatch{Sources: []string{"main"}}},
		{Name: "page", Title: "page", Role: config.RoleOperator, Match: config.ProblemMatch{Severity: severe(t)}},
	} {
		c.URL, c.Method, c.ContentType, c.HTTP.Timeout = endpointURL+c.Name, http.MethodPost, payload.DefaultType, config.Duration(10*time.Second)
		a, err := action.New(c, action.Options{Transport: e})
		require.NoError(t, err)
		w.actions = append(w.actions, a)
	}
	return e
}

// doing runs a test with actions in a maintained world.
func doing(t *testing.T, test func(t *testing.T, w *world, e *endpoint, r *relay, say func(Person, string) string)) {
	t.Helper()
	var e *endpoint
	maintainedWith(t, func(w *world) {
		e = withActions(t, w)
		w.people = append(w.people, config.Person{Email: carol.Email, Role: config.RoleViewer})
	}, func(t *testing.T, w *world, r *relay, say func(Person, string) string) {
		test(t, w, e, r, say)
	})
}

func pressed(action, comment string) Input {
	return Input{Button: &Button{Action: "do", Value: action, Key: "main/4711", Comment: comment, MessageID: "CARD-main/4711@noc"}, Room: "noc"}
}

var carol = Person{ID: "P-carol", Email: "carol@example.com"}

func TestParseDo(t *testing.T) {
	n := Names{Sources: map[string]string{"main": ""}}
	key := func(id string) alert.Key { return alert.ParseKey(id) }
	for said, want := range map[string]Request{
		"do":                           {Task: &Task{}},
		"do ticket":                    {Task: &Task{Action: "ticket"}},
		"do: `ticket`!":                {Task: &Task{Action: "ticket"}},
		"Do ticket 4711":               {Task: &Task{Action: "ticket"}, Refs: []alert.Key{key("4711")}},
		"do ticket main/4711, 4712":    {Task: &Task{Action: "ticket"}, Refs: []alert.Key{key("main/4711"), key("4712")}},
		"do 4711 ticket":               {Task: &Task{Action: "ticket"}, Refs: []alert.Key{key("4711")}},
		"do ticket: customers are out": {Task: &Task{Action: "ticket"}, Text: "customers are out"},
		"do ticket 4711: look at it":   {Task: &Task{Action: "ticket"}, Refs: []alert.Key{key("4711")}, Text: "look at it"},
		"do ticket 4711 -- 4712 too":   {Task: &Task{Action: "ticket"}, Refs: []alert.Key{key("4711")}, Text: "4712 too"},
	} {
		r, q := n.Parse(said)
		require.Nil(t, q, "%q: %v", said, q)
		want.Verb, r.Suspects = Do, nil
		require.Equal(t, want, r, "%q", said)
	}
	for _, said := range []string{"do restart sw2", "do ticket 4711 please", "do ticket 4711x", "do ticket 4711-4715", "do ticket: 4712", "do ticket --now"} {
		_, q := n.Parse(said)
		require.NotNil(t, q, "%q", said)
		require.Contains(t, q.Error(), "did nothing", said)
	}
}

// An action is done for the thread's problem, for one by its id, and by the card's button. The endpoint gets the problem and who asked;
// the thread gets its answer, as harmless text.
func TestDo(t *testing.T) {
	doing(t, func(t *testing.T, w *world, e *endpoint, r *relay, say func(Person, string) string) {
		require.Equal(t, "✅ Did `ticket` for `main/4711` problem 4711: Ticket 17 opened · [tickets.example.com](https://tickets.example.com/17)", say(alice, inThread+"do Ticket: it's <b>bad</b>"))
		require.Equal(t, "ROOT-main/4711@noc", w.notices()[0].ParentID)
		got := e.requests()[0]
		require.Equal(t, action.ID("M1", alert.ParseKey("main/4711")), got.id)
		require.Equal(t, got.id, got.body.ID)
		require.Equal(t, "ticket", got.body.Action)
		require.Equal(t, payload.Person{Name: alice.Name, Email: alice.Email}, got.body.Person)
		require.Nil(t, got.body.Approver)
		require.Equal(t, "it's <b>bad</b>", got.body.Comment)
		require.Equal(t, "noc", got.body.Room)
		require.Equal(t, "main/4711", got.body.Problem.ID)
		require.Equal(t, "average", got.body.Problem.Severity)
		require.Equal(t, []payload.Host{{Host: "sw1", Name: "Core 1"}}, got.body.Problem.Hosts)
		require.Equal(t, "https://zabbix.example.com/zabbix.php?action=problem.view", got.body.Problem.URL)

		e.says(`{"message": "<@all> [x](javascript:1) *y*\u202e` + strings.Repeat("long ", 500) + `", "url": "javascript:alert(1)"}`)
		said := say(alice, "do ticket 4711: again")
		require.NotContains(t, said, "<@all>")
		require.NotContains(t, said, "](")
		require.NotContains(t, said, "\u202e")
		require.Less(t, len(said), 1500)

		e.says(`<html><style>x</style><h1>Created</h1></html>`)
		before := len(w.answers())
		r.receives("A1", pressed("ticket", "by the button"))
		synctest.Wait()
		require.Equal(t, []string{"✅ " + actorName("", alert.Actor{Name: alice.Name, Email: alice.Email}) + ": Did `ticket` for `main/4711` problem 4711: Created"}, w.answers()[before:])
		require.Equal(t, "by the button", e.requests()[2].body.Comment)
		require.Equal(t, "pressed do ticket on main/4711: by the button", w.command("A1").Text)
		require.Equal(t, []string{"main/4711"}, w.command("A1").Keys)
		require.Len(t, e.ids(), 3)

		require.Equal(t, "Actions that you may do here:\n\n- `do ticket`: Open ticket\n- `do once`", say(alice, inThread+"do"), "page is for severe problems, restart for admins")
		require.Contains(t, say(alice, "do"), "- `do ticket ID`: Open ticket\n- `do once ID`\n- `do page ID`")
		require.Contains(t, say(alice, "help do"), "- `do ticket ID`: Open ticket")
		require.Contains(t, say(carol, "do"), "no action that you may do here")
		require.Contains(t, say(ann, "audit"), "`do Ticket: it's")
	})
}

// A target is never guessed, and nobody does what their role or the action's conditions don't allow.
func TestDoRefusals(t *testing.T) {
	for _, c := range []struct {
		person     Person
		said, want string
	}{
		{alice, inThread + "do restart", "needs the role **admin**"},
		{carol, inThread + "do ticket", "needs the role **operator**"},
		{alice, "do ticket", "For which problem?"},
		{alice, "do ticket 9999", "Unknown in this room"},
		{alice, inThread + "do tickt", "Did you mean `do ticket`?"},
		{alice, inThread + "do frobnicate", "I don't know the action `frobnicate`"},
		{alice, inThread + "do page", "isn't for `main/4711`"},
		{alice, "do ticket 4711 5001 5002 5003 5004 5005", "more than 5 problems"},
	} {
		doing(t, func(t *testing.T, w *world, e *endpoint, _ *relay, say func(Person, string) string) {
			for i := range 5 {
				w.problem(fmt.Sprintf("main/%d", 5001+i), "noc")
			}
			require.Contains(t, say(c.person, c.said), c.want, c.said)
			require.Empty(t, e.requests(), c.said)
		})
	}
	doing(t, func(t *testing.T, w *world, e *endpoint, r *relay, _ func(Person, string) string) {
		p := w.find(alert.ParseKey("main/4711"))
		p.State = alert.StateResolved
		w.put(p)
		r.receives("A1", pressed("ticket", ""))
		r.receives("A2", pressed("", ""))
		synctest.Wait()
		require.Contains(t, w.answers()[0], "is already resolved")
		require.Contains(t, w.answers()[1], "I don't know this button")
		require.Empty(t, e.requests())
	})
}

// Several problems are several requests, each with its own id.
func TestDoSeveral(t *testing.T) {
	doing(t, func(t *testing.T, w *world, e *endpoint, _ *relay, say func(Person, string) string) {
		w.problem("main/4712", "noc")
		said := say(alice, "do ticket 4711 4712")
		require.Contains(t, said, "- ✅ Did `ticket` for `main/4711`")
		require.Contains(t, said, "- ✅ Did `ticket` for `main/4712`")
		require.Len(t, e.ids(), 2)
	})
}

// An action with approval is done once, after a second person with the role approved it.
func TestDoApproval(t *testing.T) {
	doing(t, func(t *testing.T, w *world, e *endpoint, r *relay, say func(Person, string) string) {
		press := func(id string, p Person) string {
			before := len(w.answers())
			r.receives(id, Input{Button: &Button{Action: buttonConfirm, Key: "M1", MessageID: "Q"}, Room: "noc", Person: p})
			synctest.Wait()
			return strings.Join(w.answers()[before:], "\n")
		}
		require.Contains(t, say(ann, inThread+"do restart: now"), "❔ Ann &lt;Admin&gt; wants to do `restart` for `main/4711` problem 4711.")
		require.NotEmpty(t, w.notices()[0].Card)
		require.Empty(t, say(ann, inThread+"do restart: now"), "the same question isn't asked twice")
		require.Contains(t, press("A1", ann), "A second person must approve this")
		require.Contains(t, press("A2", alice), "needs the role **admin**")
		require.Empty(t, e.requests())
		require.Contains(t, press("A3", bob), "Did `restart` for `main/4711` problem 4711, asked for by Ann &lt;Admin&gt;: Ticket 17 opened")
		require.Contains(t, press("A4", bob)+press("A5", bob), "confirmed already")
		require.Len(t, e.requests(), 1)
		got := e.requests()[0].body
		require.Equal(t, ann.Email, got.Person.Email)
		require.Equal(t, bob.Email, got.Approver.Email)
		require.Equal(t, "now", got.Comment)
	})
	doing(t, func(t *testing.T, w *world, e *endpoint, r *relay, say func(Person, string) string) {
		say(ann, inThread+"do restart")
		require.Contains(t, say(bob, inThread+"approve"), "Did `restart`")
		require.Len(t, e.requests(), 1)
		before := len(w.answers())
		r.receives("D1", Input{Text: "do restart 4711", Direct: true, Person: ann})
		synctest.Wait()
		require.Contains(t, w.answers()[before], "ask for it in a room")
	})
}

// Who asked for an approval must still have the role when a second person gives it: for an action and for a script.
func TestApprovalAsksTheAskersRoleAgain(t *testing.T) {
	for _, said := range []string{"do restart", "run restart"} {
		for _, keeps := range []bool{true, false} {
			t.Run(fmt.Sprint(said, keeps), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := adminWorld()
					e := withActions(t, w)
					r := w.start(t)
					r.receives("M1", Input{Text: said, Room: "noc", ParentID: "ROOT-main/4711@noc", Person: ann})
					synctest.Wait()
					require.Contains(t, w.answers()[0], "A second person")
					r.stop()
					if !keeps {
						w.people = slices.DeleteFunc(slices.Clone(w.people), func(p config.Person) bool { return p.Email == ann.Email })
					}
					r = w.start(t)
					defer r.stop()
					r.receives("A1", Input{Button: &Button{Action: buttonConfirm, Key: "M1", MessageID: "Q"}, Room: "noc", Person: bob})
					synctest.Wait()
					require.Equal(t, keeps, len(e.requests())+len(w.zabbixes["main"].ran()) == 1, w.answers())
					if !keeps {
						require.Contains(t, w.answers()[1], "Ann &lt;Admin&gt; asked for this and doesn't have the role for it any more")
						require.Equal(t, store.CommandDenied, w.command("A1").State)
					}
				})
			})
		}
	}
}

// Whatever goes wrong at the endpoint, an action is done with one id, or given up, and the thread has one message that says so.
func TestDoWaits(t *testing.T) {
	for name, c := range map[string]struct {
		answer   func() (*http.Response, error)
		times    int
		waits    string // "" for none
		restart  bool
		ends     string
		state    store.CommandState
		requests int // at least
		within   time.Duration
	}{
		"away, then back":    {away, 3, "can't be reached. I'll do it as soon as it answers", false, "✅ Did", store.CommandDone, 4, time.Minute},
		"away, restarted":    {away, 3, "can't be reached", true, "✅ Did", store.CommandDone, 4, time.Minute},
		"failing":            {answers(503, "busy", ""), 2, "is failing (HTTP 503)", false, "✅ Did", store.CommandDone, 3, time.Minute},
		"failing, restarted": {answers(502, "<html>Bad gateway", ""), 2, "is failing (HTTP 502)", true, "✅ Did", store.CommandDone, 3, time.Minute},
		"too many":           {answers(429, "", "120"), 1, "is failing (HTTP 429)", false, "✅ Did", store.CommandDone, 2, 4 * time.Minute},
		"no answer":          {mute, 2, "got the request but didn't answer", false, "✅ Did", store.CommandDone, 3, time.Minute},
		"away for too long":  {away, 1000, "can't be reached", false, "⌛ Couldn't do `ticket`", store.CommandExpired, 10, 2 * time.Hour},
		"failing forever":    {answers(500, "", ""), 1000, "is failing (HTTP 500)", false, "❓ I don't know whether I could do `ticket`", store.CommandFailed, 10, 2 * time.Hour},
		"refused":            {answers(422, `{"message": "no such <@all> queue"}`, ""), 1, "", false, "❌ Couldn't do `ticket` for `main/4711` problem 4711: its endpoint `tickets.example.com` refused (HTTP 422). It says: “no such &lt;", store.CommandFailed, 1, time.Minute},
		"a redirect":         {answers(302, "", ""), 1, "", false, "It redirects, which isn't followed", store.CommandFailed, 1, time.Minute},
		"a wrong token":      {answers(401, "", ""), 1, "", false, "token or secret may be wrong", store.CommandFailed, 1, time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := adminWorld()
				e := withActions(t, w)
				e.times(c.times, c.answer)
				r := w.start(t)
				r.receives("M1", Input{Text: "do ticket", Room: "noc", ParentID: "ROOT-main/4711@noc", Person: alice})
				synctest.Wait()
				if c.waits != "" {
					require.Len(t, w.answers(), 1)
					require.Contains(t, w.answers()[0], "⏳ Not done yet: the endpoint of `ticket`, `tickets.example.com`, ")
					require.Contains(t, w.answers()[0], c.waits)
				}
				if c.restart {
					time.Sleep(time.Second)
					r.stop()
					p := w.find(alert.ParseKey("main/4711")) // it changes meanwhile; the request doesn't
					p.Severity = alert.Disaster
					w.put(p)
					r = w.start(t)
				}
				defer func() { r.stop() }()
				time.Sleep(c.within)
				synctest.Wait()
				all := w.answers()
				if c.state == store.CommandDone {
					require.Len(t, all, 1, "the interim reply becomes the final one")
				}
				require.LessOrEqual(t, len(all), 2)
				require.Contains(t, all[len(all)-1], c.ends)
				require.Equal(t, c.state, w.command("M1").State)
				got := e.requests()
				require.GreaterOrEqual(t, len(got), c.requests)
				require.Len(t, e.ids(), 1)
				for _, p := range got {
					require.Equal(t, got[0].raw, p.raw, "each try has the same body")
				}
				require.NotContains(t, string(w.command("M1").Detail), "requested_at", "the body isn't kept")
				require.NotContains(t, all[len(all)-1], "<@")
			})
		})
	}
}

// Wherever the relay crashes, the endpoint gets one id, and the person one answer.
func TestDoAcrossCrashes(t *testing.T) {
	var e *endpoint
	acrossCrashes(t, 8, Input{Text: "do ticket", Room: "noc", ParentID: "ROOT-main/4711@noc", Person: alice}, func(t *testing.T, w *world) { e = withActions(t, w) }, func(t *testing.T, w *world, what string) {
		require.Len(t, e.ids(), 1, what)
		require.Equal(t, store.CommandDone, w.command("M1").State, what)
		require.Len(t, w.answers(), 1, what)
		require.Contains(t, w.answers()[0], "✅ Did `ticket`", what)
	})
}

// A role that is lost, a problem that is another one and an action that is removed while a command waits: nothing more is sent.
func TestDoOvertaken(t *testing.T) {
	for name, c := range map[string]struct {
		answer  func() (*http.Response, error)
		happens func(w *world, r *relay)
		want    string
	}{
		"no role any more": {away, func(w *world, _ *relay) {
			w.people = []config.Person{{Email: "alice@example.com", Role: config.RoleViewer}}
		}, "🚫 Didn't do `ticket`"},
		"no role any more, maybe done": {mute, func(w *world, _ *relay) {
			w.people = []config.Person{{Email: "alice@example.com", Role: config.RoleViewer}}
		}, "❓ I don't know whether I could do `ticket`"},
		"another problem": {away, func(w *world, _ *relay) {
			p := w.find(alert.ParseKey("main/4711"))
			p.Generation++
			w.put(p)
		}, "🚫 `main/4711` problem 4711 is gone from Zabbix, and its event id is another problem's now. Nothing was done."},
		"another problem, maybe done": {mute, func(w *world, _ *relay) {
			p := w.find(alert.ParseKey("main/4711"))
			p.Generation++
			w.put(p)
		}, "❓ I don't know whether I could do `ticket`"},
		"unreadable":             {away, func(w *world, _ *relay) { w.unread.Store(alert.ParseKey("main/4711"), true) }, "can't read"},
		"unreadable, maybe done": {mute, func(w *world, _ *relay) { w.unread.Store(alert.ParseKey("main/4711"), true) }, "❓ I don't know whether I could do `ticket`"},
		"needs an approval": {away, func(w *world, _ *relay) {
			ticket := *w.actions[0]
			ticket.Approval = true
			w.actions = []*action.Action{&ticket}
		}, "🚫 Didn't do `ticket` for `main/4711` problem 4711: the action needs the approval of a second person now"},
		"left out": {away, func(w *world, _ *relay) {
			page := *w.actions[3]
			page.Name = "ticket"
			w.actions = []*action.Action{&page}
		}, "🚫 Didn't do `ticket` for `main/4711` problem 4711: the conditions of the action"},
		"removed":             {away, func(w *world, _ *relay) { w.actions = nil }, "🚫 Couldn't do `ticket` for `main/4711` problem 4711: the action isn't configured any more"},
		"removed, maybe done": {mute, func(w *world, _ *relay) { w.actions = nil }, "❓ I don't know whether I could do `ticket`"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := adminWorld()
				e := withActions(t, w)
				e.times(1000, c.answer)
				r := w.start(t)
				r.receives("M1", Input{Text: "do ticket", Room: "noc", ParentID: "ROOT-main/4711@noc", Person: alice})
				time.Sleep(10 * time.Second)
				r.stop()
				c.happens(w, r)
				before := len(e.requests())
				r = w.start(t)
				defer r.stop()
				time.Sleep(10 * time.Minute)
				synctest.Wait()
				require.Len(t, e.requests(), before)
				require.Equal(t, store.CommandFailed, w.command("M1").State)
				require.Contains(t, w.answers()[1], c.want)
			})
		})
	}
	// While the relay runs.
	doing(t, func(t *testing.T, w *world, e *endpoint, r *relay, say func(Person, string) string) {
		e.times(1000, away)
		require.Contains(t, say(alice, inThread+"do ticket"), "⏳")
		w.setActions(nil)
		r.SetSources(map[string]Zabbix{"main": w.zabbixes["main"]})
		synctest.Wait()
		require.Contains(t, w.answers()[1], "isn't configured any more")
	})
}

// An endpoint that doesn't answer delays no other action and no command, and a request that fails there again and again delays no other request.
func TestActionsHaveTheirOwnLanes(t *testing.T) {
	doing(t, func(t *testing.T, w *world, e *endpoint, _ *relay, say func(Person, string) string) {
		p := w.find(alert.ParseKey("main/4711"))
		p.Severity = alert.High
		w.put(p)
		slow := make(chan struct{})
		e.mu.Lock()
		e.wait = slow
		e.mu.Unlock()
		require.Empty(t, say(alice, inThread+"do ticket"))
		require.Contains(t, say(alice, inThread+"do page"), "✅ Did `page`")
		say(alice, "ack 4711")
		require.Len(t, w.calls("main"), 1)
		close(slow)
		synctest.Wait()
		require.Contains(t, strings.Join(w.answers(), "\n"), "✅ Did `ticket`")
	})
	doing(t, func(t *testing.T, w *world, e *endpoint, _ *relay, say func(Person, string) string) {
		w.problem("main/4712", "noc")
		poisoned := func(key string) {
			e.mu.Lock()
			defer e.mu.Unlock()
			e.poison = key
		}
		poisoned("main/4711")
		say(alice, "do ticket 4711")
		say(alice, "do ticket 4712")
		time.Sleep(5 * time.Second)
		synctest.Wait()
		require.Equal(t, store.CommandDone, w.command("M2").State)
		require.NotEqual(t, store.CommandDone, w.command("M1").State)
		poisoned("")
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Equal(t, store.CommandDone, w.command("M1").State)
	})
	// It isn't asked before its Retry-After, by no other command either.
	doing(t, func(t *testing.T, w *world, e *endpoint, _ *relay, say func(Person, string) string) {
		w.problem("main/4712", "noc")
		e.times(1, answers(429, "", "120"))
		say(alice, "do ticket 4711")
		say(alice, "do ticket 4712")
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Len(t, e.requests(), 1)
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		require.Len(t, e.ids(), 2)
	})
	// Nor does it delay one of the same command.
	doing(t, func(t *testing.T, w *world, e *endpoint, _ *relay, say func(Person, string) string) {
		w.problem("main/4712", "noc")
		w.problem("main/4713", "noc")
		e.mu.Lock()
		e.poison = "main/4711"
		e.mu.Unlock()
		say(alice, "do ticket 4711 4712 4713")
		time.Sleep(10 * time.Second)
		synctest.Wait()
		require.Len(t, e.ids(), 3)
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		made := map[string]int{}
		for _, p := range e.requests() {
			made[p.body.Problem.ID]++
		}
		require.Equal(t, []int{1, 1}, []int{made["main/4712"], made["main/4713"]})
		require.Greater(t, made["main/4711"], 10)
		all := w.answers()
		require.Contains(t, all[len(all)-1], "✅ Did `ticket` for `main/4712`")
		require.Contains(t, all[len(all)-1], "❓ I don't know whether I could do `ticket` for `main/4711`")
	})
}

// Who presses twice gets one ticket.
func TestDoTwiceIsOnce(t *testing.T) {
	doing(t, func(t *testing.T, w *world, e *endpoint, r *relay, _ func(Person, string) string) {
		for i := range 3 {
			r.receives(fmt.Sprintf("A%d", i), pressed("ticket", ""))
		}
		synctest.Wait()
		require.Len(t, e.requests(), 1)
		require.Len(t, w.answers(), 1)
		time.Sleep(2 * time.Minute)
		r.receives("A9", pressed("ticket", ""))
		synctest.Wait()
		require.Len(t, e.ids(), 2)
	})
}

// An action with once is never repeated if its endpoint may have got the request: whatever is lost, and wherever the relay crashes.
func TestDoOnce(t *testing.T) {
	unclear := 0
	for name, answer := range map[string]func() (*http.Response, error){"no answer": mute, "failing": answers(502, "", ""), "away": away, "busy": answers(429, "", "1")} {
		synctest.Test(t, func(t *testing.T) {
			w := adminWorld()
			e := withActions(t, w)
			e.times(1, answer)
			r := w.start(t)
			defer r.stop()
			r.receives("M1", Input{Text: "do once", Room: "noc", ParentID: "ROOT-main/4711@noc", Person: alice})
			time.Sleep(10 * time.Minute)
			synctest.Wait()
			all := w.answers()
			if name == "away" || name == "busy" {
				require.Len(t, e.requests(), 2, name)
				require.Contains(t, all[len(all)-1], "✅ Did `once`", name)
				return
			}
			require.Len(t, e.requests(), 1, name)
			require.Len(t, all, 1, "it isn't announced that it will be done: %v", all)
			require.Contains(t, all[0], "❓ I don't know whether I could do `once`", name)
		})
	}
	var e *endpoint
	acrossCrashes(t, 8, Input{Text: "do once", Room: "noc", ParentID: "ROOT-main/4711@noc", Person: alice}, func(t *testing.T, w *world) { e = withActions(t, w) }, func(t *testing.T, w *world, what string) {
		require.LessOrEqual(t, len(e.requests()), 1, what)
		if w.command("M1").State != store.CommandDone {
			unclear++
			require.Contains(t, strings.Join(w.answers(), "\n"), "❓ I don't know whether I could do `once`")
		}
	})
	require.NotZero(t, unclear)
}
