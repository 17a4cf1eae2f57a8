package relay

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/simulator/memnet"
	"nms-alert-relay/internal/simulator/webexsim"
)

const ci = "notify: [{name: ci, token_file: ci, rooms: noc}]\n"

// A reload reaches router, renderer, rooms, bots, sources, senders and secrets of a running relay, and registers no metric twice.
func TestReloadReachesEveryPart(t *testing.T) {
	o := startOnDisk(t, room("noc")+ci)
	posted := func(room, text string) func(map[string][]webexsim.MessageView) bool {
		return func(rooms map[string][]webexsim.MessageView) bool {
			for _, m := range rooms[room] {
				if strings.Contains(m.Text, text) {
					return true
				}
			}
			return false
		}
	}
	require.Equal(t, http.StatusAccepted, o.event(opened(t, "1001"), firstSecret))
	o.await("a message", posted("noc", "problem 1001."))
	require.Equal(t, http.StatusUnauthorized, o.event(opened(t, "1002"), secondSecret))
	require.Equal(t, http.StatusAccepted, o.notify("noc", "from ci", "token-of-ci-0123456789"))
	families, err := o.Gatherer().Gather()
	require.NoError(t, err)

	// Another room with its own bot, another source, another template, rotated secrets.
	o.webex.AddBot("second@webex.bot", "Second", "second-bot-token")
	require.NoError(t, o.webex.AddToRoom("db", "second@webex.bot"))
	require.NoError(t, o.webex.RemoveFromRoom("db", webexsim.DefaultBot))
	o.write("second-token", "second-bot-token")
	require.NoError(t, os.Mkdir(o.file("templates"), 0o700))
	o.write("templates/root.md.tmpl", `CUSTOM {{.Name}} resolved`)
	o.write("secret", secondSecret)
	o.write("branch", firstSecret)
	o.write("ci", "next-token-of-ci-0123456789")
	o.write("relay.yaml", fmt.Sprintf(`
webex: {api_url: "%s/v1", bots: [{name: relay, token_file: token, listen: "off"}, {name: second, token_file: second-token, listen: "off"}]}
zabbix:
  - {name: main, url: "http://127.0.0.1:1", secret_file: secret}
  - {name: branch, url: "http://127.0.0.1:2", secret_file: branch}
people: [{domain: example.com, role: viewer}]
rooms: [{name: db, id: %s, bot: second}, {name: noc, id: %s}]
routes: [{rooms: noc, match: {sources: branch}}]
default_rooms: [db]
templates: {dir: templates}
`, o.api, webexsim.RoomID("db"), webexsim.RoomID("noc"))+ci)
	done := o.mustReload()
	require.Equal(t, []string{"webex.bots", "zabbix", "rooms", "routes", "default_rooms", "notify", "templates.dir"}, done.Changed)
	require.Empty(t, done.RestartNeeded)
	again, err := o.Gatherer().Gather()
	require.NoError(t, err)
	require.Len(t, again, len(families))
	require.Equal(t, []string{"branch", "main"}, o.labels("alert_relay_send_to_unknown_total"), "the series of a new source are there before its first event")

	require.Equal(t, http.StatusAccepted, o.event(opened(t, "1002"), secondSecret))
	o.await("a message of the second bot with the template", posted("db", "CUSTOM problem 1002."))
	require.Equal(t, http.StatusAccepted, o.event(opened(t, "1003"), firstSecret), "the first secret belongs to another source now")
	o.await("a message about that source", posted("noc", "CUSTOM problem 1003."))
	require.Equal(t, http.StatusUnauthorized, o.notify("noc", "x", "token-of-ci-0123456789"))
	require.Equal(t, http.StatusAccepted, o.notify("noc", "again from ci", "next-token-of-ci-0123456789"))
	o.await("the notice", posted("noc", "again from ci"))

	// Back: the bot, the source and the sender are gone.
	require.NoError(t, o.webex.AddToRoom("db", webexsim.DefaultBot))
	o.configure(room("db"))
	o.mustReload()
	require.Equal(t, http.StatusUnauthorized, o.event(opened(t, "1004"), firstSecret))
	require.Equal(t, http.StatusUnauthorized, o.notify("noc", "x", "next-token-of-ci-0123456789"))
	require.Equal(t, http.StatusAccepted, o.event(opened(t, "1004"), secondSecret))
	o.await("a message of the first bot", posted("db", "problem 1004."))

	// Webex revokes the bot's token: the new one is used.
	require.NoError(t, o.webex.SetToken(webexsim.DefaultBot, "rotated-bot-token"))
	o.write("token", "rotated-bot-token")
	o.mustReload()
	require.Equal(t, http.StatusAccepted, o.event(opened(t, "1005"), secondSecret))
	o.await("a message with the new token", posted("db", "problem 1005."))
}

