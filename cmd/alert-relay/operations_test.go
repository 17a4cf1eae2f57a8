package main

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Every command line in docs/operations.md is one that the program takes.
func TestOperationsShowsCommandsThatAreThere(t *testing.T) {
	page, err := os.ReadFile("../../docs/operations.md")
	require.NoError(t, err)
	lines := regexp.MustCompile("(?m)(?:^|^[$] |`|=/usr/local/bin/|-u alert-relay )alert-relay(?:-new)? ([a-z][^`#>\n]*)").FindAllStringSubmatch(string(page), -1)
	require.Greater(t, len(lines), 10)
	for _, line := range lines {
		t.Run(line[1], func(t *testing.T) {
			cmd, rest, err := newRoot().Find(strings.Fields(line[1]))
			require.NoError(t, err)
			require.NoError(t, cmd.ParseFlags(rest))
			require.NoError(t, cmd.ValidateArgs(cmd.Flags().Args()))
		})
	}
}
