//go:build e2e

package helm

import (
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"github.com/stretchr/testify/require"
	core "k8s.io/api/core/v1"
)

// The rendered pod runs: its containers, with their commands, variables, users, volumes and read-only root file system, in a mount
// namespace and a chroot instead of a cluster. It becomes ready, `helm test` passes, an event of Zabbix becomes a message, the
// ServiceMonitor's token reads the metrics, changes of ConfigMap and Secret reach the running relay, and SIGTERM stops it in time.
// Needs root.
func TestTheRenderedPodRuns(t *testing.T) {
	dir := t.TempDir()
	webex := start(t, relay(t), "simulate", "webex", "--listen", "127.0.0.1:0")
	api := webex.after(t, "api_url ")
	rooms := webex.after(t, "noc, id ")
	public, admin, zabbix := freeAddress(t), freeAddress(t), freeAddress(t)
	anywhere := func(address string) string {
		_, port, err := net.SplitHostPort(address)
		require.NoError(t, err)
		return "0.0.0.0:" + port
	}
	sets := []string{
		"config.webex.api_url=" + api, "config.zabbix[0].url=http://" + zabbix, "config.rooms[0].id=" + rooms,
		"config.server.public_url=http://" + public, "config.server.listen=" + anywhere(public), "config.server.admin_listen=" + anywhere(admin),
	}
	r := mustRender(t, "prometheus-operator", sets...)
	secrets := map[string]string{
		"webex-token": "simulated-relay-token", "zabbix-token": "simulated-zabbix-token-of-the-relay", "relay-secret": "a-secret-that-signs-events",
		"admin-token": "a-token-of-operators-and-prometheus",
	}
	node := kubelet{t: t, dir: dir, r: r, secrets: secrets}

	pod := pods(t, r)["relay"]
	for _, v := range pod.Spec.Volumes {
		node.fill(pod, v.Name)
	}
	container := pod.Spec.Containers[0]
	serve := node.run(pod, container)
	ready := "http://" + admin + container.ReadinessProbe.HTTPGet.Path
	serve.until(t, func() bool { return get(ready, "") == http.StatusOK }, ready)
	require.Equal(t, http.StatusOK, get("http://"+admin+container.LivenessProbe.HTTPGet.Path, ""))

	secretFile := filepath.Join(dir, "secret")
	require.NoError(t, os.WriteFile(secretFile, []byte(secrets["relay-secret"]), 0o600))
	start(t, relay(t), "simulate", "zabbix", "--listen", zabbix, "--pace", "0", "--storm", "1",
		"--relay", "http://"+public+"/v1/zabbix/events", "--secret-file", secretFile)

	test := pods(t, r)["test"]
	for _, c := range containers(test) {
		require.NoError(t, node.run(test, c).wait(), c.Name)
	}

	posted := regexp.MustCompile(`(?m)^alert_relay_messages_total\{.*op="root",result="ok".*\} 1$`)
	endpoint := all[*monitoring.ServiceMonitor](t, r)[0].Spec.Endpoints[0]
	token := secrets[endpoint.Authorization.Credentials.Key]
	require.Equal(t, http.StatusUnauthorized, get("http://"+admin+endpoint.Path, ""))
	serve.until(t, func() bool {
		return posted.MatchString(body("http://"+admin+endpoint.Path, token))
	}, "a message in the room")

	prometheusScrapes(t, r, pod, secrets)

	// A changed ConfigMap and a changed Secret reach the running relay.
	hash := func() string {
		return configHash.FindString(body("http://"+admin+endpoint.Path, secrets[endpoint.Authorization.Credentials.Key]))
	}
	before := hash()
	require.NotEmpty(t, before)
	node.r = mustRender(t, "prometheus-operator", append(sets, "config.storm.threshold=3")...)
	node.fill(pod, "config")
	serve.until(t, func() bool { now := hash(); return now != "" && now != before }, "the new configuration")
	secrets["admin-token"] = "another-token-of-operators-and-prometheus"
	node.fill(pod, "secrets")
	serve.until(t, func() bool { return hash() != "" }, "the new token")
	require.Equal(t, http.StatusUnauthorized, get("http://"+admin+endpoint.Path, token))

	began := time.Now()
	require.NoError(t, serve.Process.Signal(syscall.SIGTERM))
	require.NoError(t, serve.wait())
	require.Less(t, time.Since(began), time.Duration(*pod.Spec.TerminationGracePeriodSeconds)*time.Second)
	require.FileExists(t, filepath.Join(dir, "volumes/store/relay.db"))
}

