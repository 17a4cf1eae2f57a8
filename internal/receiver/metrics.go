package receiver

import (
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// levelAccess is the level of the access log.
const levelAccess = slog.LevelDebug

// The endpoints of the public listener, as labels of metrics.
const (
	endpointEvents  = "events"
	endpointNotify  = "notify"
	endpointWebex   = "webex"
	endpointMessage = "message"
	endpointOther   = "other"

	endpointHeartbeat = "heartbeat"
)

// The results of requests of the notify API.
const (
	resultAccepted = "accepted"
	resultRefused  = "refused"
)

var (
	endpoints     = [...]string{endpointEvents, endpointNotify, endpointHeartbeat, endpointWebex, endpointMessage, endpointOther}
	results       = [...]string{resultAccepted, resultRefused}
	statusClasses = [...]string{"1xx", "2xx", "3xx", "4xx", "5xx"}
)

// Metrics are the receiver's metrics. They outlive a Receiver, so that counters continue after a new configuration.
type Metrics struct {
	requests   *prometheus.CounterVec
	notices    *prometheus.CounterVec
	panics     prometheus.Counter
	appendTime prometheus.Histogram
	bodySize   prometheus.Histogram
}

// NewMetrics registers the receiver's metrics.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	factory := promauto.With(reg)
	m := &Metrics{
		requests: factory.NewCounterVec(prometheus.CounterOpts{
			Name: "alert_relay_http_requests_total",
			Help: "Requests to the public listener, by endpoint and class of the answer's status.",
		}, []string{"endpoint", "code"}),
		notices: factory.NewCounterVec(prometheus.CounterOpts{
			Name: "alert_relay_notify_requests_total",
			Help: "Messages sent to the notify API, by sender (none: unknown token) and result: accepted, refused.",
		}, []string{"sender", "result"}),
		panics: factory.NewCounter(prometheus.CounterOpts{
			Name: "alert_relay_http_panics_total",
			Help: "Requests whose handling panicked; they were answered 500.",
		}),
		appendTime: factory.NewHistogram(prometheus.HistogramOpts{
			Name:    "alert_relay_journal_append_seconds",
			Help:    "Time until an event was in the journal and on disk.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}),
		bodySize: factory.NewHistogram(prometheus.HistogramOpts{
			Name:    "alert_relay_event_body_bytes",
			Help:    "Size of accepted events.",
			Buckets: prometheus.ExponentialBuckets(512, 4, 7), // to 2 MiB
		}),
	}
	for _, e := range endpoints {
		for _, class := range statusClasses {
			m.requests.WithLabelValues(e, class)
		}
	}
	m.addSender("")
	return m
}

// addSender makes the series of a sender.
func (m *Metrics) addSender(name string) {
	for _, result := range results {
		m.notices.WithLabelValues(name, result)
	}
}
