package zabbix

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"nms-alert-relay/internal/alert"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// serve returns a client of a server with the given handler.
func serve(t testing.TB, token string, handler http.Handler) *Client {
	t.Helper()
	server := httptest.NewServer(handler)
	transport := &http.Transport{}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		server.Close()
	})
	return New(Options{URL: server.URL + "/", Token: token, Transport: transport})
}

// recordedKinds are the kinds of all recorded errors.
var recordedKinds = map[string]ErrorKind{
	"acknowledge-close-forbidden":      CloseForbidden,
	"acknowledge-contradiction":        Invalid,
	"acknowledge-message-2049":         Invalid,
	"acknowledge-message-empty":        Invalid,
	"acknowledge-message-missing":      Invalid,
	"acknowledge-no-permission":        NoObject,
	"acknowledge-no-such-event":        NoObject,
	"acknowledge-not-a-number":         NoObject, // Invalid on 7.0
	"acknowledge-one-bad-of-two":       NoObject,
	"acknowledge-rank-cause":           Invalid,
	"acknowledge-rank-symptom-missing": Invalid,
	"acknowledge-reader-close":         NoObject,
	"acknowledge-reader-severity":      NoObject,
	"acknowledge-recovery-event":       NoObject,
	"acknowledge-role-forbids":         RoleForbids,
	"acknowledge-severity-9":           Invalid,
	"acknowledge-suppress":             Invalid,
	"acknowledge-suppress-in-the-past": Invalid,
	"acknowledge-unsuppress":           Invalid,
	"auth-bearer":                      NotAuthorised,
	"auth-disabled":                    NotAuthorised,
	"auth-expired":                     NotAuthorised,
	"auth-garbage":                     NotAuthorised,
	"auth-none":                        NotAuthorised,
	"auth-on-version":                  Invalid,
	"auth-on-version-header":           Invalid,
	"auth-wrong-token":                 NotAuthorised,
	"configuration.import-newer":       Invalid,
	"configuration.import-not-admin":   RoleForbids,
	"configuration.import-unknown-key": Invalid,
	"error-bad-parameter":              Invalid,
	"error-content-type":               Unreachable,
	"error-missing-permission":         RoleForbids,
	"error-not-json":                   Invalid,
	"error-unknown-method":             Invalid,
	"error-unknown-parameter":          Invalid,
	"event.get-both-names":             Invalid,
	"maintenance.create-not-admin":     RoleForbids,
	"user.login":                       NotAuthorised,
	"user.login-user":                  NotAuthorised, // Invalid on 7.0
}

func TestKindsOfRecordedErrors(t *testing.T) {
	unused := maps.Clone(recordedKinds)
	defer func() { require.Empty(t, unused, "no such error was recorded") }()
	for _, v := range versions {
		for name, call := range load(t, v) {
			t.Run(v+"/"+name, func(t *testing.T) {
				c := serve(t, "", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
					w.WriteHeader(call.Status)
					_, _ = w.Write(call.body())
				}))
				var result json.RawMessage
				err := c.unauthenticated(t.Context(), &result) // any call will do
				code, data, failed := call.fault()
				if !failed && call.Status == http.StatusOK {
					require.NoError(t, err)
					var r struct{ Result json.RawMessage }
					require.NoError(t, json.Unmarshal(call.body(), &r))
					require.JSONEq(t, string(r.Result), string(result))
					return
				}
				want, ok := recordedKinds[name]
				delete(unused, name)
				require.True(t, ok, "no expected kind for %s: %v", name, err)
				if v == "7.0" && (name == "acknowledge-not-a-number" || name == "user.login-user") {
					want = Invalid
				}
				var e *Error
				require.ErrorAs(t, err, &e)
				require.Equal(t, want, e.Kind, e.Message)
				require.Equal(t, code, e.Code)
				require.True(t, strings.HasPrefix(data, strings.TrimSuffix(e.Message, "…")) || data == "", "in Zabbix's own words: %s", e.Message)
				require.False(t, e.Unanswered)
			})
		}
	}
}

