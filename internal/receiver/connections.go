package receiver

import (
	"container/list"
	"net"
	"net/http"
	"sync"
)

// maxConnections bounds the connections of the public listener. Each holds at most its header (16 KiB), its buffers and
// a part of a body.
const maxConnections = 2048

// Limited is a listener with a bound on its connections. One more than that closes the connection that has done nothing
// useful for the longest: a sender that speaks at once gets through however many sit idle. A limit that let newcomers wait
// would shut Zabbix out instead.
type Limited struct {
	net.Listener
	limit int

	mu    sync.Mutex
	conns list.List // of *conn, the one to close first in front
}

// Limit bounds the connections of a listener. TLS goes on top of it, so that handshakes count too.
func Limit(l net.Listener) *Limited {
	return limit(l, max(1, min(maxConnections, descriptors()/2))) // the other half is for the store and for our own calls
}

func limit(l net.Listener, n int) *Limited { return &Limited{Listener: l, limit: n} }

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

// answered moves a connection to the back: a proxy's that is used again and again is never the oldest.
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

// CloseWrite ends our side alone, so that the peer still reads an answer that came before the end of its request.
func (c *conn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// connState is http.Server's hook: a connection that has had an answer is worth keeping.
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
