package command

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
	"nms-alert-relay/internal/assistant"
	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/render"
	"nms-alert-relay/internal/route"
	"nms-alert-relay/internal/store"
)

func TestParseReminders(t *testing.T) {
	monday := time.Monday
	id := []alert.Key{{EventID: "4711"}}
	for said, want := range map[string]Request{
		"remind me 2h":                            {Verb: Remind, Length: Length{For: 2 * time.Hour}},
		"remind 2h":                               {Verb: Remind, Length: Length{For: 2 * time.Hour}},
		"Remind me in 2 hours: call the vendor":   {Verb: Remind, Length: Length{For: 2 * time.Hour}, Text: "call the vendor"},
		"remind me about 4711 in 30m":             {Verb: Remind, Refs: id, Length: Length{For: 30 * time.Minute}},
		"remind me 4711 tomorrow 8:00 call them":  {Verb: Remind, Refs: id, Length: Length{Until: &Clock{Hour: 8, Days: new(1)}}, Text: "call them"},
		"remind me at 14:30":                      {Verb: Remind, Length: Length{Until: &Clock{Hour: 14, Minute: 30}}},
		"remind me 4711 on mon at 9:00":           {Verb: Remind, Refs: id, Length: Length{Until: &Clock{Hour: 9, Weekday: &monday}}},
		"remind me tomorrow":                      {Verb: Remind, Length: Length{Until: &Clock{Hour: 8, Days: new(1)}}},
		"snooze 1h":                               {Verb: Snooze, Length: Length{For: time.Hour}},
		"snooze tomorrow 8:00":                    {Verb: Snooze, Length: Length{Until: &Clock{Hour: 8, Days: new(1)}}},
		"snooze 4711 1h":                          {Verb: Suppress, Refs: id, Length: Length{For: time.Hour}},
		"snooze 1h waiting":                       {Verb: Suppress, Length: Length{For: time.Hour}, Text: "waiting"},
		"reminders":                               {Verb: Reminders},
		"unremind 7":                              {Verb: Unremind, Number: 7},
		"forget reminder #7":                      {Verb: Unremind, Number: 7},
		"forget me":                               {Verb: Forget},
		"timezone europe/berlin":                  {Verb: Timezone, Text: "Europe/Berlin"},
		"tz UTC":                                  {Verb: Timezone, Text: "UTC"},
		"timezone America/New_York.":              {Verb: Timezone, Text: "America/New_York"},
		"timezone":                                {Verb: Timezone},
		"report":                                  {Verb: Report},
		"report now":                              {Verb: Report},
		"report 12h":                              {Verb: Report, Length: Length{For: 12 * time.Hour}},
		"report off":                              {Verb: Report, Report: &Appointment{Off: true}},
		"report 08:00 weekdays":                   {Verb: Report, Report: &Appointment{Schedule: "08:00 weekdays"}},
		"report 8:00":                             {Verb: Report, Report: &Appointment{Schedule: "08:00 daily"}},
		"report at 6pm on mon, wed":               {Verb: Report, Report: &Appointment{Schedule: "18:00 mon,wed"}},
		"report 6:00 mon-fri in america/new york": {Verb: Report, Report: &Appointment{Schedule: "06:00 weekdays", Zone: "America/New_York"}},
		"report daily 07:15 monday and sunday in UTC!": {Verb: Report, Report: &Appointment{Schedule: "07:15 mon,sun", Zone: "UTC"}},
	} {
		r, q := Names{}.Parse(said)
		require.Nil(t, q, "%q: %v", said, q)
		require.Equal(t, want, r, "%q", said)
	}
	for said, want := range map[string]string{
		"remind me":                       "When?",
		"remind me to call the vendor":    "When?",
		"remind me call the vendor 2h":    "I don't understand `call` before the time",
		"remind me 2h 4711":               "Put the event id first: `remind 4711 me 2h`",
		"remind me whenever":              "When?",
		"reminders of alice":              "takes nothing else",
		"unremind x":                      "Give its number",
		"forget":                          "forget reminder 7",
		"timezone Atlantis/Poseidonis":    "I don't know the time zone",
		"timezone ../../etc/passwd":       "I don't know the time zone",
		"timezone Local":                  "I don't know the time zone",
		"report whenever":                 "I don't understand `whenever`",
		"report 8:00 mondax":              "did you mean monday?",
		"report 8:00 <@all>":              "unknown day",
		"report 400d":                     "at most 14 days",
		"report 8:00 weekdays in Nowhere": "I don't know the time zone",
		"report 25:00 weekdays":           "I don't understand",
		"report 12h of everything":        "at most 14 days",
	} {
		_, q := Names{}.Parse(said)
		require.NotNil(t, q, "%q", said)
		require.Contains(t, q.Error(), want, "%q", said)
		require.NotContains(t, q.Error(), "<@")
	}
}

