package relay

import (
	"context"
	"fmt"
	"time"

	"nms-alert-relay/internal/chat"
	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/ledger"
	"nms-alert-relay/internal/receiver"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/webex"
	"nms-alert-relay/internal/zabbix"
)

// receiver makes what the public listener serves. me returns the account of a bot.
func (r *Relay) receiver(ctx context.Context, cfg *config.Config, listener *chat.Listener, me func(ctx context.Context, bot string) (webex.Person, error)) (*receiver.Receiver, error) {
	key, err := linkKey(ctx, r.store)
	if err != nil {
		return nil, err
	}
	o := receiver.Options{
		PublicURL: cfg.Server.PublicURL, LinkKey: key,
		Journal: r.store, Notices: r.store, Hook: listener, Locator: locator{r.store, func() *config.Config { return r.live.Load().cfg }, me},
		TestRooms: func(source string, payload zabbix.Payload) []string {
			return r.testRooms(source, payload.Macro("alert.sendto"), time.Now())
		},
		UnknownSendTo: r.live.unknown,
		BotOf:         r.live.botOf,
		Refused:       r.metrics.ledger.Refused,
		Log:           r.log, Metrics: r.metrics.receiver,
	}
	for _, s := range cfg.Zabbix {
		src := receiver.Source{Name: s.Name}
		for _, secret := range s.Secrets {
			src.Secrets = append(src.Secrets, secret.Reveal())
		}
		o.Sources = append(o.Sources, src)
	}
	for _, n := range cfg.Notify {
		o.Senders = append(o.Senders, receiver.Sender{Name: n.Name, Token: n.Token.Reveal(), Rooms: n.Rooms, Persons: n.Persons})
	}
	return receiver.New(o), nil
}

// decode reads a payload out of the journal, by its source's time zone.
func (r *Relay) decode(e store.Entry) (ledger.Decoded, error) {
	payload, faults := zabbix.Parse(e.Payload)
	if len(faults) > 0 {
		return ledger.Decoded{}, fmt.Errorf("the payload can't be used: %w", faults)
	}
	if payload.Test {
		return ledger.Decoded{Test: true, SendTo: payload.Macro("alert.sendto")}, nil
	}
	d := zabbix.DecodeOptions{Source: e.Source, ReceivedAt: e.ReceivedAt}
	if s, ok := r.live.Load().cfg.Source(e.Source); ok {
		d.Location = s.TimeZone.Location
	}
	event, err := payload.Event(d)
	return ledger.Decoded{Event: event, SendTo: event.SendTo}, err
}
