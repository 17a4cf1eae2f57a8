package zabbix

import (
	"context"
	"strconv"
	"strings"
)

// Host is a host by both of its names.
type Host struct {
	ID   string
	Host string // technical name
	Name string // visible name
}

// Is reports whether this is one of the host's names, regardless of case.
func (h Host) Is(name string) bool {
	return strings.EqualFold(h.Host, name) || strings.EqualFold(h.Name, name)
}

// String returns the technical name, with the visible one if that differs.
func (h Host) String() string {
	if h.Name == "" || h.Name == h.Host {
		return h.Host
	}
	return h.Host + " (" + h.Name + ")"
}

// HostGroup is a host group with its number of hosts.
type HostGroup struct {
	ID, Name string
	Hosts    int
}

// maxAlike is how many hosts a search by a part of their names returns.
const maxAlike = 100

type hostRow struct{ HostID, Host, Name text }

func hostsOf(rows []hostRow) []Host {
	hosts := make([]Host, 0, len(rows))
	for _, r := range rows {
		hosts = append(hosts, Host{string(r.HostID), string(r.Host), string(r.Name)})
	}
	return hosts
}

// FindHosts returns the hosts with this technical or visible name. Only if none is spelt exactly so, case is ignored. With none at all,
// alike are hosts whose names contain it.
func (c *Client) FindHosts(ctx context.Context, name string) (found, alike []Host, err error) {
	names := map[string]any{"host": name, "name": name}
	var rows []hostRow
	const method = "host.get"
	get := func(by string, limit int) error {
		return c.permitted(method, c.Call(ctx, method, map[string]any{"output": []string{"hostid", "host", "name"}, by: names, "searchByAny": true, "limit": limit,
			"sortfield": "host"}, &rows))
	}
	if err := get("filter", maxAlike); err != nil || len(rows) > 0 {
		return hostsOf(rows), nil, err
	}
	if err := get("search", maxAlike); err != nil {
		return nil, nil, err
	}
	for _, h := range hostsOf(rows) {
		if h.Is(name) {
			found = append(found, h)
		}
	}
	return found, hostsOf(rows), nil
}

// FindHostGroup returns the host group with this name; ok is false for none. Only if none is spelt exactly so, case is ignored.
func (c *Client) FindHostGroup(ctx context.Context, name string) (g HostGroup, ok bool, err error) {
	const method = "hostgroup.get"
	var rows []struct{ GroupID, Name, Hosts text }
	err = c.permitted(method, c.Call(ctx, method, map[string]any{"output": []string{"groupid", "name"}, "search": map[string]any{"name": name}, "selectHosts": "count"}, &rows))
	if err != nil {
		return HostGroup{}, false, err
	}
	var alike []HostGroup
	for _, r := range rows {
		n, _ := strconv.Atoi(string(r.Hosts)) // it is a number; otherwise the count is unknown
		one := HostGroup{string(r.GroupID), string(r.Name), n}
		if one.Name == name {
			return one, true, nil
		}
		if strings.EqualFold(one.Name, name) {
			alike = append(alike, one)
		}
	}
	if len(alike) != 1 {
		return HostGroup{}, false, nil
	}
	return alike[0], true, nil
}

// GroupsOf returns the names of the host groups that have one of the hosts.
func (c *Client) GroupsOf(ctx context.Context, hosts []Host) ([]string, error) {
	const method = "hostgroup.get"
	ids := make([]string, 0, len(hosts))
	for _, h := range hosts {
		ids = append(ids, h.ID)
	}
	var rows []struct{ Name text }
	err := c.permitted(method, c.Call(ctx, method, map[string]any{"output": []string{"groupid", "name"}, "hostids": ids, "sortfield": "name"}, &rows))
	names := make([]string, 0, len(rows))
	for _, r := range rows {
		names = append(names, string(r.Name))
	}
	return names, err
}

// GroupCovers reports whether a maintenance of a host group is one of this group: a group covers those nested in it.
func GroupCovers(maintained, group string) bool {
	return group == maintained || strings.HasPrefix(group, maintained+"/")
}
