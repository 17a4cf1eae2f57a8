package httpclient

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
)

// failure adds a hint to the error of a request that got no answer.
func (t *Transport) failure(err error, r *http.Request) error {
	if errors.Is(err, context.Canceled) { // the caller gave up
		return err
	}
	if hint := t.hint(err, r.URL.Hostname()); hint != "" {
		return fmt.Errorf("%w (%s)", err, hint)
	}
	return err // there is nothing to do but wait
}

// sibling is a configuration key next to the key of the neighbour's URL.
func (t *Transport) sibling(name string) string {
	if dot := strings.LastIndexByte(t.opts.Key, '.'); dot >= 0 {
		return t.opts.Key[:dot+1] + name
	}
	return name
}

// url is the configuration key of the neighbour's URL.
func (t *Transport) url() string { return cmp.Or(t.opts.Key, "its URL") }

// proxy names the settings of a proxy.
func (t *Transport) proxy() string { return t.sibling("proxy_url") + " or HTTPS_PROXY" }

// hint says what to do about a request to host that got no answer.
func (t *Transport) hint(err error, host string) string {
	var (
		refused *proxyRefusal
		op      *net.OpError
	)
	if errors.As(err, &refused) {
		if refused.login {
			return "set the proxy's user and password in " + t.proxy()
		}
		return "the proxy must allow CONNECT to " + host + "; check " + t.proxy()
	}
	viaProxy := errors.As(err, &op) && op.Op == "proxyconnect"
	if viaProxy {
		host = "the proxy"
	}
	if hint := t.hintTLS(err, host); hint != "" {
		return hint
	}
	if viaProxy {
		return "cannot reach the proxy: check " + t.proxy() + ", and that it is running"
	}
	return t.hintNetwork(err)
}

// hintTLS is the hint about certificates and the handshake; "" for other errors.
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
		return fmt.Sprintf("if you trust the authority that signed %s's certificate%s, add its own certificate to the file in %s", host, by, t.sibling("ca_file"))
	case errors.As(err, &hostname):
		return "use a name from the certificate in " + t.url() + ", or add that name to the certificate"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "check this machine's clock; if it is right, the certificate of " + host + " must be renewed"
	case errors.As(err, &invalid):
		return "the certificate of " + host + " must be corrected"
	case errors.As(err, &plain), strings.Contains(err.Error(), "server gave HTTP response to HTTPS client"):
		return host + " doesn't speak TLS there: check scheme and port in " + t.url()
	case strings.Contains(err.Error(), "TLS handshake timeout"):
		return host + " accepts connections but doesn't respond: it may be overloaded, or behind a firewall"
	case errors.As(err, &alert) && alert.Op == "remote error": // as crypto/tls calls it
		return host + " ended the handshake: it must support TLS 1.2 or later"
	}
	return ""
}

// hintNetwork is the hint about names and connections; "" for other errors.
func (t *Transport) hintNetwork(err error) string {
	var (
		name *net.DNSError
		op   *net.OpError
	)
	switch {
	case errors.As(err, &name):
		return "cannot look up " + name.Name + ": check " + t.url() + " and this machine's DNS; if a proxy is needed, set " + t.proxy()
	case errors.As(err, &op) && op.Op == "dial" && op.Timeout():
		return "a firewall may block the connection; if a proxy is needed, set " + t.proxy()
	case errors.As(err, &op) && op.Op == "dial":
		return "check " + t.url() + "; if a proxy is needed, set " + t.proxy()
	}
	return ""
}
