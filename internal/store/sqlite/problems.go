package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	// The proposed encoding/json v2: it reads a document in half the time.
	fastjson "github.com/go-json-experiment/json/v1"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/store"
)

func scanProblem(rows *sql.Rows) (alert.Problem, error) {
	var doc sql.RawBytes
	var key alert.Key
	if err := rows.Scan(&key.Source, &key.EventID, &doc); err != nil {
		return alert.Problem{}, err
	}
	var p alert.Problem
	if err := fastjson.Unmarshal(doc, &p); err != nil {
		return alert.Problem{}, fmt.Errorf("%w: problem %s can't be read: %w", store.ErrRejected, key, err)
	}
	return p, nil
}

// shownProblem decodes the part of a problem that a group's message shows (see store.Member).
func shownProblem(doc []byte) (p alert.Problem, err error) {
	shown := struct {
		*alert.Problem
		Macros struct{} `json:"macros"` // these two hide the problem's: they are two thirds of a document
		Merge  struct{} `json:"merge"`
	}{Problem: &p}
	if err = fastjson.Unmarshal(doc, &shown); err == nil && (p.Origin != alert.OriginTrigger || p.Name == "") {
		err = fastjson.Unmarshal(doc, &p)
	}
	return p, err
}

// keysJSON encodes keys for json_each, so that one statement serves any number of keys.
func keysJSON(keys []alert.Key) (string, error) {
	pairs := make([][2]string, len(keys))
	for i, k := range keys {
		pairs[i] = [2]string{k.EventID, k.Source}
	}
	b, err := json.Marshal(pairs)
	return string(b), err
}

// CROSS JOIN fixes the order of the loops: the keys first, then the index.
const fromKeys = ` FROM (SELECT DISTINCT value ->> 0 AS event_id, value ->> 1 AS source FROM json_each(?)) k CROSS JOIN `

const problemsByKey = `SELECT p.source, p.event_id, p.doc` + fromKeys + `problems p ON p.event_id = k.event_id AND p.source = k.source`

// Problems implements store.Store.
func (s *Store) Problems(ctx context.Context, keys []alert.Key) (map[alert.Key]alert.Problem, error) {
	list, err := keysJSON(keys)
	if err != nil {
		return nil, err
	}
	const what = "read problems"
	var damaged error
	found, err := query(ctx, s, what, func(rows *sql.Rows) (alert.Problem, error) {
		p, err := scanProblem(rows)
		if errors.Is(err, store.ErrRejected) {
			damaged, err = errors.Join(damaged, err), errSkip
		}
		return p, err
	}, problemsByKey, list)
	if err != nil {
		return nil, err
	}
	byKey := make(map[alert.Key]alert.Problem, len(found))
	for _, p := range found {
		byKey[p.Key] = p
	}
	if damaged != nil {
		damaged = s.readError(what, damaged)
	}
	return byKey, damaged
}

// Nearly always there are no symptoms at all.
const symptomsOf = `SELECT p.source, p.event_id` + fromKeys + `problems p ON p.cause = k.event_id AND p.source = k.source AND p.cause <> ''
	WHERE EXISTS (SELECT 1 FROM problems WHERE cause <> '')`

// SymptomsOf implements store.Store.
func (s *Store) SymptomsOf(ctx context.Context, causes []alert.Key) ([]alert.Key, error) {
	list, err := keysJSON(causes)
	if err != nil {
		return nil, err
	}
	return query(ctx, s, "find symptoms", func(rows *sql.Rows) (k alert.Key, err error) {
		return k, rows.Scan(&k.Source, &k.EventID)
	}, symptomsOf, list)
}

// KeysByEventID implements store.Store.
func (s *Store) KeysByEventID(ctx context.Context, eventID string) ([]alert.Key, error) {
	return query(ctx, s, "find problems by event id", func(rows *sql.Rows) (alert.Key, error) {
		k := alert.Key{EventID: eventID}
		return k, rows.Scan(&k.Source)
	}, `SELECT source FROM problems WHERE event_id = ? ORDER BY source`, eventID)
}

// FindProblems implements store.Store.
func (s *Store) FindProblems(ctx context.Context, f store.Filter) ([]alert.Problem, error) {
	where, args := conditions(f)
	return queryReadable(ctx, s, "find problems", scanProblem,
		`SELECT p.source, p.event_id, p.doc FROM problems p`+where+` ORDER BY p.severity DESC, p.opened_at DESC, p.id DESC LIMIT ? OFFSET ?`,
		append(args, limited(f.Limit), f.Skip)...)
}