// A reload that fails in any way changes nothing, names every fault, and the next one that works says so.
func TestFaultyReloadChangesNothing(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(o *onDisk)
		want  string
	}{
		"a faulty key":      {func(o *onDisk) { o.configure(room("noc") + "stomr: {}\n") }, "stomr: unknown key"},
		"no YAML":           {func(o *onDisk) { o.write("relay.yaml", "\t") }, "invalid YAML"},
		"no file":           {func(o *onDisk) { _ = os.Remove(o.file("relay.yaml")) }, "cannot read the file"},
		"a missing secret":  {func(o *onDisk) { _ = os.Remove(o.file("secret")) }, "zabbix[0].secret_file: cannot read"},
		"an empty secret":   {func(o *onDisk) { o.write("secret", "\n") }, "is empty"},
		"a faulty template": {func(o *onDisk) { o.faultyTemplate() }, "root.md.tmpl"},
		"a faulty authority": {func(o *onDisk) {
			o.write("ca", "x")
			o.write("relay.yaml", strings.Replace(o.base(), "{api_url:", "{ca_file: ca, api_url:", 1)+room("noc"))
		}, "webex.ca_file"},
		"a faulty certificate": {func(o *onDisk) {
			o.write("crt", "x")
			o.configure(room("noc") + "server: {tls: {cert_file: crt, key_file: crt}}\n")
		}, "server.tls.cert_file"},
	} {
		t.Run(name, func(t *testing.T) {
			o := startOnDisk(t, room("noc"))
			require.Equal(t, 1.0, o.gauge("alert_relay_config_last_reload_successful"))
			before, at := o.live.Load(), o.gauge("alert_relay_config_last_reload_success_timestamp_seconds")
			o.write("secret", secondSecret) // a rotation in the same reload doesn't count either
			c.spoil(o)
			_, err := o.Reload(t.Context(), "test")
			require.ErrorContains(t, err, c.want)
			require.Same(t, before, o.live.Load())
			require.Zero(t, o.gauge("alert_relay_config_last_reload_successful"))
			require.Equal(t, at, o.gauge("alert_relay_config_last_reload_success_timestamp_seconds"))
			require.Contains(t, o.log.String(), "configuration not reloaded: the running one stays in use")
			require.NotContains(t, o.log.String(), secondSecret)
			require.Equal(t, http.StatusAccepted, o.event(opened(t, "1001"), firstSecret))

			o.write("secret", secondSecret)
			o.configure(room("noc"))
			require.Equal(t, []string{"zabbix"}, o.mustReload().Changed)
			require.Equal(t, 1.0, o.gauge("alert_relay_config_last_reload_successful"))
			require.Greater(t, o.gauge("alert_relay_config_last_reload_success_timestamp_seconds"), at)
			require.Equal(t, http.StatusAccepted, o.event(opened(t, "1002"), secondSecret))
		})
	}
}

func (o *onDisk) faultyTemplate() {
	require.NoError(o.t, os.Mkdir(o.file("templates"), 0o700))
	o.write("templates/root.md.tmpl", "{{")
	o.configure(room("noc") + "templates: {dir: templates}\n")
}

