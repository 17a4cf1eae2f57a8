// Command bench measures the relay and a reference in the same run, on this host and its loopback interface: go run ./bench.
// docs/performance.md explains the output.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"syscall"
	"time"

	"nms-alert-relay/internal/pace"
)

// options are the flags.
type options struct {
	json        bool
	markdown    bool
	dir         string
	only        string
	binary      string
	profile     string
	connections int
	rounds      int
	round       time.Duration
	drain       time.Duration
	events      int
	every       time.Duration
	acks        int

	problems     int
	stormRate    float64
	alertmanager string
	wait         time.Duration
	open         int
	stored       int
	big          bool
	foldRounds   int
	foldEvents   int
}

func parse(args []string, errs io.Writer) (options, error) {
	var o options
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.SetOutput(errs)
	f.BoolVar(&o.json, "json", false, "print JSON")
	f.BoolVar(&o.markdown, "markdown", false, "print Markdown, for docs/performance.md")
	f.StringVar(&o.dir, "dir", "", "directory for the relay's store, on a disk and not in memory (default: the temporary directory)")
	f.StringVar(&o.only, "only", "", "measure only these, of: "+strings.Join(partNames, ","))
	f.StringVar(&o.binary, "relay", "", "alert-relay binary to measure (default: built from this module)")
	f.StringVar(&o.profile, "cpuprofile", "", "file for the CPU profile of the relay during intake; that of the storm gets the suffix .storm. The relay then runs from this binary, still in a process of its own")
	f.IntVar(&o.connections, "connections", 64, "connections for the intake")
	f.IntVar(&o.rounds, "rounds", 8, "rounds of the intake; relay and reference take turns")
	f.DurationVar(&o.round, "round", 2*time.Second, "length of a round")
	f.DurationVar(&o.drain, "drain", 15*time.Second, "how long to wait for the fold after the last round")
	f.IntVar(&o.events, "events", 200, "events whose time to the room is measured")
	f.DurationVar(&o.every, "every", 250*time.Millisecond, "pause between two of them; more than three in half a second are a burst, which is held back")
	f.IntVar(&o.acks, "acks", 40, "acknowledgements to time, at most 50: two people may give 30 commands a minute each")
	f.IntVar(&o.problems, "problems", 5000, "problems of a storm")
	f.Float64Var(&o.stormRate, "storm-rate", 0, "events a second of a storm; 0: as fast as they are accepted, and the second storm within five seconds")
	f.StringVar(&o.alertmanager, "alertmanager", "", "Alertmanager binary to compare with (default: the installed one); \"none\" for none")
	f.DurationVar(&o.wait, "wait", 40*time.Second, "time given to an Alertmanager for the same storm")
	f.IntVar(&o.open, "open", 100_000, "open problems for measuring a start and its memory")
	f.BoolVar(&o.big, "big", true, "measure the fold with a million stored problems; takes two or three minutes and 7 GB of disk")
	f.IntVar(&o.stored, "stored", 1_000_000, "number of these stored problems")
	f.IntVar(&o.foldRounds, "fold-rounds", 7, "rounds of that; both databases take turns")
	f.IntVar(&o.foldEvents, "fold-events", 4000, "events folded in each round")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	for _, name := range o.names() {
		if parts[name] == nil {
			return o, fmt.Errorf("-only %s: expected some of %s", name, strings.Join(partNames, ","))
		}
	}
	switch {
	case f.NArg() > 0:
		return o, fmt.Errorf("unexpected argument %q", f.Arg(0))
	case o.connections < 1 || o.connections > 1024, o.rounds < 1 || o.rounds > 20, o.round < 100*time.Millisecond || o.round > time.Minute,
		o.events < 1 || o.events > 5000, o.every < 10*time.Millisecond || o.every > time.Second, o.acks < 1 || o.acks > 50, o.drain < 0 || o.drain > 10*time.Minute:
		return o, errors.New("flag out of bounds, since this is a small bounded load (connections 1-1024, rounds 1-20, round 100ms-1m, drain to 10m, events 1-5000, every 10ms-1s, acks 1-50)")
	case o.problems < 20 || o.problems > 20_000, o.stormRate < 0 || o.stormRate > 50_000, o.wait < time.Second || o.wait > 10*time.Minute,
		o.open < 100 || o.open > 1_000_000, o.stored < 1000 || o.stored > 5_000_000, o.foldRounds < 1 || o.foldRounds > 50, o.foldEvents < 2 || o.foldEvents > 50_000:
		return o, errors.New("flag out of bounds (problems 20-20000, storm-rate 0-50000, wait 1s-10m, open 100-1000000, stored 1000-5000000, fold-rounds 1-50, fold-events 2-50000)")
	}
	return o, nil
}

