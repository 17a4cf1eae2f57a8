package command

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/lang"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/text"
	"nms-alert-relay/internal/webex"
	"nms-alert-relay/internal/zabbix"
)

// This file is what the verbs have in common that don't act in Zabbix's record of a problem: maintenances, scripts and actions. Their work is durable like an
// acknowledgement, and done in a lane.

// Task is what such a command asks for.
type Task struct {
	What   string   `json:"what,omitempty"`   // of maintenance: start, list or stop
	Source string   `json:"source,omitempty"` // "" until it is known
	Hosts  []string `json:"hosts,omitempty"`  // names, as written or of the thread's problem
	// Technical: Hosts are technical names only.
	Technical bool   `json:"technical,omitempty"`
	Thread    bool   `json:"thread,omitempty"` // Hosts are those of the thread's problem
	Group     string `json:"group,omitempty"`
	Script    string `json:"script,omitempty"` // of run, by its configured name
	Action    string `json:"action,omitempty"` // of do, likewise
}

// worker is a verb's work.
type worker struct {
	// role returns the role that a task needs by the present configuration; "" if nobody may do it any more.
	role func(v View, t Task) config.Role
	// begin completes a request and returns the attempts that do it.
	begin func(ctx context.Context, e *Executor, s scope, c *store.Command, r *Request) ([]attempt, *refusal, error)
	// approval returns the role of the second person that a task needs. nil: no task needs one.
	approval func(v View, t Task) (role config.Role, needed bool)
	// question asks for the approval before the attempts are made. nil: step asks for it, when it knows more.
	question func(s scope, r Request, attempts []attempt) string
	// step does the next step of an attempt; see Executor.step.
	step func(ctx context.Context, e *Executor, l *lane, b *batch, r round) (time.Duration, error)
	// setup is the option of `setup zabbix` that allows it to the relay's user; "" for none.
	setup string
	// repeats: a call whose answer was lost is made again, and each attempt has a call of its own.
	repeats bool
}

// beginWork begins the work of a verb: it asks first if a confirmation is needed, and enqueues it otherwise.
func (e *Executor) beginWork(ctx context.Context, c *store.Command, d detail, s scope, req Request) error {
	c.Keys = nil
	work, say := req.Verb.entry().work, s.voice()
	attempts, r, err := work.begin(ctx, e, s, c, &req)
	if err != nil {
		return err
	}
	second, needed := s.approval(req)
	if r == nil && needed && s.Direct {
		r = &refusal{store.CommandDenied, say.T("🚫 `%s` needs the approval of a second person: ask for it in a room.", webex.EscapeCode(cmp.Or(req.Task.Action, req.Task.Script)))}
	}
	if r != nil {
		return e.refuse(ctx, *c, s.Input, r)
	}
	d.Request, d.Attempts = &req, nil
	if ended, err := e.once(ctx, c, d, nil); ended || err != nil {
		return err
	}
	if needed && work.question != nil {
		return e.askFirst(ctx, *c, d, req, approvalQuestion(say, work.question(s, req, attempts), second))
	}
	d.Attempts = attempts
	c.Detail = d.encode()
	return e.dispatch(ctx, &job{c: *c, d: d})
}

// approval returns the role of the second person whose approval a request still needs.
func (v View) approval(r Request) (role config.Role, needed bool) {
	work := r.Verb.entry().work
	if work.approval == nil || r.For != "" {
		return "", false
	}
	return work.approval(v, *r.Task)
}

// approvalQuestion is the question for the approval of a second person.
func approvalQuestion(say voice, question string, role config.Role) confirmation {
	return confirmation{question: question, button: say.T("Approve"), second: role}
}

// place is where a command that names hosts acts.
type place struct {
	source  string
	problem *target // whose hosts are meant; nil if the command names them
}

