package relay

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/testlog"
)

// docs/metrics.md describes every metric with its labels, and the pages for operators name no other.
func TestEveryMetricIsDocumented(t *testing.T) {
	r := idle(t, new(testlog.Lines))
	defer func() { require.NoError(t, r.Close()) }()
	families, err := r.Gatherer().Gather()
	require.NoError(t, err)
	labels := map[string]map[string]bool{}
	for _, f := range families {
		labels[f.GetName()] = map[string]bool{}
		for _, pair := range f.GetMetric()[0].GetLabel() {
			labels[f.GetName()][pair.GetName()] = true
		}
	}

	const metricsPage = "docs/metrics.md"
	described := map[string]map[string]bool{}
	for _, page := range []string{metricsPage, "docs/operations.md", "docs/troubleshooting.md", "docs/commands.md"} {
		text, err := os.ReadFile("../../" + page)
		require.NoError(t, err)
		for _, m := range regexp.MustCompile(`\b(alert_relay_[a-z_]+)(?:\{([a-z_,]+)(?:="[^}]*)?\})?`).FindAllStringSubmatch(string(text), -1) {
			require.NotNil(t, labels[m[1]], "%s: unknown metric %s", page, m[1])
			for label := range strings.SplitSeq(m[2], ",") {
				require.True(t, label == "" || labels[m[1]][label], "%s: %s has no label %q", page, m[1], label)
				if page == metricsPage {
					if described[m[1]] == nil {
						described[m[1]] = map[string]bool{}
					}
					described[m[1]][label] = true
				}
			}
		}
	}
	for name, has := range labels {
		if !strings.HasPrefix(name, "alert_relay_") {
			continue // of Go and the process
		}
		if described[name] == nil {
			t.Errorf("%s: missing metric %s", metricsPage, name)
			continue
		}
		for label := range has {
			require.True(t, described[name][label], "%s: missing label %s of %s", metricsPage, label, name)
		}
	}
}
