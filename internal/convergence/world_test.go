package convergence

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/delivery"
	"nms-alert-relay/internal/ledger"
	"nms-alert-relay/internal/reconcile"
	"nms-alert-relay/internal/render"
	"nms-alert-relay/internal/route"
	"nms-alert-relay/internal/simulator/memnet"
	"nms-alert-relay/internal/simulator/webexsim"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/store/sqlite"
	"nms-alert-relay/internal/webex"
	"nms-alert-relay/internal/zabbix"
)

const (
	source = "main"
	person = "alice@example.com"
	human  = "operator@example.com" // removes bots from rooms, deletes messages
)

var (
	bots  = []string{"first", "second"}
	rooms = []string{"noc", "db", "line", "ops"}
)

func botEmail(i int) string { return bots[i] + "@webex.bot" }
func botToken(i int) string { return "token-of-the-" + bots[i] + "-bot" }

// world is Webex, the network, the disk, and the process in its current life.
type world struct {
	schedule
	dir    string
	cfg    *config.Config
	router *route.Router
	render *render.Renderer
	sim    *webexsim.Server
	net    *memnet.Listener
	server *http.Server
	ears   *ears
	chance *chance
	full   atomic.Bool
	zabbix *simulated // nil: the schedule has what Zabbix sends and answers

	life  *life
	lives int
	kills []kill

	mu       sync.Mutex
	accepted []accepted
	sending  sync.WaitGroup
	erased   map[string]bool // messages that a person deleted
	faults   []string        // broken promises
	forgot   bool            // a crash lost a wait that was demanded right before it
}

// kill is one kill -9, with the messages that may have been in flight.
type kill struct {
	life int
	at   time.Time
}

// moment bounds the time to save an answer: two waits for the disk, or the time during which the disk is full.
func (s schedule) moment() time.Duration {
	if s.has(diskFull) {
		return 2 * time.Minute
	}
	return 4*s.Disk + time.Second
}

// accepted is one 202.
type accepted struct {
	id      int64
	payload string
	took    time.Duration
}

func (w *world) fault(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.faults = append(w.faults, fmt.Sprintf(format, args...))
}

func newWorld(s schedule, dir string, empty []byte) *world {
	cfg := s.config()
	w := &world{schedule: s, dir: dir, cfg: cfg, ears: newEars(), chance: &chance{seed: s.Seed}, erased: map[string]bool{}}
	var err error
	if w.router, err = route.New(w.cfg); err != nil {
		panic(err)
	}
	if w.render, err = render.New(render.Options{Sources: map[string]string{source: "https://zabbix.example.com"}}); err != nil {
		panic(err)
	}
	w.sim = webexsim.New(webexsim.Options{
		Seed:       s.Seed + 1,
		PerAccount: webexsim.Rate{PerSecond: s.PerAccount, Burst: 2}, PerRoom: webexsim.Rate{PerSecond: s.PerRoom, Burst: 2},
	})
	w.sim.AddPerson(human, "Operator")
	w.sim.AddPerson(person, "Alice")
	for i := range bots {
		w.sim.AddBot(botEmail(i), bots[i], botToken(i))
	}
	for _, name := range rooms {
		w.sim.AddRoom(name, name, human, w.botIn(name))
	}
	if err := os.WriteFile(filepath.Join(dir, "relay.db"), empty, 0o600); err != nil {
		panic(err)
	}
	w.net = memnet.Listen()
	w.server = &http.Server{Handler: far(w.sim, s.Network, w.chance), ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)}
	go func() { _ = w.server.Serve(w.net) }()
	return w
}

func (w *world) close() {
	w.life.stop()
	_ = w.server.Close()
	w.sim.Close()
	w.sending.Wait()
	synctest.Wait()
}

// botIn returns the address of a room's bot.
func (w *world) botIn(room string) string {
	for i, name := range bots {
		if w.cfg.BotOf(room) == name {
			return botEmail(i)
		}
	}
	panic(room + " has no bot")
}

// life is the process between a start and its end.
type life struct {
	*world
	number   int
	path     string
	db       *sqlite.Store
	store    store.Store // what the parts use
	fold     *ledger.Ledger
	deliver  *delivery.Delivery
	inquirer *reconcile.Inquirer // nil without a simulated Zabbix
	notifier store.Local
	alive    context.Context // until it is killed
	die      context.CancelFunc
	quit     []func() error // the fold, delivery; in this order
	lines    []*http.Transport
	over     bool
}

