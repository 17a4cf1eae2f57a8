package memory

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/store"
)

// CommitFold implements store.Store. Everything that can be refused is refused before anything is
// written.
func (s *Store) CommitFold(ctx context.Context, f store.Fold) error {
	docs := make([][]byte, len(f.Problems))
	for i := range f.Problems {
		var err error
		if docs[i], err = json.Marshal(f.Problems[i]); err != nil {
			return fmt.Errorf("%w: problem %s: %w", store.ErrRejected, f.Problems[i].Key, err)
		}
	}
	return s.do(ctx, func() error {
		if err := s.refuses(f); err != nil {
			return err
		}
		now := s.now()
		s.move(f.Moved)
		for i, p := range f.Problems {
			s.putProblem(p, docs[i], now)
		}
		ids := s.putGroups(f.Groups, now)
		for _, p := range f.Posts {
			if p.Group < 0 {
				p.Group = ids[p.Group]
			}
			s.putPost(p, now)
		}
		for _, n := range f.Notices {
			s.addNotice(n)
		}
		for _, id := range f.Applied {
			s.journal[id].Applied, s.journal[id].SetAside = true, ""
		}
		for id, reason := range f.SetAside {
			s.journal[id].Applied, s.journal[id].SetAside = false, reason
		}
		return nil
	})
}

// refuses says why a fold can't be committed; nil if it can.
func (d *data) refuses(f store.Fold) error {
	for key, read := range f.Read {
		stored := int64(0)
		if p := d.problems[key]; p != nil {
			stored = p.Revision
		}
		if stored != read {
			return fmt.Errorf("%w: problem %s", store.ErrConflict, key)
		}
	}
	for _, id := range append(slices.Collect(maps.Keys(f.SetAside)), f.Applied...) {
		if d.journal[id] == nil {
			return fmt.Errorf("%w: there is no journal entry %d", store.ErrRejected, id)
		}
	}
	fresh := map[int64]bool{}
	for _, g := range f.Groups {
		if g.ID <= 0 {
			fresh[g.ID] = true
			continue
		}
		switch is := d.groups[g.ID]; {
		case is == nil:
			return fmt.Errorf("%w: group %d was removed", store.ErrConflict, g.ID)
		case is.State == store.PostDead && g.Joined > is.Joined:
			return fmt.Errorf("%w: group %d is dead and takes no more posts", store.ErrConflict, g.ID)
		}
	}
	moved := map[alert.Key]alert.Key{} // to where a key's posts are moved, from where they are stored
	for _, m := range f.Moved {
		moved[m.From] = alert.Key{}
	}
	for _, m := range f.Moved {
		moved[m.To] = m.From
	}
	for _, p := range f.Posts {
		from, is := moved[p.Key]
		if !is {
			from = p.Key
		}
		if p.Group < 0 && !fresh[p.Group] {
			return fmt.Errorf("%w: post of %s in %s is in group %d, which isn't in the fold", store.ErrRejected, p.Key, p.Room, p.Group)
		}
		if is := d.posts[postID{from, p.Room}]; p.NeedsFresh() && is != nil && is.Claimed {
			return fmt.Errorf("%w: the post of %s in %s was claimed", store.ErrConflict, p.Key, p.Room)
		}
	}
	return nil
}

// move gives posts to another key, with the messages that show them.
func (d *data) move(moves []store.Move) {
	for _, m := range moves {
		for id, p := range d.posts {
			if id.key == m.From {
				delete(d.posts, id)
				p.Key = m.To
				d.posts[postID{m.To, id.room}] = p
			}
		}
		for id, shows := range d.messages {
			if shows.post.key == m.From {
				shows.post.key = m.To
				d.messages[id] = shows
			}
		}
	}
}

func (d *data) putProblem(p alert.Problem, doc []byte, now time.Time) {
	is := d.problems[p.Key]
	if is == nil {
		d.lastProblem++
		is = &problem{number: d.lastProblem}
		d.problems[p.Key] = is
	}
	is.Problem, is.doc, is.writtenAt = p, doc, now
}

