package chat

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/simulator/webexsim"
	"nms-alert-relay/internal/webex/socket"
)

// bySocket tells a story by websocket.
func bySocket(t *testing.T, story func(t *testing.T, r *real)) {
	withTransport(t, config.ListenWebsocket, webexsim.Options{}, func(t *testing.T, r *real) {
		require.Equal(t, 1, r.webex.Sockets(botAddr))
		story(t, r)
	})
}

func (r *real) comment(words string) {
	r.say(webexsim.Line{Room: "noc", From: aliceAddr, Text: "comment " + r.key().EventID + " " + words, MentionBot: true})
}

// commented returns how often Zabbix has a comment.
func (r *real) commented(words string) (n int) {
	for _, a := range r.acks() {
		if strings.HasSuffix(a.Message, ": "+words) {
			n++
		}
	}
	return n
}

func (r *real) ended(reason socket.Reason) float64 {
	return testutil.ToFloat64(r.metrics.reconnects.WithLabelValues("noc", string(reason)))
}

func (r *real) looks(reason string) float64 {
	return testutil.ToFloat64(r.metrics.looks.WithLabelValues("noc", reason))
}

func (r *real) connected() float64 {
	return testutil.ToFloat64(r.metrics.connected.WithLabelValues("noc"))
}

// A websocket that ends is opened again, on the same device, and the gap is caught up.
func TestSocketReconnects(t *testing.T) {
	for name, tc := range map[string]struct {
		end    func(r *real)
		reason socket.Reason
		within time.Duration
	}{
		"closed":            {func(r *real) { r.webex.CloseSockets(botAddr, 1000, "Done") }, socket.Closed, 5 * time.Second},
		"broken":            {func(r *real) { r.webex.CloseSockets(botAddr, 0, "") }, socket.Lost, 5 * time.Second},
		"no pongs":          {func(r *real) { r.webex.SilenceSockets(botAddr) }, socket.Silent, time.Minute},
		"another address":   {func(r *real) { r.webex.StaleSockets(botAddr) }, socket.Closed, 5 * time.Second},
		"forgotten devices": {func(r *real) { r.webex.ForgetDevices(botAddr) }, socket.Closed, 5 * time.Second},
		"a refused token":   {func(r *real) { r.webex.CloseSockets(botAddr, 4401, "") }, socket.Unauthorized, 6 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			bySocket(t, func(t *testing.T, r *real) {
				r.pass(2 * time.Minute) // healthy
				tc.end(r)
				r.pass(tc.within)
				require.Equal(t, 1, r.webex.Sockets(botAddr))
				require.EqualValues(t, 1, r.connected())
				require.EqualValues(t, 1, r.ended(tc.reason))
				require.EqualValues(t, 2, r.looks(catchUpSocket), "after the start and after the gap")
				require.Len(t, r.webex.DeviceNames(botAddr), 1)
				r.comment("back")
				r.pass(20 * time.Second)
				require.Equal(t, 1, r.commented("back"))
			})
		})
	}
}

// The connection that replaced ours isn't fought: the relay connects again after an hour.
func TestReplacedSocketIsLeftAlone(t *testing.T) {
	bySocket(t, func(t *testing.T, r *real) {
		r.webex.CloseSockets(botAddr, 4000, "replaced")
		r.pass(59 * time.Minute)
		require.Zero(t, r.webex.Sockets(botAddr))
		require.Zero(t, r.connected())
		require.EqualValues(t, 1, r.ended(socket.Replaced))
		r.pass(2 * time.Minute)
		require.Equal(t, 1, r.webex.Sockets(botAddr))
		require.EqualValues(t, 2, r.looks(catchUpSocket), "after the start and after the gap")
	})
}

