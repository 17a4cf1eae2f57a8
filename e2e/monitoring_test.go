//go:build e2e

package e2e

import (
	"bufio"
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	_ "modernc.org/sqlite"

	"nms-alert-relay/internal/simulator/webexsim"
	"nms-alert-relay/internal/simulator/zabbixsim"
)

// watched is the configuration of a relay under Prometheus. Its arguments are Webex's API and the token's file, Zabbix's URL and the
// token's file, and the ids of the rooms noc and db.
const watched = `
webex: {api_url: %s, bots: [{name: noc, token_file: %s, listen: off}]}
zabbix: [{name: main, url: %s, api_token_file: %s, secret_env: E2E_SECRET}]
rooms:
  - {name: noc, id: %s, bot: noc}
  - {name: db, id: %s, bot: noc}
routes: [{match: {severity: ">=warning"}, rooms: [db]}]
default_rooms: [noc]
people: [{domain: example.com, role: viewer}]
duty: [{name: network, calendar: {file: duty.ics}}]
reconcile: {interval: 1s}
notify: [{name: cron, token_env: E2E_CRON, rooms: [noc]}]
heartbeats: [{name: backup, interval: 1d}]
canary: {interval: 1d}
log: {level: warn}
`

// broken is a relay with neighbours of its own, one of which breaks.
type broken struct {
	*relayProcess
	webex                   *webexsim.Server
	zabbix                  *zabbixsim.Server
	webexToken, zabbixToken string // files
	api, frontend           string // URLs of the neighbours
}

