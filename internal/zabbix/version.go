package zabbix

import (
	"fmt"
	"strconv"
	"strings"

	"nms-alert-relay/internal/alert"
)

// Version is a version of Zabbix with what its API can do.
type Version struct {
	Text string // "7.0.22"; "" while it is unknown
	*Abilities
}

// Abilities are everything in which the versions of the API differ for the relay. All decisions by version are made here.
type Abilities struct {
	since [2]int // the first version that has them

	TokenInHeader bool // it reads the API token in Authorization: Bearer
	TokenInBody   bool // it reads it in the property "auth"; with both it is enough if one is right
	Suppress      bool // problems can be suppressed by hand
	Rank          bool // problems can be causes or symptoms of others
	ScriptInput   bool // a script can ask for a value
	ChecksToken   bool // user.checkAuthentication says whose an API token is (from 6.4.1)
	ResolvedNames bool // an item's name_resolved is its name with the values of user macros
	TokenScripts  bool // a script can be run with an API token; 6.0.14 fails with HTTP 500 (measured), 6.2 and 6.4 may

	SelectAcknowledges string // selects an event's acknowledgements. 7.0 accepts either name but not both.
	SelectHostGroups   string // selects host groups of hosts and triggers

	MonitoredBy string // the property of a host that is "0" if the server monitors it, and not a proxy

	GroupRights       string   // the property of a user group with its rights on host groups
	SelectGroupRights string   // selects it
	ImportGroups      []string // what configuration.import calls its rules for groups
}

// abilities are the rows of that table, oldest first. A version has the abilities of the last row that isn't newer; versions after 8.0
// have those of 8.0.
//
// 6.0 and 7.0 were measured and recorded (internal/testdata); the others are from Zabbix's documentation.
var abilities = []*Abilities{
	{
		since: [2]int{6, 0}, TokenInBody: true, SelectAcknowledges: "select_acknowledges", SelectHostGroups: "selectGroups",
		MonitoredBy: "proxy_hostid", GroupRights: "rights", SelectGroupRights: "selectRights", ImportGroups: []string{"groups"},
	},
	{
		since: [2]int{6, 2}, TokenInBody: true, Suppress: true, SelectAcknowledges: "select_acknowledges", SelectHostGroups: "selectHostGroups",
		MonitoredBy: "proxy_hostid", GroupRights: "hostgroup_rights", SelectGroupRights: "selectHostGroupRights", ImportGroups: []string{"host_groups", "template_groups"},
	},
	{
		since: [2]int{6, 4}, TokenInHeader: true, TokenInBody: true, Suppress: true, Rank: true,
		SelectAcknowledges: "select_acknowledges", SelectHostGroups: "selectHostGroups",
		MonitoredBy: "proxy_hostid", GroupRights: "hostgroup_rights", SelectGroupRights: "selectHostGroupRights", ImportGroups: []string{"host_groups", "template_groups"},
	},
	{
		since: [2]int{7, 0}, TokenInHeader: true, TokenInBody: true, Suppress: true, Rank: true, ScriptInput: true, ResolvedNames: true, ChecksToken: true, TokenScripts: true,
		SelectAcknowledges: "selectAcknowledges", SelectHostGroups: "selectHostGroups",
		MonitoredBy: "monitored_by", GroupRights: "hostgroup_rights", SelectGroupRights: "selectHostGroupRights", ImportGroups: []string{"host_groups", "template_groups"},
	},
	{
		since: [2]int{7, 2}, TokenInHeader: true, Suppress: true, Rank: true, ScriptInput: true, ResolvedNames: true, ChecksToken: true, TokenScripts: true,
		SelectAcknowledges: "selectAcknowledges", SelectHostGroups: "selectHostGroups",
		MonitoredBy: "monitored_by", GroupRights: "hostgroup_rights", SelectGroupRights: "selectHostGroupRights", ImportGroups: []string{"host_groups", "template_groups"},
	},
}

// ParseVersion reads a version as apiinfo.version returns it: "6.0.14", "7.2.0rc1". One before 6.0 is an error.
func ParseVersion(text string) (Version, error) {
	parts := strings.SplitN(text, ".", 3)
	if len(parts) < 2 {
		return Version{}, fmt.Errorf("%q is not a version of Zabbix", shorten(text))
	}
	major, err := strconv.Atoi(parts[0])
	minor, err2 := strconv.Atoi(strings.TrimRight(parts[1], "abcdefghijklmnopqrstuvwxyz"))
	if err != nil || err2 != nil {
		return Version{}, fmt.Errorf("%q is not a version of Zabbix", shorten(text))
	}
	v := Version{Text: text}
	for _, a := range abilities {
		if major > a.since[0] || major == a.since[0] && minor >= a.since[1] {
			v.Abilities = a
		}
	}
	if v.Abilities == nil {
		return Version{}, fmt.Errorf("this is Zabbix %s: the relay needs 6.0 or later", shorten(text))
	}
	return v, nil
}

// sameForm reports whether both versions can do the same, so that calls have the same form.
func (v Version) sameForm(o Version) bool { return v.Abilities == o.Abilities }

// ActionPermissions are the permissions of a role for what the relay does with problems, and for the features.
func (v Version) ActionPermissions(features ...Feature) []string {
	list := []string{"acknowledge_problems", "add_problem_comments", "close_problems", "change_severity"}
	if v.Suppress {
		list = append(list, "suppress_problems")
	}
	if v.Rank {
		list = append(list, "change_problem_ranking")
	}
	for _, f := range features {
		list = append(list, featurePermissions[f])
	}
	return list
}

// cannot returns what the version can't do of the actions in a call of event.acknowledge, as a sentence for people; "" if it can do
// everything.
func (v Version) cannot(action int) string {
	switch {
	case action&(alert.BitSuppress|alert.BitUnsuppress) != 0 && !v.Suppress:
		return "Zabbix " + v.Text + " can't suppress a single problem: this needs 6.2 or later."
	case action&(alert.BitToCause|alert.BitToSymptom) != 0 && !v.Rank:
		return "Zabbix " + v.Text + " has no causes and symptoms: this needs 6.4 or later."
	default:
		return ""
	}
}
