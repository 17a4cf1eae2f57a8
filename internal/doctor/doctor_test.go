package doctor

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/simulator/webexsim"
	"nms-alert-relay/internal/simulator/zabbixsim"
	"nms-alert-relay/internal/watch"
)

// Where everything is as it should be, nothing fails, and no call changes anything.
func TestNothingFails(t *testing.T) {
	for _, version := range zabbixsim.Versions {
		t.Run(version, func(t *testing.T) {
			r := newRig(t, version)
			before := len(r.webex.Timeline("noc"))
			all := r.run()
			require.NotContains(t, all, "failure")
			for _, line := range []string{
				"configuration: file: " + r.opts.Config.File + " has no faults: sources 1, bots 1, rooms 2, routes 0",
				"files: modes: nobody else can write the configuration and the secrets (files: 1)",
				"store: file: " + r.opts.StorePath + ": 4 KiB, 7 events pending",
				"store: schema: version 3", "store: integrity: no damage found", "store: space: 10 GiB are free", "store: backup: not checked: --backups",
				"relay: running: a relay answers: ready",
				"webex noc: token: valid: Relay (relay@webex.bot)", "webex noc: room noc: the bot is in NOC", "webex noc: room db: the bot is in Databases",
				"webex noc: listening: off", "webex noc: clock: this machine's clock and Webex's agree",
				"zabbix main: connection: Zabbix " + version + " answers at http://", "zabbix main: token: accepted", "zabbix main: methods: the role allows all 11",
				"zabbix main: clock: this machine's clock and Zabbix's agree",
			} {
				require.Contains(t, all, "ok       "+line)
			}
			require.Len(t, r.webex.Timeline("noc"), before)
			for op := range r.webex.Stats().Calls {
				require.True(t, strings.HasPrefix(op, "GET "), op)
			}
			require.Empty(t, r.zabbix.Problems())
		})
	}
}