// start starts a life with the current store.
func (w *world) start() {
	w.lives++
	l := &life{world: w, number: w.lives, path: filepath.Join(w.dir, "relay.db")}
	if w.life != nil {
		l.path = w.life.path
	}
	if len(w.kills) > 0 && w.kills[len(w.kills)-1].life == w.lives-1 {
		l.path = filepath.Join(w.dir, fmt.Sprint("after-", w.lives-1), "relay.db")
	}
	var err error
	if l.db, err = sqlite.Open(context.Background(), sqlite.Options{Path: l.path}); err != nil {
		panic(err)
	}
	l.alive, l.die = context.WithCancel(context.Background())
	l.store = store.Waking(&disk{Store: l.db, life: l, most: w.Disk, c: w.chance, full: &w.full}, &l.notifier)
	l.connect()
	for i, name := range bots {
		if len(w.kills) == 0 {
			break
		}
		text, _ := l.db.Value(context.Background(), "delivery/waits/"+name)
		var waits struct{ Bot time.Time }
		_ = json.Unmarshal([]byte(text), &waits) // empty before the first wait
		if w.ears.forget(i, waits.Bot, w.kills[len(w.kills)-1].at.Add(-w.moment())) {
			w.forgot = true
		}
	}
	l.quit = []func() error{run(l.fold.Run), run(l.deliver.Run)}
	if w.zabbix != nil {
		l.quit = append(w.zabbix.reconcile(l), l.quit...)
	}
	w.mu.Lock()
	w.life = l
	w.mu.Unlock()
}

// run starts a part. The returned function ends it and waits.
func run(part func(context.Context) error) func() error {
	ctx, cancel := context.WithCancel(context.Background())
	var g errgroup.Group
	g.Go(func() error { return part(ctx) })
	return func() error {
		cancel()
		return g.Wait()
	}
}

// connect creates and connects the parts, as internal/relay does.
func (l *life) connect() {
	o := delivery.Options{
		Store: l.store, Render: func() delivery.Renderer { return l.render }, Rooms: delivery.RoomsOf(l.cfg), Fallback: delivery.FallbackOf(l.cfg),
		Notifier: &l.notifier, Workers: l.Workers, RateLimit: l.Rate, Jitter: func() float64 { return l.chance.of("jitter") },
	}
	for i, name := range bots {
		t := memnet.Transport(map[string]*memnet.Listener{"webex.test:80": l.net})
		l.lines = append(l.lines, t)
		o.Bots = append(o.Bots, delivery.Bot{Name: name, Client: webex.New(webex.Options{
			BaseURL: "http://webex.test/v1", Token: botToken(i), Transport: &line{ears: l.ears, bot: i, life: l, next: t},
		})})
	}
	var err error
	if l.deliver, err = delivery.New(o); err != nil {
		panic(err)
	}
	l.fold = ledger.New(ledger.Options{
		Store: l.store, Decode: decode,
		Rules: ledger.Rules{
			Rooms: l.router.Rooms, Timing: l.router.Timing, OrphanWait: func() time.Duration { return time.Duration(l.cfg.Delivery.OrphanWait) },
			Grouping: func(room string) ledger.Grouping {
				storm := l.stormIn(room)
				return ledger.Grouping{
					Threshold: storm.Threshold, Window: time.Duration(storm.Window), Pace: l.deliver.Pace(room), Individual: storm.Individual,
					FlapCount: int(l.Rules.Flapping.Count), FlapWindow: time.Duration(l.Rules.Flapping.Window),
				}
			},
		},
		Changed: l.deliver.Notify,
		Learned: func(keys []alert.Key) {
			if l.inquirer != nil {
				l.inquirer.AskAll(keys, time.Second)
			}
		},
		Notifier: &l.notifier,
		Log:      slog.New(slog.DiscardHandler),
		Metrics:  ledger.NewMetrics(prometheus.NewRegistry(), []string{source}),
	})
}

// decode reads a payload, as internal/relay does.
func decode(e store.Entry) (ledger.Decoded, error) {
	payload, faults := zabbix.Parse(e.Payload)
	if len(faults) > 0 {
		return ledger.Decoded{}, fmt.Errorf("faults: %v", faults)
	}
	event, err := payload.Event(zabbix.DecodeOptions{Source: e.Source, Location: time.UTC, ReceivedAt: e.ReceivedAt})
	return ledger.Decoded{Event: event}, err
}

// stop drains: calls in flight finish.
func (l *life) stop() {
	if l.over {
		return
	}
	l.over = true
	if l.full.Load() {
		// Data that can't be written is lost, as after a kill.
		l.kills = append(l.kills, kill{l.number, time.Now()})
		defer func() { l.rename() }()
	}
	for _, quit := range l.quit {
		if err := quit(); err != nil {
			l.fault("a part ended with %v", err)
		}
	}
	l.release()
}

