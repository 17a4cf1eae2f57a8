package relay

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/simulator/memnet"
	"nms-alert-relay/internal/simulator/webexsim"
	"nms-alert-relay/internal/simulator/zabbixsim"
	"nms-alert-relay/internal/store/sqlite/sqlitetest"
)

// incident is a whole relay in virtual time, between a simulated Webex and a simulated Zabbix over a network in memory.
type incident struct {
	t      *testing.T
	cfg    *config.Config
	hosts  sync.Map // of *memnet.Listener, by address
	webex  *webexsim.Server
	zabbix *zabbixsim.Server
	ticket *ticketSystem
	relay  *Relay
	stop   func()

	event int64  // the problem that it is about
	root  string // its message in the room noc
}

const incidentConfig = `
server: {public_url: "http://127.0.0.1:8080"}
store: {path: %q}
webex:
  api_url: http://127.0.0.1:7001/v1
  u2c_url: http://127.0.0.1:7001
  bots: [{name: noc, token_env: BOT, listen: %s}]
zabbix:
  - {name: main, url: "http://127.0.0.1:7002", api_token_env: API, secret_env: SECRET}
rooms:
  - {name: noc, id: %s, bot: noc}
  - {name: leads, id: %s, bot: noc}
routes:
  - name: average
    match: {severity: ">=average"}
    rooms: [noc]
    escalate: [{after: 15m, rooms: [leads], mention: [lea@example.com]}]
    ack_expires: 1h
default_rooms: [noc]
people:
  - {email: alice@example.com, role: operator}
  - {email: bob@example.com, role: operator}
  - {email: carol@example.com, role: viewer}
allowed_domains: [example.com]
actions:
  - {name: ticket, title: Open ticket, url: "http://127.0.0.1:7003/hook", secret_env: TICKET, match: {severity: ">=high"}}
reconcile: {interval: 30m} # the story lasts three hours
`

// throughIncident tells a story by webhook and by websocket, and both again with a restart of the relay before each of its steps.
func throughIncident(t *testing.T, story func(i *incident, step func(what string))) {
	throughIncidentOf(t, incidentConfig, []bool{false, true}, story)
}

// throughIncidentOf is throughIncident with another configuration, with or without the restarts.
func throughIncidentOf(t *testing.T, configuration string, restarts []bool, story func(i *incident, step func(what string))) {
	for _, listen := range []config.Listen{config.ListenWebhook, config.ListenWebsocket} {
		for _, restarts := range restarts {
			name := string(listen)
			if restarts {
				name += " with restarts"
			}
			t.Run(name, func(t *testing.T) {
				path := sqlitetest.New(t)
				synctest.Test(t, func(t *testing.T) {
					i := newIncidentOf(t, path, listen, configuration)
					story(i, func(what string) {
						t.Log(time.Now().Format("15:04:05 "), what)
						if restarts {
							i.stop()
							i.start()
							i.pass(time.Minute) // the websocket is open again, or the webhooks are checked
						}
					})
				})
			})
		}
	}
}

func newIncident(t *testing.T, path string, listen config.Listen) *incident {
	return newIncidentOf(t, path, listen, incidentConfig)
}

// newIncidentOf is newIncident with another configuration.
func newIncidentOf(t *testing.T, path string, listen config.Listen, text string) *incident {
	i := &incident{t: t}
	env := map[string]string{"BOT": webexsim.DefaultBotToken, "API": zabbixsim.RelayToken, "SECRET": strings.Repeat("not-a-secret-", 3), "TICKET": ticketSecret}
	var err error
	i.cfg, err = config.Parse("relay.yaml", fmt.Appendf(nil, text, path, listen, webexsim.RoomID("noc"), webexsim.RoomID("leads")),
		config.Options{Env: func(name string) string { return env[name] }})
	require.NoError(t, err)

	toRelay := &http.Transport{DialContext: i.dial}
	i.webex = webexsim.New(webexsim.Options{Transport: toRelay})
	i.webex.AddBot(webexsim.DefaultBot, "Alert Relay", webexsim.DefaultBotToken)
	for _, name := range []string{"Alice Archer", "Bob Baker", "Carol Cook", "Lea Lead"} {
		first, _, _ := strings.Cut(name, " ")
		i.webex.AddPerson(strings.ToLower(first)+"@example.com", name)
	}
	i.webex.AddRoom("noc", "NOC", webexsim.DefaultBot, "alice@example.com", "bob@example.com", "carol@example.com")
	i.webex.AddRoom("leads", "Leads", webexsim.DefaultBot, "lea@example.com")
	i.zabbix, err = zabbixsim.New(zabbixsim.Options{
		Version: "7.0.22", Relay: "http://127.0.0.1:8080/v1/zabbix/events", Secret: env["SECRET"], Client: &http.Client{Transport: toRelay},
	})
	require.NoError(t, err)
	i.ticket = &ticketSystem{t: t}
	var servers []*http.Server
	for address, handler := range map[string]http.Handler{"127.0.0.1:7001": i.webex, "127.0.0.1:7002": i.zabbix, "127.0.0.1:7003": i.ticket} {
		l, server := memnet.Listen(), &http.Server{Handler: handler}
		i.hosts.Store(address, l)
		servers = append(servers, server)
		go func() { _ = server.Serve(l) }()
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- i.zabbix.Run(ctx) }()
	t.Cleanup(func() {
		i.stop()
		cancel()
		<-ended
		toRelay.CloseIdleConnections()
		for _, s := range servers {
			_ = s.Close()
		}
		i.webex.Close()
	})
	i.start()
	i.pass(time.Minute)
	return i
}

