package reconcile

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strconv"
	"time"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/pace"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/zabbix"
)

// sweep is the state of one source's loop.
type sweep struct {
	*Sweeps
	*swept
	name    string
	differs map[int64]difference
	first   time.Time // when the source was first asked, while all that opened before is to be known quietly; zero once it is

	since    time.Time      // when the source was new; zero if it always was known
	late     map[int64]bool // problems without a message when they were first read, that have one now, which isn't delivered yet
	noAlerts time.Time      // since when Zabbix fails to list alerts; zero if it doesn't

	interval time.Duration // of the settings
	next     time.Time     // the next round
	fullAt   time.Time     // when the last full round ended; zero before the first one and after an outage
	fullTook time.Duration // it
	mismatch bool          // the counts differed
	pause    time.Duration // after a failure
	logged   string
}

func (s *Sweeps) loop(ctx context.Context, name string, source *swept) {
	defer func() {
		close(source.ended)
		if _, ok := s.sources.Get(name); !ok {
			s.opts.Metrics.forget(name)
		}
	}()
	w := &sweep{Sweeps: s, swept: source, name: name, pause: minRetry, differs: map[int64]difference{}, interval: s.current().Interval}
	w.begin(ctx)
	for ctx.Err() == nil {
		var asked []demand
		for len(w.demands) > 0 {
			asked = append(asked, <-w.demands)
		}
		now := time.Now()
		if len(asked) > 0 || !now.Before(w.next) {
			w.round(ctx, asked)
		}
		due := w.lookUp(ctx, time.Now(), len(asked) > 0)
		wait := time.Until(w.next)
		if !due.IsZero() {
			wait = min(wait, max(time.Until(due), time.Second))
		}
		pace.Pause(ctx, wait, w.woken)
		if interval := s.current().Interval; interval != w.interval {
			w.interval, w.next = interval, pace.Earlier(w.next, time.Now().Add(interval))
		}
	}
}

// round compares: counts alone, unless there is a reason to list everything.
func (w *sweep) round(ctx context.Context, asked []demand) {
	began := time.Now()
	full := len(asked) > 0 || w.needsFull(began)
	report, err := Report{Source: w.name}, error(nil)
	if !full {
		if err = w.compareCounts(ctx, began); err == nil && w.mismatch && began.Sub(w.fullAt) >= share*w.fullTook {
			full = true
		}
	}
	what := "counts"
	if full && err == nil {
		what = "full"
		report, err = w.compareAll(ctx, began, acceptance(asked))
	}
	if ctx.Err() != nil {
		return
	}
	w.done(what, began, err)
	if err != nil {
		report = Report{Source: w.name, Error: err.Error()}
	}
	for _, d := range asked {
		d.reply <- report
	}
}

// acceptance is what the requests of a round say together.
func acceptance(asked []demand) (all Acceptance) {
	for _, d := range asked {
		if d.accept.Gone {
			all = Acceptance{true, all.Replaced || d.accept.Replaced, d.accept.By}
		}
	}
	return all
}

// needsFull reports whether the next round lists everything.
func (w *sweep) needsFull(now time.Time) bool {
	if w.fullAt.IsZero() || now.Sub(w.fullAt) >= fullEvery {
		return true
	}
	if now.Sub(w.fullAt) < share*w.fullTook {
		return false
	}
	return !w.first.IsZero() || w.mayBeGone(now) || w.held != nil && w.held.Count > 0 && now.Sub(w.fullAt) >= minGoneGap
}

// done sets when the next round begins, and logs how this one ended.
func (w *sweep) done(what string, began time.Time, err error) {
	now, interval := time.Now(), w.current().Interval
	if err == nil {
		if w.logged != "" {
			w.opts.Log.Info("Zabbix lists its problems again", "source", w.name)
		}
		w.opts.Metrics.Rounds.WithLabelValues(w.name, what, "ok").Inc()
		w.opts.Metrics.LastRound.WithLabelValues(w.name).Set(float64(now.UnixMilli()) / 1000)
		w.mu.Lock()
		w.compared, w.failure = now, ""
		w.mu.Unlock()
		w.next, w.pause, w.logged = began.Add(interval), minRetry, ""
		if !w.first.IsZero() {
			w.next = pace.Earlier(w.next, now.Add(max(minRetry, w.fullTook)))
		}
		return
	}
	w.opts.Metrics.Rounds.WithLabelValues(w.name, what, "failed").Inc()
	wait := max(w.pause, retryAfter(err))
	w.next, w.pause, w.fullAt = now.Add(wait), min(2*w.pause, maxRetry), time.Time{}
	if what := outageOf(err); what != w.logged {
		if zabbix.KindOf(err) != zabbix.RoleForbids { // the client logs a missing permission
			w.opts.Log.Warn("cannot compare the problems of Zabbix: retrying", "source", w.name, "in", wait, "error", err)
		}
		w.logged = what
		w.mu.Lock()
		w.failure = err.Error()
		w.mu.Unlock()
	}
}

// compareCounts compares counts.
func (w *sweep) compareCounts(ctx context.Context, now time.Time) error {
	states, err := w.opts.Store.OpenStates(ctx, w.name, now)
	if err != nil {
		return err
	}
	counts, err := w.OpenCounts(ctx)
	if err == nil {
		unsaid := silent(counts, states)
		w.mismatch = !agree(counts, states, w.differs)
		for id, d := range w.differs {
			if d.kind == suppressed && unsaid[id].revision == 0 {
				delete(w.differs, id)
			}
		}
		for id, d := range unsaid {
			if old, differs := w.differs[id]; !differs || old.kind == suppressed && (old.hidden != d.hidden || old.revision != d.revision) {
				d.seen, d.due = now, now
				w.differs[id] = d
			}
		}
	} else if kind := zabbix.KindOf(err); kind == zabbix.Invalid || kind == zabbix.Other {
		w.mismatch, err = true, nil // this Zabbix, or something before it, doesn't count
	}
	return err
}

