package zabbixsim

import (
	"html/template"
	"net/http"
)

var problemPage = template.Must(template.New("problem").Parse(`<!doctype html><meta charset="utf-8"><title>Problem {{.ID}} · simulated Zabbix</title>
<style>body{font:15px/1.5 system-ui,sans-serif;max-width:46rem;margin:3rem auto;padding:0 1rem;color:#1f2c33}td,th{text-align:left;padding:.25rem 1rem .25rem 0;vertical-align:top}h1{font-size:1.3rem}small{color:#768d99}</style>
<small>Simulated Zabbix: here your own Zabbix would open.</small><h1>{{.Trigger.Name}}</h1>
<table><tr><th>Event<td>{{.ID}}<tr><th>Host<td>{{.Trigger.Host.Name}}<tr><th>Severity<td>{{.Severity}}<tr><th>Opened<td>{{.Opened.Format "2006-01-02 15:04:05 MST"}}
<tr><th>State<td>{{if .RecoveryID}}resolved {{.Resolved.Format "15:04:05"}}{{else}}problem{{end}}<tr><th>Acknowledged<td>{{.Acked}}</table>
{{if .Acks}}<h2>Updates</h2><table>{{range .Acks}}<tr><td>{{.At.Format "15:04:05"}}<td>{{.User.Username}}<td>{{.Words}}<td style="white-space:pre-line">{{.Message}}{{end}}</table>{{end}}`))

func (s *Server) servePage(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	p := s.find(r.URL.Query().Get("eventid"))
	s.mu.Unlock()
	if p == nil {
		http.Error(w, "Simulated Zabbix: no such problem here.", http.StatusNotFound)
		return
	}
	c, _ := s.Problem(p.ID)
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_ = problemPage.Execute(w, c) // the browser may be gone
}
