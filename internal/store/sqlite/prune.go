package sqlite

import (
	"context"
	"database/sql"
	"time"
)

// prunePiece is how many rows one transaction of Prune removes: few enough for
// intake not to notice that it waits.
const prunePiece = 32

// Prune implements store.Store: many small transactions, between which others have
// their turn.
func (s *Store) Prune(ctx context.Context, journalBefore, problemsBefore, auditBefore time.Time, limit int) (int, error) {
	removed := 0
	var over []int64
	for _, one := range []struct {
		before time.Time
		remove func(t *tx, before int64, limit int) (found, removed int, err error)
		search func(before int64, limit int) error // before the turn is asked for
	}{
		{journalBefore, func(t *tx, before int64, limit int) (int, int, error) {
			n, last, err := t.pruneJournal(s.pruned.Load(), before, limit)
			t.then = func() { s.pruned.Store(last) }
			return n, n, err
		}, nil},
		// The entry goes first, while the table beside it still names it.
		{auditBefore, removing(`DELETE FROM journal WHERE id IN (
			SELECT a.id FROM journal_aside a CROSS JOIN journal j ON j.id = a.id
			WHERE j.received_at < ? ORDER BY a.id LIMIT ?)`,
			`DELETE FROM journal_aside WHERE NOT EXISTS (SELECT 1 FROM journal j WHERE j.id = journal_aside.id)`), nil},
		{problemsBefore, removing(`DELETE FROM notices WHERE id IN (
			SELECT id FROM notices WHERE state = 'sent' AND changed_at < ? ORDER BY changed_at LIMIT ?)`), nil},
		{auditBefore, removing(`DELETE FROM commands WHERE id IN (
			SELECT id FROM commands WHERE created_at < ? AND NOT (` + unfinished + `) ORDER BY created_at LIMIT ?)`), nil},
		{
			problemsBefore,
			func(t *tx, before int64, _ int) (int, int, error) { return t.pruneProblems(over, before) },
			func(before int64, limit int) (err error) {
				over, err = query(ctx, s, "find problems to prune", scanID, prunableProblems, before, limit)
				return err
			},
		},
		// A digest goes with the last of its posts.
		{problemsBefore, removing(`DELETE FROM digests WHERE id IN (
			SELECT id FROM digests d WHERE d.created_at < ? AND NOT (` + digestNeeded + `)
				AND NOT EXISTS (SELECT 1 FROM posts t WHERE t.digest = d.id AND t.digest > 0)
			ORDER BY d.created_at LIMIT ?)`), nil},
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

// removing runs statements; the first one removes, by a time and a limit.
func removing(what string, also ...string) func(t *tx, before int64, limit int) (int, int, error) {
	return func(t *tx, before int64, limit int) (int, int, error) {
		n, err := t.exec(what, before, limit)
		for _, what := range also {
			if err == nil && n > 0 {
				_, err = t.exec(what)
			}
		}
		return int(n), int(n), err
	}
}

// pruneJournal removes applied entries in the order of their ids, from where the
// last call ended, up to the first that is too young or pending again: received_at
// has no index, and needs none, since ids are given in the order of arrival.
func (t *tx) pruneJournal(from, before int64, limit int) (removed int, last int64, err error) {
	last = from
	st, err := t.stmt(`
		SELECT j.id, j.received_at < ? AND NOT EXISTS (SELECT 1 FROM journal_open o WHERE o.id = j.id)
		FROM journal j
		WHERE j.id > ? AND j.id <= (SELECT done_through FROM fold)
			AND NOT EXISTS (SELECT 1 FROM journal_aside a WHERE a.id = j.id)
		ORDER BY j.id LIMIT ?`)
	if err != nil {
		return 0, last, err
	}
	rows, err := st.QueryContext(context.Background(), before, from, limit)
	if err != nil {
		return 0, last, err
	}
	var gone []int64
	for rows.Next() {
		var id int64
		var may bool
		if err := rows.Scan(&id, &may); err != nil {
			_ = rows.Close()
			return 0, last, err
		}
		if !may {
			break
		}
		last = id
		gone = append(gone, id)
	}
	if err := rows.Close(); err != nil {
		return 0, last, err
	}
	for _, id := range gone {
		if _, err := t.exec(`DELETE FROM journal WHERE id = ?`, id); err != nil {
			return 0, last, err
		}
	}
	return len(gone), last, rows.Err()
}

// Pending messages stay, and everything that replaying a dead letter needs.
const (
	digestNeeded = `d.pending = 1 OR d.state = 'dead' OR d.list_dead_at > 0`
	postNeeded   = behind + ` OR t.state = 'dead'
		OR t.digest > 0 AND EXISTS (SELECT 1 FROM digests d WHERE d.id = t.digest AND (` + digestNeeded + ` OR ` + behindInDigest + `))`
	prunable = ` FROM problems p
		WHERE p.state <> 'open' AND p.written_at < ?
			AND NOT EXISTS (SELECT 1 FROM posts t WHERE t.event_id = p.event_id AND t.source = p.source AND (` + postNeeded + `))`
	prunableProblems = `SELECT p.id` + prunable + ` ORDER BY p.written_at LIMIT ?`
	isPrunable       = `SELECT 1` + prunable + ` AND p.id = ?`
)

func scanID(rows *sql.Rows) (id int64, err error) { return id, rows.Scan(&id) }

// pruneProblems removes problems that are over, with their posts. They were searched for
// before the turn, since the search passes by all that dead letters keep: one that is needed
// by now stays.
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
