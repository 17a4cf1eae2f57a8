package command

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"nms-alert-relay/internal/action"
	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/binding"
	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/duty"
	"nms-alert-relay/internal/history"
	"nms-alert-relay/internal/incident"
	"nms-alert-relay/internal/lang"
	"nms-alert-relay/internal/render"
	"nms-alert-relay/internal/roster"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/text"
	"nms-alert-relay/internal/tracing"
	"nms-alert-relay/internal/vault"
	"nms-alert-relay/internal/webex"
	"nms-alert-relay/internal/zabbix"
)

// Zabbix is the API of one source: zabbix.Client.
type Zabbix interface {
	Personal
	// As returns a client that acts with a person's own API token.
	As(token string) Personal
	// CheckToken returns whose token it is.
	CheckToken(ctx context.Context, token string) (zabbix.TokenOwner, error)
	Observe(ctx context.Context, eventIDs []string) (map[string]alert.Observation, error)
	OldestEvent(ctx context.Context) (time.Time, error)
	Hosts
	history.Source
}

// Hosts is what maintenances and scripts need of a source.
type Hosts interface {
	FindHosts(ctx context.Context, name string) (found, alike []zabbix.Host, err error)
	FindHostGroup(ctx context.Context, name string) (g zabbix.HostGroup, ok bool, err error)
	GroupsOf(ctx context.Context, hosts []zabbix.Host) ([]string, error)
	Maintenances(ctx context.Context, now time.Time) ([]zabbix.Maintenance, error)
	StartMaintenance(ctx context.Context, m zabbix.NewMaintenance) error
	EndMaintenance(ctx context.Context, id string) error
	FindScripts(ctx context.Context, name string) ([]zabbix.Script, error)
	ExecuteScript(ctx context.Context, scriptID, hostID string) (zabbix.ScriptResult, error)
}

// Personal acts as one user of a source.
type Personal interface {
	Acknowledge(ctx context.Context, a zabbix.Acknowledge) error
}

// Acting makes a client the Zabbix of commands.
func Acting(c *zabbix.Client) Zabbix { return acting{c} }

type acting struct{ *zabbix.Client }

func (a acting) As(token string) Personal { return a.Client.As(token) }

// Renderer shows problems: render.Renderer.
type Renderer interface {
	Show(p alert.Problem, room render.Room, now time.Time) string
	History(p alert.Problem, stats alert.TriggerStats, room render.Room, now time.Time) string
	Item(p alert.Problem, room render.Room, now time.Time) string
	Problems(list []alert.Problem, before, total int, room render.Room, now time.Time) (reply string, shown int)
}

// Store is the part of store.Store that commands need.
type Store interface {
	Append(ctx context.Context, e store.Entry) (int64, error)
	Problems(ctx context.Context, keys []alert.Key) (map[alert.Key]alert.Problem, error)
	TriggerStats(ctx context.Context, triggers []alert.TriggerKey) (map[alert.TriggerKey]alert.TriggerStats, error)
	FindProblems(ctx context.Context, f store.Filter) ([]alert.Problem, error)
	CountProblems(ctx context.Context, f store.Filter) (int, error)
	KeysByEventID(ctx context.Context, eventID string) ([]alert.Key, error)
	PostsOf(ctx context.Context, keys []alert.Key) (map[alert.Key][]store.Post, error)
	PostByMessage(ctx context.Context, messageID string) (store.Post, error)
	GroupByMessage(ctx context.Context, messageID string) (store.Group, error)
	Group(ctx context.Context, id int64) (store.Group, error)
	GroupPosts(ctx context.Context, id int64) ([]store.Post, error)
	Stats(ctx context.Context) (store.Stats, error)
	AddNotice(ctx context.Context, n store.Notice) (int64, error)
	Command(ctx context.Context, id string) (store.Command, error)
	ClaimCommand(ctx context.Context, c store.Command) (bool, error)
	SaveCommand(ctx context.Context, c store.Command) error
	UnfinishedCommands(ctx context.Context) ([]store.Command, error)
	PersonTokens(ctx context.Context, person string) ([]store.PersonToken, error)
	AllPersonTokens(ctx context.Context) ([]store.PersonToken, error)
	SavePersonToken(ctx context.Context, t store.PersonToken) error
	ConfirmPersonToken(ctx context.Context, person, source, command string) error
	ForgetPersonTokens(ctx context.Context, person, source string) (int, error)
	ForgetSealed(ctx context.Context, sealed string) error
	TellPersonToken(ctx context.Context, sealed string, at time.Time) error
	RecentCommands(ctx context.Context, since, createdSince time.Time) ([]store.Command, error)
	FindCommands(ctx context.Context, f store.CommandFilter) ([]store.Command, error)
	AddReminder(ctx context.Context, r store.Reminder) (int64, error)
	Reminder(ctx context.Context, id int64) (store.Reminder, error)
	NextReminders(ctx context.Context, limit int) ([]store.Reminder, error)
	ReminderByMessage(ctx context.Context, messageID string) (store.Reminder, error)
	SaveReminder(ctx context.Context, r store.Reminder, was time.Time) error
	EndedProblems(ctx context.Context, f store.Filter, since time.Time, limit int, each func(alert.Problem)) error
	Value(ctx context.Context, name string) (string, error)
	SetValue(ctx context.Context, name, value string) error
}

