package webexsim

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"time"

	"github.com/coder/websocket"

	"nms-alert-relay/internal/webexid"
)

// This file is the websocket, as Cisco's own clients use it. Nothing is sent for the time without a connection.

const (
	authoriseWithin = 30 * time.Second
	// resendAfter is when a frame that wasn't acknowledged is sent again.
	resendAfter = 15 * time.Minute
	// maxOutgoing frames wait for a slow client; then its connection is dropped.
	maxOutgoing = 4096
)

// session is an open, authorised websocket.
type session struct {
	device *device
	conn   *websocket.Conn
	base   string // of this server, as the client calls it
	out    chan []byte
	number int // of the next frame
	done   context.CancelFunc
	closed struct {
		code   websocket.StatusCode
		reason string
	}
	silent bool // answers no pings
}

// sentFrame is a frame that wasn't acknowledged yet.
type sentFrame struct {
	id   string
	body map[string]any
	at   time.Time
}

// end closes the websocket with a code; 0 breaks the connection. The caller holds the lock.
func (c *session) end(code websocket.StatusCode, reason string) {
	c.closed.code, c.closed.reason = code, reason
	if c.device.session == c {
		c.device.session = nil
	}
	c.done()
}

// socketMessage is what a client sends.
type socketMessage struct {
	ID        string `json:"id"`
	Type      string `json:"type"`
	MessageID string `json:"messageId"`
	Data      struct {
		Token string `json:"token"`
	} `json:"data"`
}

// serveSocket serves one websocket until it ends.
func (s *Server) serveSocket(w http.ResponseWriter, r *http.Request) {
	const op = "GET /mercury/{id}"
	req := &request{Request: r, op: op, id: r.PathValue("id"), reply: w.Header()}
	fault := s.faultFor(req)
	if !s.before(r.Context(), fault) {
		panic(http.ErrAbortHandler)
	}
	s.mu.Lock()
	at := slices.IndexFunc(s.devices, func(d *device) bool { return d.address == req.id })
	var d *device
	if at >= 0 {
		d = s.devices[at]
	}
	away := time.Now().Before(s.outage) || s.ctx.Err() != nil
	if !away {
		s.work.Add(1) // under the lock, so that Close waits for it
		defer s.work.Done()
	}
	s.mu.Unlock()
	query := r.URL.Query()
	switch {
	case fault.Status != 0:
		s.answer(w, op, nil, fault.refusal())
		return
	case away:
		s.answer(w, op, nil, refuse(http.StatusServiceUnavailable, "Service Unavailable"))
		return
	case d == nil:
		s.answer(w, op, nil, errNoDevice)
		return
	case query.Get("outboundWireFormat") != "text" || query.Get("bufferStates") != "true" || query.Get("aliasHttpStatus") != "true":
		s.answer(w, op, nil, refuse(http.StatusBadRequest, "Expected outboundWireFormat=text, bufferStates=true and aliasHttpStatus=true."))
		return
	}
	conn, err := websocket.Accept(w, r, nil)
	if err != nil {
		return // it has answered
	}
	s.count(op, http.StatusSwitchingProtocols)
	if c := s.authorise(conn, d, "http://"+r.Host); c != nil {
		s.converse(c)
	}
}

// authorise waits for the token. It returns nil after it closed the connection.
func (s *Server) authorise(conn *websocket.Conn, d *device, base string) *session {
	late := time.AfterFunc(authoriseWithin, func() {
		_ = conn.Close(websocket.StatusPolicyViolation, "authentication did not happen within the timeout window of 30000 seconds.")
	})
	defer late.Stop()
	var m socketMessage
	_, raw, err := conn.Read(s.ctx)
	if err != nil {
		_ = conn.CloseNow()
		return nil
	}
	if json.Unmarshal(raw, &m) != nil || m.Type != "authorization" || m.ID == "" {
		_ = conn.Close(4400, "bad request")
		return nil
	}
	s.mu.Lock()
	allowed := m.Data.Token == "Bearer "+d.owner.token && d.owner.token != ""
	s.mu.Unlock()
	if !allowed {
		_ = conn.Close(4401, "authentication failed")
		return nil
	}
	return &session{device: d, conn: conn, base: base, out: make(chan []byte, maxOutgoing), number: 1}
}

