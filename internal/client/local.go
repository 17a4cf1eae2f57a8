package client

import (
	"bytes"
	"crypto/tls"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"os"

	"nms-alert-relay/internal/config"
)

// LocalAdmin returns the admin listener of a configuration's relay on this host, with the configuration's token.
func LocalAdmin(cfg *config.Config) (r Relay, err error) {
	if tokens := cfg.Server.AdminTokens; len(tokens) > 0 {
		r.Token = tokens[0].Reveal()
	}
	if r.URL, err = config.LocalURL("server.admin_listen", cfg.Server.AdminListen, "--admin"); err == nil && cfg.Server.AdminTLS.On() {
		r.URL, r.CertFile = "https"+r.URL[len("http"):], cfg.Server.AdminTLS.CertFile
	}
	return r, err
}

// transport returns the transport for calls to the relay; nil for the default.
func (r Relay) transport() (http.RoundTripper, error) {
	if r.CertFile == "" {
		return nil, nil
	}
	data, err := os.ReadFile(r.CertFile)
	if err != nil {
		return nil, fmt.Errorf("server.admin_tls.cert_file: %w", err)
	}
	own, _ := pem.Decode(data)
	if own == nil {
		return nil, fmt.Errorf("server.admin_tls.cert_file: %s contains no certificate", r.CertFile)
	}
	// The certificate has the relay's public name, not this host's address: it must be exactly the one in the file.
	t := unverified()
	t.TLSClientConfig.VerifyConnection = func(c tls.ConnectionState) error {
		if !bytes.Equal(c.PeerCertificates[0].Raw, own.Bytes) {
			return errors.New("its certificate isn't that of server.admin_tls.cert_file (was it replaced without a reload?)")
		}
		return nil
	}
	return t, nil
}

// unverified returns a transport that accepts any certificate.
func unverified() *http.Transport {
	return &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: true}} //nolint:gosec // for this host alone
}
