// Package relay puts the parts together: it opens the store, connects what
// takes in, folds, delivers and listens, and starts and stops them in order.
package relay

import (
	"cmp"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/chat"
	"nms-alert-relay/internal/command"
	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/delivery"
	"nms-alert-relay/internal/httpclient"
	"nms-alert-relay/internal/ledger"
	"nms-alert-relay/internal/receiver"
	"nms-alert-relay/internal/reconcile"
	"nms-alert-relay/internal/render"
	"nms-alert-relay/internal/route"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/store/sqlite"
	"nms-alert-relay/internal/text"
	"nms-alert-relay/internal/webex"
	"nms-alert-relay/internal/zabbix"
)

// Options make a Relay.
type Options struct {
	Config  *config.Config // as config.Load returned it
	Version string
	Log     *slog.Logger
	// Public and Admin are listened on instead of the configuration's addresses.
	Public, Admin net.Listener
}

// Relay is the whole program.
type Relay struct {
	cfg      *config.Config
	version  string
	log      *slog.Logger
	store    *sqlite.Store
	registry *prometheus.Registry
	public   net.Listener
	private  net.Listener
	stages   []stage
	draining atomic.Bool
}

// New opens the store and the listeners and connects the parts. Nothing runs
// yet; Run must be called, or Close.
func New(ctx context.Context, o Options) (_ *Relay, err error) {
	r := &Relay{cfg: o.Config, version: cmp.Or(o.Version, "dev"), log: o.Log, public: o.Public, private: o.Admin, registry: prometheus.NewRegistry()}
	for _, w := range o.Config.Warnings {
		r.log.Warn(w.String())
	}
	r.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), buildInfo(r.version))
	r.store, err = sqlite.Open(ctx, sqlite.Options{Path: o.Config.Store.Path, Log: o.Log})
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, r.Close())
		}
	}()
	if err := r.listen(); err != nil {
		return nil, err
	}
	return r, r.connect(ctx)
}

// Close gives back what New took, where Run was never called.
func (r *Relay) Close() error {
	var faults []error
	for _, l := range []net.Listener{r.public, r.private} {
		if l != nil {
			faults = append(faults, l.Close())
		}
	}
	return errors.Join(append(faults, r.store.Close())...)
}

// Addr is where the public listener listens.
func (r *Relay) Addr() string { return r.public.Addr().String() }

// AdminAddr is where the admin listener listens.
func (r *Relay) AdminAddr() string { return r.private.Addr().String() }

// Gatherer is the relay's metrics.
func (r *Relay) Gatherer() prometheus.Gatherer { return r.registry }

// Run runs the relay until ctx ends or a part fails, then drains it and closes the store.
func (r *Relay) Run(ctx context.Context) error {
	r.log.Info("the relay runs", "listen", r.Addr(), "admin", r.AdminAddr(), "store", r.cfg.Store.Path)
	err := runStages(ctx, r.log, stopTime, r.drain, r.stages...)
	err = errors.Join(err, r.store.Close())
	r.log.Info("the relay has stopped")
	return err
}

// drain makes /readyz fail, whatever the relay stops for.
func (r *Relay) drain() {
	r.draining.Store(true)
	r.log.Info("stopping: nothing more is taken in, what is under way may finish", "at_most", stopTime*time.Duration(len(r.stages)))
}

// stopTime is how long one stage may take to stop: longer than its calls in
// flight may last.
const stopTime = 20 * time.Second

