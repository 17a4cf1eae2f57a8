package httpclient

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
)

// TransportError is why a request got no answer, with what to do about it.
type TransportError struct {
	Err  error
	Hint string // "" where there is nothing to do but to wait
}

func (f *TransportError) Error() string {
	if f.Hint == "" {
		return f.Err.Error()
	}
	return f.Err.Error() + " (" + f.Hint + ")"
}

// Unwrap is the fault as net/http told it.
func (f *TransportError) Unwrap() error { return f.Err }

func (t *Transport) failure(err error, r *http.Request) error {
	if errors.Is(err, context.Canceled) { // we gave up ourselves
		return err
	}
	return &TransportError{err, t.hint(err, r.URL.Hostname())}
}

// beside is a key that stands beside the neighbour's URL.
func (t *Transport) beside(name string) string {
	if dot := strings.LastIndexByte(t.opts.Key, '.'); dot >= 0 {
		return t.opts.Key[:dot+1] + name
	}
	return name
}

// url is the key of the neighbour's URL.
func (t *Transport) url() string {
	if t.opts.Key == "" {
		return "its URL"
	}
	return t.opts.Key
}

// proxies are the ways to name a proxy.
func (t *Transport) proxies() string { return t.beside("proxy_url") + " or HTTPS_PROXY" }

// hint says what to do about a request to host that got no answer.
func (t *Transport) hint(err error, host string) string {
	var (
		refused *proxyRefusal
		op      *net.OpError
	)
	if errors.As(err, &refused) {
		if refused.login {
			return "give the proxy's user and password in " + t.proxies()
		}
		return "the proxy must let CONNECT to " + host + " through: ask who runs it, or is " + t.proxies() + " wrong?"
	}
	if errors.As(err, &op) && op.Op == "proxyconnect" {
		host = "the proxy"
		if hint := t.hintTLS(err, host); hint != "" {
			return hint
		}
		return "the proxy can't be reached: is " + t.proxies() + " right, and does it run?"
	}
	if hint := t.hintTLS(err, host); hint != "" {
		return hint
	}
	return t.hintWay(err, host)
}

// hintTLS is about certificates and the handshake; "" for all else.
func (t *Transport) hintTLS(err error, host string) string {
	var (
		unknown  x509.UnknownAuthorityError
		hostname x509.HostnameError
		invalid  x509.CertificateInvalidError
		plain    tls.RecordHeaderError
		alert    *net.OpError
	)
	switch {
	case errors.As(err, &unknown):
		by := ""
		if unknown.Cert != nil && unknown.Cert.Issuer.String() != "" {
			by = fmt.Sprintf(" (%q)", unknown.Cert.Issuer)
		}
		return fmt.Sprintf("if the authority that signed %s's certificate%s is to be trusted, put its own into the file that %s names", host, by, t.beside("ca_file"))
	case errors.As(err, &hostname):
		return t.url() + " must have a name that is in the certificate, or the certificate that name"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "if this machine's clock is right, who runs " + host + " must renew its certificate"
	case errors.As(err, &invalid):
		return "who runs " + host + " must mend its certificate"
	case errors.As(err, &plain), strings.Contains(err.Error(), "server gave HTTP response to HTTPS client"):
		return host + " speaks no TLS there: are scheme and port in " + t.url() + " right?"
	case strings.Contains(err.Error(), "TLS handshake timeout"):
		return host + " takes connections and says nothing: is it overloaded, or a firewall in the way?"
	case errors.As(err, &alert) && alert.Op == "remote error": // as crypto/tls calls it
		return host + " ended the handshake: it must speak TLS 1.2 or later"
	}
	return ""
}

// hintWay is about names and connections; "" for all else.
func (t *Transport) hintWay(err error, host string) string {
	var (
		name *net.DNSError
		op   *net.OpError
	)
	switch {
	case errors.As(err, &name):
		return "the name " + name.Name + " can't be looked up: is " + t.url() + " right, does this machine's DNS answer, or does the way out need " + t.proxies() + "?"
	case errors.As(err, &op) && op.Op == "dial" && op.Timeout():
		return "a firewall may be in the way; or does it need " + t.proxies() + "?"
	case errors.As(err, &op) && op.Op == "dial":
		return "is " + t.url() + " right? Does the way out need " + t.proxies() + "?"
	}
	return ""
}
