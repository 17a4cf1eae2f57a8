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
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// volley is the requests of one round: their signatures are made beforehand, for
// the generator shares the processors with whom it measures.
type volley struct {
	*template
	first int64 // event id
	signs [][signLength]byte
	next  atomic.Int64
}

// newVolley signs n requests.
func newVolley(first int64, n int, workers int) (*volley, error) {
	t, err := newTemplate(time.Now())
	if err != nil {
		return nil, err
	}
	v := &volley{template: t, first: first, signs: make([][signLength]byte, n)}
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
	return v, nil
}

// name writes the event id of the i-th request.
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

// fire sends the volley over so many connections, each with one request at a time,
// until d is over. Any answer but 202 is an error.
func (v *volley) fire(ctx context.Context, addr string, connections int, d time.Duration) (shot, error) {
	conns := make([]net.Conn, connections)
	defer func() {
		for _, c := range conns {
			if c != nil {
				_ = c.Close() // nothing is left to be sent
			}
		}
	}()
	for i := range conns {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			return shot{}, err
		}
		conns[i] = c
		if err := c.SetDeadline(time.Now().Add(d + 30*time.Second)); err != nil {
			return shot{}, err
		}
	}
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
			return out, err // the others say the same
		}
	}
	return out, nil
}

// talk is one connection.
func (v *volley) talk(ctx context.Context, c net.Conn, guess int) ([]time.Duration, error) {
	waits := make([]time.Duration, 0, guess)
	request := bytes.Clone(v.request)
	in := bufio.NewReaderSize(c, 2048)
	mac := hmac.New(sha256.New, []byte(secret))
	for ctx.Err() == nil {
		i := int(v.next.Add(1) - 1)
		v.name(request, i)
		if i < len(v.signs) {
			copy(request[v.sign:], v.signs[i][:])
		} else { // faster than was foreseen
			var s [signLength]byte
			v.signature(mac, request, &s)
			copy(request[v.sign:], s[:])
		}
		sent := time.Now()
		if _, err := c.Write(request); err != nil {
			return nil, err
		}
		if err := accepted(in); err != nil {
			return nil, err
		}
		waits = append(waits, time.Since(sent))
	}
	return waits, nil
}

var (
	status202     = []byte("HTTP/1.1 202 ")
	contentLength = []byte("Content-Length: ")
)

// accepted reads an answer that should be a 202. It knows no more of HTTP than Go's
// server needs.
func accepted(in *bufio.Reader) error {
	line, err := in.ReadSlice('\n')
	if err != nil {
		return err
	}
	status, size := "", 0
	if !bytes.HasPrefix(line, status202) {
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
