package render_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/render"
)

// An internal event says what Zabbix can't process, whether or not the media type sends {EVENT.STATUS}.
func TestInternalEventsSayWhatIsWrong(t *testing.T) {
	r := newRenderer(t)
	for object, want := range map[string]string{
		"0": "⚙️ internal · trigger in unknown state · **Cannot evaluate", "4": "⚙️ internal · item not supported · **Cannot evaluate",
		"5": "⚙️ internal · discovery rule not supported · **Cannot evaluate", "": "⚙️ internal · item in trouble · **Cannot evaluate",
	} {
		p := alert.Problem{Key: alert.Key{Source: "main", EventID: "47"}, Origin: alert.OriginInternal, State: alert.StateOpen, Facts: alert.Facts{Name: "Cannot evaluate", Object: object}}
		require.Contains(t, r.Root(p, render.Room{Name: "noc"}, time.Time{}), want)
	}
}

// A change of severity says from which one only if that is known.
func TestSeverityChanges(t *testing.T) {
	r := newRenderer(t)
	for want, c := range map[string]alert.SeverityChange{
		"⬆️ Severity changed from Average to High (":    {Old: alert.Average, New: alert.High},
		"⬇️ Severity changed from Average to Warning (": {Old: alert.Average, New: alert.Warning},
		"↕️ Severity changed to Average (":              {Old: alert.UnknownSeverity, New: alert.Average},
	} {
		e := alert.Event{Key: alert.Key{Source: "main", EventID: "47"}, Kind: alert.KindUpdate, Origin: alert.OriginService, ReceivedAt: time.Unix(1e9, 0),
			Update: &alert.Update{Actions: alert.Actions{Severity: &c}}}
		p, _ := alert.Apply(alert.Problem{Key: e.Key}, e)
		p.Timeline[0].Update.Actions.Severity = &c
		require.Contains(t, r.Root(p, render.Room{Name: "noc"}, time.Time{}), want)
	}
}

// A cause counts its symptoms in its headline.
func TestACauseShowsItsSymptoms(t *testing.T) {
	r := newRenderer(t)
	for want, s := range map[string]alert.Symptoms{
		"**Switch down**  \n": {}, "**Switch down** + 1 symptom  \n": {All: 1, Open: 1}, "**Switch down** + 3 symptoms, 2 open  \n": {All: 3, Open: 2},
		"**Switch down** + 1,200 symptoms, resolved  \n": {All: 1200},
	} {
		p := alert.Problem{Key: alert.Key{Source: "main", EventID: "47"}, Origin: alert.OriginTrigger, State: alert.StateOpen, Facts: alert.Facts{Name: "Switch down", Hosts: []alert.Host{{Host: "sw1"}}}, Symptoms: s}
		require.Contains(t, r.Root(p, render.Room{Name: "noc"}, time.Time{}), want)
	}
}
