package zabbixsim

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Every listed breakdown works and ends with Mend; unknown ones are refused.
func TestBreakAndMend(t *testing.T) {
	args := map[string]string{"ID": "4701", "METHOD": "event.get", "METHOD,...": "event.get,trigger.get", "DURATION": "1ms"}
	for what, does := range Breakdowns() {
		t.Run(what, func(t *testing.T) {
			require.NotEmpty(t, does)
			s, err := New(Options{Version: "7.0.22", Quick: true})
			require.NoError(t, err)
			s.Raise(s.Triggers()[0])
			if name, arg, ok := strings.Cut(what, ":"); ok && args[arg] != "" {
				what = name + ":" + args[arg]
			}
			ask := func() (answer string) {
				defer func() {
					if recover() != nil {
						answer = "connection broken"
					}
				}()
				w := httptest.NewRecorder()
				r := httptest.NewRequest(http.MethodPost, "/api_jsonrpc.php", strings.NewReader(`{"jsonrpc":"2.0","method":"event.get","params":{"eventids":["4701"],"selectAcknowledges":"extend"},"id":1}`))
				r.Header.Set("Content-Type", "application/json-rpc")
				r.Header.Set("Authorization", "Bearer "+RelayToken)
				s.ServeHTTP(w, r)
				return w.Body.String()
			}
			well := ask()
			require.Contains(t, well, `"eventid":"4701"`)
			require.NoError(t, s.Break(what))
			if !strings.HasPrefix(what, "text:") && !strings.HasPrefix(what, "slow:") && !strings.HasPrefix(what, "only:") {
				require.NotEqual(t, well, ask())
			}
			s.Mend()
			require.Equal(t, well, ask())
		})
	}
	s, err := New(Options{Version: "7.0.22"})
	require.NoError(t, err)
	for _, wrong := range []string{"", "nonsense", "slow:soon", "slow:1h", "text:none", "page-502:x"} {
		require.Error(t, s.Break(wrong), wrong)
	}
}

// A running simulation is broken and mended over HTTP.
func TestBreakOverHTTP(t *testing.T) {
	s, err := New(Options{Version: "7.0.22"})
	require.NoError(t, err)
	id := s.Raise(s.Triggers()[0])
	for _, c := range []struct {
		method, path string
		want         int
	}{
		{"GET", "/sim/break?what=bom", 405}, {"POST", "/sim/break?what=nonsense", 400}, {"POST", "/sim/else", 400}, {"POST", "/sim/delete?id=x", 400},
		{"POST", "/sim/version?version=5.0.0", 400}, {"POST", "/sim/break?what=bom", 204}, {"POST", "/sim/mend", 204}, {"POST", "/sim/version?version=8.0.0", 204},
		{"POST", "/sim/maintenance?id=x&for=1h", 400}, {"POST", "/sim/maintenance?id=1&for=1h", 400}, {"POST", "/sim/maintenance?id=" + itoa(id), 400},
		{"POST", "/sim/maintenance?id=" + itoa(id) + "&for=-1h", 400}, {"POST", "/sim/maintenance?id=" + itoa(id) + "&for=1h", 204},
		{"POST", "/sim/delete?id=" + itoa(id), 204},
	} {
		w := httptest.NewRecorder()
		s.ServeHTTP(w, httptest.NewRequest(c.method, c.path, nil))
		require.Equal(t, c.want, w.Code, c.path)
	}
	require.Equal(t, "8.0.0", s.Version())
	require.Empty(t, s.Problems())
}
