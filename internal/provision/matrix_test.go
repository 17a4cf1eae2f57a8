package provision

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/simulator/zabbixsim"
	"nms-alert-relay/internal/zabbix"
)

const (
	signing = "s3cr3t-that-signs-events"
	address = "https://relay.example.com"
)

// rig is a simulated Zabbix with a Super admin's client and a token file.
type rig struct {
	t      *testing.T
	sim    *zabbixsim.Server
	client *zabbix.Client
	url    string
	opts   Options
}

func newRig(t *testing.T, version string) *rig {
	t.Helper()
	sim, err := zabbixsim.New(zabbixsim.Options{Version: version, Quick: true})
	require.NoError(t, err)
	server := httptest.NewServer(sim)
	t.Cleanup(server.Close)
	r := &rig{t: t, sim: sim, url: server.URL}
	r.client = r.as(zabbixsim.SetupToken)
	r.opts = Options{URL: address, Secret: signing, Methods: zabbix.Methods(), Token: zabbixsim.SetupToken,
		TokenFile: OnDisk{Path: filepath.Join(t.TempDir(), "zabbix-token")}}
	return r
}

func (r *rig) as(token string) *zabbix.Client {
	return zabbix.New(zabbix.Options{URL: r.url, Token: token})
}

func (r *rig) setup() *Setup { return New(r.opts, r.client, time.Now) }

// run plans and applies, and returns the plan.
func (r *rig) run() Plan {
	r.t.Helper()
	plan, err := r.setup().Plan(r.t.Context())
	require.NoError(r.t, err)
	require.NoError(r.t, r.setup().Apply(r.t.Context(), plan, func(Step) {}))
	return plan
}

// call calls the API as the Super admin.
func (r *rig) call(method string, params any) (rows []map[string]any) {
	r.t.Helper()
	var raw json.RawMessage
	require.NoError(r.t, r.client.Call(r.t.Context(), method, params, &raw))
	_ = json.Unmarshal(raw, &rows) // only get answers rows
	return rows
}

func (r *rig) token() string {
	r.t.Helper()
	data, err := os.ReadFile(r.opts.TokenFile.Name())
	require.NoError(r.t, err)
	return strings.TrimSpace(string(data))
}

// of returns the step of a kind of object.
func of(t *testing.T, p Plan, kind string) Step {
	t.Helper()
	for _, s := range p.Steps {
		if s.Kind == kind {
			return s
		}
	}
	require.Fail(t, "no step", kind)
	return Step{}
}

func written(p Plan) string {
	var out strings.Builder
	p.Write(&out)
	return out.String()
}

func eachVersion(t *testing.T, test func(t *testing.T, r *rig)) {
	for _, version := range zabbixsim.Versions {
		t.Run(version, func(t *testing.T) { test(t, newRig(t, version)) })
	}
}

// A plan writes nothing. Applied, a second one has nothing to do, and the relay's token allows exactly the relay's methods.
func TestSetupFromNothing(t *testing.T) {
	eachVersion(t, func(t *testing.T, r *rig) {
		r.opts.ActionSources = ActionSources
		r.opts.WriteGroups = []string{"Network"}
		plan, err := r.setup().Plan(t.Context())
		require.NoError(t, err)
		require.Len(t, plan.Pending(), 11)
		for method := range r.sim.Calls() {
			require.True(t, strings.HasSuffix(method, ".get") || method == "apiinfo.version", "a plan called %s", method)
		}
		require.NoFileExists(t, r.opts.TokenFile.Name())

		done := 0
		require.NoError(t, r.setup().Apply(t.Context(), plan, func(Step) { done++ }))
		require.Equal(t, 11, done)
		require.Empty(t, r.run().Pending())

		info, err := os.Stat(r.opts.TokenFile.Name())
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
		relay := r.as(r.token())
		require.NoError(t, relay.Call(t.Context(), "problem.get", map[string]any{"limit": 1}, nil))
		require.Equal(t, zabbix.RoleForbids, zabbix.KindOf(relay.Call(t.Context(), "role.get", map[string]any{}, nil)))
		require.Equal(t, zabbix.RoleForbids, zabbix.KindOf(relay.Call(t.Context(), "user.get", map[string]any{}, nil)))
		require.NotContains(t, written(plan), signing)
		require.NotContains(t, written(plan), r.token())
		raw, err := json.Marshal(plan)
		require.NoError(t, err)
		require.NotContains(t, string(raw), signing)
	})
}

