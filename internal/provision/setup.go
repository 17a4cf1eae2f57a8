package provision

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"nms-alert-relay/internal/text"
	"nms-alert-relay/internal/zabbix"
)

// Setup makes, checks and removes our objects in one Zabbix.
type Setup struct {
	opts Options
	api  API
	now  func() time.Time
}

// rounds is how often Apply writes at most: which elements a role has may be known only once a role exists.
const rounds = 2

// New makes a Setup.
func New(o Options, api API, now func() time.Time) *Setup {
	return &Setup{opts: o, api: api, now: now}
}

// Plan is what has to be done.
type Plan struct {
	Version string   `json:"zabbix"`
	Steps   []Step   `json:"steps"`
	Notes   []string `json:"notes,omitempty"`
	state   *state
}

// Pending returns the steps that change something.
func (p Plan) Pending() []Step {
	return slices.DeleteFunc(slices.Clone(p.Steps), func(s Step) bool { return s.Action != Create && s.Action != Update && s.Action != Remove })
}

// Refused returns the steps that somebody else's object prevents.
func (p Plan) Refused() []Step {
	return slices.DeleteFunc(slices.Clone(p.Steps), func(s Step) bool { return s.Action != Refuse })
}

// Plan reads Zabbix and compares.
func (p *Setup) Plan(ctx context.Context) (Plan, error) {
	s, err := p.read(ctx)
	if err != nil {
		return Plan{}, err
	}
	return plan(p.opts, s, p.now(), newPassword)
}

// plan is what has to be done, in the order in which it can be done.
func plan(o Options, s *state, now time.Time, password func() string) (Plan, error) {
	group, err := wantedUserGroup(o, s)
	if err != nil {
		return Plan{}, err
	}
	type wanted struct {
		at slot
		object
	}
	list := []wanted{{slot{kind: mediaTypes}, wantedMediaType(o, s)}, {slot{kind: roles}, wantedRole(o, s)}, {slot{kind: userGroups}, group},
		{slot{kind: users}, wantedUser(password, s)}}
	out := Plan{Version: s.version.Text, state: s}
	if t, ok := wantedToken(o, s, now); ok {
		list = append(list, wanted{slot{kind: tokens}, t})
		if s.id(tokens) != "" && s.file.missing != "" {
			out.Notes = append(out.Notes, fmt.Sprintf("the API token %s gets a new secret, in %s: the old one stops working at once, wherever it is used", ownName, o.TokenFile.Name()))
		}
	} else if s.file.owner != s.id(users) {
		out.Notes = append(out.Notes, fmt.Sprintf("the API token in %s works, but belongs to another user (id %s): it stays. Delete the file to get one of the user %s",
			o.TokenFile.Name(), s.file.owner, ownName))
	}
	for _, source := range ActionSources {
		if source == sourceTrigger || slices.Contains(o.ActionSources, source) {
			list = append(list, wanted{slot{actions, source}, wantedAction(s, source)})
		}
	}
	if m, ok := wantedMacro(o); ok {
		list = append(list, wanted{slot{kind: macros}, m})
	}
	if o.Template != nil {
		t, err := wantedTemplate(o.Template, s.version)
		if err != nil {
			return Plan{}, err
		}
		list = append(list, wanted{slot{kind: templates}, t})
	}
	for _, w := range list {
		out.Steps = append(out.Steps, compare(w.object, s.found[w.at], o.Adopt))
	}
	if hidden := hiddenGroups(o, s); len(hidden) > 0 {
		out.Notes = append(out.Notes, fmt.Sprintf("problems of hosts that are only in these host groups aren't reported: %s (--host-group adds one)", text.Some(hidden, 10)))
	}
	for _, name := range s.others {
		out.Notes = append(out.Notes, fmt.Sprintf("the action %q uses our media type too: what both actions report is sent twice, and the relay drops the copy", name))
	}
	return out, nil
}

