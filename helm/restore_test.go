package helm

import (
	"bytes"
	"compress/gzip"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	core "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// documented returns the code blocks of a language below a heading of docs/operations.md.
func documented(t *testing.T, heading, language string) []string {
	t.Helper()
	page, err := os.ReadFile("../docs/operations.md")
	require.NoError(t, err)
	_, section, found := strings.Cut(string(page), "\n"+heading+"\n")
	require.True(t, found, heading)
	section, _, _ = strings.Cut(section, "\n#")
	var blocks []string
	for _, rest := range strings.Split(section, "\n```"+language+"\n")[1:] {
		block, _, found := strings.Cut(rest, "\n```")
		require.True(t, found, heading)
		blocks = append(blocks, block)
	}
	return blocks
}

// A backup leaves the pod, and the documented pod restores it: the objects that it names are the chart's, it is as confined as the
// relay's, and its command puts the copy in place of the store that is there.
func TestBackupAndRestoreOnKubernetes(t *testing.T) {
	const heading = "### Back up and restore on Kubernetes"
	var manifest unstructured.Unstructured
	require.NoError(t, yaml.UnmarshalStrict([]byte(documented(t, heading, "yaml")[0]), &manifest.Object))
	pod := typed(t, &manifest).(*core.Pod)
	r := mustRender(t, "ingress")
	owner := pods(t, r)["relay"]
	relays, restores := owner.Spec.Containers[0], pod.Spec.Containers[0]
	require.Equal(t, owner.Spec.SecurityContext, pod.Spec.SecurityContext)
	require.Equal(t, relays.SecurityContext, restores.SecurityContext)
	require.Equal(t, relays.Command, restores.Command)
	require.Subset(t, relays.Env, restores.Env)
	require.Subset(t, relays.VolumeMounts, restores.VolumeMounts)
	require.Subset(t, owner.Spec.Volumes, pod.Spec.Volumes)
	require.True(t, restores.Stdin && restores.StdinOnce)

	// The volumes are directories, and the addresses in the ConfigMap this machine's.
	etc, store := t.TempDir(), t.TempDir()
	config := typed(t, r.find(t, "ConfigMap", pod.Spec.Volumes[0].ConfigMap.Name)).(*core.ConfigMap).Data["config.yaml"]
	const mounted = "/var/lib/alert-relay"
	require.Contains(t, config, mounted)
	write(t, filepath.Join(etc, "config.yaml"), strings.ReplaceAll(config, mounted, store), 0o644)
	fixture(t, filepath.Join(store, "relay.db"))
	run := func(stdin io.Reader, args ...string) (stdout []byte, stderr string) {
		t.Helper()
		require.Equal(t, "/alert-relay", args[0])
		cmd := exec.Command(relay(t), args[1:]...)
		for _, e := range restores.Env {
			cmd.Env = append(cmd.Env, e.Name+"="+strings.Replace(e.Value, restores.VolumeMounts[0].MountPath, etc, 1))
		}
		var out, faults bytes.Buffer
		cmd.Stdin, cmd.Stdout, cmd.Stderr = stdin, &out, &faults
		require.NoError(t, cmd.Run(), "%s", &faults)
		return out.Bytes(), faults.String()
	}

	_, command, _ := strings.Cut(documented(t, heading, "sh")[0], " -- ")
	command, _, _ = strings.Cut(command, " >")
	copied, summary := run(nil, strings.Fields(command)...)
	require.Contains(t, summary, "copied "+store+"/relay.db to standard output: ")
	before, err := os.ReadFile(filepath.Join(store, "relay.db"))
	require.NoError(t, err)
	restored, _ := run(bytes.NewReader(copied), slices.Concat(restores.Command, restores.Args)...)
	require.Contains(t, string(restored), "restored "+store+"/relay.db from standard input: ")
	now, err := os.ReadFile(filepath.Join(store, "relay.db"))
	require.NoError(t, err)
	require.Equal(t, copied, now)
	moved, err := filepath.Glob(filepath.Join(store, "before-*", "relay.db"))
	require.NoError(t, err)
	require.Len(t, moved, 1)
	kept, err := os.ReadFile(moved[0])
	require.NoError(t, err)
	require.Equal(t, before, kept)

	// The steps around it name the same objects.
	steps := documented(t, heading, "sh")[1]
	require.Contains(t, steps, "pod/"+pod.Name)
	require.Contains(t, steps, "sts/"+statefulSet(t, r).Name+" ")
}

// fixture writes a store of an earlier version.
func fixture(t *testing.T, name string) {
	t.Helper()
	packed, err := os.Open("../internal/store/sqlite/testdata/schema-14.db.gz")
	require.NoError(t, err)
	defer packed.Close()
	unpacked, err := gzip.NewReader(packed)
	require.NoError(t, err)
	content, err := io.ReadAll(unpacked)
	require.NoError(t, err)
	write(t, name, string(content), 0o600)
}
