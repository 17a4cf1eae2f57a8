package config

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"
	"gopkg.in/yaml.v3"
)

var update = flag.Bool("update", false, "write docs/config.schema.json and the chart's values.schema.json")

const schemaPath = "../../docs/config.schema.json"

// The committed schema is up to date.
func TestSchemaIsUpToDate(t *testing.T) {
	if *update {
		require.NoError(t, os.WriteFile(schemaPath, Schema(), 0o644))
	}
	require.Equal(t, readText(t, schemaPath), string(Schema()), "go test ./internal/config -update writes it")
}

func schemaOf(t *testing.T) *jsonschema.Schema {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(Schema()))
	require.NoError(t, err)
	c := jsonschema.NewCompiler()
	require.NoError(t, c.AddResource("config.json", doc))
	schema, err := c.Compile("config.json")
	require.NoError(t, err)
	return schema
}

// fits validates a YAML text with the schema.
func fits(t *testing.T, schema *jsonschema.Schema, text string) error {
	t.Helper()
	var value any
	require.NoError(t, yaml.Unmarshal([]byte(text), &value))
	asJSON, err := json.Marshal(value)
	require.NoError(t, err)
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(asJSON))
	require.NoError(t, err)
	return schema.Validate(doc)
}

// The schema accepts the example, also with every optional line, and every form of a value.
func TestSchemaAcceptsWhatIsValid(t *testing.T) {
	schema := schemaOf(t)
	example := readText(t, examplePath)
	for name, text := range map[string]string{
		"the example":        example,
		"with every line":    regexp.MustCompile(`(?m)^(\s*)#([a-z_]+:)`).ReplaceAllString(example, "$1$2"),
		"the smallest":       small,
		"lists of one":       strings.Replace(small, "default_rooms: [noc]", "default_rooms: noc", 1) + "routes: {rooms: db, match: {hosts: a, severity: high, tags: x, when: {days: mon, hours: \"8:00-18:00\"}}, escalate: {after: 1m, mention: all}}\n",
		"absent values":      small + "routes:\nstorm:\nlog: {level: }\nflapping: {count: }\n",
		"durations":          small + "storm: {window: 0}\ncommand: {expiry: 1d12h}\nretention: {journal: 0.5d, problems: 1h30m, audit: 365d}\ndelivery: {debounce: 500ms, orphan_wait: .5m}\n",
		"severities":         small + "storm: {individual: HIGH}\nroutes: [{rooms: db, match: {severity: 4}}, {rooms: db, match: {severity: ['>= High', Not_Classified, '<3']}}]\n",
		"off":                small + "flapping: {count: off}\n",
		"off, in capitals":   small + "flapping: {count: 'OFF'}\n",
		"counts":             small + "flapping: {count: 0}\n",
		"numbers as names":   strings.NewReplacer("name: db", "name: 42", "[noc]", "[noc, 42]").Replace(small),
		"anchors":            "x-a: &a {presentation: line}\n" + strings.Replace(small, "{name: db,", "{<<: *a, name: db,", 1),
		"secrets":            strings.Replace(small, "{name: noc}", "{name: noc, token_env: OTHER}", 1),
		"several secrets":    strings.Replace(small, "name: main,", "name: main, secret_env: [OTHER, ALERT_RELAY_ZABBIX_MAIN_SECRET],", 1),
		"without a source":   strings.Replace(small, "zabbix:\n  - {name: main, url: \"https://zabbix.example.com/\"}\n", "notify: [{name: a, token_env: OTHER, persons: true}]\n", 1),
		"no unknown problem": small + "reconcile: {max_age: 0s}\n",
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Parse("relay.yaml", []byte(text), Options{Env: env, Elsewhere: true})
			require.NoError(t, err)
			require.NoError(t, fits(t, schema, text))
		})
	}
}

// The schema rejects wrong keys, types, words and limits.
func TestSchemaFindsMistakes(t *testing.T) {
	schema := schemaOf(t)
	for name, text := range map[string]string{
		"unknown key":            small + "strom: {threshold: 3}\n",
		"unknown key deep":       small + "delivery: {worker: 3}\n",
		"unknown key in a list":  strings.Replace(small, "{name: db,", "{nam: db,", 1),
		"extension below":        small + "log: {x-a: 1}\n",
		"missing rooms":          strings.Replace(small, "default_rooms: [noc]\n", "", 1),
		"missing bots":           strings.Replace(small, "webex:\n  bots: [{name: noc}]\n", "", 1),
		"missing url":            strings.Replace(small, `, url: "https://zabbix.example.com/"`, "", 1),
		"missing role":           strings.Replace(small, ", role: operator", "", 1),
		"a list for a mapping":   small + "log: [info]\n",
		"a mapping for a string": small + "time_zone: {name: UTC}\n",
		"a word":                 small + "log: {level: warning}\n",
		"a word in a list":       small + "routes: [{rooms: db, tell: [opend]}]\n",
		"a role":                 strings.Replace(small, "operator", "root", 1),
		"a bare number":          small + "command: {expiry: 90}\n",
		"a duration":             small + "command: {expiry: 1hour}\n",
		"a negative duration":    small + "command: {expiry: -1m}\n",
		"an empty duration":      small + "command: {expiry: ''}\n",
		"a severity":             small + "storm: {individual: desaster}\n",
		"a severity's number":    small + "storm: {individual: 6}\n",
		"a severity, compared":   small + "routes: [{rooms: db, match: {severity: '>>high'}}]\n",
		"one opening":            small + "flapping: {count: 1}\n",
		"a number of workers":    small + "delivery: {workers: 65}\n",
		"a rate of nothing":      small + "delivery: {rate_limit: 0}\n",
		"a switch":               small + "routes: [{rooms: db, continue: maybe}]\n",
		"a name":                 strings.Replace(small, "name: main", "name: 'main/1'", 1),
		"hours":                  small + "routes: [{rooms: db, match: {when: {hours: 8-18}}}]\n",
		"a secret in the file":   strings.Replace(small, "{name: noc}", "{name: noc, token: abc}", 1),
	} {
		t.Run(name, func(t *testing.T) {
			_, faults := parse(t, text)
			require.NotEmpty(t, faults)
			require.Error(t, fits(t, schema, text))
		})
	}
}

// Every key has a description, and keys without effect are marked.
func TestSchemaDescribesEveryKey(t *testing.T) {
	var look func(path string, s map[string]any)
	seen := 0
	look = func(path string, s map[string]any) {
		properties, _ := s["properties"].(map[string]any)
		for key, value := range properties {
			full, value := join(path, key), value.(map[string]any)
			seen++
			description, _ := value["description"].(string)
			require.Regexp(t, `^[a-zA-Z/{].{8,}\.$`, description, full)
			look(full, value)
		}
	}
	var schema map[string]any
	require.NoError(t, json.Unmarshal(Schema(), &schema))
	look("", schema)
	for name, s := range schema["definitions"].(map[string]any) {
		look(name, s.(map[string]any))
	}
	require.Greater(t, seen, 90)
}
