package reconcile

import "github.com/prometheus/client_golang/prometheus"

// Metrics of reading from the Zabbix API.
type Metrics struct {
	Asked    *prometheus.CounterVec // source, result
	Excluded *prometheus.GaugeVec   // source
}

// NewMetrics registers them, each label value at zero.
func NewMetrics(reg prometheus.Registerer, sources []string) *Metrics {
	m := &Metrics{Asked: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "alert_relay_observations_total",
		Help: "Problems read from the Zabbix API, by source and result (ok, failed, gone: Zabbix doesn't show it).",
	}, []string{"source", "result"})}
	m.Excluded = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "alert_relay_observations_set_apart",
		Help: "Problems that the Zabbix API can't answer about and that are therefore read separately, by source.",
	}, []string{"source"})
	m.Add(sources)
	reg.MustRegister(m.Asked, m.Excluded)
	return m
}

// Add creates the series of these sources, unless they exist.
func (m *Metrics) Add(sources []string) {
	for _, source := range sources {
		m.Excluded.WithLabelValues(source)
		for _, result := range []string{"ok", "failed", "gone"} {
			m.Asked.WithLabelValues(source, result)
		}
	}
}
