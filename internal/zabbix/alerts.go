package zabbix

import (
	"context"
	"slices"
	"strconv"

	mediatype "nms-alert-relay/zabbix"
)

// Alert is a message that Zabbix made about an event, sent or not.
type Alert struct {
	EventID   int64
	User      string // the recipient's id
	MediaType string // its id; "" if the recipient had no media to send it by
	Ours      bool   // the media type has our name
	Failed    bool   // Zabbix gave up on it
}

const (
	// alertBatch is how many events one call asks about, maxAlerts how many of their alerts it returns at most.
	alertBatch, maxAlerts = 200, 5000
)

// The states of an alert's sending.
const (
	sent   = "1"
	gaveUp = "2"
)

// namedMediaTypes is the media type of an alert, by its name; empty if there is none.
type namedMediaTypes []struct{ Name text }

func (m namedMediaTypes) ours() bool {
	return slices.ContainsFunc(m, func(one struct{ Name text }) bool { return string(one.Name) == mediatype.Name })
}

// Alerts lists the messages about these problems of triggers that Zabbix shows the relay's user: its own, and those to users who share a
// user group with it. Of an event with thousands of them some are missing. known is false if Zabbix refuses the call.
func (c *Client) Alerts(ctx context.Context, eventIDs []int64) (alerts []Alert, known bool, err error) {
	for some := range slices.Chunk(eventIDs, alertBatch) {
		if alerts, err = c.alerts(ctx, some, alerts); err != nil {
			return nil, false, unlessRefused(err)
		}
	}
	return alerts, true, nil
}

// alerts appends the alerts of some events to all.
func (c *Client) alerts(ctx context.Context, ids []int64, all []Alert) ([]Alert, error) {
	const method = "alert.get"
	var rows []struct {
		EventID    text `json:"eventid"`
		UserID     text `json:"userid"`
		MediaType  text `json:"mediatypeid"`
		Status     text
		MediaTypes namedMediaTypes
	}
	err := c.permitted(method, c.Call(ctx, method, map[string]any{"output": []string{"eventid", "userid", "mediatypeid", "status"}, "eventids": ids,
		"selectMediatypes": []string{"name"}, "sortfield": "alertid", "limit": maxAlerts}, &rows))
	if err != nil {
		return nil, err
	}
	if len(rows) == maxAlerts && len(ids) > 1 {
		half := len(ids) / 2
		if all, err = c.alerts(ctx, ids[:half], all); err != nil {
			return nil, err
		}
		return c.alerts(ctx, ids[half:], all)
	}
	for _, r := range rows {
		id, err := strconv.ParseInt(string(r.EventID), 10, 64)
		if err != nil {
			continue
		}
		all = append(all, Alert{EventID: id, User: string(r.UserID), MediaType: r.MediaType.id(), Ours: r.MediaTypes.ours(), Failed: string(r.Status) == gaveUp})
	}
	return all, nil
}
