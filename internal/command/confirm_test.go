package command

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

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
