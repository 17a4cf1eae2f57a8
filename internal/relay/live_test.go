package relay

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/simulator/webexsim"
	"nms-alert-relay/internal/testdata"
	"nms-alert-relay/internal/testlog"
)

// A new snapshot reaches router, renderer and rooms of a running relay, and registers no metric.
func TestSnapshotIsSwappedWhileRunning(t *testing.T) {
	sim := webexsim.NewDefault(webexsim.Options{})
	defer sim.Close()
	roots := make(chan map[string]string, 100)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(body))
		sim.ServeHTTP(w, r)
		message := map[string]string{}
		if r.Method == http.MethodPost && json.Unmarshal(body, &message) == nil && message["parentId"] == "" {
			roots <- message
		}
	}))
	defer server.Close()

	templates := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(templates, "root.md.tmpl"), []byte(`CUSTOM {{.Name}} resolved`), 0o600))
	configuration := func(name, keys string) *config.Config {
		cfg, err := config.Parse(name, fmt.Appendf(nil, `
webex: {api_url: "%s/v1", bots: [{name: relay, token_env: BOT, listen: "off"}]}
zabbix: [{name: main, url: "http://127.0.0.1:1", secret_env: SECRET}]
people: [{domain: example.com, role: viewer}]
%s`, server.URL, keys), config.Options{Env: func(name string) string {
			if name == "BOT" {
				return webexsim.DefaultBotToken
			}
			return "secret-0123456789abcdef"
		}})
		require.NoError(t, err)
		return cfg
	}
	before := configuration("before.yaml", "rooms: [{name: noc, id: "+webexsim.RoomID("noc")+"}]\ndefault_rooms: [noc]")
	after := configuration("after.yaml", "rooms: [{name: db, id: "+webexsim.RoomID("db")+"}]\ndefault_rooms: [db]\ntemplates: {dir: "+templates+"}")
	before.Store.Path = filepath.Join(t.TempDir(), "relay.db")

	r := newIdle(t, before, new(testlog.Lines))
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	defer func() {
		stop()
		require.NoError(t, <-done)
	}()
	payload, err := fs.ReadFile(testdata.Fixtures, "fixtures/zabbix-7.0/events/problem-severity-5.json")
	require.NoError(t, err)
	var macros map[string]string
	require.NoError(t, json.Unmarshal(payload, &macros))
	delete(macros, "ALERT.SENDTO")
	open := func(id string) map[string]string {
		macros["EVENT.ID"] = id
		body, err := json.Marshal(macros)
		require.NoError(t, err)
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+r.Addr()+"/v1/zabbix/events", bytes.NewReader(body))
		require.NoError(t, err)
		req.Header.Set("Authorization", "Bearer secret-0123456789abcdef")
		resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
		require.NoError(t, err)
		defer resp.Body.Close()
		require.Equal(t, http.StatusAccepted, resp.StatusCode)
		select {
		case root := <-roots:
			return root
		case <-time.After(time.Minute):
			t.Fatal("no message within a minute")
			return nil
		}
	}

	root := open("1001")
	require.Equal(t, webexsim.RoomID("noc"), root["roomId"])
	require.NotContains(t, root["markdown"], "CUSTOM")

	families, err := r.Gatherer().Gather()
	require.NoError(t, err)
	next, err := r.snapshot(after)
	require.NoError(t, err)
	r.metrics.add(after)
	r.live.Store(next)
	again, err := r.Gatherer().Gather()
	require.NoError(t, err)
	require.Len(t, again, len(families))

	root = open("1002")
	require.Equal(t, webexsim.RoomID("db"), root["roomId"])
	require.Contains(t, root["markdown"], "CUSTOM")
}
