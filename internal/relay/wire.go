package relay

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net/http"
	"time"

	"nms-alert-relay/internal/action"
	"nms-alert-relay/internal/admin"
	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/assistant"
	"nms-alert-relay/internal/binding"
	"nms-alert-relay/internal/chat"
	"nms-alert-relay/internal/command"
	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/delivery"
	"nms-alert-relay/internal/delivery/step"
	"nms-alert-relay/internal/duty"
	"nms-alert-relay/internal/history"
	"nms-alert-relay/internal/httpclient"
	incidents "nms-alert-relay/internal/incident"
	"nms-alert-relay/internal/ledger"
	"nms-alert-relay/internal/receiver"
	"nms-alert-relay/internal/reconcile"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/vault"
	"nms-alert-relay/internal/watch"
)

// connect makes the parts and connects them.
func (r *Relay) connect(ctx context.Context, cfg *config.Config) error {
	log, now := r.log, &r.live
	first, err := r.snapshot(cfg)
	if err != nil {
		return err
	}
	if r.linkKey, err = linkKey(ctx, r.store); err != nil {
		return err
	}
	if now.bindings, err = binding.Load(ctx, r.store, log); err != nil {
		return err
	}
	if now.incidents, err = incidents.Load(ctx, r.store); err != nil {
		return err
	}
	now.bindings.OnChange(now.rebind)
	now.use(first)
	r.metrics.add(cfg)
	r.clients = r.connected(first, clients{})
	sources := r.clients.zabbix
	r.registry.MustRegister(store.NewCollector(r.store, time.Now, now.bots, r.free))

	canary := watch.NewCanary(watch.CanaryOptions{Settings: canaryOf(cfg), Store: r.store, Log: log, Now: time.Now})
	r.registry.MustRegister(canary)
	var executor *command.Executor
	graphs := history.NewRoutes(history.RoutesOptions{
		Store: r.store, Wants: now.graphs, Log: log, Metrics: r.metrics.graphs,
		Source: func(name string) (history.Source, bool) { return executor.History(name) },
	})
	deliver, err := delivery.New(delivery.Options{
		Store: r.store, Render: now.renderer, Bots: r.clients.delivering(cfg), Rooms: now.settings, Fallback: now.fallback,
		Withheld: now.withheld, Refused: r.refused,
		WithheldNotice: r.withheldNotice,
		Asks:           now.asks, Posted: graphs.Posted, Canary: func(name string, failed step.Op) { canary.Ended(name, canaryStep(failed)) }, Workers: cfg.Delivery.Workers, RateLimit: cfg.Delivery.RateLimit, Notifier: r.notifier, Metrics: r.metrics.delivery, Log: log,
		Trace: r.tracer,
	})
	if err != nil {
		return err
	}
	var sweeps *reconcile.Sweeps
	inquirer := reconcile.NewInquirer(reconcile.Options{
		Sources: each(sources, observer), Journal: r.store, Log: log,
		Unobserved: r.store.UnobservedProblems, Metrics: r.metrics.reconcile,
		Gone: func(key alert.Key, at time.Time) { sweeps.Gone(key, at) },
	})
	sweeps = reconcile.NewSweeps(reconcile.SweepOptions{
		Sources: each(sources, lister), Settings: sweepSettings(cfg), Store: r.store, Inquirer: inquirer,
		Configured: func(name string) bool { return configured(now.config(), name) },
		Notices:    reconcile.Notices{First: r.firstNotices}, Log: log, Metrics: r.metrics.reconcile,
	})
	speaking := watch.NewSources(watch.Options{
		Sources: each(sources, shows), Interval: watchInterval(cfg), Store: r.store, Found: r.foundSoFar, Compared: sweeps.Compared, Gone: goneIn(sweeps.Held, now.troubleLanguage), Language: now.troubleLanguage,
		Notices: r.troubleNotices, Log: log, Metrics: r.metrics.watch,
	})
	heartbeats := watch.NewHeartbeats(watch.HeartbeatOptions{Heartbeats: heartbeatsOf(cfg), Store: r.store, Notices: r.heartbeatNotices, Log: log, Now: time.Now})
	r.registry.MustRegister(heartbeats)
	book := duty.NewBook(ctx, duty.Options{Config: cfg, Store: r.store, Fetch: duty.Fetcher{Version: r.version, Dial: r.dial}.Fetch, Log: log, Now: time.Now})
	r.registry.MustRegister(book)
	mutes, err := command.LoadMutes(ctx, r.store, log)
	if err != nil {
		return err
	}
	fold := ledger.New(ledger.Options{
		Store: r.store, Decode: r.decode,
		Rules: ledger.Rules{
			Rooms: now.targets, Test: r.testNotices, Canary: r.canaryNotices, Timing: muting(now.timing, mutes), OnDuty: book.Call, OrphanWait: now.orphanWait,
			Grouping: func(room string) ledger.Grouping {
				g := now.Load().grouping(room)
				g.Pace = deliver.Pace(room)
				return g
			},
		},
		Changed: deliver.Notify,
		Learned: func(keys []alert.Key) { inquirer.AskAll(keys, askAfter) },
		Lapsed: func(lapsed []ledger.Lapsed) {
			for _, l := range lapsed {
				executor.Lapse(command.Lapse(l))
			}
		},
		UnknownSendTo: now.unknown, Notifier: r.notifier, Log: log, Metrics: r.metrics.ledger, Trace: r.tracer,
	})
	keeper := vault.New(r.store, log, r.registry)
	if err := keeper.Use(ctx, cfg.Encryption.Keyring()); err != nil {
		return err
	}
	reader := chat.NewReader(r.clients.hearing(cfg, deliver), func() chat.Directory { return directory{now.config(), now} }, r.metrics.chat)
	executor = command.New(command.Options{
		View: func() command.View {
			v := now.view()
			v.Duty, v.Link = book.Of, func(key alert.Key) string { return r.intake.Load().Link(key) }
			return v
		},
		Store: r.store, Sources: each(sources, acting),
		Changed: inquirer.Ask, Missing: sweeps.Look, Log: log, Metrics: r.metrics.command, Graphs: r.metrics.graphs, Mutes: mutes, Bindings: now.bindings, Incidents: now.incidents, Vault: keeper, Trace: r.tracer,
		Person: reader.Known,
	})
	spaces := incidents.NewLoop(incidents.Options{
		Keeper: now.incidents, Settings: now.incidentSettings, Log: log, Metrics: incidents.NewMetrics(r.registry, now.incidents),
		Webex: func(bot string) (incidents.Webex, bool) { return r.pacedWebex(deliver, bot) },
		Graph: func(ctx context.Context, f incidents.Facts, p alert.Problem) (incidents.Graph, error) {
			source, _ := executor.History(p.Key.Source)
			return now.incidentGraph(ctx, source, r.metrics.graphs, f, p)
		},
		Refused: r.refused,
	})
	inbox := chat.NewInbox(chat.InboxOptions{
		Reader: reader, Store: r.store, Commands: executor, Expiry: func() time.Duration { return now.view().Expiry }, Log: log, Metrics: r.metrics.chat, Trace: r.tracer,
	})
	listener := chat.New(chat.Options{
		Reader: reader, Inbox: inbox, Store: r.store, PublicURL: func() string { return now.config().Server.PublicURL },
		U2CURL: func() string { return now.config().Webex.U2CURL }, MissedPresses: r.missedPresses, Log: log, Metrics: r.metrics.chat,
	})
	if err := executor.SetReports(ctx, cfg.Rooms, time.Now()); err != nil {
		return err
	}
	reminders := assistant.New(assistant.Options{
		Store: r.store, Kinds: executor.Kinds(), Notifier: r.notifier, Log: log, Metrics: r.metrics.assistant, Now: time.Now,
	})
	r.parts = parts{deliver, inquirer, sweeps, speaking, heartbeats, canary, book, executor, listener, reader, keeper}
	r.intake.Store(r.receiver(cfg))

	public := receiver.NewServer("", now.certified(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		r.intake.Load().Handler().ServeHTTP(w, req)
	})))
	private := receiver.NewServer("", r.adminHandler(r.registry, &admin.API{
		Store: r.store, Log: log, Metrics: r.metrics.admin, Now: time.Now, Reload: r.reloadForAdmin, Reconcile: sweeps, Vault: keeper,
		Bindings: now.bindings, Rests: now.rests, RecordEnd: executor.Record, Incidents: now.incidents, IncidentSettings: now.incidentSettings,
	}))
	for _, s := range []*http.Server{public, private} {
		s.ErrorLog = slog.NewLogLogger(log.Handler(), slog.LevelDebug) // faults of clients
	}
	r.stages = []stage{
		{
			{"admin listener", serving(private, now.secured(r.private, func(s *snapshot) *tls.Config { return s.adminTLS }))},
			{"service manager", func(ctx context.Context) error { return r.manager.Run(ctx, r.store.Ping) }},
		},
		{{"delivery", deliver.Run}},
		{{"ledger", fold.Run}, {"inquirer", inquirer.Run}, {"reconciliation", sweeps.Run}, {"watch of the sources", speaking.Run}, {"heartbeats", heartbeats.Run}, {"canary", canary.Run}, {"duty", book.Run}, {"retention", r.prune}, {"configuration", r.watch}},
		{{"commands", executor.Run}, {"graphs", graphs.Run}, {"incidents", spaces.Run}, {"people's tokens", executor.WatchTokens}, {"reminders", reminders.Run}},
		{{"inbox", inbox.Run}},
		{{"public listener", serving(public, now.secured(r.public, func(s *snapshot) *tls.Config { return s.publicTLS }))}, {"webhooks", listener.Run}},
	}
	return nil
}

