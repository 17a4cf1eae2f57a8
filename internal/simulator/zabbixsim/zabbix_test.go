package zabbixsim

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"path"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/testdata"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is the recorded Zabbix: event 6 can be closed, 66 and 71 can't.
func world(t *testing.T, version string) *Server {
	t.Helper()
	s, err := New(Options{Version: version, Quick: true})
	require.NoError(t, err)
	s.users = append(s.users, User{ID: "40", Username: "bob2", Token: "TOKEN-OF-BOB"}, User{ID: "41", Token: "TOKEN-OF-RELAY"},
		User{ID: "42", Token: "TOKEN-OF-CAROL", ReadOnly: true}, User{ID: "43", Token: "SESSION-OF-ADMIN"},
		User{ID: "44", Token: "TOKEN-EXPIRED", Expired: true})
	s.nextID = 5
	require.EqualValues(t, 6, s.Raise(s.triggers[0]))
	forbidden := s.triggers[0]
	forbidden.ManualClose = false
	for _, id := range []int64{66, 71} { // 6.0's and 7.0's
		s.nextID = id - 1
		require.Equal(t, id, s.Raise(forbidden))
	}
	return s
}

type recording struct {
	Request  json.RawMessage
	Headers  map[string]string
	Status   int
	Response json.RawMessage
}

// The simulator refuses what a real Zabbix refused, with the same code and text.
func TestErrorsAreAsRecorded(t *testing.T) {
	names := strings.Fields(`acknowledge-close-forbidden acknowledge-contradiction acknowledge-message-empty acknowledge-message-missing
		acknowledge-no-such-event acknowledge-not-a-number acknowledge-one-bad-of-two acknowledge-reader-close acknowledge-reader-severity
		acknowledge-severity-9 auth-expired auth-garbage auth-none auth-on-version auth-wrong-token error-not-json error-unknown-method
		error-content-type error-unknown-parameter error-bad-parameter event.get-both-names acknowledge-ack acknowledge-nothing apiinfo.version
		acknowledge-rank-cause acknowledge-rank-symptom acknowledge-rank-symptom-missing acknowledge-suppress acknowledge-suppress-in-the-past
		acknowledge-suppress-missing acknowledge-unsuppress acknowledge-message-2048 acknowledge-message-2049 auth-on-version-header
		auth-bearer auth-property event.get-newer-name error-missing-permission`)
	for _, version := range []string{"6.0", "7.0"} {
		for _, name := range names {
			t.Run(version+"/"+name, func(t *testing.T) {
				raw, err := testdata.Fixtures.ReadFile(path.Join("fixtures/zabbix-"+version, "api", name+".json"))
				if version == "6.0" && errors.Is(err, fs.ErrNotExist) {
					return // an action that only 7.0 has
				}
				require.NoError(t, err)
				var rec recording
				require.NoError(t, json.Unmarshal(raw, &rec))
				body := []byte(rec.Request)
				var text string
				if json.Unmarshal(rec.Request, &text) == nil {
					body = []byte(text)
				}
				full := map[string]string{"6.0": "6.0.14", "7.0": "7.0.22"}[version]
				r := httptest.NewRequest(http.MethodPost, "/api_jsonrpc.php", bytes.NewReader(body))
				for k, v := range rec.Headers {
					r.Header.Set(k, v)
				}
				w := httptest.NewRecorder()
				world(t, full).ServeHTTP(w, r)
				require.Equal(t, rec.Status, w.Code)
				if w.Code != http.StatusOK {
					require.Empty(t, w.Body.String())
					return
				}
				type answer struct {
					Result json.RawMessage
					Error  *rpcError
				}
				var want, got answer
				require.NoError(t, json.Unmarshal(rec.Response, &want))
				require.NoError(t, json.Unmarshal(w.Body.Bytes(), &got))
				require.Equal(t, want.Error, got.Error)
				if strings.HasPrefix(name, "acknowledge") || name == "apiinfo.version" {
					require.JSONEq(t, or(want.Result), or(got.Result))
				}
			})
		}
	}
}

func or(r json.RawMessage) string {
	if r == nil {
		return "null"
	}
	return string(r)
}

// 7.0 still accepts the old names of parameters; later versions refuse them.
func TestOldParameterNames(t *testing.T) {
	for version, refused := range map[string]bool{"6.4.21": false, "7.0.22": false, "7.2.13": true} {
		for method, name := range map[string]string{"event.get": "select_acknowledges", "trigger.get": "selectGroups"} {
			r := httptest.NewRequest(http.MethodPost, "/api_jsonrpc.php", strings.NewReader(`{"jsonrpc":"2.0","id":1,"method":"`+method+`","params":{"`+name+`":"extend"}}`))
			r.Header.Set("Content-Type", "application/json-rpc")
			r.Header.Set("Authorization", "Bearer TOKEN-OF-RELAY")
			w := httptest.NewRecorder()
			world(t, version).ServeHTTP(w, r)
			if refused {
				require.Contains(t, w.Body.String(), "unexpected parameter", version)
			} else {
				require.Contains(t, w.Body.String(), `"result"`, version)
			}
		}
	}
}

// awaitAlerts waits until so many messages of the media type were sent and failed.
func awaitAlerts(s *Server, sent, failed int) {
	changed, cancel := s.Watch()
	defer cancel()
	for {
		if _, done, lost := s.AlertCounts(); done == sent && lost == failed {
			return
		}
		<-changed
	}
}

