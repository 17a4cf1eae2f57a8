package doctor

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/config"
)

// Schedules are checked: calendars that can't be read, events that can't, people whom the relay can't write to, and gaps. No check has
// the address.
func TestDutyChecks(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/s3cr3t" {
			http.Error(w, r.URL.String(), http.StatusNotFound)
			return
		}
		event := func(uid, rest string) string {
			return "BEGIN:VEVENT\nUID:" + uid + "\n" + rest + "\nEND:VEVENT\n"
		}
		_, _ = w.Write([]byte(strings.ReplaceAll("BEGIN:VCALENDAR\n"+
			event("1", "DTSTART:20261101T000000Z\nDTEND:20261205T090000Z\nSUMMARY:alice@example.com")+
			event("2", "DTSTART:20261205T090000Z\nDTEND:20270101T000000Z\nSUMMARY:\x1bMallory")+
			event("3", "DTSTART:20261205T090000Z\nDURATION:P1D\nRRULE:FREQ=SECONDLY")+"END:VCALENDAR\n", "\n", "\r\n")))
	}))
	defer server.Close()
	cfg, err := config.Parse("relay.yaml", []byte(`
webex: {bots: [{name: noc, token_env: TOKEN}]}
zabbix: [{name: main, url: "https://zabbix.example.com", secret_env: SECRET}]
rooms: [{name: noc, id: Y2lzY29zcGFyazovL3VzL1JPT00vbm9j}]
default_rooms: [noc]
allowed_domains: [example.com]
duty:
  - {name: rota, rota: [{people: [alice@example.com], start: 2026-01-01, when: [{hours: "08:00-18:00"}]}, {layer: secondary, people: [bob@example.com], start: 2026-01-01}]}
  - {name: calendar, calendar: [{url: "`+server.URL+`/s3cr3t"}]}
  - {name: gone, calendar: [{url: "`+server.URL+`/s3cr3t-gone"}]}
`), config.Options{Env: func(name string) string { return name + "-0123456789abcdef" }})
	require.NoError(t, err)
	o := Options{Config: cfg, Now: func() time.Time { return time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC) }, Timeout: 5 * time.Second}
	var said []string
	for i := range cfg.Duty {
		for _, c := range dutyChecks(t.Context(), o, i) {
			said = append(said, string(c.Verdict)+" "+c.Target+" "+c.Name+": "+c.Found)
		}
	}
	require.Equal(t, []string{
		"warning rota layer primary: times in the next two weeks in which nobody is on duty whom the relay can write to: 14, the first from Mon 30 Nov 18:00 UTC",
		"ok rota layer secondary: somebody is on duty at any time of the next two weeks",
		"ok calendar calendar 1: read: events 3, shifts in the next two weeks 2",
		"warning calendar calendar 1: events that can't be read: 1 (event 3, of 2026-12-05 09:00: it recurs too often)",
		"warning calendar people: the relay can't write to Mallory (the event doesn't say who that is)",
		"warning calendar layer primary: times in the next two weeks in which nobody is on duty whom the relay can write to: 1, the first from Sat 5 Dec 09:00 UTC",
		"failure gone calendar 1: its server answered 404: the address isn't valid any more; make a new one there",
	}, said)
}
