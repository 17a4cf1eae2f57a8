package zabbixsim

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// What each kind of configuration object accepts and shows, as measured on 6.0.14 and 7.0.22; for other versions from documents.

// uiElements, and roleActions by version, are what a role of type User can permit.
var uiElements = strings.Fields(`monitoring.dashboard monitoring.problems monitoring.hosts monitoring.latest_data monitoring.maps services.services services.sla_report
	inventory.overview inventory.hosts reports.availability_report reports.top_triggers`)

// adminElements are further ones, which a role of type Admin can permit.
var adminElements = strings.Fields("configuration.hosts configuration.templates configuration.maintenance configuration.actions configuration.discovery")

// uiElements returns the pages that a role can permit.
func uiElementsOf(r row) []string {
	if r.text("type") == "1" {
		return uiElements
	}
	return slices.Concat(uiElements, adminElements)
}

// roleActions returns the permissions that a role can give.
func (f forms) roleActions(r row) []string {
	list := strings.Fields("edit_dashboards edit_maps acknowledge_problems close_problems change_severity add_problem_comments execute_scripts manage_api_tokens")
	if f.suppress {
		list = append(list, "suppress_problems")
	}
	if f.rank {
		list = append(list, "invoke_execute_now", "change_problem_ranking")
	}
	if r.text("type") != "1" {
		list = append(list, "edit_maintenance")
	}
	return list
}

// notForRoles are methods that no role can list, adminMethods those that one of type User can't.
var (
	notForRoles  = strings.Fields("apiinfo.version user.checkAuthentication")
	adminMethods = strings.Fields("maintenance.create maintenance.delete")
)

func defaultRoles() []row {
	list := []row{}
	for i, name := range []string{"User role", "Admin role", "Super admin role"} {
		list = append(list, row{"roleid": fmt.Sprint(i + 1), "name": name, "type": fmt.Sprint(i + 1), "rules": map[string]any{}})
	}
	return list
}

func checkRole(s *Server, r row) *rpcError {
	rules, _ := r["rules"].(map[string]any)
	name := r.text("name")
	if ui, given := rules["ui"]; given {
		visible := len(ui.([]any)) > 0 && len(ui.([]any)) < len(uiElementsOf(r)) // what isn't listed is allowed
		for _, e := range row(rules).list("ui") {
			if !slices.Contains(uiElementsOf(r), e.text("name")) {
				return invalid(`UI element %q is not available for user role %q.`, e.text("name"), name)
			}
			visible = visible || e["status"] == "1"
		}
		if !visible {
			return invalid(`At least one UI element must be enabled for user role %q.`, name)
		}
	}
	for _, e := range row(rules).list("actions") {
		if !slices.Contains(s.forms.roleActions(r), e.text("name")) {
			return invalid(`Action %q is not available for user role %q.`, e.text("name"), name)
		}
	}
	listed, _ := rules["api"].([]any)
	for _, m := range listed {
		if _, known := methods[fmt.Sprint(m)]; !known || slices.Contains(notForRoles, fmt.Sprint(m)) || r.text("type") == "1" && slices.Contains(adminMethods, fmt.Sprint(m)) {
			return invalid(`Invalid API method %q for user role %q.`, m, name)
		}
	}
	return nil
}

func roleUsed(s *Server, r row) *rpcError {
	for _, u := range s.objects["user"] {
		if u["roleid"] == r["roleid"] {
			return application(fmt.Sprintf("Cannot delete assigned user role %q.", r.text("name")))
		}
	}
	return nil
}

// roleView lists every element: one that was never written is allowed.
func roleView(s *Server, r row, a args) row {
	if !a.has("selectRules") {
		delete(r, "rules")
		return r
	}
	rules, _ := r["rules"].(map[string]any)
	rules = maps.Clone(rules)
	fill := func(list string, names []string) {
		status := map[string]string{}
		for _, e := range row(rules).list(list) {
			status[e.text("name")] = e.text("status")
		}
		full := []any{}
		for _, name := range names {
			value, given := status[name]
			if !given {
				value = "1"
			}
			full = append(full, row{"name": name, "status": value})
		}
		rules[list] = full
	}
	fill("ui", uiElementsOf(r))
	fill("actions", s.forms.roleActions(r))
	for name, value := range map[string]any{"ui.default_access": "1", "actions.default_access": "1", "modules.default_access": "1", "modules": []any{},
		"api.access": "1", "api.mode": "0", "api": []any{}, "services.read.mode": "1", "services.write.mode": "0", "services.write.list": []any{}} {
		if _, given := rules[name]; !given {
			rules[name] = value
		}
	}
	r["rules"] = rules
	return r
}

