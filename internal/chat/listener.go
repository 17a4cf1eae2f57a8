package chat

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"nms-alert-relay/internal/command"
	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/logging"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/webex"
	"nms-alert-relay/internal/webexid"
)

// Store is what chat needs of store.Store.
type Store interface {
	ClaimCommand(ctx context.Context, c store.Command) (bool, error)
	Command(ctx context.Context, id string) (store.Command, error)
	Value(ctx context.Context, name string) (string, error)
	SetValue(ctx context.Context, name, value string) error
}

// Commands carries out what was claimed: command.Executor.
type Commands interface{ Add(c store.Command) }

// Options make a Listener. All are needed.
type Options struct {
	Reader    *Reader
	Commands  Commands
	Store     Store
	PublicURL string // server.public_url
	Log       *slog.Logger
	Metrics   *Metrics
}

// Listener hears the bots' rooms by webhook.
type Listener struct {
	o         Options
	strangers *logging.Limited // what anybody can cause
	strange   *logging.Once    // rooms that aren't configured, by bot

	mu       sync.Mutex
	secrets  map[string]string // by bot
	suspects map[string]bool   // bots of which a delivery had a wrong signature
}

// maxStrange bounds how many rooms that aren't configured are remembered.
const maxStrange = 1000

// New makes one.
func New(o Options) *Listener {
	return &Listener{o: o, strangers: logging.NewLimited(o.Log, time.Minute), strange: logging.NewOnce(maxStrange), secrets: make(map[string]string), suspects: make(map[string]bool)}
}

// Run keeps each bot's webhooks as they should be until ctx ends.
func (l *Listener) Run(ctx context.Context) error {
	var loops sync.WaitGroup
	for _, bot := range l.o.Reader.bots {
		switch bot.Listen {
		case config.ListenWebhook:
			loops.Go(func() { l.keepWebhooks(ctx, bot) })
		case config.ListenWebsocket:
			l.o.Log.Warn("listen: websocket isn't there yet: the bot hears nothing. What works now is listen: webhook, with server.public_url", "bot", bot.Name)
		}
	}
	loops.Wait()
	<-ctx.Done()
	return nil
}

// Listens says whether the bot listens by webhook: if not, there is nothing to read.
func (l *Listener) Listens(bot string) bool {
	b, ok := l.o.Reader.bots[bot]
	return ok && b.Listen == config.ListenWebhook
}

// Deliver takes one delivery of Webex for a bot: the request's header and its
// raw body. It gives the HTTP status to answer with. A 2xx says that what was heard is on
// disk; it is read and carried out afterwards. 401: the signature is wrong. 404: no such
// bot, or it doesn't listen by webhook. 503: the store can't take it.
func (l *Listener) Deliver(ctx context.Context, bot string, header http.Header, body []byte) int {
	if !l.Listens(bot) {
		return http.StatusNotFound
	}
	result, status := l.deliver(ctx, bot, header, body)
	l.o.Metrics.webhooks.WithLabelValues(bot, result).Inc()
	return status
}

// The results of deliveries: the values of the metric's label.
const (
	resultAccepted  = "accepted"
	resultDuplicate = "duplicate"
	resultIgnored   = "ignored"
	resultSignature = "bad_signature"
	resultMalformed = "malformed"
	resultStore     = "store_failed"
)

var deliveryResults = [...]string{resultAccepted, resultDuplicate, resultIgnored, resultSignature, resultMalformed, resultStore}

