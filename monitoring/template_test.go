package monitoring

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"gopkg.in/yaml.v3"
)

// template has the fields of zabbix/template_alert_relay.yaml that the tests look at.
type template struct {
	Export struct {
		Templates []struct {
			Items []templateItem `yaml:"items"`
			Rules []struct {
				Name  string         `yaml:"name"`
				Steps []templateStep `yaml:"preprocessing"`
				Paths []templatePath `yaml:"lld_macro_paths"`
				Items []templateItem `yaml:"item_prototypes"`

				Prototypes []templateTrigger `yaml:"trigger_prototypes"` // of several items
			} `yaml:"discovery_rules"`
		} `yaml:"templates"`
		Triggers []templateTrigger `yaml:"triggers"`
	} `yaml:"zabbix_export"`
}

type templateItem struct {
	Key        string            `yaml:"key"`
	Steps      []templateStep    `yaml:"preprocessing"`
	Triggers   []templateTrigger `yaml:"triggers"`
	Prototypes []templateTrigger `yaml:"trigger_prototypes"`
}

type templateStep struct {
	Type       string   `yaml:"type"`
	Parameters []string `yaml:"parameters"`
}

type templatePath struct {
	Macro string `yaml:"lld_macro"`
	Path  string `yaml:"path"`
}

type templateTrigger struct {
	Name        string `yaml:"name"`
	Priority    string `yaml:"priority"`
	Description string `yaml:"description"`
	URL         string `yaml:"url"`
	Tags        []struct {
		Tag   string `yaml:"tag"`
		Value string `yaml:"value"`
	} `yaml:"tags"`
}

func readTemplate(t *testing.T) template {
	t.Helper()
	raw, err := os.ReadFile("../zabbix/template_alert_relay.yaml")
	require.NoError(t, err)
	var file template
	require.NoError(t, yaml.Unmarshal(raw, &file))
	require.Len(t, file.Export.Templates, 1)
	return file
}

// Zabbix's template uses metrics, labels and label values that exist, and takes the rate of counters only.
func TestTheZabbixTemplateUsesExistingMetrics(t *testing.T) {
	metrics, _ := documented(t)
	checked := 0
	discovered := regexp.MustCompile(`="\{#[A-Z]+\}"`)
	check := func(where, pattern string, steps []templateStep, key string) {
		checked++
		pattern = discovered.ReplaceAllString(pattern, `="$$discovered"`)
		name, _, _ := strings.Cut(pattern, "{")
		counter := metrics[name].kind == "counter" || strings.HasSuffix(name, "_count")
		query := pattern
		if counter {
			query = "rate(" + pattern + "[5m])"
		}
		for _, fault := range faults(metrics, query) {
			t.Errorf("%s: %s\n%s", where, fault, pattern)
		}
		var rate bool
		for _, s := range steps {
			rate = rate || s.Type == "CHANGE_PER_SECOND"
		}
		// The trigger of a silent source takes the rate itself.
		require.Equal(t, counter && !strings.HasPrefix(key, "alert_relay.source.events["), rate, where)
	}
	file := readTemplate(t).Export.Templates[0]
	items := file.Items
	for _, rule := range file.Rules {
		items = append(items, rule.Items...)
		require.Equal(t, "PROMETHEUS_TO_JSON", rule.Steps[0].Type, rule.Name)
		pattern := rule.Steps[0].Parameters[0]
		name, _, _ := strings.Cut(pattern, "{")
		for _, path := range rule.Paths {
			label := strings.TrimPrefix(path.Path, "$.")
			require.Contains(t, metrics[name].labels, label, rule.Name)
			require.Equal(t, "{#"+strings.ToUpper(label)+"}", path.Macro, rule.Name)
		}
		query := pattern
		if metrics[name].kind == "counter" {
			query = "rate(" + pattern + "[5m])"
		}
		require.Empty(t, faults(metrics, query), rule.Name)
	}
	for _, item := range items {
		if item.Key == "alert_relay.metrics" {
			continue
		}
		step := item.Steps[0]
		require.Equal(t, "PROMETHEUS_PATTERN", step.Type, item.Key)
		check(item.Key, step.Parameters[0], item.Steps, item.Key)
		if name := step.Parameters[0]; step.Parameters[1] == "label" {
			require.Contains(t, metrics[name].labels, step.Parameters[2], item.Key)
		}
	}
	require.Greater(t, checked, 30)
}

// notInZabbix are the alerts that the template has no trigger for, with the reason.
var notInZabbix = map[string]string{
	"AlertRelaySlow": "a quantile needs an item for each bucket of a histogram",
}

// Zabbix's template has a trigger for each alert of rules.yaml, as severe, with the same runbook.
func TestTheZabbixTemplateHasEveryAlert(t *testing.T) {
	file := readTemplate(t).Export
	triggers := file.Triggers
	for _, item := range file.Templates[0].Items {
		triggers = append(triggers, item.Triggers...)
	}
	for _, rule := range file.Templates[0].Rules {
		triggers = append(triggers, rule.Prototypes...)
		for _, item := range rule.Items {
			triggers = append(triggers, item.Prototypes...)
		}
	}
	found := map[string]templateTrigger{}
	for _, trigger := range triggers {
		require.NotEmpty(t, trigger.Description, trigger.Name)
		scope := ""
		for _, tag := range trigger.Tags {
			switch tag.Tag {
			case "alert":
				require.NotContains(t, found, tag.Value)
				found[tag.Value] = trigger
			case "scope":
				scope = tag.Value
			}
		}
		require.Contains(t, []string{"availability", "capacity", "notice", "performance", "security"}, scope, trigger.Name)
	}
	for _, r := range rules(t) {
		if notInZabbix[r.Alert] != "" {
			require.NotContains(t, found, r.Alert)
			continue
		}
		trigger, ok := found[r.Alert]
		require.True(t, ok, "the template has no trigger for %s", r.Alert)
		require.Equal(t, map[string]string{"critical": "HIGH", "warning": "WARNING"}[r.Labels["severity"]], trigger.Priority, r.Alert)
		_, anchor, _ := strings.Cut(r.Annotations["runbook_url"], "#")
		require.Equal(t, "{$ALERT_RELAY.RUNBOOKS}#"+anchor, trigger.URL)
		delete(found, r.Alert)
	}
	require.Empty(t, found, "triggers for alerts that rules.yaml doesn't have")
}
