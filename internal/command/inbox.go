package command

import (
	"context"
	"errors"
	"sync"
	"time"

	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/webex"
)

// arrival is a command that was claimed and is still to be read from Webex.
type arrival struct {
	c       store.Command
	due     time.Time
	running bool
}

// runnable picks the arrivals to read now, and says how long until the next one
// is due (0 for never). What was said in one room is read in its order; only an
// arrival that failed lets the later ones pass. It is pure.
func runnable(inbox []*arrival, free int, now time.Time) (ready []*arrival, wait time.Duration) {
	busy := make(map[string]bool)
	for _, a := range inbox {
		blocked := busy[a.c.RoomID]
		if a.c.Attempts == 0 {
			busy[a.c.RoomID] = true
		}
		switch in := a.due.Sub(now); {
		case a.running || blocked:
		case in > 0:
			if wait == 0 || in < wait {
				wait = in
			}
		case len(ready) < free:
			ready = append(ready, a)
		}
	}
	return ready, wait
}

// hear reads arrivals from Webex until ctx ends.
func (e *Executor) hear(ctx context.Context) {
	var workers sync.WaitGroup
	defer workers.Wait()
	for ctx.Err() == nil {
		e.mu.Lock()
		running := 0
		for _, a := range e.inbox {
			if a.running {
				running++
			}
		}
		ready, wait := runnable(e.inbox, hearers-running, time.Now())
		for _, a := range ready {
			a.running = true
		}
		refill := e.full && len(e.inbox) < inboxSize/2
		e.mu.Unlock()

		for _, a := range ready {
			workers.Go(func() {
				e.hearOne(ctx, a)
				wake(e.woken)
			})
		}
		if refill {
			e.refill(ctx)
			continue
		}
		if wait == 0 {
			wait = time.Hour
		}
		pause(ctx, wait, e.woken)
	}
}

// refill takes up what found no place in the inbox.
func (e *Executor) refill(ctx context.Context) {
	var unfinished []store.Command
	if e.persist(ctx, "reading unfinished commands", func(ctx context.Context) (err error) {
		unfinished, err = e.o.Store.UnfinishedCommands(ctx)
		return err
	}) != nil {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.full = false
	for _, c := range unfinished {
		if c.State == store.CommandReceived {
			e.add(c)
		}
	}
}

// hearOne reads one arrival and has it carried out, or puts it off.
func (e *Executor) hearOne(ctx context.Context, a *arrival) {
	c, view := a.c, e.o.View()
	err := e.read(ctx, &c, view)
	var later *Later
	var ignored *Ignored
	var unread *Unread
	switch {
	case err == nil:
	case errors.As(err, &unread):
		c.Outcome = unread.Error()
		err = e.giveUp(ctx, c, view, store.CommandFailed, unreadable)
	case errors.As(err, &ignored):
		c.Outcome = ignored.Error()
		err = e.close(ctx, c, store.CommandDone, "ignored")
	case ctx.Err() != nil: // the next start reads it again
	default:
		c.Attempts++
		in := backoff(c.Attempts-1, retryLeast, retryMost)
		if errors.As(err, &later) && later.After > 0 {
			in = later.After
		}
		c.NotBefore = time.Now().Add(in)
		e.o.Log.Warn("a command couldn't be read or looked up: trying again", "command", c.ID, "bot", c.Bot, "attempt", c.Attempts, "in", in.Round(time.Millisecond), "error", err)
		if e.save(ctx, c) == nil {
			e.mu.Lock()
			a.c, a.due, a.running = c, c.NotBefore, false
			e.mu.Unlock()
			return
		}
	}
	if err == nil {
		e.leave(a)
	}
}

// read hears a command and carries it out, or gives it to its lanes. After an
// error nothing was done.
func (e *Executor) read(ctx context.Context, c *store.Command, view View) error {
	d, err := decodeDetail(c.Detail)
	if err != nil || d.Envelope == nil {
		return &Ignored{Reason: "unreadable", Detail: "what was kept of it can't be read"}
	}
	said := c.CreatedAt
	edited := d.Envelope.Event == eventUpdated
	// Webex may deliver hours later. Of an edit the envelope doesn't say when it was made.
	if created := d.Envelope.Data.Created; !edited && !created.IsZero() && created.Before(said) {
		said = created
	}
	if time.Now().After(said.Add(view.Expiry)) {
		return e.expire(ctx, *c, view)
	}
	before, err := e.versionBefore(ctx, *c)
	if err != nil {
		return err
	}
	h, err := e.o.Hearer.Hear(ctx, *c, *d.Envelope)
	if err != nil {
		return err
	}
	if edited && !h.EditedAt.IsZero() && time.Now().After(h.EditedAt.Add(view.Expiry)) {
		return e.expire(ctx, *c, view)
	}
	if before != nil && before.Text == h.Text {
		c.Text = h.Text
		return &Ignored{Reason: reasonEdited, Detail: "the words are the same"}
	}
	d.Heard = &h
	return e.accept(ctx, c, d, view)
}

// expire gives up a command that couldn't be read in time.
func (e *Executor) expire(ctx context.Context, c store.Command, view View) error {
	c.Outcome = "couldn't be read from Webex in time"
	return e.giveUp(ctx, c, view, store.CommandExpired, lost)
}

// giveUp ends a command that couldn't be read. Only a configured room is told: of anybody
// else it isn't known whether they may hear from us.
func (e *Executor) giveUp(ctx context.Context, c store.Command, view View, state store.CommandState, words func(store.Command, time.Time, *time.Location) string) error {
	room, ok := view.RoomByID(c.RoomID)
	if !ok {
		return e.close(ctx, c, state, resultOf(state))
	}
	c.Room = room.Name
	d, _ := decodeDetail(c.Detail)
	p := e.placeOf(c, Heard{Room: room.Name, RoomID: c.RoomID}, view)
	if isPress(d.Envelope) {
		p.thread = d.Envelope.Data.MessageID
	}
	return e.finish(ctx, c, p, "", state, words(c, time.Now(), p.room.Location))
}

// isPress says whether a button was pressed, rather than something said.
func isPress(e *webex.Envelope) bool {
	return e != nil && e.Resource == "attachmentActions" && e.Data.MessageID != ""
}

// leave takes an arrival out of the inbox.
func (e *Executor) leave(a *arrival) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for i, other := range e.inbox {
		if other == a {
			e.inbox = append(e.inbox[:i], e.inbox[i+1:]...)
			return
		}
	}
}
