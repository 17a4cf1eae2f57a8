// Package binding keeps the routes that people make in chats: subscriptions, and bindings of spaces that aren't configured.
package binding

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/route"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/webexid"
)

// Limits. Each problem is compared with every binding.
const (
	MaxOfRoom = 20
	MaxOfAll  = 5000
)

// Errors of Add.
var (
	ErrTooManyHere = errors.New("too many bindings in this room")
	ErrTooMany     = errors.New("too many bindings")
)

// Keeper keeps the bindings in memory as they are in the store. All changes go through it.
type Keeper struct {
	store store.Bindings
	log   *slog.Logger

	all     atomic.Pointer[[]store.Binding] // by ID; immutable, so that a reader never waits for a change
	mu      sync.Mutex                      // held while they change
	changed func()
}

// Load reads the bindings. If they can't be read any more, there are none.
func Load(ctx context.Context, s store.Bindings, log *slog.Logger) (*Keeper, error) {
	all, err := s.Bindings(ctx)
	if err != nil && !store.Lasting(err) {
		return nil, fmt.Errorf("reading the bindings: %w", err)
	}
	if err != nil {
		log.Error("cannot read the subscriptions and bindings: none counts", "error", err)
	}
	k := &Keeper{store: s, log: log, changed: func() {}}
	k.all.Store(&all)
	return k, nil
}

// OnChange sets what is called after each change. It may call the Keeper.
func (k *Keeper) OnChange(changed func()) { k.changed = changed }

// Live returns the bindings that count, by ID.
func (k *Keeper) Live() []store.Binding {
	return k.where(func(b store.Binding) bool { return b.EndedAt.IsZero() })
}

// Of returns the live bindings of a room, as in Post.Room.
func (k *Keeper) Of(room string) []store.Binding {
	return k.where(func(b store.Binding) bool { return b.Room == room && b.EndedAt.IsZero() })
}

// where returns those that pass. A nil Keeper has none.
func (k *Keeper) where(pass func(b store.Binding) bool) (found []store.Binding) {
	if k == nil {
		return nil
	}
	for _, b := range *k.all.Load() {
		if pass(b) {
			found = append(found, b)
		}
	}
	return found
}

// Named returns the binding of a rule, by its name (route.BindingName). One that was replaced is the one with the same filter that counts
// now. false if it was forgotten.
func (k *Keeper) Named(room, rule string) (store.Binding, bool) {
	known := k.Known(room)
	i := slices.IndexFunc(known, func(b store.Binding) bool { return route.BindingName(room, b.ID) == rule })
	if i < 0 {
		return store.Binding{}, false
	}
	for _, other := range known[i:] {
		if other.EndedAt.IsZero() && sameFilter(other, known[i]) {
			return other, true
		}
	}
	return known[i], true
}

func sameFilter(a, b store.Binding) bool {
	return a.Severity == b.Severity && a.Host == b.Host && strings.EqualFold(a.Text, b.Text)
}

// Last returns the newest binding of a room, whether it has ended or not.
func (k *Keeper) Last(room string) (store.Binding, bool) {
	known := k.Known(room)
	if len(known) == 0 {
		return store.Binding{}, false
	}
	return known[len(known)-1], true
}

// Known returns the bindings of a room, by ID, those that have ended too.
func (k *Keeper) Known(room string) []store.Binding {
	return k.where(func(b store.Binding) bool { return b.Room == room })
}

// Add makes a binding. One with the same filter in the same room is replaced: it returns that one too.
func (k *Keeper) Add(ctx context.Context, b store.Binding) (made store.Binding, replaced *store.Binding, err error) {
	made, replaced, err = k.add(ctx, b)
	k.changed()
	return made, replaced, err
}

func (k *Keeper) add(ctx context.Context, b store.Binding) (made store.Binding, replaced *store.Binding, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	here, live := 0, 0
	for _, other := range *k.all.Load() {
		if other.Command == b.Command { // read again after a crash
			if replaced != nil {
				_, err = k.end(ctx, replaced.ID, store.BindingRemoved)
			}
			return other, replaced, err
		}
		if !other.EndedAt.IsZero() {
			continue
		}
		live++
		if other.Room == b.Room {
			here++
			if sameFilter(other, b) {
				replaced = &other
			}
		}
	}
	switch {
	case replaced != nil:
	case here >= MaxOfRoom:
		return b, nil, ErrTooManyHere
	case live >= MaxOfAll:
		return b, nil, ErrTooMany
	}
	if b.ID, err = k.store.AddBinding(ctx, b); err != nil {
		return b, nil, err
	}
	all := append(slices.Clone(*k.all.Load()), b)
	k.all.Store(&all)
	if replaced != nil {
		_, err = k.end(ctx, replaced.ID, store.BindingRemoved)
	}
	return b, replaced, err
}

