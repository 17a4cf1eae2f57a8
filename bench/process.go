package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime/pprof"
	"strconv"
	"strings"
	"syscall"
	"time"

	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/relay"
	"nms-alert-relay/internal/simulator/zabbixsim"
)

// roles are what this binary can be as a process of its own.
var roles = map[string]func(args []string) error{"reference": reference, "profiled-relay": profiled, "fold": fold}

// secret signs the events. It protects nothing.
const secret = "simulated-secret-of-the-bench"

// build builds the relay as for a release.
func (b *bench) build(ctx context.Context) error {
	if b.relay = b.binary; b.relay != "" {
		return nil
	}
	b.relay = filepath.Join(b.dir, "alert-relay")
	out, err := exec.CommandContext(ctx, "go", "build", "-o", b.relay, "nms-alert-relay/cmd/alert-relay").CombinedOutput()
	if err != nil {
		return fmt.Errorf("building the relay (run this within its module, or name a binary with -relay): %w\n%s", err, out)
	}
	return nil
}

// process is a started relay or reference.
type process struct {
	cmd    *exec.Cmd
	stdin  io.WriteCloser // nil for a relay
	public string         // host:port
	admin  string
	start  time.Duration // until it answered
	ended  chan struct{} // closed when it has ended
	logs   bytes.Buffer  // read only after it ended
	log    string        // log file of a relay
}

// pollEvery is the pause between two probes of a starting process.
const pollEvery = time.Millisecond

// startSelf starts this binary in one of its roles, which ends with its standard input, and returns its standard output.
func startSelf(ctx context.Context, args ...string) (*process, io.Reader, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, nil, err
	}
	p := &process{cmd: exec.CommandContext(ctx, self, args...), ended: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), environment()...)
	p.cmd.Stderr = &p.logs
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		return nil, nil, err
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, nil, err
	}
	go p.wait()
	return p, out, nil
}

// startReference starts the reference.
func (b *bench) startReference(ctx context.Context) (*process, error) {
	began := time.Now()
	p, out, err := startSelf(ctx, "reference")
	if err != nil {
		return nil, err
	}
	addr, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return nil, errors.Join(fmt.Errorf("the reference did not start: %w", err), p.stop())
	}
	p.public = strings.TrimSpace(addr)
	p.admin = p.public
	if err := p.answers(ctx, began, "http://"+p.admin+"/metrics"); err != nil {
		return nil, errors.Join(err, p.stop())
	}
	return p, nil
}

// startRelay starts the relay as `serve` does, with a configuration whose addresses and store are filled in.
func (b *bench) startRelay(ctx context.Context, name, webex, zabbix, more, profile string) (*process, error) {
	addrs, err := freeAddrs(2)
	if err != nil {
		return nil, err
	}
	public, admin := addrs[0], addrs[1]
	file := filepath.Join(b.dir, name+".yaml")
	text := fmt.Sprintf("server: {listen: %q, admin_listen: %q, public_url: %q}\nstore: {path: %q}\n", public, admin, "http://"+public, filepath.Join(b.dir, name+".db")) +
		neighbours(webex, zabbix) + more
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return nil, err
	}
	p := &process{public: public, admin: admin, ended: make(chan struct{}), log: filepath.Join(b.dir, name+".log")}
	if profile == "" {
		p.cmd = exec.CommandContext(ctx, b.relay, "serve", "--config", file)
	} else {
		self, err := os.Executable()
		if err != nil {
			return nil, err
		}
		p.cmd = exec.CommandContext(ctx, self, "profiled-relay", file, profile)
	}
	p.cmd.Env = append(os.Environ(), environment()...)
	began := time.Now()
	if err := p.logged(); err != nil {
		return nil, err
	}
	if err := p.answers(ctx, began, "http://"+p.admin+"/readyz"); err != nil {
		return nil, errors.Join(err, p.stop())
	}
	return p, nil
}

// logged starts the process with its log in a file, as a service manager does; a pipe would have to be read by this process.
func (p *process) logged() error {
	log, err := os.Create(p.log)
	if err != nil {
		return err
	}
	defer log.Close()
	p.cmd.Stdout, p.cmd.Stderr = log, log
	if err := p.cmd.Start(); err != nil {
		return err
	}
	go p.wait()
	return nil
}

