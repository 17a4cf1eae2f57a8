package zabbix

import (
	"context"
	"fmt"
	"strconv"
)

// suppressedPage is the number of problems in one call.
const suppressedPage = 5000

// Suppressed returns the event ids of all open problems of triggers that are suppressed now, by a maintenance or by hand, as far as
// Zabbix shows them to the relay's user.
func (c *Client) Suppressed(ctx context.Context) (map[string]bool, error) {
	ids := map[string]bool{}
	for from := int64(0); ; {
		page, last, err := c.suppressed(ctx, from)
		if err != nil {
			return nil, err
		}
		for _, id := range page {
			ids[id] = true
		}
		if len(page) < suppressedPage {
			return ids, nil
		}
		from = last + 1
	}
}

// suppressed returns one page: the lowest event ids from the given one on, and the highest of them.
func (c *Client) suppressed(ctx context.Context, from int64) (ids []string, last int64, err error) {
	params := map[string]any{
		"output": []string{"eventid"}, "source": 0, "object": 0, "suppressed": true, "recent": false,
		"sortfield": "eventid", "sortorder": "ASC", "limit": suppressedPage,
	}
	if from > 0 {
		params["eventid_from"] = strconv.FormatInt(from, 10)
	}
	var rows []struct {
		EventID text `json:"eventid"`
	}
	if err := c.permitted("problem.get", c.Call(ctx, "problem.get", params, &rows)); err != nil {
		return nil, 0, err
	}
	last = from - 1
	for _, row := range rows {
		// Ids must ascend: a page that repeats ids would be requested forever.
		id, err := strconv.ParseInt(string(row.EventID), 10, 64)
		if err != nil || id <= last {
			return nil, 0, &Error{Method: "problem.get", Kind: Unreachable, Unanswered: true,
				Message: fmt.Sprintf("the event ids aren't in ascending order from %d: got %q", from, shorten(string(row.EventID)))}
		}
		ids, last = append(ids, string(row.EventID)), id
	}
	return ids, last, nil
}
