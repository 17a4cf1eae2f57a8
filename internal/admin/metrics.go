package admin

import "github.com/prometheus/client_golang/prometheus"

// Metrics count what operators ask of the admin listener.
type Metrics struct {
	Replayed *prometheus.CounterVec // dead letters, by kind: post, digest, list, notice
	Dropped  *prometheus.CounterVec // likewise
	Retried  prometheus.Counter     // journal entries
}

// NewMetrics makes and registers them.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{
		Replayed: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "alert_relay_dead_letters_replayed_total",
			Help: "Dead letters that somebody had sent again.",
		}, []string{"kind"}),
		Dropped: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "alert_relay_dead_letters_dropped_total",
			Help: "Dead letters that somebody gave up on purpose.",
		}, []string{"kind"}),
		Retried: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "alert_relay_journal_retried_total",
			Help: "Journal entries that were set aside and that somebody had tried again.",
		}),
	}
	for _, v := range []*prometheus.CounterVec{m.Replayed, m.Dropped} {
		v.WithLabelValues(kindPost)
		v.WithLabelValues(kindNotice)
		v.WithLabelValues(kindDigest)
		v.WithLabelValues(kindList)
	}
	reg.MustRegister(m.Replayed, m.Dropped, m.Retried)
	return m
}
