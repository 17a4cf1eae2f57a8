package relay

import (
	"cmp"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"nms-alert-relay/internal/action"
	"nms-alert-relay/internal/admin"
	"nms-alert-relay/internal/assistant"
	"nms-alert-relay/internal/build"
	"nms-alert-relay/internal/chat"
	"nms-alert-relay/internal/command"
	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/delivery"
	"nms-alert-relay/internal/history"
	"nms-alert-relay/internal/ledger"
	"nms-alert-relay/internal/receiver"
	"nms-alert-relay/internal/reconcile"
	"nms-alert-relay/internal/text"
	"nms-alert-relay/internal/tracing"
	"nms-alert-relay/internal/watch"
	"nms-alert-relay/internal/webex"
	"nms-alert-relay/internal/zabbix"
)

// metrics are those of all parts. They are registered once, whatever the configuration is; add makes the series of one.
type metrics struct {
	receiver  *receiver.Metrics
	ledger    *ledger.Metrics
	delivery  *delivery.Metrics
	reconcile *reconcile.Metrics
	watch     *watch.Metrics
	chat      *chat.Metrics
	command   *command.Metrics
	action    *action.Metrics
	graphs    *history.Metrics
	admin     *admin.Metrics
	assistant *assistant.Metrics
	zabbix    *zabbix.Metrics
	webex     *webex.Metrics
	tracing   *tracing.Metrics
	templates prometheus.Counter
	config    *configMetrics
}

func newMetrics(reg prometheus.Registerer, version string) *metrics {
	info := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "alert_relay_build_info", Help: "1. The labels say which build runs."}, []string{"version", "commit", "goversion"})
	current := build.Current()
	info.WithLabelValues(version, cmp.Or(current.Commit, "unknown"), current.Go).Set(1)
	reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), info)
	m := &metrics{
		receiver: receiver.NewMetrics(reg), ledger: ledger.NewMetrics(reg, nil), delivery: delivery.NewMetrics(reg), reconcile: reconcile.NewMetrics(reg, nil), watch: watch.NewMetrics(reg),
		chat: chat.NewMetrics(reg, nil), command: command.NewMetrics(reg), action: action.NewMetrics(reg), graphs: history.NewMetrics(reg), admin: admin.NewMetrics(reg), assistant: assistant.NewMetrics(reg), zabbix: zabbix.NewMetrics(reg), webex: webex.NewMetrics(reg),
		tracing: tracing.NewMetrics(reg), config: newConfigMetrics(reg),
		templates: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "alert_relay_template_failures_total",
			Help: "Custom templates that failed while rendering; the built-in one was used instead.",
		}),
	}
	reg.MustRegister(m.templates)
	return m
}

// add makes the series of a configuration's sources, bots and actions, so that each is there before anything happens. Series that exist keep
// their values; those of a source or bot that is gone stay as they are.
func (m *metrics) add(cfg *config.Config) {
	m.ledger.Add(text.Names(cfg.Zabbix, func(s config.Source) string { return s.Name }))
	var listening, sockets, asked []string
	for _, b := range cfg.Webex.Bots {
		m.webex.For(b.Name)
		switch b.Listen {
		case config.ListenWebhook:
			listening = append(listening, b.Name)
		case config.ListenWebsocket:
			sockets = append(sockets, b.Name)
		}
	}
	m.chat.Add(listening)
	m.chat.AddSockets(sockets)
	for _, s := range cfg.Zabbix {
		if s.APIToken.IsSet() {
			asked = append(asked, s.Name)
		}
	}
	m.reconcile.Add(asked)
	m.action.Add(text.Names(cfg.Actions, func(a config.Action) string { return a.Name }))
}
