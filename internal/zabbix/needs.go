package zabbix

import (
	"maps"
	"slices"
)

// Needs are all the API methods that the relay calls, each with what is lost if the role of its user doesn't allow it.
var Needs = map[string]string{
	"apiinfo.version":   "needs no permission",
	"event.get":         "details from Zabbix: exact times, who acknowledged, recoveries that the webhook missed",
	"trigger.get":       "the close button, graphs, and host groups whose names contain commas",
	"problem.get":       "reconciliation: what Zabbix's messages missed is never found",
	"event.acknowledge": "actions from rooms",
	"mediatype.get":     "a warning when the relay's media type is disabled",
	"action.get":        "a warning when the action that reports problems is disabled, if the relay's user may see actions",
	"alert.get":         "a warning when Zabbix gives up on messages to the relay",
	"item.get":          "graphs; a warning when the Zabbix server stops, if the relay's user sees a host with internal items",
	"history.get":       "graphs",
	"trend.get":         "graphs of more than two days",
}

// Feature is something that the relay's user has the rights for only on request, since they are more than the rest needs.
type Feature string

// The features.
const (
	Maintaining Feature = "maintenance" // the user's role must be of type Admin
	Scripting   Feature = "scripts"
)

// Features are the features with the methods that each needs besides those in Needs.
var Features = map[Feature][]string{
	Maintaining: {"host.get", "hostgroup.get", "maintenance.create", "maintenance.delete", "maintenance.get"},
	Scripting:   {"host.get", "script.execute", "script.get"},
}

// featurePermissions are the permissions of a role that a feature needs.
var featurePermissions = map[Feature]string{Maintaining: "edit_maintenance", Scripting: "execute_scripts"}

// lost says what is lost without a method.
func lost(method string) string {
	if words, ok := Needs[method]; ok {
		return words
	}
	return "maintenances and scripts from rooms, unless 'alert-relay setup zabbix --maintenance' or '--scripts' allowed them"
}

// optional are the methods that are called only to find out whether Zabbix still reports, or for graphs. A role from before the relay did
// that lacks them.
var optional = []string{"mediatype.get", "action.get", "alert.get", "item.get", "history.get", "trend.get"}

// Optional reports whether all else works without a method.
func Optional(method string) bool { return slices.Contains(optional, method) }

// Methods are the names of all those methods, sorted.
func Methods() []string { return slices.Sorted(maps.Keys(Needs)) }

// permitted logs when the role starts or stops forbidding a method, and returns err.
func (c *Client) permitted(method string, err error) error {
	switch KindOf(err) {
	case RoleForbids:
		if _, known := c.denied.LoadOrStore(method, true); !known {
			c.opts.Log.Warn("the role of the relay's user in Zabbix forbids an API method or action; allow it in Users → User roles",
				"url", c.display(), "method", method, "lost", lost(method), "error", err)
		}
	case "":
		if _, denied := c.denied.LoadAndDelete(method); denied {
			c.opts.Log.Info("the role of the relay's user in Zabbix allows an API method again", "url", c.display(), "method", method)
		}
	}
	return err
}
