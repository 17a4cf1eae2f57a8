package relay

import (
	"crypto/tls"
	"sync"
	"sync/atomic"
	"time"

	"nms-alert-relay/internal/action"
	"nms-alert-relay/internal/admin"
	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/binding"
	"nms-alert-relay/internal/command"
	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/delivery"
	"nms-alert-relay/internal/history"
	"nms-alert-relay/internal/httpclient"
	incidents "nms-alert-relay/internal/incident"
	"nms-alert-relay/internal/ledger"
	"nms-alert-relay/internal/render"
	"nms-alert-relay/internal/route"
	"nms-alert-relay/internal/store"
)

// snapshot is a configuration and what is compiled from it. It is immutable: another configuration is another snapshot.
type snapshot struct {
	cfg      *config.Config
	router   *route.Router
	renderer *render.Renderer
	rooms    delivery.Rooms
	fallback func(room string) (string, bool)
	grouping func(room string) ledger.Grouping
	names    command.Names
	actions  []*action.Action
	via      transports

	publicTLS, adminTLS *tls.Config // nil: plain HTTP
	access              admin.Access
}

// newSnapshot compiles a configuration. It reads no file but the templates: their digests are older than what it reads, so that a later
// change is noticed. It registers no metrics and touches no running part, so a faulty configuration leaves
// everything as it was. before are the transports in use, to keep their connections. problem looks up a problem that a message refers
// to; failed is called for each custom template that fails. act makes an action.
func newSnapshot(cfg *config.Config, before transports, problem func(alert.Key) (alert.Problem, bool), failed func(template string, err error),
	act func(config.Action, *httpclient.Transport) (*action.Action, error),
) (*snapshot, error) {
	router, err := route.New(cfg)
	if err != nil {
		return nil, err
	}
	via, err := newTransports(cfg, before)
	if err != nil {
		return nil, err
	}
	actions := make([]*action.Action, len(cfg.Actions))
	for i, a := range cfg.Actions {
		if actions[i], err = act(a, via.action[a.Name]); err != nil {
			return nil, err
		}
	}
	o := render.OptionsOf(cfg)
	o.Problem, o.TemplateFailed, o.Buttons = problem, failed, buttonsOf(actions)
	renderer, err := render.New(o)
	if err != nil {
		return nil, err
	}
	s := &snapshot{cfg: cfg, via: via, actions: actions, router: router, renderer: renderer, rooms: delivery.RoomsOf(cfg), fallback: delivery.FallbackOf(cfg), grouping: groupingOf(cfg)}
	s.publicTLS = tlsOf(cfg.Server.TLS, tls.RequireAndVerifyClientCert)
	// Probes have no certificate: the handler decides who needs one.
	s.adminTLS = tlsOf(cfg.Server.AdminTLS, tls.VerifyClientCertIfGiven)
	s.access = admin.Access{Tokens: revealed(cfg.Server.AdminTokens), Authorities: cfg.Server.AdminTLS.ClientCAs}
	s.names = command.Names{Sources: make(map[string]string, len(cfg.Zabbix)), Relay: cfg.Server.PublicURL}
	for _, source := range cfg.Zabbix {
		s.names.Sources[source.Name] = source.Links()
	}
	return s, nil
}

// live is the current snapshot. Parts are given its methods and keep nothing of what these return, so that a swap reaches all of
// them at once.
type live struct {
	atomic.Pointer[snapshot]
	bindings  *binding.Keeper
	incidents *incidents.Keeper
	mu        sync.Mutex // held while another snapshot is made current: use, rebind
}

func (l *live) settings(room, rule string) (delivery.RoomSettings, bool) {
	if binding.IsSpace(room) {
		return l.space(room, rule)
	}
	return l.Load().rooms(room, rule)
}

// graphs reports whether a problem of this severity gets a graph in a room by a route, and how the room is.
func (l *live) graphs(room, rule string, s alert.Severity) (history.Room, bool) {
	settings, ok := l.Load().rooms(room, rule)
	return history.Room{Bot: settings.Bot, Zone: settings.Location, Lang: settings.Lang}, ok && settings.Graph.Wants(s)
}

func (l *live) fallback(room string) (string, bool)   { return l.Load().fallback(room) }
func (l *live) renderer() delivery.Renderer           { return l.Load().renderer }
func (l *live) timing(room, rule string) route.Timing { return l.Load().router.Timing(room, rule) }

// muting adds the mutes to the timing of the routes.
func muting(timing func(room, rule string) route.Timing, mutes *command.Mutes) func(room, rule string) route.Timing {
	return func(room, rule string) route.Timing {
		return mutes.Muting(timing(room, rule), rule)
	}
}

func (l *live) orphanWait() time.Duration { return time.Duration(l.Load().cfg.Delivery.OrphanWait) }
func (l *live) asks(source string) bool   { return l.Load().via.zabbix[source] != nil }
func (l *live) config() *config.Config    { return l.Load().cfg }
func (l *live) botOf(room string) string  { return l.Load().cfg.BotOf(room) }

// bots returns the rooms, and store.OtherRooms, with their bots.
func (l *live) bots() map[string]string {
	cfg := l.Load().cfg
	bots := map[string]string{store.OtherRooms: cfg.BotOf("")}
	for _, room := range cfg.Rooms {
		bots[room.Name] = room.Bot
	}
	return bots
}

func (l *live) unknown(source, sendTo string) []string {
	return l.Load().router.Unknown(source, sendTo)
}

// view is what commands see of the configuration.
func (l *live) view() command.View {
	s := l.Load()
	return command.View{
		Directory: directory{s.cfg, l}, Incident: l.incidentSettings(), Rooms: s.cfg.Rooms, Routes: s.cfg.Routes, Defaults: s.cfg.DefaultRooms, People: s.cfg.People, Scripts: s.cfg.Scripts, Actions: s.actions,
		Expiry: time.Duration(s.cfg.Command.Expiry), Location: s.cfg.TimeZone.Location, Language: s.cfg.Language,
		Names: s.names, Several: len(s.cfg.Zabbix) > 1, Renderer: s.renderer,
		Routing: s.router, BotOf: s.cfg.BotOf,
		Settings: func(room, rule string) (render.Room, bool) {
			settings, ok := l.settings(room, rule)
			return settings.Room, ok
		},
	}
}

func (l *live) targets(p alert.Problem, sendTo string, now time.Time) []route.Target {
	return l.Load().router.Rooms(p, sendTo, now)
}
