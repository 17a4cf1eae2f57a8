package relay

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	dto "github.com/prometheus/client_model/go"
	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/store/sqlite/sqlitetest"
	"nms-alert-relay/internal/testlog"
)

var update = flag.Bool("update", false, "write the tables of docs/metrics.md")

const metricsPage = "../../docs/metrics.md"

// described is what docs/metrics.md says about a metric besides what is registered: an example of a query.
type described struct{ name, query string }

// metricTables are the tables of docs/metrics.md. They contain every metric once.
var metricTables = []struct {
	name    string
	metrics []described
}{
	{"first", []described{
		{"alert_relay_oldest_pending_seconds", `max(alert_relay_oldest_pending_seconds)`},
		{"alert_relay_events_total", `sum by (source, kind) (rate(alert_relay_events_total{result="accepted"}[5m]))`},
		{"alert_relay_messages_total", `sum by (bot, op) (rate(alert_relay_messages_total{result="ok"}[5m]))`},
		{"alert_relay_dead_letters", `sum by (room, kind) (alert_relay_dead_letters) > 0`},
	}},
	{"intake", []described{
		{"alert_relay_http_requests_total", `sum by (code) (rate(alert_relay_http_requests_total{endpoint="events"}[5m]))`},
		{"alert_relay_http_panics_total", `increase(alert_relay_http_panics_total[1h]) > 0`},
		{"alert_relay_event_body_bytes", `histogram_quantile(0.99, sum by (le) (rate(alert_relay_event_body_bytes_bucket[1h])))`},
		{"alert_relay_journal_append_seconds", `histogram_quantile(0.99, sum by (le) (rate(alert_relay_journal_append_seconds_bucket[5m])))`},
		{"alert_relay_notify_requests_total", `sum by (sender) (increase(alert_relay_notify_requests_total{result="refused"}[1h])) > 0`},
		{"alert_relay_send_to_unknown_total", `sum by (source) (increase(alert_relay_send_to_unknown_total[1d])) > 0`},
		{"alert_relay_heartbeat_age_seconds", `alert_relay_heartbeat_age_seconds`},
		{"alert_relay_heartbeat_missing", `alert_relay_heartbeat_missing == 1`},
		{"alert_relay_canary_last_success_timestamp_seconds", `time() - alert_relay_canary_last_success_timestamp_seconds > 3 * alert_relay_canary_interval_seconds`},
		{"alert_relay_canary_interval_seconds", `alert_relay_canary_interval_seconds`},
		{"alert_relay_canary_last_duration_seconds", `alert_relay_canary_last_duration_seconds`},
		{"alert_relay_canary_failures_total", `sum by (step) (increase(alert_relay_canary_failures_total[1h])) > 0`},
		{"alert_relay_webhooks_total", `sum by (bot, result) (rate(alert_relay_webhooks_total[5m]))`},
	}},
	{"ledger", []described{
		{"alert_relay_journal_pending", `max(alert_relay_journal_pending)`},
		{"alert_relay_journal_set_aside", `alert_relay_journal_set_aside > 0`},
		{"alert_relay_entries_set_aside_total", `increase(alert_relay_entries_set_aside_total[1d])`},
		{"alert_relay_journal_retried_total", `increase(alert_relay_journal_retried_total[1d])`},
		{"alert_relay_fold_entries", `rate(alert_relay_fold_entries_sum[5m])`},
		{"alert_relay_fold_seconds", `histogram_quantile(0.99, sum by (le) (rate(alert_relay_fold_seconds_bucket[5m])))`},
		{"alert_relay_fold_failures_total", `increase(alert_relay_fold_failures_total[5m]) > 0`},
		{"alert_relay_store_up", `alert_relay_store_up == 0`},
		{"alert_relay_store_free_bytes", `alert_relay_store_free_bytes < 2^30`},
		{"alert_relay_problems_open", `sum by (severity) (alert_relay_problems_open)`},
		{"alert_relay_flapping_total", `increase(alert_relay_flapping_total[1h])`},
		{"alert_relay_duty_people", `alert_relay_duty_people == 0`},
		{"alert_relay_duty_calendar_age_seconds", `alert_relay_duty_calendar_age_seconds > 86400`},
		{"alert_relay_duty_refreshes_total", `sum by (schedule) (increase(alert_relay_duty_refreshes_total{result="failed"}[1h])) > 0`},
		{"alert_relay_duty_unknown_people", `alert_relay_duty_unknown_people > 0`},
		{"alert_relay_duty_unreadable_events", `alert_relay_duty_unreadable_events > 0`},
		{"alert_relay_escalations_total", `increase(alert_relay_escalations_total[1d])`},
		{"alert_relay_reminders_total", `increase(alert_relay_reminders_total[1d])`},
	}},
	{"delivery", []described{
		{"alert_relay_posts_pending", `max(alert_relay_posts_pending)`},
		{"alert_relay_room_pending", `topk(5, alert_relay_room_pending)`},
		{"alert_relay_room_oldest_pending_seconds", `alert_relay_room_oldest_pending_seconds > 300`},
		{"alert_relay_delivery_queue", `alert_relay_delivery_queue`},
		{"alert_relay_delivery_seconds", `histogram_quantile(0.95, sum by (severity, le) (rate(alert_relay_delivery_seconds_bucket[5m])))`},
		{"alert_relay_digested_posts_total", `increase(alert_relay_digested_posts_total[1h])`},
		{"alert_relay_message_retries_total", `sum by (bot) (rate(alert_relay_message_retries_total[5m]))`},
		{"alert_relay_reroutes_total", `increase(alert_relay_reroutes_total[1h]) > 0`},
		{"alert_relay_template_failures_total", `increase(alert_relay_template_failures_total[1h]) > 0`},
		{"alert_relay_delivery_store_errors_total", `increase(alert_relay_delivery_store_errors_total[5m]) > 0`},
		{"alert_relay_dead_letters_total", `sum by (kind) (increase(alert_relay_dead_letters_total[1d]))`},
		{"alert_relay_dead_letters_replayed_total", `sum by (kind) (increase(alert_relay_dead_letters_replayed_total[1d]))`},
		{"alert_relay_dead_letters_dropped_total", `sum by (kind) (increase(alert_relay_dead_letters_dropped_total[1d]))`},
	}},
	{"webex", []described{
		{"alert_relay_bot_unauthorized", `alert_relay_bot_unauthorized == 1`},
		{"alert_relay_webex_away", `alert_relay_webex_away == 1`},
		{"alert_relay_paused_seconds", `max by (bot) (alert_relay_paused_seconds)`},
		{"alert_relay_paused_rooms", `alert_relay_paused_rooms > 0`},
		{"alert_relay_rate_limit_per_second", `min by (bot) (alert_relay_rate_limit_per_second)`},
		{"alert_relay_webex_api_seconds", `histogram_quantile(0.95, sum by (op, le) (rate(alert_relay_webex_api_seconds_bucket[5m])))`},
		{"alert_relay_webex_api_errors_total", `sum by (op, status) (rate(alert_relay_webex_api_errors_total[5m])) > 0`},
		{"alert_relay_webex_foreign_answers_total", `sum by (bot) (increase(alert_relay_webex_foreign_answers_total[1h])) > 0`},
		{"alert_relay_webhooks_ready", `alert_relay_webhooks_ready == 0`},
		{"alert_relay_webhook_repairs_total", `sum by (bot, action) (increase(alert_relay_webhook_repairs_total[1d]))`},
		{"alert_relay_socket_connected", `alert_relay_socket_connected == 0`},
		{"alert_relay_socket_last_frame_timestamp_seconds", `time() - (alert_relay_socket_last_frame_timestamp_seconds > 0) > 60`},
		{"alert_relay_socket_reconnects_total", `sum by (bot, reason) (increase(alert_relay_socket_reconnects_total[1h])) > 0`},
		{"alert_relay_socket_events_total", `sum by (bot, result) (increase(alert_relay_socket_events_total[1d]))`},
		{"alert_relay_catch_up_total", `sum by (bot, reason) (increase(alert_relay_catch_up_total[1d]))`},
		{"alert_relay_catch_up_messages_total", `sum by (bot) (increase(alert_relay_catch_up_messages_total[1d])) > 0`},
		{"alert_relay_catch_up_failures_total", `sum by (bot) (increase(alert_relay_catch_up_failures_total[1h])) > 0`},
		{"alert_relay_catch_up_timestamp_seconds", `time() - (alert_relay_catch_up_timestamp_seconds > 0) > 1800`},
	}},
	{"zabbix", []described{
		{"alert_relay_zabbix_unauthorized", `alert_relay_zabbix_unauthorized == 1`},
		{"alert_relay_zabbix_away", `alert_relay_zabbix_away == 1`},
		{"alert_relay_zabbix_calls_total", `sum by (source, method, result) (rate(alert_relay_zabbix_calls_total{result!="ok"}[5m])) > 0`},
		{"alert_relay_zabbix_call_seconds", `histogram_quantile(0.95, sum by (source, le) (rate(alert_relay_zabbix_call_seconds_bucket[5m])))`},
		{"alert_relay_zabbix_header_stripped", `alert_relay_zabbix_header_stripped == 1`},
		{"alert_relay_observations_total", `sum by (source, result) (rate(alert_relay_observations_total[5m]))`},
		{"alert_relay_observations_set_apart", `alert_relay_observations_set_apart > 0`},
		{"alert_relay_found_total", `sum by (source, kind) (increase(alert_relay_found_total[1h])) > 0`},
		{"alert_relay_gone_held", `alert_relay_gone_held > 0`},
		{"alert_relay_reconcile_left_out", `sum by (source) (alert_relay_reconcile_left_out) > 0`},
		{"alert_relay_source_trouble", `max by (source, kind) (alert_relay_source_trouble) == 1`},
		{"alert_relay_reconcile_rounds_total", `sum by (source, kind, result) (rate(alert_relay_reconcile_rounds_total[15m]))`},
		{"alert_relay_reconcile_last_success_timestamp_seconds", `time() - alert_relay_reconcile_last_success_timestamp_seconds > 600`},
		{"alert_relay_commands_pending", `max(alert_relay_commands_pending)`},
		{"alert_relay_commands_total", `sum by (action, result) (increase(alert_relay_commands_total[1d])) > 0`},
		{"alert_relay_incidents_open", `alert_relay_incidents_open`},
		{"alert_relay_incidents_total", `increase(alert_relay_incidents_total{result="refused"}[1d]) > 0`},
		{"alert_relay_incident_invitations_total", `sum by (result) (increase(alert_relay_incident_invitations_total[1d]))`},
		{"alert_relay_action_requests_total", `sum by (name, result) (increase(alert_relay_action_requests_total{result!="done"}[1h])) > 0`},
		{"alert_relay_encryption_key_wrong", `max(alert_relay_encryption_key_wrong)`},
		{"alert_relay_command_duration_seconds", `histogram_quantile(0.95, sum by (le) (rate(alert_relay_command_duration_seconds_bucket[1h])))`},
		{"alert_relay_assistant_messages_total", `sum by (kind, result) (increase(alert_relay_assistant_messages_total{result="failed"}[1d])) > 0`},
		{"alert_relay_graphs_total", `sum by (for, result) (increase(alert_relay_graphs_total[1d])) > 0`},
		{"alert_relay_graph_duration_seconds", `histogram_quantile(0.95, sum by (le) (rate(alert_relay_graph_duration_seconds_bucket[1d])))`},
		{"alert_relay_chat_ignored_total", `sum by (reason) (increase(alert_relay_chat_ignored_total[1d])) > 0`},
	}},
	{"process", []described{
		{"alert_relay_build_info", `count by (version, commit) (alert_relay_build_info)`},
		{"alert_relay_config_last_reload_successful", `alert_relay_config_last_reload_successful == 0`},
		{"alert_relay_config_last_reload_success_timestamp_seconds", `time() - alert_relay_config_last_reload_success_timestamp_seconds`},
		{"alert_relay_config_restart_needed", `alert_relay_config_restart_needed == 1`},
		{"alert_relay_config_info", `count by (hash) (alert_relay_config_info)`},
		{"alert_relay_trace_spans_total", `increase(alert_relay_trace_spans_total{result="lost"}[1h]) > 0`},
	}},
}

