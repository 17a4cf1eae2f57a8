package command

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/lang"
	"nms-alert-relay/internal/render"
)

// A moment in a person's own zone is written in the language of the room where they read it.
func TestMomentsInAZone(t *testing.T) {
	tokyo, err := time.LoadLocation("Asia/Tokyo")
	require.NoError(t, err)
	now := time.Date(2026, 12, 1, 12, 0, 0, 0, time.UTC)
	at := now.Add(30 * time.Hour)
	for l, want := range map[lang.Lang][2]string{lang.English: {"3 Dec 03:00 JST", "2 Dec 18:00 UTC"}, lang.German: {"3. Dez 03:00 JST", "2. Dez 18:00 UTC"}} {
		say := voice{Lang: l, room: render.Room{Lang: l, Location: time.UTC}}
		require.Equal(t, want, [2]string{say.momentIn(tokyo, at, now), say.moment(at, now)}, l)
	}
}

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
