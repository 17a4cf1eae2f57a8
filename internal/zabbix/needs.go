package zabbix

import "sync"

// Need is an API method that the relay calls, and what is lost where the role of its
// user doesn't allow it.
type Need struct {
	Method, Without string
}

// Needs are all methods that the relay calls.
var Needs = []Need{
	{"apiinfo.version", "needs no permission"},
	{"event.get", "nothing is learned from Zabbix: exact times, who acknowledged, recoveries that the webhook missed"},
	{"trigger.get", "the close button, the item of a problem, and host groups whose names contain commas"},
	{"problem.get", "a maintenance that begins over an open problem, or ends early, shows only when the problem changes otherwise"},
	{"event.acknowledge", "nobody can act from a room"},
}

// denials remembers which methods the role forbids, so that each is logged once.
type denials struct {
	mu      sync.Mutex
	methods map[string]bool
}

// permitted notes what err says about the role's permission to call method, and
// gives err back.
func (c *Client) permitted(method string, err error) error {
	kind := KindOf(err)
	c.denied.mu.Lock()
	was := c.denied.methods[method]
	switch kind {
	case RoleForbids:
		if c.denied.methods == nil {
			c.denied.methods = map[string]bool{}
		}
		c.denied.methods[method] = true
	case "":
		delete(c.denied.methods, method)
	}
	c.denied.mu.Unlock()
	switch {
	case kind == RoleForbids && !was:
		c.opts.Log.Warn("the role of the relay's user in Zabbix forbids an API method or action; allow it in Users → User roles",
			"url", c.display(), "method", method, "lost", without(method), "error", err)
	case kind == "" && was:
		c.opts.Log.Info("the role of the relay's user in Zabbix allows an API method again", "url", c.display(), "method", method)
	}
	return err
}

func without(method string) string {
	for _, n := range Needs {
		if n.Method == method {
			return n.Without
		}
	}
	return ""
}
