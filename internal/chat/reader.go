// Package chat receives what people write to the bots and which buttons they press, and reads what it didn't receive. It stores each delivery, reads the message
// and its author from Webex, and passes them to package command.
package chat

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"nms-alert-relay/internal/command"
	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/webex"
	"nms-alert-relay/internal/webex/socket"
	"nms-alert-relay/internal/webexid"
)

// Webex is the part of webex.Client that chat needs.
type Webex interface {
	Me(ctx context.Context) (webex.Person, error)
	GetMessage(ctx context.Context, id string) (webex.Message, error)
	GetPerson(ctx context.Context, id string) (webex.Person, error)
	GetAttachmentAction(ctx context.Context, id string) (webex.AttachmentAction, error)
	Webhooks(ctx context.Context) ([]webex.Webhook, error)
	CreateWebhook(ctx context.Context, w webex.Webhook) (webex.Webhook, error)
	UpdateWebhook(ctx context.Context, w webex.Webhook) (webex.Webhook, error)
	DeleteWebhook(ctx context.Context, id string) error
	Messages(ctx context.Context, roomID string, direct bool, take func(page []webex.Message) (more bool)) error
	DirectRooms(ctx context.Context) ([]webex.Room, error)
}

// Directory knows people and rooms: *config.Config.
type Directory interface {
	// AddressOf is the address that a person acts under; "" for somebody the relay doesn't listen to.
	AddressOf(emails []string) string
	RoomByID(id string) (config.Room, bool)
	// RoomsOf are the rooms that a bot serves.
	RoomsOf(bot string) []config.Room
	RoleOf(emails []string, room string) config.Role
}

// Bot is a bot account.
type Bot struct {
	Name   string
	Listen config.Listen
	Webex  Webex
	// Services are the services of Webex that a websocket needs. They are no part of the REST API, so that Webex's waits for messages
	// don't concern them.
	Services socket.API
}

// The resources that the relay listens to.
const (
	resourceMessages = "messages"
	resourceActions  = "attachmentActions"
)

// Their events. An edited message is "updated".
const (
	eventCreated = "created"
	eventUpdated = "updated"
)

// Why a delivery is ignored: values of a metric's label.
const (
	ignoredOwn      = "own"        // the bot's own message
	ignoredBot      = "bot"        // from another bot
	ignoredRoom     = "room"       // in a room that isn't configured or bound, or is served by another bot
	ignoredPerson   = "person"     // from somebody outside allowed_domains
	ignoredGone     = "gone"       // deleted since
	ignoredRefused  = "refused"    // Webex doesn't let the bot read it
	ignoredCard     = "card"       // a button of somebody else's card
	ignoredResource = "resource"   // an unknown resource or event
	ignoredBroken   = "unreadable" // the stored delivery is damaged
	ignoredQuote    = "quote"      // the bot is mentioned only in a quote
	ignoredEdit     = "edited"     // an edit of a message that already had an effect
)

var ignoredReasons = [...]string{
	ignoredOwn, ignoredBot, ignoredRoom, ignoredPerson, ignoredGone, ignoredRefused, ignoredCard, ignoredResource, ignoredBroken, ignoredQuote, ignoredEdit,
}

// maxRefusals is how often a refused read is repeated: for a moment after the webhook, GET can answer 404
// or 403 (reported by users).
const maxRefusals = 5

// maxMentions bounds the people that are read for one message.
const maxMentions = 10

// Reader reads from Webex the messages and presses that deliveries only name.
type Reader struct {
	directory func() Directory
	metrics   *Metrics

	people people
	mu     sync.Mutex
	bots   map[string]Bot
	me     map[string]webex.Person
}

// NewReader makes a Reader. directory is called each time it is needed.
func NewReader(bots []Bot, directory func() Directory, metrics *Metrics) *Reader {
	r := &Reader{directory: directory, metrics: metrics}
	r.setBots(bots)
	return r
}

