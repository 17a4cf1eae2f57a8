package command

import (
	"cmp"
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
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"nms-alert-relay/internal/action"
	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/binding"
	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/incident"
	"nms-alert-relay/internal/lang"
	"nms-alert-relay/internal/render"
	"nms-alert-relay/internal/route"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/store/memory"
	"nms-alert-relay/internal/vault"
	"nms-alert-relay/internal/zabbix"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world survives the relay's restarts: the store, Zabbix, and the messages in the rooms. It can crash the relay
// before any effect.
type world struct {
	*memory.Store
	groups map[string]int64 // by the Webex id of their message

	mu      sync.Mutex
	changed []alert.Key
	missing []alert.Key // looked at
	inputs  map[string]Input

	early func(context.Context, *Executor) // called before Run
	vault *vault.Vault
	log   *slog.Logger // nil: none

	names    Names
	routes   []config.Route
	expires  time.Duration // of acknowledgements, without routing
	routing  Routing
	settings func(room, rule string) (render.Room, bool)

	told     []string // the texts of notices
	appended int      // entries of the journal

	people    []config.Person  // instead of the usual ones
	incidents *incident.Keeper // nil: none are kept
	scripts   []config.Script
	actions   []*action.Action
	read      int // documents of problems that a list has read

	zabbixes map[string]*fakeZabbix
	clients  map[string]Zabbix // in place of those

	// crash is how many more effects succeed before the relay crashes; -1 for no crash. lost: the effect at which it
	// crashes still happens.
	crash int
	lost  bool
	dead  chan struct{}

	broken  map[string]error // answered by SaveCommand instead of saving, by the command's id
	damaged atomic.Bool      // no problem, and no list of commands, can be read
	unkept  atomic.Bool      // no value can be read
	ended   atomic.Int64     // problems that have ended, beside those of the store
	unread  sync.Map         // alert.Key → true: problems that can't be read
}

// fakeZabbix is a Zabbix with its record and its failures.
type fakeZabbix struct {
	w      *world
	events map[string]*alert.Observation
	calls  []zabbix.Acknowledge // executed, one for each event
	asked  int                  // calls of Acknowledge
	took   time.Duration        // the duration of a call
	next   int
	// fail are the results of the next calls of Acknowledge; an empty one lets the call through.
	fail []failure
	// observeFail are those of Observe.
	observeFail []error
	idle        bool                 // its server doesn't do what the API accepted
	closed      map[string]time.Time // when its API accepted to close an event, which its server does a second later
	down        bool
	site        site
	// tokens are people's API tokens, with their users. as are the users of calls, executed, in their order.
	tokens map[string]zabbix.TokenOwner
	as     []string
	denies map[string]error // what Zabbix answers to a user
}

// fakePerson is a Zabbix as a person with a token sees it.
type fakePerson struct {
	*fakeZabbix
	token string
}

func (z *fakeZabbix) As(token string) Personal { return fakePerson{z, token} }

var errNotAuthorised = &zabbix.Error{Method: "event.acknowledge", Kind: zabbix.NotAuthorised, Message: "API token expired."}

func (z *fakeZabbix) CheckToken(_ context.Context, token string) (zabbix.TokenOwner, error) {
	z.w.mu.Lock()
	defer z.w.mu.Unlock()
	owner, ok := z.tokens[token]
	switch {
	case z.down:
		return owner, &zabbix.Error{Kind: zabbix.Unreachable, Message: "connection refused"}
	case !ok:
		return owner, errNotAuthorised
	}
	return owner, nil
}

func (p fakePerson) Acknowledge(ctx context.Context, a zabbix.Acknowledge) error {
	p.w.mu.Lock()
	owner, ok := p.tokens[p.token]
	denied := p.denies[owner.Username]
	p.w.mu.Unlock()
	switch {
	case !ok:
		return errNotAuthorised
	case denied != nil:
		return denied
	}
	return p.acknowledge(ctx, a, owner.Username)
}

type failure struct {
	err  error
	done bool // the call was executed nevertheless
}

func newWorld() *world {
	w := &world{
		Store: memory.New(nil), groups: map[string]int64{}, inputs: map[string]Input{},
		zabbixes: map[string]*fakeZabbix{}, crash: -1, dead: make(chan struct{}), scripts: testScripts,
	}
	for _, source := range []string{"main", "lab"} {
		w.zabbixes[source] = &fakeZabbix{w: w, events: map[string]*alert.Observation{}, closed: map[string]time.Time{}, next: 1, site: newSite()}
	}
	for message, g := range map[string]store.Group{
		"DIGEST": {Room: "noc", Kind: store.GroupStorm}, "DIRECT": {Room: config.DirectRoom("frank@example.com"), Kind: store.GroupStorm},
		"FLAP": {Room: "noc", Kind: store.GroupFlap, Name: "17"},
	} {
		g.ID, g.Revision = -1, 1
		w.commit(store.Fold{Groups: []store.Group{g}})
		pending, _ := w.PendingGroups(context.Background(), "")
		w.groups[message] = pending[0].ID
		must(w.SaveGroup(context.Background(), pending[0].ID, store.GroupCursor{MessageID: message, Shown: 1}))
	}
	return w
}

// must panics on an error that the tests' store can't have.
func must(err error) {
	if err != nil {
		panic(err)
	}
}

func (w *world) commit(f store.Fold) { must(w.CommitFold(context.Background(), f)) }

// problem makes a problem with a post in these rooms.
func (w *world) problem(key string, rooms ...string) alert.Key {
	k := alert.ParseKey(key)
	w.put(alert.Problem{Key: k, State: alert.StateOpen, Origin: alert.OriginTrigger, Severity: alert.Average, Facts: alert.Facts{Name: "problem " + k.EventID}})
	w.zabbixes[k.Source].events[k.EventID] = &alert.Observation{Severity: alert.Average}
	for _, room := range rooms {
		w.post(k, room, "ROOT-"+key+"@"+room, "CARD-"+key+"@"+room)
	}
	return k
}

// post posts a problem in a room.
func (w *world) post(k alert.Key, room, root, card string) {
	w.commit(store.Fold{Posts: []store.Post{{Key: k, Room: room, Desired: 1, Open: true, PendingSince: time.Now()}}})
	_, err := w.ClaimPost(context.Background(), k, room)
	must(err)
	must(w.SavePost(context.Background(), k, room, store.Cursor{Delivered: 1, Shown: 1, RootID: root, CardID: card}))
}

// member puts a problem into the group of a message, or updates whether it is open.
func (w *world) member(k alert.Key, message string, open bool, joinedAt time.Time) {
	g, err := w.Group(context.Background(), w.groups[message])
	must(err)
	w.commit(store.Fold{Posts: []store.Post{{Key: k, Room: g.Room, Desired: 1, Open: open, JoinedAt: joinedAt, Group: g.ID}}})
}

// find returns a stored problem.
func (w *world) find(k alert.Key) alert.Problem {
	found, err := w.Problems(context.Background(), []alert.Key{k})
	must(err)
	return found[k]
}

// put stores a problem.
func (w *world) put(p alert.Problem) { w.commit(store.Fold{Problems: []alert.Problem{p}}) }

// keys returns the keys of all problems.
func (w *world) keys() (keys []alert.Key) {
	all, err := w.Store.FindProblems(context.Background(), store.Filter{})
	must(err)
	for _, p := range all {
		keys = append(keys, p.Key)
	}
	return keys
}

// notices returns the notices so far.
func (w *world) notices() []store.Notice {
	all, err := w.PendingNotices(context.Background())
	must(err)
	return all
}

// entries returns the journal.
func (w *world) entries() []store.Entry {
	all, err := w.Entries(context.Background(), 0, 0)
	must(err)
	return all
}

var errCrashed = store.ErrClosed

// effect makes a lasting change. It fails once the relay has crashed.
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

func (w *world) Append(ctx context.Context, e store.Entry) (id int64, err error) {
	crash := w.effect(func() {
		w.appended++
		id, err = w.Store.Append(ctx, e)
	})
	return id, cmp.Or(crash, err)
}

func (w *world) AddNotice(ctx context.Context, n store.Notice) (id int64, err error) {
	if n.RoomID != "" && n.Person == "" {
		panic("a message to a direct chat doesn't say whose it is: " + n.Markdown)
	}
	crash := w.effect(func() {
		w.told = append(w.told, n.Markdown)
		id, err = w.Store.AddNotice(ctx, n)
	})
	return id, cmp.Or(crash, err)
}

func (w *world) EndedProblems(ctx context.Context, f store.Filter, since time.Time, limit int, each func(alert.Problem)) error {
	for range min(int(w.ended.Load()), limit) {
		each(alert.Problem{Key: alert.ParseKey("main/ended"), State: alert.StateResolved})
	}
	return w.Store.EndedProblems(ctx, f, since, limit, each)
}

func (w *world) Value(ctx context.Context, name string) (string, error) {
	if w.unkept.Load() {
		return "", fmt.Errorf("%w: a damaged value", store.ErrRejected)
	}
	return w.Store.Value(ctx, name)
}

func (w *world) PostReminder(ctx context.Context, r store.Reminder, was time.Time, n store.Notice) (id int64, err error) {
	crash := w.effect(func() {
		if id, err = w.Store.PostReminder(ctx, r, was, n); err == nil {
			w.told = append(w.told, n.Markdown)
		}
	})
	return id, cmp.Or(crash, err)
}

func (w *world) AddIncident(ctx context.Context, i store.Incident) (id int64, err error) {
	crash := w.effect(func() { id, err = w.Store.AddIncident(ctx, i) })
	return id, cmp.Or(crash, err)
}

func (w *world) SaveIncident(ctx context.Context, i store.Incident) (err error) {
	crash := w.effect(func() { err = w.Store.SaveIncident(ctx, i) })
	return cmp.Or(crash, err)
}

func (w *world) AddIncidentEntry(ctx context.Context, entry store.IncidentEntry) (added bool, err error) {
	crash := w.effect(func() { added, err = w.Store.AddIncidentEntry(ctx, entry) })
	return added, cmp.Or(crash, err)
}

func (w *world) SaveCommand(ctx context.Context, c store.Command) (err error) {
	crash := w.effect(func() {
		if err = w.broken[c.ID]; err == nil {
			err = w.Store.SaveCommand(ctx, c)
		}
	})
	return cmp.Or(crash, err)
}

func (w *world) Problems(ctx context.Context, keys []alert.Key) (map[alert.Key]alert.Problem, error) {
	found, err := w.Store.Problems(ctx, keys)
	for _, k := range keys {
		if _, unread := w.unread.Load(k); unread || w.damaged.Load() {
			delete(found, k)
			err = fmt.Errorf("%w: a damaged document", store.ErrRejected)
		}
	}
	return found, err
}

func (w *world) UnfinishedCommands(ctx context.Context) ([]store.Command, error) {
	if w.damaged.Load() {
		return nil, fmt.Errorf("%w: a damaged record", store.ErrRejected)
	}
	return w.Store.UnfinishedCommands(ctx)
}

func (w *world) FindProblems(ctx context.Context, f store.Filter) ([]alert.Problem, error) {
	found, err := w.Store.FindProblems(ctx, f)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.read += len(found)
	return found, err
}

func (w *world) Show(p alert.Problem, room render.Room, _ time.Time) string {
	said := "SHOW " + p.Key.String() + " " + string(p.State)
	if p.Memory != nil {
		if last := p.Memory.Last(room.MayRead); last != nil {
			said += " last: " + last.Text
		}
	}
	if p.Suppressed {
		said += " suppressed"
	}
	return said + " " + p.Severity.String()
}

func (w *world) History(p alert.Problem, stats alert.TriggerStats, room render.Room, _ time.Time) string {
	said := "HISTORY " + p.Key.String()
	for _, o := range stats.Occurrences {
		if room.MayRead(o.Rooms) {
			said += " " + o.EventID
		}
	}
	return said
}

func (w *world) list(list []alert.Problem, total int) string {
	keys := make([]string, 0, len(list))
	for _, p := range list {
		keys = append(keys, p.Key.String())
	}
	return fmt.Sprintf("LIST %d: %s", total, strings.Join(keys, " "))
}

// fixedTiming routes nothing, and has the same timing for all.
type fixedTiming struct{ timing route.Timing }

func (fixedTiming) Explain(alert.Problem, string, time.Time) ([]route.Step, []route.Target) {
	return nil, nil
}
func (fixedTiming) Rests(route.Binding) lang.Phrase      { return lang.Phrase{} }
func (f fixedTiming) Timing(string, string) route.Timing { return f.timing }

type worldRenderer struct{ *world }

func (r worldRenderer) Item(p alert.Problem, _ render.Room, _ time.Time) string {
	return r.list([]alert.Problem{p}, 1)
}

func (r worldRenderer) Problems(list []alert.Problem, _, total int, _ render.Room, _ time.Time) (string, int) {
	return r.list(list, total), len(list)
}

func (z *fakeZabbix) Acknowledge(ctx context.Context, a zabbix.Acknowledge) error {
	return z.acknowledge(ctx, a, "")
}

func (z *fakeZabbix) acknowledge(_ context.Context, a zabbix.Acknowledge, as string) error {
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
				z.as = append(z.as, as)
				z.execute(one)
			}
		}
	})
	if err != nil { // the relay crashed during the call
		return &zabbix.Error{Kind: zabbix.Unreachable, Unanswered: true, Err: err}
	}
	return answer
}

