package relay

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"os"

	"nms-alert-relay/internal/config"
)

// tlsOf loads the files of a listener's TLS; nil for a listener without. clients is what it asks of clients if it has authorities for
// their certificates.
func tlsOf(key string, t config.TLS, clients tls.ClientAuthType) (*tls.Config, error) {
	if !t.On() {
		return nil, nil
	}
	pair, err := tls.LoadX509KeyPair(t.CertFile, t.KeyFile)
	if err != nil {
		return nil, fmt.Errorf("%s: cannot use certificate and key: %w", key, err)
	}
	c := &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}}
	if t.ClientCAFile == "" {
		return c, nil
	}
	pem, err := os.ReadFile(t.ClientCAFile)
	if err != nil {
		return nil, fmt.Errorf("%s.client_ca_file: %w", key, err)
	}
	c.ClientCAs, c.ClientAuth = x509.NewCertPool(), clients
	if !c.ClientCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s.client_ca_file: %s contains no certificate", key, t.ClientCAFile)
	}
	return c, nil
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
