package alert

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// What only reconciliation found is marked, until Zabbix's own message about it comes.
func TestFoundByReconciliation(t *testing.T) {
	key := Key{"main", "4711"}
	at := func(d time.Duration) time.Time { return epoch.Add(d * time.Minute) }
	seen := func(d time.Duration, found Found, change func(*Observation)) Event {
		o := &Observation{At: at(d), Found: found, Opened: epoch, Severity: High, Updates: []Update{{AckID: "1", At: epoch, Actions: Actions{Ack: true}}}}
		change(o)
		return o.Event(key, at(d))
	}
	same := func(*Observation) {}
	over := func(o *Observation) { o.Resolved, o.ResolvedAt = true, at(2) }
	problem := Event{Key: key, Kind: KindProblem, Origin: OriginTrigger, ReceivedAt: at(5), Opened: epoch, At: epoch, Exact: true}
	recovery := Event{Key: key, Kind: KindRecovery, Origin: OriginTrigger, ReceivedAt: at(6), ResolvedAt: at(2), At: at(2), Exact: true}
	update := Event{Key: key, Kind: KindUpdate, Origin: OriginTrigger, ReceivedAt: at(5), At: epoch, Exact: true, Update: &Update{At: epoch, Exact: true, Actions: Actions{Ack: true}}}

	for name, c := range map[string]struct {
		events []Event
		marked []EntryKind
	}{
		"an ordinary answer":             {[]Event{seen(1, "", same), seen(3, "", over)}, nil},
		"a problem":                      {[]Event{seen(1, FoundProblem, same)}, []EntryKind{EntryOpened}},
		"a problem whose message comes":  {[]Event{seen(1, FoundProblem, same), problem}, nil},
		"a recovery":                     {[]Event{problem, seen(3, FoundRecovery, over)}, []EntryKind{EntryResolved}},
		"a recovery that was known":      {[]Event{problem, seen(3, "", over), seen(4, FoundRecovery, over)}, nil},
		"a recovery whose message comes": {[]Event{problem, seen(3, FoundRecovery, over), recovery}, nil},
		"an update":                      {[]Event{problem, seen(3, FoundUpdate, same)}, []EntryKind{EntryUpdate}},
		"an update that was known":       {[]Event{problem, seen(1, "", same), seen(3, FoundUpdate, same)}, nil},
		"an update whose message comes":  {[]Event{problem, seen(3, FoundUpdate, same), update}, nil},
	} {
		var marked []EntryKind
		for _, e := range fold(t, c.events).Timeline {
			if e.Found {
				marked = append(marked, e.Kind)
			}
		}
		require.Equal(t, c.marked, marked, name)
	}

	// The message of a recovery that was posted as found changes nothing that rooms see.
	p := fold(t, []Event{problem, seen(3, FoundRecovery, over)})
	_, c := Apply(p, recovery)
	require.False(t, c.Visible)
	require.False(t, p.Found())
	p = fold(t, []Event{seen(1, FoundProblem, same)})
	require.True(t, p.Found())
	_, c = Apply(p, problem)
	require.True(t, c.Visible, "the mark goes")
	require.False(t, c.Headline)
}
