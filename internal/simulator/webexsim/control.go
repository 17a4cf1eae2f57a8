package webexsim

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"nms-alert-relay/internal/text"
)

// controls is the control API: JSON in and out, {"error": …} with 4xx.
//
//	GET  /sim/state                     State
//	GET  /sim/events                    server-sent events: "data: " and an Event
//	GET  /sim/files/{id}                a file's content
//	GET  /sim/stats                     Stats
//	POST /sim/say                       Line → MessageView
//	POST /sim/press                     {messageId, from, inputs} or, with a button's title, {messageId, from, button, inputs} → {id}
//	POST /sim/edit                      {messageId, from, text}: edits a message as its author → MessageView
//	POST /sim/delete                    {messageId, from}: deletes a message as a person
//	POST /sim/members, DELETE           {room, person}: adds to a room, removes from it
//	POST /sim/faults                    Fault → {id}; DELETE /sim/faults/{id}
//	POST /sim/outage                    {seconds}: answers 503 for this time; 0 ends it
//	POST /sim/limits                    {account, room}: requests per second and burst; 0 for no limit
//	POST /sim/token                     {person, token}: "" revokes it
var controls = map[string]func(*Server, http.ResponseWriter, *http.Request) (any, error){
	"GET /sim/state":      func(s *Server, _ http.ResponseWriter, _ *http.Request) (any, error) { return s.State(), nil },
	"GET /sim/stats":      func(s *Server, _ http.ResponseWriter, _ *http.Request) (any, error) { return s.Stats(), nil },
	"GET /sim/events":     (*Server).streamEvents,
	"GET /sim/files/":     (*Server).showFile,
	"POST /sim/say":       asks((*Server).Say),
	"POST /sim/press":     asks((*Server).askPress),
	"POST /sim/edit":      asks((*Server).askEdit),
	"POST /sim/delete":    asks((*Server).askDelete),
	"POST /sim/members":   asks((*Server).askJoin),
	"DELETE /sim/members": asks((*Server).askLeave),
	"POST /sim/faults":    asks((*Server).askFault),
	"DELETE /sim/faults/": (*Server).dropFault,
	"POST /sim/outage":    asks((*Server).askOutage),
	"POST /sim/limits":    asks((*Server).askLimits),
	"POST /sim/token":     asks((*Server).askToken),
}

// answered is the result of a control that wrote its answer itself.
type answered struct{}

// control serves /sim/ to this machine only, and not to pages of other sites.
func (s *Server) control(w http.ResponseWriter, r *http.Request) {
	if !local(r) {
		writeJSON(w, http.StatusForbidden, map[string]string{"error": "the simulator is controlled from its own machine only"})
		return
	}
	if err := http.NewCrossOriginProtection().Check(r); err != nil {
		writeJSON(w, http.StatusForbidden, map[string]string{"error": err.Error()})
		return
	}
	key := r.Method + " " + r.URL.Path
	if strings.HasPrefix(r.URL.Path, "/sim/files/") || strings.HasPrefix(r.URL.Path, "/sim/faults/") {
		key = r.Method + " " + r.URL.Path[:strings.LastIndex(r.URL.Path, "/")+1]
	}
	do, ok := controls[key]
	if !ok {
		writeJSON(w, http.StatusNotFound, map[string]string{"error": "unknown control " + key})
		return
	}
	out, err := do(s, w, r)
	if err != nil {
		status := http.StatusBadRequest
		var bad *refusal
		if errors.As(err, &bad) {
			status = bad.status
		}
		writeJSON(w, status, map[string]string{"error": err.Error()})
		return
	}
	if _, done := out.(answered); !done {
		writeJSON(w, http.StatusOK, out)
	}
}

// local reports whether a request is from this machine and for a loopback name: a web page can make a browser call here under
// another name.
func local(r *http.Request) bool {
	return text.Loopback(r.RemoteAddr) && text.Loopback(r.Host)
}

// asks makes a control of a method that takes one JSON value.
func asks[In, Out any](do func(*Server, In) (Out, error)) func(*Server, http.ResponseWriter, *http.Request) (any, error) {
	return func(s *Server, w http.ResponseWriter, r *http.Request) (any, error) {
		var in In
		dec := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxJSONBytes))
		dec.DisallowUnknownFields()
		if err := dec.Decode(&in); err != nil && !errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("invalid body: %w", err)
		}
		return do(s, in)
	}
}

