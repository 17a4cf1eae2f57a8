//go:build e2e

package e2e

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/simulator/webexsim"
)

// releases returns the directories of two releases that packaging/release.sh built: E2E_OLDER and E2E_RELEASE.
func releases(t *testing.T) (older, newer string) {
	t.Helper()
	older, newer = os.Getenv("E2E_OLDER"), os.Getenv("E2E_RELEASE")
	require.NotEmpty(t, older, "E2E_OLDER: a release to upgrade from")
	require.NotEmpty(t, newer, "E2E_RELEASE: a release")
	return older, newer
}

// blocks returns the code blocks of a language below a heading of a page, up to the next heading.
func blocks(t *testing.T, page, heading, language string) []string {
	t.Helper()
	raw, err := os.ReadFile("../docs/" + page)
	require.NoError(t, err)
	_, rest, found := strings.Cut(string(raw), "\n"+heading+"\n")
	require.True(t, found, "%s has no heading %q", page, heading)
	var found2 []string
	var block *strings.Builder
	for line := range strings.Lines(rest) {
		switch {
		case block == nil && strings.HasPrefix(line, "#"):
			return found2
		case block == nil && strings.TrimSpace(line) == "```"+language:
			block = new(strings.Builder)
		case block != nil && strings.HasPrefix(line, "```"):
			found2, block = append(found2, block.String()), nil
		case block != nil:
			block.WriteString(line)
		}
	}
	return found2
}

// way is one way of installing that needs systemd.
type way struct {
	install, upgrade, rollBack, remove string // scripts, in a release's directory
	environment                        string // the file that an operator may change
}

func ways(t *testing.T) map[string]way {
	upgrade := blocks(t, "operations.md", "### Upgrade", "sh")
	rollBack := blocks(t, "operations.md", "### Roll back", "sh")
	remove := blocks(t, "operations.md", "### Remove", "sh")
	require.Len(t, upgrade, 3)
	require.Len(t, rollBack, 1)
	require.Len(t, remove, 3)
	return map[string]way{
		"deb": {install: blocks(t, "install.md", "### Debian and Ubuntu", "sh")[0], upgrade: upgrade[0], rollBack: rollBack[0], remove: remove[0], environment: "/etc/default/alert-relay"},
		// The machine is a Debian: rpm knows of no systemd there.
		"rpm": {install: strings.Replace(blocks(t, "install.md", "### Red Hat, Fedora and SUSE", "sh")[0], "rpm ", "rpm --nodeps ", 1),
			upgrade: strings.Replace(upgrade[1], "rpm ", "rpm --nodeps ", 1), rollBack: strings.Replace(rollBack[0], "dpkg -i alert-relay_*_amd64.deb", "rpm --nodeps -U --oldpackage alert-relay-*.x86_64.rpm", 1),
			remove: remove[1], environment: "/etc/sysconfig/alert-relay"},
		"by hand": {install: "mkdir /tmp/older && cp *.tar.gz /tmp/older && cd /tmp/older\n" + blocks(t, "install.md", "### By hand", "sh")[0], upgrade: "mkdir /tmp/newer && cp *.tar.gz /tmp/newer && cd /tmp/newer\n" + upgrade[2], remove: remove[2]},
	}
}

// An operator who follows docs/install.md and docs/operations.md on a plain Debian gets a relay that serves under systemd, and
// later a newer one, with nothing of theirs lost; and gets rid of it again.
func TestPackages(t *testing.T) {
	older, newer := releases(t)
	for name, w := range ways(t) {
		t.Run(name, func(t *testing.T) {
			m := boot(t, map[string]string{"older": older, "newer": newer, "host": "/usr/bin"})
			m.run("cd /older\n" + w.install)
			m.installed(w)
			m.configure()
			m.serves()
			switch name {
			case "deb":
				m.measured()
				m.watched()
				m.reloaded()
				m.confined()
				m.credentials(w)
			case "by hand":
				m.run("cd /newer\n" + w.upgrade)
				m.serves()
				m.run(w.remove)
				_, err := m.try("command -v alert-relay", "")
				require.Error(t, err)
				return
			}
			m.upgraded(w)
			m.removed(name, w)
		})
	}
}

