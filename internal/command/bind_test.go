package command

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/binding"
	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/route"
	"nms-alert-relay/internal/store"
)

func TestParseBindings(t *testing.T) {
	high := map[alert.Severity]bool{alert.High: true, alert.Disaster: true}
	friday := time.Friday
	for said, want := range map[string]Request{
		"subscribe host=db* severity>=high":        {Verb: Subscribe, Filter: Filter{Severity: high, Host: "db*"}},
		"sub >=high":                               {Verb: Subscribe, Filter: Filter{Severity: high}},
		"Subscribe: HOST=DB-1, for 8h.":            {Verb: Subscribe, Filter: Filter{Host: "db-1"}, Length: Length{For: 8 * time.Hour}},
		"subscribe host=db* until fri 18:00":       {Verb: Subscribe, Filter: Filter{Host: "db*"}, Length: Length{Until: &Clock{Hour: 18, Weekday: &friday}}},
		"subscribe host=db* forever":               {Verb: Subscribe, Filter: Filter{Host: "db*", Text: "forever"}},
		"subscribe host=db* for ever":              {Verb: Subscribe, Filter: Filter{Host: "db*"}},
		"subscribe stuck for link":                 {Verb: Subscribe, Filter: Filter{Text: "stuck for link"}},
		`subscribe text="until 5pm today"`:         {Verb: Subscribe, Filter: Filter{Text: "until 5pm today"}},
		"subscribe “disk full” for 2 days":         {Verb: Subscribe, Filter: Filter{Text: "disk full"}, Length: Length{For: 48 * time.Hour}},
		"subscribe text=don’t":                     {Verb: Subscribe, Filter: Filter{Text: "don't"}},
		"bind disaster host=*core* until tomorrow": {Verb: Bind, Filter: Filter{Severity: map[alert.Severity]bool{alert.Disaster: true}, Host: "*core*"}, Length: Length{Until: &Clock{Hour: 8, Days: new(1)}}},
		"unsubscribe 7":                            {Verb: Unsubscribe, Number: 7},
		"unsubscribe #7.":                          {Verb: Unsubscribe, Number: 7},
		"unsubscribe all":                          {Verb: Unsubscribe, Number: allOf},
		"unbind":                                   {Verb: Unbind},
		"subscriptions":                            {Verb: Subscriptions},
		"my problems":                              {Verb: Mine, Posted: true},
		"my problems page 2":                       {Verb: Mine, Posted: true, Page: 1},
	} {
		r, q := Names{}.Parse(said)
		require.Nil(t, q, "%q: %v", said, q)
		require.Equal(t, want, r, "%q", said)
	}
	for said, want := range map[string]string{
		"subscribe":                                  "every problem",
		"subscribe all":                              "every problem",
		"subscribe host=*":                           "every problem",
		"subscribe >=0 host=** for 8h":               "every problem",
		"bind":                                       "every problem",
		"subscribe host=db* until":                   "Until when?",
		"subscribe host=db* until whenever":          "Until when?",
		"subscribe host=db* for 8h >=high":           "Put the length last",
		"subscribe host=db* 8h":                      "write `for 8h`",
		"subscribe host=db* unacked":                 "never acknowledged",
		"subscribe host=db* page 3":                  "no pages",
		"subscribe host=db[":                         "isn't a pattern",
		"subscribe hots=db*":                         "Did you mean `host=`?",
		"subscribe hgih":                             "Did you mean `high`? To search for the word: `subscribe text=hgih`",
		"subscribe host=" + strings.Repeat("a", 201): "too long",
		"unsubscribe db":                             "Give its number: `unsubscribe 7`",
		"unsubscribe -3":                             "Give its number",
		"unsubscribe 99999999999999999999":           "Give its number",
		"subscriptions of alice":                     "takes nothing else",
	} {
		_, q := Names{}.Parse(said)
		require.NotNil(t, q, "%q", said)
		require.Contains(t, q.Error(), want, "%q", said)
	}
}

