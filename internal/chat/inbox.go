package chat

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"nms-alert-relay/internal/command"
	"nms-alert-relay/internal/logging"
	"nms-alert-relay/internal/pace"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/tracing"
	"nms-alert-relay/internal/webex"
	"nms-alert-relay/internal/webexid"
)

// InboxStore is the part of store.Store that the inbox needs.
type InboxStore interface {
	ClaimCommand(ctx context.Context, c store.Command) (bool, error)
	Command(ctx context.Context, id string) (store.Command, error)
	SaveCommand(ctx context.Context, c store.Command) error
	UnfinishedCommands(ctx context.Context) ([]store.Command, error)
}

// Commands executes people's commands: command.Executor.
type Commands interface {
	// Accept executes or answers a command that was read. After an error it had no effect and got no reply.
	Accept(ctx context.Context, c store.Command, h command.Input) error
	// ReplaceQuestions ends the questions that earlier versions of an edited message were answered with; false if one was confirmed.
	ReplaceQuestions(ctx context.Context, c store.Command) (bool, error)
	// Ignore ends a command without a reply.
	Ignore(ctx context.Context, c store.Command) error
	// GiveUp ends a command that couldn't be read: c.State is failed, or expired. If c.Room is set,
	// the room gets a reply.
	GiveUp(ctx context.Context, c store.Command, why error) error
}

// InboxOptions configure an Inbox. All but Trace are required.
type InboxOptions struct {
	Reader   *Reader
	Store    InboxStore
	Commands Commands
	Expiry   func() time.Duration // the age at which a message is no longer executed
	Log      *slog.Logger
	Metrics  *Metrics
	Trace    *tracing.Tracer // nil while tracing is off
}

// Inbox receives deliveries from Webex, by any transport. It claims each one in the store, then reads the message and its author
// from Webex and passes them to Commands. Claims that aren't read yet survive a restart.
type Inbox struct {
	o            InboxOptions
	unknownRooms *logging.Once // rooms that aren't configured, by bot
	woken        chan struct{}

	mu       sync.Mutex
	arrivals []*arrival
	more     bool // the store may have claims that aren't in arrivals
}

const (
	// readers bounds the concurrent reads from Webex.
	readers = 4
	// inboxSize bounds the commands that wait in memory to be read; the rest wait in the store.
	inboxSize = 1000
	// minRetry and maxRetry bound the backoff of reading.
	minRetry, maxRetry = time.Second, time.Minute
	// maxUnknownRooms bounds the remembered ids of rooms that aren't configured.
	maxUnknownRooms = 1000
)

// NewInbox returns an Inbox.
func NewInbox(o InboxOptions) *Inbox {
	return &Inbox{o: o, unknownRooms: logging.NewOnce(maxUnknownRooms), woken: make(chan struct{}, 1), more: true}
}

// claimed is the content of store.Command.Detail until a command is accepted.
type claimed struct {
	Envelope *webex.Envelope `json:"envelope"`
}

// The results of a delivery: values of a metric's label.
const (
	resultAccepted  = "accepted"
	resultDuplicate = "duplicate"
	resultIgnored   = "ignored"
	resultStore     = "store_failed"
)

// Deliver claims a delivery for a bot. If it succeeds, the delivery is on disk or ignored; it is read and executed later. After
// an error the transport must deliver it again.
func (in *Inbox) Deliver(ctx context.Context, bot string, e webex.Envelope) (result string, err error) {
	if reason := in.ignorable(bot, e); reason != "" {
		in.o.Metrics.ignored.WithLabelValues(bot, reason).Inc()
		in.o.Log.Debug("delivery ignored", "bot", bot, "id", e.Data.ID, "reason", reason)
		if reason == ignoredRoom && e.Data.RoomID != "" && in.unknownRooms.First(bot+" "+webexid.Key(e.Data.RoomID)) {
			in.o.Log.Info("mention ignored: the room isn't configured. To serve it, add its id to rooms, or have an admin send 'bind' there", "bot", bot, "room_id", e.Data.RoomID)
		}
		return resultIgnored, nil
	}
	ctx, span := in.o.Trace.Receive(ctx, "receive command", nil, time.Now(), tracing.About{Bot: bot, Command: e.Data.ID}) // no header: Webex has no trace of ours
	c, isNew, err := in.claim(ctx, bot, e)
	switch {
	case err != nil:
		span.End("not stored")
		in.o.Log.Error("cannot store a command: Webex will deliver it again", "bot", bot, "id", e.Data.ID, "error", err)
		return resultStore, err
	case !isNew:
		span.Set(tracing.About{Result: resultDuplicate})
		span.End("")
		in.o.Log.Debug("delivered again", "bot", bot, "id", e.Data.ID, "event", e.Event)
		return resultDuplicate, nil
	}
	span.End("")
	in.o.Log.Info("command received", "command", c.ID, "bot", bot, "resource", e.Resource, "event", e.Event)
	in.mu.Lock()
	in.add(c)
	in.mu.Unlock()
	pace.Wake(in.woken)
	return resultAccepted, nil
}

