package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"time"
)

// warmUp is how long both are driven before they are measured.
const warmUp = time.Second

const bareGin = "a bare gin handler that decodes and validates the same body"

// side is one of the two that are driven in turns.
type side struct {
	*process
	rates []float64
	p99   []float64 // milliseconds
	taken int
	cpu   float64 // seconds
}

// drive fires one round and counts it.
func (s *side) drive(ctx context.Context, b *bench, v *volley, cpu func() (float64, error), d time.Duration) error {
	before, err := cpu()
	if err != nil {
		return err
	}
	out, err := v.fire(ctx, s.public, b.connections, d)
	if err != nil {
		return err
	}
	after, err := cpu()
	if err != nil {
		return err
	}
	s.rates = append(s.rates, out.rate())
	s.p99 = append(s.p99, milliseconds(quantile(out.waits, .99)))
	s.taken += out.taken
	s.cpu += after - before
	return nil
}

// intake measures how many signed events a second the whole relay takes in, each on disk before
// its answer, beside the reference. The same generator drives both in turns; the
// relay is paused while the reference is measured, for it would go on folding.
func (b *bench) intake(ctx context.Context) (err error) {
	w, err := newWorld()
	if err != nil {
		return err
	}
	defer w.close()
	theirs, err := b.startReference(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, theirs.stop()) }()
	ours, err := b.startRelay(ctx, "intake", w.webexURL, w.zabbixURL, "", b.profile)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, ours.stop()) }()

	relay, reference := &side{process: ours}, &side{process: theirs}
	relayCPU := func() (float64, error) { m, err := ours.metrics(); return m["process_cpu_seconds_total"], err }
	referenceCPU := func() (float64, error) { u, err := theirs.usage(); return u.CPU, err }
	next, most := int64(firstID), 10000.0
	turn := func(d time.Duration) error {
		v, err := newVolley(next, int(most*d.Seconds()*2)+10*b.connections, runtime.NumCPU())
		if err != nil {
			return err
		}
		// The reference keeps nothing: the same ids serve it.
		if err := ours.pause(); err != nil {
			return err
		}
		err = reference.drive(ctx, b, v, referenceCPU, d)
		if err := errors.Join(err, ours.resume()); err != nil {
			return fmt.Errorf("the reference: %w", err)
		}
		v.next.Store(0)
		if err := relay.drive(ctx, b, v, relayCPU, d); err != nil {
			return fmt.Errorf("the relay: %w", err)
		}
		next += v.next.Load()
		most = max(most, slices.Max(relay.rates), slices.Max(reference.rates))
		return nil
	}
	if err := turn(warmUp); err != nil {
		return err
	}
	warm := relay.taken
	*relay, *reference = side{process: ours}, side{process: theirs}
	began, err := relayCPU()
	if err != nil {
		return err
	}
	for i := range b.rounds {
		if err := turn(b.round); err != nil {
			return err
		}
		b.say("intake, round %d of %d: relay %.0f/s, reference %.0f/s, ratio %.2f, load average %s",
			i+1, b.rounds, relay.rates[i], reference.rates[i], relay.rates[i]/reference.rates[i], load())
	}
	return b.tellIntake(ctx, relay, reference, warm, began)
}

// tellIntake waits for the fold, and reports. The relay had used began seconds of
// processor time before the first round, and taken warm events.
func (b *bench) tellIntake(ctx context.Context, relay, reference *side, warm int, began float64) error {
	m, err := relay.metrics()
	if err != nil {
		return err
	}
	pending, rss := m["alert_relay_journal_pending"], m["process_resident_memory_bytes"]
	drained, err := relay.drained(ctx, b.drain)
	if err != nil {
		return err
	}
	if m, err = relay.metrics(); err != nil {
		return err
	}
	var ratios []float64
	for i := range relay.rates {
		ratios = append(ratios, relay.rates[i]/reference.rates[i])
	}
	rounds := slices.Clone(ratios)
	median := quantile(ratios, .5)
	mine, other := quantile(relay.rates, .5), quantile(reference.rates, .5)
	b.report.Rows = append(b.report.Rows, row{Name: fmt.Sprintf("durable intake, %d connections (median of %d rounds)", b.connections, b.rounds),
		Unit: "events/s", Relay: mine, Reference: &other, Ratio: &median, Against: bareGin, Rounds: rounds})
	theirs := 1e6 * reference.cpu / float64(reference.taken)
	b.report.add("  processor time for each event, within the rounds", "µs", 1e6*relay.cpu/float64(relay.taken), theirs, bareGin)
	b.report.add("  processor time for each event, and for folding it", "µs", 1e6*(m["process_cpu_seconds_total"]-began)/float64(relay.taken), theirs, bareGin)
	b.report.add("  answer within, 99 % of events", "ms", quantile(relay.p99, .5), quantile(reference.p99, .5), bareGin)
	b.report.alone("  not folded yet after the last round, of "+fmt.Sprint(relay.taken+warm), "events", pending)
	if drained < 0 {
		b.report.alone("  not folded yet after "+b.drain.String(), "events", m["alert_relay_journal_pending"])
	} else {
		b.report.alone("  until all were folded", "s", drained.Seconds())
	}
	b.report.alone("  resident memory after the last round", "MiB", rss/(1<<20))
	refused := m[`alert_relay_events_total{kind="problem",result="refused",source="main"}`]
	if refused > 0 {
		return fmt.Errorf("the relay refused %.0f events", refused)
	}
	return nil
}

// drained waits until everything is folded, and says how long that took; less
// than 0 when it isn't within limit.
func (s *side) drained(ctx context.Context, limit time.Duration) (time.Duration, error) {
	began := time.Now()
	for {
		m, err := s.metrics()
		took := time.Since(began)
		switch {
		case err != nil:
			return 0, err
		case m["alert_relay_journal_pending"] == 0:
			return took, nil
		case took > limit:
			return -1, nil
		}
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
}
