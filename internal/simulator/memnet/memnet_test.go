package memnet

import (
	"context"
	"io"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Waiting for an hour takes no time in a bubble.
func TestHTTPInABubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := Listen()
		server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			time.Sleep(time.Hour)
			_, _ = io.WriteString(w, "hello")
		})}
		done := make(chan error, 1)
		go func() { done <- server.Serve(l) }()
		transport := Transport(map[string]*Listener{"webex.example:80": l})
		start := time.Now()
		resp, err := (&http.Client{Transport: transport}).Get("http://webex.example/")
		require.NoError(t, err)
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.Equal(t, "hello", string(body))
		require.Equal(t, time.Hour, time.Since(start))

		_, err = (&http.Client{Transport: transport}).Get("http://other.example/")
		require.ErrorContains(t, err, "nobody listens")
		transport.CloseIdleConnections()
		require.NoError(t, server.Close())
		require.ErrorIs(t, <-done, http.ErrServerClosed)
	})
}

func TestDialEnds(t *testing.T) {
	l := Listen()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := l.DialContext(ctx, "tcp", "x:1")
	require.ErrorIs(t, err, context.Canceled)
	require.NoError(t, l.Close())
	require.NoError(t, l.Close())
	_, err = l.DialContext(t.Context(), "tcp", "x:1")
	var op *net.OpError
	require.ErrorAs(t, err, &op)
	require.Equal(t, "dial", op.Op)
	_, err = l.Accept()
	require.ErrorIs(t, err, net.ErrClosed)
}
