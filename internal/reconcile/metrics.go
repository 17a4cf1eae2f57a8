package reconcile

import "github.com/prometheus/client_golang/prometheus"

// Metrics of reading from the Zabbix API.
type Metrics struct {
	Asked     *prometheus.CounterVec // source, result
	Excluded  *prometheus.GaugeVec   // source
	Rounds    *prometheus.CounterVec // source, kind, result
	LastRound *prometheus.GaugeVec   // source
	GoneHeld  *prometheus.GaugeVec   // source
	LeftOut   *prometheus.GaugeVec   // source
}

// NewMetrics registers them, each label value at zero.
func NewMetrics(reg prometheus.Registerer, sources []string) *Metrics {
	m := &Metrics{
		Asked: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "alert_relay_observations_total",
			Help: "Problems read from the Zabbix API, by source and result (ok, failed, gone: Zabbix doesn't show it).",
		}, []string{"source", "result"}),
		Excluded: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "alert_relay_observations_set_apart",
			Help: "Problems that the Zabbix API can't answer about and that are therefore read separately, by source.",
		}, []string{"source"}),
		Rounds: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "alert_relay_reconcile_rounds_total",
			Help: "Comparisons of Zabbix's open problems with the store, by source, kind (counts, full: each problem) and result (ok, failed).",
		}, []string{"source", "kind", "result"}),
		LastRound: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "alert_relay_reconcile_last_success_timestamp_seconds",
			Help: "When Zabbix's open problems were last compared with the store, by source; 0 for never.",
		}, []string{"source"}),
		GoneHeld: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "alert_relay_gone_held",
			Help: "Open problems that Zabbix no longer shows and that aren't closed, since Zabbix or the relay's user may be at fault, by source.",
		}, []string{"source"}),
	}
	m.LeftOut = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "alert_relay_reconcile_left_out",
		Help: "Open problems, younger than reconcile.max_age, that Zabbix made no message about for the relay, by source: its action or media leave them out.",
	}, []string{"source"})
	m.Add(sources)
	reg.MustRegister(m.Asked, m.Excluded, m.Rounds, m.LastRound, m.GoneHeld, m.LeftOut)
	return m
}

// Add creates the series of these sources, unless they exist.
func (m *Metrics) Add(sources []string) {
	for _, source := range sources {
		m.Excluded.WithLabelValues(source)
		m.LastRound.WithLabelValues(source)
		m.GoneHeld.WithLabelValues(source)
		m.LeftOut.WithLabelValues(source)
		for _, result := range []string{"ok", "failed", "gone"} {
			m.Asked.WithLabelValues(source, result)
		}
		for _, kind := range []string{"counts", "full"} {
			for _, result := range []string{"ok", "failed"} {
				m.Rounds.WithLabelValues(source, kind, result)
			}
		}
	}
}

// forget removes the gauges of a source that isn't asked any more.
func (m *Metrics) forget(source string) {
	m.LastRound.DeleteLabelValues(source)
	m.GoneHeld.DeleteLabelValues(source)
	m.LeftOut.DeleteLabelValues(source)
}
