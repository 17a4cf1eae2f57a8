package chat

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/command"
	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/delivery"
	"nms-alert-relay/internal/render"
	"nms-alert-relay/internal/route"
	"nms-alert-relay/internal/simulator/memnet"
	"nms-alert-relay/internal/simulator/webexsim"
	"nms-alert-relay/internal/simulator/zabbixsim"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/store/sqlite"
	"nms-alert-relay/internal/store/sqlite/sqlitetest"
	"nms-alert-relay/internal/webex"
	"nms-alert-relay/internal/zabbix"
)

const (
	botAddr   = "relay@webex.bot"
	aliceAddr = "alice@example.com"
	bobAddr   = "bob@example.com"
	eveAddr   = "eve@elsewhere.org"
	doraAddr  = "dora@example.com"
)

// real is chat and command with the SQLite store, delivery, the REST clients and, over an in-memory network,
// the simulated Webex and Zabbix.
type real struct {
	t      *testing.T
	webex  *webexsim.Server
	zabbix *zabbixsim.Server
	store  *sqlite.Store
	path   string

	hosts     map[string]*memnet.Listener
	transport *http.Transport
	stop      func()
	event     int64 // the problem that was posted in the room noc

	listen  config.Listen
	client  *webex.Client
	metrics *Metrics
	lose    func() bool // whether the relay loses a webhook's delivery; nil for none
}

// withSimulators tells a story by webhook and by websocket.
func withSimulators(t *testing.T, o webexsim.Options, story func(t *testing.T, r *real)) {
	t.Helper()
	for _, listen := range []config.Listen{config.ListenWebhook, config.ListenWebsocket} {
		t.Run(string(listen), func(t *testing.T) { withTransport(t, listen, o, story) })
	}
}

func withTransport(t *testing.T, listen config.Listen, o webexsim.Options, story func(t *testing.T, r *real)) {
	t.Helper()
	path := sqlitetest.New(t)
	synctest.Test(t, func(t *testing.T) {
		r := &real{t: t, path: path, listen: listen}
		webexNet, zabbixNet := memnet.Listen(), memnet.Listen()
		r.hosts = map[string]*memnet.Listener{"webex.test:80": webexNet, "zabbix.test:80": zabbixNet}
		r.transport = memnet.Transport(r.hosts)
		o.Transport = r.transport
		r.webex = webexsim.New(o)
		r.webex.AddBot(botAddr, "Alert Relay", "token-of-relay")
		r.webex.AddBot("other@webex.bot", "Other", "token-of-other")
		for email, name := range map[string]string{aliceAddr: "Alice Example", bobAddr: "Bob", eveAddr: "Eve", doraAddr: "Dora"} {
			r.webex.AddPerson(email, name)
		}
		r.webex.AddRoom("noc", "NOC", botAddr, aliceAddr, bobAddr, eveAddr, doraAddr)
		r.webex.AddRoom("lobby", "Lobby", botAddr, aliceAddr)
		r.webex.Direct(botAddr, aliceAddr)
		r.webex.Direct(botAddr, eveAddr)
		var err error
		r.zabbix, err = zabbixsim.New(zabbixsim.Options{Version: "7.0.22", Quick: true})
		require.NoError(t, err)
		r.event = r.zabbix.Raise(r.zabbix.Triggers()[0])
		servers := []*http.Server{{Handler: r.webex}, {Handler: r.zabbix}}
		for i, l := range []*memnet.Listener{webexNet, zabbixNet} {
			go func() { _ = servers[i].Serve(l) }()
		}
		t.Cleanup(func() {
			r.transport.CloseIdleConnections()
			for _, s := range servers {
				_ = s.Close()
			}
			r.webex.Close()
		})
		r.start()
		t.Cleanup(func() { r.stop() })
		r.postProblem()
		story(t, r)
	})
}

