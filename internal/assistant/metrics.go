package assistant

import (
	"github.com/prometheus/client_golang/prometheus"

	"nms-alert-relay/internal/store"
)

// The results of reminders.
const (
	resultPosted  = "posted"
	resultNothing = "nothing"
	resultFailed  = "failed"
)

// Metrics of reminders.
type Metrics struct{ due *prometheus.CounterVec }

// NewMetrics registers them, each label value at zero.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "alert_relay_assistant_messages_total",
		Help: "Messages of the assistant that were due, by kind (remind: what somebody asked to be reminded of; report) and result (posted; nothing: its problem is resolved, or its person may not see it any more; failed: each attempt).",
	}, []string{"kind", "result"})}
	for _, kind := range store.ReminderKinds {
		for _, result := range []string{resultPosted, resultNothing, resultFailed} {
			m.due.WithLabelValues(string(kind), result)
		}
	}
	reg.MustRegister(m.due)
	return m
}

func (m *Metrics) count(kind store.ReminderKind, result string) {
	m.due.WithLabelValues(string(kind), result).Inc()
}
