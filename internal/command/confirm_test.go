package command

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func six(w *world) (list string) {
	for i := range maxUnasked + 1 {
		key := w.problem(fmt.Sprintf("main/%d", 9000+i), "noc", "db")
		list += " " + key.EventID
	}
	return list
}

// A command that acts on many problems asks first. Its button and `yes` confirm it; the role of who presses counts.
func TestManyProblemsNeedAConfirmation(t *testing.T) {
	story(t, func(t *testing.T, w *world, r *relay) {
		many := six(w)
		r.receives("M1", Input{Text: "ack" + many + " on it", Room: "noc"})
		synctest.Wait()
		require.Empty(t, w.calls("main"))
		require.Contains(t, w.answers()[0], "This will acknowledge **6 problems**")
		require.Equal(t, 6, strings.Count(w.answers()[0], "\n- "))
		card := w.notices()[0].Card
		require.True(t, json.Valid(card))
		require.Contains(t, string(card), `"key":"M1"`)

		r.receives("A1", Input{Button: &Button{Action: "confirm", Key: "M1", MessageID: "Q"}, Room: "noc", Person: Person{Email: "stranger@example.com"}})
		r.receives("A2", Input{Button: &Button{Action: "confirm", Key: "M1", MessageID: "Q"}, Room: "db"})
		r.receives("A3", Input{Button: &Button{Action: "confirm", Key: "M9", MessageID: "Q"}, Room: "noc"})
		synctest.Wait()
		require.Empty(t, w.calls("main"), "nobody without the role, from another room, or for another command")

		r.receives("A4", Input{Button: &Button{Action: "confirm", Key: "M1", MessageID: "Q"}, Room: "noc"})
		r.receives("A5", Input{Button: &Button{Action: "confirm", Key: "M1", MessageID: "Q"}, Room: "noc"})
		synctest.Wait()
		acked := 0
		for _, c := range w.calls("main") {
			acked += len(c.EventIDs)
			require.True(t, c.Ack)
			require.Contains(t, c.Message, ": on it")
		}
		require.Equal(t, 6, acked, "once each")
	})
}

func TestYesConfirms(t *testing.T) {
	for said, want := range map[string]string{"yes on it": ": on it", "Yes, on it": ": on it", "yes": ")"} {
		t.Run(said, func(t *testing.T) {
			story(t, func(t *testing.T, w *world, r *relay) {
				r.receives("M1", Input{Text: "ack" + six(w) + " " + said, Room: "noc"})
				synctest.Wait()
				require.NotEmpty(t, w.calls("main"))
				require.True(t, strings.HasSuffix(w.calls("main")[0].Message, want), w.calls("main")[0].Message)
			})
		})
	}
	r, q := Names{}.Parse("ack 4711 yes I am on it")
	require.Nil(t, q)
	require.Equal(t, "yes I am on it", r.confirmed().Text, "for a few problems it is one of the person's words")
}

