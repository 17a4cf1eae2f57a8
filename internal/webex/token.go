package webex

import (
	"context"
	"net/http"
	"strings"
	"sync"
)

// bearer is the bot's token as it is now.
type bearer struct {
	mu      sync.Mutex
	now     string
	refused bool // by Webex's last word about it
}

// tokenNow is the token to call with. While Webex refuses it, it is read again
// from where it is kept: somebody may have put a good one there.
func (c *Client) tokenNow(ctx context.Context) string {
	t := &c.token
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.refused || c.opts.Renew == nil {
		return t.now
	}
	renewed, err := c.opts.Renew()
	switch {
	case err != nil:
		c.opts.Log.WarnContext(ctx, "the bot's token can't be read again", "from", c.opts.TokenFrom, "error", err)
	case renewed != t.now:
		c.opts.Log.InfoContext(ctx, "the bot's token was replaced", "from", c.opts.TokenFrom)
		t.now, t.refused = renewed, false
	}
	return t.now
}

// tokenJudged takes in what Webex says of a token that was used.
func (c *Client) tokenJudged(used string, status int) {
	t := &c.token
	t.mu.Lock()
	defer t.mu.Unlock()
	if used == t.now { // else it was replaced meanwhile
		t.refused = status == http.StatusUnauthorized
	}
}

// tokenHint is what to do about a token that Webex refuses.
func (c *Client) tokenHint() string {
	hint := "the token isn't valid: make a new one for the same bot on Webex's developer site"
	if c.opts.TokenFrom != "" {
		hint += " and put it into " + c.opts.TokenFrom
	}
	if c.opts.Renew != nil {
		hint += "; it is read again by itself"
	}
	return hint
}

// redact keeps the token out of whatever the other side echoes.
func (c *Client) redact(s string) string {
	c.token.mu.Lock()
	defer c.token.mu.Unlock()
	for _, secret := range []string{c.token.now, c.opts.Token} {
		if len(secret) >= 8 { // a test's may be shorter; replacing it would garble the words
			s = strings.ReplaceAll(s, secret, "[token]")
		}
	}
	return s
}