// reminded runs the loop of the assistant for a relay.
func (r *relay) reminded(t *testing.T) {
	t.Helper()
	loop := assistant.New(assistant.Options{Store: r.w, Kinds: r.Kinds(), Log: slog.New(slog.DiscardHandler), Metrics: assistant.NewMetrics(prometheus.NewRegistry()), Now: time.Now})
	go func() { _ = loop.Run(r.ctx) }()
}

// chats is a person in a direct chat with a relay that reminds.
type chats struct {
	*testing.T
	w *world
	r *relay
	n int
}

func inChat(t *testing.T, do func(c *chats)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.settings = func(room, _ string) (render.Room, bool) {
			return render.Room{Name: room}, room == "noc" || strings.HasPrefix(room, config.PersonRoom)
		}
		w.people = []config.Person{{Email: "alice@example.com", Role: config.RoleOperator}, {Email: "boss@example.com", Role: config.RoleAdmin}, {Email: "dave@example.com", Role: config.RoleViewer, Rooms: []string{"noc"}}}
		c := &chats{T: t, w: w, r: w.start(t)}
		c.r.reminded(t)
		defer func() { c.r.stop() }()
		do(c)
	})
}

func (c *chats) says(in Input) string {
	c.Helper()
	c.n++
	in.Direct = in.Room == ""
	c.r.receives(fmt.Sprintf("M%d", c.n), in)
	synctest.Wait()
	return c.w.lastAnswer()
}

// reminders are the notices of reminders so far.
func (c *chats) reminders() (all []store.Notice) {
	c.Helper()
	for _, n := range c.w.notices() {
		if n.Kind == store.NoticeReminder {
			all = append(all, n)
		}
	}
	return all
}

// posted marks a notice as posted with a message id.
func (c *chats) posted(n store.Notice, message string) {
	c.Helper()
	n.State, n.MessageID, n.SentVersion = store.NoticeSent, message, n.Version
	require.NoError(c, c.w.SaveNotice(c.Context(), n))
}

// A reminder comes when it was asked for, with the problem as it is then; it is moved in its thread and by its buttons, and ended.
func TestRemindMe(t *testing.T) {
	inChat(t, func(c *chats) {
		t := c.T
		c.w.problem("main/1", "noc")
		said := c.says(Input{Text: "remind me 2h call <@all> **now**", Room: "noc", ParentID: "ROOT-main/1@noc"})
		require.Contains(t, said, "I'll remind you in the direct chat with me, at 02:00 UTC (#1)")
		require.Contains(t, c.says(Input{Text: "reminders"}), "#1 02:00 UTC · problem `main/1` · call")
		time.Sleep(2*time.Hour - time.Second)
		synctest.Wait()
		require.Empty(t, c.reminders())
		time.Sleep(2 * time.Second)
		synctest.Wait()
		require.Len(t, c.reminders(), 1)
		n := c.reminders()[0]
		require.Equal(t, "person:alice@example.com", n.Room)
		require.Contains(t, n.Markdown, "You asked me to remind you**: call &lt;&#64;all&gt;")
		require.Contains(t, n.Markdown, "main/1")
		require.NotContains(t, string(n.Card), "<@")
		snooze := c.w.buttonOf(t, "💤 1h")
		done := c.w.buttonOf(t, "Done")

		// In its thread, and by its button.
		c.posted(n, "REMINDER")
		require.Contains(t, c.says(Input{Text: "snooze 30m", ParentID: "REMINDER"}), "again at 02:30 UTC (#1)")
		require.Contains(t, c.says(Input{Button: snooze}), "again at 03:00 UTC (#1)")
		require.Contains(t, c.says(Input{Button: snooze, Person: Person{ID: "P-dave", Email: "dave@example.com"}}), "no reminder #1 of yours")
		require.Contains(t, c.says(Input{Button: done, Person: Person{ID: "P-dave", Email: "dave@example.com"}}), "no reminder #1 of yours")
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		require.Len(t, c.reminders(), 1, "posted again at 03:00; the first one was sent")
		require.Contains(t, c.says(Input{Button: done}), "Done: the reminder #1 is over")
		time.Sleep(48 * time.Hour)
		synctest.Wait()
		require.Len(t, c.reminders(), 1)

		// In the thread of a problem `snooze` suppresses.
		require.Contains(t, c.says(Input{Text: "snooze 1h", Room: "noc", ParentID: "ROOT-main/1@noc", Person: Person{ID: "P-dave", Email: "dave@example.com"}}), "`suppress` needs the role")
	})
}

// What was due while the relay was down comes at its next start, once, and says when it was due.
func TestReminderAfterADowntime(t *testing.T) {
	inChat(t, func(c *chats) {
		c.says(Input{Text: "remind me 1h water the plants"})
		c.r.stop()
		time.Sleep(5 * time.Hour)
		synctest.Wait()
		for range 2 {
			c.r = c.w.start(c.T)
			c.r.reminded(c.T)
			time.Sleep(time.Minute)
			synctest.Wait()
			require.Len(c, c.reminders(), 1)
			c.r.stop()
		}
		require.Contains(c, c.reminders()[0].Markdown, "(at 01:00 UTC: I was away)")
		c.r = c.w.start(c.T)
	})
}