// Every question works the same way: its button and `approve` in its thread confirm it, the first one spends it, and who comes too late
// is told so.
func TestQuestions(t *testing.T) {
	typed := func(thread string) func() Input {
		return func() Input { return Input{Text: "approve", ParentID: thread} }
	}
	button := func() Input { return Input{Button: &Button{Action: buttonConfirm, Key: "M1", MessageID: "Q"}} }
	for name, c := range map[string]struct {
		asks     Person
		said     string // "" for six problems
		thread   string // of the question
		confirms Person
		acts     int
		button   string
		shows    string // on the card
	}{
		"many problems":   {asks: ann, thread: "M1", confirms: alice, acts: 6, button: "Yes, all of them", shows: " problem 9003"},
		"a digest":        {asks: ann, said: "DIGEST» ack all on it", thread: "DIGEST", confirms: ann, acts: 6, button: "Acknowledge all", shows: `"id":"comment"`},
		"a host group":    {asks: ann, said: `maintenance start group="Core switches" 2h`, thread: "M1", confirms: ann, acts: 1, button: "Yes, all of them", shows: "2 hosts"},
		"a second person": {asks: ann, said: inThread + "run restart", thread: "ROOT-main/4711@noc", confirms: bob, acts: 1, button: "Approve", shows: "A second person with the role "},
	} {
		for way, confirmation := range map[string]func() Input{"button": button, "typed": typed(c.thread)} {
			t.Run(name+" "+way, func(t *testing.T) {
				maintained(t, func(t *testing.T, w *world, r *relay, say func(Person, string) string) {
					many := six(w)
					for i := range 6 {
						w.member(w.problem(fmt.Sprintf("main/%d", 8000+i)), "DIGEST", true, time.Time{})
					}
					z, n := w.zabbixes["main"], 0
					confirm := func(in Input) string {
						n++
						before := len(w.answers())
						in.Room, in.Person = "noc", c.confirms
						r.receives(fmt.Sprint("C", n), in)
						synctest.Wait()
						return strings.Join(w.answers()[before:], "\n")
					}
					acts := func() int { return len(w.calls("main")) + len(z.created()) + len(z.ran()) }
					asked := say(c.asks, cmp.Or(c.said, "ack"+many+" on it"))
					require.Contains(t, asked, "until 01:00 UTC")
					require.Contains(t, asked, "press the button, or reply `")
					card := string(w.notices()[0].Card)
					for _, part := range []string{"until 01:00 UTC", "press the button, or reply ", `"title":"` + c.button + `"`, c.shows} {
						require.Contains(t, card, part, "clients that show cards don't show the message")
					}
					require.Zero(t, acts())
					require.Contains(t, confirm(Input{Text: "approve", ParentID: "ROOT-other"}), "No question of mine waits")
					require.Zero(t, acts(), "another thread")
					require.Contains(t, confirm(confirmation()), "✅")
					require.Equal(t, c.acts, acts())
					for _, call := range w.calls("main") {
						require.Contains(t, call.Message, ": on it", "with the words of who asked")
					}
					require.Contains(t, confirm(button()), "confirmed already")
					require.Contains(t, confirm(typed(c.thread)()), "No question of mine waits")
					time.Sleep(2 * time.Minute)
					synctest.Wait()
					require.Contains(t, confirm(button()), "confirmed already", "not a repetition")
					require.Equal(t, c.acts, acts(), "once")
				})
				maintained(t, func(t *testing.T, w *world, r *relay, say func(Person, string) string) {
					many := six(w)
					for i := range 6 {
						w.member(w.problem(fmt.Sprintf("main/%d", 8000+i)), "DIGEST", true, time.Time{})
					}
					say(c.asks, cmp.Or(c.said, "ack"+many))
					time.Sleep(time.Hour + time.Second)
					in := confirmation()
					in.Room, in.Person = "noc", c.confirms
					r.receives("C1", in)
					synctest.Wait()
					require.Contains(t, w.answers()[1], "That question expired at 01:00 UTC, so I did nothing")
					require.Zero(t, len(w.calls("main"))+len(w.zabbixes["main"].created())+len(w.zabbixes["main"].ran()))
				})
			})
		}
	}
}

// A question of another version, about a verb that this one doesn't know, can't be confirmed.
func TestQuestionOfAnotherVersion(t *testing.T) {
	maintained(t, func(t *testing.T, w *world, r *relay, say func(Person, string) string) {
		say(ann, "ack"+six(w))
		asked, err := w.Command(t.Context(), "M1")
		require.NoError(t, err)
		d, err := decodeDetail(asked.Detail)
		require.NoError(t, err)
		d.Asked.Verb = "dance"
		asked.Detail = d.encode()
		require.NoError(t, w.SaveCommand(t.Context(), asked))
		r.receives("C1", Input{Button: &Button{Action: buttonConfirm, Key: "M1", MessageID: "Q"}, Room: "noc", Person: ann})
		synctest.Wait()
		require.Contains(t, w.answers()[1], "another version of the relay")
		require.Empty(t, w.calls("main"))
	})
}

// Nobody approves what they asked for: a person is Webex's id and all of their addresses, whichever they used.
func TestSamePerson(t *testing.T) {
	asker := Person{ID: "P-ann", Email: "ann@example.com", Also: []string{"a.admin@example.com"}}
	for name, c := range map[string]struct {
		other Person
		same  bool
	}{
		"the same record":        {asker, true},
		"another address":        {Person{ID: "P-ann", Email: "new@example.com"}, true},
		"another record":         {Person{ID: "P-2", Email: "Ann@Example.com"}, true},
		"an address of theirs":   {Person{ID: "P-2", Email: "x@example.com", Also: []string{"ann@example.com"}}, true},
		"an address of asker's":  {Person{ID: "P-2", Email: "a.admin@example.com"}, true},
		"one that both have":     {Person{ID: "P-2", Email: "x@example.com", Also: []string{"a.admin@example.com"}}, true},
		"somebody else":          {Person{ID: "P-2", Email: "x@example.com"}, false},
		"nothing is known twice": {Person{}, false},
	} {
		require.Equal(t, c.same, asker.is(c.other), name)
		require.Equal(t, c.same, c.other.is(asker), name)
	}
	require.False(t, Person{}.is(Person{}))
}
