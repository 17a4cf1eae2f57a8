package relay

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/simulator/webexsim"
)

// canaries returns how many messages of canaries a room had, and how many it still shows.
func (o *onDisk) canaries(room string) (all, shown int) {
	for _, m := range o.webex.Timeline(room) {
		if strings.Contains(m.Text, "checks itself") {
			all++
			if !m.Deleted {
				shown++
			}
		}
	}
	return all, shown
}

// A canary goes from the journal through Webex and back, and leaves nothing in its room. A reload turns it on, moves it and turns it off.
func TestCanary(t *testing.T) {
	const success, noc = "alert_relay_canary_last_success_timestamp_seconds", "rooms: [{name: noc, id: %noc}, {name: db, id: %db}]\ndefault_rooms: [noc]\n"
	rooms := strings.NewReplacer("%noc", webexsim.RoomID("noc"), "%db", webexsim.RoomID("db")).Replace(noc)
	o := startOnDisk(t, rooms)
	_, on := o.counted(success, nil)
	require.False(t, on)

	for _, c := range []struct{ settings, room string }{{"canary: {interval: 1h}\n", "noc"}, {"canary: {interval: 1h, room: db}\n", "db"}} {
		before, _ := o.counted(success, nil)
		o.configure(rooms + c.settings)
		require.Contains(t, o.mustReload().Changed, "canary.room")
		require.Eventually(t, func() bool { now, _ := o.counted(success, nil); return now > before }, 2*time.Minute, 5*time.Millisecond, "%v", o.log)
		all, shown := o.canaries(c.room)
		require.Equal(t, 1, all)
		require.Zero(t, shown)
	}
	require.Zero(t, o.gauge("alert_relay_posts_pending"))

	o.configure(rooms)
	o.mustReload()
	_, on = o.counted(success, nil)
	require.False(t, on)
}