// What a running relay can't change is named until it is changed back, and the rest takes effect.
func TestReloadNamesWhatNeedsARestart(t *testing.T) {
	o := startOnDisk(t, room("noc"))
	o.configure(room("db") + "server: {listen: ':1', public_url: 'https://relay.example.com'}\nstore: {path: other.db}\nlog: {format: json}\n")
	for range 2 {
		done := o.mustReload()
		require.Equal(t, []string{"server.listen", "store.path", "log.format"}, done.RestartNeeded)
		require.NotContains(t, done.Changed, "server.listen")
		require.Equal(t, 1.0, o.gauge("alert_relay_config_restart_needed"))
	}
	require.Contains(t, o.log.String(), "these keys keep their old value until the relay is restarted")
	require.Equal(t, "https://relay.example.com", o.live.config().Server.PublicURL)
	o.configure(room("db"))
	require.Empty(t, o.mustReload().RestartNeeded)
	require.Zero(t, o.gauge("alert_relay_config_restart_needed"))
}

// A new token of the admin listener counts at once. One that comes with another address counts with that address alone: otherwise a
// move to loopback without a token would open the present address to everybody.
func TestReloadKeepsTheAdminListenerClosed(t *testing.T) {
	o := startOnDisk(t, room("noc"))
	reload := func(token string) int { return o.post("http://"+o.AdminAddr()+"/-/reload", token, nil) }
	require.Equal(t, http.StatusOK, reload(""))
	const first, second = "admin-token-0123456789", "next-admin-token-0123456789"
	o.write("admin", first)
	withToken := room("noc") + "server: {admin_token_file: admin}\n"
	o.configure(withToken)
	require.Equal(t, http.StatusOK, reload(""))
	require.Equal(t, http.StatusUnauthorized, reload(""))
	o.write("admin", second)
	require.Equal(t, http.StatusOK, reload(first))
	require.Equal(t, http.StatusUnauthorized, reload(first))

	o.configure(room("noc") + "server: {admin_listen: '127.0.0.1:1'}\n")
	done := o.mustReload()
	require.Equal(t, []string{"server.admin_listen", "server.admin_token_file"}, done.RestartNeeded)
	require.Empty(t, done.Changed)
	require.Equal(t, http.StatusUnauthorized, reload(""))
	require.Equal(t, http.StatusOK, reload(second))
	o.write("relay.yaml", "rooms: x")
	require.Equal(t, http.StatusUnprocessableEntity, reload(second))
}

// The next connection uses the new certificate.
func TestReloadOfCertificates(t *testing.T) {
	const files = "{cert_file: crt, key_file: key}"
	ours, next := memnet.NewAuthority("first"), memnet.NewAuthority("next")
	dir := t.TempDir()
	issue(t, ours, dir+"/crt", dir+"/key")
	o := startOnDisk(t, room("noc")+"server: {tls: "+strings.NewReplacer("crt", dir+"/crt", "key: ", "key: "+dir+"/", " key}", " "+dir+"/key}").Replace(files)+
		", admin_tls: "+strings.NewReplacer("crt", dir+"/crt", " key}", " "+dir+"/key}").Replace(files)+"}\n")
	for _, url := range []string{"https://" + o.Addr() + "/", "https://" + o.AdminAddr() + "/healthz"} {
		status, err := browse(t, ours, nil, "")(url)
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, status)
	}
	issue(t, next, dir+"/crt", dir+"/key")
	o.mustReload()
	for _, url := range []string{"https://" + o.Addr() + "/", "https://" + o.AdminAddr() + "/healthz"} {
		_, err := browse(t, ours, nil, "")(url)
		require.Error(t, err)
		status, err := browse(t, next, nil, "")(url)
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, status)
	}
	// Without TLS in the configuration the listener keeps it until a restart.
	o.configure(room("noc"))
	require.Equal(t, []string{"server.tls", "server.admin_tls"}, o.mustReload().RestartNeeded)
	for _, url := range []string{"https://" + o.Addr() + "/", "https://" + o.AdminAddr() + "/healthz"} {
		status, err := browse(t, next, nil, "")(url)
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, status)
	}
}

