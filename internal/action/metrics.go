package action

import "github.com/prometheus/client_golang/prometheus"

// Metrics count the requests of actions.
type Metrics struct{ requests *prometheus.CounterVec }

// NewMetrics registers them.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "alert_relay_action_requests_total",
		Help: "Requests to the endpoints of actions, retries included. Results: done (2xx), refused (final), failing (5xx, 408, 429), unanswered.",
	}, []string{"name", "result"})}
	reg.MustRegister(m.requests)
	return m
}

// Add makes the series of configured actions.
func (m *Metrics) Add(names []string) {
	for _, name := range names {
		for _, o := range Outcomes {
			m.requests.WithLabelValues(name, string(o))
		}
	}
}

// For returns what counts the requests of an action.
func (m *Metrics) For(name string) func(Outcome) {
	return func(o Outcome) { m.requests.WithLabelValues(name, string(o)).Inc() }
}
