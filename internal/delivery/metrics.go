package delivery

import (
	"maps"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"nms-alert-relay/internal/delivery/step"
	"nms-alert-relay/internal/pace"
	"nms-alert-relay/internal/webex"
)

// Metrics count what delivery does. What is still pending is counted by the store, which is exact.
type Metrics struct {
	Messages    *prometheus.CounterVec // calls to Webex, by bot, op, result
	Retries     *prometheus.CounterVec // calls that repeat one that failed, by bot
	DeadLetters *prometheus.CounterVec // by kind: post, digest, list, notice
	Digested    prometheus.Counter     // posts that joined a digest
	Reroutes    prometheus.Counter     // problems rerouted to the default room
	Told        prometheus.Histogram   // from when a post was pending until its first message
	StoreErrors prometheus.Counter     // failed reads and writes of the store
	bots        *botCollector
}

// Results of calls: a label of Messages.
const (
	resultOK           = "ok"
	resultLimited      = "rate_limited"
	resultTemporary    = "temporary"
	resultUnauthorized = "unauthorized"
	resultGone         = "gone"
	resultRefused      = "refused"
)

// NewMetrics creates and registers the metrics.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{
		Messages: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "alert_relay_messages_total",
			Help: "Calls to Webex that post, edit or delete a message, by result.",
		}, []string{"bot", "op", "result"}),
		Retries: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "alert_relay_message_retries_total",
			Help: "Calls to Webex that repeat one that failed.",
		}, []string{"bot"}),
		DeadLetters: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "alert_relay_dead_letters_total",
			Help: "Posts, digests, lists of digests and notices that Webex refused for good.",
		}, []string{"kind"}),
		Digested: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "alert_relay_digested_posts_total",
			Help: "Problems first shown in a digest.",
		}),
		Reroutes: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "alert_relay_reroutes_total",
			Help: "Problems rerouted to the default room because their own room refuses messages.",
		}),
		Told: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "alert_relay_delivery_seconds",
			Help:    "Time from when a problem was to be shown in a room until it was.",
			Buckets: []float64{.1, .25, .5, 1, 2, 5, 10, 30, 60, 300, 900, 3600},
		}),
		StoreErrors: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "alert_relay_delivery_store_errors_total",
			Help: "Reads and writes of the store that failed and were retried.",
		}),
		bots: &botCollector{states: map[string]func() botState{}},
	}
	m.DeadLetters.WithLabelValues(kindPost)
	m.DeadLetters.WithLabelValues(kindNotice)
	m.DeadLetters.WithLabelValues(kindDigest)
	m.DeadLetters.WithLabelValues(kindList)
	reg.MustRegister(m.Digested, m.Messages, m.Retries, m.DeadLetters, m.Reroutes, m.Told, m.StoreErrors, m.bots)
	return m
}

const (
	kindPost   = "post"
	kindNotice = "notice"
	kindDigest = "digest"
	kindList   = "list"
)

// addBot initialises every label value of a bot. state is called at each scrape.
func (m *Metrics) addBot(bot string, state func() botState) {
	for _, op := range []step.Op{step.OpRoot, step.OpEdit, step.OpLines, step.OpCard, step.OpDelete, step.OpNotice, step.OpNoticeEdit, step.OpGroup, step.OpGroupEdit, step.OpGroupNudge, step.OpGroupLine, step.OpGroupAgain, step.OpGroupList, step.OpGroupDrop} {
		for _, result := range []string{resultOK, resultLimited, resultTemporary, resultUnauthorized, resultGone, resultRefused} {
			m.Messages.WithLabelValues(bot, string(op), result)
		}
	}
	m.Retries.WithLabelValues(bot)
	m.bots.mu.Lock()
	defer m.bots.mu.Unlock()
	m.bots.states[bot] = state
}

// botState is a bot's state at a scrape.
type botState struct {
	perSecond float64
	paused    time.Duration
	rooms     int // paused longer than the bot
	breaker   pace.BreakerState
	behind    int
}

// botCollector reads each bot's state when it is scraped, so that its gauges are exact.
type botCollector struct {
	mu     sync.Mutex
	states map[string]func() botState
}

var (
	descRate         = botDesc("alert_relay_rate_limit_per_second", "Calls a second that a bot allows itself now.")
	descPaused       = botDesc("alert_relay_paused_seconds", "How much longer Webex told a bot to wait in every room (429, or 503 with Retry-After).")
	descRooms        = botDesc("alert_relay_paused_rooms", "Rooms that Webex told a bot to leave alone for longer than the others (429).")
	descUnauthorized = botDesc("alert_relay_bot_unauthorized", "1 while Webex refuses a bot's token.")
	descAway         = botDesc("alert_relay_webex_away", "1 while Webex doesn't answer a bot.")
	descQueue        = botDesc("alert_relay_delivery_queue", "Posts, groups and notices in a bot's queue.")
)

func botDesc(name, help string) *prometheus.Desc {
	return prometheus.NewDesc(name, help, []string{"bot"}, nil)
}

func (c *botCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{descRate, descPaused, descRooms, descUnauthorized, descAway, descQueue} {
		ch <- d
	}
}

func (c *botCollector) Collect(ch chan<- prometheus.Metric) {
	c.mu.Lock()
	states := maps.Clone(c.states)
	c.mu.Unlock()
	for bot, state := range states {
		s := state()
		gauge := func(d *prometheus.Desc, v float64) {
			ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, bot)
		}
		gauge(descRate, s.perSecond)
		gauge(descPaused, s.paused.Seconds())
		gauge(descRooms, float64(s.rooms))
		gauge(descUnauthorized, yes(s.breaker == pace.BreakerUnauthorized))
		gauge(descAway, yes(s.breaker == pace.BreakerAway))
		gauge(descQueue, float64(s.behind))
	}
}

func yes(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// called counts one call.
func (m *Metrics) called(bot string, op step.Op, err error) {
	m.Messages.WithLabelValues(bot, string(op), result(err)).Inc()
}

func result(err error) string {
	if err == nil {
		return resultOK
	}
	switch webex.ClassOf(err) {
	case webex.RateLimited:
		return resultLimited
	case webex.Unauthorized:
		return resultUnauthorized
	case webex.Temporary:
		return resultTemporary
	case webex.NotFound:
		return resultGone
	}
	return resultRefused
}
