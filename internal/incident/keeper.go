package incident

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/webex"
)

// Store is the part of store.Store that incidents need.
type Store interface {
	store.Incidents
	Append(ctx context.Context, e store.Entry) (int64, error)
	Problems(ctx context.Context, keys []alert.Key) (map[alert.Key]alert.Problem, error)
	FindProblems(ctx context.Context, f store.Filter) ([]alert.Problem, error)
	PostsOf(ctx context.Context, keys []alert.Key) (map[alert.Key][]store.Post, error)
	AddNotice(ctx context.Context, n store.Notice) (int64, error)
	Notice(ctx context.Context, id int64) (store.Notice, error)
}

// Keeper keeps the incidents in memory as they are in the store. All changes go through it.
type Keeper struct {
	store Store
	woken chan struct{} // the loop: something has changed

	kept atomic.Pointer[kept] // immutable, so that who reads waits for no change
	mu   sync.Mutex           // held while one changes
}

// kept are the incidents.
type kept struct {
	all    []store.Incident // by ID
	spaces map[string]int64 // the newest incident of each Space: reading all of their ids for each command is slow
}

func keep(all []store.Incident) *kept {
	spaces := make(map[string]int64, len(all))
	for _, i := range all {
		if room := Space(i); room != "" {
			spaces[room] = i.ID
		}
	}
	return &kept{all, spaces}
}

// Load reads the incidents.
func Load(ctx context.Context, s Store) (*Keeper, error) {
	all, err := s.Incidents(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading the incidents: %w", err)
	}
	k := &Keeper{store: s, woken: make(chan struct{}, 1)}
	k.kept.Store(keep(all))
	return k, nil
}

// All returns the incidents, by ID. A nil Keeper has none.
func (k *Keeper) All() []store.Incident {
	if k == nil {
		return nil
	}
	return k.kept.Load().all
}

// Live returns those that go on.
func (k *Keeper) Live() (live []store.Incident) {
	for _, i := range k.All() {
		if i.Closed.IsZero() {
			live = append(live, i)
		}
	}
	return live
}

// Get returns an incident by its id.
func (k *Keeper) Get(id int64) (store.Incident, bool) {
	if k == nil {
		return store.Incident{}, false
	}
	return k.kept.Load().get(id)
}

func (now *kept) get(id int64) (store.Incident, bool) {
	n, ok := slices.BinarySearchFunc(now.all, id, byID)
	if !ok {
		return store.Incident{}, false
	}
	return now.all[n], true
}

func byID(i store.Incident, id int64) int { return cmp.Compare(i.ID, id) }

// Of returns the incident whose space a room is, as in store.Post.Room. The newest counts.
func (k *Keeper) Of(room string) (store.Incident, bool) {
	if k == nil {
		return store.Incident{}, false
	}
	now := k.kept.Load()
	id, ok := now.spaces[room]
	if !ok {
		return store.Incident{}, false
	}
	return now.get(id)
}

// With returns the live incident that a problem is in.
func (k *Keeper) With(key alert.Key) (store.Incident, bool) {
	for _, i := range slices.Backward(k.All()) {
		if i.Closed.IsZero() && slices.Contains(Current(i), key) {
			return i, true
		}
	}
	return store.Incident{}, false
}

// Add opens an incident. One that the same command opened is returned.
func (k *Keeper) Add(ctx context.Context, i store.Incident) (store.Incident, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	id, err := k.store.AddIncident(ctx, i)
	if err != nil {
		return i, err
	}
	if known, ok := k.Get(id); ok {
		return known, nil
	}
	i.ID = id
	k.publish(i)
	return i, nil
}

// Update changes an incident.
func (k *Keeper) Update(ctx context.Context, id int64, change func(i *store.Incident)) (store.Incident, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	i, ok := k.Get(id)
	if !ok {
		return i, fmt.Errorf("incident %d: %w", id, store.ErrNotFound)
	}
	i.Problems, i.Invite, i.Shown = slices.Clone(i.Problems), slices.Clone(i.Invite), maps.Clone(i.Shown)
	i.Again = maps.Clone(i.Again)
	change(&i)
	if err := k.store.SaveIncident(ctx, i); err != nil {
		return i, err
	}
	k.publish(i)
	return i, nil
}

// publish makes an incident's present state visible, and wakes the loop. The caller holds mu.
func (k *Keeper) publish(i store.Incident) {
	now := k.kept.Load()
	all := slices.Clone(now.all)
	n, known := slices.BinarySearchFunc(all, i.ID, byID)
	if !known {
		all = slices.Insert(all, n, store.Incident{})
	}
	moved := all[n].RoomID != i.RoomID
	all[n] = i
	if moved {
		k.kept.Store(keep(all))
	} else {
		k.kept.Store(&kept{all, now.spaces})
	}
	k.wake()
}