// execute executes a call for one event.
func (z *fakeZabbix) execute(a zabbix.Acknowledge) {
	z.calls = append(z.calls, a)
	o := z.events[a.EventIDs[0]]
	u := alert.Update{AckID: strconv.Itoa(z.next), At: time.Now(), Message: a.Message, Actions: alert.Actions{Ack: a.Ack, Unack: a.Unack, Comment: a.Message != "", Close: a.Close}}
	z.next++
	o.Updates = append(o.Updates, u)
	switch {
	case z.idle:
	case a.Close:
		z.closed[a.EventIDs[0]] = time.Now()
	case a.Suppress, a.Unsuppress:
		o.Suppressed, o.ByHand = a.Suppress, a.Suppress
	case a.SymptomOf != "", a.ToCause:
		o.CauseEventID = a.SymptomOf
	}
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
			if at, ok := z.closed[id]; ok && time.Since(at) >= time.Second {
				copied.Resolved = true
			}
			copied.Updates = slices.Clone(o.Updates)
			out[id] = copied
		} else {
			out[id] = alert.Observation{Gone: true}
		}
	}
	return out, nil
}

func (z *fakeZabbix) OldestEvent(context.Context) (time.Time, error) {
	return time.Unix(1, 0), nil
}

func (w *world) setDown(source string, down bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.zabbixes[source].down = down
}

