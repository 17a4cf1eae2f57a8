package history

import (
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"nms-alert-relay/internal/zabbix"
)

// Purpose is what a graph is drawn for.
type Purpose string

// The purposes.
const (
	ForCommand Purpose = "command"
	ForRoute   Purpose = "route"
	ForReview  Purpose = "review"
)

// The results of graphs.
const (
	resultDrawn   = "drawn"
	resultNothing = "nothing"     // no values, or only texts
	resultRefused = "refused"     // by Zabbix
	resultAway    = "unreachable" // Zabbix
	resultFailed  = "failed"      // to be encoded or stored
	resultSkipped = "skipped"     // of a route, since there were too many, or the problem has its own message no longer
)

// Metrics of graphs.
type Metrics struct {
	graphs  *prometheus.CounterVec
	seconds prometheus.Histogram
}

// NewMetrics registers them, each label value at zero.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{
		graphs: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "alert_relay_graphs_total",
			Help: "Graphs by what they were for (command, route, review) and result (drawn; nothing: there were no numbers; refused and unreachable: by Zabbix; failed; skipped: a route had too many, or the problem lost its own message).",
		}, []string{"for", "result"}),
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "alert_relay_graph_duration_seconds", Help: "Time to read and draw a graph.", Buckets: []float64{.05, .1, .2, .3, .5, 1, 2, 5, 10, 30},
		}),
	}
	for _, purpose := range []Purpose{ForCommand, ForRoute, ForReview} {
		for _, result := range []string{resultDrawn, resultNothing, resultRefused, resultAway, resultFailed, resultSkipped} {
			if purpose == ForRoute || result != resultSkipped {
				m.graphs.WithLabelValues(string(purpose), result)
			}
		}
	}
	reg.MustRegister(m.graphs, m.seconds)
	return m
}

// Count counts a graph. It took that long to read and draw.
func (m *Metrics) Count(purpose Purpose, p Picture, err error, took time.Duration) {
	if m == nil {
		return
	}
	result := resultDrawn
	var ze *zabbix.Error
	switch {
	case errors.As(err, &ze) && (ze.Unanswered || ze.Interrupted || ze.Kind.Temporary()):
		result = resultAway
	case ze != nil:
		result = resultRefused
	case err != nil:
		result = resultFailed
	case p.PNG == nil:
		result = resultNothing
	default:
		m.seconds.Observe(took.Seconds())
	}
	m.graphs.WithLabelValues(string(purpose), result).Inc()
}

func (m *Metrics) skipped() {
	if m != nil {
		m.graphs.WithLabelValues(string(ForRoute), resultSkipped).Inc()
	}
}
