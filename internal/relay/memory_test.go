package relay

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/simulator/webexsim"
)

// A room reads how often the trigger had a problem before, unless the route hides it.
func TestRoomsReadTheMemory(t *testing.T) {
	o := startOnDisk(t, fmt.Sprintf(`
rooms: [{name: noc, id: %s}, {name: db, id: %s}]
routes: [{rooms: [noc], continue: true}, {rooms: [db], hide_memory: true}]
default_rooms: [noc]
`, webexsim.RoomID("noc"), webexsim.RoomID("db")))
	shows := func(what, name string, words ...string) {
		t.Helper()
		for _, room := range []string{"noc", "db"} {
			o.await(what+" in "+room, func(rooms map[string][]webexsim.MessageView) bool {
				for _, m := range rooms[room] {
					if !strings.Contains(m.Text, name) {
						continue
					}
					all := true
					for _, w := range words {
						all = all && strings.Contains(m.Text, w) == (room == "noc" || w == "resolved")
					}
					return all
				}
				return false
			})
		}
	}
	require.Equal(t, http.StatusAccepted, o.event(opened(t, "1"), firstSecret))
	shows("the first problem", "problem 1.", "First time seen here")
	over := opened(t, "1")
	for _, name := range []string{"EVENT.VALUE", "EVENT.RECOVERY.DATE", "EVENT.RECOVERY.TIME", "EVENT.RECOVERY.ID"} {
		over[name] = macros(t, "recovery", "1")[name]
	}
	over["EVENT.RECOVERY.TIME"] = "15:03:53"
	require.Equal(t, http.StatusAccepted, o.event(over, firstSecret))
	shows("its end", "problem 1.", "First time seen here", "resolved")
	again := opened(t, "2")
	again["EVENT.TIME"] = "23:59:59"
	require.Equal(t, http.StatusAccepted, o.event(again, firstSecret))
	shows("the second problem", "problem 2.", "2nd time in 30 days", "last time")
}

// What somebody wrote about a problem stays in the rooms that it was posted in when the trigger's next problem goes to others too. In a
// direct chat it is for those with a role in one of its rooms.
func TestRemarksStayInTheirRooms(t *testing.T) {
	o := start(t, false, func(o *onDisk) {
		o.write("relay.yaml", fmt.Sprintf(`
server: {public_url: "%s"}
webex: {api_url: "%s/v1", bots: [{name: relay, token_file: token, listen: webhook}]}
zabbix: [{name: main, url: "http://127.0.0.1:1", secret_file: secret}]
people: [{email: alice@example.com, role: operator, rooms: [db]}, {email: bob@example.com, role: operator, rooms: [noc]}]
delivery: {debounce: 0s, rate_limit: 50}
rooms: [{name: noc, id: %s}, {name: db, id: %s}]
routes: [{match: {severity: high}, rooms: [db]}, {name: both, rooms: [noc, db]}]
default_rooms: [noc]
`, o.public, o.api, webexsim.RoomID("noc"), webexsim.RoomID("db")))
	})
	o.hears()
	event := func(fixture, id string, change ...string) {
		t.Helper()
		payload := macros(t, fixture, id)
		for name, value := range map[string]string{"TRIGGER.ID": "23118", "EVENT.TIME": "13:51:52", "EVENT.NSEVERITY": "4", "EVENT.SEVERITY": "High"} {
			payload[name] = value
		}
		for i := 0; i < len(change); i += 2 {
			payload[change[i]] = change[i+1]
		}
		require.Equal(t, http.StatusAccepted, o.event(payload, firstSecret))
	}
	event("problem-severity-5", "4711")
	event("update-message", "4711", "EVENT.UPDATE.MESSAGE", "loose cable", "USER.FULLNAME", "Zoe")
	event("recovery", "4711")
	o.root("db", "problem 4711.", "loose cable", "resolved")
	event("problem-severity-5", "4712", "EVENT.TIME", "23:58:00", "EVENT.NSEVERITY", "3", "EVENT.SEVERITY", "Average")
	o.root("db", "problem 4712.", "2nd time in 30 days", "last: Zoe", "loose cable")
	o.root("noc", "problem 4712.", "2nd time in 30 days")

	direct := func(who string) string { return webexsim.DirectRoomID(webexsim.DefaultBot, who) }
	ask := func(room, from, text string) {
		t.Helper()
		_, err := o.webex.Say(webexsim.Line{Room: room, From: from, Text: text, MentionBot: room == "noc" || room == "db"})
		require.NoError(t, err)
	}
	all := func(room string) (text string) {
		for _, m := range o.webex.Timeline(room) {
			text += m.Text + "\n" + m.Markdown + "\n" + string(m.Card) + "\n"
		}
		return text
	}
	for _, c := range []struct {
		room, from string
		reads      bool
	}{
		{"db", "alice@example.com", true}, {direct("alice@example.com"), "alice@example.com", true},
		{"noc", "bob@example.com", false}, {direct("bob@example.com"), "bob@example.com", false},
	} {
		ask(c.room, c.from, "show 4712")
		o.awaitText(c.room, "Timeline")
		ask(c.room, c.from, "why 4712")
		o.awaitText(c.room, "by today's configuration")
		ask(c.room, c.from, "history 4712")
		if c.reads {
			o.awaitText(c.room, "· 4711 · Zoe")
			continue
		}
		o.awaitText(c.room, "Not listed: 1 problem")
		ask(c.room, c.from, "show 4711")
		o.awaitText(c.room, "Unknown")
		for _, secret := range []string{"Zoe", "loose cable"} {
			require.NotContains(t, all(c.room), secret)
		}
	}
}
