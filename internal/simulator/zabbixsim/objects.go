package zabbixsim

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// SetupToken is the API token of a Super admin.
const SetupToken = "simulated-zabbix-token-of-the-super-admin"

// row is one object of the configuration: media type, role, user group, user, API token, action or global macro. Numbers are strings,
// as the API answers them.
type row map[string]any

// collection is one kind of such objects.
type collection struct {
	object  string // "mediatype": the methods are mediatype.get, …
	suffix  string // of create, update and delete
	id      string
	unique  string // the property that must differ
	exists  string // Zabbix's words when it doesn't, with the value
	accepts func(forms, row) []string
	check   func(*Server, row) *rpcError
	used    func(*Server, row) *rpcError // what keeps it from being deleted
	view    func(*Server, row, args) row // for get; nil for the row itself
}

var collections = []collection{
	{object: "mediatype", id: "mediatypeid", unique: "name", exists: `Media type %q already exists.`, accepts: fixed(`name type status maxsessions maxattempts
		attempt_interval timeout script process_tags show_event_menu event_menu_url event_menu_name description parameters message_templates`),
		used: mediaTypeUsed, view: mediaTypeView},
	{object: "role", id: "roleid", unique: "name", exists: `User role %q already exists.`, accepts: fixed("name type rules"), check: checkRole, used: roleUsed, view: roleView},
	{object: "usergroup", id: "usrgrpid", unique: "name", exists: `User group %q already exists.`, accepts: userGroupProperties, check: checkUserGroup, used: groupUsed,
		view: userGroupView},
	{object: "user", id: "userid", unique: "username", exists: `User with username %q already exists.`,
		accepts: fixed("username name surname passwd roleid usrgrps medias timezone lang autologin autologout"), check: checkUser, used: userUsed, view: userView},
	{object: "token", id: "tokenid", unique: "name", exists: `API token %q already exists.`, accepts: fixed("name userid description status expires_at"), check: checkToken,
		view: tokenView},
	{object: "action", id: "actionid", unique: "name", exists: `Action %q already exists.`, accepts: actionProperties, check: checkAction, view: actionView},
	{object: "template", id: "templateid", unique: "host", exists: `Template with host name %q already exists.`, accepts: fixed("host name description groups")},
	{object: "usermacro", suffix: "global", id: "globalmacroid", unique: "macro", exists: `Macro %q already exists.`, accepts: fixed("macro value description type")},
}

func fixed(names string) func(forms, row) []string {
	list := strings.Fields(names)
	return func(forms, row) []string { return list }
}

// getParams are what the get methods accept from 7.0 on, besides those of their kind.
var getParams = strings.Fields(`output filter limit sortfield preservekeys selectMessageTemplates selectRules selectHostGroupRights selectMedias selectUsrgrps selectRole
	userids token globalmacro selectFilter selectOperations selectRecoveryOperations selectUpdateOperations`)

// openCollections can be read without being a Super admin, but not everything in them is seen.
var openCollections = map[string]bool{"user": true, "token": true, "mediatype": true, "action": true}

// methodRules are of methods that change the configuration, or read it.
var methodRules = map[string]struct {
	superAdmin bool // only a Super admin may call it
	open       bool // it checks its parameters itself
}{}

func init() {
	rule := func(name string, m method, superAdmin, open bool) {
		methods[name] = m
		methodRules[name] = struct{ superAdmin, open bool }{superAdmin, open}
	}
	for _, c := range collections {
		get := method{params: getParams, call: c.get}
		if c.object == "usergroup" {
			get.deprecated = "selectRights"
		}
		rule(c.object+".get", get, !openCollections[c.object], false)
		for verb, call := range map[string]func(*Server, User, args) (any, *rpcError){"create": c.create, "update": c.update, "delete": c.remove} {
			rule(c.object+"."+verb+c.suffix, method{call: call}, true, true)
		}
	}
	rule("alert.get", method{params: []string{"output", "filter", "eventids", "mediatypeids", "selectMediatypes", "time_from", "sortfield", "sortorder", "limit", "countOutput"}, call: (*Server).alertGet}, false, false)
	rule("item.get", method{params: []string{"output", "filter", "monitored", "selectHosts", "sortfield", "limit", "itemids", "webitems", "selectValueMap"}, call: (*Server).itemGet}, false, false)
	rule("history.get", method{params: []string{"history", "itemids", "output", "time_from", "time_till", "sortfield", "sortorder", "limit"}, call: (*Server).historyGet}, false, false)
	rule("trend.get", method{params: []string{"itemids", "output", "time_from", "time_till", "limit"}, call: (*Server).trendGet}, false, false)
	rule("configuration.import", method{call: (*Server).configurationImport}, true, true)
	rule("token.generate", method{call: (*Server).tokenGenerate}, true, true)
	rule("user.checkAuthentication", method{call: (*Server).checkAuthentication}, false, true)
	find := strings.Fields("output filter search searchByAny startSearch limit sortfield sortorder")
	rule("hostgroup.get", method{params: append([]string{"hostids", "selectHosts"}, find...), call: (*Server).hostGroupGet}, false, false)
	rule("host.get", method{params: find, call: (*Server).hostGet}, false, false)
	rule("maintenance.get", method{params: append([]string{"maintenanceids", "selectHosts", "selectHostGroups"}, find...), deprecated: "selectGroups", call: (*Server).maintenanceGet}, false, false)
	rule("script.get", method{params: find, call: (*Server).scriptGet}, false, false)
	rule("script.execute", method{params: []string{"scriptid", "hostid", "eventid", "manualinput"}, call: (*Server).scriptExecute}, false, false)
	rule("maintenance.create", method{call: (*Server).maintenanceCreate}, false, true)
	rule("maintenance.delete", method{call: (*Server).maintenanceDelete}, false, true)
	rule("settings.get", method{params: []string{"output"},
		call: func(*Server, User, args) (any, *rpcError) {
			return row{"default_lang": "en_US", "default_timezone": "system"}, nil
		}}, true, false)
}

