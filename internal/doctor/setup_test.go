package doctor

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/provision"
	"nms-alert-relay/internal/simulator/zabbixsim"
	"nms-alert-relay/internal/zabbix"
	mediatype "nms-alert-relay/zabbix"
)

// setUp has 'alert-relay setup zabbix' make everything in Zabbix, and the doctor look at it as a Super admin.
func (r *rig) setUp() *rig {
	r.t.Helper()
	file := filepath.Join(r.t.TempDir(), "zabbix-token")
	setup := provision.New(provision.Options{URL: "https://relay.example.com", Secret: signing, Methods: zabbix.Methods(), WriteGroups: []string{"Network"},
		Token: zabbixsim.SetupToken, TokenFile: provision.OnDisk{Path: file}}, r.admin(), time.Now)
	plan, err := setup.Plan(r.t.Context())
	require.NoError(r.t, err)
	require.NoError(r.t, setup.Apply(r.t.Context(), plan, func(provision.Step) {}))
	token, err := os.ReadFile(file)
	require.NoError(r.t, err)
	r.opts.Config.Zabbix[0].APIToken = config.NewSecret(strings.TrimSpace(string(token)))
	r.opts.AdminToken, r.opts.AdminSource = zabbixsim.SetupToken, "main"
	return r
}

func (r *rig) admin() *zabbix.Client {
	return zabbix.New(zabbix.Options{URL: r.opts.Config.Zabbix[0].URL, Token: zabbixsim.SetupToken})
}

// change changes properties of the only object of a kind whose name begins with prefix.
func (r *rig) change(object, id, name, prefix string, properties map[string]any) {
	r.t.Helper()
	var rows []map[string]any
	require.NoError(r.t, r.admin().Call(r.t.Context(), object+".get", map[string]any{"output": "extend"}, &rows))
	for _, row := range rows {
		if strings.HasPrefix(row[name].(string), prefix) {
			properties[id] = row[id]
			require.NoError(r.t, r.admin().Call(r.t.Context(), object+".update", properties, nil))
			return
		}
	}
	require.Fail(r.t, "no "+object)
}

func (r *rig) changeMediaType(properties map[string]any) {
	r.change("mediatype", "mediatypeid", "name", mediatype.Name, properties)
}

func (r *rig) changeAction(properties map[string]any) {
	r.change("action", "actionid", "name", "Webex (alert-relay)", properties)
}

func (r *rig) changeUser(properties map[string]any) {
	r.change("user", "userid", "username", "alert-relay", properties)
}

// After setup, everything in Zabbix is as it should be, in every version.
func TestSetupIsAllRight(t *testing.T) {
	for _, version := range zabbixsim.Versions {
		t.Run(version, func(t *testing.T) {
			r := newRig(t, version).setUp()
			all := r.run()
			for _, line := range strings.Split(all, "\n") {
				if strings.Contains(line, "  zabbix main: ") {
					require.True(t, strings.HasPrefix(line, "ok "), line)
				}
			}
			for _, line := range []string{
				"media type: Webex (alert-relay) is enabled", "media type version: script and parameters are those of this program",
				"media type URL: it sends to https://relay.example.com", "media type secret: it is the source's secret",
				"action Webex (alert-relay): problems (managed): enabled, with problem, recovery and update operations", "time zone of alert-relay: UTC",
				"role: alert-relay (managed) permits what people can do from rooms",
				"host groups of alert-relay: it sees all 5, and may close problems and change severities in 1", "failed alerts: none in the last day",
			} {
				require.Contains(t, all, "ok       zabbix main: "+line)
			}
		})
	}
}

// The role that an older 'alert-relay setup zabbix' made lacks the methods that only watch: warnings, until setup runs again.
func TestRoleOfAnOlderSetup(t *testing.T) {
	for _, version := range zabbixsim.Versions {
		r := newRig(t, version).setUp()
		methods := slices.DeleteFunc(zabbix.Methods(), func(method string) bool { return zabbix.Optional(method) || method == "apiinfo.version" })
		require.Len(t, methods, len(zabbix.Methods())-7)
		r.change("role", "roleid", "name", "alert-relay", map[string]any{"rules": map[string]any{"api.access": 1, "api.mode": 1, "api": methods}})
		all := r.run()
		require.NotRegexp(t, `(?m)^failure  zabbix main: `, all, version)
		for _, method := range []string{"mediatype.get", "action.get", "alert.get", "item.get", "history.get", "trend.get"} {
			require.Contains(t, all, "warning  zabbix main: method "+method+": the role of the relay's user forbids it; what is lost: "+zabbix.Needs[method]+
				" (a role of an older version lacks it: run 'alert-relay setup zabbix' again", version)
		}
		require.Regexp(t, `ok +zabbix main: methods: the role allows all`, r.setUp().run(), version)
	}
}

