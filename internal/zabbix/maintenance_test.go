package zabbix

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/simulator/zabbixsim"
)

// A maintenance is created once for each mark, listed, and ended, in the form of each version.
func TestMaintenances(t *testing.T) {
	for _, version := range zabbixsim.Versions {
		z, c, _ := simulated(t, version)
		ctx, now := t.Context(), time.Now()
		hosts, _, err := c.FindHosts(ctx, "db1")
		require.NoError(t, err, version)
		require.Equal(t, []Host{{"10503", "db1", "Database 1"}}, hosts)
		group, ok, err := c.FindHostGroup(ctx, "network")
		require.NoError(t, err)
		require.True(t, ok)
		require.Equal(t, "Network", group.Name)
		require.Equal(t, 2, group.Hosts)
		_, ok, err = c.FindHostGroup(ctx, "net")
		require.NoError(t, err)
		require.False(t, ok, "a part of a name is not a name")

		until := now.Add(90*time.Minute + 30*time.Second)
		m := NewMaintenance{Mark: "abcdefgh", Title: "db1", Words: "Started by Ann: disks", Since: now, Until: until, Hosts: hosts}
		require.NoError(t, c.StartMaintenance(ctx, m), version)
		require.NoError(t, c.StartMaintenance(ctx, m), "%s: a second one with the same mark is the same", version)
		require.NoError(t, c.StartMaintenance(ctx, NewMaintenance{Mark: "zzzzzzzz", Title: "Network", Since: now, Until: until.Add(time.Hour), GroupIDs: []string{group.ID}}))
		require.NoError(t, c.Call(ctx, "maintenance.create", map[string]any{"name": "alert-relay fake of a person", "active_since": now.Unix(), "active_till": until.Add(time.Hour * 3).Unix(),
			"hosts": []map[string]string{{"hostid": "10504"}}, "timeperiods": []any{map[string]any{"period": 3600}}}, nil))
		require.Len(t, z.Maintenances(), 3)

		list, err := c.Maintenances(ctx, now)
		require.NoError(t, err, version)
		require.Len(t, list, 3)
		require.Equal(t, []string{"abcdefgh", "zzzzzzzz", ""}, []string{list[0].Mark, list[1].Mark, list[2].Mark}, "a person's has no mark, whatever its name")
		require.Equal(t, "Started by Ann: disks", list[0].Words)
		require.Equal(t, hosts, list[0].Hosts)
		require.False(t, list[0].Until.Before(until), "not ended earlier than asked for")
		require.Less(t, list[0].Until.Sub(until), time.Minute)
		require.Equal(t, []string{"Network"}, list[1].Groups)

		groups, err := c.GroupsOf(ctx, hosts)
		require.NoError(t, err, version)
		require.Equal(t, []string{"Databases"}, groups)

		list, err = c.Maintenances(ctx, until.Add(time.Minute))
		require.NoError(t, err)
		require.False(t, slices.ContainsFunc(list, func(m Maintenance) bool { return m.Mark == "abcdefgh" }), "one that has ended isn't listed")

		require.NoError(t, c.EndMaintenance(ctx, list[0].ID))
		require.Equal(t, NoObject, KindOf(c.EndMaintenance(ctx, list[0].ID)))

		err = c.StartMaintenance(ctx, NewMaintenance{Mark: "short", Since: now, Until: now.Add(time.Minute), Hosts: hosts})
		require.Equal(t, Invalid, KindOf(err))
		z.LimitRelay()
		require.Equal(t, NoObject, KindOf(c.StartMaintenance(ctx, NewMaintenance{Mark: "other", Since: now, Until: until, Hosts: hosts})), "without write permission")
	}
}

// A maintenance of a group covers the groups that are nested in it.
func TestGroupCovers(t *testing.T) {
	for group, want := range map[string]bool{"Network": true, "Network/Core": true, "Network/Core/1": true, "Networks": false, "network": false, "My/Network": false, "": false} {
		require.Equal(t, want, GroupCovers("Network", group), group)
	}
}

// An exact spelling wins over one in another case, and similar names are only suggestions.
func TestFindHosts(t *testing.T) {
	z, c, _ := simulated(t, "7.0.22")
	for _, h := range []zabbixsim.Host{{ID: "1", Host: "sw1", Name: "Core"}, {ID: "2", Host: "SW1", Name: "core"}, {ID: "3", Host: "sw10", Name: "sw1"}} {
		z.Raise(zabbixsim.Trigger{ID: h.ID, Host: h})
	}
	for name, want := range map[string][]string{"sw1": {"sw1", "sw10"}, "SW1": {"SW1"}, "Sw1": {"sw1", "SW1", "sw10"}, "Core": {"sw1"}, "CORE": {"sw1", "SW1"}, "w1": nil} {
		found, alike, err := c.FindHosts(t.Context(), name)
		require.NoError(t, err)
		var names []string
		for _, h := range found {
			names = append(names, h.Host)
		}
		require.Equal(t, want, names, name)
		require.Equal(t, want == nil, len(found) == 0 && len(alike) > 0, name)
	}
}

// A script is executed once, whatever it answers: its output may look like any refusal.
func TestScripts(t *testing.T) {
	for _, version := range zabbixsim.Versions {
		z, c, _ := simulated(t, version)
		ctx := t.Context()
		z.AddScript(zabbixsim.Script{Name: "Fails", Fails: true, Output: "Not authorized.\nSQL statement execution has failed\nline 3"})
		z.AddScript(zabbixsim.Script{Name: "Ping", Scope: "4"})
		z.AddScript(zabbixsim.Script{Name: "Asks", Input: true})
		found, err := c.FindScripts(ctx, "Ping")
		require.NoError(t, err, version)
		require.Equal(t, []Script{{ID: "1", Name: "Ping"}}, found, "only those for a host")
		if version < "7.0" {
			_, err := c.ExecuteScript(ctx, found[0].ID, "10503")
			require.Equal(t, Unsupported, KindOf(err))
			require.ErrorContains(t, err, "with an API token (HTTP 500): this needs 7.0 or later")
			continue
		}
		r, err := c.ExecuteScript(ctx, found[0].ID, "10503")
		require.NoError(t, err)
		require.Contains(t, r.Output, "PING db1: 3 packets")
		require.False(t, r.Failed)

		found, err = c.FindScripts(ctx, "Fails")
		require.NoError(t, err)
		r, err = c.ExecuteScript(ctx, found[0].ID, "10503")
		require.NoError(t, err)
		require.Equal(t, ScriptResult{Output: "Not authorized.\nSQL statement execution has failed\nline 3", Failed: true}, r, "the whole output")
		require.Equal(t, []string{"Ping on db1", "Fails on db1"}, z.Executed(), "once each")
		require.NoError(t, c.Call(ctx, "problem.get", map[string]any{"limit": 1}, nil), "the token is still used")

		found, err = c.FindScripts(ctx, "Asks")
		require.NoError(t, err)
		require.Equal(t, true, found[0].Input, version)
		z.SetDown(true)
		_, err = c.ExecuteScript(ctx, "1", "10503")
		var e *Error
		require.ErrorAs(t, err, &e)
		require.True(t, e.Unanswered, "it may have run")
		z.SetDown(false)
	}
}
