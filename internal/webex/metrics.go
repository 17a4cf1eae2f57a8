package webex

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// Metrics count the calls to Webex.
type Metrics struct {
	seconds *prometheus.HistogramVec
	foreign *prometheus.CounterVec
}

// NewMetrics registers them.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	factory := promauto.With(reg)
	return &Metrics{
		seconds: factory.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "alert_relay_webex_api_seconds",
			Help:    "Duration of calls to the Webex API, by bot, operation and status (0: no answer).",
			Buckets: []float64{.005, .025, .1, .25, .5, 1, 2.5, 5, 10, 30},
		}, []string{"bot", "op", "status"}),
		foreign: factory.NewCounterVec(prometheus.CounterOpts{
			Name: "alert_relay_webex_foreign_answers_total",
			Help: "Answers to Webex API calls that came from a proxy, gateway or login page instead of Webex, by bot and operation.",
		}, []string{"bot", "op"}),
	}
}

// For returns the Observe function of a bot's client. The bot's label values exist from then on.
func (m *Metrics) For(bot string) func(Call) {
	for _, op := range Ops {
		status := http.StatusOK
		if strings.HasPrefix(op, http.MethodDelete) {
			status = http.StatusNoContent
		}
		m.seconds.WithLabelValues(bot, op, strconv.Itoa(status))
		m.foreign.WithLabelValues(bot, op)
	}
	return func(c Call) {
		m.seconds.WithLabelValues(bot, c.Op, strconv.Itoa(c.Status)).Observe(c.Took.Seconds())
		if c.Foreign {
			m.foreign.WithLabelValues(bot, c.Op).Inc()
		}
	}
}
