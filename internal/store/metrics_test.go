package store_test

import (
	"context"
	"errors"
	"fmt"
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
// and the free space are exported.
func TestCollector(t *testing.T) {
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	c, free := &counted{}, uint64(0)
	reg := prometheus.NewPedanticRegistry()
	reg.MustRegister(store.NewCollector(c, func() time.Time { return now }, func() map[string]string {
		return map[string]string{"noc": "ops-bot", "db": "db-bot", store.OtherRooms: "ops-bot"}
	}, func() (uint64, bool) { return free, free > 0 }))
	expect := func(text string, names ...string) {
		t.Helper()
		require.NoError(t, testutil.GatherAndCompare(reg, strings.NewReader(text), names...))
	}
	expect(`
# HELP alert_relay_oldest_pending_seconds How far behind the rooms are: age of the oldest pending event, post, digest or notice; 0 for none.
# TYPE alert_relay_oldest_pending_seconds gauge
alert_relay_oldest_pending_seconds 0
`, "alert_relay_oldest_pending_seconds")

	c.stats = store.Stats{JournalPending: 3, PostsPending: 2, NoticesPending: 5, SetAside: 6, CommandsPending: 7,
		OpenProblems: map[alert.Severity]int64{alert.High: 8}, OldestPending: now.Add(-90 * time.Second),
		Rooms: map[string]store.RoomStats{
			"noc":     {Pending: 2, OldestPending: now.Add(-time.Minute), Dead: map[store.LetterKind]int64{store.LetterPost: 1, store.LetterList: 9}},
			"removed": {Pending: 3, OldestPending: now.Add(-time.Second), Dead: map[store.LetterKind]int64{store.LetterPost: 5}},
			"":        {Pending: 1, OldestPending: now.Add(-30 * time.Second), Dead: map[store.LetterKind]int64{store.LetterPost: 1, store.LetterNotice: 4}},
		}}
	want := map[string]float64{
		"alert_relay_journal_pending": 3, "alert_relay_posts_pending": 7, "alert_relay_oldest_pending_seconds": 90,
		"alert_relay_journal_set_aside": 6, "alert_relay_commands_pending": 7, "alert_relay_store_up": 1,
		"alert_relay_room_pending/ops-bot/noc": 2, "alert_relay_room_pending/db-bot/db": 0, "alert_relay_room_pending/ops-bot/other": 4,
		"alert_relay_room_oldest_pending_seconds/ops-bot/noc": 60, "alert_relay_room_oldest_pending_seconds/db-bot/db": 0,
		"alert_relay_room_oldest_pending_seconds/ops-bot/other": 30,
		"alert_relay_problems_open/high":                        8, "alert_relay_problems_open/disaster": 0, "alert_relay_problems_open/not classified": 0,
		"alert_relay_problems_open/information": 0, "alert_relay_problems_open/warning": 0, "alert_relay_problems_open/average": 0,
	}
	for room, dead := range map[string][4]float64{"ops-bot/%s/noc": {1, 0, 9, 0}, "db-bot/%s/db": {}, "ops-bot/%s/other": {6, 0, 0, 4}} {
		for i, kind := range store.LetterKinds {
			want["alert_relay_dead_letters/"+fmt.Sprintf(room, kind)] = dead[i]
		}
	}
	require.Equal(t, want, gather(t, reg))

	// After a clock went back, no age is negative.
	c.stats.OldestPending = now.Add(time.Hour)
	require.Zero(t, gather(t, reg)["alert_relay_oldest_pending_seconds"])

	c.err = errors.New("disk I/O error")
	require.Equal(t, map[string]float64{"alert_relay_store_up": 0}, gather(t, reg))
	free = 5 << 30
	require.Equal(t, map[string]float64{"alert_relay_store_up": 0, "alert_relay_store_free_bytes": 5 << 30}, gather(t, reg))
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
