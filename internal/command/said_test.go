package command

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/binding"
	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/duty"
	"nms-alert-relay/internal/lang"
	"nms-alert-relay/internal/lang/langtest"
	"nms-alert-relay/internal/render"
	"nms-alert-relay/internal/route"
	"nms-alert-relay/internal/store"
)

// What is said about rooms, routes, bindings, who is on duty, reminders and misunderstood commands, in both languages. With each text of
// the catalogue marked, what is left are names, patterns, times and words of the configuration.
func TestWhatIsSaidAboutRooms(t *testing.T) {
	for l, golden := range map[lang.Lang]string{lang.English: "testdata/said.golden", lang.German: "testdata/said.de.golden"} {
		said := saidAboutRooms(t, l)
		if *update {
			require.NoError(t, os.WriteFile(golden, []byte(said), 0o644))
		}
		want, err := os.ReadFile(golden)
		require.NoError(t, err)
		require.Equal(t, string(want), said)
	}
	data := "storage mno sometimes windows hel mail scope site web id all nowhere routes noc db night CET JST Nov Dec Tue Thu main lab Link down Disk full on Core switch DB7 sw1 example com alice admin eve evil org nobody network Linux servers Europe Berlin " +
		"high disaster average primary secondary Mallory Dave gone mon fri sat sun UTC link bob graph duty trigger service internal Asia Tokyo"
	for _, reply := range strings.Split(saidAboutRooms(t, lang.Marked), "\n== ") {
		if found := langtest.Outside(strings.Join(strings.Split(reply, "\n")[1:], "\n"), data); len(found) > 0 {
			t.Errorf("%q aren't from the catalogue:\n%s", found, reply)
		}
	}
}

const routed = `webex: {bots: [{name: noc, token_env: T}]}
zabbix:
  - {name: main, url: https://z1, secret_env: S1, api_token_env: S1}
  - {name: lab, url: https://z2, secret_env: S2, api_token_env: S1, send_to: only}
time_zone: Europe/Berlin
rooms:
  - {name: noc, id: ID-NOC, quiet: {below: high, when: [{days: mon-fri, hours: "22:00-07:00"}, {days: [sat, sun]}]}}
  - {name: db, id: ID-DB}
default_rooms: [noc]
duty: [{name: network, rota: [{people: [alice@example.com], start: "2026-11-23 09:00", every: 7d}]}]
people: [{email: admin@example.com, role: admin}, {email: alice@example.com, role: viewer, rooms: [noc]}]
routes:
  - {name: severe, match: {severity: disaster, sources: main}, rooms: [db], continue: true}
  - {name: below, match: {severity: "<=average"}, rooms: [db]}
  - {name: above, match: {severity: ">=disaster"}, rooms: [db]}
  - {name: other, match: {sources: lab}, rooms: [db]}
  - {name: inner, match: {origins: internal}, rooms: [db]}
  - {name: hosts, match: {hosts: [mail*, "web?"]}, rooms: [db]}
  - {name: groups, match: {groups: Windows*}, rooms: [db]}
  - {name: tags, match: {tags: ["site=hel", "!scope"]}, rooms: [db]}
  - {name: tagged, match: {tags: ["site=hel"]}, rooms: [db]}
  - {name: night, match: {when: {hours: "20:00-06:00"}}, rooms: [noc]}
  - {name: named, match: {trigger: "^Disk"}, rooms: [db]}
  - name: mine
    match: {severity: ">=high", hosts: sw*, groups: "Network*", tags: service, trigger: down, when: {days: mon-fri}, origins: trigger, sources: main}
    rooms: [noc]
    continue: true
    delay: 2m
    remind: 4h
    ack_expires: 8h
    graph: high
    duty: network
    escalate: [{after: 15m, rooms: [db], mention: [alice@example.com, "duty:primary"]}, {after: 30m, duty: primary}]
  - {name: all, rooms: [noc]}
  - {name: rest, rooms: [db]}
`