// What somebody changed in Zabbix is shown, and undone.
func TestEditsAreUndone(t *testing.T) {
	eachVersion(t, func(t *testing.T, r *rig) {
		r.run()
		m := r.call("mediatype.get", map[string]any{"output": "extend"})[0]
		r.call("mediatype.update", map[string]any{"mediatypeid": m["mediatypeid"], "status": 1})
		a := r.call("action.get", map[string]any{"output": "extend", "selectOperations": "extend"})[0]
		r.call("action.update", map[string]any{"actionid": a["actionid"], "recovery_operations": []any{}})
		plan := r.run()
		require.Equal(t, []Change{{Field: "status", From: "disabled", To: "enabled"}}, of(t, plan, "media type").Changes)
		require.Contains(t, of(t, plan, "media type").Note, "edited in Zabbix")
		require.Equal(t, Update, of(t, plan, "action").Action)
		require.Contains(t, written(plan), "recovery operation: sends to user alert-relay")
		require.Len(t, plan.Pending(), 2)
		require.Empty(t, r.run().Pending())
	})
}

// What is an administrator's stays: conditions of the action, further parameters, further media and groups, and the host groups of an
// earlier run.
func TestAdministratorsChangesStay(t *testing.T) {
	r := newRig(t, "7.0.22")
	r.opts.ReadGroups = []string{"Network"}
	r.run()
	r.opts.ReadGroups = nil
	mt := r.call("mediatype.get", map[string]any{"output": "extend"})[0]
	parameters := append(mt["parameters"].([]any), map[string]any{"name": "MY.SITE", "value": "{$SITE}"})
	for _, p := range parameters {
		if p := p.(map[string]any); p["name"] == "HTTP_PROXY" {
			p["value"] = "http://proxy:3128"
		}
	}
	r.call("mediatype.update", map[string]any{"mediatypeid": mt["mediatypeid"], "parameters": parameters})
	r.call("mediatype.create", map[string]any{"name": "Email", "type": 0})
	email := r.call("mediatype.get", map[string]any{"filter": map[string]any{"name": "Email"}})[0]["mediatypeid"]
	r.call("usergroup.create", map[string]any{"name": "NOC"})
	noc := r.call("usergroup.get", map[string]any{"filter": map[string]any{"name": "NOC"}})[0]["usrgrpid"]
	u := r.call("user.get", map[string]any{"filter": map[string]any{"username": "alert-relay"}, "selectMedias": "extend", "selectUsrgrps": "extend"})[0]
	r.call("user.update", map[string]any{"userid": u["userid"], "timezone": "Europe/Zurich",
		"medias":  append(u["medias"].([]any), map[string]any{"mediatypeid": email, "sendto": []any{"noc@example.com"}, "active": 0, "severity": 32, "period": "1-5,08:00-18:00"}),
		"usrgrps": append(u["usrgrps"].([]any), map[string]any{"usrgrpid": noc})})
	a := r.call("action.get", map[string]any{"output": "extend"})[0]
	condition := map[string]any{"evaltype": "0", "conditions": []any{map[string]any{"conditiontype": "4", "operator": "5", "value": "3"}}}
	r.call("action.update", map[string]any{"actionid": a["actionid"], "filter": condition})

	plan := r.run()
	require.Equal(t, 2, len(plan.Pending()), written(plan)) // the proxy goes into the script too
	require.Equal(t, []Change{{Field: "time zone", From: "Europe/Zurich", To: "UTC"}}, of(t, plan, "user").Changes)
	require.Contains(t, plan.Notes[0], "aren't reported: Databases, Linux servers")
	require.Empty(t, r.run().Pending())
	mt = r.call("mediatype.get", map[string]any{"filter": map[string]any{"name": "Webex (alert-relay)"}})[0]
	require.Contains(t, fmt.Sprint(mt["parameters"]), "MY.SITE")
	require.Contains(t, fmt.Sprint(mt["parameters"]), "http://proxy:3128")
	u = r.call("user.get", map[string]any{"filter": map[string]any{"username": "alert-relay"}, "selectMedias": "extend", "selectUsrgrps": "extend"})[0]
	require.Len(t, u["medias"], 2)
	require.Len(t, u["usrgrps"], 2)
	require.Contains(t, fmt.Sprint(r.call("action.get", map[string]any{"output": "extend", "selectFilter": "extend"})[0]["filter"]), "conditiontype:4")
}

