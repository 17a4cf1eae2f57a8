package client

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"
)

// The relay's own words about an unknown id are passed on. An answer that isn't a relay's, and no answer, point to the address.
func TestAsk(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.Method + " " + r.URL.Path {
		case "GET /list":
			_, _ = io.WriteString(w, `["a", "b"]`)
		case "POST /drop":
			w.WriteHeader(http.StatusNotFound)
			_, _ = io.WriteString(w, `{"error": "unknown dead letter", "hint": "list them"}`)
		default:
			http.NotFound(w, r)
		}
	}))
	defer server.Close()
	relay := Relay{URL: server.URL + "/"}
	list, err := Ask[[]string](t.Context(), relay, "/list", nil)
	require.NoError(t, err)
	require.Equal(t, []string{"a", "b"}, list)
	_, err = Ask[[]string](t.Context(), relay, "/drop", map[string]string{"id": "c"})
	require.EqualError(t, err, "unknown dead letter (list them)")
	_, err = Ask[[]string](t.Context(), relay, "/nothing", nil)
	require.EqualError(t, err, server.URL+" answered 404 Not Found: not an answer from alert-relay (is the address right?)")
	_, err = Ask[map[string]string](t.Context(), relay, "/list", nil)
	require.ErrorContains(t, err, server.URL+": not an answer from alert-relay (is the address right?)")
	server.Close()
	_, err = Ask[[]string](t.Context(), relay, "/list", nil)
	require.ErrorIs(t, err, ErrNoRelay)
}

// A probe passes on a relay's word, and believes nobody else's 200.
func TestProbe(t *testing.T) {
	status, body := http.StatusOK, "alive\n"
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		require.Equal(t, "/healthz", r.URL.Path)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}))
	defer server.Close()
	relay := Relay{URL: server.URL}
	word, err := Probe(t.Context(), relay, Alive)
	require.NoError(t, err)
	require.Equal(t, "alive", word)
	body = "<html>Sign in</html>"
	_, err = Probe(t.Context(), relay, Alive)
	require.EqualError(t, err, server.URL+"/healthz: not an answer from alert-relay (is the address right?)")
	status, body = http.StatusServiceUnavailable, "draining\n"
	_, err = Probe(t.Context(), relay, Alive)
	require.EqualError(t, err, server.URL+"/healthz answered 503: draining")
}