// Each thing that breaks shows in its own line, with what to do.
func TestEachFaultHasItsLine(t *testing.T) {
	dir := t.TempDir()
	writable := filepath.Join(dir, "writable.yaml")
	require.NoError(t, os.WriteFile(writable, nil, 0o600))
	require.NoError(t, os.Chmod(writable, 0o602))
	old := filepath.Join(dir, "backups")
	require.NoError(t, os.Mkdir(old, 0o700))
	stale := filepath.Join(old, "relay.db")
	require.NoError(t, os.WriteFile(stale, nil, 0o600))
	require.NoError(t, os.Chtimes(stale, time.Time{}, time.Now().Add(-72*time.Hour)))
	stored := func(change func(*Store)) func(r *rig) {
		return func(r *rig) {
			s, _ := r.opts.Store(t.Context(), "")
			change(&s)
			r.opts.Store = func(context.Context, string) (Store, error) { return s, nil }
		}
	}
	for _, c := range []struct {
		name, where, line, version string
		spoil                      func(r *rig)
	}{
		{"a fault of the configuration", "configuration: routes[0].rooms",
			`failure  configuration: routes[0].rooms: relay.yaml:9: unknown room "dbs" (did you mean db?)`, "", func(r *rig) {
				r.opts.Config, r.opts.Faults = nil, config.Faults{{File: "relay.yaml", Line: 9, Key: "routes[0].rooms", What: `unknown room "dbs"`, Hint: "did you mean db?"}}
			}},
		{"a file that isn't a configuration", "configuration: file", "failure  configuration: file: relay.yaml: expected a mapping", "", func(r *rig) {
			r.opts.Config, r.opts.Faults = nil, config.Faults{{File: "relay.yaml", What: "expected a mapping"}}
		}},
		{"the neighbours of a faulty configuration", "configuration: neighbours", "warning  configuration: neighbours: Webex and Zabbix aren't checked: the configuration is faulty", "",
			func(r *rig) {
				r.opts.Config, r.opts.Faults = nil, config.Faults{{File: "relay.yaml", What: "expected a mapping"}}
			}},
		{"a warning of the configuration", "configuration: zabbix[0].secret_file", "warning  configuration: zabbix[0].secret_file: relay.yaml: s is readable by everybody on this machine (chmod o-r s)", "",
			func(r *rig) {
				r.opts.Config.Warnings = config.Faults{{File: "relay.yaml", Key: "zabbix[0].secret_file", What: "s is readable by everybody on this machine", Hint: "chmod o-r s"}}
			}},
		{"a file that everybody can write", "files: configuration", "warning  files: configuration: " + writable + " is writable by everybody", "",
			func(r *rig) { r.opts.Config.File = writable }},
		{"a file that is gone", "files: configuration", "failure  files: configuration: cannot read /nowhere/relay.yaml: no such file or directory (", "",
			func(r *rig) { r.opts.Config.File = "/nowhere/relay.yaml" }},
		{"a certificate that can't be read", "files: server.tls.cert_file", "failure  files: server.tls.cert_file: cannot read /nowhere/cert.pem: no such file", "",
			func(r *rig) { r.opts.Config.Server.TLS = config.TLS{CertFile: "/nowhere/cert.pem", KeyFile: writable} }},
		{"an unknown store", "store: file", "warning  store: file: the store's path is unknown (correct the configuration)", "", func(r *rig) { r.opts.StorePath = "" }},
		{"no store", "store: file", "doesn't exist yet (the relay makes it", "",
			func(r *rig) {
				r.opts.Store = func(context.Context, string) (Store, error) { return Store{}, fs.ErrNotExist }
			}},
		{"a store that can't be opened", "store: file", "failure  store: file: permission denied (run this as the relay's user", "",
			func(r *rig) {
				r.opts.Store = func(context.Context, string) (Store, error) { return Store{}, fs.ErrPermission }
			}},
		{"a store that everybody can read", "store: file", "is accessible by everybody on this machine", "", stored(func(s *Store) { s.Mode = 0o604 })},
		{"a store of a newer relay", "store: schema", "failure  store: schema: version 4, but this program supports 3 at most", "", stored(func(s *Store) { s.Schema = 4 })},
		{"a store of an older relay", "store: schema", "warning  store: schema: version 2, and this program writes 3", "", stored(func(s *Store) { s.Schema = 2 })},
		{"damage", "store: integrity", "failure  store: integrity: damaged: page 3 is never used (restore a backup", "", stored(func(s *Store) { s.Damage = []string{"page 3 is never used"} })},
		{"a store too large to check", "store: integrity", "warning  store: integrity: the check wasn't finished in time", "", stored(func(s *Store) { s.Unchecked = true })},
		{"little space", "store: space", "warning  store: space: only 100 MiB are free", "", stored(func(s *Store) { s.Free = 100 << 20 })},
		{"an old backup", "store: backup", "warning  store: backup: the newest is 72h0m0s old (", "", func(r *rig) { r.opts.Backups = old }},
		{"a backup of today", "store: backup", "ok       store: backup: the newest is 1h0m0s old", "", func(r *rig) {
			r.opts.Backups = filepath.Join(t.TempDir(), "relay.db")
			require.NoError(t, os.WriteFile(r.opts.Backups, nil, 0o600))
			require.NoError(t, os.Chtimes(r.opts.Backups, time.Time{}, time.Now().Add(-time.Hour)))
		}},
		{"a backup that wasn't finished", "store: backup", " has no backup (make one", "", func(r *rig) {
			r.opts.Backups = t.TempDir()
			require.NoError(t, os.WriteFile(filepath.Join(r.opts.Backups, "relay.db.partial"), nil, 0o600))
		}},
		{"no backup", "store: backup", " has no backup (make one", "", func(r *rig) { r.opts.Backups = t.TempDir() }},
		{"no directory of backups", "store: backup", "cannot read /nowhere: no such file", "", func(r *rig) { r.opts.Backups = "/nowhere" }},
		{"no relay", "relay: running", "warning  relay: running: nothing answers", "", func(r *rig) { r.running = false }},
		{"no relay at an address that was given", "relay: running", "failure  relay: running: nothing answers", "", func(r *rig) { r.running, r.opts.MustRun = false, true }},
		{"a relay that isn't ready", "relay: running", "failure  relay: running: a relay runs, but accepts no events: answered 503: draining", "",
			func(r *rig) {
				r.opts.Ready = func(context.Context) (string, bool, error) { return "", true, errors.New("answered 503: draining") }
			}},
		{"a bot's token", "webex noc: token", "failure  webex noc: token: webex: GET /people/me: 401 ", "",
			func(r *rig) { require.NoError(t, r.webex.SetToken(webexsim.DefaultBot, "another")) }},
		{"a bot without a token", "webex noc: token", "failure  webex noc: token: the bot has no token", "", func(r *rig) { r.opts.Config.Webex.Bots[0].Token = config.Secret{} }},
		{"a person's token", "webex noc: token", "warning  webex noc: token: valid, but it belongs to a person, alice@example.com", "",
			func(r *rig) {
				require.NoError(t, r.webex.SetToken("alice@example.com", "token-of-alice"))
				r.opts.Config.Webex.Bots[0].Token = config.NewSecret("token-of-alice")
			}},
		{"Webex", "webex noc: connection", "failure  webex noc: connection: webex: GET /people/me: 503 ", "", func(r *rig) { r.webex.Outage(time.Now().Add(time.Hour)) }},
		{"the authority that Webex's certificate is from", "webex noc: connection", "failure  webex noc: connection: ", "",
			func(r *rig) { r.opts.Config.Webex.HTTP.CAFile, r.opts.Config.Webex.HTTP.CA = "/nowhere/ca.pem", nil }},
		{"rooms that Webex doesn't list", "webex noc: rooms", "failure  webex noc: rooms: webex: GET /rooms: 503 ", "",
			func(r *rig) {
				r.webex.AddFault(webexsim.Fault{Op: "GET /rooms", Status: http.StatusServiceUnavailable})
			}},
		{"a room for announcements whose moderators Webex doesn't list", "webex noc: room db",
			"warning  webex noc: room db: Databases is for announcements, and it is unknown whether the bot is a moderator (try --room db)", "", func(r *rig) {
				require.NoError(t, r.webex.Announce("db"))
				r.webex.AddFault(webexsim.Fault{Op: "GET /memberships", Status: http.StatusServiceUnavailable})
			}},
		{"a room without the bot", "webex noc: room db", "failure  webex noc: room db: the bot isn't in this room", "",
			func(r *rig) { require.NoError(t, r.webex.RemoveFromRoom("db", webexsim.DefaultBot)) }},
		{"a room for announcements", "webex noc: room db", "failure  webex noc: room db: Databases is for announcements, and the bot isn't a moderator", "",
			func(r *rig) { require.NoError(t, r.webex.Announce("db")) }},
		{"a room for announcements with the bot as moderator", "webex noc: room db", "ok       webex noc: room db: the bot is in Databases", "",
			func(r *rig) {
				require.NoError(t, r.webex.Announce("db"))
				require.NoError(t, r.webex.Moderate("db", webexsim.DefaultBot))
			}},
		{"webhooks", "webex noc: webhooks", "failure  webex noc: webhooks: messages and buttons don't reach the relay: messages in groups: missing; ", "", listening},
		{"webhooks of a relay that doesn't run", "webex noc: webhooks", "warning  webex noc: webhooks: messages in groups: missing; ", "",
			func(r *rig) { listening(r); r.running = false }},
		{"webhooks that Webex doesn't list", "webex noc: webhooks", "failure  webex noc: webhooks: webex: GET /webhooks: 503 ", "", func(r *rig) {
			listening(r)
			r.webex.AddFault(webexsim.Fault{Op: "GET /webhooks", Status: http.StatusServiceUnavailable})
		}},
		{"a websocket that isn't registered", "webex noc: websocket", "failure  webex noc: websocket: the relay runs, but its device isn't registered", "", bySocket},
		{"a websocket whose services don't answer", "webex noc: websocket", "failure  webex noc: websocket: the bot can't register for a websocket: webex: GET catalog: 503 ", "", func(r *rig) {
			bySocket(r)
			r.webex.AddFault(webexsim.Fault{Op: "GET /u2c/api/v1/catalog", Status: http.StatusServiceUnavailable})
		}},
		{"a test message that can't be deleted", "webex noc: test message in db", "warning  webex noc: test message in db: posted, but not deleted: webex: DELETE /messages/{id}: 403 ", "", func(r *rig) {
			r.opts.Room = "db"
			r.webex.AddFault(webexsim.Fault{Op: "DELETE /messages/{id}", Status: http.StatusForbidden})
		}},
		{"a test message", "webex noc: test message in db", "failure  webex noc: test message in db: webex: POST /messages: 403 ", "",
			func(r *rig) { require.NoError(t, r.webex.Announce("db")); r.opts.Room = "db" }},
		{"Zabbix", "zabbix main: connection", "failure  zabbix main: connection: zabbix: apiinfo.version: HTTP 503 ", "", func(r *rig) { r.zabbix.SetDown(true) }},
		{"the authority that Zabbix's certificate is from", "zabbix main: connection", "failure  zabbix main: connection: ", "",
			func(r *rig) {
				r.opts.Config.Zabbix[0].HTTP.CAFile, r.opts.Config.Zabbix[0].HTTP.CA = "/nowhere/ca.pem", nil
			}},
		{"a source without a token", "zabbix main: token", "warning  zabbix main: token: no API token: nobody can act", "", func(r *rig) { r.opts.Config.Zabbix[0].APIToken = config.Secret{} }},
		{"the API token", "zabbix main: token", "failure  zabbix main: token: Zabbix refuses it: Not authorized. (make a new token", "6.0.14",
			func(r *rig) { r.zabbix.SetRelayToken("another") }},
		{"a proxy that removes the header", "zabbix main: token", "warning  zabbix main: token: accepted, but only in the body of requests", "7.0.22",
			func(r *rig) { require.NoError(t, r.zabbix.Break("strip-header")) }},
		{"the same in a version that reads no other place", "zabbix main: token", "a proxy may remove the Authorization header", "7.4.7",
			func(r *rig) { require.NoError(t, r.zabbix.Break("strip-header")) }},
		{"a method", "zabbix main: method event.acknowledge",
			"failure  zabbix main: method event.acknowledge: the role of the relay's user forbids it; what is lost: actions from rooms (allow it", "",
			func(r *rig) { require.NoError(t, r.zabbix.Break("forbid:event.acknowledge")) }},
		{"the right to run scripts", "zabbix main: scripts", "failure  zabbix main: scripts: the role of the relay's user forbids script.execute: nobody can run ping ('alert-relay setup zabbix --scripts'", "",
			func(r *rig) {
				r.opts.Config.Scripts = []config.Script{{Name: "ping"}, {Name: "lab", Sources: []string{"lab"}}}
				require.NoError(t, r.zabbix.Break("forbid:script.execute"))
			}},
		{"the right to start maintenances", "zabbix main: maintenances", "ok       zabbix main: maintenances: off: the role of the relay's user doesn't allow maintenance.create", "",
			func(r *rig) { require.NoError(t, r.zabbix.Break("forbid:maintenance.create")) }},
		{"a method that fails", "zabbix main: method alert.get", "failure  zabbix main: method alert.get: ", "", func(r *rig) {
			require.NoError(t, r.zabbix.Break("only:alert.get"))
			require.NoError(t, r.zabbix.Break("sql-failed"))
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.version == "" {
				c.version = "7.0.22"
			}
			r := newRig(t, c.version)
			if c.version == "6.0.14" { // in this version, a token of another length is a session
				r.opts.Config.Zabbix[0].APIToken = config.NewSecret(strings.Repeat("0", 64))
			}
			c.spoil(r)
			require.Contains(t, r.line(c.where), c.line)
		})
	}
}

