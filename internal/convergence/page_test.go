package convergence

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const root = "../.."

var named = regexp.MustCompile("`([a-z][a-z0-9/-]*)\\.((?:Test|Fuzz|test)[A-Za-z0-9_]+)`")

// Every promise of docs/guarantees.md names a test, and every test that it
// names is there.
func TestEveryTestOfThePageExists(t *testing.T) {
	page, err := os.ReadFile(filepath.Join(root, "docs", "guarantees.md"))
	require.NoError(t, err)
	there := map[string]map[string]bool{}
	promises := 0
	for line := range strings.Lines(string(page)) {
		tests := named.FindAllStringSubmatch(line, -1)
		if strings.HasPrefix(line, "| ") && !strings.HasPrefix(line, "| promise") && !strings.HasPrefix(line, "| ---") {
			promises++
			require.NotEmpty(t, tests, "a promise without a test: %s", line)
		}
		for _, test := range tests {
			dir, name := test[1], test[2]
			if there[dir] == nil {
				there[dir] = functions(t, filepath.Join(root, filepath.FromSlash(dir)))
			}
			require.True(t, there[dir][name], "docs/guarantees.md names %s.%s, which isn't there", dir, name)
		}
	}
	require.Greater(t, promises, 20)
}

// functions are the names of a folder's functions: of its tests, whatever they
// are built for, and of a suite that other packages run.
func functions(t *testing.T, dir string) map[string]bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	require.NoError(t, err)
	require.NotEmpty(t, files, dir)
	names := map[string]bool{}
	for _, name := range files {
		if !strings.HasSuffix(name, "_test.go") && !strings.HasSuffix(dir, "test") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		for _, d := range file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil {
				names[f.Name.Name] = true
			}
		}
	}
	return names
}
