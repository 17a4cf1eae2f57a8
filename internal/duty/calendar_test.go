package duty

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/lang"
	"nms-alert-relay/internal/text"
)

// reading reads calendars of people in example.com.
func reading(t require.TestingT) Reading {
	berlin, err := time.LoadLocation("Europe/Berlin")
	require.NoError(t, err)
	return Reading{Zone: berlin, Layer: "primary", Layers: []string{"secondary"}, Names: map[string]string{"alice archer": "alice@example.com", "bob": "bob@example.com"},
		Allowed: func(email string) bool { return strings.HasSuffix(email, "@example.com") }}
}

// calendarOf makes a calendar of these events.
func calendarOf(events ...string) string {
	text := "BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:-//test//EN\n"
	for i, e := range events {
		if !strings.Contains(e, "UID:") {
			e = fmt.Sprintf("UID:%d\n", i) + e
		}
		text += "BEGIN:VEVENT\n" + strings.TrimSpace(e) + "\nEND:VEVENT\n"
	}
	return strings.ReplaceAll(text+"END:VCALENDAR\n", "\n", "\r\n")
}

// parse reads a calendar for December 2026, or for another month.
func parse(t require.TestingT, text string, month ...string) (Content, error) {
	from := moment(t, append(month, "2026-12-01T00:00:00+01:00")[0])
	reduced, err := Reduce([]byte(text))
	if err != nil {
		return Content{}, err
	}
	return Parse(reduced, reading(t), from, from.AddDate(0, 1, 0))
}

// shifts lists the shifts of a calendar in Berlin's time.
func shifts(t require.TestingT, c Content) (list []string) {
	zone := reading(t).Zone
	for _, s := range c.Shifts {
		list = append(list, fmt.Sprintf("%s %s–%s %s", s.Layer, s.From.In(zone).Format("02 15:04"), s.Until.In(zone).Format("02 15:04"), who([]Person{s.Person})))
	}
	return list
}

const shiftOfAlice = "DTSTART;TZID=Europe/Berlin:20261207T090000\nDTEND;TZID=Europe/Berlin:20261214T090000\n"

// The person and the layer of an event, as the programs that people use write them.
func TestWhoAnEventNames(t *testing.T) {
	for _, c := range []struct{ name, event, want string }{
		{"PagerDuty", "SUMMARY:On Call - Alice Archer - Network\nATTENDEE:alice@example.com", "primary alice"},
		{"PagerDuty, a name that isn't configured", "SUMMARY:On Call - Carol Carter - Network\nATTENDEE:carol@example.com", "primary carol"},
		{"Grafana OnCall", "SUMMARY:[L1] bob", "primary bob"},
		{"an address as the title", "SUMMARY:Carol@Example.com", "primary carol"},
		{"an address in the title", "SUMMARY:On call: carol@example.com (network)", "primary carol"},
		{"Google, invited", "SUMMARY:Duty\nORGANIZER;CN=Boss:mailto:boss@example.com\nATTENDEE;CUTYPE=INDIVIDUAL;PARTSTAT=ACCEPTED;CN=Boss:mailto:boss@example.com\nATTENDEE;CUTYPE=INDIVIDUAL;PARTSTAT=NEEDS-ACTION:mailto:carol@example.com", "primary carol"},
		{"Outlook, with a room, and one who declined", "SUMMARY:Duty\nATTENDEE;CUTYPE=RESOURCE:mailto:room4@example.com\nATTENDEE;PARTSTAT=DECLINED:mailto:dave@example.com\nATTENDEE;CN=\"Carter, Carol\":MAILTO:Carol@example.com", "primary carol"},
		{"an organizer alone is whoever keeps the calendar", "SUMMARY:Dave\nORGANIZER;CN=Boss:mailto:boss@example.com", "primary ?Dave"},
		{"an organizer by name", "SUMMARY:Dave Duke\nORGANIZER;CN=Dave Duke:mailto:dave@example.com", "primary dave"},
		{"the description", "SUMMARY:Duty\nDESCRIPTION:Call carol@example.com\\, or the desk", "primary carol"},
		{"two people", "SUMMARY:Alice Archer & Bob", "primary alice+bob"},
		{"a layer before the name", "SUMMARY:Secondary: Bob", "secondary bob"},
		{"a layer with a dash", "SUMMARY:secondary - Bob", "secondary bob"},
		{"a layer in brackets", "SUMMARY:[Secondary] Bob", "secondary bob"},
		{"a layer as category", "SUMMARY:Bob\nCATEGORIES:Work,SECONDARY", "secondary bob"},
		{"no such layer", "SUMMARY:Tertiary: Bob", "primary bob"},
		{"another domain", "SUMMARY:mallory@evil.example", "primary ?mallory@evil.example"},
		{"another domain among the guests", "SUMMARY:Duty\nATTENDEE:mailto:mallory@evil.example", "primary ?mallory@evil.example"},
		{"an address that only begins well", "SUMMARY:carol@example.com.evil.example", "primary ?carol@example.com.evil.example"},
		{"no title", "SUMMARY:", "primary ??"},
		{"a mention as title", "SUMMARY:<@all> **x**", "primary ?<@all> **x**"},
	} {
		t.Run(c.name, func(t *testing.T) {
			content, err := parse(t, calendarOf(shiftOfAlice+c.event))
			require.NoError(t, err)
			require.Empty(t, content.Faults)
			var people []Person
			for _, s := range content.Shifts {
				people = append(people, s.Person)
			}
			require.Equal(t, c.want, content.Shifts[0].Layer+" "+who(people))
		})
	}
}

