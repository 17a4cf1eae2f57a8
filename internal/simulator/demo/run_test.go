package demo

import (
	"errors"
	"log/slog"
	"net"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("database/sql.(*DB).connectionOpener"))
}

// opened is a listener that records whether it was closed.
type opened struct {
	net.Listener
	closed bool
}

func (o *opened) Close() error {
	o.closed = true
	return o.Listener.Close()
}

// A demo that fails to start closes everything that it opened.
func TestFailedStartLeavesNothingOpen(t *testing.T) {
	for name, c := range map[string]struct {
		works  int // listeners that can be opened
		zabbix string
		dir    string
		want   string
	}{
		"no listener":               {works: 0, zabbix: "7.0", want: "no port is left"},
		"the second listener fails": {works: 1, zabbix: "7.0", want: "no port is left"},
		"the third listener fails":  {works: 2, zabbix: "7.0", want: "no port is left"},
		"the fourth listener fails": {works: 3, zabbix: "7.0", want: "no port is left"},
		"the last listener fails":   {works: 4, zabbix: "7.0", want: "no port is left"},
		"an unknown Zabbix":         {works: 5, zabbix: "1.8", want: "1.8"},
		"the store can't be opened": {works: 5, zabbix: "7.0", dir: "missing", want: "missing"},
	} {
		t.Run(name, func(t *testing.T) {
			var all []*opened
			w, err := newWorld(t.Context(), filepath.Join(t.TempDir(), c.dir), Options{Zabbix: c.zabbix}, func(addr string) (net.Listener, error) {
				if len(all) == c.works {
					return nil, errors.New("no port is left")
				}
				l, err := listen(addr)
				require.NoError(t, err)
				all = append(all, &opened{Listener: l})
				return all[len(all)-1], nil
			}, slog.New(slog.DiscardHandler))
			require.Nil(t, w)
			require.ErrorContains(t, err, c.want)
			require.Len(t, all, c.works)
			for i, l := range all {
				require.True(t, l.closed, "listener %d", i+1)
			}
		})
	}
}
