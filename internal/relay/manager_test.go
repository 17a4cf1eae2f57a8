package relay

import (
	"compress/gzip"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/store/sqlite/sqlitetest"
	"nms-alert-relay/internal/systemd"
	"nms-alert-relay/internal/testlog"
)

// service makes the test systemd, and returns a function that returns the next state that it hears.
func service(t *testing.T) (state func() string) {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "notify")
	l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	t.Setenv("NOTIFY_SOCKET", socket)
	return func() string {
		var buffer [256]byte
		require.NoError(t, l.SetReadDeadline(time.Now().Add(time.Minute)))
		n, err := l.Read(buffer[:])
		require.NoError(t, err)
		first, _, _ := strings.Cut(string(buffer[:n]), "\n")
		return first
	}
}

// systemd hears RELOADING and READY of each reload, also of one that fails: otherwise the unit would stay in reloading. A relay that drains
// refuses to reload.
func TestServiceManagerHearsOfReloads(t *testing.T) {
	state, log := service(t), new(testlog.Lines)
	r := idle(t, log)
	r.manager = systemd.New(log.Logger())
	faulty := errors.New("faulty")
	r.read = func(func(string, []byte)) (*config.Config, error) { return r.started, faulty }
	for range 2 {
		_, err := r.Reload(t.Context(), "test")
		require.Equal(t, faulty, err)
		require.Equal(t, "RELOADING=1", state())
		require.Equal(t, "READY=1", state())
		faulty = nil
	}

	live := r.live.Load()
	r.drain()
	require.Equal(t, "STOPPING=1", state())
	_, err := r.Reload(t.Context(), "test")
	require.ErrorIs(t, err, errStopping)
	require.Same(t, live, r.live.Load())
	r.manager.Stopping()
	require.Equal(t, "STOPPING=1", state(), "nothing else in between")
	require.NoError(t, r.Close())
}

// systemd hears READY once the relay serves, WATCHDOG while its store answers, and STOPPING before it drains.
func TestServiceManager(t *testing.T) {
	state := service(t)
	t.Setenv("WATCHDOG_USEC", "300000")
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

// systemd grants each step of the store's migration its own time: a start that it ended would begin again, for ever.
func TestServiceManagerHearsOfMigrations(t *testing.T) {
	state, log := service(t), new(testlog.Lines)
	cfg, err := config.Parse("relay.yaml", []byte(quiet), config.Options{Env: secretEnv})
	require.NoError(t, err)
	cfg.Store.Path = sqlitetest.New(t)
	packed, err := os.Open("../store/sqlite/testdata/schema-13.db.gz")
	require.NoError(t, err)
	defer packed.Close()
	unpacked, err := gzip.NewReader(packed)
	require.NoError(t, err)
	content, err := io.ReadAll(unpacked)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(cfg.Store.Path, content, 0o600))
	var listeners [2]net.Listener
	for i := range listeners {
		listeners[i], err = net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
	}
	r, err := New(t.Context(), Options{Config: cfg, Log: log.Logger(), Manager: systemd.New(log.Logger()), Public: listeners[0], Admin: listeners[1]})
	require.NoError(t, err)
	require.NoError(t, r.Close())
	require.Equal(t, "EXTEND_TIMEOUT_USEC=3600000000", state(), "13")
	require.Equal(t, "EXTEND_TIMEOUT_USEC=3600000000", state(), "14")
}