// listening makes the bot listen by webhooks.
func listening(r *rig) {
	r.opts.Config.Webex.Bots[0].Listen = config.ListenWebhook
	r.opts.Config.Server.PublicURL = "http://127.0.0.1:1"
}

func bySocket(r *rig) { r.opts.Config.Webex.Bots[0].Listen = config.ListenWebsocket }

// The test message is in the room for a moment only.
func TestTestMessage(t *testing.T) {
	r := newRig(t, "7.0.22")
	r.opts.Room = "db"
	before := len(r.webex.Timeline("db"))
	require.Contains(t, r.line("webex noc: test message in db"), "ok       webex noc: test message in db: posted and deleted")
	require.Equal(t, 1, r.webex.Stats().Calls["POST /messages"])
	require.Equal(t, 1, r.webex.Stats().Calls["DELETE /messages/{id}"])
	for _, m := range r.webex.Timeline("db")[before:] {
		require.True(t, m.Deleted)
	}
}

// The public URL must lead to a relay.
func TestPublicURL(t *testing.T) {
	status, body := http.StatusUnauthorized, `{"error": "missing token"}`
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		require.Equal(t, "/v1/notify", req.URL.Path)
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}))
	defer server.Close()
	r := newRig(t, "7.0.22")
	r.opts.Config.Server.PublicURL = server.URL
	require.Contains(t, r.line("relay: public URL"), "ok       relay: public URL: a relay answers at "+server.URL)
	status, body = http.StatusOK, "<html>Welcome to nginx"
	require.Contains(t, r.line("relay: public URL"), "answers 200, but not as a relay does (server.public_url must lead to server.listen")
	status = http.StatusBadGateway
	require.Contains(t, r.line("relay: public URL"), "answers 502: a proxy before the relay doesn't reach it")
	server.Close()
	require.Contains(t, r.line("relay: public URL"), "warning  relay: public URL: "+server.URL+": no answer: ")
}

