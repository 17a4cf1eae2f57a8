// Package httpclient makes the HTTP transports with which the relay reaches
// its neighbours: proxy, additional certificate authorities, time-outs, and
// errors that say what to do about them.
package httpclient

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"nms-alert-relay/internal/text"
)

// Options make a Transport.
type Options struct {
	// ProxyURL is http:// or https://, with a user and password if need be; where it
	// is empty, HTTPS_PROXY, HTTP_PROXY and NO_PROXY of the environment count.
	ProxyURL string
	// CAFile is a PEM file whose certificates are trusted beside the system's; "" for
	// none. It is read again when a certificate isn't trusted.
	CAFile string
	// Key is where the neighbour's URL stands in the configuration, for what errors
	// say: "webex.api_url". proxy_url and ca_file stand beside it.
	Key string
	// Dial makes connections, also those to a proxy; nil for the network's.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// Transport is an http.RoundTripper with connections of its own. A request that
// gets no answer fails with a *TransportError. It is safe for concurrent use.
type Transport struct {
	opts Options

	mu   sync.Mutex
	pem  []byte // what CAFile held when next was made
	next *http.Transport
}

// New makes a transport. Errors name the file or the URL (never its password)
// and say what is wrong with it.
func New(o Options) (*Transport, error) {
	proxy, err := proxyOf(o.ProxyURL)
	if err != nil {
		return nil, err
	}
	pem, roots, err := rootsWith(o.CAFile)
	if err != nil {
		return nil, err
	}
	if o.Dial == nil {
		o.Dial = (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}).DialContext
	}
	return &Transport{opts: o, pem: pem, next: &http.Transport{
		Proxy:                  proxy,
		DialContext:            o.Dial,
		OnProxyConnectResponse: connected,
		TLSClientConfig:        &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:    10 * time.Second,
		// A bot has a few workers at most, all calling one host.
		MaxIdleConns:        32,
		MaxIdleConnsPerHost: 8,
		// Shorter than the idle limit of load balancers as a rule (60 s and more),
		// so that a request seldom meets a connection that is being closed.
		IdleConnTimeout:        45 * time.Second,
		ExpectContinueTimeout:  time.Second,
		MaxResponseHeaderBytes: 64 << 10,
		ForceAttemptHTTP2:      true,
	}}, nil
}

// RoundTrip implements http.RoundTripper.
func (t *Transport) RoundTrip(r *http.Request) (*http.Response, error) {
	next := t.current()
	resp, err := next.RoundTrip(r)
	if err == nil {
		return resp, nil
	}
	if r.Context().Err() == nil && errors.As(err, new(x509.UnknownAuthorityError)) {
		t.renew(next)
	}
	return nil, t.failure(err, r)
}

// CloseIdleConnections closes the connections that no request uses.
func (t *Transport) CloseIdleConnections() { t.current().CloseIdleConnections() }

func (t *Transport) current() *http.Transport {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.next
}

// renew reads the ca_file again, since somebody may have mended it: the next
// request counts with it. One that can't be used changes nothing.
func (t *Transport) renew(used *http.Transport) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.opts.CAFile == "" || t.next != used {
		return
	}
	pem, roots, err := rootsWith(t.opts.CAFile)
	if err != nil || bytes.Equal(pem, t.pem) {
		return
	}
	t.pem, t.next = pem, used.Clone()
	t.next.TLSClientConfig.RootCAs = roots
	used.CloseIdleConnections()
}

func proxyOf(proxyURL string) (func(*http.Request) (*url.URL, error), error) {
	if proxyURL == "" {
		return withoutAddress(http.ProxyFromEnvironment), nil
	}
	u, err := url.Parse(proxyURL)
	if err != nil {
		// The parser's error repeats the URL, and with it the password.
		return nil, fmt.Errorf("proxy_url isn't a URL: want http://HOST:PORT or https://HOST:PORT")
	}
	if (u.Scheme != "http" && u.Scheme != "https") || u.Hostname() == "" {
		return nil, fmt.Errorf("proxy_url %s: want http://HOST:PORT or https://HOST:PORT", text.RedactURL(proxyURL))
	}
	return http.ProxyURL(u), nil
}

// withoutAddress takes out of an error the address, and the password in it, that http.ProxyFromEnvironment repeats.
func withoutAddress(proxy func(*http.Request) (*url.URL, error)) func(*http.Request) (*url.URL, error) {
	return func(r *http.Request) (*url.URL, error) {
		u, err := proxy(r)
		if err != nil {
			return nil, errors.New("HTTPS_PROXY or HTTP_PROXY isn't a URL: want http://HOST:PORT or https://HOST:PORT")
		}
		return u, nil
	}
}

// proxyRefusal is a proxy that doesn't let us through.
type proxyRefusal struct {
	proxy  string // host and port
	status string
	login  bool // it wants one, or another
}

func (p *proxyRefusal) Error() string {
	return "the proxy " + p.proxy + " answered " + p.status
}

// connected looks at a proxy's answer to CONNECT: net/http's own error is the
// bare text of the status, which could be anybody's.
func connected(_ context.Context, proxy *url.URL, _ *http.Request, resp *http.Response) error {
	if resp.StatusCode == http.StatusOK {
		return nil
	}
	status := fmt.Sprintf("%d %s", resp.StatusCode, http.StatusText(resp.StatusCode))
	return &proxyRefusal{proxy.Host, strings.TrimSpace(status), resp.StatusCode == http.StatusProxyAuthRequired}
}

// rootsWith gives a file's content, and the system's authorities with it; nothing (the
// system's) where there is no file.
func rootsWith(caFile string) ([]byte, *x509.CertPool, error) {
	if caFile == "" {
		return nil, nil, nil
	}
	pem, err := os.ReadFile(caFile)
	if err != nil {
		return nil, nil, fmt.Errorf("ca_file: %w", err)
	}
	roots, err := x509.SystemCertPool()
	if err != nil {
		roots = x509.NewCertPool()
	}
	if !roots.AppendCertsFromPEM(pem) {
		return nil, nil, fmt.Errorf("ca_file %s: holds no certificate in PEM form (-----BEGIN CERTIFICATE-----)", caFile)
	}
	return pem, roots, nil
}