// setBots makes these the bots. A bot may be another account now: who it is is read again.
func (r *Reader) setBots(bots []Bot) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.bots, r.me = make(map[string]Bot, len(bots)), make(map[string]webex.Person)
	for _, b := range bots {
		r.bots[b.Name] = b
	}
}

func (r *Reader) bot(name string) (Bot, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	b, ok := r.bots[name]
	return b, ok
}

// anyBot returns the first bot by name.
func (r *Reader) anyBot() (Bot, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(r.bots)) {
		return r.bots[name], true
	}
	return Bot{}, false
}

// listening returns the bots that listen in this way.
func (r *Reader) listening(how config.Listen) (names []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for name, b := range r.bots {
		if b.Listen == how {
			names = append(names, name)
		}
	}
	return names
}

// Me returns the bot's own account.
func (r *Reader) Me(ctx context.Context, bot string) (webex.Person, error) {
	if me, ok := r.ownAccount(bot); ok {
		return me, nil
	}
	return r.askMe(ctx, bot)
}

// askMe reads the bot's own account from Webex: its name may have changed.
func (r *Reader) askMe(ctx context.Context, name string) (webex.Person, error) {
	bot, ok := r.bot(name)
	if !ok {
		return webex.Person{}, fmt.Errorf("unknown bot %q", name)
	}
	r.mu.Lock()
	known := r.me
	r.mu.Unlock()
	me, err := bot.Webex.Me(ctx)
	if err != nil {
		return webex.Person{}, err
	}
	r.mu.Lock()
	known[name] = me // for the bots that were asked: after setBots it is read again
	r.mu.Unlock()
	return me, nil
}

func (r *Reader) ownAccount(bot string) (webex.Person, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	me, ok := r.me[bot]
	return me, ok
}

// Read reads a message or press and its author. It returns an *unreadError if it is ignored or can't be read.
func (r *Reader) Read(ctx context.Context, c store.Command, e webex.Envelope) (command.Input, error) {
	bot, ok := r.bot(c.Bot)
	if !ok {
		return command.Input{}, r.ignore(c.Bot, ignoredBot, "bot %q is no longer configured", c.Bot)
	}
	me, err := r.Me(ctx, c.Bot)
	if err != nil {
		return command.Input{}, r.failed(c, e, err)
	}
	switch e.Resource {
	case resourceMessages:
		return r.message(ctx, c, e, bot, me)
	case resourceActions:
		return r.press(ctx, c, e, bot, me)
	}
	return command.Input{}, r.ignore(c.Bot, ignoredResource, "%.40q", e.Resource)
}

func (r *Reader) message(ctx context.Context, c store.Command, e webex.Envelope, bot Bot, me webex.Person) (command.Input, error) {
	m, err := bot.Webex.GetMessage(ctx, e.Data.ID)
	if err != nil {
		return command.Input{}, r.failed(c, e, err)
	}
	room, direct, served := r.place(bot.Name, m.RoomID, m.RoomType)
	s := read(m, me)
	if !served && (!r.bindable(m) || !s.mentioned || !command.HeardAnywhere(s.text)) {
		return command.Input{}, r.ignore(bot.Name, ignoredRoom, "room %s", m.RoomID)
	}
	who, err := r.person(ctx, c, e, bot, me, m.PersonID)
	if err != nil {
		return command.Input{}, err
	}
	if !served && !r.mayBind(who) {
		return command.Input{}, r.ignore(bot.Name, ignoredRoom, "room %s", m.RoomID)
	}
	if s.quotes && !s.mentioned && (!direct || s.text == "") {
		return command.Input{}, r.ignore(bot.Name, ignoredQuote, "message %s", m.ID)
	}
	var mentions []command.Mention
	if command.NamesPerson(s.text) {
		if mentions, err = r.mentions(ctx, c, e, bot, s.others); err != nil {
			return command.Input{}, err
		}
	}
	return command.Input{
		Text: s.text, Mentions: mentions, Unclear: s.unclear, Room: room, RoomID: m.RoomID, Direct: direct, ParentID: m.ParentID, Person: who, EditedAt: m.Updated.Time,
	}, nil
}

