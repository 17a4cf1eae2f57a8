package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"nms-alert-relay/internal/simulator/webexsim"
	"nms-alert-relay/internal/simulator/zabbixsim"
)

// Names of the Alertmanager binary: in Debian, and in its own archive.
var rivals = []string{"prometheus-alertmanager", "alertmanager"}

const notInstalled = "not installed"

// findAlertmanager looks for an Alertmanager to compare with. Without one the run continues.
func (b *bench) findAlertmanager(ctx context.Context) error {
	b.report.Machine.Alertmanager = notInstalled
	switch b.alertmanager {
	case "none":
		return nil
	case "":
		for _, name := range rivals {
			if path, err := exec.LookPath(name); err == nil {
				b.rival = path
				break
			}
		}
	default:
		b.rival = b.alertmanager
	}
	if b.rival == "" {
		return nil
	}
	out, err := exec.CommandContext(ctx, b.rival, "--version").CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s --version: %w\n%s", b.rival, err, out)
	}
	b.report.Machine.Alertmanager = versionIn(string(out))
	return nil
}

// versionIn returns the version in "alertmanager, version 0.25.0 (branch: …".
func versionIn(text string) string {
	_, rest, ok := strings.Cut(text, "version ")
	if fields := strings.Fields(rest); ok && len(fields) > 0 {
		return fields[0]
	}
	return "of an unknown version"
}

// Configurations of an Alertmanager: the shortest group_wait, and otherwise its defaults.
const (
	// notifiesNobody accepts alerts and notifies nobody.
	notifiesNobody = "route: {receiver: nobody, group_wait: 10m}\nreceivers: [{name: nobody}]\n"
	// notifiesTwice notifies two Webexes of the same alerts: with a message for each host, and with the default grouping, which is none.
	notifiesTwice = `route:
  receiver: grouped
  group_wait: 1s
  routes:
    - {receiver: each, group_by: [alertname, host], group_wait: 1s, matchers: ['host=~".+"'], continue: true}
    - {receiver: grouped, group_wait: 1s, matchers: ['host=~".+"']}
receivers:
  - name: each
    webex_configs: [{api_url: "%[1]s/v1/messages", room_id: %[3]q, http_config: {authorization: {credentials: %[4]q}}}]
  - name: grouped
    webex_configs: [{api_url: "%[2]s/v1/messages", room_id: %[3]q, http_config: {authorization: {credentials: %[4]q}}}]
`
)

// startAlertmanager starts an Alertmanager on loopback addresses, without a cluster.
func (b *bench) startAlertmanager(ctx context.Context, name, config string) (*process, error) {
	addrs, err := freeAddrs(1)
	if err != nil {
		return nil, err
	}
	addr := addrs[0]
	file := filepath.Join(b.dir, name+".yaml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		return nil, err
	}
	p := &process{public: addr, admin: addr, ended: make(chan struct{}), log: filepath.Join(b.dir, name+".log")}
	p.cmd = exec.CommandContext(ctx, b.rival, "--config.file="+file, "--storage.path="+filepath.Join(b.dir, name), "--web.listen-address="+addr, "--cluster.listen-address=")
	if err := p.logged(); err != nil {
		return nil, err
	}
	if err := p.answers(ctx, time.Now(), "http://"+addr+"/-/ready"); err != nil {
		return nil, errors.Join(err, p.stop())
	}
	return p, nil
}

func alertHead(length int) string {
	return fmt.Sprintf("POST /api/v2/alerts HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: Prometheus/2.53\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n", length)
}

// alertBody is a problem as Prometheus would send it.
func alertBody(t zabbixsim.Trigger, id string) ([]byte, error) {
	return json.Marshal([]map[string]any{{
		"labels": map[string]string{"alertname": t.Name, "host": t.Host.Host, "severity": t.Severity.String(), "event_id": id},
		"annotations": map[string]string{
			"summary": t.Name + " on " + t.Host.Name, "description": t.OpData,
		},
		"generatorURL": "http://prometheus.example.com/graph?g0.expr=up",
	}})
}

// newAlertTemplate is an alert with a variable id.
func newAlertTemplate() (*template, error) {
	body, err := alertBody(stormTrigger(0), sampleDigits)
	if err != nil {
		return nil, err
	}
	t := &template{}
	return t, t.of(alertHead(len(body)), body)
}

// rivalStorm sends the same problems to an Alertmanager with two Webexes: one with a message for each host, one with its own
// grouping. Both are read once wait returns.
func (b *bench) rivalStorm(ctx context.Context, wait func(context.Context, [2]*world) error) (each, grouped outcome, err error) {
	var worlds [2]*world
	for i := range worlds {
		if worlds[i], err = newWorld(strict, 0); err != nil {
			return each, grouped, err
		}
		defer worlds[i].close()
	}
	am, err := b.startAlertmanager(ctx, "rival", fmt.Sprintf(notifiesTwice, worlds[0].webexURL, worlds[1].webexURL, webexsim.RoomID("noc"), webexsim.DefaultBotToken))
	if err != nil {
		return each, grouped, err
	}
	defer func() { err = errors.Join(err, am.stop()) }()
	var requests [][]byte
	for i := range b.problems {
		body, err := alertBody(stormTrigger(i), strconv.Itoa(firstID+i))
		if err != nil {
			return each, grouped, err
		}
		requests = append(requests, append([]byte(alertHead(len(body))), body...))
	}
	began := time.Now()
	top := watchMemory(am)
	if _, err := barrage(requests, status200, b.stormRate).fire(ctx, am.public, b.connections); err != nil {
		return each, grouped, errors.Join(err, top.stop())
	}
	err = errors.Join(wait(ctx, worlds), top.stop())
	failed, merr := am.labelled("alertmanager_notifications_failed_total", `integration="webex"`)
	err = errors.Join(err, merr)
	for i, r := range []*outcome{&each, &grouped} {
		said := worlds[i].webex.Timeline("noc")
		r.messages = len(said)
		words := wordsOf(said)
		for n := range b.problems {
			if words[stormTrigger(n).Host.Host] {
				r.named++
			}
		}
		calls := worlds[i].seen.since(began)
		r.refused, r.late = refusals(calls)
		r.early, r.dead, r.peak = worlds[i].webex.Stats().TooEarly, int(failed), top.peak
	}
	b.logf("Alertmanager after %s: %d of %d hosts named in %d messages (a message for each host), %d in %d (its own grouping), %.0f notifications given up until the next interval",
		b.wait, each.named, b.problems, each.messages, grouped.named, grouped.messages, failed)
	return each, grouped, err
}

// pass waits for as long as an Alertmanager is given.
func (b *bench) pass(ctx context.Context, _ [2]*world) error {
	return sleep(ctx, b.wait)
}

// labelled sums the series of a metric that have these labels.
func (p *process) labelled(name, labels string) (sum float64, err error) {
	all, err := p.metrics()
	for series, value := range all {
		if strings.HasPrefix(series, name+"{") && strings.Contains(series, labels) {
			sum += value
		}
	}
	return sum, err
}
