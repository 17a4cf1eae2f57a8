// Package demo runs the real relay between a simulated Webex and a simulated Zabbix, with a page that shows both.
package demo

import (
	"cmp"
	"embed"
	"encoding/json"
	"html"
	"io"
	"io/fs"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/simulator/webexsim"
	"nms-alert-relay/internal/simulator/zabbixsim"
)

//go:embed static
var static embed.FS

// Limits of the page's state: a browser could not draw a whole storm.
const (
	maxRoots    = 150
	maxProblems = 120
	stormSize   = 300
)

// Person is a person that the visitor of the page can act as.
type Person struct {
	Email string `json:"email"`
	Name  string `json:"name"`
	Role  string `json:"role"`
	// ZabbixToken is the API token of their user in Zabbix, which the page shows, since it is simulated; "" if they have none.
	ZabbixToken string `json:"zabbixToken,omitempty"`
}

// Meters are figures from the relay's metrics.
type Meters struct {
	Events   int64   `json:"events"`
	Messages int64   `json:"messages"`
	Pending  int64   `json:"pending"`
	Oldest   float64 `json:"oldest"` // seconds
}

// hostileName is text of a stranger: in no room and on no page may it be anything but text.
const hostileName = `<img src=x onerror=alert(1)> <@all> **bold** [link](https://evil.example) </p><script>alert(2)</script>`

// Page serves the demo's page and carries out its buttons.
type Page struct {
	Webex  *webexsim.Server
	Zabbix *zabbixsim.Server
	People []Person
	Chat   string // URL of the simulated Webex: "http://127.0.0.1:1234"
	Relay  string // URL of the relay
	Meters func() Meters

	mu        sync.Mutex
	api       bool // the Zabbix API is down
	webexDown bool
	random    int
	notices   int // that were sent
}

type problemJSON struct {
	ID           int64     `json:"id"`
	Name         string    `json:"name"`
	Host         string    `json:"host"`
	Severity     int       `json:"severity"`
	SeverityName string    `json:"severityName"`
	Opened       time.Time `json:"opened"`
	Resolved     bool      `json:"resolved"`
	Acked        bool      `json:"acked"`
	Suppressed   bool      `json:"suppressed"`
	Acks         []ackJSON `json:"acks"`
}

type ackJSON struct {
	User    string `json:"user"`
	Words   string `json:"words"`
	Message string `json:"message"`
}

type stateJSON struct {
	People    []Person       `json:"people"` // that the visitor can act as
	Webex     webexsim.State `json:"webex"`
	WebexURL  string         `json:"webexURL"` // of the files
	WebexDown bool           `json:"webexDown"`
	Relay     Meters         `json:"relay"`
	Zabbix    struct {
		Version  string         `json:"version"`
		Problems []problemJSON  `json:"problems"`
		Open     int            `json:"open"`
		Storm    int            `json:"storm"`
		Down     bool           `json:"down"`
		Alerts   map[string]int `json:"alerts"`
	} `json:"zabbix"`
}

// Handler serves the page.
func (p *Page) Handler() http.Handler {
	files, err := fs.Sub(static, "static")
	if err != nil {
		panic(err) // the folder is embedded
	}
	mux := http.NewServeMux()
	mux.Handle("GET /", http.FileServerFS(files))
	mux.HandleFunc("GET /commands", func(w http.ResponseWriter, _ *http.Request) { reply(w, subjects) })
	mux.HandleFunc("GET /state", func(w http.ResponseWriter, _ *http.Request) { reply(w, p.snapshot()) })
	mux.HandleFunc("GET /events", p.events)
	mux.HandleFunc("GET /document", p.document)
	mux.HandleFunc("POST /say", p.say)
	mux.HandleFunc("POST /press", p.press)
	mux.HandleFunc("POST /zabbix", p.act)
	mux.HandleFunc("POST /notify", p.notify)
	return guard(mux, p.Chat)
}

