package relay

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/admin"
	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/simulator/webexsim"
	"nms-alert-relay/internal/testdata"
	"nms-alert-relay/internal/testlog"
)

// onDisk is a running relay whose configuration is on disk, with a simulated Webex.
type onDisk struct {
	*Relay
	t      *testing.T
	dir    string
	webex  *webexsim.Server
	api    string        // of the simulated Webex
	public string        // URL of the relay's public listener
	hooks  chan struct{} // receives after each new webhook
	log    *testlog.Lines
	signal chan os.Signal
	http   *http.Client
	hold   func(*http.Request) // called with each request to Webex; it may wait
	// What happens before and after New reads the configuration again.
	beforeRead, afterRead func()
}

const (
	firstSecret  = "first-secret-0123456789"
	secondSecret = "second-secret-0123456789"
)

// startOnDisk starts a relay with a configuration; see configure. It reloads only when a test asks for it.
func startOnDisk(t *testing.T, text string) *onDisk {
	t.Helper()
	return start(t, false, func(o *onDisk) { o.configure(text) })
}

// startWatching is startOnDisk, but the relay watches its files and signals.
func startWatching(t *testing.T, text string) *onDisk {
	t.Helper()
	return start(t, true, func(o *onDisk) { o.configure(text) })
}

func start(t *testing.T, watch bool, configure func(*onDisk)) *onDisk {
	t.Helper()
	o := &onDisk{t: t, dir: t.TempDir(), webex: webexsim.NewDefault(webexsim.Options{}), log: new(testlog.Lines), hooks: make(chan struct{}, 100), signal: make(chan os.Signal),
		http: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("what the relay logged:\n%s", o.log)
		}
	})
	t.Cleanup(o.webex.Close)
	o.hold, o.beforeRead, o.afterRead = func(*http.Request) {}, func() {}, func() {}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		o.hold(r)
		o.webex.ServeHTTP(w, r)
		if r.Method == http.MethodPost && r.URL.Path == "/v1/webhooks" {
			o.hooks <- struct{}{}
		}
	}))
	t.Cleanup(server.Close)
	o.api = server.URL
	o.write("token", webexsim.DefaultBotToken)
	o.write("secret", firstSecret)
	o.write("ci", "token-of-ci-0123456789")
	var listeners [2]net.Listener
	var err error
	for i := range listeners {
		listeners[i], err = net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
	}
	o.public = "http://" + listeners[0].Addr().String()
	configure(o)
	cfg, err := config.Read(o.file("relay.yaml"), config.Options{})
	require.NoError(t, err)
	o.Relay, err = New(t.Context(), Options{
		Config: cfg, Log: o.log.Logger(), Public: listeners[0], Admin: listeners[1], Signal: o.signal, Level: new(slog.LevelVar),
		Read: func(seen func(string, []byte)) (*config.Config, error) {
			o.beforeRead()
			cfg, err := config.Read(cfg.File, config.Options{Seen: seen})
			o.afterRead()
			return cfg, err
		},
	})
	require.NoError(t, err)
	o.beforeRead, o.afterRead = func() {}, func() {}
	if !watch {
		for i := range o.stages {
			o.stages[i] = slices.DeleteFunc(o.stages[i], func(p part) bool { return p.name == "configuration" })
		}
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- o.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		require.NoError(t, <-done)
	})
	return o
}

func (o *onDisk) file(name string) string { return filepath.Join(o.dir, name) }

// write replaces a file, as an editor does.
func (o *onDisk) write(name, content string) {
	o.t.Helper()
	require.NoError(o.t, os.WriteFile(o.file(name)+".new", []byte(content), 0o600))
	require.NoError(o.t, os.Rename(o.file(name)+".new", o.file(name)))
}

// configure writes the configuration: a bot, a source and its secret, and text.
func (o *onDisk) configure(text string) { o.write("relay.yaml", o.base()+text) }

func (o *onDisk) base() string {
	return fmt.Sprintf(`
webex: {api_url: "%s/v1", bots: [{name: relay, token_file: token, listen: "off"}]}
zabbix: [{name: main, url: "http://127.0.0.1:1", secret_file: secret}]
people: [{domain: example.com, role: viewer}]
`, o.api)
}

// room is a configuration with one room.
func room(name string) string {
	return fmt.Sprintf("rooms: [{name: %s, id: %s}]\ndefault_rooms: [%s]\n", name, webexsim.RoomID(name), name)
}

func (o *onDisk) mustReload() admin.Reloaded {
	o.t.Helper()
	done, err := o.Reload(o.t.Context(), "test")
	require.NoError(o.t, err)
	return done
}

// post makes a request with a bearer token and returns the status; 0 without an answer.
func (o *onDisk) post(url, token string, body any) int {
	raw, err := json.Marshal(body)
	if err != nil {
		return 0
	}
	req, err := http.NewRequestWithContext(o.t.Context(), http.MethodPost, url, bytes.NewReader(raw))
	if err != nil {
		return 0
	}
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := o.http.Do(req)
	if err != nil {
		o.t.Log(err)
		return 0
	}
	_ = resp.Body.Close()
	return resp.StatusCode
}

func (o *onDisk) event(macros map[string]string, secret string) int {
	return o.post("http://"+o.Addr()+"/v1/zabbix/events", secret, macros)
}

func (o *onDisk) notify(room, text, token string) int {
	return o.post("http://"+o.Addr()+"/v1/notify", token, map[string]string{"room": room, "text": text})
}

// opened returns the macros of a new problem, updated those of an update.
func opened(t *testing.T, id string) map[string]string {
	return macros(t, "problem-severity-5", id)
}

func updated(t *testing.T, id string) map[string]string { return macros(t, "update-message", id) }

func macros(t *testing.T, fixture, id string) map[string]string {
	t.Helper()
	payload, err := fs.ReadFile(testdata.Fixtures, "fixtures/zabbix-7.0/events/"+fixture+".json")
	require.NoError(t, err)
	var all map[string]string
	require.NoError(t, json.Unmarshal(payload, &all))
	delete(all, "ALERT.SENDTO")
	all["EVENT.ID"], all["EVENT.NAME"] = id, "problem "+id+"."
	return all
}

// roots returns the messages that start threads, by room.
func roots(s webexsim.State) map[string][]webexsim.MessageView {
	found := map[string][]webexsim.MessageView{}
	for _, room := range s.Rooms {
		for _, m := range room.Messages {
			if m.ParentID == "" && !m.Deleted {
				found[room.Name] = append(found[room.Name], m)
			}
		}
	}
	return found
}

// await waits until the rooms are in a state.
func (o *onDisk) await(what string, ok func(rooms map[string][]webexsim.MessageView) bool) {
	o.t.Helper()
	ctx, cancel := context.WithTimeout(o.t.Context(), 2*time.Minute)
	defer cancel()
	require.NoError(o.t, o.webex.Wait(ctx, func(s webexsim.State) bool { return ok(roots(s)) }), what)
}

// gauge returns the value of a gauge with one series.
func (o *onDisk) gauge(name string) float64 {
	o.t.Helper()
	families, err := o.Gatherer().Gather()
	require.NoError(o.t, err)
	for _, f := range families {
		if f.GetName() == name {
			require.Len(o.t, f.GetMetric(), 1)
			return f.GetMetric()[0].GetGauge().GetValue()
		}
	}
	o.t.Fatalf("no metric %s", name)
	return 0
}
