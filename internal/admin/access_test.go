package admin

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/simulator/memnet"
	"nms-alert-relay/internal/testlog"
)

// The admin listener requires a token or a verified client certificate if it has one of them. Probes need neither.
func TestGuard(t *testing.T) {
	const token, next = "admin-token-0123456789", "next-token-0123456789"
	ours, others := memnet.NewAuthority("ours"), memnet.NewAuthority("others")
	pool := x509.NewCertPool()
	require.True(t, pool.AppendCertsFromPEM(ours.PEM))
	// What TLS verified when the connection was opened.
	connection := func(pair tls.Certificate) *tls.ConnectionState {
		leaf, err := x509.ParseCertificate(pair.Certificate[0])
		require.NoError(t, err)
		return &tls.ConnectionState{PeerCertificates: []*x509.Certificate{leaf}, VerifiedChains: [][]*x509.Certificate{{leaf}}}
	}
	verified, removed := connection(ours.Valid("operator")), connection(others.Valid("operator"))
	expired := connection(ours.Certificate("operator", time.Now().AddDate(-1, 0, 0), time.Now().AddDate(0, 0, -1)))
	tokens, certificates := Access{Tokens: []string{token, next}}, Access{Authorities: pool}
	for name, c := range map[string]struct {
		access        Access
		path, request string
		tls           *tls.ConnectionState
		status        int
	}{
		"without either":                  {Access{}, "/metrics", "", nil, 200},
		"the token":                       {tokens, "/metrics", "Bearer " + token, nil, 200},
		"the next token":                  {tokens, "/metrics", "bearer  " + next, nil, 200},
		"no token":                        {tokens, "/metrics", "", nil, 401},
		"another token":                   {tokens, "/v1/deadletters", "Bearer " + token + "x", nil, 401},
		"another scheme":                  {tokens, "/v1/deadletters", "Basic " + token, nil, 401},
		"a certificate instead of tokens": {tokens, "/metrics", "", verified, 401},
		"a certificate":                   {certificates, "/-/reload", "", verified, 200},
		"an unverified certificate":       {certificates, "/-/reload", "", &tls.ConnectionState{PeerCertificates: verified.PeerCertificates}, 401},
		"of an authority that is gone":    {certificates, "/-/reload", "", removed, 401},
		"a certificate that has expired":  {certificates, "/metrics", "", expired, 401},
		"of an authority, by token":       {Access{tokens.Tokens, pool}, "/metrics", "Bearer " + token, removed, 200},
		"no certificate":                  {certificates, "/-/reload", "", &tls.ConnectionState{}, 401},
		"no TLS":                          {certificates, "/-/reload", "", nil, 401},
		"an empty token":                  {Access{Tokens: []string{""}}, "/metrics", "Bearer ", nil, 401},
		"either, by token":                {Access{tokens.Tokens, pool}, "/metrics", "Bearer " + token, nil, 200},
		"either, by certificate":          {Access{tokens.Tokens, pool}, "/metrics", "", verified, 200},
		"a probe":                         {tokens, "/healthz", "", nil, 200},
		"below a probe":                   {tokens, "/healthz/x", "", nil, 401},
		"a path that leads elsewhere":     {tokens, "/healthz/../metrics", "", nil, 401},
	} {
		t.Run(name, func(t *testing.T) {
			log := new(testlog.Lines)
			guarded := Guard(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) }), func() Access { return c.access }, log.Logger(), "/healthz")
			r := httptest.NewRequest(http.MethodGet, "http://relay:9090"+c.path, nil)
			r.TLS = c.tls
			if c.request != "" {
				r.Header.Set("Authorization", c.request)
			}
			w := httptest.NewRecorder()
			guarded.ServeHTTP(w, r)
			require.Equal(t, c.status, w.Code)
			if c.status == http.StatusOK {
				require.Empty(t, log.String())
				return
			}
			require.Equal(t, "Bearer", w.Header().Get("WWW-Authenticate"))
			require.Equal(t, "close", w.Header().Get("Connection"), "the body isn't read")
			require.Contains(t, w.Body.String(), "Authorization: Bearer TOKEN")
			require.Equal(t, c.access.Authorities != nil, strings.Contains(w.Body.String(), "client certificate"))
			require.Contains(t, log.String(), "admin request without access refused")
			require.NotContains(t, log.String(), "token-0123456789")
		})
	}
}
