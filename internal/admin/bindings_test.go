package admin

import (
	"context"
	"log/slog"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/binding"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/store/memory"
)

// Bindings are listed with the reason why they rest, and removed by their number, which is recorded.
func TestBindings(t *testing.T) {
	s := memory.New(nil)
	keeper, err := binding.Load(t.Context(), s, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	at := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	for _, b := range []store.Binding{
		{Room: "space:u1", RoomID: "R1", Bot: "noc", Email: "dora@example.com", Text: "link <@all>", Command: "C1", CreatedAt: at},
		{Room: "person:alice@example.com", RoomID: "R2", Bot: "noc", Email: "alice@example.com", Severity: ">=high", Host: "db*", Until: at.Add(time.Hour), Command: "C2", CreatedAt: at},
	} {
		_, _, err := keeper.Add(t.Context(), b)
		require.NoError(t, err)
	}
	var recorded []string
	api := &API{Store: s, Log: slog.New(slog.DiscardHandler), Now: time.Now, Bindings: keeper,
		Rests: func(b store.Binding) string { return map[int64]string{1: "no admin"}[b.ID] },
		RecordEnd: func(_ context.Context, b store.Binding, outcome string) error {
			recorded = append(recorded, binding.Words(b)+": "+outcome)
			return nil
		},
	}
	ask := func(limit string) BindingList {
		r, err := http.NewRequest(http.MethodGet, "/v1/bindings?limit="+limit, nil)
		require.NoError(t, err)
		out, err := api.bindings(r)
		require.NoError(t, err)
		return out.(BindingList)
	}
	require.Equal(t, BindingList{Total: 2, Bindings: []Binding{
		{ID: "2", Kind: "subscription", Room: "alice@example.com", Matches: "severity>=high host=db*", By: "alice@example.com", CreatedAt: at, Until: at.Add(time.Hour)},
		{ID: "1", Kind: "space", Room: "R1", Matches: `text="link <@all>"`, Bot: "noc", By: "dora@example.com", CreatedAt: at, Rests: "no admin"},
	}}, ask("0"))
	require.Len(t, ask("1").Bindings, 1)

	r, err := http.NewRequest(http.MethodPost, "/v1/bindings/remove", nil)
	require.NoError(t, err)
	r.RemoteAddr = "127.0.0.1:5000"
	done, err := api.removeBinding(r, Choice{ID: "1"})
	require.NoError(t, err)
	require.Equal(t, Done{Removed: []string{"1"}}, done)
	require.Equal(t, []string{`text="link <@all>": removed by the admin API, from 127.0.0.1`}, recorded)
	for _, id := range []string{"1", "99", "x", "99999999999999999999"} {
		_, err = api.removeBinding(r, Choice{ID: id})
		require.ErrorContains(t, err, "unknown binding", id)
	}
	_, err = api.removeBinding(r, Choice{All: true})
	require.ErrorContains(t, err, "missing id")
	require.Equal(t, 1, ask("0").Total)
}
