package relay

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/binding"
	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/simulator/webexsim"
	"nms-alert-relay/internal/simulator/zabbixsim"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/store/sqlite/sqlitetest"
)

// chat returns the room in the simulator of a person's direct chat.
func chatOf(who string) string {
	return webexsim.DirectRoomID(who+"@example.com", webexsim.DefaultBot)
}

// writes has a person write to the bot, in a room or in their direct chat (room ""), and returns the bot's newest message there.
func (i *incident) writes(who, room, words string) webexsim.MessageView {
	i.t.Helper()
	line := webexsim.Line{Room: room, From: who + "@example.com", Text: words, MentionBot: room != ""}
	if room == "" {
		line.Room = chatOf(who)
	}
	before := len(i.webex.Timeline(line.Room))
	_, err := i.webex.Say(line)
	require.NoError(i.t, err)
	i.pass(20 * time.Second)
	for _, m := range slices.Backward(i.webex.Timeline(line.Room)[before:]) {
		if m.From.Bot && !m.Deleted {
			return m
		}
	}
	return webexsim.MessageView{}
}

// about returns the bot's messages about a problem in a room that aren't in a thread.
func (i *incident) about(room, name string) (found []webexsim.MessageView) {
	for _, m := range i.webex.Timeline(room) {
		if m.From.Bot && !m.Deleted && m.ParentID == "" && strings.Contains(m.Text, name) {
			found = append(found, m)
		}
	}
	return found
}

// reload gives the running relay another configuration.
func (i *incident) reload(change func(cfg *config.Config)) {
	i.t.Helper()
	next := *i.cfg
	next.People, next.Rooms, next.AllowedDomains = slices.Clone(next.People), slices.Clone(next.Rooms), slices.Clone(next.AllowedDomains)
	change(&next)
	i.relay.reloading.Lock()
	defer i.relay.reloading.Unlock()
	_, err := i.relay.reload(&next, files{}, nil, "test")
	require.NoError(i.t, err)
	i.cfg = &next
}

func (i *incident) trigger(name string) zabbixsim.Trigger {
	for _, t := range i.zabbix.Triggers() {
		if strings.Contains(t.Name, name) {
			return t
		}
	}
	i.t.Fatalf("no trigger %q", name)
	panic("")
}

// Subscriptions and bound spaces through the whole relay: who gets what, whatever becomes of the people, the configuration and the bot.
func TestBindingsStory(t *testing.T) {
	path := sqlitetest.New(t)
	synctest.Test(t, func(t *testing.T) {
		i := newIncident(t, path, config.ListenWebsocket)
		bindingsStory(i, func(what string) { t.Log(time.Now().Format("15:04:05 "), what) }, func() {
			i.stop()
			i.start()
			i.pass(time.Minute) // the websocket is open again
		})
	})
}

