package socket

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/coder/websocket"
	"github.com/google/uuid"

	"nms-alert-relay/internal/httpclient"
	"nms-alert-relay/internal/pace"
	"nms-alert-relay/internal/text"
	"nms-alert-relay/internal/webex"
)

const (
	authoriseWithin = 30 * time.Second
	pingEvery       = 15 * time.Second
	pongWithin      = 14 * time.Second
	writeWithin     = 10 * time.Second
	// queued bounds the frames that wait to be handled. While it is full, nothing is read, and Webex keeps the rest.
	queued = 256
)

// Session is an open, authorised connection.
type Session struct {
	api      API
	device   Device
	conn     *websocket.Conn
	log      *slog.Logger
	seen     func()  // called for each frame
	early    []frame // received before the token was accepted
	pongs    chan string
	shutdown chan struct{}
	announce sync.Once
}

// Open connects with a device and authorises. seen is called for each frame. If it fails, the End says why.
func Open(ctx context.Context, api API, d Device, log *slog.Logger, seen func()) (*Session, End) {
	ctx, cancel := context.WithTimeout(ctx, authoriseWithin)
	defer cancel()
	address, err := url.Parse(d.socket)
	if err != nil {
		return nil, End{Reason: Stale, Err: errors.New("the address of the websocket isn't a URL")}
	}
	query := address.Query()
	query.Set("outboundWireFormat", "text")
	query.Set("bufferStates", "true")
	query.Set("aliasHttpStatus", "true")
	address.RawQuery = query.Encode()
	conn, answer, err := websocket.Dial(ctx, address.String(), &websocket.DialOptions{HTTPClient: api.Handshake()})
	if err != nil {
		return nil, handshakeEnd(answer, err)
	}
	conn.SetReadLimit(-1) // read has its own, which keeps the connection
	s := &Session{api: api, device: d, conn: conn, log: log, seen: seen, pongs: make(chan string, 1), shutdown: make(chan struct{})}
	if err := s.authorise(ctx); err != nil {
		_ = conn.CloseNow()
		return nil, s.endOf(err)
	}
	return s, End{}
}

// handshakeEnd returns why a handshake failed. The error's own text has the address, which is as good as a secret.
func handshakeEnd(answer *http.Response, err error) End {
	if answer == nil {
		var u *url.Error
		if errors.As(err, &u) {
			err = u.Err
		}
		return End{Reason: Lost, Err: fmt.Errorf("the websocket's handshake got no answer: %w", err)}
	}
	e := End{Reason: Lost, Err: fmt.Errorf("the websocket's handshake was answered with %d %s", answer.StatusCode, http.StatusText(answer.StatusCode))}
	switch answer.StatusCode {
	case http.StatusNotFound, http.StatusGone:
		e.Reason = Stale
	case http.StatusUnauthorized:
		e.Reason = Unauthorized
	case http.StatusForbidden:
		e.Reason = Forbidden
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		e.RetryAfter, _ = httpclient.RetryAfter(answer.Header, time.Now(), maxRetryAfter)
		if answer.StatusCode == http.StatusTooManyRequests {
			e.Reason, e.RetryAfter = Limited, cmp.Or(e.RetryAfter, defaultRetryAfter)
		}
	}
	return e
}

const (
	maxRetryAfter     = 24 * time.Hour
	defaultRetryAfter = 10 * time.Second
)

// RegistrationEnd returns the End for an error of Registry.Register.
func RegistrationEnd(err error) End {
	e := End{Reason: Unregistered, RetryAfter: webex.ErrorOf(err).RetryAfter, Err: fmt.Errorf("cannot register for the websocket: %w", err)}
	switch webex.ClassOf(err) {
	case webex.Unauthorized:
		e.Reason = Unauthorized
	case webex.RateLimited:
		e.Reason = Limited
	case webex.Forbidden:
		e.Reason = Forbidden
	}
	return e
}

// authorise sends the token and waits until it is accepted.
func (s *Session) authorise(ctx context.Context) error {
	err := s.write(ctx, map[string]any{
		"id": uuid.NewString(), "type": "authorization", "data": map[string]string{"token": "Bearer " + s.api.Bearer()},
	})
	for err == nil {
		var f frame
		if f, err = s.next(ctx); err != nil {
			break
		}
		if f.authorises() {
			s.ack(ctx, f)
			return nil
		}
		if len(s.early) < queued {
			s.early = append(s.early, f)
		}
	}
	return err
}

// next reads the next frame that is valid. What is too long or isn't JSON is dropped: Webex sends it again, since it isn't
// acknowledged, and catching up finds the message.
func (s *Session) next(ctx context.Context) (frame, error) {
	for {
		_, r, err := s.conn.Reader(ctx)
		if err != nil {
			return frame{}, err
		}
		raw, err := io.ReadAll(io.LimitReader(r, maxFrame+1))
		if err == nil && len(raw) > maxFrame {
			_, err = io.Copy(io.Discard, r)
		}
		if err != nil {
			return frame{}, err
		}
		s.seen()
		f, err := parseFrame(raw)
		if err == nil {
			return f, nil
		}
		s.log.Warn("a frame of the websocket can't be read: dropped", "bytes", len(raw), "error", err)
	}
}