// A problem that was resolved meanwhile is said to be over. One that the person may not see any more isn't mentioned.
func TestReminderOfWhatHasChanged(t *testing.T) {
	for name, c := range map[string]struct {
		person string
		change func(w *world)
		want   string // "": nothing is posted
	}{
		"open":               {"dave@example.com", nil, "LIST 1: main/1"},
		"resolved":           {"dave@example.com", func(w *world) { p := w.find(alert.ParseKey("main/1")); p.State = alert.StateResolved; w.put(p) }, "It is over by now"},
		"no role any more":   {"dave@example.com", func(w *world) { w.people[2].Email = "other@example.com" }, ""},
		"no role in a room":  {"dave@example.com", func(w *world) { w.people[2].Rooms = []string{"lan"} }, ""},
		"a higher role":      {"dave@example.com", func(w *world) { w.people[2].Role = config.RoleAdmin }, "LIST 1: main/1"},
		"everywhere a guest": {"alice@example.com", func(w *world) { w.people = w.people[1:] }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			inChat(t, func(s *chats) {
				s.w.problem("main/1", "noc")
				require.Contains(s, s.says(Input{Text: "remind me 1 2h", Room: "noc", Person: Person{ID: "P-" + c.person, Email: c.person}}), "I'll remind you")
				if c.change != nil {
					c.change(s.w)
				}
				s.r.stop()
				cfg := people()
				cfg.People = s.w.people
				cfg.DefaultRooms = []string{"noc"}
				router, err := route.New(cfg)
				require.NoError(s, err)
				s.w.routing = router
				s.r = s.w.start(s.T)
				s.r.reminded(s.T)
				time.Sleep(3 * time.Hour)
				synctest.Wait()
				if c.want == "" {
					require.Empty(s, s.reminders())
					return
				}
				require.Len(s, s.reminders(), 1)
				require.Contains(s, s.reminders()[0].Markdown, c.want)
			})
		})
	}
}

// A person's reminders are their own, bounded, and follow their time zone.
func TestRemindersOfAPerson(t *testing.T) {
	inChat(t, func(c *chats) {
		dave := Person{ID: "P-dave", Email: "dave@example.com"}
		require.Contains(c, c.says(Input{Text: "reminders"}), "You have no reminders")
		require.Contains(c, c.says(Input{Text: "remind me 2h"}), "Of what?")
		require.Contains(c, c.says(Input{Text: "timezone"}), "Your time zone is `UTC`")
		c.says(Input{Text: "report 08:00 daily"})
		require.Contains(c, c.says(Input{Text: "timezone Asia/Tokyo"}), "Your report follows it: the next one comes at 2 Jan 08:00 JST")
		require.Contains(c, c.says(Input{Text: "remind me at 10:30 tea"}), "10:30 JST (#2)")
		require.Contains(c, c.says(Input{Text: "remind me at 10:30 tea", Person: dave}), "10:30 UTC (#3)", "his own zone is the server's")
		require.Contains(c, c.says(Input{Text: "unremind 3"}), "no reminder #3 of yours")
		require.NotContains(c, c.says(Input{Text: "reminders"}), "#3")
		for range maxReminders {
			c.says(Input{Text: "remind me 5h tea"})
			time.Sleep(20 * time.Second)
			synctest.Wait()
		}
		require.Contains(c, c.says(Input{Text: "remind me 5h tea"}), "You have 50 reminders and reports already")
		require.Contains(c, c.says(Input{Text: "unremind"}), "Which one?")
		require.Contains(c, c.says(Input{Text: "unremind 2"}), "Removed: #2")
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Contains(c, c.says(Input{Text: "unremind all"}), "Removed: #4, #5, ")
		next, err := c.w.NextReminders(context.Background(), 0)
		require.NoError(c, err)
		require.Len(c, next, 1, "dave's")
		for i, key := range []string{"", "done/", "done/x", "1h/-1", "forever/1", "1h/99", "list/" + strings.Repeat("x", 300)} {
			c.r.receives(fmt.Sprint("B", i), Input{Button: &Button{Action: buttonReminder, Key: key, MessageID: "CARD"}, Direct: true, Person: dave})
		}
		after, err := c.w.NextReminders(context.Background(), 0)
		require.NoError(c, err)
		require.Equal(c, next, after)
	})
}

