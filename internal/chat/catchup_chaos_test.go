package chat

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/simulator/webexsim"
)

// chaosSeeds is how many courses of the hour are tried: CHAT_CHAOS_SEEDS, 2 by default.
func chaosSeeds(t *testing.T) uint64 {
	text := os.Getenv("CHAT_CHAOS_SEEDS")
	if text == "" {
		return 2
	}
	n, err := strconv.ParseUint(text, 10, 16)
	require.NoError(t, err, "CHAT_CHAOS_SEEDS")
	return n
}

// The websocket breaks at random for an hour: nothing that was said is missed, and nothing is done twice.
func TestSocketChaos(t *testing.T) {
	for seed := range chaosSeeds(t) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			bySocket(t, func(t *testing.T, r *real) {
				undo := func() {}
				handshake := func(f webexsim.Fault) {
					f.Op = "GET /mercury/{id}"
					undo = r.webex.AddFault(f)
					r.webex.CloseSockets(botAddr, 0, "")
				}
				r.chaos(seed, func() { undo(); undo = func() {} }, []func(){
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
				})
				require.Equal(t, 1, r.webex.Sockets(botAddr))
				require.LessOrEqual(t, len(r.webex.DeviceNames(botAddr)), 1)
			})
		})
	}
}

// Webhooks' deliveries are lost and webhooks disabled at random for an hour: nothing that was said is missed, and nothing is done twice.
func TestWebhookChaos(t *testing.T) {
	for seed := range chaosSeeds(t) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			withTransport(t, config.ListenWebhook, webexsim.Options{RepeatDeliveries: 1}, func(t *testing.T, r *real) {
				var delivered atomic.Uint64
				r.lose = func() bool { return rand.New(rand.NewPCG(seed, delivered.Add(1))).IntN(3) == 0 }
				r.chaos(seed, func() {}, []func(){
					func() { r.webex.DisableWebhooks(botAddr) },
					func() { r.webex.Outage(time.Now().Add(20 * time.Second)) },
					func() { r.webex.AddFault(webexsim.Fault{Op: "GET /messages", Status: 429, RetryAfter: "30", Count: 1}) },
					func() { r.webex.AddFault(webexsim.Fault{Op: "GET /messages", Drop: true, Count: 1}) },
					func() { r.webex.AddFault(webexsim.Fault{Op: "GET /rooms", Status: 503, Count: 1}) },
				})
			})
		})
	}
}

// chaos lets an hour pass in which people write, one of the faults happens now and then, and the relay is restarted. Then each command was
// done once. undo ends the fault before.
func (r *real) chaos(seed uint64, undo func(), faults []func()) {
	random := rand.New(rand.NewPCG(seed, 1))
	faults = append(faults, func() {
		r.stop()
		time.Sleep(time.Duration(random.IntN(180)) * time.Second)
		r.start()
	})
	direct, said := webexsim.DirectRoomID(botAddr, aliceAddr), 0
	for second := range 3600 {
		if second%60 == 0 {
			if said%3 == 0 {
				r.say(webexsim.Line{Room: direct, From: aliceAddr, Text: fmt.Sprint("comment ", r.key().EventID, " word", said)})
			} else {
				r.comment(fmt.Sprint("word", said))
			}
			said++
		}
		if random.IntN(60) == 0 {
			undo()
			faults[random.IntN(len(faults))]()
		}
		time.Sleep(time.Duration(500+random.IntN(1000)) * time.Millisecond)
	}
	undo()
	r.lose = nil
	r.pass(20 * time.Minute)
	for i := range said {
		words := fmt.Sprint("word", i)
		require.Equal(r.t, 1, r.commented(words), "%s of %d: %+v", words, said, r.commands()["comment "+r.key().EventID+" "+words])
	}
}