// start runs the part of the relay that listens, acts and replies.
func (r *real) start() {
	t := r.t
	port := memnet.Listen()
	synctest.Wait() // a delivery to the relay that was stopped reads the hosts
	r.hosts["127.0.0.1:8080"] = port
	var err error
	r.store, err = sqlite.Open(context.Background(), sqlite.Options{Path: r.path})
	require.NoError(t, err)
	cfg := &config.Config{
		Rooms:          []config.Room{{Name: "noc", ID: webexsim.RoomID("noc"), Bot: "noc"}},
		Webex:          config.Webex{Bots: []config.Bot{{Name: "noc", Listen: r.listen}}},
		People:         []config.Person{{Email: aliceAddr, Role: config.RoleOperator}, {Email: bobAddr, Role: config.RoleViewer}, {Email: doraAddr, Role: config.RoleAdmin}},
		AllowedDomains: []string{"example.com"}, DefaultRooms: []string{"noc"},
	}
	client := webex.New(webex.Options{BaseURL: "http://webex.test/v1", Token: "token-of-relay", Transport: r.transport})
	source := zabbix.New(zabbix.Options{URL: "http://zabbix.test", Token: zabbixsim.RelayToken, Transport: r.transport})
	renderer, err := render.New(render.Options{Sources: map[string]string{"main": "https://zabbix.example.com"}})
	require.NoError(t, err)
	notifier := new(store.Local)
	deliver, err := delivery.New(delivery.Options{
		Store: r.store, Render: func() delivery.Renderer { return renderer }, Bots: []delivery.Bot{{Name: "noc", Client: client}}, Rooms: delivery.RoomsOf(cfg), RateLimit: 20, Notifier: notifier,
	})
	require.NoError(t, err)
	reg := prometheus.NewRegistry()
	metrics := NewMetrics(reg, []string{"noc"})
	reader := NewReader([]Bot{{Name: "noc", Listen: r.listen, Webex: client, Services: client}}, func() Directory { return cfg }, metrics)
	log := slog.New(slog.DiscardHandler)
	router, err := route.New(cfg)
	require.NoError(t, err)
	mutes, err := command.LoadMutes(context.Background(), r.store, log)
	require.NoError(t, err)
	executor := command.New(command.Options{
		View: func() command.View {
			return command.View{Directory: cfg, Rooms: cfg.Rooms, Expiry: time.Hour, Location: time.UTC, Renderer: renderer, Routing: router}
		},
		Store: store.Waking(r.store, notifier), Sources: map[string]command.Zabbix{"main": command.Acting(source)},
		Log: log, Metrics: command.NewMetrics(reg), Mutes: mutes,
	})
	inbox := NewInbox(InboxOptions{
		Reader: reader, Store: r.store, Commands: executor, Expiry: func() time.Duration { return time.Hour }, Log: log, Metrics: metrics,
	})
	r.metrics, r.client = metrics, client
	listener := New(Options{
		Reader: reader, Inbox: inbox, Store: store.Waking(r.store, notifier), PublicURL: func() string { return "http://127.0.0.1:8080" },
		U2CURL: func() string { return "http://webex.test" }, Log: log, Metrics: metrics,
		MissedPresses: func(in CardPlace, from, to time.Time) []store.Notice {
			return []store.Notice{{
				Kind: store.NoticeSystem, Room: in.Room, RoomID: in.RoomID, Bot: "noc", Dedup: fmt.Sprint("missed ", from.Unix()),
				Markdown: fmt.Sprintf("Missed presses from %s to %s.", from.UTC().Format("15:04"), to.UTC().Format("15:04")),
			}}
		},
	})
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if r.lose != nil && r.lose() {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		body, _ := io.ReadAll(req.Body)
		w.WriteHeader(listener.Deliver(req.Context(), strings.TrimPrefix(req.URL.Path, "/v1/webex/"), req.Header, body))
	})}
	ctx, cancel := context.WithCancel(context.Background())
	parts := []func(context.Context) error{listener.Run, inbox.Run, executor.Run, deliver.Run}
	ended := make(chan error, len(parts))
	for _, run := range parts {
		go func() { ended <- run(ctx) }()
	}
	go func() { _ = server.Serve(port) }()
	synctest.Wait()
	stopped := false
	r.stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		for range parts {
			require.NoError(t, <-ended)
		}
		_ = server.Close()
		require.NoError(t, r.store.Close())
	}
}

