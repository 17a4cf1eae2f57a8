// Package systemd tells the service manager that started the relay what state it is in. Elsewhere it does nothing.
package systemd

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

// Manager is the service manager. A nil Manager is none, and all methods do nothing but Run, which waits.
type Manager struct {
	notify   func(state string) error
	watchdog time.Duration // within which it expects to hear that the relay is alive; 0: it doesn't watch
	log      *slog.Logger
}

// New returns the manager that the environment names: NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID.
func New(log *slog.Logger) *Manager {
	watchdog, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		log.Warn("systemd's watchdog is off", "error", err)
	}
	return &Manager{watchdog: watchdog, log: log, notify: func(state string) error {
		_, err := daemon.SdNotify(false, state)
		return err
	}}
}

// Ready reports that the start, or a reload, is complete.
func (m *Manager) Ready() { m.tell(daemon.SdNotifyReady + "\nSTATUS=running") }

// Migrating reports that the start goes on, with a step of the store's migration: it isn't ended as long as that takes less than an
// hour.
func (m *Manager) Migrating(from, newest int64) {
	m.tell(fmt.Sprintf("EXTEND_TIMEOUT_USEC=%d\nSTATUS=migrating the store: version %d of %d", time.Hour.Microseconds(), from, newest))
}

// Reloading reports that a reload begins. Ready must follow, also if the reload fails.
func (m *Manager) Reloading() {
	m.tell(daemon.SdNotifyReloading + "\n" + daemon.SdNotifyMonotonicUsec())
}

// Stopping reports that the relay drains.
func (m *Manager) Stopping() { m.tell(daemon.SdNotifyStopping + "\nSTATUS=draining") }

func (m *Manager) tell(state string) {
	if m == nil {
		return
	}
	if err := m.notify(state); err != nil {
		m.log.Warn("cannot notify systemd (is NotifyAccess set?)", "state", state, "error", err)
	}
}

// Run reports Ready, and from then on that the relay is alive, until ctx ends. ping must answer in time; its error doesn't count:
// a restart doesn't empty a full disk, but it ends a deadlock.
func (m *Manager) Run(ctx context.Context, ping func(context.Context) error) error {
	m.Ready()
	if m == nil || m.watchdog == 0 {
		<-ctx.Done()
		return nil
	}
	every := m.watchdog / 3
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		limited, cancel := context.WithTimeout(ctx, every)
		err := ping(limited)
		cancel()
		if alive, status := judge(err); alive {
			m.tell(daemon.SdNotifyWatchdog + "\nSTATUS=" + status)
		} else if ctx.Err() == nil {
			m.log.Warn("the store doesn't answer: systemd restarts the relay unless it does soon", "watchdog", m.watchdog)
		}
	}
}

// judge says what a ping's answer means for the watchdog.
func judge(ping error) (alive bool, status string) {
	switch {
	case ping == nil:
		return true, "running"
	case errors.Is(ping, context.DeadlineExceeded):
		return false, ""
	}
	return true, "not ready: the store can't be written to"
}