func bindingsStory(i *incident, step func(string), restart func()) {
	t := i.t
	i.webex.AddPerson("dora@example.com", "Dora Dean")
	i.webex.AddRoom("network", "Network team", "dora@example.com", "carol@example.com")
	require.NoError(t, i.webex.AddToRoom("noc", "dora@example.com"))
	for _, who := range []string{"alice", "carol", "lea"} {
		i.webex.Direct(who+"@example.com", webexsim.DefaultBot)
	}
	i.reload(func(cfg *config.Config) {
		cfg.People = append(cfg.People, config.Person{Email: "dora@example.com", Role: config.RoleAdmin}, config.Person{Email: "lea@example.com", Role: config.RoleViewer, Rooms: []string{"leads"}})
	})
	link, disk := i.trigger("link down"), i.trigger("isk")
	raise := func(tr zabbixsim.Trigger) int64 {
		id := i.zabbix.Raise(tr)
		i.pass(time.Minute)
		return id
	}
	end := func(id int64) {
		i.zabbix.Resolve(id)
		i.pass(time.Minute)
	}

	step("Carol subscribes to links, Lea to everything severe; a room isn't the place.")
	require.Contains(t, i.writes("carol", "", "subscribe text=link severity>=average").Text, "Subscribed: #1")
	lea := i.writes("lea", "", "subscribe >=warning for 30d")
	require.Contains(t, lea.Text, "Subscribed: #2")
	require.Contains(t, lea.Text, "a room in which you have a role: leads")
	require.Contains(t, i.writes("alice", "noc", "subscribe >=high").Text, "direct chat")

	step("A link goes down: Carol gets it, Lea doesn't, since it goes to the room noc.")
	first := raise(link)
	require.Len(t, i.about("noc", "link down"), 1)
	require.Len(t, i.about(chatOf("carol"), "link down"), 1)
	require.Empty(t, i.about(chatOf("lea"), "link down"))

	step("In a space that the bot was just added to, it hears only an admin, and only bind.")
	require.NoError(t, i.webex.AddToRoom("network", webexsim.DefaultBot))
	require.Empty(t, i.writes("carol", "network", "bind >=high").Text, "a viewer")
	require.Empty(t, i.writes("dora", "network", "problems").Text)
	question := i.writes("dora", "network", "bind text=link")
	require.Contains(t, question.Text, "This posts every new problem")
	said := len(i.webex.Timeline("network"))
	_, err := i.webex.PressButton(question.ID, "carol@example.com", "Yes, bind it", nil)
	require.NoError(t, err)
	i.pass(20 * time.Second)
	require.Len(t, i.webex.Timeline("network"), said, "without a word")
	require.Empty(t, i.relay.live.bindings.Of(binding.Space(webexsim.RoomID("network"))))
	_, err = i.webex.PressButton(question.ID, "dora@example.com", "Yes, bind it", nil)
	require.NoError(t, err)
	i.pass(20 * time.Second)
	require.Len(t, i.relay.live.bindings.Of(binding.Space(webexsim.RoomID("network"))), 1)
	require.Contains(t, i.writes("dora", "noc", "bind >=high").Text, "in the relay's configuration")

	restart()
	step("The space gets the next link, and can act on it by the roles that people have everywhere.")
	end(first)
	require.Contains(t, i.about(chatOf("carol"), "link down")[0].Text, "esolved")
	require.Empty(t, i.about("network", "link down"), "it was there before")
	second := raise(link)
	root := i.about("network", "link down")
	require.Len(t, root, 1)
	require.Len(t, i.about(chatOf("carol"), "link down"), 2)
	say := func(who, words string) string {
		_, err := i.webex.Say(webexsim.Line{Room: "network", From: who + "@example.com", Text: words, ParentID: root[0].ID, MentionBot: true})
		require.NoError(t, err)
		i.pass(20 * time.Second)
		all := i.webex.Timeline("network")
		return all[len(all)-1].Text
	}
	require.Contains(t, say("carol", "ack on it"), "needs the role operator")
	say("dora", "ack on it")
	p, _ := i.zabbix.Problem(second)
	require.True(t, p.Acked)
	require.Contains(t, i.writes("dora", "network", "rooms").Text, "bound by dora@example.com")
	raise(disk)
	require.Empty(t, i.about("network", disk.Name))
	require.Empty(t, i.about(chatOf("carol"), disk.Name))

	step("What was pressed while the relay was away is lost: the space is told, as the configured rooms are.")
	time.Sleep(3 * time.Hour) // the question of the binding, which has a card too, is too old to count
	i.stop()
	time.Sleep(10 * time.Minute)
	i.start()
	i.pass(3 * time.Minute)
	require.Len(t, i.about("noc", "didn't reach me"), 1)
	require.Len(t, i.about("network", "didn't reach me"), 1)

	step("Carol leaves the allowed domain, and Dora is no admin any more: neither gets anything, not even updates.")
	people, domains := i.cfg.People, i.cfg.AllowedDomains
	i.reload(func(cfg *config.Config) {
		for n := range cfg.People {
			if cfg.People[n].Email == "dora@example.com" {
				cfg.People[n].Role = config.RoleOperator
			}
		}
		cfg.AllowedDomains = []string{"elsewhere.example.com"}
	})
	before := [2]int{len(i.webex.Timeline("network")), len(i.webex.Timeline(chatOf("carol")))}
	end(second)
	third := raise(link)
	require.Equal(t, before, [2]int{len(i.webex.Timeline("network")), len(i.webex.Timeline(chatOf("carol")))})
	require.NotContains(t, i.about("network", "link down")[0].Text, "esolved")
	require.NotContains(t, i.about(chatOf("carol"), "link down")[1].Text, "esolved")

	restart()
	step("They are back, and get what changes from now on.")
	i.reload(func(cfg *config.Config) { cfg.People, cfg.AllowedDomains = people, domains })
	end(third)
	fourth := raise(link)
	require.Len(t, i.about("network", "link down"), 2)
	require.Len(t, i.about(chatOf("carol"), "link down"), 3)

	step("The bot is removed from the space: the default room is told once, the binding ends, and audit has it.")
	require.NoError(t, i.webex.RemoveFromRoom("network", webexsim.DefaultBot))
	end(fourth)
	for range 2 {
		end(raise(link))
	}
	require.Len(t, i.about("noc", "refuses messages"), 1)
	require.Empty(t, i.relay.live.bindings.Of(binding.Space(webexsim.RoomID("network"))))
	found, err := i.relay.store.FindCommands(t.Context(), store.CommandFilter{Actions: []string{"unbind"}})
	require.NoError(t, err)
	require.Len(t, found, 1)
	require.Contains(t, found[0].Outcome, "refuses messages")
	letters, err := i.relay.store.DeadLetters(t.Context())
	require.NoError(t, err)
	require.LessOrEqual(t, len(letters), 1)

	step("Carol ends her subscription.")
	require.Contains(t, i.writes("carol", "", "unsubscribe all").Text, "Ended: #1")
	had := len(i.about(chatOf("carol"), "link down"))
	raise(link)
	require.Len(t, i.about(chatOf("carol"), "link down"), had)
	require.Contains(t, i.writes("carol", "", "my problems").Text, "No open problem here is yours")
}
