package command

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/store"
)

// targets finds the problems that a command is about, among those that the person may know of from here.
// refusal is the reply if they can't be determined.
func (e *Executor) targets(ctx context.Context, s scope, c store.Command, req Request, button bool) (found []target, refusal string, err error) {
	own, shared, err := e.ownProblem(ctx, s, c.ParentID, c.CreatedAt)
	if err != nil {
		return nil, "", err
	}
	if id, err := e.suspect(ctx, s, req, own); err != nil {
		return nil, "", err
	} else if id != "" {
		return nil, "❔ " + unsure(req.Verb.entry(), id, req.Refs, req.Text).In(s.voice().Lang), nil
	}
	refs := req.Refs
	if len(refs) == 0 {
		if own == (alert.Key{}) && req.Verb.entry().optional {
			return nil, "", nil
		}
		if own == (alert.Key{}) {
			return nil, whichProblem(s.voice().Lang, req.Verb, c.ParentID != ""), nil
		}
		refs = []alert.Key{own}
	}
	var missing []alert.Key
	for _, ref := range resolve(refs, own) {
		here, err := e.byID(ctx, s, ref)
		switch {
		case err != nil:
			return nil, "", err
		case len(here) == 0:
			missing = append(missing, ref)
		case len(here) > 1:
			return nil, whichSource(s.voice().Lang, req.Verb, ref.EventID, here), nil
		case here[0].Unreadable:
			return nil, damagedProblem(here[0].Key, s.voice()), nil
		case !slices.ContainsFunc(found, func(t target) bool { return t.Key == here[0].Key }):
			here[0].Own = here[0].Key == own && !shared
			found = append(found, here[0])
		}
	}
	if len(missing) > 0 {
		return nil, noSuchProblem(s.voice().Lang, missing, req.Verb, s.Direct, own != (alert.Key{}) && len(req.Refs) > 0 && !button), nil
	}
	switch {
	case req.Verb == Symptom:
		refusal, err = e.checkCause(ctx, s, req, found)
	case req.Owner != nil:
		refusal, err = e.checkOwner(ctx, s, *req.Owner, found)
	}
	return found, refusal, err
}

// checkCause returns the reply if a problem can't be the cause of others: they must be of one Zabbix, and the person may know of
// it from here.
func (e *Executor) checkCause(ctx context.Context, s scope, req Request, symptoms []target) (refusal string, err error) {
	causes, err := e.byID(ctx, s, req.Cause)
	if err != nil || len(causes) == 0 {
		return noSuchProblem(s.voice().Lang, []alert.Key{req.Cause}, req.Verb, s.Direct, false), err
	}
	for _, t := range symptoms {
		i := slices.IndexFunc(causes, func(c target) bool { return c.Key.Source == t.Key.Source })
		switch {
		case i < 0:
			return s.voice().T("🚫 %s and %s are in different installations of Zabbix, so one can't be a symptom of the other. Nothing was done.", nameIn(t.Key, s.Several), nameIn(causes[0].Key, s.Several)), nil
		case causes[i].Key == t.Key:
			return s.voice().T("🚫 %s can't be a symptom of itself. Nothing was done.", nameIn(t.Key, s.Several)), nil
		}
	}
	return "", nil
}

// resolve resolves ids in the thread of own. In the thread of an earlier problem, its reused event id means the
// earlier problem.
func resolve(refs []alert.Key, own alert.Key) []alert.Key {
	refs = slices.Clone(refs)
	for i, ref := range refs {
		if was := own.Original(); was != own && ref.EventID == was.EventID && (ref.Source == "" || strings.EqualFold(ref.Source, was.Source)) {
			refs[i] = own
		}
	}
	return refs
}

// suspect returns a number in the person's words that is the id of another problem that they may know of from
// here; "" for none.
func (e *Executor) suspect(ctx context.Context, s scope, req Request, own alert.Key) (string, error) {
	for _, id := range req.Suspects {
		known, err := e.byID(ctx, s, alert.Key{EventID: id})
		if err != nil || slices.ContainsFunc(known, func(t target) bool { return t.Key != own }) {
			return id, err
		}
	}
	return "", nil
}

