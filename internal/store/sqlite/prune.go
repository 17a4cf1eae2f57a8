package sqlite

import (
	"context"
	"database/sql"
	"time"
)

// prunePiece is how many rows one transaction of Prune removes: few enough not to delay appends.
const prunePiece = 32

// Prune implements store.Store, in many small transactions.
func (s *Store) Prune(ctx context.Context, journalBefore, problemsBefore, auditBefore time.Time, limit int) (int, error) {
	removed := 0
	var resolved []int64
	for _, one := range []struct {
		before time.Time
		remove func(t *tx, before int64, limit int) (found, removed int, err error)
		search func(before int64, limit int) error // outside the transaction; nil for none
	}{
		{journalBefore, removing(pruneApplied), nil},
		{auditBefore, removing(`DELETE FROM journal WHERE id IN (
			SELECT id FROM journal WHERE set_aside <> '' AND received_at < ? ORDER BY id LIMIT ?)`), nil},
		{problemsBefore, removing(`DELETE FROM notices WHERE id IN (
			SELECT id FROM notices WHERE state = 'sent' AND changed_at < ? ORDER BY changed_at LIMIT ?)`), nil},
		{auditBefore, removing(`DELETE FROM commands WHERE id IN (
			SELECT id FROM commands WHERE created_at < ? AND NOT (` + unfinished + `) ORDER BY created_at LIMIT ?)`), nil},
		{auditBefore, removing(`DELETE FROM bindings WHERE id IN (
			SELECT id FROM bindings WHERE ended_at > 0 AND ended_at < ? ORDER BY ended_at LIMIT ?)`), nil},
		{problemsBefore, removing(`DELETE FROM reminders WHERE id IN (
			SELECT id FROM reminders WHERE due_at = 0 AND changed_at < ? LIMIT ?)`), nil},
		{auditBefore, removing(`DELETE FROM incident_entries WHERE id IN (
			SELECT e.id FROM incident_entries e JOIN incidents i ON i.id = e.incident WHERE i.closed_at > 0 AND i.closed_at < ? ORDER BY e.id LIMIT ?)`), nil},
		{auditBefore, removing(`DELETE FROM incidents WHERE id IN (
			SELECT id FROM incidents WHERE closed_at > 0 AND closed_at < ?
				AND NOT EXISTS (SELECT 1 FROM incident_entries e WHERE e.incident = incidents.id) ORDER BY id LIMIT ?)`), nil},
		{auditBefore, removing(`DELETE FROM trigger_stats WHERE id IN (
			SELECT id FROM trigger_stats WHERE written_at < ? ORDER BY written_at LIMIT ?)`), nil},
		{
			problemsBefore,
			func(t *tx, before int64, _ int) (int, int, error) { return t.pruneProblems(resolved, before) },
			func(before int64, limit int) (err error) {
				resolved, err = query(ctx, s, "find problems to prune", scanID, prunableProblems, before, limit)
				return err
			},
		},
		// A group goes with the last of its posts.
		{problemsBefore, removing(`DELETE FROM groups WHERE id IN (
			SELECT id FROM groups g WHERE g.opened_at < ? AND NOT ` + groupNeeded + `
				AND NOT EXISTS (SELECT 1 FROM posts t WHERE t.grp = g.id AND t.grp > 0)
			ORDER BY g.opened_at LIMIT ?)`), nil},
	} {
		for left := limit; left > 0 || limit <= 0; {
			piece, found, gone := prunePiece, 0, 0
			if limit > 0 {
				piece = min(left, prunePiece)
			}
			if one.search != nil {
				if err := one.search(micro(one.before), piece); err != nil {
					return removed, err
				}
			}
			if err := s.write(ctx, "prune", func(t *tx) (err error) {
				found, gone, err = one.remove(t, micro(one.before), piece)
				return err
			}); err != nil {
				return removed, err
			}
			removed += gone
			if left -= found; found < piece {
				break
			}
		}
	}
	return removed, nil
}

// removing runs a DELETE with a time and a limit.
func removing(what string) func(t *tx, before int64, limit int) (int, int, error) {
	return func(t *tx, before int64, limit int) (int, int, error) {
		n, err := t.exec(what, before, limit)
		return int(n), int(n), err
	}
}

// pruneApplied considers only the oldest applied entries: received_at has no index, and entries arrive in the order
// of their ids.
const pruneApplied = `
	DELETE FROM journal WHERE id IN (
		SELECT id FROM (SELECT id, received_at FROM journal WHERE pending = 0 AND set_aside = '' ORDER BY id LIMIT ?2) WHERE received_at < ?1)`

// Everything that is still to be sent stays, and everything that replaying a dead letter needs.
const (
	groupNeeded = `(EXISTS (SELECT 1 FROM pending_groups w WHERE w.grp = g.id)
		OR EXISTS (SELECT 1 FROM group_cursors c WHERE c.grp = g.id AND (c.state = 'dead' OR c.list_dead_at > 0)))`
	postNeeded = isPending + `
		OR EXISTS (SELECT 1 FROM cursors c WHERE c.event_id = t.event_id AND c.source = t.source AND c.room = t.room AND c.state = 'dead')
		OR t.grp > 0 AND EXISTS (SELECT 1 FROM groups g WHERE g.id = t.grp AND ` + groupNeeded + `)`
	prunable = ` FROM problems p
		WHERE p.state <> 'open' AND p.written_at < ?
			AND NOT EXISTS (SELECT 1 FROM posts t WHERE t.event_id = p.event_id AND t.source = p.source AND (` + postNeeded + `))`
	prunableProblems = `SELECT p.id` + prunable + ` ORDER BY p.written_at LIMIT ?`
	isPrunable       = `SELECT 1` + prunable + ` AND p.id = ?`
)

func scanID(rows *sql.Rows) (id int64, err error) { return id, rows.Scan(&id) }

// pruneProblems removes resolved problems, with their posts. They were found outside the transaction, since the
// search passes over everything that dead letters keep; a problem that is needed again by now stays.
func (t *tx) pruneProblems(ids []int64, before int64) (found, removed int, err error) {
	for _, id := range ids {
		var one int
		if ok, err := t.one(isPrunable, []any{before, id}, &one); err != nil {
			return 0, 0, err
		} else if !ok {
			continue
		}
		for _, what := range []string{
			`DELETE FROM posts WHERE (event_id, source) = (SELECT event_id, source FROM problems WHERE id = ?)`,
			`DELETE FROM problems WHERE id = ?`,
		} {
			n, err := t.exec(what, id)
			if err != nil {
				return 0, 0, err
			}
			removed += int(n)
		}
	}
	return len(ids), removed, nil
}
