package relay

import (
	"testing"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/client"
	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/simulator/memnet"
)

// A running relay is found by its configuration's store: with the address that it listens on and the certificate in use, whatever the
// configuration says by now. After a clean stop the file that says so is gone.
func TestRunningRelayIsFound(t *testing.T) {
	_ = t.TempDir() // is removed after what follows
	var o *onDisk
	t.Cleanup(func() {
		require.FileExists(t, o.started.Store.Path)
		require.NoFileExists(t, o.started.Store.Path+".admin")
	})
	ours := memnet.NewAuthority("relay")
	tls := room("noc") + "server: {listen: '127.0.0.1:0', admin_listen: '127.0.0.1:0', admin_tls: {cert_file: tls.crt, key_file: tls.key}}\n"
	o = start(t, false, func(o *onDisk) {
		issue(t, ours, o.file("tls.crt"), o.file("tls.key"))
		o.configure(tls)
	})
	find := func() client.Relay {
		t.Helper()
		r, err := client.Find(config.ReadLocal(o.file("relay.yaml"), config.Options{}))
		require.NoError(t, err)
		require.Equal(t, "https://"+o.AdminAddr(), r.URL)
		word, err := client.Probe(t.Context(), r, client.Alive)
		require.NoError(t, err)
		require.Equal(t, "alive", word)
		return r
	}
	ask := func(r client.Relay) error {
		_, err := client.Ask[any](t.Context(), r, "/v1/deadletters", nil)
		return err
	}
	before := find()
	require.NoError(t, ask(before))

	// The next configuration has another address, no TLS, and a fault; and there is another pair of files.
	o.configure(room("noc") + "server: {listen: '127.0.0.1:0', admin_listen: '127.0.0.1:1'}\nno_such_key: 1\n")
	issue(t, ours, o.file("tls.crt"), o.file("tls.key"))
	require.Equal(t, before, find())
	require.NoError(t, ask(before))
	o.write("relay.yaml", "\t")
	require.Equal(t, before, find())

	o.configure(tls)
	o.mustReload()
	require.ErrorContains(t, ask(before), "its certificate isn't the relay's")
	require.NoError(t, ask(find()))

	// Another store counts after a restart.
	o.configure(tls + "store: {path: next.db}\n")
	require.Equal(t, []string{"store.path"}, o.mustReload().RestartNeeded)
	require.NoError(t, ask(find()))
}