// A password in an address is written, and shown nowhere: not in a plan, and not in what the next run finds.
func TestPasswordsOfAddressesAreNotShown(t *testing.T) {
	r := newRig(t, "7.0.22")
	shown := func(p Plan) string {
		raw, err := json.Marshal(p)
		require.NoError(t, err)
		text := written(p) + string(raw)
		require.NotContains(t, text, "pa55w0rd")
		return text
	}
	r.opts.URL, r.opts.HTTPProxy = "https://zabbix:pa55w0rd@relay.example.com", "http://user:pa55w0rd@proxy:3128"
	require.Contains(t, shown(r.run()), "parameter HTTP_PROXY: http://***@proxy:3128")
	require.Contains(t, fmt.Sprint(r.call("mediatype.get", map[string]any{"output": "extend"})[0]["parameters"]), r.opts.HTTPProxy)
	require.Empty(t, r.run().Pending())
	r.opts.HTTPProxy = "http://user:pa55w0rd2@proxy:3128"
	plan := r.run()
	require.Contains(t, shown(plan), "parameter HTTP_PROXY: changes")
	require.NotContains(t, of(t, plan, "media type").Note, "edited in Zabbix")
	r.opts.URL, r.opts.HTTPProxy = "https://relay.example.com", "http://proxy:3128"
	require.Contains(t, shown(r.run()), "http://***@proxy:3128 → http://proxy:3128")
	require.Empty(t, r.run().Pending())
}

// Objects of others with our names stop everything before anything is written; --adopt takes them over.
func TestForeignObjects(t *testing.T) {
	eachVersion(t, func(t *testing.T, r *rig) {
		r.call("mediatype.create", map[string]any{"name": "Webex (alert-relay)", "type": 4, "script": "return 1"})
		r.call("usergroup.create", map[string]any{"name": "alert-relay"})
		plan, err := r.setup().Plan(t.Context())
		require.NoError(t, err)
		require.Len(t, plan.Refused(), 2)
		before := r.sim.Calls()
		require.ErrorContains(t, r.setup().Apply(t.Context(), plan, func(Step) {}), "nothing was changed")
		require.Equal(t, before, r.sim.Calls())

		removal, err := r.setup().PlanRemoval(t.Context())
		require.NoError(t, err)
		require.Empty(t, removal.Pending(), "an unmarked object is never removed")
		require.Len(t, removal.Steps, 2)

		r.opts.Adopt = true
		plan = r.run()
		require.Contains(t, of(t, plan, "media type").Note, "taken over")
		r.opts.Adopt = false
		require.Empty(t, r.run().Pending())
		require.Len(t, r.call("usergroup.get", map[string]any{"filter": map[string]any{"name": "alert-relay (managed)"}}), 1)
	})
}

// A new action for discovery has conditions: without them, each check that finds a host up would be reported.
func TestDiscoveryActionHasConditions(t *testing.T) {
	eachVersion(t, func(t *testing.T, r *rig) {
		r.opts.ActionSources = []string{"discovery", "internal"}
		r.run()
		for _, a := range r.call("action.get", map[string]any{"output": "extend", "selectFilter": "extend"}) {
			var values []string
			for _, c := range a["filter"].(map[string]any)["conditions"].([]any) {
				c := c.(map[string]any)
				values = append(values, fmt.Sprint(c["conditiontype"], " ", c["value"]))
			}
			want := map[any][]string{"1": {"10 2", "10 3"}}[a["eventsource"]] // discovery status: discovered, lost
			require.ElementsMatch(t, want, values, a["name"])
		}
	})
}

