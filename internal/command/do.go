package command

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"nms-alert-relay/internal/action"
	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/lang"
	"nms-alert-relay/internal/payload"
	"nms-alert-relay/internal/render"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/text"
	"nms-alert-relay/internal/webex"
)

// actionLane begins the names of the lanes in which actions wait, one for each: a slow endpoint delays no other command.
const actionLane = "action:"

func actionVerbs() []verb {
	return []verb{{
		name: Do, role: viewer, // each action has a role of its own
		usage: "do ACTION [ID …] [: WORDS]", does: "makes a configured request about problems to another system, such as a ticket. `do` alone lists the actions",
		examples: []string{"do ticket 4711", "do ticket: customers are down", "do"},
		problems: true, parse: parseDo, work: &worker{role: actionRole, begin: beginDo, approval: actionApproval, question: asksDo, step: stepDo, repeats: true},
	}}
}

// parseDo parses "ACTION [ids]", "ACTION [ids]: words", "ids ACTION", and nothing. Words need the colon: "do restart sw2" in the thread
// of sw1 must not restart sw1.
func parseDo(n Names, v *verb, said spoken, t named) (Request, *misunderstanding) {
	name, rest := firstWord(strings.TrimLeft(t.rest, ":,- "))
	bare := strings.TrimRight(name, ":")
	if bare != name {
		rest = ": " + rest
	}
	task := Task{Action: strings.Trim(bare, "`'\"*.,;!")}
	if task.Action == "" {
		return Request{Verb: v.name, Task: &task}, nil
	}
	after := n.scanIDs(v, rest)
	after.refs = slices.Concat(t.refs, after.refs)
	switch {
	case after.ambiguous != "":
		return Request{}, misunderstood(v.name, "I'm not sure whether `%s` is an event id, so I did nothing. Give ids alone: `do %s 4711`. Your own words follow a colon: `do %[2]s: %[1]s`.", echo(after.ambiguous), echo(task.Action))
	case len(after.refs) > maxRefs:
		return Request{}, tooMany(v)
	case !after.words && strings.Trim(after.rest, " \n.!") != "":
		return Request{}, misunderstood(v.name, "I don't understand `%s`, so I did nothing. The problem is named by its event id: `do %s 4711`. Your own words follow a colon: `do %[2]s: %[1]s`.", echo(after.rest), echo(task.Action))
	}
	r := n.request(v, said, after)
	if !after.words {
		r.Text = ""
	}
	r.Task = &task
	return r, nil
}

// action returns a configured action; nil for none.
func (v View) action(name string) *action.Action {
	a, _ := byName(v.Actions, name, func(a *action.Action) string { return a.Name })
	return a
}

func actionRole(v View, t Task) config.Role {
	if a := v.action(t.Action); a != nil {
		return a.Role
	}
	return ""
}

func actionApproval(v View, t Task) (role config.Role, needed bool) {
	if a := v.action(t.Action); a != nil {
		return a.Role, a.Approval
	}
	return "", false
}

