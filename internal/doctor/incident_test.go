package doctor

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/simulator/webexsim"
)

// What a bot needs for incidents is checked without making a space: whose token it is, and whether Webex knows who is on duty.
func TestIncidents(t *testing.T) {
	rota := func(people ...string) func(*rig) {
		return func(r *rig) {
			r.opts.Config.Duty = []config.Duty{{Name: "night", Rota: []config.Rota{{People: people}}}, {Name: "other", Rota: []config.Rota{{People: []string{"nobody@example.com"}}}}}
			r.opts.Config.Rooms[0].Duty = "night"
		}
	}
	for name, c := range map[string]struct {
		spoil       func(*rig)
		where, want string
	}{
		"a bot": {func(*rig) {}, "webex noc: incidents", "ok       webex noc: incidents: a bot may make spaces, unless its organisation forbids it"},
		"a person": {func(r *rig) {
			require.NoError(t, r.webex.SetToken(webexsim.DefaultBot, ""))
			require.NoError(t, r.webex.SetToken("alice@example.com", webexsim.DefaultBotToken))
		}, "webex noc: incidents", "warning  webex noc: incidents: the spaces of incidents will be a person's, alice@example.com (use a bot's token"},
		"on duty":    {rota("Alice@example.com", "bob@example.com", "alice@example.com"), "webex noc: people on duty", "ok       webex noc: people on duty: Webex knows those whom the configuration names for the bot's rooms: 2"},
		"a stranger": {rota("alice@example.com", "nobody@example.com"), "webex noc: people on duty", `warning  webex noc: people on duty: Webex knows nobody with the address nobody@example.com: nobody can invite`},
		"no answer": {func(r *rig) {
			rota("alice@example.com")(r)
			r.webex.AddFault(webexsim.Fault{Op: "GET /people", Count: 100, Status: http.StatusForbidden})
		}, "webex noc: people on duty", "warning  webex noc: people on duty: Webex doesn't say whether they exist: webex: GET /people: 403"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, "7.0.22")
			r.opts.Config.Webex.Bots[0].Listen = config.ListenWebhook
			c.spoil(r)
			require.Contains(t, r.line(c.where), c.want)
			require.Zero(t, r.webex.Stats().Calls["POST /rooms"])
		})
	}
	r := newRig(t, "7.0.22")
	require.NotContains(t, r.run(), "incidents", "a bot that doesn't listen opens none")

	var many []string
	for n := range 3 * maxLookedUp {
		many = append(many, fmt.Sprintf("p%d@example.com", n))
	}
	rota(many...)(r)
	require.Len(t, onDuty(r.opts.Config, "noc"), maxLookedUp)
}
