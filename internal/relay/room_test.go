package relay

import (
	"os"
	"regexp"
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
	"nms-alert-relay/internal/store/sqlite/sqlitetest"
)

// spaceConfig adds what the story of an incident's space needs.
var spaceConfig = strings.Replace(incidentConfig, "ack_expires: 1h", "duty: night", 1) + `
incident:
  checklist: ["Customers informed", "Carrier called"]
  update_every: 10m
  close_after: 10m
  on_close: leave
duty:
  - name: night
    rota: [{layer: primary, people: [lea@example.com], start: 2000-01-01T00:00, every: 7d}]
`

// spaceID returns the id of the newest incident's space.
func (i *incident) spaceID() string {
	i.t.Helper()
	all := i.relay.live.incidents.All()
	require.NotEmpty(i.t, all)
	return all[len(all)-1].RoomID
}

// space returns the bot's messages of the incident's space that have all words.
func (i *incident) space(words ...string) (found []webexsim.MessageView) {
	for _, m := range i.webex.Timeline(i.spaceID()) {
		said := m.Text + string(m.Card)
		if m.From.Bot && !m.Deleted && !slices.ContainsFunc(words, func(word string) bool { return !strings.Contains(said, word) }) {
			found = append(found, m)
		}
	}
	return found
}

// spaceCard returns the card of the incident, which must be there once.
func (i *incident) spaceCard() webexsim.MessageView {
	i.t.Helper()
	cards := i.space(`"action":"incident"`)
	require.Len(i.t, cards, 1)
	return cards[0]
}

// inSpace has a person write in the space, to the relay.
func (i *incident) inSpace(who, words string) {
	i.t.Helper()
	_, err := i.webex.Say(webexsim.Line{Room: i.spaceID(), From: who + "@example.com", Text: words, MentionBot: true})
	require.NoError(i.t, err)
	time.Sleep(20 * time.Second)
}

// once requires that exactly one message of the space has all words.
func (i *incident) once(words ...string) webexsim.MessageView {
	i.t.Helper()
	found := i.space(words...)
	var all []string
	for _, m := range i.space() {
		all = append(all, m.Text)
	}
	require.Len(i.t, found, 1, "%q among\n%s", words, strings.Join(all, "\n---\n"))
	return found[0]
}

