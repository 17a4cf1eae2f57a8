package zabbixsim

import (
	"cmp"
	"encoding/json"
	"slices"
	"strconv"
	"time"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/zabbix"
)

// madeAlert is a message that Zabbix made, as alert.get shows it.
type madeAlert struct {
	event, problem int64 // problem only of a recovery
	ack            int64 // of an update
	at             time.Time
	status         string
	failure        string
}

// The states of an alert.
const (
	alertNew    = "3"
	alertSent   = "1"
	alertFailed = "2"
)

// recipient is the user who gets the messages: the relay's.
const recipient = "3"

// makeAlert records a message. A recovery has its own event. mu is held.
func (s *Server) makeAlert(p *Problem, kind alert.Kind, ack *Ack) *madeAlert {
	a := &madeAlert{event: p.ID, at: time.Now(), status: alertNew}
	if kind == alert.KindRecovery {
		a.event, a.problem = p.RecoveryID, p.ID
	}
	if ack != nil {
		a.ack = ack.ID
	}
	s.alerts = append(s.alerts, a)
	return a
}

// Escalate makes a further message about a problem, as a later step of an escalation does, and doesn't send it: it is as sent, or given up.
func (s *Server) Escalate(id int64, gaveUp bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.problems[id]; p != nil {
		a := s.makeAlert(p, alert.KindProblem, nil)
		if a.status = alertSent; gaveUp {
			a.status, a.failure = alertFailed, "lost"
		}
	}
}

// ownMediaType returns the id and the name of the media type whose messages these are; the id 0 if it isn't configured.
func (s *Server) ownMediaType() (id, name string) {
	if m := s.object("mediatype", "name", zabbix.Name); m != nil {
		return m.text("mediatypeid"), zabbix.Name
	}
	return "0", zabbix.Name
}

// alertGet lists messages: a user sees those to users who share a group with him, a Super admin all.
func (s *Server) alertGet(u User, a args) (any, *rpcError) {
	var filter map[string]any
	_ = json.Unmarshal(a["filter"], &filter) // absent: none
	from, _ := a.number("time_from")
	limit, limited := a.number("limit")
	mediaType, name := s.ownMediaType()
	out := []any{}
	if s.hidden && !u.SuperAdmin || s.broken.showNothing || a.has("mediatypeids") && !slices.Contains(a.ids("mediatypeids"), mediaType) {
		return counted(a, out), nil
	}
	events := map[int64]bool{}
	for _, id := range a.ids("eventids") {
		n, _ := strconv.ParseInt(id, 10, 64)
		events[n] = true
	}
	add := func(i int, made *madeAlert) bool {
		if len(events) > 0 && !events[made.event] || made.at.Unix() <= int64(from) {
			return true
		}
		r := row{"alertid": strconv.Itoa(i + 1), "eventid": itoa(made.event), "p_eventid": itoa(made.problem), "acknowledgeid": itoa(made.ack), "clock": itoa(made.at.Unix()),
			"status": made.status, "userid": recipient, "mediatypeid": cmp.Or(mediaType, "0"), "alerttype": "0", "error": made.failure}
		if matches(r, filter) {
			if a.has("selectMediatypes") {
				r["mediatypes"] = []any{row{"mediatypeid": mediaType, "name": name}}
			}
			out = append(out, r)
		}
		return !limited || len(out) < limit
	}
	if a.text("sortorder") == "DESC" {
		for i, made := range slices.Backward(s.alerts) {
			if !add(i, made) {
				break
			}
		}
	} else {
		for i, made := range s.alerts {
			if !add(i, made) {
				break
			}
		}
	}
	return counted(a, out), nil
}

func counted(a args, out []any) any {
	if a.truth("countOutput") {
		return strconv.Itoa(len(out))
	}
	return out
}