// A token is made only if the file's doesn't work, and replaces the file as a whole.
func TestTokenOnlyIfNeeded(t *testing.T) {
	eachVersion(t, func(t *testing.T, r *rig) {
		r.run()
		first := r.token()
		r.run()
		require.Equal(t, first, r.token())

		require.NoError(t, os.WriteFile(r.opts.TokenFile.Name(), []byte(strings.Repeat("f", 64)), 0o600))
		plan := r.run()
		require.Equal(t, []Change{{Field: "secret", From: "in " + r.opts.TokenFile.Name() + ": unknown to Zabbix", To: "in " + r.opts.TokenFile.Name()}}, of(t, plan, "API token").Changes)
		require.Contains(t, plan.Notes, "the API token alert-relay gets a new secret, in "+r.opts.TokenFile.Name()+": the old one stops working at once, wherever it is used")
		second := r.token()
		require.NotEqual(t, first, second)

		id := r.call("token.get", map[string]any{"token": second})[0]["tokenid"]
		r.call("token.update", map[string]any{"tokenid": id, "status": 1})
		r.run()
		require.NoError(t, r.as(r.token()).Call(t.Context(), "problem.get", map[string]any{"limit": 1}, nil))

		group := r.call("usergroup.get", map[string]any{})[0]["usrgrpid"]
		r.call("user.create", map[string]any{"username": "another", "passwd": newPassword(), "roleid": r.call("role.get", map[string]any{})[0]["roleid"], "usrgrps": []any{map[string]any{"usrgrpid": group}}})
		user := r.call("user.get", map[string]any{"filter": map[string]any{"username": "another"}})[0]["userid"]
		r.call("token.create", map[string]any{"name": "another", "userid": user})
		another := r.call("token.generate", []any{r.call("token.get", map[string]any{"filter": map[string]any{"name": "another"}})[0]["tokenid"]})[0]["token"].(string)
		require.NoError(t, os.WriteFile(r.opts.TokenFile.Name(), []byte(another), 0o600))
		plan = r.run()
		require.Equal(t, another, r.token(), "a token of another user that works stays")
		require.Contains(t, strings.Join(plan.Notes, "\n"), "belongs to another user")
		left, err := os.ReadDir(filepath.Dir(r.opts.TokenFile.Name()))
		require.NoError(t, err)
		require.Len(t, left, 1, "no temporary file stays")
	})
}

// If the token's file can't be written, nothing is changed in Zabbix.
func TestTokenFileCannotBeWritten(t *testing.T) {
	r := newRig(t, "7.0.22")
	r.opts.TokenFile = OnDisk{Path: filepath.Join(t.TempDir(), "missing", "zabbix-token")}
	plan, err := r.setup().Plan(t.Context())
	require.NoError(t, err)
	require.ErrorContains(t, r.setup().Apply(t.Context(), plan, func(Step) {}), "nothing was changed: cannot write the token file")
	require.Zero(t, r.sim.Calls()["mediatype.create"])
}

// A removal takes everything with our mark, in an order that Zabbix allows, and nothing else.
func TestRemove(t *testing.T) {
	eachVersion(t, func(t *testing.T, r *rig) {
		r.opts.ActionSources = ActionSources
		r.call("mediatype.create", map[string]any{"name": "Email", "type": 0})
		r.call("usermacro.createglobal", map[string]any{"macro": macroName, "value": "theirs"})
		r.opts.URL = ""
		r.run()
		plan, err := r.setup().PlanRemoval(t.Context())
		require.NoError(t, err)
		require.Len(t, plan.Pending(), 10)
		require.NoError(t, r.setup().Remove(t.Context(), plan, func(Step) {}))
		plan, err = r.setup().PlanRemoval(t.Context())
		require.NoError(t, err)
		require.Len(t, plan.Steps, 1)
		require.Equal(t, Foreign, plan.Steps[0].Action)
		require.Len(t, r.call("mediatype.get", map[string]any{}), 1)
		require.Len(t, r.call("role.get", map[string]any{}), 3)
	})
}

