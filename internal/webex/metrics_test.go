package webex

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"
)

// Every operation of a bot has its series before the first call.
func TestCallsAreCounted(t *testing.T) {
	reg := prometheus.NewPedanticRegistry()
	m := NewMetrics(reg)
	c, _ := serve(t, status(200, htmlPage, "<title>Log in</title>"))
	c.opts.Observe = m.For("noc")
	for _, name := range []string{"alert_relay_webex_api_seconds", "alert_relay_webex_foreign_answers_total"} {
		n, err := testutil.GatherAndCount(reg, name)
		require.NoError(t, err)
		require.Equal(t, len(Ops), n, name)
	}
	_, err := c.Me(t.Context())
	require.Error(t, err)
	require.Equal(t, 1.0, testutil.ToFloat64(m.foreign.WithLabelValues("noc", "GET /people/me")))
	require.Equal(t, 0.0, testutil.ToFloat64(m.foreign.WithLabelValues("noc", "POST /messages")))
}
