package memnet

import (
	"cmp"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"time"
)

// Authority signs certificates for servers in memory. Only clients with its PEM trust it.
type Authority struct {
	cert *x509.Certificate // the template of its own
	key  *ecdsa.PrivateKey
	PEM  []byte // the authority's own certificate, as in a ca_file
}

// NewAuthority makes an authority that is valid for a century around now.
func NewAuthority(name string) *Authority {
	now := time.Now()
	a := &Authority{cert: &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name},
		NotBefore: now.AddDate(-50, 0, 0), NotAfter: now.AddDate(50, 0, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}}
	var der []byte
	der, a.key = a.sign(a.cert)
	a.PEM = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	return a
}

// Certificate signs a certificate for a host name or an address, or for a client.
func (a *Authority) Certificate(host string, from, until time.Time) tls.Certificate {
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: host}, NotBefore: from, NotAfter: until,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	if ip := net.ParseIP(host); ip != nil {
		template.IPAddresses = []net.IP{ip}
	} else {
		template.DNSNames = []string{host}
	}
	der, key := a.sign(template)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// Valid is a certificate for a host that is good for a year around now.
func (a *Authority) Valid(host string) tls.Certificate {
	now := time.Now()
	return a.Certificate(host, now.AddDate(-1, 0, 0), now.AddDate(1, 0, 0))
}

// sign makes a certificate and its key. The authority's own is signed by itself.
func (a *Authority) sign(template *x509.Certificate) (der []byte, key *ecdsa.PrivateKey) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err) // never fails
	}
	der, err = x509.CreateCertificate(rand.Reader, template, a.cert, &key.PublicKey, cmp.Or(a.key, key))
	if err != nil {
		panic(err) // templates of our own
	}
	return der, key
}
