package admin

import (
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/vault"
)

// Token is a person's own API token of a source, without the token itself.
type Token struct {
	Person    string    `json:"person"` // address
	Source    string    `json:"source"`
	User      string    `json:"user"`      // in Zabbix
	Confirmed bool      `json:"confirmed"` // in use; else it waits for the person's answer
	CreatedAt time.Time `json:"created_at"`
	ExpiresAt time.Time `json:"expires_at,omitzero"` // zero for never, or if Zabbix didn't say
	// LeftAt is when the person was first seen without a role, or gone from Webex; zero for neither.
	LeftAt time.Time `json:"left_at,omitzero"`
}

// TokenList is the first of Total tokens, by person and source.
type TokenList struct {
	Tokens []Token `json:"tokens"`
	Total  int     `json:"total"`
}

// TokenOwner names a person by their address.
type TokenOwner struct {
	Person string `json:"person"`
}

// TokensRemoved is whose tokens were removed, and of which sources.
type TokensRemoved struct {
	Person  string   `json:"person"`
	Sources []string `json:"sources"`
}

func (a *API) tokens(r *http.Request) (any, error) {
	limit, err := limitOf(r)
	if err != nil {
		return nil, err
	}
	rows, err := a.Store.AllPersonTokens(r.Context())
	if err != nil {
		return nil, err
	}
	left, err := vault.ReadLeft(r.Context(), a.Store)
	if err != nil {
		return nil, err
	}
	list := TokenList{Tokens: []Token{}, Total: len(rows)}
	slices.SortStableFunc(rows, func(a, b store.PersonToken) int { return strings.Compare(a.Email, b.Email) })
	if limit > 0 && len(rows) > limit {
		rows = rows[:limit]
	}
	for _, t := range rows {
		list.Tokens = append(list.Tokens, Token{Person: t.Email, Source: t.Source, User: t.Username, Confirmed: t.Confirmed, CreatedAt: t.CreatedAt, ExpiresAt: t.ExpiresAt, LeftAt: left[t.Person]})
	}
	return list, nil
}

func (a *API) removeTokens(r *http.Request) (any, error) {
	var c TokenOwner
	if err := decode(r, &c, `{"person": "alice@example.com"}`); err != nil {
		return nil, err
	}
	rows, err := a.Store.AllPersonTokens(r.Context())
	if err != nil {
		return nil, err
	}
	done := TokensRemoved{Sources: []string{}}
	people := map[string]bool{} // an address may have been two accounts'
	for _, t := range rows {
		if email := strings.TrimSpace(c.Person); email == "" || !strings.EqualFold(t.Email, email) {
			continue
		}
		done.Person, people[t.Person] = t.Email, true
		if !slices.Contains(done.Sources, t.Source) {
			done.Sources = append(done.Sources, t.Source)
		}
	}
	if len(people) == 0 {
		return nil, &refusal{http.StatusNotFound, fmt.Sprintf("no token of %q", c.Person), "'alert-relay tokens list' lists them; give the whole address"}
	}
	by := r.RemoteAddr
	if host, _, err := net.SplitHostPort(by); err == nil {
		by = host
	}
	for person := range people {
		removal := vault.Removal{Person: person, Email: done.Person, By: "admin API", Why: "asked for by " + by, Reason: a.Now(), At: a.Now()}
		if err := removal.Remove(r.Context(), a.Store); err != nil {
			return nil, err
		}
	}
	a.Log.Warn("a person's API tokens were removed", "person", done.Person, "sources", done.Sources, "by", r.RemoteAddr)
	return done, nil
}
