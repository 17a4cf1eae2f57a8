package watch

import "github.com/prometheus/client_golang/prometheus"

// Metrics of watching the sources.
type Metrics struct {
	Trouble *prometheus.GaugeVec // source, kind
}

// NewMetrics registers them.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{Trouble: prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "alert_relay_source_trouble",
		Help: "1 while something keeps a Zabbix from reporting, by source and kind: alerts (Zabbix gave up on messages), media_type (disabled or deleted), action (disabled or without operations), found (only reconciliation finds problems), server (doesn't run), reconcile (its open problems can't be compared); 0 also where Zabbix doesn't show it.",
	}, []string{"source", "kind"})}
	reg.MustRegister(m.Trouble)
	return m
}

// Add creates the series of these sources, unless they exist.
func (m *Metrics) Add(sources []string) {
	for _, source := range sources {
		for _, kind := range Kinds {
			m.Trouble.WithLabelValues(source, string(kind))
		}
	}
}

func (m *Metrics) set(source string, kind Kind, open bool) {
	value := 0.0
	if open {
		value = 1
	}
	m.Trouble.WithLabelValues(source, string(kind)).Set(value)
}

func (m *Metrics) forget(source string) {
	m.Trouble.DeletePartialMatch(prometheus.Labels{"source": source})
}