// installed checks what an installation leaves: the right owners and modes, and a service that doesn't run.
func (m *machine) installed(w way) {
	m.t.Helper()
	require.Equal(m.t, "750 root:alert-relay\n700 alert-relay:alert-relay", m.run("stat -c '%a %U:%G' /etc/alert-relay /var/lib/alert-relay"))
	require.Equal(m.t, "755 root:root", m.run(`stat -c '%a %U:%G' "$(command -v alert-relay)"`))
	require.Regexp(m.t, `^alert-relay:x:\d+:\d+:Alert relay:/var/lib/alert-relay:/usr/sbin/nologin$`, m.run("getent passwd alert-relay"))
	m.run("systemd-analyze verify alert-relay.service")
	require.Contains(m.t, m.run("alert-relay version"), "alert-relay 0.0.0-alpha (commit ")
	require.Equal(m.t, "disabled\ninactive", m.run("systemctl is-enabled alert-relay || true; systemctl is-active alert-relay || true"))
	// Without a configuration it isn't started, and that is no failure.
	m.run("systemctl start alert-relay")
	require.Equal(m.t, "ActiveState=inactive\nConditionResult=no", m.run("systemctl show alert-relay --property ActiveState,ConditionResult"))
	if w.environment != "" {
		require.Equal(m.t, "644 root:root", m.run("stat -c '%a %U:%G' "+w.environment))
	}
}

// configure follows steps 2 to 5 of docs/install.md, with a simulated Webex, and waits for what a simulated Zabbix reports.
func (m *machine) configure() {
	m.t.Helper()
	m.run("systemd-run --quiet --unit webex alert-relay simulate webex --listen 127.0.0.1:9001")
	eventually(m.t, "the simulated Webex answers", func() error { _, err := m.get(9001, "/sim/state"); return err })
	bot := blocks(m.t, "install.md", "## 2. Create a bot", "sh")
	require.Len(m.t, bot, 2)
	m.runWith(bot[0], webexsim.DefaultBotToken+"\n")
	require.Contains(m.t, m.run(strings.TrimSpace(bot[1])+" --api-url http://127.0.0.1:9001/v1"), webexsim.RoomID("noc"))
	m.runWith(blocks(m.t, "install.md", "## 3. Create a user and a token in Zabbix", "sh")[0], "0123456789abcdef0123456789abcdef\n")
	config := strings.NewReplacer(
		"Y2lzY29zcGFyazovL3VzL1JPT00v…", webexsim.RoomID("noc"),
		"webex:\n", "webex:\n  api_url: http://127.0.0.1:9001/v1\n",
		"https://relay.example.com", "http://127.0.0.1:8080", "https://zabbix.example.com", "http://127.0.0.1:9",
	).Replace(blocks(m.t, "install.md", "## 4. Write the configuration", "yaml")[0])
	sender := blocks(m.t, "install.md", "## Messages from scripts", "yaml")[0]
	m.run(blocks(m.t, "install.md", "## Messages from scripts", "sh")[0])
	m.runWith("cat > /etc/alert-relay/config.yaml", config+sender)
	m.run(blocks(m.t, "install.md", "## 4. Write the configuration", "sh")[0])
	run := blocks(m.t, "install.md", "## 5. Run it", "sh")[0]
	require.True(m.t, strings.HasSuffix(m.run(run), "ready"))
	m.run("systemd-run --quiet --unit zabbix alert-relay simulate zabbix --listen 127.0.0.1:9002 --relay http://127.0.0.1:8080/v1/zabbix/events --secret-file /etc/alert-relay/relay-secret --pace 1s")
	eventually(m.t, "the room shows a problem", func() error {
		if m.posted() == 0 {
			return errors.New("no messages")
		}
		return nil
	})
}

