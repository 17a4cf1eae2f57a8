// Package monitoring has only tests: of the dashboard and the rules in this directory.
package monitoring

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/stretchr/testify/require"
	"gopkg.in/yaml.v3"
)

// metric is a row of docs/metrics.md.
type metric struct {
	kind   string
	labels map[string][]string // the values of a label; none if they depend on the configuration
}

// targetLabels are added by Prometheus to everything that it scrapes.
var targetLabels = []string{"job", "instance"}

// foreign are the metrics that the queries may use besides the relay's own.
var foreign = map[string]metric{
	"up":                            {kind: "gauge"},
	"process_start_time_seconds":    {kind: "gauge"},
	"process_resident_memory_bytes": {kind: "gauge"},
	"process_cpu_seconds_total":     {kind: "counter"},
	"process_open_fds":              {kind: "gauge"},
	"go_goroutines":                 {kind: "gauge"},
}

var rowPattern = regexp.MustCompile("(?m)^\\| `(alert_relay_\\w+)` \\| (\\w+) \\| (.*?) \\| .* \\| `(.*)` \\|$")

// documented returns the metrics of docs/metrics.md, which is generated from what the relay registers, and the examples of queries.
func documented(t *testing.T) (metrics map[string]metric, examples map[string]string) {
	t.Helper()
	page, err := os.ReadFile("../docs/metrics.md")
	require.NoError(t, err)
	metrics, examples = map[string]metric{}, map[string]string{}
	for _, row := range rowPattern.FindAllStringSubmatch(string(page), -1) {
		m := metric{row[2], map[string][]string{}}
		for label := range strings.SplitSeq(row[3], "; ") {
			name, values, fixed := strings.Cut(strings.Trim(label, "`"), "`: ")
			if name == "" {
				continue
			}
			m.labels[name] = nil
			if fixed {
				m.labels[name] = strings.Split(values, ", ")
			}
		}
		metrics[row[1]] = m
		examples["docs/metrics.md: "+row[1]] = strings.ReplaceAll(row[4], `\|`, "|")
	}
	require.Greater(t, len(metrics), 50)
	for name, m := range foreign {
		metrics[name] = m
	}
	return metrics, examples
}

// rule is an alert of rules.yaml.
type rule struct {
	Alert       string            `yaml:"alert"`
	Expr        string            `yaml:"expr"`
	For         string            `yaml:"for"`
	Labels      map[string]string `yaml:"labels"`
	Annotations map[string]string `yaml:"annotations"`
}

func rules(t *testing.T) (all []rule) {
	t.Helper()
	var file struct {
		Groups []struct {
			Name  string `yaml:"name"`
			Rules []rule `yaml:"rules"`
		} `yaml:"groups"`
	}
	read(t, "rules.yaml", &file)
	for _, g := range file.Groups {
		all = append(all, g.Rules...)
	}
	require.NotEmpty(t, all)
	return all
}

// read decodes a YAML file; unknown fields of a struct are errors.
func read(t *testing.T, name string, into any) {
	t.Helper()
	f, err := os.Open(name)
	require.NoError(t, err)
	defer f.Close()
	d := yaml.NewDecoder(f)
	d.KnownFields(true)
	require.NoError(t, d.Decode(into), name)
}

// Each query of the dashboard, the rules and docs/metrics.md uses metrics, labels and label values that exist, and each function
// fits the type of its metric.
func TestQueriesUseExistingMetrics(t *testing.T) {
	metrics, queries := documented(t)
	for _, r := range rules(t) {
		queries["rules.yaml: "+r.Alert] = r.Expr
	}
	d := readDashboard(t)
	for _, p := range d.Panels {
		for _, target := range p.Targets {
			queries["dashboard.json: "+p.Title+" "+target.RefID] = target.Expr
		}
	}
	for _, a := range d.Annotations.List {
		queries["dashboard.json: annotation "+a.Name] = a.Expr
	}
	require.Greater(t, len(queries), 120)
	for where, query := range queries {
		for _, fault := range faults(metrics, query) {
			t.Errorf("%s: %s\n%s", where, fault, query)
		}
	}
	for _, v := range d.Templating.List {
		if v.Type != "query" {
			continue
		}
		m := regexp.MustCompile(`^label_values\((.*), (\w+)\)$`).FindStringSubmatch(v.Definition)
		require.NotNil(t, m, "variable %s: expected label_values(selector, label), got %s", v.Name, v.Definition)
		series := m[1]
		if name, _, _ := strings.Cut(series, "{"); metrics[name].kind == "counter" {
			series = "rate(" + series + "[5m])"
		}
		for _, fault := range faults(metrics, "count by ("+m[2]+") ("+series+")") {
			t.Errorf("dashboard.json: variable %s: %s\n%s", v.Name, fault, v.Definition)
		}
	}
}