func beginDo(ctx context.Context, e *Executor, s scope, c *store.Command, r *Request) ([]attempt, *refusal, error) {
	t := *r.Task
	r.Task = &t
	say := s.voice()
	refuse := func(state store.CommandState, reply string) ([]attempt, *refusal, error) {
		return nil, &refusal{state: state, reply: reply}, nil
	}
	own, _, err := e.ownProblem(ctx, s, c.ParentID, c.CreatedAt)
	if err != nil {
		return nil, nil, err
	}
	if t.Action == "" {
		list, err := e.actionList(ctx, s, own)
		return nil, &refusal{state: store.CommandDone, reply: list}, err
	}
	act := s.action(t.Action)
	if act == nil {
		return refuse(store.CommandFailed, s.unknownAction(t.Action))
	}
	t.Action = act.Name
	name := webex.EscapeCode(act.Name)
	if len(r.Refs) == 0 && own == (alert.Key{}) {
		return refuse(store.CommandFailed, say.T("❔ For which problem? Give its event id, for example `do %s 4711`, or reply in the problem's thread.", name))
	}
	targets, question, err := e.targets(ctx, s, *c, *r, s.Button != nil)
	if err != nil {
		return nil, nil, err
	}
	c.Keys, r.Refs = nil, nil
	for _, t := range targets {
		c.Keys, r.Refs = append(c.Keys, t.Key.String()), append(r.Refs, t.Key) // what is approved is what was asked for
	}
	switch {
	case question != "":
		return refuse(store.CommandFailed, question)
	case len(targets) > maxUnasked:
		return refuse(store.CommandFailed, say.T("❔ That is more than %d problems at once, so I did nothing. Please split the command.", maxUnasked))
	}
	var attempts []attempt
	for _, t := range targets {
		title := titled(t.Key, t.Problem.Name, s.Several)
		switch {
		case !t.Role.AtLeast(act.Role):
			return refuse(store.CommandDenied, say.T("🚫 `do %s` needs the role **%s**. Your role %s is **%s**. Nothing was done.", name, act.Role, s.where(), t.Role))
		case s.Button != nil && s.Button.Action == string(Do) && t.Problem.State == alert.StateResolved:
			return refuse(store.CommandFailed, say.T("ℹ️ %s is already resolved. Its buttons no longer do anything. To do it anyway: `do %s`.", title, name))
		case !act.Fits(t.Problem):
			return refuse(store.CommandFailed, say.T("🚫 `%s` isn't for %s: the conditions of the action in the relay's configuration leave it out. Nothing was done.", name, title))
		}
		attempts = append(attempts, attempt{
			Key: t.Key, Name: t.Problem.Name, Severity: t.Problem.Severity, Generation: t.Problem.Generation, NeedsReply: true,
			Lane: actionLane + act.Name, Does: say.T("do `%s` for %s", name, title),
		})
	}
	return attempts, nil, nil
}

// asksDo is the question whether an action may be done.
func asksDo(s scope, r Request, attempts []attempt) string {
	say := s.voice()
	about := text.Names(attempts, func(a attempt) string { return titled(a.Key, a.Name, s.Several) })
	return say.T("❔ %s wants to do `%s` for %s.", actorName(say.Lang, alert.Actor{Name: s.Person.Name, Email: s.Person.Email}), webex.EscapeCode(r.Task.Action), say.And(about))
}

// actionList lists the actions that the person may do here: in a problem's thread those for that problem.
func (e *Executor) actionList(ctx context.Context, s scope, own alert.Key) (string, error) {
	role, about := s.role(), (*target)(nil)
	if own != (alert.Key{}) {
		visible, err := e.visible(ctx, s, []alert.Key{own})
		if err != nil {
			return "", err
		}
		if t, ok := visible[own]; ok && !t.Unreadable {
			role, about = t.Role, &t
		}
	}
	var lines []string
	for _, a := range s.Actions {
		if !role.AtLeast(a.Role) || about != nil && !a.Fits(about.Problem) {
			continue
		}
		line, name := "- `do "+webex.EscapeCode(a.Name)+"`", ""
		if about == nil {
			line = strings.TrimSuffix(line, "`") + " ID`"
		}
		if a.Title != a.Name {
			name = ": " + webex.EscapeMarkdown(a.Title)
		}
		if a.Approval {
			name += s.voice().T(", with a second person's approval")
		}
		lines = append(lines, line+name)
	}
	return offers(s.voice().T("Actions that you may do here:"), lines,
		s.voice().T("ℹ️ There is no action that you may do here. The relay's administrator can list some, under `actions` in the configuration.")), nil
}

func (s scope) unknownAction(name string) string {
	names, l := text.Names(s.Actions, func(a *action.Action) string { return a.Name }), s.voice().Lang
	return unknownName(l, l.T("❔ I don't know the action `%s`, so I did nothing.", echo(name)), name, "do ", names, l.T(" `do` lists the actions."))
}