func (r *Relay) listen() error {
	for _, l := range []struct {
		to   *net.Listener
		addr string
		key  string
	}{{&r.public, r.cfg.Server.Listen, "server.listen"}, {&r.private, r.cfg.Server.AdminListen, "server.admin_listen"}} {
		if *l.to != nil {
			continue
		}
		listener, err := net.Listen("tcp", l.addr)
		if err != nil {
			return fmt.Errorf("%s: %w (is another relay running?)", l.key, err)
		}
		*l.to = listener
	}
	r.public = receiver.Limit(r.public)
	if cert := r.cfg.Server.TLS.CertFile; cert != "" {
		pair, err := tls.LoadX509KeyPair(cert, r.cfg.Server.TLS.KeyFile)
		if err != nil {
			return fmt.Errorf("server.tls: %w", err)
		}
		r.public = tls.NewListener(r.public, &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}})
	}
	return nil
}

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
		Sources: observers(sources), Journal: journal{r.store, func(e store.Entry) { fold.Take(e, nil) }}, Log: log,
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
		Hearer: reader, Store: r.store, Sources: commanded(sources), Several: len(cfg.Zabbix) > 1, Renderer: renderer,
		Wake: fold.Wake, Answered: deliver.WakeNotices, Changed: inquirer.Ask, Log: log, Metrics: command.NewMetrics(r.registry),
	})
	listener := chat.New(chat.Options{Reader: reader, Commands: executor, Store: r.store, PublicURL: cfg.Server.PublicURL, Log: log, Metrics: heardMetrics})
	intake, err := r.receiver(ctx, receiverParts{router: router, fold: fold, deliver: deliver, listener: listener, events: events, me: reader.Me})
	if err != nil {
		return err
	}

	public := receiver.NewServer("", intake.Handler())
	admin := receiver.NewServer("", r.admin(r.registry, &adminAPI{
		store: r.store, rescan: deliver.RescanNow, wake: fold.Wake, log: log, metrics: NewMetrics(r.registry), now: time.Now,
	}))
	for _, s := range []*http.Server{public, admin} {
		s.ErrorLog = slog.NewLogLogger(log.Handler(), slog.LevelDebug) // what clients did wrong
	}
	r.stages = []stage{
		{[]part{{"admin listener", serving(admin, r.private)}}},
		{[]part{{"delivery", deliver.Run}}},
		{[]part{{"ledger", fold.Run}, {"inquirer", inquirer.Run}, {"suppressions", suppressions.Run}, {"retention", r.prune}}},
		{[]part{{"commands", executor.Run}}},
		{[]part{{"public listener", serving(public, r.public)}, {"webhooks", listener.Run}}},
	}
	return nil
}

func serving(server *http.Server, l net.Listener) func(context.Context) error {
	return func(ctx context.Context) error { return serveHTTP(ctx, server, l) }
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
	return newRenderer(r.cfg, r.problem, func(template string, err error) {
		failed.Inc()
		r.log.Error("a template failed; the built-in one was used: mend it and try it with 'alert-relay preview'", "template", template, "error", err)
	})
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

// newRenderer loads the templates that a configuration names.
func newRenderer(cfg *config.Config, problem func(alert.Key) (alert.Problem, bool), failed func(string, error)) (*render.Renderer, error) {
	o := render.Options{Dir: cfg.Templates.Dir, Sources: map[string]string{}, Problem: problem, TemplateFailed: failed}
	for _, s := range cfg.Zabbix {
		o.Sources[s.Name] = s.URL
	}
	for _, rule := range cfg.Routes {
		if rule.Templates != "" && !slices.Contains(o.RouteDirs, rule.Templates) {
			o.RouteDirs = append(o.RouteDirs, rule.Templates)
		}
	}
	return render.New(o)
}

// bot is one account with its client.
type bot struct {
	config.Bot
	client *webex.Client
}

type bots []bot

// webexTransport is the way to Webex that a configuration names.
func webexTransport(cfg *config.Config) (*httpclient.Transport, error) {
	t, err := httpclient.New(httpclient.Options{ProxyURL: cfg.Webex.HTTP.ProxyURL.Reveal(), CAFile: cfg.Webex.HTTP.CAFile, Key: "webex.api_url"})
	if err != nil {
		return nil, fmt.Errorf("webex: %w", err)
	}
	return t, nil
}

func (r *Relay) bots() (bots, error) {
	transport, err := webexTransport(r.cfg)
	if err != nil {
		return nil, err
	}
	requests := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "alert_relay_webex_api_seconds",
		Help:    "Calls to the Webex API by bot, operation and status (0: no answer).",
		Buckets: []float64{.005, .025, .1, .25, .5, 1, 2.5, 5, 10, 30},
	}, []string{"bot", "op", "status"})
	foreign := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "alert_relay_webex_foreign_answers_total",
		Help: "Answers to calls of the Webex API that weren't Webex's own: a proxy, gateway or login page gave them.",
	}, []string{"bot", "op"})
	r.registry.MustRegister(requests, foreign)
	var list bots
	for _, b := range r.cfg.Webex.Bots {
		for _, op := range webex.Ops { // so that each is there from the start
			status := "200"
			if strings.HasPrefix(op, http.MethodDelete) {
				status = "204"
			}
			requests.WithLabelValues(b.Name, op, status)
			foreign.WithLabelValues(b.Name, op)
		}
		list = append(list, bot{b, webex.New(webex.Options{
			BaseURL: r.cfg.Webex.APIURL, Token: b.Token.Reveal(), TokenFrom: b.Token.From(), Renew: renewed(b.Token), Transport: transport, Timeout: time.Duration(r.cfg.Webex.HTTP.Timeout), Version: r.version, Log: r.log,
			Observe: func(op string, status int, took time.Duration) {
				requests.WithLabelValues(b.Name, op, fmt.Sprint(status)).Observe(took.Seconds())
			},
			Foreign: func(op string) { foreign.WithLabelValues(b.Name, op).Inc() },
		})})
	}
	return list, nil
}