// openLabels have values that the configuration or the build decides; all others have the same values everywhere.
var openLabels = []string{"bot", "room", "source", "name", "version", "commit", "goversion", "hash"}

// docs/metrics.md describes every metric as it is registered, and the other pages name no other. -update writes its tables.
func TestEveryMetricIsDocumented(t *testing.T) {
	families := registered(t)
	raw, err := os.ReadFile(metricsPage)
	require.NoError(t, err)
	page := string(raw)
	missing := map[string]bool{}
	for name := range families {
		missing[name] = true
	}
	for _, table := range metricTables {
		text := "| metric | type | labels | meaning | example |\n| --- | --- | --- | --- | --- |\n"
		for _, m := range table.metrics {
			require.True(t, missing[m.name], "%s: unknown, or twice in metricTables", m.name)
			delete(missing, m.name)
			text += row(families[m.name], m.query)
		}
		begin, end := fmt.Sprintf("<!-- table %s -->\n\n", table.name), "\n<!-- end -->"
		before, rest, found := strings.Cut(page, begin)
		_, after, closed := strings.Cut(rest, end)
		require.True(t, found && closed, "docs/metrics.md: missing table %s", table.name)
		page = before + begin + text + end + after
	}
	require.Empty(t, missing, "no table of docs/metrics.md has these metrics: add each, with an example of a query, to metricTables and run go test ./internal/relay -run TestEveryMetricIsDocumented -update")
	if *update {
		require.NoError(t, os.WriteFile(metricsPage, []byte(page), 0o644))
		return
	}
	require.Equal(t, page, string(raw), "go test ./internal/relay -run TestEveryMetricIsDocumented -update")

	pages, err := filepath.Glob("../../docs/*.md")
	require.NoError(t, err)
	checked := 0
	for _, file := range pages {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		for _, m := range regexp.MustCompile(`\b(alert_relay_[a-z_]+)(?:\{([a-z_,]+)(?:="[^}]*)?\})?`).FindAllStringSubmatch(string(text), -1) {
			family := families[m[1]]
			if family == nil {
				family = families[regexp.MustCompile(`_(bucket|sum|count)$`).ReplaceAllString(m[1], "")]
			}
			require.NotNil(t, family, "%s: unknown metric %s", file, m[1])
			for label := range strings.SplitSeq(m[2], ",") {
				require.True(t, label == "" || slices.Contains(labelsOf(family), label), "%s: %s has no label %q", file, m[1], label)
			}
			checked++
		}
	}
	require.Greater(t, checked, 100)
}