// Whatever is written, a filter that is accepted can be compiled, stored, read and written again, and its words do no harm.
func FuzzParseBind(f *testing.F) {
	for _, said := range []string{"host=db* severity>=high until fri 18:00", `text="a"b" for 8h`, "host=[!a-c]?\\* <@all>", "severity=not-classified,high `x`", "**a** [b](http://c)"} {
		f.Add(said)
	}
	f.Fuzz(func(t *testing.T, said string) {
		r, q := Names{}.Parse("bind " + said)
		if q != nil || r.Verb != Bind {
			return
		}
		s := as("alice@example.com", "", false)
		s.Location = time.UTC
		b, q := s.binding(store.Command{ID: "M1", RoomID: "R1"}, r, "space:r1", time.Now())
		if q != nil {
			return
		}
		compiled, err := binding.Route(b)
		require.NoError(t, err, "%+v", b)
		_, err = config.ParseGlob(compiled.Filter.Host)
		require.NoError(t, err)
		require.NotEmpty(t, binding.Words(b))
		line := inMarkdown(bindingLine(b, time.Now(), voice{}))
		require.NotContains(t, strings.ReplaceAll(line, "`"+strings.ReplaceAll(binding.Words(b), "`", "'")+"`", ""), "<@", "%q", said)
	})
}

// bound are the words of the bindings that count.
func (r *relay) bound() (words []string) {
	for _, b := range r.o.Bindings.Live() {
		words = append(words, fmt.Sprintf("%d %s %s", b.ID, b.Room, binding.Words(b)))
	}
	return words
}

// said is the newest answer.
func (w *world) lastAnswer() string {
	all := w.answers()
	return all[len(all)-1]
}

// buttonOf returns a button of the newest card by its title.
func (w *world) buttonOf(t *testing.T, title string) *Button {
	type action struct {
		Title string
		Data  map[string]any
	}
	var card struct {
		Body    []struct{ Actions []action }
		Actions []action
	}
	all := w.notices()
	require.NoError(t, json.Unmarshal(all[len(all)-1].Card, &card))
	var titles []string
	for _, row := range card.Body {
		card.Actions = append(card.Actions, row.Actions...)
	}
	for _, a := range card.Actions {
		if a.Title == title {
			return &Button{Action: a.Data["action"].(string), Key: a.Data["key"].(string), MessageID: "CARD"}
		}
		titles = append(titles, a.Title)
	}
	require.Contains(t, titles, title)
	return nil
}

// A person's subscriptions are listed, removable, and survive a restart. They are their own.
func TestSubscriptions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		r := w.start(t)
		n := 0
		says := func(in Input) string {
			n++
			in.Direct = in.Room == ""
			r.receives(fmt.Sprintf("M%d", n), in)
			synctest.Wait()
			return w.lastAnswer()
		}
		p := w.find(w.problem("main/1", "noc"))
		p.Facts.Hosts = []alert.Host{{Host: "db1"}}
		w.put(p)

		require.Contains(t, says(Input{Text: "subscribe >=high", Room: "noc"}), "in a direct chat with me")
		require.Empty(t, r.bound())
		require.Contains(t, says(Input{Text: "subscriptions"}), "You have no subscriptions")
		said := says(Input{Text: "subscribe host=db* severity>=high for 8h"})
		require.Contains(t, said, "Subscribed: #1 `severity>=high host=db*`, until")
		require.Contains(t, said, "whatever room they go to")
		require.NotContains(t, said, "I know no problem")
		require.Contains(t, says(Input{Text: "subscribe host=dbb*"}), "I know no problem on a host like `dbb*`")
		said = says(Input{Text: "subscribe host=web*", Person: Person{ID: "P-dave", Email: "dave@example.com", Name: "<@all>"}})
		require.Contains(t, said, "if they go to a room in which you have a role: noc", "dave is a viewer in noc")
		require.NotContains(t, said, "#1")
		require.Equal(t, []string{"1 person:alice@example.com severity>=high host=db*", "2 person:alice@example.com host=dbb*", "3 person:dave@example.com host=web*"}, r.bound())
		require.Contains(t, says(Input{Text: "subscribe host=web*", Person: Person{ID: "P-x", Email: "mallory@example.com"}}), "no role")

		r.stop()
		r = w.start(t)
		require.Len(t, r.bound(), 3)
		said = says(Input{Text: "subscriptions"})
		require.Contains(t, said, "#1 `severity>=high host=db*`")
		require.NotContains(t, said, "web")
		require.Contains(t, says(Input{Text: "unsubscribe 3"}), "no subscription #3 here", "dave's")
		require.Contains(t, says(Input{Text: "unsubscribe"}), "Which one?")
		require.Contains(t, says(Input{Text: "subscribe host=db* severity>=high until tomorrow"}), "It replaces #1")
		require.Contains(t, says(Input{Text: "unsubscribe 2"}), "Ended: #2 `host=dbb*`")
		require.Equal(t, []string{"3 person:dave@example.com host=web*", "4 person:alice@example.com severity>=high host=db*"}, r.bound())
		require.Contains(t, says(Input{Text: "unsubscribe all"}), "Ended: #4")
		require.Contains(t, says(Input{Text: "unsubscribe 4"}), "There is no subscription here")
		require.Len(t, r.bound(), 1)
		r.stop()
	})
}

