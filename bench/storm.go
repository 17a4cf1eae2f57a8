package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
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
	// telling is how long a storm may take to be told before the run gives up.
	telling = 2 * time.Minute
	// calmFor is how long nothing may be pending before the room is looked at: what the
	// relay learns of Zabbix's API a second later can still change a message.
	calmFor = 3 * time.Second
	// look is how often it is asked whether all is told.
	look = 100 * time.Millisecond
	// urgent is how many disasters come in the middle of the second storm, and commands.
	urgent = 3
	// stormHost begins the name of every host of a storm.
	stormHost = "sw-storm-"
)

// stormNames are what happens in a storm.
var stormNames = []struct {
	name     string
	severity alert.Severity
}{
	{"Unavailable by ICMP ping", alert.High}, {"Interface Gi1/0/1: Link down", alert.Average},
	{"High ICMP ping loss", alert.Warning}, {"No SNMP data collection", alert.Warning},
	{"High CPU utilization", alert.Average}, {"Power supply is in critical state", alert.High},
	{"OSPF neighbour is down", alert.High}, {"Host has been restarted", alert.Information},
}

// stormTrigger is what happens to host i.
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
	ours   *process
	macros map[string]string
	calm   time.Duration
}

// rained is what became of one storm, or of its recovery.
type rained struct {
	sending       time.Duration // from the first event to the last answer
	namedAfter    time.Duration // from there until every host and event id stood in the room
	after         time.Duration // from there until that, and posts_pending was 0
	quiet         time.Duration // from there until nothing was pending, neither in the journal
	named         int           // problems whose host and event id are named
	messages      int           // new ones in the room, in threads too
	edits         int
	refused, late int     // 429s, and those after the first second
	early         int     // requests while told to wait
	given         int     // dead letters
	peak          float64 // MiB
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
	r := &raining{bench: b, world: w, ours: ours, calm: calmFor}
	if r.macros, err = macros(); err != nil {
		return nil, nil, errors.Join(err, stop())
	}
	return r, stop, nil
}

// storm measures what becomes of thousands of problems at once, in a room that takes five messages a second.
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
	b.sayRained("storm", opened)
	over, err := r.recovers(ctx, ids)
	if err != nil {
		return fmt.Errorf("the recovery: %w", err)
	}
	b.sayRained("its recovery", over)
	rate := b.stormRate
	if rate == 0 {
		rate = float64(b.problems) / 5
	}
	var u urgencies
	second, err := r.opens(ctx, r.raise(b.problems, b.problems), rate, func(ctx context.Context, fire *barrage) (err error) {
		u, err = r.amid(ctx, fire)
		return err
	})
	if err != nil {
		return fmt.Errorf("the second storm: %w", err)
	}
	b.sayRained("second storm", second)
	if err := stop(); err != nil {
		return err
	}
	if b.rival == "" {
		b.tellStorm(opened, nil, nil)
	} else {
		each, grouped, err := b.rivalStorm(ctx, b.pass)
		if err != nil {
			return fmt.Errorf("the Alertmanager: %w", err)
		}
		b.tellStorm(opened, &each, &grouped)
	}
	b.tellRecovery(over)
	b.tellUrgent(second, rate, u)
	return nil
}

func (b *bench) sayRained(what string, r rained) {
	b.say("%s: sent in %s, told %s after that in %d messages and %d edits, %d answers of 429, load average %s",
		what, r.sending.Round(time.Millisecond), r.after.Round(time.Millisecond), r.messages, r.edits, r.refused, load())
}

// raise opens problems in the simulated Zabbix, which leaves the telling to us.
func (r *raining) raise(first, n int) []int64 {
	ids := make([]int64, n)
	for i := range ids {
		ids[i] = r.zabbix.Raise(stormTrigger(first + i))
	}
	return ids
}

// opens tells the relay of problems, does something else meanwhile, and waits until the room
// knows of all.
func (r *raining) opens(ctx context.Context, ids []int64, rate float64, meanwhile func(context.Context, *barrage) error) (rained, error) {
	fire := &barrage{want: status202, perSecond: rate}
	now := time.Now()
	hosts := map[string]string{} // and event ids
	for _, id := range ids {
		p, _ := r.zabbix.Problem(id)
		body, err := eventBody(r.macros, p.Trigger, id, now)
		if err != nil {
			return rained{}, err
		}
		fire.requests = append(fire.requests, signed(body, now))
		hosts[p.Trigger.Host.Host] = strconv.FormatInt(id, 10)
	}
	return r.rain(ctx, fire, meanwhile, func() (named int, all bool) {
		words := wordsOf(r.webex.Timeline("noc"))
		for host, id := range hosts {
			if words[host] && words[id] {
				named++
			}
		}
		return named, named == len(hosts)
	})
}

// recovers tells that they are over, and waits until the room knows.
func (r *raining) recovers(ctx context.Context, ids []int64) (rained, error) {
	fire := &barrage{want: status202, perSecond: r.stormRate}
	now := time.Now()
	for _, id := range ids {
		r.zabbix.Resolve(id)
		p, _ := r.zabbix.Problem(id)
		body, err := recoveryBody(r.macros, p)
		if err != nil {
			return rained{}, err
		}
		fire.requests = append(fire.requests, signed(body, now))
	}
	return r.rain(ctx, fire, nothing, func() (int, bool) {
		for _, m := range r.webex.Timeline("noc") {
			if m.ParentID == "" && m.From.Bot && !m.Deleted && !saysOver(m.Text) {
				return 0, false
			}
		}
		return len(ids), true
	})
}

