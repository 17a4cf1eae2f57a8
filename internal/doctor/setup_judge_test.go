package doctor

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/config"
)

// sample is a Zabbix in which two users in one group get the messages. The relay's token belongs to a third.
func sample(t *testing.T, change func(f *setup)) string {
	t.Helper()
	f := &setup{mediaType: &mediaTypeRow{ID: "9", Name: "Webex", Status: enabled}, owner: "3", zone: "system",
		groups: map[str]string{"1": "Network", "2": "Web"}, forbidden: map[str][]string{},
		rights: map[str]map[str]str{"20": {"1": "2", "2": "2"}, "21": {"1": "0"}}}
	require.NoError(t, json.Unmarshal([]byte(`[
		{"name": "ours", "status": "0", "operations": [{"operationtype": "0", "opmessage": {"mediatypeid": "9"}, "opmessage_grp": [{"usrgrpid": "20"}]}],
		 "recovery_operations": [{"operationtype": "11", "opmessage": []}], "update_operations": [{"operationtype": 0, "opmessage": {"mediatypeid": "0"}, "opmessage_usr": [{"userid": "1"}]}]},
		{"name": "by mail", "status": "0", "operations": [{"operationtype": "0", "opmessage": {"mediatypeid": "1"}, "opmessage_usr": [{"userid": "1"}]}]}]`), &f.actions))
	f.users = map[str]userRow{}
	var users []userRow
	require.NoError(t, json.Unmarshal([]byte(`[
		{"userid": "1", "username": "one", "timezone": "UTC", "medias": [{"mediatypeid": "9", "active": 0, "severity": 63}], "usrgrps": [{"usrgrpid": "20"}], "role": {"type": "1"}},
		{"userid": "2", "username": "two", "timezone": "UTC", "medias": [{"mediatypeid": "9", "active": "0", "severity": "63"}], "usrgrps": [{"usrgrpid": "20"}], "role": {"type": "1"}},
		{"userid": "3", "username": "api", "timezone": "UTC", "medias": [], "usrgrps": [{"usrgrpid": "20"}], "role": {"type": "1", "name": "r"}}]`), &users))
	for _, u := range users {
		f.users[u.ID] = u
	}
	change(f)
	l := list{area: "zabbix", target: "main"}
	f.judge(&l, config.Source{}, "")
	var lines []string
	for _, c := range l.checks {
		lines = append(lines, c.line())
	}
	return strings.Join(lines, "\n")
}

// Users get messages by their group too. Several are a warning, and a recovery operation may be "notify all involved".
func TestRecipients(t *testing.T) {
	all := sample(t, func(*setup) {})
	require.Contains(t, all, "ok       zabbix main: action ours: enabled, with problem, recovery and update operations")
	require.NotContains(t, all, "by mail")
	require.Contains(t, all, "warning  zabbix main: recipients: 2 users get each message (one, two)")
	require.NotContains(t, sample(t, func(f *setup) { delete(f.users, "2") }), "recipients")
}

// An operation that runs a command sends nothing.
func TestACommandIsNoMessage(t *testing.T) {
	command := `[{"operationtype": "1", "opcommand": {"scriptid": "4"}, "opmessage": [], "opcommand_hst": [{"hostid": "0"}]}]`
	for name, line := range map[string]string{"recovery_operations": "failure  zabbix main: action ours: it has no recovery operation", "update_operations": "warning  zabbix main: action ours: it has no update operation"} {
		require.Contains(t, sample(t, func(f *setup) { require.NoError(t, json.Unmarshal([]byte(`{"`+name+`": `+command+`}`), &f.actions[0])) }), line)
	}
}

// A media that leaves out severities is a warning.
func TestSeveritiesOfMedia(t *testing.T) {
	require.NotContains(t, sample(t, func(*setup) {}), "media of")
	require.Contains(t, sample(t, func(f *setup) { f.users["1"].Medias[0].Severity = "48" }), "warning  zabbix main: media of one: it leaves out some severities")
}

// The user that gets messages and the one that acts are both checked for host groups, and a denied permission wins over others.
func TestHostGroupsOfEachUser(t *testing.T) {
	all := sample(t, func(f *setup) {
		u := f.users["1"]
		u.Groups = append(u.Groups, struct {
			ID str `json:"usrgrpid"`
		}{"21"})
		f.users["1"] = u
	})
	require.Contains(t, all, "warning  zabbix main: host groups of one: problems of hosts that are only in these aren't reported: Network (")
	require.Contains(t, all, "ok       zabbix main: host groups of two: it sees all 2")
	require.Contains(t, all, "ok       zabbix main: host groups of api: it sees all 2, and may close problems and change severities in 0")
	require.Contains(t, sample(t, func(f *setup) {
		f.rights["20"] = map[str]str{"1": "0", "2": "3"}
		f.rights["21"] = map[str]str{"1": "3"}
	}),
		"host groups of api: problems of hosts that are only in these aren't reported: Network")
	super := sample(t, func(f *setup) { u := f.users["3"]; u.Role.Type = superAdmin; u.Groups = nil; f.users["3"] = u })
	require.Contains(t, super, "ok       zabbix main: host groups of api: it sees all 2, and may close problems and change severities in 2")
}