// While senders post events, the configuration changes again and again: rooms, bots, sources, secrets. Every event is accepted, and
// every problem is posted exactly once.
func TestReloadUnderLoad(t *testing.T) {
	o := startOnDisk(t, room("noc"))
	o.webex.AddBot("second@webex.bot", "Second", "second-bot-token")
	require.NoError(t, o.webex.AddToRoom("db", "second@webex.bot"))
	require.NoError(t, o.webex.AddToRoom("noc", "second@webex.bot"))
	o.write("second-token", "second-bot-token")
	o.write("branch", secondSecret)
	const header = `
webex: {api_url: "%[1]s/v1", bots: [{name: relay, token_file: token, listen: "off"}%[2]s]}
zabbix: [{name: main, url: "http://127.0.0.1:1", secret_file: [secret]}%[3]s]
people: [{domain: example.com, role: viewer}]
storm: {threshold: 100000, window: 0s}
flapping: {count: off}
delivery: {rate_limit: 1000}
rooms: [{name: noc, id: %[4]s, bot: %[6]s}, {name: db, id: %[5]s, bot: %[6]s}]
default_rooms: [%[7]s]
`
	const second, branch = `, {name: second, token_file: second-token, listen: "off"}`, `, {name: branch, url: "http://127.0.0.1:2", secret_file: branch}`
	noc, db := webexsim.RoomID("noc"), webexsim.RoomID("db")
	variants := []string{
		fmt.Sprintf(header, o.api, "", "", noc, db, "relay", "noc"),
		fmt.Sprintf(header, o.api, second, branch, noc, db, "relay", "db"),
		fmt.Sprintf(header, o.api, second, branch, noc, db, "second", "noc"),
		fmt.Sprintf(header, o.api, second, "", noc, db, "second", "db"),
	}
	ctx, stop := context.WithCancel(t.Context())
	var senders sync.WaitGroup
	var mu sync.Mutex
	statuses, sent := map[int]int{}, 0
	for sender := range 4 {
		senders.Go(func() {
			macros := opened(t, "")
			for n := 0; ctx.Err() == nil; n++ {
				id := fmt.Sprintf("%d%05d", sender+1, n)
				macros["EVENT.ID"], macros["EVENT.NAME"] = id, "problem "+id+"."
				status := o.event(macros, firstSecret)
				mu.Lock()
				statuses[status]++
				sent++
				mu.Unlock()
			}
		})
	}
	atLeast := func(n int) func() bool {
		return func() bool {
			mu.Lock()
			defer mu.Unlock()
			return sent >= n
		}
	}
	for round := range 12 {
		o.write("relay.yaml", variants[(round+1)%len(variants)])
		o.mustReload()
		require.Eventually(t, atLeast(10*(round+1)), 2*time.Minute, time.Millisecond)
	}
	stop()
	senders.Wait()
	require.Equal(t, map[int]int{http.StatusAccepted: sent}, statuses)
	o.await("every problem", func(rooms map[string][]webexsim.MessageView) bool { return len(rooms["noc"])+len(rooms["db"]) >= sent })
	posted := map[string]int{}
	for _, room := range roots(o.webex.State()) {
		for _, m := range room {
			name, _, _ := strings.Cut(m.Text[strings.Index(m.Text, "problem "):], ".")
			posted[name]++
		}
	}
	require.Len(t, posted, sent)
	for name, n := range posted {
		require.Equal(t, 1, n, name)
	}
}

