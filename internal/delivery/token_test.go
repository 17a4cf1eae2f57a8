package delivery

import (
	"context"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/simulator/memnet"
	"nms-alert-relay/internal/simulator/webexsim"
	"nms-alert-relay/internal/testlog"
	"nms-alert-relay/internal/webex"
)

// A revoked token raises an alarm that names the place for the new one, and is retried once a minute. With the new
// token, messages are posted within a minute, without a restart.
func TestAReplacedToken(t *testing.T) {
	inReality(t, webexsim.Options{}, func(t *testing.T, r *real) {
		r.stop()
		var mu sync.Mutex
		file, log := "token-of-relay", &testlog.Lines{}
		transport, hangUp := memnet.Serve("webex.test:80", r.sim)
		defer hangUp()
		r.log = log.Logger()
		r.client = webex.New(webex.Options{BaseURL: "http://webex.test/v1", Token: file, TokenFrom: "file /run/secrets/webex-token", Transport: transport,
			Renew: func() (string, error) { mu.Lock(); defer mu.Unlock(); return file, nil }, Log: r.log})
		r.start()
		unauthorized := func() float64 { return metric(t, r.reg, "alert_relay_bot_unauthorized", "bot", "noc") }
		r.open(1, "noc")
		r.settle(time.Minute)
		require.Zero(t, unauthorized())

		require.NoError(t, r.sim.SetToken(botEmail, ""))
		for n := 2; n <= 6; n++ {
			r.open(n, "noc")
		}
		r.resolve(1)
		time.Sleep(time.Hour)
		synctest.Wait()
		require.EqualValues(t, 1, unauthorized())
		require.Equal(t, 1, strings.Count(log.String(), "level=ERROR"), "one alarm, not one for each try")
		require.Contains(t, log.String(), "put it into file /run/secrets/webex-token; no restart is needed")
		require.Less(t, r.sim.Stats().Statuses["401"], 70, "no hammering")

		require.NoError(t, r.sim.SetToken(botEmail, "the-new-token"))
		mu.Lock()
		file = "the-new-token"
		mu.Unlock()
		r.settle(90 * time.Second)
		require.Zero(t, unauthorized())
		require.Contains(t, log.String(), "the bot's token was replaced")
		require.NotContains(t, log.String(), "the-new-token")
		roots, _ := r.said("noc")
		require.Len(t, roots, 6, "each problem once")
		dead, err := r.store.DeadLetters(context.Background())
		require.NoError(t, err)
		require.Empty(t, dead)
		r.stop()
	})
}
