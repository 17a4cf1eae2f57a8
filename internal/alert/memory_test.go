package alert

import (
	"fmt"
	"slices"
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
	noc := []string{"noc"}
	var s TriggerStats
	require.Equal(t, Memory{Times: 1}, s.Before(occurrence(9, epoch, 0, "", "")), "the first time")

	var changed bool
	for i, p := range []Problem{
		occurrence(1, epoch.Add(-40*day), 12*time.Minute, "Alice", "compaction,\ndrains  by itself"),
		occurrence(2, epoch.Add(-20*day), time.Hour, "", ""),
		occurrence(3, epoch.Add(-10*day), time.Minute, "", ""),
		occurrence(5, epoch.Add(day), 12*time.Minute, "Bob", "later than the one that is asked for"),
	} {
		s, changed = s.Add(p, noc)
		require.True(t, changed, i)
	}
	require.Equal(t, Memory{
		Known: true, Times: 3, Usual: 12 * time.Minute, Latest: time.Minute,
		Remarks: []PostedRemark{{Remark{By: "Alice", At: epoch.Add(-40*day + time.Minute), Text: "compaction, drains by itself"}, noc}},
	}, s.Before(occurrence(4, epoch, 0, "", "")))

	_, changed = s.Add(occurrence(2, epoch.Add(-20*day), time.Hour, "", ""), noc)
	require.False(t, changed, "added before")
	said, changed := s.Add(occurrence(2, epoch.Add(-20*day), time.Hour, "Carol", "after it resolved"), noc)
	require.True(t, changed)
	require.Equal(t, "Carol", said.Before(occurrence(4, epoch, 0, "", "")).Remarks[0].By)

	gone := occurrence(3, epoch.Add(-10*day), 5*day, "", "")
	gone.Gone = true
	s, _ = s.Add(gone, noc)
	m := s.Before(occurrence(4, epoch, 0, "", ""))
	require.Zero(t, m.Latest, "nobody knows how long a problem lasted that is gone from Zabbix")
	require.Zero(t, m.Usual, "two durations aren't usual")
}

// A trigger that never stops flapping has statistics of bounded size, which don't claim an exact count.
func TestStatisticsAreBounded(t *testing.T) {
	var s TriggerStats
	for i := range 3 * keepOccurrences {
		s, _ = s.Add(occurrence(i, epoch.Add(time.Duration(i)*time.Minute), time.Second, "Alice", "again"), nil)
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

	again, changed := s.Add(occurrence(3, epoch.Add(3*time.Minute), time.Second, "", ""), nil)
	require.False(t, changed, "older than everything that is kept")
	require.Equal(t, s, again)
}

// The newest version of each problem counts, in whatever order the problems are added, and however often.
func TestStatisticsDoNotDependOnTheOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		type version struct {
			p     Problem
			rooms []string
		}
		var all []version
		for i := range rapid.IntRange(1, 2*keepOccurrences).Draw(t, "problems") {
			minute := rapid.IntRange(0, 100).Draw(t, "opened")
			text := rapid.SampledFrom([]string{"", "", "loose cable"}).Draw(t, "text")
			rooms := rapid.SliceOfN(rapid.SampledFrom([]string{"noc", "db", "net"}), 0, 4).Draw(t, "rooms")
			all = append(all, version{occurrence(i, epoch.Add(time.Duration(minute)*time.Minute), time.Second, "Alice", text), rooms})
		}
		add := func(s TriggerStats, versions []version) TriggerStats {
			for _, v := range versions {
				s, _ = s.Add(v.p, v.rooms)
			}
			return s
		}
		want := add(TriggerStats{}, all)
		got := TriggerStats{}
		for _, v := range rapid.Permutation(all).Draw(t, "order") {
			if rapid.Bool().Draw(t, "changed since") {
				early := v
				early.p.Timeline, early.rooms, early.p.ResolvedAt = nil, nil, early.p.ResolvedAt.Add(time.Minute)
				got = add(got, []version{early})
			}
			got = add(got, []version{v})
		}
		require.Equal(t, want, got)
		again := add(got, all)
		require.Equal(t, want, again)
	})
}

// Each room gets the newest remark about a problem that was posted there, and no other.
func TestRemarksAreForTheRoomsOfTheirProblem(t *testing.T) {
	var s TriggerStats
	for _, c := range []struct {
		id    int
		text  string
		rooms []string
	}{{1, "oldest", []string{"net"}}, {2, "old", []string{"db", "noc"}}, {3, "for db", []string{"db"}}, {4, "hidden by a newer one", []string{"noc"}}, {5, "for noc", []string{"noc", "noc"}}, {6, "for nobody", nil}} {
		s, _ = s.Add(occurrence(c.id, epoch.Add(time.Duration(c.id)*time.Hour), time.Minute, "Alice", c.text), c.rooms)
	}
	m := s.Before(occurrence(9, epoch.Add(24*time.Hour), 0, "", ""))
	require.Equal(t, 7, m.Times, "every room may know how often")
	in := func(rooms ...string) func([]string) bool {
		return func(posted []string) bool {
			return slices.ContainsFunc(posted, func(room string) bool { return slices.Contains(rooms, room) })
		}
	}
	require.Equal(t, "for noc", m.Last(in("noc")).Text)
	require.Equal(t, "for db", m.Last(in("db")).Text)
	require.Equal(t, "oldest", m.Last(in("net")).Text)
	require.Equal(t, "for db", m.Last(in("net", "db")).Text)
	require.Nil(t, m.Last(in("leads")))
	require.Nil(t, m.Last(in()))
	require.Len(t, m.Remarks, 3, "what no room would show isn't kept")

	many := make([]string, 2*keepRooms)
	for i := range many {
		many[i] = fmt.Sprintf("room%02d", i)
	}
	s, _ = s.Add(occurrence(1, epoch.Add(time.Hour), time.Minute, "Alice", "oldest"), many)
	require.Len(t, s.Occurrences[0].Rooms, keepRooms)
	require.Len(t, many, 2*keepRooms)
	_, changed := s.Add(occurrence(1, epoch.Add(time.Hour), time.Minute, "Alice", "oldest"), []string{"noc"})
	require.True(t, changed, "other rooms are a change")
}

// After Zabbix's database was restored from a backup, an event id can come back for another problem of the trigger. Both count, under
// whichever key the earlier one is added.
func TestStatisticsWithAnEventIDThatCameBack(t *testing.T) {
	first, second := occurrence(7, epoch, time.Minute, "Alice", "the first"), occurrence(7, epoch.Add(72*time.Hour), time.Minute, "", "")
	earlier := first
	earlier.Key = first.Key.Earlier(1)
	for name, order := range map[string][]Problem{
		"as it happens": {first, earlier, second}, "the second first": {first, second, earlier}, "the first was pruned": {first, second},
		"after both": {second, earlier}, "in one batch": {earlier, second, earlier},
	} {
		var s TriggerStats
		for _, p := range order {
			s, _ = s.Add(p, []string{"noc"})
		}
		require.Len(t, s.Occurrences, 2, name)
		require.Equal(t, "the first", s.Occurrences[0].Remark.Text, name)
		require.Nil(t, s.Occurrences[1].Remark, name)
		require.Equal(t, 3, s.Before(occurrence(9, epoch.Add(96*time.Hour), 0, "", "")).Times, name)
	}
	moved := first
	moved.OpenedAt = first.OpenedAt.Add(time.Hour) // the API has the exact start
	s, _ := TriggerStats{}.Add(first, nil)
	s, _ = s.Add(moved, nil)
	require.Len(t, s.Occurrences, 1)
}