// endedProblems is the statement of EndedProblems, with the conditions of a filter.
func endedProblems(where string) string {
	return `SELECT p.source, p.event_id, p.doc FROM problems p` + strings.Replace(where, ` WHERE `, ` WHERE p.state <> 'open' AND p.written_at >= ? AND `, 1) +
		` ORDER BY p.written_at DESC, p.id DESC LIMIT ?`
}

// EndedProblems implements store.Store.
func (s *Store) EndedProblems(ctx context.Context, f store.Filter, since time.Time, limit int, each func(p alert.Problem)) error {
	where, args := conditions(f)
	if where == "" {
		where = ` WHERE 1`
	}
	_, err := queryReadable(ctx, s, "find ended problems", func(rows *sql.Rows) (p alert.Problem, err error) {
		if p, err = scanProblem(rows); err == nil {
			each(p)
			err = errSkip
		}
		return p, err
	}, endedProblems(where), append(append([]any{micro(since)}, args...), limited(limit))...)
	return err
}

// CountProblems implements store.Store.
func (s *Store) CountProblems(ctx context.Context, f store.Filter) (int, error) {
	where, args := conditions(f)
	counts, err := query(ctx, s, "count problems", func(rows *sql.Rows) (n int, err error) { return n, rows.Scan(&n) },
		`SELECT count(*) FROM problems p`+where, args...)
	if err != nil {
		return 0, err
	}
	return counts[0], nil
}

// SQLite reads the documents itself: after a storm thousands of problems may be answered already.
const (
	unobservedProblems = `SELECT p.source, p.event_id FROM problems p
	WHERE p.open = 1 AND CASE WHEN json_valid(CAST(p.doc AS TEXT)) THEN json_extract(CAST(p.doc AS TEXT), '$.origin') = 'trigger'
		AND coalesce(json_extract(CAST(p.doc AS TEXT), '$.observed'), 0) = 0 END
	ORDER BY p.severity DESC, p.opened_at DESC, p.id DESC LIMIT ?`

	unreadEnds = `SELECT p.source, p.event_id FROM problems p
	WHERE p.state <> 'open' AND p.written_at > (SELECT max(written_at) FROM problems WHERE state <> 'open') - ? AND p.of_trigger = 1
		AND CASE WHEN json_valid(CAST(p.doc AS TEXT)) THEN json_extract(CAST(p.doc AS TEXT), '$.merge.e') = 1
			AND coalesce(json_extract(CAST(p.doc AS TEXT), '$.merge.ob.t'), 0) < json_extract(CAST(p.doc AS TEXT), '$.merge.d.t') END
	ORDER BY p.written_at DESC, p.id DESC LIMIT ?`
)

// UnobservedProblems implements store.Store.
func (s *Store) UnobservedProblems(ctx context.Context, limit int) ([]alert.Key, error) {
	const what = "find unobserved problems"
	scan := func(rows *sql.Rows) (k alert.Key, err error) { return k, rows.Scan(&k.Source, &k.EventID) }
	open, err := query(ctx, s, what, scan, unobservedProblems, limited(limit))
	if err != nil || limit > 0 && len(open) == limit {
		return open, err
	}
	resolved, err := query(ctx, s, what, scan, unreadEnds, store.UnreadFor.Microseconds(), limited(max(limit-len(open), 0)))
	return append(open, resolved...), err
}

const openStates = `SELECT p.event_id, p.opened_at, p.severity, p.acknowledged, p.suppressed_until > ?2, p.updates, p.cause, p.revision
	FROM problems p WHERE p.open = 1 AND p.of_trigger = 1 AND p.source = ?1`

// OpenStates implements store.Store.
func (s *Store) OpenStates(ctx context.Context, source string, at time.Time) ([]store.OpenState, error) {
	return queryReadable(ctx, s, "list open problems", func(rows *sql.Rows) (o store.OpenState, err error) {
		return o, unreadable("an open problem", rows.Scan(&o.EventID, stamp{&o.OpenedAt}, &o.Severity, &o.Acknowledged, &o.Suppressed, &o.Updates, &o.Cause, &o.Revision))
	}, openStates, source, micro(at))
}

