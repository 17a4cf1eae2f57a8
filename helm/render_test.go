package helm

import (
	"flag"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"
)

var update = flag.Bool("update", false, "write the golden files, and the chart's copies of files of the repository")

const (
	chartDir    = "alert-relay"
	releaseName = "relay"
	namespace   = "monitoring"
)

// rendering is the chart with some values.
type rendering struct {
	text    string // all manifests, as `helm template` prints them
	notes   string
	objects []*unstructured.Unstructured
}

// render renders the chart as `helm install` does, schema included.
func render(t testing.TB, values map[string]any) (rendering, error) {
	t.Helper()
	chart, err := loader.Load(chartDir)
	require.NoError(t, err)
	capabilities := chartutil.DefaultCapabilities.Copy()
	capabilities.KubeVersion = chartutil.KubeVersion{Version: "v1.34.0", Major: "1", Minor: "34"}
	all, err := chartutil.ToRenderValues(chart, values, chartutil.ReleaseOptions{Name: releaseName, Namespace: namespace, IsInstall: true}, capabilities)
	if err != nil {
		return rendering{}, err
	}
	files, err := engine.Render(chart, all)
	if err != nil {
		return rendering{}, err
	}
	var r rendering
	var out strings.Builder
	for _, name := range slices.Sorted(maps.Keys(files)) {
		content := strings.TrimSpace(files[name])
		switch {
		case strings.HasSuffix(name, "NOTES.txt"):
			r.notes = content
		case content != "":
			out.WriteString("---\n# Source: " + name + "\n" + content + "\n")
		}
	}
	r.text = out.String()
	documents := utilyaml.NewYAMLReader(bufferOf(r.text))
	for {
		document, err := documents.Read()
		if err == io.EOF {
			return r, nil
		}
		require.NoError(t, err)
		object := &unstructured.Unstructured{}
		require.NoError(t, yaml.UnmarshalStrict(document, &object.Object), "%s", document)
		if object.Object != nil {
			r.objects = append(r.objects, object)
		}
	}
}

// mustRender renders an example with changed values: "key.key=value" as for --set.
func mustRender(t testing.TB, example string, sets ...string) rendering {
	t.Helper()
	r, err := render(t, values(t, example, sets...))
	require.NoError(t, err)
	return r
}

// find returns the one object of a kind with a name.
func (r rendering) find(t testing.TB, kind, name string) *unstructured.Unstructured {
	t.Helper()
	var found []*unstructured.Unstructured
	for _, o := range r.objects {
		if o.GetKind() == kind && o.GetName() == name {
			found = append(found, o)
		}
	}
	require.Len(t, found, 1, "%s %s", kind, name)
	return found[0]
}

// examples are the names of the files in examples, without their extension.
func examples(t testing.TB) []string {
	t.Helper()
	files, err := filepath.Glob("examples/*.yaml")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for i, file := range files {
		files[i] = strings.TrimSuffix(filepath.Base(file), ".yaml")
	}
	return files
}

// eachExample runs a subtest with the rendering of each example.
func eachExample(t *testing.T, test func(t *testing.T, r rendering)) {
	for _, name := range examples(t) {
		t.Run(name, func(t *testing.T) { test(t, mustRender(t, name)) })
	}
}
