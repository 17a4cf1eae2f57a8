package reconcile

import "github.com/prometheus/client_golang/prometheus"

// Metrics of asking.
type Metrics struct {
	Asked *prometheus.CounterVec // source, result
}

// NewMetrics registers them, each label value at zero.
func NewMetrics(reg prometheus.Registerer, sources []string) *Metrics {
	m := &Metrics{Asked: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "alert_relay_observations_total",
		Help: "Problems that the Zabbix API was asked about, by source and result (ok, failed, gone: not known, or not shown to us).",
	}, []string{"source", "result"})}
	for _, source := range sources {
		for _, result := range []string{"ok", "failed", "gone"} {
			m.Asked.WithLabelValues(source, result)
		}
	}
	reg.MustRegister(m.Asked)
	return m
}