// The metrics follow Prometheus's conventions, as 'promtool check metrics' checks them.
func TestMetricsFollowConventions(t *testing.T) {
	problems, err := testutil.GatherAndLint(documentedRelay(t).Gatherer())
	require.NoError(t, err)
	require.Empty(t, problems)
}

// A bot that doesn't listen has no webhooks, so that none of them is missing.
func TestOnlyBotsThatListenHaveWebhooks(t *testing.T) {
	for _, series := range registered(t)["alert_relay_webhooks_ready"].GetMetric() {
		require.Equal(t, "relay", series.GetLabel()[0].GetValue())
	}
}

// documentedRelay has every kind of neighbour, so that every metric has its series.
func documentedRelay(t *testing.T) *Relay {
	t.Helper()
	cfg, err := config.Parse("relay.yaml", []byte(`
server: {public_url: "https://relay.example.com"}
webex: {api_url: "http://127.0.0.1:1", bots: [{name: relay, token_env: BOT, listen: webhook}, {name: deaf, token_env: BOT2, listen: "off"}, {name: socket, token_env: BOT3, listen: websocket}]}
zabbix: [{name: main, url: "http://127.0.0.1:1", secret_env: SECRET, api_token_env: TOKEN}]
rooms: [{name: noc, id: ROOM, bot: relay}]
default_rooms: [noc]
people: [{domain: example.com, role: viewer}]
notify: [{name: cron, token_env: CRON, rooms: [noc]}]
heartbeats: [{name: backup, interval: 1d}]
duty: [{name: network, calendar: {file: duty.ics}}]
canary: {interval: 15m}
actions: [{name: ticket, url: "http://127.0.0.1:1"}]
`), config.Options{Env: func(name string) string { return name + "-0123456789abcdef" }})
	require.NoError(t, err)
	cfg.Store.Path = sqlitetest.New(t)
	r := newIdle(t, cfg, new(testlog.Lines))
	t.Cleanup(func() { require.NoError(t, r.Close()) })
	return r
}