// converse serves an authorised connection.
func (s *Server) converse(c *session) {
	ctx, done := context.WithCancel(s.ctx)
	c.done = done
	s.mu.Lock()
	if old := c.device.session; old != nil {
		old.end(4000, "replaced")
	}
	c.device.session = c
	again := slices.Clone(c.device.unacked)
	if !s.heldSockets {
		s.sendFrame(c, map[string]any{"eventType": "mercury.buffer_state", "bufferState": map[string]any{}})
		for _, f := range again {
			f.at = s.now()
			s.enqueue(c, f)
		}
	}
	s.mu.Unlock()
	s.work.Go(func() { s.writeOut(ctx, c) })
	for {
		_, raw, err := c.conn.Read(context.WithoutCancel(ctx))
		var m socketMessage
		if err != nil {
			break
		}
		if json.Unmarshal(raw, &m) != nil {
			s.mu.Lock()
			c.end(4400, "bad request")
			s.mu.Unlock()
			continue
		}
		s.heard(c, m)
	}
	s.mu.Lock()
	if c.device.session == c {
		c.device.session = nil
	}
	s.mu.Unlock()
	done()
}

// heard handles what a client sent.
func (s *Server) heard(c *session, m socketMessage) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch m.Type {
	case "ack":
		c.device.unacked = slices.DeleteFunc(c.device.unacked, func(f *sentFrame) bool { return f.id == m.MessageID })
	case "ping":
		if !c.silent {
			s.push(c, map[string]any{"id": m.ID, "type": "pong"})
		}
	default:
		c.end(4400, "bad request")
	}
}

// writeOut writes what is enqueued, sends again what wasn't acknowledged, and closes the connection when the session ends.
func (s *Server) writeOut(ctx context.Context, c *session) {
	again := time.NewTicker(time.Minute)
	defer again.Stop()
	for {
		select {
		case raw := <-c.out:
			wait, cancel := context.WithTimeout(s.ctx, authoriseWithin)
			err := c.conn.Write(wait, websocket.MessageText, raw)
			cancel()
			if err != nil {
				_ = c.conn.CloseNow()
				return
			}
		case <-again.C:
			s.mu.Lock()
			for _, f := range c.device.unacked {
				if s.now().Sub(f.at) >= resendAfter {
					f.at = s.now()
					s.enqueue(c, f)
				}
			}
			s.mu.Unlock()
		case <-ctx.Done():
			s.mu.Lock()
			closed := c.closed
			s.mu.Unlock()
			if closed.code != 0 && s.ctx.Err() == nil {
				_ = c.conn.Close(closed.code, closed.reason)
			}
			_ = c.conn.CloseNow()
			return
		}
	}
}

// sendFrame sends data in a new frame, which the client must acknowledge.
func (s *Server) sendFrame(c *session, data map[string]any) {
	f := &sentFrame{id: s.nextUUID(), at: s.now(), body: map[string]any{"data": data, "timestamp": s.now().UnixMilli(), "filterMessage": false}}
	c.device.unacked = append(c.device.unacked, f)
	s.enqueue(c, f)
}

func (s *Server) enqueue(c *session, f *sentFrame) {
	f.body["id"], f.body["sequenceNumber"] = f.id, c.number
	f.body["trackingId"] = "SIM_" + f.id
	c.number++
	s.push(c, f.body)
}

func (s *Server) push(c *session, v any) {
	raw, err := json.Marshal(v)
	if err != nil {
		return // can't happen: strings and times
	}
	select {
	case c.out <- raw:
	default:
		c.end(0, "")
	}
}

// tellSockets sends an activity to the open websockets of everybody who may see it.
func (s *Server) tellSockets(verb, id string, at time.Time, r *room, actor *person, more map[string]any, may func(*person) bool) {
	for _, d := range s.devices {
		if d.session == nil || !may(d.owner) {
			continue
		}
		room := webexid.Key(r.id)
		tags := []string{}
		if r.direct {
			tags = append(tags, "ONE_ON_ONE")
		}
		activity := map[string]any{
			"id": webexid.Key(id), "objectType": "activity", "verb": verb, "published": stamp(at),
			"url":    d.session.base + "/conversation/api/v1/activities/" + webexid.Key(id),
			"actor":  map[string]any{"id": webexid.Key(actor.id), "entryUUID": webexid.Key(actor.id), "objectType": "person", "emailAddress": actor.email, "displayName": actor.name},
			"object": map[string]any{"objectType": "comment", "displayName": "eyJhbGciOiJkaXIi..encrypted"},
			"target": map[string]any{"id": room, "objectType": "conversation", "url": d.session.base + "/conversation/api/v1/conversations/" + room, "tags": tags},
		}
		for name, value := range more {
			activity[name] = value
		}
		s.sendFrame(d.session, map[string]any{"eventType": "conversation.activity", "activity": activity})
	}
}