// plain makes strings of all numbers.
func plain(v any) any {
	switch v := v.(type) {
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	case []any:
		for i := range v {
			v[i] = plain(v[i])
		}
		return v
	case map[string]any:
		for name := range v {
			v[name] = plain(v[name])
		}
		return v
	}
	return v
}

func (a args) row() row {
	r := row{}
	for name, raw := range a {
		var v any
		_ = json.Unmarshal(raw, &v) // it is a part of valid JSON
		r[name] = plain(v)
	}
	return r
}

func (r row) text(name string) string { t, _ := r[name].(string); return t }

// list is a property that is a list of objects.
func (r row) list(name string) (out []row) {
	items, _ := r[name].([]any)
	for _, i := range items {
		if m, ok := i.(map[string]any); ok {
			out = append(out, m)
		}
	}
	return out
}

func (c collection) create(s *Server, _ User, a args) (any, *rpcError) {
	r := a.row()
	if r.text(c.unique) == "" {
		return nil, invalid(`Invalid parameter "/1": the parameter %q is missing.`, c.unique)
	}
	if fault := c.valid(s, r, r); fault != nil {
		return nil, fault
	}
	s.nextObject++
	r[c.id] = strconv.Itoa(s.nextObject)
	delete(r, "passwd")
	s.objects[c.object] = append(s.objects[c.object], r)
	return row{c.id + "s": []any{r[c.id]}}, nil
}

// valid checks the given properties of what will be r.
func (c collection) valid(s *Server, given, r row) *rpcError {
	for _, name := range slices.Sorted(maps.Keys(given)) {
		if name != c.id && !slices.Contains(c.accepts(s.forms, r), name) {
			return invalid(`Invalid parameter "/1": unexpected parameter %q.`, name)
		}
	}
	for _, o := range s.objects[c.object] {
		if o[c.unique] == r[c.unique] && o[c.id] != r[c.id] {
			return invalid(c.exists, r[c.unique])
		}
	}
	if c.check != nil {
		return c.check(s, r)
	}
	return nil
}

func (s *Server) object(kind, id, value string) row {
	for _, o := range s.objects[kind] {
		if o.text(id) == value {
			return o
		}
	}
	return nil
}

func (c collection) update(s *Server, _ User, a args) (any, *rpcError) {
	given := a.row()
	old := s.object(c.object, c.id, given.text(c.id))
	if old == nil {
		return nil, errNoObject
	}
	next := maps.Clone(old)
	maps.Copy(next, given)
	if fault := c.valid(s, given, next); fault != nil {
		return nil, fault
	}
	delete(given, "passwd")
	maps.Copy(old, given)
	return row{c.id + "s": []any{old[c.id]}}, nil
}

func (c collection) remove(s *Server, _ User, a args) (any, *rpcError) {
	for _, id := range a.ids(listParam) {
		o := s.object(c.object, c.id, id)
		if o == nil {
			return nil, errNoObject
		}
		if c.used != nil {
			if fault := c.used(s, o); fault != nil {
				return nil, fault
			}
		}
		s.objects[c.object] = slices.DeleteFunc(s.objects[c.object], func(r row) bool { return r.text(c.id) == id })
		if c.object == "user" {
			s.objects["token"] = slices.DeleteFunc(s.objects["token"], func(r row) bool { return r.text("userid") == id })
		}
	}
	return row{c.id + "s": a.ids(listParam)}, nil
}