func (l *Listener) deliver(ctx context.Context, bot string, header http.Header, body []byte) (result string, status int) {
	secret, err := l.knownSecret(ctx, bot)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		l.o.Log.Error("the webhooks' secret can't be read", "bot", bot, "error", err)
		return resultStore, http.StatusServiceUnavailable
	}
	if !webex.CheckSignature(secret, body, header.Get(webex.SignatureHeader)) {
		l.suspected(bot)
		l.strangers.Warn(resultSignature, "a webhook's signature is wrong: it isn't Webex's, a proxy changed the body, or Webex has another secret (which is set again within minutes)", "bot", bot)
		return resultSignature, http.StatusUnauthorized
	}
	e, err := parseEnvelope(body)
	if err != nil {
		l.strangers.Warn(resultMalformed, "a webhook's body can't be read", "bot", bot, "error", err)
		return resultMalformed, http.StatusBadRequest
	}
	if reason := l.ignorable(bot, e); reason != "" {
		l.o.Metrics.ignored.WithLabelValues(bot, reason).Inc()
		l.o.Log.Debug("heard and ignored", "bot", bot, "id", e.Data.ID, "reason", reason)
		if reason == ignoredRoom && e.Data.RoomID != "" && l.strange.First(bot+" "+webexid.Key(e.Data.RoomID)) {
			l.o.Log.Info("the bot was mentioned in a room that isn't configured, and ignored it: to serve the room, add its id to rooms", "bot", bot, "room_id", e.Data.RoomID)
		}
		return resultIgnored, http.StatusOK
	}
	c, claimed, err := l.claim(ctx, bot, e)
	switch {
	case err != nil:
		l.o.Log.Error("a command can't be stored: Webex is asked to deliver it again", "bot", bot, "id", e.Data.ID, "error", err)
		return resultStore, http.StatusServiceUnavailable
	case !claimed:
		l.o.Log.Debug("heard again", "bot", bot, "id", e.Data.ID, "event", e.Event)
		return resultDuplicate, http.StatusOK
	}
	l.o.Log.Info("heard", "command", c.ID, "bot", bot, "resource", e.Resource, "event", e.Event)
	l.o.Commands.Add(c)
	return resultAccepted, http.StatusOK
}

// claim stores what was heard before Webex gets its answer; claimed is false where that was
// done before. An edited message is claimed as the next version of what was said, as long as
// none of the versions before led to anything.
func (l *Listener) claim(ctx context.Context, bot string, e webex.Envelope) (c store.Command, claimed bool, err error) {
	c = command.Claim(bot, e, time.Now())
	if e.Event != eventUpdated {
		claimed, err = l.o.Store.ClaimCommand(ctx, c)
		return c, claimed, err
	}
	for version := range command.MaxVersions {
		c.ID = command.VersionID(e.Data.ID, version)
		switch before, err := l.o.Store.Command(ctx, c.ID); {
		case errors.Is(err, store.ErrNotFound):
			if claimed, err = l.o.Store.ClaimCommand(ctx, c); claimed || err != nil {
				return c, claimed, err
			}
		case err != nil:
			return c, false, err
		case !command.CountsAgain(before):
			return c, false, nil
		}
	}
	return c, false, nil
}

// ignorable spares the store what is surely not for us, by the envelope alone.
// It only ever leaves out: whoever passes is looked at again when the message was read.
func (l *Listener) ignorable(bot string, e webex.Envelope) string {
	switch {
	case e.Event == eventCreated && (e.Resource == resourceMessages || e.Resource == resourceActions):
	case e.Event == eventUpdated && e.Resource == resourceMessages:
	default:
		return ignoredResource
	}
	me, known := l.o.Reader.ownAccount(bot)
	directory := l.o.Reader.directory()
	_, configured := directory.RoomByID(e.Data.RoomID)
	switch {
	case known && webexid.Same(e.Data.PersonID, me.ID):
		return ignoredOwn
	case botAddress(e.Data.PersonEmail):
		return ignoredBot
	case e.Data.RoomType == "group" && !configured:
		return ignoredRoom
	}
	// The address in the envelope is one of the person's; another may be allowed.
	if person, ok := l.o.Reader.people.lately(e.Data.PersonID); ok && directory.AddressOf(person.Emails) == "" {
		return ignoredPerson
	}
	return ""
}

// suspected remembers that Webex may have another secret.
func (l *Listener) suspected(bot string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.suspects[bot] = true
}

// suspect says whether a delivery had a wrong signature since it was last asked.
func (l *Listener) suspect(bot string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	was := l.suspects[bot]
	delete(l.suspects, bot)
	return was
}
