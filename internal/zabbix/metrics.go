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
	refused  *prometheus.GaugeVec
	away     *prometheus.GaugeVec
}

// NewMetrics registers them.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	factory := promauto.With(reg)
	return &Metrics{
		calls: factory.NewCounterVec(prometheus.CounterOpts{
			Name: "alert_relay_zabbix_calls_total",
			Help: "Calls to Zabbix's API. Results: ok, or the kind of error; broken is a failure of Zabbix itself, such as its database.",
		}, []string{"source", "method", "result"}),
		seconds: factory.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "alert_relay_zabbix_call_seconds",
			Help:    "Duration of calls to Zabbix's API.",
			Buckets: []float64{.01, .03, .1, .3, 1, 3, 10, 30},
		}, []string{"source"}),
		stripped: factory.NewGaugeVec(prometheus.GaugeOpts{
			Name: "alert_relay_zabbix_header_stripped",
			Help: "1 while a proxy drops the Authorization header and the token is sent in the body.",
		}, []string{"source"}),
		refused: factory.NewGaugeVec(prometheus.GaugeOpts{
			Name: "alert_relay_zabbix_unauthorized",
			Help: "1 while Zabbix refuses the API token, or can't be given it beside basic_auth: the result of the last call was not_authorised or unsupported.",
		}, []string{"source"}),
		away: factory.NewGaugeVec(prometheus.GaugeOpts{
			Name: "alert_relay_zabbix_away",
			Help: "1 while Zabbix's API doesn't answer or fails: the result of the last call was unreachable or broken.",
		}, []string{"source"}),
	}
}

// Remove removes the gauges of a source that is gone; its counters stay.
func (m *Metrics) Remove(source string) {
	for _, gauge := range []*prometheus.GaugeVec{m.stripped, m.refused, m.away} {
		gauge.DeleteLabelValues(source)
	}
}

// set sets a gauge to 1 or 0.
func set(gauge prometheus.Gauge, on bool) {
	if on {
		gauge.Set(1)
	} else {
		gauge.Set(0)
	}
}

// HeaderFor returns the HeaderStripped function of a source's client.
func (m *Metrics) HeaderFor(source string) func(bool) {
	gauge := m.stripped.WithLabelValues(source)
	return func(stripped bool) { set(gauge, stripped) }
}

// For returns the Observe function of a source's client. The source's label values exist from then on.
func (m *Metrics) For(source string) func(method, result string, took time.Duration) {
	for method := range Needs {
		m.calls.WithLabelValues(source, method, "ok")
		for _, kind := range ErrorKinds {
			m.calls.WithLabelValues(source, method, string(kind))
		}
	}
	seconds, refused, away := m.seconds.WithLabelValues(source), m.refused.WithLabelValues(source), m.away.WithLabelValues(source)
	return func(method, result string, took time.Duration) {
		m.calls.WithLabelValues(source, method, result).Inc()
		seconds.Observe(took.Seconds())
		if method != "apiinfo.version" { // which is called without the token
			set(refused, ErrorKind(result) == NotAuthorised || ErrorKind(result) == Unsupported)
		}
		set(away, ErrorKind(result).Temporary())
	}
}
