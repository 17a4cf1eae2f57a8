package incident

import "github.com/prometheus/client_golang/prometheus"

// Metrics are the loop's metrics.
type Metrics struct {
	opened  *prometheus.CounterVec // by result
	invited *prometheus.CounterVec // by result
}

// The values of the labels.
const (
	resultOK      = "ok"
	resultRefused = "refused"
	resultMember  = "member" // was in the space already
)

// NewMetrics makes the metrics, and registers them with the number of the incidents that go on.
func NewMetrics(reg prometheus.Registerer, k *Keeper) *Metrics {
	m := &Metrics{
		opened: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "alert_relay_incidents_total", Help: "Incidents for which a space was made (ok), or couldn't be (refused).",
		}, []string{"result"}),
		invited: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "alert_relay_incident_invitations_total", Help: "People whom the relay added to an incident's space (ok), who were in it already (member), and who can't be added (refused).",
		}, []string{"result"}),
	}
	for _, result := range []string{resultOK, resultRefused} {
		m.opened.WithLabelValues(result)
	}
	for _, result := range []string{resultOK, resultRefused, resultMember} {
		m.invited.WithLabelValues(result)
	}
	reg.MustRegister(m.opened, m.invited, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "alert_relay_incidents_open", Help: "Incidents that aren't closed.",
	}, func() float64 { return float64(len(k.Live())) }))
	return m
}
