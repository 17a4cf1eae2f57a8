package zabbix

import "sync"

// Need is an API method that the relay calls, and what is missing if the role of its user doesn't allow it.
type Need struct {
	Method, Without string
}

// Needs are all the methods that the relay calls.
var Needs = []Need{
	{"apiinfo.version", "needs no permission"},
	{"event.get", "details from Zabbix: exact times, who acknowledged, recoveries that the webhook missed"},
	{"trigger.get", "the close button, the item of a problem, and host groups whose names contain commas"},
	{"problem.get", "the begin and end of a maintenance show only when the problem changes otherwise"},
	{"event.acknowledge", "actions from rooms"},
}

// denials remembers which methods the role forbids, so that each is logged once.
type denials struct {
	mu      sync.Mutex
	methods map[string]bool
}

// permitted logs when the role begins or stops to forbid a method, and returns err.
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