// serves requires a relay that systemd knows to be ready, and that posts what it is given.
func (m *machine) serves() {
	m.t.Helper()
	require.Equal(m.t, "Type=notify\nStatusText=running\nActiveState=active\nSubState=running", m.run("systemctl show alert-relay --property Type,ActiveState,SubState,StatusText"))
	require.Equal(m.t, "enabled", m.run("systemctl is-enabled alert-relay"))
	require.Equal(m.t, "600 alert-relay:alert-relay", m.run("stat -c '%a %U:%G' /var/lib/alert-relay/relay.db"))
	require.Equal(m.t, "alert-relay", m.run("stat -c %U /proc/$(systemctl show --value --property MainPID alert-relay)"))
	before := m.posted()
	m.run("alert-relay send noc 'The relay serves' --config /etc/alert-relay/config.yaml")
	eventually(m.t, "the room shows the message", func() error {
		if now := m.posted(); now <= before {
			return fmt.Errorf("%d messages, as before", now)
		}
		return nil
	})
}

// measured follows "Prometheus on the same machine" of docs/install.md, with the host's Prometheus.
func (m *machine) measured() {
	m.t.Helper()
	const heading = "### Prometheus on the same machine"
	steps := blocks(m.t, "install.md", heading, "sh")
	require.Len(m.t, steps, 2)
	m.run("mkdir /etc/prometheus && ln -s /host/promtool /usr/local/bin/")
	m.run(steps[0])
	m.run(`echo 'global: {scrape_interval: 1s}' > /etc/prometheus/prometheus.yml
systemd-run --quiet --unit prometheus --property 'ExecReload=/bin/bash -c "kill -HUP $MAINPID"' /host/prometheus --config.file=/etc/prometheus/prometheus.yml --storage.tsdb.path=/tmp/prometheus`)
	eventually(m.t, "Prometheus is ready", func() error {
		answer, err := m.get(9090, "/-/ready")
		if err == nil && !strings.Contains(answer, "is Ready") {
			err = errors.New(answer)
		}
		return err
	})
	m.runWith("cat >> /etc/prometheus/prometheus.yml", blocks(m.t, "install.md", heading, "yaml")[0])
	m.run(steps[1])
	scraped(m.t, func(query string) (string, error) { return m.try(query, "") })
}

// scraped follows "Look" of docs/install.md: each query prints one series, whose value is 1. run runs a command where Prometheus is.
func scraped(t *testing.T, run func(command string) (string, error)) {
	t.Helper()
	queries := strings.Split(strings.TrimSpace(blocks(t, "install.md", "### Look", "sh")[0]), "\n")
	require.Len(t, queries, 2)
	for _, query := range queries {
		eventually(t, query, func() error {
			out, err := run(query)
			if err == nil && !regexp.MustCompile(`^(up|alert_relay_build_info)\{.*job="alert-relay".*\} => 1 @\[.*\]$`).MatchString(out) {
				err = errors.New(out)
			}
			return err
		})
	}
}

// posted counts the messages that the simulated Webex accepted.
func (m *machine) posted() int {
	m.t.Helper()
	state, err := m.get(9001, "/sim/state")
	require.NoError(m.t, err)
	return strings.Count(state, `"markdown":`)
}

// watched requires that systemd replaces a relay that hangs.
func (m *machine) watched() {
	m.t.Helper()
	m.run("mkdir -p /run/systemd/system/alert-relay.service.d && printf '[Service]\\nWatchdogSec=6s\\nTimeoutAbortSec=1s\\nRestartSec=100ms\\n' > /run/systemd/system/alert-relay.service.d/fast.conf && systemctl daemon-reload && systemctl restart alert-relay")
	hung := m.run("systemctl show --value --property MainPID alert-relay")
	m.run("kill -STOP " + hung)
	eventually(m.t, "systemd replaces it", func() error {
		state := m.run("systemctl show alert-relay --property MainPID,NRestarts,ActiveState")
		if strings.Contains(state, "MainPID="+hung+"\n") || !strings.Contains(state, "NRestarts=1") || !strings.Contains(state, "ActiveState=active") {
			return fmt.Errorf("%s", state)
		}
		return nil
	})
	m.run("rm /run/systemd/system/alert-relay.service.d/fast.conf && systemctl daemon-reload && systemctl restart alert-relay")
}

