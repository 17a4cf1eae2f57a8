package sqlite

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	fastjson "github.com/go-json-experiment/json/v1"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/store"
)

// CommitFold implements store.Store.
func (s *Store) CommitFold(ctx context.Context, f store.Fold) error {
	// Documents are encoded before the transaction, not in it.
	rows := make([]problemRow, 0, len(f.Problems))
	for i := range f.Problems {
		r, err := rowOf(&f.Problems[i])
		if err != nil {
			return fmt.Errorf("%w: problem %s: %w", store.ErrRejected, f.Problems[i].Key, err)
		}
		rows = append(rows, r)
	}
	triggers, err := triggerRows(f.Triggers)
	if err != nil {
		return err
	}
	err = s.write(ctx, "commit a fold", func(t *tx) error { return t.fold(f, rows, triggers, s.clock()) })
	s.damage.met(commitFold, err)
	return err
}

func (t *tx) fold(f store.Fold, problems []problemRow, triggers []triggerRow, now time.Time) error {
	for _, p := range problems {
		read, checked := f.Read[p.Key]
		written, err := t.putProblem(p, read, checked, micro(now))
		if err != nil {
			return err
		}
		if written == 0 {
			return fmt.Errorf("%w: problem %s", store.ErrConflict, p.Key)
		}
	}
	if err := t.move(f.Moved); err != nil { // after conflicts were found: another post may have the key that it moves to
		return err
	}
	if err := t.putTriggers(triggers, micro(now)); err != nil {
		return err
	}
	ids, err := t.putGroups(f.Groups, now)
	if err != nil {
		return err
	}
	if err := t.putPosts(f, ids, now); err != nil {
		return err
	}
	for _, n := range f.Notices {
		if _, err := t.addNotice(n, now); err != nil {
			return err
		}
	}
	if err := t.markApplied(f.Applied); err != nil {
		return err
	}
	return t.markSetAside(f.SetAside)
}

// move moves posts to another key, with the messages that show them.
func (t *tx) move(moves []store.Move) error {
	for _, m := range moves {
		for _, table := range []string{"posts", "messages"} { // the cursors follow their posts
			if _, err := t.exec(`UPDATE `+table+` SET event_id = ?, source = ? WHERE event_id = ? AND source = ?`,
				m.To.EventID, m.To.Source, m.From.EventID, m.From.Source); err != nil {
				return err
			}
		}
	}
	return nil
}

// problemRow is a problem with its computed columns.
type problemRow struct {
	*alert.Problem
	name, hosts string
	doc         []byte
}

func rowOf(p *alert.Problem) (problemRow, error) {
	doc, err := fastjson.Marshal(p)
	if err != nil {
		return problemRow{}, err
	}
	names := make([]string, 0, 2*len(p.Hosts))
	for _, h := range p.Hosts {
		for _, n := range []string{h.Host, h.Name} {
			if n != "" {
				names = append(names, strings.ToLower(n))
			}
		}
	}
	hosts, err := fastjson.Marshal(names)
	return problemRow{p, strings.ToLower(p.Name), string(hosts), doc}, err
}

const putProblem = `
	INSERT INTO problems (event_id, source, state, open, severity, acknowledged, opened_at, written_at, name, hosts, revision, doc,
		of_trigger, suppressed_until, updates, cause)
	SELECT ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?
	WHERE NOT ? OR ? = coalesce((SELECT revision FROM problems WHERE event_id = ? AND source = ?), 0)
	ON CONFLICT (event_id, source) DO UPDATE SET state = excluded.state, open = excluded.open,
		severity = excluded.severity, acknowledged = excluded.acknowledged, opened_at = excluded.opened_at,
		written_at = excluded.written_at, name = excluded.name, hosts = excluded.hosts,
		revision = excluded.revision, doc = excluded.doc,
		of_trigger = excluded.of_trigger, suppressed_until = excluded.suppressed_until, updates = excluded.updates, cause = excluded.cause`

