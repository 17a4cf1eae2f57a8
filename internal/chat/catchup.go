package chat

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"nms-alert-relay/internal/pace"
	"nms-alert-relay/internal/webex"
	"nms-alert-relay/internal/webexid"
)

// This file reads what was said to a bot while it didn't hear: before a start, in a gap of its websocket, while its webhooks failed.
// Presses of buttons can't be listed; gap.go is about them.

// Why a bot catches up: values of a metric's label.
const (
	catchUpStart   = "start"
	catchUpSocket  = "socket"  // a websocket was opened
	catchUpWebhook = "webhook" // a webhook was created or changed
	catchUpReload  = "reload"  // bots or rooms may have changed
	catchUpTimer   = "timer"
)

var catchUpReasons = [...]string{catchUpStart, catchUpSocket, catchUpWebhook, catchUpReload, catchUpTimer}

const (
	// firstLook is how long a start waits for the websocket: the look that follows it is the same.
	firstLook = 3 * time.Second
	lookEvery = 10 * time.Minute
	// lookRetry is the wait after a look that failed; it doubles up to lookEvery.
	lookRetry = 10 * time.Second
	// readEvery spaces the reads of a look, so that messages have their share of the bot's rate.
	readEvery = 400 * time.Millisecond
	// overlap is how far before the newest message that was seen a look reaches back: Webex may list messages late and out of order.
	overlap = 5 * time.Minute
	// maxLookPages bounds the pages of a room in a look: more are hardly people's commands.
	maxLookPages = 5
)

// catcher is how the looks of a bot are asked for, and what is known of how it hears.
type catcher struct {
	woken chan struct{}
	signs signs

	mu     sync.Mutex
	reason string // of the look that was asked for; "" for none
}

func newCatcher(string) *catcher { return &catcher{woken: make(chan struct{}, 1)} }

// CatchUp asks for a look at what was said to a bot. It doesn't wait for it.
func (l *Listener) CatchUp(bot, reason string) {
	c, ok := l.catchers.Get(bot)
	if !ok {
		return
	}
	c.mu.Lock()
	c.reason = reason
	c.mu.Unlock()
	pace.Wake(c.woken)
}

func (c *catcher) asked() (reason string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	reason, c.reason = c.reason, ""
	return reason
}

// keepCaughtUp looks at what a bot missed after its start, when CatchUp asks for it, and every ten minutes, until ctx ends.
func (l *Listener) keepCaughtUp(ctx context.Context, bot string, c *catcher) {
	defer func() {
		if _, listens := l.catchers.Get(bot); !listens {
			l.o.Metrics.lastLook.DeleteLabelValues(bot)
		}
	}()
	log := l.o.Log.With("bot", bot)
	reason, next, failures := catchUpStart, time.Now().Add(firstLook), 0
	var done map[string]bool // the rooms that a look that failed has read, since began; nil for none
	var began time.Time
	for pace.Pause(ctx, min(max(0, time.Until(next)), signEvery), c.woken) {
		l.tellGap(ctx, bot, &c.signs)
		l.keepSign(ctx, bot, &c.signs)
		if asked := c.asked(); asked != "" {
			reason, next, done = asked, time.Now(), nil
		}
		if time.Now().Before(next) {
			continue
		}
		if done == nil || time.Since(began) >= lookEvery { // a room that keeps failing doesn't keep the others from being read again
			done, began = make(map[string]bool), time.Now()
		}
		recovered, err := l.look(ctx, bot, done)
		if recovered > 0 {
			l.o.Metrics.recovered.WithLabelValues(bot).Add(float64(recovered))
			log.Info("read messages that the bot didn't hear", "messages", recovered, "reason", reason)
		}
		switch {
		case ctx.Err() != nil:
		case err != nil:
			failures++
			wait := max(min(lookRetry<<min(failures-1, 10), lookEvery), webex.ErrorOf(err).RetryAfter)
			next = time.Now().Add(wait)
			l.o.Metrics.lookFailures.WithLabelValues(bot).Inc()
			log.Warn("cannot read what the bot didn't hear: trying again", "reason", reason, "retry_in", wait.Round(time.Millisecond), "error", err)
		default:
			l.o.Metrics.looks.WithLabelValues(bot, reason).Inc()
			l.o.Metrics.lastLook.WithLabelValues(bot).SetToCurrentTime()
			reason, next, failures, done = catchUpTimer, time.Now().Add(lookEvery), 0, nil
		}
	}
	l.keepSign(context.WithoutCancel(ctx), bot, &c.signs)
}

