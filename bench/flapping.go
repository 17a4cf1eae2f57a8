package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"nms-alert-relay/internal/simulator/webexsim"
)

const (
	flapTriggers = 240
	flapRate     = 4 // openings a second; the room takes five messages a second
	// flapRounds is how many times each trigger opens: the last time it flaps (flapping.count).
	flapRounds = 3
)

// flapping measures many triggers that open again and again.
func (b *bench) flapping(ctx context.Context) (err error) {
	r, stop, err := b.startRaining(ctx, "flapping", 0, "")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()
	var opened, over rained
	for round := range flapRounds {
		rate := 0.0 // the rounds before are only history
		if round == flapRounds-1 {
			rate = flapRate
		}
		ids := r.raise(0, flapTriggers)
		if opened, err = r.opens(ctx, ids, rate, nothing); err != nil {
			return fmt.Errorf("round %d: %w", round+1, err)
		}
		b.logRained(fmt.Sprintf("flapping, round %d", round+1), opened)
		if over, err = r.recovers(ctx, ids); err != nil {
			return fmt.Errorf("recovery of round %d: %w", round+1, err)
		}
		b.logRained("its recovery", over)
	}
	b.report.alone(fmt.Sprintf("%d flapping triggers that open again at %d/s: messages in the room", flapTriggers, flapRate), "messages", float64(opened.messages)).atMost(15)
	b.report.alone("  edits", "edits", float64(opened.edits))
	b.report.alone("  every host and event id in the room, after the last event", "s", opened.namedAfter.Seconds())
	b.report.alone("  all resolve: every message says so, after the last event", "s", over.namedAfter.Seconds()).atMost(10)
	b.report.alone("  answers of 429 after the first second", "calls", float64(opened.late+over.late)).atMost(0)
	b.report.alone("  requests while told to wait", "calls", float64(opened.early+over.early)).atMost(0)
	return nil
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
	told, _, err := r.until(ctx, began, r.calm, func(m map[string]float64) bool { return m[postsPending]+m[journalPending] == 0 })
	if err != nil {
		return err
	}
	replies := 0
	for _, m := range r.webex.Timeline("noc")[len(before):] {
		if m.From.Bot && m.ParentID != "" && !strings.Contains(m.Text, stormHost) {
			replies++
		}
	}
	b.report.alone(fmt.Sprintf("ack all on %d problems in %d digests, Zabbix's API answering in %s: all acknowledged in Zabbix", want, len(digests), ackDelay), "s", took.Seconds()).atMost(30)
	b.report.alone("  the room shows it, nothing pending any more", "s", told.Seconds())
	b.report.alone("  replies in the threads", "messages", float64(replies))
	return nil
}

// allAcked waits until Zabbix has acknowledged so many problems.
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
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-time.After(pollRoom):
		}
	}
}
