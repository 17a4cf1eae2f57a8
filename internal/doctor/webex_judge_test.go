package doctor

import (
	"testing"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/webex"
)

// A compliance officer can close a space: nobody may post there, whoever is a moderator.
func TestReadOnlyRoom(t *testing.T) {
	b := bot{rooms: []webex.Room{{ID: "room-1", Title: "Archive", ReadOnly: true, AnnouncementOnly: true}}, moderates: map[string]bool{"room-1": true}}
	l := list{area: "webex", target: "noc"}
	b.judgeRoom(&l, config.Room{Name: "archive", ID: "room-1"})
	require.Equal(t, "failure  webex noc: room archive: Archive is read-only: nobody may post there (use another space)", l.checks[0].line())
}

// What is wrong with the registration for a websocket is told with what to do.
func TestJudgeSocket(t *testing.T) {
	for want, b := range map[string]bot{
		"ok       webex noc: websocket: the relay's device is registered":                            {devices: 3, relayDevices: 1},
		"warning  webex noc: websocket: 2 relays are registered with this bot (two relays":           {devices: 2, relayDevices: 2},
		"failure  webex noc: websocket: the account has 100 devices already, none of them a relay's": {devices: 100},
		"failure  webex noc: websocket: the relay runs, but its device isn't registered":             {devices: 1},
	} {
		l := list{area: "webex", target: "noc"}
		b.judgeSocket(&l, true)
		require.Contains(t, l.checks[0].line(), want)
	}
	l := list{area: "webex", target: "noc"}
	(&bot{}).judgeSocket(&l, false)
	require.Contains(t, l.checks[0].line(), "the relay registers when it starts")
}
