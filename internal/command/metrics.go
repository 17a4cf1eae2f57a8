package command

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics of commands.
type Metrics struct {
	commands *prometheus.CounterVec
	took     *prometheus.HistogramVec
}

// unknownAction is the label of commands that weren't understood or weren't for the relay.
const unknownAction = "unknown"

// results are the values of the label "result": the states in which commands end, and why one wasn't executed.
var results = [...]string{"done", "failed", "denied", "expired", "limited", "ignored", "repeated"}

// NewMetrics registers them, each label value at zero.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{
		commands: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "alert_relay_commands_total", Help: "Commands that have ended, by text or button. Results: done, failed, denied, expired, limited, ignored, repeated.",
		}, []string{"action", "result"}),
		took: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "alert_relay_command_duration_seconds", Help: "Time from a message or press to the end of its command. Ignored and repeated ones don't count.",
			Buckets: []float64{.1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600},
		}, []string{"action"}),
	}
	actions := []string{unknownAction}
	for _, v := range verbs {
		actions = append(actions, string(v.name))
	}
	for _, a := range actions {
		m.took.WithLabelValues(a)
		for _, r := range results {
			m.commands.WithLabelValues(a, r)
		}
	}
	reg.MustRegister(m.commands, m.took)
	return m
}

func (m *Metrics) ended(action, result string, took time.Duration) {
	if Verb(action).entry().usage == "" {
		action = unknownAction
	}
	m.commands.WithLabelValues(action, result).Inc()
	if result != "ignored" && result != "repeated" {
		m.took.WithLabelValues(action).Observe(took.Seconds())
	}
}