func (p *process) wait() {
	_ = p.cmd.Wait() // stop reports the exit code
	close(p.ended)
}

// answers waits until a GET is answered 200.
func (p *process) answers(ctx context.Context, began time.Time, url string) error {
	for {
		resp, err := http.Get(url)
		if err == nil {
			_ = resp.Body.Close() // only the status counts
			if resp.StatusCode == http.StatusOK {
				p.start = time.Since(began)
				return nil
			}
		}
		select {
		case <-p.ended:
			return errors.New("ended before it was ready")
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pollEvery):
		}
		if time.Since(began) > 30*time.Second {
			return fmt.Errorf("not ready after 30 s: %w", err)
		}
	}
}

// stop stops the process. If it failed, the error contains the end of its log.
func (p *process) stop() error {
	if p.stdin != nil {
		_ = p.stdin.Close() // the reference ends with its standard input
	} else {
		_ = p.cmd.Process.Signal(syscall.SIGCONT) // it may have ended already
		_ = p.cmd.Process.Signal(syscall.SIGTERM)
	}
	select {
	case <-p.ended:
	case <-time.After(30 * time.Second):
		_ = p.cmd.Process.Kill() // it may have ended just now
		<-p.ended
		return errors.New("did not end within 30 s and was killed")
	}
	if p.cmd.ProcessState.Success() {
		return nil
	}
	tail := p.logs.Bytes()
	if p.log != "" {
		tail, _ = os.ReadFile(p.log) // best effort
	}
	return fmt.Errorf("ended with %s:\n%s", p.cmd.ProcessState, tail[max(0, len(tail)-2000):])
}

// pause suspends the process, so that it takes no processor time from the one being measured; resume continues it.
func (p *process) pause() error  { return p.cmd.Process.Signal(syscall.SIGSTOP) }
func (p *process) resume() error { return p.cmd.Process.Signal(syscall.SIGCONT) }

// post sends a payload to a relay.
func (p *process) post(ctx context.Context, body []byte) error {
	_, err := zabbixsim.Post(ctx, http.DefaultClient, "http://"+p.public+"/v1/zabbix/events", secret, body, time.Now())
	return err
}

// Metrics that every process has.
const (
	cpuSeconds    = "process_cpu_seconds_total"
	residentBytes = "process_resident_memory_bytes"
)

// metrics reads the metrics of a process as Prometheus would, by name with labels.
func (p *process) metrics() (map[string]float64, error) {
	resp, err := http.Get("http://" + p.admin + "/metrics")
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	values := map[string]float64{}
	lines := bufio.NewScanner(resp.Body)
	for lines.Scan() {
		i := strings.LastIndexByte(lines.Text(), ' ')
		if i < 0 || strings.HasPrefix(lines.Text(), "#") {
			continue
		}
		if v, err := strconv.ParseFloat(lines.Text()[i+1:], 64); err == nil {
			values[lines.Text()[:i]] = v
		}
	}
	return values, lines.Err()
}

// freeAddrs returns n free loopback addresses.
func freeAddrs(n int) ([]string, error) {
	addrs := make([]string, n)
	for i := range addrs {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer l.Close() // only when all are known, or two could be the same
		addrs[i] = l.Addr().String()
	}
	return addrs, nil
}

// profiled runs the relay as `serve` does, with a CPU profile.
func profiled(args []string) error {
	if len(args) != 2 {
		return errors.New("expected a configuration and a file for the profile")
	}
	cfg, err := config.Read(args[0], config.Options{Env: os.Getenv})
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	r, err := relay.New(ctx, relay.Options{Config: cfg, Version: "bench", Log: slog.New(slog.NewTextHandler(os.Stderr, nil))})
	if err != nil {
		return err
	}
	file, err := os.Create(args[1])
	if err != nil {
		return errors.Join(err, r.Close())
	}
	if err := pprof.StartCPUProfile(file); err != nil {
		return errors.Join(err, file.Close(), r.Close())
	}
	err = r.Run(ctx)
	pprof.StopCPUProfile()
	return errors.Join(err, file.Close())
}
