// Package httpclient makes the HTTP transports with which the relay reaches
// its neighbours: proxy, additional certificate authorities, time-outs.
package httpclient

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"time"
)

// NewTransport makes a transport of its own (connections aren't shared).
//
// proxyURL is http:// or https://, with a user and password if need be; where it
// is empty, HTTPS_PROXY, HTTP_PROXY and NO_PROXY of the environment count.
// caFile is a PEM file whose certificates are trusted beside the system's; ""
// for none. Errors name the file or the URL (never its password) and say what is
// wrong with it.
func NewTransport(proxyURL, caFile string) (*http.Transport, error) {
	proxy, err := proxyOf(proxyURL)
	if err != nil {
		return nil, err
	}
	roots, err := rootsWith(caFile)
	if err != nil {
		return nil, err
	}
	dialer := &net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}
	return &http.Transport{
		Proxy:               proxy,
		DialContext:         dialer.DialContext,
		TLSClientConfig:     &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout: 10 * time.Second,
		// A bot has a few workers at most, all calling one host.
		MaxIdleConns:        32,
		MaxIdleConnsPerHost: 8,
		// Shorter than the idle limit of load balancers as a rule (60 s and more),
		// so that a request seldom meets a connection that is being closed.
		IdleConnTimeout:        45 * time.Second,
		ExpectContinueTimeout:  time.Second,
		MaxResponseHeaderBytes: 64 << 10,
		ForceAttemptHTTP2:      true,
	}, nil
}

func proxyOf(proxyURL string) (func(*http.Request) (*url.URL, error), error) {
	if proxyURL == "" {
		return http.ProxyFromEnvironment, nil
	}
	u, err := url.Parse(proxyURL)
	if err != nil {
		// The parser's error repeats the URL, and with it the password.
		return nil, fmt.Errorf("proxy_url isn't a URL: want http://HOST:PORT or https://HOST:PORT")
	}
	if (u.Scheme != "http" && u.Scheme != "https") || u.Hostname() == "" {
		return nil, fmt.Errorf("proxy_url %s: want http://HOST:PORT or https://HOST:PORT", u.Redacted())
	}
	return http.ProxyURL(u), nil
}

// rootsWith is nil (the system's authorities) where there is no file.
func rootsWith(caFile string) (*x509.CertPool, error) {
	if caFile == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(caFile)
	if err != nil {
		return nil, fmt.Errorf("ca_file: %w", err)
	}
	roots, err := x509.SystemCertPool()
	if err != nil {
		roots = x509.NewCertPool()
	}
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("ca_file %s: holds no certificate in PEM form (-----BEGIN CERTIFICATE-----)", caFile)
	}
	return roots, nil
}