// stepDo makes the request of one attempt. It is repeated, with the same id and the same body, until the endpoint answers or the command
// expires. Whether an earlier request had an effect is for the endpoint to know, by the id.
func stepDo(ctx context.Context, e *Executor, l *lane, b *batch, r round) (time.Duration, error) {
	a := b.attempts[0]
	sent := a.Stage == stageExecuting
	view := e.o.View()
	say, act := b.voice(view), view.action(b.req.Task.Action)
	if act == nil { // a reload removes its lane next
		return 0, e.endGone(ctx, b)
	}
	if r.late {
		until := say.moment(r.until, time.Now())
		if sent {
			return 0, e.endAttemptsAs(ctx, b, stageUnknown, doUnknown(a, act, say, say.T("never confirmed it until %s, and I gave up", until)))
		}
		return 0, e.endAttemptsAs(ctx, b, stageExpired, say.T("⌛ Couldn't %s: its endpoint `%s` couldn't be used until %s, so I gave up. If you still want this, send the command again.", a.Does, webex.EscapeCode(act.Host()), until))
	}
	if sent && act.Once { // the relay stopped during the call
		return 0, e.endAttemptsAs(ctx, b, stageUnknown, doUnknown(a, act, say, say.T("its answer was lost")))
	}
	body, refusal, err := e.doBody(ctx, b, act)
	switch {
	case err != nil:
		return 0, err
	case refusal != "" && sent:
		return 0, e.endAttemptsAs(ctx, b, stageUnknown, doUnknown(a, act, say, say.T("I won't repeat it: the relay can't read the problem any more, or its event id is another one's now")))
	case refusal != "":
		return 0, e.endAttemptsAs(ctx, b, stageRefused, refusal)
	}
	now := time.Now().UTC().Truncate(time.Microsecond)
	if err := e.change(ctx, b, store.CommandExecuting, func(a *attempt) { a.Stage, a.StartedAt, a.Body = stageExecuting, now, body }); err != nil {
		return 0, err
	}
	result := act.Do(context.WithoutCancel(ctx), action.ID(b.job.c.ID, a.Key), body, time.Now())
	log := e.o.Log.With("command", b.job.c.ID, "action", act.Name, "key", a.Key)
	switch result.Outcome {
	case action.Done:
		return 0, e.endAttemptsAs(ctx, b, stageDone, addressed(presser(say.Lang, *b.job.d.Input), doDone(a, act, result, b.req.For, say)))
	case action.Refused:
		log.Warn("the endpoint of an action refused a request", "error", result.Err)
		return 0, e.endAttemptsAs(ctx, b, stageFailed, doRefused(a, act, result, say))
	}
	if act.Once && result.Effect {
		log.Warn("unknown whether an action was done: its request isn't repeated", "error", result.Err)
		return 0, e.endAttemptsAs(ctx, b, stageUnknown, doUnknown(a, act, say, say.T("didn't confirm it")))
	}
	in := r.retry()
	if result.RetryAfter > 0 {
		in = max(in, min(result.RetryAfter, time.Until(r.until)+time.Millisecond))
		l.notBefore = time.Now().Add(in)
	}
	log.Warn("the endpoint of an action is unreachable or failing: the request will be repeated", "in", in.Round(time.Millisecond), "error", result.Err)
	l.why = doReason(act, result)
	l.rotate()
	return in, e.change(ctx, b, store.CommandRetrying, func(a *attempt) {
		if !sent && !result.Effect {
			a.Stage = stagePending
		}
	})
}

// doBody returns the body of an attempt's request: that of an earlier try, or one made of the problem as it is now. Before the first
// request that may have an effect, it refuses what the configuration doesn't allow any more.
func (e *Executor) doBody(ctx context.Context, b *batch, act *action.Action) (body []byte, refusal string, err error) {
	a, view := b.attempts[0], e.o.View()
	say := b.voice(view)
	found, err := e.current(ctx, b)
	if err != nil {
		return nil, "", err
	}
	p := found[0].problem
	switch refusal = found[0].refusal(a, say); {
	case refusal != "":
		return nil, refusal, nil
	case a.Stage == stagePending && !act.Fits(p):
		return nil, say.T("🚫 Didn't %s: the conditions of the action in the relay's configuration leave the problem out now. Nothing was done.", a.Does), nil
	case a.Body != nil:
		return a.Body, "", nil
	}
	c, in := b.job.command(), b.job.d.Input
	d := payload.Data{
		ID: action.ID(c.ID, a.Key), Action: act.Name, RequestedAt: c.CreatedAt.UTC(), Comment: payload.Block(b.req.Text), Room: c.Room,
		Person:  payload.Person{Name: payload.Line(in.Person.Name), Email: payload.Line(in.Person.Email)},
		Problem: payload.Of(p, render.ProblemURL(view.Names.Sources[p.Key.Source], p)),
	}
	if b.req.For != "" {
		d.Approver = &payload.Person{Name: d.Person.Name, Email: d.Person.Email}
		d.Person = payload.Person{Name: payload.Line(b.req.For), Email: payload.Line(b.req.ForEmail)}
	}
	if body, err = act.Body(d); err != nil {
		e.o.Log.Error("the template of an action failed", "action", act.Name, "key", a.Key, "error", err)
		return nil, say.T("❌ Couldn't %s: the template of the action failed. Nothing was sent. Tell the relay's administrator: the relay's log has the reason.", a.Does), nil
	}
	return body, "", nil
}

