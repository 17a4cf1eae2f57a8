package webex

import (
	"net/http"
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
	series := func() int {
		n, err := testutil.GatherAndCount(reg)
		require.NoError(t, err)
		return n
	}
	before := series()
	require.Equal(t, len(Ops)*(2+len(errorStatuses)), before)
	_, err := c.Me(t.Context())
	require.Error(t, err)
	require.Equal(t, 1.0, testutil.ToFloat64(m.foreign.WithLabelValues("noc", "GET /people/me")))
	require.Equal(t, 0.0, testutil.ToFloat64(m.foreign.WithLabelValues("noc", "POST /messages")))
	for _, status := range []int{0, 101, 302, 403, 429, 503} {
		m.For("noc")(Call{Op: "POST /messages", Status: status})
	}
	m.For("noc")(Call{Op: "POST /messages", Status: http.StatusOK})
	for _, status := range errorStatuses {
		want := 1.0
		if status == "other" {
			want = 2
		}
		require.Equal(t, want, testutil.ToFloat64(m.errors.WithLabelValues("noc", "POST /messages", status)), status)
	}
	require.Equal(t, before, series(), "no new label value")
}
