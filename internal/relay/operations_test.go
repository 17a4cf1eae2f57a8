package relay

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/testlog"
)

// docs/operations.md names no metric and no label that a relay doesn't have from the start.
func TestOperationsNamesMetricsThatAreThere(t *testing.T) {
	page, err := os.ReadFile("../../docs/operations.md")
	require.NoError(t, err)
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
	named := regexp.MustCompile(`\b(alert_relay_[a-z_]+)(?:\{([a-z_,]+)(?:="[^}]*)?\})?`).FindAllStringSubmatch(string(page), -1)
	require.NotEmpty(t, named)
	for _, m := range named {
		require.Contains(t, labels, m[1])
		for label := range strings.SplitSeq(m[2], ",") {
			if label != "" {
				require.True(t, labels[m[1]][label], m[0])
			}
		}
	}
}
