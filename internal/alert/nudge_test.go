package alert

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func nudgeEvent(n Nudge) Event {
	return Event{Key: Key{"main", "4711"}, Kind: KindNudge, Nudge: &n, At: n.At, ReceivedAt: n.At, SentAt: n.At, Exact: true}
}

// A problem that is reminded of for a month holds the newest reminder alone, and
// each is an entry that no room can have been told.
func TestRemindersDontPileUp(t *testing.T) {
	high := High
	p, _ := Apply(Problem{}, Event{Key: Key{"main", "4711"}, Kind: KindProblem, Origin: OriginTrigger, Severity: &high, ReceivedAt: epoch, SentAt: epoch, At: epoch})
	for i := range 700 {
		at := epoch.Add(time.Duration(i+1) * time.Hour)
		was := p
		next, change := Apply(p, nudgeEvent(Nudge{Kind: EntryReminded, Room: "noc", At: at, After: at.Sub(epoch)}))
		require.True(t, change.Visible)
		require.Equal(t, was.Revision+1, next.Revision)
		require.Greater(t, next.LastSeq(), was.LastSeq())
		p = next
	}
	require.Len(t, p.Timeline, 2)
	raw, err := json.Marshal(p)
	require.NoError(t, err)
	require.Less(t, len(raw), 2000)

	// One that comes late, or again, changes nothing.
	same, change := Apply(p, nudgeEvent(Nudge{Kind: EntryReminded, Room: "noc", At: epoch.Add(time.Hour)}))
	require.Equal(t, Change{Duplicate: true}, change)
	require.Equal(t, p, same)
}

// Another room's reminder, and each step of an escalation, is an entry of its own.
func TestNudgesOfRoomsAndStepsStandBesideEachOther(t *testing.T) {
	var p Problem
	for i, n := range []Nudge{
		{Kind: EntryReminded, Room: "noc"}, {Kind: EntryReminded, Room: "db"},
		{Kind: EntryEscalated, Room: "noc", Rooms: []string{"leads"}}, {Kind: EntryEscalated, Room: "noc", Step: 1, Mention: []string{MentionAll}},
	} {
		n.At = epoch.Add(time.Duration(i) * time.Minute)
		p, _ = Apply(p, nudgeEvent(n))
	}
	require.Len(t, p.Timeline, 4)
	escalated := p.Timeline[2].Nudge
	require.True(t, escalated.For("noc") && escalated.For("leads") && !escalated.For("db"))
	// What else happens leaves them in place.
	p, _ = Apply(p, Event{Key: Key{"main", "4711"}, Kind: KindRecovery, Origin: OriginTrigger, ReceivedAt: epoch.Add(time.Hour), At: epoch.Add(time.Hour)})
	require.Len(t, p.Timeline, 5)
	require.Equal(t, escalated, p.Timeline[2].Nudge)
	require.Equal(t, StateResolved, p.State)
}