// The check finds what it is there for.
func TestFaultyQueriesAreFound(t *testing.T) {
	metrics, _ := documented(t)
	for query, want := range map[string]string{
		`alert_relay_oldest_seconds`:                                          "unknown metric",
		`rate(alert_relay_events_total{kind="problems"}[5m])`:                 `kind is never "problems"`,
		`rate(alert_relay_events_total{room="db"}[5m])`:                       "no label room",
		`sum by (room) (rate(alert_relay_events_total[5m]))`:                  "no metric of the query has the label room",
		`alert_relay_events_total`:                                            "a counter, outside of rate",
		`rate(alert_relay_posts_pending[5m])`:                                 "a gauge in rate",
		`rate(alert_relay_delivery_seconds[5m])`:                              "a histogram without _bucket",
		`rate(alert_relay_http_requests_total{code=~"5xx|6xx"}[5m])`:          `code is never "6xx"`,
		`rate(alert_relay_http_requests_total{code=~"4xx|5xx"}[5m`:            "parse error",
		`histogram_quantile(0.9, sum by (le) (alert_relay_fold_seconds_sum))`: "a counter, outside of rate",
	} {
		found := faults(metrics, query)
		require.NotEmpty(t, found, query)
		require.Contains(t, strings.Join(found, "\n"), want, query)
	}
	for _, query := range []string{`sum by (source, instance) (rate(alert_relay_events_total{source=~"$source",kind=~"problem|update"}[$__rate_interval]))`,
		`histogram_quantile(0.9, sum by (le) (rate(alert_relay_fold_seconds_bucket[5m])))`} {
		require.Empty(t, faults(metrics, query), query)
	}
}

// variables are what Grafana replaces in a query before Prometheus sees it.
var variables = strings.NewReplacer("$__rate_interval", "5m", "$__interval", "5m", "$__range", "1h")

// ofCounters are the functions that need a counter; deltas those for gauges.
var ofCounters = []string{"rate", "irate", "increase"}

func faults(metrics map[string]metric, query string) (found []string) {
	fault := func(format string, args ...any) { found = append(found, fmt.Sprintf(format, args...)) }
	expr, err := parser.NewParser(parser.Options{}).ParseExpr(variables.Replace(query))
	if err != nil {
		return []string{"parse error: " + err.Error()}
	}
	known := slices.Clone(targetLabels)
	var groups []string
	parser.Inspect(expr, func(node parser.Node, path []parser.Node) error {
		switch n := node.(type) {
		case *parser.AggregateExpr:
			groups = append(groups, n.Grouping...)
		case *parser.BinaryExpr:
			if n.VectorMatching != nil {
				groups = append(groups, n.VectorMatching.MatchingLabels...)
			}
		case *parser.VectorSelector:
			name := n.Name
			m, ok := metrics[name]
			if base := regexp.MustCompile(`_(bucket|sum|count)$`).ReplaceAllString(name, ""); !ok && metrics[base].kind == "histogram" {
				m, ok = metrics[base], true
				m.kind = "counter"
				if strings.HasSuffix(name, "_bucket") {
					known = append(known, "le")
				}
			}
			if !ok {
				fault("unknown metric %s", name)
				return nil
			}
			known = slices.AppendSeq(known, keys(m.labels))
			switch counted := slices.ContainsFunc(path, isOfCounters); {
			case m.kind == "histogram":
				fault("%s is a histogram without _bucket, _sum or _count", name)
			case m.kind == "counter" && !counted:
				fault("%s is a counter, outside of rate or increase", name)
			case m.kind == "gauge" && counted:
				fault("%s is a gauge in rate or increase", name)
			}
			for _, matcher := range n.LabelMatchers {
				for _, f := range matcherFaults(name, m, matcher) {
					fault("%s", f)
				}
			}
		}
		return nil
	})
	for _, label := range groups {
		if !slices.Contains(known, label) {
			fault("no metric of the query has the label %s", label)
		}
	}
	return found
}

func isOfCounters(node parser.Node) bool {
	call, ok := node.(*parser.Call)
	return ok && slices.Contains(ofCounters, call.Func.Name)
}

