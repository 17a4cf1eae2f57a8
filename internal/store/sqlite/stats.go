package sqlite

import (
	"context"
	"database/sql"
	"time"

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
			(SELECT count(*) FROM commands WHERE ` + unfinished + `),
			coalesce((SELECT received_at FROM journal WHERE pending = 1 ORDER BY id LIMIT 1), 0)`

// byRoom counts pending work and dead letters: the kind of the letters (” for work), the room, their number, and the oldest
// pending since.
const byRoom = `
		SELECT '', room, count(*), coalesce(min(CASE WHEN since <= ?1 THEN since END), 0) FROM pending GROUP BY room
		UNION ALL SELECT '', g.room, count(*), min(w.since) FROM pending_groups w CROSS JOIN groups g ON g.id = w.grp GROUP BY g.room
		UNION ALL SELECT '', room, count(*), min(changed_at) FROM notices WHERE state = 'pending' GROUP BY room
		UNION ALL SELECT 'post', room, count(*), 0 FROM cursors WHERE state = 'dead' GROUP BY room
		UNION ALL SELECT 'digest', g.room, count(*), 0 FROM group_cursors c CROSS JOIN groups g ON g.id = c.grp WHERE c.state = 'dead' GROUP BY g.room
		UNION ALL SELECT 'list', g.room, count(*), 0 FROM group_cursors c CROSS JOIN groups g ON g.id = c.grp WHERE c.list_dead_at > 0 GROUP BY g.room
		UNION ALL SELECT 'notice', room, count(*), 0 FROM notices WHERE state = 'dead' GROUP BY room`

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
	var all store.RoomStats
	err = tx.QueryRowContext(ctx, counts).
		Scan(&st.JournalPending, &st.SetAside, &st.PostsPending, &st.NoticesPending,
			&st.CommandsPending, stamp{&all.OldestPending})
	if err != nil {
		return st, err
	}

	if st.Rooms, err = roomStats(ctx, tx, micro(s.clock())); err != nil {
		return st, err
	}
	for _, room := range st.Rooms {
		all.Add(0, room.OldestPending)
	}
	st.OldestPending = all.OldestPending
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

func roomStats(ctx context.Context, tx *sql.Tx, now int64) (map[string]store.RoomStats, error) {
	rows, err := tx.QueryContext(ctx, byRoom, now)
	if err != nil {
		return nil, err
	}
	rooms := map[string]store.RoomStats{}
	_, err = collect(rows, func(rows *sql.Rows) (none struct{}, err error) {
		var kind store.LetterKind
		var name string
		var n int64
		var since time.Time
		if err := rows.Scan(&kind, &name, &n, stamp{&since}); err != nil {
			return none, err
		}
		room := rooms[name]
		if kind == "" {
			room.Add(n, since)
		} else {
			if room.Dead == nil {
				room.Dead = map[store.LetterKind]int64{}
			}
			room.Dead[kind] += n
		}
		rooms[name] = room
		return none, nil
	})
	return rooms, err
}