func userGroupProperties(f forms, _ row) []string {
	list := strings.Fields("name gui_access users_status debug_mode")
	if f.hostGroups {
		list = append(list, "hostgroup_rights")
	}
	if f.deprecated {
		list = append(list, "rights") // 6.2 to 7.0 accept the old name too
	}
	return list
}

func checkUserGroup(s *Server, r row) *rpcError {
	groups := s.hostGroups()
	for _, right := range slices.Concat(r.list("rights"), r.list("hostgroup_rights")) {
		if !slices.ContainsFunc(groups, func(g row) bool { return g["groupid"] == right["id"] }) {
			return errNoObject
		}
	}
	return nil
}

func groupUsed(s *Server, r row) *rpcError {
	for _, u := range s.objects["user"] {
		if groups := u.list("usrgrps"); len(groups) == 1 && groups[0]["usrgrpid"] == r["usrgrpid"] && s.forms.updateFirst {
			return invalid("User %q cannot be without user group.", u.text("username")) // 6.0; 7.0 leaves the user without
		}
	}
	return nil
}

func userGroupView(s *Server, r row, a args) row {
	rights := []any{}
	for _, right := range slices.Concat(r.list("rights"), r.list("hostgroup_rights")) {
		rights = append(rights, right)
	}
	delete(r, "rights")
	delete(r, "hostgroup_rights")
	if a.has("selectRights") && s.forms.deprecated {
		r["rights"] = rights
	}
	if a.has("selectHostGroupRights") && s.forms.hostGroups {
		r["hostgroup_rights"] = rights
	}
	return defaulted(r, row{"gui_access": "0", "users_status": "0", "debug_mode": "0"})
}

func checkUser(s *Server, r row) *rpcError {
	if p, given := r["passwd"]; given && len(fmt.Sprint(p)) < 8 {
		return invalid(`Incorrect value for field "/1/passwd": must be at least 8 characters long.`)
	}
	if s.object("role", "roleid", r.text("roleid")) == nil {
		return invalid(`User role with ID %q is not available.`, r.text("roleid"))
	}
	for _, g := range r.list("usrgrps") {
		if s.object("usergroup", "usrgrpid", g.text("usrgrpid")) == nil {
			return invalid(`User group with ID %q is not available.`, g.text("usrgrpid"))
		}
	}
	for _, m := range r.list("medias") {
		if s.object("mediatype", "mediatypeid", m.text("mediatypeid")) == nil {
			return invalid(`Media type with ID %q is not available.`, m.text("mediatypeid"))
		}
	}
	return nil
}

func userUsed(s *Server, r row) *rpcError {
	for _, a := range s.objects["action"] {
		for _, o := range operations(a) {
			for _, u := range o.list("opmessage_usr") {
				if u["userid"] == r["userid"] {
					return invalid("User %q is used in %q action.", r.text("username"), a.text("name"))
				}
			}
		}
	}
	return nil
}

func userView(s *Server, r row, a args) row {
	medias, groups := r["medias"], []any{}
	for _, g := range r.list("usrgrps") {
		groups = append(groups, row{"usrgrpid": g["usrgrpid"], "name": s.object("usergroup", "usrgrpid", g.text("usrgrpid"))["name"]})
	}
	delete(r, "medias")
	delete(r, "usrgrps")
	if a.has("selectMedias") {
		if r["medias"] = medias; medias == nil {
			r["medias"] = []any{}
		}
	}
	if a.has("selectUsrgrps") {
		r["usrgrps"] = groups
	}
	if a.has("selectRole") {
		role := s.object("role", "roleid", r.text("roleid"))
		r["role"] = row{"roleid": role["roleid"], "name": role["name"], "type": role["type"]}
	}
	return defaulted(r, row{"timezone": "default", "lang": "default"})
}

func checkToken(s *Server, r row) *rpcError {
	if s.object("user", "userid", r.text("userid")) == nil {
		return invalid("User with ID %q is not available.", r.text("userid"))
	}
	return nil
}

func tokenView(_ *Server, r row, _ args) row {
	delete(r, "secret")
	return defaulted(r, row{"status": "0", "expires_at": "0", "description": ""})
}

