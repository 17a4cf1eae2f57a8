//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/simulator/webexsim"
	"nms-alert-relay/internal/simulator/zabbixsim"
)

// oneRoom is a configuration of one room; its arguments are the API, the room, storm and delivery. Without
// an API token the relay knows only the payloads.
const oneRoom = `
webex:
  api_url: %s
  bots: [{name: noc, token_env: E2E_BOT, listen: off}]
zabbix:
  - {name: main, url: "http://127.0.0.1:9", secret_env: E2E_SECRET}
rooms:
  - {name: noc, id: %s, bot: noc}
default_rooms: [noc]
people: [{domain: example.com, role: viewer}]
storm: %s
delivery: %s
log: {level: warn}
`

const (
	kills   = 6
	workers = 4 // calls in flight
	senders = 4
)

// After kill -9 at any moment, every event answered 202 reaches the room, and no more messages are repeated than were in
// flight.
func TestKilled(t *testing.T) {
	for _, c := range []struct{ name, storm string }{
		{"one by one", "{threshold: 100000, window: 1h, individual: disaster}"},
		{"in digests", "{threshold: 10, window: 5s, individual: disaster}"},
	} {
		t.Run(c.name, func(t *testing.T) { killed(t, c.storm, c.name == "one by one") })
	}
}

func killed(t *testing.T, storm string, individually bool) {
	seed := uint64(1)
	if text := os.Getenv("E2E_SEED"); text != "" {
		n, err := strconv.ParseUint(text, 10, 64)
		require.NoError(t, err)
		seed = n
	}
	t.Logf("E2E_SEED=%d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	sim, api := webexWorld(t, webexsim.Options{Seed: seed + 1})
	// Slow answers, so that some calls are in flight whenever the relay dies.
	sim.AddFault(webexsim.Fault{Op: "POST /messages", Delay: 10 * time.Millisecond})
	r := startRelay(t, fmt.Sprintf(oneRoom, api, webexsim.RoomID("noc"), storm, fmt.Sprintf("{workers: %d, rate_limit: 200, debounce: 50ms}", workers)),
		"E2E_BOT="+webexsim.DefaultBotToken, "E2E_SECRET="+secret)

	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	defer cancel()
	client := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: senders}}
	defer client.CloseIdleConnections()
	var posting sync.WaitGroup
	var accepted atomic.Int64
	over := make(chan struct{})
	for range senders {
		pause := 10*time.Millisecond + time.Duration(random.Int64N(int64(20*time.Millisecond)))
		posting.Go(func() {
			for tick := time.NewTicker(pause); ; <-tick.C {
				select {
				case <-over:
					return
				default:
					post(ctx, client, r.public, accepted.Add(1)-1)
				}
			}
		})
	}
	for range kills {
		time.Sleep(time.Duration(random.Int64N(int64(400 * time.Millisecond)))) // a random moment
		r.kill(t)
		r.start(t)
	}
	close(over)
	posting.Wait()
	require.NoError(t, ctx.Err(), "not all events were accepted in time")
	r.idle(t)

	posted, repeats := tally(sim.Timeline("noc"))
	for n := range accepted.Load() {
		require.Contains(t, posted, name(n), "answered 202 but not posted")
	}
	if individually {
		require.LessOrEqual(t, repeats, kills*workers, "at most one repeated message per worker and kill")
	}
	t.Logf("%d events, %d kills, %d repeats", accepted.Load(), kills, repeats)
}

func name(n int64) string { return fmt.Sprintf("Problem number %05d is there", n) }

// post sends an event until it is answered 202.
func post(ctx context.Context, client *http.Client, address string, n int64) {
	body, err := json.Marshal(map[string]string{
		"EVENT.ID": strconv.FormatInt(1000+n, 10), "EVENT.NAME": name(n), "EVENT.SOURCE": "0", "EVENT.OBJECT": "0", "EVENT.VALUE": "1",
		"EVENT.NSEVERITY": strconv.FormatInt(n%5, 10), "EVENT.DATE": time.Now().UTC().Format("2006.01.02"), "EVENT.TIME": time.Now().UTC().Format("15:04:05"),
		"EVENT.UPDATE.STATUS": "0", "HOST.ID": "10", "HOST.HOST": "sw1", "HOST.NAME": "Core switch 1", "TRIGGER.ID": strconv.FormatInt(n, 10), "TRIGGER.NAME": name(n),
	})
	if err != nil {
		panic(err) // a map of strings
	}
	for ctx.Err() == nil {
		if _, err := zabbixsim.Post(ctx, client, "http://"+address+"/v1/zabbix/events", secret, body, time.Now()); err == nil {
			return
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
		}
	}
}

var problemName = regexp.MustCompile(`Problem number \d{5} is there`)

// tally returns the problems that were posted to a room, and how many messages were repeated: roots of the same problem, and cards
// below one root.
func tally(messages []webexsim.MessageView) (posted map[string]bool, repeats int) {
	posted = map[string]bool{}
	cards := map[string]int{}
	for _, m := range messages {
		text := m.Text
		for _, f := range m.Files {
			text += string(f.Content)
		}
		if m.Card != nil && !m.Deleted {
			if cards[m.ParentID]++; cards[m.ParentID] > 1 {
				repeats++
			}
		}
		seen := map[string]bool{} // a digest's text and its file may both name it
		for _, found := range problemName.FindAllString(text, -1) {
			if seen[found] {
				continue
			}
			seen[found] = true
			if posted[found] && m.ParentID == "" {
				repeats++
			}
			posted[found] = posted[found] || m.ParentID == "" || len(m.Files) > 0
		}
	}
	return posted, repeats
}
