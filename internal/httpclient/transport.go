// Package httpclient is how the relay calls its neighbours, Webex and Zabbix: proxy, additional certificate authorities, timeouts,
// tokens, limits, and errors with hints.
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
	"slices"
	"strings"
	"sync"
	"time"

	"nms-alert-relay/internal/text"
)

// Options configure a Transport.
type Options struct {
	// ProxyURL is http:// or https://, with user and password if needed. If it is empty, HTTPS_PROXY, HTTP_PROXY and NO_PROXY of the
	// environment are used.
	ProxyURL string
	// CAFile is a PEM file with certificates to trust in addition to the system's; "" for none. It is read again when a certificate
	// isn't trusted.
	CAFile string
	// CA is what CAFile contains, if somebody has read it already; nil: New reads it.
	CA []byte
	// Certificate is the client's, with its chain and its key; nil for none.
	Certificate *tls.Certificate
	// Key is the configuration key of the neighbour's URL, for hints: "webex.api_url". proxy_url and ca_file are its siblings.
	Key string
	// Dial opens connections, also those to a proxy; nil for the network.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// Transport is an http.RoundTripper. The error of a request without an answer says what to do. It is safe for concurrent use.
type Transport struct {
	opts Options

	mu   sync.Mutex
	pem  []byte // content of CAFile when next was made
	next *http.Transport
}

// New makes a transport. Errors name the file or the URL, never its password.
func New(o Options) (*Transport, error) {
	proxy, err := proxyOf(o.ProxyURL)
	if err != nil {
		return nil, err
	}
	pem, roots, err := rootsWith(o.CAFile, o.CA)
	if err != nil {
		return nil, err
	}
	var certificates []tls.Certificate
	if o.Certificate != nil {
		certificates = []tls.Certificate{*o.Certificate}
	}
	if o.Dial == nil {
		o.Dial = (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}).DialContext
	}
	return &Transport{opts: o, pem: pem, next: &http.Transport{
		Proxy:                  proxy,
		DialContext:            o.Dial,
		OnProxyConnectResponse: connected,
		TLSClientConfig:        &tls.Config{RootCAs: roots, Certificates: certificates, MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:    10 * time.Second,
		// A bot has a few workers, which all call one host.
		MaxIdleConns:        32,
		MaxIdleConnsPerHost: 8,
		// Shorter than the usual idle limit of load balancers (60 s and more), so that few requests meet a connection that is being
		// closed.
		IdleConnTimeout:        45 * time.Second,
		ExpectContinueTimeout:  time.Second,
		MaxResponseHeaderBytes: 64 << 10,
		ForceAttemptHTTP2:      true,
	}}, nil
}

// Unchanged reports whether New would make the same transport from o now, the content of its CAFile included.
func (t *Transport) Unchanged(o Options) bool {
	pem, _, err := rootsWith(o.CAFile, o.CA)
	t.mu.Lock()
	defer t.mu.Unlock()
	return err == nil && sameCertificate(o.Certificate, t.opts.Certificate) && o.ProxyURL == t.opts.ProxyURL && o.CAFile == t.opts.CAFile && o.Key == t.opts.Key && bytes.Equal(pem, t.pem)
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

// Connect opens a connection to the host of a URL, with TLS for https, and closes it: nothing is requested. through is the proxy's host
// if there is one: then only the proxy is reached.
func (t *Transport) Connect(ctx context.Context, address string) (through string, err error) {
	next := t.current()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return "", errors.New("not a URL")
	}
	to := req.URL
	if proxy, err := next.Proxy(req); err != nil {
		return "", err
	} else if proxy != nil {
		to, through = proxy, proxy.Host
	}
	port := to.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[to.Scheme]
	}
	failed := func(err error) error {
		if through != "" {
			err = &net.OpError{Op: "proxyconnect", Net: "tcp", Err: err} // as net/http calls it
		}
		return t.failure(err, req)
	}
	conn, err := next.DialContext(ctx, "tcp", net.JoinHostPort(to.Hostname(), port))
	if err != nil {
		return through, failed(err)
	}
	defer conn.Close()
	if to.Scheme != "https" {
		return through, nil
	}
	setup := next.TLSClientConfig.Clone()
	setup.ServerName = to.Hostname()
	if err := tls.Client(conn, setup).HandshakeContext(ctx); err != nil {
		return through, failed(err)
	}
	return through, nil
}