// With least rights the relay's own token sees nothing of it, which is no failure.
func TestSetupUnseen(t *testing.T) {
	for _, version := range zabbixsim.Versions {
		r := newRig(t, version).setUp()
		r.opts.AdminToken = ""
		require.Contains(t, r.line("zabbix main: media type and action"), "warning  zabbix main: media type and action: not checked: the relay's own token can't see them", version)
		r.opts.AdminToken = zabbixsim.RelayToken
		require.Contains(t, r.line("zabbix main: media type and action"), "the token that was given isn't a Super admin's", version)
		r.opts.AdminToken = strings.Repeat("0", 64)
		require.Contains(t, r.line("zabbix main: media type and action"), "failure  zabbix main: media type and action: not checked: the Super admin's token: Not authorized.", version)
	}
}

// A user who sees nothing is a failure with the relay's own token too.
func TestAUserWhoSeesNothing(t *testing.T) {
	for _, version := range zabbixsim.Versions {
		r := newRig(t, version)
		require.NotContains(t, r.run(), "visibility", version)
		require.NoError(t, r.zabbix.Break("show-nothing"))
		require.Contains(t, r.line("zabbix main: visibility"), "failure  zabbix main: visibility: Zabbix shows the relay's user no trigger", version)
	}
}

// Each thing that somebody changes in Zabbix shows in its own line.
func TestEachFaultInZabbixHasItsLine(t *testing.T) {
	parameters := func(changed map[string]string) []map[string]string {
		values := map[string]string{"URL": "https://relay.example.com", "SECRET": signing}
		for name, value := range changed {
			values[name] = value
		}
		_, names := shipped()
		var list []map[string]string
		for _, name := range names {
			if value, set := values[name]; !set || value != "-" {
				list = append(list, map[string]string{"name": name, "value": value})
			}
		}
		return list
	}
	const action = "zabbix main: action Webex (alert-relay): problems (managed)"
	for _, c := range []struct {
		name, where, line string
		spoil             func(r *rig)
	}{
		{"the media type is disabled", "zabbix main: media type", "failure  zabbix main: media type: Webex (alert-relay) is disabled: no problem arrives", func(r *rig) {
			r.changeMediaType(map[string]any{"status": "1"})
		}},
		{"an old script", "zabbix main: media type version", "warning  zabbix main: media type version: its script isn't the one of this program", func(r *rig) {
			r.changeMediaType(map[string]any{"script": "var PATH = '/v1/zabbix/events';"})
		}},
		{"a renamed media type", "zabbix main: media type", "ok       zabbix main: media type: Webex is enabled", func(r *rig) {
			r.changeMediaType(map[string]any{"name": "Webex"})
		}},
		{"a parameter is missing", "zabbix main: media type version", "warning  zabbix main: media type version: its parameters lack EVENT.ID", func(r *rig) {
			r.changeMediaType(map[string]any{"parameters": parameters(map[string]string{"EVENT.ID": "-"})})
		}},
		{"another address", "zabbix main: media type URL", "warning  zabbix main: media type URL: it sends to https://other.example.com, but server.public_url is http", func(r *rig) {
			r.opts.Config.Server.PublicURL = "http://127.0.0.1:1"
			r.changeMediaType(map[string]any{"parameters": parameters(map[string]string{"URL": "https://other.example.com/"})})
		}},
		{"no address", "zabbix main: media type URL", "failure  zabbix main: media type URL: it has no address of the relay", func(r *rig) {
			r.changeMediaType(map[string]any{"parameters": parameters(map[string]string{"URL": "<URL of the relay>"})})
		}},
		{"an address that is a macro", "zabbix main: media type URL", "ok       zabbix main: media type URL: it is the macro {$RELAY.URL}, which isn't compared", func(r *rig) {
			r.changeMediaType(map[string]any{"parameters": parameters(map[string]string{"URL": "{$RELAY.URL}"})})
		}},
		{"another secret", "zabbix main: media type secret", "failure  zabbix main: media type secret: it isn't the source's secret", func(r *rig) {
			r.changeMediaType(map[string]any{"parameters": parameters(map[string]string{"SECRET": "another-secret"})})
		}},
		{"a macro", "zabbix main: media type secret", "ok       zabbix main: media type secret: it is the macro {$RELAY}", func(r *rig) {
			r.changeMediaType(map[string]any{"parameters": parameters(map[string]string{"SECRET": "{$RELAY}"})})
		}},
		{"the action is disabled", "zabbix main: action", "failure  zabbix main: action: Webex (alert-relay): problems (managed) is disabled: no problem arrives", func(r *rig) {
			r.changeAction(map[string]any{"status": "1"})
		}},
		{"no recovery operation", action, "failure  " + action + ": it has no recovery operation", func(r *rig) {
			r.changeAction(map[string]any{"recovery_operations": []any{}})
		}},
		{"no update operation", action, "warning  " + action + ": it has no update operation", func(r *rig) {
			r.changeAction(map[string]any{"update_operations": []any{}})
		}},
		{"no operations at all", "zabbix main: action", "failure  zabbix main: action: no trigger action sends by our media type", func(r *rig) {
			r.changeAction(map[string]any{"operations": []any{}, "recovery_operations": []any{}, "update_operations": []any{}})
		}},
		{"a user without media", "zabbix main: action", "sends problems to nobody who has an enabled media of our media type", func(r *rig) {
			r.changeUser(map[string]any{"medias": []any{}})
		}},
		{"another time zone", "zabbix main: time zone of alert-relay", "warning  zabbix main: time zone of alert-relay: it is Europe/Berlin in Zabbix, but the source's time_zone is UTC", func(r *rig) {
			zone, err := config.ParseTimeZone("UTC")
			require.NoError(t, err)
			r.opts.Config.Zabbix[0].TimeZone = zone
			r.changeUser(map[string]any{"timezone": "Europe/Berlin"})
		}},
		{"no time zone", "zabbix main: time zone of alert-relay", "warning  zabbix main: time zone of alert-relay: it is that of Zabbix's machine", func(r *rig) {
			r.changeUser(map[string]any{"timezone": "default"})
		}},
		{"a hidden host group", "zabbix main: host groups of alert-relay", "warning  zabbix main: host groups of alert-relay: problems of hosts that are only in these aren't reported: Databases", func(r *rig) {
			r.change("usergroup", "usrgrpid", "name", "alert-relay", r.rights(1))
		}},
		{"no host group", "zabbix main: host groups of alert-relay", "failure  zabbix main: host groups of alert-relay: the user sees none", func(r *rig) {
			r.change("usergroup", "usrgrpid", "name", "alert-relay", r.rights(5))
		}},
		{"actions that Zabbix doesn't list", "zabbix main: media type and action", "failure  zabbix main: media type and action: not checked: zabbix: usergroup.get: ", func(r *rig) {
			require.NoError(t, r.zabbix.Break("only:usergroup.get"))
			require.NoError(t, r.zabbix.Break("sql-failed"))
		}},
		{"a role that forbids closing", "zabbix main: role", "warning  zabbix main: role: alert-relay (managed) forbids close_problems: nobody can do that from a room", func(r *rig) {
			r.change("role", "roleid", "name", "alert-relay", map[string]any{"rules": map[string]any{"actions": []any{map[string]any{"name": "close_problems", "status": "0"}},
				"api": []any{"event.get", "trigger.get", "problem.get", "event.acknowledge"}, "api.mode": "1"}})
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t, "7.0.22").setUp()
			c.spoil(r)
			require.Contains(t, r.line(c.where), c.line)
		})
	}
	t.Run("nothing is there", func(t *testing.T) {
		r := newRig(t, "7.0.22")
		r.opts.AdminToken, r.opts.AdminSource = zabbixsim.SetupToken, "main"
		require.Contains(t, r.line("zabbix main: media type"), "failure  zabbix main: media type: Zabbix has none that sends to alert-relay")
	})
}

