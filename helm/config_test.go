package helm

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"io/fs"
	"math/big"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"github.com/stretchr/testify/require"
	"helm.sh/helm/v3/pkg/chartutil"
	core "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// fault is one that `alert-relay check` reports.
type fault struct{ Key, What string }

// check runs `alert-relay check --strict` on the rendered configuration, with the files and variables that a container of the pod has,
// and no others. It returns the faults.
func check(t *testing.T, r rendering, pod core.Pod) []fault {
	t.Helper()
	root := t.TempDir()
	container := pod.Spec.Containers[0]
	certificate, key := selfSigned(t)
	add := func(file, content string, mode fs.FileMode) {
		switch {
		case strings.HasSuffix(file, ".crt"), strings.HasSuffix(file, ".pem"):
			content = certificate
		case strings.HasSuffix(file, ".key"):
			content = key
		case strings.HasSuffix(file, "/encryption-key"):
			content = strings.Repeat("0f", 32)
		}
		write(t, filepath.Join(root, file), content, mode)
	}
	for _, mount := range container.VolumeMounts {
		for _, v := range pod.Spec.Volumes {
			switch {
			case v.Name != mount.Name:
			case mount.Name == "config":
				for name, text := range typed(t, r.find(t, "ConfigMap", v.ConfigMap.Name)).(*core.ConfigMap).Data {
					add(path.Join(mount.MountPath, name), strings.ReplaceAll(text, "/etc/alert-relay/", root+"/etc/alert-relay/"), 0o644)
				}
			case v.Projected != nil:
				for _, source := range v.Projected.Sources {
					for _, item := range source.Secret.Items {
						add(path.Join(mount.MountPath, item.Path), secret+item.Path, fs.FileMode(*v.Projected.DefaultMode))
					}
				}
			case v.ConfigMap != nil:
				add(path.Join(mount.MountPath, "ca.pem"), "", 0o644)
			}
		}
	}
	cmd := exec.Command(relay(t), "check", "--strict", "--output", "json")
	for _, e := range container.Env {
		switch {
		case e.ValueFrom != nil:
			cmd.Env = append(cmd.Env, e.Name+"="+secret+e.Name)
		case e.Name == "ALERT_RELAY_CONFIG":
			cmd.Env = append(cmd.Env, e.Name+"="+filepath.Join(root, e.Value))
		default:
			cmd.Env = append(cmd.Env, e.Name+"="+e.Value)
		}
	}
	out, err := cmd.Output()
	var result struct {
		OK     bool
		Faults []fault
	}
	require.NoError(t, json.Unmarshal(out, &result), "%v\n%s", err, out)
	require.Equal(t, result.OK, err == nil && len(result.Faults) == 0)
	return result.Faults
}

const secret = "a-long-secret-of-"

// selfSigned returns a certificate and its key, in PEM.
func selfSigned(t *testing.T) (certificate, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IsCA: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	require.NoError(t, err)
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	require.NoError(t, err)
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})),
		string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}))
}

// Each example's configuration passes `alert-relay check --strict`. Only the minimal one has warnings: nobody can act on its problems.
func TestConfigurationsAreValid(t *testing.T) {
	eachExample(t, func(t *testing.T, r rendering) {
		for name, pod := range pods(t, r) {
			for _, f := range check(t, r, pod) {
				if !strings.HasSuffix(t.Name(), "/minimal") || !strings.HasPrefix(f.What, "not set: nobody can acknowledge") {
					t.Errorf("%s: %s: %s", name, f.Key, f.What)
				}
			}
		}
	})
}

// The values in the documentation are valid, and so is their configuration.
func TestDocumentedValuesAreValid(t *testing.T) {
	block := regexp.MustCompile("(?sm)^( *)```yaml\n( *image:.*?)^ *```$")
	for _, file := range []string{"alert-relay/README.md", "../docs/install.md"} {
		raw, err := os.ReadFile(file)
		require.NoError(t, err)
		found := block.FindAllStringSubmatch(string(raw), -1)
		require.NotEmpty(t, found, file)
		for _, match := range found {
			text := regexp.MustCompile("(?m)^"+match[1]).ReplaceAllString(match[2], "")
			values, err := chartutil.ReadValues([]byte(strings.ReplaceAll(text, "…", "bm9j")))
			require.NoError(t, err, file)
			r, err := render(t, values)
			require.NoError(t, err, file)
			for _, f := range check(t, r, pods(t, r)["relay"]) {
				require.Contains(t, f.What, "nobody can acknowledge", "%s: %s", file, f.Key)
			}
		}
	}
}