// The story of an incident, from the first alert to the review, on both transports, with a restart before each step. Without restarts
// TestIncidentSpaceIsLost tells it.
func TestIncidentSpace(t *testing.T) {
	throughIncidentOf(t, spaceConfig, []bool{true}, func(i *incident, step func(string)) {
		step("A link goes down. Bob acknowledges it; a viewer can't open a room.")
		i.event = i.zabbix.Raise(i.trigger("link down"))
		time.Sleep(time.Minute)
		i.root = i.webex.Timeline("noc")[0].ID
		i.say("bob", "ack on it <@all> *now*")
		i.say("carol", "room")
		i.thread("room needs the role operator")

		step("Alice opens one. Webex makes the space, and its answer is lost; somebody can't be invited.")
		i.webex.AddFault(webexsim.Fault{Op: "POST /rooms", Count: 1, Status: 502, Taken: true})
		require.NoError(i.t, i.webex.KeepOut("lea@example.com"))
		rooms := len(i.webex.State().Rooms)
		i.say("alice", "room")
		time.Sleep(30 * time.Second)
		state := i.webex.State()
		require.Len(i.t, state.Rooms, rooms+1, "one space")
		i.thread("INC-1", "1 problem", "open its space")
		for _, r := range state.Rooms {
			if r.ID == i.spaceID() {
				require.Equal(i.t, "INC-1 Core switch 1: Interface Gi1/0/24: link down (high)", r.Title)
				require.ElementsMatch(i.t, []string{webexsim.DefaultBot, "alice@example.com", "bob@example.com"}, r.Members)
			}
		}
		i.once("was opened by Alice Archer in the room noc", "this message")
		i.once("I couldn't invite everybody", "lea@example.com", "403")
		i.once("Bob Baker (via Webex) acknowledged", "link down", "4701", "Zabbix")

		step("Alice takes the lead with the button, Bob is the scribe; a viewer who was added can't, and an item is ticked.")
		press := func(who, button string) {
			_, err := i.webex.PressButton(i.spaceCard().ID, who+"@example.com", button, nil)
			require.NoError(i.t, err)
			time.Sleep(20 * time.Second)
		}
		require.NoError(i.t, i.webex.AddToRoom(i.spaceID(), "carol@example.com"))
		press("carol", "Take lead")
		i.once("Carol Cook", "needs the role operator")
		press("alice", "Take lead")
		require.Contains(i.t, string(i.spaceCard().Card), "Alice Archer")
		i.inSpace("bob", "role scribe")
		i.once("scribe in INC-1: Bob Baker")
		conflicts := i.webex.Stats().Statuses["409"]
		i.inSpace("alice", "role communications carol@example.com")
		i.once("communications in INC-1: carol@example.com")
		require.Equal(i.t, conflicts+1, i.webex.Stats().Statuses["409"], "she is invited, and in it already")
		press("bob", "☑ Customers informed")
		require.Contains(i.t, string(i.spaceCard().Card), "☑ 1. Customers informed · Bob Baker")

		step("A note is in the timeline, and in Zabbix.")
		i.inSpace("bob", "note the <@all> carrier [is](http://evil.example) on it")
		_, act := i.recorded()
		require.Contains(i.t, act.Message, "carrier [is](http://evil.example) on it")
		require.Contains(i.t, act.Message, "Bob Baker")

		step("Another problem is joined: its message comes to the space.")
		disk := i.zabbix.Raise(i.trigger("isk"))
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Empty(i.t, i.space("4702 · Zabbix"))
		i.inSpace("carol", "join 4702")
		i.inSpace("alice", "join 4702")
		i.once("Joined to INC-1")
		require.Len(i.t, i.space("4702 · Zabbix"), 1)
		require.Contains(i.t, string(i.spaceCard().Card), "2 problems")

		step("Nobody posts an update for ten minutes: the lead is reminded, once.")
		time.Sleep(10 * time.Minute)
		i.once("no update in INC-1 for 10 min", "Alice Archer")
		require.Contains(i.t, mentionsIn(i.space("no update in")), "alice@example.com")

		step("Both are resolved. Five minutes later the review is there.")
		require.NoError(i.t, i.zabbix.Do("bob", disk, zabbixsim.Comment, "cleaned up", 0))
		time.Sleep(10 * time.Second)
		i.zabbix.Resolve(i.event)
		i.zabbix.Resolve(disk)
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Empty(i.t, i.space("review is attached"))
		time.Sleep(6 * time.Minute)
		review := i.once("is over: its review is attached", "Acknowledged after 1 min by Bob Baker", "Then I leave this space")
		require.Len(i.t, review.Files, 1)
		require.Equal(i.t, "inc-1-review.md", review.Files[0].Name)
		require.Len(i.t, i.space("4701 · Zabbix", "resolved"), 1)
		i.thread("INC-1", "is resolved")
		requireReview(i.t, string(review.Files[0].Content))
		time.Sleep(time.Minute)
		for _, name := range []string{"link down", "isk"} {
			drawn := i.once("📈 ", name, "UTC to")
			require.Equal(i.t, review.ID, drawn.ParentID)
			require.Len(i.t, drawn.Files, 1)
		}

		step("Ten minutes later the bot leaves the space. The review can still be had where the incident was opened.")
		id := i.spaceID()
		time.Sleep(15 * time.Minute)
		for _, r := range i.webex.State().Rooms {
			if r.ID == id {
				require.Len(i.t, r.Members, 3, "people keep it")
			}
		}
		i.thread("INC-1", "is closed")
		i.say("carol", "review INC-1")
		var files []webexsim.FileView
		for _, m := range i.webex.Timeline("noc") {
			files = append(files, m.Files...)
		}
		require.Len(i.t, files, 1)
		require.Equal(i.t, string(review.Files[0].Content), string(files[0].Content))

		step("Nothing was told twice, and nobody was mentioned who wasn't meant.")
		i.once("was opened by Alice Archer in the room noc")
		i.once("I couldn't invite everybody")
		i.once("is over: its review is attached")
		require.Len(i.t, i.space("📈 ", "UTC to"), 2)
		letters, err := i.relay.store.DeadLetters(i.t.Context())
		require.NoError(i.t, err)
		require.Empty(i.t, letters)
		for _, m := range i.webex.Timeline(id) {
			require.NotContains(i.t, m.Mentions, "all")
		}
	})
}