// renewed reads a token again while it is refused; nil where it isn't from a file.
func renewed(s config.Secret) func() (string, error) {
	if !s.FromFile() {
		return nil
	}
	return s.Reread
}

func (b bots) delivering() []delivery.Bot {
	var list []delivery.Bot
	for _, one := range b {
		list = append(list, delivery.Bot{Name: one.Name, Client: one.client})
	}
	return list
}

func (b bots) hearing(d *delivery.Delivery) []chat.Bot {
	var list []chat.Bot
	for _, one := range b {
		list = append(list, chat.Bot{Name: one.Name, Listen: one.Listen, Webex: beside{bot: one.Name, client: one.client, call: d.Beside}})
	}
	return list
}

// sources are the clients of those Zabbixes that have an API token.
func (r *Relay) sources() (map[string]*zabbix.Client, error) {
	metrics := zabbix.NewMetrics(r.registry)
	clients := map[string]*zabbix.Client{}
	for i, s := range r.cfg.Zabbix {
		if !s.APIToken.IsSet() {
			continue
		}
		transport, err := httpclient.New(httpclient.Options{ProxyURL: s.HTTP.ProxyURL.Reveal(), CAFile: s.HTTP.CAFile, Key: fmt.Sprintf("zabbix[%d].url", i)})
		if err != nil {
			return nil, fmt.Errorf("zabbix %q: %w", s.Name, err)
		}
		clients[s.Name] = zabbix.New(zabbix.Options{
			URL: s.URL, Token: s.APIToken.Reveal(), TokenFrom: s.APIToken.From(), Renew: renewed(s.APIToken), Transport: transport, Timeout: time.Duration(s.HTTP.Timeout), Log: r.log,
			Version: r.version, Observe: metrics.For(s.Name), HeaderStripped: metrics.HeaderFor(s.Name),
		})
	}
	return clients, nil
}

func observers(sources map[string]*zabbix.Client) map[string]reconcile.Observer {
	m := make(map[string]reconcile.Observer, len(sources))
	for name, c := range sources {
		m[name] = c
	}
	return m
}

func suppressors(sources map[string]*zabbix.Client) map[string]reconcile.Suppressor {
	m := make(map[string]reconcile.Suppressor, len(sources))
	for name, c := range sources {
		m[name] = c
	}
	return m
}

func commanded(sources map[string]*zabbix.Client) map[string]command.Zabbix {
	m := make(map[string]command.Zabbix, len(sources))
	for name, c := range sources {
		m[name] = c
	}
	return m
}

func buildInfo(version string) prometheus.Collector {
	g := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "alert_relay_build_info", Help: "1, with the version as a label."}, []string{"version"})
	g.WithLabelValues(version).Set(1)
	return g
}
