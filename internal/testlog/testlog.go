// Package testlog keeps what a program under test logs, for tests that read it while
// the program still runs.
package testlog

import (
	"bytes"
	"log/slog"
	"sync"
)

// Lines are the lines logged so far, as slog's text. Its zero value is empty, and
// safe for many writers and readers at once.
type Lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// Logger writes into l what is logged from Info on.
func (l *Lines) Logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

// Write implements io.Writer.
func (l *Lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

// String returns what was logged so far.
func (l *Lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