// otherForm reports whether this client never makes a recorded request: it is in the form of another version, or invalid.
func otherForm(v string, call recordedCall) bool {
	parts, isJSON := call.parts()
	switch {
	case !isJSON || call.Status != http.StatusOK:
		return true
	case parts.Auth == "" || parts.Method == "apiinfo.version":
		return true
	default:
		return parts.bearer != (v == "7.0")
	}
}

func TestRequestsAreAsRecorded(t *testing.T) {
	skipped := map[string][]string{
		"6.0": {"apiinfo.version", "auth-bearer", "auth-none", "auth-on-version", "error-content-type", "error-not-json", "user.login", "user.login-user"},
		"7.0": {"apiinfo.version", "auth-none", "auth-on-version", "auth-on-version-header", "auth-property", "error-content-type", "error-not-json", "user.login", "user.login-user"},
	}
	for _, v := range versions {
		calls := load(t, v)
		var left []string
		for name, call := range calls {
			if otherForm(v, call) {
				left = append(left, name)
				continue
			}
			t.Run(v+"/"+name, func(t *testing.T) {
				parts, _ := call.parts()
				c := serve(t, parts.Auth, player{
					calls: []recordedCall{call, calls["apiinfo.version"]},
					unexpected: func(body []byte, h http.Header) {
						if h.Get("Authorization") == "" && v == "7.0" && (name == "auth-wrong-token" || name == "auth-disabled") {
							return // the same with the token in the body
						}
						t.Errorf("unexpected request: %s\n%v", body, h)
					},
				})
				err := c.Call(t.Context(), parts.Method, parts.Params, nil)
				_, _, failed := call.fault()
				require.Equal(t, failed, err != nil, "%v", err)
			})
		}
		slices.Sort(left)
		require.Equal(t, skipped[v], left)
	}
}

// acknowledgeOf converts a recorded call; false if the client can't make it.
func acknowledgeOf(params json.RawMessage) (Acknowledge, bool) {
	var p struct {
		EventIDs []string `json:"eventids"`
		Action   int
		Message  *string
		Severity *alert.Severity
		Until    *int64 `json:"suppress_until"`
		CauseID  string `json:"cause_eventid"`
	}
	if json.Unmarshal(params, &p) != nil || len(p.EventIDs) == 0 {
		return Acknowledge{}, false
	}
	a := Acknowledge{
		EventIDs: p.EventIDs, Ack: p.Action&alert.BitAck != 0, Unack: p.Action&alert.BitUnack != 0, Close: p.Action&alert.BitClose != 0,
		Severity: p.Severity, Suppress: p.Action&alert.BitSuppress != 0, Unsuppress: p.Action&alert.BitUnsuppress != 0,
		ToCause: p.Action&alert.BitToCause != 0, SymptomOf: p.CauseID,
	}
	if p.Until != nil && *p.Until > 0 {
		a.Until = time.Unix(*p.Until, 0)
	}
	if a.Suppress != (p.Until != nil) || p.Action&alert.BitToSymptom != 0 != (a.SymptomOf != "") {
		return Acknowledge{}, false
	}
	if p.Message != nil {
		a.Message = *p.Message
	}
	return a, p.Action != 0 && p.Action&alert.BitComment != 0 == (a.Message != "")
}

