package relay

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/simulator/memnet"
	"nms-alert-relay/internal/simulator/webexsim"
	"nms-alert-relay/internal/simulator/zabbixsim"
)

// counted returns the value of a series; 0 if there is none.
func (o *onDisk) counted(name string, labels map[string]string) (value float64, found bool) {
	o.t.Helper()
	families, err := o.Gatherer().Gather()
	require.NoError(o.t, err)
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
	series:
		for _, m := range f.GetMetric() {
			got := map[string]string{}
			for _, l := range m.GetLabel() {
				got[l.GetName()] = l.GetValue()
			}
			for label, want := range labels {
				if got[label] != want {
					continue series
				}
			}
			value += m.GetCounter().GetValue() + m.GetGauge().GetValue()
			found = true
		}
	}
	return value, found
}

// Two Zabbixes have the same event ids, hosts and triggers. Each has its own secret, token, time zone and rooms; an id alone is never
// guessed; a reload removes one of them.
func TestTwoZabbixesWithTheSameIDs(t *testing.T) {
	var main, lab *zabbixsim.Server
	var mainURL, labURL string
	const labToken = "api-token-of-the-lab-0123456789"
	sources := func() string {
		return fmt.Sprintf("  - {name: main, url: %q, secret_file: secret, api_token_file: api-token, time_zone: UTC}\n", mainURL)
	}
	o := start(t, false, func(o *onDisk) {
		main, mainURL = o.zabbix("7.0.22", firstSecret)
		lab, labURL = o.zabbix("6.0.14", secondSecret)
		lab.SetRelayToken(labToken)
		o.write("api-token", zabbixsim.RelayToken)
		o.write("lab-secret", secondSecret)
		o.write("lab-token", labToken)
		o.write("relay.yaml", o.listening()+"routes: [{match: {sources: [lab]}, rooms: [db]}]\nzabbix:\n"+sources()+
			fmt.Sprintf("  - {name: lab, url: %q, secret_file: lab-secret, api_token_file: lab-token, time_zone: Asia/Tokyo}\n", labURL))
	})
	o.hears()
	trigger := main.Triggers()[0]
	id := main.Raise(trigger)
	require.Equal(t, id, lab.Raise(trigger), "the same id")
	noc := o.root("noc", "link down", fmt.Sprintf("main/%d", id))
	db := o.root("db", "link down", fmt.Sprintf("lab/%d", id))
	require.Equal(t, http.StatusAccepted, o.event(opened(t, "999"), secondSecret))
	o.root("db", "lab/999")
	acked := func(z *zabbixsim.Server) bool { p, _ := z.Problem(id); return p.Acked }

	// Its payloads' times are in Tokyo's.
	early := opened(t, "998")
	early["EVENT.DATE"], early["EVENT.TIME"], early["DATE"], early["TIME"] = "2026.11.24", "12:00:00", "2026.11.24", "12:00:01"
	delete(early, "EVENT.TIMESTAMP")
	delete(early, "TIMESTAMP")
	require.Equal(t, http.StatusAccepted, o.event(early, secondSecret))
	o.root("db", "lab/998", "24 Nov 03:00:00 UTC")

	// An id alone, in a room that has only one of them, and with the other's source.
	o.says("noc", "", fmt.Sprintf("ack lab/%d not from here", id))
	o.reply("Unknown in this room", fmt.Sprintf("lab/%d", id))
	o.says("db", db, "ack in the thread")
	o.root("db", "link down", "acknowledged", "in the thread")
	require.True(t, acked(lab))
	require.False(t, acked(main))
	o.says("noc", "", fmt.Sprintf("ack main/%d by its source", id))
	o.reply("Acknowledged", fmt.Sprintf("main/%d", id))
	require.True(t, acked(main))

	// Both are in one room: which one?
	o.write("relay.yaml", o.listening()+"routes: [{match: {sources: [lab]}, rooms: [db, noc]}]\nzabbix:\n"+sources()+
		fmt.Sprintf("  - {name: lab, url: %q, secret_file: lab-secret, api_token_file: lab-token, time_zone: Asia/Tokyo}\n", labURL))
	o.mustReload()
	second := main.Raise(main.Triggers()[3])
	require.Equal(t, second, lab.Raise(main.Triggers()[3]))
	o.root("noc", "replication lag", fmt.Sprintf("main/%d", second))
	o.root("noc", "replication lag", fmt.Sprintf("lab/%d", second))
	o.says("noc", "", fmt.Sprintf("ack %d whose", second))
	o.reply(fmt.Sprintf("%d exists in more than one Zabbix. Which one?", second), fmt.Sprintf("ack main/%d", second), fmt.Sprintf("ack lab/%d", second))
	for _, z := range []*zabbixsim.Server{main, lab} {
		p, _ := z.Problem(second)
		require.Empty(t, p.Acks)
	}

	// A recovery ends only its own.
	main.Resolve(second)
	o.root("noc", "replication lag", fmt.Sprintf("main/%d", second), "resolved")
	o.await("the other one is still open", func(rooms map[string][]webexsim.MessageView) bool {
		for _, m := range rooms["noc"] {
			if strings.Contains(m.Text, fmt.Sprintf("lab/%d", second)) {
				return !strings.Contains(m.Text, "resolved")
			}
		}
		return false
	})
	for _, source := range []string{"main", "lab"} {
		for metric, labels := range map[string]map[string]string{"alert_relay_events_total": {"source": source, "kind": "problem", "result": "accepted"},
			"alert_relay_zabbix_calls_total": {"source": source, "method": "event.acknowledge", "result": "ok"}} {
			n, _ := o.counted(metric, labels)
			require.NotZero(t, n, "%s of %s", metric, source)
		}
		n, found := o.counted("alert_relay_zabbix_unauthorized", map[string]string{"source": source})
		require.True(t, found)
		require.Zero(t, n)
	}

	// The lab is removed: nobody can act on its problems, its secret and its gauges are gone; the other one is untouched.
	o.write("relay.yaml", o.listening()+"zabbix:\n"+sources())
	o.mustReload()
	require.Equal(t, http.StatusUnauthorized, o.event(opened(t, "997"), secondSecret))
	_, found := o.counted("alert_relay_zabbix_unauthorized", map[string]string{"source": "lab"})
	require.False(t, found)
	before := len(lab.Calls())
	o.says("db", db, "comment too late")
	o.reply("Nothing was done", "no API token for Zabbix lab")
	require.Len(t, lab.Calls(), before)
	o.says("noc", noc, "comment still here")
	o.root("noc", "link down", "still here")
}

