package admin

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"nms-alert-relay/internal/logging"
)

// Access is who may use the admin listener. The zero value lets everybody in.
type Access struct {
	Tokens      []string       // any of them is accepted
	Authorities *x509.CertPool // client certificates of these are accepted; nil: none is
}

// Guard lets only requests with access through to next. access is called for each request. The paths in open need none: probes call
// them, and can't keep a secret.
func Guard(next http.Handler, access func() Access, log *slog.Logger, open ...string) http.Handler {
	refused := logging.NewLimited(log, time.Minute)
	free := map[string]bool{}
	for _, path := range open {
		free[path] = true
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a := access()
		if free[r.URL.Path] || a.allows(r) {
			next.ServeHTTP(w, r)
			return
		}
		refused.Warn("access", "admin request without access refused", "path", r.URL.Path, "by", r.RemoteAddr)
		hint := "send Authorization: Bearer TOKEN, with the token of server.admin_token_file"
		if a.Authorities != nil {
			hint += "; or a client certificate of server.admin_tls.client_ca_file"
		}
		h := w.Header()
		h.Set("WWW-Authenticate", "Bearer")
		h.Set("Content-Type", "application/json")
		h.Set("Connection", "close") // the rest of the request isn't read
		w.WriteHeader(http.StatusUnauthorized)
		_ = json.NewEncoder(w).Encode(map[string]string{"error": "no access", "hint": hint}) // the client went away: nothing to do
	})
}

// Certified reports whether a request has a client certificate of these authorities. TLS verified it when the connection was opened; a
// connection may stay open for longer than its authority is trusted.
func Certified(r *http.Request, authorities *x509.CertPool) bool {
	if r.TLS == nil || len(r.TLS.VerifiedChains) == 0 {
		return false
	}
	between := x509.NewCertPool()
	for _, c := range r.TLS.PeerCertificates[1:] {
		between.AddCert(c)
	}
	_, err := r.TLS.PeerCertificates[0].Verify(x509.VerifyOptions{Roots: authorities, Intermediates: between, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	return err == nil
}

func (a Access) allows(r *http.Request) bool {
	if len(a.Tokens) == 0 && a.Authorities == nil {
		return true
	}
	if a.Authorities != nil && Certified(r, a.Authorities) {
		return true
	}
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return false
	}
	got := sha256.Sum256([]byte(strings.TrimSpace(token))) // the same length for any token
	found := false
	for _, t := range a.Tokens {
		want := sha256.Sum256([]byte(t))
		if hmac.Equal(got[:], want[:]) && t != "" {
			found = true
		}
	}
	return found
}
