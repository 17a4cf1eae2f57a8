package provision

import (
	"bytes"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"gopkg.in/yaml.v3"
	"nms-alert-relay/internal/zabbix"
)

func testTemplate(t *testing.T) []byte {
	t.Helper()
	file, err := os.ReadFile("testdata/template.yaml")
	require.NoError(t, err)
	return file
}

// The template is imported with a mark, again when the relay brings another version, and removed with the rest.
func TestTemplate(t *testing.T) {
	eachVersion(t, func(t *testing.T, r *rig) {
		r.opts.Template = testTemplate(t)
		require.Equal(t, Create, of(t, r.run(), "template").Action)
		require.Equal(t, Keep, of(t, r.run(), "template").Action)
		r.opts.Template = bytes.Replace(r.opts.Template, []byte("delay: 1m"), []byte("delay: 2m"), 1)
		s := of(t, r.run(), "template")
		require.Equal(t, Update, s.Action)
		require.Regexp(t, "^version [0-9a-f]{8}$", s.Changes[0].From)
		require.Regexp(t, "^version [0-9a-f]{8}$", s.Changes[0].To)
		require.Equal(t, Keep, of(t, r.run(), "template").Action)

		plan, err := r.setup().PlanRemoval(t.Context())
		require.NoError(t, err)
		require.Equal(t, "template", plan.Steps[0].Kind)
		require.NoError(t, r.setup().Remove(t.Context(), plan, func(Step) {}))
		require.Empty(t, r.call("template.get", map[string]any{}))

		// Somebody else imported it by hand.
		r.call("template.create", map[string]any{"host": "Alert relay by HTTP", "description": "Metrics of alert-relay."})
		plan, err = r.setup().Plan(t.Context())
		require.NoError(t, err)
		require.Equal(t, Refuse, of(t, plan, "template").Action)
		r.opts.Adopt = true
		require.Equal(t, Update, of(t, r.run(), "template").Action)
	})
}

// Only the description differs from the file.
func TestTheTemplatesFileStaysAsItIs(t *testing.T) {
	v, err := zabbix.ParseVersion("7.0.22")
	require.NoError(t, err)
	o, err := wantedTemplate(testTemplate(t), v)
	require.NoError(t, err)
	var want, got map[string]map[string]any
	require.NoError(t, yaml.Unmarshal(testTemplate(t), &want))
	require.NoError(t, yaml.Unmarshal([]byte(o.params["source"].(string)), &got))
	require.Contains(t, o.params["source"], "version: '6.0'")
	template := got["zabbix_export"]["templates"].([]any)[0].(map[string]any)
	require.Regexp(t, "^Metrics of alert-relay\\.\n\nmanaged by alert-relay [0-9a-f]{8}$", template["description"])
	template["description"] = "Metrics of alert-relay.\n"
	require.Equal(t, want, got)
	for _, file := range []string{"", "a: [", "zabbix_export: {templates: [{template: a}]}", "zabbix_export: {templates: []}"} {
		_, err := wantedTemplate([]byte(file), v)
		require.Error(t, err, file)
	}
}
