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

// After a month of reminders a problem has only the newest, and each was a new entry.
func TestOnlyTheNewestReminderIsKept(t *testing.T) {
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

	// A late or repeated one changes nothing.
	same, change := Apply(p, nudgeEvent(Nudge{Kind: EntryReminded, Room: "noc", At: epoch.Add(time.Hour)}))
	require.Equal(t, Change{Duplicate: true}, change)
	require.Equal(t, p, same)
}

// Reminders of another room, and steps of an escalation, are separate entries.
func TestNudgesOfRoomsAndStepsAreSeparate(t *testing.T) {
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
	// Other events don't change them.
	p, _ = Apply(p, Event{Key: Key{"main", "4711"}, Kind: KindRecovery, Origin: OriginTrigger, ReceivedAt: epoch.Add(time.Hour), At: epoch.Add(time.Hour)})
	require.Len(t, p.Timeline, 5)
	require.Equal(t, escalated, p.Timeline[2].Nudge)
	require.Equal(t, StateResolved, p.State)
}