type ok struct {
	ID string `json:"id,omitempty"`
}

type pressed struct {
	MessageID string         `json:"messageId"`
	From      string         `json:"from"`
	Button    string         `json:"button"`
	Inputs    map[string]any `json:"inputs"`
}

func (s *Server) askPress(p pressed) (ok, error) {
	var id string
	var err error
	if p.Button != "" {
		id, err = s.PressButton(p.MessageID, p.From, p.Button, p.Inputs)
	} else {
		id, err = s.Press(p.MessageID, p.From, p.Inputs)
	}
	return ok{ID: id}, err
}

func (s *Server) askDelete(p pressed) (ok, error) { return ok{}, s.Delete(p.MessageID, p.From) }

type edited struct {
	MessageID string `json:"messageId"`
	From      string `json:"from"`
	Text      string `json:"text"`
}

func (s *Server) askEdit(e edited) (MessageView, error) { return s.Edit(e.MessageID, e.From, e.Text) }

type place struct {
	Room   string `json:"room"`
	Person string `json:"person"`
}

func (s *Server) askJoin(p place) (ok, error)  { return ok{}, s.AddToRoom(p.Room, p.Person) }
func (s *Server) askLeave(p place) (ok, error) { return ok{}, s.RemoveFromRoom(p.Room, p.Person) }
func (s *Server) askFault(f Fault) (ok, error) { return ok{ID: s.addFault(f)}, nil }

func (s *Server) askOutage(o struct {
	Seconds float64 `json:"seconds"`
}) (ok, error) {
	s.Outage(s.opts.Clock().Add(time.Duration(o.Seconds * float64(time.Second))))
	return ok{}, nil
}

func (s *Server) askLimits(l struct {
	Account float64 `json:"account"`
	Room    float64 `json:"room"`
}) (ok, error) {
	if l.Account < 0 || l.Room < 0 {
		return ok{}, errors.New("a limit must be 0 or more requests per second")
	}
	s.SetLimits(PerSecond(l.Account), PerSecond(l.Room))
	return ok{}, nil
}

func (s *Server) askToken(t struct {
	Person string `json:"person"`
	Token  string `json:"token"`
}) (ok, error) {
	return ok{}, s.SetToken(t.Person, t.Token)
}

func (s *Server) dropFault(_ http.ResponseWriter, r *http.Request) (any, error) {
	id := strings.TrimPrefix(r.URL.Path, "/sim/faults/")
	if !s.removeFault(id) {
		return nil, refuse(http.StatusNotFound, "unknown fault "+id)
	}
	return ok{ID: id}, nil
}

func (s *Server) showFile(w http.ResponseWriter, r *http.Request) (any, error) {
	s.mu.Lock()
	f := s.files[strings.TrimPrefix(r.URL.Path, "/sim/files/")]
	s.mu.Unlock()
	if f == nil {
		return nil, refuse(http.StatusNotFound, "unknown file")
	}
	serveFile(w, f)
	return answered{}, nil
}

// streamEvents sends changes until the client or the server stops.
func (s *Server) streamEvents(w http.ResponseWriter, r *http.Request) (any, error) {
	events, cancel := s.Subscribe()
	defer cancel()
	out := http.NewResponseController(w)
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusOK)
	_, _ = io.WriteString(w, ": changes follow\n\n")
	if err := out.Flush(); err != nil {
		return answered{}, nil
	}
	for {
		select {
		case e, open := <-events:
			if !open {
				return answered{}, nil
			}
			data, err := json.Marshal(e)
			if err != nil {
				return answered{}, nil
			}
			if _, err := fmt.Fprintf(w, "id: %d\ndata: %s\n\n", e.Revision, data); err != nil {
				return answered{}, nil
			}
			if err := out.Flush(); err != nil {
				return answered{}, nil
			}
		case <-r.Context().Done():
			return answered{}, nil
		case <-s.ctx.Done():
			return answered{}, nil
		}
	}
}
