package ledger

import (
	"slices"
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"nms-alert-relay/internal/alert"
)

// Metrics of the fold.
type Metrics struct {
	Events   *prometheus.CounterVec // source, kind, result
	SetAside prometheus.Counter
	// SendToUnknown counts messages by source.
	SendToUnknown *prometheus.CounterVec
	Flapping      prometheus.Counter // openings of flapping triggers
	Failures      prometheus.Counter
	Batch         prometheus.Histogram
	Seconds       prometheus.Histogram

	Escalations prometheus.Counter
	Reminders   prometheus.Counter

	Found *prometheus.CounterVec // source, kind
	found sync.Map               // the same, by [2]string{source, kind}: *atomic.Int64

	sources sync.Map // the names that Add was given
}

// eventKinds are the values of the label kind.
var eventKinds = []alert.Kind{alert.KindProblem, alert.KindUpdate, alert.KindRecovery, alert.KindOccurrence}

// unknown is the source or kind of a refused event that names none.
const unknown = "unknown"

// NewMetrics registers the metrics, with every label value of these sources at zero.
func NewMetrics(reg prometheus.Registerer, sources []string) *Metrics {
	m := &Metrics{
		Events: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "alert_relay_events_total",
			Help: "Events by source, kind (problem, update, recovery, occurrence) and result: accepted, duplicate, refused (not journalled).",
		}, []string{"source", "kind", "result"}),
		SendToUnknown: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "alert_relay_send_to_unknown_total",
			Help: "Messages of Zabbix whose Send to has a name that is neither a room nor an allowed address.",
		}, []string{"source"}),
		SetAside: counter("alert_relay_entries_set_aside_total", "Journal entries that couldn't be applied and were set aside."),
		Flapping: counter("alert_relay_flapping_total", "Openings of flapping triggers that joined a shared message, counted per room."),
		Failures: counter("alert_relay_fold_failures_total", "Batches of journal entries that couldn't be folded and were retried."),
		Batch: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "alert_relay_fold_entries",
			Help:    "Journal entries folded in one transaction.",
			Buckets: []float64{1, 4, 16, 64, 256, 512, 1024},
		}),
		Seconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "alert_relay_fold_seconds",
			Help:    "Duration of one batch of the fold.",
			Buckets: []float64{.001, .005, .01, .025, .05, .1, .25, .5, 1, 5},
		}),
		Escalations: counter("alert_relay_escalations_total", "Escalation steps taken because nobody had acknowledged the problem in time."),
		Reminders:   counter("alert_relay_reminders_total", "Reminders of open, unacknowledged problems."),
	}
	m.Found = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "alert_relay_found_total",
		Help: "What only reconciliation found, since Zabbix's message never came, by source and kind (problem, recovery, update, gone).",
	}, []string{"source", "kind"})
	m.addEvents(unknown)
	m.Add(sources)
	reg.MustRegister(m.Events, m.SendToUnknown, m.SetAside, m.Flapping, m.Failures, m.Batch, m.Seconds, m.Escalations, m.Reminders, m.Found)
	return m
}

// Add creates the series of these sources if they don't exist yet.
func (m *Metrics) Add(sources []string) {
	for _, source := range sources {
		m.sources.Store(source, true)
		m.addEvents(source)
		m.SendToUnknown.WithLabelValues(source)
		for _, kind := range alert.FoundKinds {
			m.Found.WithLabelValues(source, string(kind))
		}
	}
}

func (m *Metrics) addEvents(source string) {
	for _, kind := range eventKinds {
		for _, result := range []string{"accepted", "duplicate", "refused"} {
			m.Events.WithLabelValues(source, string(kind), result)
		}
	}
	m.Events.WithLabelValues(source, unknown, "refused")
}

// Refused counts an event that the receiver refused; source and kind are "" if unknown.
func (m *Metrics) Refused(source, kind string) {
	if _, known := m.sources.Load(source); !known {
		source = unknown
	}
	if !slices.Contains(eventKinds, alert.Kind(kind)) {
		kind = unknown
	}
	m.Events.WithLabelValues(source, kind, "refused").Inc()
}

// FoundSoFar is how often only reconciliation found something of that kind since the relay started.
func (m *Metrics) FoundSoFar(source string, kind alert.Found) int64 {
	n, ok := m.found.Load([2]string{source, string(kind)})
	if !ok {
		return 0
	}
	return n.(*atomic.Int64).Load()
}

// countFound counts what reconciliation found.
func (m *Metrics) countFound(source string, kind alert.Found) {
	m.Found.WithLabelValues(source, string(kind)).Inc()
	n, _ := m.found.LoadOrStore([2]string{source, string(kind)}, new(atomic.Int64))
	n.(*atomic.Int64).Add(1)
}

func (m *Metrics) count(r Result) {
	result := "accepted"
	if r.Change.Duplicate {
		result = "duplicate"
	}
	m.Events.WithLabelValues(r.Entry.Source, string(r.Decoded.Event.Kind), result).Inc()
}

func counter(name, help string) prometheus.Counter {
	return prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
}
