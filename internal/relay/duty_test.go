package relay

import (
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/simulator/memnet"
	"nms-alert-relay/internal/store/sqlite/sqlitetest"
)

// The clock begins on Saturday, 1 January 2000, 00:00 UTC. Alice hands over to Bob at 00:30; the calendar has Carol, and from
// 01:10 on mallory, who may not be written to.
var dutyConfig = strings.NewReplacer("    escalate: [{after: 15m, rooms: [leads], mention: [lea@example.com]}]\n    ack_expires: 1h\n", `    escalate:
      - {after: 5m, mention: duty}
      - {after: 15m, duty: primary}
      - {after: 20m, rooms: [leads], mention: ["duty:secondary"]}
`, "bot: noc}\n  - {name: leads", "bot: noc, duty: network}\n  - {name: leads").Replace(incidentConfig) + `
duty:
  - name: network
    rota:
      - {people: [alice@example.com, bob@example.com], start: 1999-12-31 00:30, every: 1d}
      - {layer: secondary, people: [carol@example.com], start: 2000-02-01}
  - {name: storage, calendar: {url: "http://127.0.0.1:7003/s3cr3t.ics", refresh: 1m, layers: [secondary]}}
`

const dutyCalendar = "BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nUID:1\r\nDTSTART:20000101T000000Z\r\nDTEND:20000101T011000Z\r\nSUMMARY:carol@example.com\r\nEND:VEVENT\r\n" +
	"BEGIN:VEVENT\r\nUID:2\r\nDTSTART:20000101T011000Z\r\nDTEND:20000102T000000Z\r\nSUMMARY:<@all> mallory@evil.example\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"

// direct returns the messages of the bot in the direct chat with a person.
func (i *incident) direct(who string) (texts, mentions []string) {
	for _, room := range i.webex.State().Rooms {
		if room.Type != "direct" || !slices.Contains(room.Members, who+"@example.com") {
			continue
		}
		for _, m := range room.Messages {
			if m.From.Bot && m.Card == nil {
				texts, mentions = append(texts, m.Text), append(mentions, m.Mentions...)
			}
		}
	}
	return texts, mentions
}

// A problem that nobody acknowledges reaches whoever is on duty: by a mention in its thread, and in a direct chat. Who that is, is decided
// once, when the step is due; a gap is said in the rooms.
func TestDuty(t *testing.T) {
	for _, restarts := range []bool{false, true} {
		t.Run(map[bool]string{false: "running", true: "with restarts"}[restarts], func(t *testing.T) {
			path := sqlitetest.New(t)
			synctest.Test(t, func(t *testing.T) { dutyStory(newIncidentOf(t, path, config.ListenWebsocket, dutyConfig), restarts) })
		})
	}
}

func dutyStory(i *incident, restarts bool) {
	step := func(what string, at time.Duration) {
		i.pass(time.Until(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC).Add(at)))
		i.t.Log(time.Now().Format("15:04:05 "), what)
		if restarts {
			i.stop()
			i.start()
			i.pass(30 * time.Second)
		}
	}
	var away atomic.Bool
	l, server := memnet.Listen(), &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if away.Load() {
			http.Error(w, "s3cr3t", http.StatusServiceUnavailable)
			return
		}
		_, _ = w.Write([]byte(dutyCalendar))
	})}
	i.hosts.Store("127.0.0.1:7003", l)
	go func() { _ = server.Serve(l) }()
	i.t.Cleanup(func() { _ = server.Close() })

	step("A link goes down at 00:23.", 23*time.Minute)
	i.event = i.zabbix.Raise(i.zabbix.Triggers()[0])
	i.pass(time.Minute)
	i.root = i.webex.Timeline("noc")[0].ID

	step("Webex is away from 00:27 to 00:35. At 00:28 the step for Alice is due.", 27*time.Minute)
	i.webex.Outage(time.Now().Add(8 * time.Minute))
	i.pass(10 * time.Minute)
	require.Equal(i.t, []string{"alice@example.com"}, mentionsIn(i.webex.Timeline("noc")), "Bob is on duty since 00:30, and isn't meant")

	step("At 00:38 Bob is mentioned, and has the problem in his direct chat.", 40*time.Minute)
	require.Equal(i.t, []string{"alice@example.com", "bob@example.com"}, mentionsIn(i.webex.Timeline("noc")))
	i.thread("Escalated to bob@example.com: nobody acknowledged it for 15m")
	texts, mentions := i.direct("bob")
	require.Len(i.t, texts, 1)
	require.Contains(i.t, texts[0], "Interface Gi1/0/24: link down")
	require.Contains(i.t, texts[0], "Escalated from noc")
	require.Empty(i.t, mentions, "a direct chat notifies anyway")
	texts, _ = i.direct("alice")
	require.Empty(i.t, texts)

	step("At 00:43 nobody is on duty in the second layer: the rooms get it with these words.", 45*time.Minute)
	i.thread("Escalated to leads", "nobody is on duty in network (secondary)")
	leads := i.webex.Timeline("leads")
	require.Contains(i.t, leads[0].Text, "nobody is on duty in network (secondary)")
	require.Empty(i.t, mentionsIn(leads))

	step("`who` tells who is on duty.", 50*time.Minute)
	i.say("carol", "who")
	i.thread("On duty, network", "primary: bob@example.com until 2 Jan 00:30 UTC, then alice@example.com", "secondary: nobody")

	step("A reload gives the room a new schedule, by a calendar. Its copy stays in use while it can't be read; nobody is mentioned whom the relay may not write to.", 55*time.Minute)
	before := i.cfg
	next := *before
	next.Rooms, next.Duty = slices.Clone(before.Rooms), append(slices.Clone(before.Duty), before.Duty[1])
	next.Rooms[0].Duty, next.Duty[2].Name = "stock", "stock"
	i.cfg = &next
	compiled, err := i.relay.snapshot(&next)
	require.NoError(i.t, err)
	i.relay.apply(compiled)
	i.pass(time.Minute)
	away.Store(true)
	i.pass(7 * time.Minute)
	i.say("carol", "who")
	i.thread("On duty, stock", "primary: carol@example.com until 01:10 UTC, then ", "mallory@evil.example", "I can't write to them: not in an allowed domain", "this is the calendar's copy of", "its server answered 503")
	step("Another link goes down at 01:12.", 72*time.Minute)
	i.event = i.zabbix.Raise(i.zabbix.Triggers()[1])
	i.pass(7 * time.Minute)
	found := 0
	for _, room := range i.webex.State().Rooms {
		for _, m := range room.Messages {
			require.NotContains(i.t, m.Mentions, "all")
			require.NotContains(i.t, m.Text, "s3cr3t")
			if strings.Contains(m.Text, "the relay may not write to those on duty in stock (primary)") {
				found++
			}
		}
	}
	require.Equal(i.t, 1, found)
}
