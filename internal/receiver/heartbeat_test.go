package receiver

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/store"
)

// pulse knows the heartbeat backup.
type pulse struct {
	heard int
	err   error
}

func (p *pulse) Beat(_ context.Context, name string) (time.Time, error) {
	if p.err != nil {
		return time.Time{}, p.err
	}
	if name != "backup" {
		return time.Time{}, store.ErrNotFound
	}
	p.heard++
	return now.Add(time.Hour), nil
}

func (p *pulse) Names() []string { return []string{"backup"} }

// A heartbeat needs a sender's token and a known name; the answer says when the next one is expected, or what is wrong.
func TestHeartbeat(t *testing.T) {
	p := &pulse{}
	r := New(Options{Senders: []Sender{{Name: "cron", Tokens: []string{token}}}, Heartbeats: p, Metrics: NewMetrics(prometheus.NewRegistry())})
	post := func(name, bearer string) (int, string) {
		req := httptest.NewRequest(http.MethodPost, "/v1/heartbeat/"+name, nil)
		if bearer != "" {
			req.Header.Set("Authorization", "Bearer "+bearer)
		}
		w := httptest.NewRecorder()
		r.Handler().ServeHTTP(w, req)
		return w.Code, w.Body.String()
	}
	status, answer := post("backup", token)
	require.Equal(t, http.StatusAccepted, status)
	require.JSONEq(t, `{"heartbeat": "backup", "expected_by": "`+now.Add(time.Hour).Format(time.RFC3339)+`"}`, answer)
	status, answer = post("bakup", token)
	require.Equal(t, http.StatusNotFound, status)
	require.Contains(t, answer, `unknown heartbeat \"bakup\"`)
	require.Contains(t, answer, "configured: backup")
	for _, bearer := range []string{"", "guessed", secret} {
		status, answer = post("bakup", bearer)
		require.Equal(t, http.StatusUnauthorized, status)
		require.NotContains(t, answer, "backup", "strangers learn no name")
	}
	p.err = store.ErrBusy
	status, _ = post("backup", token)
	require.GreaterOrEqual(t, status, 429)
	require.Equal(t, 1, p.heard)
}