// Times: zones by several names, UTC, floating, whole days, durations; and shifts across both changes of clocks.
func TestTimesOfEvents(t *testing.T) {
	for _, c := range []struct{ name, event, month, want string }{
		{"a zone", "DTSTART;TZID=Europe/Berlin:20261207T090000\nDTEND;TZID=Europe/Berlin:20261208T090000", "", "07 09:00–08 09:00"},
		{"Windows' zone", "DTSTART;TZID=\"W. Europe Standard Time\":20261207T090000\nDTEND;TZID=\"W. Europe Standard Time\":20261208T090000", "", "07 09:00–08 09:00"},
		{"a zone with a prefix", "DTSTART;TZID=/freeassociation.sourceforge.net/Europe/Berlin:20261207T090000\nDURATION:PT12H", "", "07 09:00–07 21:00"},
		{"UTC", "DTSTART:20261207T080000Z\nDTEND:20261208T080000Z", "", "07 09:00–08 09:00"},
		{"floating", "DTSTART:20261207T090000\nDTEND:20261208T090000", "", "07 09:00–08 09:00"},
		{"a whole day", "DTSTART;VALUE=DATE:20261207", "", "07 00:00–08 00:00"},
		{"whole days", "DTSTART;VALUE=DATE:20261207\nDTEND;VALUE=DATE:20261214", "", "07 00:00–14 00:00"},
		{"a duration of days", "DTSTART;VALUE=DATE:20261207\nDURATION:P1W", "", "07 00:00–14 00:00"},
		{"a week across the change to winter", "DTSTART;TZID=Europe/Berlin:20261019T090000\nDTEND;TZID=Europe/Berlin:20261026T090000", "2026-10-01T00:00:00+02:00", "19 09:00–26 09:00"},
		{"weekly across the change to summer", "DTSTART;TZID=Europe/Berlin:20260302T090000\nDTEND;TZID=Europe/Berlin:20260309T090000\nRRULE:FREQ=WEEKLY;COUNT=5", "2026-03-28T00:00:00+01:00",
			"23 09:00–30 09:00 30 09:00–06 09:00"},
		{"days of two weeks", "DTSTART;TZID=Europe/Berlin:20260907T090000\nDTEND;TZID=Europe/Berlin:20260907T180000\nRRULE:FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,WE;UNTIL=20261216T080000Z", "",
			"02 09:00–02 18:00 14 09:00–14 18:00 16 09:00–16 18:00"},
		{"until a date", "DTSTART;VALUE=DATE:20261129\nRRULE:FREQ=DAILY;UNTIL=20261202", "", "01 00:00–02 00:00 02 00:00–03 00:00"},
		{"the first Monday", "DTSTART;TZID=Europe/Berlin:20260105T090000\nDURATION:P1D\nRRULE:FREQ=MONTHLY;BYDAY=1MO", "", "07 09:00–08 09:00"},
		{"the last working day", "DTSTART;TZID=Europe/Berlin:20260130T090000\nDURATION:P1D\nRRULE:FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1", "", "30 09:00–01 09:00 31 09:00–01 09:00"},
		{"Christmas", "DTSTART;VALUE=DATE:20201225\nRRULE:FREQ=YEARLY", "", "25 00:00–26 00:00"},
		{"every 12 hours", "DTSTART;TZID=Europe/Berlin:20261230T080000\nDURATION:PT12H\nRRULE:FREQ=HOURLY;INTERVAL=12", "", "30 08:00–30 20:00 30 20:00–31 08:00 31 08:00–31 20:00 31 20:00–01 08:00"},
		{"exceptions", "DTSTART;TZID=Europe/Berlin:20261207T090000\nDURATION:P1D\nRRULE:FREQ=DAILY;COUNT=4\nEXDATE;TZID=Europe/Berlin:20261208T090000,20261209T090000", "", "07 09:00–08 09:00 10 09:00–11 09:00"},
		{"more dates", "DTSTART;TZID=Europe/Berlin:20261207T090000\nDURATION:P1D\nRDATE;TZID=Europe/Berlin:20261220T090000", "", "07 09:00–08 09:00 20 09:00–21 09:00"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var month []string
			if c.month != "" {
				month = append(month, c.month)
			}
			content, err := parse(t, calendarOf(c.event+"\nSUMMARY:bob"), month...)
			require.NoError(t, err)
			require.Empty(t, content.Faults)
			got := strings.NewReplacer("primary ", "", " bob", "").Replace(strings.Join(shifts(t, content), " "))
			require.Equal(t, c.want, got)
		})
	}
}

