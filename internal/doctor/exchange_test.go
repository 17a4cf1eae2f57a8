package doctor

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var now = time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)

// A clock that is more than half a minute off is a warning, in either direction.
func TestClock(t *testing.T) {
	for ahead, want := range map[time.Duration]string{
		0:                       "ok       zabbix main: clock: this machine's clock and Zabbix's agree",
		29 * time.Second:        "ok       zabbix main: clock: this machine's clock and Zabbix's agree",
		32 * time.Second:        "warning  zabbix main: clock: Zabbix's clock is 32s ahead of this machine's: signatures (synchronize both with NTP)",
		-400 * time.Second:      "warning  zabbix main: clock: Zabbix's clock is 6m40s behind this machine's: signatures (synchronize both with NTP)",
		-29 * time.Second:       "ok       zabbix main: clock: this machine's clock and Zabbix's agree",
		-500 * time.Millisecond: "ok       zabbix main: clock: this machine's clock and Zabbix's agree",
	} {
		l := list{area: "zabbix", target: "main"}
		s := skew{ahead: ahead, took: time.Millisecond}
		judgeClock(&l, &s, "Zabbix's", "signatures")
		require.Equal(t, want, l.checks[0].line())
	}
	// A slow exchange says less about the clock.
	l := list{}
	judgeClock(&l, &skew{ahead: 33 * time.Second, took: 8 * time.Second}, "Zabbix's", "")
	require.Equal(t, OK, l.checks[0].Verdict)
	judgeClock(&l, nil, "Zabbix's", "")
	require.Len(t, l.checks, 1, "an answer without a date says nothing")
}

// The date is in whole seconds: the middle of its second is compared with the middle of the exchange.
func TestMeasured(t *testing.T) {
	require.Equal(t, skew{ahead: 10*time.Second + 500*time.Millisecond - time.Second, took: 2 * time.Second}, measured(now.Add(10*time.Second), now, now.Add(2*time.Second)))
}

// The clock is measured by the quickest exchange, and the certificate is the neighbour's.
func TestExchanges(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Date", now.Format(http.TimeFormat))
	}))
	defer server.Close()
	times := []time.Duration{0, time.Minute, 2 * time.Minute, 2*time.Minute + time.Second}
	e := &exchanges{next: server.Client().Transport, now: func() time.Time {
		at := now.Add(times[0])
		times = times[1:]
		return at
	}}
	for range 2 {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL, nil)
		require.NoError(t, err)
		resp, err := e.RoundTrip(req)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
	}
	require.Equal(t, time.Second, e.clock.took)
	require.Equal(t, -2*time.Minute, e.clock.ahead)
	require.True(t, server.Certificate().Equal(e.leaf))
}

// Three weeks are left to renew a certificate.
func TestCertificate(t *testing.T) {
	for left, want := range map[time.Duration]string{
		40 * 24 * time.Hour:           "ok       files: cert: the certificate is valid for 40 more days, until 2027-01-09",
		20*24*time.Hour + 1:           "warning  files: cert: the certificate expires in 20 days, on 2026-12-20 (renew it)",
		-time.Hour:                    "failure  files: cert: the certificate expired on 2026-11-30 (renew it)",
		21*24*time.Hour + 1:           "ok       files: cert: the certificate is valid for 21 more days, until 2026-12-21",
		-300 * 24 * time.Hour:         "failure  files: cert: the certificate expired on 2026-02-03 (renew it)",
		2 * 365 * 24 * time.Hour:      "ok       files: cert: the certificate is valid for 730 more days, until 2028-11-29",
		21*24*time.Hour - time.Second: "warning  files: cert: the certificate expires in 20 days, on 2026-12-21 (renew it)",
	} {
		l := list{area: "files"}
		judgeCertificate(&l, "cert", "the certificate", &x509.Certificate{NotBefore: now.Add(-400 * 24 * time.Hour), NotAfter: now.Add(left)}, now, "renew it")
		require.Equal(t, want, l.checks[0].line())
	}
	l := list{}
	judgeCertificate(&l, "cert", "the certificate", &x509.Certificate{NotBefore: now.Add(time.Hour), NotAfter: now.Add(2 * time.Hour)}, now, "")
	require.Equal(t, Failure, l.checks[0].Verdict)
}

// The certificate of a listener is the first in its file, and its key must not be readable by others.
func TestListenerFiles(t *testing.T) {
	dir := t.TempDir()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: now, NotAfter: now.Add(240 * time.Hour)},
		&x509.Certificate{}, &key.PublicKey, key)
	require.NoError(t, err)
	cert, keyFile := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	require.NoError(t, os.WriteFile(cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	require.NoError(t, os.WriteFile(keyFile, []byte("key"), 0o600))
	r := newRig(t, "7.0.22")
	r.opts.Now = func() time.Time { return now }
	r.opts.Config.Server.AdminTLS.CertFile, r.opts.Config.Server.AdminTLS.KeyFile = cert, keyFile
	require.Contains(t, r.line("files: server.admin_tls.cert_file"), "warning  files: server.admin_tls.cert_file: the certificate expires in 10 days, on 2026-12-10")
	r.opts.Config.Zabbix[0].CertFile, r.opts.Config.Zabbix[0].KeyFile = cert, keyFile
	require.Contains(t, r.line("files: zabbix[0].cert_file"), "warning  files: zabbix[0].cert_file: the certificate expires in 10 days")
	require.NoError(t, os.Chmod(keyFile, 0o604))
	require.Contains(t, r.line("files: server.admin_tls.key_file"), "is readable by everybody on this machine (chmod o-r "+keyFile+")")
	require.NoError(t, os.WriteFile(cert, []byte("nothing"), 0o600))
	require.Contains(t, r.line("files: server.admin_tls.cert_file"), "has no PEM certificate")
}

// The certificates of Webex, of Zabbix and of the public URL are checked, too: somebody must renew them.
func TestCertificatesOfNeighbours(t *testing.T) {
	r := newRig(t, "7.0.22")
	authority := func(server *httptest.Server) []byte {
		return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	}
	webex, zabbix := httptest.NewTLSServer(r.webex), httptest.NewTLSServer(r.zabbix)
	defer webex.Close()
	defer zabbix.Close()
	relay := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, `{"error": "missing token"}`, http.StatusUnauthorized)
	}))
	defer relay.Close()
	system := http.DefaultTransport
	defer func() { http.DefaultTransport = system }()
	http.DefaultTransport = relay.Client().Transport
	cfg := r.opts.Config
	cfg.Webex.APIURL, cfg.Webex.HTTP.CAFile, cfg.Webex.HTTP.CA = webex.URL+"/v1", "webex.pem", authority(webex)
	cfg.Zabbix[0].URL, cfg.Zabbix[0].HTTP.CAFile, cfg.Zabbix[0].HTTP.CA = zabbix.URL, "zabbix.pem", authority(zabbix)
	cfg.Server.PublicURL = relay.URL
	ends := relay.Certificate().NotAfter
	r.opts.Now = func() time.Time { return ends.Add(-10*24*time.Hour - time.Minute) }
	for where, whose := range map[string]string{"webex noc": "Webex's certificate", "zabbix main": "Zabbix's certificate", "relay": "the public URL's certificate"} {
		require.Contains(t, r.line(where+": certificate"), "warning  "+where+": certificate: "+whose+" expires in 10 days, on "+ends.Format(time.DateOnly)+" (")
	}
	require.Contains(t, r.line("zabbix main: clock"), "warning  zabbix main: clock: Zabbix's clock is ")
	require.Contains(t, r.line("webex noc: clock"), "warning  webex noc: clock: Webex's clock is ")
}