// OpenBySource implements store.Store.
func (s *Store) OpenBySource(ctx context.Context) (map[string]int, error) {
	open := map[string]int{}
	_, err := query(ctx, s, "count the open problems of each source", func(rows *sql.Rows) (none struct{}, err error) {
		var source string
		var n int
		err = rows.Scan(&source, &n)
		open[source] = n
		return none, err
	}, `SELECT source, count(*) FROM problems WHERE open = 1 GROUP BY source`)
	return open, err
}

// HasSource implements store.Store.
func (s *Store) HasSource(ctx context.Context, source string) (has bool, err error) {
	found, err := query(ctx, s, "look for problems of a source", func(rows *sql.Rows) (has bool, err error) { return has, rows.Scan(&has) },
		`SELECT EXISTS (SELECT 1 FROM problems WHERE source = ?)`, source)
	return err == nil && found[0], err
}

// Unposted implements store.Store.
func (s *Store) Unposted(ctx context.Context, source string) ([]store.Unposted, error) {
	return query(ctx, s, "count problems that aren't posted", func(rows *sql.Rows) (u store.Unposted, err error) {
		return u, rows.Scan(&u.Room, &u.Severity, &u.Count, stamp{&u.Oldest})
	}, `SELECT room, severity, count(*), min(opened_at) FROM posts WHERE source = ? AND open = 1 AND tell_after = ?
		GROUP BY room, severity ORDER BY room, severity DESC`, source, micro(store.Never))
}

// suppressedUntil is the column of a problem's suppression.
func suppressedUntil(p *alert.Problem) int64 {
	switch {
	case !p.Suppressed || !p.Open():
		return 0
	case p.SuppressedUntil.IsZero():
		return math.MaxInt64
	}
	return micro(p.SuppressedUntil)
}

// ownedBy is the address of a problem's owner in lower case, with an open CASE. Few ask for it, so it has no column.
const ownedBy = `CASE WHEN json_valid(CAST(p.doc AS TEXT)) THEN lower(coalesce(json_extract(CAST(p.doc AS TEXT), '$.owner.email'), ''))`

// marks returns the placeholders for a list of n values.
func marks(n int) string { return strings.TrimSuffix(strings.Repeat("?, ", n), ", ") }

func values(list []string) []any {
	out := make([]any, 0, len(list))
	for _, s := range list {
		out = append(out, s)
	}
	return out
}

// conditions is a filter's WHERE clause and its arguments.
func conditions(f store.Filter) (string, []any) {
	var terms []string
	var args []any
	add := func(term string, values ...any) {
		terms = append(terms, term)
		args = append(args, values...)
	}
	if f.Open {
		add(`p.open = 1`)
	}
	if f.Source != "" {
		add(`p.source = ?`, f.Source)
	}
	if len(f.Severity) > 0 {
		var wanted []string
		for _, v := range alert.Severities {
			if f.Severity[v] {
				wanted = append(wanted, fmt.Sprint(int(v)))
			}
		}
		add(`p.severity IN (` + strings.Join(wanted, ", ") + `)`)
	}
	if f.Acknowledged != nil {
		add(`p.acknowledged = ?`, *f.Acknowledged)
	}
	if f.Owned {
		add(ownedBy + ` <> '' END`)
	}
	if f.Owners != nil {
		add(ownedBy+` IN (`+marks(len(f.Owners))+`) END`, values(f.Owners)...)
	}
	if f.Search != "" {
		add(`instr(p.name, ?) > 0`, strings.ToLower(f.Search))
	}
	if f.Host != "" {
		add(`EXISTS (SELECT 1 FROM json_each(p.hosts) h WHERE h.value GLOB ?)`, f.Host)
	}
	if f.Unposted {
		add(`EXISTS (SELECT 1 FROM posts t WHERE t.event_id = p.event_id AND t.source = p.source AND t.open = 1 AND t.tell_after = ?)`, micro(store.Never))
	}
	if f.Rooms != nil {
		add(`EXISTS (SELECT 1 FROM posts t WHERE t.event_id = p.event_id AND t.source = p.source
			AND t.room IN (`+marks(len(f.Rooms))+`) AND (? = '' OR instr(t.route, ?) <> 1)
			AND (t.grp > 0 OR `+hasMessage+` OR t.tell_after > 0 AND (t.open = 1 OR `+isPending+`)))`, append(values(f.Rooms), f.NotBy, f.NotBy)...)
	}
	if len(terms) == 0 {
		return "", nil
	}
	return ` WHERE ` + strings.Join(slices.Clip(terms), ` AND `), args
}
