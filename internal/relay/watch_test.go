package relay

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// awaitReloads waits until the log has so many reloads that succeeded.
func (o *onDisk) awaitReloads(n int) {
	o.t.Helper()
	require.Eventually(o.t, func() bool { return strings.Count(o.log.String(), "configuration reloaded") >= n }, 3*time.Minute, time.Millisecond)
}

// awaitLog waits until the log has a text.
func (o *onDisk) awaitLog(text string) {
	o.t.Helper()
	require.Eventually(o.t, func() bool { return strings.Contains(o.log.String(), text) }, 3*time.Minute, time.Millisecond)
}

// A changed configuration, secret or template is reloaded without being asked, and a signal reloads in any case. A fault is logged once.
func TestFilesAreWatched(t *testing.T) {
	o := startWatching(t, room("noc"))
	o.configure(room("db"))
	o.awaitReloads(1)
	o.write("secret", secondSecret)
	o.awaitReloads(2)
	require.Equal(t, http.StatusAccepted, o.event(opened(t, "1"), secondSecret))
	o.write("secret", secondSecret) // the same content again

	o.faultyTemplate()
	o.awaitLog("configuration not reloaded")
	o.reloadChanged("poll")
	o.reloadChanged("poll")
	require.Equal(t, 1, strings.Count(o.log.String(), "configuration not reloaded"))
	o.write("templates/root.md.tmpl", "{{.Name}} resolved")
	o.awaitReloads(3)
	o.signal <- syscall.SIGHUP
	o.awaitReloads(4)
	require.Contains(t, o.log.String(), "by=signal changed=[]")
}

// Kubernetes replaces the files of a ConfigMap or a Secret by a link to a new directory.
func TestLinksAreFollowed(t *testing.T) {
	// As in a volume: relay.yaml → ..data/relay.yaml, ..data → ..1.
	version := func(o *onDisk, n int, secret, text string) {
		dir := fmt.Sprintf("..%d", n)
		require.NoError(t, os.Mkdir(o.file(dir), 0o700))
		o.write(dir+"/secret", secret)
		o.write(dir+"/relay.yaml", o.base()+text)
		require.NoError(t, os.Symlink(dir, o.file("..next")))
		require.NoError(t, os.Rename(o.file("..next"), o.file("..data")))
	}
	elsewhere := fmt.Sprintf("store: {path: %q}\n", filepath.Join(t.TempDir(), "relay.db"))
	o := start(t, true, func(o *onDisk) {
		version(o, 1, firstSecret, room("noc")+elsewhere)
		require.NoError(t, os.Remove(o.file("secret")))
		for _, name := range []string{"relay.yaml", "secret"} {
			require.NoError(t, os.Symlink("..data/"+name, o.file(name)))
		}
	})
	version(o, 2, secondSecret, room("db")+elsewhere)
	// The start reads the files, too: it may find one of them before the swap and one after it. Then they are reloaded one after the other.
	o.awaitLog("rooms default_rooms]")
	require.Eventually(t, func() bool { return o.event(opened(t, "1"), secondSecret) == http.StatusAccepted }, 3*time.Minute, 10*time.Millisecond)
}

// The directory of the store isn't watched: each commit would wake the relay.
func TestTheStoreIsNotWatched(t *testing.T) {
	require.Equal(t, "/etc/relay", watched("/etc/relay/token", "/var/lib/relay/relay.db"))
	require.Equal(t, "/var/lib/relay/token", watched("/var/lib/relay/token", "/var/lib/relay/relay.db"))
	require.Equal(t, "relay.yaml", watched("relay.yaml", "relay.db"))
	require.Equal(t, ".", watched("relay.yaml", "store/relay.db"))
}
