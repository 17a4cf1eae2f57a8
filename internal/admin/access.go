package admin

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/json"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"nms-alert-relay/internal/logging"
)

// Access is who may use the admin listener. The zero value lets everybody in.
type Access struct {
	Tokens       []string // any of them is accepted
	Certificates bool     // a verified client certificate is accepted
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
		if a.Certificates {
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

func (a Access) allows(r *http.Request) bool {
	if len(a.Tokens) == 0 && !a.Certificates {
		return true
	}
	if a.Certificates && r.TLS != nil && len(r.TLS.VerifiedChains) > 0 {
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
