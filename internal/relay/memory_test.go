package relay

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/simulator/webexsim"
)

// A room reads how often the trigger had a problem before, unless the route hides it.
func TestRoomsReadTheMemory(t *testing.T) {
	o := startOnDisk(t, fmt.Sprintf(`
rooms: [{name: noc, id: %s}, {name: db, id: %s}]
routes: [{rooms: [noc], continue: true}, {rooms: [db], hide_memory: true}]
default_rooms: [noc]
`, webexsim.RoomID("noc"), webexsim.RoomID("db")))
	shows := func(what, name string, words ...string) {
		t.Helper()
		for _, room := range []string{"noc", "db"} {
			o.await(what+" in "+room, func(rooms map[string][]webexsim.MessageView) bool {
				for _, m := range rooms[room] {
					if !strings.Contains(m.Text, name) {
						continue
					}
					all := true
					for _, w := range words {
						all = all && strings.Contains(m.Text, w) == (room == "noc" || w == "resolved")
					}
					return all
				}
				return false
			})
		}
	}
	require.Equal(t, http.StatusAccepted, o.event(opened(t, "1"), firstSecret))
	shows("the first problem", "problem 1.", "First time seen here")
	over := opened(t, "1")
	for _, name := range []string{"EVENT.VALUE", "EVENT.RECOVERY.DATE", "EVENT.RECOVERY.TIME", "EVENT.RECOVERY.ID"} {
		over[name] = macros(t, "recovery", "1")[name]
	}
	over["EVENT.RECOVERY.TIME"] = "15:03:53"
	require.Equal(t, http.StatusAccepted, o.event(over, firstSecret))
	shows("its end", "problem 1.", "First time seen here", "resolved")
	again := opened(t, "2")
	again["EVENT.TIME"] = "23:59:59"
	require.Equal(t, http.StatusAccepted, o.event(again, firstSecret))
	shows("the second problem", "problem 2.", "2nd time in 30 days", "last time")
}
