package monitoring

import (
	"os"
	"regexp"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"
)

// Grafana can't be installed from a package registry, so no test opens the dashboard. It has the form that Grafana expects.
func TestTheDashboardHasGrafanasForm(t *testing.T) {
	schema, err := jsonschema.NewCompiler().Compile("testdata/dashboard.schema.json")
	require.NoError(t, err)
	f, err := os.Open("dashboard.json")
	require.NoError(t, err)
	defer f.Close()
	raw, err := jsonschema.UnmarshalJSON(f)
	require.NoError(t, err)
	require.NoError(t, schema.Validate(raw))

	d := readDashboard(t)
	ids := map[int]string{}
	taken := map[[2]int]string{} // grid cells
	for _, p := range d.Panels {
		require.Empty(t, ids[p.ID], "panels %q and %q have the same id", p.Title, ids[p.ID])
		ids[p.ID] = p.Title
		require.LessOrEqual(t, p.GridPos.X+p.GridPos.W, 24, p.Title)
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				require.Empty(t, taken[[2]int{x, y}], "panels %q and %q overlap", p.Title, taken[[2]int{x, y}])
				taken[[2]int{x, y}] = p.Title
			}
		}
		var refs []string
		for _, target := range p.Targets {
			require.NotContains(t, refs, target.RefID, p.Title)
			refs = append(refs, target.RefID)
		}
	}
}

// The first row answers the question that the dashboard is for, and every query is limited to the chosen relay, bots, rooms and
// sources.
func TestTheDashboardsVariables(t *testing.T) {
	d := readDashboard(t)
	require.Equal(t, "Is anybody not being told?", d.Panels[0].Title)
	var first []string
	for _, p := range d.Panels[1:5] {
		first = append(first, p.Title)
	}
	require.Equal(t, []string{"Oldest untold", "Events in", "Messages out", "Failures"}, first)

	var names []string
	for _, v := range d.Templating.List {
		names = append(names, v.Name)
	}
	require.Equal(t, []string{"datasource", "instance", "bot", "room", "source"}, names)
	raw, err := os.ReadFile("dashboard.json")
	require.NoError(t, err)
	for _, m := range regexp.MustCompile(`\$\{?(\w+)`).FindAllStringSubmatch(string(raw), -1) {
		require.Contains(t, append(names, "__all", "__rate_interval"), m[1])
	}
	metrics, _ := documented(t)
	selector := regexp.MustCompile(`(alert_relay_\w+|process_\w+|go_\w+)(\{[^}]*\})?`)
	for _, p := range d.Panels {
		for _, target := range p.Targets {
			for _, m := range selector.FindAllStringSubmatch(target.Expr, -1) {
				require.Contains(t, m[2], `instance=~"$instance"`, "%s: %s", p.Title, m[0])
				for label, variable := range map[string]string{"bot": "$bot", "room": "$room", "source": "$source"} {
					if _, has := metrics[m[1]].labels[label]; has && m[1] != "alert_relay_build_info" {
						require.Contains(t, m[2], label+`=~"`+variable+`"`, "%s: %s", p.Title, m[0])
					}
				}
			}
		}
	}
}