// View is the part of the current configuration that commands need.
type View struct {
	Directory
	Rooms    []config.Room
	Routes   []config.Route
	Defaults []string // rooms that get what no route matches
	People   []config.Person
	Scripts  []config.Script
	Actions  []*action.Action
	Expiry   time.Duration  // how long a command is retried
	Location *time.Location // of direct chats, never nil, as those of Rooms
	Language lang.Lang      // of direct chats
	Names    Names
	Several  bool // there is more than one source: replies name it with each id
	Renderer Renderer
	Routing  Routing
	Settings func(room, rule string) (render.Room, bool) // of a room's messages; false if it isn't configured
	BotOf    func(room string) string                    // the bot that serves a room; nil if nobody needs to know
	// Duty returns a schedule of who is on duty, and how reading its calendars goes; nil: there are none.
	Duty func(schedule string) (duty.Schedule, []duty.CalendarState, bool)
	// Link returns the web address that leads to a problem's message; "" for none. nil: there is none.
	Link func(key alert.Key) string
	// Incident is how incidents are run.
	Incident incident.Settings
}

func (v View) botOf(room string) string {
	if v.BotOf == nil {
		return ""
	}
	return v.BotOf(room)
}

// Options configure an Executor. All but Changed, Missing, Vault, Trace and Person are required.
type Options struct {
	View     func() View // called for each command
	Store    Store
	Sources  map[string]Zabbix                     // by the source's name; those without an API token are left out
	Changed  func(key alert.Key, in time.Duration) // reads a problem from Zabbix again after a while: reconcile.Inquirer.Ask
	Missing  func(key alert.Key)                   // finds out what became of a problem that Zabbix says it doesn't have: reconcile.Sweeps.Look
	Log      *slog.Logger
	Metrics  *Metrics
	Graphs   *history.Metrics // nil: nothing is counted
	Mutes    *Mutes
	Bindings *binding.Keeper
	// Incidents keeps the incidents; nil: there are none.
	Incidents *incident.Keeper
	Vault     *vault.Vault    // keeps people's tokens; nil: they can't be kept
	Trace     *tracing.Tracer // nil while tracing is off
	// Person asks Webex, as a bot, who a person is, by id: chat.Reader.Known. found is false for somebody who is gone, or to whom the
	// relay doesn't listen. nil: it can't be asked.
	Person func(ctx context.Context, bot, id string) (p Person, found bool, err error)
}

// Executor executes commands: at most once in Zabbix, and across restarts until each has ended.
type Executor struct {
	o         Options
	limit     limiter
	recovered chan struct{} // closed once the commands of an earlier run are in their lanes
	lanes     roster.Roster[*lane]
	lists     lists

	lapsesMu sync.Mutex
	lapses   []Lapse // to take back
	lapsed   chan struct{}

	reminding sync.Mutex // held while a person's reminders are counted and one more is written
	accepting sync.Mutex // held while a command is compared with earlier ones, or the problems of an incident with the others'
}

const (
	// settleTime is how long Zabbix may still be processing a call whose answer was lost: PHP continues after
	// the connection is closed. The call isn't repeated before then.
	settleTime = 30 * time.Second
	// minRetry and maxRetry bound the backoff.
	minRetry, maxRetry = time.Second, time.Minute
	// lookSoon and lookLater are when a problem is read from Zabbix after it was asked to close it.
	lookSoon, lookLater = 3 * time.Second, 15 * time.Second
)

// New makes an Executor.
func New(o Options) *Executor {
	e := &Executor{o: o, recovered: make(chan struct{}), lapsed: make(chan struct{}, 1)}
	e.SetSources(o.Sources)
	if e.o.Missing == nil {
		e.o.Missing = func(alert.Key) {}
	}
	if e.o.Changed == nil {
		e.o.Changed = func(alert.Key, time.Duration) {}
	}
	return e
}

// SetSources makes these the sources, and the view's actions the actions, while the executor runs too. Sources that stay keep their
// client. Commands that wait for a source or an action that goes end with a reply that says so.
func (e *Executor) SetSources(sources map[string]Zabbix) {
	names := slices.Collect(maps.Keys(sources))
	for name := range sources {
		names = append(names, scriptLane+name, graphLane+name)
	}
	for _, a := range e.o.View().Actions {
		names = append(names, actionLane+a.Name)
	}
	e.lanes.Set(names, func(name string) *lane {
		source := strings.TrimPrefix(strings.TrimPrefix(name, scriptLane), graphLane)
		return &lane{name: name, source: source, zabbix: sources[source], woken: make(chan struct{}, 1)}
	})
}

