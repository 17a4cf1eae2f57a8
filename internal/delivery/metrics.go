package delivery

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/delivery/step"
	"nms-alert-relay/internal/pace"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/tracing"
	"nms-alert-relay/internal/webex"
)

// Metrics count delivery's work. The store counts pending work, exactly.
type Metrics struct {
	Messages    *prometheus.CounterVec   // calls to Webex, by bot, op, result
	Retries     *prometheus.CounterVec   // calls that repeat one that failed, by bot
	DeadLetters *prometheus.CounterVec   // by kind: post, digest, list, notice
	Digested    prometheus.Counter       // posts that joined a digest
	Reroutes    prometheus.Counter       // problems rerouted to the default room
	Latency     *prometheus.HistogramVec // from an event's receipt to its first message, by severity
	StoreErrors prometheus.Counter       // failed reads and writes of the store
	reg         prometheus.Registerer
}

// Results of calls, a label of Messages: resultOK, those of results, and resultRefused for all other errors.
const (
	resultOK      = "ok"
	resultRefused = "refused"
)

var results = map[webex.Class]string{
	webex.RateLimited: "rate_limited", webex.Temporary: "temporary", webex.Unauthorized: "unauthorized", webex.NotFound: "gone",
}

// NewMetrics creates and registers the metrics.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{
		Messages: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "alert_relay_messages_total",
			Help: "Calls to Webex that post, edit, delete or, for the canary, read a message. Results: ok, rate_limited, temporary, unauthorized, gone, refused.",
		}, []string{"bot", "op", "result"}),
		Retries: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "alert_relay_message_retries_total",
			Help: "Calls to Webex that repeat one that failed.",
		}, []string{"bot"}),
		DeadLetters: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "alert_relay_dead_letters_total",
			Help: "Dead letters created: messages that Webex refused for good.",
		}, []string{"kind"}),
		Digested: counter("alert_relay_digested_posts_total", "Problems that a room first saw in a digest."),
		Reroutes: counter("alert_relay_reroutes_total", "Problems rerouted to the default room because their own room refuses messages or isn't configured any more."),
		Latency: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "alert_relay_delivery_seconds",
			Help: "Time from an event's receipt until a room's first message about its problem, by the problem's severity. " +
				"A delay or quiet hours of the route don't count.",
			Buckets: []float64{.05, .1, .25, .5, 1, 2, 5, 10, 30, 60, 300, 900, 3600},
		}, []string{"severity"}),
		StoreErrors: counter("alert_relay_delivery_store_errors_total", "Reads and writes of the store that failed and were retried."),
		reg:         reg,
	}
	for _, kind := range []string{kindPost, kindNotice, kindDigest, kindList} {
		m.DeadLetters.WithLabelValues(kind)
	}
	for _, severity := range alert.Severities {
		m.Latency.WithLabelValues(severity.String())
	}
	reg.MustRegister(m.Digested, m.Messages, m.Retries, m.DeadLetters, m.Reroutes, m.Latency, m.StoreErrors)
	return m
}

const (
	kindPost   = "post"
	kindNotice = "notice"
	kindDigest = "digest"
	kindList   = "list"
)

// ops are the calls, a label of Messages.
var ops = []step.Op{
	step.OpRoot, step.OpEdit, step.OpLines, step.OpCard, step.OpDelete, step.OpNotice, step.OpNoticeEdit,
	step.OpCanary, step.OpCanaryRead, step.OpCanaryDelete,
	step.OpGroup, step.OpGroupEdit, step.OpGroupNudge, step.OpGroupLine, step.OpGroupAgain, step.OpGroupList, step.OpGroupDrop,
}

// addBot initialises every label value of a bot, and registers its gauges, which are computed on scrape.
func (m *Metrics) addBot(b *bot) {
	for _, op := range ops {
		for _, result := range append(slices.Collect(maps.Values(results)), resultOK, resultRefused) {
			m.Messages.WithLabelValues(b.name, string(op), result)
		}
	}
	m.Retries.WithLabelValues(b.name)
	gauge := func(name, help string, value func() float64) {
		g := prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help, ConstLabels: prometheus.Labels{"bot": b.name}}, func() float64 {
			b.mu.Lock()
			defer b.mu.Unlock()
			return value()
		})
		m.reg.MustRegister(g)
		b.gauges = append(b.gauges, g)
	}
	gauge("alert_relay_rate_limit_per_second", "Current rate of a bot, in calls a second.", b.rate.PerSecond)
	gauge("alert_relay_paused_seconds", "How much longer Webex told a bot to wait in every room (429, or 503 with Retry-After).", func() float64 {
		return max(0, time.Until(b.rate.PausedUntil()).Seconds())
	})
	gauge("alert_relay_paused_rooms", "Rooms that Webex told a bot to leave alone for longer than the others (429).", func() float64 {
		return float64(len(b.rate.PausedRooms(time.Now())))
	})
	gauge("alert_relay_bot_unauthorized", "1 while Webex refuses a bot's token.", func() float64 {
		return yes(b.breaker.State() == pace.BreakerUnauthorized)
	})
	gauge("alert_relay_webex_away", "1 while Webex doesn't answer a bot.", func() float64 { return yes(b.breaker.State() == pace.BreakerAway) })
	gauge("alert_relay_delivery_queue", "Posts, groups and notices in a bot's queue.", func() float64 { return float64(b.queue.Len()) })
}

// removeBot removes the gauges of a bot that is gone; its counters stay.
func (m *Metrics) removeBot(b *bot) {
	for _, g := range b.gauges {
		m.reg.Unregister(g)
	}
}

func yes(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// shown measures a room's first message about a problem, alone or in a digest. Its trace, if it has one, is the exemplar.
func (m *Metrics) shown(severity alert.Severity, due, now time.Time, traced *tracing.Span) {
	traced.Observe(m.Latency.WithLabelValues(severity.String()), now.Sub(due).Seconds())
}

// isFirst reports whether a step is a room's first message about a problem. A post that left its group was in the group's message.
func isFirst(next step.Step, post store.Post) bool {
	return next.Op == step.OpRoot && post.RootID == "" && post.ToldSeq == 0 && post.LeftGroup == 0
}

// called counts one call.
func (m *Metrics) called(bot string, op step.Op, err error) {
	m.Messages.WithLabelValues(bot, string(op), cmp.Or(resultOf(err), resultOK)).Inc()
}

func counter(name, help string) prometheus.Counter {
	return prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
}