func (r *Reader) press(ctx context.Context, c store.Command, e webex.Envelope, bot Bot, me webex.Person) (command.Input, error) {
	a, err := bot.Webex.GetAttachmentAction(ctx, e.Data.ID)
	if err != nil {
		return command.Input{}, r.failed(c, e, err)
	}
	button, ours := buttonOf(a)
	if !ours {
		return command.Input{}, r.ignore(bot.Name, ignoredCard, "message %s", a.MessageID)
	}
	// A press doesn't have the room's type.
	room, direct, served := r.place(bot.Name, a.RoomID, "")
	if !served {
		m, err := bot.Webex.GetMessage(ctx, a.MessageID)
		if err != nil {
			return command.Input{}, r.failed(c, e, err)
		}
		room, direct, served = r.place(bot.Name, m.RoomID, m.RoomType)
		if !served && (!r.bindable(m) || !command.PressedAnywhere(button)) || !webexid.Same(m.RoomID, a.RoomID) {
			return command.Input{}, r.ignore(bot.Name, ignoredRoom, "room %s", a.RoomID)
		}
	}
	who, err := r.person(ctx, c, e, bot, me, a.PersonID)
	if err != nil {
		return command.Input{}, err
	}
	if !served && !r.mayBind(who) {
		return command.Input{}, r.ignore(bot.Name, ignoredRoom, "room %s", a.RoomID)
	}
	return command.Input{Button: &button, Room: room, RoomID: a.RoomID, Direct: direct, ParentID: a.MessageID, Person: who}, nil
}

// bindable reports whether a message is in a space that no bot serves.
func (r *Reader) bindable(m webex.Message) bool {
	_, known := r.directory().RoomByID(m.RoomID)
	return m.RoomType == "group" && !known
}

// mayBind reports whether a person is heard in a space that no bot serves: they may bind it.
func (r *Reader) mayBind(who command.Person) bool {
	return r.directory().RoleOf([]string{who.Email}, "").AtLeast(config.RoleAdmin)
}

// place returns a room's configured name, and whether this bot serves it.
func (r *Reader) place(bot, roomID, roomType string) (name string, direct, served bool) {
	room, configured := r.directory().RoomByID(roomID)
	direct = roomType == "direct"
	if configured && (room.Bot == "" || room.Bot == bot) {
		return room.Name, direct, true
	}
	return "", direct, direct && !configured
}

// person returns the author from Webex's own record, never from the message.
func (r *Reader) person(ctx context.Context, c store.Command, e webex.Envelope, bot Bot, me webex.Person, id string) (command.Person, error) {
	if webexid.Same(id, me.ID) {
		return command.Person{}, r.ignore(bot.Name, ignoredOwn, "")
	}
	p, err := r.people.get(ctx, bot.Webex, id)
	if err != nil {
		return command.Person{}, r.failed(c, e, err)
	}
	who := r.known(p)
	switch {
	case p.Type == "bot" || slices.ContainsFunc(p.Emails, botAddress):
		return command.Person{}, r.ignore(bot.Name, ignoredBot, "%s", p.Email())
	case who.Email == "":
		return command.Person{}, r.ignore(bot.Name, ignoredPerson, "%s", p.Email())
	}
	return who, nil
}

// Known returns a person by Webex's record. found is false for somebody who is gone, and for somebody to whom the relay doesn't listen.
// If the bot isn't configured any more, another one asks: people are the same to all.
func (r *Reader) Known(ctx context.Context, bot, id string) (who command.Person, found bool, err error) {
	b, ok := r.bot(bot)
	if !ok {
		if b, ok = r.anyBot(); !ok {
			return who, false, errors.New("no bot is configured")
		}
	}
	p, err := b.Webex.GetPerson(ctx, id)
	if webex.ClassOf(err) == webex.NotFound {
		return who, false, nil
	}
	if err != nil {
		return who, false, err
	}
	who = r.known(p)
	return who, who.Email != "", nil
}