// dial reaches the simulators, and the relay's public listener.
func (i *incident) dial(ctx context.Context, network, address string) (net.Conn, error) {
	l, ok := i.hosts.Load(address)
	if !ok {
		return nil, &net.OpError{Op: "dial", Net: network, Err: &net.AddrError{Err: "nobody listens", Addr: address}}
	}
	return l.(*memnet.Listener).DialContext(ctx, network, address)
}

func (i *incident) start() {
	public, admin := memnet.Listen(), memnet.Listen()
	i.hosts.Store("127.0.0.1:8080", public)
	r, err := New(context.Background(), Options{Config: i.cfg, Log: slog.New(slog.DiscardHandler), Public: public, Admin: admin, Dial: i.dial})
	require.NoError(i.t, err)
	i.relay = r
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	over := false
	i.stop = func() {
		if !over {
			over = true
			cancel()
			require.NoError(i.t, <-ended)
		}
	}
}

// pass lets time pass, and what is due at its end happen.
func (i *incident) pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// say has a person write in the problem's thread, to the relay.
func (i *incident) say(who, words string) {
	i.t.Helper()
	_, err := i.webex.Say(webexsim.Line{Room: "noc", From: who + "@example.com", Text: words, ParentID: i.root, MentionBot: true})
	require.NoError(i.t, err)
	i.pass(10 * time.Second)
}

// press has a person press a button of the problem's card.
func (i *incident) press(who, button string, inputs map[string]any) {
	i.t.Helper()
	card := i.card()
	require.NotNil(i.t, card, "the thread has a card")
	_, err := i.webex.PressButton(card.ID, who+"@example.com", button, inputs)
	require.NoError(i.t, err)
	i.pass(10 * time.Second)
}

// card is the newest card in the problem's thread; nil for none.
func (i *incident) card() *webexsim.MessageView {
	for _, m := range slices.Backward(i.webex.Timeline("noc")) {
		if m.ParentID == i.root && m.Card != nil && !m.Deleted {
			return &m
		}
	}
	return nil
}

// shows requires that the problem's message in the room noc contains all words and none of those after "!".
func (i *incident) shows(words ...string) {
	i.t.Helper()
	m, _ := i.webex.Message(i.root)
	for _, word := range words {
		if without, ok := strings.CutPrefix(word, "!"); ok {
			require.NotContains(i.t, m.Text, without)
		} else {
			require.Contains(i.t, m.Text, word)
		}
	}
}

// thread requires that exactly one line of the problem's thread contains all words.
func (i *incident) thread(words ...string) {
	i.t.Helper()
	var lines []string
	found := 0
	for _, m := range i.webex.Timeline("noc") {
		if m.ParentID != i.root || m.Deleted || !m.From.Bot || m.Card != nil {
			continue
		}
		lines = append(lines, m.Text)
		if !slices.ContainsFunc(words, func(word string) bool { return !strings.Contains(m.Text, word) }) {
			found++
		}
	}
	require.Equal(i.t, 1, found, "lines with %q among\n%s", words, strings.Join(lines, "\n---\n"))
}

