package webex

import "strings"

// tokenHint is what to do about a token that Webex refuses.
func (c *Client) tokenHint() string {
	return "the token isn't valid: make a new one for the same bot on Webex's developer site" + c.token.Hint()
}

// redact keeps the token out of whatever the other side echoes.
func (c *Client) redact(s string) string {
	for _, secret := range []string{c.token.Last(), c.opts.Token} {
		if len(secret) >= 8 { // a test's may be shorter; replacing it would garble the words
			s = strings.ReplaceAll(s, secret, "[token]")
		}
	}
	return s
}
