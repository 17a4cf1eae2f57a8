package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"net"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// load is numbered requests; each is sent once.
type load struct {
	// request returns request i. It may reuse the one that it returned to the same connection before; nil at first.
	request   func(i int, before []byte) []byte
	requests  int     // 0: no end
	want      []byte  // prefix of the answer
	perSecond float64 // 0: as fast as they are answered
	next      atomic.Int64
}

// volley is the requests of one round, made of a template with event ids from first on. signed of them are signed beforehand, since the
// generator shares the processors with the process that it measures. A template without a place for a signature needs none.
func volley(t *template, first int64, signed int, workers int) *load {
	l := &load{want: status202}
	var signs [][signLength]byte
	if t.sign == 0 {
		l.want = status200
	} else {
		signs = make([][signLength]byte, signed)
	}
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			request := bytes.Clone(t.request)
			for i := w; i < len(signs); i += workers {
				t.name(request, first+int64(i))
				signs[i] = t.signature(request)
			}
		})
	}
	wg.Wait()
	l.request = func(i int, request []byte) []byte {
		if request == nil {
			request = bytes.Clone(t.request)
		}
		t.name(request, first+int64(i))
		if t.sign == 0 {
			return request
		}
		var sign [signLength]byte
		if i < len(signs) {
			sign = signs[i]
		} else {
			sign = t.signature(request)
		}
		copy(request[t.sign:], sign[:])
		return request
	}
	return l
}

// name writes the event id of a request.
func (t *template) name(request []byte, id int64) {
	copy(request[t.id:t.id+len(sampleDigits)], strconv.AppendInt(nil, id, 10))
}

func (t *template) signature(request []byte) (sign [signLength]byte) {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(t.stamp + "."))
	mac.Write(request[t.body:])
	hex.Encode(sign[:], mac.Sum(nil))
	return sign
}

// barrage is the given requests.
func barrage(requests [][]byte, want []byte, perSecond float64) *load {
	return &load{requests: len(requests), want: want, perSecond: perSecond, request: func(i int, _ []byte) []byte { return requests[i] }}
}

// shot is the outcome of one round.
type shot struct {
	taken int             // answered 202
	took  time.Duration   // the round's length
	waits []time.Duration // from sending to the answer
}

func (s shot) rate() float64 { return float64(s.taken) / s.took.Seconds() }

// fire sends the load over this number of connections, one request at a time on each, until all are sent or ctx ends. An unexpected answer
// is an error. A slow load uses fewer connections, since the server closes idle ones.
func (l *load) fire(ctx context.Context, addr string, connections int) (shot, error) {
	if l.perSecond > 0 {
		connections = min(connections, int(math.Ceil(l.perSecond)))
	}
	conns := make([]net.Conn, connections)
	for i := range conns {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			return shot{}, err
		}
		defer c.Close() // nothing is left to send
		if err := c.SetDeadline(time.Now().Add(5 * time.Minute)); err != nil {
			return shot{}, err
		}
		conns[i] = c
	}
	waits, faults := make([][]time.Duration, connections), make([]error, connections)
	var wg sync.WaitGroup
	began := time.Now()
	for i, c := range conns {
		wg.Go(func() { waits[i], faults[i] = l.talk(ctx, c, began) })
	}
	wg.Wait()
	out := shot{took: time.Since(began), waits: slices.Concat(waits...)}
	out.taken = len(out.waits)
	return out, cmp.Or(faults...) // the others are the same
}

// talk uses one connection.
func (l *load) talk(ctx context.Context, c net.Conn, began time.Time) (waits []time.Duration, err error) {
	var request []byte
	in := bufio.NewReaderSize(c, 2048)
	for ctx.Err() == nil {
		i := int(l.next.Add(1) - 1)
		if l.requests > 0 && i >= l.requests {
			break
		}
		if l.perSecond > 0 {
			time.Sleep(time.Until(began.Add(time.Duration(float64(i) / l.perSecond * float64(time.Second)))))
		}
		request = l.request(i, request)
		sent := time.Now()
		if _, err := c.Write(request); err != nil {
			return nil, err
		}
		if err := accepted(in, l.want); err != nil {
			return nil, err
		}
		waits = append(waits, time.Since(sent))
	}
	return waits, nil
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
