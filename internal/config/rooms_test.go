package config

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const roomUUID = "52bcf5df-1f44-5574-b5a3-0696bd09baaa"

func restID(clear string) string { return base64.RawURLEncoding.EncodeToString([]byte(clear)) }

// withRoomIDs returns a configuration whose rooms have these ids.
func withRoomIDs(ids ...string) string {
	var rooms []string
	for i, id := range ids {
		rooms = append(rooms, fmt.Sprintf("{name: r%d, id: %q}", i, id))
	}
	head, _, _ := strings.Cut(small, "rooms:")
	return head + "rooms: [" + strings.Join(rooms, ", ") + "]\ndefault_rooms: [r0]\npeople: [{domain: example.com, role: operator}]\n"
}

// All spellings of a room id are the same room, in the configuration and from Webex.
func TestRoomIDsInAllSpellings(t *testing.T) {
	us, west := restID("ciscospark://us/ROOM/"+roomUUID), restID("ciscospark://urn:TEAM:us-west-2_r/ROOM/"+roomUUID)
	spellings := map[string]struct {
		id, used string // used is the id for calls
		warning  string
	}{
		"REST":              {us, us, ""},
		"REST, padded":      {us + "=", us + "=", ""},
		"REST, by cluster":  {west, west, ""},
		"bare UUID":         {roomUUID, roomUUID, "use " + us + ", or the id that alert-relay rooms lists"},
		"upper case":        {strings.ToUpper(roomUUID), strings.ToUpper(roomUUID), "use " + us},
		"link of the app":   {"webexteams://im?space=" + roomUUID, roomUUID, "use " + us},
		"newer link":        {"webex://im?space=" + roomUUID, roomUUID, "use " + us},
		"web app":           {"https://web.webex.com/spaces/" + roomUUID + "/chat", roomUUID, "use " + us},
		"clear text":        {"ciscospark://us/ROOM/" + roomUUID, us, "use " + us},
		"clear, by cluster": {"ciscospark://urn:TEAM:us-west-2_r/ROOM/" + roomUUID, west, "use " + west},
		"no id at all":      {"NOC-ROOM", "NOC-ROOM", `"NOC-ROOM" is not a room id of Webex's REST API (alert-relay rooms lists`},
	}
	for name, c := range spellings {
		t.Run(name, func(t *testing.T) {
			cfg := valid(t, withRoomIDs(c.id))
			require.Equal(t, c.used, cfg.Rooms[0].ID)
			if c.warning == "" {
				require.Empty(t, cfg.Warnings)
			} else {
				require.Len(t, cfg.Warnings, 1)
				require.Contains(t, cfg.Warnings[0].Error(), "rooms[0].id: ")
				require.Contains(t, cfg.Warnings[0].Error(), c.warning)
			}
			if name == "no id at all" {
				return
			}
			for other, o := range spellings {
				if other == "no id at all" {
					continue
				}
				room, ok := cfg.RoomByID(o.id)
				require.True(t, ok, other)
				require.Equal(t, "r0", room.Name)
				_, faults := parse(t, withRoomIDs(c.id, o.id))
				require.Len(t, faults, 1, "two spellings of one room are a duplicate: %s", other)
				require.Contains(t, faults[0].Error(), `rooms[1].id: duplicate Webex room (first at rooms[0].id, line 5)`)
			}
			for _, other := range []string{"", "noc", restID("ciscospark://us/ROOM/" + roomUUID[:35] + "b")} {
				_, ok := cfg.RoomByID(other)
				require.False(t, ok, other)
			}
		})
	}
}

// The id of anything but a room is a fault.
func TestIDsOfOtherKinds(t *testing.T) {
	for kind, word := range map[string]string{"PEOPLE": "people", "MESSAGE": "message", "MEMBERSHIP": "membership", "TEAM": "team"} {
		for _, id := range []string{restID("ciscospark://us/" + kind + "/" + roomUUID), "ciscospark://us/" + kind + "/" + roomUUID} {
			_, faults := parse(t, withRoomIDs(id))
			require.Len(t, faults, 1, kind)
			require.Contains(t, faults[0].Error(), fmt.Sprintf("rooms[0].id: %q is a %s id, not a room id (alert-relay rooms lists", id, word))
		}
	}
}
