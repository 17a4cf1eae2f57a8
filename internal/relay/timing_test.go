package relay

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/delivery"
	"nms-alert-relay/internal/ledger"
	"nms-alert-relay/internal/render"
	"nms-alert-relay/internal/route"
	"nms-alert-relay/internal/simulator/memnet"
	"nms-alert-relay/internal/simulator/webexsim"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/store/sqlite"
	"nms-alert-relay/internal/store/sqlite/sqlitetest"
	"nms-alert-relay/internal/webex"
)

// simulation runs a relay in virtual time: the real ledger, store, router, delivery, renderer and client, and a simulated Webex over
// an in-memory network.
type simulation struct {
	t       *testing.T
	path    string
	cfg     *config.Config
	sim     *webexsim.Server
	webex   *webex.Client
	metrics *ledger.Metrics

	store    *sqlite.Store
	notifier store.Local
	fold     *ledger.Ledger
	stop     func()
}

const nightBot = "relay@webex.bot"

// simulate runs a story; its first call is at. The clock starts on a Saturday at 00:00 UTC. The rooms are noc (with the given
// keys), leads, and terse (one line per problem).
func simulate(t *testing.T, quiet, routes string, story func(n *simulation)) {
	path := sqlitetest.New(t)
	synctest.Test(t, func(t *testing.T) {
		n := &simulation{t: t, path: path, sim: webexsim.New(webexsim.Options{})}
		var rooms strings.Builder
		for name, keys := range map[string]string{"noc": quiet, "leads": "", "terse": "presentation: line"} {
			fmt.Fprintf(&rooms, "  - {name: %s, id: %s, %s}\n", name, webexsim.RoomID(name), keys)
		}
		var err error
		n.cfg, err = config.Parse("relay.yaml", []byte(`
webex: {bots: [{name: noc, token_env: TOKEN}]}
zabbix: [{name: main, url: "https://zabbix.example.com", secret_env: SECRET}]
default_rooms: [noc]
allowed_domains: [example.com]
rooms:
`+rooms.String()+routes), config.Options{Env: func(name string) string { return strings.Repeat("not-a-secret-of-"+name, 2) }})
		require.NoError(t, err)
		n.sim.AddBot(nightBot, "Relay", "token-of-relay")
		n.sim.AddPerson("alice@example.com", "Alice")
		for _, room := range []string{"noc", "leads", "terse"} {
			n.sim.AddRoom(room, room, nightBot, "alice@example.com")
		}
		transport, hangUp := memnet.Serve("webex.test:80", n.sim)
		t.Cleanup(func() {
			hangUp()
			n.sim.Close()
		})
		n.webex = webex.New(webex.Options{BaseURL: "http://webex.test/v1", Token: "token-of-relay", Transport: transport})
		t.Cleanup(func() { n.stop() })
		story(n)
	})
}

// start starts a relay on the store as it is.
func (n *simulation) start() {
	var err error
	n.store, err = sqlite.Open(context.Background(), sqlite.Options{Path: n.path})
	require.NoError(n.t, err)
	router, err := route.New(n.cfg)
	require.NoError(n.t, err)
	renderer, err := render.New(render.Options{Sources: map[string]string{"main": "https://zabbix.example.com"}})
	require.NoError(n.t, err)
	deliver, err := delivery.New(delivery.Options{
		Store: n.store, Notifier: &n.notifier, Render: func() delivery.Renderer { return renderer }, Bots: []delivery.Bot{{Name: "noc", Client: n.webex}}, Rooms: delivery.RoomsOf(n.cfg), RateLimit: 20,
	})
	require.NoError(n.t, err)
	n.metrics = ledger.NewMetrics(prometheus.NewRegistry(), []string{"main"})
	grouping := groupingOf(n.cfg)
	n.fold = ledger.New(ledger.Options{
		Store: store.Waking(n.store, &n.notifier), Rules: ledger.Rules{
			Rooms: router.Rooms, Timing: router.Timing, OrphanWait: func() time.Duration { return time.Duration(n.cfg.Delivery.OrphanWait) },
			Grouping: func(room string) ledger.Grouping {
				g := grouping(room)
				g.Pace = deliver.Pace(room)
				return g
			},
		},
		Decode:  func(e store.Entry) (d ledger.Decoded, err error) { return d, json.Unmarshal(e.Payload, &d.Event) },
		Changed: deliver.Notify, Notifier: &n.notifier,
		Log: slog.New(slog.DiscardHandler), Metrics: n.metrics,
	})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 2)
	go func() { ended <- n.fold.Run(ctx) }()
	go func() { ended <- deliver.Run(ctx) }()
	over := false
	n.stop = func() {
		if over {
			return
		}
		over = true
		cancel()
		require.NoError(n.t, <-ended)
		require.NoError(n.t, <-ended)
		require.NoError(n.t, n.store.Close())
	}
}

