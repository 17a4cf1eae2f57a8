package convergence

import (
	"encoding/json"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/simulator/webexsim"
	"nms-alert-relay/internal/testrace"
)

// The stories of this file are about triggers that open more than once.

// opening is one problem of a trigger. Times are since the start.
type opening struct {
	problem  int
	trigger  string
	name     string
	tags     map[string]string
	host     string
	severity alert.Severity
	opens    time.Duration
	resolves time.Duration // 0 for never
	late     time.Duration // delay of the problem's payload
}

// macros are those of its payloads.
func (o opening) macros() map[string]string {
	m := map[string]string{
		"EVENT.ID": eventID(o.problem), "EVENT.NAME": o.name, "EVENT.SOURCE": "0", "EVENT.OBJECT": "0", "EVENT.VALUE": "1",
		"EVENT.NSEVERITY": strconv.Itoa(int(o.severity)), "EVENT.TIMESTAMP": stamp(o.opens), "TIMESTAMP": stamp(o.opens),
		"EVENT.ACK.STATUS": "No", "HOST.HOST": o.host, "TRIGGER.ID": o.trigger,
	}
	if len(o.tags) > 0 {
		var tags []map[string]string
		for tag, value := range o.tags {
			tags = append(tags, map[string]string{"tag": tag, "value": value})
		}
		m["EVENT.TAGSJSON"] = encode(tags)
	}
	return m
}

// steps returns what Zabbix sends about it.
func (o opening) steps() []step {
	m := o.macros()
	steps := []step{{At: o.opens + o.late + 100*time.Millisecond, Kind: send, Problem: o.problem, Payload: encode(m)}}
	if o.resolves > 0 {
		m["EVENT.VALUE"], m["EVENT.RECOVERY.ID"], m["EVENT.RECOVERY.TIMESTAMP"], m["TIMESTAMP"] = "0", "9"+eventID(o.problem), stamp(o.resolves), stamp(o.resolves)
		steps = append(steps, step{At: o.resolves + 100*time.Millisecond, Kind: send, Problem: o.problem, Payload: encode(m)})
	}
	return steps
}

// update returns what Zabbix sends when somebody acts on it; macros are additional ones.
func (o opening) update(at time.Duration, words string, macros map[string]string) step {
	m := o.macros()
	m["EVENT.UPDATE.STATUS"], m["EVENT.UPDATE.ACTION"], m["EVENT.UPDATE.TIMESTAMP"], m["USER.FULLNAME"], m["TIMESTAMP"] = "1", words, stamp(at), "Alice", stamp(at)
	maps.Copy(m, macros)
	return step{At: at + 100*time.Millisecond, Kind: send, Problem: o.problem, Payload: encode(m)}
}

func encode(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(text)
}

// flapRules are a room's defaults.
func flapRules(openings []opening) schedule {
	s := schedule{
		Seed: 1, Workers: 4, Rate: 10, Network: 20 * time.Millisecond,
		Storm: config.Storm{Threshold: 10, Window: config.Duration(5 * time.Second), Individual: alert.Disaster},
		Rules: rules{Flapping: config.Flapping{Count: 3, Window: config.Duration(15 * time.Minute)}},
	}
	for _, o := range openings {
		s.Steps = append(s.Steps, o.steps()...)
	}
	s.sort()
	return s
}

// roomOf returns the room of this severity.
func roomOf(severity alert.Severity) string {
	if severity >= alert.High {
		return "ops"
	}
	return "noc"
}

// watch reads a room five times a second between two times.
func watch(from, until time.Duration, look func(w *world, now time.Duration)) func(*world) {
	return func(w *world) {
		w.sending.Go(func() {
			time.Sleep(from)
			for time.Since(epoch) < until {
				time.Sleep(200 * time.Millisecond)
				look(w, time.Since(epoch))
			}
		})
	}
}

// standing returns a room's root messages that aren't deleted.
func (w *world) standing(room string) (messages []webexsim.MessageView) {
	for _, m := range w.sim.Timeline(room) {
		if m.ParentID == "" && !m.Deleted {
			messages = append(messages, m)
		}
	}
	return messages
}

func flapping(m webexsim.MessageView) bool { return strings.Contains(m.Text, "Flapping") }

func saysResolved(m webexsim.MessageView) bool {
	return strings.Contains(strings.ToLower(m.Text), "resolved")
}

