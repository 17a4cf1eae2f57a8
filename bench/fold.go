package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/ledger"
	"nms-alert-relay/internal/pace"
	"nms-alert-relay/internal/route"
	"nms-alert-relay/internal/simulator/zabbixsim"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/store/sqlite"
)

// firstFolded is the first event id of the folded events; stored ones have smaller ids.
const firstFolded = 1_500_000_001

// folded is the cost of a round.
type folded struct {
	Events  int     `json:"events"`
	CPU     float64 `json:"cpu"`     // seconds
	Seconds float64 `json:"seconds"` // wall-clock
}

func (f folded) plus(g folded) folded {
	return folded{f.Events + g.Events, f.CPU + g.CPU, f.Seconds + g.Seconds}
}

// each returns the processor time of one event in microseconds.
func (f folded) each() float64 { return 1e6 * f.CPU / float64(f.Events) }

// rate returns the events folded in a second of wall-clock time.
func (f folded) rate() float64 { return float64(f.Events) / f.Seconds }

// fold is a process with nothing but the relay's ledger and store. It reads a configuration, and for each line of its standard
// input folds that many events and prints the cost.
func fold(args []string) (err error) {
	if len(args) != 1 {
		return errors.New("expected a configuration")
	}
	cfg, err := config.Read(args[0], config.Options{Env: os.Getenv})
	if err != nil {
		return err
	}
	ctx := context.Background()
	s, err := sqlite.Open(ctx, sqlite.Options{Path: cfg.Store.Path})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	router, err := route.New(cfg)
	if err != nil {
		return err
	}
	f := &folder{Store: s, committed: make(chan struct{}, 1), next: firstFolded}
	f.ledger = ledger.New(ledger.Options{
		Store: f, Rules: ledger.Rules{Rooms: router.Rooms, OrphanWait: func() time.Duration { return time.Duration(cfg.Delivery.OrphanWait) }},
		Decode: func(e store.Entry) (ledger.Decoded, error) {
			event, err := decoded(e)
			return ledger.Decoded{Event: event}, err
		},
		Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Metrics: ledger.NewMetrics(prometheus.NewRegistry(), []string{"main"}),
	})
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		var n int
		if err := json.Unmarshal(lines.Bytes(), &n); err != nil {
			return err
		}
		cost, err := f.round(ctx, n)
		if err != nil {
			return err
		}
		if err := json.NewEncoder(os.Stdout).Encode(cost); err != nil {
			return err
		}
	}
	return lines.Err()
}

// folder counts what a ledger commits.
type folder struct {
	store.Store
	ledger    *ledger.Ledger
	applied   atomic.Int64
	committed chan struct{} // applied has grown
	next      int64
}

func (f *folder) CommitFold(ctx context.Context, batch store.Fold) error {
	if len(batch.SetAside) > 0 {
		return fmt.Errorf("entries were set aside: %v", batch.SetAside)
	}
	err := f.Store.CommitFold(ctx, batch)
	if err == nil {
		f.applied.Add(int64(len(batch.Applied)))
		pace.Wake(f.committed)
	}
	return err
}

// round appends n events, half of them problems and half their recoveries, and folds them.
func (f *folder) round(ctx context.Context, n int) (cost folded, err error) {
	problems := n / 2
	bodies := make([][]byte, 0, 2*problems)
	now := time.Now()
	for _, kind := range []alert.Kind{alert.KindProblem, alert.KindRecovery} {
		for i := range problems {
			bodies = append(bodies, zabbixsim.Payload(zabbixProblem(int(f.next)+i, now), kind, now))
		}
	}
	f.next += int64(problems)
	const writers = 64
	faults := make([]error, writers)
	for _, half := range [][][]byte{bodies[:problems], bodies[problems:]} { // problems before recoveries
		var wg sync.WaitGroup
		for w := range writers {
			wg.Go(func() {
				for i := w; i < len(half); i += writers {
					if _, err := f.Append(ctx, store.Entry{Source: "main", Kind: store.EntryEvent, Payload: half[i], ReceivedAt: now}); err != nil {
						faults[w] = err
					}
				}
			})
		}
		wg.Wait()
	}
	if err := errors.Join(faults...); err != nil {
		return cost, err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	time.Sleep(time.Second) // the store checkpoints its log
	already := f.applied.Load()
	before, began := processorTime(), time.Now()
	done := make(chan error, 1)
	go func() { done <- f.ledger.Run(ctx) }()
	for cost.Events < len(bodies) {
		select {
		case <-f.committed:
			cost.Events = int(f.applied.Load() - already)
		case err := <-done: // something is wrong
			return cost, errors.Join(errors.New("the ledger stopped"), err)
		}
	}
	cost.Seconds = time.Since(began).Seconds()
	stop()
	err = <-done
	time.Sleep(time.Second) // the checkpoint is part of the cost
	cost.CPU = processorTime() - before
	return cost, err
}

// processorTime returns the processor time of this process in seconds; 0 if unknown.
func processorTime() float64 {
	var r syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &r) != nil {
		return 0
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano()).Seconds()
}

// foldProcess is a started fold process.
type foldProcess struct {
	*process
	out *json.Decoder
}

// startFold starts a fold process on a database.
func (b *bench) startFold(ctx context.Context, name string) (*foldProcess, error) {
	file := filepath.Join(b.dir, name+"-fold.yaml")
	text := fmt.Sprintf("server: {public_url: %q}\nstore: {path: %q}\n", "http://127.0.0.1:1", filepath.Join(b.dir, name+".db")) + neighbours("http://127.0.0.1:1", "http://127.0.0.1:1")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return nil, err
	}
	p, out, err := startSelf(ctx, "fold", file)
	if err != nil {
		return nil, err
	}
	return &foldProcess{process: p, out: json.NewDecoder(out)}, nil
}

// round folds this number of events in the process.
func (p *foldProcess) round(events int) (cost folded, err error) {
	if _, err = fmt.Fprintln(p.stdin, events); err == nil {
		err = p.out.Decode(&cost)
	}
	if err != nil {
		return cost, fmt.Errorf("folding: %w", err)
	}
	return cost, nil
}

// zabbixProblem is a problem that opens and resolves in the same second.
func zabbixProblem(id int, now time.Time) zabbixsim.Problem {
	t := stormTrigger(id % 100_000)
	return zabbixsim.Problem{ID: int64(id), Trigger: t, Severity: t.Severity, Opened: now, RecoveryID: int64(id) + 1_000_000_000, Resolved: now}
}