// placeOf checks that the person may act on the hosts that a command names, or on those of the thread's problem. To name any host it
// takes the role everywhere: the role in a room is for the problems of that room.
func (e *Executor) placeOf(ctx context.Context, s scope, c *store.Command, v *verb, role config.Role, t *Task, sources []string) (place, *refusal, error) {
	if len(t.Hosts) == 0 && t.Group == "" {
		own, _, err := e.ownProblem(ctx, s, c.ParentID, c.CreatedAt)
		if err != nil {
			return place{}, nil, err
		}
		if own != (alert.Key{}) {
			return e.placeOfProblem(ctx, s, c, v, role, t, own, sources)
		}
	}
	if !s.roleIn("").AtLeast(role) {
		return place{}, &refusal{store.CommandDenied, s.voice().T("🚫 For a host of your choice, `%s` needs the role **%s** everywhere: an entry of `people` without `rooms`. "+
			"In the thread of a problem, the role in its room is enough, for the hosts of that problem.", v.name, role)}, nil
	}
	if t.Source == "" && len(sources) == 1 {
		t.Source = sources[0]
	}
	return place{source: t.Source}, nil, nil
}

func (e *Executor) placeOfProblem(ctx context.Context, s scope, c *store.Command, v *verb, role config.Role, t *Task, own alert.Key, sources []string) (place, *refusal, error) {
	visible, err := e.visible(ctx, s, []alert.Key{own})
	if err != nil {
		return place{}, nil, err
	}
	found, ok := visible[own]
	switch {
	case !ok || found.Unreadable:
		return place{}, &refusal{store.CommandFailed, damagedProblem(own, s.voice())}, nil
	case !found.Role.AtLeast(role):
		return place{}, &refusal{store.CommandDenied, s.voice().T("🚫 `%s` needs the role **%s**. Your role %s is **%s**.", v.name, role, s.where(), found.Role)}, nil
	case !slices.Contains(sources, own.Source):
		return place{}, &refusal{store.CommandFailed, s.voice().T("🚫 `%s` isn't possible in Zabbix `%s`.", v.name, webex.EscapeCode(own.Source))}, nil
	case len(found.Problem.Hosts) == 0:
		return place{}, &refusal{store.CommandFailed, s.voice().T("❔ %s has no host. Name one.", titled(own, found.Problem.Name, s.Several))}, nil
	}
	c.Keys = []string{own.String()}
	t.Source, t.Technical, t.Thread = own.Source, true, true
	for _, h := range found.Problem.Hosts {
		t.Hosts = append(t.Hosts, cmp.Or(h.Host, h.Name))
	}
	return place{source: own.Source, problem: &found}, nil, nil
}

// stillMay returns the reply if the person's role isn't enough any more, or an approval is needed now: a command may have waited for an
// hour.
func (e *Executor) stillMay(ctx context.Context, b *batch) (refusal string, err error) {
	s, t := scopeOf(*b.job.d.Input, e.o.View()), *b.req.Task
	keys := b.keys()[:1]
	if t.Thread {
		keys[0] = alert.ParseKey(b.job.c.Keys[0])
	}
	if keys[0].EventID == "" {
		keys = nil
	}
	work, a := b.req.Verb.entry().work, b.attempts[0]
	has, err := e.has(ctx, s, work.role(s.View, t), keys)
	_, needed := s.approval(b.req)
	switch {
	case err != nil:
		return "", err
	case !has && a.Stage == stageExecuting:
		return s.voice().T("❓ I don't know whether I could %s, and won't try again: you don't have the role for it any more.", a.Does), nil
	case has && needed && work.question != nil && a.Stage == stagePending:
		return s.voice().T("🚫 Didn't %s: the action needs the approval of a second person now. Nothing was done. Send the command again.", a.Does), nil
	case has:
		return "", nil
	}
	return s.voice().T("🚫 Didn't %s: you don't have the role for it any more, or it isn't configured any more. Nothing was done.", a.Does), nil
}

