package delivery

import (
	"context"
	"encoding/json"
	"maps"
	"strings"
	"time"

	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/pace"
	"nms-alert-relay/internal/webex"
)

// webexRoom names a task's room as package pace does: by its Webex id, or by the person of a direct chat
// whose id isn't known yet.
func (b *bot) webexRoom(room string) string {
	id, person, direct := strings.Cut(room, config.PersonRoom)
	if !direct {
		s, ok := b.Rooms(room, "")
		if !ok {
			return room
		}
		id, person = s.ID, s.Person
	}
	if id != "" {
		return id
	}
	if known, ok := b.direct.Load(person); ok {
		return known.(string)
	}
	return config.PersonRoom + person
}

// opens is when the queue may return a task of a room.
func (b *bot) opens(room string, now time.Time) time.Time {
	if b.rate.Unlimited() {
		return time.Time{}
	}
	webexRoom := b.webexRoom(room)
	if b.rate.Yields(webexRoom) && b.busyBeside(webexRoom, now) {
		return now.Add(yieldFor)
	}
	return b.rate.OpensAt(webexRoom, now)
}

// yieldFor is when a room that yields is considered again; any answer does so earlier.
const yieldFor = time.Second

// busyBeside reports whether another room has something to send now.
func (b *bot) busyBeside(webexRoom string, now time.Time) bool {
	for room := range b.queue.ReadyRooms() {
		if other := b.webexRoom(room); other != webexRoom && !b.rate.OpensAt(other, now).After(now) {
			return true
		}
	}
	return false
}

// waits is the state that a restart must not lose: the waits that Webex demanded, which may be an hour, and which
// rooms refuse messages, so that they aren't announced again. Rooms are named as webexRoom does.
type waits struct {
	Bot      time.Time            `json:"bot"`
	Rooms    map[string]time.Time `json:"rooms"`
	Refusing map[string]bool      `json:"refusing"`
}

func (b *bot) waitsName() string { return "delivery/waits/" + b.name }

// keepWaits saves the bot's waits.
func (b *bot) keepWaits(ctx context.Context) {
	select {
	case b.keeping <- struct{}{}:
	case <-ctx.Done():
		return
	}
	defer func() { <-b.keeping }()
	b.mu.Lock()
	text, _ := json.Marshal(waits{b.rate.PausedUntil(), b.rate.PausedRooms(time.Now()), b.refusing}) // always marshals
	b.mu.Unlock()
	b.persist(ctx, "saving a bot's waits", func(ctx context.Context) error {
		return b.Store.SetValue(ctx, b.waitsName(), string(text))
	})
}

// rememberWaits restores the waits of a previous process.
func (b *bot) rememberWaits(ctx context.Context) {
	defer close(b.remembered)
	text, _ := read(ctx, b.Delivery, "reading a bot's saved waits", func(ctx context.Context) (string, error) {
		return b.Store.Value(ctx, b.waitsName())
	})
	var w waits
	_ = json.Unmarshal([]byte(text), &w) // empty before the first save
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	b.rate.PauseUntil(w.Bot, now)
	for room, until := range w.Rooms {
		b.rate.PauseRoom(room, until, now)
	}
	maps.Copy(b.refusing, w.Refusing)
}

// CallPaced makes a call of another package with a bot's account, such as reading a command. It is made at once,
// except while the account has to wait: then nothing is sent, and the error is a 429 with the rest of that wait. A
// 429 that it gets counts for delivery too. op names the call. CallPaced blocks until Run has begun.
func (d *Delivery) CallPaced(ctx context.Context, botName, op string, call func() error) error {
	b := d.bots[botName]
	if b == nil {
		return call()
	}
	select {
	case <-b.remembered:
	case <-ctx.Done():
		return &webex.Error{Op: op, Message: "not sent", Err: ctx.Err()}
	}
	b.mu.Lock()
	started := time.Now()
	begins := b.rate.BeginBeside(started)
	rest := b.rate.PausedUntil().Sub(started)
	b.mu.Unlock()
	if !begins {
		return &webex.Error{Op: op, Status: 429, Message: "not sent: Webex told the bot to wait", RetryAfter: rest}
	}
	err := call()
	if err == nil || webex.ClassOf(err) != webex.RateLimited {
		return err
	}
	b.mu.Lock()
	now := time.Now()
	b.rate.Limited(started, now, webex.ErrorOf(err).RetryAfter)
	b.Log.Warn("Webex told the bot to wait", "bot", b.name, "op", op, "retry_after", webex.ErrorOf(err).RetryAfter, "rate", b.rate.PerSecond())
	b.mu.Unlock()
	save, cancel := context.WithTimeout(context.WithoutCancel(ctx), b.Grace)
	defer cancel()
	b.keepWaits(save)
	pace.Wake(b.woken)
	return err
}
