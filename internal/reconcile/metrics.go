package reconcile

import "github.com/prometheus/client_golang/prometheus"

// Metrics of asking.
type Metrics struct {
	Asked *prometheus.CounterVec // source, result
	Apart *prometheus.GaugeVec   // source
}

// NewMetrics registers them, each label value at zero.
func NewMetrics(reg prometheus.Registerer, sources []string) *Metrics {
	m := &Metrics{Asked: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "alert_relay_observations_total",
		Help: "Problems that the Zabbix API was asked about, by source and result (ok, failed, gone: not known, or not shown to us).",
	}, []string{"source", "result"})}
	m.Apart = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "alert_relay_observations_set_apart",
		Help: "Problems that the Zabbix API fails to answer about, and that are asked about less and less often, by source.",
	}, []string{"source"})
	m.Add(sources)
	reg.MustRegister(m.Asked, m.Apart)
	return m
}

// Add makes the series of these sources, where they don't exist yet.
func (m *Metrics) Add(sources []string) {
	for _, source := range sources {
		m.Apart.WithLabelValues(source)
		for _, result := range []string{"ok", "failed", "gone"} {
			m.Asked.WithLabelValues(source, result)
		}
	}
}
