package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"time"

	"nms-alert-relay/internal/simulator/webexsim"
)

// warmUp is how long both sides run before they are measured.
const warmUp = time.Second

const bareGin = "a bare gin handler that decodes and validates the same body"

// side is one of the processes that take turns.
type side struct {
	*process
	rates []float64
	p99   []float64 // milliseconds
	taken int
	cpu   float64 // seconds
}

// drive fires one round and records it.
func (s *side) drive(ctx context.Context, b *bench, l *load, d time.Duration) error {
	before, err := s.cpuSeconds()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	out, err := l.fire(ctx, s.public, b.connections)
	if err != nil {
		return err
	}
	after, err := s.cpuSeconds()
	if err != nil {
		return err
	}
	s.rates = append(s.rates, out.rate())
	s.p99 = append(s.p99, milliseconds(quantile(out.waits, .99)))
	s.taken += out.taken
	s.cpu += after - before
	return nil
}

// intake measures how many signed events a second the whole relay accepts, each on disk before its answer, beside the reference
// and an Alertmanager. One generator drives them in turns; the others are paused meanwhile, since they would keep working.
func (b *bench) intake(ctx context.Context) (err error) {
	w, err := newWorld(webexsim.Options{}, 0)
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
	t := &turns{bench: b, relay: &side{process: ours}, reference: &side{process: theirs}, next: firstID, most: 10000}
	if b.rival != "" {
		rival, err := b.startAlertmanager(ctx, "rival-intake", notifiesNobody)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, rival.resume(), rival.stop()) }()
		t.rival = &side{process: rival}
		if err := rival.pause(); err != nil {
			return err
		}
	}
	if err := t.turn(ctx, warmUp); err != nil {
		return err
	}
	warm := t.relay.taken
	for _, s := range []*side{t.relay, t.reference, t.rival} {
		if s != nil {
			*s = side{process: s.process}
		}
	}
	began, err := t.relay.cpuSeconds()
	if err != nil {
		return err
	}
	for i := range b.rounds {
		if err := t.turn(ctx, b.round); err != nil {
			return err
		}
		b.logf("intake, round %d of %d: relay %.0f/s, reference %.0f/s, ratio %.2f, load average %s",
			i+1, b.rounds, t.relay.rates[i], t.reference.rates[i], t.relay.rates[i]/t.reference.rates[i], loadAverage())
	}
	return b.reportIntake(ctx, t, warm, began)
}

// turns are the sides, and the first event id of the next round.
type turns struct {
	*bench
	relay, reference, rival *side // rival may be nil
	next                    int64 // event id
	most                    float64
}

// cpuSeconds is the processor time that the process has used.
func (s *side) cpuSeconds() (float64, error) {
	m, err := s.metrics()
	return m[cpuSeconds], err
}

// turn drives each for d.
func (t *turns) turn(ctx context.Context, d time.Duration) error {
	event, err := newTemplate(time.Now())
	if err != nil {
		return err
	}
	l := volley(event, t.next, int(t.most*d.Seconds()*2)+10*t.connections, runtime.NumCPU())
	// The references store nothing, or have a store of their own, so they can use the same ids.
	if err := t.relay.pause(); err != nil {
		return err
	}
	err = t.reference.drive(ctx, t.bench, l, d)
	if err == nil && t.rival != nil {
		err = t.rivalTurn(ctx, d)
	}
	if err := errors.Join(err, t.relay.resume()); err != nil {
		return fmt.Errorf("the references: %w", err)
	}
	l.next.Store(0)
	if err := t.relay.drive(ctx, t.bench, l, d); err != nil {
		return fmt.Errorf("the relay: %w", err)
	}
	t.next += l.next.Load()
	t.most = max(t.most, slices.Max(t.relay.rates), slices.Max(t.reference.rates))
	return nil
}

func (t *turns) rivalTurn(ctx context.Context, d time.Duration) error {
	alert, err := newAlertTemplate()
	if err != nil {
		return err
	}
	if err := t.rival.resume(); err != nil {
		return err
	}
	err = t.rival.drive(ctx, t.bench, volley(alert, t.next, 0, 1), d)
	return errors.Join(err, t.rival.pause())
}

const bareAlerts = "Alertmanager's POST /api/v2/alerts, which keeps nothing on disk before it answers"

// reportIntake waits for the fold and reports. began is the processor time of the relay before the first round, warm the events it had
// accepted by then.
func (b *bench) reportIntake(ctx context.Context, t *turns, warm int, began float64) error {
	relay, reference := t.relay, t.reference
	m, err := relay.metrics()
	if err != nil {
		return err
	}
	pending, rss := m["alert_relay_journal_pending"], m[residentBytes]
	drained, err := relay.drained(ctx, b.drain)
	if err != nil {
		return err
	}
	if m, err = relay.metrics(); err != nil {
		return err
	}
	b.report.turns(fmt.Sprintf("durable intake, %d connections (median of %d rounds)", b.connections, b.rounds), "events/s", relay.rates, reference.rates, bareGin).ratioAtLeast(0.35)
	if t.rival != nil {
		b.report.turns("  beside Alertmanager's", "events/s", relay.rates, t.rival.rates, bareAlerts)
	} else {
		b.report.add("  beside Alertmanager's", "events/s", median(relay.rates)).missing(notInstalled, bareAlerts)
	}
	theirs := 1e6 * reference.cpu / float64(reference.taken)
	b.report.add("  processor time for each event, within the rounds", "µs", 1e6*relay.cpu/float64(relay.taken)).beside(theirs, bareGin)
	b.report.add("  processor time for each event, and for folding it", "µs", 1e6*(m[cpuSeconds]-began)/float64(relay.taken)).beside(theirs, bareGin)
	b.report.add("  answer within, 99 % of events", "ms", median(relay.p99)).beside(median(reference.p99), bareGin)
	b.report.add("  not folded yet after the last round, of "+fmt.Sprint(relay.taken+warm), "events", pending)
	if drained < 0 {
		b.report.add("  not folded yet after "+b.drain.String(), "events", m["alert_relay_journal_pending"]).atMost(0)
	} else {
		b.report.add("  until all were folded", "s", drained.Seconds()).atMost(1)
	}
	b.report.add("  resident memory after the last round", "MiB", rss/(1<<20))
	refused := m[`alert_relay_events_total{kind="problem",result="refused",source="main"}`]
	if refused > 0 {
		return fmt.Errorf("the relay refused %.0f events", refused)
	}
	return nil
}

// drained waits until everything is folded and returns how long that took, or a negative number if it took longer than limit.
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
		if err := sleep(ctx, 50*time.Millisecond); err != nil {
			return 0, err
		}
	}
}