func saidAboutRooms(t *testing.T, l lang.Lang) string {
	t.Helper()
	berlin, err := time.LoadLocation("Europe/Berlin")
	require.NoError(t, err)
	tokyo, err := time.LoadLocation("Asia/Tokyo")
	require.NoError(t, err)
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, berlin)
	cfg, err := config.Parse("relay.yaml", []byte(routed), config.Options{Env: func(name string) string { return name + "-0123456789abcdef" }})
	require.NoError(t, err)
	router, err := route.New(cfg)
	require.NoError(t, err)
	for i := range cfg.Rooms {
		cfg.Rooms[i].Language = l
	}
	calendar := config.Duty{Name: "storage", TimeZone: config.TimeZone{Location: berlin}, Calendars: []config.Calendar{{Layer: "primary"}}}
	shifts := []duty.Shift{{Layer: "primary", From: now.Add(-time.Hour), Until: now.Add(time.Hour), Person: duty.Person{Name: "Mallory", Why: lang.Say("not in an allowed domain")}}}
	unread := lang.Errorf("its server answered %d", 503)
	s := scope{
		Input: Input{Room: "noc", Person: Person{Email: "admin@example.com"}},
		View: View{Directory: cfg, Rooms: cfg.Rooms, Routes: cfg.Routes, Defaults: cfg.DefaultRooms, Location: berlin, Language: l, Routing: router,
			Settings: func(string, string) (render.Room, bool) { return render.Room{Lang: l, Location: berlin}, true }},
	}
	say := s.voice()
	require.Equal(t, l, say.Lang)

	var out strings.Builder
	tell := func(title, text string) { fmt.Fprintf(&out, "== %s\n%s\n\n", title, text) }
	tell("rooms", s.roomList(func(string) string { return "" }))
	p := alert.Problem{
		Key: alert.Key{Source: "main", EventID: "4711"}, Origin: alert.OriginTrigger, State: alert.StateOpen, Severity: alert.High,
		Facts: alert.Facts{Name: "Link down", Hosts: []alert.Host{{Host: "sw1", Name: "Core switch"}, {Host: "DB7"}}, Groups: []string{"Network", "Linux servers"}, Tags: []alert.Tag{{Tag: "service", Value: "db"}}},
	}
	var lines []string
	explain := func(p alert.Problem, sendTo string) {
		steps, _ := router.Explain(p, sendTo, now)
		for _, step := range steps {
			lines = append(lines, stepWords(l, step, s.sees))
		}
	}
	explain(p, "db, nowhere, routes, alice@example.com, eve@evil.org, ID-NOC")
	bare := alert.Problem{Key: alert.Key{Source: "lab", EventID: "1"}, Severity: alert.Average}
	explain(bare, "db")
	router = router.With([]route.Binding{{Name: "subscription #3", Room: config.PersonRoom + "admin@example.com", Email: "admin@example.com", Filter: route.Filter{Host: "sw*", Text: "link"}}}, func(route.Binding, error) { t.Fail() })
	explain(p, "")
	tell("why: routes", strings.Join(lines, "\n"))

	lines = nil
	for _, b := range []store.Binding{
		{ID: 1, Room: binding.Person("eve@evil.org"), Email: "eve@evil.org", Host: "sw*"}, {ID: 2, Room: binding.Space("S"), Email: "alice@example.com", Bot: "noc", Text: "link"},
		{ID: 3, Room: binding.Space("S"), Email: "admin@example.com", Bot: "gone", Severity: ">=high"}, {ID: 4, Room: binding.Space("ID-NOC"), Email: "admin@example.com", Bot: "noc", Host: "db*"},
		{ID: 5, Room: binding.Person("bob@example.com"), Email: "bob@example.com", Severity: "none such"},
	} {
		lines = append(lines, bindingLine(b, now, say)+s.restWords(b))
	}
	tell("bindings that rest", strings.Join(lines, "\n"))

	broken := []duty.CalendarState{{At: now.Add(-3 * time.Hour), Fault: unread, Bad: 2, Faults: []lang.Phrase{lang.Say("event %d: %s", 1, lang.Errorf("it has no start"))}}}
	tell("who: a calendar's copy", describeDuty(duty.New(calendar, shifts, nil), broken, now, say))
	tell("who: a calendar that wasn't read", describeDuty(duty.New(calendar, nil, unread), []duty.CalendarState{{Fault: unread}}, now, say))
	tell("who: a rota", describeDuty(duty.New(cfg.Duty[0], nil, nil), nil, now, say))

	remind := store.Reminder{ID: 7, Kind: store.ReminderProblem, Due: now.Add(30 * time.Hour), Words: "Link"}
	tell("a reminder, in the person's zone", s.reminderLine(remind, now, tokyo))
	remind.Kind, remind.Schedule, remind.Zone = store.ReminderReport, "08:00 weekdays", "Asia/Tokyo"
	tell("a report, in the person's zone", s.reminderLine(remind, now, tokyo))

	lines = nil
	for _, said := range []string{
		"report 25:00", "report 08:00 mno", "report 08:00 sometimes", "severity 4711 hgih", "severity 4711", "suppress 4711", "suppress 4711 400d", "subscribe", "subscribe host=[ for 2h", "subscribe host=db* acked",
		"graph 4711 500d", "remind me yesterday", "handover", "assign 4711", "comment 4711", "mute", "unmute", "maintenance start db1", "problems page 99", "run", "token nowhere", "more 7", "frobnicate", "akc 4711",
		"ack 4711 --force", "bind", "timezone Mars", "close all", "role", "check", "join", "cause 4711 because", "symptom 4711",
	} {
		if _, q := (Names{Sources: map[string]string{"main": "https://z1"}}).Parse(said); q != nil {
			lines = append(lines, "`"+said+"`: "+q.said.In(l))
		}
	}
	require.Greater(t, len(lines), 20)
	tell("misunderstood", strings.Join(lines, "\n"))
	return out.String()
}