// seen is how far the rooms of an account were read: a value of the store.
type seen struct {
	Began time.Time           `json:"began"` // when the store first looked as this account: what was said before isn't executed
	Rooms map[string]progress `json:"rooms"` // by webexid.Key
}

// progress is how far a room was read.
type progress struct {
	From   time.Time `json:"from"`            // what was said before isn't executed
	Newest time.Time `json:"newest,omitzero"` // of the messages that were seen
	Edited time.Time `json:"edited,omitzero"` // of the edits that were seen, the newest
}

// place is a room to look into.
type place struct {
	id     string
	direct bool
}

func (p place) key() string { return webexid.Key(p.id) }

// look looks into the rooms of a bot that aren't done yet. What was said there goes to the inbox, which claims each message once.
func (l *Listener) look(ctx context.Context, name string, done map[string]bool) (recovered int, err error) {
	bot, known := l.o.Reader.bot(name)
	if !known {
		return 0, nil
	}
	me, err := l.o.Reader.askMe(ctx, name) // its name may have changed
	if err != nil {
		return 0, fmt.Errorf("reading the bot's own account: %w", err)
	}
	direct, err := bot.Webex.DirectRooms(ctx)
	if err != nil {
		return 0, fmt.Errorf("listing the direct chats: %w", err)
	}
	name = "webex/" + webexid.Key(me.ID) + "/seen" // of the account: a bot's token may be another account's some day
	text, err := l.value(ctx, name)
	if err != nil {
		return 0, fmt.Errorf("reading which messages were seen: %w", err)
	}
	var all seen
	if text != "" && json.Unmarshal([]byte(text), &all) != nil {
		l.o.Log.Error("the record of the messages that were seen is damaged: what was said before now isn't executed", "bot", bot.Name)
		all = seen{}
	}
	expiry := l.o.Inbox.o.Expiry()
	places := l.places(bot.Name, direct, time.Now().Add(-expiry))
	if all.admit(places, time.Now()) { // stored before anything is read: what is said from now on counts, even if reading fails
		if err := l.keepSeen(ctx, name, all); err != nil {
			return 0, err
		}
	}
	changed := false
	for _, p := range places {
		if done[p.key()] {
			continue
		}
		if !pace.Pause(ctx, readEvery, nil) {
			err = ctx.Err()
			break
		}
		n, m, fault := l.lookInto(ctx, bot, me, p, all.Rooms[p.key()], time.Now().Add(-expiry))
		recovered += n
		if fault != nil {
			err = errors.Join(fault, err) // first: its Retry-After counts
			if class := webex.ClassOf(fault); ctx.Err() != nil || class == webex.RateLimited || class == webex.Unauthorized {
				break // the next room would fail too
			}
			continue
		}
		changed = changed || m != all.Rooms[p.key()]
		all.Rooms[p.key()], done[p.key()] = m, true
	}
	if changed {
		err = errors.Join(err, l.keepSeen(context.WithoutCancel(ctx), name, all))
	}
	return recovered, err
}

func (l *Listener) keepSeen(ctx context.Context, name string, all seen) error {
	text, err := json.Marshal(all)
	if err == nil {
		err = l.o.Store.SetValue(ctx, name, string(text))
	}
	if err != nil {
		return fmt.Errorf("storing which messages were seen: %w", err)
	}
	return nil
}

// places returns the rooms that a bot serves: the configured ones, and the direct chats that were used since a time.
func (l *Listener) places(bot string, direct []webex.Room, since time.Time) (all []place) {
	directory := l.o.Reader.directory()
	chats := make(map[string]bool, len(direct))
	for _, r := range direct {
		chats[webexid.Key(r.ID)] = true
	}
	for _, r := range directory.RoomsOf(bot) {
		if !chats[webexid.Key(r.ID)] {
			all = append(all, place{id: r.ID})
		}
	}
	for _, r := range direct {
		_, _, served := l.o.Reader.place(bot, r.ID, "direct")
		if used := r.LastActivity.Time; served && (used.IsZero() || used.After(since)) {
			all = append(all, place{id: r.ID, direct: true})
		}
	}
	return all
}