// reloaded requires that "systemctl reload" applies a changed configuration, and fails for a faulty one; the relay then runs on as before.
func (m *machine) reloaded() {
	m.t.Helper()
	pid := func() string { return m.run("systemctl show --value --property MainPID alert-relay") }
	hash := func() string {
		// The port that measured gave it.
		metrics, err := m.get(9091, "/metrics")
		require.NoError(m.t, err)
		found := regexp.MustCompile(`alert_relay_config_info\{hash="([0-9a-f]+)"\} 1`).FindStringSubmatch(metrics)
		require.NotNil(m.t, found)
		return found[1]
	}
	before, first := pid(), hash()
	m.run("cd /etc/alert-relay && cp config.yaml /root/good.yaml && echo 'storm: {threshold: 11}' >> config.yaml && systemctl reload alert-relay")
	second := hash()
	require.NotEqual(m.t, first, second)
	out, err := m.try("echo 'stomr: {threshold: 12}' >> /etc/alert-relay/config.yaml && systemctl reload alert-relay", "")
	require.Error(m.t, err, out)
	require.Equal(m.t, second, hash())
	require.Equal(m.t, "StatusText=running\nActiveState=active\nSubState=running", m.run("systemctl show alert-relay --property ActiveState,SubState,StatusText"))
	m.run("cat /root/good.yaml > /etc/alert-relay/config.yaml && systemctl reload alert-relay")
	require.Equal(m.t, first, hash())
	require.Equal(m.t, before, pid())
	m.serves()
}

// confined requires that little of the system is exposed to the relay, as systemd judges it.
func (m *machine) confined() {
	m.t.Helper()
	found := regexp.MustCompile(`exposure level for alert-relay.service: ([0-9.]+)`).FindStringSubmatch(m.run("systemd-analyze security --no-pager alert-relay.service"))
	require.NotNil(m.t, found)
	level, err := strconv.ParseFloat(found[1], 64)
	require.NoError(m.t, err)
	require.Less(m.t, level, 2.0)
}