// askAfter is the delay before Zabbix is asked about problems that just changed: problems that change together share one call.
const askAfter = time.Second

// parts are the parts that a reload changes.
type parts struct {
	delivery   *delivery.Delivery
	inquirer   *reconcile.Inquirer
	sweeps     *reconcile.Sweeps
	speaking   *watch.Sources
	heartbeats *watch.Heartbeats
	canary     *watch.Canary
	duty       *duty.Book
	executor   *command.Executor
	listener   *chat.Listener
	reader     *chat.Reader
	vault      *vault.Vault
}

// snapshot compiles a configuration for this relay.
func (r *Relay) snapshot(cfg *config.Config) (*snapshot, error) {
	via := transports{dial: r.dial}
	if s := r.live.Load(); s != nil {
		via = s.via
	}
	return newSnapshot(cfg, via, r.problem, func(template string, err error) {
		r.metrics.templates.Inc()
		r.log.Error("custom template failed; the built-in one was used (try it with 'alert-relay preview')", "template", template, "error", err)
	}, func(a config.Action, via *httpclient.Transport) (*action.Action, error) {
		return action.New(a, action.Options{Transport: via, Version: r.version, Observe: r.metrics.action.For(a.Name)})
	})
}

// problemWait bounds how long rendering waits for the cause of a symptom, to show more of it than its id.
const problemWait = time.Second

func (r *Relay) problem(key alert.Key) (alert.Problem, bool) {
	ctx, cancel := context.WithTimeout(context.Background(), problemWait)
	defer cancel()
	found, err := r.store.Problems(ctx, []alert.Key{key})
	p, ok := found[key]
	return p, ok && err == nil
}
