package relay

import (
	"context"
	"net/http"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/receiver"
	"nms-alert-relay/internal/simulator/memnet"
	"nms-alert-relay/internal/testlog"
)

// Both listeners bound their connections.
func TestConnectionsAreLimited(t *testing.T) {
	r := idle(t, new(testlog.Lines))
	defer r.Close()
	require.IsType(t, &receiver.Limited{}, r.public)
	require.IsType(t, &receiver.Limited{}, r.private)
}

// A client's open but unused connection does not make a stop fail.
func TestStopsBesideSilentConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := memnet.Listen()
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- serving(&http.Server{Handler: http.NotFoundHandler()}, l)(ctx) }()
		conn, err := l.DialContext(ctx, "", "")
		require.NoError(t, err)
		defer conn.Close()
		synctest.Wait()
		stop()
		require.NoError(t, <-done)
	})
}