// putProblem writes a problem. With checked it writes nothing if the stored one has another revision than read.
func (t *tx) putProblem(p problemRow, read int64, checked bool, now int64) (written int64, err error) {
	return t.exec(putProblem, p.Key.EventID, p.Key.Source, string(p.State), p.Open(), int64(p.Severity), p.Acknowledged,
		micro(p.OpenedAt), now, p.name, p.hosts, p.Revision, p.doc,
		p.Origin == alert.OriginTrigger, suppressedUntil(p.Problem), p.KnownUpdates(), p.CauseEventID, checked, read, p.Key.EventID, p.Key.Source)
}

// putGroups writes groups in the ledger's columns, and returns the ids of the new ones by the negative
// ids that stand for them in the fold.
func (t *tx) putGroups(groups []store.Group, now time.Time) (map[int64]int64, error) {
	ids := map[int64]int64{}
	for _, g := range groups {
		if g.ID > 0 {
			if err := t.updateGroup(g, now); err != nil {
				return nil, err
			}
			continue
		}
		id, err := t.insert(`
			INSERT INTO groups (room, kind, name, opened_at, joined_at, joined, joined_revision, left_count, left_revision, revision,
				lines, lines_at, lines_since, left_at, left_burst)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			g.Room, string(g.Kind), g.Name, micro(g.OpenedAt), micro(g.JoinedAt), g.Joined, g.JoinedRevision, g.Left, g.LeftRevision, g.Revision,
			g.Lines, micro(g.LinesAt), micro(g.LinesSince), micro(g.LeftAt), g.LeftBurst)
		if err != nil {
			return nil, err
		}
		ids[g.ID], g.ID = id, id
		if err := t.groupPending(g, now); err != nil {
			return nil, err
		}
	}
	return ids, nil
}

func (t *tx) updateGroup(g store.Group, now time.Time) error {
	var joined int
	var dead bool
	found, err := t.one(`SELECT g.joined, coalesce(c.state = 'dead', 0) FROM groups g LEFT JOIN group_cursors c ON c.grp = g.id WHERE g.id = ?`,
		[]any{g.ID}, &joined, &dead)
	switch {
	case err != nil:
		return err
	case !found:
		return fmt.Errorf("%w: group %d was removed", store.ErrConflict, g.ID)
	case dead && g.Joined > joined:
		return fmt.Errorf("%w: group %d is dead and takes no more posts", store.ErrConflict, g.ID)
	}
	if _, err := t.exec(`
		UPDATE groups SET joined_at = ?, joined = ?, joined_revision = ?, left_count = ?, left_revision = ?, revision = ?,
			lines = ?, lines_at = ?, lines_since = ?, left_at = ?, left_burst = ? WHERE id = ?`,
		micro(g.JoinedAt), g.Joined, g.JoinedRevision, g.Left, g.LeftRevision, g.Revision,
		g.Lines, micro(g.LinesAt), micro(g.LinesSince), micro(g.LeftAt), g.LeftBurst, g.ID); err != nil {
		return err
	}
	return t.groupPending(g, now)
}

// groupPending makes a group pending whose message doesn't show the revision.
func (t *tx) groupPending(g store.Group, now time.Time) error {
	_, err := t.exec(`
		INSERT INTO pending_groups (grp, since)
		SELECT ?1, ?2 WHERE NOT EXISTS (SELECT 1 FROM group_cursors c WHERE c.grp = ?1 AND (c.state = 'dead' OR c.shown >= ?3))
		ON CONFLICT DO NOTHING`, g.ID, micro(cmp.Or(g.PendingSince, now)), g.Revision)
	return err
}

const (
	putPost = `
		INSERT INTO posts (event_id, source, room, route, desired, severity, open, opened_at, joined_at, received_at, hold_until, tell_after,
			remind_at, escalate_at, look_at, due_at, escalated, opening, grp, group_revision, lines, left_group, left_revision, from_seq, causes)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (event_id, source, room) DO UPDATE SET route = excluded.route, desired = excluded.desired, severity = excluded.severity,
			open = excluded.open, opened_at = excluded.opened_at, joined_at = excluded.joined_at, received_at = excluded.received_at, hold_until = excluded.hold_until,
			tell_after = excluded.tell_after, remind_at = excluded.remind_at, escalate_at = excluded.escalate_at, look_at = excluded.look_at,
			due_at = excluded.due_at, escalated = excluded.escalated, opening = excluded.opening, grp = excluded.grp,
			group_revision = excluded.group_revision, lines = excluded.lines, left_group = excluded.left_group, left_revision = excluded.left_revision, from_seq = excluded.from_seq,
			causes = excluded.causes`

	// A claimed post is pending until it is dead or delivered, a fresh one if the ledger says so. If delivery caught
	// up after the ledger read the post, it counts as pending from that moment at the earliest.
	putPending = `
		INSERT INTO pending (room, event_id, source, since, fresh)
		SELECT ?1, ?2, ?3, max(CASE WHEN ?4 > 0 THEN ?4 ELSE ?5 END, coalesce(c.delivered_at, 0)), c.state IS NULL
		FROM (SELECT 1) LEFT JOIN cursors c ON c.room = ?1 AND c.event_id = ?2 AND c.source = ?3
		WHERE c.state IS NULL AND ?4 > 0 OR c.state = 'live' AND c.delivered < ?6
		ON CONFLICT DO NOTHING`

	claimedPost = `
		SELECT c.source, c.event_id, c.room FROM json_each(?) k
		CROSS JOIN cursors c ON c.event_id = k.value ->> 0 AND c.source = k.value ->> 1 AND c.room = k.value ->> 2 LIMIT 1`
	notPending = `DELETE FROM pending
		WHERE (room, event_id, source) IN (SELECT k.value ->> 2, k.value ->> 0, k.value ->> 1 FROM json_each(?) k)`
)

// putPosts writes a fold's posts in the ledger's columns. groups are the ids of its new groups.
func (t *tx) putPosts(f store.Fold, groups map[int64]int64, now time.Time) error {
	if err := t.withdraw(f); err != nil {
		return err
	}
	for _, p := range f.Posts {
		if p.Group < 0 {
			id, ok := groups[p.Group]
			if !ok {
				return fmt.Errorf("%w: post of %s in %s is in group %d, which isn't in the fold", store.ErrRejected, p.Key, p.Room, p.Group)
			}
			p.Group = id
		}
		if _, err := t.exec(putPost, p.Key.EventID, p.Key.Source, p.Room, p.Route, p.Desired, int64(p.Severity), p.Open, micro(p.OpenedAt),
			micro(p.JoinedAt), micro(p.ReceivedAt), micro(p.HoldUntil), micro(p.TellAfter), micro(p.RemindAt), micro(p.EscalateAt), micro(p.LookAt), micro(p.DueAt()),
			p.Escalated, p.Opening, p.Group, p.GroupRevision, listText(p.Lines), p.LeftGroup, p.LeftRevision, p.FromSeq, listText(p.Causes)); err != nil {
			return err
		}
		if p.Group == 0 {
			if _, err := t.exec(putPending, p.Room, p.Key.EventID, p.Key.Source, micro(p.PendingSince), micro(now), p.Desired); err != nil {
				return err
			}
		}
	}
	return nil
}

// withdraw makes the posts that the fold groups or withdraws not pending. It fails if delivery has claimed one of them.
func (t *tx) withdraw(f store.Fold) error {
	var fresh [][3]string
	for _, p := range f.Posts {
		revision, read := f.Read[p.Key]
		isNew := read && revision == 0 && len(f.Moved) == 0 // a new problem has no posts that could be claimed
		if p.NeedsFresh() && !isNew {
			fresh = append(fresh, [3]string{p.Key.EventID, p.Key.Source, p.Room})
		}
	}
	if len(fresh) == 0 {
		return nil
	}
	list, err := fastjson.Marshal(fresh)
	if err != nil {
		return err
	}
	var p store.Post
	claimed, err := t.one(claimedPost, []any{string(list)}, &p.Key.Source, &p.Key.EventID, &p.Room)
	if err == nil && claimed {
		err = fmt.Errorf("%w: the post of %s in %s was claimed", store.ErrConflict, p.Key, p.Room)
	}
	if err == nil {
		_, err = t.exec(notPending, string(list))
	}
	return err
}
