package chat

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"nms-alert-relay/internal/command"
	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/webex"
	"nms-alert-relay/internal/webexid"
)

// Store is what chat needs of store.Store.
type Store interface {
	ClaimCommand(ctx context.Context, c store.Command) (bool, error)
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
	o Options

	mu       sync.Mutex
	secrets  map[string]string // by bot
	suspects map[string]bool   // bots of which a delivery had a wrong signature
}

// New makes one.
func New(o Options) *Listener {
	return &Listener{o: o, secrets: make(map[string]string), suspects: make(map[string]bool)}
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

// maxID is the longest id that a delivery may carry.
const maxID = 512

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
		l.mu.Lock()
		l.suspects[bot] = true
		l.mu.Unlock()
		l.o.Log.Warn("a webhook's signature is wrong: it isn't Webex's, or Webex has another secret (which is set again within minutes)", "bot", bot)
		return resultSignature, http.StatusUnauthorized
	}
	var e webex.Envelope
	if err := json.Unmarshal(body, &e); err != nil || e.Data.ID == "" || len(e.Data.ID) > maxID {
		l.o.Log.Warn("a webhook's body can't be read", "bot", bot, "error", err)
		return resultMalformed, http.StatusBadRequest
	}
	if reason := l.ignorable(bot, e); reason != "" {
		l.o.Metrics.ignored.WithLabelValues(bot, reason).Inc()
		l.o.Log.Debug("heard and ignored", "bot", bot, "id", e.Data.ID, "reason", reason)
		return resultIgnored, http.StatusOK
	}
	c := command.Claim(bot, e, time.Now())
	claimed, err := l.o.Store.ClaimCommand(ctx, c)
	switch {
	case err != nil:
		l.o.Log.Error("a command can't be kept", "bot", bot, "id", e.Data.ID, "error", err)
		return resultStore, http.StatusServiceUnavailable
	case !claimed:
		l.o.Log.Debug("heard again", "bot", bot, "id", e.Data.ID)
		return resultDuplicate, http.StatusOK
	}
	l.o.Log.Info("heard", "command", c.ID, "bot", bot, "resource", e.Resource)
	l.o.Commands.Add(c)
	return resultAccepted, http.StatusOK
}

// ignorable spares the store what is surely not for us, by the envelope alone.
// It only ever leaves out: whoever passes is looked at again when the message was read.
func (l *Listener) ignorable(bot string, e webex.Envelope) string {
	if e.Event != "created" || (e.Resource != resourceMessages && e.Resource != resourceActions) {
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
	case e.Data.PersonEmail != "" && !directory.Allowed(e.Data.PersonEmail):
		return ignoredPerson
	}
	return ""
}

// suspect says whether a delivery had a wrong signature since it was last asked.
func (l *Listener) suspect(bot string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	was := l.suspects[bot]
	delete(l.suspects, bot)
	return was
}