// Each verb of subscriptions has a button, whose card is replaced by the next.
func TestSubscriptionButtons(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		r := w.start(t)
		defer r.stop()
		press := func(id, title string) {
			r.receives(id, Input{Button: w.buttonOf(t, title), Direct: true})
			synctest.Wait()
		}
		r.receives("M1", Input{Text: "subscriptions", Direct: true})
		synctest.Wait()
		press("A1", "High and above")
		require.Equal(t, []string{"1 person:alice@example.com severity>=high"}, r.bound())
		require.Len(t, w.notices(), 1, "the card is replaced")
		press("A2", "List")
		require.Contains(t, w.lastAnswer(), "#1 `severity>=high`")
		end := w.buttonOf(t, "End #1")
		press("A3", "End #1")
		require.Empty(t, r.bound())
		r.receives("A4", Input{Button: end, Direct: true})
		synctest.Wait()
		require.Contains(t, w.lastAnswer(), "There is no subscription here", "an old card")
		before := w.notices()
		r.receives("D1", Input{Button: &Button{Action: buttonSubscription, Key: "list/M1", MessageID: "CARD"}, Direct: true, Person: Person{ID: "P-dave", Email: "dave@example.com"}})
		synctest.Wait()
		require.Equal(t, before, w.notices()[:len(before)], "another person's press replaces no card")
		require.Len(t, w.notices(), len(before)+1)
		for i, key := range []string{"", "end-/M1", "end--1/M1", "end-x/M1", "high/other", "drop/M1", "list/" + strings.Repeat("x", 300)} {
			r.receives(fmt.Sprintf("B%d", i), Input{Button: &Button{Action: buttonSubscription, Key: key, MessageID: "CARD"}, Direct: true, Person: Person{ID: "P-dave", Email: "dave@example.com"}})
			synctest.Wait()
		}
		require.Equal(t, []string{"2 person:dave@example.com severity>=high"}, r.bound())
	})
}

// A subscription that expires is told once, also when the relay was down, or crashes in between.
func TestSubscriptionsExpire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		r := w.start(t)
		r.receives("M1", Input{Text: "subscribe host=db* for 2h", Direct: true})
		r.receives("M2", Input{Text: "subscribe host=web* for 3h", Direct: true})
		time.Sleep(2*time.Hour - time.Minute)
		synctest.Wait()
		require.Len(t, r.bound(), 2)
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		require.Equal(t, []string{"2 person:alice@example.com host=web*"}, r.bound())
		require.Contains(t, w.lastAnswer(), "The subscription #1 `host=db*` has ended. To have it again: `subscribe host=db*`.")
		r.stop()
		time.Sleep(3 * time.Hour)
		for range 2 {
			w.mu.Lock()
			w.crash, w.dead = 1, make(chan struct{}) // after the notice
			w.mu.Unlock()
			r = w.start(t)
			time.Sleep(time.Minute)
			r.stop()
		}
		require.Len(t, w.notices(), 4)
		require.Empty(t, r.bound())
	})
}

