package zabbix

import (
	"bytes"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"gopkg.in/yaml.v3"
)

func templateFile(t *testing.T) *yaml.Node {
	t.Helper()
	var doc yaml.Node
	require.NoError(t, yaml.NewDecoder(bytes.NewReader(Template)).Decode(&doc))
	return doc.Content[0]
}

// mappings calls f for each mapping in a YAML document, with its fields, and the key of the list that it is in.
func mappings(n *yaml.Node, list string, f func(list string, m map[string]*yaml.Node)) {
	if n.Kind == yaml.MappingNode {
		m := map[string]*yaml.Node{}
		for i := 0; i < len(n.Content); i += 2 {
			m[n.Content[i].Value] = n.Content[i+1]
			mappings(n.Content[i+1], n.Content[i].Value, f)
		}
		f(list, m)
		return
	}
	for _, child := range n.Content {
		mappings(child, list, f)
	}
}

// Zabbix finds what it imported before by uuid, and accepts only those of version 4.
func TestTemplateUUIDs(t *testing.T) {
	seen := map[string]bool{}
	mappings(templateFile(t), "", func(list string, m map[string]*yaml.Node) {
		id, ok := m["uuid"]
		// The parts that Zabbix stores by name or by place have none.
		need := map[string]bool{"templates": m["template"] != nil, "items": true, "item_prototypes": true, "discovery_rules": true, "triggers": true,
			"trigger_prototypes": true, "graphs": true, "graph_prototypes": true, "dashboards": true, "valuemaps": true}
		require.Equal(t, need[list] || list == "groups" && ok, ok, "%s: uuid of %v", list, m["name"])
		if ok {
			require.Regexp(t, "^[0-9a-f]{12}4[0-9a-f]{3}[89ab][0-9a-f]{15}$", id.Value)
			require.False(t, seen[id.Value], "duplicate uuid %s", id.Value)
			seen[id.Value] = true
		}
	})
	require.Contains(t, seen, "e90f277e3a2a437f9f067447d3293b40", "the template's uuid never changes")
	require.Greater(t, len(seen), 70)
}

// Each user macro of the template is used, and each one that is used is a macro of the template. The token is secret and has no value.
func TestTemplateMacros(t *testing.T) {
	defined, used := map[string]bool{}, map[string]bool{}
	macro := regexp.MustCompile(`\{(\$[A-Z_.]+)(:"\{#[A-Z]+\}")?\}`)
	mappings(templateFile(t), "", func(list string, m map[string]*yaml.Node) {
		if list == "macros" {
			name := macro.FindStringSubmatch(m["macro"].Value)[1]
			require.True(t, strings.HasPrefix(name, "$ALERT_RELAY."), name)
			require.NotEmpty(t, m["description"].Value, name)
			defined[name] = true
			_, hasValue := m["value"]
			require.Equal(t, name != "$ALERT_RELAY.TOKEN", hasValue, name)
			if !hasValue {
				require.Equal(t, "SECRET_TEXT", m["type"].Value, name)
			}
			return
		}
		for field, value := range m {
			if field != "description" && value.Kind == yaml.ScalarNode {
				for _, found := range macro.FindAllStringSubmatch(value.Value, -1) {
					used[found[1]] = true
				}
			}
		}
	})
	require.Equal(t, defined, used)
}

// Everything comes from one request: each item but the first depends on it, and no item keeps its text.
func TestTemplateHasOneMasterItem(t *testing.T) {
	masters, items := 0, 0
	mappings(templateFile(t), "", func(list string, m map[string]*yaml.Node) {
		if list != "items" && list != "item_prototypes" && list != "discovery_rules" {
			return
		}
		items++
		if m["type"].Value == "HTTP_AGENT" {
			masters++
			require.Equal(t, "alert_relay.metrics", m["key"].Value)
			require.Equal(t, "0", m["history"].Value)
			require.Equal(t, "YES", m["verify_peer"].Value, "the token isn't sent to strangers")
			require.Equal(t, "YES", m["verify_host"].Value, "the token isn't sent to strangers")
			return
		}
		require.Equal(t, "DEPENDENT", m["type"].Value)
		require.Equal(t, "0", m["delay"].Value, "%s", m["key"].Value)
		require.Equal(t, "alert_relay.metrics", m["master_item"].Content[1].Value)
	})
	require.Equal(t, 1, masters)
	require.Greater(t, items, 40)
}