// A time that clocks skip on one day moves no other day's, wherever the months asked for begin.
func TestASeriesAtATimeThatClocksSkip(t *testing.T) {
	text := calendarOf("DTSTART;TZID=Europe/Berlin:20200101T023000\nDURATION:PT1H\nRRULE:FREQ=DAILY\nSUMMARY:bob")
	for day := range 10 {
		from := moment(t, "2026-03-25T00:00:00+01:00").AddDate(0, 0, day)
		content, err := parse(t, text, from.Format(time.RFC3339))
		require.NoError(t, err)
		require.Contains(t, shifts(t, content), "primary 05 02:30–05 03:30 bob")
		if day < 5 {
			require.Contains(t, shifts(t, content), "primary 29 03:30–29 04:30 bob")
		}
	}
}

// A single occurrence that was moved, given to somebody else, or cancelled replaces that of its series; the latest version counts.
func TestChangedOccurrences(t *testing.T) {
	series := "UID:duty\nDTSTART;TZID=Europe/Berlin:20261207T090000\nDTEND;TZID=Europe/Berlin:20261208T090000\nRRULE:FREQ=DAILY;COUNT=4\nSUMMARY:bob"
	content, err := parse(t, calendarOf(series,
		"UID:duty\nRECURRENCE-ID;TZID=Europe/Berlin:20261208T090000\nSEQUENCE:1\nDTSTART;TZID=Europe/Berlin:20261208T120000\nDTEND;TZID=Europe/Berlin:20261209T090000\nSUMMARY:carol@example.com",
		"UID:duty\nRECURRENCE-ID;TZID=Europe/Berlin:20261208T090000\nSEQUENCE:2\nDTSTART;TZID=Europe/Berlin:20261208T100000\nDTEND;TZID=Europe/Berlin:20261209T090000\nSUMMARY:Alice Archer",
		"UID:duty\nRECURRENCE-ID:20261209T080000Z\nSTATUS:CANCELLED\nDTSTART;TZID=Europe/Berlin:20261209T090000\nDTEND;TZID=Europe/Berlin:20261210T090000\nSUMMARY:bob",
		"UID:gone\nSTATUS:CANCELLED\nDTSTART:20261211T090000Z\nDTEND:20261212T090000Z\nSUMMARY:bob",
	))
	require.NoError(t, err)
	require.Equal(t, []string{"primary 07 09:00–08 09:00 bob", "primary 08 10:00–09 09:00 alice", "primary 10 09:00–11 09:00 bob"}, shifts(t, content))
}

// An empty calendar is one: nobody is on duty.
func TestAnEmptyCalendar(t *testing.T) {
	content, err := parse(t, calendarOf())
	require.NoError(t, err)
	require.Empty(t, content.Shifts)
	s := New(configured(t, "    calendar: [{file: duty.ics}]").Duty[0], content.Shifts, nil)
	_, gap := s.Call("primary", moment(t, "2026-12-07T12:00:00Z"))
	require.Equal(t, "network (primary): nobody", gap.String())
}

