package doctor

import (
	"context"
	"fmt"
	"strings"
	"time"

	"nms-alert-relay/internal/chat"
	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/httpclient"
	"nms-alert-relay/internal/text"
	"nms-alert-relay/internal/webex"
	"nms-alert-relay/internal/webex/socket"
	"nms-alert-relay/internal/webexid"
)

// bot is what was read of one bot. The first error ends the reading.
type bot struct {
	config.Bot
	err      error // of the token, or of reaching Webex
	me       webex.Person
	rooms    []webex.Room
	roomsErr error
	// moderates says for a room that is for announcements whether the bot is a moderator.
	moderates   map[string]bool
	webhooks    []webex.Webhook
	webhooksErr error
	// strangers are people on duty whom Webex doesn't show the bot, of those that were looked up.
	strangers    []string
	onDuty       int
	strangersErr error
	// devices of the account, and those of them that are relays'
	devices, relayDevices int
	devicesErr            error
}

func webexChecks(ctx context.Context, o Options, i int, running bool) []Check {
	b := bot{Bot: o.Config.Webex.Bots[i], moderates: map[string]bool{}}
	l := list{area: "webex", target: b.Name}
	if !b.Token.IsSet() {
		l.failure("token", "the bot has no token"+o.Config.WhyMissing(fmt.Sprintf("webex.bots[%d].token", i)), "put the bot's token into its token_file")
		return l.checks
	}
	h := o.Config.Webex.HTTP
	transport, err := httpclient.New(httpclient.Options{ProxyURL: h.ProxyURL.Reveal(), CAFile: h.CAFile, CA: h.CA, Key: "webex.api_url"})
	if err != nil {
		l.failure("connection", err.Error(), "")
		return l.checks
	}
	defer transport.CloseIdleConnections()
	seen := &exchanges{next: transport, now: o.Now}
	client := webex.New(webex.Options{BaseURL: o.Config.Webex.APIURL, Token: b.Token.Reveal(), TokenFrom: b.Token.From(), Transport: seen,
		Timeout: o.timeout(time.Duration(h.Timeout)), Version: o.Version})
	b.read(ctx, client, o.Config)
	b.judge(&l, o.Config, running)
	if r, ok := o.Config.Room(o.Room); ok && b.err == nil && o.Config.BotOf(r.Name) == b.Name {
		testRoom(ctx, &l, client, r)
	}
	seen.judge(&l, "Webex's", "certificates may seem invalid, and times in rooms are off")
	return l.checks
}

func (b *bot) read(ctx context.Context, c *webex.Client, cfg *config.Config) {
	if b.me, b.err = c.Me(ctx); b.err != nil {
		return
	}
	b.rooms, b.roomsErr = c.Rooms(ctx)
	for _, r := range b.rooms {
		if r.AnnouncementOnly {
			if m, ok, err := c.Membership(ctx, r.ID, b.me.ID); err == nil && ok {
				b.moderates[r.ID] = m.Moderator
			}
		}
	}
	switch b.Listen {
	case config.ListenWebhook:
		b.webhooks, b.webhooksErr = c.Webhooks(ctx)
	case config.ListenWebsocket:
		b.devices, b.relayDevices, b.devicesErr = socket.Look(ctx, c, cfg.Webex.U2CURL)
	}
	if b.Listen != config.ListenOff {
		b.readDuty(ctx, c, cfg)
	}
}

func (b *bot) judge(l *list, c *config.Config, running bool) {
	if b.err != nil {
		name := "connection"
		if webex.ClassOf(b.err) == webex.Unauthorized {
			name = "token"
		}
		l.failure(name, b.err.Error()+": nothing is posted by this bot until then; events wait", "check the token, and whether this machine reaches Webex: docs/troubleshooting.md")
		return
	}
	if b.me.Type != "bot" {
		l.warning("token", fmt.Sprintf("valid, but it belongs to a person, %s: messages appear under that name", shown(b.me.Email())), "use a bot's token")
	} else {
		l.ok("token", fmt.Sprintf("valid: %s (%s)", shown(b.me.DisplayName), shown(b.me.Email())))
	}
	if b.roomsErr != nil {
		l.failure("rooms", b.roomsErr.Error(), "")
	} else {
		for _, r := range c.Rooms {
			if c.BotOf(r.Name) == b.Name {
				b.judgeRoom(l, r)
			}
		}
	}
	b.judgeListening(l, c.Server.PublicURL, running)
	b.judgeIncidents(l)
}

