package zabbix

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// Metrics count the calls to Zabbix's API.
type Metrics struct {
	calls    *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	stripped *prometheus.GaugeVec
}

// NewMetrics registers them.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	factory := promauto.With(reg)
	return &Metrics{
		calls: factory.NewCounterVec(prometheus.CounterOpts{
			Name: "alert_relay_zabbix_calls_total",
			Help: "Calls to Zabbix's API, by source, method and result: ok, or the kind of error.",
		}, []string{"source", "method", "result"}),
		seconds: factory.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "alert_relay_zabbix_call_seconds",
			Help:    "Duration of calls to Zabbix's API, by source.",
			Buckets: []float64{.01, .03, .1, .3, 1, 3, 10, 30},
		}, []string{"source"}),
		stripped: factory.NewGaugeVec(prometheus.GaugeOpts{
			Name: "alert_relay_zabbix_header_stripped",
			Help: "1 while the Authorization header doesn't reach Zabbix's API and the token is sent in the body, by source.",
		}, []string{"source"}),
	}
}

// HeaderFor returns the HeaderStripped function of a source's client.
func (m *Metrics) HeaderFor(source string) func(bool) {
	gauge := m.stripped.WithLabelValues(source)
	return func(stripped bool) {
		if stripped {
			gauge.Set(1)
		} else {
			gauge.Set(0)
		}
	}
}

// For returns the Observe function of a source's client. The source's label values exist from then on.
func (m *Metrics) For(source string) func(method, result string, took time.Duration) {
	for method := range Needs {
		m.calls.WithLabelValues(source, method, "ok")
		for _, kind := range ErrorKinds {
			m.calls.WithLabelValues(source, method, string(kind))
		}
	}
	seconds := m.seconds.WithLabelValues(source)
	return func(method, result string, took time.Duration) {
		m.calls.WithLabelValues(source, method, result).Inc()
		seconds.Observe(took.Seconds())
	}
}
