package storetest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/store"
)

// A command can be claimed once.
func testCommands(t *testing.T, open Opener) {
	dir := t.TempDir()
	s := open(t, dir)
	want := store.Command{ID: "MSG1", Bot: "noc", RoomID: "R1", Room: "noc", ParentID: "P1", PersonID: "U1", Email: "alice@example.com", Name: "Alice",
		Text: "ack 4711 on it", Action: "ack", Keys: []string{"main/4711", "main/4712"}, State: store.CommandReceived,
		NotBefore: t0.Add(time.Second), CreatedAt: t0, Trace: trace, Detail: []byte(`{"message":"on it"}`)}
	require.True(t, must(s.ClaimCommand(t.Context(), want))(t))
	again := want
	again.Text, again.State = "something else", store.CommandDone
	require.False(t, must(s.ClaimCommand(t.Context(), again))(t))
	later := store.Command{ID: "MSG2", State: store.CommandReceived, CreatedAt: t0.Add(time.Second)}
	require.True(t, must(s.ClaimCommand(t.Context(), later))(t))
	require.NoError(t, s.Close())

	s = open(t, dir)
	require.False(t, must(s.ClaimCommand(t.Context(), want))(t))
	same(t, []store.Command{want, later}, must(s.UnfinishedCommands(t.Context()))(t))
	same(t, []store.Command{want, later}, must(s.RecentCommands(t.Context(), time.Time{}, time.Time{}))(t))
	same(t, want, must(s.Command(t.Context(), "MSG1"))(t))
	for _, id := range []string{"", "MSG3", "msg1"} {
		_, err := s.Command(t.Context(), id)
		require.ErrorIs(t, err, store.ErrNotFound, id)
	}
	require.EqualValues(t, 2, stats(t, s).CommandsPending)

	for state, finished := range map[store.CommandState]bool{
		store.CommandExecuting: false, store.CommandRetrying: false, store.CommandDone: true,
		store.CommandFailed: true, store.CommandDenied: true, store.CommandExpired: true,
	} {
		want.State, want.Outcome, want.Attempts = state, "acknowledged", want.Attempts+1
		require.NoError(t, s.SaveCommand(t.Context(), want))
		same(t, want, must(s.Command(t.Context(), want.ID))(t))
		unfinished := len(must(s.UnfinishedCommands(t.Context()))(t))
		require.Equal(t, finished, unfinished == 1, state)
	}
	recent := func(since, claimed time.Time) (ids []string) {
		for _, c := range must(s.RecentCommands(t.Context(), since, claimed))(t) {
			ids = append(ids, c.ID)
		}
		return ids
	}
	want.State, want.DoneAt = store.CommandDone, t0.Add(time.Minute)
	require.NoError(t, s.SaveCommand(t.Context(), want))
	require.Equal(t, []string{"MSG1", "MSG2"}, recent(t0.Add(time.Minute), time.Time{}))
	require.Equal(t, []string{"MSG2"}, recent(t0.Add(time.Minute+time.Microsecond), time.Time{}), "unfinished commands count however old they are")
	require.Equal(t, []string{"MSG2"}, recent(t0, t0.Add(time.Millisecond)))
	require.Empty(t, recent(time.Time{}, t0.Add(time.Hour)))
	require.ErrorIs(t, s.SaveCommand(t.Context(), store.Command{ID: "MSG9"}), store.ErrNotFound)
	_, err := s.ClaimCommand(t.Context(), store.Command{})
	require.Error(t, err, "without an id")
}

// The audit log is read newest first, by time, person, problem, room and action.
func testFindCommands(t *testing.T, open Opener) {
	s := open(t, t.TempDir())
	fold(t, s, store.Fold{Posts: []store.Post{{Key: key("4711"), Room: "noc", Desired: 1}, {Key: key("4712"), Room: "db", Desired: 1}}})
	for i, c := range []store.Command{
		{ID: "1", Email: "alice@example.com", Name: "Alice", Action: "ack", Keys: []string{"main/4711"}, Room: "noc"},
		{ID: "2", Email: "bob@example.com", Name: "Bob", Action: "close", Keys: []string{"main/4711", "main/4712"}}, // in a direct chat
		{ID: "3", Email: "alice@example.com", Name: "Alice", Action: "mute", Room: "noc"},
		{ID: "4", Email: "x@example.com", Name: "Carol Alice", Action: "ack", Keys: []string{"main/9"}, Room: "db"}, // its post is gone
		{ID: "5", Email: "x@example.com", Room: "noc"},                                                              // not understood
		{ID: "6", Email: "x@example.com", Action: "ack", Keys: []string{"lab/4711"}},
	} {
		c.State, c.CreatedAt = store.CommandDone, t0.Add(time.Duration(i)*time.Minute)
		require.True(t, must(s.ClaimCommand(t.Context(), c))(t))
	}
	for name, c := range map[string]struct {
		filter store.CommandFilter
		want   []string
	}{
		"all":                   {store.CommandFilter{}, []string{"6", "4", "3", "2", "1"}},
		"since":                 {store.CommandFilter{Since: t0.Add(3 * time.Minute)}, []string{"6", "4"}},
		"person by address":     {store.CommandFilter{Person: "ALICE@"}, []string{"3", "1"}},
		"person by name":        {store.CommandFilter{Person: "alice"}, []string{"4", "3", "1"}},
		"problem by key":        {store.CommandFilter{Problem: "main/4711"}, []string{"2", "1"}},
		"problem by event id":   {store.CommandFilter{Problem: "4711"}, []string{"6", "2", "1"}},
		"room":                  {store.CommandFilter{Rooms: []string{"noc"}}, []string{"3", "2", "1"}},
		"room without its post": {store.CommandFilter{Rooms: []string{"db"}}, []string{"4", "2"}},
		"no room":               {store.CommandFilter{Rooms: []string{}}, nil},
		"action":                {store.CommandFilter{Actions: []string{"close", "mute"}}, []string{"3", "2"}},
		"page":                  {store.CommandFilter{Limit: 2, Offset: 1}, []string{"4", "3"}},
		"after the last page":   {store.CommandFilter{Limit: 2, Offset: 9}, nil},
	} {
		var ids []string
		for _, found := range must(s.FindCommands(t.Context(), c.filter))(t) {
			ids = append(ids, found.ID)
		}
		require.Equal(t, c.want, ids, name)
	}
}

// Values are stored by name.
func testValues(t *testing.T, open Opener) {
	dir := t.TempDir()
	s := open(t, dir)
	_, err := s.Value(t.Context(), "webhook.noc")
	require.ErrorIs(t, err, store.ErrNotFound)
	require.NoError(t, s.SetValue(t.Context(), "webhook.noc", "one"))
	require.NoError(t, s.SetValue(t.Context(), "webhook.noc", "two"))
	require.NoError(t, s.SetValue(t.Context(), "empty", ""))
	require.NoError(t, s.Close())
	s = open(t, dir)
	require.Equal(t, "two", must(s.Value(t.Context(), "webhook.noc"))(t))
	require.Equal(t, "", must(s.Value(t.Context(), "empty"))(t))
}
