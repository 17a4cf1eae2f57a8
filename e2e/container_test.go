//go:build e2e

package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/simulator/webexsim"
	"nms-alert-relay/internal/simulator/zabbixsim"
	"nms-alert-relay/internal/testlog"
)

// imageUser is the user and group of the image.
const imageUser = 65532

// builder runs buildah without a daemon and without namespaces, with images of its own.
type builder struct {
	t       *testing.T
	storage string
}

func (b *builder) command(args ...string) *exec.Cmd {
	cmd := exec.Command("buildah", args...)
	cmd.Env = append(os.Environ(), "CONTAINERS_STORAGE_CONF="+b.storage, "BUILDAH_ISOLATION=chroot")
	return cmd
}

func (b *builder) run(args ...string) string {
	b.t.Helper()
	out, err := b.command(args...).Output()
	var failed *exec.ExitError
	if err != nil {
		failed, _ = err.(*exec.ExitError)
	}
	require.NoError(b.t, err, "buildah %s: %v", strings.Join(args, " "), failed)
	return strings.TrimSpace(string(out))
}

func newBuilder(t *testing.T) *builder {
	dir := t.TempDir()
	b := &builder{t: t, storage: filepath.Join(dir, "storage.conf")}
	require.NoError(t, os.WriteFile(b.storage, fmt.Appendf(nil, "[storage]\ndriver = \"vfs\"\ngraphroot = %q\nrunroot = %q\n", dir+"/graph", dir+"/run"), 0o600))
	return b
}