// recorded returns the problem in Zabbix, and its last update there.
func (i *incident) recorded() (zabbixsim.Problem, zabbixsim.Ack) {
	i.t.Helper()
	p, ok := i.zabbix.Problem(i.event)
	require.True(i.t, ok)
	if len(p.Acks) == 0 {
		return p, zabbixsim.Ack{}
	}
	return p, p.Acks[len(p.Acks)-1]
}

// mentionsIn returns everybody that messages mention.
func mentionsIn(messages []webexsim.MessageView) (all []string) {
	for _, m := range messages {
		all = append(all, m.Mentions...)
	}
	return all
}

// An incident from the first message to the last, as its room and Zabbix see it.
func TestIncident(t *testing.T) {
	throughIncident(t, func(i *incident, step func(string)) {
		step("A link goes down. The room gets one message, with a card in its thread.")
		i.event = i.zabbix.Raise(i.zabbix.Triggers()[0])
		i.pass(time.Minute)
		roots := i.webex.Timeline("noc")
		require.NotEmpty(i.t, roots)
		i.root = roots[0].ID
		i.shows("Interface Gi1/0/24: link down", "High", "Core switch 1", "!acknowledged")
		require.NotNil(i.t, i.card())

		step("A viewer may look, and nothing more.")
		i.say("carol", "close")
		i.thread("needs the role operator")
		p, _ := i.recorded()
		require.Empty(i.t, p.Acks)

		step("Alice takes it.")
		i.say("alice", "take")
		i.shows("👤 Alice Archer", "!acknowledged")
		_, act := i.recorded()
		require.Contains(i.t, act.Message, "Taken by Alice Archer")

		step("She acknowledges it with the card's button, with her words.")
		i.press("alice", "Acknowledge", map[string]any{"comment": "on my way"})
		p, act = i.recorded()
		require.True(i.t, p.Acked)
		require.Contains(i.t, act.Message, "on my way")
		require.Contains(i.t, act.Message, "Alice Archer")
		i.shows("cknowledged", "Alice Archer")
		i.thread("on my way")

		step("Somebody comments in Zabbix.")
		require.NoError(i.t, i.zabbix.Do("bob", i.event, zabbixsim.Comment, "the <@all> carrier knows", 0))
		i.pass(time.Minute)
		i.thread("carrier knows")

		step("Bob suppresses it for a quarter of an hour, which ends by itself.")
		i.say("bob", "suppress 15m carrier window")
		p, act = i.recorded()
		require.True(i.t, p.Suppressed)
		require.Contains(i.t, act.Message, "carrier window")
		i.shows("uppressed")
		i.pass(17 * time.Minute)
		i.shows("!uppressed")

		step("An hour later nobody has acted again, so Alice is asked whether she is still on it.")
		require.Empty(i.t, i.webex.Timeline("leads"), "an acknowledged problem doesn't escalate")
		i.pass(47 * time.Minute)
		i.thread("Still on it?")
		require.Contains(i.t, mentionsIn(i.webex.Timeline("noc")), "alice@example.com")

		step("She presses the button, and has another hour.")
		i.press("alice", "Yes, still on it", nil)
		p, act = i.recorded()
		require.True(i.t, p.Acked)
		require.Contains(i.t, act.Message, "Still on it")
		i.pass(45 * time.Minute)
		i.thread("Still on it?")

		step("Then she doesn't answer: the acknowledgement lapses in Zabbix too, and the leads are told, one of them by a mention.")
		i.pass(55 * time.Minute)
		p, act = i.recorded()
		require.False(i.t, p.Acked)
		require.Equal(i.t, "relay-api", act.User.Username, "the relay itself did it")
		leads := i.webex.Timeline("leads")
		require.NotEmpty(i.t, leads)
		require.Contains(i.t, leads[0].Text, "link down")
		require.Contains(i.t, mentionsIn(leads), "lea@example.com")
		i.shows("unacknowledged")

		step("It is closed with the button. The card goes, the message says so.")
		i.press("bob", "Close problem", map[string]any{"comment": "port replaced"})
		i.pass(2 * time.Minute)
		p, _ = i.recorded()
		require.NotZero(i.t, p.RecoveryID, "closed in Zabbix")
		i.shows("resolved")
		require.Nil(i.t, i.card())

		step("Nothing was told twice, and nobody was mentioned who wasn't meant.")
		for _, room := range i.webex.State().Rooms {
			for _, m := range room.Messages {
				require.NotContains(i.t, m.Mentions, "all")
				require.False(i.t, m.From.Bot && strings.Contains(m.Text, "{"), m.Text)
			}
		}
	})
}
