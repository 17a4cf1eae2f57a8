package relay

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/store/sqlite/sqlitetest"
	"nms-alert-relay/internal/testlog"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		// database/sql opens connections on a goroutine that outlives Close for a moment.
		goleak.IgnoreAnyFunction("database/sql.(*DB).connectionOpener"))
}

// quiet is a configuration with nothing to do.
const quiet = `
webex: {api_url: "http://127.0.0.1:1", bots: [{name: relay, token_env: BOT}]}
zabbix: [{name: main, url: "http://127.0.0.1:1", secret_env: SECRET}]
rooms: [{name: noc, id: ROOM}]
default_rooms: [noc]
people: [{domain: example.com, role: viewer}]
`

// secretEnv has a secret for everything but the admin listener.
func secretEnv(name string) string {
	if name == "ALERT_RELAY_ADMIN_TOKEN" || name == "CREDENTIALS_DIRECTORY" {
		return ""
	}
	return name + "-0123456789abcdef"
}

// idle returns a relay that has nothing to do.
func idle(t *testing.T, log *testlog.Lines) *Relay {
	t.Helper()
	cfg, err := config.Parse("relay.yaml", []byte(quiet), config.Options{Env: secretEnv})
	require.NoError(t, err)
	cfg.Store.Path = sqlitetest.New(t)
	return newIdle(t, cfg, log)
}

// newIdle returns a relay with this configuration, on free ports.
func newIdle(t *testing.T, cfg *config.Config, log *testlog.Lines) *Relay {
	t.Helper()
	listen := func() net.Listener {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		return l
	}
	r, err := New(t.Context(), Options{Config: cfg, Log: log.Logger(), Public: listen(), Admin: listen()})
	require.NoError(t, err)
	return r
}

// readyz probes a relay as a load balancer does.
func readyz(t *testing.T, client *http.Client, r *Relay) (status int, said string) {
	t.Helper()
	answer, err := client.Get("http://" + r.AdminAddr() + "/readyz")
	if err != nil {
		t.Error(err)
		return 0, ""
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Error(err)
	}
	return answer.StatusCode, strings.TrimSpace(string(body))
}

// Whatever the reason for a stop, the relay is not ready from then on. Its log begins the stop with "relay stopping" and ends
// with "relay stopped".
func TestNotReadyWhileItStops(t *testing.T) {
	for name, c := range map[string]struct {
		end  func(r *Relay, signal context.CancelFunc, fails chan<- error)
		want string // of the error
	}{
		"a signal":                   {func(_ *Relay, signal context.CancelFunc, _ chan<- error) { signal() }, ""},
		"a part fails":               {func(_ *Relay, _ context.CancelFunc, fails chan<- error) { fails <- errors.New("cannot continue") }, "intake: cannot continue"},
		"a part ends by itself":      {func(_ *Relay, _ context.CancelFunc, fails chan<- error) { fails <- nil }, "intake: stopped by itself"},
		"the public listener breaks": {func(r *Relay, _ context.CancelFunc, _ chan<- error) { _ = r.public.Close() }, "public listener: "},
		"a part fails and the signal": {func(_ *Relay, signal context.CancelFunc, fails chan<- error) {
			fails <- errors.New("cannot continue")
			signal()
		}, "intake: cannot continue"},
	} {
		t.Run(name, func(t *testing.T) {
			log := &testlog.Lines{}
			r := idle(t, log)
			client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
			fails, running := make(chan error), make(chan struct{})
			var status int
			var said string
			// Stage 1 stops after intake and before the admin listener.
			r.stages[1] = append(r.stages[1], part{"probe", func(ctx context.Context) error {
				close(running)
				<-ctx.Done()
				status, said = readyz(t, client, r)
				return nil
			}})
			last := len(r.stages) - 1
			r.stages[last] = append(r.stages[last], part{"intake", func(ctx context.Context) error {
				select {
				case err := <-fails:
					return err
				case <-ctx.Done():
					return nil
				}
			}})
			ctx, signal := context.WithCancel(t.Context())
			defer signal()
			done := make(chan error, 1)
			go func() { done <- r.Run(ctx) }()
			<-running
			before, _ := readyz(t, client, r)
			require.Equal(t, http.StatusOK, before)

			c.end(r, signal, fails)
			err := <-done
			if c.want == "" {
				require.NoError(t, err)
			} else {
				require.ErrorContains(t, err, c.want)
			}
			require.Equal(t, http.StatusServiceUnavailable, status)
			require.Equal(t, "draining", said)
			text := log.String()
			require.Equal(t, 1, strings.Count(text, "relay stopping: requests are refused"), text)
			require.Less(t, strings.Index(text, "relay stopping"), strings.Index(text, "relay stopped"), text)
			require.True(t, strings.HasSuffix(strings.TrimSpace(text), `msg="relay stopped"`), text)
		})
	}
}
