package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/pace"
	"nms-alert-relay/internal/relay"
	"nms-alert-relay/internal/simulator/webexsim"
	"nms-alert-relay/internal/simulator/zabbixsim"
	"nms-alert-relay/internal/text"

	"golang.org/x/sync/errgroup"
)

// Pace is the default pause between two events of the story.
const Pace = 6 * time.Second

// Options configure a demo.
type Options struct {
	Listen  string // a loopback address
	Zabbix  string // the version to simulate
	Pace    time.Duration
	Version string
	Verbose bool
	Out     io.Writer
	Log     io.Writer
	// Ready, if not nil, is called with the page's URL once it is served.
	Ready func(url string)
}

// secret signs the events of the simulated Zabbix. It protects nothing.
const secret = "simulated-secret-of-the-demo"

// encryptionKey encrypts people's tokens. It protects nothing.
const encryptionKey = "c2ltdWxhdGVkLWtleS1vZi10aGUtZGVtby0zMi1ieXQ="

// people of the demo, with their roles, and the API tokens of their users in Zabbix.
var people = []Person{
	{Email: "alice@example.com", Name: "Alice Archer", Role: "operator", ZabbixToken: strings.Repeat("a11ce0de", 8)},
	{Email: "bob@example.com", Name: "Bob Builder", Role: "admin", ZabbixToken: strings.Repeat("b0b0b0b0", 8)},
	{Email: "carol@example.com", Name: "Carol Carter", Role: "viewer"},
}

