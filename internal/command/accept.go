package command

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/text"
)

// Accept understands what was heard, checks whether the person may, and answers at once or gives it to
// the lanes. After an error nothing was done or answered.
func (e *Executor) Accept(ctx context.Context, claimed store.Command, h Heard) error {
	select {
	case <-e.recovered: // what was said in an earlier run is done first
	case <-ctx.Done():
		return ctx.Err()
	}
	view := e.o.View()
	c := &claimed
	before, _ := decodeDetail(c.Detail)
	d := detail{Envelope: before.Envelope, Heard: &h}
	c.RoomID, c.Room, c.ParentID = h.RoomID, h.Room, h.ParentID
	c.PersonID, c.Email, c.Name, c.Text = h.Person.ID, h.Person.Email, h.Person.Name, h.Text
	s := scopeOf(h, view)
	where := func() place { return e.placeOf(*c, h, view) }

	var req Request
	var q *question
	if h.Button != nil {
		c.Text = fmt.Sprintf("pressed %s on %s", text.Line(text.CutBytes(h.Button.Action, 40)), text.Line(text.CutBytes(h.Button.Key, 100)))
		if h.Button.Comment != "" {
			c.Text += ": " + text.Block(text.CutBytes(h.Button.Comment, maxText))
		}
		var err error
		if req, q, err = e.press(ctx, c, s, view.Names, *h.Button); err != nil {
			return err
		}
	} else if h.Unclear {
		q = &question{text: "I don't know the formatting of this message and did nothing. Send the command again as plain text, without quotes."}
	} else {
		req, q = view.Names.Parse(h.Text)
	}
	c.Action = string(req.Verb)
	if q != nil {
		c.Action = string(q.verb)
	}

	if ok, warn := e.limit.allow(h.Person.Email, time.Now()); !ok {
		c.Outcome = "left out: too many commands"
		if warn {
			if err := e.answer(ctx, *c, where(), "", tooFast(perMinute)); err != nil {
				return err
			}
		}
		return e.close(ctx, *c, store.CommandDenied, "limited")
	}
	refuse := func(state store.CommandState, answer string) error {
		return e.finish(ctx, *c, where(), "", state, addressed(presser(h), answer))
	}
	role := s.role()
	switch {
	case role == "":
		return refuse(store.CommandDenied, denied("", role, s.Direct))
	case q != nil:
		return refuse(store.CommandFailed, "❔ "+q.text)
	case !may(role, req.Verb):
		return refuse(store.CommandDenied, denied(req.Verb, role, s.Direct))
	}
	v := req.Verb.entry()
	answer := func(targets []target) error {
		reply, outcome, err := v.answer(ctx, e, s, req, targets, where())
		if err != nil {
			return err
		}
		c.Outcome = outcome
		return e.finish(ctx, *c, where(), "", store.CommandDone, reply)
	}
	if !v.problems {
		return answer(nil)
	}

	if req.All {
		message := c.ParentID
		if h.Button != nil {
			message = h.Button.Key
		}
		if done, err := e.ackAll(ctx, c, d, s, req, message, where); done || err != nil {
			return err
		}
		if h.Button != nil {
			return refuse(store.CommandFailed, "❔ "+unknownButton())
		}
		if req.Yes || req.AllText == "" {
			return refuse(store.CommandFailed, allOfWhat(c.ParentID != ""))
		}
		req.All = false // words of the person's own
	}
	if id, err := e.suspect(ctx, s, *c, req); err != nil {
		return err
	} else if id != "" {
		return refuse(store.CommandFailed, "❔ "+unsure(v, id, req.Refs, req.Text))
	}
	targets, question, err := e.resolve(ctx, s, *c, req, h.Button != nil)
	if err != nil {
		return err
	}
	if question != "" {
		return refuse(store.CommandFailed, question)
	}
	c.Keys = nil // a command that is taken up again has them already
	for _, t := range targets {
		c.Keys = append(c.Keys, t.Key.String())
	}
	for _, t := range targets {
		if !may(t.Role, req.Verb) { // in a direct chat it differs by problem
			if len(targets) > 1 {
				return refuse(store.CommandDenied, deniedOne(req.Verb, t.Role, t.Key, e.o.Several))
			}
			return refuse(store.CommandDenied, denied(req.Verb, t.Role, s.Direct))
		}
	}
	if v.answer != nil || v.act.closes {
		e.present(ctx, targets)
	}
	if v.answer != nil {
		return answer(targets)
	}
	d.Request, d.Attempts = &req, nil
	problems := make(map[alert.Key]alert.Problem, len(targets))
	for _, t := range targets {
		problems[t.Key] = t.Problem
	}
	if repeated, err := e.once(ctx, c, d, problems); repeated || err != nil {
		return err
	}
	for _, t := range targets {
		d.Attempts = append(d.Attempts, e.attempt(c.ID, t, req, h, where()))
	}
	c.Detail, c.Attempts, c.NotBefore = d.encode(), 0, time.Time{}
	return e.dispatch(ctx, &job{c: *c, d: d})
}