// The form of --output json is documented in docs/operations.md.
func TestJSON(t *testing.T) {
	out, err := json.Marshal(NewReport([]Check{{Area: "webex", Target: "noc", Name: "token", Verdict: Failure, Found: "refused", Do: "make a new one"}}))
	require.NoError(t, err)
	require.JSONEq(t, `{"verdict": "failure", "checks": [
		{"area": "webex", "target": "noc", "check": "token", "verdict": "failure", "found": "refused", "do": "make a new one"}]}`, string(out))
}

// The worst verdict counts.
func TestWorst(t *testing.T) {
	require.Equal(t, OK, Worst(nil))
	require.Equal(t, Warning, Worst([]Check{{Verdict: OK}, {Verdict: Warning}, {Verdict: OK}}))
	require.Equal(t, Failure, Worst([]Check{{Verdict: Failure}, {Verdict: Warning}}))
	require.Equal(t, Failure, Worst([]Check{{Verdict: OK}, {Verdict: Warning}, {Verdict: Failure}, {Verdict: OK}}))
}

// A neighbour that never answers doesn't keep the others from being reported.
func TestBounded(t *testing.T) {
	r := newRig(t, "7.0.22")
	hang := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-hang }))
	defer server.Close()
	defer close(hang)
	r.opts.Config.Zabbix[0].URL = server.URL
	r.opts.Timeout = 50 * time.Millisecond
	all := r.run()
	require.Contains(t, all, "failure  zabbix main: connection: ")
	require.Contains(t, all, "no answer in time")
	require.NotEmpty(t, all)
}