func mediaTypeView(_ *Server, r row, a args) row {
	if !a.has("selectMessageTemplates") {
		delete(r, "message_templates")
	}
	return defaulted(r, row{"status": "1", "parameters": []any{}, "description": "", "process_tags": "0", "show_event_menu": "0", "event_menu_url": "",
		"event_menu_name": "", "timeout": "30s", "maxsessions": "1", "maxattempts": "3", "attempt_interval": "10s"})
}

func mediaTypeUsed(s *Server, r row) *rpcError {
	for _, a := range s.objects["action"] {
		for _, o := range operations(a) {
			if m, _ := o["opmessage"].(map[string]any); m["mediatypeid"] == r["mediatypeid"] {
				if s.forms.strict {
					return invalid("Media type %q is used by action %q.", r.text("name"), a.text("name"))
				}
				return invalid("Media types used by action %q.", a.text("name"))
			}
		}
	}
	return nil
}

// operations are all operations of an action.
func operations(a row) []row {
	return slices.Concat(a.list("operations"), a.list("recovery_operations"), a.list("update_operations"))
}

// actionProperties depend on the event source: 0 trigger, 1 discovery, 2 autoregistration, 3 internal, 4 service.
func actionProperties(f forms, r row) []string {
	list := strings.Fields("name eventsource status filter operations")
	switch r.text("eventsource") {
	case "0":
		list = append(list, "esc_period", "recovery_operations", "update_operations", "pause_suppressed", "notify_if_canceled")
		if f.rank {
			list = append(list, "pause_symptoms")
		}
	case "3":
		list = append(list, "esc_period", "recovery_operations")
	case "4":
		list = append(list, "esc_period", "recovery_operations", "update_operations")
	}
	return list
}

func checkAction(s *Server, r row) *rpcError {
	for _, o := range operations(r) {
		m, _ := o["opmessage"].(map[string]any)
		if id := row(m).text("mediatypeid"); id != "0" && s.object("mediatype", "mediatypeid", id) == nil {
			return application("Incorrect action operation media type. Media type does not exist or you have no access to it.")
		}
		for _, u := range o.list("opmessage_usr") {
			if s.object("user", "userid", u.text("userid")) == nil {
				return application("Incorrect action operation user. User does not exist or you have no access to it.")
			}
		}
	}
	return nil
}

func actionView(s *Server, r row, a args) row {
	for selecting, name := range map[string]string{"selectOperations": "operations", "selectRecoveryOperations": "recovery_operations",
		"selectUpdateOperations": "update_operations", "selectFilter": "filter"} {
		if !a.has(selecting) {
			delete(r, name)
		} else if r[name] == nil {
			r[name] = []any{}
			if name == "filter" {
				r[name] = row{"evaltype": "0", "conditions": []any{}}
			}
		}
	}
	defaults := row{"status": "0", "esc_period": "1h", "pause_suppressed": "1", "notify_if_canceled": "1"}
	if s.forms.rank {
		defaults["pause_symptoms"] = "1"
	}
	return defaulted(r, defaults)
}

func defaulted(r, defaults row) row {
	for name, value := range defaults {
		if _, given := r[name]; !given {
			r[name] = value
		}
	}
	return r
}

// configurationImport imports templates: their names and descriptions.
func (s *Server) configurationImport(_ User, a args) (any, *rpcError) {
	groups := []string{"groups"}
	if s.forms.hostGroups {
		groups = []string{"host_groups", "template_groups"}
	}
	var rules map[string]json.RawMessage
	_ = json.Unmarshal(a["rules"], &rules) // a part of valid JSON
	for _, name := range []string{"groups", "host_groups", "template_groups"} {
		if _, given := rules[name]; given && !slices.Contains(groups, name) {
			return nil, invalid(`Invalid parameter "/rules": unexpected parameter %q.`, name)
		}
	}
	var file struct {
		Export struct {
			Templates []struct {
				Template, Name, Description string
			}
		} `yaml:"zabbix_export"`
	}
	if yaml.Unmarshal([]byte(a.text("source")), &file) != nil {
		return nil, invalid("Cannot read YAML.")
	}
	for _, t := range file.Export.Templates {
		r := s.object("template", "host", t.Template)
		if r == nil {
			s.nextObject++
			r = row{"templateid": fmt.Sprint(s.nextObject), "host": t.Template}
			s.objects["template"] = append(s.objects["template"], r)
		}
		r["name"], r["description"] = t.Name, strings.TrimSpace(t.Description)
	}
	return true, nil
}
