package zabbix

import (
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// The methods that have a label value of their own; all others are "other".
var methods = []string{
	"apiinfo.version", "event.acknowledge", "event.get", "problem.get", "trigger.get", "history.get", "trend.get",
	"item.get", "host.get", "maintenance.create", "maintenance.delete", "script.execute", "other",
}

// Metrics are those of the calls to Zabbix's API.
type Metrics struct {
	calls    *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	stripped *prometheus.GaugeVec
}

// NewMetrics registers them.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{
		calls: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "alert_relay_zabbix_calls_total",
			Help: "Calls to Zabbix's API, by source, method and result: ok, or what the error means.",
		}, []string{"source", "method", "result"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "alert_relay_zabbix_call_seconds",
			Help:    "How long calls to Zabbix's API took, by source.",
			Buckets: []float64{.01, .03, .1, .3, 1, 3, 10, 30},
		}, []string{"source"}),
	}
	m.stripped = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "alert_relay_zabbix_header_stripped",
		Help: "1 while the Authorization header doesn't reach Zabbix's API and the token is sent in the body, by source.",
	}, []string{"source"})
	reg.MustRegister(m.calls, m.seconds, m.stripped)
	return m
}

// HeaderFor gives what Options.HeaderStripped of a source's client wants.
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

// For gives what Options.Observe of a source's client wants. Every label value
// of the source is there from then on.
func (m *Metrics) For(source string) func(method, result string, took time.Duration) {
	for _, method := range methods {
		m.calls.WithLabelValues(source, method, "ok")
		for _, kind := range ErrorKinds {
			m.calls.WithLabelValues(source, method, string(kind))
		}
	}
	seconds := m.seconds.WithLabelValues(source)
	return func(method, result string, took time.Duration) {
		if !slices.Contains(methods, method) {
			method = "other"
		}
		m.calls.WithLabelValues(source, method, result).Inc()
		seconds.Observe(took.Seconds())
	}
}
