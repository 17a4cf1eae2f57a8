package watch

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/lang"
	"nms-alert-relay/internal/provision"
	"nms-alert-relay/internal/simulator/zabbixsim"
	"nms-alert-relay/internal/zabbix"
	mediatype "nms-alert-relay/zabbix"
)

// On every version a Super admin's token sees media type, action and failed alerts; the token of setup's user sees what that version shows
// it, and never an error.
func TestEveryVersionIsJudged(t *testing.T) {
	for _, version := range zabbixsim.Versions {
		t.Run(version, func(t *testing.T) {
			refusing := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) }))
			defer refusing.Close()
			sim, err := zabbixsim.New(zabbixsim.Options{Version: version, Quick: true, Relay: refusing.URL, Attempts: 1})
			require.NoError(t, err)
			server := httptest.NewServer(sim)
			defer server.Close()
			as := func(token string) *zabbix.Client { return zabbix.New(zabbix.Options{URL: server.URL, Token: token}) }
			admin := as(zabbixsim.SetupToken)
			file := filepath.Join(t.TempDir(), "token")
			setup := provision.New(provision.Options{URL: "https://relay.example.com", Secret: "s3cr3t-that-signs-events", Methods: zabbix.Methods(), WriteGroups: []string{"Network"},
				Token: zabbixsim.SetupToken, TokenFile: provision.OnDisk{Path: file}}, admin, time.Now)
			plan, err := setup.Plan(t.Context())
			require.NoError(t, err)
			require.NoError(t, setup.Apply(t.Context(), plan, func(provision.Step) {}))
			token, err := os.ReadFile(file)
			require.NoError(t, err)
			user := as(strings.TrimSpace(string(token)))

			judge := func(c *zabbix.Client) (m, a, f Finding) {
				now := time.Now()
				s, err := c.Sending(t.Context(), alertsFrom(time.Time{}, now))
				require.NoError(t, err)
				return judgeMediaType(s, "", lang.English), judgeAction(s, lang.English), judgeAlerts(s, now)
			}
			mediaType, action, alerts := judge(admin)
			require.Equal(t, []Finding{{Verdict: Fine}, {Verdict: Fine}, {Verdict: Fine}}, []Finding{mediaType, action, alerts})
			shown := !strings.HasPrefix(version, "6.")
			mediaType, action, alerts = judge(user)
			for _, stopped := range []bool{false, true} {
				sim.StopServer(stopped)
				s, err := user.Sending(t.Context(), time.Now())
				require.NoError(t, err)
				require.WithinDuration(t, time.Now(), s.Alive, time.Minute)
			}
			sim.StopServer(false)
			require.Equal(t, shown, mediaType.Verdict == Fine)
			require.Equal(t, shown, alerts.Verdict == Fine)
			require.Equal(t, Unknown, action.Verdict)

			change := func(object, id, property string, value any) {
				var rows []map[string]any
				require.NoError(t, admin.Call(t.Context(), object+".get", map[string]any{"output": "extend"}, &rows))
				for _, row := range rows {
					if name, _ := row["name"].(string); object == "action" || name == mediatype.Name {
						require.NoError(t, admin.Call(t.Context(), object+".update", map[string]any{id: row[id], property: value}, nil))
					}
				}
			}
			changed, cancel := sim.Watch()
			defer cancel()
			go func() { _ = sim.Run(t.Context()) }()
			sim.Raise(sim.Triggers()[0])
			for {
				if _, _, failed := sim.AlertCounts(); failed > 0 {
					break
				}
				<-changed
			}
			change("mediatype", "mediatypeid", "status", 1)
			change("action", "actionid", "status", 1)
			mediaType, action, alerts = judge(admin)
			require.Contains(t, mediaType.Detail, "is disabled")
			require.Contains(t, action.Detail, "is disabled")
			require.Equal(t, 1, alerts.Count)
			require.Contains(t, alerts.Detail, "the relay answered 401")

			change("mediatype", "mediatypeid", "name", "Chat")
			mediaType, _, _ = judge(admin)
			require.Equal(t, `its media type "Chat" is disabled`, mediaType.Detail, "found by its script")
			mediaType, _, _ = judge(user)
			require.Equal(t, Unknown, mediaType.Verdict, "its script isn't shown to other users")
		})
	}
}
