package doctor

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/config"
)

// Whether an action's endpoint can be reached is found without a request.
func TestActionIsReached(t *testing.T) {
	r := newRig(t, "7.0")
	asked := 0
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked++ }))
	defer server.Close()
	r.opts.Config.Actions = []config.Action{{Name: "ticket", URL: server.URL + "/hook?key=" + signing}}
	require.Contains(t, r.line("action ticket: connection"), "ok       action ticket: connection: "+server.Listener.Addr().String()+" can be reached; nothing was requested")
	require.Zero(t, asked)
	server.Close()
	require.Regexp(t, `^failure .*check actions\[0\]\.url.*The action waits until it can be reached`, r.line("action ticket: connection"))
	r.opts.Config.Actions[0].HTTP.ProxyURL = "http://proxy:port"
	require.Contains(t, r.line("action ticket: connection"), "failure")
}
