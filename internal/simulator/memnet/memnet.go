// Package memnet is a network in memory: a listener and its dialer joined by pipes. HTTP servers and clients on it run in a
// testing/synctest bubble, where a real socket would stop time.
package memnet

import (
	"context"
	"io"
	"net"
	"net/http"
	"sync"
)

// Listener accepts the connections that DialContext makes.
type Listener struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

// Listen makes a listener. Its channels belong to the bubble in which it is made.
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

// Close refuses new connections; existing ones stay open.
func (l *Listener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

// Addr is a placeholder.
func (l *Listener) Addr() net.Addr { return addr{} }

type addr struct{}

func (addr) Network() string { return "memory" }
func (addr) String() string  { return "memory" }

// DialContext connects to any address. Its error is a *net.OpError with Op "dial".
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

// DialBuffered is DialContext with a buffer between the ends, like a real network. Without one, both ends of a pipe block if they
// write at the same time, as in a failing TLS handshake.
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

// Transport makes an HTTP transport over a network in memory. hosts maps "host:port" to listeners; other hosts are refused.
func Transport(hosts map[string]*Listener) *http.Transport {
	return &http.Transport{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		l, ok := hosts[address]
		if !ok {
			return nil, &net.OpError{Op: "dial", Net: "memory", Addr: addr{}, Err: &net.AddrError{Err: "nobody listens", Addr: address}}
		}
		return l.DialContext(ctx, network, address)
	}}
}

// Serve serves an address ("webex.test:80"). It returns a transport that reaches only that address, and a function that stops
// both.
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