// Text from neighbours stays in its line.
func TestHarmlessText(t *testing.T) {
	line := Check{Area: "webex", Target: "noc", Name: "room db", Verdict: OK, Found: "the bot is in a\nfailure  b\x1b[31m"}.line()
	require.NotContains(t, line, "\n")
	require.NotContains(t, line, "\x1b")
}

// What the relay knows of its sources and heartbeats is in the store, and each is a line.
func TestKnownTroubles(t *testing.T) {
	r := newRig(t, "7.0.22")
	read := r.opts.Store
	r.opts.Store = func(ctx context.Context, path string) (Store, error) {
		s, err := read(ctx, path)
		s.Troubles = watch.ReadStored(map[string]string{
			"watch/main/alerts":     `{"since":"2026-11-24T12:00:00Z","count":3,"detail":"timed\nout","queued":true}`,
			"watch/main/reconcile":  `{"since":"2026-11-24T13:00:00Z","queued":true}`,
			"watch/main/media_type": `{"since":"2026-11-24T12:00:00Z","until":"2026-11-24T13:00:00Z","queued":false}`,
			"watch/main/action":     "",
			"heartbeat/backup":      `{"known":"2026-11-01T00:00:00Z","silent":{"since":"2026-11-24T14:00:00Z","queued":true}}`,
			"heartbeat/report":      `{"known":"2026-11-01T00:00:00Z"}`,
		})
		return s, err
	}
	var lines []string
	for _, line := range strings.Split(r.run(), "\n") {
		if strings.Contains(line, "trouble") || strings.Contains(line, "heartbeat") {
			line, _, _ = strings.Cut(line, " (")
			lines = append(lines, line)
		}
	}
	require.Equal(t, []string{"warning  relay: heartbeat backup: it is missing since 2026-11-24 14:00 UTC",
		"warning  relay main: trouble: alerts: 3, known to the relay since 2026-11-24 12:00 UTC: timed out",
		"warning  relay main: trouble: reconcile: known to the relay since 2026-11-24 13:00 UTC"}, lines)
}
