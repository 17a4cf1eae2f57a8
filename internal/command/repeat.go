package command

import (
	"context"
	"reflect"
	"slices"
	"time"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/store"
)

// Webex shows nothing for a press until the reply comes, so people press again. The same act of the same person
// in the same room, while the first is in flight or shortly after, is one command.

// repeatWindow is how long after a command's end the same command is a repetition.
const repeatWindow = time.Minute

// once saves the request of a command, and spends the question that it confirms. ended: it may not confirm it, or it repeats another
// command and was closed without a reply. Requests are in the store, so this works across restarts.
func (e *Executor) once(ctx context.Context, c *store.Command, d detail, targets []target) (ended bool, err error) {
	if t := d.Request.Task; t != nil && t.What == listThem {
		c.Detail = d.encode()
		return false, e.save(ctx, *c)
	}
	e.accepting.Lock() // two presses may be read at the same time
	defer e.accepting.Unlock()
	if id := d.Request.Confirms; id != "" {
		r, err := e.spend(ctx, *c, d.Input.Person, id)
		if err != nil {
			return false, err
		}
		if r != nil {
			return true, e.refuse(ctx, *c, *d.Input, r)
		}
	}
	oldest := c.CreatedAt.Add(-2*e.o.View().Expiry - time.Hour)
	recent, err := e.o.Store.RecentCommands(ctx, c.CreatedAt.Add(-repeatWindow), oldest)
	if err != nil {
		return false, err
	}
	if first := firstAsked(*c, d, recent, targets); first != "" {
		c.Outcome = "a repetition of command " + first
		c.Detail = detail{Envelope: d.Envelope}.encode()
		return true, e.close(ctx, *c, store.CommandDone, "repeated")
	}
	c.Detail = d.encode()
	return false, e.save(ctx, *c)
}

// firstAsked returns the id of the command that c repeats, among recent ones in order; "" for none. A command that
// failed or was undone may be given again.
func firstAsked(c store.Command, d detail, recent []store.Command, targets []target) string {
	first := ""
	for _, o := range recent {
		od, err := decodeDetail(o.Detail)
		if od.Request == nil && od.Asked != nil && od.Asked.Verb == Do && od.SpentBy == "" {
			od.Request = od.Asked // its question waits for somebody
		}
		if o.ID == c.ID || err != nil || od.Request == nil { // not accepted yet, or itself a repetition
			continue
		}
		switch {
		case d.Request.Verb == Run && od.Request.Verb == Run && !o.DoneAt.IsZero(): // it may be run again once it has ended
		case startsAndStops(*od.Request, *d.Request):
			first = ""
		case o.State == store.CommandFailed || o.State == store.CommandDenied || o.State == store.CommandExpired:
		case (undoes(actionsOf(*od.Request), actionsOf(*d.Request)) || givesAway(*od.Request, *d.Request)) && slices.ContainsFunc(o.Keys, func(k string) bool { return slices.Contains(c.Keys, k) }):
			first = ""
		case o.Email == c.Email && o.RoomID == c.RoomID && sameAct(o, od, c, d) && !undoneInZabbix(*d.Request, targets, o.CreatedAt):
			first = o.ID
		}
	}
	return first
}

// sameAct reports whether two commands request the same act.
func sameAct(a store.Command, ad detail, b store.Command, bd detail) bool {
	x, y := *ad.Request, *bd.Request
	if x.Verb != y.Verb || x.Text != y.Text || x.All != y.All || x.Cause != y.Cause || x.Ack != y.Ack || (x.Owner == nil) != (y.Owner == nil) || x.Owner != nil && x.Owner.Email != y.Owner.Email || x.Length.For != y.Length.For || x.Length.For == 0 && !x.Until.Equal(y.Until) || (x.Severity == nil) != (y.Severity == nil) || x.Severity != nil && *x.Severity != *y.Severity {
		return false
	}
	if !reflect.DeepEqual(x.Task, y.Task) || x.Task != nil && x.Confirms != y.Confirms {
		return false
	}
	if (ad.Wide == nil) != (bd.Wide == nil) {
		return false
	}
	if ad.Wide != nil {
		return ad.Wide.Digest == bd.Wide.Digest && reflect.DeepEqual(ad.Wide.Asking, bd.Wide.Asking)
	}
	keys, others := slices.Sorted(slices.Values(a.Keys)), slices.Sorted(slices.Values(b.Keys))
	return slices.Equal(keys, others)
}

// startsAndStops reports whether one request starts maintenances and the other one ends some.
func startsAndStops(a, b Request) bool {
	return a.Verb == Maintenance && b.Verb == Maintenance && a.Task.What != b.Task.What && a.Task.What != listThem && b.Task.What != listThem
}

// actionsOf returns the actions of a request, for any problem.
func actionsOf(r Request) alert.Actions { return r.act().actions(r, alert.NotClassified) }

// undoes reports whether one act undoes an earlier one.
func undoes(later, earlier alert.Actions) bool {
	return earlier.ToCause && later.ToSymptom || earlier.ToSymptom && later.ToCause || earlier.Ack && later.Unack || earlier.Unack && later.Ack ||
		earlier.Suppress && later.Unsuppress || earlier.Unsuppress && later.Suppress ||
		earlier.Severity != nil && later.Severity != nil && later.Severity.New != earlier.Severity.New
}

// givesAway reports whether a request made somebody else the owner than an earlier one.
func givesAway(later, earlier Request) bool {
	return later.Owner != nil && earlier.Owner != nil && later.Owner.Email != earlier.Owner.Email
}

// undoneInZabbix reports whether somebody has undone the act in Zabbix.
func undoneInZabbix(r Request, targets []target, since time.Time) bool {
	for _, t := range targets {
		for _, e := range t.Problem.Timeline {
			if u := e.Update; u != nil && !u.At.Before(since) && undoes(u.Actions, actionsOf(r)) {
				return true
			}
		}
	}
	return false
}
