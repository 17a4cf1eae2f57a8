package command

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/render"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/zabbix"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is what survives the relay's restarts: the store, Zabbix, and what people said. It can crash the relay
// before any effect.
type world struct {
	mu       sync.Mutex
	commands map[string]store.Command
	order    []string
	problems map[alert.Key]alert.Problem
	posts    []store.Post
	notices  []store.Notice
	journal  []store.Entry
	changed  []alert.Key
	heard    map[string]Heard

	early func(context.Context, *Executor) // called before Run

	names  Names
	people []config.Person // instead of the usual ones
	read   int             // documents of problems that a list has read

	zabbixes map[string]*fakeZabbix
	clients  map[string]Zabbix // in place of those

	// crash is how many more effects the relay survives; -1 for all. lost says
	// that the effect at which it dies still happens.
	crash int
	lost  bool
	dead  chan struct{}
}

// fakeZabbix is a Zabbix with its record and its failures.
type fakeZabbix struct {
	w      *world
	events map[string]*alert.Observation
	calls  []zabbix.Acknowledge // that were carried out, one for each event
	asked  int                  // calls of Acknowledge
	took   time.Duration        // that each call takes
	next   int
	// fail is answered one by one by Acknowledge; "" lets the call through.
	fail []failure
	// observeFail likewise by Observe.
	observeFail []error
	down        bool
}

type failure struct {
	err  error
	done bool // it was carried out all the same
}

func newWorld() *world {
	w := &world{
		commands: map[string]store.Command{}, problems: map[alert.Key]alert.Problem{}, heard: map[string]Heard{},
		zabbixes: map[string]*fakeZabbix{}, crash: -1, dead: make(chan struct{}),
	}
	for _, source := range []string{"main", "lab"} {
		w.zabbixes[source] = &fakeZabbix{w: w, events: map[string]*alert.Observation{}, next: 1}
	}
	return w
}

// problem makes a problem with a post in these rooms.
func (w *world) problem(key string, rooms ...string) alert.Key {
	k := alert.ParseKey(key)
	w.problems[k] = alert.Problem{Key: k, State: alert.StateOpen, Origin: alert.OriginTrigger, Severity: alert.Average, Facts: alert.Facts{Name: "problem " + k.EventID}}
	w.zabbixes[k.Source].events[k.EventID] = &alert.Observation{Severity: alert.Average}
	for _, room := range rooms {
		w.posts = append(w.posts, store.Post{Key: k, Room: room, Cursor: store.Cursor{RootID: "ROOT-" + key + "@" + room, CardID: "CARD-" + key + "@" + room}})
	}
	return k
}

var errCrashed = store.ErrClosed

// effect does something that lasts. It fails once the relay has crashed.
func (w *world) effect(do func()) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.crash == 0 {
		if w.lost {
			w.lost = false
			do()
		}
		select {
		case <-w.dead:
		default:
			close(w.dead)
		}
		return errCrashed
	}
	if w.crash > 0 {
		w.crash--
	}
	do()
	return nil
}

func (w *world) Append(_ context.Context, e store.Entry) (id int64, err error) {
	err = w.effect(func() {
		w.journal = append(w.journal, e)
		id = int64(len(w.journal))
	})
	return id, err
}

func (w *world) AddNotice(_ context.Context, n store.Notice) (id int64, err error) {
	err = w.effect(func() {
		for i, old := range w.notices {
			if old.Dedup == n.Dedup {
				w.notices[i] = n
				return
			}
		}
		w.notices = append(w.notices, n)
	})
	return 1, err
}

func (w *world) SaveCommand(_ context.Context, c store.Command) error {
	return w.effect(func() { w.commands[c.ID] = c })
}

func (w *world) claim(c store.Command) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, known := w.commands[c.ID]; known {
		return false
	}
	w.commands[c.ID], w.order = c, append(w.order, c.ID)
	return true
}

func (w *world) Command(_ context.Context, id string) (store.Command, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	c, ok := w.commands[id]
	if !ok {
		return store.Command{}, store.ErrNotFound
	}
	return c, nil
}

func (w *world) UnfinishedCommands(context.Context) (out []store.Command, _ error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, id := range w.order {
		switch c := w.commands[id]; c.State {
		case store.CommandReceived, store.CommandExecuting, store.CommandRetrying:
			out = append(out, c)
		}
	}
	return out, nil
}

func (w *world) RecentCommands(_ context.Context, since, claimedSince time.Time) (out []store.Command, _ error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, id := range w.order {
		c := w.commands[id]
		unfinished := c.State == store.CommandReceived || c.State == store.CommandExecuting || c.State == store.CommandRetrying
		if !c.CreatedAt.Before(claimedSince) && (unfinished || !c.DoneAt.Before(since)) {
			out = append(out, c)
		}
	}
	return out, nil
}