// The image of docs/install.md has the program and certificate authorities alone. It runs as a user without a name, posts what
// Zabbix reports, is its own health check, and stops cleanly.
func TestContainer(t *testing.T) {
	_, release := releases(t)
	b := newBuilder(t)
	documented := strings.Fields(strings.Split(blocks(t, "install.md", "### In a container", "sh")[0], "\n")[0])
	require.Equal(t, "buildah", documented[0])
	require.Equal(t, "image", documented[len(documented)-1])
	b.run(append(documented[1:len(documented)-1], filepath.Join(release, "image"))...)

	var image struct {
		Docker struct {
			Config struct {
				User                    string
				Env, Cmd, Entrypoint    []string
				ExposedPorts            map[string]struct{}
				Healthcheck             struct{ Test []string }
				StopSignal, WorkingDir_ string
			} `json:"config"`
		}
	}
	require.NoError(t, json.Unmarshal([]byte(b.run("inspect", "--type", "image", "alert-relay")), &image))
	config := image.Docker.Config
	require.Equal(t, "65532:65532", config.User)
	require.Equal(t, []string{"CMD", "/alert-relay", "health"}, config.Healthcheck.Test)
	require.Equal(t, []string{"/alert-relay"}, config.Entrypoint)
	require.Equal(t, []string{"serve"}, config.Cmd)
	require.Contains(t, config.Env, "ALERT_RELAY_CONFIG=/etc/alert-relay/config.yaml")

	container := b.run("from", "--pull-never", "localhost/alert-relay")
	root := b.run("mount", container)
	t.Cleanup(func() { b.run("rm", container) })
	var files []string
	require.NoError(t, filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			files = append(files, strings.TrimPrefix(name, root))
		}
		return err
	}))
	require.Equal(t, []string{"/alert-relay", "/etc/ssl/certs/ca-certificates.crt"}, files)
	info, err := os.Stat(root + "/var/lib/alert-relay")
	require.NoError(t, err)
	require.Equal(t, "drwxr-xr-x 65532", fmt.Sprint(info.Mode(), " ", info.Sys().(*syscall.Stat_t).Uid))

	sim, api := webexWorld(t, webexsim.Options{})
	public, admin := freeAddresses(t)
	mounted := func(name string) string {
		dir := filepath.Join(t.TempDir(), name)
		require.NoError(t, os.Mkdir(dir, 0o700))
		require.NoError(t, os.Chown(dir, imageUser, imageUser))
		return dir
	}
	etc, state := mounted("etc"), mounted("state")
	write := func(name, content string) {
		require.NoError(t, os.WriteFile(filepath.Join(etc, name), []byte(content), 0o640))
		require.NoError(t, os.Chown(filepath.Join(etc, name), 0, imageUser))
	}
	write("webex-token", webexsim.DefaultBotToken)
	write("relay-secret", secret)
	write("config.yaml", fmt.Sprintf("server:\n  listen: %q\nstore: {path: /var/lib/alert-relay/relay.db}\n", public)+
		strings.NewReplacer("token_env: E2E_BOT", "token_file: webex-token", "secret_env: E2E_SECRET", "secret_file: relay-secret").Replace(
			fmt.Sprintf(oneRoom, api, webexsim.RoomID("noc"), "{}", "{}")))
	const heading = "### Prometheus on another machine"
	_, port, err := net.SplitHostPort(admin)
	require.NoError(t, err)
	open := exec.Command("sh", "-ec", strings.NewReplacer("-g alert-relay", fmt.Sprint("-g ", imageUser), "/dev/stdin /etc/alert-relay", "/dev/stdin "+etc, " /etc/alert-relay/config.yaml", " "+etc+"/config.yaml",
		"0.0.0.0:9091", "0.0.0.0:"+port).Replace(blocks(t, "install.md", heading, "sh")[0]))
	out, err := open.CombinedOutput()
	require.NoError(t, err, string(out))
	inside := func(args ...string) *exec.Cmd {
		return b.command(append([]string{"run", "--volume", etc + ":/etc/alert-relay:ro", "--volume", state + ":/var/lib/alert-relay", container, "--", "/alert-relay"}, args...)...)
	}
	check, err := inside("check", "/etc/alert-relay/config.yaml").CombinedOutput()
	require.NoError(t, err, "%s", check)

	relay := inside("serve")
	log := &testlog.Lines{}
	relay.Stdout, relay.Stderr = log, log
	require.NoError(t, relay.Start())
	ended := make(chan error, 1)
	go func() { ended <- relay.Wait() }()
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("what the relay logged:\n%s", log.String())
		}
	})
	eventually(t, "the health check passes", func() error {
		out, err := inside("health", "--ready").CombinedOutput()
		if err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
		return nil
	})
	pid := descendant(t, relay.Process.Pid, "alert-relay")
	stat, err := os.Stat(fmt.Sprintf("/proc/%d", pid))
	require.NoError(t, err)
	require.EqualValues(t, imageUser, stat.Sys().(*syscall.Stat_t).Uid)
	body := []byte(`{"EVENT.ID": "7", "EVENT.NAME": "In a container", "EVENT.VALUE": "1", "EVENT.SOURCE": "0", "EVENT.OBJECT": "0", "EVENT.NSEVERITY": "3", "EVENT.UPDATE.STATUS": "0", "TRIGGER.ID": "7", "HOST.HOST": "sw1", "HOST.NAME": "sw1"}`)
	_, err = zabbixsim.Post(t.Context(), http.DefaultClient, "http://"+public+"/v1/zabbix/events", secret, body, time.Now())
	require.NoError(t, err)
	sees(t, sim, "the problem is posted", "noc", func(messages []webexsim.MessageView) bool {
		return slices.ContainsFunc(messages, func(m webexsim.MessageView) bool { return strings.Contains(m.Text, "In a container") })
	})

	// Prometheus needs the token.
	answer, err := http.Get("http://" + admin + "/metrics")
	require.NoError(t, err)
	require.NoError(t, answer.Body.Close())
	require.Equal(t, http.StatusUnauthorized, answer.StatusCode)
	dir := t.TempDir()
	prometheus, _ := freeAddresses(t)
	for name, from := range map[string]string{"relay-admin-token": filepath.Join(etc, "admin-token"), "alert-relay.yaml": "../monitoring/rules.yaml"} {
		content, err := os.ReadFile(from)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), content, 0o600))
	}
	scrape := blocks(t, "install.md", heading, "yaml")[0]
	require.Contains(t, scrape, "relay.example.com:9091")
	file := filepath.Join(dir, "prometheus.yml")
	require.NoError(t, os.WriteFile(file, []byte("global: {scrape_interval: 1s}\n"+strings.Replace(scrape, "relay.example.com:9091", admin, 1)), 0o600))
	daemon(t, "http://"+prometheus+"/-/ready", "prometheus", "--config.file="+file, "--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+prometheus)
	scraped(t, func(query string) (string, error) {
		out, err := exec.Command("sh", "-ec", strings.Replace(query, "127.0.0.1:9090", prometheus, 1)).CombinedOutput()
		return strings.TrimSpace(string(out)), err
	})

	// A backup of the running one is restored into its volume once it has stopped.
	words := func(text, from, to string) []string {
		_, text, found := strings.Cut(text, from)
		require.True(t, found, from)
		text, _, _ = strings.Cut(text, to)
		return strings.Fields(text)
	}
	steps := blocks(t, "operations.md", "### Back up and restore in a container", "sh")
	copied, err := inside(words(steps[0], " /alert-relay ", " >")...).Output()
	require.NoError(t, err)

	require.NoError(t, syscall.Kill(pid, syscall.SIGTERM))
	select {
	case err := <-ended:
		require.NoError(t, err, "exit of the relay")
	case <-time.After(patience):
		_ = relay.Process.Kill() // the test fails below
		require.Fail(t, "the relay did not exit after SIGTERM")
	}
	require.Error(t, inside("health").Run())
	restore := inside(words(steps[1], "localhost/alert-relay ", " <")...)
	restore.Stdin = bytes.NewReader(copied)
	said, err := restore.CombinedOutput()
	require.NoError(t, err, "%s", said)
	require.Contains(t, string(said), "1 problems")
	restored, err := os.ReadFile(filepath.Join(state, "relay.db"))
	require.NoError(t, err)
	require.Equal(t, copied, restored)
	before, err := filepath.Glob(filepath.Join(state, "before-*", "relay.db"))
	require.NoError(t, err)
	require.Len(t, before, 1)
}

// descendant returns the process below another that runs a program.
func descendant(t *testing.T, pid int, program string) int {
	t.Helper()
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	require.NoError(t, err)
	for _, task := range tasks {
		children, _ := os.ReadFile(task) // a thread may have ended
		for _, child := range strings.Fields(string(children)) {
			n, err := strconv.Atoi(child)
			require.NoError(t, err)
			if exe, _ := os.Readlink("/proc/" + child + "/exe"); filepath.Base(exe) == program {
				return n
			}
			if found := descendant(t, n, program); found != 0 {
				return found
			}
		}
	}
	return 0
}
