package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/simulator/webexsim"
	"nms-alert-relay/internal/simulator/zabbixsim"
)

const (
	// giveUp bounds how long a storm may take to reach the room.
	giveUp = 2 * time.Minute
	// calmFor is how long nothing must be pending before the room is final: a second later an answer of the Zabbix API can still
	// change a message.
	calmFor = 3 * time.Second
	// pollRoom is how often the room is checked.
	pollRoom = 100 * time.Millisecond
	// urgent is the number of disasters, and of commands, in the middle of the second storm.
	urgent = 3
	// stormHost is the prefix of every host name in a storm.
	stormHost = "sw-storm-"
)

// stormNames are the triggers of a storm.
var stormNames = []struct {
	name     string
	severity alert.Severity
}{
	{"Unavailable by ICMP ping", alert.High}, {"Interface Gi1/0/1: Link down", alert.Average},
	{"High ICMP ping loss", alert.Warning}, {"No SNMP data collection", alert.Warning},
	{"High CPU utilization", alert.Average}, {"Power supply is in critical state", alert.High},
	{"OSPF neighbour is down", alert.High}, {"Host has been restarted", alert.Information},
}

// stormTrigger returns the trigger of host i.
func stormTrigger(i int) zabbixsim.Trigger {
	t := zabbixsim.StormTrigger(i)
	kind := stormNames[i%len(stormNames)]
	t.Name, t.Severity = kind.name, kind.severity
	t.Host.Host = fmt.Sprintf("%s%05d", stormHost, i)
	t.Host.Name = t.Host.Host
	return t
}

// raining is a relay in a storm.
type raining struct {
	*bench
	*world
	ours *process
	calm time.Duration
	// restless is set where something is always pending, such as an edit whose turn comes minutes later.
	restless bool
}

// outcome is what a room got of a storm.
type outcome struct {
	named         int     // problems whose host (of the relay, also the event id) is in the room
	messages      int     // new messages in the room and its threads
	refused, late int     // answers of 429, and those after the first second
	early         int     // requests while told to wait
	dead          int     // dead letters; of an Alertmanager, notifications dropped until the next group_interval
	peak          float64 // memory in MiB
}

// rained is the outcome of a storm, or of its recovery, for a relay. All times after sending are counted from the last answer.
type rained struct {
	outcome
	sending    time.Duration // from the first event to the last answer
	namedAfter time.Duration // until every host and event id was in the room
	after      time.Duration // until then, with posts_pending 0
	quiet      time.Duration // until nothing was pending, nor in the journal
	edits      int
}

// startRaining starts a relay beside a Webex whose rooms take five messages a second, and a Zabbix whose API answers after delay.
// stop may be called twice.
func (b *bench) startRaining(ctx context.Context, name string, delay time.Duration, profile string) (_ *raining, stop func() error, err error) {
	w, err := newWorld(strict, delay)
	if err != nil {
		return nil, nil, err
	}
	ours, err := b.startRelay(ctx, name, w.webexURL, w.zabbixURL, "", profile)
	if err != nil {
		w.close()
		return nil, nil, err
	}
	stop = sync.OnceValue(func() error {
		defer w.close()
		return ours.stop()
	})
	return &raining{bench: b, world: w, ours: ours, calm: calmFor}, stop, nil
}

// storm measures thousands of problems at once, in a room that takes five messages a second.
func (b *bench) storm(ctx context.Context) (err error) {
	profile := b.profile
	if profile != "" {
		profile += ".storm"
	}
	r, stop, err := b.startRaining(ctx, "storm", 0, profile)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()
	ids := r.raise(0, b.problems)
	opened, err := r.opens(ctx, ids, b.stormRate, nothing)
	if err != nil {
		return err
	}
	b.logRained("storm", opened)
	over, err := r.recovers(ctx, ids)
	if err != nil {
		return fmt.Errorf("the recovery: %w", err)
	}
	b.logRained("its recovery", over)
	rate := b.stormRate
	if rate == 0 {
		rate = float64(b.problems) / 5
	}
	var u urgencies
	second, err := r.opens(ctx, r.raise(b.problems, b.problems), rate, func(ctx context.Context, fire *load) (err error) {
		u, err = r.amid(ctx, fire)
		return err
	})
	if err != nil {
		return fmt.Errorf("the second storm: %w", err)
	}
	b.logRained("second storm", second)
	if err := stop(); err != nil {
		return err
	}
	if b.rival == "" {
		b.reportStorm(opened, nil, nil)
	} else {
		each, grouped, err := b.rivalStorm(ctx, b.pass)
		if err != nil {
			return fmt.Errorf("the Alertmanager: %w", err)
		}
		b.reportStorm(opened, &each, &grouped)
	}
	b.reportRecovery(over)
	b.reportUrgent(second, rate, u)
	return nil
}

func (b *bench) logRained(what string, r rained) {
	b.logf("%s: sent in %s, in the room %s after that in %d messages and %d edits, %d answers of 429, load average %s",
		what, r.sending.Round(time.Millisecond), r.after.Round(time.Millisecond), r.messages, r.edits, r.refused, loadAverage())
}