// The relay gets a problem, its updates and its recovery, signed, in the version's order.
func TestEventsReachTheRelay(t *testing.T) {
	for version, order := range map[string][]string{
		"6.0.14": {"1/0", "1/1", "0/1", "0/0"}, // the update that closes comes before the recovery
		"7.0.22": {"1/0", "1/1", "0/0", "0/1"},
	} {
		t.Run(version, func(t *testing.T) {
			got := make(chan map[string]string, 10)
			relay := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				var m map[string]string
				if json.NewDecoder(r.Body).Decode(&m) != nil || r.Header.Get("X-Relay-Signature") == "" {
					w.WriteHeader(http.StatusBadRequest)
					return
				}
				got <- m
				w.WriteHeader(http.StatusAccepted)
				_, _ = w.Write([]byte(`{"problem":"x","tags":{"relay_link":"https://relay.example.com/m/1"}}`))
			}))
			defer relay.Close()
			s, err := New(Options{Version: version, Relay: relay.URL, Secret: "s", Quick: true, Sessions: 1})
			require.NoError(t, err)
			ctx, stop := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() { done <- s.Run(ctx) }()
			id := s.Raise(s.triggers[0])
			first := <-got
			require.Equal(t, "{EVENT.UPDATE.ACTION}", first["EVENT.UPDATE.ACTION"])
			require.NoError(t, s.Do("bob", id, Acknowledge|Comment|Severity, "on it", alert.Disaster))
			second := <-got
			require.Equal(t, "acknowledged, commented and changed severity from High to Disaster", second["EVENT.UPDATE.ACTION"])
			require.NoError(t, s.Do("bob", id, Close, "", 0))
			third, fourth := <-got, <-got
			var seen []string
			for _, m := range []map[string]string{first, second, third, fourth} {
				seen = append(seen, m["EVENT.VALUE"]+"/"+m["EVENT.UPDATE.STATUS"])
			}
			require.Equal(t, order, seen)
			awaitAlerts(s, 4, 0)
			p, _ := s.Problem(id)
			require.Equal(t, "https://relay.example.com/m/1", p.Tags["relay_link"])
			stop()
			require.NoError(t, <-done)
		})
	}
}

// An alert is sent even if its problem is deleted meanwhile.
func TestDeletedWhileItsAlertIsInFlight(t *testing.T) {
	servers := make(chan *Server, 1)
	relay := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		s := <-servers
		s.Delete(s.Problems()[0].ID)
		w.WriteHeader(http.StatusAccepted)
		_, _ = w.Write([]byte(`{"tags":{"relay_link":"https://relay.example.com/m/1"}}`))
	}))
	defer relay.Close()
	s, err := New(Options{Version: "7.0.22", Relay: relay.URL})
	require.NoError(t, err)
	servers <- s
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	s.Raise(s.triggers[0])
	awaitAlerts(s, 1, 0)
	stop()
	require.NoError(t, <-done)
}

// A refused alert is retried with identical bytes, and then fails.
func TestRetryLimit(t *testing.T) {
	var bodies []string
	relay := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var b bytes.Buffer
		_, _ = b.ReadFrom(r.Body)
		bodies = append(bodies, b.String())
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	defer relay.Close()
	s, err := New(Options{Version: "7.0.22", Relay: relay.URL, Attempts: 3, Interval: time.Nanosecond, Sessions: 1})
	require.NoError(t, err)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	s.Raise(s.triggers[0])
	awaitAlerts(s, 0, 1)
	stop()
	require.NoError(t, <-done)
	require.Len(t, bodies, 3)
	require.Equal(t, bodies[0], bodies[1])
	require.Equal(t, bodies[0], bodies[2])
}

// Events name their cause from 6.4 on.
func TestCauseOfAnEvent(t *testing.T) {
	for version, want := range map[string]bool{"6.0.14": false, "6.2.9": false, "6.4.21": true, "7.0.22": true, "8.0.0": true} {
		s := world(t, version)
		out, fault := s.eventGet(User{}, args{"eventids": json.RawMessage(`["6"]`)})
		require.Nil(t, fault)
		event := out.([]any)[0].(map[string]any)
		require.Equal(t, want, event["cause_eventid"] == "0", version)
	}
}

// The payload has the media type's parameters, except its settings. Macros that don't apply stay literal.
func TestPayload(t *testing.T) {
	s := world(t, "7.0.22")
	s.Resolve(6)
	p, _ := s.Problem(6)
	var opened, resolved map[string]string
	require.NoError(t, json.Unmarshal(Payload(p, alert.KindProblem, time.Now()), &opened))
	require.NoError(t, json.Unmarshal(Payload(p, alert.KindRecovery, time.Now()), &resolved))
	require.Len(t, opened, 65)
	for _, setting := range []string{"URL", "SECRET", "HTTP_PROXY"} {
		require.NotContains(t, opened, setting)
	}
	require.Equal(t, []string{"6", "1", "{EVENT.RECOVERY.ID}", "*UNKNOWN*", "sw-core-1"},
		[]string{opened["EVENT.ID"], opened["EVENT.VALUE"], opened["EVENT.RECOVERY.ID"], opened["HOST.ID2"], opened["HOST.HOST"]})
	require.Equal(t, []string{"6", "0", itoa(p.RecoveryID)}, []string{resolved["EVENT.ID"], resolved["EVENT.VALUE"], resolved["EVENT.RECOVERY.ID"]})
}
