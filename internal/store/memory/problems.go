package memory

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/store"
)

// putProblem writes a problem.
func (d *data) putProblem(p alert.Problem, now time.Time) error {
	doc, err := json.Marshal(p)
	if err != nil {
		return fmt.Errorf("%w: problem %s: %w", store.ErrRejected, p.Key, err)
	}
	row := d.problems.rows[p.Key].Row
	if row == 0 {
		d.lastRow++
		row = d.lastRow
	}
	d.problems.put(p.Key, problem{p, doc, row, now})
	return nil
}

// decode returns the stored problems.
func decode(rows []problem) (found []alert.Problem, err error) {
	for _, row := range rows {
		var p alert.Problem
		if err := json.Unmarshal(row.Doc, &p); err != nil {
			return nil, fmt.Errorf("%w: problem %s can't be read: %w", store.ErrRejected, row.Key, err)
		}
		found = append(found, p)
	}
	return found, nil
}

// Problems implements store.Store.
func (s *Store) Problems(ctx context.Context, keys []alert.Key) (map[alert.Key]alert.Problem, error) {
	return call(ctx, s, func() (map[alert.Key]alert.Problem, error) {
		var rows []problem
		for _, key := range keys {
			if row, ok := s.problems.rows[key]; ok {
				rows = append(rows, row)
			}
		}
		found, err := decode(rows)
		byKey := map[alert.Key]alert.Problem{}
		for _, p := range found {
			byKey[p.Key] = p
		}
		return byKey, err
	})
}

// worstFirst is the order of lists.
func worstFirst(a, b problem) int {
	return cmp.Or(cmp.Compare(b.Severity, a.Severity), b.OpenedAt.Compare(a.OpenedAt), cmp.Compare(b.Row, a.Row))
}

func (d *data) matches(p problem, f store.Filter) bool {
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
	posted := func() bool {
		return slices.ContainsFunc(f.Rooms, func(room string) bool {
			is := d.posts.rows[postID{p.Key, room}]
			if f.NotBy != "" && strings.HasPrefix(is.Route, f.NotBy) {
				return false
			}
			return is.Group > 0 || is.Shown > 0 || is.Delivered > 0 || !is.TellAfter.IsZero() && (is.Open || is.Pending())
		})
	}
	return (!f.Open || p.Open()) && (f.Source == "" || f.Source == p.Key.Source) && (len(f.Severity) == 0 || f.Severity[p.Severity]) &&
		(f.Acknowledged == nil || *f.Acknowledged == p.Acknowledged) && strings.Contains(strings.ToLower(p.Name), strings.ToLower(f.Search)) &&
		(!f.Owned || p.Owner.Email != "") && (f.Owners == nil || slices.Contains(f.Owners, strings.ToLower(p.Owner.Email))) &&
		(f.Host == "" || named()) && (f.Rooms == nil || posted())
}

// filter returns the function that matches problems. It reads the posts only once.
func (d *data) filter(f store.Filter) func(problem) bool {
	if !f.Unposted {
		return func(p problem) bool { return d.matches(p, f) }
	}
	unposted := map[alert.Key]bool{}
	for id, post := range d.posts.rows {
		if post.Open && post.TellAfter.Equal(store.Never) {
			unposted[id.key] = true
		}
	}
	return func(p problem) bool { return unposted[p.Key] && d.matches(p, f) }
}

// EndedProblems implements store.Store.
func (s *Store) EndedProblems(ctx context.Context, f store.Filter, since time.Time, limit int, each func(p alert.Problem)) error {
	found, err := call(ctx, s, func() ([]alert.Problem, error) {
		since, matches := own(since), s.filter(f)
		newest := func(a, b problem) int { return cmp.Or(b.WrittenAt.Compare(a.WrittenAt), cmp.Compare(b.Row, a.Row)) }
		return decode(s.problems.find(limit, newest, func(p problem) bool {
			return p.State != alert.StateOpen && !p.WrittenAt.Before(since) && matches(p)
		}))
	})
	for _, p := range found {
		each(p)
	}
	return err
}

// FindProblems implements store.Store.
func (s *Store) FindProblems(ctx context.Context, f store.Filter) ([]alert.Problem, error) {
	return call(ctx, s, func() ([]alert.Problem, error) {
		limit := f.Limit
		if limit > 0 {
			limit += f.Skip
		}
		found := s.problems.find(limit, worstFirst, s.filter(f))
		return decode(found[min(f.Skip, len(found)):])
	})
}

// CountProblems implements store.Store.
func (s *Store) CountProblems(ctx context.Context, f store.Filter) (int, error) {
	return call(ctx, s, func() (int, error) {
		return s.problems.count(s.filter(f)), nil
	})
}

