package httpclient

import (
	"log/slog"
	"sync"
)

// Token is a neighbour's bearer token as it is now. It is safe for concurrent use.
type Token struct {
	what string // "the bot's token", for the log
	from string
	read func() (string, error)
	log  *slog.Logger

	mu      sync.Mutex
	now     string
	refused bool // by the neighbour's last word about it
}

// NewToken is a token that the neighbour hasn't judged yet. What names it in the log, from
// says where it is kept, and read reads it again from there; nil where it doesn't change.
func NewToken(what, token, from string, read func() (string, error), log *slog.Logger) *Token {
	return &Token{what: what, now: token, from: from, read: read, log: log}
}

// Now is the token to call with. While the neighbour refuses it, it is read again
// from where it is kept: somebody may have put a good one there.
func (t *Token) Now() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.refused || t.read == nil {
		return t.now
	}
	renewed, err := t.read()
	switch {
	case err != nil:
		t.log.Warn(t.what+" can't be read again", "from", t.from, "error", err)
	case renewed != t.now:
		t.log.Info(t.what+" was replaced", "from", t.from)
		t.now, t.refused = renewed, false
	}
	return t.now
}

// Judged takes in what the neighbour says of a token that was used, and returns
// whether it refuses what it didn't refuse before.
func (t *Token) Judged(used string, refused bool) (news bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if used != t.now { // it was replaced meanwhile
		return false
	}
	news = refused && !t.refused
	t.refused = refused
	return news
}

// Hint says where a new token belongs, to be put behind how to make one.
func (t *Token) Hint() string {
	hint := ""
	if t.from != "" {
		hint = " and put it into " + t.from
	}
	if t.read != nil {
		hint += "; it is read again by itself"
	}
	return hint
}

// Last is the token that was used last, to keep it out of texts: it reads nothing.
func (t *Token) Last() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.now
}
