package seal

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func key(t *testing.T, b byte) Key {
	k, err := ParseKey(base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{b}, keySize)))
	require.NoError(t, err)
	return k
}

// A sealed value opens with its key and in its row only, and is different each time.
func TestSeal(t *testing.T) {
	old, now := key(t, 1), key(t, 2)
	place := Place("person_tokens", "main", "P1")
	sealed, err := Keys{old}.Seal("secret", place)
	require.NoError(t, err)
	require.Regexp(t, `^v1:`+old.ID+`:[A-Za-z0-9+/]+:[A-Za-z0-9+/]+$`, sealed)
	require.NotContains(t, sealed, "secret")
	again, err := Keys{old}.Seal("secret", place)
	require.NoError(t, err)
	require.NotEqual(t, sealed, again)

	for _, keys := range []Keys{{old}, {now, old}} {
		plain, err := keys.Open(sealed, place)
		require.NoError(t, err)
		require.Equal(t, "secret", plain)
	}
	require.True(t, Keys{old, now}.Current(sealed))
	require.False(t, Keys{now, old}.Current(sealed))
	require.False(t, Keys(nil).Current(sealed))

	other := Place("person_tokens", "main", "P2")
	parts := strings.Split(sealed, ":")
	for name, c := range map[string]struct {
		keys          Keys
		sealed, place string
	}{
		"another key":      {Keys{now}, sealed, place},
		"no key":           {nil, sealed, place},
		"another person":   {Keys{old}, sealed, other},
		"another version":  {Keys{old}, "v2" + sealed[2:], place},
		"in the clear":     {Keys{old}, "secret", place},
		"empty":            {Keys{old}, "", place},
		"a changed id":     {Keys{old, now}, strings.Replace(sealed, old.ID, now.ID, 1), place},
		"a cut value":      {Keys{old}, sealed[:len(sealed)-4], place},
		"a short nonce":    {Keys{old}, strings.Join([]string{parts[0], parts[1], "AAAA", parts[3]}, ":"), place},
		"not base64":       {Keys{old}, strings.Join([]string{parts[0], parts[1], parts[2], "!"}, ":"), place},
		"without a cipher": {Keys{old}, strings.Join(parts[:3], ":") + ":", place},
	} {
		plain, err := c.keys.Open(c.sealed, c.place)
		require.ErrorIs(t, err, ErrUnreadable, name)
		require.Empty(t, plain, name)
	}
	_, err = Keys(nil).Seal("secret", place)
	require.Error(t, err)
}

// A key is 32 bytes in base64 or hexadecimal, and isn't printed.
func TestParseKey(t *testing.T) {
	raw := bytes.Repeat([]byte{0xab}, keySize)
	a, err := ParseKey(base64.StdEncoding.EncodeToString(raw))
	require.NoError(t, err)
	b, err := ParseKey(hex.EncodeToString(raw))
	require.NoError(t, err)
	require.Equal(t, a.ID, b.ID)
	require.NotEqual(t, a.ID, key(t, 1).ID)
	require.Equal(t, "key "+a.ID, fmt.Sprint(a))
	require.Equal(t, "seal.Keys{key "+a.ID+"}", fmt.Sprintf("%#v", Keys{a}))
	for _, text := range []string{"", "password", strings.Repeat("a", 32), base64.StdEncoding.EncodeToString(raw[:16]), hex.EncodeToString(raw) + "00", strings.Repeat("z", 64)} {
		_, err := ParseKey(text)
		require.Error(t, err, text)
		if text != "" {
			require.NotContains(t, err.Error(), text)
		}
	}
}
