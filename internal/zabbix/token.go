package zabbix

import "sync"

// bearer is the API token as it is now.
type bearer struct {
	mu      sync.Mutex
	now     string
	refused bool // by Zabbix's last word about it
}

// tokenNow is the token to call with. While Zabbix refuses it, it is read again
// from where it is kept: somebody may have put a good one there.
func (c *Client) tokenNow() string {
	t := &c.token
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.refused || c.opts.Renew == nil {
		return t.now
	}
	renewed, err := c.opts.Renew()
	switch {
	case err != nil:
		c.opts.Log.Warn("the API token can't be read again", "url", c.display(), "from", c.opts.TokenFrom, "error", err)
	case renewed != t.now:
		c.opts.Log.Info("the API token was replaced", "url", c.display(), "from", c.opts.TokenFrom)
		t.now, t.refused = renewed, false
	}
	return t.now
}

// tokenJudged takes in what Zabbix says of a token that was used, and tells the
// operator when that changes.
func (c *Client) tokenJudged(used string, failed *Error) {
	t := &c.token
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case used != t.now: // it was replaced meanwhile
	case failed == nil:
		t.refused = false
	case failed.Kind == NotAuthorised && !t.refused:
		t.refused = true
		c.opts.Log.Error("Zabbix refuses the API token: nobody can act from a room, and nothing is asked about problems, until there is a new one ("+c.tokenHint()+")",
			"url", c.display(), "error", failed.Message)
	}
}

func (c *Client) tokenHint() string {
	hint := "make one for the same user"
	if c.opts.TokenFrom != "" {
		hint += " and put it into " + c.opts.TokenFrom
	}
	if c.opts.Renew != nil {
		hint += "; it is read again by itself"
	}
	return hint
}
