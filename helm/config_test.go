package helm

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"io/fs"
	"math/big"
	"os"
	"path"
	"regexp"
	"strings"
	"testing"
	"time"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"github.com/stretchr/testify/require"
	"helm.sh/helm/v3/pkg/chartutil"
	core "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"nms-alert-relay/internal/config"
)

// check checks the rendered configuration as `serve` does in a container of a pod: with the files and variables that the container
// has, and no others.
func check(t *testing.T, r rendering, pod core.Pod) (*config.Config, error) {
	t.Helper()
	container := pod.Spec.Containers[0]
	var name, text string
	files := map[string]fs.FileMode{}
	for _, mount := range container.VolumeMounts {
		for _, v := range pod.Spec.Volumes {
			switch {
			case v.Name != mount.Name:
			case mount.Name == "config":
				name = path.Join(mount.MountPath, "config.yaml")
				text = typed(t, r.find(t, "ConfigMap", v.ConfigMap.Name)).(*core.ConfigMap).Data["config.yaml"]
			case v.Projected != nil:
				for _, source := range v.Projected.Sources {
					for _, item := range source.Secret.Items {
						files[path.Join(mount.MountPath, item.Path)] = fs.FileMode(*v.Projected.DefaultMode)
					}
				}
			case v.ConfigMap != nil:
				files[path.Join(mount.MountPath, "ca.pem")] = 0o644
			}
		}
	}
	variables := map[string]string{}
	for _, e := range container.Env {
		if variables[e.Name] = e.Value; e.ValueFrom != nil {
			variables[e.Name] = secret + e.Name
		}
	}
	require.Equal(t, name, variables["ALERT_RELAY_CONFIG"])
	certificate, key := selfSigned(t)
	return config.Parse(name, []byte(text), config.Options{
		Env: func(name string) string { return variables[name] },
		ReadFile: func(name string) ([]byte, fs.FileMode, error) {
			mode, ok := files[name]
			switch {
			case !ok:
				return nil, 0, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
			case strings.HasSuffix(name, ".crt"), strings.HasSuffix(name, ".pem"):
				return certificate, mode, nil
			case strings.HasSuffix(name, ".key"):
				return key, mode, nil
			}
			return []byte(secret + path.Base(name)), mode, nil
		},
	})
}

const secret = "a-long-secret-of-"

// selfSigned returns a certificate and its key, in PEM.
func selfSigned(t *testing.T) (certificate, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IsCA: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	require.NoError(t, err)
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	require.NoError(t, err)
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})
}

// Each example's configuration is valid, with the files that the pods have. Only the minimal one has warnings: nobody can act on its
// problems.
func TestConfigurationsAreValid(t *testing.T) {
	eachExample(t, func(t *testing.T, r rendering) {
		for name, pod := range pods(t, r) {
			cfg, err := check(t, r, pod)
			require.NoError(t, err, name)
			for _, warning := range cfg.Warnings {
				if !strings.HasSuffix(t.Name(), "/minimal") || !strings.HasPrefix(warning.What, "not set: nobody can acknowledge") {
					t.Errorf("%s: %s", name, warning)
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
			_, err = check(t, r, pods(t, r)["relay"])
			require.NoError(t, err, file)
		}
	}
}

// The check reports a file that is in no volume: otherwise the test above would check nothing.
func TestMissingFilesAreFaults(t *testing.T) {
	r := mustRender(t, "minimal", "config.zabbix[0].secret_file=/etc/elsewhere/secret")
	_, err := check(t, r, pods(t, r)["relay"])
	require.ErrorContains(t, err, "cannot read /etc/elsewhere/secret")
}

// Helm reads a bare off as false; the rendered configuration has off.
func TestOffStaysOff(t *testing.T) {
	r := mustRender(t, "minimal", "config.webex.bots[0].listen=false", "config.flapping.count=false",
		"config.rooms[0].flapping.count=false", "config.rooms[0].storm.threshold=3")
	cfg, err := check(t, r, pods(t, r)["relay"])
	require.NoError(t, err)
	require.Equal(t, config.ListenOff, cfg.Webex.Bots[0].Listen)
	require.Zero(t, cfg.Flapping.Count)
	require.Zero(t, cfg.Rooms[0].Flapping.Count)
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
