package command

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/testlog"
)

// The tokens of somebody without a role, or gone from Webex, are removed after a week, and the audit log says so once. Those of people
// who come back, or whom Webex can't be asked about, stay.
func TestTokensOfPeopleWhoLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, log := newWorld(), new(testlog.Lines)
		for i, id := range []string{"alice", "bob", "dave", "eve", "oscar", "unsure", "zoe"} {
			token := store.PersonToken{Person: id, Source: "main", Confirmed: true, Sealed: "v1:" + id, Email: id + "@example.com", Bot: "relay"}
			require.NoError(t, w.SavePersonToken(t.Context(), token))
			if i%2 == 0 {
				token.Source, token.Sealed = "lab", token.Sealed+":lab"
				require.NoError(t, w.SavePersonToken(t.Context(), token))
			}
		}
		known := map[string]Person{
			"alice": {ID: "alice", Email: "alice@example.com"},
			"bob":   {ID: "bob", Email: "robert@example.com", Also: []string{"bob@example.com"}}, // a role in one room, under another address
			"dave":  {ID: "dave", Email: "dave@example.com"},
			"eve":   {ID: "eve", Email: "eve@example.com"}, // in an allowed domain, without a role
		}
		asked, unsure := 0, false
		directory := people()
		e := &Executor{o: Options{Store: w, Log: log.Logger(), View: func() View { return View{Directory: directory, Rooms: directory.Rooms} }}}
		require.NoError(t, e.lookAtOwners(t.Context(), time.Now()), "it can't be asked")
		e.o.Person = func(_ context.Context, bot, id string) (Person, bool, error) {
			asked++
			if id == "unsure" || id == "zoe" && unsure {
				return Person{}, false, errors.New("webex: 502")
			}
			p, ok := known[id]
			return p, ok, nil
		}
		start := time.Now()
		look := func(after time.Duration) (owners []string) {
			require.NoError(t, e.lookAtOwners(t.Context(), start.Add(after)))
			rows, err := w.AllPersonTokens(t.Context())
			require.NoError(t, err)
			for _, row := range rows {
				if len(owners) == 0 || owners[len(owners)-1] != row.Person {
					owners = append(owners, row.Person)
				}
			}
			return owners
		}
		all := []string{"alice", "bob", "dave", "eve", "oscar", "unsure", "zoe"}
		require.Equal(t, all, look(0))
		require.Equal(t, 7, asked, "once each")
		require.Equal(t, 3, strings.Count(log.String(), "no role any more, or is gone"))

		unsure = true                                                        // Webex can't be asked about zoe on one day: her time goes on
		known["oscar"] = Person{ID: "oscar", Email: "oscar@ops.example.com"} // a mistake was corrected
		directory.People = directory.People[:5:5]
		directory.People = append(directory.People[:3:3], directory.People[4]) // dave's entry is gone
		require.Equal(t, all, look(3*24*time.Hour))
		delete(known, "oscar")
		unsure = false
		require.Equal(t, all, look(leftFor-time.Minute))
		require.Equal(t, []string{"alice", "bob", "dave", "oscar", "unsure"}, look(leftFor), "a week since eve and zoe were first seen without a role")
		found, err := w.FindCommands(t.Context(), store.CommandFilter{Actions: []string{"forget"}})
		require.NoError(t, err)
		require.Len(t, found, 2)
		require.Equal(t, "removed the Zabbix API tokens of eve@example.com", found[1].Text)
		require.Equal(t, ownName, found[0].Name)
		require.Equal(t, start.Add(leftFor).UTC(), found[0].CreatedAt.UTC())
		require.Equal(t, []string{"alice", "bob", "oscar", "unsure"}, look(leftFor+3*24*time.Hour))
		require.Equal(t, []string{"alice", "bob", "unsure"}, look(3*leftFor))
		directory.People = []config.Person{{Domain: "example.com", Role: config.RoleViewer}}
		require.Equal(t, []string{"alice", "bob", "unsure"}, look(9*leftFor), "a viewer has a role")
		require.NotContains(t, log.String(), "v1:")
	})
}
