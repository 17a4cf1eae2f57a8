package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var (
	codeSpan     = regexp.MustCompile("`([^`\n]+)`")
	quotedWord   = regexp.MustCompile(`"[^"]*"`)
	commandStart = regexp.MustCompile(`(?:^|^[$] |=/usr/local/bin/|-u alert-relay )alert-relay(?:-new)? ([a-z][^#>]*)`)
)

// codeLines are a page's lines in code fences, and its code spans.
func codeLines(markdown string) []string {
	var lines []string
	fenced := false
	for line := range strings.Lines(markdown) {
		line = strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(line, "```"):
			fenced = !fenced
		case fenced:
			lines = append(lines, line)
		default:
			for _, span := range codeSpan.FindAllStringSubmatch(line, -1) {
				lines = append(lines, span[1])
			}
		}
	}
	return lines
}

// The program accepts every command line that the documents show. A command that is only named needs no arguments.
func TestDocumentedCommandsExist(t *testing.T) {
	pages, err := filepath.Glob("../../docs/*.md")
	require.NoError(t, err)
	checked := 0
	for _, page := range append(pages, "../../README.md", "../../CONTRIBUTING.md", "../../SECURITY.md", "../../zabbix/README.md") {
		text, err := os.ReadFile(page)
		require.NoError(t, err)
		for _, line := range codeLines(string(text)) {
			m := commandStart.FindStringSubmatch(line)
			if m == nil {
				continue
			}
			checked++
			t.Run(m[1], func(t *testing.T) {
				cmd, rest, err := newRoot().Find(strings.Fields(quotedWord.ReplaceAllString(m[1], "quoted")))
				require.NoError(t, err)
				require.True(t, cmd.HasParent(), "%s: unknown command", page)
				if len(rest) == 0 {
					return
				}
				require.NoError(t, cmd.ParseFlags(rest), page)
				require.NoError(t, cmd.ValidateArgs(cmd.Flags().Args()), page)
			})
		}
	}
	require.Greater(t, checked, 40)
}