// known is a person by Webex's record. They have no Email if the relay doesn't listen to them.
func (r *Reader) known(p webex.Person) command.Person {
	who := command.Person{ID: p.ID, Name: p.DisplayName, Email: r.directory().AddressOf(p.Emails)}
	for _, other := range p.Emails {
		if other = strings.ToLower(strings.TrimSpace(other)); other != who.Email && other != "" {
			who.Also = append(who.Also, other)
		}
	}
	return who
}

// mentions returns the people whom a message mentions, from Webex's own record. Those that Webex doesn't show, and bots, have no
// address.
func (r *Reader) mentions(ctx context.Context, c store.Command, e webex.Envelope, bot Bot, others []mentionOf) (mentions []command.Mention, err error) {
	for _, m := range others[:min(len(others), maxMentions)] {
		p, err := r.people.get(ctx, bot.Webex, m.id)
		switch webex.ClassOf(err) {
		case webex.NotFound, webex.Forbidden, webex.Conflict, webex.Refused:
			p, err = webex.Person{ID: m.id}, nil
		}
		if err != nil {
			return nil, r.failed(c, e, err)
		}
		who := command.Person{ID: p.ID, Name: p.DisplayName}
		if p.Type != "bot" && !slices.ContainsFunc(p.Emails, botAddress) {
			who.Email = cmp.Or(r.directory().AddressOf(p.Emails), strings.ToLower(p.Email()))
		}
		mentions = append(mentions, command.Mention{Written: m.name, Person: who})
	}
	return mentions, nil
}

// buttonOf reads the inputs of a press. They come from the client and prove nothing. ours is false for a
// card that the relay didn't make.
func buttonOf(a webex.AttachmentAction) (command.Button, bool) {
	if fmt.Sprint(a.Inputs["relay"]) != "1" { // some clients send the number as text
		return command.Button{}, false
	}
	text := func(name string) string {
		s, _ := a.Inputs[name].(string)
		return s
	}
	b := command.Button{
		Action: text("action"), Key: text("key"), Value: text("value"), Comment: text("comment"), For: text("for"), Severity: text("severity"),
		MessageID: a.MessageID,
	}
	if command.IsTokenButton(b.Action) {
		b.Token = config.NewSecret(text("token"))
	}
	return b, true
}

func (r *Reader) ignore(bot, reason, format string, args ...any) error {
	r.metrics.ignored.WithLabelValues(bot, reason).Inc()
	e := &unreadError{ignored: reason}
	if format != "" {
		e.err = fmt.Errorf(format, args...)
	}
	return e
}

// failed decides what happens to the command after a failed call.
func (r *Reader) failed(c store.Command, e webex.Envelope, err error) error {
	switch class := webex.ClassOf(err); class {
	case webex.RateLimited:
		return &unreadError{after: webex.ErrorOf(err).RetryAfter, err: err}
	case webex.NotFound, webex.Forbidden, webex.Conflict, webex.Refused:
		if c.Attempts < maxRefusals {
			return &unreadError{after: 500 * time.Millisecond << c.Attempts, err: err}
		}
		if e := r.giveUp(c, e, store.CommandFailed, err); e.room != "" {
			return e
		}
		if class == webex.NotFound {
			return r.ignore(c.Bot, ignoredGone, "%v", err)
		}
		return r.ignore(c.Bot, ignoredRefused, "%v", err)
	}
	return err
}

// giveUp returns the error of a command that can't be read. Its author may be unknown, so only a room that the bot serves gets a
// reply, and not for an outsider.
func (r *Reader) giveUp(c store.Command, e webex.Envelope, state store.CommandState, why error) *unreadError {
	room, _, _ := r.place(c.Bot, c.RoomID, "")
	if e.Data.PersonEmail != "" && r.directory().AddressOf([]string{e.Data.PersonEmail}) == "" {
		room = ""
	}
	return &unreadError{final: state, room: room, err: why}
}