// postProblem posts the problem to the room noc, as the ledger would.
func (r *real) postProblem() {
	k := r.key()
	high, now := alert.High, time.Now()
	p, _ := alert.Apply(alert.Problem{}, alert.Event{
		Key: k, Kind: alert.KindProblem, Origin: alert.OriginTrigger, Severity: &high, Exact: true, At: now, SentAt: now, ReceivedAt: now,
		Facts: alert.Facts{Name: "Link down", Hosts: []alert.Host{{Host: "sw1"}}},
	})
	p.CanClose = true
	post := store.Post{Key: k, Room: "noc", Desired: p.Revision, Severity: p.Severity, Open: true, OpenedAt: now, PendingSince: now}
	require.NoError(r.t, r.store.CommitFold(context.Background(), store.Fold{Problems: []alert.Problem{p}, Posts: []store.Post{post}}))
	r.pass(time.Minute)
	require.NotEmpty(r.t, r.post().RootID)
}

func (r *real) key() alert.Key {
	return alert.Key{Source: "main", EventID: strconv.FormatInt(r.event, 10)}
}

func (r *real) post() store.Post {
	posts, err := r.store.PostsOf(context.Background(), []alert.Key{r.key()})
	require.NoError(r.t, err)
	return posts[r.key()][0]
}

// pass advances the time, then waits until nothing is running.
func (r *real) pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func (r *real) say(l webexsim.Line) webexsim.MessageView {
	m, err := r.webex.Say(l)
	require.NoError(r.t, err)
	return m
}

func (r *real) acks() []zabbixsim.Ack {
	p, ok := r.zabbix.Problem(r.event)
	require.True(r.t, ok)
	return p.Acks
}

// answersTo returns the bot's replies in the thread of a message.
func (r *real) answersTo(room, root string) (texts []string) {
	for _, m := range r.webex.Timeline(room) {
		if m.ParentID == root && m.From.Email == botAddr && m.Card == nil && !m.Deleted {
			texts = append(texts, m.Text)
		}
	}
	return texts
}

func (r *real) commands() map[string]store.Command {
	list, err := r.store.RecentCommands(context.Background(), time.Time{}, time.Time{})
	require.NoError(r.t, err)
	out := map[string]store.Command{}
	for _, c := range list {
		out[c.Text] = c
	}
	return out
}

// A mention in the room becomes an acknowledgement in Zabbix and a reply, although Webex delivers each
// webhook three times and answers 404 for a moment.
func TestRoomToZabbix(t *testing.T) {
	withSimulators(t, webexsim.Options{RepeatDeliveries: 2, MessageDelay: time.Second}, func(t *testing.T, r *real) {
		id := r.key().EventID
		said := r.say(webexsim.Line{Room: "noc", From: aliceAddr, Text: "ack " + id + " on it", MentionBot: true})
		r.pass(20 * time.Second)
		require.Len(t, r.acks(), 1)
		require.Regexp(t, `^Alice Example <alice@example\.com> \(Webex #[a-z2-7]{8}\): on it$`, r.acks()[0].Message)
		require.Len(t, r.answersTo("noc", said.ID), 1)
		require.Contains(t, r.answersTo("noc", said.ID)[0], "✅ Acknowledged "+id)
		c := r.commands()["ack "+id+" on it"]
		require.Equal(t, store.CommandDone, c.State)
		require.Equal(t, []string{"main/" + id}, c.Keys)

		entries, err := r.store.PendingEntries(t.Context(), 10)
		require.NoError(t, err)
		require.Len(t, entries, 1)
		var env store.Envelope
		require.NoError(t, json.Unmarshal(entries[0].Payload, &env))
		require.Equal(t, id, env.EventID)
		require.Equal(t, "on it", env.Update.Comment)

		// In the problem's thread no id is needed, and there is no reply.
		root := r.post().RootID
		before := len(r.answersTo("noc", root))
		r.say(webexsim.Line{Room: "noc", From: aliceAddr, Text: "comment vendor called", ParentID: root, MentionBot: true})
		r.pass(20 * time.Second)
		require.Len(t, r.acks(), 2)
		require.Regexp(t, `^Alice Example <alice@example\.com> \(Webex #[a-z2-7]{8}\): vendor called$`, r.acks()[1].Message)
		require.Len(t, r.answersTo("noc", root), before)

		// A card's button.
		card := r.post().CardID
		require.NotEmpty(t, card)
		_, err = r.webex.Press(card, aliceAddr, map[string]any{"relay": 1, "action": "close", "key": "main/" + id, "comment": "done"})
		require.NoError(t, err)
		r.pass(20 * time.Second)
		require.Len(t, r.acks(), 3)
		require.Equal(t, 1, r.acks()[2].Action&1)
		require.Contains(t, strings.Join(r.answersTo("noc", root), "\n"), "✅ Asked Zabbix to close "+id)

		// Direct, without a mention.
		direct := webexsim.DirectRoomID(botAddr, aliceAddr)
		hello := r.say(webexsim.Line{Room: direct, From: aliceAddr, Text: "show " + id})
		r.pass(20 * time.Second)
		require.Len(t, r.answersTo(direct, hello.ID), 1)
		require.Contains(t, r.answersTo(direct, hello.ID)[0], "link down")
	})
}