// However a reminder is made, a person has at most maxReminders: by words, of several problems, by a button, by moving one that was posted,
// by a report, or by two commands at once. What is refused changes nothing; what only moves or replaces one is never refused.
func TestAPersonsRemindersAreBounded(t *testing.T) {
	inChat(t, func(c *chats) {
		boss := Person{ID: "P-boss", Email: "boss@example.com"}
		count := func() int {
			all, err := c.w.NextReminders(c.Context(), 0)
			require.NoError(c, err)
			return len(all)
		}
		add := func(n int) {
			for i := range n {
				c.n++
				_, err := c.w.AddReminder(c.Context(), store.Reminder{
					Kind: store.ReminderProblem, Room: config.PersonRoom + boss.Email, Person: boss.ID, Email: boss.Email, Words: "tea",
					Command: fmt.Sprint("old ", c.n, i), Due: time.Now().Add(100 * time.Hour),
				})
				require.NoError(c, err)
			}
		}
		c.w.problem("main/1", "noc")
		c.w.problem("main/2", "noc")
		c.says(Input{Text: "remind me 1 1m", Person: boss})
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		require.Len(c, c.reminders(), 1)
		snooze := c.w.buttonOf(c.T, "💤 1h")
		c.posted(c.reminders()[0], "REMINDER")
		refused := func(in Input) {
			c.Helper()
			in.Person = boss
			require.Contains(c, c.says(in), "reminders and reports already, and I keep at most 50 for you, so I did nothing", in.Text)
		}

		c.says(Input{Text: "report 08:00 daily", Person: boss})
		add(maxReminders - 2)
		refused(Input{Text: "remind me 1 2 2h"})
		require.Equal(c, maxReminders-1, count(), "none of the two")
		add(1)
		refused(Input{Text: "remind me 2h tea"})
		refused(Input{Button: snooze})
		refused(Input{Text: "snooze 1h", ParentID: "REMINDER"})
		refused(Input{Button: &Button{Action: string(Remind), Key: "main/1", For: "1h", MessageID: "CARD-main/1@noc"}, Room: "noc"})
		require.Contains(c, c.says(Input{Text: "report 09:00 daily", Person: boss}), "The report `08:00 daily` (#2) has ended", "it replaces one")
		require.Equal(c, maxReminders, count())
		require.Contains(c, c.says(Input{Text: "report off", Person: boss}), "has ended")
		require.Contains(c, c.says(Input{Button: snooze, Person: boss}), "I'll remind you again")
		require.Contains(c, c.says(Input{Button: snooze, Person: boss}), "I'll remind you again", "it only moves")
		refused(Input{Text: "report 08:00 daily"})
		require.Equal(c, maxReminders, count())
		require.Contains(c, c.says(Input{Text: "report 08:00 daily", Room: "noc", Person: boss}), "I report here", "the room's isn't hers")
		require.Contains(c, c.says(Input{Text: "report 09:00 daily", Room: "noc", Person: boss}), "The report `08:00 daily`")

		time.Sleep(time.Minute)
		c.says(Input{Text: "unremind 5", Person: boss})
		require.Equal(c, maxReminders, count())
		for i, room := range []string{"", "noc"} { // at once, in two rooms
			c.r.receives(fmt.Sprint("AT-ONCE", i), Input{Text: "remind me 2h tea", Room: room, Direct: room == "", Person: boss})
		}
		synctest.Wait()
		require.Equal(c, maxReminders+1, count(), "with the room's report")
	})
}

// A room's report is its admins' to set. It has what was posted there; a person's what they may list.
func TestReports(t *testing.T) {
	inChat(t, func(c *chats) {
		boss, dave := Person{ID: "P-boss", Email: "boss@example.com"}, Person{ID: "P-dave", Email: "dave@example.com"}
		c.w.problem("main/1", "noc")
		c.w.problem("main/2", "db")
		require.Contains(c, c.says(Input{Text: "report 08:00 weekdays", Room: "noc"}), "needs the role **admin**")
		require.Contains(c, c.says(Input{Text: "report off", Room: "noc"}), "needs the role **admin**")
		require.Contains(c, c.says(Input{Text: "report 08:00 weekdays", Room: "noc", Person: boss}), "I report here at `08:00 weekdays`, in the time zone `UTC`; the next one comes at 3 Jan 08:00 UTC (#1)")
		require.Contains(c, c.says(Input{Text: "report 07:00 daily", Person: dave}), "(#2)")
		require.Contains(c, c.says(Input{Text: "report 06:00 daily", Person: dave}), "The report `07:00 daily` (#2) has ended")
		now := c.says(Input{Text: "report", Person: dave})
		require.Contains(c, now, "**1 still open**")
		require.Contains(c, now, "main/1")
		require.NotContains(c, now, "main/2", "posted in a room in which he has no role")
		require.Contains(c, c.says(Input{Text: "report 3h"}), "**2 still open**")
		require.Contains(c, c.says(Input{Text: "report", Room: "noc"}), "📊 **Report for noc**")
		require.Contains(c, c.says(Input{Text: "reminders", Person: boss}), "You have no reminders", "the room's report is listed there")
		require.Contains(c, c.says(Input{Text: "unremind all", Person: boss}), "nothing to remove here")
		time.Sleep(3 * 24 * time.Hour)
		synctest.Wait()
		var rooms []string
		for _, n := range c.reminders() {
			rooms = append(rooms, n.Room)
			require.Equal(c, n.Room != "noc", n.Bot != "", "the room's bot may be another one by now")
			require.Contains(c, n.Markdown, "main/1")
			require.NotContains(c, n.Markdown, "main/2")
		}
		require.Equal(c, []string{"person:dave@example.com", "person:dave@example.com", "person:dave@example.com", "noc"}, rooms, "2 January 2000 is a Sunday")
		require.Contains(c, c.says(Input{Text: "reminders", Room: "noc", Person: dave}), "#1 report `08:00 weekdays`")
		require.Contains(c, c.says(Input{Text: "unremind 1", Room: "noc", Person: dave}), "needs the role **admin**")
		require.Contains(c, c.says(Input{Text: "report off", Room: "noc", Person: boss}), "The report `08:00 weekdays` (#1) has ended.")
		require.Contains(c, c.says(Input{Text: "report off", Person: dave}), "(#3) has ended")
		require.Contains(c, c.says(Input{Text: "report off", Person: dave}), "no regular report here")
		time.Sleep(3 * 24 * time.Hour)
		synctest.Wait()
		require.Len(c, c.reminders(), 4)
	})
}

