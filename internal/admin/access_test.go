package admin

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/testlog"
)

// The admin listener requires a token or a verified client certificate if it has one of them. Probes need neither.
func TestGuard(t *testing.T) {
	const token, next = "admin-token-0123456789", "next-token-0123456789"
	verified := &tls.ConnectionState{VerifiedChains: [][]*x509.Certificate{{{}}}}
	tokens, certificates := Access{Tokens: []string{token, next}}, Access{Certificates: true}
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
		"an unverified certificate":       {certificates, "/-/reload", "", &tls.ConnectionState{PeerCertificates: []*x509.Certificate{{}}}, 401},
		"no certificate":                  {certificates, "/-/reload", "", &tls.ConnectionState{}, 401},
		"no TLS":                          {certificates, "/-/reload", "", nil, 401},
		"an empty token":                  {Access{Tokens: []string{""}}, "/metrics", "Bearer ", nil, 401},
		"either, by token":                {Access{tokens.Tokens, true}, "/metrics", "Bearer " + token, nil, 200},
		"either, by certificate":          {Access{tokens.Tokens, true}, "/metrics", "", verified, 200},
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
			require.Contains(t, w.Body.String(), "Authorization: Bearer TOKEN")
			require.Equal(t, c.access.Certificates, strings.Contains(w.Body.String(), "client certificate"))
			require.Contains(t, log.String(), "admin request without access refused")
			require.NotContains(t, log.String(), "token-0123456789")
		})
	}
}