// keys returns the keys of the problems that pass, worst first.
func (s *Store) keys(ctx context.Context, limit int, pass func(p problem) bool) ([]alert.Key, error) {
	return call(ctx, s, func() (keys []alert.Key, err error) {
		for _, p := range s.problems.find(limit, worstFirst, pass) {
			keys = append(keys, p.Key)
		}
		return keys, nil
	})
}

// UnobservedProblems implements store.Store.
func (s *Store) UnobservedProblems(ctx context.Context, limit int) ([]alert.Key, error) {
	open, err := s.keys(ctx, limit, func(p problem) bool { return p.Open() && p.Origin == alert.OriginTrigger && !p.Observed })
	if err != nil || limit > 0 && len(open) == limit {
		return open, err
	}
	return call(ctx, s, func() ([]alert.Key, error) {
		newestFirst := func(a, b problem) int {
			return cmp.Or(b.WrittenAt.Compare(a.WrittenAt), cmp.Compare(b.Row, a.Row))
		}
		resolved := func(p problem) bool { return p.State != alert.StateOpen }
		var since time.Time
		for _, p := range s.problems.find(1, newestFirst, resolved) {
			since = p.WrittenAt.Add(-store.UnreadFor)
		}
		for _, p := range s.problems.find(max(limit-len(open), 0), newestFirst, func(p problem) bool {
			return resolved(p) && p.WrittenAt.After(since) && p.Origin == alert.OriginTrigger && p.EndUnread()
		}) {
			open = append(open, p.Key)
		}
		return open, nil
	})
}

// OpenStates implements store.Store.
func (s *Store) OpenStates(ctx context.Context, source string, at time.Time) ([]store.OpenState, error) {
	return call(ctx, s, func() (all []store.OpenState, err error) {
		for _, p := range s.problems.find(0, worstFirst, func(p problem) bool {
			return p.Open() && p.Origin == alert.OriginTrigger && p.Key.Source == source
		}) {
			all = append(all, store.OpenState{EventID: p.Key.EventID, OpenedAt: p.OpenedAt, Severity: p.Severity, Acknowledged: p.Acknowledged,
				Suppressed: p.SuppressedAt(at), Updates: p.KnownUpdates(), Cause: p.CauseEventID, Revision: p.Revision})
		}
		return all, nil
	})
}

// OpenBySource implements store.Store.
func (s *Store) OpenBySource(ctx context.Context) (map[string]int, error) {
	return call(ctx, s, func() (map[string]int, error) {
		open := map[string]int{}
		for _, p := range s.problems.find(0, worstFirst, func(p problem) bool { return p.Open() }) {
			open[p.Key.Source]++
		}
		return open, nil
	})
}

// HasSource implements store.Store.
func (s *Store) HasSource(ctx context.Context, source string) (bool, error) {
	return call(ctx, s, func() (bool, error) {
		return s.problems.count(func(p problem) bool { return p.Key.Source == source }) > 0, nil
	})
}

// Unposted implements store.Store.
func (s *Store) Unposted(ctx context.Context, source string) ([]store.Unposted, error) {
	return call(ctx, s, func() (all []store.Unposted, err error) {
		for id, post := range s.posts.rows {
			if id.key.Source != source || !post.Open || !post.TellAfter.Equal(store.Never) {
				continue
			}
			i := slices.IndexFunc(all, func(u store.Unposted) bool { return u.Room == id.room && u.Severity == post.Severity })
			if i < 0 {
				i, all = len(all), append(all, store.Unposted{Room: id.room, Severity: post.Severity, Oldest: post.OpenedAt})
			}
			all[i].Count++
			if post.OpenedAt.Before(all[i].Oldest) {
				all[i].Oldest = post.OpenedAt
			}
		}
		slices.SortFunc(all, func(a, b store.Unposted) int {
			return cmp.Or(strings.Compare(a.Room, b.Room), cmp.Compare(b.Severity, a.Severity))
		})
		return all, nil
	})
}

// SymptomsOf implements store.Store.
func (s *Store) SymptomsOf(ctx context.Context, causes []alert.Key) ([]alert.Key, error) {
	return s.keys(ctx, 0, func(p problem) bool {
		return p.CauseEventID != "" && slices.Contains(causes, alert.Key{Source: p.Key.Source, EventID: p.CauseEventID})
	})
}

// KeysByEventID implements store.Store.
func (s *Store) KeysByEventID(ctx context.Context, eventID string) ([]alert.Key, error) {
	keys, err := s.keys(ctx, 0, func(p problem) bool { return p.Key.EventID == eventID })
	slices.SortFunc(keys, func(a, b alert.Key) int { return strings.Compare(a.Source, b.Source) })
	return keys, err
}