// A report says that it doesn't count everything exactly if there was more than it reads.
func TestAnIncompleteReport(t *testing.T) {
	inChat(t, func(c *chats) {
		for ended, incomplete := range map[int64]bool{0: false, maxTallied - 1: false, maxTallied: false, maxTallied + 1: true} {
			c.w.ended.Store(ended)
			said := c.says(Input{Text: "report"})
			require.Equal(c, incomplete, strings.Contains(said, "There were more problems than I count"), "%d: %s", ended, said)
		}
	})
}

// A room's report rests while who set it isn't an admin of the room, and comes again once they are.
func TestARoomsReportRestsWithoutItsAdmin(t *testing.T) {
	const boss = 1
	lost := map[string]func(p *config.Person){
		"a lower role": func(p *config.Person) { p.Role = config.RoleOperator },
		"another room": func(p *config.Person) { p.Rooms = []string{"lan"} },
		"nobody":       func(p *config.Person) { p.Email = "other@example.com" },
	}
	for name, lose := range lost {
		t.Run(name, func(t *testing.T) {
			inChat(t, func(c *chats) {
				c.says(Input{Text: "report 08:00 daily", Room: "noc", Person: Person{ID: "P-boss", Email: "boss@example.com"}})
				before := c.w.people[boss]
				came := func(days int) int {
					n := len(c.reminders())
					time.Sleep(time.Duration(days) * 24 * time.Hour)
					synctest.Wait()
					return len(c.reminders()) - n
				}
				require.Equal(c, 1, came(1))
				c.reloads(func(cfg *config.Config) { lose(&cfg.People[boss]) })
				require.Zero(c, came(2))
				c.reloads(func(cfg *config.Config) { cfg.People[boss] = before })
				require.Equal(c, 1, came(1))
			})
		})
	}
}

// A report that was due while the relay was away for longer than a report may be is about its usual time.
func TestReportAfterALongDowntime(t *testing.T) {
	inChat(t, func(c *chats) {
		for away, want := range map[time.Duration]string{3 * 24 * time.Hour: "29 Dec", 20 * 24 * time.Hour: "31 Dec"} {
			now := time.Date(2000, 1, 1, 8, 0, 0, 0, time.UTC)
			due, err := c.r.reportDue(c.Context(), store.Reminder{
				Kind: store.ReminderReport, Room: "noc", Schedule: "08:00 daily", Command: configuredReport + "noc", Last: now.Add(-away),
			}, now)
			require.NoError(c, err)
			require.Contains(c, due.Notice.Markdown, "· "+want)
		}
	})
}

// Each command of the assistant has a button under the list of reminders; Webex shows no more of them in a row.
func TestButtonsOfTheAssistant(t *testing.T) {
	inChat(t, func(c *chats) {
		c.w.problem("main/4711", "noc")
		press := func(list, title string) string {
			c.says(Input{Text: list})
			return c.says(Input{Button: c.w.buttonOf(c.T, title)})
		}
		require.Contains(c, press("reminders", "My problems"), "No open problem here is yours")
		require.Contains(c, press("reminders", "Report now"), "1 still open")
		require.Contains(c, press("reminders", "Report on weekdays at 08:00"), "`08:00 weekdays`")
		c.says(Input{Text: "reminders"})
		require.NotContains(c, string(c.w.notices()[len(c.w.notices())-1].Card), "Report on weekdays", "there is one")
		require.Contains(c, press("reminders", "Subscriptions"), "You have no subscriptions")
		require.Contains(c, press("reminders", "Time zone"), "Your time zone is `UTC`")
		c.says(Input{Button: &Button{Action: buttonReminder, Key: "zone/Asia/Tokyo", MessageID: "CARD"}})
		require.Contains(c, c.w.lastAnswer(), "Your time zone is `Asia/Tokyo` from now on")
		require.Contains(c, press("timezone", "UTC"), "Your time zone is `UTC` from now on")
		tokyo, err := time.LoadLocation("Asia/Tokyo")
		require.NoError(c, err)
		rooms := []config.Room{{TimeZone: config.TimeZone{Location: tokyo}}, {TimeZone: config.TimeZone{Location: time.UTC}}, {TimeZone: config.TimeZone{Location: time.Local}}}
		require.Equal(c, []string{"Asia/Tokyo", "UTC"}, scope{View: View{Location: tokyo, Rooms: rooms}}.zones())

		for range maxEndButtons + 2 {
			c.says(Input{Text: "remind me 2h tea"})
		}
		c.says(Input{Text: "reminders"})
		var card struct {
			Body    []struct{ Actions []any }
			Actions []any
		}
		require.NoError(c, json.Unmarshal(c.w.notices()[len(c.w.notices())-1].Card, &card))
		require.LessOrEqual(c, len(card.Actions), 3)
		for _, row := range card.Body {
			require.LessOrEqual(c, len(row.Actions), 3)
		}
		for _, key := range []string{"send/ack all yes", "send/unremind all", "send/", "zone/../../etc/passwd", "zone/"} {
			c.says(Input{Button: &Button{Action: buttonReminder, Key: key, MessageID: "CARD"}})
		}
		require.Empty(c, c.w.calls("main"))
		next, err := c.w.NextReminders(c.Context(), 0)
		require.NoError(c, err)
		require.Len(c, next, maxEndButtons+3)
	})
}

