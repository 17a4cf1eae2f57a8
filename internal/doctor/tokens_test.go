package doctor

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/seal"
	"nms-alert-relay/internal/simulator/zabbixsim"
)

// Each person with a token has one line for each source: whether it works, and what to do. No token is shown.
func TestPeoplesTokensAreChecked(t *testing.T) {
	for _, version := range []string{"6.0.14", "7.0.22"} {
		r := newRig(t, version)
		digits := func(s string) string { return strings.Repeat(s, 32) }
		keys := digits("0a")
		r.opts.Config.Encryption.Keys = []config.Secret{config.NewSecret(keys)}
		key, err := seal.ParseKey(keys)
		require.NoError(t, err)
		another, err := seal.ParseKey(digits("0b"))
		require.NoError(t, err)
		var stored []PersonToken
		add := func(person, token string, k seal.Key, source string) {
			place := seal.Place("person_tokens", source, person)
			sealed, err := seal.Keys{k}.Seal(token, place)
			require.NoError(t, err)
			stored = append(stored, PersonToken{Person: person + "@example.com", Source: source, User: person, Sealed: sealed, Place: place})
		}
		r.zabbix.SetUser(zabbixsim.User{ID: "50", Username: "alice", Name: "Alice", Token: digits("a1")})
		r.zabbix.SetUser(zabbixsim.User{ID: "51", Username: "bob", Token: digits("b1"), Methods: []string{"token.get", "user.get"}})
		r.zabbix.SetUser(zabbixsim.User{ID: "52", Username: "carol", Token: digits("c1"), Expired: true})
		r.zabbix.SetUser(zabbixsim.User{ID: "53", Username: "dora", Token: digits("d1"), Methods: []string{acting}})
		add("alice", digits("a1"), key, "main")
		add("bob", digits("b1"), key, "main")
		add("carol", digits("c1"), key, "main")
		add("dora", digits("d1"), key, "main")
		add("erin", digits("e1"), key, "main") // unknown to Zabbix
		add("frank", digits("f1"), another, "main")
		add("alice", digits("a1"), key, "lab") // of another source
		r.opts.Tokens = func(context.Context, string) ([]PersonToken, error) { return stored, nil }
		all := r.run()
		for person, want := range map[string]string{
			"alice": "accepted: its Zabbix user alice may act",
			"bob":   "the role of its Zabbix user bob forbids event.acknowledge: nothing that they do from a room is done",
			"carol": "Zabbix refuses it (",
			"dora":  "accepted: its Zabbix user dora may act",
			"erin":  "Zabbix refuses it (",
			"frank": "no key of encryption.keys_file opens it",
		} {
			line := "zabbix main: token of " + person + "@example.com: "
			require.Equal(t, 1, strings.Count(all, line), "%s: %s\n%s", version, person, all)
			require.Contains(t, all, line+want, version)
		}
		require.NotContains(t, all, "zabbix lab")
		for _, token := range stored {
			require.NotContains(t, all, token.Sealed)
		}
		for _, token := range []string{"a1", "b1", "c1", "d1", "e1", "f1"} {
			require.NotContains(t, all, digits(token))
		}
		r.opts.Tokens = func(context.Context, string) ([]PersonToken, error) { return nil, errors.New("disk failed") }
		require.Contains(t, r.line("zabbix main: people's tokens"), "disk failed")
		r.opts.Tokens = nil
		require.NotContains(t, r.run(), "token of ")
	}
}
