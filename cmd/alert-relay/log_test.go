package main

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A duration is logged the same way in both formats, for people to read.
func TestDurationsAreLoggedReadably(t *testing.T) {
	for format, want := range map[string]string{"json": `"took":"1.5s"`, "text": `took=1.5s`} {
		var out bytes.Buffer
		logger(&out, new(slog.LevelVar), format).Info("done", "took", 1500*time.Millisecond)
		require.Contains(t, strings.TrimSpace(out.String()), want)
	}
}