// admit begins each place that is new, and forgets other rooms. In a group room that is new only what is said from now on counts;
// somebody may have begun a direct chat while the relay was away. It reports whether a group room is new.
func (s *seen) admit(places []place, now time.Time) (isNew bool) {
	now = now.UTC().Truncate(time.Millisecond)
	if s.Began.IsZero() {
		s.Began, isNew = now, true
	}
	rooms := make(map[string]progress, len(places))
	for _, p := range places {
		m, known := s.Rooms[p.key()]
		switch {
		case known:
		case p.direct:
			m.From = s.Began
		default:
			m.From, isNew = now, true
		}
		rooms[p.key()] = m
	}
	s.Rooms = rooms
	return isNew
}

// lookInto reads what was said in a room after its progress and after oldest, and delivers it.
func (l *Listener) lookInto(ctx context.Context, bot Bot, me webex.Person, p place, m progress, oldest time.Time) (recovered int, next progress, err error) {
	since, pages, more := m.since(oldest), 0, false
	var found []webex.Message
	err = bot.Webex.Messages(ctx, p.id, p.direct, func(page []webex.Message) bool {
		pages++
		found = append(found, page...)
		more = len(page) == 0 || page[len(page)-1].Created.After(since)
		return more && pages < maxLookPages && pace.Pause(ctx, readEvery, nil)
	})
	switch class := webex.ClassOf(err); {
	case class == webex.NotFound || class == webex.Forbidden: // the bot isn't in the room: delivery says so
		l.o.Log.Debug("cannot read what was said in a room", "bot", bot.Name, "room_id", p.id, "error", err)
		return 0, m, nil
	case err != nil:
		return 0, m, fmt.Errorf("listing the messages of room %s: %w", p.id, err)
	case ctx.Err() != nil:
		return 0, m, ctx.Err()
	case more && pages == maxLookPages:
		l.o.Log.Warn("a room has more messages to the bot than a look reads: older ones are left out", "bot", bot.Name, "room_id", p.id, "read", len(found))
	}
	missed, next := m.missed(found, me.ID, oldest)
	for _, e := range missed {
		result, err := l.o.Inbox.Deliver(ctx, bot.Name, e)
		if err != nil {
			return recovered, m, err
		}
		if result == resultAccepted {
			recovered++
		}
	}
	return recovered, next, nil
}

// since is when the messages were written, at the earliest, that a look reads.
func (m progress) since(oldest time.Time) time.Time {
	since := pace.Later(m.From, oldest)
	if m.Newest.IsZero() {
		return since
	}
	return pace.Later(since, m.Newest.Add(-overlap))
}

// missed returns the messages that may have been missed, and the edits, as webhooks would tell them, oldest first; and the next progress. A
// message that was edited meanwhile counts as it is now.
func (m progress) missed(found []webex.Message, own string, oldest time.Time) (list []webex.Envelope, next progress) {
	since, edits := m.since(oldest), pace.Later(pace.Later(m.From, oldest), m.Edited)
	at := func(e webex.Envelope) time.Time { return e.Data.Created.Time }
	next = m
	for _, msg := range found {
		e := webex.Envelope{Resource: resourceMessages, Event: eventCreated, Data: webex.EnvelopeData{
			ID: msg.ID, RoomID: msg.RoomID, RoomType: msg.RoomType, PersonID: msg.PersonID, PersonEmail: msg.PersonEmail, Created: msg.Created,
		}}
		next.Newest, next.Edited = pace.Later(next.Newest, msg.Created.Time), pace.Later(next.Edited, msg.Updated.Time)
		switch {
		case webexid.Same(msg.PersonID, own):
			continue
		case msg.Updated.After(edits):
			e.Event, e.Data.Created = eventUpdated, msg.Updated
		case !msg.Created.After(since):
			continue
		}
		list = append(list, e)
	}
	slices.SortStableFunc(list, func(a, b webex.Envelope) int { return at(a).Compare(at(b)) })
	return list, next
}