// In their direct chat a person writes and reads every time in the zone that they have set; in a room it is the room's.
func TestTimesInADirectChat(t *testing.T) {
	inChat(t, func(c *chats) {
		c.w.problem("main/4711", "noc")
		c.says(Input{Text: "timezone Asia/Tokyo"})
		require.Contains(c, c.says(Input{Text: "subscribe host=db* until 18:00"}), "until 18:00 JST")
		require.Equal(c, time.Date(2000, 1, 1, 9, 0, 0, 0, time.UTC), c.r.o.Bindings.Live()[0].Until.UTC())

		c.says(Input{Text: "suppress 4711 until 18:00"})
		require.Equal(c, time.Date(2000, 1, 1, 9, 0, 0, 0, time.UTC), c.w.calls("main")[0].Until.UTC())
		require.Contains(c, c.w.lastAnswer(), "until 18:00 JST")
		c.says(Input{Text: "suppress 4711 until 19:00", Room: "noc"})
		require.Contains(c, strings.Join(c.w.answers(), "\n"), "until 19:00 UTC")
	})
}

// A person's report follows the zone that they have set.
func TestReportInItsPersonsZone(t *testing.T) {
	inChat(t, func(c *chats) {
		c.says(Input{Text: "timezone Asia/Tokyo", Person: Person{ID: "P-dave", Email: "dave@example.com"}})
		due, err := c.r.reportDue(c.Context(), store.Reminder{
			Kind: store.ReminderReport, Room: config.PersonRoom + "dave@example.com", Person: "P-dave", Email: "dave@example.com", Schedule: "08:00 daily",
		}, time.Date(2000, 1, 1, 23, 0, 0, 0, time.UTC))
		require.NoError(c, err)
		require.Equal(c, time.Date(2000, 1, 2, 23, 0, 0, 0, time.UTC), due.Next.UTC())
		require.Contains(c, due.Notice.Markdown, "JST")
	})
}

// If the person's zone can't be read, for good, their reminder comes all the same, and the chat hears them. Their report comes once the
// zone can be read again, and at its usual time from then on.
func TestAZoneThatCannotBeRead(t *testing.T) {
	inChat(t, func(c *chats) {
		c.says(Input{Text: "timezone Europe/Berlin"})
		c.says(Input{Text: "remind me 5h tea"})
		c.says(Input{Text: "report 08:00 daily"})
		c.w.unkept.Store(true)
		time.Sleep(12 * time.Hour)
		synctest.Wait()
		require.Len(c, c.reminders(), 1)
		require.Contains(c, c.says(Input{Text: "timezone"}), "Your time zone is `UTC`")
		c.w.unkept.Store(false)
		time.Sleep(48 * time.Hour)
		synctest.Wait()
		var at []string
		for _, n := range c.reminders() {
			at = append(at, n.CreatedAt.UTC().Format("2 15:04"))
		}
		require.Equal(c, []string{"1 05:00", "1 12:00", "2 07:00", "3 07:00"}, at)
	})
}

// A reminder links to the message of its problem only in a room that its person may read.
func TestReminderLinksToARoomOfItsPerson(t *testing.T) {
	inChat(t, func(c *chats) {
		uuid := func(n int) string { return fmt.Sprintf("00000000-0000-0000-0000-%012d", n) }
		key := c.w.problem("main/1")
		c.w.post(key, "db", uuid(1), "")
		c.w.post(key, "noc", uuid(2), "")
		view := c.r.o.View()
		view.Rooms = []config.Room{{Name: "db", ID: uuid(11)}, {Name: "noc", ID: uuid(12)}}
		for email, want := range map[string]string{"alice@example.com": uuid(11), "dave@example.com": uuid(12)} {
			link, err := c.r.messageLink(c.Context(), scope{Input{Direct: true, Person: Person{Email: email}}, view}, key)
			require.NoError(c, err)
			require.Contains(c, link, want, email)
		}
	})
}

