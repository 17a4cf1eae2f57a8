package route

import (
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/config"
)

// {ALERT.SENDTO} accepts every spelling of a room id.
func TestSendToARoomsIDInAnySpelling(t *testing.T) {
	const uuid = "52bcf5df-1f44-5574-b5a3-0696bd09baaa"
	id := func(cluster string) string {
		return base64.RawURLEncoding.EncodeToString([]byte("ciscospark://" + cluster + "/ROOM/" + uuid))
	}
	spellings := []string{id("us"), id("us") + "=", id("urn:TEAM:us-west-2_r"), uuid, strings.ToUpper(uuid), "webexteams://im?space=" + uuid, "ciscospark://us/ROOM/" + uuid}
	for _, configured := range spellings {
		r, err := New(&config.Config{
			Rooms: []config.Room{{Name: "noc", ID: "ROOM1"}, {Name: "db", ID: configured}}, DefaultRooms: []string{"noc"},
			Zabbix: []config.Source{{Name: "main", SendTo: config.SendToOnly}},
		})
		require.NoError(t, err)
		for _, said := range spellings {
			targets := r.Rooms(alert.Problem{Key: alert.Key{Source: "main", EventID: "1"}}, said, time.Now())
			require.Len(t, targets, 1, said)
			require.Equal(t, "db", targets[0].Room, "%s, configured as %s", said, configured)
		}
	}
}