// raise opens problems in the simulated Zabbix, which does not send them.
func (r *raining) raise(first, n int) []int64 {
	ids := make([]int64, n)
	for i := range ids {
		ids[i] = r.zabbix.Raise(stormTrigger(first + i))
	}
	return ids
}

// opens sends problems to the relay, runs meanwhile, and waits until all of them are in the room.
func (r *raining) opens(ctx context.Context, ids []int64, rate float64, meanwhile func(context.Context, *load) error) (rained, error) {
	hosts := map[string]string{} // event ids by host
	for _, id := range ids {
		p, _ := r.zabbix.Problem(id)
		hosts[p.Trigger.Host.Host] = strconv.FormatInt(id, 10)
	}
	fire := r.events(ids, rate)
	send := func(ctx context.Context) (ended time.Time, err error) {
		sent := make(chan error, 1)
		go func() {
			_, err := fire.fire(ctx, r.ours.public, r.connections)
			ended = time.Now()
			sent <- err
		}()
		err = meanwhile(ctx, fire)
		return ended, errors.Join(<-sent, err)
	}
	return r.rain(ctx, send, r.names(hosts))
}

// events are the signed events of problems, as they are now.
func (r *raining) events(ids []int64, rate float64) *load {
	var requests [][]byte
	for _, id := range ids {
		requests = append(requests, signed(r.payload(id), time.Now()))
	}
	return barrage(requests, status202, rate)
}

// names returns a function that counts the hosts that are in the room with their event ids.
func (r *raining) names(hosts map[string]string) func() (named int, all bool) {
	return func() (named int, all bool) {
		words := wordsOf(r.webex.Timeline("noc"))
		for host, id := range hosts {
			if words[host] && words[id] {
				named++
			}
		}
		return named, named == len(hosts)
	}
}

// recovers sends the recoveries, and waits until the room shows them.
func (r *raining) recovers(ctx context.Context, ids []int64) (rained, error) {
	for _, id := range ids {
		r.zabbix.Resolve(id)
	}
	fire := r.events(ids, r.stormRate)
	send := func(ctx context.Context) (time.Time, error) {
		_, err := fire.fire(ctx, r.ours.public, r.connections)
		return time.Now(), err
	}
	return r.rain(ctx, send, func() (int, bool) {
		for _, m := range r.webex.Timeline("noc") {
			if m.ParentID == "" && m.From.Bot && !m.Deleted && !saysResolved(m.Text) {
				return 0, false
			}
		}
		return len(ids), true
	})
}

// nothing is a meanwhile of opens that does nothing.
func nothing(context.Context, *load) error { return nil }

// someOpen matches a digest with open problems.
var someOpen = regexp.MustCompile(`\d open\b`)

// saysResolved reports whether a message says that its problem is resolved, or all of its problems are.
func saysResolved(text string) bool {
	return strings.Contains(strings.ToLower(text), "resolved") && !someOpen.MatchString(text)
}

// rain sends events, and measures until the room shows them and, unless r.restless, nothing is pending any more. send returns when
// the last event was answered.
func (r *raining) rain(ctx context.Context, send func(context.Context) (time.Time, error), shown func() (named int, all bool)) (out rained, err error) {
	messages, edits := countOf(r.webex.Timeline("noc"))
	early := r.webex.Stats().TooEarly
	top := watchMemory(r.ours)
	began := time.Now()
	ended, err := send(ctx)
	if err != nil {
		return out, err
	}
	out.sending = ended.Sub(began)
	writes, all := -1, false
	if out.after, _, err = r.until(ctx, ended, 0, func(m map[string]float64) bool {
		// Read the room only after a write to it.
		if n := r.seen.count(); n != writes {
			writes = n
			if out.named, all = shown(); all && out.namedAfter == 0 {
				out.namedAfter = time.Since(ended)
			}
		}
		return all && (r.restless || m[postsPending] == 0)
	}); err != nil {
		return out, fmt.Errorf("%w (%d problems are in the room)", err, out.named)
	}
	var last map[string]float64
	calm := func(m map[string]float64) bool { return r.restless || m[postsPending]+m[journalPending] == 0 }
	if out.quiet, last, err = r.until(ctx, ended, r.calm, calm); err != nil {
		return out, err
	}
	out.dead = int(last[`alert_relay_dead_letters_total{kind="post"}`] + last[`alert_relay_dead_letters_total{kind="digest"}`])
	if err := top.stop(); err != nil {
		return out, err
	}
	after, edited := countOf(r.webex.Timeline("noc"))
	out.messages, out.edits = after-messages, edited-edits
	out.refused, out.late = refusals(r.seen.since(began))
	out.early, out.peak = r.webex.Stats().TooEarly-early, top.peak
	return out, nil
}

const (
	postsPending   = "alert_relay_posts_pending"
	journalPending = "alert_relay_journal_pending"
)

