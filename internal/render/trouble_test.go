package render

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Messages about a source say what is wrong, since when and what to do; nothing in them can mention anybody or open a link.
func TestSourceTrouble(t *testing.T) {
	r, err := New(Options{})
	require.NoError(t, err)
	since := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	for _, kind := range []string{"alerts", "media_type", "action", "found", "server", "reconcile"} {
		trouble := SourceTrouble{Source: "<@all>", Kind: kind, Since: since, Count: 5, Detail: "<@personEmail:a@example.com> [x](https://evil.example) " + strings.Repeat("y", 5000)}
		going := r.SourceTrouble(trouble, Room{})
		require.Contains(t, going, "⚠️")
		require.Contains(t, going, "24 Nov 12:00")
		trouble.Until = since.Add(time.Hour)
		over := r.SourceTrouble(trouble, Room{})
		require.Contains(t, over, "✅ Over")
		require.Contains(t, over, "24 Nov 13:00")
		trouble.Removed = true
		removed := r.SourceTrouble(trouble, Room{})
		require.Contains(t, removed, "is no longer configured")
		require.Contains(t, removed, "24 Nov 13:00")
		for _, text := range []string{going, over, removed} {
			require.NotContains(t, text, "<@")
			require.NotContains(t, text, "[x](")
			require.Less(t, len(text), 1200)
		}
		if kind == "alerts" || kind == "found" {
			require.Contains(t, going, "**5**")
			require.Contains(t, over, "**5**")
		}
	}
	stale := r.SourceTrouble(SourceTrouble{Source: "main", Kind: "reconcile", Since: since, Detail: "problem.get: No permissions"}, Room{})
	require.Contains(t, stale, "The open problems of Zabbix **main** can't be compared with the relay's. Since 24 Nov 12:00:00 UTC.")
	require.Contains(t, stale, "The error: problem.get: No permissions")
	one := r.SourceTrouble(SourceTrouble{Source: "main", Kind: "alerts", Since: since, Count: 1, Detail: "timed out"}, Room{})
	require.Contains(t, one, "gave up on **1** message to the relay")
	require.Contains(t, one, "The last error: timed out")
}

func TestHeartbeatMissing(t *testing.T) {
	r, err := New(Options{})
	require.NoError(t, err)
	known := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	m := MissingHeartbeat{Name: "backup", Interval: 90 * time.Minute, Known: known, Since: known.Add(2 * time.Hour)}
	require.Equal(t, "⚠️ Heartbeat **backup** is missing: never heard since 24 Nov 12:00:00 UTC, expected every 1h 30m.", r.HeartbeatMissing(m, Room{}))
	m.Last = known.Add(time.Hour)
	require.Equal(t, "⚠️ Heartbeat **backup** is missing: last heard 24 Nov 13:00:00 UTC, expected every 1h 30m.", r.HeartbeatMissing(m, Room{}))
	m.Times = 2
	require.Equal(t, "⚠️ Heartbeat **backup** comes and goes: missing 2 times since 24 Nov 14:00:00 UTC, expected every 1h 30m.", r.HeartbeatMissing(m, Room{}))
	m.Until = known.Add(3 * time.Hour)
	require.Equal(t, "✅ Heartbeat **backup** is back: missing 2 times from 24 Nov 14:00:00 UTC to 24 Nov 15:00:00 UTC, expected every 1h 30m.", r.HeartbeatMissing(m, Room{}))
	m.Stays, m.Missed = true, known.Add(170*time.Minute)
	require.Equal(t, "⚠️ Heartbeat **backup** came and went (missing 2 times since 24 Nov 14:00:00 UTC), and stays away since 24 Nov 14:50:00 UTC: see the newer message.", r.HeartbeatMissing(m, Room{}))
	m.Times, m.Stays = 1, false
	require.Equal(t, "✅ Heartbeat **backup** is back: missing from 24 Nov 14:00:00 UTC to 24 Nov 15:00:00 UTC, expected every 1h 30m.", r.HeartbeatMissing(m, Room{}))
	m.Removed = true
	require.Equal(t, "⚪ Heartbeat **backup** is no longer configured: it was missing from 24 Nov 14:00:00 UTC to 24 Nov 15:00:00 UTC.", r.HeartbeatMissing(m, Room{}))
}
