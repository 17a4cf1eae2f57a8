//go:build e2e

package e2e

import (
	"context"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/simulator/webexsim"
)

// Cisco's own SDK is a client of the simulated Webex: what the relay's tests rely on is what Webex's clients expect.
func TestCiscoSDK(t *testing.T) {
	modules := os.Getenv("SDK_MODULES")
	require.NotEmpty(t, modules, "SDK_MODULES: expected the directory of node_modules that `.ci/run install` fills")
	const token = "AA_BB_6f1c2d3e-0000-4000-8000-000000000001" // the SDK accepts no other form
	webex := webexsim.NewDefault(webexsim.Options{})
	defer webex.Close()
	require.NoError(t, webex.SetToken(webexsim.DefaultBot, token))
	server := httptest.NewServer(webex)
	defer server.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "node", "testdata/webex_sdk.cjs", server.URL, token, webexsim.RoomID("noc"), "http://127.0.0.1:9/x")
	cmd.Env = append(os.Environ(), "NODE_PATH="+modules)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	for _, step := range []string{
		"people Relay", "post and thread", "edit", "list", "rooms and memberships", "webhook", "websocket message", "websocket press", "done",
	} {
		require.Contains(t, strings.Split(string(out), "\n"), step)
	}
	require.Empty(t, webex.DeviceNames(webexsim.DefaultBot), "the SDK unregistered its device")
}
