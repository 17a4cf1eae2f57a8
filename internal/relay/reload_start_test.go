package relay

import (
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/simulator/memnet"
	"nms-alert-relay/internal/simulator/webexsim"
)

// The configuration is read before the start, and once more for it. What changes in between, or during the start, counts at once: it is
// either used or reloaded.
func TestFilesThatChangeDuringTheStart(t *testing.T) {
	t.Run("the configuration", func(t *testing.T) {
		o := start(t, true, func(o *onDisk) {
			o.configure(room("noc"))
			o.beforeRead = func() { o.configure(room("db")) }
		})
		o.awaitReloads(1)
		require.Equal(t, "db", o.live.config().Rooms[0].Name)
	})
	t.Run("an authority", func(t *testing.T) {
		next := memnet.NewAuthority("next").PEM
		o := start(t, true, func(o *onDisk) {
			o.write("ca", string(memnet.NewAuthority("first").PEM))
			o.write("relay.yaml", strings.Replace(o.base(), "{api_url:", "{ca_file: ca, api_url:", 1)+room("noc"))
			o.beforeRead = func() { o.write("ca", string(next)) }
		})
		require.Equal(t, next, o.live.config().Webex.HTTP.CA)
	})
	t.Run("a template", func(t *testing.T) {
		o := start(t, true, func(o *onDisk) {
			require.NoError(t, os.Mkdir(o.file("templates"), 0o700))
			o.write("templates/root.md.tmpl", "first {{.Name}}")
			o.configure(room("noc") + "templates: {dir: templates}\n")
			o.afterRead = func() { o.write("templates/root.md.tmpl", "next {{.Name}}") }
		})
		require.Equal(t, http.StatusAccepted, o.event(opened(t, "1"), firstSecret))
		o.await("the message", func(rooms map[string][]webexsim.MessageView) bool {
			return len(rooms["noc"]) > 0 && strings.Contains(rooms["noc"][0].Text, "next problem 1.")
		})
	})
}

// The hash of a configuration that isn't the one in use is never shown.
func TestHashOfTheStart(t *testing.T) {
	hashes := func(o *onDisk) []string { return o.labels("alert_relay_config_info") }
	o := startOnDisk(t, room("noc"))
	first := hashes(o)
	require.Len(t, first, 1)
	require.Equal(t, first[0], o.mustReload().Hash)
	o = start(t, false, func(o *onDisk) {
		o.configure(room("noc"))
		o.beforeRead = func() { o.configure(room("db")) }
	})
	require.Equal(t, []string{"unknown"}, hashes(o))
	require.Equal(t, []string{o.mustReload().Hash}, hashes(o))
}
