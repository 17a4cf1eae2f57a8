package webex

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"
)

// A message that was posted or edited has the call's tracking id.
func TestTrackingIDOfASuccess(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Trackingid", r.Method+"-1")
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"id":"M","roomId":"R","created":"2026-01-02T03:04:05.000Z"}`)
	}))
	defer server.Close()
	c := New(Options{BaseURL: server.URL, Token: "T"})
	m, err := c.CreateMessage(t.Context(), NewMessage{RoomID: "R", Text: "x"})
	require.NoError(t, err)
	require.Equal(t, "POST-1", m.TrackingID)
	m, err = c.EditMessage(t.Context(), "M", "R", "x")
	require.NoError(t, err)
	require.Equal(t, "PUT-1", m.TrackingID)
}
