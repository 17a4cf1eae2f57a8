package command

import (
	"context"
	"time"

	"nms-alert-relay/internal/store"
)

// Accept parses a message or press, checks the person's role, and replies at once or enqueues the command. After an error it had
// no effect and got no reply.
func (e *Executor) Accept(ctx context.Context, c store.Command, h Input) error {
	select {
	case <-e.recovered: // commands of an earlier run go first
	case <-ctx.Done():
		return ctx.Err()
	}
	err := e.accept(ctx, &c, h)
	if store.Lasting(err) {
		return e.giveUp(ctx, c, addressed(presser(e.languageOf(h), h), givenUp(e.languageOf(h), false)), err)
	}
	return err
}

func (e *Executor) accept(ctx context.Context, c *store.Command, in Input) error {
	in, typed := in.withoutTokens() // before anything is cut: a part of a token isn't recognised
	if in.Button != nil {
		in.Button = new(in.Button.bounded())
	}
	before, _ := decodeDetail(c.Detail)
	d := detail{Envelope: before.Envelope, Input: &in}
	c.RoomID, c.Room, c.ParentID = in.RoomID, in.Room, in.ParentID
	c.PersonID, c.Email, c.Name, c.Text = in.Person.ID, in.Person.Email, in.Person.Name, in.Text
	own, err := e.zoneOf(ctx, in.Person.ID)
	if store.Lasting(err) {
		e.o.Log.Error("cannot read the time zone of a person: the room's counts", "person", in.Person.Email, "error", err)
	} else if err != nil {
		return err
	}
	if own != nil {
		in.Zone = own.String()
	}
	s := scopeOf(in, e.o.View())
	req, unclear, err := e.understand(ctx, c, s)
	if err != nil {
		return err
	}
	if typed {
		c.Action, unclear = string(Token), typedTokenReply()
	}
	if ok, warn := e.limit.allow(in.Person.Email, c.CreatedAt, time.Now()); !ok {
		return e.limited(ctx, *c, warn)
	}
	if unclear == nil {
		unclear = s.complete(&req, c)
	}
	if r := forbidden(s, req, unclear); r != nil {
		return e.refuse(ctx, *c, in, r)
	}
	if done, err := e.incidentScope(ctx, c, &s, &req); done || err != nil {
		return err
	}
	if s.Input.Room != c.Room { // its roles count until the command ends
		d.Input = &s.Input
	}
	switch v := req.Verb.entry(); {
	case v.act != nil:
		return e.beginAct(ctx, c, d, s, req)
	case v.work != nil:
		return e.beginWork(ctx, c, d, s, req)
	case v.handle != nil:
		return e.beginHandle(ctx, c, d, s, req)
	case v.answer != nil:
		return e.beginAnswer(ctx, c, s, req)
	}
	return e.refuse(ctx, *c, s.Input, &refusal{store.CommandFailed, "❔ " + unknownButton().In(s.voice().Lang)}) // a question of another version
}

// complete adds to a request what depends on the time and the people: the end of its length, and the new owner.
func (s scope) complete(r *Request, c *store.Command) (unclear *misunderstanding) {
	v := r.Verb.entry()
	if v.lasts {
		r.Until, unclear = lastsUntil(v, r.Length, c.CreatedAt, time.Now(), roomOf(*c, s.View))
	}
	if unclear == nil && v.act != nil && v.act.owns && r.Owner == nil {
		r.Owner, unclear = s.newOwner(*r)
	}
	return unclear
}

