// Package logging limits what strangers can make the relay log.
package logging

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// maxReasons bounds the reasons. They are fixed words, so the bound matters only if a caller breaks that rule.
const maxReasons = 100

// Limited logs events that strangers can cause as often as they like. The first event of a reason is logged at once. Those within
// the interval after it are counted, and one line at its end has the count. It is safe for concurrent use.
type Limited struct {
	log      *slog.Logger
	interval time.Duration

	mu      sync.Mutex
	pending map[string]*pending
}

// pending are the events of one reason since its last line.
type pending struct {
	count int
	level slog.Level
	msg   string
	args  []any
}

// NewLimited makes a Limited with at most one line per reason and interval.
func NewLimited(log *slog.Logger, interval time.Duration) *Limited {
	return &Limited{log: log, interval: interval, pending: make(map[string]*pending)}
}

// Warn logs one event at level warn. The reason is one of a few fixed words, never untrusted text. The line with the count has
// the arguments of the last event.
func (l *Limited) Warn(reason, msg string, args ...any) {
	l.Log(slog.LevelWarn, reason, msg, args...)
}

// Log is Warn for any level.
func (l *Limited) Log(level slog.Level, reason, msg string, args ...any) {
	l.mu.Lock()
	if len(l.pending) >= maxReasons && l.pending[reason] == nil {
		reason = "other"
	}
	if p := l.pending[reason]; p != nil {
		p.count++
		p.level, p.msg, p.args = level, msg, args
		l.mu.Unlock()
		return
	}
	l.pending[reason] = &pending{}
	l.mu.Unlock()
	l.log.Log(context.Background(), level, msg, args...)
	time.AfterFunc(l.interval, func() { l.flush(reason) })
}

// flush ends an interval: it logs the count and begins the next interval, or forgets the reason if nothing happened.
func (l *Limited) flush(reason string) {
	l.mu.Lock()
	p := l.pending[reason]
	if p.count == 0 {
		delete(l.pending, reason)
		l.mu.Unlock()
		return
	}
	l.pending[reason] = &pending{}
	l.mu.Unlock()
	l.log.Log(context.Background(), p.level, p.msg, append(p.args[:len(p.args):len(p.args)], "count", p.count, "within", l.interval)...)
	time.AfterFunc(l.interval, func() { l.flush(reason) })
}