// names returns the parts to run, in order.
func (o options) names() []string {
	if o.only == "" {
		return partNames
	}
	return strings.Split(o.only, ",")
}

// The parts of a run, in order.
var (
	partNames = []string{"rest", "disk", "intake", "latency", "storm", "flapping", "ackall", "memory"}
	parts     = map[string]func(*bench, context.Context) error{
		"rest": (*bench).rest, "disk": (*bench).disk, "intake": (*bench).intake, "latency": (*bench).latency, "storm": (*bench).storm, "flapping": (*bench).flapping,
		"ackall": (*bench).ackAll, "memory": (*bench).memory,
	}
)

func main() {
	if len(os.Args) > 1 && roles[os.Args[1]] != nil {
		if err := roles[os.Args[1]](os.Args[2:]); err != nil {
			fmt.Fprintln(os.Stderr, "bench", os.Args[1]+":", err)
			os.Exit(1)
		}
		return
	}
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

func run(args []string, out, errs io.Writer) int {
	o, err := parse(args, errs)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err != nil {
		fmt.Fprintln(errs, "bench:", err)
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, 25*time.Minute+time.Duration(o.rounds)*3*o.round+o.wait)
	defer cancel()
	report, err := measure(ctx, o, errs)
	if report != nil {
		switch {
		case o.json:
			err = errors.Join(err, report.json(out))
		case o.markdown:
			report.markdown(out)
		default:
			report.text(out)
		}
	}
	if err != nil {
		fmt.Fprintln(errs, "bench:", err)
		return 1
	}
	return 0
}

// measure makes a directory for the stores, runs the parts and cleans up. Together with an error it returns a report of what was
// measured, if anything was.
func measure(ctx context.Context, o options, log io.Writer) (r *report, err error) {
	dir, err := os.MkdirTemp(o.dir, "alert-relay-bench-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if inMemory(dir) {
		return nil, fmt.Errorf("%s is in memory, where synchronous writes cost nothing (use -dir with a directory on a disk)", dir)
	}
	b := &bench{options: o, dir: dir, log: log, report: &report{Machine: machine{CPUs: runtime.NumCPU(), Go: runtime.Version(), OS: runtime.GOOS + "/" + runtime.GOARCH}}}
	if err := b.build(ctx); err != nil {
		return nil, err
	}
	if err := b.findAlertmanager(ctx); err != nil {
		return nil, err
	}
	b.report.Machine.LoadBefore = loadAverage()
	began := time.Now()
	for _, name := range o.names() {
		// A part that fails doesn't stop the others.
		if fault := parts[name](b, ctx); fault != nil {
			err = errors.Join(err, fmt.Errorf("%s: %w", name, fault))
		}
		if ctx.Err() != nil {
			break
		}
	}
	b.report.Machine.LoadAfter, b.report.Seconds = loadAverage(), time.Since(began).Seconds()
	return b.report, err
}

// bench is one run.
type bench struct {
	options
	dir    string
	log    io.Writer
	relay  string // path of the binary
	rival  string // path of the Alertmanager; "" for none
	report *report
}

// sleep waits for d, or returns an error if the run ends.
func sleep(ctx context.Context, d time.Duration) error {
	pace.Pause(ctx, d, nil)
	return ctx.Err()
}

func (b *bench) logf(format string, args ...any) { fmt.Fprintf(b.log, format+"\n", args...) }
