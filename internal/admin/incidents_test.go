package admin

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/incident"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/store/memory"
)

// Incidents are listed, the newest first, and the review of each can be read.
func TestIncidents(t *testing.T) {
	s := memory.New(nil)
	keeper, err := incident.Load(t.Context(), s)
	require.NoError(t, err)
	at := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	for _, c := range []string{"C1", "C2"} {
		_, err := keeper.Add(t.Context(), store.Incident{
			Command: c, Title: "db1: <@all> " + c, Room: "noc", Bot: "noc", By: store.Someone{Email: "alice@example.com"}, Opened: at,
			Problems: []store.IncidentProblem{{Key: alert.Key{Source: "main", EventID: "4711"}}},
		})
		require.NoError(t, err)
	}
	api := &API{
		Store: s, Log: slog.New(slog.DiscardHandler), Now: time.Now, Incidents: keeper,
		IncidentSettings: func() incident.Settings { return incident.Settings{} },
	}
	ask := func(path string, into any) int {
		w := httptest.NewRecorder()
		api.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		require.NoError(t, json.Unmarshal(w.Body.Bytes(), into), w.Body.String())
		return w.Code
	}
	var list IncidentList
	require.Equal(t, http.StatusOK, ask("/v1/incidents?limit=1", &list))
	require.Equal(t, 2, list.Total)
	require.Len(t, list.Incidents, 1)
	require.Equal(t, "INC-2", list.Incidents[0].Number)
	require.Equal(t, []string{"main/4711"}, list.Incidents[0].Problems)
	var review IncidentReview
	require.Equal(t, http.StatusOK, ask("/v1/incidents/inc-1/review", &review))
	require.Contains(t, review.Review, "# INC-1: db1: &lt;")
	require.Len(t, review.Timeline, 1)
	var refused map[string]string
	require.Equal(t, http.StatusNotFound, ask("/v1/incidents/INC-9/review", &refused))
	require.Contains(t, refused["error"], `unknown incident "INC-9"`)
}
