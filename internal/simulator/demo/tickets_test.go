package demo

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/action"
)

// The ticket system opens one ticket for an id, if the request is signed, and shows it without trusting its texts.
func TestTickets(t *testing.T) {
	s := &tickets{}
	send := func(method, path, id, signature, body string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(method, path, strings.NewReader(body))
		r.Header.Set("X-Relay-Id", id)
		r.Header.Set("X-Relay-Timestamp", "1")
		r.Header.Set("X-Relay-Signature", signature)
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		return w
	}
	const body = `{"comment": "<script>", "person": {"name": "Alice"}, "problem": {"id": "main/1", "name": "a & b"}}`
	require.Equal(t, http.StatusUnauthorized, send("POST", "/", "1", "sha256=7b5f", body).Code)
	right := action.Sign(ticketSecret, "1", []byte(body))
	for range 2 {
		w := send("POST", "/", "1", right, body)
		require.Equal(t, http.StatusCreated, w.Code)
		require.JSONEq(t, `{"message": "Opened DEMO-1", "url": "/DEMO-1"}`, w.Body.String())
	}
	require.Contains(t, send("POST", "/", "2", right, body).Body.String(), "DEMO-2")
	page := send("GET", "/DEMO-1", "", "", "")
	require.Equal(t, http.StatusOK, page.Code)
	require.Contains(t, page.Body.String(), "a &amp; b")
	require.Contains(t, page.Body.String(), "&lt;script&gt;")
	require.Equal(t, http.StatusNotFound, send("GET", "/DEMO-3", "", "", "").Code)
	require.Equal(t, http.StatusNotFound, send("GET", "/", "", "", "").Code)
}
