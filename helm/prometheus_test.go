//go:build e2e

package helm

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"testing"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"github.com/stretchr/testify/require"
	core "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/yaml"
)

// prometheusScrapes has Debian's Prometheus scrape a running pod as the ServiceMonitor says: the port that the Service names, on this
// machine, with path, scheme, token and labels.
func prometheusScrapes(t *testing.T, r rendering, pod core.Pod, secrets map[string]string) {
	t.Helper()
	monitor := all[*monitoring.ServiceMonitor](t, r)[0]
	selector := labels.SelectorFromSet(monitor.Spec.Selector.MatchLabels)
	var services []*core.Service
	for _, s := range all[*core.Service](t, r) {
		if selector.Matches(labels.Set(s.Labels)) {
			services = append(services, s)
		}
	}
	require.Len(t, services, 1)
	require.True(t, labels.SelectorFromSet(services[0].Spec.Selector).Matches(labels.Set(pod.Labels)), "the Service's pod")
	endpoint := monitor.Spec.Endpoints[0]
	port := services[0].Spec.Ports[slices.IndexFunc(services[0].Spec.Ports, func(p core.ServicePort) bool { return p.Name == endpoint.Port })]
	ports := pod.Spec.Containers[0].Ports
	target := ports[slices.IndexFunc(ports, func(p core.ContainerPort) bool { return p.Name == port.TargetPort.StrVal })]
	require.Equal(t, port.Port, target.ContainerPort)

	relabel := endpoint.RelabelConfigs[0]
	config, err := yaml.Marshal(map[string]any{
		"global": map[string]any{"scrape_interval": "1s"}, // instead of the endpoint's
		"scrape_configs": []any{map[string]any{
			"job_name": "operator", "metrics_path": endpoint.Path, "scheme": endpoint.Scheme,
			"authorization":   map[string]any{"credentials": secrets[endpoint.Authorization.Credentials.Key]},
			"relabel_configs": []any{map[string]any{"target_label": relabel.TargetLabel, "replacement": relabel.Replacement}},
			"static_configs":  []any{map[string]any{"targets": []string{fmt.Sprintf("127.0.0.1:%d", target.ContainerPort)}}},
		}},
	})
	require.NoError(t, err)
	dir, address := t.TempDir(), freeAddress(t)
	write(t, filepath.Join(dir, "prometheus.yml"), string(config), 0o600)
	prometheus := start(t, "prometheus", "--config.file="+filepath.Join(dir, "prometheus.yml"), "--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+address)
	for query, want := range map[string]string{
		`up{job="alert-relay"}`:  `^up\{.*\} => 1 @`,
		"alert_relay_build_info": `^alert_relay_build_info\{.*job="alert-relay".*\} => 1 @`,
	} {
		prometheus.until(t, func() bool {
			out, err := exec.Command("promtool", "query", "instant", "http://"+address, query).CombinedOutput()
			return err == nil && regexp.MustCompile(want).Match(out)
		}, query)
	}
}
