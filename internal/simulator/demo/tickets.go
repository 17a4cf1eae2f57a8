package demo

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"html/template"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// ticketSecret signs the requests to the demo's ticket system. It protects nothing.
const ticketSecret = "simulated-ticket-secret"

// tickets is a ticket system: it opens a ticket for each signed request that it doesn't know yet, and has a page for each.
type tickets struct {
	mu  sync.Mutex
	ids []string // of the requests
	all []ticket
}

// ticket is the part of a request that it keeps.
type ticket struct {
	Name    string `json:"-"` // "DEMO-1"
	Comment string
	Person  struct{ Name, Email string }
	Problem struct{ ID, Name, Severity, URL string }
}

const ticketPrefix = "DEMO-"

// maxTicket bounds a request, in bytes.
const maxTicket = 1 << 20

func (s *tickets) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := strings.TrimPrefix(r.URL.Path, "/")
	if r.Method == http.MethodPost && name == "" {
		s.open(w, r)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	n, err := strconv.Atoi(strings.TrimPrefix(name, ticketPrefix))
	if r.Method != http.MethodGet || err != nil || n < 1 || n > len(s.all) {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
	_ = ticketPage.Execute(w, s.all[n-1]) // the browser has gone
}

// open opens a ticket. The same id is the same ticket.
func (s *tickets) open(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxTicket))
	if err != nil {
		http.Error(w, "too long", http.StatusRequestEntityTooLarge)
		return
	}
	mac := hmac.New(sha256.New, []byte(ticketSecret))
	mac.Write([]byte(r.Header.Get("X-Relay-Timestamp") + "."))
	mac.Write(body)
	if !hmac.Equal([]byte("sha256="+hex.EncodeToString(mac.Sum(nil))), []byte(r.Header.Get("X-Relay-Signature"))) {
		http.Error(w, "wrong signature", http.StatusUnauthorized)
		return
	}
	var t ticket
	if err := json.Unmarshal(body, &t); err != nil {
		http.Error(w, "not JSON", http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	id := r.Header.Get("X-Relay-Id")
	n := slices.Index(s.ids, id)
	if n < 0 {
		n, t.Name = len(s.ids), ticketPrefix+strconv.Itoa(len(s.ids)+1)
		s.ids, s.all = append(s.ids, id), append(s.all, t)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusCreated)
	_ = json.NewEncoder(w).Encode(map[string]string{"message": "Opened " + s.all[n].Name, "url": "/" + s.all[n].Name}) // the relay has gone: it asks again
}

var ticketPage = template.Must(template.New("").Parse(`<!doctype html>
<html lang="en"><meta charset="utf-8"><title>{{.Name}}</title>
<style>body { font: 16px/1.5 system-ui, sans-serif; margin: 3rem auto; max-width: 40rem; padding: 0 1rem } dt { color: #666 } dd { margin: 0 0 1rem }</style>
<h1>{{.Name}}</h1>
<dl>
<dt>Problem<dd>{{.Problem.Name}} ({{.Problem.Severity}}, {{.Problem.ID}})
<dt>Opened by<dd>{{.Person.Name}}, {{.Person.Email}}
<dt>Comment<dd>{{or .Comment "none"}}
</dl>
<p>This is the simulated ticket system of the demo.
`))
