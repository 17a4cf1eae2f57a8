package provision

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"nms-alert-relay/internal/zabbix"
	mediatype "nms-alert-relay/zabbix"
)

// The types of a role.
const (
	userType  = "1"
	adminType = "2" // maintenances need it
)

// visiblePage is the one page of the frontend that the role permits: a role must permit one. The user can't log in to the frontend.
const visiblePage = "monitoring.problems"

type rule struct {
	Name   str `json:"name"`
	Status str `json:"status"`
}

// role is a role as the API has it.
type role struct {
	ID    str `json:"roleid"`
	Name  str `json:"name"`
	Type  str `json:"type"`
	Rules struct {
		UI            []rule `json:"ui"`
		UIDefault     str    `json:"ui.default_access"`
		ServicesRead  str    `json:"services.read.mode"`
		ServicesWrite str    `json:"services.write.mode"`
		Writable      []any  `json:"services.write.list"`
		Modules       []struct {
			ID     str `json:"moduleid"`
			Status str `json:"status"`
		} `json:"modules"`
		ModulesDefault str    `json:"modules.default_access"`
		API            str    `json:"api.access"`
		APIMode        str    `json:"api.mode"`
		Methods        []str  `json:"api"`
		Actions        []rule `json:"actions"`
		ActionsDefault str    `json:"actions.default_access"`
	} `json:"rules"`
}

// add collects the elements that a role of this type can have: a rule that isn't written is allowed, whatever the default access.
func (e *ruleElements) add(r role) {
	for _, u := range r.Rules.UI {
		e.ui = append(e.ui, string(u.Name))
	}
	for _, a := range r.Rules.Actions {
		e.actions = append(e.actions, string(a.Name))
	}
	for _, m := range r.Rules.Modules {
		e.modules = append(e.modules, string(m.ID))
	}
	for _, list := range []*[]string{&e.ui, &e.actions, &e.modules} {
		slices.Sort(*list)
		*list = slices.Compact(*list)
	}
}

// features returns the features that a role allows.
func (r role) features() (list []zabbix.Feature) {
	for f, methods := range zabbix.Features {
		if !slices.ContainsFunc(methods, func(m string) bool { return !slices.Contains(r.Rules.Methods, str(m)) }) {
			list = append(list, f)
		}
	}
	return list
}

func wantedRole(o Options, s *state) object {
	var r role
	features := o.features(s)
	r.Name, r.Type = ownName+nameMark, userType
	if slices.Contains(features, zabbix.Maintaining) {
		r.Type = adminType
	}
	elements := s.elements[string(r.Type)]
	r.Rules.UI = rules(elements.ui, []string{visiblePage})
	r.Rules.Actions = rules(elements.actions, s.version.ActionPermissions(features...))
	r.Rules.UIDefault, r.Rules.ModulesDefault, r.Rules.ActionsDefault = "0", "0", "0"
	r.Rules.ServicesRead, r.Rules.ServicesWrite = "1", "0"
	r.Rules.API, r.Rules.APIMode = "1", "1"
	methods := slices.Clone(o.Methods)
	for _, f := range features {
		methods = append(methods, zabbix.Features[f]...)
	}
	slices.Sort(methods)
	for _, m := range slices.Compact(methods) {
		if !notInRoles[m] {
			r.Rules.Methods = append(r.Rules.Methods, str(m))
		}
	}
	modules := []map[string]string{}
	for _, id := range elements.modules {
		modules = append(modules, map[string]string{"moduleid": id, "status": "0"})
	}
	return object{kind: roles, name: string(r.Name), fields: r.fields(), params: map[string]any{"name": r.Name, "type": r.Type, "rules": map[string]any{
		"ui": r.Rules.UI, "ui.default_access": r.Rules.UIDefault, "services.read.mode": r.Rules.ServicesRead, "services.write.mode": r.Rules.ServicesWrite,
		"services.write.list": []any{}, "modules": modules, "modules.default_access": r.Rules.ModulesDefault, "api.access": r.Rules.API, "api.mode": r.Rules.APIMode, "api": r.Rules.Methods,
		"actions": r.Rules.Actions, "actions.default_access": r.Rules.ActionsDefault,
	}}}
}

