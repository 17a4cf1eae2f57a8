package command

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/lang"
	"nms-alert-relay/internal/render"
)

// A reply has the language of where it is read: of the room, of an incident's space as its messages have it, else the default.
func TestVoices(t *testing.T) {
	v := View{
		Language: lang.English, Location: time.UTC, Rooms: []config.Room{{Name: "noc", Language: lang.German}, {Name: "db"}},
		Settings: func(room, _ string) (render.Room, bool) {
			return render.Room{Name: room, Lang: lang.German, Location: time.UTC}, room == "space:known"
		},
	}
	for room, want := range map[string]lang.Lang{"noc": lang.German, "db": lang.English, "": lang.English, "space:known": lang.German, "space:other": lang.English} {
		require.Equal(t, want, v.voiceIn(room).Lang, room)
	}
}
