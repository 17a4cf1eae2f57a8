package helm

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"github.com/stretchr/testify/require"
	"helm.sh/helm/v3/pkg/chartutil"
	core "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"
)

// The PrometheusRule has every alert, with runbooks at the address of the values and templates as they were.
func TestPrometheusRuleHasTheRules(t *testing.T) {
	raw, err := os.ReadFile("../monitoring/rules.yaml")
	require.NoError(t, err)
	var want monitoring.PrometheusRuleSpec
	require.NoError(t, yaml.UnmarshalStrict(raw, &want))
	rules := all[*monitoring.PrometheusRule](t, mustRender(t, "prometheus-operator"))
	require.Len(t, rules, 1)
	alerts := 0
	for _, group := range want.Groups {
		for _, rule := range group.Rules {
			if url, ok := rule.Annotations["runbook_url"]; ok {
				rule.Annotations["runbook_url"] = strings.Replace(url, "https://relay.example.com/docs", "https://docs.example.com/alert-relay", 1)
				require.NotEqual(t, url, rule.Annotations["runbook_url"], rule.Alert)
				alerts++
			}
		}
	}
	require.Greater(t, alerts, 5)
	require.Equal(t, want, rules[0].Spec)
}

// The dashboard's ConfigMap has the dashboard, unchanged, and the label that Grafana's sidecar looks for.
func TestDashboard(t *testing.T) {
	raw, err := os.ReadFile("../monitoring/dashboard.json")
	require.NoError(t, err)
	require.True(t, json.Valid(raw))
	configMaps := all[*core.ConfigMap](t, mustRender(t, "prometheus-operator"))
	i := slices.IndexFunc(configMaps, func(m *core.ConfigMap) bool { return strings.HasSuffix(m.Name, "-dashboard") })
	require.GreaterOrEqual(t, i, 0)
	require.Equal(t, strings.TrimSpace(string(raw)), strings.TrimSpace(configMaps[i].Data["alert-relay.json"]))
	require.Equal(t, "1", configMaps[i].Labels["grafana_dashboard"])
	require.Equal(t, map[string]string{"grafana_folder": "On-call"}, configMaps[i].Annotations)
	require.ElementsMatch(t, []string{"alert-relay.json"}, slices.Collect(maps.Keys(configMaps[i].Data)))
}

// docs/install.md, "Prometheus on Kubernetes": its values add the ServiceMonitor, the rules, the dashboard and the way in, and its scrape
// configuration names the Service of the admin listener.
func TestDocumentedWayToMetrics(t *testing.T) {
	page, err := os.ReadFile("../docs/install.md")
	require.NoError(t, err)
	_, section, found := strings.Cut(string(page), "\n### Prometheus on Kubernetes\n")
	require.True(t, found)
	section, _, _ = strings.Cut(section, "\n### ")
	blocks := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(section, -1)
	require.Len(t, blocks, 2)
	added, err := chartutil.ReadValues([]byte(blocks[0][1]))
	require.NoError(t, err)
	r, err := render(t, chartutil.CoalesceTables(added, values(t, "ingress")))
	require.NoError(t, err)
	require.Len(t, all[*monitoring.ServiceMonitor](t, r), 1)
	require.Len(t, all[*monitoring.PrometheusRule](t, r), 1)
	require.Contains(t, r.text, "grafana_dashboard")
	require.Contains(t, r.text, "kubernetes.io/metadata.name: monitoring")

	admin := typed(t, r.find(t, "Service", "relay-alert-relay-admin")).(*core.Service)
	require.Contains(t, blocks[1][1], fmt.Sprintf("[\"%s.%s.svc:%d\"]", admin.Name, namespace, admin.Spec.Ports[0].Port))
}