func TestAcknowledgementsAreAsRecorded(t *testing.T) {
	// Refused without a call, since no version accepts it.
	never := map[string]bool{"acknowledge-contradiction": true, "acknowledge-message-2049": true, "acknowledge-severity-9": true,
		"acknowledge-not-a-number": true}
	// Refused without this call: the version doesn't have the action.
	notIn60 := map[string]string{"acknowledge-suppress": "Zabbix 6.0.14 can't suppress a single problem: this needs 6.2 or later.",
		"acknowledge-unsuppress": "Zabbix 6.0.14 can't suppress a single problem", "acknowledge-rank-cause": "Zabbix 6.0.14 has no causes and symptoms: this needs 6.4 or later."}
	for _, v := range versions {
		calls := load(t, v)
		tried := 0
		for name, call := range calls {
			parts, ok := call.parts()
			if !ok || parts.Method != "event.acknowledge" {
				continue
			}
			a, ok := acknowledgeOf(parts.Params)
			if !ok {
				continue
			}
			tried++
			t.Run(v+"/"+name, func(t *testing.T) {
				asked := 0
				answers := player{
					calls:      []recordedCall{call, calls["apiinfo.version"]},
					unexpected: func(body []byte, h http.Header) { t.Errorf("unexpected request: %s\n%v", body, h) },
				}
				c := serve(t, parts.Auth, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					asked++
					answers.ServeHTTP(w, r)
				}))
				err := c.Acknowledge(t.Context(), a)
				want := recordedKinds[name]
				if _, _, failed := call.fault(); !failed {
					want = ""
				}
				if never[name] {
					want = Invalid
					require.Zero(t, asked)
				}
				if v == "6.0" && notIn60[name] != "" {
					want = Unsupported
				}
				require.Equal(t, want, KindOf(err), "%v", err)
				if text := notIn60[name]; v == "6.0" && text != "" {
					require.ErrorContains(t, err, text)
					require.Equal(t, 1, asked, "only the version")
				}
			})
		}
		require.Greater(t, tried, 20)
	}
}

// fake is a Zabbix of any version that refuses what that version refuses.
type fake struct {
	mu      sync.Mutex
	version string
	token   string
	asked   []asked
	answers map[string]string // by method
}