var configHash = regexp.MustCompile(`(?m)^alert_relay_config_info\{.*\} 1$`)

// kubelet runs containers of the chart's pods.
type kubelet struct {
	t       *testing.T
	dir     string
	r       rendering
	secrets map[string]string // by key
}

// run starts a container.
func (k kubelet) run(pod core.Pod, c core.Container) *process {
	k.t.Helper()
	root := filepath.Join(k.dir, "roots", c.Name)
	write(k.t, filepath.Join(root, "etc/hosts"), "127.0.0.1 localhost relay-alert-relay-admin\n", 0o644)
	program, err := os.ReadFile(relay(k.t))
	require.NoError(k.t, err)
	write(k.t, filepath.Join(root, "alert-relay"), string(program), 0o755)
	script := []string{"set -e", "mount --bind " + root + " " + root, "mount -o remount,bind,ro " + root}
	for _, mount := range c.VolumeMounts {
		source, target := filepath.Join(k.dir, "volumes", mount.Name), filepath.Join(root, mount.MountPath)
		require.NoError(k.t, os.MkdirAll(target, 0o755))
		script = append(script, "mount --bind "+source+" "+target)
		if mount.ReadOnly {
			script = append(script, "mount -o remount,bind,ro "+target)
		}
	}
	user := pod.Spec.SecurityContext
	script = append(script, fmt.Sprintf(`exec setpriv --no-new-privs /usr/sbin/chroot --userspec=%d:%d --groups=%d %s "$@"`,
		*user.RunAsUser, *user.RunAsGroup, *user.FSGroup, root))
	arguments := append([]string{"--mount", "sh", "-c", strings.Join(script, "\n"), "sh"}, append(c.Command, c.Args...)...)
	p := newProcess("unshare", arguments...)
	p.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin"} // of unshare and mount
	for _, e := range c.Env {
		p.Env = append(p.Env, e.Name+"="+e.Value)
	}
	p.start(k.t)
	return p
}

// fill fills a volume, or writes what has changed, as a kubelet does: a ConfigMap or Secret is a directory of links, which change all
// at once.
func (k kubelet) fill(pod core.Pod, name string) {
	k.t.Helper()
	dir := filepath.Join(k.dir, "volumes", name)
	group := int(*pod.Spec.SecurityContext.FSGroup)
	require.NoError(k.t, os.MkdirAll(dir, 0o755))
	for _, v := range pod.Spec.Volumes {
		switch {
		case v.Name != name:
		case v.ConfigMap != nil:
			k.links(dir, typed(k.t, k.r.find(k.t, "ConfigMap", v.ConfigMap.Name)).(*core.ConfigMap).Data, 0o644, group)
		case v.Projected != nil:
			files := map[string]string{}
			for _, source := range v.Projected.Sources {
				for _, item := range source.Secret.Items {
					files[item.Path] = k.secrets[item.Key]
				}
			}
			k.links(dir, files, fs.FileMode(*v.Projected.DefaultMode), group)
		default:
			require.NoError(k.t, os.Chown(dir, 0, group))
			require.NoError(k.t, os.Chmod(dir, 0o2775|fs.ModeSetgid))
		}
	}
}

func (k kubelet) links(dir string, files map[string]string, mode fs.FileMode, group int) {
	k.t.Helper()
	data, err := os.MkdirTemp(dir, "..2026_")
	require.NoError(k.t, err)
	require.NoError(k.t, os.Chmod(data, 0o755))
	for name, content := range files {
		// This machine only: a pod has its own addresses.
		content = strings.ReplaceAll(content, "listen: 0.0.0.0:", "listen: 127.0.0.1:")
		write(k.t, filepath.Join(data, name), content, mode)
		require.NoError(k.t, os.Chown(filepath.Join(data, name), 0, group))
		if _, err := os.Lstat(filepath.Join(dir, name)); err != nil {
			require.NoError(k.t, os.Symlink(filepath.Join("..data", name), filepath.Join(dir, name)))
		}
	}
	require.NoError(k.t, os.Symlink(filepath.Base(data), filepath.Join(dir, "..data_tmp")))
	require.NoError(k.t, os.Rename(filepath.Join(dir, "..data_tmp"), filepath.Join(dir, "..data")))
}