// Run works until ctx ends. Then it finishes the calls in flight and saves their outcomes; the next start
// does the rest.
func (e *Executor) Run(ctx context.Context) error {
	if err := e.recover(ctx); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return fmt.Errorf("resuming the commands of an earlier run: %w", err)
	}
	close(e.recovered)
	var clocks sync.WaitGroup
	clocks.Go(func() { e.takeBack(ctx) })
	clocks.Go(func() { e.atEnds(ctx, e.nextMute) })
	clocks.Go(func() { e.atEnds(ctx, e.nextBinding) })
	defer clocks.Wait()
	e.lanes.Run(ctx, func(own context.Context, _ string, l *lane) {
		e.work(own, l)
		if own.Err() != nil && ctx.Err() == nil { // the source is gone
			e.disband(ctx, l)
		}
	})
	return nil
}

// recover resumes the unfinished commands of an earlier run.
func (e *Executor) recover(ctx context.Context) error {
	var unfinished []store.Command
	err := e.persist(ctx, "reading unfinished commands", func(ctx context.Context) (err error) {
		unfinished, err = e.o.Store.UnfinishedCommands(ctx)
		return err
	})
	if store.Lasting(err) {
		e.o.Log.Error("cannot read the unfinished commands of an earlier run: they stay unfinished", "error", err)
	} else if err != nil {
		return err
	}
	for _, c := range unfinished {
		if c.State == store.CommandReceived {
			continue // chat reads it and calls Accept
		}
		if err := e.resume(ctx, c); err != nil {
			return err
		}
	}
	return nil
}

func (e *Executor) resume(ctx context.Context, c store.Command) error {
	d, err := decodeDetail(c.Detail)
	if err != nil || d.Input == nil || d.Request == nil || len(d.Attempts) == 0 {
		return e.giveUp(ctx, c, givenUp(roomOf(c, e.o.View()).Lang, true), cmp.Or(err, errors.New("its stored detail is incomplete")))
	}
	e.o.Log.Info("resuming a command of an earlier run", "command", c.ID, "action", c.Action, "state", c.State)
	return e.dispatch(ctx, &job{c: c, d: d})
}

// persist is store.Retry, but it doesn't cancel a call in flight.
func (e *Executor) persist(ctx context.Context, what string, call func(context.Context) error) error {
	return store.Retry(ctx, e.o.Log, rand.Float64, what, func(ctx context.Context) error { return call(context.WithoutCancel(ctx)) })
}

func (e *Executor) save(ctx context.Context, c store.Command) error {
	return e.persist(ctx, "saving a command", func(ctx context.Context) error { return e.o.Store.SaveCommand(ctx, c) })
}

// answer enqueues a reply. Another one with the same part replaces it, so after a crash there aren't two.
func (e *Executor) answer(ctx context.Context, c store.Command, part, markdown string, card []byte) error {
	if markdown == "" || c.Room == "" && c.RoomID == "" {
		return nil
	}
	n := store.Notice{
		Kind: store.NoticeAnswer, Room: c.Room, Bot: c.Bot, ParentID: c.Thread(),
		Markdown: webex.CutMarkdown(markdown, webex.MaxMessageBytes),
		Card:     card,
		Trace:    c.Trace,
		Dedup:    "command:" + c.ID + part, State: store.NoticePending, CreatedAt: time.Now(),
	}
	if n.Room == "" {
		n.RoomID, n.Person = c.RoomID, c.Email
	}
	return e.persist(ctx, "storing a reply", func(ctx context.Context) error {
		_, err := e.o.Store.AddNotice(ctx, n)
		return err
	})
}

// finish ends a command: it replies, then records the end.
func (e *Executor) finish(ctx context.Context, c store.Command, part string, state store.CommandState, markdown string) error {
	if err := e.answer(ctx, c, part, markdown, nil); err != nil {
		return err
	}
	if c.Outcome == "" {
		c.Outcome = plain(text.Cut(markdown, 2000))
	}
	return e.close(ctx, c, state, string(state))
}

// giveUp ends a command that can't continue because of the store.
func (e *Executor) giveUp(ctx context.Context, c store.Command, reply string, why error) error {
	e.o.Log.Error("giving up a command: the store lost it, or can't read or keep what it needs", "command", c.ID, "error", why)
	c.Outcome = "given up: " + why.Error()
	if err := e.answer(ctx, c, "", reply, nil); err != nil && !store.Lasting(err) {
		return err
	}
	return e.close(ctx, c, store.CommandFailed, string(store.CommandFailed))
}

// close records the end of a command, without a reply. A command whose record can't be written has ended, too.
func (e *Executor) close(ctx context.Context, c store.Command, state store.CommandState, result string) error {
	if c.State = state; c.DoneAt.IsZero() {
		c.DoneAt = time.Now()
	}
	if err := e.save(ctx, c); store.Lasting(err) {
		e.o.Log.Error("cannot record the end of a command", "command", c.ID, "error", err)
	} else if err != nil {
		return err
	}
	e.traceEnd(c, result)
	e.o.Metrics.ended(c.Action, result, c.DoneAt.Sub(c.CreatedAt))
	e.o.Log.Info("command ended", "command", c.ID, "bot", c.Bot, "room", cmp.Or(c.Room, c.RoomID), "person", c.Email,
		"action", c.Action, "keys", c.Keys, "result", result, "outcome", c.Outcome)
	return nil
}
