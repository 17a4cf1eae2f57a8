package relay

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/simulator/webexsim"
	"nms-alert-relay/internal/testlog"
)

// /readyz answers for the present moment, and the log has one line per change.
func TestReadyz(t *testing.T) {
	type probe struct {
		fails    error
		hangs    bool // the store doesn't answer
		gone     bool // the prober doesn't wait
		draining bool
		want     int // 0: no answer, since the prober left
	}
	full := errors.New("database or disk is full")
	ok, no := http.StatusOK, http.StatusServiceUnavailable
	for name, c := range map[string]struct {
		probes        []probe
		warned, again int
	}{
		"ready":                             {[]probe{{want: ok}, {want: ok}}, 0, 0},
		"the store fails for many probes":   {[]probe{{want: ok}, {fails: full, want: no}, {fails: full, want: no}, {fails: full, want: no}}, 1, 0},
		"another fault of the same store":   {[]probe{{fails: full, want: no}, {fails: errors.New("readonly"), want: no}}, 1, 0},
		"it works again":                    {[]probe{{fails: full, want: no}, {want: ok}, {want: ok}}, 1, 1},
		"it fails twice":                    {[]probe{{fails: full, want: no}, {want: ok}, {fails: full, want: no}, {want: ok}}, 2, 2},
		"it hangs":                          {[]probe{{hangs: true, want: no}, {hangs: true, want: no}, {want: ok}}, 1, 1},
		"the prober doesn't wait":           {[]probe{{hangs: true, gone: true}, {want: ok}}, 0, 0},
		"the prober leaves while not ready": {[]probe{{fails: full, want: no}, {hangs: true, gone: true}, {fails: full, want: no}}, 1, 0},
		"draining":                          {[]probe{{want: ok}, {draining: true, fails: full, want: no}}, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				log := &testlog.Lines{}
				var now probe
				p := &readiness{log: log.Logger(), draining: func() bool { return now.draining }, ping: func(ctx context.Context) error {
					if now.hangs {
						<-ctx.Done()
						return ctx.Err()
					}
					return now.fails
				}}
				for _, now = range c.probes {
					ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
					if now.gone {
						time.AfterFunc(time.Second, cancel)
					}
					w := httptest.NewRecorder()
					began := time.Now()
					p.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/readyz", nil).WithContext(ctx))
					cancel()
					require.LessOrEqual(t, time.Since(began), readyWait)
					if now.want == 0 {
						require.Empty(t, w.Body.String())
						continue
					}
					require.Equal(t, now.want, w.Code)
					require.Equal(t, now.draining, strings.Contains(w.Body.String(), "draining"))
				}
				require.Equal(t, c.warned, strings.Count(log.String(), "not ready"), log.String())
				require.Equal(t, c.again, strings.Count(log.String(), "ready again"), log.String())
			})
		})
	}
}

// A bot that can't register for its websocket keeps the relay neither from starting nor from being ready.
func TestReadyWithoutAWebsocket(t *testing.T) {
	tried := make(chan struct{}, 100)
	o := start(t, false, func(o *onDisk) {
		o.webex.AddFault(webexsim.Fault{Op: "GET /u2c/api/v1/catalog", Status: http.StatusServiceUnavailable})
		o.hold = func(r *http.Request) {
			if strings.HasPrefix(r.URL.Path, "/u2c/") {
				tried <- struct{}{}
			}
		}
		o.write("relay.yaml", strings.Replace(o.base(), `, listen: "off"`, "", 1)+room("noc"))
	})
	for range 2 { // without a public_url it listens by websocket, and tries again
		<-tried
	}
	answer, err := o.http.Get("http://" + o.AdminAddr() + "/readyz")
	require.NoError(t, err)
	require.NoError(t, answer.Body.Close())
	require.Equal(t, http.StatusOK, answer.StatusCode)
	require.Zero(t, o.gauge("alert_relay_socket_connected"))
	require.Equal(t, http.StatusAccepted, o.event(opened(t, "1"), firstSecret))
	o.await("the problem is posted", func(rooms map[string][]webexsim.MessageView) bool { return len(rooms["noc"]) == 1 })
}