// An admin binds a space in it, after a question that anybody with the right confirms, once.
func TestBind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.people = []config.Person{{Email: "alice@example.com", Role: config.RoleAdmin}, {Email: "carol@example.com", Role: config.RoleOperator}, {Email: "bob@example.com", Role: config.RoleAdmin, Rooms: []string{"db"}}}
		r := w.start(t)
		defer r.stop()
		n := 0
		says := func(in Input) string {
			n++
			r.receives(fmt.Sprintf("M%d", n), in)
			synctest.Wait()
			return w.lastAnswer()
		}
		bob, carol := Person{ID: "P-bob", Email: "bob@example.com"}, Person{ID: "P-carol", Email: "carol@example.com"}
		require.Contains(t, says(Input{Text: "bind >=high", Direct: true}), "in the space itself")
		require.Contains(t, says(Input{Text: "bind >=high", Room: "noc"}), "This room is `noc` in the relay's configuration")
		require.Contains(t, says(Input{Text: "bind >=high", Person: carol}), "needs the role **admin**")
		require.Contains(t, says(Input{Text: "bind >=high", Person: bob}), "no role", "an admin of one room")
		require.Empty(t, r.bound())

		require.Contains(t, says(Input{Text: "bind host=db* severity>=high until tomorrow"}), "This posts every new problem with **severity&gt;=high host=db\\*** into this space, until")
		require.Empty(t, r.bound(), "not before it is confirmed")
		yes := w.buttonOf(t, "Yes, bind it")
		require.Contains(t, says(Input{Button: yes, Person: carol}), "needs the role **admin**")
		require.Contains(t, says(Input{Button: yes, Room: "noc"}), "don't know this button")
		require.Contains(t, says(Input{Button: yes}), "Bound: #1 `severity>=high host=db*`, until")
		require.Equal(t, []string{"1 space:ROOM- severity>=high host=db*"}, r.bound())
		require.Contains(t, says(Input{Button: yes}), "confirmed already")
		require.Len(t, r.bound(), 1)

		require.Contains(t, says(Input{Text: "rooms", Direct: true}), "A space that isn't configured")
		require.Contains(t, w.lastAnswer(), "bound by alice&#64;example.com")
		require.NotContains(t, says(Input{Text: "rooms", Direct: true, Person: bob}), "A space that isn't configured")
		require.NotContains(t, says(Input{Text: "rooms", Room: "noc"}), "A space that isn't configured")

		require.Contains(t, says(Input{Text: "unbind 9"}), "There is no binding #9 here")
		require.Contains(t, says(Input{Text: "unbind"}), "This ends **#1")
		require.Contains(t, says(Input{Button: w.buttonOf(t, "Yes, unbind it")}), "Ended: #1")
		require.Empty(t, r.bound())
	})
}

// `approve` in the thread of the question confirms it, like its button.
func TestBindIsApproved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.people = []config.Person{{Email: "alice@example.com", Role: config.RoleAdmin}}
		r := w.start(t)
		defer r.stop()
		r.receives("M1", Input{Text: "bind disaster", ParentID: "T1"})
		synctest.Wait()
		r.receives("M2", Input{Text: "approve", ParentID: "T2"})
		synctest.Wait()
		require.Empty(t, r.bound())
		r.receives("M3", Input{Text: "approve", ParentID: "T1"})
		r.receives("M4", Input{Text: "approve", ParentID: "T1"})
		synctest.Wait()
		require.Equal(t, []string{"1 space:ROOM- severity=disaster"}, r.bound())
	})
}

// However often the relay crashes while it makes a binding, there is one.
func TestBindingsAreMadeOnce(t *testing.T) {
	for crash := range 4 {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld()
			w.crash = crash
			r := w.start(t)
			r.receives("M1", Input{Text: "subscribe host=db*", Direct: true})
			synctest.Wait()
			r.stop()
			w.crash, w.dead = -1, make(chan struct{})
			r = w.start(t)
			synctest.Wait()
			require.Equal(t, []string{"1 person:alice@example.com host=db*"}, r.bound(), "crash after %d effects", crash)
			require.Len(t, w.notices(), 1)
			r.stop()
		})
	}
}