// CloseIdleConnections closes unused connections.
func (t *Transport) CloseIdleConnections() { t.current().CloseIdleConnections() }

func (t *Transport) current() *http.Transport {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.next
}

// renew reads the ca_file again, for the next request: somebody may have corrected it. An unusable file changes nothing.
func (t *Transport) renew(used *http.Transport) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.opts.CAFile == "" || t.next != used {
		return
	}
	pem, roots, err := rootsWith(t.opts.CAFile, nil)
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
		// The parser's error repeats the URL with its password.
		return nil, fmt.Errorf("proxy_url is not a URL: expected http://HOST:PORT or https://HOST:PORT")
	}
	if (u.Scheme != "http" && u.Scheme != "https") || u.Hostname() == "" {
		return nil, fmt.Errorf("proxy_url %s: expected http://HOST:PORT or https://HOST:PORT", text.RedactURL(proxyURL))
	}
	return http.ProxyURL(u), nil
}

// withoutAddress hides the address with its password, which an error of http.ProxyFromEnvironment repeats.
func withoutAddress(proxy func(*http.Request) (*url.URL, error)) func(*http.Request) (*url.URL, error) {
	return func(r *http.Request) (*url.URL, error) {
		u, err := proxy(r)
		if err != nil {
			return nil, errors.New("HTTPS_PROXY or HTTP_PROXY is not a URL: expected http://HOST:PORT or https://HOST:PORT")
		}
		return u, nil
	}
}

// proxyRefusal is the error of a proxy that refuses CONNECT.
type proxyRefusal struct {
	proxy  string // host and port
	status string
	login  bool // it requires one, or rejects ours
}

func (p *proxyRefusal) Error() string {
	return "the proxy " + p.proxy + " answered " + p.status
}

// connected checks a proxy's answer to CONNECT: net/http's own error is only the text of the status, and doesn't mention the proxy.
func connected(_ context.Context, proxy *url.URL, _ *http.Request, resp *http.Response) error {
	if resp.StatusCode == http.StatusOK {
		return nil
	}
	status := fmt.Sprintf("%d %s", resp.StatusCode, http.StatusText(resp.StatusCode))
	return &proxyRefusal{proxy.Host, strings.TrimSpace(status), resp.StatusCode == http.StatusProxyAuthRequired}
}

// rootsWith returns a file's content, and the system's authorities together with it. pem is the content if it was read already. Without a
// file it returns nil, which means the system's.
func rootsWith(caFile string, pem []byte) (_ []byte, _ *x509.CertPool, err error) {
	if caFile == "" {
		return nil, nil, nil
	}
	if pem == nil {
		if pem, err = os.ReadFile(caFile); err != nil {
			return nil, nil, fmt.Errorf("ca_file: %w", err)
		}
	}
	roots, err := x509.SystemCertPool()
	if err != nil {
		roots = x509.NewCertPool()
	}
	if !roots.AppendCertsFromPEM(pem) {
		return nil, nil, fmt.Errorf("ca_file %s: contains no PEM certificate (-----BEGIN CERTIFICATE-----)", caFile)
	}
	return pem, roots, nil
}

// sameCertificate reports whether two client certificates are the same; each may be nil.
func sameCertificate(a, b *tls.Certificate) bool {
	if a == nil || b == nil {
		return a == b
	}
	return slices.EqualFunc(a.Certificate, b.Certificate, bytes.Equal)
}
