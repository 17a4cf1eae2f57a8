package render

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"nms-alert-relay/internal/alert"
)

// together shows names, each "HOST|NAME" or "TECHNICAL/VISIBLE|NAME", as one; "" if their patterns differ.
func together(names ...string) string {
	var shown namePattern
	for i, text := range names {
		hostText, name, _ := strings.Cut(text, "|")
		var hosts []alert.Host
		for _, h := range strings.Split(hostText, "+") {
			technical, visible, _ := strings.Cut(h, "/")
			hosts = append(hosts, alert.Host{Host: technical, Name: visible})
		}
		p := patternOf(name, hosts)
		if i == 0 {
			shown = p
			continue
		}
		if p.key != shown.key {
			return ""
		}
		shown.merge(p)
	}
	return shown.String()
}

// Names of one trigger are shown as one, without the parts that differ: host names, numbers, addresses, interfaces, quoted
// values. The names are from Zabbix's templates and common triggers.
func TestNamesOfOneTriggerAreShownAsOne(t *testing.T) {
	for _, c := range []struct{ want, a, b string }{
		// Host names, at either end and within.
		{"link down on port #", "sw1|sw1: link down on port 7", "sw2|sw2: link down on port 12"},
		{"Zabbix agent on … is unreachable for 5 minutes", "web1|Zabbix agent on web1 is unreachable for 5 minutes", "web2|Zabbix agent on web2 is unreachable for 5 minutes"},
		{"Unavailable by ICMP ping", "r1/Router 1|Router 1: Unavailable by ICMP ping", "r2/Router Berlin|Router Berlin: Unavailable by ICMP ping"},
		{"High CPU utilization", "web1|[web1] High CPU utilization", "web2|[web2] High CPU utilization"},
		{"High CPU utilization", "web1|High CPU utilization (web1)", "web2|High CPU utilization (web2)"},
		{"Disk is full", "web1|Disk is full on web1", "web2|Disk is full on web2"},
		{"Disk is full", "web1|Disk is full - web1", "db.example.com|Disk is full - db.example.com"},
		{"… has been restarted (uptime < 10m)", "web1|web1 has been restarted (uptime < 10m)", "web2|web2 has been restarted (uptime < 10m)"},
		{"… is down", "web1|web1 is down", "web2|web2 is down"},
		{"sw1: link down on port #", "sw1|sw1: link down on port 7", "sw1|sw1: link down on port 8"},
		{"No route from … to the gateway", "a1+b/B|No route from a1 to the gateway", "b/Haus B|No route from Haus B to the gateway"},
		// Numbers, percentages, thresholds, durations, sizes.
		{"Linux: High CPU utilization (over 90% for 5m)", "web1|Linux: High CPU utilization (over 90% for 5m)", "web2|Linux: High CPU utilization (over 90% for 5m)"},
		{"Linux: FS [/]: Space is low (used > 80%, total 19.5GB)", "a|Linux: FS [/]: Space is low (used > 80%, total 19.5GB)", "b|Linux: FS [/]: Space is low (used > 80%, total 19.5GB)"},
		{"Linux: FS [/var]: Space is low (used > 80%, total # GB)", "a|Linux: FS [/var]: Space is low (used > 80%, total 19.5 GB)", "b|Linux: FS [/var]: Space is low (used > 80%, total 7.8 GB)"},
		{"Free inodes below #%", "a|Free inodes below 20%", "b|Free inodes below 9.97%"},
		{"Load average is too high (per CPU load over # for 5m)", "a|Load average is too high (per CPU load over 1.5 for 5m)", "b|Load average is too high (per CPU load over 2 for 5m)"},
		{"Response time is high (#ms)", "a|Response time is high (812ms)", "b|Response time is high (1204ms)"},
		{"Response time is high (#)", "a|Response time is high (812ms)", "b|Response time is high (1.2s)"},
		{"Response time is high (#)", "a|Response time is high (5ms)", "b|Response time is high (5s)"},
		{"No data for #", "a|No data for 1h30m", "b|No data for 45m"},
		{"Memory available is # MB", "a|Memory available is 17 MB", "b|Memory available is 220.5 MB"},
		{"Temperature is above critical threshold: > # °C", "a|Temperature is above critical threshold: > 75 °C", "b|Temperature is above critical threshold: > -60 °C"},
		{"Power supply PSU# in critical state", "a|Power supply PSU1 in critical state", "b|Power supply PSU2 in critical state"},
		{"Fan # (FAN #) is not OK", "a|Fan 1 (FAN 1) is not OK", "b|Fan 2 (FAN 2) is not OK"},
		{"Certificate expires on # #", "a|Certificate expires on 2026-12-01 10:00", "b|Certificate expires on 2026-12-09 11:30"},
		{"HTTP status # at /login", "a|HTTP status 500 at /login", "b|HTTP status 502 at /login"},
		// Interfaces with and without their aliases, addresses, ids.
		{"Interface #: Link down", "a|Interface Gi0/1(Uplink): Link down", "b|Interface Gi0/24(Printer, 2nd floor): Link down"},
		{"Interface #: Link down", "a|Interface eth0(): Link down", "b|Interface ens192(): Link down"},
		{"Linux: Interface #: High error rate (> 2 for 5m)", "a|Linux: Interface ge-0/0/0.0(): High error rate (> 2 for 5m)", "b|Linux: Interface TenGigabitEthernet1/1/4(core): High error rate (> 2 for 5m)"},
		{"Interface eth0: Bandwidth usage is high (> #%)", "a|Interface eth0: Bandwidth usage is high (> 90%)", "b|Interface eth0: Bandwidth usage is high (> 95%)"},
		{"BGP peer # is down (AS #)", "a|BGP peer 10.0.0.1 is down (AS 65001)", "b|BGP peer 10.0.2.17 is down (AS 65002)"},
		{"BGP peer # is down", "a|BGP peer 2001:db8::1 is down", "b|BGP peer fe80::5054:ff:fe12:3456 is down"},
		{"MAC # moved", "a|MAC 52:54:00:12:34:56 moved", "b|MAC aa:bb:cc:dd:ee:0f moved"},
		{"Volume # is offline", "a|Volume 6f1ed002-ab65-4f8e-9c1e-4f2c0de1a2b3 is offline", "b|Volume 00000000-0000-4000-8000-00000000000a is offline"},
		{"Container # exited", "a|Container 4c01db0b339c exited", "b|Container f2e3d4c5b6a7 exited"},
		{"Pod nginx-# is crash looping", "a|Pod nginx-7d9c6bfb8-x2x5v is crash looping", "b|Pod nginx-5f7d8c9b4-qq8lz is crash looping"},
		// Quoted values.
		{`Service "#" is not running`, `a|Service "nginx" is not running`, `b|Service "Print Spooler" is not running`},
		{"Process 'java' uses # threads", "a|Process 'java' uses 812 threads", "b|Process 'java' uses 1,204 threads"},
		{"Tablespace «#» is full", "a|Tablespace «USERS» is full", "b|Tablespace «SYSTEM» is full"},
		// Other scripts.
		{"Порт # недоступен", "a|Порт 7 недоступен", "b|Порт 12 недоступен"},
		{"スイッチのポート # がダウン", "a|スイッチのポート 7 がダウン", "b|スイッチのポート 8 がダウン"},
	} {
		require.Equal(t, c.want, together(c.a, c.b), "%s and %s", c.a, c.b)
		require.Equal(t, c.want, together(c.b, c.a), "%s and %s", c.b, c.a)
	}
}

