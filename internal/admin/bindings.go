package admin

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"nms-alert-relay/internal/binding"
	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/store"
)

// Binding is a subscription of a person, or a binding of a space that isn't configured.
type Binding struct {
	ID        string    `json:"id"`
	Kind      string    `json:"kind"`    // "subscription", "space"
	Room      string    `json:"room"`    // a person's address, or the space's Webex id
	Matches   string    `json:"matches"` // as people write it: "severity>=high host=db*"
	Bot       string    `json:"bot,omitempty"`
	By        string    `json:"by"` // address
	CreatedAt time.Time `json:"created_at"`
	Until     time.Time `json:"until,omitzero"`
	Rests     string    `json:"rests,omitempty"` // why it adds nothing now
}

// BindingList is the first of Total bindings, by room.
type BindingList struct {
	Bindings []Binding `json:"bindings"`
	Total    int       `json:"total"`
}

func (a *API) bindings(r *http.Request) (any, error) {
	limit, err := limitOf(r)
	if err != nil {
		return nil, err
	}
	all := a.Bindings.Live()
	list := BindingList{Bindings: []Binding{}, Total: len(all)}
	binding.Sort(all)
	if limit > 0 && len(all) > limit {
		all = all[:limit]
	}
	for _, b := range all {
		one := Binding{
			ID: strconv.FormatInt(b.ID, 10), Kind: "subscription", Room: strings.TrimPrefix(b.Room, config.PersonRoom), Matches: binding.Words(b),
			By: b.Email, CreatedAt: b.CreatedAt, Until: b.Until, Rests: a.Rests(b),
		}
		if binding.IsSpace(b.Room) {
			one.Kind, one.Room, one.Bot = "space", b.RoomID, b.Bot
		}
		list.Bindings = append(list.Bindings, one)
	}
	return list, nil
}

// removeBinding ends a binding. Nobody is told; the audit log has it.
func (a *API) removeBinding(r *http.Request, c Choice) (Done, error) {
	if c.ID == "" {
		return Done{}, &refusal{http.StatusBadRequest, "missing id", "name each that is to end"}
	}
	id, err := strconv.ParseInt(strings.TrimPrefix(c.ID, "#"), 10, 64)
	var ended store.Binding
	if err == nil {
		ended, err = a.Bindings.End(r.Context(), id, store.BindingRemoved)
	}
	if errors.Is(err, store.ErrNotFound) || errors.As(err, new(*strconv.NumError)) {
		return Done{}, &refusal{http.StatusNotFound, fmt.Sprintf("unknown binding %q", c.ID), "'alert-relay bindings list' lists them; it may have ended already"}
	}
	if err != nil {
		return Done{}, err
	}
	by := r.RemoteAddr
	if host, _, err := net.SplitHostPort(by); err == nil {
		by = host
	}
	a.Log.Warn("binding removed", "binding", ended.ID, "room", ended.Room, "matches", binding.Words(ended), "by", by)
	return Done{Removed: []string{strconv.FormatInt(ended.ID, 10)}}, a.RecordEnd(r.Context(), ended, "removed by the admin API, from "+by)
}