// guard keeps pages of other sites from pressing the demo's buttons, and the demo's page from loading anything from other sites, except
// pictures from the simulated Webex.
func guard(next http.Handler, pictures string) http.Handler {
	origins := http.NewCrossOriginProtection()
	return origins.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'self'; img-src 'self' data: "+pictures+"; style-src 'self' 'unsafe-inline'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	}))
}

func reply(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // the client went away: nothing to do
}

func (p *Page) snapshot() stateJSON {
	s := stateJSON{People: p.People, Webex: p.Webex.State(), WebexURL: p.Chat, Relay: p.Meters()}
	for i := range s.Webex.Rooms {
		s.Webex.Rooms[i].Messages = newest(s.Webex.Rooms[i].Messages)
	}
	p.mu.Lock()
	s.WebexDown, s.Zabbix.Down = p.webexDown, p.api
	p.mu.Unlock()
	s.Zabbix.Version, s.Zabbix.Storm = p.Zabbix.Version(), stormSize
	waiting, sent, failed := p.Zabbix.AlertCounts()
	s.Zabbix.Alerts = map[string]int{"waiting": waiting, "sent": sent, "failed": failed}
	s.Zabbix.Problems = []problemJSON{}
	problems := p.Zabbix.Problems()
	slices.SortStableFunc(problems, func(a, b zabbixsim.Problem) int { return cmp.Compare(min(a.RecoveryID, 1), min(b.RecoveryID, 1)) }) // open ones first
	for _, q := range problems {
		if q.RecoveryID == 0 {
			s.Zabbix.Open++
		}
		if len(s.Zabbix.Problems) == maxProblems {
			continue
		}
		j := problemJSON{ID: q.ID, Name: q.Trigger.Name, Host: q.Trigger.Host.Name, Severity: int(q.Severity), SeverityName: q.Severity.String(),
			Opened: q.Opened, Resolved: q.RecoveryID != 0, Acked: q.Acked, Suppressed: q.Suppressed, Acks: []ackJSON{}}
		for _, a := range q.Acks {
			j.Acks = append(j.Acks, ackJSON{User: a.User.Username, Words: a.Words(), Message: a.Message})
		}
		s.Zabbix.Problems = append(s.Zabbix.Problems, j)
	}
	return s
}

// newest is what a chat client shows of a room: the newest roots with their threads, without deleted messages.
func newest(all []webexsim.MessageView) []webexsim.MessageView {
	all = slices.DeleteFunc(all, func(m webexsim.MessageView) bool { return m.Deleted })
	roots := 0
	for _, m := range all {
		if m.ParentID == "" {
			roots++
		}
	}
	skip := roots - maxRoots
	shown := map[string]bool{}
	list := []webexsim.MessageView{}
	for _, m := range all {
		if m.ParentID == "" {
			skip--
			shown[m.ID] = skip < 0
		}
		if shown[cmp.Or(m.ParentID, m.ID)] {
			list = append(list, m)
		}
	}
	return list
}

// events notifies the browser of changes, at most five times a second.
func (p *Page) events(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	flush := http.NewResponseController(w)
	chat, stopChat := p.Webex.Subscribe()
	defer stopChat()
	nms, stopNMS := p.Zabbix.Watch()
	defer stopNMS()
	// The meters change without an event, so the page is also refreshed on a timer.
	tick := time.NewTicker(2 * time.Second)
	defer tick.Stop()
	pause := time.NewTicker(200 * time.Millisecond)
	defer pause.Stop()
	for n := 0; ; n++ {
		if _, err := w.Write([]byte("data: " + strconv.Itoa(n) + "\n\n")); err != nil || flush.Flush() != nil {
			return
		}
		select {
		case <-r.Context().Done():
			return
		case <-pause.C:
		}
		select {
		case <-r.Context().Done():
			return
		case _, ok := <-chat:
			if !ok {
				return
			}
			for len(chat) > 0 { // all of them are in the next state
				<-chat
			}
		case <-nms:
		case <-tick.C:
		}
	}
}

