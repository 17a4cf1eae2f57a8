package memory

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"nms-alert-relay/internal/store"
)

// CommitFold implements store.Store.
func (s *Store) CommitFold(ctx context.Context, f store.Fold) error {
	return s.do(ctx, func() error { return s.fold(f, s.now()) })
}

func (d *data) fold(f store.Fold, now time.Time) error {
	for key, read := range f.Read {
		if d.problems.rows[key].Revision != read {
			return fmt.Errorf("%w: problem %s", store.ErrConflict, key)
		}
	}
	for _, m := range f.Moved {
		d.move(m)
	}
	for _, p := range f.Problems {
		if err := d.putProblem(p, now); err != nil {
			return err
		}
	}
	if err := d.putTriggers(f.Triggers, now); err != nil {
		return err
	}
	ids := map[int64]int64{} // of the new groups, by their negative ids in the fold
	for _, g := range f.Groups {
		id, err := d.putGroup(g, now)
		if err != nil {
			return err
		}
		ids[g.ID] = id
	}
	for _, p := range f.Posts {
		if p.Group < 0 {
			id, ok := ids[p.Group]
			if !ok {
				return fmt.Errorf("%w: post of %s in %s is in group %d, which isn't in the fold", store.ErrRejected, p.Key, p.Room, p.Group)
			}
			p.Group = id
		}
		if err := d.putPost(p, now); err != nil {
			return err
		}
	}
	for _, n := range f.Notices {
		if _, err := d.addNotice(n); err != nil {
			return err
		}
	}
	for _, id := range f.Applied {
		if err := d.mark(id, true, ""); err != nil {
			return err
		}
	}
	for id, reason := range f.SetAside {
		if err := d.mark(id, false, cmp.Or(reason, "unknown")); err != nil {
			return err
		}
	}
	return nil
}

// mark marks a journal entry as applied or set aside.
func (d *data) mark(id int64, applied bool, setAside string) error {
	e, ok := d.journal.rows[id]
	if !ok {
		return fmt.Errorf("%w: there is no journal entry %d", store.ErrRejected, id)
	}
	e.Applied, e.SetAside = applied, setAside
	d.journal.put(id, e)
	return nil
}

// move moves posts to another key, with the messages that show them.
func (d *data) move(m store.Move) {
	for id, p := range d.posts.rows {
		if id.key == m.From {
			d.posts.delete(id)
			p.Key = m.To
			d.posts.put(postID{m.To, id.room}, p)
		}
	}
	for id, shown := range d.messages.rows {
		if shown.post.key == m.From {
			shown.post.key = m.To
			d.messages.put(id, shown)
		}
	}
}
