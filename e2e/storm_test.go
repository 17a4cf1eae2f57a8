//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/simulator/webexsim"
	"nms-alert-relay/internal/simulator/zabbixsim"
)

// A storm of 5,000 problems through the real relay, into a room that accepts five messages a second, with the default delivery:
// every problem is posted once, in few messages, soon after the last event, and no call is made during a Retry-After.
func TestStorm(t *testing.T) {
	const problems = 5000
	sim, api := webexWorld(t, webexsim.Options{PerRoom: webexsim.Rate{PerSecond: 5, Burst: 5}})
	r := startRelay(t, fmt.Sprintf(oneRoom, api, webexsim.RoomID("noc"), "{threshold: 10, window: 5s, individual: disaster}", "{}"),
		"E2E_BOT="+webexsim.DefaultBotToken, "E2E_SECRET="+secret)
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	defer cancel()
	client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 16}}
	defer client.CloseIdleConnections()
	all := func(value string) time.Time {
		next := make(chan int)
		var posting sync.WaitGroup
		for range 16 {
			posting.Go(func() {
				for n := range next {
					stormEvent(ctx, client, r.public, n, value)
				}
			})
		}
		for n := range problems {
			next <- n
		}
		close(next)
		posting.Wait()
		return time.Now()
	}
	ended := all("1")
	named := func() map[string]bool {
		seen := map[string]bool{}
		for _, m := range sim.Timeline("noc") {
			text := m.Text
			for _, f := range m.Files {
				text += string(f.Content)
			}
			for _, word := range strings.FieldsFunc(text, func(c rune) bool { return strings.ContainsRune(" ,()\r\n", c) }) {
				if strings.HasPrefix(word, "host-") {
					seen[word] = true
				}
			}
		}
		return seen
	}
	require.Eventually(t, func() bool { return len(named()) == problems }, patience, 100*time.Millisecond)
	t.Logf("posted %v after the last event, in %d messages; %d refused with 429", time.Since(ended).Round(10*time.Millisecond), len(sim.Timeline("noc")), sim.Stats().Limited)
	r.idle(t)
	t.Logf("resident memory after the storm: %.0f MiB", r.metric(t, "process_resident_memory_bytes")/(1<<20))
	require.LessOrEqual(t, len(sim.Timeline("noc")), 20)
	ended = all("0")
	r.idle(t)
	t.Logf("the recovery is shown %v after its last event; %d messages; calls %v", time.Since(ended).Round(10*time.Millisecond), len(sim.Timeline("noc")), sim.Stats().Calls)
	t.Logf("resident memory after the recovery: %.0f MiB", r.metric(t, "process_resident_memory_bytes")/(1<<20))
	require.Zero(t, sim.Stats().TooEarly)
	for _, m := range sim.Timeline("noc") {
		if m.ParentID == "" && !m.Deleted {
			require.Contains(t, strings.ToLower(m.Text), "resolved")
		}
	}
}

func stormEvent(ctx context.Context, client *http.Client, address string, n int, value string) {
	event := map[string]string{
		"EVENT.ID": strconv.Itoa(100000 + n), "EVENT.NAME": fmt.Sprintf("Link down on uplink %d", n%4), "EVENT.SOURCE": "0", "EVENT.OBJECT": "0", "EVENT.VALUE": value,
		"EVENT.NSEVERITY": "4", "EVENT.DATE": time.Now().UTC().Format("2006.01.02"), "EVENT.TIME": time.Now().UTC().Format("15:04:05"),
		"EVENT.UPDATE.STATUS": "0", "HOST.HOST": fmt.Sprintf("host-%05d", n), "TRIGGER.ID": strconv.Itoa(n),
	}
	if value == "0" {
		event["EVENT.RECOVERY.ID"], event["EVENT.RECOVERY.DATE"], event["EVENT.RECOVERY.TIME"] = strconv.Itoa(900000+n), event["EVENT.DATE"], event["EVENT.TIME"]
	}
	body, err := json.Marshal(event)
	if err != nil {
		panic(err) // a map of strings
	}
	for ctx.Err() == nil {
		if _, err := zabbixsim.Post(ctx, client, "http://"+address+"/v1/zabbix/events", secret, body, time.Now()); err == nil {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
}
