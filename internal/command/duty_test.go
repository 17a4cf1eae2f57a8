package command

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/duty"
	"nms-alert-relay/internal/lang"
)

// `who` says who is on duty for the rooms that a person asks from, by layer, until when, and who is next. It mentions nobody, and a
// calendar's text breaks nothing.
func TestWhoIsOnDuty(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	require.NoError(t, err)
	start, err := config.ParseLocalTime("2026-11-23 09:00")
	require.NoError(t, err)
	now := time.Date(2026, 11, 30, 8, 30, 0, 0, berlin)
	rota := config.Duty{Name: "network", TimeZone: config.TimeZone{Location: berlin}, Rota: []config.Rota{
		{Layer: "primary", People: []string{"alice@example.com", "bob@example.com"}, Start: start, Every: config.Duration(7 * 24 * time.Hour)},
		{Layer: "secondary", People: []string{"carol@example.com"}, Start: start, Every: config.Duration(7 * 24 * time.Hour)},
	}}
	calendar := config.Duty{Name: "storage", TimeZone: config.TimeZone{Location: berlin}, Calendars: []config.Calendar{{Layer: "primary"}}}
	shifts := []duty.Shift{{Layer: "primary", From: now.Add(-time.Hour), Until: now.Add(time.Hour), Person: duty.Person{Name: "<@all> *Mallory*", Why: lang.Say("not in an allowed domain")}},
		{Layer: "primary", From: now.Add(3 * time.Hour), Until: now.Add(4 * time.Hour), Person: duty.Person{Name: "Dave", Email: "dave@example.com"}}}
	copied := now.Add(-3 * time.Hour)
	s := scope{
		Input: Input{Room: "noc", Person: Person{Email: "alice@example.com"}},
		View: View{
			Location:  berlin,
			Directory: &config.Config{People: []config.Person{{Email: "alice@example.com", Role: config.RoleViewer, Rooms: []string{"noc", "db"}}}},
			Rooms:     []config.Room{{Name: "noc", Duty: "network"}, {Name: "db"}, {Name: "secret", Duty: "secret"}, {Name: "gone", Duty: "gone"}},
			Routes:    []config.Route{{Name: "disks", Rooms: []string{"db"}, Duty: "storage"}, {Name: "more", Rooms: []string{"secret"}, Duty: "secret"}},
			Duty: func(name string) (duty.Schedule, []duty.CalendarState, bool) {
				if name == "storage" {
					return duty.New(calendar, shifts, nil), []duty.CalendarState{{At: copied, Fault: lang.Errorf("its server answered %d", 503), Bad: 2, Faults: []lang.Phrase{lang.Say("event %d: %s", 1, lang.Say("it has no start"))}}}, true
				}
				if name == "secret" {
					return duty.New(config.Duty{Name: "secret", Rota: rota.Rota, TimeZone: rota.TimeZone}, nil, nil), nil, true
				}
				return duty.New(rota, nil, nil), nil, name == "network"
			},
		},
	}
	const network = "📟 On duty, **network**:\n" +
		"\n- primary: **alice&#64;example.com** until 09:00 CET, then **bob&#64;example.com**" +
		"\n- secondary: **carol&#64;example.com**, for the next weeks"
	require.Equal(t, network, s.onDuty(now))
	s.Room = "secret"
	require.Contains(t, s.onDuty(now), "**secret**", "in its own room")
	s.Room = "gone"
	require.Empty(t, s.onDuty(now), "a schedule that is gone")
	s.Room, s.Direct = "", true
	require.Equal(t, network+"\n\n📟 On duty, **storage**:\n"+
		"\n- primary: **&lt;&#64;all&gt; \\*Mallory\\*** (⚠️ I can't write to them: not in an allowed domain) until 09:30 CET, then **nobody** until 11:30 CET, then **Dave** (dave&#64;example.com)"+
		"\n- ⚠️ this is the calendar's copy of 05:30 CET: its server answered 503"+
		"\n- ⚠️ 2 events in the calendar can't be read: event 1: it has no start", s.onDuty(now), "in a direct chat: of all rooms in which the person has a role, and no other")
}