// Several problems of one trigger that are open at once (ports that differ in a tag, lines of a log) don't flap.
func TestOpenAtOnceIsNotFlapping(t *testing.T) {
	var ports, lines []opening
	for n := range 6 {
		ports = append(ports, opening{
			problem: n, trigger: "100", name: fmt.Sprintf("Port problem: port %d down", 3+n), tags: map[string]string{"port": strconv.Itoa(3 + n)},
			host: "sw1", severity: alert.Average, opens: time.Duration(1+2*n) * time.Second,
		})
	}
	for n, line := range []string{"payment service refused", "cert expired", "disk sda failed", "replication broken"} {
		lines = append(lines, opening{
			problem: n, trigger: "200", name: "Log line: ERROR " + line, host: "sw1", severity: alert.High, opens: time.Duration(1+n) * time.Second,
		})
	}
	for _, openings := range [][]opening{ports, lines} {
		require.Empty(t, playIn(t, flapRules(openings), func(*world) {}, func(w *world) {
			roots := w.standing(roomOf(openings[0].severity))
			require.Len(t, roots, len(openings))
			for n, m := range roots {
				require.False(t, flapping(m), m.Text)
				require.Contains(t, m.Text, openings[n].name)
			}
		}))
	}
}

// Ports of one trigger that each fail and recover once don't flap.
func TestDifferentOpeningsOfOneTriggerAreNotFlapping(t *testing.T) {
	var openings []opening
	for n := range 6 {
		at := time.Duration(1+10*n) * time.Second
		openings = append(openings, opening{
			problem: n, trigger: "100", name: fmt.Sprintf("Port problem: port %d down", 3+n), tags: map[string]string{"port": strconv.Itoa(3 + n)},
			host: "sw1", severity: alert.Average, opens: at, resolves: at + 5*time.Second,
		})
	}
	require.Empty(t, playIn(t, flapRules(openings), func(*world) {}, func(w *world) {
		require.Len(t, w.standing("noc"), 6)
		for _, m := range w.standing("noc") {
			require.False(t, flapping(m), m.Text)
		}
	}))
}

// A backlog that arrives at once doesn't flap: openings count by Zabbix's times.
func TestABacklogIsNotFlapping(t *testing.T) {
	var openings []opening
	for n := range 4 {
		at := time.Duration(n) * 20 * time.Minute
		openings = append(openings, opening{
			problem: n, trigger: "100", name: "Link down", host: "sw1", severity: alert.Average,
			opens: at, resolves: 80*time.Minute + time.Second, late: 80*time.Minute - at,
		})
	}
	require.Empty(t, playIn(t, flapRules(openings), func(*world) {}, func(w *world) {
		for _, m := range w.standing("noc") {
			require.False(t, flapping(m), m.Text)
		}
	}))
}

// flaps returns n openings that resolve, and one that stays.
func flaps(n int, severity alert.Severity, down, up time.Duration) (openings []opening) {
	at := time.Second
	for i := range n + 1 {
		o := opening{problem: i, trigger: "100", name: "Link down", host: "sw1", severity: severity, opens: at, resolves: at + down}
		if i == n {
			o.resolves = 0
		}
		openings = append(openings, o)
		at += down + up
	}
	return openings
}

// A flapping message never says resolved while an opening is open. When one stays, the room is notified within ten
// seconds.
func TestAFlappingTriggerThatStaysDown(t *testing.T) {
	testrace.Skip(t)
	const known = 1500 * time.Millisecond // for a payload and an edit to arrive
	for _, period := range []struct{ down, up time.Duration }{{12 * time.Second, 12 * time.Second}, {3 * time.Second, 3 * time.Second}, {2 * time.Second, 20 * time.Second}, {30 * time.Second, 45 * time.Second}, {55 * time.Second, 5 * time.Second}} {
		t.Run(fmt.Sprintf("%v down, %v up", period.down, period.up), func(t *testing.T) {
			openings := flaps(8, alert.High, period.down, period.up)
			last := openings[8]
			wrong, notified := "", time.Duration(0)
			look := func(w *world, now time.Duration) {
				down := false
				for _, o := range openings {
					down = down || now > o.opens+known && (o.resolves == 0 || now < o.resolves)
				}
				var newest webexsim.MessageView
				for _, m := range w.standing(roomOf(alert.High)) {
					if flapping(m) {
						newest = m
					}
				}
				if down && newest.ID != "" && saysResolved(newest) && wrong == "" {
					wrong = fmt.Sprintf("at %v: %s", now, newest.Text)
				}
				for _, m := range w.sim.Timeline(roomOf(alert.High)) {
					if at := m.Created.Sub(epoch); m.Card == nil && !m.Deleted && at > last.opens && notified == 0 && !saysResolved(m) {
						notified = at
					}
				}
			}
			require.Empty(t, playIn(t, flapRules(openings), watch(0, last.opens+time.Minute, look), func(w *world) {
				require.Empty(t, wrong)
				require.NotZero(t, notified, "nobody was notified of the opening that stays")
				require.LessOrEqual(t, notified-last.opens, 10*time.Second)
				require.LessOrEqual(t, len(w.standing(roomOf(alert.High))), 6)
			}))
		})
	}
}

