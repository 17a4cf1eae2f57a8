package zabbix

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"
)

// Limits of a maintenance (measured on 6.0 and 7.0).
const (
	MinMaintenance = 5 * time.Minute
	// maxMaintenanceName is the longest name, in characters. Names are unique.
	maxMaintenanceName = 128
)

// The mark of a maintenance that the relay started is in its name and, so that a person's maintenance never has it by accident, in its
// description too.
const (
	maintenancePrefix = "alert-relay "
	maintenanceMark   = "[relay:maintenance="
)

// Maintenance is a maintenance that runs, or will within a minute.
type Maintenance struct {
	ID     string
	Name   string
	Mark   string // of one that the relay started; "" for any other
	Words  string // the description, without the mark
	Since  time.Time
	Until  time.Time
	Hosts  []Host
	Groups []string
}

// NewMaintenance is a maintenance to create: one period with data collection.
type NewMaintenance struct {
	Mark     string
	Title    string // for its name, which has the mark and this, cut
	Words    string // for its description
	Since    time.Time
	Until    time.Time
	Hosts    []Host
	GroupIDs []string
}

// MaintenanceEnd returns when a maintenance ends that lasts until t. Zabbix counts in minutes and rounds down; this is the next minute, so
// that it isn't shorter than asked for.
func MaintenanceEnd(t time.Time) time.Time {
	if whole := t.Truncate(time.Minute); whole.Before(t) {
		return whole.Add(time.Minute)
	}
	return t
}

// StartMaintenance calls maintenance.create. One with the same mark that exists already is a success: names are unique.
func (c *Client) StartMaintenance(ctx context.Context, m NewMaintenance) error {
	const method = "maintenance.create"
	since, until := m.Since.Truncate(time.Minute), MaintenanceEnd(m.Until)
	objects := func(property string, ids []string) []map[string]string {
		list := []map[string]string{}
		for _, id := range ids {
			list = append(list, map[string]string{property: id})
		}
		return list
	}
	hostIDs := make([]string, 0, len(m.Hosts))
	for _, h := range m.Hosts {
		hostIDs = append(hostIDs, h.ID)
	}
	params := map[string]any{
		"name": string(cutRunes(maintenancePrefix+m.Mark+" "+m.Title, maxMaintenanceName)), "description": m.Words + " " + maintenanceMark + m.Mark + "]",
		"active_since": since.Unix(), "active_till": until.Unix(),
		"timeperiods": []any{map[string]any{"timeperiod_type": 0, "start_date": since.Unix(), "period": int64(until.Sub(since) / time.Second)}},
	}
	if len(hostIDs) > 0 {
		params["hosts"] = objects("hostid", hostIDs)
	}
	if len(m.GroupIDs) > 0 {
		params["groups"] = objects("groupid", m.GroupIDs)
	}
	err := c.permitted(method, c.Call(ctx, method, params, nil))
	if exists(err) {
		return nil
	}
	return err
}

// exists reports whether a refusal says that there is an object with the same name.
func exists(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Code != 0 && strings.HasSuffix(e.said, `" already exists.`)
}

func cutRunes(s string, most int) []rune {
	r := []rune(s)
	return r[:min(len(r), most)]
}

// EndMaintenance calls maintenance.delete. One that is gone already is an error of kind NoObject.
func (c *Client) EndMaintenance(ctx context.Context, id string) error {
	const method = "maintenance.delete"
	return c.permitted(method, c.Call(ctx, method, []string{id}, nil))
}

// maxMaintenances bounds a list.
const maxMaintenances = 500

// Maintenances returns the maintenances of the relay that haven't ended, and those of others that a host is in now, by their end.
func (c *Client) Maintenances(ctx context.Context, now time.Time) ([]Maintenance, error) {
	var hosts []struct{ MaintenanceID text }
	err := c.permitted("host.get", c.Call(ctx, "host.get", map[string]any{"output": []string{"hostid", "maintenanceid"}, "filter": map[string]any{"maintenance_status": 1}, "limit": 5000}, &hosts))
	if err != nil {
		return nil, err
	}
	ids := []string{}
	for _, h := range hosts {
		if id := h.MaintenanceID.id(); id != "" {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	all, err := c.maintenances(ctx, map[string]any{"search": map[string]any{"name": maintenancePrefix}, "startSearch": true})
	if ids = slices.Compact(ids); err == nil && len(ids) > 0 {
		var others []Maintenance
		others, err = c.maintenances(ctx, map[string]any{"maintenanceids": ids})
		for _, o := range others {
			if !slices.ContainsFunc(all, func(m Maintenance) bool { return m.ID == o.ID }) {
				all = append(all, o)
			}
		}
	}
	if err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(all, func(m Maintenance) bool {
		return !m.Until.After(now) || m.Mark == "" && !slices.Contains(ids, m.ID)
	})
	slices.SortFunc(all, func(a, b Maintenance) int { return cmp.Or(a.Until.Compare(b.Until), cmp.Compare(a.ID, b.ID)) })
	return all, nil
}

// maintenances calls maintenance.get.
func (c *Client) maintenances(ctx context.Context, by map[string]any) ([]Maintenance, error) {
	const method = "maintenance.get"
	var rows []struct {
		MaintenanceID, Name, Description text
		Since                            text `json:"active_since"`
		Till                             text `json:"active_till"`
		Hosts                            []hostRow
		Groups, HostGroups               []struct{ Name text }
	}
	err := c.permitted(method, c.call(ctx, method, func(v Version) any {
		params := map[string]any{"output": []string{"maintenanceid", "name", "description", "active_since", "active_till"}, "selectHosts": []string{"hostid", "host", "name"},
			v.SelectHostGroups: []string{"name"}, "sortfield": "active_till", "sortorder": "DESC", "limit": maxMaintenances}
		maps.Copy(params, by)
		return params
	}, &rows))
	if err != nil {
		return nil, err
	}
	list := make([]Maintenance, 0, len(rows))
	for _, r := range rows {
		m := Maintenance{ID: string(r.MaintenanceID), Name: string(r.Name), Words: string(r.Description), Since: r.Since.time(), Until: r.Till.time(), Hosts: hostsOf(r.Hosts)}
		for _, g := range slices.Concat(r.Groups, r.HostGroups) {
			m.Groups = append(m.Groups, string(g.Name))
		}
		m.Mark, m.Words = markIn(m.Name, m.Words)
		list = append(list, m)
	}
	return list, nil
}

// markIn returns the mark of a maintenance that the relay started, and its description without it.
func markIn(name, description string) (mark, words string) {
	rest, ours := strings.CutPrefix(name, maintenancePrefix)
	mark, _, _ = strings.Cut(rest, " ")
	words, ok := strings.CutSuffix(description, maintenanceMark+mark+"]")
	if !ours || mark == "" || !ok {
		return "", description
	}
	return mark, strings.TrimSpace(words)
}