// A handover passes on what the speaker owns in the room, as assign does, to somebody who can act there, and says how things are.
func TestHandover(t *testing.T) {
	inChat(t, func(c *chats) {
		own := func(key, owner string, rooms ...string) {
			p := c.w.find(c.w.problem(key, rooms...))
			p.Owner = alert.Owner{Email: owner}
			c.w.put(p)
		}
		own("main/1", "alice@example.com", "noc")
		own("main/2", "boss@example.com", "noc")
		own("main/3", "alice@example.com", "db")
		p := c.w.find(c.w.problem("main/4", "noc"))
		p.Suppressed, p.SuppressedUntil = true, time.Now().Add(3*time.Hour)
		c.w.put(p)
		c.says(Input{Text: "remind me 1 2h"})
		c.says(Input{Text: "remind me 3 2h"})

		require.Contains(c, c.says(Input{Text: "handover boss@example.com"}), "about a room")
		require.Contains(c, c.says(Input{Text: "handover", Room: "noc"}), "To whom?")
		require.Contains(c, c.says(Input{Text: "handover me", Room: "noc"}), "To whom?")
		require.Contains(c, c.says(Input{Text: "handover alice@example.com", Room: "noc"}), "to yourself")
		require.Contains(c, c.says(Input{Text: "handover dave@example.com", Room: "noc"}), "can't act in this room")
		require.Contains(c, c.says(Input{Text: "handover boss@example.com", Room: "noc", Person: Person{ID: "P-dave", Email: "dave@example.com"}}), "needs the role **operator**")
		require.Empty(c, c.w.calls("main"))

		before := len(c.w.answers())
		c.says(Input{Text: "handover to boss@example.com: the <@all> vendor comes at 9", Room: "noc"})
		time.Sleep(time.Minute)
		synctest.Wait()
		said := strings.Join(c.w.answers()[before:], "\n")
		require.Contains(c, said, "🔁 **Handover** from Alice Example to <@personEmail:boss@example.com")
		require.Contains(c, said, "the &lt;&#64;all&gt; vendor comes at 9")
		require.Contains(c, said, "Problems that get another owner: 1.")
		require.Contains(c, said, "**Open (2):**")
		require.Contains(c, said, "**Suppressed (1):**\n\n- until 03:00 UTC: LIST 1: main/4")
		require.Contains(c, said, "which stay theirs (1):**\n\n- 02:00 UTC: `main/1`")
		require.Contains(c, said, "Handed over `main/1`")
		require.NotContains(c, said, "main/3", "of another room")
		require.Len(c, c.w.calls("main"), 1)
		require.Equal(c, []string{"1"}, c.w.calls("main")[0].EventIDs)
		require.Contains(c, c.w.calls("main")[0].Message, "[relay:owner=boss@example.com]")

		// Somebody who owns nothing passes nothing on.
		own("main/1", "boss@example.com", "noc")
		require.Contains(c, c.says(Input{Text: "handover boss@example.com", Room: "noc"}), "owns no open problem here")
		require.Len(c, c.w.calls("main"), 1)
	})
}

// The configuration's reports are made once, changed by a reload, and end with their key; a room has one report.
func TestReportsOfTheConfiguration(t *testing.T) {
	inChat(t, func(c *chats) {
		boss := Person{ID: "P-boss", Email: "boss@example.com"}
		c.says(Input{Text: "report 09:00 daily", Room: "noc", Person: boss})
		set := func(at, days string) (rows []string) {
			room := config.Room{Name: "noc"}
			if at != "" {
				room.Report = &config.Report{At: at, Days: days, TimeZone: config.TimeZone{Location: time.UTC}}
			}
			require.NoError(c, c.r.SetReports(c.Context(), []config.Room{room, {Name: "db"}}, time.Now()))
			next, err := c.w.NextReminders(c.Context(), 0)
			require.NoError(c, err)
			for _, r := range next {
				rows = append(rows, fmt.Sprintf("#%d %s %s", r.ID, r.Schedule, r.Due.Format("Mon 15:04")))
			}
			return rows
		}
		require.Equal(c, []string{"#2 08:00 weekdays Mon 08:00"}, set("08:00", "weekdays"), "the admin's has ended")
		require.Equal(c, []string{"#2 08:00 weekdays Mon 08:00"}, set("08:00", "weekdays"))
		require.Contains(c, c.says(Input{Text: "report 10:00 daily", Room: "noc", Person: boss}), "configuration has the report of this room")
		require.Contains(c, c.says(Input{Text: "unremind all", Room: "noc", Person: boss}), "nothing to remove")
		require.Contains(c, c.says(Input{Text: "reminders", Room: "noc"}), "by the configuration")
		require.Equal(c, []string{"#2 07:30 daily Sat 07:30"}, set("7:30", "daily"))
		time.Sleep(48 * time.Hour)
		synctest.Wait()
		require.Len(c, c.reminders(), 2)
		require.Empty(c, set("", ""))
		require.Equal(c, []string{"#2 06:00 daily Mon 06:00"}, set("06:00", "daily"))
	})
}