// compareAll compares everything. The store is read first, so that what Zabbix's messages change meanwhile looks like a difference that the
// store knows by the time it is read.
func (w *sweep) compareAll(ctx context.Context, began time.Time, accept Acceptance) (Report, error) {
	states, err := w.opts.Store.OpenStates(ctx, w.name, began)
	if err != nil {
		return Report{}, err
	}
	c := compareWith(states)
	if err := w.Open(ctx, c.add); err != nil {
		return Report{}, err
	}
	now := time.Now()
	w.differs = c.end(w.differs, now)
	if err := w.reopened(ctx, now); err != nil {
		return Report{}, err
	}
	w.fullAt, w.fullTook, w.mismatch = now, now.Sub(began), false
	report := Report{Source: w.name, Open: c.listed, Known: c.matched}
	for _, d := range w.differs {
		switch d.kind {
		case unknown:
			report.Unknown++
		case missing:
			report.Missing++
		default:
			report.Changed++
		}
	}
	if err := w.lookAgain(ctx, now); err != nil {
		return report, err
	}
	if report.Closing, err = w.closeGone(ctx, began, c.matched, len(states), accept); err != nil {
		return report, err
	}
	held, _ := w.Held(w.name)
	report.GoneHeld, report.Reason = held.Count, held.Reason
	return report, w.endFirst(ctx)
}

// reopened sets the revision of new unknown problems that the store has, though not open.
func (w *sweep) reopened(ctx context.Context, now time.Time) error {
	var ids []int64
	for id, d := range w.differs {
		if d.kind == unknown && d.seen.Equal(now) {
			ids = append(ids, id)
		}
	}
	known, err := problemsOf(ctx, w.opts.Store, w.keys(ids))
	for _, id := range ids {
		d := w.differs[id]
		d.revision = known[w.key(id)].Revision
		w.differs[id] = d
	}
	return err
}

// chunk is how many problems are read from the store at once.
const chunk = 500

// problemsOf returns those of the problems that the store has, open or not.
func problemsOf(ctx context.Context, s Known, keys []alert.Key) (map[alert.Key]alert.Problem, error) {
	known := make(map[alert.Key]alert.Problem, len(keys))
	for some := range slices.Chunk(keys, chunk) {
		problems, err := s.Problems(ctx, some)
		if err != nil && !errors.Is(err, store.ErrRejected) { // a damaged one is read from Zabbix
			return nil, err
		}
		maps.Copy(known, problems)
	}
	return known, nil
}

func (w *sweep) keys(ids []int64) []alert.Key {
	keys := make([]alert.Key, len(ids))
	for i, id := range ids {
		keys[i] = w.key(id)
	}
	return keys
}

func (w *sweep) key(id int64) alert.Key {
	return alert.Key{Source: w.name, EventID: strconv.FormatInt(id, 10)}
}

// lookUp has the inquirer read the differences that are due, and returns when the next one is; zero for never. What the store has learned
// since the difference was seen, from Zabbix's message say, is no difference any more.
func (w *sweep) lookUp(ctx context.Context, now time.Time, force bool) time.Time {
	room := max(0, maxLookups-w.opts.Inquirer.LookingUp(w.name))
	due, next := dueNow(w.differs, now, force || !w.first.IsZero(), room)
	if len(due) == 0 {
		return next
	}
	known, err := problemsOf(ctx, w.opts.Store, w.keys(due))
	if err != nil {
		w.opts.Log.Warn("cannot read problems that differ from Zabbix: retrying", "source", w.name, "error", err)
		return now.Add(minRetry)
	}
	due = slices.DeleteFunc(due, func(id int64) bool {
		if known[w.key(id)].Revision == w.differs[id].revision {
			return false
		}
		delete(w.differs, id)
		return true
	})
	var ask []int64
	for _, id := range due {
		if d := w.differs[id]; (d.kind == unknown || d.kind == changed) && (d.worse || !w.old(d)) && !known[w.key(id)].Reported() {
			ask = append(ask, id)
		}
	}
	sent, err := w.askSent(ctx, ask)
	if err != nil {
		w.opts.Log.Debug("cannot find out which messages Zabbix made: retrying", "source", w.name, "error", err)
		return now.Add(minRetry)
	}
	var lookups []Lookup
	var lasting []alert.Key
	for _, id := range due {
		d := w.differs[id]
		lookups = append(lookups, d.lookup(w.key(id), now, w.old(d), known[w.key(id)].Reported(), sent.leftOut(id)))
		d.due = now.Add(backoff(d.asked))
		if d.asked++; d.asked == settled && (d.kind == unknown || d.kind == changed) {
			lasting = append(lasting, w.key(id))
		}
		w.differs[id] = d
	}
	if len(lasting) > 0 {
		w.opts.Log.Warn("problems differ from Zabbix, and reading them changes nothing: was Zabbix restored from a backup, from before they resolved?",
			"source", w.name, "problems", len(lasting), "one", lasting[0].String())
	}
	if len(lookups) > 0 {
		w.opts.Log.Debug("problems differ from the store: reading them", "source", w.name, "problems", len(lookups))
		w.opts.Inquirer.LookUp(lookups)
	}
	_, next = dueNow(w.differs, now, !w.first.IsZero(), 0)
	return next
}

// old reports whether a problem is to be known, but not posted, because of its age.
func (w *sweep) old(d difference) bool {
	return !d.opened.IsZero() && (time.Since(d.opened) > w.current().MaxAge || !d.opened.After(w.first))
}