// restart stops the relay, lets time pass, and starts it again.
func (n *simulation) restart(away time.Duration) {
	n.stop()
	time.Sleep(away)
	n.start()
}

// at waits for a time of the form "day 15:04:05"; the first day is 0.
func (n *simulation) at(text string) {
	n.t.Helper()
	var day int
	var clock string
	_, err := fmt.Sscanf(text, "%d %s", &day, &clock)
	require.NoError(n.t, err)
	of, err := time.Parse("15:04:05", clock)
	require.NoError(n.t, err)
	then := time.Date(2000, 1, 1+day, of.Hour(), of.Minute(), of.Second(), 0, time.UTC)
	require.False(n.t, time.Now().After(then), "%s has passed: it is %s", text, time.Now())
	time.Sleep(time.Until(then))
	if n.stop == nil {
		n.start()
	}
	synctest.Wait()
}

func (n *simulation) event(id int, e alert.Event) {
	n.t.Helper()
	now := time.Now()
	e.Key, e.ReceivedAt, e.SentAt, e.At, e.Exact = alert.Key{Source: "main", EventID: fmt.Sprint(id)}, now, now, now, true
	e.Origin = alert.OriginTrigger
	payload, err := json.Marshal(e)
	require.NoError(n.t, err)
	_, err = n.store.Append(context.Background(), store.Entry{Source: "main", Kind: store.EntryEvent, Payload: payload, ReceivedAt: now})
	require.NoError(n.t, err)
	n.notifier.Notify(store.TopicJournal)
}

func (n *simulation) open(id int, s alert.Severity) {
	n.event(id, alert.Event{Kind: alert.KindProblem, Severity: &s, Facts: alert.Facts{Name: fmt.Sprintf("problem number %d", id), Hosts: []alert.Host{{Host: fmt.Sprintf("sw%d", id)}}}})
}

func (n *simulation) update(id int, a alert.Actions) {
	n.event(id, alert.Event{Kind: alert.KindUpdate, Update: &alert.Update{Actor: alert.Actor{Name: "Bob"}, Actions: a}})
}

func (n *simulation) resolve(id int) {
	n.event(id, alert.Event{Kind: alert.KindRecovery, Resolved: true})
}

// messages returns the messages of a room, one string each, without cards. Replies are indented by two spaces.
func (n *simulation) messages(room string) []string {
	synctest.Wait()
	var all []string
	for _, m := range n.sim.Timeline(room) {
		text := strings.ReplaceAll(m.Markdown, "  \n", " | ")
		switch {
		case m.Deleted || m.Card != nil:
		case m.ParentID != "":
			all = append(all, "  "+text)
		default:
			all = append(all, text)
		}
	}
	return all
}

// requireMessages requires exactly these messages in a room, in order; each must contain its string.
func (n *simulation) requireMessages(room string, want ...string) {
	n.t.Helper()
	said := n.messages(room)
	require.Len(n.t, said, len(want), "%s", strings.Join(said, "\n"))
	for i := range want {
		require.Contains(n.t, said[i], want[i])
	}
}

// requireOne requires exactly one message with this prefix in a room, and that it contains want.
func (n *simulation) requireOne(room, prefix, want string) {
	n.t.Helper()
	var found []string
	for _, text := range n.messages(room) {
		if strings.HasPrefix(text, prefix) {
			found = append(found, text)
		}
	}
	require.Len(n.t, found, 1, room)
	require.Contains(n.t, found[0], want)
}