// ignorable returns the reason to ignore a delivery by its envelope alone, or "" if only the message can decide.
func (in *Inbox) ignorable(bot string, e webex.Envelope) string {
	switch {
	case e.Event == eventCreated && (e.Resource == resourceMessages || e.Resource == resourceActions):
	case e.Event == eventUpdated && e.Resource == resourceMessages:
	default:
		return ignoredResource
	}
	r := in.o.Reader
	me, known := r.ownAccount(bot)
	directory := r.directory()
	_, configured := directory.RoomByID(e.Data.RoomID)
	switch {
	case known && webexid.Same(e.Data.PersonID, me.ID):
		return ignoredOwn
	case botAddress(e.Data.PersonEmail):
		return ignoredBot
	case e.Data.RoomType == "group" && !configured && !in.mayBind(e.Data):
		return ignoredRoom
	}
	// The envelope has one of the person's addresses. Another one may be allowed.
	if person, ok := r.people.lately(e.Data.PersonID); ok && directory.AddressOf(person.Emails) == "" {
		return ignoredPerson
	}
	return ""
}

// mayBind reports whether what somebody said in a space that isn't configured has to be read: an admin may bind it. The envelope has
// one of their addresses.
func (in *Inbox) mayBind(d webex.EnvelopeData) bool {
	r := in.o.Reader
	email := d.PersonEmail
	if person, ok := r.people.lately(d.PersonID); ok {
		email = r.directory().AddressOf(person.Emails)
	}
	return r.mayBind(command.Person{Email: email})
}

// claim stores a delivery as a command. isNew is false if it was stored before. An edited message is claimed as its
// next version, as long as none of its earlier versions had an effect.
func (in *Inbox) claim(ctx context.Context, bot string, e webex.Envelope) (c store.Command, isNew bool, err error) {
	detail, err := json.Marshal(claimed{&e})
	if err != nil {
		return c, false, err
	}
	c = store.Command{
		ID: e.Data.ID, Bot: bot, RoomID: e.Data.RoomID, PersonID: e.Data.PersonID, State: store.CommandReceived, CreatedAt: time.Now(), Trace: tracing.Of(ctx), Detail: detail,
	}
	if e.Resource == resourceActions {
		c.ParentID = e.Data.MessageID
	}
	if e.Event != eventUpdated {
		isNew, err = in.o.Store.ClaimCommand(ctx, c)
		return c, isNew, err
	}
	for version := range maxVersions {
		c.ID = store.VersionID(e.Data.ID, version)
		switch earlier, err := in.o.Store.Command(ctx, c.ID); {
		case errors.Is(err, store.ErrNotFound):
			if isNew, err = in.o.Store.ClaimCommand(ctx, c); isNew || err != nil {
				return c, isNew, err
			}
		case err != nil:
			return c, false, err
		case hadEffect(earlier):
			return c, false, nil
		}
	}
	return c, false, nil
}

// arrival is a claimed command that waits to be read from Webex.
type arrival struct {
	c       store.Command
	due     time.Time
	running bool
}

// add enqueues a command to be read, unless it is there already. The caller holds mu.
func (in *Inbox) add(c store.Command) {
	switch {
	case slices.ContainsFunc(in.arrivals, func(a *arrival) bool { return a.c.ID == c.ID }):
	case len(in.arrivals) >= inboxSize:
		in.more = true
	default:
		in.arrivals = append(in.arrivals, &arrival{c: c, due: c.NotBefore})
	}
}