// What isn't a calendar is refused, with the reason.
func TestWhatIsNoCalendar(t *testing.T) {
	deep := strings.Repeat("BEGIN:X\r\n", 100)
	for name, c := range map[string]struct{ text, want string }{
		"nothing":         {"", "incomplete"},
		"a login page":    {"<!DOCTYPE html><html>", "no iCalendar file"},
		"cut off":         {strings.TrimSuffix(calendarOf(shiftOfAlice), "END:VCALENDAR\r\n"), "incomplete"},
		"two ends":        {strings.Replace(calendarOf(shiftOfAlice), "END:VEVENT", "END:VTODO", 1), "damaged"},
		"deep":            {"BEGIN:VCALENDAR\r\n" + deep, "too deeply"},
		"a damaged line":  {calendarOf(shiftOfAlice + "ATTENDEE;CN=\"a\"b\":mailto:a@example.com"), "damaged"},
		"too many events": {calendarOf(make([]string, maxEvents+1)...), "more than 5,000 events"},
		"too long":        {calendarOf(strings.Repeat("X-A:"+strings.Repeat("a", 1000)+"\n", 5000)), "longer than 4 MiB"},
	} {
		_, err := parse(t, c.text)
		require.ErrorContains(t, err, c.want, name)
	}
}

// Events that can't be read are counted and named, without their text, and don't hide the others.
func TestUnreadableEvents(t *testing.T) {
	bad := []string{
		"SUMMARY:secret title",
		"DTSTART:yesterday\nSUMMARY:x",
		"DTSTART;TZID=Mars/Olympus:20261207T090000\nDURATION:P1D",
		"DTSTART:20261207T090000Z",
		"DTSTART:20261207T090000Z\nDTEND:20261207T080000Z",
		"DTSTART:20261207T090000Z\nDTEND:20291207T080000Z",
		"DTSTART:20261207T090000Z\nDURATION:P1D\nRRULE:FREQ=SOMETIMES",
	}
	content, err := parse(t, calendarOf(append(bad, "DTSTART:20261207T090000Z\nDURATION:P1D\nSUMMARY:bob")...))
	require.NoError(t, err)
	require.Len(t, content.Shifts, 1)
	require.Equal(t, len(bad), content.Unreadable)
	require.Equal(t, []string{
		"event 1: it has no start", "event 2: one of its times can't be read", "event 3: its time zone is unknown", "event 4, of 2026-12-07 09:00: it has no duration",
		"event 5, of 2026-12-07 09:00: it has no duration",
	}, text.Names(content.Faults, lang.Phrase.String))
}

// Recurrences that would cost much, or find nothing up to the year 9999, cost nothing.
func TestBombs(t *testing.T) {
	for _, rule := range []string{
		"FREQ=SECONDLY", "FREQ=SECONDLY;COUNT=99999999", "FREQ=MINUTELY;INTERVAL=7", "FREQ=HOURLY;INTERVAL=2;BYHOUR=1", "FREQ=HOURLY;INTERVAL=2;BYHOUR=2", "FREQ=DAILY;BYHOUR=0,1,2,3,4;BYMINUTE=0,1,2,3,4;BYSECOND=1,2,3",
		"FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30", "FREQ=YEARLY;BYMONTH=5;BYSETPOS=3;BYMONTHDAY=3", "FREQ=MONTHLY;BYDAY=MO;BYSETPOS=300", "FREQ=MONTHLY;BYDAY=20MO", "FREQ=DAILY;INTERVAL=7;BYDAY=TU",
		"FREQ=MONTHLY;BYDAY=1MO;BYMONTHDAY=20", "FREQ=YEARLY;BYEASTER=1", "FREQ=YEARLY;BYWEEKNO=53;BYDAY=53MO", "FREQ=DAILY;INTERVAL=999999999", "FREQ=DAILY;INTERVAL=-1", "FREQ=MONTHLY;INTERVAL=2;BYMONTH=2",
		"FREQ=DAILY;BYMONTH=2;BYMONTHDAY=31", strings.Repeat("FREQ=DAILY;", 100), "FREQ=DAILY;BYDAY=" + strings.Repeat("MO,", 90) + "MO", "FREQ=DAILY;BYHOUR=25", "",
	} {
		// Since 1970, and as often as a calendar may have it.
		events := make([]string, 300)
		for i := range events {
			events[i] = "DTSTART:19700101T090000Z\nDURATION:P1D\nRRULE:" + rule + "\nSUMMARY:bob"
		}
		began := time.Now()
		content, err := parse(t, calendarOf(events...))
		if rule == "" { // no recurrence
			require.NoError(t, err)
			continue
		}
		require.NoError(t, err, rule)
		require.Equal(t, 300, content.Unreadable, rule)
		require.Less(t, time.Since(began), 5*time.Minute, rule) // without the bounds it is hours
	}
	// What may recur is bounded by all events together.
	events := make([]string, 300)
	for i := range events {
		events[i] = "DTSTART:19700101T090000Z\nDURATION:PT1H\nRRULE:FREQ=DAILY;INTERVAL=1000\nSUMMARY:bob"
	}
	_, err := parse(t, calendarOf(events...))
	require.NoError(t, err)
	for i := range events {
		events[i] = "DTSTART:19700101T090000Z\nDURATION:PT1H\nRRULE:FREQ=HOURLY\nSUMMARY:bob"
	}
	content, err := parse(t, calendarOf(events...))
	require.NoError(t, err)
	require.Equal(t, 300, content.Unreadable)
	for i := range events { // daily for 56 years: they begin shortly before the time that is asked for
		events[i] = "DTSTART:19700101T090000Z\nDURATION:PT1H\nRRULE:FREQ=DAILY;BYDAY=MO\nSUMMARY:bob"
	}
	content, err = parse(t, calendarOf(events...))
	require.NoError(t, err)
	require.Zero(t, content.Unreadable)
	require.Len(t, content.Shifts, 300*4)
	for i := range events {
		events[i] = "DTSTART:20261201T090000Z\nDURATION:P300D\nRRULE:FREQ=DAILY\nSUMMARY:bob"
	}
	_, err = parse(t, calendarOf(events...))
	require.ErrorContains(t, err, "more than 5,000 shifts")
}

