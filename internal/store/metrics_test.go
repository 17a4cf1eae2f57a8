package store_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/store"
)

type counted struct {
	stats store.Stats
	err   error
}

func (c *counted) Stats(context.Context) (store.Stats, error) { return c.stats, c.err }

// Gauges have the store's counts at the moment of the scrape. If the store can't be read, only alert_relay_store_up
// is exported.
func TestCollector(t *testing.T) {
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	c := &counted{}
	reg := prometheus.NewPedanticRegistry()
	reg.MustRegister(store.NewCollector(c, func() time.Time { return now }))
	expect := func(text string, names ...string) {
		t.Helper()
		require.NoError(t, testutil.GatherAndCompare(reg, strings.NewReader(text), names...))
	}
	expect(`
# HELP alert_relay_oldest_pending_seconds Age of the oldest pending journal entry, post, digest or notice; 0 for none.
# TYPE alert_relay_oldest_pending_seconds gauge
alert_relay_oldest_pending_seconds 0
`, "alert_relay_oldest_pending_seconds")

	c.stats = store.Stats{JournalPending: 3, PostsPending: 2, NoticesPending: 5, DeadPosts: 1, DeadGroups: 2, DeadLists: 9, DeadNotices: 4, SetAside: 6, CommandsPending: 7,
		OpenProblems: map[alert.Severity]int64{alert.High: 8}, OldestPending: now.Add(-90 * time.Second)}
	want := map[string]float64{
		"alert_relay_journal_pending": 3, "alert_relay_posts_pending": 7, "alert_relay_oldest_pending_seconds": 90,
		"alert_relay_journal_set_aside": 6, "alert_relay_commands_pending": 7, "alert_relay_store_up": 1,
		"alert_relay_dead_letters/post": 1, "alert_relay_dead_letters/digest": 2, "alert_relay_dead_letters/list": 9, "alert_relay_dead_letters/notice": 4,
		"alert_relay_problems_open/high": 8, "alert_relay_problems_open/disaster": 0, "alert_relay_problems_open/not classified": 0,
		"alert_relay_problems_open/information": 0, "alert_relay_problems_open/warning": 0, "alert_relay_problems_open/average": 0,
	}
	require.Equal(t, want, gather(t, reg))

	// After a clock went back, no age is negative.
	c.stats.OldestPending = now.Add(time.Hour)
	require.Zero(t, gather(t, reg)["alert_relay_oldest_pending_seconds"])

	c.err = errors.New("disk I/O error")
	require.Equal(t, map[string]float64{"alert_relay_store_up": 0}, gather(t, reg))
}

func gather(t *testing.T, reg *prometheus.Registry) map[string]float64 {
	families, err := reg.Gather()
	require.NoError(t, err)
	got := map[string]float64{}
	for _, f := range families {
		for _, m := range f.Metric {
			name := f.GetName()
			for _, l := range m.Label {
				name += "/" + l.GetValue()
			}
			got[name] = m.GetGauge().GetValue()
		}
	}
	return got
}