// While the metrics can't be read, no other trigger fires; a threshold is named in the event.
func TestTemplateTriggers(t *testing.T) {
	const root = "Alert relay: Metrics can't be read"
	keys, expressions := map[string]bool{}, map[string]string{}
	mappings(templateFile(t), "", func(list string, m map[string]*yaml.Node) {
		if strings.Contains(list, "item") && m["key"] != nil {
			keys[m["key"].Value] = true
		}
		if strings.HasPrefix(list, "trigger") {
			expressions[m["name"].Value] = m["expression"].Value
		}
	})
	require.NotEmpty(t, expressions[root])
	triggers := 0
	mappings(templateFile(t), "", func(list string, m map[string]*yaml.Node) {
		if list == "dependencies" {
			require.Equal(t, expressions[m["name"].Value], m["expression"].Value)
		}
		for _, field := range []string{"expression", "value"} {
			if v := m[field]; v != nil && v.Kind == yaml.MappingNode {
				for i := 0; i < len(v.Content); i += 2 {
					if v.Content[i].Value == "key" {
						require.True(t, keys[v.Content[i+1].Value], "a widget shows %s", v.Content[i+1].Value)
					}
				}
			}
		}
		if !strings.HasPrefix(list, "trigger") {
			return
		}
		triggers++
		name := m["name"].Value
		if name == root {
			require.Nil(t, m["dependencies"])
		} else {
			require.Equal(t, root, m["dependencies"].Content[0].Content[1].Value, name)
		}
		require.NotContains(t, name, "{HOST.NAME}")
		require.NotContains(t, name, "{ITEM.LASTVALUE")
		for _, found := range regexp.MustCompile(`/Alert relay by HTTP/([a-z_.]+(\["\{#[A-Z]+\}"(,"\{#[A-Z]+\}")*\])?)`).FindAllStringSubmatch(m["expression"].Value, -1) {
			require.True(t, keys[found[1]], "%s: no item %s", name, found[1])
		}
		for _, found := range regexp.MustCompile(`\{\$[^}]*(\}"\})?\}?`).FindAllString(m["expression"].Value, -1) {
			require.Contains(t, m["event_name"].Value, found, "%s: the event's name has the threshold", name)
		}
	})
	require.Greater(t, triggers, 20)
}

// Widgets of a page don't overlap and fit the width of a dashboard in 6.0.
func TestTemplateDashboard(t *testing.T) {
	type widget struct {
		X, Y, Width, Height int
		Type                string
	}
	var file struct {
		Export struct {
			Templates []struct {
				Dashboards []struct {
					Pages []struct {
						Name    string
						Widgets []widget
					}
				}
			}
		} `yaml:"zabbix_export"`
	}
	require.NoError(t, yaml.Unmarshal(regexp.MustCompile(`(?m)^( *'?(?:x|y|width|height)'?): '?(\d+)'?$`).ReplaceAll(Template, []byte("$1: $2")), &file))
	require.Len(t, file.Export.Templates[0].Dashboards, 1)
	for _, page := range file.Export.Templates[0].Dashboards[0].Pages {
		cells := map[[2]int]bool{}
		require.NotEmpty(t, page.Widgets)
		for _, w := range page.Widgets {
			require.LessOrEqual(t, w.X+w.Width, 24, page.Name)
			require.GreaterOrEqual(t, w.Height, 2, page.Name)
			for x := w.X; x < w.X+w.Width; x++ {
				for y := w.Y; y < w.Y+w.Height; y++ {
					require.False(t, cells[[2]int{x, y}], "%s: %s at %d,%d overlaps", page.Name, w.Type, w.X, w.Y)
					cells[[2]int{x, y}] = true
				}
			}
		}
	}
}
