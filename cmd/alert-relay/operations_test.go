package main

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The program accepts every command line that the README and the pages for operators show.
func TestDocumentedCommandsExist(t *testing.T) {
	var page []byte
	for _, name := range []string{"README.md", "docs/install.md", "docs/operations.md", "docs/troubleshooting.md"} {
		text, err := os.ReadFile("../../" + name)
		require.NoError(t, err)
		page = append(page, text...)
	}
	lines := regexp.MustCompile("(?m)(?:^|^[$] |`|=/usr/local/bin/|-u alert-relay )alert-relay(?:-new)? ([a-z][^`#>\n]*)").FindAllStringSubmatch(string(page), -1)
	require.Greater(t, len(lines), 20)
	quoted := regexp.MustCompile(`"[^"]*"`)
	for _, line := range lines {
		t.Run(line[1], func(t *testing.T) {
			cmd, rest, err := newRoot().Find(strings.Fields(quoted.ReplaceAllString(line[1], "quoted")))
			require.NoError(t, err)
			require.NoError(t, cmd.ParseFlags(rest))
			require.NoError(t, cmd.ValidateArgs(cmd.Flags().Args()))
		})
	}
}