// judgeSocket judges whether the bot can listen by websocket. That the running relay has one open is for its own metrics to say.
func (b *bot) judgeSocket(l *list, running bool) {
	const name = "websocket"
	switch {
	case b.devicesErr != nil:
		l.failure(name, "the bot can't register for a websocket: "+b.devicesErr.Error(), "check webex.u2c_url, and whether a proxy or firewall lets *.wbx2.com through; with a public_url, listen: webhook needs neither")
	case b.devices >= socket.MaxDevices && b.relayDevices == 0:
		l.failure(name, fmt.Sprintf("the account has %d devices already, none of them a relay's: Webex refuses another one", b.devices), "delete devices of other programs, or use a bot of the relay's own")
	case b.relayDevices == 0 && running:
		l.failure(name, "the relay runs, but its device isn't registered: it hears the rooms only now and then", "the relay's log says why")
	case b.relayDevices == 0:
		l.ok(name, "Webex's services can be reached; the relay registers when it starts")
	case b.relayDevices > 1:
		l.warning(name, fmt.Sprintf("%d relays are registered with this bot", b.relayDevices), "two relays with one bot act twice; devices of a store that is gone are harmless")
	default:
		l.ok(name, "the relay's device is registered")
	}
}

// judgeRoom judges whether the bot may post in a room.
func (b *bot) judgeRoom(l *list, r config.Room) {
	name := "room " + r.Name
	for _, in := range b.rooms {
		if webexid.Key(in.ID) != webexid.Key(r.ID) {
			continue
		}
		moderates, known := b.moderates[in.ID]
		switch title := shown(in.Title); {
		case in.ReadOnly:
			l.failure(name, title+" is read-only: nobody may post there", "use another space")
		case in.AnnouncementOnly && known && !moderates:
			l.failure(name, title+" is for announcements, and the bot isn't a moderator: it may not post there", "make the bot a moderator of the space")
		case in.AnnouncementOnly && !known:
			l.warning(name, title+" is for announcements, and it is unknown whether the bot is a moderator", "try --room "+r.Name)
		default:
			l.ok(name, "the bot is in "+title)
		}
		return
	}
	l.failure(name, "the bot isn't in this room: what should be posted there goes to the default room", "add the bot to the space, or correct the id: 'alert-relay rooms' lists those that it is in")
}

// judgeListening judges how the bot hears the room.
func (b *bot) judgeListening(l *list, publicURL string, running bool) {
	switch {
	case b.Listen == config.ListenOff:
		l.ok("listening", "off: nobody can act from its rooms")
	case b.Listen == config.ListenWebsocket:
		b.judgeSocket(l, running)
	case b.webhooksErr != nil:
		l.failure("webhooks", b.webhooksErr.Error(), "")
	default:
		switch faults := chat.WebhookFaults(b.webhooks, b.Name, publicURL); {
		case len(faults) == 0:
			l.ok("webhooks", "all are registered, active and lead to "+publicURL)
		case !running:
			l.warning("webhooks", shown(strings.Join(faults, "; ")), "the relay registers and repairs its webhooks when it starts")
		default:
			l.failure("webhooks", "messages and buttons don't reach the relay: "+shown(strings.Join(faults, "; ")), "the relay repairs them every few minutes; if it doesn't, its log says why")
		}
	}
}

// testMessage is the text of the test message.
const testMessage = "alert-relay doctor: this is a test message, and is deleted at once."

// testRoom posts a message in a room and deletes it.
func testRoom(ctx context.Context, l *list, c *webex.Client, r config.Room) {
	name := "test message in " + r.Name
	m, err := c.CreateMessage(ctx, webex.NewMessage{RoomID: r.ID, Text: testMessage})
	if err != nil {
		l.failure(name, err.Error(), "")
		return
	}
	if err := c.DeleteMessage(context.WithoutCancel(ctx), m.ID); err != nil {
		l.warning(name, "posted, but not deleted: "+err.Error(), "delete it in the room")
		return
	}
	l.ok(name, "posted and deleted")
}

// shown is text from a neighbour for a terminal: one line without dangerous characters.
func shown(s string) string { return text.Shorten(text.Line(s), 300) }
