package zabbix

import "strings"

// passHeader says how to make the header arrive.
const passHeader = "let the web server and proxies before Zabbix pass it on: Apache with PHP-FPM or CGI needs `CGIPassAuth On`" +
	" or `SetEnvIf Authorization \"(.*)\" HTTP_AUTHORIZATION=$1`, nginx as a proxy `proxy_set_header Authorization $http_authorization;`"

// noToken reports whether Zabbix may have seen no token at all. For an expired or invalid one it has other words.
func (e *Error) noToken() bool {
	return e != nil && e.Kind == NotAuthorised && strings.HasPrefix(e.Message, "Not authori")
}

// tokenInBody reports whether calls to a version carry the token in the body: the header is preferred.
func (c *Client) tokenInBody(v Version) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !v.TokenInHeader || v.TokenInBody && c.body
}

// useBody remembers where Zabbix reads the token.
func (c *Client) useBody(body bool) {
	c.mu.Lock()
	was := c.body
	c.body = body
	c.mu.Unlock()
	switch {
	case body && !was:
		c.opts.Log.Warn("the Authorization header doesn't reach Zabbix: the API token is sent in the request's body instead, which Zabbix 7.2 and later don't accept; "+passHeader, "url", c.display())
		c.opts.HeaderStripped(true)
	case was && !body:
		c.opts.Log.Info("the Authorization header reaches Zabbix again", "url", c.display())
		c.opts.HeaderStripped(false)
	}
}

// noPlace is the error of a call that can't have both the password and the API token. It is logged once for each address.
func (c *Client) noPlace(v Version, method string) *Error {
	e := &Error{Method: method, Kind: Unsupported, Message: "Zabbix " + v.Text + " reads the API token only in the header Authorization, which basic_auth needs: " +
		"no call to Zabbix is possible until a relay's administrator changes that."}
	c.opts.Observe(method, string(Unsupported), 0)
	if c.noPlaceAt.Swap(c.to.Load()) != c.to.Load() {
		c.opts.Log.Error("basic_auth can't be used with Zabbix 7.2 and later: they read the API token only in the header Authorization, which it needs; "+
			"remove basic_auth, and let the proxy before Zabbix recognise the relay by a header (headers), a client certificate (cert_file) or its address",
			"url", c.display(), "version", v.Text)
	}
	return e
}

// tokenJudged records whether Zabbix accepted a token, and logs when it begins to refuse it.
func (c *Client) tokenJudged(v Version, used string, failed *Error) {
	if used == "" {
		return
	}
	refused := failed != nil && failed.Kind == NotAuthorised
	if failed != nil && !refused {
		return
	}
	if !c.token.Judge(used, refused) {
		return
	}
	hint := "make a new one for the same user" + c.token.Hint()
	if v.TokenInHeader && failed.noToken() && !c.to.Load().basic {
		hint += ". If the token is good, the Authorization header may not reach Zabbix: " + passHeader
	}
	c.opts.Log.Error("Zabbix refuses the API token: until this is fixed, nobody can act from a room, what Zabbix's messages miss isn't found, and details of problems are missing ("+hint+")",
		"url", c.display(), "error", failed.Message)
}