// registered returns the relay's own metrics by name, before anything has happened. Each must have series then.
func registered(t *testing.T) map[string]*dto.MetricFamily {
	t.Helper()
	r := documentedRelay(t)
	families, err := r.Gatherer().Gather()
	require.NoError(t, err)
	own := map[string]*dto.MetricFamily{}
	for _, f := range families {
		if strings.HasPrefix(f.GetName(), "alert_relay_") { // the others are Go's and the process's
			own[f.GetName()] = f
		}
	}
	for name := range describedMetrics(r.registry) {
		require.Contains(t, own, name, "the metric has no series before something happens")
	}
	return own
}

// describedMetrics returns the names of everything that is registered, with or without series.
func describedMetrics(registry *prometheus.Registry) map[string]bool {
	descs, names := make(chan *prometheus.Desc), map[string]bool{}
	go func() {
		registry.Describe(descs)
		close(descs)
	}()
	for d := range descs {
		if m := regexp.MustCompile(`fqName: "(alert_relay_[^"]+)"`).FindStringSubmatch(d.String()); m != nil {
			names[m[1]] = true
		}
	}
	return names
}

func labelsOf(family *dto.MetricFamily) (labels []string) {
	for _, pair := range family.GetMetric()[0].GetLabel() {
		labels = append(labels, pair.GetName())
	}
	return labels
}

// row is a metric's row in docs/metrics.md.
func row(family *dto.MetricFamily, query string) string {
	var labels []string
	for i, label := range labelsOf(family) {
		var values []string
		for _, m := range family.GetMetric() {
			if v := m.GetLabel()[i].GetValue(); !slices.Contains(values, v) {
				values = append(values, v)
			}
		}
		text := "`" + label + "`"
		if !slices.Contains(openLabels, label) {
			slices.Sort(values)
			text += ": " + strings.Join(values, ", ")
		}
		labels = append(labels, text)
	}
	cell := strings.NewReplacer("|", `\|`, "\n", " ").Replace
	return fmt.Sprintf("| `%s` | %s | %s | %s | `%s` |\n", family.GetName(), strings.ToLower(family.GetType().String()), cell(strings.Join(labels, "; ")), cell(family.GetHelp()), cell(query))
}
