package zabbix

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// A role has the permissions that its version knows.
func TestActionPermissions(t *testing.T) {
	always := []string{"acknowledge_problems", "add_problem_comments", "close_problems", "change_severity"}
	for version, more := range map[string][]string{"6.0.14": nil, "6.2.9": {"suppress_problems"}, "7.4.0rc1": {"suppress_problems", "change_problem_ranking"}} {
		v, err := ParseVersion(version)
		require.NoError(t, err)
		require.Equal(t, slices.Concat(always, more), v.ActionPermissions(), version)
	}
}
