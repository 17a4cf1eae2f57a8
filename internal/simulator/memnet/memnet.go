// Package memnet is a network in memory: a listener and its dialler joined by
// pipes. HTTP servers and clients over it run inside a testing/synctest bubble,
// where a real socket would keep time from passing.
package memnet

import (
	"context"
	"io"
	"net"
	"net/http"
	"sync"
)

// Listener accepts the connections that Dial makes.
type Listener struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

// Listen makes a listener. Its channels belong to the bubble it is made in.
func Listen() *Listener {
	return &Listener{conns: make(chan net.Conn), closed: make(chan struct{})}
}

// Accept waits for a connection; net.ErrClosed after Close.
func (l *Listener) Accept() (net.Conn, error) {
	select {
	case conn := <-l.conns:
		return conn, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Close refuses all connections from now on; those made stay open.
func (l *Listener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

// Addr is a name, not an address.
func (l *Listener) Addr() net.Addr { return addr{} }

type addr struct{}

func (addr) Network() string { return "memory" }
func (addr) String() string  { return "memory" }

// DialContext connects, whatever the address; a *net.OpError with Op "dial" if nobody listens.
func (l *Listener) DialContext(ctx context.Context, _, _ string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	var err error
	select {
	case l.conns <- theirs:
		return ours, nil
	case <-l.closed:
		err = net.ErrClosed
	case <-ctx.Done():
		err = ctx.Err()
	}
	_ = ours.Close()
	_ = theirs.Close()
	return nil, &net.OpError{Op: "dial", Net: "memory", Addr: addr{}, Err: err}
}

// DialBuffered is DialContext with room on the way, as a real network has it: with
// both ends of a pipe writing at the same time, neither would go on. TLS needs that where
// a handshake fails.
func (l *Listener) DialBuffered(ctx context.Context, network, address string) (net.Conn, error) {
	far, err := l.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	ours, near := net.Pipe()
	carry := func(to, from net.Conn) {
		_, _ = io.Copy(to, from) // until either end is closed
		_ = to.Close()
		_ = from.Close()
	}
	go carry(far, near)
	go carry(near, far)
	return ours, nil
}

// Transport makes an HTTP transport over a network in memory: hosts maps
// "host:port" to who listens there. Any other host is refused.
func Transport(hosts map[string]*Listener) *http.Transport {
	return &http.Transport{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		l, ok := hosts[address]
		if !ok {
			return nil, &net.OpError{Op: "dial", Net: "memory", Addr: addr{}, Err: &net.AddrError{Err: "nobody listens", Addr: address}}
		}
		return l.DialContext(ctx, network, address)
	}}
}

// Serve serves address ("webex.test:80") and returns a transport that knows nobody
// else, and what ends both.
func Serve(address string, h http.Handler) (*http.Transport, func()) {
	l := Listen()
	server := &http.Server{Handler: h}
	go func() { _ = server.Serve(l) }()
	transport := Transport(map[string]*Listener{address: l})
	return transport, func() {
		transport.CloseIdleConnections()
		_ = server.Close()
	}
}