// A reload that changes the time, the days or the zone of a room's report, or its room, leads to the next report at the right time. None
// comes twice, wherever the reload falls, and after a restart.
func TestReportsOfTheConfigurationAreReloaded(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	require.NoError(t, err)
	for name, c := range map[string]struct {
		before, after *config.Report
		at            time.Duration // of the reload, since midnight on Saturday
		want          []string
	}{
		"the same":                    {daily("08:00", "daily", time.UTC), daily("08:00", "daily", time.UTC), 7 * time.Hour, []string{"Sat 08:00", "Sun 08:00"}},
		"the same, written otherwise": {daily("08:00", "daily", time.UTC), daily("8:00", "mon-sun", time.UTC), 9 * time.Hour, []string{"Sat 08:00", "Sun 08:00"}},
		"later":                       {daily("08:00", "daily", time.UTC), daily("09:00", "daily", time.UTC), 7 * time.Hour, []string{"Sat 09:00", "Sun 09:00"}},
		"later, after the one":        {daily("08:00", "daily", time.UTC), daily("09:00", "daily", time.UTC), 8*time.Hour + time.Minute, []string{"Sat 08:00", "Sat 09:00", "Sun 09:00"}},
		"earlier":                     {daily("08:00", "daily", time.UTC), daily("06:00", "daily", time.UTC), 7 * time.Hour, []string{"Sun 06:00"}},
		"another zone":                {daily("08:00", "daily", time.UTC), daily("08:00", "daily", berlin), 5 * time.Hour, []string{"Sat 07:00", "Sun 07:00"}},
		"other days":                  {daily("08:00", "daily", time.UTC), daily("08:00", "sun", time.UTC), 5 * time.Hour, []string{"Sun 08:00"}},
		"removed":                     {daily("08:00", "daily", time.UTC), nil, 7 * time.Hour, nil},
		"removed after the one":       {daily("08:00", "daily", time.UTC), nil, 9 * time.Hour, []string{"Sat 08:00"}},
		"added":                       {nil, daily("08:00", "daily", time.UTC), 7 * time.Hour, []string{"Sat 08:00", "Sun 08:00"}},
		"added too late":              {nil, daily("08:00", "daily", time.UTC), 8*time.Hour + time.Second, []string{"Sun 08:00"}},
	} {
		t.Run(name, func(t *testing.T) {
			inChat(t, func(s *chats) {
				midnight := time.Now().UTC().Truncate(24 * time.Hour)
				require.Equal(s, time.Saturday, midnight.Weekday())
				set := func(report *config.Report) {
					require.NoError(s, s.r.SetReports(s.Context(), []config.Room{{Name: "noc", Report: report}}, time.Now()))
				}
				until := func(at time.Duration) {
					time.Sleep(time.Until(midnight.Add(at)))
					synctest.Wait()
				}
				set(c.before)
				until(c.at)
				set(c.after)
				set(c.after)
				until(c.at + time.Minute)
				s.r.stop()
				s.r = s.w.start(s.T)
				set(c.after)
				s.r.reminded(s.T)
				until(47 * time.Hour)
				var came []string
				for _, n := range s.reminders() {
					came = append(came, n.CreatedAt.UTC().Format("Mon 15:04"))
				}
				require.Equal(s, c.want, came)
			})
		})
	}
}

func daily(at, days string, zone *time.Location) *config.Report {
	return &config.Report{At: at, Days: days, TimeZone: config.TimeZone{Location: zone}}
}

// What the configuration accepts as the days of a report, the report's schedule reads.
func TestDaysOfTheConfigurationAreRead(t *testing.T) {
	for _, days := range []string{"daily", "weekdays", "weekends", "mon", "mon,thu", "mon, thu", "mon-fri", "fri-mon", "sat-sun", "Mon", "monday"} {
		text := fmt.Sprintf("webex: {bots: [{name: noc, token_env: T}]}\nzabbix: [{name: main, url: 'https://z.example.com', api_token_env: T, secret_env: T}]\n"+
			"rooms: [{name: noc, id: Y2lzY29zcGFyazovL3VzL1JPT00vMQ, report: {at: '08:00', days: '%s'}}]\ndefault_rooms: [noc]\npeople: [{domain: example.com, role: operator}]\n", days)
		cfg, err := config.Parse("relay.yaml", []byte(text), config.Options{Env: func(string) string { return "not-a-secret-not-a-secret" }})
		if err != nil {
			require.Contains(t, err.Error(), "unknown days", days)
			continue
		}
		_, err = assistant.ParseSchedule(cfg.Rooms[0].Report.Schedule())
		require.NoError(t, err, days)
	}
}
