package logging

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

// Each key is new once, and the memory is bounded.
func TestOnce(t *testing.T) {
	const most = 100
	o := NewOnce(most)
	for i := range 2 * most {
		require.Equal(t, i < most, o.First(fmt.Sprint(i)), i)
		require.False(t, o.First(fmt.Sprint(i)), i)
	}
	require.Len(t, o.seen, most)
}
