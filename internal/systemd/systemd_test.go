package systemd

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/testlog"
)

// The states arrive at the socket that the environment names, in the protocol of sd_notify(3).
func TestStates(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "notify")
	l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	require.NoError(t, err)
	defer l.Close()
	t.Setenv("NOTIFY_SOCKET", socket)
	log := &testlog.Lines{}
	m := New(log.Logger())
	received := func() string {
		var buffer [256]byte
		n, err := l.Read(buffer[:])
		require.NoError(t, err)
		return string(buffer[:n])
	}
	m.Migrating(13, 15)
	require.Equal(t, "EXTEND_TIMEOUT_USEC=3600000000\nSTATUS=migrating the store: version 13 of 15", received())
	m.Ready()
	require.Equal(t, "READY=1\nSTATUS=running", received())
	m.Reloading()
	require.Regexp(t, regexp.MustCompile(`^RELOADING=1\nMONOTONIC_USEC=[1-9][0-9]*\n$`), received())
	m.Stopping()
	require.Equal(t, "STOPPING=1\nSTATUS=draining", received())
	require.Empty(t, log.String())
}

// Without a manager nothing happens; a manager that can't be reached is logged.
func TestNoManager(t *testing.T) {
	var none *Manager
	none.Migrating(1, 2)
	none.Ready()
	none.Reloading()
	none.Stopping()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.NoError(t, none.Run(ctx, nil))

	log := &testlog.Lines{}
	t.Setenv("NOTIFY_SOCKET", "")
	New(log.Logger()).Ready()
	require.Empty(t, log.String())
	t.Setenv("NOTIFY_SOCKET", filepath.Join(t.TempDir(), "missing"))
	New(log.Logger()).Ready()
	require.Contains(t, log.String(), "cannot notify systemd")
}

// systemd watches only the process that it names.
func TestWatchdogIsForThisProcess(t *testing.T) {
	for _, c := range []struct {
		usec, pid string
		want      time.Duration
		warned    bool
	}{
		{"", "", 0, false},
		{"60000000", "", time.Minute, false},
		{"60000000", strconv.Itoa(os.Getpid()), time.Minute, false},
		{"60000000", "1", 0, false},
		{"soon", "", 0, true},
	} {
		t.Setenv("WATCHDOG_USEC", c.usec)
		t.Setenv("WATCHDOG_PID", c.pid)
		log := &testlog.Lines{}
		require.Equal(t, c.want, New(log.Logger()).watchdog, "%+v", c)
		require.Equal(t, c.warned, log.String() != "", log.String())
	}
}

// A relay whose store answers, whatever it answers, is alive; one that waits for its store isn't, and is restarted.
func TestWatchdog(t *testing.T) {
	const watchdog = time.Minute
	hang := func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
	for name, c := range map[string]struct {
		ping func(context.Context) error
		want []string // in two and a half minutes
	}{
		"running":          {func(context.Context) error { return nil }, []string{"WATCHDOG=1\nSTATUS=running", "WATCHDOG=1\nSTATUS=running"}},
		"the disk is full": {func(context.Context) error { return errors.New("full\nREADY=1") }, []string{"WATCHDOG=1\nSTATUS=not ready: the store can't be written to"}},
		"hanging":          {hang, nil},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var states []string
				var last, longest time.Duration
				began := time.Now()
				m := &Manager{watchdog: watchdog, log: slog.New(slog.DiscardHandler), notify: func(state string) error {
					at := time.Since(began)
					longest, last = max(longest, at-last), at
					states = append(states, state)
					return nil
				}}
				ctx, cancel := context.WithTimeout(t.Context(), 5*watchdog/2)
				defer cancel()
				require.NoError(t, m.Run(ctx, c.ping))
				require.Equal(t, "READY=1\nSTATUS=running", states[0])
				if c.want == nil {
					require.Len(t, states, 1)
					return
				}
				require.Subset(t, states, c.want)
				require.Less(t, longest, watchdog, "systemd would have restarted it")
				require.Less(t, 5*watchdog/2-last, watchdog)
			})
		})
	}
}