// breakages are what is broken, the alerts that must fire, and how it is mended. In between, problems are posted all the time.
var breakages = []struct {
	name, alert string
	also        string   // another alert
	may         []string // alerts that may fire too, since what is broken breaks more
	critical    bool
	before      func(*testing.T, *broken) // before the relay starts
	hurt, mend  func(*testing.T, *broken)
}{
	{
		name: "the bot's token is revoked", alert: "AlertRelayTokenRefused", critical: true,
		hurt: func(t *testing.T, b *broken) {
			require.NoError(t, b.webex.SetToken(webexsim.DefaultBot, "another-token"))
		},
		mend: func(t *testing.T, b *broken) { keep(t, b.webexToken, "another-token") },
	},
	{
		name: "the room is gone", alert: "AlertRelayDeadLetters",
		hurt: func(t *testing.T, b *broken) { require.NoError(t, b.webex.RemoveFromRoom("db", webexsim.DefaultBot)) },
		mend: func(t *testing.T, b *broken) {
			require.NoError(t, b.webex.AddToRoom("db", webexsim.DefaultBot))
			eventually(t, "no dead letter is left", func() error {
				out, err := exec.Command(buildRelay(t), "deadletter", "replay", "--all", "--room", "db", "--admin", "http://"+b.admin).CombinedOutput()
				if err != nil || !strings.Contains(string(out), "no dead letters") {
					return fmt.Errorf("%v: %s", err, out)
				}
				return nil
			})
		},
	},
	{
		name: "Webex is down", alert: "AlertRelayWebexDown", critical: true,
		hurt: func(_ *testing.T, b *broken) { b.webex.Outage(time.Now().Add(time.Hour)) },
		mend: func(_ *testing.T, b *broken) { b.webex.Outage(time.Now()) },
	},
	{
		name: "the disk is full", alert: "AlertRelayNotAccepting", also: "AlertRelayStoreSpaceLow", may: []string{"AlertRelayStoreErrors"}, critical: true,
		before: func(t *testing.T, b *broken) {
			dir := filepath.Dir(b.config)
			require.NoError(t, syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=16m"), "needs root")
			t.Cleanup(func() { require.NoError(t, syscall.Unmount(dir, syscall.MNT_DETACH)) })
		},
		hurt: func(t *testing.T, b *broken) {
			err := os.WriteFile(filepath.Join(filepath.Dir(b.config), "ballast"), make([]byte, 16<<20), 0o600)
			require.ErrorIs(t, err, syscall.ENOSPC)
		},
		mend: func(t *testing.T, b *broken) {
			require.NoError(t, os.Remove(filepath.Join(filepath.Dir(b.config), "ballast")))
		},
	},
	{
		name: "Zabbix refuses the API token", alert: "AlertRelayZabbixTokenRefused",
		hurt: func(_ *testing.T, b *broken) { b.zabbix.SetRelayToken("another-token") },
		mend: func(t *testing.T, b *broken) { keep(t, b.zabbixToken, "another-token") },
	},
	{
		name: "the fold is stuck", alert: "AlertRelayFoldStuck", may: []string{"AlertRelayStoreErrors"}, critical: true,
		hurt: func(t *testing.T, b *broken) {
			b.execute(t, `CREATE TRIGGER stuck BEFORE UPDATE ON journal BEGIN SELECT RAISE(ABORT, 'stuck on purpose'); END`)
		},
		mend: func(t *testing.T, b *broken) { b.execute(t, `DROP TRIGGER stuck`) },
	},
	{
		name: "the relay is down", alert: "AlertRelayDown", critical: true,
		hurt: func(t *testing.T, b *broken) { b.kill(t) },
		mend: func(t *testing.T, b *broken) { b.start(t) },
	},
}

// Debian's Prometheus scrapes relays that are broken on purpose, each in another way. The right alert reaches Alertmanager's own
// Webex room, and by e-mail if it is critical, and ends after the mend. No alert about another fault fires.
func TestAlertsFireAndEnd(t *testing.T) {
	relays := make([]*broken, len(breakages))
	var targets []string
	for i, c := range breakages {
		relays[i] = &broken{relayProcess: newRelay(t)}
		if c.before != nil {
			c.before(t, relays[i])
		}
		relays[i].prepare(t)
		relays[i].start(t)
		targets = append(targets, relays[i].admin)
	}
	w := watch(t, targets)
	healthy := func(t *testing.T) {
		eventually(t, "every relay is scraped", func() error {
			if n := len(w.query(t, `up{job="alert-relay"} == 1 and on (instance) alert_relay_store_up == 1`)); n != len(relays) {
				return fmt.Errorf("%d of %d", n, len(relays))
			}
			return nil
		})
	}
	healthy(t)
	before := series(t, relays[0].admin)
	t.Run("broken", func(t *testing.T) {
		for i, c := range breakages {
			t.Run(c.name, func(t *testing.T) {
				t.Parallel()
				b := relays[i]
				stop := b.problems(t)
				defer stop()
				c.hurt(t, b)
				w.told(t, "FIRING", c.alert, b.admin)
				if c.also != "" {
					w.told(t, "FIRING", c.also, b.admin)
				}
				if c.critical {
					w.mail.has(t, c.alert, b.admin)
				}
				c.mend(t, b)
				stop()
				w.told(t, "RESOLVED", c.alert, b.admin)
				b.idle(t)
			})
		}
	})
	healthy(t)
	for i, c := range breakages {
		for _, fired := range w.query(t, fmt.Sprintf(`count by (alertname) (max_over_time(ALERTS{alertstate="firing",instance=%q}[10m]))`, relays[i].admin)) {
			require.Contains(t, append(c.may, c.alert, c.also), fired["alertname"], c.name)
		}
		require.Empty(t, w.query(t, fmt.Sprintf("ALERTS{alertname=%q,alertstate=\"firing\"}", c.alert)), "%s has ended", c.alert)
	}
	dashboardAnswers(t, w)
	runbooksWork(t, w, relays[0])
	conventions(t, relays[0].admin)
	for i, c := range breakages {
		require.Subset(t, before, series(t, relays[i].admin), "%s: every series is there from the start", c.name)
	}
}

// series returns the names and labels of a relay's own series, without the hash of its configuration.
func series(t *testing.T, admin string) (all []string) {
	t.Helper()
	resp, err := http.Get("http://" + admin + "/metrics")
	require.NoError(t, err)
	defer resp.Body.Close()
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		if line := lines.Text(); strings.HasPrefix(line, "alert_relay_") && !strings.HasPrefix(line, "alert_relay_config_info{") {
			all = append(all, line[:strings.LastIndex(line, " ")])
		}
	}
	require.NotEmpty(t, all)
	return all
}

// dashboardAnswers runs every query of the dashboard. Those that show only trouble may be empty.
func dashboardAnswers(t *testing.T, w *watcher) {
	t.Helper()
	raw, err := os.ReadFile("../monitoring/dashboard.json")
	require.NoError(t, err)
	var dashboard struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	require.NoError(t, json.Unmarshal(raw, &dashboard))
	variables := strings.NewReplacer("$__rate_interval", "5m", "$instance", ".*", "$bot", ".*", "$room", ".*", "$source", ".*")
	queries := 0
	for _, p := range dashboard.Panels {
		for _, target := range p.Targets {
			queries++
			n := len(w.query(t, variables.Replace(target.Expr)))
			t.Logf("%d series: %s: %s", n, p.Title, target.Expr)
			if !strings.HasSuffix(target.Expr, "> 0") && !ofListeners.MatchString(target.Expr) {
				require.NotZero(t, n, "%s: nothing for %s", p.Title, target.Expr)
			}
		}
	}
	require.Greater(t, queries, 40)
}

