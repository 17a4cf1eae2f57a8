package vault

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

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