// credentials moves the secrets to where the relay's user can't read them, as the packaged example says, and lets other machines reach
// the admin listener, whose token is one of them. A command, a backup, a reload and an upgrade work in that state.
func (m *machine) credentials(w way) {
	m.t.Helper()
	m.run(`install -d -m 700 /etc/alert-relay/secrets /etc/systemd/system/alert-relay.service.d
cd /etc/alert-relay && cp config.yaml /root/files.yaml && mv webex-token zabbix-token relay-secret secrets/ && chmod 600 secrets/* && chown root:root secrets/*
openssl rand -hex 32 > secrets/admin-token
sed -E 's/^#(LoadCredential|ExecReload)=/\1=/' /usr/share/doc/alert-relay/credentials.conf > /etc/systemd/system/alert-relay.service.d/credentials.conf
sed -i -E '/(api_token|secret)_file:/d; /name: noc/s/ token_file: [^,]*,//; s/admin_listen: 127.0.0.1/admin_listen: 0.0.0.0/; /^server:/a\  admin_token_file: $CREDENTIALS_DIRECTORY/admin-token' config.yaml
systemctl daemon-reload && systemctl restart alert-relay`)
	require.Equal(m.t, "active", m.run("systemctl is-active alert-relay"))
	configured := m.run("cat /etc/alert-relay/config.yaml")
	require.NotRegexp(m.t, "(webex|zabbix)-token|relay-secret", configured)
	require.Contains(m.t, configured, "admin_listen: 0.0.0.0:9091")
	require.Contains(m.t, m.run("alert-relay check /etc/alert-relay/config.yaml 2>&1"), "$CREDENTIALS_DIRECTORY is set by systemd, for a unit with LoadCredential=")
	require.Equal(m.t, "alive", m.run("alert-relay health --config /etc/alert-relay/config.yaml"))
	list := "alert-relay deadletter list --config /etc/alert-relay/config.yaml"
	_, err := m.try(list, "")
	require.Error(m.t, err, "it has no token")
	require.Equal(m.t, "no dead letters", m.run(list+" --admin-token-file /etc/alert-relay/secrets/admin-token"))
	m.run("systemctl reload alert-relay")
	m.run("alert-relay backup /var/backups/credentials.db --config /etc/alert-relay/config.yaml")
	before := m.run("systemctl show --value --property MainPID alert-relay")
	m.run("cd /newer\n" + w.upgrade)
	require.NotEqual(m.t, before, m.run("systemctl show --value --property MainPID alert-relay"), "the newer one runs")
	m.serves()
	m.run("cd /older\n" + w.rollBack)
	m.serves()
	m.run(`cd /etc/alert-relay && rm secrets/admin-token && mv secrets/* . && chgrp alert-relay webex-token zabbix-token relay-secret && chmod 640 webex-token zabbix-token relay-secret
cat /root/files.yaml > config.yaml && rm -r secrets /etc/systemd/system/alert-relay.service.d
systemctl daemon-reload && systemctl restart alert-relay`)
}

// upgraded follows "Back up and restore", "Upgrade" and "Roll back" of docs/operations.md.
func (m *machine) upgraded(w way) {
	m.t.Helper()
	pid := func() string { return m.run("systemctl show --value --property MainPID alert-relay") }
	m.run("echo GOMEMLIMIT=400MiB >> " + w.environment)
	before := pid()
	copies := blocks(m.t, "operations.md", "## Back up and restore", "sh")
	require.Len(m.t, copies, 2)
	m.run(copies[0])
	m.run("cd /newer\n" + w.upgrade)
	require.NotEqual(m.t, before, pid(), "the newer one runs")
	require.NotContains(m.t, m.run("alert-relay version"), "0.0.0-alpha")
	require.Contains(m.t, m.run("cat "+w.environment), "GOMEMLIMIT=400MiB")
	m.serves()

	m.run("cd /older\n" + w.rollBack)
	require.Contains(m.t, m.run("alert-relay version"), "0.0.0-alpha")
	m.run(strings.Replace(copies[1], "2026-11-24", "$(date +%F)", 1))
	m.serves()

	// A configuration that the newer one refuses keeps the older one running.
	m.run("cp /etc/alert-relay/config.yaml /root/good.yaml && echo 'no_such_key: 1' >> /etc/alert-relay/config.yaml")
	before = pid()
	require.Contains(m.t, m.run("cd /newer\n"+w.upgrade), "no_such_key: unknown key")
	require.Equal(m.t, before, pid())
	m.run("cat /root/good.yaml > /etc/alert-relay/config.yaml && systemctl restart alert-relay")
	require.NotEqual(m.t, before, pid())
}

// removed requires that the program goes and the operator's files stay.
func (m *machine) removed(name string, w way) {
	m.t.Helper()
	m.run(w.remove)
	_, err := m.try("command -v alert-relay || systemctl cat alert-relay", "")
	require.Error(m.t, err)
	_, err = m.try("systemctl is-active alert-relay", "")
	require.Error(m.t, err)
	m.run("test -e /etc/alert-relay/config.yaml -a -e /var/lib/alert-relay/relay.db")
	if name == "deb" {
		m.run("test -e " + w.environment)
		require.Contains(m.t, m.run("dpkg --purge alert-relay"), "/var/lib/alert-relay is kept")
		m.run("test ! -e " + w.environment + " -a -e /var/lib/alert-relay/relay.db")
	}
}