// Run runs the demo until ctx ends. It leaves no files behind.
func Run(ctx context.Context, o Options) (err error) {
	page, err := listen(o.Listen)
	if err != nil {
		return err
	}
	defer page.Close()
	dir, err := os.MkdirTemp("", "alert-relay-demo-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()

	log := slog.New(slog.DiscardHandler)
	if o.Verbose {
		log = slog.New(slog.NewTextHandler(o.Log, nil))
	}
	w, err := newWorld(ctx, dir, o, listen, log)
	if err != nil {
		return err
	}
	shown := "http://" + page.Addr().String() + "/"
	fmt.Fprintf(o.Out, "The demo is running: open %s\n\n  Webex   %s/v1 (simulated)\n  Zabbix  %s (simulated, %s)\n  relay   events at http://%s/v1/zabbix/events, metrics at http://%s/metrics\n\nCtrl-C stops it. It leaves no files behind.\n",
		shown, w.webexURL, w.zabbixURL, o.Zabbix, w.relay.Addr(), w.relay.AdminAddr())
	if o.Ready != nil {
		o.Ready(shown)
	}
	return w.run(ctx, page, o)
}

// WrongOption reports an invalid option, by the name of its command-line flag.
type WrongOption struct{ error }

// Unwrap returns the underlying error.
func (w *WrongOption) Unwrap() error { return w.error }

func wrong(format string, args ...any) error { return &WrongOption{fmt.Errorf(format, args...)} }

// listen refuses all but loopback addresses, since a simulation has no access control.
func listen(addr string) (net.Listener, error) {
	if _, _, err := net.SplitHostPort(addr); err != nil {
		return nil, wrong("--listen %q: expected an address such as 127.0.0.1:8088", addr)
	}
	if !text.Loopback(addr) {
		return nil, wrong("--listen %q: a simulation only listens on loopback addresses, such as 127.0.0.1:8088", addr)
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("--listen: %w (is another one running? use another port)", err)
	}
	return l, nil
}

// world is both simulators, the ticket system, and the relay between them.
type world struct {
	webex     *webexsim.Server
	zabbix    *zabbixsim.Server
	relay     *relay.Relay
	webexURL  string
	zabbixURL string
	ticketURL string
	listeners [3]net.Listener // of the simulators and of the ticket system
}

// newWorld makes the simulators and the relay. If it fails it closes everything that it opened.
func newWorld(ctx context.Context, dir string, o Options, listen func(addr string) (net.Listener, error), log *slog.Logger) (_ *world, err error) {
	var ls [5]net.Listener
	defer func() {
		if err != nil {
			for _, l := range ls {
				if l != nil {
					_ = l.Close() // the first error counts
				}
			}
		}
	}()
	for i := range ls {
		if ls[i], err = listen("127.0.0.1:0"); err != nil {
			return nil, err
		}
	}
	w := &world{webexURL: "http://" + ls[0].Addr().String(), zabbixURL: "http://" + ls[1].Addr().String(), ticketURL: "http://" + ls[4].Addr().String(), listeners: [3]net.Listener{ls[0], ls[1], ls[4]}}
	public := "http://" + ls[2].Addr().String()
	defer func() {
		if err != nil && w.webex != nil {
			w.webex.Close()
		}
	}()
	w.webex = webexsim.NewDefault(webexsim.Options{Log: log, PerRoom: webexsim.Rate{PerSecond: 20, Burst: 40}})
	w.zabbix, err = zabbixsim.New(zabbixsim.Options{Version: o.Zabbix, Log: log, Relay: public + "/v1/zabbix/events", Secret: secret})
	if err != nil {
		return nil, wrong("--zabbix: %w", err) // none of the other options can be wrong
	}
	for i, p := range people {
		if p.ZabbixToken != "" {
			first, last, _ := strings.Cut(p.Name, " ")
			w.zabbix.SetUser(zabbixsim.User{ID: fmt.Sprint(5 - i), Username: strings.ToLower(first), Name: first, Surname: last, Token: p.ZabbixToken}) // Bob is 4 there already
		}
	}
	cfg, err := config.Parse(filepath.Join(dir, "demo.yaml"), []byte(w.config(public, filepath.Join(dir, "relay.db"))), config.Options{Env: func(name string) string {
		return map[string]string{"DEMO_WEBEX": webexsim.DefaultBotToken, "DEMO_ZABBIX": zabbixsim.RelayToken, "DEMO_SECRET": secret, "DEMO_NOTIFY": notifyToken, "DEMO_KEY": encryptionKey, "DEMO_TICKET": ticketSecret}[name]
	}})
	if err != nil {
		return nil, err
	}
	w.relay, err = relay.New(ctx, relay.Options{Config: cfg, Version: o.Version, Log: log, Public: ls[2], Admin: ls[3]})
	if err != nil {
		return nil, err
	}
	return w, nil
}

// config is the configuration of the demo.
func (w *world) config(public, db string) string {
	var b strings.Builder
	fmt.Fprintf(&b, `server: {public_url: %q}
store: {path: %q}
webex:
  api_url: %s/v1
  bots: [{name: relay, token_env: DEMO_WEBEX, listen: webhook}]
zabbix:
  - {name: main, url: %q, api_token_env: DEMO_ZABBIX, secret_env: DEMO_SECRET, time_zone: UTC}
rooms:
`, public, db, w.webexURL, w.zabbixURL)
	for _, room := range webexsim.DefaultRooms {
		fmt.Fprintf(&b, "  - {name: %s, id: %q, duty: demo}\n", room, webexsim.RoomID(room))
	}
	b.WriteString(`routes:
  - name: databases
    match: {tags: ["service=db"]}
    rooms: [db]
    escalate: [{after: 2m, duty: primary}, {after: 3m, rooms: [noc], mention: ["duty:secondary"]}]
    ack_expires: 10m
    graph: high
  - {name: network, match: {groups: [Network], severity: "<=average"}, rooms: [network]}
  - {name: severe network, match: {groups: [Network], severity: ">=high"}, rooms: [network, noc]}
default_rooms: [noc]
delivery: {debounce: 1s, rate_limit: 10}
encryption: {keys_env: DEMO_KEY}
incident: {checklist: ["Customers informed", "Bank called"], update_every: 5m, review_after: 5s, close_after: 1m}
scripts:
  - {name: ping, script: Ping, role: operator}
  - {name: restart, script: Restart agent, role: operator, approval: true}
duty:
  - name: demo
    rota:
      - {people: [alice@example.com, bob@example.com], start: 2026-01-05 09:00, every: 1d}
      - {layer: secondary, people: [bob@example.com], start: 2026-01-05 09:00}
notify: [{name: demo, token_env: DEMO_NOTIFY, rooms: [noc]}]
`)
	fmt.Fprintf(&b, "actions: [{name: ticket, title: Ticket, url: %q, secret_env: DEMO_TICKET}]\npeople:\n", w.ticketURL+"/")
	for _, p := range people {
		fmt.Fprintf(&b, "  - {email: %s, role: %s}\n", p.Email, p.Role)
	}
	return b.String()
}

// run runs the parts until ctx ends or one of them fails. The neighbours are served until the relay has stopped.
func (w *world) run(ctx context.Context, page net.Listener, o Options) error {
	serving, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	parts, ctx := errgroup.WithContext(ctx)
	p := &Page{Webex: w.webex, Zabbix: w.zabbix, People: people, Chat: w.webexURL, Relay: "http://" + w.relay.Addr(), Meters: w.meters}
	for l, h := range map[net.Listener]http.Handler{w.listeners[0]: w.webex, w.listeners[1]: w.zabbix, w.listeners[2]: &tickets{}, page: p.Handler()} {
		parts.Go(func() error { return serve(serving, l, h) })
	}
	w.past(time.Now())
	parts.Go(func() error { return w.zabbix.Run(ctx) })
	if o.Pace > 0 {
		parts.Go(func() error {
			if !pace.Pause(ctx, o.Pace, nil) { // the past is posted first
				return nil
			}
			w.zabbix.Story(ctx, o.Pace)
			w.zabbix.Everyday(ctx, 5*o.Pace, rand.New(rand.NewPCG(1, 2)))
			return nil
		})
	}
	parts.Go(func() error {
		defer stop()
		defer w.webex.Close()
		return w.relay.Run(ctx)
	})
	return parts.Wait()
}

// past gives the demo a history, for the memory in messages.
func (w *world) past(now time.Time) {
	triggers := w.zabbix.Triggers()
	for _, p := range []struct {
		trigger int
		ago     time.Duration
		lasted  time.Duration
		comment string
	}{
		{0, 26 * 24 * time.Hour, 41 * time.Minute, "patch cable in rack 4 was loose"},
		{3, 12 * 24 * time.Hour, 14 * time.Minute, "vacuum of the night, drains by itself"},
		{0, 3*24*time.Hour + 5*time.Hour, 12 * time.Minute, "the same cable, ordered a new one"},
		{3, 2*24*time.Hour + 3*time.Hour, 11 * time.Minute, "vacuum again, drains by itself"},
	} {
		w.zabbix.Past(triggers[p.trigger], now.Add(-p.ago), p.lasted, "bob", p.comment)
	}
}

// meters reads the metrics of the relay.
func (w *world) meters() Meters {
	var m Meters
	families, err := w.relay.Gatherer().Gather()
	if err != nil {
		return m
	}
	for _, f := range families {
		for _, metric := range f.GetMetric() {
			value := metric.GetCounter().GetValue() + metric.GetGauge().GetValue()
			label := map[string]string{}
			for _, l := range metric.GetLabel() {
				label[l.GetName()] = l.GetValue()
			}
			switch f.GetName() {
			case "alert_relay_events_total":
				if label["result"] != "refused" {
					m.Events += int64(value)
				}
			case "alert_relay_messages_total":
				if label["result"] == "ok" {
					m.Messages += int64(value)
				}
			case "alert_relay_posts_pending":
				m.Pending = int64(value)
			case "alert_relay_oldest_pending_seconds":
				m.Oldest = value
			}
		}
	}
	return m
}
