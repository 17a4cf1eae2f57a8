package reconcile

import (
	"context"
	"errors"
	"slices"
	"time"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/lang"
	"nms-alert-relay/internal/store"
)

// Reason is why problems that are gone from Zabbix aren't closed.
type Reason string

// The reasons.
const (
	TooMany    = Reason(lang.Key("more are gone at once than a deleted trigger or host explains"))
	ShowsNone  = Reason(lang.Key("Zabbix shows the relay's user no event at all"))
	OtherPast  = Reason(lang.Key("Zabbix has no event from before they opened, as after its database was replaced"))
	NoneOfThem = Reason(lang.Key("Zabbix shows none of the problems that the relay knows"))
)

const (
	// Of the problems that a source has open, a tenth may be gone at a time, and at least minGone.
	minGone, gonePart = 10, 10
	// witnesses is how many other problems Zabbix is asked about before one counts as gone.
	witnesses = 20
)

// goneLimit is how many problems may be gone at a time.
func goneLimit(open int) int { return max(minGone, open/gonePart) }

// mayBeGone reports whether a full round can confirm that a problem is gone.
func (w *sweep) mayBeGone(now time.Time) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, at := range w.gone {
		if now.Sub(at) >= minGoneGap {
			return true
		}
	}
	return false
}

// goneSince forgets problems that aren't missing any more, and returns how many Zabbix doesn't show, and which of them for long enough by
// a round that began then.
func (w *sweep) goneSince(began time.Time) (all int, confirmed []int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for id, at := range w.gone {
		if d, differs := w.differs[id]; !differs || d.kind != missing {
			delete(w.gone, id)
		} else if began.Sub(at) >= minGoneGap {
			confirmed = append(confirmed, id)
		}
	}
	slices.Sort(confirmed)
	return len(w.gone), confirmed
}

// Acceptance is what an operator says about problems that are gone from Zabbix.
type Acceptance struct {
	Gone     bool   // they really are, however many
	Replaced bool   // also the doubtful ones: this Zabbix has another database than the one that had them
	By       string // who says so, for the log
}

// Held are the problems of a source that are gone from Zabbix and not closed.
type Held struct {
	Count    int
	Reason   Reason
	Accepted int // if there are none any more: how many an operator's command has closed
}

// Held returns what is held of a source; false before its first full round.
func (s *Sweeps) Held(name string) (Held, bool) {
	source, ok := s.sources.Get(name)
	s.mu.Lock()
	defer s.mu.Unlock()
	if !ok || source.held == nil {
		return Held{}, false
	}
	return *source.held, true
}

// closeGone closes the problems that Zabbix no longer has: a list and an answer of its API, and a minute later both again, were without
// them. It closes none if that may have another reason. matched is how many of the open problems of the store Zabbix listed.
func (w *sweep) closeGone(ctx context.Context, began time.Time, matched, open int, accept Acceptance) (closing int, err error) {
	all, confirmed := w.goneSince(began)
	missed, lasting := 0, 0 // missing, and for longer than Zabbix's message takes
	for _, d := range w.differs {
		if d.kind == missing {
			missed++
			if began.Sub(d.seen) >= grace {
				lasting++
			}
		}
	}
	if len(confirmed) == 0 {
		if all == 0 && (w.held != nil || missed == 0) { // after a restart, the missing ones are to be read first
			w.hold(Held{})
		}
		return 0, nil
	}
	reason := Reason("")
	if !accept.Gone || !accept.Replaced {
		if reason, err = Doubt(ctx, w, w.opts.Store, w.name, w.keys(confirmed), matched > 0); err != nil {
			return 0, err
		}
	}
	switch limit := goneLimit(open); {
	case reason != "":
	case accept.Gone:
		w.opts.Log.Info("problems are gone from Zabbix: closing them, as an operator asked", "source", w.name, "problems", len(confirmed), "by", accept.By)
	case all > limit:
		reason = TooMany
	case lasting > limit:
		return 0, nil // of the others it isn't known yet whether they are resolved or gone
	default:
		w.opts.Log.Info("problems are gone from Zabbix: closing them, if it still doesn't show them", "source", w.name, "problems", len(confirmed))
	}
	if reason != "" {
		w.hold(Held{Count: all, Reason: reason})
		return 0, nil
	}
	held := Held{}
	if accept.Gone {
		held.Accepted = len(confirmed)
	}
	w.hold(held)
	lookups := make([]Lookup, len(confirmed))
	for i, id := range confirmed {
		lookups[i] = Lookup{Key: w.key(id), Found: alert.FoundGone}
	}
	w.opts.Inquirer.LookUp(lookups)
	return len(confirmed), nil
}

// Shower shows whether a Zabbix still has its events: zabbix.Client.
type Shower interface {
	Observer
	OldestEvent(ctx context.Context) (time.Time, error)
}

// Known is what Doubt needs of store.Store.
type Known interface {
	Problems(ctx context.Context, keys []alert.Key) (map[alert.Key]alert.Problem, error)
	FindProblems(ctx context.Context, f store.Filter) ([]alert.Problem, error)
}

// Doubt returns what else, besides a deleted trigger, may be the reason that a Zabbix doesn't show these problems of a source, the oldest
// first; "" for nothing. listed means that it lists others as open. If it fails to answer about others, these decide nothing.
func Doubt(ctx context.Context, z Shower, s Known, source string, missing []alert.Key, listed bool) (Reason, error) {
	oldest, err := z.OldestEvent(ctx)
	if err != nil {
		return "", err
	}
	if oldest.IsZero() {
		return ShowsNone, nil
	}
	problems, err := s.Problems(ctx, missing[:min(len(missing), chunk)])
	if err != nil && !errors.Is(err, store.ErrRejected) {
		return "", err
	}
	for _, p := range problems {
		if !p.OpenedAt.IsZero() && oldest.After(p.OpenedAt) {
			return OtherPast, nil
		}
	}
	switch {
	case listed:
		return "", nil
	case len(missing) > chunk:
		return NoneOfThem, nil
	}
	known, err := s.FindProblems(ctx, store.Filter{Source: source, Limit: witnesses + len(missing)})
	if err != nil {
		return "", err
	}
	var others []string
	for _, p := range known {
		if p.Origin == alert.OriginTrigger && !p.Gone && p.Observed && len(others) < witnesses && problems[p.Key].Revision == 0 {
			others = append(others, p.Key.EventID)
		}
	}
	if len(others) == 0 {
		return "", nil
	}
	found, err := z.Observe(ctx, others)
	if resultOf(err) == overloaded {
		return "", nil
	}
	for _, o := range found {
		if !o.Gone {
			return "", nil
		}
	}
	return NoneOfThem, err
}

// hold records what is held, and logs when that begins, changes or ends.
func (w *sweep) hold(h Held) {
	w.opts.Metrics.GoneHeld.WithLabelValues(w.name).Set(float64(h.Count))
	w.mu.Lock()
	defer w.mu.Unlock()
	was := Held{}
	if w.held != nil {
		was = *w.held
	}
	switch {
	case h.Count > 0 && h.Reason != was.Reason:
		w.opts.Log.Error("problems are gone from Zabbix and stay open: check the permissions of the relay's user; if they were deleted, run 'alert-relay reconcile --accept-gone'",
			"source", w.name, "problems", h.Count, "reason", string(h.Reason))
	case h.Count == 0 && was.Count > 0 && h.Accepted == 0:
		w.opts.Log.Info("Zabbix shows all open problems again", "source", w.name)
	case h.Count == 0 && h.Accepted == 0 && was.Accepted > 0:
		h.Accepted = was.Accepted // until there are others
	}
	w.held = &h
}
