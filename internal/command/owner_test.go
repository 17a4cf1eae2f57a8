package command

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/render"
	"nms-alert-relay/internal/store"
)

func TestParseOwners(t *testing.T) {
	for said, want := range map[string]Request{
		"take":                              {Verb: Take},
		"take 4711":                         {Verb: Take, Refs: ids("4711")},
		"claim 4711 4712 on my way":         {Verb: Take, Refs: ids("4711", "4712"), Text: "on my way"},
		"take 4711 ack":                     {Verb: Take, Refs: ids("4711"), Ack: true},
		"take 4711 and ack: on it":          {Verb: Take, Refs: ids("4711"), Ack: true, Text: "on it"},
		"take 4711: ack is Bob's":           {Verb: Take, Refs: ids("4711"), Text: "ack is Bob's"},
		"take ack on it":                    {Verb: Take, Ack: true, Text: "on it"},
		"assign 4711 Alice@Example.com":     {Verb: Assign, Refs: ids("4711"), Person: "alice@example.com"},
		"assign 4711 to bob: it is yours":   {Verb: Assign, Refs: ids("4711"), Person: "bob", Text: "it is yours"},
		"assign @bob":                       {Verb: Assign, Person: "bob"},
		"assign 4711 <bob@example.com> FYI": {Verb: Assign, Refs: ids("4711"), Person: "bob@example.com", Text: "FYI"},
		"mine":                              {Verb: Mine},
		"mine page 2":                       {Verb: Mine, Page: 1},
		"problems >=high page 3":            {Verb: Problems, Page: 2, Filter: Filter{Severity: severities(alert.High, alert.Disaster)}},
		"problems web page":                 {Verb: Problems, Filter: Filter{Text: "web page"}},
		"more":                              {Verb: More},
		"who":                               {Verb: Who},
		"who 4711":                          {Verb: Who, Refs: ids("4711")},
	} {
		r, q := Names{}.Parse(said)
		require.Nil(t, q, "%q", said)
		r.Suspects = nil
		require.Equal(t, want, r, "%q", said)
	}
	for said, want := range map[string]string{
		"take ack 4711":       "Put the event id first: `take 4711 ack`",
		"take 4711x":          "I'm not sure whether `4711x`",
		"assign 4711":         "To whom?",
		"assign":              "To whom?",
		"assign bob 4711":     "Put the event id first: `assign 4711 bob`",
		"mine 4711":           "I don't understand `4711`",
		"mine page 99":        "There are pages 1 to 20",
		"problems page 0":     "There are pages 1 to 20",
		"who is on call":      "`who` takes event ids and nothing else",
		"more of the network": "`more` takes nothing else",
	} {
		_, q := Names{}.Parse(said)
		require.NotNil(t, q, "%q", said)
		require.Contains(t, q.Error(), want, "%q", said)
	}
}

// Taking a problem writes a comment with a marker into Zabbix, and acknowledges only on request.
func TestTake(t *testing.T) {
	story(t, func(t *testing.T, w *world, r *relay) {
		r.receives("M1", Input{Text: "take 4711 on my way", Room: "noc"})
		synctest.Wait()
		require.Equal(t, "✅ Took main/4711 problem 4711", w.command("M1").Outcome)
		calls := w.calls("main")
		require.Len(t, calls, 1)
		require.False(t, calls[0].Ack)
		require.Contains(t, calls[0].Message, ": Taken by Alice Example (via Webex) [relay:owner=alice@example.com]: on my way")
		u := w.updates(t)
		require.Len(t, u, 1)
		require.Equal(t, "on my way", u[0].Comment)
		require.Equal(t, "alice@example.com", u[0].Owner.Email)
		require.Equal(t, alert.Actions{Comment: true}, u[0].Actions)

		r.receives("M2", Input{Text: "take 4712 ack", Room: "noc"})
		synctest.Wait()
		require.True(t, w.calls("main")[1].Ack)
		require.Equal(t, "✅ Took main/4712 problem 4712 and acknowledged it", w.command("M2").Outcome)

		folded, _ := alert.Apply(w.find(alert.ParseKey("main/4711")), alert.Event{Key: alert.ParseKey("main/4711"), Kind: alert.KindAction, Update: &u[0]})
		w.put(folded)
		r.receives("M3", Input{Text: "assign 4711 nobody", Room: "noc"})
		synctest.Wait()
		require.Contains(t, w.calls("main")[2].Message, "Released (via Webex) [relay:owner=]")
		r.receives("M4", Input{Text: "take 4711 on my way", Room: "noc"}) // no repetition: it was given away
		synctest.Wait()
		require.Len(t, w.calls("main"), 4)
	})
}

