// Package logging limits what strangers can make the relay write to its log.
package logging

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// maxReasons bounds the reasons that are counted apart. Reasons are fixed words, so the
// bound matters only if a caller breaks that rule.
const maxReasons = 100

// Limited logs events that strangers can cause as often as they like. The first event of
// a reason is logged at once. Those that follow within the interval are counted, and one
// line at its end says how many there were. It is safe for concurrent use.
type Limited struct {
	log      *slog.Logger
	interval time.Duration

	mu      sync.Mutex
	pending map[string]*pending
}

// pending is what happened for one reason since its last line.
type pending struct {
	count int
	level slog.Level
	msg   string
	args  []any
}

// NewLimited makes one that logs at most one line per reason and interval to log.
func NewLimited(log *slog.Logger, interval time.Duration) *Limited {
	return &Limited{log: log, interval: interval, pending: make(map[string]*pending)}
}

// Warn logs one event at level warn. The reason is one of a few fixed words, never a
// stranger's text. The arguments of the last event stand for all that were counted.
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

// flush ends an interval: it logs what was counted and begins the next one, or forgets
// the reason where nothing more happened.
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
