package render

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A time has its date unless it is the reader's today.
func TestMoment(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	require.NoError(t, err)
	now := time.Date(2026, 11, 24, 23, 30, 0, 0, time.UTC) // already the 25th in Berlin
	for _, c := range []struct {
		at   time.Time
		loc  *time.Location
		want string
	}{
		{now.Add(-time.Hour), nil, "22:30 UTC"},
		{now.Add(-time.Hour), berlin, "24 Nov 23:30 CET"},
		{now.Add(-10 * time.Minute), berlin, "00:20 CET"},
		{now.Add(time.Hour), nil, "25 Nov 00:30 UTC"},
		{now.Add(time.Hour), berlin, "01:30 CET"},
		{now.Add(-24 * time.Hour), time.UTC, "23 Nov 23:30 UTC"},
		{now.Add(7 * 24 * time.Hour), time.UTC, "1 Dec 23:30 UTC"},
		{now.Add(-365 * 24 * time.Hour), time.UTC, "24 Nov 2025 23:30 UTC"},
		{now.Add(40 * 24 * time.Hour), berlin, "4 Jan 2027 00:30 CET"},
		{now.Add(-150 * 24 * time.Hour), berlin, "28 Jun 01:30 CEST"},
	} {
		require.Equal(t, c.want, Moment(c.at, now, c.loc))
	}
}
