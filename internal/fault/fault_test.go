package fault

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestFaultsInOneLine(t *testing.T) {
	require.EqualError(t, Faults{
		{Field: "event.id", What: "missing", Hint: "add the parameter EVENT.ID"},
		{Field: "text", What: "empty"},
		{What: "not a JSON object", Hint: "send an object"},
	}, "event.id: missing (add the parameter EVENT.ID); text: empty; not a JSON object (send an object)")
}