// A problem is given only to a person who may act on it, and who is never guessed.
func TestAssign(t *testing.T) {
	for person, reply := range map[string]string{
		"me":                 "Assigned main/4711 problem 4711 to Alice Example",
		"alice@example.com":  "Assigned main/4711 problem 4711 to Alice Example",
		"stranger@evil.test": "stranger@evil.test can't act on",
		"xyz":                "I don't know xyz",
	} {
		t.Run(person, func(t *testing.T) {
			story(t, func(t *testing.T, w *world, r *relay) {
				r.receives("M1", Input{Text: "assign 4711 " + person, Room: "noc"})
				synctest.Wait()
				require.Contains(t, plain(w.command("M1").Outcome), reply)
				require.Equal(t, strings.HasPrefix(reply, "Assigned"), len(w.calls("main")) == 1)
			})
		})
	}
}

// A mentioned person is the one of Webex's record. Words that only look like a mention, and a name of two people, are nobody.
func TestAssignByMention(t *testing.T) {
	mention := func(written, id, email string) Mention {
		return Mention{written, Person{ID: id, Name: written + " of Webex", Email: email}}
	}
	bob := mention("Bob Baker", "P-bob", "pat@ops.example.com")
	for said, c := range map[string]struct {
		mentions []Mention
		reply    string
		words    string
	}{
		"assign 4711 Bob Baker":               {[]Mention{bob}, "✅ Assigned main/4711 problem 4711 to Bob Baker of Webex", ""},
		"assign 4711 to @bob baker on it":     {[]Mention{bob}, "✅ Assigned main/4711 problem 4711 to Bob Baker of Webex", "on it"},
		"Assign 4711 Bob\u00a0Baker: 2 ports": {[]Mention{mention("Bob\u00a0Baker", "P-bob", "pat@ops.example.com")}, "to Bob Baker of Webex", "2 ports"},
		"assign 4711 Bob with Bob Baker":      {[]Mention{mention("Bob", "P-1", "pat@ops.example.com"), bob}, "❔ I'm not sure who `bob` is", ""},
		"assign 4711 Bob not Bob":             {[]Mention{mention("Bob", "P-1", "pat@ops.example.com"), mention("Bob", "P-2", "ann@ops.example.com")}, "❔ I'm not sure who `bob` is", ""},
		"assign 4711 Bob Baker, Bob Baker":    {[]Mention{bob, bob}, "to Bob Baker of Webex", "Bob Baker"},
		"assign 4711 bob baker ask Bob Baker": {[]Mention{bob}, "❔ I'm not sure who `bob baker` is", ""},
		"assign 4711 Al also looks":           {[]Mention{mention("Al", "P-1", "pat@ops.example.com")}, "to Al of Webex", "also looks"},
		"assign 4711 Bob Bakery":              {[]Mention{bob}, "❔ I don't know `bob`", ""},
		"assign 4711 Robot":                   {[]Mention{mention("Robot", "P-bot", "")}, "or it is a bot", ""},
		"assign 4711 Eve":                     {[]Mention{mention("Eve", "P-eve", "eve@elsewhere.org")}, "🚫 Eve of Webex", ""},
		"assign 4711 carol tell Bob Baker":    {[]Mention{bob}, "❔ I don't know `carol`", ""},
		"assign 4711 Alice":                   {[]Mention{mention("Alice", alice.ID, alice.Email)}, "to Alice Example", ""},
	} {
		t.Run(said, func(t *testing.T) {
			story(t, func(t *testing.T, w *world, r *relay) {
				r.receives("M1", Input{Text: said, Room: "noc", Mentions: c.mentions})
				synctest.Wait()
				reply := w.answers()[0]
				require.Contains(t, plain(reply), plain(c.reply))
				if strings.Contains(reply, "Assigned") {
					u := w.updates(t)
					require.Equal(t, c.words, u[0].Comment)
					require.Equal(t, c.mentions[0].Person.Email, u[0].Owner.Email)
					require.Equal(t, c.mentions[0].Person.ID, u[0].Owner.ID)
				} else {
					require.Empty(t, w.calls("main"))
				}
			})
		})
	}
	require.True(t, NamesPerson("/Assign: 4711 Bob"))
	require.False(t, NamesPerson("comment assign 4711 Bob"))
}