func matcherFaults(name string, m metric, matcher *labels.Matcher) (found []string) {
	if matcher.Name == "__name__" || slices.Contains(targetLabels, matcher.Name) {
		return nil
	}
	values, ok := m.labels[matcher.Name]
	if !ok {
		return []string{fmt.Sprintf("%s has no label %s", name, matcher.Name)}
	}
	if values == nil || strings.HasPrefix(matcher.Value, "$") {
		return nil
	}
	for value := range strings.SplitSeq(matcher.Value, "|") {
		if !slices.Contains(values, value) {
			found = append(found, fmt.Sprintf("%s: %s is never %q", name, matcher.Name, value))
		}
	}
	return found
}

func keys(m map[string][]string) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

// Each alert has a severity, words, and a runbook in docs/operations.md, and each runbook an alert.
func TestEachAlertHasARunbook(t *testing.T) {
	page, err := os.ReadFile("../docs/operations.md")
	require.NoError(t, err)
	runbooks := map[string]string{} // heading by anchor
	for _, m := range regexp.MustCompile(`(?m)^#### (AlertRelay\w+)$`).FindAllStringSubmatch(string(page), -1) {
		runbooks[strings.ToLower(m[1])] = m[1]
	}
	for _, r := range rules(t) {
		require.Contains(t, []string{"critical", "warning"}, r.Labels["severity"], r.Alert)
		for _, name := range []string{"summary", "description"} {
			require.NotEmpty(t, r.Annotations[name], "%s: %s", r.Alert, name)
		}
		before, anchor, found := strings.Cut(r.Annotations["runbook_url"], "#")
		require.True(t, found && strings.HasSuffix(before, "/docs/operations.md"), "%s: runbook_url is %q", r.Alert, r.Annotations["runbook_url"])
		require.Equal(t, r.Alert, runbooks[anchor], "docs/operations.md has no heading for %q", anchor)
		delete(runbooks, anchor)
	}
	require.Empty(t, runbooks, "docs/operations.md: runbooks without an alert")
}

// rules_test.yaml, which promtool runs, has a case for each alert in which it fires, and one in which it doesn't.
func TestEachAlertHasAUnitTest(t *testing.T) {
	var file struct {
		RuleFiles []string `yaml:"rule_files"`
		Interval  string   `yaml:"evaluation_interval"`
		Tests     []struct {
			Name, Interval string
			Series         []map[string]string `yaml:"input_series"`
			Cases          []struct {
				At     string           `yaml:"eval_time"`
				Alert  string           `yaml:"alertname"`
				Alerts []map[string]any `yaml:"exp_alerts"`
			} `yaml:"alert_rule_test"`
		} `yaml:"tests"`
	}
	read(t, "rules_test.yaml", &file)
	fires, quiet := map[string]bool{}, map[string]bool{}
	for _, test := range file.Tests {
		for _, c := range test.Cases {
			if len(c.Alerts) > 0 {
				fires[c.Alert] = true
			} else {
				quiet[c.Alert] = true
			}
		}
	}
	for _, r := range rules(t) {
		require.True(t, fires[r.Alert] && quiet[r.Alert], "rules_test.yaml: expected cases in which %s fires and doesn't", r.Alert)
	}
}

// The example for Alertmanager names only alerts that exist.
func TestTheAlertmanagerExampleNamesAlerts(t *testing.T) {
	raw, err := os.ReadFile("alertmanager.example.yaml")
	require.NoError(t, err)
	var names []string
	for _, r := range rules(t) {
		names = append(names, r.Alert)
	}
	named := regexp.MustCompile(`AlertRelay[A-Z]\w+`).FindAllString(string(raw), -1)
	require.NotEmpty(t, named)
	for _, name := range named {
		require.Contains(t, names, name)
	}
}

// dashboard has the fields of dashboard.json that the tests look at; dashboard.schema.json has all that Grafana needs.
type dashboard struct {
	Panels []struct {
		ID      int    `json:"id"`
		Type    string `json:"type"`
		Title   string `json:"title"`
		GridPos struct{ X, Y, W, H int }
		Targets []struct {
			RefID string `json:"refId"`
			Expr  string `json:"expr"`
		} `json:"targets"`
	} `json:"panels"`
	Annotations struct {
		List []struct{ Name, Expr string } `json:"list"`
	} `json:"annotations"`
	Templating struct {
		List []struct{ Name, Type, Definition string } `json:"list"`
	} `json:"templating"`
}

func readDashboard(t *testing.T) (d dashboard) {
	t.Helper()
	raw, err := os.ReadFile("dashboard.json")
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(raw, &d))
	return d
}
