package command

import (
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
)

// A list shows the worst and counts the rest without reading them.
func TestALongListReadsWhatItShows(t *testing.T) {
	for _, c := range []struct {
		n     int
		heard Heard
	}{
		{maxListed - 1, Heard{Text: "problems", Room: "noc"}},
		{maxListed, Heard{Text: "problems", Room: "noc"}},
		{3 * maxListed, Heard{Text: "problems", Room: "noc"}},
		{3 * maxListed, Heard{Text: "problems", Direct: true}},
		{3 * maxListed, Heard{Text: "problems", Direct: true, Person: Person{Email: "dave@example.com"}}}, // noc alone
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld()
			for i := range c.n {
				w.problem(fmt.Sprintf("main/%d", 1000+i), "noc")
			}
			r := w.start(t)
			defer r.stop()
			r.hears("M1", c.heard)
			synctest.Wait()
			require.Contains(t, w.answers()[0], fmt.Sprintf("LIST %d: ", c.n))
			require.Equal(t, min(c.n, maxListed), w.read)
		})
	}
}

// What a person may list: in a room what it was told, in a direct chat what one of their rooms was told.
func TestRoomsOfAList(t *testing.T) {
	for _, c := range []struct {
		email, room string
		direct      bool
		want        []string
	}{
		{"alice@example.com", "noc", false, []string{"noc"}},
		{"alice@example.com", "", true, nil},
		{"carol@example.com", "", true, nil},
		{"bob@example.com", "", true, []string{"person:bob@example.com", "db"}},
		{"dave@example.com", "", true, []string{"person:dave@example.com", "noc"}},
		{"dave@example.com", "noc", true, []string{"person:dave@example.com", "noc"}},
		{"mallory@example.com", "", true, []string{"person:mallory@example.com"}},
	} {
		s := scope{Dir: people(), Rooms: []string{"noc", "db", "lan"}, Email: c.email, Room: c.room, Direct: c.direct}
		require.Equal(t, c.want, s.listed(), c.email)
	}
}
