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
