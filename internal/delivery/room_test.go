package delivery

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/webex"
)

func TestRoomsOf(t *testing.T) {
	tokyo := time.FixedZone("JST", 9*3600)
	cfg := &config.Config{
		Webex: config.Webex{Bots: []config.Bot{{Name: "first"}, {Name: "second"}}},
		Rooms: []config.Room{
			{Name: "noc", ID: "R1"},
			{Name: "db", ID: "R2", Bot: "second", Presentation: config.PresentLine, TimeZone: config.TimeZone{Location: tokyo}},
		},
		Routes:       []config.Route{{Name: "big", Presentation: config.PresentCard, Templates: "big.d", Tell: []string{"resolved"}, HideMemory: true}, {Name: "plain"}},
		DefaultRooms: []string{"noc", "db"},
		Delivery:     config.Delivery{Debounce: config.Duration(3 * time.Second)},
	}
	rooms := RoomsOf(cfg)

	noc, ok := rooms("noc", "plain")
	require.True(t, ok)
	require.Equal(t, "R1", noc.ID)
	require.Equal(t, "first", noc.Bot)
	require.Equal(t, config.PresentThread, noc.Presentation)
	require.Equal(t, time.UTC, noc.Location)
	require.Equal(t, 3*time.Second, noc.Debounce)

	db, _ := rooms("db", "")
	require.Equal(t, "second", db.Bot)
	require.Equal(t, config.PresentLine, db.Presentation)
	require.Equal(t, tokyo, db.Location)
	db, _ = rooms("db", "big")
	require.Equal(t, config.PresentCard, db.Presentation, "the route's wins")
	require.Equal(t, "big.d", db.Templates)
	require.Equal(t, []string{"resolved"}, db.Tell)
	require.True(t, db.HideMemory)
	require.False(t, noc.HideMemory)

	alice, ok := rooms("person:alice@example.com", "send_to")
	require.True(t, ok)
	require.Equal(t, webex.NewMessage{ToPersonEmail: "alice@example.com"}, alice.address())
	require.Equal(t, "first", alice.Bot)

	_, ok = rooms("gone", "")
	require.False(t, ok)

	to, ok := FallbackOf(cfg)("x")
	require.True(t, ok)
	require.Equal(t, "noc", to)
	to, _ = FallbackOf(cfg)("noc")
	require.Equal(t, "db", to)
	_, ok = FallbackOf(&config.Config{DefaultRooms: []string{"noc"}})("noc")
	require.False(t, ok)
}