// Names that differ in a word stay apart.
func TestNamesThatDifferInWordsStayApart(t *testing.T) {
	for _, c := range [][2]string{
		{"a|Link down on port 7", "b|Link up on port 7"},
		{"a|Linux: FS [/var]: Space is low", "b|Linux: FS [/home]: Space is low"},
		{"a|Disk is full", "b|Disk failed"},
		{"web1|web1: disk is full", "db1|db1: memory is full"},
		{"web1|web1 cannot reach db1", "web2|web2 cannot reach cache"},
		{"a|IPv4 BGP session down", "a|IPv6 BGP session down"},
		{"a|Interface Gi0/1(Uplink): Link down", "a|Interface Gi0/1(Uplink): Speed changed"},
		{"a|node1(active) failed", "a|node1(standby) failed"},
		{`a|Log: "payment service refused the card"`, `a|Log: "the certificate has expired today"`},
		{"a|It's broken", "a|It's fixed"},
		{"a|Порт недоступен", "a|Диск недоступен"},
		{"a|> 90%", "a|< 10%"},
		{"a|4711", "a|4712"},
		{"a1|a1", "a2|a2"},
		{"7|Port 7 down", "9|Port 3 down"},
		{"disk|disk down", "a|swap down"},
		{"a|Service \"a\" and \"b\" down", "a|Service \"a\", \"b\" down"},
		{"a|x\x01y words", "a|x7y words"},
	} {
		require.Empty(t, together(c[0], c[1]), "%s and %s", c[0], c[1])
	}
}

