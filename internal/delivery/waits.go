package delivery

import (
	"context"
	"encoding/json"
	"maps"
	"time"
)

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