// nothing is done meanwhile.
func nothing(context.Context, *barrage) error { return nil }

// someOpen is what a digest says of which not all is over.
var someOpen = regexp.MustCompile(`\d open\b`)

// saysOver says whether a message tells that its problem, or each of its problems, is over.
func saysOver(text string) bool {
	return strings.Contains(strings.ToLower(text), "resolved") && !someOpen.MatchString(text)
}

// rain sends events and measures until the room was told.
func (r *raining) rain(ctx context.Context, fire *barrage, meanwhile func(context.Context, *barrage) error, told func() (named int, all bool)) (out rained, err error) {
	messages, edits := countOf(r.webex.Timeline("noc"))
	early := r.webex.Stats().TooEarly
	top := watchMemory(r.ours)
	began, sent := time.Now(), make(chan error, 1)
	var ended time.Time
	go func() {
		err := fire.fire(ctx, r.ours.public, r.connections)
		ended = time.Now()
		sent <- err
	}()
	err = meanwhile(ctx, fire)
	if err := errors.Join(<-sent, err); err != nil {
		return out, err
	}
	out.sending = ended.Sub(began)
	writes, all := -1, false
	if out.after, _, err = r.until(ctx, ended, 0, func(m map[string]float64) bool {
		// The room is read again only where something was written into it.
		if n := r.seen.count(); n != writes {
			writes = n
			if out.named, all = told(); all && out.namedAfter == 0 {
				out.namedAfter = time.Since(ended)
			}
		}
		return all && m[postsPending] == 0
	}); err != nil {
		return out, fmt.Errorf("%w (%d problems are told)", err, out.named)
	}
	var last map[string]float64
	if out.quiet, last, err = r.until(ctx, ended, r.calm, func(m map[string]float64) bool { return m[postsPending]+m[journalPending] == 0 }); err != nil {
		return out, err
	}
	out.given = int(last[`alert_relay_dead_letters_total{kind="post"}`] + last[`alert_relay_dead_letters_total{kind="digest"}`])
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

// until waits until ok has held of the relay's metrics for so long, and says how long it took, from a
// time on, until it began to hold.
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
		if now.Sub(from) > telling {
			return 0, nil, fmt.Errorf("the room isn't told after %s: %.0f entries of the journal and %.0f posts are pending", telling, m[journalPending], m[postsPending])
		}
		select {
		case <-ctx.Done():
			return 0, nil, ctx.Err()
		case <-time.After(look):
		}
	}
}

// wordsOf are all words that a room's messages say, and the files in it.
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

// countOf counts what bots said in a room, and how often they edited it.
func countOf(said []webexsim.MessageView) (messages, edits int) {
	for _, m := range said {
		if m.From.Bot {
			messages++
			edits += m.Edits
		}
	}
	return messages, edits
}

// urgencies are how long each disaster took into its room, and each command to its
// answer there and into Zabbix.
type urgencies struct{ room, answer, zabbix []time.Duration }

// amid has disasters happen while a storm is being told, and a person acknowledge each
// as soon as it stands in the room.
func (r *raining) amid(ctx context.Context, fire *barrage) (u urgencies, err error) {
	seen := watchRooms(r.webex, stormHost)
	defer seen.stop()
	for n := range urgent {
		for int(fire.next.Load()) < len(fire.requests)*(n+1)/(urgent+1) {
			select {
			case <-ctx.Done():
				return u, ctx.Err()
			case <-time.After(time.Millisecond):
			}
		}
		mark := fmt.Sprintf("bench-disaster-%d", n)
		t := zabbixsim.StormTrigger(2*r.problems + n)
		t.Name, t.Severity = "Data centre without power, "+mark, alert.Disaster
		id := r.zabbix.Raise(t)
		body, err := eventBody(r.mine(), t, id, time.Now())
		if err != nil {
			return u, err
		}
		took, err := seen.timed(ctx, mark, func() error {
			_, err := zabbixsim.Post(ctx, http.DefaultClient, "http://"+r.ours.public+"/v1/zabbix/events", secret, body, time.Now())
			return err
		})
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

// mine is a copy of the macros, for a goroutine of its own.
func (r *raining) mine() map[string]string {
	m := make(map[string]string, len(r.macros))
	for k, v := range r.macros {
		m[k] = v
	}
	return m
}

// ack says `ack` in the room, and measures until the bot has answered there and until
// Zabbix has it.
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
		select {
		case <-ctx.Done():
			return 0, 0, ctx.Err()
		case <-time.After(2 * time.Millisecond):
		}
	}
	return answer, zabbix, nil
}

// memoryWatch finds the most memory that a process holds; 0 where that isn't known (Linux
// tells it).
type memoryWatch struct {
	p    *process
	peak float64 // MiB
}

// watchMemory begins: what was held before doesn't count.
func watchMemory(p *process) *memoryWatch {
	_ = os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", p.cmd.Process.Pid), []byte("5"), 0) // where it fails, what was held before counts too
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
	return errors.New("the system doesn't tell the most memory that a process held")
}
