package zabbix

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

// permitted logs when the role begins or stops to forbid a method, and returns err.
func (c *Client) permitted(method string, err error) error {
	switch KindOf(err) {
	case RoleForbids:
		if _, known := c.denied.LoadOrStore(method, true); !known {
			c.opts.Log.Warn("the role of the relay's user in Zabbix forbids an API method or action; allow it in Users → User roles",
				"url", c.display(), "method", method, "lost", without(method), "error", err)
		}
	case "":
		if _, denied := c.denied.LoadAndDelete(method); denied {
			c.opts.Log.Info("the role of the relay's user in Zabbix allows an API method again", "url", c.display(), "method", method)
		}
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
