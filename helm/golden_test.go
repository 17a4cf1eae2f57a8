package helm

import (
	"bufio"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// golden compares a text with a file, or writes it.
func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
		require.NoError(t, os.WriteFile(file, []byte(got), 0o644))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, string(want), got, "go test . -update writes %s", file)
}

// Each example gives the manifests and notes in testdata. Rules and dashboard are left out: they are files of monitoring/.
func TestExamplesRenderAsBefore(t *testing.T) {
	eachExample(t, func(t *testing.T, r rendering) {
		name := filepath.Base(t.Name())
		golden(t, filepath.Join("testdata", name+".yaml"), regexp.MustCompile(
			`(?s)---\n# Source: alert-relay/templates/(dashboard|prometheusrule)\.yaml\n.*?(---\n|$)`).ReplaceAllString(r.text, "$2"))
		golden(t, filepath.Join("testdata", name+".notes.txt"), r.notes+"\n")
	})
}

func bufferOf(text string) *bufio.Reader { return bufio.NewReader(strings.NewReader(text)) }

func readJSON(t testing.TB, file string) map[string]any {
	t.Helper()
	raw, err := os.ReadFile(file)
	require.NoError(t, err)
	var value map[string]any
	require.NoError(t, json.Unmarshal(raw, &value))
	return value
}

// allTemplates is the text of every template.
func allTemplates(t testing.TB) string {
	t.Helper()
	var all strings.Builder
	for _, pattern := range []string{"templates/*", "templates/tests/*"} {
		files, err := filepath.Glob(filepath.Join(chartDir, pattern))
		require.NoError(t, err)
		for _, file := range files {
			if raw, err := os.ReadFile(file); err == nil {
				all.Write(raw)
			}
		}
	}
	return all.String()
}

func readerOf(text string) io.ReadCloser { return io.NopCloser(strings.NewReader(text)) }