// From storm.individual severity on, each opening gets its own message at once, flapping or not.
func TestASevereOpeningIsNeverFlapping(t *testing.T) {
	openings := flaps(6, alert.Disaster, 12*time.Second, 12*time.Second)
	require.Empty(t, playIn(t, flapRules(openings), func(*world) {}, func(w *world) {
		roots := w.standing(roomOf(alert.Disaster))
		require.Len(t, roots, 7)
		for n, m := range roots {
			require.False(t, flapping(m), m.Text)
			require.Less(t, m.Created.Sub(epoch)-openings[n].opens, 2*time.Second)
		}
	}))
}

// 240 flapping triggers that open at four a second, in a room that accepts five calls a second: a handful of
// messages, and each says resolved within ten seconds of the end.
func TestManyFlappingTriggersAreAStorm(t *testing.T) {
	testrace.Skip(t)
	const triggers, rounds = 240, 4
	const round = 100 * time.Second
	over := rounds*round + 20*time.Second
	var openings []opening
	for r := range rounds {
		for n := range triggers {
			at := time.Duration(r)*round + time.Duration(n)*250*time.Millisecond + time.Second
			o := opening{
				problem: r*triggers + n, trigger: strconv.Itoa(1000 + n), name: fmt.Sprintf("Service %d unreachable", 1000+n), host: fmt.Sprintf("host%03d", n),
				severity: alert.Average, opens: at.Truncate(time.Second), late: at - at.Truncate(time.Second), resolves: at.Truncate(time.Second) + 20*time.Second,
			}
			if r == rounds-1 {
				o.resolves = over
			}
			openings = append(openings, o)
		}
	}
	s := flapRules(openings)
	s.PerAccount, s.PerRoom = 0, 5
	late := ""
	look := func(w *world, now time.Duration) {
		if now < over+10*time.Second || late != "" {
			return
		}
		wrong := 0
		for _, m := range w.standing("noc") {
			if !saysResolved(m) {
				wrong++
				late = m.Text
			}
		}
		if late != "" {
			late = fmt.Sprintf("%d messages don't say so at %v, such as: %s", wrong, now-over, late)
		}
	}
	require.Empty(t, playIn(t, s, watch(over+9*time.Second, over+10500*time.Millisecond, look), func(w *world) {
		var posted [rounds]int
		for _, m := range w.standing("noc") {
			posted[min(rounds-1, int(m.Created.Sub(epoch)/round))]++
		}
		t.Logf("messages in each round: %v", posted)
		require.Empty(t, late)
		for r, n := range posted {
			if r >= 2 {
				require.LessOrEqual(t, n, 15, "round %d", r+1)
			}
		}
	}))
}

// 300 problems of a digest that are acknowledged in Zabbix within a few seconds stay in it.
func TestAMassAcknowledgementStaysADigest(t *testing.T) {
	testrace.Skip(t)
	var openings []opening
	for n := range 400 {
		openings = append(openings, opening{
			problem: n, trigger: strconv.Itoa(1000 + n), name: fmt.Sprintf("Service %d unreachable", n), host: fmt.Sprintf("host%03d", n),
			severity: alert.Average, opens: time.Second + time.Duration(n/100)*time.Second,
		})
	}
	s := flapRules(openings)
	for n := range 300 {
		l := &sender{problem: n, host: openings[n].host}
		at := time.Minute + time.Duration(n/50)*time.Second
		tr := truth{Severity: alert.Average, Opened: openings[n].opens, Acknowledged: true}
		payload := l.payload(tr, alert.KindUpdate, update{At: at, Who: "Alice", Words: "acknowledged", Ack: true}, "", at)
		s.Steps = append(s.Steps, step{At: at + time.Duration(n%50)*10*time.Millisecond, Kind: send, Problem: n, Payload: payload})
	}
	s.sort()
	s.PerRoom, s.Rules.Flapping = 5, config.Flapping{}
	require.Empty(t, playIn(t, s, func(*world) {}, func(w *world) {
		require.LessOrEqual(t, len(w.standing("noc")), 15)
	}))
}
