package doctor

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/seal"
	"nms-alert-relay/internal/vault"
)

// A wrong encryption key is a failure, one that isn't the newest or is gone a warning.
func TestEncryptionIsJudged(t *testing.T) {
	key := func(digits string) seal.Key {
		k, err := seal.ParseKey(strings.Repeat(digits, 32))
		require.NoError(t, err)
		return k
	}
	a, b := key("0a"), key("0b")
	canary, err := seal.Keys{a}.Seal("alert-relay", seal.Place("kept_values", vault.CanaryValue))
	require.NoError(t, err)
	for name, c := range map[string]struct {
		keys    seal.Keys
		canary  string
		verdict Verdict
		found   string
	}{
		"off":       {nil, "", OK, "no encryption.keys_file"},
		"removed":   {nil, canary, Warning, "no encryption.keys_file any more"},
		"not used":  {seal.Keys{a}, "", OK, a.ID},
		"right":     {seal.Keys{a}, canary, OK, a.ID},
		"an older":  {seal.Keys{b, a}, canary, Warning, "older key"},
		"wrong":     {seal.Keys{b}, canary, Failure, "lacks the key " + a.ID},
		"a damaged": {seal.Keys{a}, canary[:len(canary)-6], Failure, "lacks the key"},
	} {
		l := list{area: "store"}
		judgeEncryption(&l, c.keys, c.canary)
		require.Len(t, l.checks, 1, name)
		require.Equal(t, c.verdict, l.checks[0].Verdict, name)
		require.Contains(t, l.checks[0].Found, c.found, name)
	}
}