// beginAct begins an act on problems in Zabbix: it asks first if there are many, and enqueues it otherwise.
func (e *Executor) beginAct(ctx context.Context, c *store.Command, d detail, s scope, req Request) error {
	if req.All {
		if done, err := e.ackAll(ctx, c, d, s, req); done || err != nil {
			return err
		}
		req.All = false // "all" is one of the person's own words
	}
	v, find := req.Verb.entry(), (*Executor).allowed
	if v.act.find != nil {
		find = v.act.find
	}
	targets, r, err := find(e, ctx, s, c, req)
	switch {
	case err != nil:
		return err
	case r != nil:
		return e.refuse(ctx, *c, s.Input, r)
	case len(targets) == 0:
		return e.finish(ctx, *c, "", store.CommandDone, "")
	case v.problems && len(targets) > maxUnasked && !req.Yes:
		return e.askMany(ctx, *c, d, req, targets, s.voice())
	}
	if v.act.closes {
		e.present(ctx, targets)
	}
	d.Request, d.Attempts = &req, nil
	if ended, err := e.once(ctx, c, d, targets); ended || err != nil {
		return err
	}
	as, err := e.actsAs(ctx, s.Input.Person)
	if err != nil {
		return err
	}
	for _, t := range targets {
		d.Attempts = append(d.Attempts, e.attempt(c.ID, t, req, s, as[t.Key.Source]))
	}
	c.Detail = d.encode()
	return e.dispatch(ctx, &job{c: *c, d: d})
}

// beginHandle carries out a verb that replies itself, after its confirmation.
func (e *Executor) beginHandle(ctx context.Context, c *store.Command, d detail, s scope, req Request) (err error) {
	v := req.Verb.entry()
	if v.problems {
		if _, r, err := e.allowed(ctx, s, c, req); err != nil {
			return err
		} else if r != nil {
			return e.refuse(ctx, *c, s.Input, r)
		}
	}
	if v.confirms != nil {
		if done, err := e.confirmFirst(ctx, *c, d, s, req); done || err != nil {
			return err
		}
	}
	if c.Outcome, err = v.handle(e, ctx, *c, s, req); err != nil {
		return err
	}
	return e.finish(ctx, *c, "", store.CommandDone, "")
}

// beginAnswer replies to a verb that only answers.
func (e *Executor) beginAnswer(ctx context.Context, c *store.Command, s scope, req Request) error {
	v, targets := req.Verb.entry(), []target(nil)
	if v.problems {
		found, r, err := e.allowed(ctx, s, c, req)
		switch {
		case err != nil:
			return err
		case r != nil:
			return e.refuse(ctx, *c, s.Input, r)
		}
		e.present(ctx, found)
		targets = found
	}
	reply, outcome, err := v.answer(ctx, e, s, req, targets, roomOf(*c, s.View))
	if err != nil {
		return err
	}
	c.Outcome = outcome
	return e.finish(ctx, *c, "", store.CommandDone, reply)
}

// refusal is why a command isn't begun.
type refusal struct {
	state store.CommandState
	reply string
}

func (e *Executor) refuse(ctx context.Context, c store.Command, in Input, r *refusal) error {
	return e.finish(ctx, c, "", r.state, addressed(presser(e.languageOf(in), in), r.reply))
}

// limited ends a command of a person who sends too many. warn: this is the first one.
func (e *Executor) limited(ctx context.Context, c store.Command, warn bool) error {
	c.Outcome = "not run: too many commands"
	if warn {
		if err := e.answer(ctx, c, "", tooFast(roomOf(c, e.o.View()).Lang, perMinute), nil); err != nil {
			return err
		}
	}
	return e.close(ctx, c, store.CommandDenied, "limited")
}

// forbidden refuses what the person may not do here, whatever it is about, and what isn't understood.
func forbidden(s scope, req Request, q *misunderstanding) *refusal {
	l := s.voice().Lang
	switch role := s.role(); {
	case q == nil && req.withdraws():
		return nil
	case role == "":
		return &refusal{store.CommandDenied, noRole(l, s.Direct)}
	case q != nil:
		return &refusal{store.CommandFailed, "❔ " + q.said.In(l)}
	case !may(role, req.Verb):
		return &refusal{store.CommandDenied, denied(l, req.Verb, role, s.where())}
	}
	return nil
}