func (s *Server) tellMessage(event string, m *message, actor *person) {
	switch event {
	case "created":
		s.tellSockets("post", m.id, m.created, m.room, actor, nil, m.hears)
	case "updated": // the edit is an activity of its own
		s.tellSockets("update", publicID("MESSAGE", s.nextUUID()), m.updated, m.room, actor, map[string]any{"object": map[string]any{"id": webexid.Key(m.id), "objectType": "comment"}}, m.hears)
	case "deleted":
		s.tellSockets("delete", publicID("MESSAGE", s.nextUUID()), m.updated, m.room, actor, map[string]any{"object": map[string]any{"id": webexid.Key(m.id), "objectType": "activity"}}, m.hears)
	}
}

func (s *Server) tellAction(a *action) {
	s.tellSockets("cardAction", a.id, a.created, a.message.room, a.person, map[string]any{
		"object": map[string]any{"objectType": "submit", "inputs": "eyJhbGciOiJkaXIi..encrypted"},
		"parent": map[string]any{"id": webexid.Key(a.message.id), "type": "cardAction"},
	}, func(p *person) bool { return p == a.message.author })
}

// Sockets returns the number of an account's open websockets.
func (s *Server) Sockets(email string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.sessionsOf(email))
}

func (s *Server) sessionsOf(email string) (open []*session) {
	for _, d := range s.devicesOf(s.byEmail(email)) {
		if d.session != nil {
			open = append(open, d.session)
		}
	}
	return open
}

// CloseSockets closes an account's websockets with a code; 0 breaks their connections.
func (s *Server) CloseSockets(email string, code int, reason string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.sessionsOf(email) {
		c.end(websocket.StatusCode(code), reason)
	}
}

// SilenceSockets lets an account's open websockets answer no pings any more.
func (s *Server) SilenceSockets(email string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.sessionsOf(email) {
		c.silent = true
	}
}

// HoldSockets makes websockets that open from now on never say that the token was accepted, although they replace those before.
func (s *Server) HoldSockets(hold bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.heldSockets = hold
}

// AnnounceShutdown tells an account's open websockets that they will be closed soon.
func (s *Server) AnnounceShutdown(email string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.sessionsOf(email) {
		s.push(c, map[string]any{"id": s.nextUUID(), "type": "shutdown"})
	}
}

// SendFrame sends a frame as it is to an account's open websockets.
func (s *Server) SendFrame(email string, raw []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.sessionsOf(email) {
		c.out <- raw
	}
}

// StaleSockets gives an account's devices other addresses for websockets, of which their clients don't know, and closes those that are open.
func (s *Server) StaleSockets(email string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, d := range s.devicesOf(s.byEmail(email)) {
		d.address = s.nextUUID()
		if d.session != nil {
			d.session.end(websocket.StatusNormalClosure, "Done")
		}
	}
}

// DeviceNames are the names of an account's devices.
func (s *Server) DeviceNames(email string) (names []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, d := range s.devicesOf(s.byEmail(email)) {
		name, _ := d.fields["name"].(string)
		names = append(names, name)
	}
	return names
}

// ForgetDevices deletes an account's devices, as Webex does after a long absence.
func (s *Server) ForgetDevices(email string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, d := range s.devicesOf(s.byEmail(email)) {
		s.removeDevice(d)
	}
}

// Unacknowledged are the ids of the frames that an account's clients received and haven't acknowledged.
func (s *Server) Unacknowledged(email string) (ids []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, d := range s.devicesOf(s.byEmail(email)) {
		for _, f := range d.unacked {
			ids = append(ids, f.id)
		}
	}
	return ids
}
