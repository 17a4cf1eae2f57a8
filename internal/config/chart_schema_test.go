package config

import (
	"bytes"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The chart's values.schema.json is chart.schema.json with the configuration's schema as the value of config.
func TestChartSchemaIsUpToDate(t *testing.T) {
	const path = "../../helm/alert-relay/values.schema.json"
	var chart, own node
	require.NoError(t, json.Unmarshal([]byte(readText(t, "../../helm/chart.schema.json")), &chart))
	require.NoError(t, json.Unmarshal(Schema(), &own))
	definitions := chart["definitions"].(node)
	for name, definition := range own["definitions"].(node) {
		require.NotContains(t, definitions, name)
		definitions[name] = forHelm(definition)
	}
	chart["properties"].(node)["config"] = forHelm(node{
		"description": "The relay's configuration, as in config.example.yaml.", "type": "object", "additionalProperties": false,
		"required": own["required"], "properties": own["properties"], "patternProperties": own["patternProperties"],
	})
	var want bytes.Buffer
	e := json.NewEncoder(&want)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	require.NoError(t, e.Encode(chart))
	if *update {
		require.NoError(t, os.WriteFile(path, want.Bytes(), 0o644))
	}
	require.Equal(t, want.String(), readText(t, path), "go test ./internal/config -update writes it")
}

// forHelm changes a schema so that Helm accepts what Read accepts, and its messages are readable:
//   - false is accepted wherever off is: Helm reads a bare off as false, and the chart writes off for it;
//   - if and else instead of anyOf, for a list that may be one value and for a duration that may be a bare 0. With anyOf Helm prints
//     the faults of each branch.
func forHelm(schema any) any {
	switch s := schema.(type) {
	case []any:
		for i := range s {
			s[i] = forHelm(s[i])
		}
	case node:
		for key := range s {
			s[key] = forHelm(s[key])
		}
		words, _ := s["enum"].([]any)
		pattern, _ := s["pattern"].(string)
		branches, _ := s["anyOf"].([]any)
		switch {
		case slices.Contains(words, any("off")):
			s["enum"] = append(words, false)
		case strings.Contains(pattern, "[Oo][Ff][Ff]"):
			split(s, node{"const": false})
		case pattern == durationSchema:
			s["type"] = typed("string")["type"]
			delete(s, "minimum")
			delete(s, "maximum")
			split(s, node{"const": float64(0)})
		case len(branches) == 2 && branches[0].(node)["type"] == "array":
			delete(s, "anyOf")
			s["if"], s["then"], s["else"] = node{"type": "array"}, branches[0], branches[1]
		}
	}
	return schema
}

// split moves a schema's conditions to where exception doesn't hold.
func split(s node, exception node) {
	rest := node{}
	for _, key := range []string{"type", "pattern", "minimum", "maximum", "not"} {
		if value, ok := s[key]; ok {
			rest[key] = value
			delete(s, key)
		}
	}
	s["if"], s["else"] = exception, rest
}