// People without the role get a reply that says so. Strangers, other rooms and other bots get none.
func TestWhoGetsAReply(t *testing.T) {
	withSimulators(t, webexsim.Options{}, func(t *testing.T, r *real) {
		id := r.key().EventID
		viewer := r.say(webexsim.Line{Room: "noc", From: bobAddr, Text: "ack " + id, MentionBot: true})
		stranger := r.say(webexsim.Line{Room: "noc", From: eveAddr, Text: "ack " + id, MentionBot: true})
		lobby := r.say(webexsim.Line{Room: "lobby", From: aliceAddr, Text: "ack " + id, MentionBot: true})
		direct := webexsim.DirectRoomID(botAddr, eveAddr)
		whisper := r.say(webexsim.Line{Room: direct, From: eveAddr, Text: "show " + id})
		_, err := r.webex.Press(r.post().CardID, eveAddr, map[string]any{"relay": 1, "action": "ack", "key": "main/" + id})
		require.NoError(t, err)
		r.pass(time.Minute)
		require.Empty(t, r.acks())
		require.Len(t, r.answersTo("noc", viewer.ID), 1)
		require.Contains(t, r.answersTo("noc", viewer.ID)[0], "needs the role operator. Your role in this room is viewer")
		require.Empty(t, r.answersTo("noc", stranger.ID))
		require.Empty(t, r.answersTo("lobby", lobby.ID))
		require.Empty(t, r.answersTo(direct, whisper.ID))
		// The bot's own messages in direct chats come back to it and are ignored.
		hello := r.say(webexsim.Line{Room: webexsim.DirectRoomID(botAddr, aliceAddr), From: aliceAddr, Text: "hepl"})
		r.pass(time.Minute)
		require.Len(t, r.answersTo(webexsim.DirectRoomID(botAddr, aliceAddr), hello.ID), 1)
	})
}

// Webhooks are created, re-enabled after Webex disabled them, and survive a restart.
func TestWebhooksAreMaintained(t *testing.T) {
	withTransport(t, config.ListenWebhook, webexsim.Options{}, func(t *testing.T, r *real) {
		other := webex.New(webex.Options{BaseURL: "http://webex.test/v1", Token: "token-of-relay", Transport: r.transport})
		_, err := other.CreateWebhook(t.Context(), webex.Webhook{Name: "another program's", TargetURL: "http://127.0.0.1:9/x", Resource: "rooms", Event: "created"})
		require.NoError(t, err)
		r.webex.DisableWebhooks(botAddr)
		said := r.say(webexsim.Line{Room: "noc", From: aliceAddr, Text: "help", MentionBot: true})
		r.pass(checkInterval + time.Minute)
		require.Len(t, r.answersTo("noc", said.ID), 1, "no webhook delivered it, so it was read after the repair")
		said = r.say(webexsim.Line{Room: "noc", From: aliceAddr, Text: "help", MentionBot: true})
		r.pass(time.Minute)
		require.Len(t, r.answersTo("noc", said.ID), 1)

		secret := func() (found string) {
			hooks, err := other.Webhooks(t.Context())
			require.NoError(t, err)
			require.Len(t, hooks, 6)
			for _, h := range hooks {
				if !strings.HasPrefix(h.Name, namePrefix) {
					require.Equal(t, "inactive", h.Status, "another program's webhook is left alone")
					continue
				}
				require.Equal(t, "active", h.Status)
				require.Len(t, h.Secret, 64)
				found = h.Secret
			}
			return found
		}
		first := secret()
		r.stop()
		r.start()
		r.pass(time.Minute)
		require.Equal(t, first, secret(), "the same webhooks with the stored secret")
		// Webhooks with another name that lead to the relay are renamed, not duplicated.
		hooks, err := other.Webhooks(t.Context())
		require.NoError(t, err)
		for _, h := range hooks {
			if strings.HasPrefix(h.Name, namePrefix) {
				h.Name = "old " + h.Name
				_, err := other.UpdateWebhook(t.Context(), h)
				require.NoError(t, err)
			}
		}
		r.pass(checkInterval + time.Minute)
		require.Equal(t, first, secret())
		said = r.say(webexsim.Line{Room: "noc", From: aliceAddr, Text: "help", MentionBot: true})
		r.pass(time.Minute)
		require.Len(t, r.answersTo("noc", said.ID), 1)
	})
}

