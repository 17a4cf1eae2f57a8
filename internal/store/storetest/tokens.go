package storetest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/store"
)

// A person has one token of a source in use, and perhaps one to confirm, which replaces it.
func testPersonTokens(t *testing.T, open Opener) {
	dir := t.TempDir()
	s := open(t, dir)
	used := store.PersonToken{Source: "main", Person: "P1", Confirmed: true, Sealed: "v1:a:1", Command: "C1", Username: "alice", Email: "alice@example.com", Bot: "noc", RoomID: "R1",
		CreatedAt: t0, ExpiresAt: t0.Add(time.Hour), ToldAt: t0.Add(time.Minute)}
	pending := store.PersonToken{Source: "main", Person: "P1", Sealed: "v1:a:2", Command: "C2", Username: "ali", CreatedAt: t0}
	lab, other := store.PersonToken{Source: "lab", Person: "P1", Confirmed: true, Sealed: "v1:a:3"}, store.PersonToken{Source: "main", Person: "P2", Confirmed: true, Sealed: "v1:a:4"}
	for _, one := range []store.PersonToken{used, pending, lab, other} {
		require.NoError(t, s.SavePersonToken(t.Context(), one))
	}
	require.NoError(t, s.Close())
	s = open(t, dir)
	of := func(person string) []store.PersonToken { return must(s.PersonTokens(t.Context(), person))(t) }
	same(t, []store.PersonToken{lab, pending, used}, of("P1"))
	require.Empty(t, of("P3"))
	require.Empty(t, of(""), "nobody, not everybody")
	same(t, []store.PersonToken{lab, pending, used, other}, must(s.AllPersonTokens(t.Context()))(t))
	require.ErrorIs(t, s.SavePersonToken(t.Context(), store.PersonToken{Source: "main", Sealed: "v1:a:0"}), store.ErrRejected)
	require.Zero(t, must(s.ForgetPersonTokens(t.Context(), "", ""))(t))
	require.Len(t, must(s.AllPersonTokens(t.Context()))(t), 4)

	require.ErrorIs(t, s.ConfirmPersonToken(t.Context(), "P1", "main", "C1"), store.ErrNotFound, "asked for by another command")
	require.ErrorIs(t, s.ConfirmPersonToken(t.Context(), "P2", "main", "C2"), store.ErrNotFound, "of another person")
	require.NoError(t, s.ConfirmPersonToken(t.Context(), "P1", "main", "C2"))
	require.ErrorIs(t, s.ConfirmPersonToken(t.Context(), "P1", "main", "C2"), store.ErrNotFound, "confirmed already")
	pending.Confirmed = true
	same(t, []store.PersonToken{lab, pending}, of("P1"))

	same(t, []store.SealedValue{
		{Place: "person_tokens|lab|P1", Sealed: "v1:a:3"}, {Place: "person_tokens|main|P1", Sealed: "v1:a:2"}, {Place: "person_tokens|main|P2", Sealed: "v1:a:4"},
	}, must(s.SealedValues(t.Context()))(t))
	require.NoError(t, s.Reseal(t.Context(), "v1:a:2", "v1:b:2"))
	require.NoError(t, s.Reseal(t.Context(), "v1:a:9", "v1:b:9"))
	require.NoError(t, s.TellPersonToken(t.Context(), "v1:b:2", t0.Add(time.Second)))
	require.NoError(t, s.TellPersonToken(t.Context(), "v1:b:9", t0))
	pending.Sealed, pending.ToldAt = "v1:b:2", t0.Add(time.Second)
	same(t, []store.PersonToken{lab, pending, other}, must(s.AllPersonTokens(t.Context()))(t))

	require.NoError(t, s.ForgetSealed(t.Context(), "v1:a:2"), "replaced meanwhile")
	require.Len(t, of("P1"), 2)
	pending.Confirmed, pending.Sealed = false, "v1:b:5"
	require.NoError(t, s.SavePersonToken(t.Context(), pending))
	require.Equal(t, 1, must(s.ForgetPersonTokens(t.Context(), "P1", "main"))(t), "in use")
	same(t, []store.PersonToken{lab}, of("P1"))
	require.NoError(t, s.ForgetSealed(t.Context(), "v1:a:3"))
	require.Equal(t, 0, must(s.ForgetPersonTokens(t.Context(), "P1", ""))(t))
	same(t, []store.PersonToken{other}, must(s.AllPersonTokens(t.Context()))(t))
}