// rename moves the store to where the next life expects it.
func (l *life) rename() {
	if err := copyStore(l.path, filepath.Join(l.dir, fmt.Sprint("after-", l.number), "relay.db")); err != nil {
		panic(err)
	}
}

// kill ends the process at any point. Writes that it had passed to the system are done, requests that it had sent
// are in flight; nothing else happens.
func (l *life) kill() {
	if l.over {
		return
	}
	l.over = true
	synctest.Wait() // no goroutine is in a system call
	l.rename()
	l.kills = append(l.kills, kill{l.number, time.Now()})
	l.die()
	for _, quit := range l.quit {
		_ = quit()
	}
	l.release()
}

func (l *life) release() {
	l.die()
	for _, t := range l.lines {
		t.CloseIdleConnections()
	}
	if err := l.db.Close(); err != nil {
		panic(err)
	}
}

// accept does what the receiver and the inquirer do: it answers 202 once the event is in the journal.
func (w *world) accept(e store.Entry) error {
	w.mu.Lock()
	l := w.life
	w.mu.Unlock()
	e.ReceivedAt = time.Now()
	id, err := l.store.Append(context.Background(), e)
	if err != nil {
		return err
	}
	w.mu.Lock()
	w.accepted = append(w.accepted, accepted{id, string(e.Payload), time.Since(e.ReceivedAt)})
	w.mu.Unlock()
	return nil
}

// sendUntilAccepted makes three attempts, like Zabbix: the default of its media types.
func (w *world) sendUntilAccepted(e store.Entry) {
	w.sending.Go(func() {
		for range 3 {
			if w.accept(e) == nil {
				return
			}
			time.Sleep(10 * time.Second)
		}
	})
}

// do executes a step.
func (w *world) do(s step) {
	switch s.Kind {
	case send:
		w.sendUntilAccepted(store.Entry{Source: source, Kind: store.EntryEvent, Payload: []byte(s.Payload)})
	case observe:
		payload, err := json.Marshal(store.Envelope{EventID: eventID(s.Problem), Observation: s.Truth.observation(s.Problem)})
		if err != nil {
			panic(err)
		}
		w.sendUntilAccepted(store.Entry{Source: source, Kind: store.EntryObservation, Payload: payload})
	case act:
		payload, err := json.Marshal(store.Envelope{EventID: eventID(s.Problem), Update: action(s.Wide, time.Now())})
		if err != nil {
			panic(err)
		}
		w.sendUntilAccepted(store.Entry{Source: source, Kind: store.EntryAction, Payload: payload})
	case limit, fail, lose, slow, refuse:
		f := webexsim.Fault{Op: s.Op, Room: s.Room, Skip: s.Skip, Count: s.Count, Status: s.Status, Taken: s.Taken, Drop: s.Kind == lose}
		if s.Kind == slow {
			f.Delay = s.For
		}
		if s.RetryAfter > 0 {
			f.RetryAfter = fmt.Sprint(s.RetryAfter)
		}
		w.sim.AddFault(f)
	case outage:
		w.sim.Outage(time.Now().Add(s.For))
	case revoke:
		_ = w.sim.SetToken(botEmail(s.Bot), "")
	case restore:
		_ = w.sim.SetToken(botEmail(s.Bot), botToken(s.Bot))
	case expel:
		_ = w.sim.RemoveFromRoom(s.Room, w.botIn(s.Room)) // it may be removed already
	case readmit:
		w.readmit(s.Room)
	case erase:
		w.erase(s.Problem, s.Room)
	case diskFull:
		w.full.Store(true)
		w.sending.Go(func() { time.Sleep(s.For); w.full.Store(false) })
	case crash:
		w.life.kill()
		time.Sleep(s.For)
		w.start()
	case restart:
		w.life.stop()
		time.Sleep(s.For)
		w.start()
	}
}

// readmit does what an operator does: adds the bot again and replays the dead letters.
func (w *world) readmit(room string) {
	_ = w.sim.AddToRoom(room, w.botIn(room))
	dead, err := w.life.db.DeadLetters(context.Background())
	if err != nil {
		panic(err)
	}
	for _, d := range dead {
		if err := w.life.db.ReplayDead(context.Background(), d.ID()); err != nil {
			panic(err)
		}
	}
	w.life.notifier.Notify(store.TopicPosts)
}

// erase deletes a message, as moderators may.
func (w *world) erase(problem int, room string) {
	for _, m := range w.sim.Timeline(room) {
		if m.ParentID == "" && !m.Deleted && slices.Contains(problemsIn(m), problem) {
			if err := w.sim.Delete(m.ID, human); err == nil {
				w.erased[m.ID] = true
			}
			return
		}
	}
}
