package client

import (
	"crypto/tls"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"os"

	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/httpclient"
)

// Find returns the admin listener of a configuration's relay on this host, with the configuration's token: the one that the running
// relay wrote down, or else the configuration's, or else the default. Guess is set for the default if the configuration is unknown.
func Find(c config.Local) (r Relay, err error) {
	if tokens := c.Server.AdminTokens; len(tokens) > 0 {
		r.Token = tokens[0].Reveal()
	} else if len(c.NoToken) > 0 {
		r.NoToken = c.NoToken
	}
	address := c.Server.AdminListen
	running, found := findRunning(c.File, c.Store, config.DefaultStore)
	switch {
	case found:
		address, r.Certificate = running.Admin, running.Certificate
	case c.Server.AdminTLS.On():
		r.CertFile = c.Server.AdminTLS.CertFile
	}
	if !found && c.Guessed {
		r.Guess = c.Unknown
	}
	r.URL, err = config.LocalURL("server.admin_listen", address, "--admin")
	if err == nil && r.pinned() {
		r.URL = "https" + r.URL[len("http"):]
	}
	return r, err
}

// pinned reports whether the relay is on this host and has a certificate, which isn't verified by its name.
func (r Relay) pinned() bool { return r.Certificate != "" || r.CertFile != "" }

// errCertificate reports a certificate that isn't the relay's.
var errCertificate = errors.New("its certificate isn't the relay's (was it replaced just now?)")

// transport returns the transport for calls to the relay; nil for the default.
func (r Relay) transport() (http.RoundTripper, error) {
	if !r.pinned() {
		if r.CAFile == "" {
			return nil, nil
		}
		t, err := httpclient.New(httpclient.Options{CAFile: r.CAFile})
		if err != nil {
			return nil, err // not t, which would be an interface that isn't nil
		}
		return t, nil
	}
	want := r.Certificate
	if want == "" {
		data, err := os.ReadFile(r.CertFile)
		if err != nil {
			return nil, fmt.Errorf("server.admin_tls.cert_file: %w", err)
		}
		own, _ := pem.Decode(data)
		if own == nil {
			return nil, fmt.Errorf("server.admin_tls.cert_file: %s contains no certificate", r.CertFile)
		}
		want = Fingerprint(own.Bytes)
	}
	// The certificate has the relay's public name, not this host's address: it must be exactly the known one.
	t := unverified()
	t.TLSClientConfig.VerifyConnection = func(c tls.ConnectionState) error {
		if Fingerprint(c.PeerCertificates[0].Raw) != want {
			return errCertificate
		}
		return nil
	}
	return t, nil
}

// unverified returns a transport that accepts any certificate.
func unverified() *http.Transport {
	return &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: true}} //nolint:gosec // for this host alone
}
