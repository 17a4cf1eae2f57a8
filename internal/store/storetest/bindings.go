package storetest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/store"
)

// A binding stays until it has ended, and its id is never another's.
func testBindings(t *testing.T, open Opener) {
	dir := t.TempDir()
	s := open(t, dir)
	all := func() []store.Binding { return must(s.Bindings(t.Context()))(t) }
	require.Empty(t, all())
	a := store.Binding{
		Room: "person:alice@example.com", RoomID: "R1", Bot: "noc", Severity: ">=high", Host: "db*", Text: "link 100%' <@all>", Until: t0.Add(time.Hour),
		Person: "P1", Email: "alice@example.com", Name: "Alice", Command: "C1", CreatedAt: t0,
	}
	b := store.Binding{Room: "space:r2", RoomID: "R2", Bot: "ops", Severity: "disaster", Command: "C2", CreatedAt: t0}
	a.ID, b.ID = must(s.AddBinding(t.Context(), a))(t), must(s.AddBinding(t.Context(), b))(t)
	require.Equal(t, a.ID, must(s.AddBinding(t.Context(), a))(t), "of the same command")
	require.NotEqual(t, a.ID, b.ID)
	require.NoError(t, s.Close())
	s = open(t, dir)
	same(t, []store.Binding{a, b}, all())

	require.NoError(t, s.EndBinding(t.Context(), b.ID, store.BindingRefused, t0.Add(time.Minute)))
	require.ErrorIs(t, s.EndBinding(t.Context(), b.ID, store.BindingRemoved, t0.Add(time.Hour)), store.ErrNotFound, "it has ended")
	require.ErrorIs(t, s.EndBinding(t.Context(), 99, store.BindingRemoved, t0), store.ErrNotFound)
	b.EndedAt, b.Ended = t0.Add(time.Minute), store.BindingRefused
	same(t, []store.Binding{a, b}, all())

	prune := func(audit time.Time) int { return must(s.Prune(t.Context(), t0, t0, audit, 10))(t) }
	require.Zero(t, prune(t0.Add(time.Minute)))
	require.Equal(t, 1, prune(t0.Add(time.Minute+time.Microsecond)))
	require.Zero(t, prune(t0.Add(1000*time.Hour)), "the other counts")
	same(t, []store.Binding{a}, all())
	c := store.Binding{Room: "space:r3", Command: "C3", CreatedAt: t0}
	require.Greater(t, must(s.AddBinding(t.Context(), c))(t), b.ID)
}
