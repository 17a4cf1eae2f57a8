//go:build e2e

package e2e

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/simulator/webexsim"
	"nms-alert-relay/internal/testlog"
)

// watcher is Debian's Prometheus with the rules of monitoring/, and Debian's Alertmanager with the example of monitoring/, which
// sends to a Webex of its own and by e-mail. Every duration is short.
type watcher struct {
	url   string           // of Prometheus
	webex *webexsim.Server // Alertmanager's
	mail  *mailbox
}

// replaced replaces each old text of a file, which must be in it.
func replaced(t *testing.T, file string, oldAndNew ...string) string {
	t.Helper()
	raw, err := os.ReadFile(file)
	require.NoError(t, err)
	text := string(raw)
	for pair := range slices.Chunk(oldAndNew, 2) {
		require.Contains(t, text, pair[0], file)
		text = strings.ReplaceAll(text, pair[0], pair[1])
	}
	return text
}

// watch starts both. They scrape these addresses of admin listeners until the test ends.
func watch(t *testing.T, targets []string) *watcher {
	t.Helper()
	dir := t.TempDir()
	write := func(name, text string) string {
		file := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
		return file
	}
	sim, api := webexWorld(t, webexsim.Options{})
	w := &watcher{webex: sim, mail: newMailbox(t)}
	alertmanager, prometheus := freeAddresses(t)

	example := replaced(t, "../monitoring/alertmanager.example.yaml",
		"mail.example.com:587", w.mail.address+"\n  smtp_require_tls: false\n  smtp_hello: localhost",
		"  smtp_auth_username: alertmanager@example.com\n  smtp_auth_password_file: /etc/prometheus/smtp-password\n", "",
		"group_wait: 30s", "group_wait: 0s", "group_interval: 5m", "group_interval: 1s",
		"/etc/prometheus/webex-token", write("webex-token", webexsim.DefaultBotToken),
		"- &webex\n", "- &webex\n        api_url: "+api+"/messages\n",
		"Y2lzY29zcGFyazovL3VzL1JPT00vMDAwMDAwMDAtMDAwMC0wMDAwLTAwMDAtMDAwMDAwMDAwMDAw", webexsim.RoomID("noc"))
	daemon(t, "http://"+alertmanager+"/-/ready", "prometheus-alertmanager", "--config.file="+write("alertmanager.yaml", example),
		"--storage.path="+filepath.Join(dir, "alertmanager"), "--web.listen-address="+alertmanager, "--cluster.listen-address=")

	rules := replaced(t, "../monitoring/rules.yaml", "512 * 2^20", "8 * 2^20") // half of the smallest file system here
	rules = regexp.MustCompile(`for: \d+[smhd]`).ReplaceAllString(rules, "for: 2s")
	rules = regexp.MustCompile(`\[\d+[smhd]\]`).ReplaceAllString(rules, "[10s]")
	config := fmt.Sprintf("global: {scrape_interval: 1s, evaluation_interval: 1s}\nrule_files: [%s]\n"+
		"scrape_configs: [{job_name: alert-relay, static_configs: [{targets: [%s]}]}]\n"+
		"alerting: {alertmanagers: [{static_configs: [{targets: [%q]}]}]}\n", write("rules.yaml", rules), strings.Join(targets, ", "), alertmanager)
	w.url = "http://" + prometheus
	daemon(t, w.url+"/-/ready", "prometheus", "--config.file="+write("prometheus.yaml", config), "--storage.tsdb.path="+filepath.Join(dir, "prometheus"),
		"--web.listen-address="+prometheus)
	return w
}

// daemon runs a program until the test ends, and waits until it is ready.
func daemon(t *testing.T, ready, name string, args ...string) {
	t.Helper()
	var log testlog.Lines
	cmd := exec.Command(name, args...)
	cmd.Stdout, cmd.Stderr = &log, &log
	require.NoError(t, cmd.Start(), "%s: install it with .ci/run monitoring", name)
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM) // it may have ended
		_ = cmd.Wait()                          // its exit code doesn't matter
		if t.Failed() {
			t.Logf("what %s logged:\n%s", name, log.String())
		}
	})
	eventually(t, name+" is ready", func() error {
		resp, err := http.Get(ready)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return fmt.Errorf("%s: %s", ready, resp.Status)
		}
		return nil
	})
}

// told waits until Alertmanager's room has a message that begins with status ("FIRING") and names alert and relay.
func (w *watcher) told(t *testing.T, status, alert, relay string) {
	t.Helper()
	sees(t, w.webex, fmt.Sprintf("Alertmanager says %s %s of %s", status, alert, relay), "noc", func(messages []webexsim.MessageView) bool {
		return slices.ContainsFunc(messages, func(m webexsim.MessageView) bool {
			return strings.Contains(m.Text, status+" "+alert+" ("+relay+")")
		})
	})
}

// query returns the labels of the series in the answer to a query.
func (w *watcher) query(t *testing.T, query string) (series []map[string]string) {
	t.Helper()
	resp, err := http.Get(w.url + "/api/v1/query?query=" + url.QueryEscape(query))
	require.NoError(t, err)
	defer resp.Body.Close()
	var answer struct {
		Status, Error string
		Data          struct {
			Result []struct{ Metric map[string]string }
		}
	}
	require.NoError(t, json.NewDecoder(resp.Body).Decode(&answer))
	require.Equal(t, "success", answer.Status, "%s\n%s", query, answer.Error)
	for _, r := range answer.Data.Result {
		series = append(series, r.Metric)
	}
	return series
}

// mailbox is a mail server that keeps every message.
type mailbox struct {
	address string
	mu      sync.Mutex
	mails   []string
}

func newMailbox(t *testing.T) *mailbox {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	m := &mailbox{address: l.Addr().String()}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() { m.serve(c) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close() // nothing is lost
		serving.Wait()
	})
	return m
}

// serve speaks as much SMTP as a client needs that requires no extension.
func (m *mailbox) serve(c net.Conn) {
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(patience)) // a client that hangs
	in := bufio.NewScanner(c)
	answer := func(text string) { _, _ = fmt.Fprintf(c, "%s\r\n", text) } // the client may be gone
	answer("220 localhost")
	for in.Scan() {
		switch verb, _, _ := strings.Cut(strings.ToUpper(in.Text()), " "); verb {
		case "DATA":
			answer("354 go on")
			var mail strings.Builder
			for in.Scan() && in.Text() != "." {
				mail.WriteString(in.Text() + "\n")
			}
			m.mu.Lock()
			m.mails = append(m.mails, mail.String())
			m.mu.Unlock()
			answer("250 accepted")
		case "QUIT":
			answer("221 bye")
			return
		default:
			answer("250 localhost")
		}
	}
}

// has waits for a message that contains all of these words.
func (m *mailbox) has(t *testing.T, words ...string) {
	t.Helper()
	eventually(t, fmt.Sprintf("an e-mail has the words %q", words), func() error {
		m.mu.Lock()
		defer m.mu.Unlock()
		if slices.ContainsFunc(m.mails, func(mail string) bool {
			return !slices.ContainsFunc(words, func(word string) bool { return !strings.Contains(mail, word) })
		}) {
			return nil
		}
		return fmt.Errorf("none of %d has", len(m.mails))
	})
}
