package ledger

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/route"
)

// A muted route posts what still burns when the mute ends, whatever its severity. The mute's end can be moved either way.
func TestMutedRoute(t *testing.T) {
	var muted time.Time
	w := timed(t, route.Timing{}, epoch)
	w.rules.Timing = func(string, string) route.Timing { return route.Timing{Muted: muted} }
	muted = epoch.Add(60 * minute)
	e := opened()
	disaster := alert.Disaster
	e.Severity = &disaster
	w.plan(e)
	require.Equal(t, muted, w.post("noc").TellAfter)
	require.False(t, w.post("noc").Pending())
	require.Equal(t, w.now.Add(muteLook), w.post("noc").LookAt)

	w.now = epoch.Add(minute) // nothing has changed: it is looked at again
	w.due()
	require.False(t, w.post("noc").Pending())
	require.Equal(t, w.now.Add(muteLook), w.post("noc").LookAt)

	muted = epoch.Add(120 * minute) // prolonged, and noticed only at the old end
	w.now = epoch.Add(60 * minute)
	w.due()
	require.False(t, w.post("noc").Pending())
	require.Equal(t, muted, w.post("noc").TellAfter)

	muted = time.Time{} // ended early
	w.now = epoch.Add(61 * minute)
	w.due()
	require.True(t, w.post("noc").Pending())
}

// What resolves while its route is muted is never posted.
func TestResolvedWhileMuted(t *testing.T) {
	w := timed(t, route.Timing{Muted: epoch.Add(60 * minute)}, epoch)
	w.plan(opened())
	w.later(10*minute, ends)
	w.now = epoch.Add(61 * minute)
	w.due()
	require.False(t, w.post("noc").Pending())
}
