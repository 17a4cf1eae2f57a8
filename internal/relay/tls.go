package relay

import (
	"crypto/tls"
	"net"
	"net/http"

	"nms-alert-relay/internal/admin"
	"nms-alert-relay/internal/config"
)

// tlsOf returns a listener's TLS; nil for a listener without. clients is what it asks of clients if it has authorities for their
// certificates.
func tlsOf(t config.TLS, clients tls.ClientAuthType) *tls.Config {
	if !t.On() {
		return nil
	}
	c := &tls.Config{Certificates: []tls.Certificate{*t.Certificate}, MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}}
	if t.ClientCAFile != "" {
		c.ClientCAs, c.ClientAuth = t.ClientCAs, clients
	}
	return c
}

// secured puts TLS on a listener, if the current snapshot has it. Each connection uses the certificates of the snapshot at that time.
func (l *live) secured(raw net.Listener, of func(*snapshot) *tls.Config) net.Listener {
	if of(l.Load()) == nil {
		return raw
	}
	return tls.NewListener(raw, &tls.Config{MinVersion: tls.VersionTLS12, GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
		return of(l.Load()), nil
	}})
}

// certified refuses requests on open connections whose client certificate isn't valid any more, by the authorities of the current
// snapshot. New connections are refused by TLS itself.
func (l *live) certified(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c := l.Load().publicTLS; c != nil && c.ClientCAs != nil && !admin.Certified(r, c.ClientCAs) {
			w.Header().Set("Connection", "close") // the rest of the request isn't read
			writeText(w, http.StatusUnauthorized, "the client certificate of this connection is not valid (any more)")
			return
		}
		next.ServeHTTP(w, r)
	})
}