func decode[T any](w http.ResponseWriter, r *http.Request) (T, bool) {
	var v T
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 64<<10)).Decode(&v); err != nil {
		http.Error(w, "invalid request: "+err.Error(), http.StatusBadRequest)
		return v, false
	}
	return v, true
}

func (p *Page) say(w http.ResponseWriter, r *http.Request) {
	in, ok := decode[struct{ Room, Person, Text, Parent string }](w, r)
	if !ok {
		return
	}
	group := false
	for _, room := range p.Webex.State().Rooms {
		group = group || room.ID == in.Room && room.Type == "group"
	}
	_, err := p.Webex.Say(webexsim.Line{Room: in.Room, From: in.Person, Text: in.Text, ParentID: in.Parent, MentionBot: group})
	answer(w, err)
}

func (p *Page) press(w http.ResponseWriter, r *http.Request) {
	in, ok := decode[struct {
		Message, Person string
		Inputs          map[string]any
	}](w, r)
	if !ok {
		return
	}
	_, err := p.Webex.Press(in.Message, in.Person, in.Inputs)
	answer(w, err)
}

// notify sends the next status message.
func (p *Page) notify(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	message := statusMessage(p.notices)
	p.notices++
	p.mu.Unlock()
	answer(w, notify(r.Context(), p.Relay, message))
}

// document shows the text of a message's file: one in markdown as a client would render it, others as they are.
func (p *Page) document(w http.ResponseWriter, r *http.Request) {
	m, _ := p.Webex.Message(r.URL.Query().Get("message"))
	if len(m.Files) == 0 || !strings.HasPrefix(m.Files[0].ContentType, "text/") {
		http.Error(w, "the message has no text file", http.StatusNotFound)
		return
	}
	f := m.Files[0]
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	if strings.HasPrefix(f.ContentType, "text/markdown") {
		_, _ = io.WriteString(w, webexsim.Document(f.Content)) // the client went away: nothing to do
		return
	}
	_, _ = io.WriteString(w, "<pre>"+html.EscapeString(string(f.Content))+"</pre>")
}

func answer(w http.ResponseWriter, err error) {
	if err != nil {
		http.Error(w, err.Error(), http.StatusConflict)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// act carries out a button of the Zabbix side.
func (p *Page) act(w http.ResponseWriter, r *http.Request) {
	in, ok := decode[struct {
		Do string
		ID int64
	}](w, r)
	if !ok {
		return
	}
	triggers := p.Zabbix.Triggers()
	p.mu.Lock()
	defer p.mu.Unlock()
	switch in.Do {
	case "resolve":
		p.Zabbix.Resolve(in.ID)
	case "ack":
		answer(w, p.Zabbix.Do("bob", in.ID, zabbixsim.Acknowledge|zabbixsim.Comment, "acknowledged in Zabbix", alert.NotClassified))
		return
	case "raise":
		p.Zabbix.Raise(triggers[p.random%len(triggers)])
		p.random++
	case "hostile":
		t := triggers[0]
		t.ID, t.Name, t.OpData = "23199", hostileName, hostileName
		p.Zabbix.Raise(t)
	case "flap":
		for range 3 {
			p.Zabbix.Resolve(p.Zabbix.Raise(triggers[1]))
		}
	case "outage":
		for _, t := range zabbixsim.OutageTriggers() {
			p.Zabbix.Raise(t)
		}
	case "storm":
		p.Zabbix.Storm(stormSize)
	case "recover-all":
		for _, q := range p.Zabbix.Problems() {
			p.Zabbix.Resolve(q.ID)
		}
	case "down":
		p.api = !p.api
		p.Zabbix.SetDown(p.api)
	case "webex-down":
		p.webexDown = !p.webexDown
		until := time.Now()
		if p.webexDown {
			until = until.Add(24 * time.Hour)
		}
		p.Webex.Outage(until)
	default:
		http.Error(w, "unknown button", http.StatusBadRequest)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}
