package doctor

import (
	"crypto/x509"
	"fmt"
	"net/http"
	"sync"
	"time"
)

// exchanges passes requests on, and keeps what answers say besides their content: the neighbour's clock and its certificate.
type exchanges struct {
	next http.RoundTripper
	now  func() time.Time

	mu      sync.Mutex
	clock   *skew
	leaf    *x509.Certificate
	answers int
}

// skew is how far a neighbour's clock is ahead, as measured by one exchange.
type skew struct{ ahead, took time.Duration }

// RoundTrip implements http.RoundTripper.
func (e *exchanges) RoundTrip(r *http.Request) (*http.Response, error) {
	sent := e.now()
	resp, err := e.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	received := e.now()
	e.mu.Lock()
	defer e.mu.Unlock()
	e.answers++
	if date, err := http.ParseTime(resp.Header.Get("Date")); err == nil {
		if s := measured(date, sent, received); e.clock == nil || s.took < e.clock.took {
			e.clock = &s
		}
	}
	if resp.TLS != nil && len(resp.TLS.PeerCertificates) > 0 {
		e.leaf = resp.TLS.PeerCertificates[0]
	}
	return resp, nil
}

// measured compares a Date header, in whole seconds, with the middle of the exchange.
func measured(date, sent, received time.Time) skew {
	took := received.Sub(sent)
	ahead := date.Add(500 * time.Millisecond).Sub(sent.Add(took / 2))
	return skew{ahead, took}
}

// maxSkew is a difference of clocks that is worth a warning; the relay refuses events that are signed 5 minutes off.
const maxSkew = 30 * time.Second

// judgeClock judges a neighbour's clock.
func judgeClock(l *list, s *skew, whose, consequence string) {
	if s == nil {
		return // it sent no date
	}
	off := s.ahead.Round(time.Second).Abs()
	if off <= maxSkew+s.took/2 {
		l.ok("clock", "this machine's clock and "+whose+" agree")
		return
	}
	direction := "behind"
	if s.ahead > 0 {
		direction = "ahead of"
	}
	l.warning("clock", fmt.Sprintf("%s clock is %s %s this machine's: %s", whose, off, direction, consequence), "synchronize both with NTP")
}

// minDays is how many days a certificate should still be valid.
const minDays = 21

// judgeCertificate judges how long a certificate is still valid. whose is "the certificate" or "the neighbour's certificate".
func judgeCertificate(l *list, name, whose string, leaf *x509.Certificate, now time.Time, do string) {
	days := int(leaf.NotAfter.Sub(now).Hours() / 24)
	until := leaf.NotAfter.UTC().Format(time.DateOnly)
	switch {
	case now.After(leaf.NotAfter):
		l.failure(name, whose+" expired on "+until, do)
	case now.Before(leaf.NotBefore):
		l.failure(name, whose+" isn't valid before "+leaf.NotBefore.UTC().Format(time.DateTime), "check this machine's clock")
	case days < minDays:
		l.warning(name, fmt.Sprintf("%s expires in %d days, on %s", whose, days, until), do)
	default:
		l.ok(name, fmt.Sprintf("%s is valid for %d more days, until %s", whose, days, until))
	}
}

// judge judges clock and certificate of a neighbour.
func (e *exchanges) judge(l *list, whose, consequence string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	judgeClock(l, e.clock, whose, consequence)
	if e.leaf != nil {
		judgeCertificate(l, "certificate", whose+" certificate", e.leaf, e.now(), "whoever runs that server must renew it")
	}
}
