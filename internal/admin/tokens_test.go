package admin

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/vault"
)

// People's tokens are listed without the token, and removed by the exact address of their person.
func TestTokens(t *testing.T) {
	w := newWorld(t)
	_, body := w.do(t, "GET", "/v1/tokens", "", nil)
	require.JSONEq(t, `{"tokens": [], "total": 0}`, body)
	for _, one := range []store.PersonToken{
		{Person: "P3", Source: "main", Confirmed: true, Sealed: "v1:k:3", Email: "alice@example.com", Username: "alice", CreatedAt: t0, ExpiresAt: t0.Add(time.Hour)},
		{Person: "P3", Source: "lab", Sealed: "v1:k:4", Email: "alice@example.com", CreatedAt: t0},
		{Person: "P4", Source: "main", Confirmed: true, Sealed: "v1:k:5", Email: "alice@example.com", CreatedAt: t0}, // her account of before
		{Person: "P1", Source: "main", Confirmed: true, Sealed: "v1:k:1", Email: "zoe@example.com", CreatedAt: t0},
	} {
		require.NoError(t, w.store.SavePersonToken(t.Context(), one))
	}
	require.NoError(t, vault.Left{"P1": t0.Add(-time.Hour)}.Save(t.Context(), w.store))
	_, body = w.do(t, "GET", "/v1/tokens", "", nil)
	require.NotContains(t, body, "v1:k")
	list := read[TokenList](t, body)
	require.Equal(t, 4, list.Total)
	require.Equal(t, []Token{
		{Person: "alice@example.com", Source: "lab", CreatedAt: t0},
		{Person: "alice@example.com", Source: "main", User: "alice", Confirmed: true, CreatedAt: t0, ExpiresAt: t0.Add(time.Hour)},
		{Person: "alice@example.com", Source: "main", Confirmed: true, CreatedAt: t0},
		{Person: "zoe@example.com", Source: "main", Confirmed: true, CreatedAt: t0, LeftAt: t0.Add(-time.Hour)},
	}, list.Tokens)
	_, body = w.do(t, "GET", "/v1/tokens?limit=1", "", nil)
	require.Len(t, read[TokenList](t, body).Tokens, 1)

	for _, person := range []string{"", " ", "alice", "example.com", "P3", "alice@example.co", "%"} {
		status, body := w.do(t, "POST", "/v1/tokens/remove", `{"person": "`+person+`"}`, nil)
		require.Equal(t, 404, status, body)
		require.Contains(t, body, "tokens list")
	}
	status, body := w.do(t, "POST", "/v1/tokens/remove", `{"person": "Alice@Example.com"}`, nil)
	require.Equal(t, 200, status, body)
	require.JSONEq(t, `{"person": "alice@example.com", "sources": ["lab", "main"]}`, body)
	left, err := w.store.AllPersonTokens(t.Context())
	require.NoError(t, err)
	require.Len(t, left, 1)
	require.Equal(t, "P1", left[0].Person)
	_, body = w.do(t, "GET", "/v1/audit", "", nil)
	audit := read[Audit](t, body)
	require.Len(t, audit.Commands, 2, "one for each account")
	require.Equal(t, "removed the Zabbix API tokens of alice@example.com", audit.Commands[0].Text)
	require.Equal(t, "admin API", audit.Commands[0].Name)
	require.Equal(t, "asked for by 127.0.0.1", audit.Commands[0].Outcome)
	require.Contains(t, w.logged.String(), "a person's API tokens were removed")
	require.NotContains(t, w.logged.String(), "v1:k")
}
