package sqlite

import (
	"context"
	"database/sql"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/store"
)

// waiting is the condition of the partial index on fresh posts that the ledger makes pending once they may be posted.
const waiting = `t.grp = 0 AND t.look_at > 0 AND t.look_at = max(t.hold_until, t.tell_after) AND NOT ` + isClaimed + ` AND NOT ` + isPending

const counts = `
		SELECT
			(SELECT count(*) FROM journal WHERE pending = 1),
			(SELECT count(*) FROM journal WHERE set_aside <> ''),
			(SELECT count(*) FROM pending) + (SELECT count(*) FROM pending_groups) + (SELECT count(*) FROM posts t WHERE ` + waiting + `),
			(SELECT count(*) FROM notices WHERE state = 'pending'),
			(SELECT count(*) FROM cursors WHERE state = 'dead'),
			(SELECT count(*) FROM group_cursors WHERE state = 'dead'),
			(SELECT count(*) FROM group_cursors WHERE list_dead_at > 0),
			(SELECT count(*) FROM notices WHERE state = 'dead'),
			(SELECT count(*) FROM commands WHERE ` + unfinished + `),
			coalesce((SELECT min(at) FROM (
				SELECT * FROM (SELECT received_at AS at FROM journal WHERE pending = 1 ORDER BY id LIMIT 1)
				UNION ALL SELECT min(since) FROM pending WHERE since <= ?1
				UNION ALL SELECT min(since) FROM pending_groups
				UNION ALL SELECT min(changed_at) FROM notices WHERE state = 'pending')), 0)`

const openProblems = `SELECT severity, count(*) FROM problems WHERE open = 1 GROUP BY severity`

// Stats implements store.Store. Every count uses an index of only the rows that it counts, and all are from one
// snapshot.
func (s *Store) Stats(ctx context.Context) (store.Stats, error) {
	if s.closed.Load() {
		return store.Stats{}, store.ErrClosed
	}
	err := s.files.err()
	var st store.Stats
	if err == nil {
		st, err = s.stats(ctx)
	}
	if err != nil {
		return store.Stats{}, s.readError("count", err)
	}
	return st, nil
}

func (s *Store) stats(ctx context.Context) (st store.Stats, err error) {
	tx, err := s.read.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return st, err
	}
	defer func() { _ = tx.Rollback() }()
	err = tx.QueryRowContext(ctx, counts, micro(s.clock())).
		Scan(&st.JournalPending, &st.SetAside, &st.PostsPending, &st.NoticesPending,
			&st.DeadPosts, &st.DeadGroups, &st.DeadLists, &st.DeadNotices, &st.CommandsPending, stamp{&st.OldestPending})
	if err != nil {
		return st, err
	}

	st.OpenProblems = make(map[alert.Severity]int64, len(alert.Severities))
	for _, v := range alert.Severities {
		st.OpenProblems[v] = 0
	}
	rows, err := tx.QueryContext(ctx, openProblems)
	if err != nil {
		return st, err
	}
	_, err = collect(rows, func(rows *sql.Rows) (none struct{}, err error) {
		var v alert.Severity
		var n int64
		err = rows.Scan(&v, &n)
		st.OpenProblems[v] = n
		return none, err
	})
	return st, err
}
