package tryout

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/simulator/webexsim"
	"nms-alert-relay/internal/webex"
)

// Missing rooms come first, then configured ones by name, then the rest by title. A room that another bot serves is not this
// bot's.
func TestListRooms(t *testing.T) {
	cfg := &config.Config{
		Webex: config.Webex{Bots: []config.Bot{{Name: "noc"}, {Name: "lab"}}},
		Rooms: []config.Room{{Name: "noc", ID: "1", Bot: "noc"}, {Name: "db", ID: "2", Bot: "noc"}, {Name: "gone", ID: "3", Bot: "noc"}, {Name: "lab", ID: "4", Bot: "lab"}},
	}
	got := listRooms(cfg, "noc", []webex.Room{
		{ID: "9", Title: "Zoo", Type: "group"}, {ID: "1", Title: "NOC", Type: "group"}, {ID: "4", Title: "Lab", Type: "group"}, {ID: "2", Title: "Databases", Type: "group"},
	})
	require.Equal(t, []ListedRoom{
		{Name: "gone", Bot: "noc", State: RoomMissing, ID: "3"},
		{Name: "db", Bot: "noc", State: RoomConfigured, Type: "group", Title: "Databases", ID: "2"},
		{Name: "noc", Bot: "noc", State: RoomConfigured, Type: "group", Title: "NOC", ID: "1"},
		{Bot: "noc", State: RoomUnused, Type: "group", Title: "Lab", ID: "4"},
		{Bot: "noc", State: RoomUnused, Type: "group", Title: "Zoo", ID: "9"},
	}, got)
}

// A bot that fails doesn't hide the rooms of the others, and the error says what to do.
func TestRoomsOfSeveralBots(t *testing.T) {
	sim := webexsim.NewDefault(webexsim.Options{})
	defer sim.Close()
	server := httptest.NewServer(sim)
	defer server.Close()
	cfg := JustBot(server.URL+"/v1", webexsim.DefaultBotToken)
	cfg.Webex.Bots = append(cfg.Webex.Bots, config.Bot{Name: "revoked", Token: config.NewSecret("s3cr3t-of-nobody")}, config.Bot{Name: "absent"})
	list, err := Rooms(t.Context(), cfg)
	require.ErrorContains(t, err, `bot "revoked": webex: GET /rooms: 401`)
	require.ErrorContains(t, err, "make a new one for the same bot on Webex's developer site")
	require.ErrorContains(t, err, `bot "absent": missing token`)
	require.NotContains(t, err.Error(), "s3cr3t")
	found := map[string]string{}
	for _, r := range list {
		require.Equal(t, "bot", r.Bot)
		require.Equal(t, RoomUnused, r.State)
		found[r.Title] = r.ID
	}
	require.Equal(t, webexsim.RoomID("noc"), found["NOC"])

	server.Close()
	list, err = Rooms(t.Context(), JustBot(server.URL+"/v1", webexsim.DefaultBotToken))
	require.ErrorContains(t, err, "check webex.api_url")
	require.NotNil(t, list, "JSON has an empty list, not null")
	require.Empty(t, list)
}

// An answer of a proxy is named as such, with the first words of its page.
func TestRoomsBehindAProxy(t *testing.T) {
	for name, tc := range map[string]struct {
		status int
		kind   string
		body   string
		says   string
	}{
		"a block page":  {403, "text/html", "<h1>Access Denied</h1>", `403 a proxy, gateway or login page answered instead of Webex: text/html "Access Denied"`},
		"a login":       {401, "text/html", "<h1>Log in</h1>", `401 a proxy, gateway or login page answered instead of Webex: text/html "Log in"`},
		"a login page":  {200, "text/html", "<h1>Log in</h1>", `200 a proxy, gateway or login page answered instead of Webex: text/html "Log in"`},
		"other JSON":    {200, "application/json", `{"status":"ok"}`, `200 a proxy, gateway or login page answered instead of Webex: application/json`},
		"an empty body": {404, "text/plain", "", `404 a proxy, gateway or login page answered instead of Webex: text/plain without text`},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", tc.kind)
				w.WriteHeader(tc.status)
				_, _ = w.Write([]byte(tc.body))
			}))
			defer server.Close()
			list, err := Rooms(t.Context(), JustBot(server.URL+"/v1", webexsim.DefaultBotToken))
			require.ErrorContains(t, err, tc.says)
			require.ErrorContains(t, err, "check webex.api_url, and the proxy or firewall")
			require.NotContains(t, err.Error(), "make a new one")
			require.Empty(t, list)
		})
	}
}
