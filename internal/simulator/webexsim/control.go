package webexsim

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"nms-alert-relay/internal/text"
)

// controls are the control API: JSON in and out, {"error": …} with 4xx.
//
//	GET  /sim/state                     State
//	GET  /sim/events                    server-sent events: "data: " and an Event
//	GET  /sim/files/{id}                the content of a message's file
//	GET  /sim/stats                     Stats
//	POST /sim/say                       Line → MessageView
//	POST /sim/press                     {messageId, from, inputs} or, with a button's title, {messageId, from, button, inputs} → {id}
//	POST /sim/edit                      {messageId, from, text}: edits a message as its author → MessageView
//	POST /sim/delete                    {messageId, from}: deletes a message as a person
//	POST /sim/members, DELETE           {room, person}: adds to a room, removes from it
//	POST /sim/faults                    Fault → {id}; DELETE /sim/faults/{id}
//	POST /sim/outage                    {seconds}: answers 503 for this time; 0 ends it
//	POST /sim/limits                    {account, room}: requests per second and burst; 0 for no limit
//	POST /sim/sockets                   {person, code, reason}: closes a bot's websockets; code 0 breaks the connections
//	POST /sim/token                     {person, token}: "" revokes it
func (s *Server) controls() map[string]http.HandlerFunc {
	return map[string]http.HandlerFunc{
		"GET /sim/state":      asks(func(struct{}) (State, error) { return s.State(), nil }),
		"GET /sim/stats":      asks(func(struct{}) (Stats, error) { return s.Stats(), nil }),
		"GET /sim/events":     s.streamEvents,
		"GET /sim/files/{id}": s.showFile,
		"POST /sim/say":       asks(s.Say),
		"POST /sim/press":     asks(s.askPress),
		"POST /sim/edit":      asks(func(a act) (MessageView, error) { return s.Edit(a.MessageID, a.From, a.Text) }),
		"POST /sim/delete":    asks(func(a act) (done, error) { return done{}, s.Delete(a.MessageID, a.From) }),
		"POST /sim/members":   asks(func(p place) (done, error) { return done{}, s.AddToRoom(p.Room, p.Person) }),
		"DELETE /sim/members": asks(func(p place) (done, error) { return done{}, s.RemoveFromRoom(p.Room, p.Person) }),
		"POST /sim/faults":    asks(func(f Fault) (done, error) { return done{ID: s.addFault(f)}, nil }),
		"DELETE /sim/faults/{id}": func(w http.ResponseWriter, r *http.Request) {
			if !s.removeFault(r.PathValue("id")) {
				reply(w, nil, refuse(http.StatusNotFound, "unknown fault "+r.PathValue("id")))
				return
			}
			reply(w, done{}, nil)
		},
		"POST /sim/outage": asks(func(o struct{ Seconds float64 }) (done, error) {
			s.Outage(time.Now().Add(time.Duration(o.Seconds * float64(time.Second))))
			return done{}, nil
		}),
		"POST /sim/limits": asks(func(l struct{ Account, Room float64 }) (done, error) {
			if l.Account < 0 || l.Room < 0 {
				return done{}, errors.New("a limit must be 0 or more requests per second")
			}
			s.SetLimits(PerSecond(l.Account), PerSecond(l.Room))
			return done{}, nil
		}),
		"POST /sim/sockets": asks(func(c struct {
			Person, Reason string
			Code           int
		}) (done, error) {
			s.CloseSockets(c.Person, c.Code, c.Reason)
			return done{}, nil
		}),
		"POST /sim/token": asks(func(t struct{ Person, Token string }) (done, error) { return done{}, s.SetToken(t.Person, t.Token) }),
	}
}

// done is the result of a control that has nothing to show.
type done struct {
	ID string `json:"id,omitempty"` // of what it made
}

// act is what a person does with a message.
type act struct {
	MessageID, From string
	Text            string
	Button          string
	Inputs          map[string]any
}

type place struct{ Room, Person string }

func (s *Server) askPress(a act) (done, error) {
	press := s.Press
	if a.Button != "" {
		press = func(messageID, email string, inputs map[string]any) (string, error) {
			return s.PressButton(messageID, email, a.Button, inputs)
		}
	}
	id, err := press(a.MessageID, a.From, a.Inputs)
	return done{ID: id}, err
}

// guard lets only this machine control the simulator, under a loopback name, and no pages of other sites: a web page can make a
// browser call here under another name.
func guard(control http.HandlerFunc) http.Handler {
	local := func(w http.ResponseWriter, r *http.Request) {
		if !text.Loopback(r.RemoteAddr) || !text.Loopback(r.Host) {
			reply(w, nil, refuse(http.StatusForbidden, "the simulator is controlled from its own machine only"))
			return
		}
		control(w, r)
	}
	return http.NewCrossOriginProtection().Handler(http.HandlerFunc(local))
}

// asks makes a control of a function of one JSON value.
func asks[In, Out any](do func(In) (Out, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var in In
		dec := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxJSONBytes))
		dec.DisallowUnknownFields()
		if err := dec.Decode(&in); err != nil && !errors.Is(err, io.EOF) {
			reply(w, nil, fmt.Errorf("invalid body: %w", err))
			return
		}
		out, err := do(in)
		reply(w, out, err)
	}
}

// reply writes the result of a control.
func reply(w http.ResponseWriter, out any, err error) {
	status := http.StatusOK
	if err != nil {
		status, out = http.StatusBadRequest, map[string]string{"error": err.Error()}
		if bad := (*refusal)(nil); errors.As(err, &bad) {
			status = bad.status
		}
	}
	writeJSON(w, status, out)
}

func (s *Server) showFile(w http.ResponseWriter, r *http.Request) {
	m, ok := s.Message(r.PathValue("id"))
	if !ok || len(m.Files) == 0 {
		reply(w, nil, refuse(http.StatusNotFound, "unknown file"))
		return
	}
	serveFile(w, m.Files[0])
}

// serveFile never lets a browser execute an uploaded file.
func serveFile(w http.ResponseWriter, f FileView) {
	h := w.Header()
	disposition := "attachment"
	if slices.Contains([]string{"image/png", "image/jpeg", "image/gif", "text/plain"}, strings.ToLower(strings.Split(f.ContentType, ";")[0])) {
		disposition = "inline"
	}
	h.Set("Content-Type", f.ContentType)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", "sandbox; default-src 'none'")
	h.Set("Content-Disposition", mime.FormatMediaType(disposition, map[string]string{"filename": f.Name}))
	h.Set("Content-Length", strconv.Itoa(len(f.Content)))
	w.WriteHeader(http.StatusOK)
	_, _ = w.Write(f.Content)
}

// streamEvents sends changes until the client or the server stops.
func (s *Server) streamEvents(w http.ResponseWriter, r *http.Request) {
	events, cancel := s.Subscribe()
	defer cancel()
	out := http.NewResponseController(w)
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusOK)
	_, _ = io.WriteString(w, ": changes follow\n\n")
	if err := out.Flush(); err != nil {
		return
	}
	for {
		select {
		case e, open := <-events:
			if !open {
				return
			}
			data, err := json.Marshal(e)
			if err != nil {
				return
			}
			if _, err := fmt.Fprintf(w, "id: %d\ndata: %s\n\n", e.Revision, data); err != nil {
				return
			}
			if err := out.Flush(); err != nil {
				return
			}
		case <-r.Context().Done():
			return
		case <-s.ctx.Done():
			return
		}
	}
}