func (n *simulation) pending() int64 {
	s, err := n.store.Stats(context.Background())
	require.NoError(n.t, err)
	return s.PostsPending
}

const atNight = `quiet: {when: [{hours: "22:00-07:00"}], below: high}`

// In quiet hours a room gets only severe problems; at their end it gets the problems that are still open, and never those that
// came and went.
func TestQuietHoursEndWithTheOpenProblems(t *testing.T) {
	simulate(t, atNight, "", func(n *simulation) {
		n.at("0 21:59:00")
		n.open(1, alert.Average)
		n.at("0 22:30:00")
		n.open(2, alert.Average) // stays open all night
		n.open(3, alert.Warning) // resolves in quiet hours
		n.open(4, alert.High)    // severe
		n.open(5, alert.Average) // becomes severe
		n.at("0 23:00:00")
		n.requireMessages("noc", "problem number 1", "problem number 4")
		require.EqualValues(n.t, 3, n.pending())
		n.resolve(3)
		n.update(5, alert.Actions{Severity: &alert.SeverityChange{Old: alert.Average, New: alert.Disaster}})
		n.at("0 23:00:20") // later, since the order within one moment is undefined
		n.resolve(1)
		n.at("0 23:01:00")
		n.requireMessages("noc", "resolved · Average · **problem number 1**", "problem number 4", "Disaster problem · **problem number 5**", "  ✅ Resolved after 1h 1m")
		require.EqualValues(n.t, 1, n.pending(), "a problem that resolved in the meantime is not pending")
		n.restart(7*time.Hour + 55*time.Minute)
		n.at("1 06:59:59")
		require.Len(n.t, n.messages("noc"), 4)
		n.at("1 07:00:10")
		n.requireMessages("noc", "number 1", "number 4", "number 5", "Resolved", "Average problem · **problem number 2**")
		require.Zero(n.t, n.pending())
		n.update(3, alert.Actions{Comment: true})
		n.at("1 07:01:00")
		require.Len(n.t, n.messages("noc"), 5, "a problem that resolved in the night is never posted")
		require.Zero(n.t, n.pending())
	})
}

// A thousand problems held back by quiet hours are posted together at their end, also if the route escalates them later.
func TestAThousandHeldProblemsShareADigest(t *testing.T) {
	simulate(t, atNight, `routes:
  - {rooms: [noc], escalate: {after: 30m, rooms: [leads]}}
`, func(n *simulation) {
		n.at("0 22:30:00")
		for id := range 1000 {
			n.open(id+1, alert.Average)
		}
		n.at("1 07:00:05")
		said := n.messages("noc")
		require.NotEmpty(n.t, said)
		require.LessOrEqual(n.t, len(said), 2, "a digest, and its list perhaps: %s", strings.Join(said, "\n"))
		require.Contains(n.t, said[0], "**1,000 problems at once** · 1,000 open")
	})
}

// Many problems that are still open at the end of quiet hours become one digest.
func TestQuietHoursEndInADigest(t *testing.T) {
	simulate(t, atNight, "", func(n *simulation) {
		n.at("0 22:30:00")
		for id := range 40 {
			n.open(id+1, alert.Average)
			time.Sleep(time.Minute)
		}
		n.resolve(7)
		require.Empty(n.t, n.messages("noc"))
		n.restart(7 * time.Hour)
		n.at("1 07:00:20")
		said := n.messages("noc")
		require.LessOrEqual(n.t, len(said), 2, "a digest, and its list perhaps: %s", strings.Join(said, "\n"))
		require.Contains(n.t, said[0], "**39 problems at once** · 39 open")
		require.NotContains(n.t, said[0], "problem number 7 ")
		require.Zero(n.t, n.pending())
	})
}

const delayed = `routes:
  - {rooms: [noc], delay: 5m}
`

