package alert

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// occurrence is a resolved problem of a trigger.
func occurrence(id int, opened time.Time, lasted time.Duration, by, text string) Problem {
	p := Problem{
		Key: Key{Source: "main", EventID: fmt.Sprint(id)}, Origin: OriginTrigger, State: StateResolved,
		Facts:    Facts{TriggerID: "23118", Hosts: []Host{{Host: "sw2"}, {Host: "sw1"}}},
		OpenedAt: opened, ResolvedAt: opened.Add(lasted),
	}
	if text != "" {
		p.Timeline = []Entry{{Seq: 1, Key: "u", Kind: EntryUpdate, At: opened, Update: &Update{At: opened.Add(time.Minute), Actor: Actor{Name: by}, Message: text}}}
	}
	return p
}

func TestTriggerOfAProblem(t *testing.T) {
	k, ok := occurrence(1, epoch, time.Minute, "", "").Trigger()
	require.True(t, ok)
	require.Equal(t, TriggerKey{"main", "23118", "sw1"}, k)
	_, ok = Problem{Origin: OriginService, Facts: Facts{TriggerID: "1"}}.Trigger()
	require.False(t, ok)
	_, ok = Problem{Origin: OriginTrigger}.Trigger()
	require.False(t, ok, "an update arrived before its problem")
}

func TestMemoryOfEarlierProblems(t *testing.T) {
	day := 24 * time.Hour
	var s TriggerStats
	require.Equal(t, Memory{Times: 1}, s.Before(occurrence(9, epoch, 0, "", "")), "the first time")

	var changed bool
	for i, p := range []Problem{
		occurrence(1, epoch.Add(-40*day), 12*time.Minute, "Alice", "compaction,\ndrains  by itself"),
		occurrence(2, epoch.Add(-20*day), time.Hour, "", ""),
		occurrence(3, epoch.Add(-10*day), time.Minute, "", ""),
		occurrence(5, epoch.Add(day), 12*time.Minute, "Bob", "later than the one that is asked for"),
	} {
		s, changed = s.Add(p)
		require.True(t, changed, i)
	}
	require.Equal(t, Memory{
		Known: true, Times: 3, Usual: 12 * time.Minute, Latest: time.Minute,
		Last: &Remark{By: "Alice", At: epoch.Add(-40*day + time.Minute), Text: "compaction, drains by itself"},
	}, s.Before(occurrence(4, epoch, 0, "", "")))

	_, changed = s.Add(occurrence(2, epoch.Add(-20*day), time.Hour, "", ""))
	require.False(t, changed, "added before")
	said, changed := s.Add(occurrence(2, epoch.Add(-20*day), time.Hour, "Carol", "after it resolved"))
	require.True(t, changed)
	require.Equal(t, "Carol", said.Before(occurrence(4, epoch, 0, "", "")).Last.By)

	gone := occurrence(3, epoch.Add(-10*day), 5*day, "", "")
	gone.Gone = true
	s, _ = s.Add(gone)
	m := s.Before(occurrence(4, epoch, 0, "", ""))
	require.Zero(t, m.Latest, "nobody knows how long a problem lasted that is gone from Zabbix")
	require.Zero(t, m.Usual, "two durations aren't usual")
}

// A trigger that never stops flapping has statistics of bounded size, which don't claim an exact count.
func TestStatisticsAreBounded(t *testing.T) {
	var s TriggerStats
	for i := range 3 * keepOccurrences {
		s, _ = s.Add(occurrence(i, epoch.Add(time.Duration(i)*time.Minute), time.Second, "Alice", "again"))
	}
	require.Len(t, s.Occurrences, keepOccurrences)
	remarks := 0
	for _, o := range s.Occurrences {
		if o.Remark != nil {
			remarks++
		}
	}
	require.Equal(t, keepRemarks, remarks)
	m := s.Before(occurrence(1000, epoch.Add(24*time.Hour), 0, "", ""))
	require.Equal(t, keepOccurrences+1, m.Times)
	require.True(t, m.AtLeast)
	m = s.Before(occurrence(1000, epoch.Add(90*24*time.Hour), 0, "", ""))
	require.Equal(t, 1, m.Times)
	require.False(t, m.AtLeast, "what was dropped is older than the window")

	again, changed := s.Add(occurrence(3, epoch.Add(3*time.Minute), time.Second, "", ""))
	require.False(t, changed, "older than everything that is kept")
	require.Equal(t, s, again)
}

func TestStatisticsDoNotDependOnTheOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var all []Problem
		for i := range rapid.IntRange(1, 2*keepOccurrences).Draw(t, "problems") {
			minute := rapid.IntRange(0, 100).Draw(t, "opened")
			all = append(all, occurrence(i, epoch.Add(time.Duration(minute)*time.Minute), time.Second, "", ""))
		}
		add := func(problems []Problem) (s TriggerStats) {
			for _, p := range problems {
				s, _ = s.Add(p)
			}
			return s
		}
		require.Equal(t, add(all), add(rapid.Permutation(all).Draw(t, "order")))
	})
}
