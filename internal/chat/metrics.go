package chat

import "github.com/prometheus/client_golang/prometheus"

// Metrics of deliveries and webhooks.
type Metrics struct {
	webhooks *prometheus.CounterVec
	ignored  *prometheus.CounterVec
	repairs  *prometheus.CounterVec
	ready    *prometheus.GaugeVec
}

// NewMetrics registers them for these bots, each label value at zero.
func NewMetrics(reg prometheus.Registerer, bots []string) *Metrics {
	m := &Metrics{
		webhooks: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "alert_relay_webhooks_total", Help: "Deliveries of Webex webhooks by result.",
		}, []string{"bot", "result"}),
		ignored: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "alert_relay_chat_ignored_total", Help: "Deliveries and messages that were ignored, by reason.",
		}, []string{"bot", "reason"}),
		repairs: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "alert_relay_webhook_repairs_total", Help: "Webhooks created, updated or deleted by the relay.",
		}, []string{"bot", "action"}),
		ready: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "alert_relay_webhooks_ready", Help: "1 if the bot's webhooks were registered and active at the last check.",
		}, []string{"bot"}),
	}
	m.Add(bots)
	reg.MustRegister(m.webhooks, m.ignored, m.repairs, m.ready)
	return m
}

// Add creates the series of these bots, unless they exist.
func (m *Metrics) Add(bots []string) {
	for _, bot := range bots {
		m.ready.WithLabelValues(bot)
		for _, r := range deliveryResults {
			m.webhooks.WithLabelValues(bot, r)
		}
		for _, r := range ignoredReasons {
			m.ignored.WithLabelValues(bot, r)
		}
		for _, o := range [...]op{opCreate, opUpdate, opDelete} {
			m.repairs.WithLabelValues(bot, string(o))
		}
	}
}
