package relay

import (
	"time"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/receiver"
	"nms-alert-relay/internal/render"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/text"
)

// receiver makes the handler of the public listener.
func (r *Relay) receiver(cfg *config.Config) *receiver.Receiver {
	in := inbound{r.store, r}
	o := receiver.Options{
		PublicURL: cfg.Server.PublicURL, LinkKey: r.linkKey,
		Intake: in, Notices: in, Webhooks: r.parts.listener,
		Links:      locator{r.store, r.live.config, r.parts.reader.Me},
		Heartbeats: r.parts.heartbeats, Label: func(room string, s alert.Severity) string { return render.Label(r.live.Load().cfg.LanguageOf(room), s) },
		Log: r.log, Metrics: r.metrics.receiver, Limits: r.limits, Trace: r.tracer,
	}
	for _, s := range cfg.Zabbix {
		o.Sources = append(o.Sources, receiver.Source{Name: s.Name, Secrets: revealed(s.Secrets)})
	}
	for _, n := range cfg.Notify {
		o.Senders = append(o.Senders, receiver.Sender{
			Name: n.Name, Tokens: revealed(n.Tokens), Rooms: n.Rooms, Persons: n.Persons,
			MentionAll: n.MentionAll, MaxFile: int64(n.MaxFileMiB) << 20, PerMinute: n.PerMinute,
		})
	}
	return receiver.New(o)
}

func revealed(secrets []config.Secret) []string { return text.Names(secrets, config.Secret.Reveal) }

// inbound is where the receiver's events and notices go.
type inbound struct {
	store.Store
	relay *Relay
}

func (i inbound) Test(source, sendTo string) (rooms, unknown []string) {
	return i.relay.testRooms(source, sendTo, time.Now()), i.relay.live.unknown(source, sendTo)
}

func (i inbound) Refused(source, kind string) { i.relay.metrics.ledger.Refused(source, kind) }

func (i inbound) BotOf(room string) string { return i.relay.live.botOf(room) }