// rules allows some elements and denies the others.
func rules(all, allowed []string) []rule {
	list := []rule{}
	for _, name := range slices.Compact(slices.Sorted(slices.Values(slices.Concat(all, allowed)))) {
		status := str("0")
		if slices.Contains(allowed, name) {
			status = "1"
		}
		list = append(list, rule{str(name), status})
	}
	return list
}

func (r role) object() object {
	return object{kind: roles, name: string(r.Name), id: string(r.ID), fields: r.fields()}
}

func (r role) fields() []field {
	list := []field{
		{property: "name", name: "name", value: string(r.Name), routine: true},
		{property: "type", name: "type", value: map[str]string{"1": "User", "2": "Admin", "3": "Super admin"}[r.Type]},
	}
	add := func(name, value string) { list = append(list, field{property: "rules", name: name, value: value}) }
	if r.Rules.API == "1" && r.Rules.APIMode == "0" {
		add("API", "all methods but those listed")
	} else {
		add("API", word(string(r.Rules.API), "no access", "only the methods listed"))
	}
	for _, m := range r.Rules.Methods {
		add("API method "+string(m), "allowed")
	}
	for _, e := range r.Rules.UI {
		if e.Status == "1" {
			add("page "+string(e.Name), "allowed")
		}
	}
	for _, e := range r.Rules.Actions {
		if e.Status == "1" {
			add("permission "+string(e.Name), "allowed")
		}
	}
	modules := 0
	for _, m := range r.Rules.Modules {
		if m.Status == "1" {
			modules++
		}
	}
	add("modules", map[bool]string{true: "none", false: fmt.Sprintf("%d allowed", modules)}[modules == 0])
	add("services", word(string(r.Rules.ServicesRead), "read some", "read all")+", "+word(string(r.Rules.ServicesWrite), map[bool]string{true: "write none", false: "write some"}[len(r.Rules.Writable) == 0], "write all"))
	add("pages that Zabbix adds later", word(string(r.Rules.UIDefault), "denied", "allowed"))
	add("permissions that Zabbix adds later", word(string(r.Rules.ActionsDefault), "denied", "allowed"))
	add("modules that Zabbix adds later", word(string(r.Rules.ModulesDefault), "denied", "allowed"))
	return list
}

// userGroup is a user group as the API has it.
type userGroup struct {
	ID        str     `json:"usrgrpid"`
	Name      str     `json:"name"`
	GUIAccess str     `json:"gui_access"`
	Status    str     `json:"users_status"`
	Debug     str     `json:"debug_mode"`
	Old       []right `json:"rights"`
	New       []right `json:"hostgroup_rights"`
}

type right struct {
	ID         str `json:"id"`
	Permission str `json:"permission"`
}

const noFrontend = "3" // a user group's gui_access

func wantedUserGroup(o Options, s *state) (object, error) {
	permissions, err := o.permissions(s)
	if err != nil {
		return object{}, err
	}
	g := userGroup{Name: ownName + nameMark, GUIAccess: noFrontend, Status: "0", Debug: "0"}
	rights := []right{}
	for _, id := range slices.Sorted(maps.Keys(permissions)) {
		rights = append(rights, right{str(id), str(permissions[id])})
	}
	g.New = rights
	return object{kind: userGroups, name: string(g.Name), fields: g.object(s).fields, params: map[string]any{"name": g.Name, "gui_access": g.GUIAccess,
		"users_status": g.Status, "debug_mode": g.Debug, s.version.GroupRights: rights}}, nil
}

func (g userGroup) permissions() map[string]string {
	m := map[string]string{}
	for _, r := range slices.Concat(g.Old, g.New) {
		m[string(r.ID)] = string(r.Permission)
	}
	return m
}

func (g userGroup) object(s *state) object {
	list := []field{
		{property: "name", name: "name", value: string(g.Name), routine: true},
		{property: "gui_access", name: "frontend access", value: word(string(g.GUIAccess), "system default", "internal", "LDAP", "disabled")},
		{property: "users_status", name: "status", value: word(string(g.Status), "enabled", "disabled"), routine: true},
		{property: "debug_mode", name: "debug mode", value: word(string(g.Debug), "off", "on"), routine: true},
	}
	var groups []field
	for id, permission := range g.permissions() {
		name := s.hostGroups[id]
		if name == "" {
			name = "with id " + id
		}
		groups = append(groups, field{property: s.version.GroupRights, name: "host group " + name, value: permissionWords[permission]})
	}
	slices.SortFunc(groups, func(a, b field) int { return strings.Compare(a.name, b.name) })
	return object{kind: userGroups, name: string(g.Name), id: string(g.ID), fields: append(list, groups...)}
}

