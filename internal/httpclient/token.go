package httpclient

import (
	"log/slog"
	"slices"
	"strings"
	"sync"
)

// Token is a neighbour's bearer token. While the neighbour refuses it, it is read again from where it is kept, so that a new token
// needs no restart. It is safe for concurrent use.
type Token struct {
	name string // for the log: "the bot's token"
	log  *slog.Logger

	mu      sync.Mutex
	source  string // for the log: "file /run/secrets/webex-token"
	read    func() (string, error)
	used    []string // the current one last
	refused bool     // whether the neighbour refused the current one
}

// NewToken makes a token that isn't known to be refused. read reads it again from source; nil for a token that can't change.
func NewToken(name, token, source string, read func() (string, error), log *slog.Logger) *Token {
	return &Token{name: name, used: []string{token}, source: source, read: read, log: log}
}

// Replace makes another token the current one, which isn't known to be refused. The same token changes only its source.
func (t *Token) Replace(token, source string, read func() (string, error)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.source, t.read = source, read
	if token != t.last() {
		t.replace(token)
	}
}

// replace makes another token the current one. The caller holds mu.
func (t *Token) replace(token string) {
	t.log.Info(t.name+" was replaced", "from", t.source)
	t.used, t.refused = append(t.used, token), false
}

// Current returns the token to call with.
func (t *Token) Current() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.refused || t.read == nil {
		return t.last()
	}
	renewed, err := t.read()
	switch {
	case err != nil:
		t.log.Warn("cannot read "+t.name+" again", "from", t.source, "error", err)
	case renewed != t.last():
		t.replace(renewed)
	}
	return t.last()
}

// Judge records whether the neighbour refused a token. It reports whether that is news: the token was not refused before.
func (t *Token) Judge(token string, refused bool) (news bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if token != t.last() { // replaced in the meantime
		return false
	}
	news = refused && !t.refused
	t.refused = refused
	return news
}

// Hint completes the advice to make a new token: where to put it.
func (t *Token) Hint() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	hint := ""
	if t.source != "" {
		hint = " and put it into " + t.source
	}
	if t.read != nil {
		hint += "; no restart is needed"
	}
	return hint
}

// Redact replaces every token used so far in a text that comes from outside.
func (t *Token) Redact(s string) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, token := range slices.Backward(t.used) {
		if len(token) >= 8 { // shorter ones exist in tests only, and would garble words
			s = strings.ReplaceAll(s, token, "[token]")
		}
	}
	return s
}

func (t *Token) last() string { return t.used[len(t.used)-1] }