// A problem that resolves within its delay is never posted; any other is posted when the delay has passed.
func TestDelay(t *testing.T) {
	simulate(t, "", delayed, func(n *simulation) {
		n.at("0 12:00:00")
		n.open(1, alert.Disaster)
		n.open(2, alert.High)
		n.at("0 12:02:00")
		n.resolve(1)
		n.update(2, alert.Actions{Comment: true})
		n.at("0 12:04:59")
		require.Empty(n.t, n.messages("noc"))
		require.EqualValues(n.t, 1, n.pending())
		n.at("0 12:05:02")
		n.requireMessages("noc", "problem number 2")
		n.resolve(2)
		n.at("0 12:06:00")
		n.requireMessages("noc", "resolved · High · **problem number 2**", "  ✅ Resolved")
		require.Zero(n.t, n.pending())
	})
}

// After a restart during which the delay passed, open problems are posted and resolved ones are not.
func TestDelayAcrossARestart(t *testing.T) {
	simulate(t, "", delayed, func(n *simulation) {
		n.at("0 12:00:00")
		n.open(1, alert.High)
		n.open(2, alert.High)
		n.open(3, alert.High)
		n.at("0 12:01:00")
		n.sim.Outage(time.Now().Add(time.Hour))
		n.resolve(1)
		n.restart(2 * time.Minute)
		n.at("0 12:30:00")
		n.resolve(3)
		n.restart(time.Minute)
		n.at("0 13:10:00")
		require.Len(n.t, n.messages("noc"), 2, "%s", strings.Join(n.messages("noc"), "\n"))
		require.NotContains(n.t, strings.Join(n.messages("noc"), "\n"), "problem number 1")
		require.Contains(n.t, strings.Join(n.messages("noc"), "\n"), "resolved · High · **problem number 3**")
		require.Zero(n.t, n.pending())
	})
}

const escalating = `routes:
  - {rooms: [noc, terse], escalate: [{after: 15m, rooms: [leads], mention: [alice@example.com]}, {after: 1h, mention: [all]}], remind: 2h}
`

// An unacknowledged problem escalates step by step and sends reminders: in the thread where a room has its message, with a
// message of its own elsewhere.
func TestEscalation(t *testing.T) {
	simulate(t, "", escalating, func(n *simulation) {
		n.at("0 12:00:00")
		n.open(1, alert.High)
		n.at("0 12:14:58")
		n.requireMessages("noc", "problem number 1")
		require.Empty(n.t, n.messages("leads"))
		n.restart(time.Second)
		const to = "  ⏫ Escalated to leads: nobody acknowledged it for 15m (12:15) <@personEmail:alice@example.com>"
		n.at("0 12:15:10")
		n.requireMessages("noc", "problem number 1", to)
		n.requireMessages("terse", "problem number 1", to)
		n.requireMessages("leads", "⏫ Escalated from noc: nobody acknowledged it for 15m (1 Jan 12:15)", "  ⏫ Escalated from noc: nobody acknowledged it for 15m (12:15) <@personEmail:alice@example.com>")
		mentioned := 0
		for _, room := range []string{"noc", "terse", "leads"} {
			for _, m := range n.sim.Timeline(room) {
				mentioned += len(m.Mentions)
			}
		}
		require.Equal(n.t, 3, mentioned, "once in each room, though two steps escalate to leads")
		n.at("0 13:00:10")
		n.requireMessages("noc", "problem number 1", to, "  ⏫ Nobody acknowledged it for 1h (13:00) <@all>")
		n.requireMessages("leads", "problem number 1", "  ⏫")
		n.at("0 14:00:10")
		n.requireMessages("noc", "problem number 1", to, "  ⏫ Nobody", "  ⏰ Still open after 2h, and nobody has acknowledged it (14:00)")
		n.at("0 18:00:10")
		n.requireMessages("noc", "problem number 1", to, "  ⏫ Nobody", "  ⏰ Still open after 2h", "  ⏰ Still open after 4h", "  ⏰ Still open after 6h")
		n.requireMessages("leads", "problem number 1", "  ⏫")
		n.update(1, alert.Actions{Ack: true})
		n.at("0 21:00:00")
		n.requireMessages("leads", "acknowledged", "  ⏫", "  ✋ **Bob** acknowledged")
		require.Len(n.t, n.messages("noc"), 7)
		require.Zero(n.t, n.sim.Timeline("leads")[0].Edits-1, "reminders cause no edits")
	})
}

