//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/simulator/webexsim"
	"nms-alert-relay/internal/testlog"
)

var program struct {
	once sync.Once
	path string
	err  error
}

func TestMain(m *testing.M) {
	code := m.Run()
	if program.path != "" {
		_ = os.RemoveAll(filepath.Dir(program.path)) // a leftover does no harm
	}
	os.Exit(code)
}

// buildRelay builds the program once, as for a release.
func buildRelay(t *testing.T) string {
	t.Helper()
	program.once.Do(func() {
		dir, err := os.MkdirTemp("", "alert-relay-e2e-")
		if err != nil {
			program.err = err
			return
		}
		program.path = filepath.Join(dir, "alert-relay")
		out, err := exec.Command("go", "build", "-o", program.path, "../cmd/alert-relay").CombinedOutput()
		if err != nil {
			program.err = fmt.Errorf("go build: %w\n%s", err, out)
		}
	})
	require.NoError(t, program.err)
	return program.path
}

// webexWorld starts a simulated Webex with its default people and rooms, and returns the URL of its API.
func webexWorld(t *testing.T, opts webexsim.Options) (*webexsim.Server, string) {
	t.Helper()
	sim := webexsim.NewDefault(opts)
	server := httptest.NewServer(sim)
	t.Cleanup(func() {
		server.CloseClientConnections()
		sim.Close()
		server.Close()
	})
	return sim, server.URL + "/v1"
}

// freeAddresses returns two free loopback addresses. A relay that is killed and restarted must keep its addresses.
func freeAddresses(t *testing.T) (one, other string) {
	t.Helper()
	var addresses [2]string
	for i := range addresses {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		defer l.Close() // after both are known, so that they differ
		addresses[i] = l.Addr().String()
	}
	return addresses[0], addresses[1]
}

// relayProcess is the real program, run with a configuration.
type relayProcess struct {
	public, admin string // addresses
	config        string // the file
	env           []string
	log           testlog.Lines
	cmd           *exec.Cmd
	ended         chan struct{} // closed when the process has exited
	err           error         // of the exit, once ended is closed
}

// newRelay prepares a relay. It is stopped when the test ends; its log is printed if the test failed.
func newRelay(t *testing.T) *relayProcess {
	t.Helper()
	r := &relayProcess{config: filepath.Join(t.TempDir(), "config.yaml")}
	r.public, r.admin = freeAddresses(t)
	t.Cleanup(func() {
		r.stop(t)
		if t.Failed() {
			t.Logf("what the relay logged:\n%s", r.log.String())
		}
	})
	return r
}

// configure writes the configuration except "server" and "store", which are added. env has the secrets: "NAME=value".
func (r *relayProcess) configure(t *testing.T, yaml string, env ...string) {
	t.Helper()
	head := fmt.Sprintf("server: {listen: %q, admin_listen: %q, public_url: %q}\nstore: {path: relay.db}\n", r.public, r.admin, "http://"+r.public)
	require.NoError(t, os.WriteFile(r.config, []byte(head+yaml), 0o600))
	r.env = env
}

// startRelay runs the program with a configuration until the test ends.
func startRelay(t *testing.T, yaml string, env ...string) *relayProcess {
	t.Helper()
	r := newRelay(t)
	r.configure(t, yaml, env...)
	r.start(t)
	return r
}

// start runs the program and waits until it is ready.
func (r *relayProcess) start(t *testing.T) {
	t.Helper()
	r.cmd = exec.Command(buildRelay(t), "serve", "--config", r.config)
	r.cmd.Env = append(os.Environ(), r.env...)
	r.cmd.Stdout, r.cmd.Stderr = &r.log, &r.log
	require.NoError(t, r.cmd.Start())
	cmd, ended := r.cmd, make(chan struct{})
	r.ended = ended
	go func() {
		r.err = cmd.Wait()
		close(ended)
	}()
	eventually(t, "the relay is ready", func() error {
		select {
		case <-ended:
			require.FailNow(t, "the relay exited during its start", "%v\n%s", r.err, r.log.String())
		default:
		}
		resp, err := http.Get("http://" + r.admin + "/readyz")
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return fmt.Errorf("/readyz: %s", resp.Status)
		}
		return nil
	})
}

// kill sends SIGKILL.
func (r *relayProcess) kill(t *testing.T) {
	t.Helper()
	require.NoError(t, r.cmd.Process.Kill())
	<-r.ended
}

// stop ends the process with SIGTERM and requires success.
func (r *relayProcess) stop(t *testing.T) {
	t.Helper()
	if r.cmd == nil {
		return
	}
	select {
	case <-r.ended:
		return
	default:
	}
	require.NoError(t, r.cmd.Process.Signal(syscall.SIGTERM))
	select {
	case <-r.ended:
		require.NoError(t, r.err, "exit of the relay")
	case <-time.After(patience):
		_ = r.cmd.Process.Kill() // the test fails below
		require.Fail(t, "the relay did not exit after SIGTERM")
	}
}

// metric returns a gauge or counter by name, with labels as Prometheus writes them.
func (r *relayProcess) metric(t *testing.T, name string) float64 {
	t.Helper()
	resp, err := http.Get("http://" + r.admin + "/metrics")
	require.NoError(t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	found := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(name) + ` (\S+)$`).FindSubmatch(text)
	require.NotNil(t, found, "no metric %s", name)
	value, err := strconv.ParseFloat(string(found[1]), 64)
	require.NoError(t, err)
	return value
}

// idle waits until nothing is pending.
func (r *relayProcess) idle(t *testing.T) {
	t.Helper()
	eventually(t, "nothing is pending", func() error {
		for _, name := range []string{"alert_relay_journal_pending", "alert_relay_posts_pending"} {
			if v := r.metric(t, name); v != 0 {
				return fmt.Errorf("%s is %v", name, v)
			}
		}
		return nil
	})
}

// sees waits until ok accepts a room's messages.
func sees(t *testing.T, sim *webexsim.Server, what, room string, ok func([]webexsim.MessageView) bool) {
	t.Helper()
	ctx, cancel := context.WithTimeoutCause(t.Context(), patience, errors.New(what))
	defer cancel()
	began := time.Now()
	require.NoError(t, sim.Wait(ctx, func(s webexsim.State) bool { return ok(s.Room(room).Messages) }))
	waited(t, what, began)
}
