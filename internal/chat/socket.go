package chat

import (
	"context"
	"crypto/rand"
	"errors"
	mathrand "math/rand/v2"
	"strings"
	"sync/atomic"
	"time"

	"nms-alert-relay/internal/pace"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/webex"
	"nms-alert-relay/internal/webex/socket"
	"nms-alert-relay/internal/webexid"
)

const (
	// renewEvery is how long a websocket is used before another one replaces it, and its device's registration is refreshed.
	renewEvery = 12 * time.Hour
	// renewRetry is the wait after a renewal that failed: the old websocket still works.
	renewRetry = time.Minute
)

var eventResults = [...]string{resultAccepted, resultDuplicate, resultIgnored, resultStore}

// line is a bot's websocket over time.
type line struct {
	l      *Listener
	name   string
	bot    Bot // of the configuration when the websocket was opened
	device socket.Device
	woken  chan struct{}
	signs  *signs
	serves atomic.Bool // frames are signs that the bot hears
}

// keepSocket keeps a bot's websocket open until ctx ends. While it fails, the relay runs on: the bot posts, and catching up reads its
// rooms from time to time.
func (l *Listener) keepSocket(ctx context.Context, name string, woken chan struct{}) {
	defer func() {
		if _, listens := l.sockets.Get(name); !listens {
			l.o.Metrics.connected.DeleteLabelValues(name)
			l.o.Metrics.lastFrame.DeleteLabelValues(name)
		}
	}()
	catcher, known := l.catchers.Get(name)
	if !known { // removed: ctx ends now
		<-ctx.Done()
		return
	}
	ln := line{l: l, name: name, woken: woken, signs: &catcher.signs}
	course, step := socket.Course{}, socket.Step{Register: true}
	for ctx.Err() == nil {
		var known bool
		if ln.bot, known = l.o.Reader.bot(name); !known { // removed: ctx ends now
			<-ctx.Done()
			return
		}
		heard := l.lastSign(ctx, name, ln.signs)
		session, end := ln.open(ctx, step)
		opened := time.Now()
		if session != nil {
			end = ln.serve(ctx, session, heard)
		}
		if ctx.Err() != nil {
			return
		}
		course, step = course.Next(end, time.Since(opened), mathrand.Float64())
		ln.report(end, step.Wait)
		pace.Pause(ctx, step.Wait, woken)
	}
}

// open opens a websocket, and refreshes the bot's device before if the step says so.
func (ln *line) open(ctx context.Context, step socket.Step) (*socket.Session, socket.End) {
	if step.Register {
		device, err := ln.register(ctx, step.Fresh)
		if err != nil {
			return nil, socket.RegistrationEnd(err)
		}
		ln.device = device
	}
	frames := ln.l.o.Metrics.lastFrame.WithLabelValues(ln.name)
	seen := func() {
		frames.SetToCurrentTime()
		if ln.serves.Load() {
			ln.signs.sign()
		}
	}
	return socket.Open(ctx, ln.bot.Services, ln.device, ln.l.o.Log.With("bot", ln.name), seen)
}

func (ln *line) register(ctx context.Context, fresh bool) (socket.Device, error) {
	me, err := ln.l.o.Reader.Me(ctx, ln.name)
	if err != nil {
		return socket.Device{}, err
	}
	id, err := ln.l.idOfStore(ctx)
	if err != nil {
		return socket.Device{}, err
	}
	kept := "webex/" + webexid.Key(me.ID) + "/device" // of the account: a bot's token may be another account's some day
	registry := socket.Registry{
		API: ln.bot.Services, U2C: ln.l.o.U2CURL(), StoreID: id,
		Load: func(ctx context.Context) (string, error) { return ln.l.value(ctx, kept) },
		Keep: func(ctx context.Context, url string) error { return ln.l.o.Store.SetValue(ctx, kept, url) },
	}
	return registry.Register(ctx, fresh)
}

// value returns a value of the store, "" if there is none.
func (l *Listener) value(ctx context.Context, name string) (string, error) {
	value, err := l.o.Store.Value(ctx, name)
	if errors.Is(err, store.ErrNotFound) {
		return "", nil
	}
	return value, err
}