func (w *world) Problems(_ context.Context, keys []alert.Key) (map[alert.Key]alert.Problem, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := map[alert.Key]alert.Problem{}
	for _, k := range keys {
		if p, ok := w.problems[k]; ok {
			out[k] = p
		}
	}
	return out, nil
}

func (w *world) FindProblems(_ context.Context, f store.Filter) (out []alert.Problem, _ error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, k := range slices.SortedFunc(maps.Keys(w.problems), func(a, b alert.Key) int { return strings.Compare(a.String(), b.String()) }) {
		told := slices.ContainsFunc(w.posts, func(p store.Post) bool { return p.Key == k && slices.Contains(f.Rooms, p.Room) })
		p := w.problems[k]
		fits := (f.Severity == nil || f.Severity[p.Severity]) && (f.Acknowledged == nil || *f.Acknowledged == p.Acknowledged) && f.Host == "" // no problem here has a host
		if fits && (f.Rooms == nil || told) && (!f.Open || w.problems[k].Open()) && strings.Contains(w.problems[k].Name, f.Search) {
			out = append(out, w.problems[k])
		}
	}
	if f.Limit > 0 && len(out) > f.Limit {
		out = out[:f.Limit]
	}
	w.read += len(out)
	return out, nil
}

func (w *world) CountProblems(ctx context.Context, f store.Filter) (int, error) {
	f.Limit = 0
	w.mu.Lock()
	read := w.read
	w.mu.Unlock()
	found, err := w.FindProblems(ctx, f)
	w.mu.Lock()
	w.read = read // counting reads no document
	w.mu.Unlock()
	return len(found), err
}

func (w *world) KeysByEventID(_ context.Context, id string) (out []alert.Key, _ error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for k := range w.problems {
		if k.EventID == id {
			out = append(out, k)
		}
	}
	slices.SortFunc(out, func(a, b alert.Key) int { return strings.Compare(a.Source, b.Source) })
	return out, nil
}

func (w *world) PostsOf(_ context.Context, keys []alert.Key) (map[alert.Key][]store.Post, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := map[alert.Key][]store.Post{}
	for _, p := range w.posts {
		if slices.Contains(keys, p.Key) {
			out[p.Key] = append(out[p.Key], p)
		}
	}
	return out, nil
}

func (w *world) PostByMessage(_ context.Context, id string) (store.Post, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, p := range w.posts {
		if id != "" && (p.RootID == id || p.CardID == id) {
			return p, nil
		}
	}
	return store.Post{}, store.ErrNotFound
}

func (w *world) Show(p alert.Problem, _ render.Room, _ time.Time) string {
	said := "SHOW " + p.Key.String() + " " + string(p.State)
	if p.Suppressed {
		said += " suppressed"
	}
	return said + " " + p.Severity.String()
}

func (w *world) list(list []alert.Problem, total int) string {
	keys := make([]string, 0, len(list))
	for _, p := range list {
		keys = append(keys, p.Key.String())
	}
	return fmt.Sprintf("LIST %d: %s", total, strings.Join(keys, " "))
}

type worldRenderer struct{ *world }

func (r worldRenderer) Problems(list []alert.Problem, total int, _ render.Room, _ time.Time) string {
	return r.list(list, total)
}

func (z *fakeZabbix) Acknowledge(_ context.Context, a zabbix.Acknowledge) error {
	time.Sleep(z.took)
	var answer error
	err := z.w.effect(func() {
		z.asked++
		if z.down {
			answer = &zabbix.Error{Kind: zabbix.Unreachable, Message: "connection refused"}
			return
		}
		var f failure
		if len(z.fail) > 0 {
			f, z.fail = z.fail[0], z.fail[1:]
		}
		answer = f.err
		for _, id := range a.EventIDs { // one bad id fails the whole call
			if z.events[id] == nil && answer == nil {
				answer = &zabbix.Error{Kind: zabbix.NoObject, Message: "No permissions to referred object or it does not exist!"}
			}
		}
		if answer == nil || f.done {
			for _, id := range a.EventIDs {
				one := a
				one.EventIDs = []string{id}
				z.take(one)
			}
		}
	})
	if err != nil { // the relay died with the call on its way
		return &zabbix.Error{Kind: zabbix.Unreachable, Unanswered: true, Err: err}
	}
	return answer
}

// take carries out a call for one event.
func (z *fakeZabbix) take(a zabbix.Acknowledge) {
	z.calls = append(z.calls, a)
	o := z.events[a.EventIDs[0]]
	u := alert.Update{AckID: strconv.Itoa(z.next), At: time.Now(), Message: a.Message, Actions: alert.Actions{Ack: a.Ack, Unack: a.Unack, Comment: a.Message != "", Close: a.Close}}
	z.next++
	o.Updates = append(o.Updates, u)
	switch {
	case a.Ack:
		o.Acknowledged = true
	case a.Unack:
		o.Acknowledged = false
	case a.Severity != nil:
		o.Severity = *a.Severity
	}
}

