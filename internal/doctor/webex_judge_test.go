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