// A command that was given before a restart is executed after it.
func TestRestart(t *testing.T) {
	withSimulators(t, webexsim.Options{}, func(t *testing.T, r *real) {
		r.zabbix.SetDown(true)
		said := r.say(webexsim.Line{Room: "noc", From: aliceAddr, Text: "ack " + r.key().EventID + " on it", MentionBot: true})
		r.pass(10 * time.Second)
		r.stop()
		r.zabbix.SetDown(false)
		r.start()
		r.pass(3 * time.Minute)
		require.Len(t, r.acks(), 1)
		require.Len(t, r.answersTo("noc", said.ID), 1)
		require.Contains(t, r.answersTo("noc", said.ID)[0], "✅ Acknowledged")
	})
}

// While Zabbix is unreachable there is an interim reply; later it becomes the outcome.
func TestZabbixOutage(t *testing.T) {
	withSimulators(t, webexsim.Options{}, func(t *testing.T, r *real) {
		r.zabbix.SetDown(true)
		said := r.say(webexsim.Line{Room: "noc", From: aliceAddr, Text: "ack " + r.key().EventID, MentionBot: true})
		r.pass(10 * time.Second)
		require.Len(t, r.answersTo("noc", said.ID), 1)
		require.Contains(t, r.answersTo("noc", said.ID)[0], "⏳ Zabbix main")
		r.zabbix.SetDown(false)
		r.pass(3 * time.Minute)
		require.Len(t, r.acks(), 1)
		require.Len(t, r.answersTo("noc", said.ID), 1, "the interim reply became the final one")
		require.Contains(t, r.answersTo("noc", said.ID)[0], "✅ Acknowledged")
	})
}

// The edit of a misspelt command is executed once, and further edits do nothing.
func TestEditsEndToEnd(t *testing.T) {
	withSimulators(t, webexsim.Options{RepeatDeliveries: 2}, func(t *testing.T, r *real) {
		id := r.key().EventID
		said := r.say(webexsim.Line{Room: "noc", From: aliceAddr, Text: "akc " + id, MentionBot: true})
		r.pass(20 * time.Second)
		require.Contains(t, r.answersTo("noc", said.ID)[0], "Did you mean ack?")
		edit := func(text string) {
			_, err := r.webex.Edit(said.ID, aliceAddr, text)
			require.NoError(t, err)
			r.pass(20 * time.Second)
		}
		edit("ack " + id + " on it")
		require.Len(t, r.acks(), 1)
		require.Contains(t, r.acks()[0].Message, "on it")
		require.Len(t, r.answersTo("noc", said.ID), 2)
		edit("close " + id)
		edit("comment " + id + " again")
		require.Len(t, r.acks(), 1)
		require.Len(t, r.answersTo("noc", said.ID), 2)

		direct := webexsim.DirectRoomID(botAddr, aliceAddr)
		said = r.say(webexsim.Line{Room: direct, From: aliceAddr, Text: "coment " + id + " vendor called"})
		r.pass(20 * time.Second)
		edit("comment " + id + " vendor called")
		require.Len(t, r.acks(), 2)

		said = r.say(webexsim.Line{Room: "noc", From: doraAddr, Text: `maintenance start group=Web 2h`, MentionBot: true})
		r.pass(20 * time.Second)
		_, err := r.webex.Edit(said.ID, doraAddr, "maintenance start group=Network 2h")
		require.NoError(t, err)
		r.pass(20 * time.Second)
		r.say(webexsim.Line{Room: "noc", From: doraAddr, Text: "approve", MentionBot: true, ParentID: said.ID})
		r.pass(20 * time.Second)
		require.Len(t, r.zabbix.Maintenances(), 1)
		require.Contains(t, r.zabbix.Maintenances()[0], "Network")
	})
}

