package alert

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestChangeHeadlineAndActed(t *testing.T) {
	problem := problemEvent()
	ack := func(wide bool) Event {
		return action4711(60, Update{Actor: Actor{Name: "Alice", Email: "alice@example.com"}, Actions: Actions{Ack: true}, Wide: wide})
	}
	answered := Observation{Name: "Link down", Severity: Average, Opened: epoch, Hosts: []Host{{ID: "1", Host: "sw1", Name: "Core", IP: "10.0.0.1"}}}
	renamed, closable, suppressed, acked := answered, answered, answered, answered
	renamed.Hosts = []Host{{ID: "1", Host: "sw1", Name: "Edge"}}
	closable.ManualClose = true
	suppressed.Suppressed = true
	acked.Acknowledged = true
	commented := updateEvent(60, 61, Update{Actor: bob, Message: "on it", Actions: Actions{Comment: true}})
	raised := withSeverity(updateEvent(60, 61, Update{Actor: bob, Actions: Actions{Severity: &SeverityChange{Old: Average, New: High}}}), High)
	for name, c := range map[string]struct {
		events          []Event // the last one is checked
		headline, acted bool
	}{
		"opened":                          {[]Event{problem}, true, false},
		"reported again":                  {[]Event{problem, problem}, false, false},
		"resolved":                        {[]Event{problem, recoveryEvent(60, 63)}, true, false},
		"acknowledged":                    {[]Event{problem, ack(false)}, true, true},
		"acknowledged with many":          {[]Event{problem, ack(true)}, true, false},
		"acknowledged by someone unknown": {[]Event{problem, answer4711(60, acked)}, true, false},
		"acknowledged, received again":    {[]Event{problem, own, echo}, false, false},
		"commented":                       {[]Event{problem, commented}, false, true},
		"commented, received again":       {[]Event{problem, commented, commented}, false, false},
		"severity changed":                {[]Event{problem, raised}, true, true},
		"closing is allowed":              {[]Event{problem, answer4711(30, answered), answer4711(60, closable)}, false, false},
		"host renamed":                    {[]Event{problem, answer4711(30, answered), answer4711(60, renamed)}, true, false},
		"suppressed by a maintenance":     {[]Event{problem, answer4711(30, answered), answer4711(60, suppressed)}, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			var p Problem
			var change Change
			for _, e := range c.events {
				p, change = Apply(p, e)
			}
			require.Equal(t, c.headline, change.Headline, "headline")
			require.Equal(t, c.acted, change.Acted, "acted")
		})
	}
}

func TestBookkeepingAloneIsAChange(t *testing.T) {
	again := problemEvent()
	again.SentAt, again.ReceivedAt = again.SentAt.Add(time.Hour), again.ReceivedAt.Add(time.Hour)
	p, _ := Apply(Problem{}, problemEvent())
	next, change := Apply(p, again)
	require.Equal(t, Change{Duplicate: true, Changed: true}, change, "the latest message decides whether an escalation is cancelled")
	require.Equal(t, p.Revision, next.Revision)
}

func TestActionsAsBits(t *testing.T) {
	for bits := range BitToSymptom << 1 {
		require.Equal(t, bits&^BitSeverity, ActionsOf(bits).Bits())
	}
	require.Equal(t, Actions{Unsuppress: true, Comment: true}, ActionsOf(64|4))
	require.Equal(t, 8|1, Actions{Close: true, Severity: &SeverityChange{}}.Bits())
}
