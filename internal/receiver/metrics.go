package receiver

import (
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// levelAccess is the level of the access log.
const levelAccess = slog.LevelDebug

// Endpoint is one thing that the public listener serves.
type Endpoint int

// The endpoints, by their label in metrics.
const (
	EndpointEvents Endpoint = iota
	EndpointNotify
	EndpointWebex
	EndpointMessage
	EndpointOther
)

var endpointNames = [...]string{"events", "notify", "webex", "message", "other"}

func (e Endpoint) String() string { return endpointNames[e] }

var classNames = [...]string{"1xx", "2xx", "3xx", "4xx", "5xx"}

// Metrics are the receiver's metrics. They outlive a Receiver, so that counters continue after a new configuration.
type Metrics struct {
	requests   [len(endpointNames)][len(classNames)]prometheus.Counter // looked up once, not per request
	panics     prometheus.Counter
	appendTime prometheus.Histogram
	bodySize   prometheus.Histogram
}

// NewMetrics registers the receiver's metrics.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	factory := promauto.With(reg)
	m := &Metrics{
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
	requests := factory.NewCounterVec(prometheus.CounterOpts{
		Name: "alert_relay_http_requests_total",
		Help: "Requests to the public listener, by endpoint and class of the answer's status.",
	}, []string{"endpoint", "code"})
	for e := range endpointNames {
		for class := range classNames {
			m.requests[e][class] = requests.WithLabelValues(endpointNames[e], classNames[class])
		}
	}
	return m
}
