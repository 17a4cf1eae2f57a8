package chat

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/pace"
)

// This file is about presses of buttons that didn't reach the relay. Webex doesn't list them, so people are asked to press again.

const (
	// signEvery is how often the last sign that a bot hears is stored, so that a start knows since when nobody heard.
	signEvery = 30 * time.Second
	// gapLeast is how long a gap is at least that rooms are told of.
	gapLeast = time.Minute
)

// signs are the signs that a bot hears: frames of its websocket, or a relay that runs while its webhooks are right.
type signs struct {
	mu     sync.Mutex
	loaded bool      // last is what the store has, or later
	last   time.Time // zero for never
	before time.Time // the last good check of the webhooks before the start; zero for none
	stored time.Time
	gap    period // that rooms aren't told of yet; zero for none

	hooked  bool      // the webhooks were right at the last check that succeeded
	checked time.Time // when that was; zero for not since the start
}

type period struct{ from, to time.Time }

// signName is the store's key for the last sign that a bot hears.
func signName(bot string) string { return "webex/" + bot + "/heard" }

// lastSign returns when a bot last heard; zero for never.
func (l *Listener) lastSign(ctx context.Context, bot string, s *signs) time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.loaded {
		text, err := l.value(ctx, signName(bot))
		if err != nil {
			l.o.Log.Error("cannot read when the bot heard last: rooms aren't told of presses that it missed", "bot", bot, "error", err)
		}
		last, checked, _ := strings.Cut(text, " ")
		if at, err := time.Parse(time.RFC3339, last); err == nil {
			s.last = pace.Later(s.last, at)
		}
		if at, err := time.Parse(time.RFC3339, checked); err == nil {
			s.before = at
		}
		s.loaded = true
	}
	return s.last
}

// sign records that the bot hears now.
func (s *signs) sign() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last = time.Now()
}

// hearsAgain records that the bot hears, since now, after it heard last at since; zero for never.
func (s *signs) hearsAgain(since time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if !since.IsZero() && now.Sub(since) > gapLeast {
		if s.gap == (period{}) {
			s.gap.from = since
		}
		s.gap.to = now
	}
	s.last = now
}

// webhooksChecked records that a bot's webhooks are right, and whether deliveries were lost since the last check.
func (l *Listener) webhooksChecked(ctx context.Context, bot string, lost bool) {
	c, ok := l.catchers.Get(bot)
	if !ok {
		return
	}
	since := l.lastSign(ctx, bot, &c.signs)
	c.signs.mu.Lock()
	first := c.signs.checked.IsZero()
	switch { // webhooks may have been wrong since the last good check, whether or not the relay has started since
	case !first:
		since = c.signs.checked
	case lost && !c.signs.before.IsZero():
		since = c.signs.before
	}
	c.signs.hooked, c.signs.checked = true, time.Now()
	c.signs.mu.Unlock()
	if first || lost {
		c.signs.hearsAgain(since)
	}
	if lost {
		l.CatchUp(bot, catchUpWebhook)
	}
}

// unhook records that nobody checks the webhooks any more.
func (s *signs) unhook() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hooked, s.checked = false, time.Time{}
}

// keepSign stores the last sign, and for webhooks their last good check, unless rooms are still to be told of a gap: after a crash they are told then.
func (l *Listener) keepSign(ctx context.Context, bot string, s *signs) {
	l.lastSign(ctx, bot, s)
	s.mu.Lock()
	if s.hooked {
		s.last = time.Now()
	}
	last, waits := s.last, s.gap != period{} || s.last.Equal(s.stored)
	text := last.UTC().Format(time.RFC3339)
	if s.hooked {
		text += " " + s.checked.UTC().Format(time.RFC3339)
	}
	s.mu.Unlock()
	if waits {
		return
	}
	if err := l.o.Store.SetValue(ctx, signName(bot), text); err != nil {
		l.o.Log.Warn("cannot store when the bot heard last", "bot", bot, "error", err)
		return
	}
	s.mu.Lock()
	s.stored = last
	s.mu.Unlock()
}

// tellGap tells the rooms and direct chats that have cards of the gap in which presses didn't reach the bot, once.
func (l *Listener) tellGap(ctx context.Context, bot string, s *signs) {
	s.mu.Lock()
	gap := s.gap
	s.mu.Unlock()
	if gap == (period{}) {
		return
	}
	if err := l.tellRooms(ctx, bot, gap); err != nil {
		l.o.Log.Error("cannot tell the rooms of missed presses: trying again", "bot", bot, "error", err)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gap == gap {
		s.gap = period{}
	}
}

// CardPlace is where a card with buttons is: a room by its configured name, or a direct chat by its Webex id, with its bot.
type CardPlace struct {
	Room, RoomID, Bot string
	Email             string // of the person in a direct chat that is known by its id, if they wrote lately
}

// cardPlaces returns where cards are that could be pressed in a gap: those of open problems, and those of replies (questions, tokens)
// for as long as commands count.
func (l *Listener) cardPlaces(ctx context.Context, gap period) (places []CardPlace, err error) {
	rooms, err := l.o.Store.CardRooms(ctx)
	if err != nil {
		return nil, err
	}
	since := gap.from.Add(-l.o.Inbox.o.Expiry())
	notices, err := l.o.Store.CardNotices(ctx, since)
	if err != nil {
		return nil, err
	}
	commands, err := l.o.Store.RecentCommands(ctx, since, time.Time{})
	if err != nil {
		return nil, err
	}
	addresses := map[string]string{} // of direct chats, by their ids
	for _, c := range commands {
		addresses[c.RoomID] = c.Email
	}
	for _, room := range rooms {
		places = append(places, CardPlace{Room: room})
	}
	for _, byID := range []bool{false, true} { // a chat that is known by its name too is told once
		for _, n := range notices {
			if byID != (n.Room == "") {
				continue
			}
			place := CardPlace{Room: n.Room}
			if n.Room == "" {
				place = CardPlace{RoomID: n.RoomID, Bot: n.Bot, Email: addresses[n.RoomID]}
			}
			own := CardPlace{Room: config.DirectRoom(addresses[n.RoomID])} // the same chat, if it has cards of problems
			if n.HasButtons() && n.MessageID != "" && !n.CreatedAt.After(gap.to) && !slices.Contains(places, place) && !slices.Contains(places, own) {
				places = append(places, place)
			}
		}
	}
	return places, nil
}

func (l *Listener) tellRooms(ctx context.Context, bot string, gap period) error {
	places, err := l.cardPlaces(ctx, gap)
	if err != nil {
		return err
	}
	told := 0
	for _, place := range places {
		for _, n := range l.o.MissedPresses(place, gap.from, gap.to) {
			if n.Bot != bot {
				continue
			}
			if _, err := l.o.Store.AddNotice(ctx, n); err != nil {
				return err
			}
			told++
		}
	}
	l.o.Log.Info("the bot didn't hear for a while: presses of buttons may be lost", "bot", bot, "from", gap.from, "to", gap.to, "rooms_told", told)
	return nil
}