// End ends a binding. store.ErrNotFound if it is unknown or has ended.
func (k *Keeper) End(ctx context.Context, id int64, why store.BindingEnd) (store.Binding, error) {
	k.mu.Lock()
	b, err := k.end(ctx, id, why)
	k.mu.Unlock()
	k.changed()
	return b, err
}

// end is End for a caller that holds mu.
func (k *Keeper) end(ctx context.Context, id int64, why store.BindingEnd) (store.Binding, error) {
	all := slices.Clone(*k.all.Load())
	i := slices.IndexFunc(all, func(b store.Binding) bool { return b.ID == id && b.EndedAt.IsZero() })
	if i < 0 {
		return store.Binding{}, fmt.Errorf("binding %d: %w", id, store.ErrNotFound)
	}
	at := time.Now()
	if err := k.store.EndBinding(ctx, id, why, at); err != nil && !errors.Is(err, store.ErrNotFound) {
		return store.Binding{}, err
	}
	all[i].EndedAt, all[i].Ended = at, why
	k.all.Store(&all)
	return all[i], nil
}

// Forget forgets the bindings that ended before a time, as store.Store.Prune does.
func (k *Keeper) Forget(before time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	old := func(b store.Binding) bool { return !b.EndedAt.IsZero() && b.EndedAt.Before(before) }
	if slices.ContainsFunc(*k.all.Load(), old) {
		all := slices.DeleteFunc(slices.Clone(*k.all.Load()), old)
		k.all.Store(&all)
	}
}

// Refused ends the bindings of a room that refuses messages, and returns them.
func (k *Keeper) Refused(ctx context.Context, room string) (ended []store.Binding, err error) {
	for _, b := range k.Of(room) {
		gone, err := k.End(ctx, b.ID, store.BindingRefused)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return ended, err
		}
		if err == nil {
			ended = append(ended, gone)
		}
	}
	return ended, nil
}

// NextEnd returns the live binding that expires first, or has; false if none does.
func (k *Keeper) NextEnd() (next store.Binding, ok bool) {
	for _, b := range k.Live() {
		if !b.Until.IsZero() && (!ok || b.Until.Before(next.Until)) {
			next, ok = b, true
		}
	}
	return next, ok
}

// Routes returns the live bindings as package route needs them. One that it can't compile is left out, and logged.
func (k *Keeper) Routes() (routes []route.Binding) {
	for _, b := range k.Live() {
		r, err := Route(b)
		if err != nil {
			k.Faulty(r, err)
			continue
		}
		routes = append(routes, r)
	}
	return routes
}

// Faulty logs that a binding can't be compiled.
func (k *Keeper) Faulty(b route.Binding, err error) {
	k.log.Error("cannot read what a binding matches: it doesn't count", "binding", b.Name, "room", b.Room, "error", err)
}

// Route returns a binding as package route needs it.
func Route(b store.Binding) (route.Binding, error) {
	r := route.Binding{Name: route.BindingName(b.Room, b.ID), Room: b.Room, Bot: b.Bot, Email: b.Email, Filter: route.Filter{Host: b.Host, Text: b.Text}}
	if b.Severity == "" {
		return r, nil
	}
	var err error
	r.Filter.Severity, err = config.ParseSeverityMatch(strings.Split(b.Severity, ",")...)
	return r, err
}

// Words returns what a binding matches, as people write it.
func Words(b store.Binding) string {
	var words []string
	if b.Severity != "" {
		words = append(words, "severity"+operator(b.Severity)+b.Severity)
	}
	if b.Host != "" {
		words = append(words, "host="+b.Host)
	}
	if b.Text != "" {
		words = append(words, `text="`+strings.ReplaceAll(b.Text, `"`, "'")+`"`)
	}
	return strings.Join(words, " ")
}

func operator(severity string) string {
	if strings.ContainsAny(severity[:1], "<>") {
		return ""
	}
	return "="
}

// Person returns the room of a person's subscriptions.
func Person(email string) string { return config.DirectRoom(email) }

// Space returns the room of a space's bindings.
func Space(roomID string) string { return config.SpaceRoom + webexid.Key(roomID) }

// IsSpace reports whether a room, as in Post.Room, is a space that isn't configured.
func IsSpace(room string) bool { return strings.HasPrefix(room, config.SpaceRoom) }

// Sort sorts bindings by room, then by ID, for lists.
func Sort(list []store.Binding) {
	slices.SortFunc(list, func(a, b store.Binding) int { return cmp.Or(cmp.Compare(a.Room, b.Room), cmp.Compare(a.ID, b.ID)) })
}
