package relay

import (
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/simulator/webexsim"
	"nms-alert-relay/internal/simulator/zabbixsim"
)

// direct is the direct chat of a person with the bot.
type direct struct {
	*incident
	who string
}

// says returns the bot's newest message after the person wrote something, in a thread or not.
func (d direct) says(parent, words string) webexsim.MessageView {
	d.t.Helper()
	before := len(d.all())
	_, err := d.webex.Say(webexsim.Line{Room: chatOf(d.who), From: d.who + "@example.com", Text: words, ParentID: parent})
	require.NoError(d.t, err)
	return d.newest(before)
}

// presses returns the bot's newest message after the person pressed a button of the newest card that has it.
func (d direct) presses(button string, inputs map[string]any) webexsim.MessageView {
	d.t.Helper()
	before := d.all()
	for _, m := range slices.Backward(before) {
		if m.Deleted || !strings.Contains(string(m.Card), `"`+button+`"`) {
			continue
		}
		_, err := d.webex.PressButton(m.ID, d.who+"@example.com", button, inputs)
		require.NoError(d.t, err)
		return d.newest(len(before))
	}
	d.t.Fatalf("no card has the button %q", button)
	panic("")
}

func (d direct) newest(after int) webexsim.MessageView {
	d.t.Helper()
	d.pass(4 * time.Second)
	for _, m := range slices.Backward(d.all()[after:]) {
		if m.From.Bot && !m.Deleted {
			return m
		}
	}
	return webexsim.MessageView{}
}

func (d direct) all() []webexsim.MessageView { return d.webex.Timeline(chatOf(d.who)) }

// posted are the bot's messages, in threads too, that have all words.
func (d direct) posted(words ...string) (found []webexsim.MessageView) {
	for _, m := range d.all() {
		if m.From.Bot && !m.Deleted && !slices.ContainsFunc(words, func(word string) bool { return !strings.Contains(m.Text, word) }) {
			found = append(found, m)
		}
	}
	return found
}

// skip lets time pass until a moment while the relay is down, which costs the test nothing.
func (d direct) skip(until time.Time) {
	d.stop()
	time.Sleep(time.Until(until))
	d.start()
	d.pass(time.Minute)
}

// comes waits until a moment, and requires that a message with these words comes then, to the second, and not before. It returns it.
func (d direct) comes(at time.Time, words ...string) webexsim.MessageView {
	d.t.Helper()
	before := len(d.posted(words...))
	if time.Until(at) > 5*time.Minute {
		d.skip(at.Add(-90 * time.Second))
	}
	d.pass(time.Until(at) - time.Second)
	require.Len(d.t, d.posted(words...), before, "before it is due")
	d.pass(5 * time.Second)
	after := d.posted(words...)
	require.Len(d.t, after, before+1, "%q at %s among %s", words, at, d.texts())
	m := after[len(after)-1]
	require.WithinDuration(d.t, at, m.Created, 2*time.Second)
	return m
}

func (d direct) texts() string {
	var all []string
	for _, m := range d.posted() {
		all = append(all, m.Created.Format("02 15:04:05 ")+m.Text)
	}
	return "\n" + strings.Join(all, "\n---\n")
}

// The personal assistant in a direct chat, on both transports, with a restart of the relay before each step: subscriptions, reminders and
// reports, by words and by buttons. Who leaves the allowed domains gets nothing more.
func TestAssistantStory(t *testing.T) {
	zone, err := time.LoadLocation("Europe/Berlin")
	require.NoError(t, err)
	friday := time.Date(2000, 3, 24, 6, 0, 0, 0, zone) // on Sunday the clocks are put forward
	for _, listen := range []config.Listen{config.ListenWebhook, config.ListenWebsocket} {
		t.Run(string(listen), func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "relay.db")
			synctest.Test(t, func(t *testing.T) {
				time.Sleep(time.Until(friday))
				i := newIncident(t, path, listen)
				assistantStory(i, zone, func(what string) {
					t.Log(time.Now().In(zone).Format("Mon 15:04:05 "), what)
					i.stop()
					i.start()
					i.pass(time.Minute)
				})
			})
		})
	}
}