// has reports whether a person has a role for each of these problems, where the role in its room is enough; without problems, everywhere.
func (e *Executor) has(ctx context.Context, s scope, need config.Role, keys []alert.Key) (bool, error) {
	if need == "" || len(keys) == 0 {
		return need != "" && s.roleIn("").AtLeast(need), nil
	}
	var posts map[alert.Key][]store.Post
	err := e.persist(ctx, "reading the posts of a command's problems", func(ctx context.Context) (err error) {
		posts, err = e.o.Store.PostsOf(ctx, keys)
		return err
	})
	return err == nil && !slices.ContainsFunc(keys, func(k alert.Key) bool { return !s.roleFor(posts[k]).AtLeast(need) }), err
}

// byName finds what the configuration lists by a name.
func byName[T any](items []T, word string, name func(T) string) (item T, ok bool) {
	i := slices.IndexFunc(items, func(item T) bool { return strings.EqualFold(name(item), word) })
	if i < 0 {
		return item, false
	}
	return items[i], true
}

// unknownName is the reply to a name that the configuration doesn't list: it suggests the nearest one, or where the names are.
func unknownName(l lang.Lang, said, word, verb string, names []string, list string) string {
	if best := text.Nearest(word, names); best != "" {
		return said + l.T(" Did you mean `%s`?", webex.EscapeCode(verb+best))
	}
	return said + list
}

// offers lists what the person may use of the configuration.
func offers(head string, lines []string, none string) string {
	if len(lines) == 0 {
		return none
	}
	return head + "\n\n" + strings.Join(lines, "\n")
}

// cutSource splits the source off "main/sw1".
func (n Names) cutSource(name string) (source, rest string) {
	before, after, ok := strings.Cut(name, "/")
	if !ok || strings.TrimSpace(after) == "" {
		return "", name
	}
	for source := range n.Sources {
		if strings.EqualFold(source, before) {
			return source, strings.TrimSpace(after)
		}
	}
	return "", name
}

// whichZabbix asks for the source of a host.
func whichZabbix(l lang.Lang, v *verb, sources []string, example string) *refusal {
	var forms []string
	for _, name := range sources {
		forms = append(forms, "`"+fmt.Sprintf(example, webex.EscapeCode(name)+"/")+"`")
	}
	if len(forms) == 0 {
		return &refusal{store.CommandFailed, l.T("🚫 `%s` isn't possible: the relay has no API token for a Zabbix.", v.name)}
	}
	return &refusal{store.CommandFailed, l.T("❔ In which Zabbix? %s", l.Or(forms))}
}

// acting returns the sources in which the relay can act, sorted.
func (e *Executor) acting() (names []string) {
	for _, l := range e.lanes.All() {
		if l.zabbix != nil && !slices.Contains(names, l.source) {
			names = append(names, l.source)
		}
	}
	slices.Sort(names)
	return names
}

// endSentence removes the full stop of a sentence ("run ping on sw1.") from names that no host has.
func endSentence(ctx context.Context, l *lane, t Task) (Task, error) {
	t.Hosts = slices.Clone(t.Hosts)
	for i, name := range t.Hosts {
		bare := strings.TrimRight(name, ".!")
		if bare == name || bare == "" {
			continue
		}
		found, _, err := l.zabbix.FindHosts(context.WithoutCancel(ctx), name)
		if err != nil {
			return t, err
		}
		if len(found) == 0 {
			t.Hosts[i] = bare
		}
	}
	return t, nil
}

