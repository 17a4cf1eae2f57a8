//go:build e2e

package e2e

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// machine is a Debian with a running systemd, in namespaces of its own and without a network. Its changes are in memory.
type machine struct {
	t      *testing.T
	leader string // the process id of its systemd
}

// boot starts a machine from the file system in E2E_MACHINE (e2e/machine.sh). It sees these directories of the host, read-only, as
// /NAME.
func boot(t *testing.T, see map[string]string) *machine {
	t.Helper()
	root := os.Getenv("E2E_MACHINE")
	require.NotEmpty(t, root, "E2E_MACHINE: the file system that e2e/machine.sh makes")
	args := []string{"--quiet", "--directory", root, "--volatile=overlay", "--register=no", "--keep-unit", "--private-network", "--link-journal=no", "--boot"}
	for name, dir := range see {
		args = append(args, "--bind-ro="+dir+":/"+name)
	}
	var console bytes.Buffer
	cmd := exec.Command("systemd-nspawn", args...)
	cmd.Stdout, cmd.Stderr = &console, &console
	require.NoError(t, cmd.Start())
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	m := &machine{t: t}
	t.Cleanup(func() {
		if t.Failed() && m.leader != "" {
			log, _ := m.try("journalctl --no-pager --unit alert-relay --lines 100", "")
			t.Logf("journal of alert-relay:\n%s", log)
		}
		_ = cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-ended:
		case <-time.After(patience):
			_ = cmd.Process.Kill() // what it ran ends with it
			<-ended
		}
		if m.leader == "" {
			t.Logf("console:\n%s", console.String())
		}
	})
	eventually(t, "the machine has booted", func() error {
		children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%[1]d/children", cmd.Process.Pid))
		if err != nil {
			return err
		}
		leader, _, _ := strings.Cut(string(children), " ")
		m.leader = leader
		if out, err := m.try("systemctl is-system-running", ""); err != nil {
			m.leader = ""
			return fmt.Errorf("systemctl: %w: %s", err, out)
		}
		return nil
	})
	return m
}

// try runs a script on the machine.
func (m *machine) try(script, stdin string) (string, error) {
	cmd := exec.Command("nsenter", "--target", m.leader, "--mount", "--uts", "--ipc", "--net", "--pid", "--",
		"/usr/bin/env", "-i", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "DEBIAN_FRONTEND=noninteractive",
		"bash", "-e", "-u", "-o", "pipefail", "-c", script)
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

// run runs a script that must succeed, and returns what it printed.
func (m *machine) run(script string) string { m.t.Helper(); return m.runWith(script, "") }

func (m *machine) runWith(script, stdin string) string {
	m.t.Helper()
	out, err := m.try(script, stdin)
	require.NoError(m.t, err, "%s\n%s", script, out)
	m.t.Logf("# %s\n%s", script, out)
	return out
}

// get asks an HTTP server on the machine.
func (m *machine) get(port int, path string) (string, error) {
	return m.try(fmt.Sprintf(`exec 3<>/dev/tcp/127.0.0.1/%d; printf 'GET %s HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n' >&3; cat <&3`, port, path), "")
}
