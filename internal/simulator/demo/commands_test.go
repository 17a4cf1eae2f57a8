package demo

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The page's list of commands to try has every verb of docs/commands.md.
func TestEveryVerbIsOffered(t *testing.T) {
	offered := map[string]bool{}
	for _, s := range subjects {
		for _, c := range s.Commands {
			offered[strings.Fields(c)[0]] = true
		}
	}
	docs, err := os.ReadFile("../../../docs/commands.md")
	require.NoError(t, err)
	_, table, ok := strings.Cut(string(docs), "\n## The commands\n")
	require.True(t, ok)
	table, _, _ = strings.Cut(table, "\n\nAn example")
	verbs := regexp.MustCompile("(?m)^\\| `([a-z]+)").FindAllStringSubmatch(table, -1)
	require.Greater(t, len(verbs), 20)
	for _, v := range verbs {
		require.Contains(t, offered, v[1], "add an example to subjects")
	}
}
