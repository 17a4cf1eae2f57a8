//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/simulator/webexsim"
)

// What happens in Zabbix while the relay is down for longer than Zabbix tries to send it is in the room after the relay's next start:
// raised, resolved, acknowledged, and a deleted trigger. A problem that the action's condition leaves out is known and not posted.
func TestDowntimeIsReconciled(t *testing.T) {
	besideOthers(t, func(t *testing.T, z *server) {
		raised := []string{"r1", "r2", "r3", "r4", "r5"}
		open := []string{"o1", "o2", "o3", "acked", "deleted", "stays"}
		s := begin(t, z, func(s *story) {
			for i, key := range append(append([]string{}, raised...), open...) {
				s.title[key] = fmt.Sprintf("Trouble %c of %s", 'A'+i, key)
				s.trigger(t, key, s.title[key], object{})
			}
			s.title["below"] = "Trouble that the action leaves out"
			s.trigger(t, "below", s.title["below"], object{"priority": 2})
			const severity, orMore = 4, 5
			s.call(t, "action.update", object{"actionid": s.actionID, "filter": object{"evaltype": 0,
				"conditions": []object{{"conditiontype": severity, "operator": orMore, "value": "3"}}}})
			s.call(t, "mediatype.update", object{"mediatypeid": s.mediatype, "maxattempts": "1"})
		})
		event, root := map[string]string{}, map[string]webexsim.MessageView{}
		set := func(value string, keys ...string) {
			values := map[string]string{}
			for _, key := range keys {
				values[key] = value
			}
			require.Equal(t, len(keys), s.send(t, values))
		}
		set("1", open...)
		for _, key := range open {
			event[key] = s.raise(key, "1")
			root[key] = s.root("noc", event[key], "Average")
		}
		s.relay.idle(t)

		s.relay.stop(t)
		set("1", append(raised, "below")...)
		for _, key := range append(raised, "below") {
			event[key] = s.raise(key, "1")
		}
		symptom := raised[4]
		if z.number >= 6.4 {
			s.acknowledge(t, event[symptom], bitToSymptom, object{"cause_eventid": event["stays"]})
		}
		set("0", open[:3]...)
		s.acknowledge(t, event["acked"], bitAck|bitMessage, object{"message": "working on it"})
		s.call(t, "trigger.delete", []string{s.triggerID["deleted"]})
		eventually(t, "Zabbix gives up sending", func() error {
			failed := s.rows(t, "alert.get", object{"output": []string{"alertid"}, "mediatypeids": s.mediatype, "filter": object{"status": 2}})
			if len(failed) < 9 {
				return fmt.Errorf("%d alerts failed", len(failed))
			}
			return nil
		})

		s.relay.start(t)
		if z.number >= 7 { // 6.0 keeps the event of a deleted trigger for some hours
			// A command about the deleted trigger's problem is refused, and makes the relay look at it.
			_, err := s.webex.Say(webexsim.Line{Room: "noc", From: "alice@example.com", Text: "comment anybody there?", ParentID: root["deleted"].ID, MentionBot: true})
			require.NoError(t, err)
			s.thread("noc", root["deleted"].ID, "event not found")
		}
		own := raised
		if z.number >= 6.4 { // a symptom that the room doesn't show is shown in its cause's thread
			own = raised[:4]
			s.shows("noc", root["stays"].ID, "1 symptom")
			s.thread("noc", root["stays"].ID, "1 symptom of this problem", s.title[symptom])
		}
		for _, key := range own {
			s.root("noc", event[key], "Average", "Found by reconciliation")
		}
		for _, key := range open[:3] {
			s.root("noc", event[key], "resolved")
			s.thread("noc", root[key].ID, "Resolved after", "found by reconciliation")
		}
		s.root("noc", event["acked"], "acknowledged", "Bob Builder")
		s.thread("noc", root["acked"].ID, "working on it", "found by reconciliation")
		s.root("noc", event["stays"], "Average")
		_, err := s.webex.Say(webexsim.Line{Room: "noc", From: "alice@example.com", Text: "show " + event["below"], MentionBot: true})
		require.NoError(t, err)
		sees(t, s.webex, "the answer to show", "noc", func(messages []webexsim.MessageView) bool {
			return slices.ContainsFunc(messages, func(m webexsim.MessageView) bool { return m.ParentID != "" && contains(m, s.title["below"]) })
		})
		for _, m := range s.webex.State().Room("noc").Messages {
			require.False(t, m.ParentID == "" && contains(m, s.title["below"]), "the action leaves it out")
		}
		if z.number >= 6.4 {
			set("0", "stays")
			s.shows("noc", root["stays"].ID, "resolved")
			s.root("noc", event[symptom], "Average", "Symptom of "+s.title["stays"])
			s.thread("noc", root["stays"].ID, "no symptoms any more")
		}
		if z.number < 7 { // it keeps the deleted trigger's event for some hours, which reconciliation finds gone after three minutes
			_, err := s.webex.Say(webexsim.Line{Room: "noc", From: "alice@example.com", Text: "close", ParentID: root["deleted"].ID, MentionBot: true})
			require.NoError(t, err)
			s.thread("noc", root["deleted"].ID, "I closed it here as gone from Zabbix")
			s.shows("noc", root["deleted"].ID, "resolved")
			return
		}

		// Two answers a minute apart must be without it.
		ctx, cancel := context.WithTimeoutCause(t.Context(), 2*patience, errors.New("the deleted trigger's problem stays open"))
		defer cancel()
		require.NoError(t, s.webex.Wait(ctx, func(state webexsim.State) bool {
			for _, m := range state.Room("noc").Messages {
				if m.ID == root["deleted"].ID {
					return contains(m, "resolved")
				}
			}
			return false
		}))
		s.thread("noc", root["deleted"].ID, "Gone from Zabbix")
		s.relay.idle(t)
		for kind, n := range map[string]float64{"problem": 5, "recovery": 3, "update": 1, "gone": 1} {
			require.Equal(t, n, s.relay.metric(t, fmt.Sprintf(`alert_relay_found_total{kind=%q,source="main"}`, kind)), kind)
		}
		require.Zero(t, s.relay.metric(t, `alert_relay_gone_held{source="main"}`))

		// Somebody asks: nothing differs any more.
		cmd := exec.Command(buildRelay(t), "reconcile", "--config", s.relay.config)
		cmd.Env = append(os.Environ(), s.relay.env...)
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, string(out))
		require.Equal(t, "main: Zabbix has 7 open, of which the relay knows 7; nothing differs", strings.TrimSpace(string(out)))
		s.nothingElse()
	})
}