// A mention still counts when somebody else confirms the command; "me" is then whoever confirms.
func TestConfirmedMention(t *testing.T) {
	for said, owner := range map[string]string{"Bob Baker": "pat@ops.example.com", "me": "ann@ops.example.com"} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld()
			var ids []string
			for id := range 6 {
				ids = append(ids, w.problem(fmt.Sprintf("main/%d", 4711+id), "noc").EventID)
			}
			r := w.start(t)
			defer r.stop()
			r.receives("M1", Input{
				Text: "assign " + strings.Join(ids, " ") + " " + said, Room: "noc",
				Mentions: []Mention{{"Bob Baker", Person{ID: "P-bob", Name: "Bob", Email: "pat@ops.example.com"}}},
			})
			synctest.Wait()
			require.Empty(t, w.calls("main"))
			r.receives("M2", Input{Button: &Button{Action: buttonConfirm, Key: "M1"}, Room: "noc", Person: Person{ID: "P-ann", Name: "Ann", Email: "ann@ops.example.com"}})
			synctest.Wait()
			u := w.updates(t)
			require.Len(t, u, 6, w.answers())
			require.Equal(t, owner, u[0].Owner.Email)
		})
	}
}

// An owner's problems are listed for their owner, and `who` names the owner and the people who acted.
func TestMineAndWho(t *testing.T) {
	story(t, func(t *testing.T, w *world, r *relay) {
		key := alert.ParseKey("main/4711")
		taken := alert.Update{At: time.Now(), Actor: alert.Actor{Name: "<@all>"}, Owner: &alert.Owner{Email: "alice@example.com", Name: "Alice Example"}}
		folded, _ := alert.Apply(w.find(key), alert.Event{Key: key, Kind: alert.KindAction, Update: &taken})
		w.put(folded)
		r.receives("M1", Input{Text: "mine", Room: "noc"})
		r.receives("M2", Input{Text: "who", Room: "noc"})
		r.receives("M3", Input{Text: "who 4711", Room: "noc"})
		r.receives("M4", Input{Text: "take 4711", Room: "noc"})
		synctest.Wait()
		said := w.answers()
		require.Len(t, said, 4)
		require.Equal(t, "LIST 1: main/4711", said[0])
		require.Contains(t, said[1], "👤 Alice Example: `main/4711`")
		require.Contains(t, said[2], "👤 Alice Example, since")
		require.Contains(t, said[2], "acted once")
		require.NotContains(t, said[2], "<@all>")
		require.Contains(t, w.command("M4").Outcome, "is already Alice Example's")
		require.Empty(t, w.calls("main"))
	})
}

// cutRenderer shows two problems of a page, as if names were long.
type cutRenderer struct{ worldRenderer }

func (r cutRenderer) Problems(list []alert.Problem, before, total int, _ render.Room, _ time.Time) (string, int) {
	shown := min(2, len(list))
	return fmt.Sprintf("%d+%s", before, r.list(list[:shown], total)), shown
}

// Each page begins where the one before ended, whatever fitted into that.
func TestPages(t *testing.T) {
	w := newWorld()
	for i := range 5 {
		w.problem(fmt.Sprintf("main/%d", 100+i), "paged")
	}
	e := &Executor{o: Options{Store: w, View: func() View { return View{Renderer: cutRenderer{worldRenderer{w}}} }}}
	s := scope{Input{RoomID: "R", Person: alice}, View{}}
	none := func() (string, error) { return "none", nil }
	filter := store.Filter{Rooms: []string{"paged"}}
	seen := ""
	for page := range 3 {
		reply, _, err := e.list(context.Background(), filter, s, Request{Verb: Problems, Page: page}, render.Room{}, none)
		require.NoError(t, err)
		require.Contains(t, reply, fmt.Sprintf("%d+LIST 5", 2*page))
		seen += reply
	}
	for i := range 5 {
		require.Equal(t, 1, strings.Count(seen, fmt.Sprintf("main/%d", 100+i)))
	}
	reply, _, err := e.list(context.Background(), filter, s, Request{Verb: Problems, Page: 3}, render.Room{}, none)
	require.NoError(t, err)
	require.Contains(t, reply, "That is all: the list has 3 pages")

	r, ok := e.lists.next(s, time.Now())
	require.True(t, ok)
	require.Equal(t, 4, r.Page)
	_, ok = e.lists.next(s, time.Now().Add(listedFor+time.Minute))
	require.False(t, ok)
	s.RoomID = "another"
	_, ok = e.lists.next(s, time.Now())
	require.False(t, ok)
}
