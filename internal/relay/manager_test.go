package relay

import (
	"context"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/systemd"
	"nms-alert-relay/internal/testlog"
)

// systemd hears READY once the relay serves, WATCHDOG while its store answers, and STOPPING before it drains.
func TestServiceManager(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "notify")
	l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	require.NoError(t, err)
	defer l.Close()
	t.Setenv("NOTIFY_SOCKET", socket)
	t.Setenv("WATCHDOG_USEC", "300000")
	state := func() string {
		var buffer [256]byte
		require.NoError(t, l.SetReadDeadline(time.Now().Add(time.Minute)))
		n, err := l.Read(buffer[:])
		require.NoError(t, err)
		first, _, _ := strings.Cut(string(buffer[:n]), "\n")
		return first
	}
	log := &testlog.Lines{}
	r := idle(t, log)
	r.manager = systemd.New(log.Logger())
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()

	require.Equal(t, "READY=1", state())
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	status, _ := readyz(t, client, r)
	require.Equal(t, http.StatusOK, status)
	require.Equal(t, "WATCHDOG=1", state())
	stop()
	next := state()
	for next == "WATCHDOG=1" {
		next = state()
	}
	require.Equal(t, "STOPPING=1", next)
	require.NoError(t, <-done)
}