// get shows people other than Super admins only themselves and their tokens.
func (c collection) get(s *Server, u User, a args) (any, *rpcError) {
	var filter map[string]any
	_ = json.Unmarshal(a["filter"], &filter) // absent: none
	out := []any{}
	for _, o := range slices.Concat(s.objects[c.object], s.builtIn(c.object)) {
		if !u.SuperAdmin && !c.visible(s, u, o) || !matches(o, plain(filter).(map[string]any)) || a.has("userids") && !slices.Contains(a.ids("userids"), o.text("userid")) ||
			a.has("token") && o.text("secret") != a.text("token") {
			continue
		}
		if o = maps.Clone(o); c.view != nil {
			o = c.view(s, o, a)
		}
		if c.object == "mediatype" && !u.SuperAdmin {
			maps.DeleteFunc(o, func(name string, _ any) bool {
				return !slices.Contains([]string{"mediatypeid", "name", "type", "status", "description", "maxattempts"}, name)
			})
		}
		out = append(out, o)
	}
	return out, nil
}

// visible reports whether a user who isn't a Super admin sees an object at all. Media types are seen from 7.0 on, without script and
// parameters, and actions by nobody of type User (measured on 6.0.14 and 7.0.22).
func (c collection) visible(s *Server, u User, o row) bool {
	switch c.object {
	case "mediatype":
		return s.forms.strict
	case "action":
		return false
	}
	return o["userid"] == u.ID
}

func matches(o row, filter map[string]any) bool {
	for name, want := range filter {
		values, several := want.([]any)
		if !several {
			values = []any{want}
		}
		if !slices.Contains(values, o[name]) {
			return false
		}
	}
	return true
}

// builtIn are the users of the simulation and their tokens.
func (s *Server) builtIn(kind string) (list []row) {
	for _, u := range s.users {
		switch {
		case kind == "user":
			role := map[bool]string{true: "3", false: "1"}[u.SuperAdmin]
			list = append(list, row{"userid": u.ID, "username": u.Username, "name": u.Name, "surname": u.Surname, "roleid": role, "timezone": "default", "lang": "default"})
		case kind == "token" && u.Token != "":
			list = append(list, row{"tokenid": "9" + u.ID, "userid": u.ID, "name": "api", "secret": u.Token, "description": "", "status": "0", "expires_at": strconv.FormatInt(u.Expires, 10)})
		}
	}
	return list
}

func (s *Server) hostGroups() []row {
	var names []string
	for _, t := range s.triggers {
		names = append(names, t.Host.Groups...)
	}
	slices.Sort(names)
	var list []row
	for i, name := range slices.Compact(names) {
		list = append(list, row{"groupid": strconv.Itoa(100 + i), "name": name})
	}
	return list
}

func (s *Server) tokenGenerate(_ User, a args) (any, *rpcError) {
	out := []any{}
	for _, id := range a.ids(listParam) {
		t := s.object("token", "tokenid", id)
		if t == nil {
			return nil, errNoObject
		}
		s.nextObject++
		sum := sha256.Sum256(fmt.Append(nil, "simulated token ", id, s.nextObject))
		t["secret"] = hex.EncodeToString(sum[:])
		out = append(out, row{"tokenid": id, "token": t["secret"]})
	}
	return out, nil
}

// tokenUser is the account of a token that token.generate made.
func (s *Server) tokenUser(secret string) (User, bool) {
	for _, t := range s.objects["token"] {
		if t.text("secret") != secret || t.text("status") != "0" {
			continue
		}
		u := s.object("user", "userid", t.text("userid"))
		out := User{ID: u.text("userid"), Username: u.text("username"), Name: u.text("name"), Surname: u.text("surname"), Token: secret, ReadOnly: true,
			Methods: []string{}}
		rules, _ := s.object("role", "roleid", u.text("roleid"))["rules"].(map[string]any)
		listed, _ := rules["api"].([]any)
		for _, m := range listed {
			out.Methods = append(out.Methods, fmt.Sprint(m))
		}
		for _, e := range row(rules).list("actions") {
			if e.text("status") == "0" {
				out.Denied = append(out.Denied, e.text("name"))
			}
		}
		out.Admin = s.object("role", "roleid", u.text("roleid")).text("type") == "2"
		for _, g := range u.list("usrgrps") {
			group := s.object("usergroup", "usrgrpid", g.text("usrgrpid"))
			for _, right := range slices.Concat(group.list("rights"), group.list("hostgroup_rights")) {
				out.ReadOnly = out.ReadOnly && right["permission"] != "3"
			}
		}
		return out, true
	}
	return User{}, false
}

// checkAuthentication says whose an API token is.
func (s *Server) checkAuthentication(_ User, a args) (any, *rpcError) {
	u, fault := s.authorise(a.text("token"))
	if fault != nil {
		return nil, fault
	}
	return row{"userid": u.ID, "username": u.Username, "name": u.Name, "surname": u.Surname}, nil
}