// A name alone is shown as it is.
func TestSingleNameIsUnchanged(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.OneOf(rapid.String(), rapid.StringMatching(`([a-zA-Z]{1,4}|[0-9]{1,3}|[ .:/"'()%#-]|web1|Gi0/1){0,12}`)).Draw(t, "name")
		hosts := []alert.Host{{Host: "web1", Name: rapid.String().Draw(t, "host")}}
		p := patternOf(name, hosts)
		p.merge(patternOf(name, hosts))
		require.Equal(t, name, p.String())
	})
}

// Only names whose words are the same, in the same order, are shown as one.
func TestMergedNamesHaveTheSameWords(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		words := rapid.SliceOfN(rapid.SampledFrom([]string{"link", "down", "Disk", "full", "on", "port", "не", "доступен"}), 1, 4)
		draw := func(label string) (words_ []string, host, name string) {
			host = fmt.Sprint("host-", rapid.IntRange(1, 3).Draw(t, label+" host"))
			words_ = words.Draw(t, label)
			var parts []string
			for _, w := range words_ {
				parts = append(parts, w, rapid.SampledFrom([]string{"7", "10.0.0.1", "Gi0/1", "90%", `"x"`, host}).Draw(t, label+" value"))
			}
			return words_, host, strings.Join(parts, " ")
		}
		words1, host1, name1 := draw("first")
		words2, host2, name2 := draw("second")
		if shown := together(host1+"|"+name1, host2+"|"+name2); shown != "" && name1 != name2 {
			require.Equal(t, words1, words2, "%s and %s: %s", name1, name2, shown)
		}
	})
}

// Any name is split without loss, and merging two names gives the same in either order.
func FuzzNamePattern(f *testing.F) {
	f.Add("sw1: link down on port 7", "sw2: link down on port 12", "sw1")
	f.Add(`Service "x" (-5 °C, 1h30m) at 10.0.0.1/24`, `"`, "x")
	f.Add("Gi0/1(a(b)c)", "0x", ".")
	f.Add("é9\xff\x01'", "", "\xff")
	f.Fuzz(func(t *testing.T, a, b, host string) {
		hosts := []alert.Host{{Host: host}}
		p, other := patternOf(a, hosts), patternOf(b, hosts)
		require.Equal(t, a, p.String())
		if p.key != other.key {
			return
		}
		p.merge(other)
		same := patternOf(b, hosts)
		same.merge(patternOf(a, hosts))
		require.Equal(t, same.String(), p.String())
	})
}

// BenchmarkNamePattern splits the names of a storm.
func BenchmarkNamePattern(b *testing.B) {
	hosts := []alert.Host{{Host: "sw0042", Name: "Access switch 42"}}
	for b.Loop() {
		patternOf("sw0042: Interface GigabitEthernet1/0/24(Printer): Link down (speed 100Mbps)", hosts)
	}
}
