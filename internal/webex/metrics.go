package webex

import (
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// Metrics count the calls to Webex.
type Metrics struct {
	seconds *prometheus.HistogramVec
	errors  *prometheus.CounterVec
	foreign *prometheus.CounterVec
}

// The values of the label status of failed calls.
var errorStatuses = [...]string{"none", "429", "4xx", "5xx", "other"}

// errorStatus returns the label of a call's status; "" if the call succeeded.
func errorStatus(status int) string {
	switch {
	case status == 0:
		return "none"
	case status == http.StatusTooManyRequests:
		return "429"
	case status >= 500:
		return "5xx"
	case status >= 400:
		return "4xx"
	case status < 200 || status >= 300:
		return "other"
	}
	return ""
}

// NewMetrics registers them.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	factory := promauto.With(reg)
	return &Metrics{
		seconds: factory.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "alert_relay_webex_api_seconds",
			Help:    "Duration of calls to Webex, reads included, whatever the answer.",
			Buckets: []float64{.005, .025, .1, .25, .5, 1, 2.5, 5, 10, 30},
		}, []string{"bot", "op"}),
		errors: factory.NewCounterVec(prometheus.CounterOpts{
			Name: "alert_relay_webex_api_errors_total",
			Help: "Calls to Webex, reads included, that weren't answered with success. Statuses: 429, 4xx (all others), 5xx, none (no answer), other.",
		}, []string{"bot", "op", "status"}),
		foreign: factory.NewCounterVec(prometheus.CounterOpts{
			Name: "alert_relay_webex_foreign_answers_total",
			Help: "Answers of a proxy, gateway or login page instead of Webex.",
		}, []string{"bot", "op"}),
	}
}

// For returns the Observe function of a bot's client. The bot's label values exist from then on.
func (m *Metrics) For(bot string) func(Call) {
	for _, op := range Ops {
		m.seconds.WithLabelValues(bot, op)
		m.foreign.WithLabelValues(bot, op)
		for _, status := range errorStatuses {
			m.errors.WithLabelValues(bot, op, status)
		}
	}
	return func(c Call) {
		m.seconds.WithLabelValues(bot, c.Op).Observe(c.Took.Seconds())
		if status := errorStatus(c.Status); status != "" {
			m.errors.WithLabelValues(bot, c.Op, status).Inc()
		}
		if c.Foreign {
			m.foreign.WithLabelValues(bot, c.Op).Inc()
		}
	}
}