// A refused read is retried. Then the room gets a reply.
func TestUnreadableMessagesEndToEnd(t *testing.T) {
	for status, times := range map[int]int{403: 1, 404: 3, 409: 2, 400: 1} {
		withSimulators(t, webexsim.Options{}, func(t *testing.T, r *real) {
			r.webex.AddFault(webexsim.Fault{Op: "GET /messages/{id}", Status: status, Count: times})
			said := r.say(webexsim.Line{Room: "noc", From: aliceAddr, Text: "ack " + r.key().EventID, MentionBot: true})
			r.pass(time.Minute)
			require.Len(t, r.acks(), 1, "%d", status)
			require.Contains(t, r.answersTo("noc", said.ID)[0], "Acknowledged")
		})
	}
	for _, status := range []int{403, 404, 409, 400} {
		withSimulators(t, webexsim.Options{}, func(t *testing.T, r *real) {
			r.webex.AddFault(webexsim.Fault{Op: "GET /messages/{id}", Status: status})
			said := r.say(webexsim.Line{Room: "noc", From: aliceAddr, Text: "ack " + r.key().EventID, MentionBot: true})
			lobby := r.say(webexsim.Line{Room: "lobby", From: aliceAddr, Text: "ack 1", MentionBot: true})
			r.pass(time.Minute)
			require.Empty(t, r.acks())
			require.Len(t, r.answersTo("noc", said.ID), 1, "%d", status)
			require.Contains(t, r.answersTo("noc", said.ID)[0], "Webex didn't let me read this")
			require.Empty(t, r.answersTo("lobby", lobby.ID))
		})
	}
}

// In the thread of a message that was replaced, a command still finds its problem.
func TestThreadOfReplacedMessage(t *testing.T) {
	withSimulators(t, webexsim.Options{}, func(t *testing.T, r *real) {
		cursor := r.post().Cursor
		old := cursor.RootID
		again := r.say(webexsim.Line{Room: "noc", From: bobAddr, Text: "posted anew"})
		cursor.RootID = again.ID // as delivery does after somebody deleted the root
		require.NoError(t, r.store.SavePost(t.Context(), r.key(), "noc", cursor))
		r.say(webexsim.Line{Room: "noc", From: aliceAddr, Text: "comment checking the router", ParentID: old, MentionBot: true})
		r.pass(time.Minute)
		require.Len(t, r.acks(), 1)
		require.Contains(t, r.acks()[0].Message, "checking the router")
	})
}

// A problem is given to a mentioned person, with Webex's own address of them.
func TestAssignToMention(t *testing.T) {
	withSimulators(t, webexsim.Options{}, func(t *testing.T, r *real) {
		id := r.key().EventID
		for said, want := range map[string]string{
			"assign " + id + " <@personEmail:" + aliceAddr + "|Alice Example> my switch": "✅ Assigned " + id,
			"assign " + id + " <@personEmail:" + bobAddr + "|Bob Baker> on it":           "🚫 Bob can't act on " + id,
		} {
			m := r.say(webexsim.Line{Room: "noc", From: aliceAddr, Markdown: said, MentionBot: true})
			r.pass(20 * time.Second)
			require.Contains(t, strings.Join(r.answersTo("noc", m.ID), ""), want)
		}
		require.Len(t, r.acks(), 1)
		require.Contains(t, r.acks()[0].Message, "Taken by Alice Example (via Webex) [relay:owner="+aliceAddr+"]: my switch")
	})
}
