package helm

import (
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/yannh/kubeconform/pkg/resource"
	"github.com/yannh/kubeconform/pkg/validator"
	"k8s.io/client-go/openapi/openapitest"
	"sigs.k8s.io/yaml"
)

// Each manifest of each example passes kubeconform -strict, which knows required fields, words, formats and limits. The schemas are
// those in the modules of Kubernetes and of the Gateway API; the Prometheus operator's resources are held by their types alone.
func TestKubeconform(t *testing.T) {
	schemas := writeSchemas(t)
	v, err := validator.New([]string{filepath.Join(schemas, "{{.ResourceKind}}.json")}, validator.Opts{Strict: true})
	require.NoError(t, err)
	validate := func(manifest string) []validator.Result { return v.Validate("", readerOf(manifest)) }
	eachExample(t, func(t *testing.T, r rendering) {
		valid := 0
		for _, result := range validate(r.text) {
			kind := signature(t, result.Resource)
			if strings.HasPrefix(kind, "monitoring.coreos.com/") {
				continue
			}
			require.NoError(t, result.Err, kind)
			require.Equal(t, validator.Valid, result.Status, kind)
			valid++
		}
		require.Greater(t, valid, 6)
	})
	r := mustRender(t, "ingress")
	for broken, what := range map[string]string{
		strings.Replace(r.text, "pathType: Prefix", "pathTyp: Prefix", 1):              "an unknown field",
		strings.Replace(r.text, "            pathType: Prefix\n", "", 1):               "a missing field",
		strings.Replace(r.text, "periodSeconds: 5", "periodSeconds: five", 1):          "a word for a number",
		strings.Replace(r.text, "readOnlyRootFilesystem", "readonlyRootFilesystem", 1): "a field in another case",
	} {
		require.NotEqual(t, r.text, broken, what)
		require.True(t, slices.ContainsFunc(validate(broken), func(result validator.Result) bool {
			return result.Status == validator.Invalid
		}), what)
	}
}

func signature(t *testing.T, r resource.Resource) string {
	t.Helper()
	s, err := r.Signature()
	require.NoError(t, err)
	return s.Version + "/" + s.Kind
}

// writeSchemas writes a strict JSON Schema for each kind into a directory.
func writeSchemas(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	write := func(kind string, schema map[string]any) {
		raw, err := json.Marshal(schema)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(dir, strings.ToLower(kind)+".json"), raw, 0o644))
	}
	swagger := readJSON(t, filepath.Join(moduleDir(t, "k8s.io/cli-runtime"), "artifacts/openapi/swagger.json"))["definitions"].(map[string]any)
	budget := swagger["io.k8s.api.policy.v1.PodDisruptionBudgetSpec"].(map[string]any)["properties"].(map[string]any)
	budget["unhealthyPodEvictionPolicy"] = map[string]any{"enum": []any{"AlwaysAllow", "IfHealthyBudget"}} // newer than that file
	for _, s := range []struct {
		kind, name string
		schemas    map[string]any
	}{
		{"ConfigMap", "io.k8s.api.core.v1.ConfigMap", openAPI(t, "api/v1")},
		{"PersistentVolumeClaim", "io.k8s.api.core.v1.PersistentVolumeClaim", openAPI(t, "api/v1")},
		{"Pod", "io.k8s.api.core.v1.Pod", openAPI(t, "api/v1")},
		{"Service", "io.k8s.api.core.v1.Service", openAPI(t, "api/v1")},
		{"ServiceAccount", "io.k8s.api.core.v1.ServiceAccount", openAPI(t, "api/v1")},
		{"StatefulSet", "io.k8s.api.apps.v1.StatefulSet", openAPI(t, "apis/apps/v1")},
		{"Ingress", "io.k8s.api.networking.v1.Ingress", swagger},
		{"NetworkPolicy", "io.k8s.api.networking.v1.NetworkPolicy", swagger},
		{"PodDisruptionBudget", "io.k8s.api.policy.v1.PodDisruptionBudget", swagger},
	} {
		write(s.kind, map[string]any{"$ref": "#/definitions/" + s.name, "definitions": strict(s.schemas)})
	}
	write("HTTPRoute", strict(httpRouteSchema(t)).(map[string]any))
	return dir
}

// openAPI returns the schemas of an API group, as Kubernetes serves them.
func openAPI(t *testing.T, path string) map[string]any {
	t.Helper()
	paths, err := openapitest.NewEmbeddedFileClient().Paths()
	require.NoError(t, err)
	require.Contains(t, paths, path)
	raw, err := paths[path].Schema("application/json")
	require.NoError(t, err)
	var document map[string]any
	require.NoError(t, json.Unmarshal(raw, &document))
	return document["components"].(map[string]any)["schemas"].(map[string]any)
}

func httpRouteSchema(t *testing.T) map[string]any {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(moduleDir(t, "sigs.k8s.io/gateway-api"), "config/crd/standard/gateway.networking.k8s.io_httproutes.yaml"))
	require.NoError(t, err)
	var definition struct {
		Spec struct {
			Versions []struct {
				Name   string
				Schema struct {
					OpenAPIV3Schema map[string]any `json:"openAPIV3Schema"`
				}
			}
		}
	}
	require.NoError(t, yaml.Unmarshal(raw, &definition))
	for _, version := range definition.Spec.Versions {
		if version.Name == "v1" {
			return version.Schema.OpenAPIV3Schema
		}
	}
	require.Fail(t, "no version v1")
	return nil
}

// strict changes an OpenAPI schema into a JSON Schema that accepts no unknown fields.
func strict(schema any) any {
	switch s := schema.(type) {
	case []any:
		out := make([]any, len(s))
		for i := range s {
			out[i] = strict(s[i])
		}
		return out
	case map[string]any:
		out := map[string]any{}
		for _, key := range slices.Sorted(maps.Keys(s)) {
			out[key] = strict(s[key])
		}
		if ref, ok := s["$ref"].(string); ok {
			out["$ref"] = strings.Replace(ref, "#/components/schemas/", "#/definitions/", 1)
		}
		if s["format"] == "int-or-string" || s["x-kubernetes-int-or-string"] == true {
			delete(out, "format")
			out["type"] = []any{"string", "integer"}
		}
		_, open := s["additionalProperties"]
		if properties, ok := s["properties"].(map[string]any); ok && !open && s["type"] != "string" && len(properties) > 0 {
			out["additionalProperties"] = false
		}
		return out
	}
	return schema
}

// moduleDir is where a module's files are.
func moduleDir(t *testing.T, module string) string {
	t.Helper()
	out, err := exec.Command("go", "mod", "download", "-json", module).Output() // go list -m names no directory before the download
	require.NoError(t, err, module)
	var downloaded struct{ Dir string }
	require.NoError(t, json.Unmarshal(out, &downloaded))
	return downloaded.Dir
}