func assistantStory(i *incident, zone *time.Location, step func(string)) {
	t := i.t
	i.webex.Direct("carol@example.com", webexsim.DefaultBot)
	carol := direct{i, "carol"}
	link, disk := i.trigger("link down"), i.trigger("isk")

	step("Carol subscribes to severe problems of a host until tomorrow. With a button she has everything severe, and ends that again.")
	require.Contains(t, carol.says("", "subscribe host=sw-core* >=high until sat 12:00").Text, "Subscribed: #1 severity>=high host=sw-core*, until 25 Mar 12:00 UTC")
	require.Contains(t, carol.presses("High and above", nil).Text, "#2 severity>=high")
	require.Contains(t, carol.presses("End #2", nil).Text, "Ended: #2")

	step("A link of that host goes down: she gets it, and not what happens on another host, or is less severe.")
	i.event = i.zabbix.Raise(link)
	i.zabbix.Raise(disk)
	i.pass(time.Minute)
	require.Len(t, i.about("noc", "link down"), 1)
	root := i.about(chatOf("carol"), "link down")
	require.Len(t, root, 1)
	require.Empty(t, i.about(chatOf("carol"), disk.Name))
	mine := carol.says("", "my problems").Text
	require.Contains(t, mine, "link down")
	require.NotContains(t, mine, disk.Name)

	step("In its thread she asks to be reminded in 2 hours, and with its button in one. Her zone isn't the server's.")
	require.Contains(t, carol.says("", "timezone europe/berlin").Text, "Your time zone is Europe/Berlin from now on")
	said := time.Now()
	twoHours := said.Add(2 * time.Hour)
	require.Contains(t, carol.says(root[0].ID, "remind me 2h call the <@all> carrier").Text, "I'll remind you here, at "+twoHours.In(zone).Format("15:04 MST")+" (#1)")
	oneHour := time.Now().Add(time.Hour)
	require.Contains(t, carol.presses("Remind me in 1 h", map[string]any{"comment": "look again"}).Text, "I'll remind you here, at "+oneHour.In(zone).Format("15:04 MST")+" (#2)")
	list := carol.says("", "reminders").Text
	for _, words := range []string{"#1", "#2", "problem " + "4701", "call the", "look again"} {
		require.Contains(t, list, words)
	}

	step("The second comes in an hour, with the problem as it is then. She moves it with its button, and then in its thread.")
	asked := "You asked me to remind you"
	require.NoError(t, i.zabbix.Do("bob", i.event, zabbixsim.Severity, "", alert.Disaster))
	i.pass(time.Minute)
	first := carol.comes(oneHour, asked, "look again", "link down", "Disaster")
	require.Contains(t, string(first.Card), "Open the message")
	later := time.Now().Add(15 * time.Minute)
	require.Contains(t, carol.presses("💤 15m", nil).Text, "I'll remind you again at "+later.In(zone).Format("15:04 MST")+" (#2)")

	step("It comes again.")
	again := carol.comes(later, asked, "look again")
	later = time.Now().Add(10 * time.Minute)
	require.Contains(t, carol.says(again.ID, "snooze 10m").Text, "I'll remind you again at "+later.In(zone).Format("15:04 MST")+" (#2)")

	step("And again. She is done with it.")
	carol.comes(later, asked, "look again")
	require.Contains(t, carol.presses("Done", nil).Text, "Done: the reminder #2 is over")

	step("The link is up. The first reminder says so.")
	i.zabbix.Resolve(i.event)
	i.pass(time.Minute)
	require.Contains(t, carol.comes(twoHours, asked, "call the", "It is over by now").Text, "link down")
	for _, m := range carol.posted(asked) {
		require.NotContains(t, m.Mentions, "all")
	}

	step("She wants a report on weekdays at 8. It is too late for Friday's: the next one is on Monday, by summer time.")
	monday := time.Date(2000, 3, 27, 8, 0, 0, 0, zone)
	require.Equal(t, 6, monday.UTC().Hour())
	require.Contains(t, carol.says("", "report 08:00 weekdays").Text, "the next one comes at 27 Mar 08:00 CEST (#3)")
	require.Contains(t, carol.says("", "remind me sat 9:00 water the plants").Text, "at 25 Mar 09:00 CET (#4)")
	require.Contains(t, carol.says("", "remind me sun 9:00 feed the cat").Text, "at 26 Mar 09:00 CEST (#5)")
	require.Contains(t, carol.says("", "reminders").Text, "#3 report 08:00 weekdays, next at 27 Mar 08:00 CEST")
	require.Contains(t, carol.presses("Remove #4", nil).Text, "Removed: #4")
	require.Contains(t, carol.says("", "unremind 5").Text, "Removed: #5")

	step("Over the weekend the subscription ends, which she is told, and nothing else comes.")
	carol.skip(monday.Add(-5 * time.Minute))
	require.Empty(t, carol.posted("water the plants", asked))
	require.Empty(t, carol.posted("feed the cat", asked))
	require.Len(t, carol.posted("subscription", "ended"), 1, carol.texts())

	step("Monday's report has what happened since Friday.")
	report := carol.comes(monday, "Your report", "24 Mar 08:00 CET – 27 Mar 08:00 CEST")
	require.Contains(t, report.Text, "1 still open")
	require.Contains(t, report.Text, disk.Name)

	step("Two reminders and the report are due while Webex is away, and a reply to her waits. She leaves the allowed domains meanwhile: none of them is sent.")
	require.Contains(t, carol.says("", "subscribe text=link severity>=average").Text, "Subscribed: #3")
	require.Contains(t, carol.says("", "report 08:10 weekdays").Text, "comes at 08:10 CEST (#6)")
	carol.says("", "remind me at 8:10 tea")
	carol.says("", "remind me at 8:40 coffee")
	i.pass(time.Until(monday.Add(9 * time.Minute)))
	away := i.webex.AddFault(webexsim.Fault{Op: "POST /messages", Status: http.StatusServiceUnavailable})
	event := i.zabbix.Raise(link)
	_, err := i.webex.Say(webexsim.Line{Room: chatOf("carol"), From: "carol@example.com", Text: "reminders"})
	require.NoError(t, err)
	i.pass(time.Until(monday.Add(12 * time.Minute)))
	pending, err := i.relay.store.PendingNotices(t.Context())
	require.NoError(t, err)
	require.Len(t, pending, 3, "they wait")
	before := len(carol.all())
	domains := i.cfg.AllowedDomains
	i.reload(func(cfg *config.Config) { cfg.AllowedDomains = []string{"elsewhere.example.com"} })
	away()
	i.pass(5 * time.Minute)
	require.Len(t, i.about("noc", "link down"), 2, "the room got what waited")
	pending, err = i.relay.store.PendingNotices(t.Context())
	require.NoError(t, err)
	require.Empty(t, pending)

	step("Nor what is due later, whatever she says.")
	carol.skip(monday.Add(38 * time.Minute))
	i.pass(5 * time.Minute)
	i.zabbix.Resolve(event)
	i.pass(time.Minute)
	_, err = i.webex.Say(webexsim.Line{Room: chatOf("carol"), From: "carol@example.com", Text: "reminders"})
	require.NoError(t, err)
	i.pass(time.Minute)
	require.Len(t, carol.all(), before+1, "only what she said: %s", carol.texts())

	step("She is back: what was withheld doesn't come, her report and her subscription do. Both end with a word.")
	i.reload(func(cfg *config.Config) { cfg.AllowedDomains = domains })
	i.pass(2 * time.Minute)
	require.Len(t, carol.all(), before+1)
	require.Contains(t, carol.says("", "reminders").Text, "#6 report 08:10 weekdays, next at 28 Mar 08:10 CEST")
	event = i.zabbix.Raise(link)
	i.pass(time.Minute)
	require.Len(t, carol.posted("link down", "runbook"), 2, "the one of Friday, and this")
	i.zabbix.Resolve(event)
	i.pass(time.Minute)
	require.Contains(t, carol.says("", "report off").Text, "(#6) has ended")
	require.Contains(t, carol.says("", "unsubscribe 3").Text, "Ended: #3")
	require.Contains(t, carol.says("", "reminders").Text, "You have no reminders")
	i.zabbix.Raise(link)
	i.pass(time.Minute)
	require.Len(t, carol.posted("link down", "runbook"), 2)

	step("Nothing is a dead letter.")
	letters, err := i.relay.store.DeadLetters(t.Context())
	require.NoError(t, err)
	require.Empty(t, letters)
}