// media is one address of a user.
type media struct {
	Type     str             `json:"mediatypeid"`
	SendTo   json.RawMessage `json:"sendto"` // a string, or a list for e-mail
	Active   str             `json:"active"`
	Severity str             `json:"severity"`
	Period   str             `json:"period"`
}

// user is a user as the API has it.
type user struct {
	ID       str     `json:"userid"`
	Username str     `json:"username"`
	Name     str     `json:"name"`
	Surname  str     `json:"surname"`
	TimeZone str     `json:"timezone"`
	Language str     `json:"lang"`
	Medias   []media `json:"medias"`
	Groups   []struct {
		ID   str `json:"usrgrpid"`
		Name str `json:"name"`
	} `json:"usrgrps"`
	Role struct {
		Name str `json:"name"`
	} `json:"role"`
}

// Every severity, at any time.
const (
	allSeverities = "63"
	always        = "1-7,00:00-24:00"
)

// wantedUser keeps the user groups and the media of other types that an administrator gave the user.
func wantedUser(password func() string, s *state) object {
	u := user{Username: ownName, Name: "Webex", Surname: markWords, TimeZone: "UTC", Language: "default"}
	if !s.english {
		u.Language = "en_US" // the relay tells Zabbix's errors apart by their text
	}
	u.Role.Name = ownName + nameMark
	own := media{SendTo: json.RawMessage(`"` + sendTo + `"`), Active: "0", Severity: allSeverities, Period: always}
	medias := []any{map[string]any{"mediatypeid": ref{mediaTypes}, "sendto": sendTo, "active": own.Active, "severity": own.Severity, "period": own.Period}}
	fields := append(u.fields(), own.field(mediatype.Name))
	for _, m := range s.medias {
		if string(m.Type) != s.id(mediaTypes) {
			medias = append(medias, m)
			fields = append(fields, m.field(s.types[string(m.Type)]))
		}
	}
	groups := []any{map[string]any{"usrgrpid": ref{userGroups}}}
	fields = append(fields, groupField(ownName+nameMark))
	for _, g := range s.groups {
		if g["usrgrpid"] != s.id(userGroups) {
			groups = append(groups, map[string]any{"usrgrpid": g["usrgrpid"]})
			fields = append(fields, groupField(g["name"]))
		}
	}
	return object{kind: users, name: ownName, fields: fields, params: map[string]any{"username": u.Username, "name": u.Name, "surname": u.Surname,
		"timezone": u.TimeZone, "lang": u.Language, "roleid": ref{roles}, "usrgrps": groups, "medias": medias, "passwd": lazy(password)}}
}

func groupField(name string) field {
	return field{property: "usrgrps", name: "user group " + name, value: "member"}
}

func (m media) field(typeName string) field {
	var to any
	_ = json.Unmarshal(m.SendTo, &to) // it was read from JSON
	value := fmt.Sprintf("send to %v, severities %s, %s, %s", to, map[bool]string{true: "all", false: string(m.Severity)}[m.Severity == allSeverities], m.Period,
		word(string(m.Active), "enabled", "disabled"))
	return field{property: "medias", name: "media " + typeName, value: value}
}

func (u user) object(s *state) object {
	o := object{kind: users, name: string(u.Username), id: string(u.ID), marked: u.Surname == markWords, fields: u.fields()}
	for _, m := range u.Medias {
		name := s.types[string(m.Type)]
		if string(m.Type) == s.id(mediaTypes) {
			name = mediatype.Name
		}
		o.fields = append(o.fields, m.field(name))
	}
	for _, g := range u.Groups {
		o.fields = append(o.fields, groupField(string(g.Name)))
	}
	return o
}

func (u user) fields() []field {
	return []field{
		{property: "name", name: "first name", value: string(u.Name), routine: true},
		{property: "surname", name: "last name", value: string(u.Surname), routine: true},
		{property: "roleid", name: "role", value: string(u.Role.Name)},
		{property: "timezone", name: "time zone", value: string(u.TimeZone)},
		{property: "lang", name: "language", value: string(u.Language)},
	}
}

// notInRoles are methods that a role can't list, since they need no permission (measured).
var notInRoles = map[string]bool{"apiinfo.version": true, "user.checkAuthentication": true}
