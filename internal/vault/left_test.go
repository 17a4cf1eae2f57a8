package vault

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/store/memory"
)

// Who has left survives a restart. A damaged value begins the time anew, instead of removing tokens.
func TestLeft(t *testing.T) {
	s := memory.New(time.Now)
	left, err := ReadLeft(t.Context(), s)
	require.NoError(t, err)
	require.Empty(t, left)
	at := time.Date(2026, 11, 24, 13, 0, 0, 0, time.UTC)
	left["P1"] = at
	require.NoError(t, left.Save(t.Context(), s))
	left, err = ReadLeft(t.Context(), s)
	require.NoError(t, err)
	require.Equal(t, Left{"P1": at}, left)
	for _, damaged := range []string{"", "null", "[]", `{"P1": 5}`, `{"P1": "2026-11-24T13:00:00Z", "P2": "x"}`} {
		require.NoError(t, s.SetValue(t.Context(), leftValue, damaged))
		left, err = ReadLeft(t.Context(), s)
		require.NoError(t, err)
		require.NotNil(t, left)
		require.Empty(t, left, damaged)
	}
	require.NoError(t, s.Close())
	_, err = ReadLeft(t.Context(), s)
	require.Error(t, err)
}

// A removal takes all tokens of its person and nobody else's, and the audit log has it once for each reason.
func TestRemoval(t *testing.T) {
	now := time.Now()
	s := memory.New(nil)
	for _, row := range []store.PersonToken{{Source: "main", Person: "P-ann"}, {Source: "lab", Person: "P-ann"}, {Source: "main", Person: "P-bob"}} {
		row.Sealed, row.CreatedAt = row.Person+row.Source, now
		require.NoError(t, s.SavePersonToken(t.Context(), row))
	}
	for range 2 {
		r := Removal{Person: "P-ann", Email: "ann@example.com", By: "admin", Why: "left", Reason: now, At: now}
		require.NoError(t, r.Remove(t.Context(), s))
	}
	left, err := s.AllPersonTokens(t.Context())
	require.NoError(t, err)
	require.Len(t, left, 1)
	require.Equal(t, "P-bob", left[0].Person)
	audit, err := s.RecentCommands(t.Context(), time.Time{}, time.Time{})
	require.NoError(t, err)
	require.Len(t, audit, 1)
	require.Equal(t, "removed the Zabbix API tokens of ann@example.com", audit[0].Text)
}
