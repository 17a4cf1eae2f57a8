package chat

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/simulator/webexsim"
	"nms-alert-relay/internal/webex"
	"nms-alert-relay/internal/webex/socket"
)

// bySocket tells a story by websocket. gaps counts the gaps after which the relay catches up.
func bySocket(t *testing.T, story func(t *testing.T, r *real, gaps *atomic.Int32)) {
	withTransport(t, config.ListenWebsocket, webexsim.Options{}, func(t *testing.T, r *real) {
		var gaps atomic.Int32
		r.catchUp = func(context.Context, string, string) { gaps.Add(1) }
		require.Equal(t, 1, r.webex.Sockets(botAddr))
		story(t, r, &gaps)
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
			bySocket(t, func(t *testing.T, r *real, gaps *atomic.Int32) {
				r.pass(2 * time.Minute) // healthy
				tc.end(r)
				r.pass(tc.within)
				require.Equal(t, 1, r.webex.Sockets(botAddr))
				require.EqualValues(t, 1, r.connected())
				require.EqualValues(t, 1, r.ended(tc.reason))
				require.EqualValues(t, 1, gaps.Load())
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
	bySocket(t, func(t *testing.T, r *real, gaps *atomic.Int32) {
		r.webex.CloseSockets(botAddr, 4000, "replaced")
		r.pass(59 * time.Minute)
		require.Zero(t, r.webex.Sockets(botAddr))
		require.Zero(t, r.connected())
		require.EqualValues(t, 1, r.ended(socket.Replaced))
		r.pass(2 * time.Minute)
		require.Equal(t, 1, r.webex.Sockets(botAddr))
		require.EqualValues(t, 1, gaps.Load())
	})
}

// A renewal, by plan or because Webex announced a shutdown, leaves no gap.
func TestSocketIsRenewedWithoutAGap(t *testing.T) {
	for name, renew := range map[string]func(r *real){
		"by plan":      func(r *real) { r.pass(renewEvery - time.Minute) },
		"as announced": func(r *real) { r.webex.AnnounceShutdown(botAddr) },
	} {
		t.Run(name, func(t *testing.T) {
			bySocket(t, func(t *testing.T, r *real, gaps *atomic.Int32) {
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
				require.Zero(t, gaps.Load())
				require.Equal(t, 1, r.webex.Sockets(botAddr))
				require.EqualValues(t, 1, r.connected())
			})
		})
	}
}

// While a renewal fails, the old websocket is used on.
func TestFailedRenewalKeepsTheSocket(t *testing.T) {
	bySocket(t, func(t *testing.T, r *real, gaps *atomic.Int32) {
		remove := r.webex.AddFault(webexsim.Fault{Op: "GET /u2c/api/v1/catalog", Status: 503})
		r.pass(renewEvery)
		r.comment("still here")
		r.pass(20 * time.Second)
		require.Equal(t, 1, r.commented("still here"))
		require.Positive(t, r.ended(socket.Unregistered))
		remove()
		r.pass(2 * time.Minute)
		require.EqualValues(t, 1, r.ended(socket.Renewed))
		require.Zero(t, gaps.Load())
	})
}

// A registration that fails doesn't keep the relay from anything else, and is repeated.
func TestFailedRegistrationIsRepeated(t *testing.T) {
	bySocket(t, func(t *testing.T, r *real, gaps *atomic.Int32) {
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
		require.EqualValues(t, 1, gaps.Load())
	})
}

// The websocket breaks at random for an hour: nothing that was said is missed, and nothing is done twice.
func TestSocketChaos(t *testing.T) {
	for seed := range uint64(3) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			bySocket(t, func(t *testing.T, r *real, _ *atomic.Int32) {
				var since atomic.Int64
				r.catchUp = func(ctx context.Context, bot, _ string) { // lists the mentions since the last look, with overlap
					from := time.Unix(since.Swap(time.Now().Unix()), 0).Add(-5 * time.Minute)
					for _, m := range r.webex.Timeline("noc") {
						if m.From.Email == aliceAddr && m.Created.After(from) {
							_, err := r.inbox.Deliver(ctx, bot, webex.Envelope{Resource: resourceMessages, Event: eventCreated, Data: webex.EnvelopeData{
								ID: m.ID, RoomID: m.RoomID, RoomType: "group", PersonID: m.From.ID, PersonEmail: m.From.Email, Created: webex.Time{Time: m.Created},
							}})
							require.NoError(t, err)
						}
					}
				}
				random := rand.New(rand.NewPCG(seed, 1))
				undo := func() {}
				handshake := func(f webexsim.Fault) {
					f.Op = "GET /mercury/{id}"
					undo = r.webex.AddFault(f)
					r.webex.CloseSockets(botAddr, 0, "")
				}
				faults := []func(){
					func() { r.webex.CloseSockets(botAddr, 0, "") },
					func() { r.webex.CloseSockets(botAddr, 1000, "Done") },
					func() { r.webex.CloseSockets(botAddr, 1011, "oops") },
					func() { r.webex.SilenceSockets(botAddr) },
					func() { r.webex.AnnounceShutdown(botAddr) },
					func() { r.webex.StaleSockets(botAddr) },
					func() { r.webex.ForgetDevices(botAddr) },
					func() { r.webex.Outage(time.Now().Add(20 * time.Second)); r.webex.CloseSockets(botAddr, 0, "") },
					func() { handshake(webexsim.Fault{Status: 404}) },
					func() { handshake(webexsim.Fault{Status: 429, RetryAfter: "20"}) },
					func() { handshake(webexsim.Fault{Drop: true}) },
				}
				said := 0
				for second := range 3600 {
					if second%60 == 0 { // after a long gap, people's limit for commands must not be exceeded
						r.comment(fmt.Sprint("word", said))
						said++
					}
					if random.IntN(40) == 0 {
						undo()
						faults[random.IntN(len(faults))]()
					}
					time.Sleep(time.Duration(500+random.IntN(1000)) * time.Millisecond)
				}
				undo()
				r.pass(10 * time.Minute)
				require.Equal(t, 1, r.webex.Sockets(botAddr))
				for i := range said {
					words := fmt.Sprint("word", i)
					require.Equal(t, 1, r.commented(words), "%s of %d: %+v", words, said, r.commands()["comment "+r.key().EventID+" "+words])
				}
				require.LessOrEqual(t, len(r.webex.DeviceNames(botAddr)), 1)
			})
		})
	}
}
