package chat

import (
	"github.com/prometheus/client_golang/prometheus"

	"nms-alert-relay/internal/webex/socket"
)

// Metrics of deliveries, webhooks and websockets.
type Metrics struct {
	webhooks *prometheus.CounterVec
	ignored  *prometheus.CounterVec
	repairs  *prometheus.CounterVec
	ready    *prometheus.GaugeVec

	connected  *prometheus.GaugeVec
	lastFrame  *prometheus.GaugeVec
	reconnects *prometheus.CounterVec
	events     *prometheus.CounterVec

	looks        *prometheus.CounterVec
	recovered    *prometheus.CounterVec
	lookFailures *prometheus.CounterVec
	lastLook     *prometheus.GaugeVec
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
	m.connected = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "alert_relay_socket_connected", Help: "1 while the bot's websocket is open and authorised.",
	}, []string{"bot"})
	m.lastFrame = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "alert_relay_socket_last_frame_timestamp_seconds", Help: "When the last frame came by the bot's websocket, answers to pings included; 0 for never.",
	}, []string{"bot"})
	m.reconnects = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "alert_relay_socket_reconnects_total", Help: "Ends of websockets, and failed attempts to open one, by reason.",
	}, []string{"bot", "reason"})
	m.events = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "alert_relay_socket_events_total", Help: "Messages and button presses that came by websocket, by result.",
	}, []string{"bot", "result"})
	m.looks = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "alert_relay_catch_up_total", Help: "Times that all rooms of a bot were read for messages that it didn't hear, by reason.",
	}, []string{"bot", "reason"})
	m.recovered = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "alert_relay_catch_up_messages_total", Help: "Messages that the bot didn't hear and that were found by reading its rooms.",
	}, []string{"bot"})
	m.lookFailures = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "alert_relay_catch_up_failures_total", Help: "Failed attempts to read the rooms of a bot for messages that it didn't hear.",
	}, []string{"bot"})
	m.lastLook = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "alert_relay_catch_up_timestamp_seconds", Help: "When all rooms of the bot were last read for messages that it didn't hear; 0 for never.",
	}, []string{"bot"})
	m.Add(bots)
	reg.MustRegister(m.webhooks, m.ignored, m.repairs, m.ready, m.connected, m.lastFrame, m.reconnects, m.events, m.looks, m.recovered, m.lookFailures, m.lastLook)
	return m
}

// Add creates the series of these bots that listen by webhook, unless they exist.
func (m *Metrics) Add(bots []string) {
	m.addBoth(bots)
	for _, bot := range bots {
		m.ready.WithLabelValues(bot)
		for _, r := range deliveryResults {
			m.webhooks.WithLabelValues(bot, r)
		}
		for _, o := range [...]op{opCreate, opUpdate, opDelete} {
			m.repairs.WithLabelValues(bot, string(o))
		}
	}
}

// AddSockets does the same for bots that listen by websocket.
func (m *Metrics) AddSockets(bots []string) {
	m.addBoth(bots)
	for _, bot := range bots {
		m.connected.WithLabelValues(bot)
		m.lastFrame.WithLabelValues(bot)
		for _, r := range socket.Reasons {
			m.reconnects.WithLabelValues(bot, string(r))
		}
		for _, r := range eventResults {
			m.events.WithLabelValues(bot, r)
		}
	}
}

// addBoth creates the series that bots have in both ways.
func (m *Metrics) addBoth(bots []string) {
	for _, bot := range bots {
		m.recovered.WithLabelValues(bot)
		m.lookFailures.WithLabelValues(bot)
		m.lastLook.WithLabelValues(bot)
		for _, r := range catchUpReasons {
			m.looks.WithLabelValues(bot, r)
		}
		for _, r := range ignoredReasons {
			m.ignored.WithLabelValues(bot, r)
		}
	}
}
