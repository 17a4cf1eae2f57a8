package reconcile

import (
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/zabbix"
)

// Each kind of difference is found, and nothing else. One that stays keeps when it was seen and read. Together they explain why counts
// differ.
func TestComparison(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	stored := store.OpenState{EventID: "1", OpenedAt: now.Add(-time.Hour), Severity: alert.Average, Updates: 2, Cause: "7", Revision: 3}
	listed := zabbix.Open{EventID: 1, Opened: now.Add(-time.Hour), Severity: alert.Average, Updates: 2, Cause: 7}
	with := func(change func(*zabbix.Open)) []zabbix.Open { o := listed; change(&o); return []zabbix.Open{o} }
	seen := func(d difference, asked int) difference {
		d.seen, d.asked, d.due = now.Add(-time.Minute), asked, now.Add(time.Minute)
		return d
	}
	acked := difference{kind: changed, opened: listed.Opened, severity: alert.Average, revision: 3}
	before := seen(acked, 2)
	before.adds.acknowledged = 1
	for name, c := range map[string]struct {
		stored []store.OpenState
		listed []zabbix.Open
		before map[int64]difference
		want   map[int64]difference // without seen and due unless they were there before
	}{
		"the same":       {[]store.OpenState{stored}, []zabbix.Open{listed}, nil, nil},
		"nothing":        {nil, nil, nil, nil},
		"unknown":        {nil, []zabbix.Open{listed}, nil, map[int64]difference{1: {kind: unknown, opened: listed.Opened, severity: alert.Average}}},
		"missing":        {[]store.OpenState{stored}, nil, nil, map[int64]difference{1: {kind: missing, severity: alert.Average, revision: 3}}},
		"acknowledged":   {[]store.OpenState{stored}, with(func(o *zabbix.Open) { o.Acknowledged = true }), nil, map[int64]difference{1: acked}},
		"another update": {[]store.OpenState{stored}, with(func(o *zabbix.Open) { o.Updates++ }), nil, map[int64]difference{1: acked}},
		"more severe":    {[]store.OpenState{stored}, with(func(o *zabbix.Open) { o.Severity = alert.High }), nil, map[int64]difference{1: {kind: changed, opened: listed.Opened, severity: alert.High, worse: true, revision: 3}}},
		"less severe":    {[]store.OpenState{stored}, with(func(o *zabbix.Open) { o.Severity = alert.Warning }), nil, map[int64]difference{1: {kind: changed, opened: listed.Opened, severity: alert.Warning, revision: 3}}},
		"suppressed":     {[]store.OpenState{stored}, with(func(o *zabbix.Open) { o.Suppressed = true }), nil, map[int64]difference{1: {kind: suppressed, opened: listed.Opened, severity: alert.Average, hidden: true, revision: 3}}},
		"another cause":  {[]store.OpenState{stored}, with(func(o *zabbix.Open) { o.Cause = 0 }), nil, map[int64]difference{1: {kind: suppressed, opened: listed.Opened, severity: alert.Average, revision: 3}}},
		"another problem": {[]store.OpenState{stored}, with(func(o *zabbix.Open) { o.Opened = now.Add(-time.Hour - 6*time.Second) }), nil,
			map[int64]difference{1: {kind: unknown, opened: now.Add(-time.Hour - 6*time.Second), severity: alert.Average, revision: 3}}},
		"nearly the same time": {[]store.OpenState{stored}, with(func(o *zabbix.Open) { o.Opened = now.Add(-time.Hour - 5*time.Second) }), nil, nil},
		"another zone":         {[]store.OpenState{{EventID: "1", OpenedAt: now, Severity: alert.Average, Updates: -1, Cause: "7"}}, with(func(o *zabbix.Open) { o.Updates = 0 }), nil, nil},
		"never asked":          {[]store.OpenState{{EventID: "1", Severity: alert.Average, Updates: -1, Cause: "7"}}, with(func(o *zabbix.Open) { o.Updates = 0 }), nil, nil},
		"an earlier problem":   {[]store.OpenState{{EventID: "1~1"}, stored}, []zabbix.Open{listed}, nil, nil},
		"still the same":       {[]store.OpenState{stored}, with(func(o *zabbix.Open) { o.Acknowledged = true }), map[int64]difference{1: before}, map[int64]difference{1: seen(acked, 2)}},
		"over":                 {[]store.OpenState{stored}, []zabbix.Open{listed}, map[int64]difference{1: seen(acked, 2)}, nil},
		"another one now":      {[]store.OpenState{stored}, nil, map[int64]difference{1: seen(acked, 2)}, map[int64]difference{1: {kind: missing, severity: alert.Average, revision: 3}}},
	} {
		t.Run(name, func(t *testing.T) {
			comparison := compareWith(c.stored)
			for _, o := range c.listed {
				comparison.add(o)
			}
			got := comparison.end(c.before, now)
			require.Len(t, got, len(c.want))
			for id, want := range c.want {
				if want.seen.IsZero() {
					want.seen, want.due = now, now.Add(want.grace())
				}
				got := got[id]
				got.adds = tally{}
				require.Equal(t, want, got)
			}
			if name == "an earlier problem" {
				return // it is never open
			}
			var counts zabbix.OpenCounts
			for _, o := range c.listed {
				counts.Total++
				counts.Newest = append(counts.Newest, o.EventID)
				counts.Severities[o.Severity]++
				if o.Acknowledged {
					counts.Acknowledged++
				}
			}
			for id, d := range got {
				d.asked = settled
				got[id] = d
			}
			require.True(t, agree(counts, c.stored, got))
			require.Equal(t, len(c.listed), comparison.listed)
		})
	}
}