// A refusal doesn't keep the rest from being removed.
func TestRemoveWhatCanBeRemoved(t *testing.T) {
	r := newRig(t, "7.0.22")
	r.run()
	id := r.call("mediatype.get", map[string]any{})[0]["mediatypeid"]
	r.call("action.create", map[string]any{"name": "theirs", "eventsource": 0, "operations": []any{map[string]any{"operationtype": 0,
		"opmessage": map[string]any{"default_msg": 1, "mediatypeid": id}, "opmessage_usr": []any{}}}})
	plan, err := r.setup().Plan(t.Context())
	require.NoError(t, err)
	require.Contains(t, plan.Notes[0], `the action "theirs" uses our media type too`)
	plan, err = r.setup().PlanRemoval(t.Context())
	require.NoError(t, err)
	done := 0
	err = r.setup().Remove(t.Context(), plan, func(Step) { done++ })
	require.ErrorContains(t, err, `media type Webex (alert-relay): zabbix: mediatype.delete: Media type "Webex (alert-relay)" is used by action "theirs".`)
	require.Equal(t, 6, done)
}

// Whose token it is, and what it may not do, is said before anything is written.
func TestMissingRights(t *testing.T) {
	eachVersion(t, func(t *testing.T, r *rig) {
		r.opts.Token = zabbixsim.RelayToken
		r.client = r.as(zabbixsim.RelayToken)
		_, err := r.setup().Plan(t.Context())
		require.EqualError(t, err, `the token belongs to relay-api, whose role "User role" isn't of type Super admin: only a Super admin may create users, roles and media types`)

		r.opts.Token = zabbixsim.SetupToken
		r.client = r.as(zabbixsim.SetupToken)
		for _, method := range []string{"role.get", "action.get"} {
			require.NoError(t, r.sim.Break("forbid:"+method))
		}
		_, err = r.setup().Plan(t.Context())
		require.ErrorContains(t, err, "role: zabbix: role.get: No permissions to call")
		require.ErrorContains(t, err, "action: zabbix: action.get: No permissions to call")
		require.ErrorContains(t, err, "must be of type Super admin")
	})
}

// A token that Zabbix refuses is reported once.
func TestRefusedToken(t *testing.T) {
	r := newRig(t, "7.0.22")
	r.client = r.as(strings.Repeat("0", 64))
	_, err := r.setup().Plan(context.Background())
	require.Equal(t, zabbix.NotAuthorised, zabbix.KindOf(err))
	require.Equal(t, 1, strings.Count(err.Error(), "Not authorized"))
}

func TestUnknownHostGroup(t *testing.T) {
	r := newRig(t, "7.0.22")
	r.opts.WriteGroups = []string{"Netwrok", "Nothing like it"}
	_, err := r.setup().Plan(t.Context())
	require.EqualError(t, err, `host group "Netwrok" not found, or not visible to this token (did you mean Network?); host group "Nothing like it" not found, or not visible to this token`)
}

// The rights for maintenances and scripts are given only when asked for, stay after a run without the flags, and can be taken back.
func TestFeatures(t *testing.T) {
	eachVersion(t, func(t *testing.T, r *rig) {
		r.opts.WriteGroups = []string{"*"}
		r.run()
		may := func(method string) bool {
			return zabbix.KindOf(r.as(r.token()).Call(t.Context(), method, map[string]any{}, nil)) != zabbix.RoleForbids
		}
		require.False(t, may("maintenance.create"))
		require.False(t, may("host.get"))

		r.opts.Features = map[zabbix.Feature]bool{zabbix.Maintaining: true}
		plan := r.run()
		require.Contains(t, written(plan), "Admin")
		require.Len(t, plan.Pending(), 1, "the role alone")
		relay := r.as(r.token())
		hosts, _, err := relay.FindHosts(t.Context(), "db1")
		require.NoError(t, err)
		require.NoError(t, relay.StartMaintenance(t.Context(), zabbix.NewMaintenance{Mark: "m", Since: time.Now(), Until: time.Now().Add(time.Hour), Hosts: hosts}))
		require.False(t, may("user.get"))
		require.False(t, may("script.get"))

		r.opts.Features = nil
		require.Empty(t, r.run().Pending(), "a run without the flag keeps it")
		r.opts.Features = map[zabbix.Feature]bool{zabbix.Maintaining: false}
		r.run()
		require.False(t, may("maintenance.create"))
		require.Empty(t, r.run().Pending())
	})
}
