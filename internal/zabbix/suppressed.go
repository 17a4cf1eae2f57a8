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
	const method = "problem.get"
	ids := map[string]bool{}
	for last := int64(0); ; {
		params := map[string]any{
			"output": []string{"eventid"}, "source": 0, "object": 0, "suppressed": true, "recent": false,
			"sortfield": "eventid", "sortorder": "ASC", "limit": suppressedPage, "eventid_from": strconv.FormatInt(last+1, 10),
		}
		var rows []struct {
			EventID text `json:"eventid"`
		}
		if err := c.permitted(method, c.Call(ctx, method, params, &rows)); err != nil {
			return nil, err
		}
		for _, row := range rows {
			// Ids must ascend: a page that repeats ids would be requested forever.
			id, err := strconv.ParseInt(string(row.EventID), 10, 64)
			if err != nil || id <= last {
				return nil, &Error{Method: method, Kind: Unreachable, Unanswered: true,
					Message: fmt.Sprintf("the event ids aren't in ascending order after %d: got %q", last, shorten(string(row.EventID)))}
			}
			ids[string(row.EventID)], last = true, id
		}
		if len(rows) < suppressedPage {
			return ids, nil
		}
	}
}