// hiddenGroups are the host groups that our user can't see.
func hiddenGroups(o Options, s *state) []string {
	permissions, err := o.permissions(s)
	if err != nil {
		return nil // reported already
	}
	var names []string
	for id, name := range s.hostGroups {
		if p := permissions[id]; p != mayRead && p != mayWrite {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// newPassword makes a password that nobody will know, with every kind of character that Zabbix can require.
func newPassword() string {
	random := make([]byte, 24)
	_, _ = rand.Read(random) // never fails
	return "aA1!" + base64.RawURLEncoding.EncodeToString(random)
}

// lazy is a property whose value is made when it is written.
type lazy func() string

// Apply carries out a plan and reads the result back. done is called after each step.
func (p *Setup) Apply(ctx context.Context, plan Plan, done func(Step)) error {
	for round := 1; ; round++ {
		if err := p.applyOnce(ctx, plan, done); err != nil {
			return err
		}
		again, err := p.Plan(ctx)
		if err != nil {
			return fmt.Errorf("written, but not checked: %w", err)
		}
		if len(again.Pending()) == 0 {
			return nil
		}
		if round == rounds {
			var faults []error
			for _, s := range again.Pending() {
				faults = append(faults, fmt.Errorf("%s %s isn't as it was written: %s", s.Kind, s.Name, s.summary()))
			}
			return errors.Join(faults...)
		}
		plan = again
	}
}

// summary names the fields that differ.
func (s Step) summary() string {
	var names []string
	for _, c := range s.Changes {
		names = append(names, c.Field)
	}
	return strings.Join(names, ", ")
}

func (p *Setup) applyOnce(ctx context.Context, plan Plan, done func(Step)) error {
	if refused := plan.Refused(); len(refused) > 0 {
		return errors.New("nothing was changed: some objects have our names and were made by others (--adopt takes them over)")
	}
	commit, err := p.prepare(plan)
	if err != nil {
		return err
	}
	var secret string
	defer func() {
		if secret == "" && commit != nil {
			_ = commit("") // gives up
		}
	}()
	ids := map[*kind]string{}
	for at, o := range plan.state.found {
		ids[at.kind] = o.id
	}
	for _, s := range plan.Pending() {
		k := s.want.kind
		if err := p.write(ctx, s, ids); err != nil {
			return fmt.Errorf("%s %s: %w", s.Kind, s.Name, explain(err))
		}
		if k == tokens && slices.Contains(s.properties, secretProperty) {
			if secret, err = p.generate(ctx, ids[tokens]); err == nil {
				err = commit(secret)
			}
			if err != nil {
				return fmt.Errorf("%s %s: %w", s.Kind, s.Name, explain(err))
			}
		}
		done(s)
	}
	return nil
}

// prepare prepares the token's file, if the plan writes it.
func (p *Setup) prepare(plan Plan) (func(string) error, error) {
	for _, s := range plan.Pending() {
		if s.want.kind == tokens && slices.Contains(s.properties, secretProperty) {
			commit, err := p.opts.TokenFile.Prepare()
			if err != nil {
				return nil, fmt.Errorf("nothing was changed: %w", err)
			}
			return commit, nil
		}
	}
	return nil, nil
}

// write creates or updates one object.
func (p *Setup) write(ctx context.Context, s Step, ids map[*kind]string) error {
	k := s.want.kind
	if k == templates {
		return p.call(ctx, importMethod, s.want.params, nil)
	}
	var answer map[string][]str
	if s.Action == Create {
		if err := p.call(ctx, k.create, resolved(s.want.params, ids), &answer); err != nil {
			return err
		}
		if len(answer[k.id+"s"]) != 1 {
			return fmt.Errorf("%s answered without an id", k.create)
		}
		ids[k] = string(answer[k.id+"s"][0])
		return nil
	}
	params := map[string]any{k.id: s.id}
	for _, property := range s.properties {
		if value, ok := s.want.params[property]; ok {
			params[property] = resolved(value, ids)
		}
	}
	if len(params) == 1 {
		return nil // nothing but the secret
	}
	return p.call(ctx, k.update, params, &answer)
}

// resolved replaces references by ids.
func resolved(value any, ids map[*kind]string) any {
	switch v := value.(type) {
	case ref:
		return ids[v.kind]
	case lazy:
		return v()
	case map[string]any:
		out := map[string]any{}
		for name, one := range v {
			out[name] = resolved(one, ids)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, one := range v {
			out[i] = resolved(one, ids)
		}
		return out
	}
	return value
}

// generate makes a new secret for a token; the old one no longer works then.
func (p *Setup) generate(ctx context.Context, id string) (string, error) {
	var rows []struct {
		Token string `json:"token"`
	}
	if err := p.call(ctx, "token.generate", []string{id}, &rows); err != nil {
		return "", err
	}
	if len(rows) != 1 || rows[0].Token == "" {
		return "", errors.New("token.generate answered without a token")
	}
	return rows[0].Token, nil
}

// call calls the API. Its errors show no secret, although some versions repeat a refused value.
func (p *Setup) call(ctx context.Context, method string, params, result any) error {
	err := p.api.Call(ctx, method, params, result)
	var e *zabbix.Error
	if !errors.As(err, &e) {
		return err
	}
	shown := *e
	for _, secret := range []string{p.opts.Secret, p.opts.Token} {
		if secret != "" {
			shown.Message, shown.Detail = strings.ReplaceAll(shown.Message, secret, "[secret]"), strings.ReplaceAll(shown.Detail, secret, "[secret]")
		}
	}
	return &shown
}

// hopeless reports whether no other call will succeed either.
func hopeless(err error) bool {
	k := zabbix.KindOf(err)
	return k == zabbix.NotAuthorised || k.Temporary()
}

// explain adds what to do about a refusal.
func explain(err error) error {
	switch zabbix.KindOf(err) {
	case zabbix.RoleForbids:
		return fmt.Errorf("%w (the role of the token's user must be of type Super admin and allow this method)", err)
	case zabbix.Invalid:
		if strings.Contains(err.Error(), `Language "en_US" is not supported`) {
			return fmt.Errorf("%w (the relay's user needs English: install the locale en_US.UTF-8 on the frontend's machine)", err)
		}
	case zabbix.NoObject:
		return fmt.Errorf("%w (it may exist and not be visible to this token)", err)
	}
	return err
}