func (in *Inbox) remove(a *arrival) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.arrivals = slices.DeleteFunc(in.arrivals, func(other *arrival) bool { return other == a })
}

// runnable picks the arrivals to read now, and returns the wait until the next one is due (0 for never). Messages of
// one room are read in their order, but one whose reading failed lets the later ones pass.
func runnable(arrivals []*arrival, free int, now time.Time) (ready []*arrival, wait time.Duration) {
	busy := make(map[string]bool)
	for _, a := range arrivals {
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

// Run reads claimed commands, including those of an earlier run, until ctx ends.
func (in *Inbox) Run(ctx context.Context) error {
	var workers sync.WaitGroup
	defer workers.Wait()
	for ctx.Err() == nil {
		in.mu.Lock()
		if in.more && len(in.arrivals) < inboxSize/2 {
			in.mu.Unlock()
			if err := in.refill(ctx); errors.Is(err, store.ErrClosed) && ctx.Err() == nil {
				return fmt.Errorf("listing the commands that aren't read yet: %w", err)
			} else if err != nil {
				in.o.Log.Error("cannot list the commands that aren't read yet: trying again", "error", err)
				pace.Pause(ctx, minRetry, nil)
			}
			continue
		}
		running := 0
		for _, a := range in.arrivals {
			if a.running {
				running++
			}
		}
		ready, wait := runnable(in.arrivals, readers-running, time.Now())
		for _, a := range ready {
			a.running = true
		}
		in.mu.Unlock()
		for _, a := range ready {
			workers.Go(func() {
				in.handle(ctx, a)
				pace.Wake(in.woken)
			})
		}
		pace.Pause(ctx, cmp.Or(wait, time.Hour), in.woken)
	}
	return nil
}

// refill enqueues the claims that are only in the store: those of an earlier run and those beyond inboxSize.
func (in *Inbox) refill(ctx context.Context) error {
	unfinished, err := in.o.Store.UnfinishedCommands(ctx)
	if err != nil {
		return err
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	in.more = false
	for _, c := range unfinished {
		if c.State == store.CommandReceived {
			in.add(c)
		}
	}
	return nil
}

// handle reads one arrival, then passes it on, ends it, or postpones it.
func (in *Inbox) handle(ctx context.Context, a *arrival) {
	c, err := in.o.Store.Command(ctx, a.c.ID)
	if err == nil && c.State == store.CommandReceived { // it may have ended since the store listed it
		began := time.Now()
		err = in.read(ctx, &c)
		in.traceRead(a, began, err)
	}
	if store.Lasting(err) {
		c = a.c
		err = in.o.Reader.giveUp(c, envelopeOf(c), store.CommandFailed, err)
	}
	var unread *unreadError
	errors.As(err, &unread)
	switch {
	case unread == nil:
	case unread.ignored != "":
		c.Outcome = unread.Error()
		err = in.o.Commands.Ignore(ctx, c)
	case unread.final != "":
		c.Room, c.State, c.Outcome = unread.room, unread.final, unread.Error()
		err = in.o.Commands.GiveUp(ctx, c, err)
	}
	switch {
	case err == nil:
		in.remove(a)
		return
	case ctx.Err() != nil: // the next start reads it again
		return
	}
	c = a.c
	c.Attempts++
	wait := pace.Backoff(c.Attempts, minRetry, maxRetry, rand.Float64())
	if unread != nil && unread.after > 0 {
		wait = unread.after
	}
	c.NotBefore = time.Now().Add(wait)
	in.o.Log.Warn("cannot read a command: trying again", "command", c.ID, "bot", c.Bot, "attempt", c.Attempts, "in", wait.Round(time.Millisecond), "error", err)
	if err := in.o.Store.SaveCommand(context.WithoutCancel(ctx), c); err != nil { // matters only after a restart
		in.o.Log.Warn("cannot store when a command is read again", "command", c.ID, "error", err)
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	a.c, a.due, a.running = c, c.NotBefore, false
}

// read reads the message and its author and passes them to Commands. After an error it had no effect.
func (in *Inbox) read(ctx context.Context, c *store.Command) error {
	e := envelopeOf(*c)
	if e.Resource == "" {
		return in.o.Reader.ignore(c.Bot, ignoredBroken, "its envelope in the store is damaged")
	}
	late := func() error {
		return in.o.Reader.giveUp(*c, e, store.CommandExpired, errors.New("it took too long"))
	}
	expiry := in.o.Expiry()
	// Webex may deliver hours later. The envelope of an edit doesn't say when the edit was made.
	if created := e.Data.Created.Time; e.Event != eventUpdated && !created.IsZero() && created.Before(c.CreatedAt) {
		c.CreatedAt = created
	}
	if time.Now().After(c.CreatedAt.Add(expiry)) {
		return late()
	}
	earlier, err := in.earlierVersion(ctx, *c)
	if err != nil {
		return err
	}
	h, err := in.o.Reader.Read(ctx, *c, e)
	if err != nil {
		return err
	}
	if !h.EditedAt.IsZero() {
		c.CreatedAt = h.EditedAt
	}
	if time.Now().After(c.CreatedAt.Add(expiry)) {
		return late()
	}
	if earlier != nil && earlier.Text == h.Text {
		c.Text = h.Text
		return in.o.Reader.ignore(c.Bot, ignoredEdit, "the words are the same")
	}
	switch current, err := in.o.Commands.ReplaceQuestions(ctx, *c); {
	case err != nil:
		return err
	case !current:
		return in.o.Reader.ignore(c.Bot, ignoredEdit, carriedOut)
	}
	return in.o.Commands.Accept(ctx, *c, h)
}

// envelopeOf returns the delivery that a command was claimed for, or an empty one if the store has damaged it.
func envelopeOf(c store.Command) (e webex.Envelope) {
	if json.Unmarshal(c.Detail, &claimed{&e}) != nil {
		return webex.Envelope{}
	}
	return e
}

// maxVersions bounds the versions of one message: the first, and one for each edit that Webex allows,
// with room for repeated deliveries.
const maxVersions = 16

// ignoredPrefix begins the outcome of an ignored command.
const ignoredPrefix = "ignored: "

// carriedOut is why an edit is ignored.
const carriedOut = "an earlier version of the message was carried out"

// hadEffect reports whether a command was begun, executed or denied, so that edits of its message are ignored. Edits count while
// it is unread, and after it was ignored, unreadable, or answered with a question.
func hadEffect(c store.Command) bool {
	ignored := c.State == store.CommandDone && strings.HasPrefix(c.Outcome, ignoredPrefix)
	return c.State != store.CommandReceived && !ignored && command.HadEffect(c)
}

// earlierVersion returns the version of the message before this one; nil for the first one. While an earlier version is
// still being read, this one waits; if one had an effect, this one is ignored.
func (in *Inbox) earlierVersion(ctx context.Context, c store.Command) (earlier *store.Command, err error) {
	message, last := c.Version()
	for version := range last {
		v, err := in.o.Store.Command(ctx, store.VersionID(message, version))
		switch {
		case err != nil:
			return nil, err
		case v.State == store.CommandReceived:
			return nil, &unreadError{after: time.Second, err: errors.New("an earlier version of the message isn't read yet")}
		case hadEffect(v):
			return nil, in.o.Reader.ignore(c.Bot, ignoredEdit, carriedOut)
		}
		earlier = &v
	}
	return earlier, nil
}

// unreadError says why a claimed command didn't become an Input.
type unreadError struct {
	// ignored is the reason to ignore it, one of ignoredReasons; "" if it isn't ignored.
	ignored string
	// final is the command's state if it is given up. room gets the reply.
	final store.CommandState
	room  string
	after time.Duration // when to try again; 0 for the usual backoff
	err   error
}

func (e *unreadError) Error() string {
	switch {
	case e.ignored == "":
		return "couldn't be read: " + e.err.Error()
	case e.err == nil:
		return ignoredPrefix + e.ignored
	}
	return fmt.Sprintf(ignoredPrefix+"%s (%v)", e.ignored, e.err)
}

func (e *unreadError) Unwrap() error { return e.err }
