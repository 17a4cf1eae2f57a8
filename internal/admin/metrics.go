package admin

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// Metrics count what operators do.
type Metrics struct {
	Replayed *prometheus.CounterVec // dead letters, by kind
	Dropped  *prometheus.CounterVec // dead letters, by kind
	Retried  prometheus.Counter     // journal entries
}

// NewMetrics registers the metrics.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{
		Replayed: promauto.With(reg).NewCounterVec(prometheus.CounterOpts{
			Name: "alert_relay_dead_letters_replayed_total",
			Help: "Dead letters that an operator sent again.",
		}, []string{"kind"}),
		Dropped: promauto.With(reg).NewCounterVec(prometheus.CounterOpts{
			Name: "alert_relay_dead_letters_dropped_total",
			Help: "Dead letters that an operator discarded.",
		}, []string{"kind"}),
		Retried: promauto.With(reg).NewCounter(prometheus.CounterOpts{
			Name: "alert_relay_journal_retried_total",
			Help: "Set-aside journal entries that an operator retried.",
		}),
	}
	for _, kind := range kinds {
		m.Replayed.WithLabelValues(kind)
		m.Dropped.WithLabelValues(kind)
	}
	return m
}
