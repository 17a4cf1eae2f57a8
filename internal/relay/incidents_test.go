package relay

import (
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/binding"
	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/delivery"
	incidents "nms-alert-relay/internal/incident"
	"nms-alert-relay/internal/lang"
	"nms-alert-relay/internal/route"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/store/memory"
)

// The space of an incident has the roles, the language and the time zone of the room where it was opened, whatever the default is.
func TestSpaceSpeaksAsItsRoom(t *testing.T) {
	zone := time.FixedZone("far", 3600)
	cfg := &config.Config{
		Rooms:  []config.Room{{Name: "noc", ID: "N", Language: lang.German, TimeZone: config.TimeZone{Location: zone}}, {Name: "other", ID: "O"}},
		Webex:  config.Webex{Bots: []config.Bot{{Name: "first"}}},
		People: []config.Person{{Email: "bob@example.com", Role: config.RoleOperator, Rooms: []string{"noc"}}}, DefaultRooms: []string{"other"}, AllowedDomains: []string{"example.com"},
	}
	s := memory.New(nil)
	log := slog.New(slog.DiscardHandler)
	bindings, err := binding.Load(t.Context(), s, log)
	require.NoError(t, err)
	keeper, err := incidents.Load(t.Context(), s)
	require.NoError(t, err)
	router, err := route.New(cfg)
	require.NoError(t, err)
	l := &live{bindings: bindings, incidents: keeper}
	l.use(&snapshot{cfg: cfg, router: router, rooms: delivery.RoomsOf(cfg)})
	for room, want := range map[string]lang.Lang{"noc": lang.German, "other": lang.English} {
		i, err := keeper.Add(t.Context(), store.Incident{Command: room, Room: room, Bot: "first", RoomID: "S-" + room, Opened: time.Now()})
		require.NoError(t, err)
		require.Equal(t, room == "noc", l.view().RoleOf([]string{"bob@example.com"}, incidents.Space(i)) == config.RoleOperator, "roles")
		settings, ok := l.settings(incidents.Space(i), "")
		require.True(t, ok)
		require.Equal(t, want.String(), settings.Lang.String(), "problems in the space")
		view := l.view()
		reply, ok := view.Settings(incidents.Space(i), "")
		require.True(t, ok)
		require.Equal(t, want.String(), reply.Lang.String(), "replies in the space")
		require.Equal(t, room == "noc", reply.Location == zone)
		require.Equal(t, want.String(), view.Incident.Room(room).Lang.String(), "what the incident says")
		require.Equal(t, room == "noc", view.Incident.Room(room).Location == zone, "its times")
	}
}
