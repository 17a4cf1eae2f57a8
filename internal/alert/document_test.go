package alert_test

import (
	"bytes"
	"encoding/json"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
)

// The file is a document of the first releases, of which databases are full: an upgrade would lose a field that is
// renamed or dropped.
func TestStoredProblemsStayReadable(t *testing.T) {
	raw, err := os.ReadFile("testdata/stored-problem.json")
	require.NoError(t, err)
	stored := string(bytes.TrimSpace(raw))

	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.DisallowUnknownFields()
	var p alert.Problem
	require.NoError(t, decoder.Decode(&p))
	again, err := json.Marshal(p)
	require.NoError(t, err)
	require.Equal(t, stored, string(again))
}
