package admin

import (
	"fmt"
	"net/http"
	"time"

	"nms-alert-relay/internal/store"
)

// AuditEntry is one command that was understood: who did what, where, when, and with which result.
type AuditEntry struct {
	At       time.Time `json:"at"`
	Person   string    `json:"person"` // address
	Name     string    `json:"name,omitempty"`
	Bot      string    `json:"bot"`
	Room     string    `json:"room,omitempty"` // "" in a direct chat
	Action   string    `json:"action"`
	Text     string    `json:"text"` // as written, or the button in words
	Problems []string  `json:"problems"`
	State    string    `json:"state"`
	Outcome  string    `json:"outcome,omitempty"`
	ID       string    `json:"id"` // as in the log
}

// Direct is store.Command.Direct.
func (e AuditEntry) Direct() bool { return store.Command{Room: e.Room, Email: e.Person}.Direct() }

// Audit is the newest commands that pass a filter. More says that there are older ones.
type Audit struct {
	Commands []AuditEntry `json:"commands"`
	More     bool         `json:"more"`
}

func (a *API) audit(r *http.Request) (any, error) {
	limit, err := limitOf(r)
	if err != nil {
		return nil, err
	}
	q := r.URL.Query()
	f := store.CommandFilter{Person: q.Get("person"), Problem: q.Get("problem")}
	if since := q.Get("since"); since != "" {
		if f.Since, err = time.Parse(time.RFC3339, since); err != nil {
			return nil, &refusal{http.StatusBadRequest, fmt.Sprintf("since: expected a time, got %q", since), "as in 2026-11-24T13:00:00Z"}
		}
	}
	if limit > 0 {
		f.Limit = limit + 1
	}
	found, err := a.Store.FindCommands(r.Context(), f)
	if err != nil {
		return nil, err
	}
	out := Audit{Commands: []AuditEntry{}, More: limit > 0 && len(found) > limit}
	if out.More {
		found = found[:limit]
	}
	for _, c := range found {
		out.Commands = append(out.Commands, AuditEntry{
			At: c.CreatedAt, Person: c.Email, Name: c.Name, Bot: c.Bot, Room: c.Room, Action: c.Action, Text: c.Text, Problems: append([]string{}, c.Keys...),
			State: string(c.State), Outcome: c.Outcome, ID: c.ID,
		})
	}
	return out, nil
}