// Long lines, many parameters and control characters cost little and change nothing.
func TestHostileLines(t *testing.T) {
	content, err := parse(t, calendarOf(shiftOfAlice+"SUMMARY:bob\nDESCRIPTION:"+strings.Repeat("x", 1<<20)+"\nATTENDEE;"+strings.Repeat("A=b;", 100_000)+"C=d:mailto:eve@example.com\nX-A;"+strings.Repeat("B=c,", 100_000)+"d:e",
		shiftOfAlice+"UID:9\nSUMMARY:ev\x00i\x1bl \u202ename\nATTENDEE:mailto:carol@example.com\nmailto:x",
	))
	require.NoError(t, err)
	require.Equal(t, []string{"primary 07 09:00–14 09:00 bob", "primary 07 09:00–14 09:00 carol"}, shifts(t, content))
}

// FuzzCalendar: no calendar panics, takes long, puts anybody on duty whom the configuration doesn't allow, or has dangerous text.
func FuzzCalendar(f *testing.F) {
	f.Add(calendarOf(shiftOfAlice+"SUMMARY:bob"), "FREQ=WEEKLY;BYDAY=MO")
	f.Add(calendarOf("DTSTART;VALUE=DATE:20261207\nSUMMARY:Secondary: x@example.com\nATTENDEE;CN=\"a\":mailto:b@example.com"), "FREQ=MONTHLY;BYDAY=-1FR;BYSETPOS=1")
	f.Add(calendarOf("UID:1\nRECURRENCE-ID:20261207T090000Z\nDTSTART:20261207T090000Z\nDURATION:P1W\nEXDATE:20261207"), "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=-29;UNTIL=20270101")
	f.Fuzz(func(t *testing.T, text, rule string) {
		for _, text := range []string{text, calendarOf("DTSTART:20200101T090000Z\nDURATION:P1D\nSUMMARY:bob\nRRULE:" + rule)} {
			began := time.Now()
			reduced, err := Reduce([]byte(text))
			if err != nil {
				continue
			}
			again, err := Reduce(reduced)
			require.NoError(t, err)
			require.Equal(t, string(reduced), string(again), "what is stored reads the same")
			from := moment(t, "2026-12-01T00:00:00Z")
			content, err := Parse(reduced, reading(t), from, from.AddDate(0, 2, 0))
			if err != nil {
				require.Less(t, len(err.Error()), 200)
				continue
			}
			for _, s := range content.Shifts {
				require.True(t, s.Until.After(s.From))
				require.True(t, s.Person.Email == "" || strings.HasSuffix(s.Person.Email, "@example.com") || s.Person.Email == "")
				require.LessOrEqual(t, len([]rune(s.Person.Name)), maxName)
				require.NotContains(t, s.Person.Name, "\x1b")
			}
			require.Less(t, time.Since(began), 5*time.Minute)
		}
	})
}