// An acknowledgement stops escalations and reminders; taking it back starts the clock again.
func TestAcknowledgementStopsEscalations(t *testing.T) {
	simulate(t, "", escalating, func(n *simulation) {
		n.at("0 12:00:00")
		n.open(1, alert.High)
		n.at("0 12:14:00")
		n.update(1, alert.Actions{Ack: true})
		n.at("0 16:00:00")
		require.Empty(n.t, n.messages("leads"))
		n.requireMessages("noc", "acknowledged", "  ✋")
		n.update(1, alert.Actions{Unack: true})
		n.at("0 16:14:58")
		require.Empty(n.t, n.messages("leads"))
		n.at("0 16:15:10")
		require.NotEmpty(n.t, n.messages("leads"))
	})
}

// A suppression with an end postpones escalations and reminders to that end; one without an end stops them.
func TestSuppressionStopsRemindersAndEscalations(t *testing.T) {
	simulate(t, "", escalating, func(n *simulation) {
		n.at("0 12:00:00")
		n.open(1, alert.High)
		n.open(2, alert.High)
		n.at("0 12:10:00")
		n.update(1, alert.Actions{Suppress: true, SuppressUntil: time.Now().Add(time.Hour)})
		n.update(2, alert.Actions{Suppress: true})
		n.at("0 13:24:58")
		require.Empty(n.t, n.messages("leads"))
		n.at("0 13:25:10")
		require.Contains(n.t, n.messages("leads")[0], "problem number 1")
		n.at("0 20:00:00")
		require.NotContains(n.t, strings.Join(n.messages("leads"), "\n"), "problem number 2")
	})
}

// In quiet hours only severe problems escalate or send reminders.
func TestQuietHoursPostponeReminders(t *testing.T) {
	simulate(t, atNight, `routes:
  - {rooms: [noc], escalate: {after: 30m, rooms: [leads]}, remind: 1h}
`, func(n *simulation) {
		n.at("0 21:45:00")
		n.open(1, alert.Average)
		n.open(2, alert.High)
		n.at("0 22:30:00")
		require.Len(n.t, n.messages("leads"), 1)
		require.Contains(n.t, n.messages("leads")[0], "problem number 2")
		n.restart(8 * time.Hour)
		n.at("1 06:59:59")
		require.Len(n.t, n.messages("leads"), 1)
		n.at("1 07:00:10")
		require.Len(n.t, n.messages("leads"), 2)
		require.Contains(n.t, n.messages("leads")[1], "problem number 1")
	})
}

// An unacknowledged storm escalates and sends reminders in one line of its digest's thread; the room that it escalates to gets a
// digest too.
func TestAStormEscalatesAsOne(t *testing.T) {
	simulate(t, "", `routes:
  - {rooms: [noc], escalate: {after: 15m, rooms: [leads], mention: [alice@example.com]}, remind: 1h}
`, func(n *simulation) {
		n.at("0 12:00:00")
		for id := range 200 {
			n.open(id+1, alert.Average)
		}
		n.at("0 12:10:00")
		for id := range 20 {
			n.resolve(id + 1)
		}
		n.update(21, alert.Actions{Ack: true})
		n.at("0 12:16:00")
		n.requireOne("noc", "  ⏫", "  ⏫ 179 problems escalated to leads: nobody acknowledged them for 15m <@personEmail:alice@example.com>")
		require.Contains(n.t, n.messages("leads")[0], "**179 problems at once** · 179 open")
		n.requireOne("leads", "  ⏫", "  ⏫ 179 problems escalated from noc: nobody acknowledged them for 15m <@personEmail:alice@example.com>")
		require.Zero(n.t, n.pending())
		n.at("0 13:05:00")
		n.requireOne("noc", "  ⏰", "  ⏰ 179 problems still open, and nobody has acknowledged them")
		n.requireOne("noc", "  ⏫", "179 problems")
		n.requireOne("leads", "  ⏫", "179 problems")
		require.NotContains(n.t, strings.Join(n.messages("leads"), "\n"), "⏰")
		require.Zero(n.t, n.pending())
	})
}