type asked struct {
	method string
	params map[string]any
	bearer string
	auth   string
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var call struct {
		Method string
		Params json.RawMessage
		Auth   string
	}
	body, _ := io.ReadAll(r.Body)
	_ = json.Unmarshal(body, &call)
	a := asked{method: call.Method, auth: call.Auth, bearer: strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")}
	_ = json.Unmarshal(call.Params, &a.params)
	f.asked = append(f.asked, a)
	v, _ := ParseVersion(f.version)
	refuse := func(code int, data string) {
		fmt.Fprintf(w, `{"jsonrpc":"2.0","error":{"code":%d,"message":"x","data":%q},"id":1}`, code, data)
	}
	_, oldName := a.params["select_acknowledges"]
	_, oldGroups := a.params["selectGroups"]
	_, newName := a.params["selectAcknowledges"]
	switch {
	case call.Method == "apiinfo.version" && (a.auth != "" || a.bearer != ""):
		refuse(-32602, `The "apiinfo.version" method must be called without authorization header.`)
	case call.Method == "apiinfo.version":
		fmt.Fprintf(w, `{"jsonrpc":"2.0","result":%q,"id":1}`, f.version)
	case !v.TokenInBody && a.auth != "":
		refuse(-32600, `Invalid parameter "/": unexpected parameter "auth".`)
	case (v.TokenInHeader && cmpOr(a.bearer, a.auth) != f.token) || (!v.TokenInHeader && a.auth != f.token):
		refuse(-32602, "Not authorized.")
	case !v.TokenInBody && (oldName || oldGroups):
		refuse(-32602, `Invalid parameter "/": unexpected parameter "select_acknowledges".`)
	case v.SelectAcknowledges != "selectAcknowledges" && newName:
		fmt.Fprint(w, `{"jsonrpc":"2.0","result":[],"id":1}`) // ignored: no acknowledgements
	default:
		fmt.Fprintf(w, `{"jsonrpc":"2.0","result":%s,"id":1}`, cmpOr(f.answers[call.Method], "[]"))
	}
}

func cmpOr(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

func (f *fake) calls(method string) (out []asked) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, a := range f.asked {
		if a.method == method {
			out = append(out, a)
		}
	}
	return out
}

func TestEachVersionGetsItsForm(t *testing.T) {
	for _, tc := range []struct {
		version                   string
		bearer                    bool
		acknowledges, groups, not string
	}{
		{"6.0.14", false, "select_acknowledges", "selectGroups", "selectHostGroups"},
		{"6.2.9", false, "select_acknowledges", "selectHostGroups", "selectGroups"},
		{"6.4.21", true, "select_acknowledges", "selectHostGroups", "selectGroups"},
		{"7.0.22", true, "selectAcknowledges", "selectHostGroups", "select_acknowledges"},
		{"7.2.0rc1", true, "selectAcknowledges", "selectHostGroups", "select_acknowledges"},
		{"7.4.5", true, "selectAcknowledges", "selectHostGroups", "select_acknowledges"},
		{"8.0.0", true, "selectAcknowledges", "selectHostGroups", "select_acknowledges"},
	} {
		t.Run(tc.version, func(t *testing.T) {
			f := &fake{version: tc.version, token: "t", answers: map[string]string{
				"event.get":         `[{"eventid":"6","objectid":"9","value":"1"}]`,
				"event.acknowledge": `{"eventids":[6]}`,
			}}
			c := serve(t, "t", f)
			_, err := c.Observe(t.Context(), []string{"6"})
			require.NoError(t, err)
			require.NoError(t, c.Acknowledge(t.Context(), Acknowledge{EventIDs: []string{"6"}, Message: "later"}))
			require.Len(t, f.calls("apiinfo.version"), 1)
			for _, a := range f.calls("event.get") {
				require.Equal(t, tc.bearer, a.bearer == "t")
				require.Equal(t, tc.bearer, a.auth == "", "never both")
				require.Contains(t, a.params, tc.acknowledges)
				require.NotContains(t, a.params, tc.not)
			}
			trigger := f.calls("trigger.get")[0]
			require.Contains(t, trigger.params, tc.groups)
			require.NotContains(t, trigger.params, tc.not)
		})
	}
}

// unauthenticated makes a call without a token, like the call for the version.
func (c *Client) unauthenticated(ctx context.Context, result any) error {
	return c.do(ctx, Version{}, "user.login", nil, result)
}

// What the version has is decided again after an upgrade.
func TestAnUpgradeBringsActions(t *testing.T) {
	f := &fake{version: "6.0.14", token: "t", answers: map[string]string{"event.acknowledge": `{"eventids":[6]}`}}
	c := serve(t, "t", f)
	suppress, rank := Acknowledge{EventIDs: []string{"6"}, Suppress: true}, Acknowledge{EventIDs: []string{"6"}, SymptomOf: "7"}
	require.EqualError(t, c.Acknowledge(t.Context(), suppress), "zabbix: event.acknowledge: Zabbix 6.0.14 can't suppress a single problem: this needs 6.2 or later.")
	f.version = "6.2.0"
	require.NoError(t, c.Acknowledge(t.Context(), suppress))
	require.EqualError(t, c.Acknowledge(t.Context(), rank), "zabbix: event.acknowledge: Zabbix 6.2.0 has no causes and symptoms: this needs 6.4 or later.")
	f.version = "8.0.0"
	require.NoError(t, c.Acknowledge(t.Context(), rank))
	calls := f.calls("event.acknowledge")
	require.Len(t, calls, 2)
	require.Equal(t, map[string]any{"eventids": []any{"6"}, "action": 32.0, "suppress_until": 0.0}, calls[0].params)
	require.Equal(t, map[string]any{"eventids": []any{"6"}, "action": 256.0, "cause_eventid": "7"}, calls[1].params)
	require.Equal(t, "t", calls[1].bearer)
}

func TestVersions(t *testing.T) {
	for text, want := range map[string]*Abilities{"6.0.0": abilities[0], "6.0.40": abilities[0], "6.1.0": abilities[0], "6.2.9": abilities[1], "6.4.0rc2": abilities[2],
		"7.0.22": abilities[3], "7.2.0alpha1": abilities[4], "7.4.5": abilities[4], "8.0": abilities[4], "10.0.0": abilities[4]} {
		v, err := ParseVersion(text)
		require.NoError(t, err)
		require.Same(t, want, v.Abilities, text)
	}
	for text, want := range map[string]string{"5.4.1": "this is Zabbix 5.4.1: the relay needs 6.0 or later", "nonsense": `"nonsense" is not a version of Zabbix`,
		"6.x": `"6.x" is not a version of Zabbix`} {
		_, err := ParseVersion(text)
		require.EqualError(t, err, want)
	}
}

func TestAnUpgradeIsNoticed(t *testing.T) {
	for _, to := range []string{"7.2.0", "8.0.0"} {
		for _, from := range []string{"6.0.14", "6.2.0", "6.4.1"} {
			t.Run(from+" to "+to, func(t *testing.T) {
				f := &fake{version: from, token: "t", answers: map[string]string{"event.get": `[{"eventid":"6","objectid":"9","value":"1"}]`}}
				c := serve(t, "t", f)
				_, err := c.Observe(t.Context(), []string{"6"})
				require.NoError(t, err)
				f.mu.Lock()
				f.version, f.asked = to, nil
				f.mu.Unlock()
				seen, err := c.Observe(t.Context(), []string{"6"})
				require.NoError(t, err)
				require.False(t, seen["6"].Gone)
				require.Len(t, f.calls("apiinfo.version"), 1, "the version is asked for once")
				v, err := c.Version(t.Context())
				require.NoError(t, err)
				require.Equal(t, to, v)
			})
		}
	}
}

func TestAWrongTokenIsTriedOncePerPlace(t *testing.T) {
	f := &fake{version: "7.0.22", token: "right"}
	c := serve(t, "wrong", f)
	for range 3 {
		require.Equal(t, NotAuthorised, KindOf(c.Call(t.Context(), "user.get", map[string]any{}, nil)))
	}
	require.Len(t, f.calls("user.get"), 6, "once in the header and once in the body")
	require.Len(t, f.calls("apiinfo.version"), 3)
}

func TestCallsAreCounted(t *testing.T) {
	reg := prometheus.NewPedanticRegistry()
	m := NewMetrics(reg)
	f := &fake{version: "7.0.22", token: "t"}
	c := serve(t, "t", f)
	c.opts.Observe = m.For("main")
	state := func() [2]float64 {
		return [2]float64{testutil.ToFloat64(m.refused.WithLabelValues("main")), testutil.ToFloat64(m.away.WithLabelValues("main"))}
	}
	require.Equal(t, [2]float64{0, 0}, state())
	require.NoError(t, c.Call(t.Context(), "event.get", map[string]any{}, nil))
	require.NoError(t, c.Call(t.Context(), "user.get", map[string]any{}, nil))
	f.token = "another"
	require.Error(t, c.Call(t.Context(), "event.get", map[string]any{}, nil))
	require.Equal(t, [2]float64{1, 0}, state())

	families, err := reg.Gather()
	require.NoError(t, err)
	got := map[string]float64{}
	series := 0
	for _, family := range families {
		if family.GetName() != "alert_relay_zabbix_calls_total" {
			continue
		}
		for _, metric := range family.GetMetric() {
			series++
			labels := map[string]string{}
			for _, l := range metric.GetLabel() {
				labels[l.GetName()] = l.GetValue()
			}
			if n := metric.GetCounter().GetValue(); n > 0 {
				got[labels["method"]+" "+labels["result"]] = n
			}
		}
	}
	require.Equal(t, len(Needs)*(len(ErrorKinds)+1)+1, series, "every label value of our own methods is there from the start")
	want := map[string]float64{"apiinfo.version ok": 2, "event.get ok": 1, "event.get not_authorised": 2 /* header and body */, "user.get ok": 1}
	require.Equal(t, slices.Sorted(maps.Keys(want)), slices.Sorted(maps.Keys(got)))
	require.Equal(t, want, got)

	observe := m.For("main")
	for result, want := range map[string][2]float64{"unreachable": {0, 1}, "broken": {0, 1}, "no_object": {0, 0}, "not_authorised": {1, 0}, "ok": {0, 0}} {
		observe("event.get", result, 0)
		require.Equal(t, want, state(), result)
	}
}