func (k *Keeper) wake() {
	select {
	case k.woken <- struct{}{}:
	default:
	}
}

// Enter adds an entry; false if it was added before.
func (k *Keeper) Enter(ctx context.Context, e store.IncidentEntry) (added bool, err error) {
	if added, err = k.store.AddIncidentEntry(ctx, e); added {
		k.wake()
	}
	return added, err
}

// Lost records that a room refuses messages, if it is the space of an incident.
func (k *Keeper) Lost(ctx context.Context, room, reason string) (lost bool, err error) {
	i, ok := k.Of(room)
	if !ok || !Reachable(i) {
		return ok, nil
	}
	_, err = k.Update(ctx, i.ID, func(i *store.Incident) { i.Lost, i.LostWhy = time.Now(), reason })
	return true, err
}

// Forget forgets the incidents that closed before a time, as store.Store.Prune does.
func (k *Keeper) Forget(before time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	all := slices.DeleteFunc(slices.Clone(k.All()), func(i store.Incident) bool { return !i.Closed.IsZero() && i.Closed.Before(before) })
	k.kept.Store(keep(all))
}

// Facts reads what is known about an incident.
func (k *Keeper) Facts(ctx context.Context, i store.Incident) (f Facts, err error) {
	f.Incident = i
	if f.Entries, err = k.store.IncidentEntries(ctx, i.ID); err != nil {
		return f, err
	}
	var keys []alert.Key
	for _, p := range i.Problems {
		keys = append(keys, p.Key)
	}
	f.Known, err = k.store.Problems(ctx, keys)
	if f.Damaged = errors.Is(err, store.ErrRejected); err != nil && !f.Damaged {
		return f, err
	}
	posts, err := k.store.PostsOf(ctx, keys)
	if err != nil {
		return f, err
	}
	f.Messages = map[alert.Key]string{}
	for key, list := range posts {
		for _, p := range list {
			if p.Room == i.Room && p.RootID != "" {
				if link, ok := webex.MessageLink(i.Origin, p.RootID); ok {
					f.Messages[key] = link
				}
			}
		}
	}
	return f, nil
}

// maxAgain is how many open problems of a host are looked through.
const maxAgain = 100

// literal returns a host's name as a glob of store.Filter.
func literal(host string) string {
	return strings.NewReplacer("*", "[*]", "?", "[?]", "[", "[[]").Replace(strings.ToLower(host))
}

// recurring returns open problems of the triggers of an incident's problems that were posted where it was opened, and aren't in it.
func (k *Keeper) recurring(ctx context.Context, f Facts) (again []alert.Problem, err error) {
	seen := map[alert.TriggerKey]bool{}
	for _, one := range f.Problems {
		p, known := f.Known[one.Key]
		trigger, ok := p.Trigger()
		if !known || !ok || p.Open() || !one.Parted.IsZero() || seen[trigger] {
			continue
		}
		seen[trigger] = true
		// Not by the name: there may be a value in it.
		found, err := k.store.FindProblems(ctx, store.Filter{Source: one.Key.Source, Open: true, Rooms: []string{f.Room}, Host: literal(trigger.Host), Limit: maxAgain})
		if err != nil {
			return nil, err
		}
		for _, other := range found {
			same, ok := other.Trigger()
			if ok && same == trigger && other.OpenedAt.After(p.OpenedAt) && !slices.ContainsFunc(f.Problems, func(o store.IncidentProblem) bool { return o.Key == other.Key }) {
				again = append(again, other)
			}
		}
	}
	return again, nil
}

// IsRule reports whether a rule is an incident's.
func IsRule(rule string) bool {
	return len(rule) > len(config.IncidentRule) && rule[:len(config.IncidentRule)] == config.IncidentRule
}

// Entries returns the entries of an incident.
func (k *Keeper) Entries(ctx context.Context, id int64) ([]store.IncidentEntry, error) {
	return k.store.IncidentEntries(ctx, id)
}

// Review returns the review of an incident as it is now. That of a closed one is the one that was posted: its problems are pruned at
// some time.
func (k *Keeper) Review(ctx context.Context, i store.Incident, s Settings) (string, error) {
	if !i.Closed.IsZero() && i.Review != "" {
		return i.Review, nil
	}
	f, err := k.Facts(ctx, i)
	if err != nil {
		return "", err
	}
	return Review(f, s, time.Now()), nil
}
