package vault

import (
	"bytes"
	"encoding/base64"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/seal"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/store/memory"
	"nms-alert-relay/internal/testlog"
)

func key(t *testing.T, b byte) seal.Key {
	k, err := seal.ParseKey(base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{b}, 32)))
	require.NoError(t, err)
	return k
}

// keep seals a value and stores it as a person's token.
func keep(t *testing.T, v *Vault, s *memory.Store, person, plain string) store.PersonToken {
	token := store.PersonToken{Source: "main", Person: person, Confirmed: true}
	sealed, err := v.Seal(plain, token.Place())
	require.NoError(t, err)
	token.Sealed = sealed
	require.NoError(t, s.SavePersonToken(t.Context(), token))
	return token
}

func stored(t *testing.T, s *memory.Store, person string) store.PersonToken {
	found, err := s.PersonTokens(t.Context(), person)
	require.NoError(t, err)
	require.Len(t, found, 1)
	return found[0]
}

// A key is rotated without losing a value: the new one first, rekey, and then without the old one.
func TestRotation(t *testing.T) {
	s := memory.New(nil)
	var log testlog.Lines
	v := New(s, log.Logger(), prometheus.NewRegistry())
	require.Equal(t, Off, v.State())
	_, err := v.Seal("x", "y")
	require.ErrorIs(t, err, ErrOff)
	_, err = v.Rekey(t.Context(), false)
	require.ErrorIs(t, err, ErrOff)

	a, b := key(t, 1), key(t, 2)
	require.NoError(t, v.Use(t.Context(), seal.Keys{a}))
	require.Equal(t, Ready, v.State())
	keep(t, v, s, "P1", "one")
	require.NoError(t, v.Use(t.Context(), seal.Keys{b, a}))
	require.Contains(t, log.String(), "an older encryption key is in use")
	keep(t, v, s, "P2", "two")
	r, err := v.Rekey(t.Context(), false)
	require.NoError(t, err)
	require.Equal(t, Rekeyed{Key: b.ID, Resealed: 1, Unchanged: 1}, r)
	require.NoError(t, v.Use(t.Context(), seal.Keys{b}))
	require.Equal(t, Ready, v.State())
	for person, want := range map[string]string{"P1": "one", "P2": "two"} {
		token := stored(t, s, person)
		plain, err := v.Open(token.Sealed, token.Place())
		require.NoError(t, err)
		require.Equal(t, want, plain)
	}
	require.NotContains(t, log.String(), "level=ERROR")
}

// A wrong key is reported and seals nothing. With forget, the relay starts anew with it.
func TestWrongKey(t *testing.T) {
	s := memory.New(nil)
	var log testlog.Lines
	reg := prometheus.NewRegistry()
	v := New(s, log.Logger(), reg)
	a, b := key(t, 1), key(t, 2)
	require.NoError(t, v.Use(t.Context(), seal.Keys{a}))
	keep(t, v, s, "P1", "one")
	require.Equal(t, 0.0, testutil.ToFloat64(v.wrong))

	require.NoError(t, v.Use(t.Context(), nil))
	require.Equal(t, Off, v.State())
	require.Contains(t, log.String(), "encryption.keys_file is gone")
	require.NoError(t, v.Use(t.Context(), seal.Keys{b}))
	require.Equal(t, Wrong, v.State())
	require.Equal(t, 1.0, testutil.ToFloat64(v.wrong))
	require.Contains(t, log.String(), "missing="+a.ID)
	_, err := v.Seal("x", "y")
	require.ErrorIs(t, err, ErrWrong)
	token := stored(t, s, "P1")
	_, err = v.Open(token.Sealed, token.Place())
	require.ErrorIs(t, err, seal.ErrUnreadable)

	r, err := v.Rekey(t.Context(), false)
	require.NoError(t, err)
	require.Equal(t, Rekeyed{Key: b.ID, Unreadable: 1}, r)
	require.Equal(t, Wrong, v.State())
	require.NoError(t, v.Use(t.Context(), seal.Keys{b, a}))
	require.Equal(t, Ready, v.State(), "the key is back")
	require.NoError(t, v.Use(t.Context(), seal.Keys{b}))
	r, err = v.Rekey(t.Context(), true)
	require.NoError(t, err)
	require.Equal(t, Rekeyed{Key: b.ID, Unreadable: 1, Forgotten: 1}, r)
	require.Equal(t, Ready, v.State())
	require.Equal(t, 0.0, testutil.ToFloat64(v.wrong))
	found, err := s.PersonTokens(t.Context(), "")
	require.NoError(t, err)
	require.Empty(t, found)
}
