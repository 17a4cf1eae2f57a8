package command

import (
	"context"
	"slices"
	"strconv"
	"time"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/pace"
	"nms-alert-relay/internal/store"
)

// An acknowledgement that lapses is taken back in Zabbix by a command of the relay's own. It is stored and executed like any other,
// but it never expires, needs no role, and is done only if Zabbix's record says that nobody has acted on the problem since.

// Lapse is an acknowledgement to take back: nobody answered the question that was asked in a room at a time.
type Lapse struct {
	Key   alert.Key
	Asked time.Time
	Room  string
}

// ownName is whom Zabbix's record names for what the relay does by itself.
const ownName = "alert-relay"

const lapsedWords = "The acknowledgement lapsed: nobody answered whether they are still on it"

// Lapse takes an acknowledgement back. It only notes it: after a crash the ledger calls it again.
func (e *Executor) Lapse(l Lapse) {
	e.lapsesMu.Lock()
	defer e.lapsesMu.Unlock()
	if !slices.Contains(e.lapses, l) {
		e.lapses = append(e.lapses, l)
	}
	pace.Wake(e.lapsed)
}

// takeBack begins the commands for lapsed acknowledgements until ctx ends.
func (e *Executor) takeBack(ctx context.Context) {
	for pace.Pause(ctx, time.Hour, e.lapsed) {
		e.lapsesMu.Lock()
		lapses := e.lapses
		e.lapses = nil
		e.lapsesMu.Unlock()
		for _, l := range lapses {
			if err := e.beginLapse(ctx, l); err != nil && ctx.Err() == nil {
				e.o.Log.Error("cannot take back an acknowledgement that lapsed, retrying in a minute", "key", l.Key.String(), "error", err)
			}
		}
	}
}

// beginLapse stores the command for a lapsed acknowledgement and enqueues it, once for each question.
func (e *Executor) beginLapse(ctx context.Context, l Lapse) error {
	id := "lapse:" + l.Key.String() + ":" + strconv.FormatInt(l.Asked.UnixMicro(), 36)
	found, err := e.o.Store.Problems(ctx, []alert.Key{l.Key})
	if err != nil {
		return err
	}
	posts, err := e.o.Store.PostsOf(ctx, []alert.Key{l.Key})
	if err != nil || found[l.Key].Revision == 0 {
		return err
	}
	c := store.Command{
		ID: id, Name: ownName, Text: lapsedWords, Action: string(Unack), Keys: []string{l.Key.String()}, State: store.CommandExecuting, CreatedAt: time.Now(),
	}
	rooms := e.o.View().Rooms
	if i := slices.IndexFunc(rooms, func(r config.Room) bool { return r.Name == l.Room }); i >= 0 {
		c.Room, c.Bot = l.Room, rooms[i].Bot // for a failure
	}
	for _, post := range posts[l.Key] {
		if post.Room == l.Room {
			c.ParentID = post.RootID
		}
	}
	in := Input{Room: c.Room, ParentID: c.ParentID, Person: Person{Name: ownName}}
	a := newAttempt(found[l.Key], id, lapsedWords, nil, in.Person, "")
	a.Own = true // the thread shows it
	d := detail{Input: &in, Request: &Request{Verb: Unack, Refs: []alert.Key{l.Key}, Text: lapsedWords}, Attempts: []attempt{a}, Lapse: l.Asked}
	c.Detail = d.encode()
	if claimed, err := e.o.Store.ClaimCommand(ctx, c); err != nil || !claimed {
		return err
	}
	e.o.Log.Info("an acknowledgement lapsed: taking it back in Zabbix", "command", id, "key", l.Key.String(), "room", l.Room, "asked", l.Asked)
	return e.dispatch(ctx, &job{c: c, d: d})
}

// lapses reports whether the acknowledgement of a problem still lapses, by what Zabbix says now: nobody has answered, acknowledged
// it anew or taken the acknowledgement back.
func lapses(p alert.Problem, o alert.Observation, asked time.Time) bool {
	now, _ := alert.Apply(p, o.Event(p.Key, time.Now()))
	question := now.Asked()
	return question != nil && question.At.Equal(asked)
}

// ackExpires is how long an acknowledgement of a problem lasts, the shortest of its rooms; 0 for good.
func (e *Executor) ackExpires(ctx context.Context, s scope, key alert.Key) (shortest time.Duration, err error) {
	posts, err := e.o.Store.PostsOf(ctx, []alert.Key{key})
	for _, post := range posts[key] {
		if expires := s.Routing.Timing(post.Room, post.Route).AckExpires; expires > 0 && (shortest == 0 || expires < shortest) {
			shortest = expires
		}
	}
	return shortest, err
}

// lapseWords says when a problem's acknowledgement lapses; "" if it doesn't.
func lapseWords(say voice, p alert.Problem, expires time.Duration, now time.Time) string {
	if asked := p.Asked(); asked != nil && expires > 0 {
		return say.T("⌛ Nobody has answered whether they are still on it, asked at %s. Without an answer the acknowledgement is taken back about 15 minutes later. `ack` keeps it.", say.moment(asked.At, now))
	}
	at := p.AskAt(expires, now)
	if at.IsZero() {
		return ""
	}
	return say.T("⌛ The acknowledgement lapses from %s on, unless somebody acts on the problem before or answers then.", say.moment(at, now))
}