// endGone ends attempts whose action isn't configured any more.
func (e *Executor) endGone(ctx context.Context, b *batch) error {
	stage := stageRefused
	if b.attempts[0].Stage == stageExecuting {
		stage = stageUnknown
	}
	say := b.voice(e.o.View())
	return e.endAttempts(ctx, b, stage, func(a attempt) string { return doGone(a, say) })
}

func doGone(a attempt, say voice) string {
	if a.Stage == stageExecuting {
		return say.T("❓ I don't know whether I could %s: the action isn't configured any more, and its endpoint hasn't confirmed it. I won't try again.", a.Does)
	}
	return say.T("🚫 Couldn't %s: the action isn't configured any more. Nothing was done.", a.Does)
}

func doUnknown(a attempt, act *action.Action, say voice, why string) string {
	return say.T("❓ I don't know whether I could %s: its endpoint `%s` may have got the request, and %s. Check there before you send it again: another command has another id.", a.Does, webex.EscapeCode(act.Host()), why)
}

// doDone is the reply with what the endpoint said.
func doDone(a attempt, act *action.Action, r action.Result, asked string, say voice) string {
	said := say.T("✅ Did `%s` for %s", webex.EscapeCode(act.Name), titled(a.Key, a.Name, say.several))
	if asked != "" {
		said += say.T(", asked for by %s", webex.EscapeMarkdown(text.Cut(asked, 100)))
	}
	if words := webex.EscapeMarkdown(r.Text); words != "" {
		said += ": " + words
	}
	if to, host := render.Link(r.Link); to != "" {
		said += fmt.Sprintf(" · [%s](%s)", webex.EscapeMarkdown(host), to)
	}
	return said
}

func doRefused(a attempt, act *action.Action, r action.Result, say voice) string {
	said := say.T("❌ Couldn't %s: its endpoint `%s` refused (HTTP %d).", a.Does, webex.EscapeCode(act.Host()), r.Status)
	if r.Text != "" {
		said += say.T(" It says: “%s”", webex.EscapeMarkdown(r.Text))
	}
	switch {
	case r.Status/100 == 3:
		said += say.T(" It redirects, which isn't followed: the relay's administrator has to correct the action's `url`.")
	case r.Status == 401 || r.Status == 403:
		said += say.T(" Tell the relay's administrator: the action's token or secret may be wrong.")
	}
	return said
}

// doReason describes a request that is repeated; the words follow "ticket (HOST)".
func doReason(act *action.Action, r action.Result) lang.Phrase {
	why := lang.Say("can't be reached")
	switch {
	case r.Status != 0:
		why = lang.Say("is failing (HTTP %d)", r.Status)
	case r.Effect:
		why = lang.Say("got the request but didn't answer")
	}
	return lang.Say("the endpoint of `%s`, `%s`, %s", webex.EscapeCode(act.Name), webex.EscapeCode(act.Host()), why)
}

// doWaiting is the interim reply while an endpoint is unreachable or failing.
func doWaiting(why lang.Phrase, until time.Time, now time.Time, say voice) string {
	return say.T("⏳ Not done yet: %s. I'll do it as soon as it answers, and report back here. I'll keep trying until %s, each time with the same id.",
		cmp.Or(why.In(say.Lang), say.T("its endpoint is busy")), say.moment(until, now))
}