// What a room that is gone is still owed becomes a dead letter with the reason, and the default room shows the problem. Once the room is
// configured again, a replay posts it there.
func TestRoomsThatAreGone(t *testing.T) {
	both := fmt.Sprintf("rooms: [{name: noc, id: %s}, {name: db, id: %s}]\nroutes: [{rooms: db}]\ndefault_rooms: [noc]\n", webexsim.RoomID("noc"), webexsim.RoomID("db"))
	o := startOnDisk(t, both)
	mend := o.webex.AddFault(webexsim.Fault{Op: "POST /messages", Room: "db", Status: http.StatusServiceUnavailable})
	require.Equal(t, http.StatusAccepted, o.event(opened(t, "1"), firstSecret))
	require.Eventually(t, func() bool { return strings.Contains(o.log.String(), "message not accepted") }, time.Minute, time.Millisecond)
	o.configure(room("noc"))
	o.mustReload()
	o.await("the problem in the default room", func(rooms map[string][]webexsim.MessageView) bool {
		for _, m := range rooms["noc"] {
			if strings.Contains(m.Text, "problem 1.") {
				return true
			}
		}
		return false
	})
	letters, err := o.store.DeadLetters(t.Context())
	require.NoError(t, err)
	require.Len(t, letters, 1)
	require.Equal(t, "post:main/1@db", letters[0].ID())
	require.Contains(t, letters[0].Reason, "the room isn't configured (any more)")
	announced := func(times int) func(map[string][]webexsim.MessageView) bool {
		return func(rooms map[string][]webexsim.MessageView) bool {
			found := 0
			for _, m := range rooms["noc"] {
				if strings.Contains(m.Text, "Room db isn't configured any more.") {
					found++
				}
			}
			return found == times
		}
	}
	o.await("the announcement", announced(1))

	mend()
	o.configure(both)
	o.mustReload()
	require.NoError(t, o.store.ReplayDead(t.Context(), letters[0].ID()))
	o.await("the problem in its room", func(rooms map[string][]webexsim.MessageView) bool { return len(rooms["db"]) == 1 })

	// Removed again, it is announced again.
	before := strings.Count(o.log.String(), "message not accepted") // more than one, where the reload took longer than a retry
	o.webex.AddFault(webexsim.Fault{Op: "POST /messages", Room: "db", Status: http.StatusServiceUnavailable})
	require.Equal(t, http.StatusAccepted, o.event(opened(t, "2"), firstSecret))
	require.Eventually(t, func() bool { return strings.Count(o.log.String(), "message not accepted") > before }, time.Minute, time.Millisecond)
	o.configure(room("noc"))
	o.mustReload()
	o.await("another announcement", announced(2))
}

// An update that came before the reload waits for its problem as long as it was told to; one that comes afterwards has the new wait.
func TestReloadOfTheOrphanWait(t *testing.T) {
	o := startOnDisk(t, room("noc")+"delivery: {orphan_wait: 1d}\n")
	require.Equal(t, http.StatusAccepted, o.event(updated(t, "1"), firstSecret))
	require.Eventually(t, func() bool { return strings.Contains(o.log.String(), "msg=event") }, time.Minute, time.Millisecond, "it is folded")
	o.configure(room("noc") + "delivery: {orphan_wait: 0s}\n")
	done := o.mustReload()
	require.Equal(t, []string{"delivery.orphan_wait"}, done.Changed)
	require.Empty(t, done.RestartNeeded)
	require.Equal(t, http.StatusAccepted, o.event(updated(t, "2"), firstSecret))
	o.await("the second", func(rooms map[string][]webexsim.MessageView) bool { return len(rooms["noc"]) > 0 })
	for _, m := range roots(o.webex.State())["noc"] {
		require.Contains(t, m.Text, "problem 2.")
	}
}

// Bodies that are still arriving count after a reload, too: a sender can't double what the relay holds by waiting for one.
func TestReloadKeepsTheBudgetForBodies(t *testing.T) {
	o := startOnDisk(t, room("noc")+ci)
	const size = 1 << 20 // of nine bodies, of which eight fit
	request := fmt.Sprintf("POST /v1/notify HTTP/1.1\r\nHost: relay\r\nAuthorization: Bearer token-of-ci-0123456789\r\nContent-Length: %d\r\n\r\n%s", size, strings.Repeat(" ", size-1))
	answers := make(chan string, 9)
	for n := range 9 {
		if n == 8 {
			o.mustReload()
		}
		c, err := net.Dial("tcp", o.Addr())
		require.NoError(t, err)
		t.Cleanup(func() { _ = c.Close() }) // the relay may have closed it
		_, _ = io.WriteString(c, request)   // the relay may refuse it meanwhile
		go func() {
			line, _ := bufio.NewReader(c).ReadString('\n')
			answers <- line
		}()
	}
	require.Contains(t, <-answers, "429")
}
