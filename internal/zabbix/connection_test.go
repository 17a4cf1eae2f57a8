package zabbix

import (
	"context"
	"crypto/tls"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/httpclient"
	"nms-alert-relay/internal/simulator/memnet"
)

// A failed connection to Zabbix gives a hint with the keys of that source, and nothing was done. Once it is corrected, calls
// succeed again.
func TestAFailingConnectionGivesAHint(t *testing.T) {
	for _, tc := range []struct {
		name string
		cert func(ours, theirs *memnet.Authority) tls.Certificate
		dial error
		want string
	}{
		{name: "an unknown authority", cert: func(_, theirs *memnet.Authority) tls.Certificate { return theirs.Valid("zabbix.test") },
			want: "add its own certificate to the file in zabbix[1].ca_file"},
		{name: "expired", cert: func(ours, _ *memnet.Authority) tls.Certificate {
			return ours.Certificate("zabbix.test", time.Now().Add(-time.Hour), time.Now().Add(-time.Minute))
		}, want: "the certificate of zabbix.test must be renewed"},
		{name: "another name", cert: func(ours, _ *memnet.Authority) tls.Certificate { return ours.Valid("other.test") },
			want: "use a name from the certificate in zabbix[1].url"},
		{name: "an unknown host name", dial: &net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "no such host", Name: "zabbix.test", IsNotFound: true}},
			want: "cannot look up zabbix.test: check zabbix[1].url"},
		{name: "the resolver doesn't answer", dial: &net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "i/o timeout", Name: "zabbix.test", IsTimeout: true}},
			want: "zabbix[1].proxy_url or HTTPS_PROXY"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			caFile := filepath.Join(t.TempDir(), "ca.pem")
			synctest.Test(t, func(t *testing.T) {
				ours, theirs := memnet.NewAuthority("Ours"), memnet.NewAuthority("Theirs")
				require.NoError(t, os.WriteFile(caFile, ours.PEM, 0o600))
				var cert atomic.Pointer[tls.Certificate]
				use := func(c tls.Certificate) { cert.Store(&c) }
				use(ours.Valid("zabbix.test"))
				if tc.cert != nil {
					use(tc.cert(ours, theirs))
				}
				listener := memnet.Listen()
				server := &http.Server{
					Handler:  http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"id":1,"result":"7.0.22"}`) }),
					ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError),
				}
				go func() {
					_ = server.Serve(tls.NewListener(listener, &tls.Config{GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return cert.Load(), nil }}))
				}()
				defer server.Close()
				mended := time.Now().Add(time.Hour)
				transport, err := httpclient.New(httpclient.Options{Key: "zabbix[1].url", CAFile: caFile, Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
					if tc.dial != nil && time.Now().Before(mended) {
						return nil, tc.dial
					}
					return listener.DialBuffered(ctx, network, address)
				}})
				require.NoError(t, err)
				defer transport.CloseIdleConnections()
				c := New(Options{URL: "https://zabbix.test/zabbix", Token: "a-token-that-nobody-may-see", Transport: transport})
				_, err = c.Version(t.Context())
				require.ErrorContains(t, err, tc.want)
				require.Equal(t, Unreachable, KindOf(err))
				var e *Error
				require.ErrorAs(t, err, &e)
				require.False(t, e.Unanswered, "the request never arrived")

				time.Sleep(time.Hour)
				use(ours.Valid("zabbix.test"))
				version, err := c.Version(t.Context())
				require.NoError(t, err)
				require.Equal(t, "7.0.22", version)
			})
		})
	}
}
