package zabbix

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// answering is a Zabbix 7.0 with fixed results by method; one that begins with "{" is an error.
func answering(t *testing.T, results map[string]func(params map[string]any) string) *Client {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var req struct {
			Method string
			Params json.RawMessage
		}
		if err := json.NewDecoder(r.Body).Decode(&req); err != nil {
			t.Error(err)
		}
		result := `"7.0.22"`
		if req.Method != "apiinfo.version" {
			var params map[string]any
			if err := json.Unmarshal(req.Params, &params); err != nil {
				t.Error(err)
			}
			result = results[req.Method](params)
		}
		w.Header().Set("Content-Type", "application/json")
		kind := "result"
		if strings.HasPrefix(result, "{") {
			kind = "error"
		}
		_, _ = fmt.Fprintf(w, `{"jsonrpc":"2.0","id":1,%q:%s}`, kind, result)
	}))
	t.Cleanup(server.Close)
	return New(Options{URL: server.URL, Token: strings.Repeat("a", 64)})
}

// What Zabbix doesn't show is left out; only a Zabbix that doesn't answer is an error.
func TestSending(t *testing.T) {
	const forbidden = `{"code":-32500,"message":"Application error.","data":"No permissions to call \"x.get\"."}`
	const refused = `{"code":-32602,"message":"Invalid params.","data":"Invalid parameter \"/output/4\": value must be one of \"mediatypeid\"."}`
	const broken = `{"code":1,"message":"Error","data":"SQL statement execution has failed"}`
	named := `[{"mediatypeid":"9","name":"Webex (alert-relay)","status":"0"},{"mediatypeid":"8","name":"Slack","status":"1"}]`
	scripted := `[{"mediatypeid":"9","name":"Chat","status":"1","script":"var PATH = '/v1/zabbix/events';"}]`
	alerts := `[]`
	always := func(answer string) func(map[string]any) string { return func(map[string]any) string { return answer } }
	results := map[string]func(map[string]any) string{
		"mediatype.get": always(named),
		"action.get": always(`[{"name":"Report","status":"1","operations":[{"operationtype":"0","opmessage":{"mediatypeid":"9"}},{"operationtype":"1","opmessage":[]}],
			"recovery_operations":[{"operationtype":"11","opmessage":[]}],"update_operations":[]}]`),
		"alert.get": func(params map[string]any) string {
			require.Equal(t, "DESC", params["sortorder"], "the newest are read if there are too many")
			require.InDelta(t, 100, params["time_from"], 0)
			if params["mediatypeids"] == nil { // the media type is hidden
				require.Equal(t, map[string]any{"status": []any{"1", "2"}}, params["filter"])
				return alerts
			}
			require.Equal(t, []any{"9"}, params["mediatypeids"])
			return `[{"alertid":"7","clock":"200","error":"timed out","status":"2","mediatypes":[{"name":"Chat"}]}]`
		},
		"item.get": func(params map[string]any) string {
			require.Equal(t, map[string]any{"type": "5", "state": "0"}, params["filter"])
			return `[{"itemid":"1","lastclock":"300","hosts":[{"hostid":"1","monitored_by":"0","maintenance_status":"0","maintenance_type":"0"}]},
				{"itemid":"2","lastclock":"310","hosts":[{"hostid":"2","monitored_by":"0","maintenance_status":"1","maintenance_type":"0"}]},
				{"itemid":"3","lastclock":"320","hosts":[{"hostid":"3","monitored_by":"0","maintenance_status":"1","maintenance_type":"1"}]},
				{"itemid":"4","lastclock":"330","hosts":[{"hostid":"4","monitored_by":"1","maintenance_status":"0","maintenance_type":"0"}]},
				{"itemid":"5","lastclock":"340","hosts":[]}]`
		},
	}
	read := func() (Sending, error) { return answering(t, results).Sending(t.Context(), time.Unix(100, 0)) }
	s, err := read()
	require.NoError(t, err)
	ours, shown := s.OurMediaType()
	require.True(t, shown)
	require.Equal(t, MediaType{ID: "9", Name: "Webex (alert-relay)", Ours: true}, ours)
	require.Equal(t, []Action{{Name: "Report", Disabled: true, Problem: []string{"9"}, Recovery: []string{AllMedia}}}, s.Actions)
	require.Equal(t, []FailedAlert{{At: time.Unix(200, 0).UTC(), Error: "timed out"}}, s.Failed)
	require.EqualValues(t, 310, s.Alive.Unix(), "neither a proxy's, nor those of a host without data")

	for method, answer := range map[string]string{"mediatype.get": forbidden, "action.get": forbidden, "alert.get": forbidden, "item.get": forbidden} {
		kept := results[method]
		results[method] = always(answer)
		s, err := read()
		require.NoError(t, err, method)
		_, shown := s.OurMediaType()
		require.Equal(t, method != "mediatype.get", shown)
		require.Equal(t, method == "action.get" || method == "item.get", s.FailedKnown)
		require.Equal(t, method == "action.get", len(s.Actions) == 0)
		require.Equal(t, method == "item.get", s.Alive.IsZero())
		results[method] = always(broken)
		_, err = read()
		require.Error(t, err, method)
		results[method] = kept
	}

	// Where the media type is hidden, the user sees its name beside their own alerts. Without one, nothing is known.
	results["mediatype.get"] = always(forbidden)
	for _, c := range []struct {
		alerts string
		known  bool
		failed int
	}{
		{`[]`, false, 0},
		{`[{"alertid":"7","clock":"200","error":"x","status":"2","mediatypes":[{"name":"Slack"}]},{"alertid":"6","clock":"190","error":"","status":"2","mediatypes":[]}]`, false, 0},
		{`[{"alertid":"7","clock":"200","error":"","status":"1","mediatypes":[{"name":"Webex (alert-relay)"}]}]`, true, 0},
		{`[{"alertid":"7","clock":"200","error":"x","status":"2","mediatypes":[{"name":"Webex (alert-relay)"}]},{"alertid":"6","clock":"190","error":"","status":"1","mediatypes":[{"name":"Webex (alert-relay)"}]}]`, true, 1},
	} {
		alerts = c.alerts
		s, err := read()
		require.NoError(t, err)
		require.Equal(t, c.known, s.FailedKnown, c.alerts)
		require.Len(t, s.Failed, c.failed, c.alerts)
	}

	// A renamed one is found by its script, unless Zabbix refuses to show that. The scripts are read once for the same media types.
	for answer, want := range map[string]bool{scripted: true, refused: false} {
		types, asked := `[{"mediatypeid":"9","name":"Chat","status":"1"}]`, 0
		results["mediatype.get"] = func(params map[string]any) string {
			if strings.Contains(fmt.Sprint(params["output"]), "script") {
				asked++
				return answer
			}
			return types
		}
		client := answering(t, results)
		look := func(n int) {
			s, err := client.Sending(t.Context(), time.Unix(100, 0))
			require.NoError(t, err)
			ours, shown := s.OurMediaType()
			require.Equal(t, want, shown)
			require.Equal(t, want, ours.Disabled)
			require.Len(t, s.MediaTypes, n)
		}
		look(1)
		look(1)
		require.Equal(t, 1, asked)
		types = `[{"mediatypeid":"9","name":"Chat","status":"1"},{"mediatypeid":"10","name":"Mail","status":"0"}]`
		look(2)
		require.Equal(t, 2, asked)
	}
	// A failure isn't remembered.
	results["mediatype.get"] = func(params map[string]any) string {
		if strings.Contains(fmt.Sprint(params["output"]), "script") {
			return broken
		}
		return `[{"mediatypeid":"9","name":"Chat","status":"1"}]`
	}
	_, err = read()
	require.Error(t, err)
}
