package memory

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"nms-alert-relay/internal/store"
)

// incident is a stored one. It was encoded by this package.
func (d *data) incident(id int64) (i store.Incident) {
	if err := json.Unmarshal(d.incidents.rows[id], &i); err != nil {
		panic(err)
	}
	i.ID = id
	return i
}

func (d *data) putIncident(i store.Incident) {
	i = own(i)
	for n := range i.Problems {
		i.Problems[n] = own(i.Problems[n])
	}
	doc, err := json.Marshal(i)
	if err != nil {
		panic(err)
	}
	d.incidents.put(i.ID, doc)
}

func (d *data) incidentIDs() []int64 { return slices.Sorted(maps.Keys(d.incidents.rows)) }

// Incidents implements store.Store.
func (s *Store) Incidents(ctx context.Context) ([]store.Incident, error) {
	return call(ctx, s, func() (all []store.Incident, err error) {
		for _, id := range s.incidentIDs() {
			all = append(all, s.incident(id))
		}
		return all, nil
	})
}

// AddIncident implements store.Store.
func (s *Store) AddIncident(ctx context.Context, i store.Incident) (int64, error) {
	i.Problems = slices.Clone(i.Problems)
	return call(ctx, s, func() (int64, error) {
		for _, id := range s.incidentIDs() {
			if s.incident(id).Command == i.Command {
				return id, nil
			}
		}
		s.lastIncident++
		i.ID = s.lastIncident
		s.putIncident(i)
		return i.ID, nil
	})
}

// SaveIncident implements store.Store.
func (s *Store) SaveIncident(ctx context.Context, i store.Incident) error {
	i.Problems = slices.Clone(i.Problems)
	return s.do(ctx, func() error {
		if _, known := s.incidents.rows[i.ID]; !known {
			return fmt.Errorf("incident %d: %w", i.ID, store.ErrNotFound)
		}
		s.putIncident(i)
		return nil
	})
}

func entryOrder(a, b store.IncidentEntry) int { return cmp.Compare(a.ID, b.ID) }

// IncidentEntries implements store.Store.
func (s *Store) IncidentEntries(ctx context.Context, incident int64) ([]store.IncidentEntry, error) {
	return call(ctx, s, func() ([]store.IncidentEntry, error) {
		return s.incidentRows.find(0, entryOrder, func(e store.IncidentEntry) bool { return e.Incident == incident }), nil
	})
}

// AddIncidentEntry implements store.Store.
func (s *Store) AddIncidentEntry(ctx context.Context, e store.IncidentEntry) (bool, error) {
	return call(ctx, s, func() (bool, error) {
		if _, known := s.incidents.rows[e.Incident]; !known {
			return false, fmt.Errorf("%w: an entry of incident %d, which doesn't exist", store.ErrRejected, e.Incident)
		}
		if s.incidentRows.count(func(o store.IncidentEntry) bool { return o.Incident == e.Incident && o.Key == e.Key }) > 0 {
			return false, nil
		}
		s.lastIncidentEntry++
		e.ID = s.lastIncidentEntry
		s.incidentRows.put(e.ID, e)
		return true, nil
	})
}

func (d *data) pruneIncidents(before time.Time, limit int) (removed int) {
	old := func(id int64) bool {
		i := d.incident(id)
		return !i.Closed.IsZero() && i.Closed.Before(before)
	}
	removed = d.incidentRows.remove(limit, entryOrder, func(e store.IncidentEntry) bool { return old(e.Incident) },
		func(e store.IncidentEntry) { d.incidentRows.delete(e.ID) })
	gone := 0
	for _, id := range d.incidentIDs() {
		left := d.incidentRows.count(func(e store.IncidentEntry) bool { return e.Incident == id })
		if old(id) && left == 0 && (limit <= 0 || gone < limit) {
			d.incidents.delete(id)
			gone++
		}
	}
	return removed + gone
}
