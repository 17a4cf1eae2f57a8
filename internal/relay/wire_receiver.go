package relay

import (
	"context"
	"time"

	"nms-alert-relay/internal/chat"
	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/receiver"
	"nms-alert-relay/internal/webex"
	"nms-alert-relay/internal/zabbix"
)

// receiver makes the handler of the public listener. me returns the account of a bot.
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
