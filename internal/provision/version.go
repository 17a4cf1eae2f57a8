package provision

import (
	"fmt"
	"strconv"
	"strings"

	"nms-alert-relay/internal/text"
)

// forms are what differs between the versions of Zabbix's API in what we write. Measured on 6.0.14 and 7.0.22; for the others from
// Zabbix's documentation.
type forms struct {
	text         string
	rights       string   // the property of a user group with its permissions on host groups
	selectRights string   // selects it
	importGroups []string // what configuration.import calls the rules for host groups
	symptoms     bool     // actions can pause for symptoms
	permitted    []string // what a role can permit to do with problems, and we want
}

// formsOf returns the forms of a version such as "7.0.22".
func formsOf(version string) (forms, error) {
	major, rest, _ := strings.Cut(version, ".")
	minor, _, _ := strings.Cut(rest, ".")
	ma, err1 := strconv.Atoi(major)
	mi, err2 := strconv.Atoi(strings.TrimRight(minor, "abcdefghijklmnopqrstuvwxyz"))
	v := 100*ma + mi
	switch {
	case err1 != nil || err2 != nil:
		return forms{}, fmt.Errorf("%q is not a version of Zabbix", text.Shorten(text.Line(version), 40))
	case v < 600:
		return forms{}, fmt.Errorf("this is Zabbix %s: alert-relay needs 6.0 or later", version)
	}
	f := forms{text: version, rights: "rights", selectRights: "selectRights", importGroups: []string{"groups"},
		permitted: []string{"acknowledge_problems", "add_problem_comments", "close_problems", "change_severity"}}
	if v >= 602 {
		f.rights, f.selectRights = "hostgroup_rights", "selectHostGroupRights"
		f.importGroups = []string{"host_groups", "template_groups"}
		f.permitted = append(f.permitted, "suppress_problems")
	}
	if v >= 604 {
		f.symptoms = true
		f.permitted = append(f.permitted, "change_problem_ranking")
	}
	return f, nil
}

// notInRoles are methods that a role of type User can't list: they need no permission, or more than a user has (measured).
var notInRoles = map[string]bool{"apiinfo.version": true, "user.checkAuthentication": true, "maintenance.create": true, "maintenance.update": true,
	"maintenance.delete": true}