// Ignore ends a command that isn't for the relay, without a reply.
func (e *Executor) Ignore(ctx context.Context, c store.Command) error {
	return e.close(ctx, c, store.CommandDone, "ignored")
}

// GiveUp ends a command that couldn't be read from Webex: c.State is failed, or expired if it took too
// long. If c.Room is set, the room gets a reply.
func (e *Executor) GiveUp(ctx context.Context, c store.Command) error {
	if c.Room == "" {
		return e.close(ctx, c, c.State, resultOf(c.State))
	}
	p := e.placeOf(c, Heard{Room: c.Room, RoomID: c.RoomID}, e.o.View())
	said := unreadable()
	if c.State == store.CommandExpired {
		said = lost(c, time.Now(), p.room.Location)
	}
	return e.finish(ctx, c, p, "", c.State, said)
}

// scopeOf is from where something was heard.
func scopeOf(h Heard, view View) scope {
	s := scope{Dir: view.Directory, Email: h.Person.Email, Also: h.Person.Also, Room: h.Room, Direct: h.Direct}
	for _, r := range view.Rooms {
		s.Rooms = append(s.Rooms, r.Name)
	}
	return s
}

// attempt prepares what is to be done with one problem. What needs no doing, or
// can't be done, has its outcome already.
func (e *Executor) attempt(command string, t target, req Request, h Heard, p place) attempt {
	a := attempt{Key: t.Key, Name: t.Problem.Name, Severity: t.Problem.Severity, Own: t.Own, Generation: t.Problem.Generation}
	a.Message, a.Words = sign(req.Text, h.Person, markOf(command))
	if t.Problem.Superseded() || t.Reused { // its event id means another problem in Zabbix
		a.Stage, a.Outcome = stageFailed, superseded(t.Key, t.Problem.Name, e.o.Several)
	} else if earlier := doneEarlier(t.Problem, req, h.Button != nil, e.o.Several, time.Now(), p.room.Location); earlier != "" {
		a.Stage, a.Told, a.Outcome = stageDone, true, earlier
		e.o.Changed(t.Key, 0) // in case it isn't so any more
	} else if t.Problem.Origin != "" && t.Problem.Origin != alert.OriginTrigger {
		a.Stage, a.Outcome = stageFailed, notATrigger(t.Problem, e.o.Several)
	}
	return a
}

// press reads a button as a command. Which problem, or digest, it is about is checked as for what
// was said. It moves c.ParentID to where the answer goes: a card may be gone by then.
func (e *Executor) press(ctx context.Context, c *store.Command, s scope, names Names, b Button) (Request, *question, error) {
	comment := text.Block(text.CutBytes(b.Comment, maxText))
	if b.Action == buttonAckAll {
		c.ParentID = b.MessageID
		return Request{Verb: Ack, All: true, Yes: true, AllText: comment}, nil, nil
	}
	key := alert.ParseKey(b.Key)
	if earlier, err := e.earlierOn(ctx, key, b.MessageID); err != nil {
		return Request{}, nil, err
	} else if earlier != (alert.Key{}) {
		key = earlier
	}
	thread, err := e.threadOf(ctx, s, key, b.MessageID)
	if err != nil {
		return Request{}, nil, err
	}
	c.ParentID = thread
	v := Verb(b.Action).entry()
	if ref, valid := names.parseRef(b.Key); v.act == nil || !v.act.button || !valid || ref.Source == "" {
		return Request{}, &question{text: unknownButton()}, nil
	}
	req := Request{Verb: v.name, Refs: []alert.Key{key}, Text: comment}
	if v.prose && req.Text == "" {
		return req, ask(v.name, "Write your comment into the card's field first."), nil
	}
	return req, nil, nil
}

// earlierOn is the problem that a card shows, where another one has taken its event id since: the
// card's buttons still name that id. Otherwise the zero key.
func (e *Executor) earlierOn(ctx context.Context, key alert.Key, card string) (alert.Key, error) {
	post, err := e.o.Store.PostByMessage(ctx, card)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return alert.Key{}, nil
	case err != nil:
		return alert.Key{}, err
	case post.Key.EarlierOf(key):
		return post.Key, nil
	}
	return alert.Key{}, nil
}

// threadOf is the thread that a card belongs to: its problem's, by the problem's key or else by
// the card's message, or the card's own.
func (e *Executor) threadOf(ctx context.Context, s scope, key alert.Key, card string) (string, error) {
	posts, err := e.o.Store.PostsOf(ctx, []alert.Key{key})
	if err != nil {
		return "", err
	}
	for _, p := range posts[key] {
		if s.hears(p.Room) && p.RootID != "" {
			return p.RootID, nil
		}
	}
	post, err := e.o.Store.PostByMessage(ctx, card)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return card, nil
	case err != nil:
		return "", err
	case s.hears(post.Room) && post.RootID != "":
		return post.RootID, nil
	}
	return card, nil
}

