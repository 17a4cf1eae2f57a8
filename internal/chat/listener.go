package chat

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"time"

	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/logging"
	"nms-alert-relay/internal/pace"
	"nms-alert-relay/internal/roster"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/webex"
)

// Store is the part of store.Store that the upkeep of webhooks and websockets needs, and catching up.
type Store interface {
	Value(ctx context.Context, name string) (string, error)
	SetValue(ctx context.Context, name, value string) error
	CardRooms(ctx context.Context) ([]string, error)
	CardNotices(ctx context.Context, since time.Time) ([]store.Notice, error)
	RecentCommands(ctx context.Context, since, createdSince time.Time) ([]store.Command, error)
	AddNotice(ctx context.Context, n store.Notice) (id int64, err error)
}

// Options configure a Listener. All are required.
type Options struct {
	Reader    *Reader
	Inbox     *Inbox
	Store     Store
	PublicURL func() string // server.public_url
	U2CURL    func() string // webex.u2c_url
	// MissedPresses are the messages that ask people to press again what they pressed between two times: in a room, or in the direct
	// chat of a bot.
	MissedPresses func(in CardPlace, from, to time.Time) []store.Notice
	Log           *slog.Logger
	Metrics       *Metrics
}

// Listener receives Webex's webhooks and keeps them registered, keeps the websockets of bots that listen by websocket, and reads what
// either missed.
type Listener struct {
	o         Options
	strangers *logging.Limited // for log lines that anybody can cause

	hooked   roster.Roster[chan struct{}] // bots that listen by webhook; the channel wakes the bot's next check
	catchers roster.Roster[*catcher]      // bots that listen in either way
	sockets  roster.Roster[chan struct{}] // bots that listen by websocket; the channel wakes the bot's loop
	storeID  sync.Mutex                   // held while the store's id is read or made
	secrets  sync.Map                     // by bot
	suspects sync.Map                     // bots that got a delivery with a wrong signature, so that Webex may have another secret
}

// New makes a Listener.
func New(o Options) *Listener {
	l := &Listener{o: o, strangers: logging.NewLimited(o.Log, time.Minute)}
	l.hook()
	return l
}

// SetBots makes these the bots, while the listener runs too, and checks their webhooks: their targets may have changed.
func (l *Listener) SetBots(bots []Bot) {
	l.o.Reader.setBots(bots)
	for _, members := range []*roster.Roster[chan struct{}]{&l.hooked, &l.sockets} {
		for _, woken := range members.All() {
			pace.Wake(woken)
		}
	}
	l.hook()
	for bot := range l.catchers.All() {
		l.CatchUp(bot, catchUpReload)
	}
}

func (l *Listener) hook() {
	waker := func(string) chan struct{} { return make(chan struct{}, 1) }
	byWebhook, bySocket := l.o.Reader.listening(config.ListenWebhook), l.o.Reader.listening(config.ListenWebsocket)
	l.catchers.Set(slices.Concat(byWebhook, bySocket), newCatcher) // first: the others need them
	l.hooked.Set(byWebhook, waker)
	l.sockets.Set(bySocket, waker)
}

// Run keeps each bot's webhooks or websocket, and catches up, until ctx ends.
func (l *Listener) Run(ctx context.Context) error {
	var running sync.WaitGroup
	running.Go(func() { l.hooked.Run(ctx, l.keepWebhooks) })
	running.Go(func() { l.catchers.Run(ctx, l.keepCaughtUp) })
	running.Go(func() { l.sockets.Run(ctx, l.keepSocket) })
	running.Wait()
	return nil
}

// Listens reports whether the bot listens by webhook.
func (l *Listener) Listens(bot string) bool {
	_, ok := l.hooked.Get(bot)
	return ok
}

// Deliver takes a webhook's request for a bot and returns the HTTP status to answer with: 2xx once the
// delivery is on disk or needs no attention, 401 for a wrong signature, 404 for a bot that doesn't listen by
// webhook, 503 if the store fails.
func (l *Listener) Deliver(ctx context.Context, bot string, header http.Header, body []byte) int {
	if !l.Listens(bot) {
		return http.StatusNotFound
	}
	result, status := l.deliver(ctx, bot, header, body)
	l.o.Metrics.webhooks.WithLabelValues(bot, result).Inc()
	return status
}

// The results of a webhook's delivery, besides those of the inbox.
const (
	resultSignature = "bad_signature"
	resultMalformed = "malformed"
)

var deliveryResults = [...]string{resultAccepted, resultDuplicate, resultIgnored, resultSignature, resultMalformed, resultStore}

func (l *Listener) deliver(ctx context.Context, bot string, header http.Header, body []byte) (result string, status int) {
	secret, err := l.storedSecret(ctx, bot)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		l.o.Log.Error("cannot read the webhooks' secret", "bot", bot, "error", err)
		return resultStore, http.StatusServiceUnavailable
	}
	if !webex.CheckSignature(secret, body, header.Get(webex.SignatureHeader)) {
		l.suspects.Store(bot, true)
		l.strangers.Warn(resultSignature, "a webhook has a wrong signature: it isn't from Webex, a proxy changed its body, or Webex has another secret (which is set again within minutes)", "bot", bot)
		return resultSignature, http.StatusUnauthorized
	}
	e, err := parseEnvelope(body)
	if err != nil {
		l.strangers.Warn(resultMalformed, "cannot read a webhook's body", "bot", bot, "error", err)
		return resultMalformed, http.StatusBadRequest
	}
	if result, err = l.o.Inbox.Deliver(ctx, bot, e); err != nil {
		return result, http.StatusServiceUnavailable
	}
	return result, http.StatusOK
}

// maxID is the longest id that a delivery may carry.
const maxID = 512

// parseEnvelope reads the body of a delivery. Only the id, the resource and the event must be valid: other fields of an
// unexpected type are ignored.
func parseEnvelope(body []byte) (e webex.Envelope, err error) {
	if err := json.Unmarshal(body, &e); err != nil && !errors.As(err, new(*json.UnmarshalTypeError)) {
		return e, err
	}
	switch n := len(e.Data.ID); {
	case e.Resource == "" || e.Event == "":
		return e, errors.New("resource or event is missing or not a string")
	case n == 0:
		return e, errors.New("data.id is missing or not a string")
	case n > maxID:
		return e, fmt.Errorf("data.id has %d bytes, expected at most %d", n, maxID)
	}
	return e, nil
}
