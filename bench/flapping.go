package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"nms-alert-relay/internal/simulator/webexsim"
)

const (
	flapTriggers = 240
	flapRounds   = 3
	flapEvery    = 250 * time.Millisecond // between two openings; the room takes five messages a second
	flapFor      = 20 * time.Second       // how long each opening lasts
)

// flapping measures many triggers that open and resolve again and again: in the third round each of them flaps (flapping.count).
func (b *bench) flapping(ctx context.Context) (err error) {
	r, stop, err := b.startRaining(ctx, "flapping", 0, "")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()
	r.restless = true
	var open []int64
	var flaps rained
	for round := range flapRounds {
		hosts := map[string]string{}
		if flaps, err = r.rain(ctx, func(ctx context.Context) (_ time.Time, err error) {
			open, err = r.flap(ctx, hosts, round < flapRounds-1)
			return time.Now(), err
		}, r.names(hosts)); err != nil {
			return fmt.Errorf("round %d: %w", round+1, err)
		}
		b.logRained(fmt.Sprintf("flapping, round %d", round+1), flaps)
	}
	over, err := r.recovers(ctx, open)
	if err != nil {
		return fmt.Errorf("the end of flapping: %w", err)
	}
	b.logRained("the end of flapping", over)
	b.report.add(fmt.Sprintf("%d flapping triggers, one opens every %s and resolves after %s: messages in the room in round %d", flapTriggers, flapEvery, flapFor, flapRounds), "messages", float64(flaps.messages)).atMost(15)
	b.report.add("  edits", "edits", float64(flaps.edits))
	b.report.add("  every host and event id in the room, after the last event", "s", flaps.namedAfter.Seconds())
	b.report.add("  all resolve: every message says so, after the last event", "s", over.namedAfter.Seconds()).atMost(10)
	b.report.add("  answers of 429 after the first second", "calls", float64(flaps.late+over.late)).atMost(0)
	b.report.add("  requests while told to wait", "calls", float64(flaps.early+over.early)).atMost(0)
	return nil
}

// flap opens each trigger in turn, and resolves each flapFor later: the last ones only if over, with a pause afterwards. It returns
// those still open, and puts the event ids by host into hosts.
func (r *raining) flap(ctx context.Context, hosts map[string]string, over bool) (open []int64, err error) {
	tick := time.NewTicker(flapEvery)
	defer tick.Stop()
	const lasting = int(flapFor / flapEvery)
	for n := 0; n < flapTriggers || over && n < flapTriggers+2*lasting; n++ {
		if n < flapTriggers {
			t := stormTrigger(n)
			id := r.zabbix.Raise(t)
			open = append(open, id)
			hosts[t.Host.Host] = strconv.FormatInt(id, 10)
			err = r.ours.post(ctx, r.payload(id))
		}
		if n >= lasting && len(open) > 0 && err == nil {
			r.zabbix.Resolve(open[0])
			err = r.ours.post(ctx, r.payload(open[0]))
			open = open[1:]
		}
		if err != nil {
			return nil, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-tick.C:
		}
	}
	return open, nil
}

const (
	ackProblems = 3000
	ackDelay    = 50 * time.Millisecond
)

// ackAll measures how long it takes to acknowledge a whole digest from the room.
func (b *bench) ackAll(ctx context.Context) (err error) {
	r, stop, err := b.startRaining(ctx, "ackall", ackDelay, "")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()
	ids := r.raise(0, ackProblems)
	opened, err := r.opens(ctx, ids, 0, nothing)
	if err != nil {
		return err
	}
	b.logRained("storm before ack all", opened)
	before := r.webex.Timeline("noc")
	want := len(ids)
	var digests []string
	for _, m := range before {
		switch {
		case m.ParentID != "" || !m.From.Bot || m.Deleted:
		case someOpen.MatchString(m.Text):
			digests = append(digests, m.ID)
		default:
			want-- // a problem with a message of its own
		}
	}
	began := time.Now()
	for _, id := range digests {
		if _, err := r.webex.Say(webexsim.Line{Room: "noc", From: people[0], Text: "ack all yes", ParentID: id, MentionBot: true}); err != nil {
			return err
		}
	}
	took, err := r.allAcked(ctx, ids, want, began)
	if err != nil {
		return err
	}
	shown, _, err := r.until(ctx, began, r.calm, func(m map[string]float64) bool { return m[postsPending]+m[journalPending] == 0 })
	if err != nil {
		return err
	}
	replies := 0
	for _, m := range r.webex.Timeline("noc")[len(before):] {
		if m.From.Bot && m.ParentID != "" && !strings.Contains(m.Text, stormHost) {
			replies++
		}
	}
	b.report.add(fmt.Sprintf("ack all on %d problems in %d digests, Zabbix's API answering in %s: all acknowledged in Zabbix", want, len(digests), ackDelay), "s", took.Seconds()).atMost(30)
	b.report.add("  the room shows it, nothing pending any more", "s", shown.Seconds())
	b.report.add("  replies in the threads", "messages", float64(replies))
	return nil
}

// allAcked waits until want problems are acknowledged in Zabbix.
func (r *raining) allAcked(ctx context.Context, ids []int64, want int, began time.Time) (time.Duration, error) {
	for {
		n := 0
		for _, id := range ids {
			if p, ok := r.zabbix.Problem(id); ok && p.Acked {
				n++
			}
		}
		switch took := time.Since(began); {
		case n >= want:
			return took, nil
		case took > giveUp:
			return 0, fmt.Errorf("%d of %d problems are acknowledged after %s", n, want, giveUp)
		}
		if err := sleep(ctx, pollRoom); err != nil {
			return 0, err
		}
	}
}