// Problems implements store.Store.
func (s *Store) Problems(ctx context.Context, keys []alert.Key) (map[alert.Key]alert.Problem, error) {
	return call(ctx, s, func() (map[alert.Key]alert.Problem, error) {
		found := map[alert.Key]alert.Problem{}
		for _, key := range keys {
			if is := s.problems[key]; is != nil {
				p, err := decode(is.doc)
				if err != nil {
					return nil, err
				}
				found[key] = p
			}
		}
		return found, nil
	})
}

// worstFirst is the order of lists.
func worstFirst(a, b *problem) int {
	return cmp.Or(cmp.Compare(b.Severity, a.Severity), b.OpenedAt.Compare(a.OpenedAt), cmp.Compare(b.number, a.number))
}

func (d *data) matches(p *problem, f store.Filter) bool {
	named := func() bool {
		return slices.ContainsFunc(p.Hosts, func(h alert.Host) bool {
			for _, name := range []string{h.Host, h.Name} {
				if ok, _ := path.Match(strings.ReplaceAll(f.Host, "/", "\x00"), strings.ReplaceAll(strings.ToLower(name), "/", "\x00")); ok && name != "" {
					return true
				}
			}
			return false
		})
	}
	heard := func() bool {
		return slices.ContainsFunc(f.Rooms, func(room string) bool {
			is := d.posts[postID{p.Key, room}]
			return is != nil && (is.Group > 0 || is.Shown > 0 || is.Delivered > 0 ||
				!is.TellAfter.IsZero() && (is.Open || is.Pending()))
		})
	}
	return (!f.Open || p.Open()) && (f.Source == "" || f.Source == p.Key.Source) && (len(f.Severity) == 0 || f.Severity[p.Severity]) &&
		(f.Acknowledged == nil || *f.Acknowledged == p.Acknowledged) && strings.Contains(strings.ToLower(p.Name), strings.ToLower(f.Search)) &&
		(f.Host == "" || named()) && (f.Rooms == nil || heard())
}

// FindProblems implements store.Store.
func (s *Store) FindProblems(ctx context.Context, f store.Filter) ([]alert.Problem, error) {
	return call(ctx, s, func() (found []alert.Problem, err error) {
		for _, is := range limited(sorted(s.problems, func(p *problem) bool { return s.matches(p, f) }, worstFirst), f.Limit) {
			p, err := decode(is.doc)
			if err != nil {
				return nil, err
			}
			found = append(found, p)
		}
		return found, nil
	})
}

// CountProblems implements store.Store.
func (s *Store) CountProblems(ctx context.Context, f store.Filter) (int, error) {
	f.Limit = 0
	found, err := s.FindProblems(ctx, f)
	return len(found), err
}

// UnobservedProblems implements store.Store.
func (s *Store) UnobservedProblems(ctx context.Context, limit int) ([]alert.Key, error) {
	return call(ctx, s, func() (keys []alert.Key, err error) {
		for _, p := range limited(sorted(s.problems, func(p *problem) bool {
			return p.Open() && p.Origin == alert.OriginTrigger && !p.Observed
		}, worstFirst), limit) {
			keys = append(keys, p.Key)
		}
		return keys, nil
	})
}

// Suppressions implements store.Store.
func (s *Store) Suppressions(ctx context.Context, source string, at time.Time) ([]store.Suppression, error) {
	return call(ctx, s, func() (all []store.Suppression, err error) {
		for _, p := range sorted(s.problems, func(p *problem) bool {
			return p.Open() && p.Origin == alert.OriginTrigger && p.Key.Source == source
		}, worstFirst) {
			all = append(all, store.Suppression{Key: p.Key, Suppressed: p.SuppressedAt(at)})
		}
		return all, nil
	})
}

// KeysByEventID implements store.Store.
func (s *Store) KeysByEventID(ctx context.Context, eventID string) ([]alert.Key, error) {
	return call(ctx, s, func() (keys []alert.Key, err error) {
		for _, p := range sorted(s.problems, func(p *problem) bool { return p.Key.EventID == eventID },
			func(a, b *problem) int { return cmp.Compare(a.Key.Source, b.Key.Source) }) {
			keys = append(keys, p.Key)
		}
		return keys, nil
	})
}