// until waits until ok has been true of the relay's metrics for calm, and returns the time from from until it became true.
func (r *raining) until(ctx context.Context, from time.Time, calm time.Duration, ok func(map[string]float64) bool) (time.Duration, map[string]float64, error) {
	since := time.Time{}
	for {
		m, err := r.ours.metrics()
		if err != nil {
			return 0, nil, err
		}
		now := time.Now()
		switch {
		case !ok(m):
			since = time.Time{}
		case since.IsZero():
			since = now
		}
		if !since.IsZero() && now.Sub(since) >= calm {
			return since.Sub(from), m, nil
		}
		if now.Sub(from) > giveUp {
			return 0, nil, fmt.Errorf("the room is not up to date after %s: %.0f journal entries and %.0f posts are pending", giveUp, m[journalPending], m[postsPending])
		}
		if err := sleep(ctx, pollRoom); err != nil {
			return 0, nil, err
		}
	}
}

// wordsOf returns all words of a room's messages and files.
func wordsOf(said []webexsim.MessageView) map[string]bool {
	words := map[string]bool{}
	take := func(text string) {
		for word := range strings.FieldsFuncSeq(text, func(c rune) bool { return c != '-' && !unicode.IsLetter(c) && !unicode.IsDigit(c) }) {
			words[word] = true
		}
	}
	for _, m := range said {
		if m.Deleted {
			continue
		}
		take(m.Text)
		for _, f := range m.Files {
			take(string(f.Content))
		}
	}
	return words
}

// countOf counts the messages and edits of bots in a room.
func countOf(said []webexsim.MessageView) (messages, edits int) {
	for _, m := range said {
		if m.From.Bot {
			messages++
			edits += m.Edits
		}
	}
	return messages, edits
}

// urgencies are the times of each disaster to its room, and of each command to its reply and into Zabbix.
type urgencies struct{ room, answer, zabbix []time.Duration }

// amid sends disasters in the middle of a storm, and acknowledges each from the room as soon as it is there.
func (r *raining) amid(ctx context.Context, fire *load) (u urgencies, err error) {
	seen := watchRooms(r.webex, stormHost)
	defer seen.stop()
	for n := range urgent {
		for int(fire.next.Load()) < fire.requests*(n+1)/(urgent+1) {
			if err := sleep(ctx, time.Millisecond); err != nil {
				return u, err
			}
		}
		mark := fmt.Sprintf("bench-disaster-%d", n)
		t := zabbixsim.StormTrigger(2*r.problems + n)
		t.Name, t.Severity = "Data centre without power, "+mark, alert.Disaster
		id := r.zabbix.Raise(t)
		took, err := seen.timed(ctx, mark, func() error { return r.ours.post(ctx, r.payload(id)) })
		if err != nil {
			return u, err
		}
		u.room = append(u.room, took)
		answer, zabbix, err := r.ack(ctx, id, people[n%len(people)])
		if err != nil {
			return u, err
		}
		u.answer, u.zabbix = append(u.answer, answer), append(u.zabbix, zabbix)
	}
	return u, nil
}

// ack writes `ack` in the room, and measures until the bot's reply and until Zabbix has it.
func (r *raining) ack(ctx context.Context, id int64, person string) (answer, zabbix time.Duration, err error) {
	began := time.Now()
	said, err := r.webex.Say(webexsim.Line{Room: "noc", From: person, Text: fmt.Sprintf("ack %d", id), MentionBot: true})
	if err != nil {
		return 0, 0, err
	}
	for answer == 0 || zabbix == 0 {
		took := time.Since(began)
		if p, ok := r.zabbix.Problem(id); ok && p.Acked && zabbix == 0 {
			zabbix = took
		}
		for _, m := range r.webex.Timeline("noc") {
			if m.ParentID == said.ID && m.From.Bot && answer == 0 {
				answer = took
			}
		}
		if took > patience {
			return 0, 0, fmt.Errorf("ack %d: after %s the answer took %s and Zabbix %s (0s: not yet)", id, patience, answer, zabbix)
		}
		if err := sleep(ctx, 2*time.Millisecond); err != nil {
			return 0, 0, err
		}
	}
	return answer, zabbix, nil
}

// memoryWatch measures the peak memory of a process; 0 outside Linux.
type memoryWatch struct {
	p    *process
	peak float64 // MiB
}

// watchMemory begins a measurement.
func watchMemory(p *process) *memoryWatch {
	_ = os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", p.cmd.Process.Pid), []byte("5"), 0) // without it the earlier peak counts too
	return &memoryWatch{p: p}
}

func (m *memoryWatch) stop() error {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", m.p.cmd.Process.Pid))
	if err != nil {
		return nil //nolint:nilerr // not Linux
	}
	for line := range strings.Lines(string(raw)) {
		if text, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kib, err := strconv.ParseFloat(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(text), "kB")), 64)
			m.peak = kib / 1024
			return err
		}
	}
	return errors.New("no VmHWM in /proc/PID/status")
}
