package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"math"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// volley is the requests of one round. They are signed beforehand, since the generator shares the processors with the process
// that it measures.
type volley struct {
	*template
	first int64  // event id
	want  []byte // prefix of the answer
	signs [][signLength]byte
	next  atomic.Int64
}

// newVolley signs n requests. A template without a place for a signature needs none.
func newVolley(t *template, first int64, n int, workers int) *volley {
	v := &volley{template: t, first: first, want: status202}
	if t.sign == 0 {
		v.want = status200
		return v
	}
	v.signs = make([][signLength]byte, n)
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			mac := hmac.New(sha256.New, []byte(secret))
			request := bytes.Clone(t.request)
			for i := w; i < n; i += workers {
				v.name(request, i)
				v.signature(mac, request, &v.signs[i])
			}
		})
	}
	wg.Wait()
	return v
}

// name writes the event id of request i.
func (v *volley) name(request []byte, i int) {
	copy(request[v.id:v.id+len(sampleID)], strconv.AppendInt(nil, v.first+int64(i), 10))
}

func (v *volley) signature(mac hash.Hash, request []byte, into *[signLength]byte) {
	var sum [sha256.Size]byte
	mac.Reset()
	mac.Write([]byte(v.stamp + "."))
	mac.Write(request[v.body:])
	hex.Encode(into[:], mac.Sum(sum[:0]))
}

// shot is the outcome of one round.
type shot struct {
	taken int             // answered 202
	took  time.Duration   // the round's length
	waits []time.Duration // from sending to the answer
}

func (s shot) rate() float64 { return float64(s.taken) / s.took.Seconds() }

// dial opens connections with a deadline d from now.
func dial(addr string, connections int, d time.Duration) (conns []net.Conn, hangUp func(), err error) {
	hangUp = func() {
		for _, c := range conns {
			_ = c.Close() // nothing is left to send
		}
	}
	for range connections {
		c, err := net.Dial("tcp", addr)
		if err == nil {
			conns = append(conns, c)
			err = c.SetDeadline(time.Now().Add(d))
		}
		if err != nil {
			hangUp()
			return nil, nil, err
		}
	}
	return conns, hangUp, nil
}

// fire sends the volley over so many connections, one request at a time on each, until d has passed. An unexpected answer is an
// error.
func (v *volley) fire(ctx context.Context, addr string, connections int, d time.Duration) (shot, error) {
	conns, hangUp, err := dial(addr, connections, d+30*time.Second)
	if err != nil {
		return shot{}, err
	}
	defer hangUp()
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	waits, faults := make([][]time.Duration, connections), make([]error, connections)
	var wg sync.WaitGroup
	began := time.Now()
	for i, c := range conns {
		wg.Go(func() { waits[i], faults[i] = v.talk(ctx, c, int(d.Seconds()*500)) })
	}
	wg.Wait()
	out := shot{took: time.Since(began)}
	for _, w := range waits {
		out.taken += len(w)
		out.waits = append(out.waits, w...)
	}
	for _, err := range faults {
		if err != nil {
			return out, err // the others are the same
		}
	}
	return out, nil
}

// talk uses one connection.
func (v *volley) talk(ctx context.Context, c net.Conn, guess int) ([]time.Duration, error) {
	waits := make([]time.Duration, 0, guess)
	request := bytes.Clone(v.request)
	in := bufio.NewReaderSize(c, 2048)
	mac := hmac.New(sha256.New, []byte(secret))
	for ctx.Err() == nil {
		i := int(v.next.Add(1) - 1)
		v.name(request, i)
		switch {
		case v.sign == 0:
		case i < len(v.signs):
			copy(request[v.sign:], v.signs[i][:])
		default: // more requests than were signed
			var s [signLength]byte
			v.signature(mac, request, &s)
			copy(request[v.sign:], s[:])
		}
		sent := time.Now()
		if _, err := c.Write(request); err != nil {
			return nil, err
		}
		if err := accepted(in, v.want); err != nil {
			return nil, err
		}
		waits = append(waits, time.Since(sent))
	}
	return waits, nil
}

// barrage is a number of requests, each sent once.
type barrage struct {
	requests  [][]byte
	want      []byte
	perSecond float64 // 0: as fast as they are answered
	next      atomic.Int64
}

// fire sends all of them over so many connections, one request at a time on each. A slow barrage uses fewer connections, since
// the server closes idle ones.
func (b *barrage) fire(ctx context.Context, addr string, connections int) error {
	if b.perSecond > 0 {
		connections = min(connections, int(math.Ceil(b.perSecond)))
	}
	conns, hangUp, err := dial(addr, connections, 5*time.Minute)
	if err != nil {
		return err
	}
	defer hangUp()
	faults := make(chan error, connections)
	began := time.Now()
	for _, c := range conns {
		go func() { faults <- b.talk(ctx, c, began) }()
	}
	for range conns {
		err = errors.Join(err, <-faults)
	}
	return err
}

func (b *barrage) talk(ctx context.Context, c net.Conn, began time.Time) error {
	in := bufio.NewReaderSize(c, 2048)
	for ctx.Err() == nil {
		i := int(b.next.Add(1) - 1)
		if i >= len(b.requests) {
			return nil
		}
		if b.perSecond > 0 {
			time.Sleep(time.Until(began.Add(time.Duration(float64(i) / b.perSecond * float64(time.Second)))))
		}
		if _, err := c.Write(b.requests[i]); err != nil {
			return err
		}
		if err := accepted(in, b.want); err != nil {
			return err
		}
	}
	return ctx.Err()
}

var (
	status200     = []byte("HTTP/1.1 200 ")
	status202     = []byte("HTTP/1.1 202 ")
	contentLength = []byte("Content-Length: ")
)

// accepted reads an answer that must begin with want. It understands as much HTTP as Go's server needs.
func accepted(in *bufio.Reader, want []byte) error {
	line, err := in.ReadSlice('\n')
	if err != nil {
		return err
	}
	status, size := "", 0
	if !bytes.HasPrefix(line, want) {
		status = string(bytes.TrimSpace(line))
	}
	for {
		if line, err = in.ReadSlice('\n'); err != nil {
			return err
		}
		if len(line) <= 2 {
			break
		}
		if text, ok := bytes.CutPrefix(line, contentLength); ok {
			if size, err = strconv.Atoi(string(bytes.TrimSpace(text))); err != nil {
				return err
			}
		}
	}
	if status == "" {
		_, err = in.Discard(size)
		return err
	}
	body := make([]byte, min(size, 1000))
	_, err = in.Read(body)
	return errors.Join(fmt.Errorf("answered %s: %s", status, bytes.TrimRight(body, "\x00")), err)
}