// StoreIDName is the store's key for the id that names the relay's devices at Webex.
const StoreIDName = "store-id"

// idOfStore returns the store's id. It is made if there is none.
func (l *Listener) idOfStore(ctx context.Context) (string, error) {
	l.storeID.Lock()
	defer l.storeID.Unlock()
	id, err := l.value(ctx, StoreIDName)
	if id != "" || err != nil {
		return id, err
	}
	id = strings.ToLower(rand.Text())
	return id, l.o.Store.SetValue(ctx, StoreIDName, id)
}

// serve serves a websocket and those that replace it by plan, until one ends otherwise. The next one is open before the last one is
// closed; what both receive is claimed once. heard is when the bot heard last before.
func (ln *line) serve(ctx context.Context, session *socket.Session, heard time.Time) socket.End {
	metrics := ln.l.o.Metrics
	connected := metrics.connected.WithLabelValues(ln.name)
	defer connected.Set(0)
	connected.Set(1)
	ln.l.o.Log.Info("websocket connected", "bot", ln.name)
	ln.signs.hearsAgain(heard)
	ln.serves.Store(true)
	defer ln.serves.Store(false)
	ln.l.CatchUp(ln.name, catchUpSocket)
	for {
		running, stop := context.WithCancel(ctx)
		ended := make(chan socket.End, 1)
		go func() { ended <- session.Serve(running, ln.deliver) }()
		next, end := ln.replace(ctx, session, ended)
		stop()
		if next == nil {
			return end
		}
		<-ended
		metrics.reconnects.WithLabelValues(ln.name, string(socket.Renewed)).Inc()
		ln.l.o.Log.Info("websocket renewed", "bot", ln.name)
		session = next
	}
}

// replace waits until a websocket is due to be replaced, and returns the next one; or it returns nil and how the websocket ended.
func (ln *line) replace(ctx context.Context, session *socket.Session, ended <-chan socket.End) (*socket.Session, socket.End) {
	due := time.NewTimer(renewEvery)
	defer due.Stop()
	shutdown, tried := session.Shutdown(), false
	for {
		select {
		case end := <-ended:
			if tried && end.Reason == socket.Replaced { // by our own attempt, which failed then
				end.Reason = socket.Lost
			}
			return nil, end
		case <-shutdown:
			shutdown = nil
		case <-ln.woken: // the configuration has changed
			if bot, known := ln.l.o.Reader.bot(ln.name); known {
				ln.bot = bot
			}
		case <-due.C:
		}
		next, end := ln.open(ctx, socket.Step{Register: true})
		if next != nil {
			return next, end
		}
		tried = true
		ln.report(end, renewRetry)
		due.Reset(renewRetry)
	}
}

// deliver claims an event. After an error Webex sends it again.
func (ln *line) deliver(ctx context.Context, e webex.Envelope) error {
	result, err := ln.l.o.Inbox.Deliver(ctx, ln.name, e)
	ln.l.o.Metrics.events.WithLabelValues(ln.name, result).Inc()
	return err
}

// report counts and logs the end of a websocket, or a failed attempt to open one.
func (ln *line) report(end socket.End, wait time.Duration) {
	ln.l.o.Metrics.reconnects.WithLabelValues(ln.name, string(end.Reason)).Inc()
	log := ln.l.o.Log.With("bot", ln.name, "reason", end.Reason, "retry_in", wait.Round(time.Millisecond), "error", end.Err)
	switch end.Reason {
	case socket.Replaced:
		log.Error("another program uses the bot's websocket: this relay leaves it alone for a while, and reads the rooms now and then instead. Is there a second relay with a copy of this store?")
	case socket.Unauthorized, socket.Forbidden:
		log.Error("Webex refuses the bot a websocket, so it hears the rooms only now and then")
	case socket.Closed:
		log.Info("the websocket was closed: connecting again")
	default:
		log.Warn("the websocket is away: connecting again")
	}
}
