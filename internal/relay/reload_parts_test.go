package relay

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/simulator/webexsim"
	"nms-alert-relay/internal/simulator/zabbixsim"
)

// raise raises a problem in the simulated Zabbix and sends it to the relay.
func (o *onDisk) raise(z *zabbixsim.Server) int64 {
	o.t.Helper()
	id := z.Raise(z.Triggers()[0])
	p, _ := z.Problem(id)
	require.Equal(o.t, http.StatusAccepted, o.post("http://"+o.Addr()+"/v1/zabbix/events", firstSecret, json.RawMessage(zabbixsim.Payload(p, alert.KindProblem, time.Now()))))
	return id
}

// say says something to the bot of a room.
func (o *onDisk) say(room, text string) {
	o.t.Helper()
	_, err := o.webex.Say(webexsim.Line{Room: room, From: "alice@example.com", Text: text, MentionBot: true})
	require.NoError(o.t, err)
}

// awaitText waits until any message of a room, also in a thread, has a text.
func (o *onDisk) awaitText(room, text string) {
	o.t.Helper()
	require.Eventually(o.t, func() bool {
		for _, m := range o.webex.Timeline(room) {
			if strings.Contains(m.Text, text) {
				return true
			}
		}
		return false
	}, 2*time.Minute, 5*time.Millisecond, "%q in room %s\n%v", text, room, o.webex.State)
}

// webhooks returns how many webhooks a bot has; the first one is for messages in rooms.
func (o *onDisk) webhooks(token string) int {
	req, err := http.NewRequestWithContext(o.t.Context(), http.MethodGet, o.api+"/v1/webhooks", nil)
	if err != nil {
		return 0
	}
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := o.http.Do(req)
	if err != nil {
		return 0
	}
	defer resp.Body.Close()
	var list struct{ Items []any }
	_ = json.NewDecoder(resp.Body).Decode(&list) // none, if it isn't a list
	return len(list.Items)
}

// labels returns the first label of each series of a metric.
func (o *onDisk) labels(metric string) (values []string) {
	families, err := o.Gatherer().Gather()
	require.NoError(o.t, err)
	for _, f := range families {
		if f.GetName() != metric {
			continue
		}
		for _, m := range f.GetMetric() {
			values = append(values, m.GetLabel()[0].GetValue())
		}
	}
	return values
}

// Bots with webhooks and sources with an API token come, do everything that they do after a start, go, and come back.
func TestReloadOfBotsAndSources(t *testing.T) {
	zabbix, err := zabbixsim.New(zabbixsim.Options{Version: "7.0"})
	require.NoError(t, err)
	server := httptest.NewServer(zabbix)
	defer server.Close()
	o := startOnDisk(t, room("noc"))
	o.webex.AddBot("second@webex.bot", "Second", "second-bot-token")
	require.NoError(t, o.webex.AddToRoom("db", "second@webex.bot"))
	require.NoError(t, o.webex.RemoveFromRoom("db", webexsim.DefaultBot))
	o.write("second-token", "second-bot-token")
	o.write("api", zabbixsim.RelayToken)
	const gauge, missing = "alert_relay_zabbix_away", "zabbix[0].api_token: not set"
	require.Equal(t, 1, strings.Count(o.log.String(), missing))
	require.Empty(t, o.labels(gauge))

	common := fmt.Sprintf("server: {public_url: 'http://%s'}\npeople: [{domain: example.com, role: operator}]\nreconcile: {interval: 1s}\n", o.Addr())
	bots := fmt.Sprintf(`webex: {api_url: "%s/v1", bots: [{name: relay, token_file: token, listen: webhook}`, o.api)
	with := common + bots + `, {name: second, token_file: second-token, listen: webhook}]}` + "\n" +
		fmt.Sprintf("zabbix: [{name: main, url: %q, secret_file: secret, api_token_file: api}]\n", server.URL) +
		fmt.Sprintf("rooms: [{name: db, id: %s, bot: second}]\ndefault_rooms: [db]\nlog: {level: debug}\n", webexsim.RoomID("db"))
	without := common + bots + "]}\n" + fmt.Sprintf("zabbix: [{name: main, url: %q, secret_file: secret}]\n", server.URL) + room("noc")

	for range 2 {
		o.write("relay.yaml", with)
		o.mustReload()
		require.Equal(t, slog.LevelDebug, o.level.Level())
		require.Equal(t, []string{"main"}, o.labels(gauge))
		require.Eventually(t, func() bool { return o.webhooks("second-bot-token") > 0 && o.webhooks(webexsim.DefaultBotToken) > 0 }, 2*time.Minute, 5*time.Millisecond)
		id := o.raise(zabbix)
		name := fmt.Sprint(id)
		o.awaitText("db", name)
		require.NoError(t, zabbix.Maintain(id, time.Hour)) // Zabbix sends nothing: suppressions find it, and the inquirer reads it
		o.awaitText("db", "suppressed")
		o.say("db", "ack "+name)
		require.Eventually(t, func() bool { p, _ := zabbix.Problem(id); return len(p.Acks) > 0 }, 2*time.Minute, 5*time.Millisecond)
		o.awaitText("db", "cknowledged")

		warned := strings.Count(o.log.String(), missing)
		o.write("relay.yaml", without)
		o.mustReload()
		require.Equal(t, slog.LevelInfo, o.level.Level())
		require.Equal(t, warned+1, strings.Count(o.log.String(), missing))
		require.Empty(t, o.labels(gauge))
		require.False(t, o.parts.listener.Listens("second"))
		id = o.raise(zabbix)
		o.awaitText("noc", fmt.Sprint(id))
		o.say("noc", fmt.Sprintf("ack %d", id))
		o.awaitText("noc", "the relay has no API token for Zabbix")
	}
}

// The number of calls at once changes with a reload.
func TestReloadOfTheWorkers(t *testing.T) {
	release, held := make(chan struct{}), make(chan struct{}, 1)
	o := start(t, false, func(o *onDisk) {
		o.hold = func(r *http.Request) {
			body, err := io.ReadAll(r.Body)
			if r.Body = io.NopCloser(bytes.NewReader(body)); err != nil || r.Method != http.MethodPost || !strings.Contains(string(body), webexsim.RoomID("noc")) {
				return
			}
			held <- struct{}{}
			<-release
		}
		o.configure(twoRooms + "delivery: {workers: 1}\n")
	})
	letGo := sync.OnceFunc(func() { close(release) })
	t.Cleanup(letGo) // else nothing would end if the test fails
	o.write("relay.yaml", strings.Replace(o.base(), "{api_url:", "{timeout: 5m, api_url:", 1)+twoRooms+"delivery: {workers: 2}\n")
	o.mustReload()
	require.Equal(t, http.StatusAccepted, o.notify("noc", "held", "token-of-ci-0123456789"))
	<-held
	require.Equal(t, http.StatusAccepted, o.notify("db", "beside it", "token-of-ci-0123456789"))
	o.awaitText("db", "beside it")
	letGo()
	o.awaitText("noc", "held")
}

// twoRooms is a configuration with two rooms and a sender.
var twoRooms = fmt.Sprintf("rooms: [{name: noc, id: %s}, {name: db, id: %s}]\ndefault_rooms: [noc]\nnotify: [{name: ci, token_file: ci, rooms: [noc, db]}]\n", webexsim.RoomID("noc"), webexsim.RoomID("db"))