// allowed finds the problems that a command is about, and records them in c. It refuses the command if they can't be
// determined, or if the person may not act on one of them.
func (e *Executor) allowed(ctx context.Context, s scope, c *store.Command, req Request) ([]target, *refusal, error) {
	targets, question, err := e.targets(ctx, s, *c, req, s.Button != nil)
	if err != nil {
		return nil, nil, err
	}
	c.Keys = nil // a command that is read again after a crash has them already
	for _, t := range targets {
		c.Keys = append(c.Keys, t.Key.String())
	}
	if question != "" {
		return nil, &refusal{store.CommandFailed, question}, nil
	}
	say := s.voice()
	for _, t := range targets {
		switch {
		case may(t.Role, req.Verb):
		case len(targets) > 1: // in a direct chat the role differs by problem
			return nil, &refusal{store.CommandDenied, denied(say.Lang, req.Verb, t.Role, say.T("for %s", nameIn(t.Key, s.Several))) + say.T(" Nothing was done to the others either.")}, nil
		default:
			return nil, &refusal{store.CommandDenied, denied(say.Lang, req.Verb, t.Role, s.where())}, nil
		}
	}
	return targets, nil, nil
}

// where says what the person's role is for.
func (s scope) where() string {
	if s.Direct {
		return s.voice().T("for this problem")
	}
	return s.voice().T("in this room")
}

// understand parses a message or press. For a press it sets c.Text, and c.ParentID to the thread that gets the reply.
func (e *Executor) understand(ctx context.Context, c *store.Command, s scope) (req Request, q *misunderstanding, err error) {
	switch b := s.Button; {
	case b != nil:
		c.Text = b.words()
		req, q, err = e.press(ctx, c, s, *b)
	case s.Unclear:
		q = misunderstood("", "I don't know the formatting of this message and did nothing. Send the command again as plain text, without quotes.")
	default:
		if req, q = s.naming().Parse(s.Text); q == nil {
			req = req.confirmed()
		}
		if q == nil {
			req, err = e.snoozes(ctx, *c, s, req)
		}
		if q == nil && req.Verb == Approve {
			req, q, err = e.approve(ctx, c, s)
		}
	}
	c.Action = string(req.Verb)
	if q != nil {
		c.Action = string(q.verb)
	}
	return req, q, err
}

// Ignore ends a command that isn't for the relay, without a reply.
func (e *Executor) Ignore(ctx context.Context, c store.Command) error {
	return e.close(ctx, c, store.CommandDone, "ignored")
}

// GiveUp ends a command that couldn't be read: c.State is failed, or expired if it took too long. If c.Room is
// set, the room gets a reply.
func (e *Executor) GiveUp(ctx context.Context, c store.Command, why error) error {
	switch {
	case c.Room == "":
		return e.close(ctx, c, c.State, string(c.State))
	case store.Lasting(why):
		return e.giveUp(ctx, c, givenUp(roomOf(c, e.o.View()).Lang, false), why)
	case c.State == store.CommandExpired:
		return e.finish(ctx, c, "", c.State, lost(c, time.Now(), e.o.View().voiceIn(c.Room)))
	}
	return e.finish(ctx, c, "", c.State, unreadable(roomOf(c, e.o.View()).Lang))
}

// attempt prepares the attempt for one problem. It has already ended if nothing needs to be done, or can be.
func (e *Executor) attempt(command string, t target, req Request, s scope, as string) attempt {
	a := newAttempt(t.Problem, command, req.Text, req.Owner, s.Person, as)
	a.Own, a.NeedsReply = t.Own, req.act().closes // the thread shows only that closing was requested
	if t.Problem.Superseded() || t.Reused {       // in Zabbix its event id belongs to another problem
		a.Stage, a.Outcome = stageRefused, superseded(t.Key, t.Problem.Name, s.voice())
	} else if earlier := doneEarlier(t.Problem, req, s.Button != nil, s.voice(), time.Now()); earlier != "" {
		a.Stage, a.NeedsReply, a.Outcome = stageDone, true, earlier
		e.o.Changed(t.Key, 0) // in case that has changed
	} else if !ofTrigger(t.Problem) {
		a.Stage, a.Outcome = stageRefused, notATrigger(t.Problem, s.voice())
	}
	return a
}
