//go:build e2e

package e2e

import (
	"fmt"
	"strings"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/simulator/webexsim"
)

// bitToSymptom is a bit of event.acknowledge, from 6.4 on.
const bitToSymptom = 256

// ranks makes a problem the symptom of another, in Zabbix and from the room. Zabbix reports neither: reconciliation finds the first, and
// the relay looks again after the second.
func (s *story) ranks() {
	t := s.t
	require.Equal(t, 2, s.send(t, map[string]string{"power": "1", "rack": "1"}))
	power, rack := s.raise("power", "1"), s.raise("rack", "1")
	cause, symptom := s.root("noc", power, "Average"), s.root("noc", rack, "Average")
	say := func(text string) {
		t.Helper()
		_, err := s.webex.Say(webexsim.Line{Room: "noc", From: "alice@example.com", Text: text, ParentID: symptom.ID, MentionBot: true})
		require.NoError(t, err)
	}
	if s.number < 6.4 {
		say("symptom of " + power)
		s.thread("noc", symptom.ID, "6.4")
		return
	}

	alerts := len(s.alerts(t, rack))
	asked := time.Now()
	s.acknowledge(t, rack, bitToSymptom, object{"cause_eventid": power})
	eventually(t, "Zabbix ranks the symptom", func() error {
		if p := s.rows(t, "problem.get", object{"eventids": []string{rack}})[0]; p["cause_eventid"] != power {
			return fmt.Errorf("its cause is %v", p["cause_eventid"])
		}
		return nil
	})
	t.Logf("Zabbix ranked it after %s", time.Since(asked).Round(100*time.Millisecond))
	s.shows("noc", cause.ID, "1 symptom")
	s.shows("noc", symptom.ID, "Symptom of Power lost")
	s.thread("noc", symptom.ID, "Bob Builder", "symptom")

	say("cause")
	s.becomes("noc", symptom.ID, "it is no symptom any more", func(m webexsim.MessageView) bool { return !strings.Contains(m.Text, "Symptom of") })
	s.becomes("noc", cause.ID, "it has no symptom any more", func(m webexsim.MessageView) bool { return !contains(m, "symptom") })
	say("symptom of " + power)
	s.shows("noc", cause.ID, "1 symptom")
	s.shows("noc", symptom.ID, "Symptom of Power lost")
	s.thread("noc", symptom.ID, "Alice Archer", "symptom")
	require.Len(t, s.alerts(t, rack), alerts, "Zabbix sends nothing about ranks")

	// A resolved cause leaves its symptom open, with its message.
	s.set(t, "power", "0")
	s.shows("noc", cause.ID, "resolved", "1 symptom")
	s.shows("noc", symptom.ID, "Average", "Rack unreachable")
	s.set(t, "rack", "0")
	s.shows("noc", symptom.ID, "resolved")
}

// shows waits until a message contains all of the words.
func (s *story) shows(room, id string, words ...string) {
	s.t.Helper()
	s.becomes(room, id, fmt.Sprintf("it shows %q", words), func(m webexsim.MessageView) bool { return contains(m, words...) })
}

// becomes waits until a message is so.
func (s *story) becomes(room, id, how string, is func(m webexsim.MessageView) bool) {
	s.t.Helper()
	sees(s.t, s.webex, how, room, func(messages []webexsim.MessageView) bool {
		for _, m := range messages {
			if m.ID == id {
				return !m.Deleted && is(m)
			}
		}
		return false
	})
}
