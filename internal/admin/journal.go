package admin

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"nms-alert-relay/internal/store"
)

// Entry is a journal entry, as operators see it.
type Entry struct {
	ID         string    `json:"id"`
	Source     string    `json:"source"`
	Kind       string    `json:"kind"` // "event" if Zabbix sent it; all others are the relay's own
	ReceivedAt time.Time `json:"received_at"`
	Reason     string    `json:"reason"` // why it was set aside
	Bytes      int       `json:"bytes"`  // of the payload
	// Payload is as it was received, to the byte. Lists leave it out.
	Payload string `json:"payload,omitempty"`
}

// EntryList is the newest of Total set-aside entries.
type EntryList struct {
	Entries []Entry `json:"entries"`
	Total   int     `json:"total"`
}

func listEntry(e store.Entry) Entry {
	return Entry{
		ID: strconv.FormatInt(e.ID, 10), Source: e.Source, Kind: string(e.Kind),
		ReceivedAt: e.ReceivedAt, Reason: e.SetAside, Bytes: len(e.Payload),
	}
}

func (a *API) setAside(r *http.Request) (any, error) {
	limit, err := limitOf(r)
	if err != nil {
		return nil, err
	}
	stats, err := a.Store.Stats(r.Context())
	if err != nil {
		return nil, err
	}
	entries, err := a.Store.SetAsideEntries(r.Context(), limit)
	if err != nil {
		return nil, err
	}
	list := EntryList{Entries: []Entry{}, Total: max(int(stats.SetAside), len(entries))}
	for _, e := range entries {
		list.Entries = append(list.Entries, listEntry(e))
	}
	return list, nil
}

func (a *API) setAsideEntry(r *http.Request) (any, error) {
	e, err := a.entry(r)
	if err == nil && e.SetAside == "" {
		err = store.ErrNotFound
	}
	return withPayload(e), unknownEntry(r.PathValue("id"), err)
}

// journalEntry returns an event, applied or not: for previews and bug reports.
func (a *API) journalEntry(r *http.Request) (any, error) {
	e, err := a.entry(r)
	if errors.Is(err, store.ErrNotFound) || err == nil && e.Kind != store.EntryEvent {
		err = &refusal{http.StatusNotFound, fmt.Sprintf("unknown journal entry %q", r.PathValue("id")),
			"the relay's log has the ids: msg=event … entry=ID; applied events are kept for retention.journal"}
	}
	return withPayload(e), err
}

func withPayload(e store.Entry) Entry {
	out := listEntry(e)
	out.Payload = string(e.Payload)
	return out
}

// entry returns the journal entry that a request names, or store.ErrNotFound.
func (a *API) entry(r *http.Request) (store.Entry, error) {
	id, _ := strconv.ParseInt(r.PathValue("id"), 10, 64) // no entry has the id 0
	entries, err := a.Store.Entries(r.Context(), id-1, 1)
	switch {
	case err != nil:
		return store.Entry{}, err
	case len(entries) == 0 || entries[0].ID != id:
		return store.Entry{}, store.ErrNotFound
	}
	return entries[0], nil
}

func (a *API) retry(r *http.Request, c Choice) (Done, error) {
	if c.Room != "" {
		return Done{}, &refusal{http.StatusBadRequest, "set-aside entries have no room", "use all without room"}
	}
	beyond := 0
	all := func() (ids []string, err error) {
		stats, err := a.Store.Stats(r.Context())
		if err != nil {
			return nil, err
		}
		entries, err := a.Store.SetAsideEntries(r.Context(), retryLimit)
		for _, e := range slices.Backward(entries) { // oldest first
			ids = append(ids, strconv.FormatInt(e.ID, 10))
		}
		beyond = max(0, int(stats.SetAside)-len(entries))
		return ids, err
	}
	done, left, err := a.each(c, all, func(id string) error {
		entry, _ := strconv.ParseInt(id, 10, 64) // no entry has the id 0
		if err := a.Store.RetryEntry(r.Context(), entry); err != nil {
			return unknownEntry(id, err)
		}
		a.Metrics.Retried.Inc()
		a.Log.Info("journal entry retried", "entry", entry, "by", r.RemoteAddr)
		return nil
	})
	return Done{Retried: done, Left: left + beyond}, err
}

func unknownEntry(id string, err error) error {
	if errors.Is(err, store.ErrNotFound) {
		return &refusal{http.StatusNotFound, fmt.Sprintf("no journal entry %q is set aside", id),
			"'alert-relay setaside list' lists those that are; it may already have been retried"}
	}
	return err
}
