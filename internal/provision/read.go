package provision

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"nms-alert-relay/internal/zabbix"
	mediatype "nms-alert-relay/zabbix"
)

type str = zabbix.Text

// slot is the place of one of our objects.
type slot struct {
	kind   *kind
	source string // of an action
}

// state is what was found in Zabbix.
type state struct {
	version zabbix.Version
	found   map[slot]*object
	// hostGroups, groups and types are names by id.
	hostGroups, types map[string]string
	granted           map[string]string       // of our user group, by host group id
	elements          map[string]ruleElements // by type of role
	features          []zabbix.Feature        // that our role allows
	parameters        []parameter             // of our media type
	medias            []media                 // of our user
	groups            []map[string]string     // of our user
	english           bool                    // Zabbix's default language
	others            []string                // actions of others with our media type
	file              fileToken
	conditions        map[string]bool // our actions with conditions, by source
}

// ruleElements are the elements that a role of a type can permit.
type ruleElements struct{ ui, actions, modules []string }

// fileToken is the relay's token in its file.
type fileToken struct {
	missing string // why there is none that works; "" if it works
	id      string // of the token in Zabbix
	owner   string // user id
}

func (s *state) hostGroupNames() []string { return slices.Sorted(maps.Values(s.hostGroups)) }

// id returns the id of one of our objects, "" if there is none.
func (s *state) id(k *kind) string {
	if o := s.found[slot{kind: k}]; o != nil {
		return o.id
	}
	return ""
}

// read asks Zabbix for everything that a plan needs. Its error names each kind of object that can't be read.
func (p *Setup) read(ctx context.Context) (*state, error) {
	version, err := p.api.Version(ctx)
	if err != nil {
		return nil, err
	}
	s := &state{found: map[slot]*object{}, conditions: map[string]bool{}}
	if s.version, err = zabbix.ParseVersion(version); err != nil {
		return nil, err
	}
	if err := p.mayDoAll(ctx); err != nil {
		return nil, explain(err)
	}
	var faults []error
	for _, part := range []struct {
		word string
		read func(context.Context, *state) error
	}{
		{"host groups", p.readHostGroups}, {"settings", p.readSettings}, {mediaTypes.word, p.readMediaType}, {roles.word, p.readRole},
		{userGroups.word, p.readUserGroup}, {users.word, p.readUser}, {tokens.word, p.readTokens}, {actions.word, p.readActions}, {macros.word, p.readMacro},
		{templates.word, p.readTemplate},
	} {
		if err := part.read(ctx, s); err != nil {
			if ctx.Err() != nil || hopeless(err) {
				return nil, err
			}
			faults = append(faults, fmt.Errorf("%s: %w", part.word, explain(err)))
		}
	}
	return s, errors.Join(faults...)
}

// mayDoAll checks that the token is a Super admin's. A session of a person isn't a token, and may do what it may.
func (p *Setup) mayDoAll(ctx context.Context) error {
	var mine []struct {
		UserID str `json:"userid"`
	}
	if err := p.call(ctx, tokens.get, map[string]any{"output": []string{"userid"}, "token": p.opts.Token}, &mine); err != nil || len(mine) == 0 {
		return err
	}
	var who []struct {
		Username str `json:"username"`
		Role     struct {
			Name str `json:"name"`
			Type str `json:"type"`
		} `json:"role"`
	}
	err := p.call(ctx, users.get, map[string]any{"userids": []str{mine[0].UserID}, "output": []string{"username"}, "selectRole": []string{"name", "type"}}, &who)
	if err != nil || len(who) == 0 {
		return err
	}
	const superAdmin = "3"
	if who[0].Role.Type != superAdmin {
		return fmt.Errorf("the token belongs to %s, whose role %q isn't of type Super admin: only a Super admin may create users, roles and media types",
			who[0].Username, who[0].Role.Name)
	}
	return nil
}

func (p *Setup) readHostGroups(ctx context.Context, s *state) error {
	var rows []struct {
		ID   str `json:"groupid"`
		Name str `json:"name"`
	}
	err := p.call(ctx, "hostgroup.get", map[string]any{"output": []string{"groupid", "name"}}, &rows)
	s.hostGroups = map[string]string{}
	for _, r := range rows {
		s.hostGroups[string(r.ID)] = string(r.Name)
	}
	return err
}

func (p *Setup) readSettings(ctx context.Context, s *state) error {
	var settings struct {
		Language str `json:"default_lang"`
	}
	err := p.call(ctx, "settings.get", map[string]any{"output": []string{"default_lang"}}, &settings)
	s.english = strings.HasPrefix(string(settings.Language), "en_")
	return err
}

func (p *Setup) readMediaType(ctx context.Context, s *state) error {
	var names []struct {
		ID   str `json:"mediatypeid"`
		Name str `json:"name"`
	}
	if err := p.call(ctx, mediaTypes.get, map[string]any{"output": []string{"mediatypeid", "name"}}, &names); err != nil {
		return err
	}
	s.types = map[string]string{}
	for _, n := range names {
		s.types[string(n.ID)] = string(n.Name)
	}
	var rows []mediaType
	err := p.call(ctx, mediaTypes.get, map[string]any{"output": "extend", "selectMessageTemplates": "extend",
		"filter": map[string]any{"name": []string{mediatype.Name}}}, &rows)
	if err != nil || len(rows) == 0 {
		return err
	}
	o := rows[0].object()
	s.parameters = rows[0].Parameters
	s.found[slot{kind: mediaTypes}] = &o
	return nil
}

