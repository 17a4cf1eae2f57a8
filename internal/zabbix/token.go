package zabbix

// tokenJudged takes in what Zabbix says of a token that was used, and tells the
// operator when that changes.
func (c *Client) tokenJudged(used string, failed *Error) {
	refused := failed != nil && failed.Kind == NotAuthorised
	if failed != nil && !refused {
		return
	}
	if c.token.Judged(used, refused) {
		c.opts.Log.Error("Zabbix refuses the API token: nobody can act from a room, and nothing is asked about problems, until there is a new one (make one for the same user"+c.token.Hint()+")",
			"url", c.display(), "error", failed.Message)
	}
}
