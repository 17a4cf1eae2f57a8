package lang_test

import (
	"go/ast"
	"go/token"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// converted are the packages that write into rooms.
var converted = []string{"internal/render", "internal/assistant"}

// prose is text that people read as words: two words, or a word beside punctuation and spaces.
var prose = regexp.MustCompile(`\p{L}{2,}[,.:;]? +\p{L}{2,}|^[\pP\pS ]*[A-Z]\p{L}+[.:?!]? *$|^[,.:(·]* [,.:(·]*\p{L}{2,}|\p{L}{3,}[,.:]? $`)

// elsewhere are the calls whose texts aren't for a room, by the name of the function.
var elsewhere = []string{
	"Errorf", "New", "panic", "Error", "Warn", "Info", "Debug", // errors and logs
	"persist", "read", "Retry", "retry", // what a call to the store is for, in logs
	"NewDesc", "Begin", "Start", "Set", // metrics and traces
	"Format", "Time", "Parse", "ParseInLocation", // layouts of times
	"Contains", "HasPrefix", "HasSuffix", "Cut", "CutPrefix", "CutSuffix", "Index", "EqualFold", "TrimSuffix", "TrimPrefix", // comparisons
	"MustCompile",
}

// files without words for a room.
var files = map[string]string{
	"metrics.go": "help of metrics",
	"trace.go":   "names of spans",
	"samples.go": "invented alerts for previews",
}

// exceptions are literals that look like prose, with the reason why they aren't in the catalogue.
var exceptions = map[string]string{
	"Still on it":                     "a comment that is written into Zabbix",
	"2 Jan ":                          "a layout of times",
	"until tomorrow 8:00":             "a length as people type it",
	"2d, until 14:30, until mon 8:00": "lengths as people type them",
	"Zabbix":                          "a name",
	"Medium":                          "of Adaptive Cards",
	"Small":                           "of Adaptive Cards",
	"None":                            "of Adaptive Cards",
	"Bolder":                          "of Adaptive Cards",
	"Monospace":                       "of Adaptive Cards",
	"AdaptiveCard":                    "of Adaptive Cards",
	"ActionSet":                       "of Adaptive Cards",
	"TextRun":                         "of Adaptive Cards",
	"RichTextBlock":                   "of Adaptive Cards",
}

// excepted are those that were found.
var excepted = map[string]bool{}

// No text for a room stands outside of the catalogue.
func TestNoProseOutsideOfTheCatalogue(t *testing.T) {
	var found []string
	seen := 0
	for _, s := range sources() {
		if !slices.ContainsFunc(converted, func(p string) bool { return path.Dir(s.name) == p }) || files[path.Base(s.name)] != "" {
			continue
		}
		seen++
		ast.Inspect(s.file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.ImportSpec, *ast.Field, *ast.CaseClause:
				if c, ok := n.(*ast.CaseClause); ok { // its values are compared
					for _, statement := range c.Body {
						ast.Inspect(statement, func(n ast.Node) bool { return inspect(s, n, &found) })
					}
				}
				return false
			}
			return inspect(s, n, &found)
		})
	}
	require.GreaterOrEqual(t, seen, 20)
	slices.Sort(found)
	found = slices.Compact(found)
	if len(found) > 0 { // in full, other than by require
		t.Errorf("%d texts outside of the catalogue (see the package comment):\n%s", len(found), strings.Join(found, "\n"))
	}
	for text := range exceptions {
		require.True(t, excepted[text], "%q is no exception any more", text)
	}
}

// inspect reports prose in a node. It returns false if it has looked at the nodes below.
func inspect(s source, n ast.Node, found *[]string) bool {
	if _, ok := entry(n); ok {
		return false
	}
	switch n := n.(type) {
	case *ast.CallExpr:
		_, name := called(n)
		keys, _ := texts(n)
		if name == "C" {
			keys = n.Args
		}
		if keys == nil && !slices.Contains(elsewhere, name) {
			return true
		}
		for _, a := range n.Args {
			if keys == nil { // its own literals aren't for a room; those of calls in it may be
				if _, constant := literal(a); constant {
					continue
				}
			}
			if !slices.Contains(keys, a) {
				ast.Inspect(a, func(n ast.Node) bool { return inspect(s, n, found) })
			}
		}
		if x, ok := n.Fun.(*ast.SelectorExpr); ok {
			ast.Inspect(x.X, func(n ast.Node) bool { return inspect(s, n, found) })
		}
		return false
	case *ast.BinaryExpr:
		return n.Op != token.EQL && n.Op != token.NEQ
	case *ast.IndexExpr:
		return false
	case *ast.BasicLit:
		if text, ok := literal(n); ok && prose.MatchString(verb.ReplaceAllString(code.ReplaceAllString(text, ""), "")) {
			if excepted[text] = true; exceptions[text] == "" {
				*found = append(*found, s.at(n)+": "+n.Value)
			}
		}
	}
	return true
}