// conventions has promtool check a relay's metrics.
func conventions(t *testing.T, admin string) {
	t.Helper()
	resp, err := http.Get("http://" + admin + "/metrics")
	require.NoError(t, err)
	defer resp.Body.Close()
	cmd := exec.Command("promtool", "check", "metrics")
	cmd.Stdin = resp.Body
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	require.Empty(t, string(out))
}

// prepare starts the neighbours, and writes the configuration and the secrets.
func (b *broken) prepare(t *testing.T) {
	t.Helper()
	keep(t, filepath.Join(filepath.Dir(b.config), "duty.ics"), strings.ReplaceAll(`BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//e2e//EN
BEGIN:VEVENT
UID:1
DTSTAMP:20260101T000000Z
DTSTART:20260101T000000Z
DTEND:20260102T000000Z
RRULE:FREQ=DAILY
SUMMARY:alice@example.com
END:VEVENT
END:VCALENDAR
`, "\n", "\r\n"))
	var err error
	b.webex, b.api = webexWorld(t, webexsim.Options{})
	b.zabbix, err = zabbixsim.New(zabbixsim.Options{Version: "7.0.22"})
	require.NoError(t, err)
	server := httptest.NewServer(b.zabbix)
	t.Cleanup(server.Close)
	b.frontend = server.URL
	dir := filepath.Dir(b.config)
	b.webexToken, b.zabbixToken = filepath.Join(dir, "webex-token"), filepath.Join(dir, "zabbix-token")
	keep(t, b.webexToken, webexsim.DefaultBotToken)
	keep(t, b.zabbixToken, zabbixsim.RelayToken)
	b.configure(t, fmt.Sprintf(watched, b.api, b.webexToken, b.frontend, b.zabbixToken, webexsim.RoomID("noc"), webexsim.RoomID("db")), "E2E_SECRET="+secret, "E2E_CRON="+strings.Repeat("c", 32))
}

// keep writes a secret's file.
func keep(t *testing.T, file, secret string) {
	t.Helper()
	require.NoError(t, os.WriteFile(file, []byte(secret+"\n"), 0o600))
}

// execute runs a statement on the relay's database.
func (b *broken) execute(t *testing.T, statement string) {
	t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(filepath.Dir(b.config), "relay.db")+"?_pragma=busy_timeout(10000)")
	require.NoError(t, err)
	defer db.Close()
	_, err = db.Exec(statement)
	require.NoError(t, err)
}

// problems posts problems, a few a second, whatever the answer, until stop is called.
func (b *broken) problems(t *testing.T) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var posting sync.WaitGroup
	posting.Go(func() {
		client := &http.Client{Timeout: 5 * time.Second}
		defer client.CloseIdleConnections()
		tick := time.NewTicker(250 * time.Millisecond)
		defer tick.Stop()
		for n := 0; ; n++ {
			body, err := json.Marshal(map[string]string{
				"EVENT.ID": strconv.Itoa(1000 + n), "EVENT.NAME": "Link down", "EVENT.SOURCE": "0", "EVENT.OBJECT": "0", "EVENT.VALUE": "1", "EVENT.NSEVERITY": "4",
				"EVENT.DATE": time.Now().UTC().Format("2006.01.02"), "EVENT.TIME": time.Now().UTC().Format("15:04:05"), "EVENT.UPDATE.STATUS": "0",
				"HOST.HOST": "sw1", "TRIGGER.ID": strconv.Itoa(n), "EVENT.OPDATA": string(bytes.Repeat([]byte("x"), 1000)),
			})
			if err != nil {
				panic(err) // a map of strings
			}
			// Stopping doesn't interrupt it: a sender that hangs up is a fault of its own.
			_, _ = zabbixsim.Post(context.WithoutCancel(ctx), client, "http://"+b.public+"/v1/zabbix/events", secret, body, time.Now()) // refused while it is broken
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
		}
	})
	return func() {
		cancel()
		posting.Wait()
	}
}
