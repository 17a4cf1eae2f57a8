package main

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/admin"
)

func TestSinceTime(t *testing.T) {
	now := time.Date(2026, 11, 24, 13, 0, 0, 0, time.UTC)
	for given, want := range map[string]time.Time{
		"2d": now.AddDate(0, 0, -2), "90m": now.Add(-90 * time.Minute), "2026-11-23": time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC), "2026-11-24T13:00:00+01:00": now.Add(-time.Hour),
	} {
		got, err := sinceTime(given, now)
		require.NoError(t, err, given)
		require.True(t, want.Equal(got), given)
	}
	for _, given := range []string{"yesterday", "-2d", "0s", "24.11.2026"} {
		_, err := sinceTime(given, now)
		require.ErrorContains(t, err, "--since", given)
	}
}

// People's own words can't break the table or the terminal.
func TestAuditTable(t *testing.T) {
	var out strings.Builder
	found := admin.Audit{More: true, Commands: []admin.AuditEntry{{
		At: time.Date(2026, 11, 24, 13, 0, 0, 0, time.UTC), Person: "alice@example.com", Action: "ack", State: "done", Text: "ack\n4711\x1b[2J", Problems: []string{"main/4711", "main/4712"},
	}, {At: time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC), Name: "admin API", Action: "forget", State: "done", Text: "removed"}}}
	auditTable(found).write(&out)
	moreAudit(&out, found)
	require.Equal(t, `AT                    PERSON             WHERE   ACTION  PROBLEMS             STATE  TEXT         OUTCOME
2026-11-24T13:00:00Z  alice@example.com  direct  ack     main/4711,main/4712  done   ack 4711[2J  -
2026-11-24T12:00:00Z  admin API          -       forget  -                    done   removed      -
there are older ones (--limit 0 lists all)
`, out.String())
}
