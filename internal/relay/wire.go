package relay

import (
	"context"
	"encoding/json"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"nms-alert-relay/internal/admin"
	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/chat"
	"nms-alert-relay/internal/command"
	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/delivery"
	"nms-alert-relay/internal/ledger"
	"nms-alert-relay/internal/receiver"
	"nms-alert-relay/internal/reconcile"
	"nms-alert-relay/internal/render"
	"nms-alert-relay/internal/route"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/text"
)

// connect makes the parts and says who wakes whom.
func (r *Relay) connect(ctx context.Context) error {
	cfg, log := r.cfg, r.log
	sourceNames := text.Names(cfg.Zabbix, func(s config.Source) string { return s.Name })
	router, err := route.New(cfg)
	if err != nil {
		return err
	}
	renderer, err := r.renderer()
	if err != nil {
		return err
	}
	bots, err := r.bots()
	if err != nil {
		return err
	}
	sources, err := r.sources()
	if err != nil {
		return err
	}
	r.registry.MustRegister(store.NewCollector(r.store, time.Now))

	var (
		fold     *ledger.Ledger
		inquirer *reconcile.Inquirer
	)
	deliver, err := delivery.New(delivery.Options{
		Store: r.store, Render: renderer, Bots: bots.delivering(), Rooms: delivery.RoomsOf(cfg), Fallback: delivery.FallbackOf(cfg),
		Asks: func(source string) bool { return sources[source] != nil },
		Reroute: func(ctx context.Context, key alert.Key, toRoom string) error {
			payload, err := json.Marshal(store.Envelope{EventID: key.EventID, Room: toRoom})
			if err == nil {
				_, err = r.store.Append(ctx, store.Entry{Source: key.Source, Kind: store.EntryReroute, Payload: payload, ReceivedAt: time.Now()})
			}
			fold.Wake()
			return err
		},
		Workers: cfg.Delivery.Workers, RateLimit: cfg.Delivery.RateLimit, Metrics: delivery.NewMetrics(r.registry), Log: log,
	})
	if err != nil {
		return err
	}
	inquirer = reconcile.NewInquirer(reconcile.Options{
		Sources: observers(sources), Journal: journal{r.store, func() { fold.Wake() }}, Log: log,
		Unobserved: r.store.UnobservedProblems, Metrics: reconcile.NewMetrics(r.registry, slices.Sorted(maps.Keys(sources))),
	})
	suppressions := reconcile.NewSuppressions(reconcile.SuppressionOptions{
		Sources: suppressors(sources), Interval: time.Duration(cfg.Reconcile.Interval), Held: r.store.Suppressions, Ask: inquirer.AskAll, Log: log,
	})
	events := ledger.NewMetrics(r.registry, sourceNames)
	flapping, flapWindow := flappingOf(cfg)
	fold = ledger.New(ledger.Options{
		Store: r.store, Router: router, Decode: r.decode, Test: r.testNotices(router, renderer),
		Changed: func(written store.Fold) {
			deliver.Notify(written.Posts, written.Problems...)
			if len(written.Notices) > 0 {
				deliver.WakeNotices()
			}
		},
		Learned:    func(keys []alert.Key) { inquirer.AskAll(keys, askAfter) },
		OrphanWait: time.Duration(cfg.Delivery.OrphanWait), Flapping: flapping, FlapWindow: flapWindow, Timing: router.Timing, UnknownSendTo: router.Unknown, Log: log, Metrics: events,
	})
	directory := func() chat.Directory { return cfg }
	heardMetrics := chat.NewMetrics(r.registry, text.Names(cfg.Webex.Bots, func(b config.Bot) string { return b.Name }))
	reader := chat.NewReader(bots.hearing(deliver), directory, heardMetrics)
	called := command.Names{Sources: make(map[string]string, len(cfg.Zabbix)), Relay: cfg.Server.PublicURL}
	for _, s := range cfg.Zabbix {
		called.Sources[s.Name] = s.URL
	}
	executor := command.New(command.Options{
		View: func() command.View {
			return command.View{Directory: cfg, Rooms: cfg.Rooms, Expiry: time.Duration(cfg.Command.Expiry), Location: cfg.TimeZone.Location, Names: called}
		},
		Store: r.store, Sources: commanded(sources), Several: len(cfg.Zabbix) > 1, Renderer: renderer,
		Wake: fold.Wake, Answered: deliver.WakeNotices, Changed: inquirer.Ask, Log: log, Metrics: command.NewMetrics(r.registry),
	})
	inbox := chat.NewInbox(chat.InboxOptions{
		Reader: reader, Store: r.store, Commands: executor, Expiry: func() time.Duration { return time.Duration(cfg.Command.Expiry) }, Log: log, Metrics: heardMetrics,
	})
	listener := chat.New(chat.Options{Reader: reader, Inbox: inbox, Store: r.store, PublicURL: cfg.Server.PublicURL, Log: log, Metrics: heardMetrics})
	intake, err := r.receiver(ctx, receiverParts{router: router, fold: fold, deliver: deliver, listener: listener, events: events, me: reader.Me})
	if err != nil {
		return err
	}

	public := receiver.NewServer("", intake.Handler())
	private := receiver.NewServer("", r.adminHandler(r.registry, &admin.API{
		Store: r.store, Rescan: deliver.RescanNow, Wake: fold.Wake, Log: log, Metrics: admin.NewMetrics(r.registry), Now: time.Now,
	}))
	for _, s := range []*http.Server{public, private} {
		s.ErrorLog = slog.NewLogLogger(log.Handler(), slog.LevelDebug) // what clients did wrong
	}
	r.stages = []stage{
		{[]part{{"admin listener", serving(private, r.private)}}},
		{[]part{{"delivery", deliver.Run}}},
		{[]part{{"ledger", fold.Run}, {"inquirer", inquirer.Run}, {"suppressions", suppressions.Run}, {"retention", r.prune}}},
		{[]part{{"commands", executor.Run}}},
		{[]part{{"inbox", inbox.Run}}},
		{[]part{{"public listener", serving(public, r.public)}, {"webhooks", listener.Run}}},
	}
	return nil
}

// askAfter is when Zabbix is asked about problems that just changed: what
// happened together is then asked in one call.
const askAfter = time.Second

func (r *Relay) renderer() (*render.Renderer, error) {
	failed := prometheus.NewCounter(prometheus.CounterOpts{
		Name: "alert_relay_template_failures_total",
		Help: "Custom templates that failed while rendering; the built-in one was used instead.",
	})
	r.registry.MustRegister(failed)
	o := render.OptionsOf(r.cfg)
	o.Problem = r.problem
	o.TemplateFailed = func(template string, err error) {
		failed.Inc()
		r.log.Error("a template failed; the built-in one was used: mend it and try it with 'alert-relay preview'", "template", template, "error", err)
	}
	return render.New(o)
}

// problemWait bounds how long a message waits for what is known of another problem. Without it a symptom names its cause in fewer
// words.
const problemWait = time.Second

func (r *Relay) problem(key alert.Key) (alert.Problem, bool) {
	ctx, cancel := context.WithTimeout(context.Background(), problemWait)
	defer cancel()
	found, err := r.store.Problems(ctx, []alert.Key{key})
	p, ok := found[key]
	return p, ok && err == nil
}
