package receiver

import (
	"container/list"
	"net"
	"net/http"
	"sync"
)

// Bounds on the connections of the public and the admin listener. Each holds at most its header (16 KiB), its buffers and part of a
// body.
const (
	MaxConnections      = 2048
	MaxAdminConnections = 128
)

// Limited is a listener with a bound on its connections. One more evicts the connection that has gone longest without an answer: a sender
// that sends at once succeeds, however many connections are idle. A limit that made new connections wait would shut Zabbix out.
type Limited struct {
	net.Listener
	limit int

	mu    sync.Mutex
	conns list.List // of *conn, the next one to close in front
}

// Limit bounds the connections of a listener to most. TLS goes on top of it, so that handshakes count too.
func Limit(l net.Listener, most int) *Limited {
	return &Limited{Listener: l, limit: max(1, min(most, descriptors()/2))} // the other half is for the store and our own calls
}

// Accept implements net.Listener.
func (l *Limited) Accept() (net.Conn, error) {
	raw, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	c := &conn{Conn: raw, listener: l}
	l.mu.Lock()
	var evicted *conn
	if l.conns.Len() >= l.limit {
		evicted = l.conns.Front().Value.(*conn)
		l.forget(evicted)
	}
	c.place = l.conns.PushBack(c)
	l.mu.Unlock()
	if evicted != nil {
		_ = evicted.Conn.Close() // its request fails, as it should
	}
	return c, nil
}

// forget drops a connection from the list. The caller holds mu.
func (l *Limited) forget(c *conn) {
	if c.place != nil {
		l.conns.Remove(c.place)
		c.place = nil
	}
}

// answered moves a connection to the back: one that a proxy keeps using is never the oldest.
func (l *Limited) answered(c *conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if c.place != nil {
		l.conns.MoveToBack(c.place)
	}
}

// conn is one connection of a Limited.
type conn struct {
	net.Conn
	listener *Limited
	place    *list.Element // nil once it is closed; the listener's mu guards it
}

// Close implements net.Conn.
func (c *conn) Close() error {
	c.listener.mu.Lock()
	c.listener.forget(c)
	c.listener.mu.Unlock()
	return c.Conn.Close()
}

// CloseWrite closes our side only, so that the peer can read an answer that was sent before the end of its request.
func (c *conn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// connState is a hook of http.Server: it notes that a connection had an answer.
func connState(c net.Conn, state http.ConnState) {
	if state != http.StateIdle {
		return
	}
	if t, ok := c.(interface{ NetConn() net.Conn }); ok { // of TLS
		c = t.NetConn()
	}
	if own, ok := c.(*conn); ok {
		own.listener.answered(own)
	}
}