func (z *fakeZabbix) Observe(_ context.Context, ids []string) (map[string]alert.Observation, error) {
	time.Sleep(z.took)
	z.w.mu.Lock()
	defer z.w.mu.Unlock()
	if z.w.crash == 0 || z.down {
		return nil, &zabbix.Error{Kind: zabbix.Unreachable, Message: "connection refused"}
	}
	if len(z.observeFail) > 0 {
		err := z.observeFail[0]
		z.observeFail = z.observeFail[1:]
		if err != nil {
			return nil, err
		}
	}
	out := map[string]alert.Observation{}
	for _, id := range ids {
		if o, ok := z.events[id]; ok {
			copied := *o
			copied.Updates = slices.Clone(o.Updates)
			out[id] = copied
		} else {
			out[id] = alert.Observation{Gone: true}
		}
	}
	return out, nil
}

func (z *fakeZabbix) ShowsAny(context.Context) (bool, error) {
	z.w.mu.Lock()
	defer z.w.mu.Unlock()
	return len(z.events) > 0, nil
}

func (w *world) setDown(source string, down bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.zabbixes[source].down = down
}

// relay is an executor over the world, until stop.
type relay struct {
	*Executor
	w    *world
	reg  *prometheus.Registry
	ctx  context.Context
	stop func()
}

// start runs the relay.
func (w *world) start(t *testing.T) *relay {
	cfg := people()
	if w.people != nil {
		cfg.People = w.people
	}
	sources := map[string]Zabbix{"main": w.zabbixes["main"], "lab": w.zabbixes["lab"]}
	maps.Copy(sources, w.clients)
	reg := prometheus.NewRegistry()
	e := New(Options{
		View: func() View {
			return View{Directory: cfg, Rooms: cfg.Rooms, Expiry: time.Hour, Location: time.UTC, Names: w.names, Several: true, Renderer: worldRenderer{w}}
		},
		Store:   w,
		Sources: sources,
		Changed: func(k alert.Key, _ time.Duration) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.changed = append(w.changed, k)
		},
		Log: slog.New(slog.DiscardHandler), Metrics: NewMetrics(reg),
	})
	ctx, cancel := context.WithCancel(t.Context())
	if w.early != nil {
		w.early(ctx, e)
	}
	ended := make(chan error, 1)
	go func() { ended <- e.Run(ctx) }()
	unread := make(chan struct{})
	go func() { // as chat does with what was claimed before a restart
		defer close(unread)
		unfinished, _ := w.UnfinishedCommands(ctx)
		for _, c := range unfinished {
			if c.State == store.CommandReceived {
				_ = e.Accept(ctx, c, w.heard[c.ID])
			}
		}
	}()
	synctest.Wait()
	return &relay{Executor: e, w: w, reg: reg, ctx: ctx, stop: func() {
		cancel()
		err := <-ended
		<-unread
		if err != nil && !errors.Is(err, errCrashed) {
			require.NoError(t, err)
		}
	}}
}

// hears has the relay accept what was said, once per id, as chat does.
func (r *relay) hears(id string, h Heard) {
	if h.Person.Email == "" {
		h.Person = alice
	}
	h.RoomID = "ROOM-" + h.Room
	c := store.Command{ID: id, Bot: "relay", RoomID: h.RoomID, State: store.CommandReceived, CreatedAt: time.Now(), Detail: []byte(`{"envelope":{"resource":"messages"}}`)}
	if r.w.claim(c) {
		r.w.mu.Lock()
		r.w.heard[id] = h
		r.w.mu.Unlock()
		_ = r.Accept(r.ctx, c, h) // it fails where the relay has crashed
	}
}

func (w *world) command(id string) store.Command {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.commands[id]
}

// answers are the texts of the notices so far.
func (w *world) answers() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := []string{}
	for _, n := range w.notices {
		out = append(out, n.Markdown)
	}
	return out
}

func (w *world) calls(source string) []zabbix.Acknowledge {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.zabbixes[source].calls)
}

// observations are what was journalled about problems, by event id.
func (w *world) observations(t *testing.T) map[string]alert.Observation {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := map[string]alert.Observation{}
	for _, e := range w.journal {
		if e.Kind == store.EntryObservation {
			var env store.Envelope
			require.NoError(t, json.Unmarshal(e.Payload, &env))
			out[env.EventID] = *env.Observation
		}
	}
	return out
}

func (w *world) updates(t *testing.T) []alert.Update {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []alert.Update
	for _, e := range w.journal {
		require.Equal(t, store.EntryAction, e.Kind)
		var env store.Envelope
		require.NoError(t, json.Unmarshal(e.Payload, &env))
		out = append(out, *env.Update)
	}
	return out
}