// A renewal, by plan or because Webex announced a shutdown, leaves no gap.
func TestSocketIsRenewedWithoutAGap(t *testing.T) {
	for name, renew := range map[string]func(r *real){
		"by plan":      func(r *real) { r.pass(renewEvery - time.Minute) },
		"as announced": func(r *real) { r.webex.AnnounceShutdown(botAddr) },
	} {
		t.Run(name, func(t *testing.T) {
			bySocket(t, func(t *testing.T, r *real) {
				renew(r)
				for i := range 12 {
					r.comment(fmt.Sprint("word", i))
					r.pass(10 * time.Second)
				}
				r.pass(20 * time.Second)
				for i := range 12 {
					require.Equal(t, 1, r.commented(fmt.Sprint("word", i)), i)
				}
				require.EqualValues(t, 1, r.ended(socket.Renewed))
				require.Zero(t, r.ended(socket.Replaced))
				require.EqualValues(t, 1, r.looks(catchUpSocket), "after the start")
				require.Equal(t, 1, r.webex.Sockets(botAddr))
				require.EqualValues(t, 1, r.connected())
			})
		})
	}
}

// While a renewal fails, the old websocket is used on.
func TestFailedRenewalKeepsTheSocket(t *testing.T) {
	bySocket(t, func(t *testing.T, r *real) {
		remove := r.webex.AddFault(webexsim.Fault{Op: "GET /u2c/api/v1/catalog", Status: 503})
		r.webex.AnnounceShutdown(botAddr)
		r.pass(time.Minute)
		r.comment("still here")
		r.pass(20 * time.Second)
		require.Equal(t, 1, r.commented("still here"))
		require.Positive(t, r.ended(socket.Unregistered))
		remove()
		r.pass(2 * time.Minute)
		require.EqualValues(t, 1, r.ended(socket.Renewed))
		require.EqualValues(t, 1, r.looks(catchUpSocket), "after the start")
	})
}

// A renewal that replaced the old websocket and failed then is the relay's own doing: it connects again at once, instead of leaving the
// bot to another relay for an hour.
func TestFailedRenewalIsNotAnotherRelay(t *testing.T) {
	bySocket(t, func(t *testing.T, r *real) {
		r.pass(2 * time.Minute)
		r.webex.HoldSockets(true)
		r.webex.AnnounceShutdown(botAddr)
		r.pass(40 * time.Second)
		require.Zero(t, r.connected())
		r.webex.HoldSockets(false)
		r.pass(5 * time.Minute)
		require.EqualValues(t, 1, r.connected())
		require.Zero(t, r.ended(socket.Replaced))
		require.Positive(t, r.ended(socket.Lost))
	})
}

// What comes before a websocket is authorised is no sign that the bot hears: rooms are told of the whole time in which it didn't.
func TestFramesBeforeTheAuthorisationAreNoSigns(t *testing.T) {
	bySocket(t, func(t *testing.T, r *real) {
		r.pass(5*time.Minute + 30*time.Second) // in the middle of a minute, since times are shown to the minute
		require.NotEmpty(t, r.post().CardID)
		from := time.Now()
		r.webex.HoldSockets(true)
		r.webex.CloseSockets(botAddr, 1000, "Done")
		for range 30 {
			r.webex.SendFrame(botAddr, []byte(`{"id":"f","data":{"eventType":"status.start_typing"}}`))
			r.pass(20 * time.Second)
		}
		require.Zero(t, r.connected())
		r.webex.HoldSockets(false)
		r.pass(10 * time.Minute)
		require.EqualValues(t, 1, r.connected())
		require.Len(t, r.told(), 1)
		require.Contains(t, r.told()[0], "Missed presses from "+from.UTC().Format("15:04")+" to ")
	})
}

// A registration that fails doesn't keep the relay from anything else, and is repeated.
func TestFailedRegistrationIsRepeated(t *testing.T) {
	bySocket(t, func(t *testing.T, r *real) {
		remove := r.webex.AddFault(webexsim.Fault{Op: "GET /u2c/api/v1/catalog", Status: 503})
		r.stop()
		r.start()
		r.pass(time.Hour)
		require.Zero(t, r.connected())
		require.Greater(t, r.ended(socket.Unregistered), 10.)
		require.Less(t, r.ended(socket.Unregistered), 45.)
		remove()
		r.pass(5 * time.Minute)
		require.EqualValues(t, 1, r.connected())
		require.Len(t, r.webex.DeviceNames(botAddr), 1, "the device of the time before the restart")
		require.EqualValues(t, 1, r.looks(catchUpSocket))
	})
}