// threadKnown is how long a command waits for its thread's message to be known: a person may answer before Webex's answer to the
// relay is stored.
const threadKnown = 3 * time.Second

var errThreadUnknown = errors.New("the message whose thread it is in isn't known yet: it may have been posted just now")

// ownProblem returns the problem whose thread a command is in, if any. In a flapping trigger's thread, which its
// openings share, it is the open one, or else the newest.
func (e *Executor) ownProblem(ctx context.Context, s scope, parentID string, sent time.Time) (key alert.Key, shared bool, err error) {
	if parentID == "" {
		return alert.Key{}, false, nil
	}
	post, err := e.o.Store.PostByMessage(ctx, parentID)
	if err == nil && s.isHere(post.Room) {
		return post.Key, false, nil
	}
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return alert.Key{}, false, err
	}
	unknown := err != nil
	digest, err := e.o.Store.GroupByMessage(ctx, parentID)
	if unknown && errors.Is(err, store.ErrNotFound) && time.Since(sent) < threadKnown {
		return alert.Key{}, false, errThreadUnknown
	}
	if errors.Is(err, store.ErrNotFound) || err == nil && (digest.Kind != store.GroupFlap || !s.isHere(digest.Room)) {
		return alert.Key{}, false, nil
	}
	if err != nil {
		return alert.Key{}, false, err
	}
	posts, err := e.o.Store.GroupPosts(ctx, digest.ID)
	return currentOpening(posts, max(digest.Shown, digest.Notified), sent), true, err
}

// currentOpening returns the opening of a flapping trigger that a command without an id is about; none if several
// are open, or one that the room doesn't show yet: its revision is above shown. The command may have waited for hours:
// openings after it was sent are not meant.
func currentOpening(posts []store.Post, shown int64, sent time.Time) alert.Key {
	var current store.Post
	for _, p := range posts {
		unseen := p.GroupRevision > shown || p.JoinedAt.After(sent)
		switch {
		case unseen && (!p.Open || p.JoinedAt.After(sent.Add(clockSlack))):
		case unseen, p.Open && current.Open:
			return alert.Key{}
		case p.Open, !current.Open && !p.JoinedAt.Before(current.JoinedAt):
			current = p
		}
	}
	return current.Key
}

// ofTrigger reports whether a problem is a trigger's. Zabbix allows no actions on others.
func ofTrigger(p alert.Problem) bool { return p.Origin == "" || p.Origin == alert.OriginTrigger }

// byID finds the problems with an event id, and perhaps a source, that the person may know of from here.
func (e *Executor) byID(ctx context.Context, s scope, ref alert.Key) (found []target, err error) {
	keys, err := e.o.Store.KeysByEventID(ctx, ref.EventID)
	if err != nil {
		return nil, err
	}
	visible, err := e.visible(ctx, s, keys)
	for _, k := range keys {
		if t, ok := visible[k]; ok && (ref.Source == "" || strings.EqualFold(ref.Source, k.Source)) {
			found = append(found, t)
		}
	}
	return found, err
}

// visible returns those of the problems that the person may know of from here, unreadable ones included.
func (e *Executor) visible(ctx context.Context, s scope, keys []alert.Key) (map[alert.Key]target, error) {
	if len(keys) == 0 {
		return nil, nil
	}
	problems, damaged, err := e.readable(ctx, keys)
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
		if role := s.roleFor(posts[k]); (ok || damaged) && may(role, Show) {
			out[k] = target{Key: k, Problem: p, Role: role, Unreadable: !ok}
		}
	}
	return out, nil
}

// readable reads problems. If damaged, those that are missing can't be read: a command leaves out only them.
func (e *Executor) readable(ctx context.Context, keys []alert.Key) (problems map[alert.Key]alert.Problem, damaged bool, err error) {
	problems, err = e.o.Store.Problems(ctx, keys)
	if damaged = errors.Is(err, store.ErrRejected); damaged {
		e.o.Log.Error("the store can't read problems of a command: only they are left out", "error", err)
		err = nil
	}
	return problems, damaged, err
}
