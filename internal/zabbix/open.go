package zabbix

import (
	"context"
	"fmt"
	"maps"
	"strconv"
	"time"

	"nms-alert-relay/internal/alert"
)

// openPage is the number of problems in one call.
const openPage = 1000

// Open is an open problem of a trigger, as Zabbix lists it.
type Open struct {
	EventID      int64
	Opened       time.Time
	Severity     alert.Severity
	Acknowledged bool
	Suppressed   bool // now, by a maintenance or by hand
	Updates      int
	Cause        int64 // event id; 0 for none, and up to 6.2
}

// apiOpen is a row of problem.get.
type apiOpen struct {
	EventID      text `json:"eventid"`
	Clock        text
	Severity     text
	Acknowledged text
	Suppressed   text
	CauseID      text `json:"cause_eventid"`
	Acknowledges text
}

// openParams are the parameters of problem.get for open problems of triggers.
func openParams(more map[string]any) map[string]any {
	params := map[string]any{"source": 0, "object": 0, "recent": false}
	maps.Copy(params, more)
	return params
}

// Open lists all open problems of triggers that Zabbix shows the relay's user, by event id.
func (c *Client) Open(ctx context.Context, each func(Open)) error {
	const method = "problem.get"
	for last := int64(0); ; {
		var rows []apiOpen
		err := c.call(ctx, method, func(v Version) any {
			output := []string{"eventid", "clock", "severity", "acknowledged", "suppressed"}
			if v.Rank {
				output = append(output, "cause_eventid")
			}
			return openParams(map[string]any{"output": output, "selectAcknowledges": "count",
				"sortfield": "eventid", "sortorder": "ASC", "limit": openPage, "eventid_from": strconv.FormatInt(last+1, 10)})
		}, &rows)
		if err = c.permitted(method, err); err != nil {
			return err
		}
		for _, row := range rows {
			// Ids must ascend: a page that repeats ids would be requested forever.
			p, ok := row.open()
			if !ok || p.EventID <= last {
				return &Error{Method: method, Kind: Unreachable, Unanswered: true,
					Message: fmt.Sprintf("the event ids aren't in ascending order after %d: got %q", last, shorten(string(row.EventID)))}
			}
			last = p.EventID
			each(p)
		}
		if len(rows) < openPage {
			return nil
		}
	}
}

func (row apiOpen) open() (p Open, ok bool) {
	id, err := strconv.ParseInt(string(row.EventID), 10, 64)
	cause, _ := strconv.ParseInt(string(row.CauseID), 10, 64)
	return Open{
		EventID: id, Opened: row.Clock.time(), Severity: alert.Severity(row.Severity.number()), Acknowledged: row.Acknowledged == "1",
		Suppressed: row.Suppressed == "1", Updates: row.Acknowledges.number(), Cause: cause,
	}, err == nil
}

// OpenCounts lists this many of the newest problems, and of those that are suppressed or symptoms.
const newestOpen, maxSuppressed, maxSymptoms = 20, 1000, 1000

// OpenCounts are counts of what Open lists, the ids of the newest problems and of the suppressed ones, the newest first, and the newest
// symptoms.
type OpenCounts struct {
	Total, Acknowledged int
	Severities          [len(alert.Severities)]int
	Newest              []int64
	Suppressed          []int64
	MoreSuppressed      bool            // Suppressed isn't all of them
	Causes              map[int64]int64 // of each symptom; nil up to 6.2
	MoreSymptoms        bool            // Causes isn't all of them
}

// OpenCounts counts what Open lists, in one request.
func (c *Client) OpenCounts(ctx context.Context) (counts OpenCounts, err error) {
	const method = "problem.get"
	var newest, suppressed, symptoms []apiOpen
	total, acknowledged := text(""), text("")
	severities := make([]text, len(alert.Severities))
	count := func(filter string, value any) any {
		params := map[string]any{"countOutput": true}
		if filter != "" {
			params[filter] = value
		}
		return openParams(params)
	}
	list := func(limit int, filter string, output ...string) any {
		params := openParams(map[string]any{"output": append(output, "eventid"), "sortfield": "eventid", "sortorder": "DESC", "limit": limit})
		if filter != "" {
			params[filter] = true
		}
		return params
	}
	calls := batched{
		{list(newestOpen, ""), &newest}, {list(maxSuppressed, "suppressed"), &suppressed},
		{count("", nil), &total}, {count("acknowledged", true), &acknowledged},
	}
	for i := range severities {
		calls = append(calls, batchedCall{count("severities", []int{i}), &severities[i]})
	}
	ranks := false
	err = c.call(ctx, method, func(v Version) any {
		if ranks = v.Rank; ranks {
			return append(calls, batchedCall{list(maxSymptoms, "symptom", "cause_eventid"), &symptoms})
		}
		return calls
	}, nil)
	if err = c.permitted(method, err); err != nil {
		return counts, err
	}
	for _, n := range []struct {
		from text
		to   *int
	}{{total, &counts.Total}, {acknowledged, &counts.Acknowledged}} {
		if *n.to, err = strconv.Atoi(string(n.from)); err != nil {
			return counts, &Error{Method: method, Kind: Unreachable, Unanswered: true, Message: fmt.Sprintf("expected a count, got %q", shorten(string(n.from)))}
		}
	}
	for i, n := range severities {
		counts.Severities[i] = n.number()
	}
	if ranks {
		counts.Causes = make(map[int64]int64, len(symptoms))
	}
	for _, rows := range []struct {
		from []apiOpen
		add  func(Open)
	}{
		{newest, func(p Open) { counts.Newest = append(counts.Newest, p.EventID) }},
		{suppressed, func(p Open) { counts.Suppressed = append(counts.Suppressed, p.EventID) }},
		{symptoms, func(p Open) { counts.Causes[p.EventID] = p.Cause }},
	} {
		for _, row := range rows.from {
			p, ok := row.open()
			if !ok {
				return counts, &Error{Method: method, Kind: Unreachable, Unanswered: true, Message: fmt.Sprintf("expected an event id, got %q", shorten(string(row.EventID)))}
			}
			rows.add(p)
		}
	}
	counts.MoreSuppressed, counts.MoreSymptoms = len(suppressed) == maxSuppressed, len(symptoms) == maxSymptoms
	return counts, nil
}

// OldestEvent returns when the oldest event of a trigger was that Zabbix shows the relay's user; zero if it shows none. Then Zabbix has lost
// its database, or the user its permissions.
func (c *Client) OldestEvent(ctx context.Context) (time.Time, error) {
	const method = "event.get"
	var rows []apiOpen
	params := map[string]any{"source": 0, "object": 0, "output": []string{"eventid", "clock"}, "sortfield": "eventid", "sortorder": "ASC", "limit": 1}
	if err := c.permitted(method, c.Call(ctx, method, params, &rows)); err != nil || len(rows) == 0 {
		return time.Time{}, err
	}
	at := rows[0].Clock.time()
	if at.IsZero() {
		return at, &Error{Method: method, Kind: Unreachable, Unanswered: true, Message: fmt.Sprintf("expected a time, got %q", shorten(string(rows[0].Clock)))}
	}
	return at, nil
}