// Counts agree only if everything that they count does, and the newest problems are known.
func TestCountsAgree(t *testing.T) {
	states := []store.OpenState{{EventID: "1", Severity: alert.High, Acknowledged: true}, {EventID: "2"}}
	counts := func(change func(*zabbix.OpenCounts)) zabbix.OpenCounts {
		c := zabbix.OpenCounts{Total: 2, Acknowledged: 1, Newest: []int64{2, 1}}
		c.Severities[alert.High], c.Severities[alert.NotClassified] = 1, 1
		change(&c)
		return c
	}
	require.True(t, agree(counts(func(*zabbix.OpenCounts) {}), states, nil))
	for _, change := range []func(*zabbix.OpenCounts){
		func(c *zabbix.OpenCounts) { c.Total++ }, func(c *zabbix.OpenCounts) { c.Acknowledged-- }, func(c *zabbix.OpenCounts) { c.Newest[0] = 3 },
		func(c *zabbix.OpenCounts) { c.Severities[alert.High], c.Severities[alert.Disaster] = 0, 1 },
	} {
		require.False(t, agree(counts(change), states, nil))
	}
}

// Of the lists of suppressed problems and of symptoms, the part that they cover is compared. Zabbix 6.0 lists no symptoms.
func TestListsOfSilentChanges(t *testing.T) {
	var states, symptoms []store.OpenState
	for id := range 6 {
		states = append(states, store.OpenState{EventID: strconv.Itoa(id + 1), Suppressed: id < 3, Revision: 1})
		symptoms = append(symptoms, store.OpenState{EventID: strconv.Itoa(id + 1), Revision: 1})
	}
	symptoms[0].Cause, symptoms[2].Cause, symptoms[3].Cause = "6", "6", "6"
	ids := func(differs map[int64]difference) (ids []int64) {
		for id := range int64(7) {
			if _, ok := differs[id]; ok {
				ids = append(ids, id)
			}
		}
		return ids
	}
	require.Equal(t, []int64{1, 2, 5}, ids(silent(zabbix.OpenCounts{Suppressed: []int64{5, 3}}, states)))
	require.Equal(t, []int64{5}, ids(silent(zabbix.OpenCounts{Suppressed: []int64{5, 3}, MoreSuppressed: true}, states)))

	require.Equal(t, []int64{1, 3, 4}, ids(silent(zabbix.OpenCounts{Causes: map[int64]int64{}}, symptoms)))
	require.Equal(t, []int64{1, 4, 5}, ids(silent(zabbix.OpenCounts{Causes: map[int64]int64{3: 6, 4: 2, 5: 6}}, symptoms)))
	require.Equal(t, []int64{4, 5}, ids(silent(zabbix.OpenCounts{Causes: map[int64]int64{3: 6, 4: 2, 5: 6}, MoreSymptoms: true}, symptoms)))
	require.Empty(t, ids(silent(zabbix.OpenCounts{}, symptoms)), "6.0")
}

// What is due is read worst kind first, then the most severe and newest; the rest waits for room.
func TestDueNow(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	differs := map[int64]difference{
		1: {kind: missing, due: now}, 2: {kind: unknown, severity: alert.Warning, due: now}, 3: {kind: unknown, severity: alert.High, due: now}, 4: {kind: changed, due: now},
		5: {kind: unknown, severity: alert.Warning, due: now}, 6: {kind: unknown, due: now.Add(time.Second)}, 7: {kind: unknown, due: now.Add(time.Minute), asked: 1},
	}
	ids, next := dueNow(differs, now, false, 100)
	require.Equal(t, []int64{3, 5, 2, 4, 1}, ids)
	require.Equal(t, now.Add(time.Second), next)
	ids, next = dueNow(differs, now, false, 2)
	require.Equal(t, []int64{3, 5}, ids)
	require.Equal(t, now, next)
	ids, _ = dueNow(differs, now, true, 100)
	require.Equal(t, []int64{3, 5, 2, 6, 4, 1}, ids)
	_, next = dueNow(nil, now, true, 100)
	require.True(t, next.IsZero())
}
