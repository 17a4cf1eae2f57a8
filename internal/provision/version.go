package provision

import "nms-alert-relay/internal/zabbix"

// permitted are the actions on problems that we want a role to permit, as far as the version has them.
func permitted(v zabbix.Version) []string {
	list := []string{"acknowledge_problems", "add_problem_comments", "close_problems", "change_severity"}
	if v.Suppress {
		list = append(list, "suppress_problems")
	}
	if v.Rank {
		list = append(list, "change_problem_ranking")
	}
	return list
}

// notInRoles are methods that a role of type User can't list: they need no permission, or more than a user has (measured).
var notInRoles = map[string]bool{"apiinfo.version": true, "user.checkAuthentication": true, "maintenance.create": true, "maintenance.update": true,
	"maintenance.delete": true}