// The check reports a file that is in no volume: otherwise the tests above would check nothing.
func TestMissingFilesAreFaults(t *testing.T) {
	r := mustRender(t, "ingress", "config.zabbix[0].secret_file=/etc/elsewhere/secret")
	require.Equal(t, []fault{{"zabbix[0].secret_file", "cannot read /etc/elsewhere/secret: no such file or directory"}}, check(t, r, pods(t, r)["relay"]))
}

// Helm reads a bare off as false; the rendered configuration has off.
func TestOffStaysOff(t *testing.T) {
	r := mustRender(t, "ingress", "config.webex.bots[0].listen=false", "config.flapping.count=false", "config.rooms[0].flapping.count=false")
	require.Empty(t, check(t, r, pods(t, r)["relay"]))
	text := typed(t, r.find(t, "ConfigMap", "relay-alert-relay")).(*core.ConfigMap).Data["config.yaml"]
	require.Equal(t, 3, strings.Count(text, `: "off"`), text)
	require.NotContains(t, text, "false")
}

// The pod's ports and the scheme of the probes are those of the configuration.
func TestPortsFollowTheConfiguration(t *testing.T) {
	for scheme, r := range map[core.URIScheme]rendering{
		core.URISchemeHTTP:  mustRender(t, "minimal", "config.server.listen=:8443", "config.server.admin_listen=0.0.0.0:19090"),
		core.URISchemeHTTPS: mustRender(t, "load-balancer", "config.server.admin_listen=0.0.0.0:19090"),
	} {
		ports := map[string]int32{}
		container := statefulSet(t, r).Spec.Template.Spec.Containers[0]
		for _, port := range container.Ports {
			ports[port.Name] = port.ContainerPort
		}
		require.Equal(t, map[string]int32{strings.ToLower(string(scheme)): 8443, "admin": 19090}, ports)
		for path, probe := range map[string]*core.Probe{
			"/healthz": container.StartupProbe, "/healthz ": container.LivenessProbe, "/readyz": container.ReadinessProbe,
		} {
			require.Equal(t, core.HTTPGetAction{Path: strings.TrimSpace(path), Port: intstr.FromString("admin"), Scheme: scheme}, *probe.HTTPGet)
		}
	}
}

// The ServiceMonitor refers to the Secret and key that admin_token_file is made from, unless authorization names others.
func TestPrometheusHasTheToken(t *testing.T) {
	credentials := func(sets ...string) *core.SecretKeySelector {
		monitors := all[*monitoring.ServiceMonitor](t, mustRender(t, "prometheus-operator", sets...))
		require.Len(t, monitors, 1)
		if a := monitors[0].Spec.Endpoints[0].Authorization; a != nil {
			return a.Credentials
		}
		return nil
	}
	named := func(name, key string) *core.SecretKeySelector {
		return &core.SecretKeySelector{LocalObjectReference: core.LocalObjectReference{Name: name}, Key: key}
	}
	require.Equal(t, named("alert-relay", "admin-token"), credentials())
	more := `secrets[1]={"existingSecret": "operators", "keys": [{"key": "token", "file": "new-token"}]}`
	require.Equal(t, named("operators", "token"), credentials(more, "config.server.admin_token_file=/etc/alert-relay/secrets/new-token"))
	require.Equal(t, named("operators", "token"), credentials(more,
		`config.server.admin_token_file=["/etc/alert-relay/secrets/new-token", "/etc/alert-relay/secrets/admin-token"]`), "the first during a rotation")
	require.Equal(t, named("other", "key"), credentials("serviceMonitor.authorization.name=other", "serviceMonitor.authorization.key=key"))
	require.Nil(t, credentials("config.server.admin_token_file=", "config.server.admin_insecure=true"))
}

// The encryption key is a file from its Secret, in both pods, and a rotation has two. The ConfigMap has their names only.
func TestTheEncryptionKeyIsMounted(t *testing.T) {
	r := mustRender(t, "ingress", `secrets[1].keys=["encryption-key-2", "encryption-key"]`,
		`config.encryption.keys_file=["/etc/alert-relay/secrets/encryption-key-2", "/etc/alert-relay/secrets/encryption-key"]`)
	for name, pod := range pods(t, r) {
		i := slices.IndexFunc(pod.Spec.Volumes, func(v core.Volume) bool { return v.Name == "secrets" })
		require.GreaterOrEqual(t, i, 0, name)
		key := pod.Spec.Volumes[i].Projected.Sources[1].Secret
		require.Equal(t, "alert-relay-encryption", key.Name, name)
		require.Equal(t, []core.KeyToPath{{Key: "encryption-key-2", Path: "encryption-key-2"}, {Key: "encryption-key", Path: "encryption-key"}}, key.Items, name)
		for _, c := range containers(pod) {
			require.Contains(t, c.VolumeMounts, core.VolumeMount{Name: "secrets", MountPath: "/etc/alert-relay/secrets", ReadOnly: true}, name)
		}
	}
}
