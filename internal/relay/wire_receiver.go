package relay

import (
	"context"
	"time"

	"nms-alert-relay/internal/chat"
	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/receiver"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/webex"
)

// receiver makes the handler of the public listener. me returns the account of a bot.
func (r *Relay) receiver(ctx context.Context, cfg *config.Config, listener *chat.Listener, me func(ctx context.Context, bot string) (webex.Person, error)) (*receiver.Receiver, error) {
	key, err := linkKey(ctx, r.store)
	if err != nil {
		return nil, err
	}
	o := receiver.Options{
		PublicURL: cfg.Server.PublicURL, LinkKey: key,
		Intake: intake{r}, Notices: notices{r}, Webhooks: listener,
		Links: locator{r.store, func() *config.Config { return r.live.Load().cfg }, me},
		Log:   r.log, Metrics: r.metrics.receiver,
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

// intake is where the receiver's events go.
type intake struct{ relay *Relay }

func (i intake) Append(ctx context.Context, e store.Entry) (id int64, err error) {
	return i.relay.store.Append(ctx, e)
}

func (i intake) Test(source, sendTo string) (rooms, unknown []string) {
	return i.relay.testRooms(source, sendTo, time.Now()), i.relay.live.unknown(source, sendTo)
}

func (i intake) Refused(source, kind string) { i.relay.metrics.ledger.Refused(source, kind) }

// notices is where the receiver's notices go.
type notices struct{ relay *Relay }

func (n notices) AddNotice(ctx context.Context, notice store.Notice) (id int64, err error) {
	return n.relay.store.AddNotice(ctx, notice)
}

func (n notices) BotOf(room string) string { return n.relay.live.botOf(room) }