// findHosts finds each host by its name. refusal is the reply if a name isn't exactly one host's.
func findHosts(ctx context.Context, l *lane, in lang.Lang, t Task) (hosts []zabbix.Host, refusal string, err error) {
	source := webex.EscapeCode(l.source)
	for _, name := range t.Hosts {
		found, alike, err := l.zabbix.FindHosts(context.WithoutCancel(ctx), name)
		if err != nil {
			return nil, "", err
		}
		if t.Technical {
			alike = slices.Concat(found, alike)
			found = slices.DeleteFunc(slices.Clone(found), func(h zabbix.Host) bool { return !strings.EqualFold(h.Host, name) })
		}
		switch {
		case len(found) == 0:
			said := in.T("❔ Zabbix `%s` has no host `%s`, or the relay's user may not read it. Nothing was done.", source, echo(name))
			if len(alike) > 0 {
				said += in.T(" Similar names: %s.", hostList(in, alike))
			}
			if strings.Contains(name, " ") {
				said += in.T(" Commas separate several hosts.")
			}
			return nil, said, nil
		case len(found) > 1:
			return nil, in.T("❔ `%s` is the name of several hosts in Zabbix `%s`: %s. Nothing was done. Give the technical name: `host=…`.", echo(name), source, hostList(in, found)), nil
		case !slices.Contains(hosts, found[0]):
			hosts = append(hosts, found[0])
		}
	}
	return hosts, "", nil
}

// maxHostsNamed is how many hosts a reply names.
const maxHostsNamed = 10

func hostList(l lang.Lang, hosts []zabbix.Host) string {
	var names []string
	for _, h := range hosts[:min(len(hosts), maxHostsNamed)] {
		names = append(names, "`"+webex.EscapeCode(text.Shorten(text.Line(h.String()), 100))+"`")
	}
	if more := len(hosts) - len(names); more > 0 {
		names = append(names, l.T("%d more", more))
	}
	return strings.Join(names, ", ")
}

// cannotYet postpones an attempt whose question to Zabbix failed, or ends it if Zabbix refused the question. Nothing was done by this call,
// but maybe by an earlier one.
func (e *Executor) cannotYet(ctx context.Context, l *lane, b *batch, err error, r round) (time.Duration, error) {
	switch say := b.voice(e.o.View()); {
	case b.attempts[0].Stage != stageExecuting && meaningOf(err) == refuses:
		return 0, e.endRefused(ctx, b, err)
	case b.attempts[0].Stage != stageExecuting:
		return e.tryAgain(ctx, l, b, err, r)
	case r.late || meaningOf(err) == refuses:
		return 0, e.endAttempts(ctx, b, stageUnknown, func(a attempt) string { return unknown(a, b.req, absent, say) })
	}
	l.why = reason(err)
	return r.postpone(l, err, r.retry()), e.replyWaiting(ctx, l, b.turn)
}

// uncertainYet keeps an attempt whose answer was lost, for its effect to be looked up. It postpones one that certainly had none, or
// ends it if Zabbix refused it.
func (e *Executor) uncertainYet(ctx context.Context, l *lane, b *batch, err error, r round) (time.Duration, error) {
	m := meaningOf(err)
	switch m {
	case again:
		return e.tryAgain(ctx, l, b, err, r)
	case refuses:
		return 0, e.endRefused(ctx, b, err)
	}
	e.o.Log.Warn("unknown whether Zabbix carried out a command: looking for its effect", "command", b.job.c.ID, "error", err)
	l.why = reason(err)
	if err := e.change(ctx, b, store.CommandExecuting, func(a *attempt) { a.Ended = m == failed }); err != nil {
		return atOnce, err
	}
	return r.postpone(l, err, min(r.retry(), 2*time.Second)), e.replyWaiting(ctx, l, b.turn)
}

// endRefused ends attempts that Zabbix refused.
func (e *Executor) endRefused(ctx context.Context, b *batch, err error) error {
	var ze *zabbix.Error
	errors.As(err, &ze)
	say := b.voice(e.o.View())
	return e.endAttempts(ctx, b, stageFailed, func(a attempt) string { return refused(a, b.req, ze, say) })
}

// executing saves that a call follows: after a crash its outcome is looked up in Zabbix, if it can be.
func (e *Executor) executing(ctx context.Context, b *batch) error {
	now := time.Now().UTC().Truncate(time.Microsecond)
	return e.change(ctx, b, store.CommandExecuting, func(a *attempt) { a.Stage, a.StartedAt, a.Ended = stageExecuting, now, false })
}

// sourceKey is the key of an attempt that isn't about a problem.
func sourceKey(source string) alert.Key { return alert.Key{Source: source} }
