package provision

import (
	"bytes"
	"fmt"

	"gopkg.in/yaml.v3"

	"nms-alert-relay/internal/zabbix"
)

// template is a monitoring template as the API has it.
type template struct {
	ID          str `json:"templateid"`
	Host        str `json:"host"`
	Description str `json:"description"`
}

// content stands for everything in a template's file: it is written as a whole. configuration.importcompare reports differences where
// there are none (an import of the same file, on 6.0 and 7.0), so the checksum in the mark decides.
const content = "content"

// wantedTemplate is the template of an export file, with the mark in its description.
func wantedTemplate(file []byte, v zabbix.Version) (object, error) {
	var doc yaml.Node
	if err := yaml.Unmarshal(file, &doc); err != nil {
		return object{}, fmt.Errorf("the template's file: %w", err)
	}
	t := entry(entry(&doc, "zabbix_export"), "templates")
	if t == nil || t.Kind != yaml.SequenceNode || len(t.Content) != 1 || entry(t.Content[0], "template") == nil || entry(t.Content[0], "description") == nil {
		return object{}, fmt.Errorf("the template's file must have one template with a description")
	}
	name, description := entry(t.Content[0], "template").Value, entry(t.Content[0], "description")
	sum := []field{{property: content, name: content, value: string(file)}}
	description.Value = marked(description.Value, sum)
	description.Style = yaml.LiteralStyle
	var source bytes.Buffer
	encoder := yaml.NewEncoder(&source)
	encoder.SetIndent(2)
	if err := encoder.Encode(&doc); err != nil {
		return object{}, fmt.Errorf("the template's file: %w", err)
	}
	return object{kind: templates, name: name, fields: []field{{property: content, name: content, value: "version " + checksum(sum)}},
		params: map[string]any{"format": "yaml", "source": source.String(), "rules": importRules(v)}}, nil
}

// entry returns the value of a key in a YAML mapping; nil if there is none.
func entry(n *yaml.Node, key string) *yaml.Node {
	if n != nil && n.Kind == yaml.DocumentNode {
		n = n.Content[0]
	}
	for i := 0; n != nil && n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i+1]
		}
	}
	return nil
}

// importRules create and update everything in a template's file, and delete what is no longer in it.
func importRules(v zabbix.Version) map[string]any {
	create := map[string]bool{"createMissing": true}
	all := map[string]bool{"createMissing": true, "updateExisting": true, "deleteMissing": true}
	rules := map[string]any{"templates": map[string]bool{"createMissing": true, "updateExisting": true}}
	for _, groups := range v.ImportGroups {
		rules[groups] = create
	}
	for _, part := range []string{"items", "triggers", "discoveryRules", "valueMaps", "graphs", "httptests", "templateDashboards"} {
		rules[part] = all
	}
	return rules
}

func (t template) object() object {
	o := object{kind: templates, name: string(t.Host), id: string(t.ID)}
	m := markPattern.FindStringSubmatch(string(t.Description))
	o.marked = m != nil
	value := "not of alert-relay"
	if o.marked {
		value = "version " + m[1]
	}
	o.fields = []field{{property: content, name: content, value: value}}
	return o
}