// configured returns the actions.
func (w *world) configured() []*action.Action {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.actions
}

func (w *world) setActions(list []*action.Action) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.actions = list
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
	sources := map[string]Zabbix{}
	for name, z := range w.zabbixes {
		sources[name] = z
	}
	maps.Copy(sources, w.clients)
	mutes, err := LoadMutes(context.Background(), w, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	routing := w.routing
	if routing == nil {
		routing = fixedTiming{route.Timing{AckExpires: w.expires}}
	}
	bindings, err := binding.Load(context.Background(), w, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	if w.incidents != nil { // as the store has them
		w.incidents, err = incident.Load(context.Background(), w)
		require.NoError(t, err)
	}
	reg := prometheus.NewRegistry()
	e := New(Options{
		Mutes: mutes, Bindings: bindings,
		View: func() View {
			return View{Directory: cfg, Routes: w.routes, Rooms: cfg.Rooms, Scripts: w.scripts, Actions: w.configured(), Expiry: time.Hour, Location: time.UTC, Names: w.names, Several: true, Renderer: worldRenderer{w},
				Incident: incident.Settings{Roles: []string{"lead", "scribe"}, Checklist: []string{"Customers informed", "Carrier called"}, Allowed: cfg.Allowed},
				Routing:  routing, Settings: w.settings}
		},
		Store:   w,
		Sources: sources,
		Missing: func(k alert.Key) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.missing = append(w.missing, k)
		},
		Changed: func(k alert.Key, _ time.Duration) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.changed = append(w.changed, k)
		},
		Log: cmp.Or(w.log, slog.New(slog.DiscardHandler)), Metrics: NewMetrics(reg), Vault: w.vault, Incidents: w.incidents,
	})
	ctx, cancel := context.WithCancel(t.Context())
	if w.early != nil {
		w.early(ctx, e)
	}
	ended := make(chan error, 1)
	go func() { ended <- e.Run(ctx) }()
	unread := make(chan struct{})
	go func() { // as chat does with claims of an earlier run
		defer close(unread)
		unfinished, _ := w.UnfinishedCommands(ctx)
		for _, c := range unfinished {
			if c.State == store.CommandReceived {
				_ = e.Accept(ctx, c, w.inputs[c.ID])
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

// receives passes a message to the relay, once per id, as chat does.
func (r *relay) receives(id string, h Input) {
	if h.Person.Email == "" {
		h.Person = alice
	}
	h.RoomID = "ROOM-" + h.Room
	c := store.Command{ID: id, Bot: "relay", RoomID: h.RoomID, State: store.CommandReceived, CreatedAt: time.Now(), Detail: []byte(`{"envelope":{"resource":"messages"}}`)}
	if claimed, err := r.w.ClaimCommand(r.ctx, c); err == nil && claimed {
		r.w.mu.Lock()
		r.w.inputs[id] = h
		r.w.mu.Unlock()
		if err := r.Accept(r.ctx, c, h); errors.Is(err, errThreadUnknown) {
			time.Sleep(threadKnown)
			_ = r.Accept(r.ctx, c, h)
		} // else it fails if the relay has crashed
	}
}

func (w *world) command(id string) store.Command {
	c, _ := w.Command(context.Background(), id)
	return c
}

// answers returns the texts of the notices so far.
func (w *world) answers() []string {
	out := []string{}
	for _, n := range w.notices() {
		out = append(out, n.Markdown)
	}
	return out
}

func (w *world) calls(source string) []zabbix.Acknowledge {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.zabbixes[source].calls)
}

// observations returns the observations in the journal, by event id.
func (w *world) observations(t *testing.T) map[string]alert.Observation {
	out := map[string]alert.Observation{}
	for _, e := range w.entries() {
		if e.Kind == store.EntryObservation {
			var env store.Envelope
			require.NoError(t, json.Unmarshal(e.Payload, &env))
			out[env.EventID] = *env.Observation
		}
	}
	return out
}

func (w *world) updates(t *testing.T) []alert.Update {
	var out []alert.Update
	for _, e := range w.entries() {
		require.Equal(t, store.EntryAction, e.Kind)
		var env store.Envelope
		require.NoError(t, json.Unmarshal(e.Payload, &env))
		out = append(out, *env.Update)
	}
	return out
}