// rights are read permissions on all host groups but the first few.
func (r *rig) rights(without int) map[string]any {
	r.t.Helper()
	var groups []struct {
		ID string `json:"groupid"`
	}
	require.NoError(r.t, r.admin().Call(r.t.Context(), "hostgroup.get", map[string]any{"output": []string{"groupid"}}, &groups))
	rights := []any{}
	for _, g := range groups[without:] {
		rights = append(rights, map[string]any{"id": g.ID, "permission": "2"})
	}
	return map[string]any{"hostgroup_rights": rights}
}

// Alerts that Zabbix gave up on are counted, with the reason of the last.
func TestFailedAlerts(t *testing.T) {
	refusing := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) }))
	defer refusing.Close()
	r := newRigWith(t, zabbixsim.Options{Version: "7.0.22", Quick: true, Relay: refusing.URL, Secret: signing, Attempts: 1}).setUp()
	changed, cancel := r.zabbix.Watch()
	defer cancel()
	go func() { _ = r.zabbix.Run(t.Context()) }()
	r.zabbix.Raise(r.zabbix.Triggers()[0])
	for {
		if _, _, failed := r.zabbix.AlertCounts(); failed > 0 {
			break
		}
		<-changed
	}
	require.Contains(t, r.line("zabbix main: failed alerts"), "warning  zabbix main: failed alerts: Zabbix gave up on 1 in the last day; the last: the relay answered 401")
}