// resolve finds the problems that a command is about, among those that the
// person may know of from here. question is what to ask back where they can't be told.
func (e *Executor) resolve(ctx context.Context, s scope, c store.Command, req Request, button bool) (found []target, question string, err error) {
	own, shared, err := e.ownProblem(ctx, s, c.ParentID)
	if err != nil {
		return nil, "", err
	}
	refs := req.Refs
	if len(refs) == 0 {
		if own == (alert.Key{}) {
			return nil, whichProblem(req.Verb, c.ParentID != ""), nil
		}
		refs = []alert.Key{own}
	}
	refs = meant(refs, own)
	candidates := make([][]alert.Key, len(refs))
	var all []alert.Key
	for i, ref := range refs {
		keys, err := e.o.Store.KeysByEventID(ctx, ref.EventID)
		if err != nil {
			return nil, "", err
		}
		for _, k := range keys {
			if ref.Source == "" || strings.EqualFold(ref.Source, k.Source) {
				candidates[i] = append(candidates[i], k)
			}
		}
		all = append(all, candidates[i]...)
	}
	visible, err := e.visible(ctx, s, all)
	if err != nil {
		return nil, "", err
	}
	var missing []alert.Key
	taken := make(map[alert.Key]bool)
	for i, ref := range refs {
		var here []target
		for _, k := range candidates[i] {
			if t, ok := visible[k]; ok {
				here = append(here, t)
			}
		}
		switch {
		case len(here) == 0:
			missing = append(missing, ref)
		case len(here) > 1:
			return nil, whichSource(req.Verb, ref.EventID, here), nil
		case !taken[here[0].Key]:
			taken[here[0].Key] = true
			here[0].Own = here[0].Key == own && !shared
			found = append(found, here[0])
		}
	}
	if len(missing) > 0 {
		return nil, noSuchProblem(missing, req.Verb, s.Direct, own != (alert.Key{}) && len(req.Refs) > 0 && !button), nil
	}
	return found, "", nil
}

// meant is what ids refer to in the thread of own: an id that another problem took from own, which the thread's root
// still shows, is own there.
func meant(refs []alert.Key, own alert.Key) []alert.Key {
	refs = slices.Clone(refs)
	for i, ref := range refs {
		if was := own.Original(); was != own && ref.EventID == was.EventID && (ref.Source == "" || strings.EqualFold(ref.Source, was.Source)) {
			refs[i] = own
		}
	}
	return refs
}

// suspect is a number in the person's words that is the id of a problem that they may know of from
// here, other than the one in whose thread they speak; "" for none.
func (e *Executor) suspect(ctx context.Context, s scope, c store.Command, req Request) (string, error) {
	if len(req.Suspects) == 0 {
		return "", nil
	}
	own, _, err := e.ownProblem(ctx, s, c.ParentID)
	if err != nil {
		return "", err
	}
	for _, id := range req.Suspects {
		keys, err := e.o.Store.KeysByEventID(ctx, id)
		if err != nil {
			return "", err
		}
		keys = slices.DeleteFunc(keys, func(k alert.Key) bool { return k == own })
		known, err := e.visible(ctx, s, keys)
		if err != nil {
			return "", err
		}
		if len(known) > 0 {
			return id, nil
		}
	}
	return "", nil
}

// ownProblem is the problem in whose thread a command was said, if any. In the thread of
// a flapping trigger, which its openings share, it is the one that is open, or where none
// is the newest.
func (e *Executor) ownProblem(ctx context.Context, s scope, parentID string) (key alert.Key, shared bool, err error) {
	if parentID == "" {
		return alert.Key{}, false, nil
	}
	post, err := e.o.Store.PostByMessage(ctx, parentID)
	if err == nil && s.hears(post.Room) {
		return post.Key, false, nil
	}
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return alert.Key{}, false, err
	}
	digest, err := e.o.Store.GroupByMessage(ctx, parentID)
	if errors.Is(err, store.ErrNotFound) || err == nil && (digest.Kind != store.GroupFlap || !s.hears(digest.Room)) {
		return alert.Key{}, false, nil
	}
	if err != nil {
		return alert.Key{}, false, err
	}
	posts, err := e.o.Store.GroupPosts(ctx, digest.ID)
	return present(posts), true, err
}

// present is the opening of a flapping trigger that a person means who names none;
// none where several are open.
func present(posts []store.Post) alert.Key {
	var newest store.Post
	open := 0
	for _, p := range posts {
		switch {
		case p.Open:
			open++
			newest = p
		case open == 0 && !p.JoinedAt.Before(newest.JoinedAt):
			newest = p
		}
	}
	if open > 1 {
		return alert.Key{}
	}
	return newest.Key
}

// visible gives those of the problems that the person may know of from here.
func (e *Executor) visible(ctx context.Context, s scope, keys []alert.Key) (map[alert.Key]target, error) {
	if len(keys) == 0 {
		return nil, nil
	}
	problems, err := e.o.Store.Problems(ctx, keys)
	if err != nil {
		return nil, err
	}
	posts, err := e.o.Store.PostsOf(ctx, keys)
	if err != nil {
		return nil, err
	}
	out := make(map[alert.Key]target, len(keys))
	for _, k := range keys {
		p, ok := problems[k]
		if role := s.roleFor(posts[k]); ok && may(role, Show) {
			out[k] = target{Key: k, Problem: p, Role: role}
		}
	}
	return out, nil
}
