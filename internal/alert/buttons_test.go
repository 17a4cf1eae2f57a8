package alert

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The timeline keeps by which card's button something was done, whichever report of it arrives first.
func TestTheCardOfAPress(t *testing.T) {
	const message = "Alice <alice@example.com> (Webex #k3f9q2ab): on it"
	done := Update{Actor: Actor{Name: "Alice", Email: "alice@example.com"}, Actions: Actions{Ack: true, Comment: true}, Message: message, Comment: "on it", Card: "CARD"}
	reported := Update{AckID: "7", At: at(10), Exact: true, Actor: Actor{Name: "relay"}, Actions: Actions{Ack: true, Comment: true}, Message: message}
	pressed, seen := action4711(10, done), answer4711(20, Observation{Acknowledged: true, Updates: []Update{reported}})
	for _, order := range [][]Event{{pressed, seen}, {seen, pressed}, {pressed, seen, pressed}} {
		var p Problem
		for _, e := range order {
			p, _ = Apply(p, e)
		}
		updates := slices.DeleteFunc(slices.Clone(p.Timeline), func(e Entry) bool { return e.Update == nil })
		require.Len(t, updates, 1)
		require.Equal(t, "CARD", updates[0].Update.Card)
	}
}

// What a Zabbix can suppress is known from its answer, and a person can end only what a person began.
func TestCanSuppress(t *testing.T) {
	for name, c := range map[string]struct {
		o                    Observation
		suppress, unsuppress bool
	}{
		"6.0":                 {Observation{}, false, false},
		"6.0, in maintenance": {Observation{Suppressed: true}, false, false},
		"7.0":                 {Observation{CanSuppress: true}, true, false},
		"7.0, by hand":        {Observation{CanSuppress: true, Suppressed: true, ByHand: true}, true, true},
		"7.0, in maintenance": {Observation{CanSuppress: true, Suppressed: true}, true, false},
	} {
		p, _ := Apply(Problem{}, answer4711(10, c.o))
		require.Equal(t, c.suppress, p.CanSuppress, name)
		require.Equal(t, c.unsuppress, p.CanUnsuppress(), name)
	}
	p, first := Apply(Problem{}, answer4711(10, Observation{Severity: High}))
	p, upgraded := Apply(p, answer4711(20, Observation{Severity: High, CanSuppress: true}))
	require.True(t, first.Visible && upgraded.Visible, "the card gets its buttons")
	require.WithinDuration(t, time.Time{}, p.SuppressedUntil, 0)
}