// The bot is removed from the space: that is told once where the incident was opened, and the review goes there.
func TestIncidentSpaceIsLost(t *testing.T) {
	path := sqlitetest.New(t)
	synctest.Test(t, func(t *testing.T) {
		i := newIncidentOf(t, path, config.ListenWebsocket, spaceConfig)
		long := i.trigger("link down")
		long.Name += strings.Repeat(" and down", 40)
		i.event = i.zabbix.Raise(long)
		time.Sleep(time.Minute)
		i.root = i.webex.Timeline("noc")[0].ID
		i.press("alice", "Incident room", nil)
		time.Sleep(30 * time.Second)
		synctest.Wait()
		require.NotNil(t, i.card(), "the problem's card stays")
		require.Contains(t, string(i.card().Card), "Incident room")
		require.Len(t, i.space("4701", `"action":"graph"`), 1)
		require.Empty(t, i.space("Incident room"), "it is one")
		require.ElementsMatch(t, []string{webexsim.DefaultBot, "alice@example.com", "lea@example.com"}, i.webex.State().Room(i.spaceID()).Members, "who is on duty is invited")
		require.Equal(t, 2, i.webex.Stats().Calls["POST /memberships"], "once")
		require.Empty(t, i.space("I couldn't invite everybody"))

		// The space is bound, too. That it is gone is noticed although nothing is posted there.
		for n := range i.cfg.People {
			i.cfg.People[n].Role = config.RoleAdmin
		}
		i.stop()
		i.start()
		i.pass(time.Minute)
		space := i.spaceID()
		i.inSpace("alice", "bind >=high")
		_, err := i.webex.PressButton(i.once("This posts every new problem").ID, "alice@example.com", "Yes, bind it", nil)
		require.NoError(t, err)
		i.pass(time.Minute)
		require.Len(t, i.relay.live.bindings.Of(binding.Space(space)), 1)
		require.NoError(t, i.webex.RemoveFromRoom(space, webexsim.DefaultBot))
		i.pass(6 * time.Minute)
		i.thread("takes no messages from me any more")
		require.Empty(t, i.relay.live.bindings.Of(binding.Space(space)))
		i.say("bob", "ack on it")
		i.zabbix.Resolve(i.event)
		time.Sleep(10 * time.Minute)
		i.thread("is over: its review is attached")
		i.thread("takes no messages from me any more")
		synctest.Wait()
		for _, m := range i.webex.Timeline("noc") {
			require.NotContains(t, m.Text, "was bound")
		}
	})
}

// clockTimes are times in the review, which differ with the restarts.
var clockTimes = regexp.MustCompile(`\b\d\d:\d\d:\d\d\b|\b\d+ (?:s|min|h \d+ min)\b`)

// requireReview compares a review, but for its times, with the golden file.
func requireReview(t *testing.T, got string) {
	t.Helper()
	got = clockTimes.ReplaceAllString(got, "…")
	const golden = "testdata/incident-review.golden"
	if *update {
		require.NoError(t, os.WriteFile(golden, []byte(got), 0o600))
	}
	want, err := os.ReadFile(golden)
	require.NoError(t, err, "go test ./internal/relay -run TestIncidentSpace -update writes it")
	require.Equal(t, string(want), got)
}
