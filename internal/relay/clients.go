package relay

import (
	"context"
	"fmt"
	"net"
	"time"

	"nms-alert-relay/internal/action"
	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/chat"
	"nms-alert-relay/internal/command"
	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/delivery"
	"nms-alert-relay/internal/httpclient"
	"nms-alert-relay/internal/reconcile"
	"nms-alert-relay/internal/render"
	"nms-alert-relay/internal/webex"
	"nms-alert-relay/internal/zabbix"
)

// transports are how a configuration reaches its neighbours.
type transports struct {
	dial   func(ctx context.Context, network, address string) (net.Conn, error) // nil: the network
	webex  *httpclient.Transport
	zabbix map[string]*httpclient.Transport // by source, for those with an API token
	action map[string]*httpclient.Transport // by name
}

// newTransports makes the transports of a configuration. It takes those of before that would be the same, with their connections.
func newTransports(cfg *config.Config, before transports) (now transports, err error) {
	now.dial = before.dial
	renewed := func(old *httpclient.Transport, o httpclient.Options) (*httpclient.Transport, error) {
		o.Dial = now.dial
		if old != nil && old.Unchanged(o) {
			return old, nil
		}
		return httpclient.New(o)
	}
	now.webex, err = renewed(before.webex, httpclient.Options{ProxyURL: cfg.Webex.HTTP.ProxyURL.Reveal(), CAFile: cfg.Webex.HTTP.CAFile, CA: cfg.Webex.HTTP.CA, Key: "webex.api_url"})
	if err != nil {
		return now, fmt.Errorf("webex: %w", err)
	}
	now.zabbix = map[string]*httpclient.Transport{}
	for i, s := range cfg.Zabbix {
		if !s.APIToken.IsSet() {
			continue
		}
		o := zabbix.TransportOf(s, fmt.Sprintf("zabbix[%d].url", i))
		if now.zabbix[s.Name], err = renewed(before.zabbix[s.Name], o); err != nil {
			return now, fmt.Errorf("zabbix %q: %w", s.Name, err)
		}
	}
	now.action = map[string]*httpclient.Transport{}
	for i, a := range cfg.Actions {
		o := httpclient.Options{ProxyURL: a.HTTP.ProxyURL.Reveal(), CAFile: a.HTTP.CAFile, CA: a.HTTP.CA, Key: fmt.Sprintf("actions[%d].url", i)}
		if now.action[a.Name], err = renewed(before.action[a.Name], o); err != nil {
			return now, fmt.Errorf("action %q: %w", a.Name, err)
		}
	}
	return now, nil
}

// maxButtons is how many actions have a button on one card: three rows of them.
const maxButtons = 9

// buttonsOf returns the buttons of a problem's card for actions.
func buttonsOf(actions []*action.Action) func(alert.Problem) []render.Button {
	return func(p alert.Problem) (list []render.Button) {
		for _, a := range actions {
			if a.Button && len(list) < maxButtons && a.Fits(p) {
				list = append(list, render.Button{Action: string(command.Do), Title: a.Title, Value: a.Name})
			}
		}
		return list
	}
}

// clients are the clients of Webex, by bot, and of Zabbix, by source. A client stays the same for as long as its bot or source is
// configured: parts keep it, and a reload reconfigures it.
type clients struct {
	webex  map[string]*webex.Client
	zabbix map[string]*zabbix.Client
}

// connected returns the clients of a snapshot, and reconfigures those of before.
func (r *Relay) connected(s *snapshot, before clients) clients {
	now := clients{map[string]*webex.Client{}, map[string]*zabbix.Client{}}
	defer func() { r.rest.Store(&now.webex) }()
	for _, b := range s.cfg.Webex.Bots {
		o := webex.Options{
			BaseURL: s.cfg.Webex.APIURL, Token: b.Token.Reveal(), TokenFrom: b.Token.From(), Renew: renewed(b.Token), Transport: s.via.webex,
			Timeout: time.Duration(s.cfg.Webex.HTTP.Timeout), Version: r.version, Log: r.log, Observe: r.metrics.webex.For(b.Name),
		}
		if c := before.webex[b.Name]; c != nil {
			c.Reconfigure(o)
			now.webex[b.Name] = c
		} else {
			now.webex[b.Name] = webex.New(o)
		}
	}
	for _, source := range s.cfg.Zabbix {
		if !source.APIToken.IsSet() {
			continue
		}
		o := zabbix.OptionsOf(source)
		o.Token, o.TokenFrom, o.Renew, o.Transport = source.APIToken.Reveal(), source.APIToken.From(), renewed(source.APIToken), s.via.zabbix[source.Name]
		o.Log, o.Version, o.Observe, o.HeaderStripped = r.log, r.version, r.metrics.zabbix.For(source.Name), r.metrics.zabbix.HeaderFor(source.Name)
		if c := before.zabbix[source.Name]; c != nil {
			c.Reconfigure(o)
			now.zabbix[source.Name] = c
		} else {
			now.zabbix[source.Name] = zabbix.New(o)
		}
	}
	return now
}

// renewed returns a function that reads a token's file again, or nil if the token isn't from a file.
func renewed(s config.Secret) func() (string, error) {
	if !s.FromFile() {
		return nil
	}
	return s.Reread
}

// delivering returns the bots as delivery needs them, in the order of the configuration.
func (c clients) delivering(cfg *config.Config) (list []delivery.Bot) {
	for _, b := range cfg.Webex.Bots {
		list = append(list, delivery.Bot{Name: b.Name, Client: c.webex[b.Name]})
	}
	return list
}

// hearing returns the bots as chat needs them.
func (c clients) hearing(cfg *config.Config, d *delivery.Delivery) (list []chat.Bot) {
	for _, b := range cfg.Webex.Bots {
		list = append(list, chat.Bot{Name: b.Name, Listen: b.Listen, Services: c.webex[b.Name], Webex: c.webex[b.Name].Through(func(ctx context.Context, op string, call func() error) error {
			return d.CallPaced(ctx, b.Name, op, call)
		})})
	}
	return list
}

// each converts the clients to what a part needs of them.
func each[T any](sources map[string]*zabbix.Client, as func(*zabbix.Client) T) map[string]T {
	m := make(map[string]T, len(sources))
	for name, c := range sources {
		m[name] = as(c)
	}
	return m
}

func observer(c *zabbix.Client) reconcile.Observer { return c }
func lister(c *zabbix.Client) reconcile.Lister     { return c }
func acting(c *zabbix.Client) command.Zabbix       { return command.Acting(c) }
