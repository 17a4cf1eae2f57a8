package store_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/store"
)

// A room should have its first message when the relay received the event. A delay or quiet hours of the route come first.
func TestFirstDue(t *testing.T) {
	received := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	p := store.Post{ReceivedAt: received, JoinedAt: received.Add(time.Minute)}
	require.Equal(t, received, p.FirstDue())
	p.TellAfter = received.Add(-time.Hour)
	require.Equal(t, received, p.FirstDue())
	p.TellAfter = received.Add(time.Hour)
	require.Equal(t, p.TellAfter, p.FirstDue())
	p.TellAfter, p.HoldUntil = time.Time{}, received.Add(2*time.Minute)
	require.Equal(t, p.HoldUntil, p.FirstDue())
	require.Equal(t, received, store.Post{JoinedAt: received}.FirstDue(), "a post of an older version")
}