// A list says which bindings rest, and why. Nobody is told that one expires who has lost the right to it.
func TestRestingBindings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		cfg := people()
		cfg.DefaultRooms, cfg.AllowedDomains = []string{"noc"}, []string{"ops.example.com"}
		router, err := route.New(cfg)
		require.NoError(t, err)
		w.routing = router
		_, err = w.AddBinding(context.Background(), store.Binding{Room: "person:alice@example.com", Person: "P-alice", Email: "alice@example.com", Host: "db*", Until: time.Now().Add(time.Hour), Command: "C1"})
		require.NoError(t, err)
		r := w.start(t)
		defer r.stop()
		r.receives("M1", Input{Text: "subscriptions", Direct: true})
		synctest.Wait()
		require.Contains(t, w.lastAnswer(), "it rests: alice&#64;example.com isn't in an allowed domain")
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		require.Empty(t, r.bound())
		require.Len(t, w.notices(), 1)
	})
}

// A person's other addresses give them the verbs, but nothing to a subscription or a binding: the reply says so, as the router does it.
func TestBindingsHaveTheRightsOfOneAddress(t *testing.T) {
	role := func(email string, role config.Role, rooms ...string) config.Person {
		return config.Person{Email: email, Role: role, Rooms: rooms}
	}
	for name, c := range map[string]struct {
		people  []config.Person
		acts    string // under this address
		also    string
		direct  bool
		text    string
		want    string
		targets []string // of a problem in noc, and of one in db
	}{
		"each address has a room": {[]config.Person{role("a@example.com", config.RoleViewer, "noc"), role("b@example.com", config.RoleViewer, "db")}, "a@example.com", "b@example.com",
			true, "subscribe host=db*", "if they go to a room in which you have a role as a&#64;example.com: noc", []string{"person:a@example.com", ""}},
		"one address": {[]config.Person{role("a@example.com", config.RoleViewer, "noc")}, "a@example.com", "", true, "subscribe host=db*", "in which you have a role: noc", []string{"person:a@example.com", ""}},
		"the other one has all": {[]config.Person{role("a@example.com", config.RoleViewer, "noc"), role("b@example.com", config.RoleAdmin)}, "a@example.com", "b@example.com",
			true, "subscribe host=db*", "a role as a&#64;example.com: noc", []string{"person:a@example.com", ""}},
		"no role of its own":     {[]config.Person{role("b@example.com", config.RoleViewer)}, "a@example.com", "b@example.com", true, "subscribe host=db*", "I did nothing: a&#64;example.com has no role", []string{"", ""}},
		"binding as the other":   {[]config.Person{role("b@example.com", config.RoleAdmin)}, "a@example.com", "b@example.com", false, "bind host=db*", "a&#64;example.com isn't an admin everywhere", []string{"", ""}},
		"binding as the acting":  {[]config.Person{role("a@example.com", config.RoleAdmin)}, "a@example.com", "b@example.com", false, "bind host=db*", "This posts every new problem", []string{"", ""}},
		"acting in other domain": {[]config.Person{role("b@example.com", config.RoleViewer)}, "a@elsewhere.org", "b@example.com", true, "subscribe host=db*", "isn't in an allowed domain", []string{"", ""}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld()
				w.people = c.people
				cfg := people()
				cfg.People, cfg.DefaultRooms, cfg.AllowedDomains = c.people, []string{"noc"}, []string{"example.com"}
				cfg.Webex.Bots = []config.Bot{{Name: "relay"}}
				cfg.Routes = []config.Route{{Name: "r", Match: config.Match{ProblemMatch: config.ProblemMatch{Severity: severe(t)}}, Rooms: []string{"db"}}}
				router, err := route.New(cfg)
				require.NoError(t, err)
				w.routing = router
				r := w.start(t)
				defer r.stop()
				who := Person{ID: "P-a", Email: c.acts}
				if c.also != "" {
					who.Also = []string{c.also}
				}
				r.receives("M1", Input{Text: c.text, Direct: c.direct, Person: who})
				synctest.Wait()
				require.Contains(t, w.lastAnswer(), c.want)
				router = router.With(r.o.Bindings.Routes(), nil)
				for i, severity := range []alert.Severity{alert.Warning, alert.Disaster} {
					p := alert.Problem{Key: alert.Key{Source: "main", EventID: "1"}, Severity: severity}
					p.Hosts = []alert.Host{{Host: "db1"}}
					var personal string
					for _, target := range router.Rooms(p, "", time.Now()) {
						if config.MadeInChat(target.Route) {
							personal = target.Room
						}
					}
					require.Equal(t, c.targets[i], personal, "%d", i)
				}
			})
		})
	}
}