func (p *Setup) readRole(ctx context.Context, s *state) error {
	var rows []role
	err := p.call(ctx, roles.get, map[string]any{"output": []string{"roleid", "name", "type"}, "selectRules": "extend",
		"filter": map[string]any{"type": []string{userType, adminType}}}, &rows)
	s.elements = map[string]ruleElements{}
	for _, r := range rows {
		e := s.elements[string(r.Type)]
		e.add(r)
		s.elements[string(r.Type)] = e
		if string(r.Name) == ownName+nameMark {
			s.features = r.features()
		}
	}
	s.keep(slot{kind: roles}, ownName, objects(rows, func(r role) object { return r.object() }))
	return err
}

func (p *Setup) readUserGroup(ctx context.Context, s *state) error {
	var rows []userGroup
	err := p.call(ctx, userGroups.get, map[string]any{"output": []string{"usrgrpid", "name", "gui_access", "users_status", "debug_mode"},
		s.version.SelectGroupRights: "extend", "filter": map[string]any{"name": bothNames(ownName)}}, &rows)
	s.keep(slot{kind: userGroups}, ownName, objects(rows, func(g userGroup) object { return g.object(s) }))
	if o := s.found[slot{kind: userGroups}]; o != nil {
		for _, g := range rows {
			if string(g.ID) == o.id {
				s.granted = g.permissions()
			}
		}
	}
	return err
}

func (p *Setup) readUser(ctx context.Context, s *state) error {
	var rows []user
	err := p.call(ctx, users.get, map[string]any{"output": []string{"userid", "username", "name", "surname", "timezone", "lang", "autologin"},
		"selectMedias": "extend", "selectUsrgrps": []string{"usrgrpid", "name"}, "selectRole": []string{"name"},
		"filter": map[string]any{"username": []string{ownName}}}, &rows)
	if err != nil || len(rows) == 0 {
		return err
	}
	o := rows[0].object(s)
	s.found[slot{kind: users}] = &o
	s.medias = rows[0].Medias
	for _, g := range rows[0].Groups {
		s.groups = append(s.groups, map[string]string{"usrgrpid": string(g.ID), "name": string(g.Name)})
	}
	return nil
}

func (p *Setup) readTokens(ctx context.Context, s *state) error {
	value, missing, err := p.opts.TokenFile.Read()
	if err != nil {
		return err
	}
	s.file.missing = missing
	if value != "" {
		var rows []token
		if err := p.call(ctx, tokens.get, map[string]any{"output": "extend", "token": value}, &rows); err != nil {
			return err
		}
		s.file.judge(rows, p.now())
	}
	if s.id(users) == "" {
		return nil
	}
	var rows []token
	err = p.call(ctx, tokens.get, map[string]any{"output": "extend", "userids": []string{s.id(users)}, "filter": map[string]any{"name": []string{ownName}}}, &rows)
	if err != nil || len(rows) == 0 {
		return err
	}
	o := rows[0].object(p.opts.TokenFile.Name(), s.file, p.now())
	s.found[slot{kind: tokens}] = &o
	return nil
}

func (p *Setup) readActions(ctx context.Context, s *state) error {
	var rows []action
	err := p.call(ctx, actions.get, map[string]any{"output": "extend", "selectFilter": "extend", "selectOperations": "extend",
		"selectRecoveryOperations": "extend", "selectUpdateOperations": "extend"}, &rows)
	for n, source := range ActionSources {
		number := strconv.Itoa(n)
		s.keep(slot{actions, source}, actionName(source), objects(slices.DeleteFunc(slices.Clone(rows), func(a action) bool { return string(a.Source) != number }),
			func(a action) object { return a.object(s) }))
	}
	ours := map[string]bool{}
	for _, o := range s.found {
		ours[o.id] = ours[o.id] || o.kind == actions
	}
	for _, a := range rows {
		if t := s.id(mediaTypes); t != "" && a.enabled() && a.uses(t) && !ours[string(a.ID)] {
			s.others = append(s.others, string(a.Name))
		}
	}
	slices.Sort(s.others)
	return err
}

func (p *Setup) readMacro(ctx context.Context, s *state) error {
	var rows []macro
	err := p.call(ctx, macros.get, map[string]any{"globalmacro": true, "output": "extend", "filter": map[string]any{"macro": []string{macroName}}}, &rows)
	if err != nil || len(rows) == 0 {
		return err
	}
	o := rows[0].object()
	s.found[slot{kind: macros}] = &o
	return nil
}

// keep finds our object among those of a kind without descriptions: by its name with the mark, else by its name alone.
func (s *state) keep(at slot, name string, list []object) {
	for _, candidate := range bothNames(name) {
		for _, o := range list {
			if o.name == candidate {
				o.marked = candidate != name
				s.found[at] = &o
				return
			}
		}
	}
}

// bothNames are a name with the mark, and without.
func bothNames(name string) []string { return []string{name + nameMark, name} }

// objects converts each row.
func objects[T any](rows []T, as func(T) object) []object {
	var out []object
	for _, r := range rows {
		out = append(out, as(r))
	}
	return out
}

func (p *Setup) readTemplate(ctx context.Context, s *state) error {
	if p.opts.Template == nil {
		return nil
	}
	want, err := wantedTemplate(p.opts.Template, s.version)
	if err != nil {
		return err
	}
	var rows []template
	err = p.call(ctx, templates.get, map[string]any{"output": []string{"templateid", "host", "description"}, "filter": map[string]any{"host": []string{want.name}}}, &rows)
	if err != nil || len(rows) == 0 {
		return err
	}
	o := rows[0].object()
	s.found[slot{kind: templates}] = &o
	return nil
}