// A Zabbix behind a gateway, below a path: a reload changes header, password and the links' address for the next call and message.
func TestAReloadChangesTheWayToZabbix(t *testing.T) {
	var z *zabbixsim.Server
	var key, refused atomic.Value
	key.Store("first-key-0123456789")
	refused.Store("")
	config := ""
	o := start(t, false, func(o *onDisk) {
		z, _ = o.zabbix("7.0.22", firstSecret)
		ours := memnet.NewAuthority("ours")
		issue(t, ours, o.file("client.crt"), o.file("client.key"))
		o.write("ca", string(ours.PEM))
		clients := x509.NewCertPool()
		clients.AppendCertsFromPEM(ours.PEM)
		gateway := httptest.NewUnstartedServer(http.StripPrefix("/monitoring/zabbix", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if user, word, _ := r.BasicAuth(); r.Header.Get("X-Api-Key") != key.Load() || user != "relay" || word != "password-0123456789" || r.Header.Get("X-Client") != "alert-relay" {
				refused.Store(fmt.Sprint(r.Header))
				w.WriteHeader(http.StatusForbidden)
				_, _ = io.WriteString(w, fmt.Sprint(r.Header))
				return
			}
			z.ServeHTTP(w, r)
		})))
		gateway.TLS = &tls.Config{Certificates: []tls.Certificate{ours.Valid("127.0.0.1")}, ClientCAs: clients, ClientAuth: tls.RequireAndVerifyClientCert}
		gateway.StartTLS()
		t.Cleanup(gateway.Close)
		o.write("api-token", zabbixsim.RelayToken)
		o.write("key", "first-key-0123456789\n")
		o.write("password", "password-0123456789\n")
		config = o.listening() + fmt.Sprintf(`
zabbix:
  - name: main
    url: %q
    link_url: https://people.example.com/zabbix/
    secret_file: secret
    api_token_file: api-token
    ca_file: ca
    cert_file: client.crt
    key_file: client.key
    basic_auth: {username: relay, password_file: password}
    headers: [{name: X-Client, value: alert-relay}, {name: x-api-key, value_file: key}]
`, gateway.URL+"/monitoring/zabbix/")
		o.write("relay.yaml", config)
	})
	o.hears()
	links := func(room, words, base string) {
		t.Helper()
		id := o.root(room, words)
		for _, r := range o.webex.State().Rooms {
			for _, m := range r.Messages {
				if m.ID == id {
					require.Contains(t, m.Markdown, "]("+base+"/tr_events.php?")
				}
			}
		}
	}
	first := z.Raise(z.Triggers()[0])
	links("noc", "link down", "https://people.example.com/zabbix")
	o.says("noc", "", fmt.Sprintf("ack %d through the gateway", first))
	o.root("noc", "link down", "through the gateway")
	o.says("noc", "", "ack https://people.example.com/zabbix/tr_events.php?triggerid=1&eventid="+fmt.Sprint(first)+" again")
	o.root("noc", "link down", "commented", "again")
	require.Empty(t, refused.Load())

	key.Store("second-key-0123456789")
	o.write("key", "second-key-0123456789")
	o.write("relay.yaml", strings.Replace(config, "people.example.com/zabbix/", "everybody.example.com", 1))
	require.Equal(t, []string{"zabbix"}, o.mustReload().Changed)
	second := z.Raise(z.Triggers()[3])
	links("noc", "replication lag", "https://everybody.example.com")
	o.says("noc", "", fmt.Sprintf("ack %d with another key", second))
	o.root("noc", "replication lag", "with another key")

	// A wrong key is in neither log nor room.
	o.write("key", "third-key-0123456789")
	o.mustReload()
	o.says("noc", "", fmt.Sprintf("comment %d with a wrong key", second))
	o.reply("answers with something other than its API (HTTP 403)")
	require.NotEmpty(t, refused.Load())
	for _, secret := range []string{"first-key", "second-key", "third-key", "password-01", "cmVsYXk"} {
		require.NotContains(t, o.log.String(), secret)
		require.NotContains(t, o.webex.State().String(), secret)
	}
}
