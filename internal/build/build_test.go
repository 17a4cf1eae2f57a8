package build

import (
	"runtime"
	"runtime/debug"
	"testing"

	"github.com/stretchr/testify/require"
)

// A release is what the linker stamped; a build from a checkout is what Go recorded about it.
func TestInfo(t *testing.T) {
	checkout := []debug.BuildSetting{{Key: "vcs.revision", Value: "0a1b2c3d4e5f60718293"}, {Key: "vcs.time", Value: "2026-11-24T13:00:00Z"}}
	modified := append(checkout, debug.BuildSetting{Key: "vcs.modified", Value: "true"})
	for want, got := range map[string]Info{
		"dev (" + runtime.Version() + ")":                                                     info("", "", "", nil),
		"dev (commit 0a1b2c3d4e5f, 2026-11-24T13:00:00Z, " + runtime.Version() + ")":          info("", "", "", checkout),
		"dev (commit 0a1b2c3d4e5f-modified, 2026-11-24T13:00:00Z, " + runtime.Version() + ")": info("", "", "", modified),
		"1.2.3 (commit abc, 2026-11-25, " + runtime.Version() + ")":                           info("1.2.3", "abc", "2026-11-25", checkout),
	} {
		require.Equal(t, want, got.String())
		require.Equal(t, runtime.GOOS+"/"+runtime.GOARCH, got.Platform)
	}
}
