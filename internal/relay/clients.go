package relay

import (
	"context"
	"fmt"
	"time"

	"nms-alert-relay/internal/chat"
	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/delivery"
	"nms-alert-relay/internal/httpclient"
	"nms-alert-relay/internal/webex"
	"nms-alert-relay/internal/zabbix"
)

// bot is one Webex account and its client.
type bot struct {
	config.Bot
	client *webex.Client
}

type bots []bot

func (r *Relay) bots(cfg *config.Config) (bots, error) {
	transport, err := httpclient.New(httpclient.Options{ProxyURL: cfg.Webex.HTTP.ProxyURL.Reveal(), CAFile: cfg.Webex.HTTP.CAFile, Key: "webex.api_url"})
	if err != nil {
		return nil, fmt.Errorf("webex: %w", err)
	}
	var list bots
	for _, b := range cfg.Webex.Bots {
		list = append(list, bot{b, webex.New(webex.Options{
			BaseURL: cfg.Webex.APIURL, Token: b.Token.Reveal(), TokenFrom: b.Token.From(), Renew: renewed(b.Token), Transport: transport, Timeout: time.Duration(cfg.Webex.HTTP.Timeout), Version: r.version, Log: r.log,
			Observe: r.metrics.webex.For(b.Name),
		})})
	}
	return list, nil
}

// renewed returns a function that reads a token's file again, or nil if the token isn't from a file.
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
		list = append(list, chat.Bot{Name: one.Name, Listen: one.Listen, Webex: one.client.Through(func(ctx context.Context, op string, call func() error) error {
			return d.CallPaced(ctx, one.Name, op, call)
		})})
	}
	return list
}

// sources makes a client for each source that has an API token.
func (r *Relay) sources(cfg *config.Config) (map[string]*zabbix.Client, error) {
	clients := map[string]*zabbix.Client{}
	for i, s := range cfg.Zabbix {
		if !s.APIToken.IsSet() {
			continue
		}
		transport, err := httpclient.New(httpclient.Options{ProxyURL: s.HTTP.ProxyURL.Reveal(), CAFile: s.HTTP.CAFile, Key: fmt.Sprintf("zabbix[%d].url", i)})
		if err != nil {
			return nil, fmt.Errorf("zabbix %q: %w", s.Name, err)
		}
		clients[s.Name] = zabbix.New(zabbix.Options{
			URL: s.URL, Token: s.APIToken.Reveal(), TokenFrom: s.APIToken.From(), Renew: renewed(s.APIToken), Transport: transport, Timeout: time.Duration(s.HTTP.Timeout), Log: r.log,
			Version: r.version, Observe: r.metrics.zabbix.For(s.Name), HeaderStripped: r.metrics.zabbix.HeaderFor(s.Name),
		})
	}
	return clients, nil
}

// each converts the clients to what a part needs of them.
func each[T any](sources map[string]*zabbix.Client, as func(*zabbix.Client) T) map[string]T {
	m := make(map[string]T, len(sources))
	for name, c := range sources {
		m[name] = as(c)
	}
	return m
}