func (s *Session) write(ctx context.Context, v any) error {
	raw, err := json.Marshal(v)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, writeWithin)
	defer cancel()
	return s.conn.Write(ctx, websocket.MessageText, raw)
}

// ack acknowledges a frame. A failure ends the connection, and Webex sends the frame again.
func (s *Session) ack(ctx context.Context, f frame) {
	if f.ID != "" && f.Type != typePong {
		_ = s.write(ctx, map[string]string{"type": "ack", "messageId": f.ID})
	}
}

// Shutdown is closed when Webex announces that it will close the connection.
func (s *Session) Shutdown() <-chan struct{} { return s.shutdown }

// Serve passes the connection's events to handle, in order, until the connection ends or ctx does. An event is acknowledged after handle
// succeeded; otherwise Webex sends it again. When ctx ends, the events that were received are handled first.
func (s *Session) Serve(ctx context.Context, handle func(context.Context, webex.Envelope) error) End {
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	ends := make(chan End, 2)
	frames := make(chan frame, queued)
	var reading, handling sync.WaitGroup
	handling.Go(func() {
		for _, f := range s.early {
			s.handle(running, f, handle)
		}
		for f := range frames {
			s.handle(running, f, handle)
		}
	})
	reading.Go(func() {
		defer close(frames)
		ends <- s.endOf(s.read(running, frames))
	})
	reading.Go(func() {
		if err := s.ping(running); err != nil {
			ends <- s.endOf(err)
		}
	})
	var end End
	select {
	case end = <-ends:
	case <-ctx.Done():
		end = End{Reason: Stopped}
		_ = s.conn.Close(websocket.StatusNormalClosure, "")
	}
	stop()
	_ = s.conn.CloseNow()
	reading.Wait()
	handling.Wait()
	return end
}

func (s *Session) read(ctx context.Context, frames chan<- frame) error {
	for {
		f, err := s.next(ctx)
		if err != nil {
			return err
		}
		if f.Type == typePong {
			select {
			case s.pongs <- f.ID:
			default: // nobody waits for it
			}
			continue
		}
		select {
		case frames <- f:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// handle handles one frame, and acknowledges it. A claim isn't cancelled: what was received is to be on disk.
func (s *Session) handle(ctx context.Context, f frame, handle func(context.Context, webex.Envelope) error) {
	if f.Type == typeShutdown {
		s.announce.Do(func() { close(s.shutdown) })
	}
	if event, ok := f.event(); ok {
		if err := s.accept(ctx, event, handle); err != nil {
			s.log.Warn("an event of the websocket couldn't be accepted: Webex will send it again", "resource", event.Resource, "error", err)
			return
		}
	}
	s.ack(ctx, f)
}

const (
	// acceptTries bounds how often an event is tried before it is left to Webex, which sends it again 15 minutes later.
	acceptTries = 4
	// acceptRetry is the wait after the first try; it doubles.
	acceptRetry = 500 * time.Millisecond
)

// accept passes an event to handle. A message that stays unknown to its cluster was deleted, and is no error.
func (s *Session) accept(ctx context.Context, e Event, handle func(context.Context, webex.Envelope) error) (err error) {
	for try := range acceptTries {
		if try > 0 && !pace.Pause(ctx, acceptRetry<<(try-1), nil) {
			return err
		}
		var envelope webex.Envelope
		if envelope, err = s.device.envelope(ctx, s.api, e); err == nil {
			err = handle(context.WithoutCancel(ctx), envelope)
		}
		if err == nil {
			return nil
		}
	}
	if errors.Is(err, errGone) {
		return nil
	}
	return err
}

var errNoPong = errors.New("the websocket is dead: no answer to a ping for 14 s")

// ping pings until ctx ends, or returns an error when no answer comes.
func (s *Session) ping(ctx context.Context) error {
	for {
		if !pace.Pause(ctx, pingEvery, nil) {
			return nil
		}
		id := uuid.NewString()
		if err := s.write(ctx, map[string]string{"id": id, "type": "ping"}); err != nil {
			return err
		}
		if err := s.pong(ctx, id); err != nil {
			return err
		}
	}
}

// pong waits for the answer to a ping.
func (s *Session) pong(ctx context.Context, id string) error {
	late := time.NewTimer(pongWithin)
	defer late.Stop()
	for {
		select {
		case got := <-s.pongs:
			if got == id {
				return nil
			}
		case <-late.C:
			return errNoPong
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// endOf returns the End for an error of the connection.
func (s *Session) endOf(err error) End {
	var closed websocket.CloseError
	switch {
	case errors.Is(err, errNoPong):
		return End{Reason: Silent, Err: err}
	case errors.As(err, &closed):
		return End{
			Reason: closeReason(int(closed.Code), closed.Reason),
			Err:    fmt.Errorf("the websocket was closed by Webex: code %d %s", closed.Code, text.ShortenBytes(text.Line(closed.Reason), 100)),
		}
	}
	return End{Reason: Lost, Err: fmt.Errorf("the websocket broke: %w", err)}
}
