package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"

	"nms-alert-relay/internal/store"
)

func scanIncident(rows *sql.Rows) (i store.Incident, err error) {
	var id int64
	var doc []byte
	if err := rows.Scan(&id, &doc); err != nil {
		return i, err
	}
	if err := json.Unmarshal(doc, &i); err != nil {
		return i, fmt.Errorf("%w: incident %d: %w", store.ErrRejected, id, err)
	}
	i.ID = id
	return i, nil
}

// Incidents implements store.Store.
func (s *Store) Incidents(ctx context.Context) ([]store.Incident, error) {
	return queryReadable(ctx, s, "read incidents", scanIncident, `SELECT id, doc FROM incidents ORDER BY id`)
}

// AddIncident implements store.Store.
func (s *Store) AddIncident(ctx context.Context, i store.Incident) (id int64, err error) {
	doc, err := json.Marshal(i)
	if err != nil {
		return 0, fmt.Errorf("%w: an incident: %w", store.ErrRejected, err)
	}
	err = s.write(ctx, "add an incident", func(t *tx) error {
		if known, err := t.one(`SELECT id FROM incidents WHERE command = ?`, []any{i.Command}, &id); known || err != nil {
			return err
		}
		id, err = t.insert(`INSERT INTO incidents (command, closed_at, doc) VALUES (?, ?, ?)`, i.Command, micro(i.Closed), string(doc))
		return err
	})
	return id, err
}

// SaveIncident implements store.Store.
func (s *Store) SaveIncident(ctx context.Context, i store.Incident) error {
	doc, err := json.Marshal(i)
	if err != nil {
		return fmt.Errorf("%w: incident %d: %w", store.ErrRejected, i.ID, err)
	}
	return s.write(ctx, "save an incident", func(t *tx) error {
		n, err := t.exec(`UPDATE incidents SET closed_at = ?, doc = ? WHERE id = ?`, micro(i.Closed), string(doc), i.ID)
		if err == nil && n == 0 {
			return fmt.Errorf("incident %d: %w", i.ID, store.ErrNotFound)
		}
		return err
	})
}

const incidentEntryColumns = `incident, key, kind, at, by_id, by_email, by_name, of_id, of_email, of_name, subject, text`

func scanIncidentEntry(rows *sql.Rows) (e store.IncidentEntry, err error) {
	return e, rows.Scan(&e.ID, &e.Incident, &e.Key, &e.Kind, stamp{&e.At}, &e.By.ID, &e.By.Email, &e.By.Name, &e.Who.ID, &e.Who.Email, &e.Who.Name, &e.Subject, &e.Text)
}

// IncidentEntries implements store.Store.
func (s *Store) IncidentEntries(ctx context.Context, incident int64) ([]store.IncidentEntry, error) {
	return query(ctx, s, "read an incident's entries", scanIncidentEntry, `SELECT id, `+incidentEntryColumns+` FROM incident_entries WHERE incident = ? ORDER BY id`, incident)
}

// AddIncidentEntry implements store.Store.
func (s *Store) AddIncidentEntry(ctx context.Context, e store.IncidentEntry) (added bool, err error) {
	err = s.write(ctx, "add an incident's entry", func(t *tx) error {
		n, err := t.exec(`INSERT INTO incident_entries (`+incidentEntryColumns+`) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (incident, key) DO NOTHING`,
			e.Incident, e.Key, e.Kind, micro(e.At), e.By.ID, e.By.Email, e.By.Name, e.Who.ID, e.Who.Email, e.Who.Name, e.Subject, e.Text)
		added = n > 0
		return err
	})
	return added, err
}
