package reconcile

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"time"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/zabbix"
)

// kind is how a problem differs between Zabbix and the store.
type kind int

const (
	unknown    kind = iota // Zabbix has it open, the store doesn't
	changed                // somebody acted on it, or its severity changed
	suppressed             // only its suppression or its cause differ, of which Zabbix sends no message
	missing                // the store has it open, Zabbix doesn't
)

// difference is a problem that differs.
type difference struct {
	kind     kind
	opened   time.Time      // in Zabbix; zero for a missing one
	severity alert.Severity // in Zabbix, or of a missing one in the store
	worse    bool           // its severity is higher in Zabbix
	hidden   bool           // Zabbix suppresses it
	revision int64          // of the stored problem; 0 if it isn't open there
	adds     tally          // Zabbix's counts less those of the store, as far as this problem makes them differ
	seen     time.Time      // when it was first seen to differ like this
	asked    int            // how often it was read
	due      time.Time      // when it is read next
}

// settled is how often a difference is read before the relay accepts it: what the answer didn't change isn't about to change, as after
// Zabbix was restored from a backup, or can't be read.
const settled = 3

// openedSlack is how far the times at which a problem opened may be apart. Further apart, it is another problem with the same id.
const openedSlack = 5 * time.Second

// tally is what Zabbix counts of its open problems.
type tally struct {
	total, acknowledged int
	severities          [len(alert.Severities)]int
}

// add counts n problems like this one.
func (t *tally) add(n int, severity alert.Severity, acknowledged bool) {
	t.total += n
	if acknowledged {
		t.acknowledged += n
	}
	if severity.Valid() {
		t.severities[severity] += n
	}
}

func (t *tally) plus(o tally) {
	t.total += o.total
	t.acknowledged += o.acknowledged
	for i, n := range o.severities {
		t.severities[i] += n
	}
}

// same reports whether d and o are the same difference, seen at two times.
func (d difference) same(o difference) bool {
	d.seen, d.asked, d.due = o.seen, o.asked, o.due
	switch d.kind {
	case unknown:
		d.revision = o.revision // the store isn't asked again
	case suppressed:
		d.opened, d.severity = o.opened, o.severity // silent doesn't know them
	}
	return d == o
}

// grace is how long a difference must last before it is read.
func (d difference) grace() time.Duration {
	if d.kind == suppressed {
		return 0 // Zabbix sends no message of most of them
	}
	return grace
}

// comparison compares a list of Zabbix with what the store held open before it was made. It reads the list problem by problem.
type comparison struct {
	stored  map[int64]store.OpenState
	differs map[int64]difference
	listed  int
	matched int // that the store knows
}

// compareWith begins a comparison.
func compareWith(states []store.OpenState) *comparison {
	c := &comparison{stored: make(map[int64]store.OpenState, len(states)), differs: map[int64]difference{}}
	for _, s := range states {
		// Any other id is one that Zabbix doesn't have: of an earlier problem with an id that came back, say.
		if id, err := strconv.ParseInt(s.EventID, 10, 64); err == nil {
			c.stored[id] = s
		}
	}
	return c
}

// add compares the next problem of the list.
func (c *comparison) add(o zabbix.Open) {
	c.listed++
	s, known := c.stored[o.EventID]
	delete(c.stored, o.EventID)
	d := difference{kind: unknown, opened: o.Opened, severity: o.Severity, hidden: o.Suppressed, revision: s.Revision}
	d.adds.add(1, o.Severity, o.Acknowledged)
	if known {
		d.adds.add(-1, s.Severity, s.Acknowledged)
	}
	// A message may state the time in another time zone; the API doesn't.
	if another := s.Updates >= 0 && !s.OpenedAt.IsZero() && o.Opened.Sub(s.OpenedAt).Abs() > openedSlack; known && !another {
		c.matched++
		cause, _ := strconv.ParseInt(s.Cause, 10, 64)
		switch {
		case o.Severity != s.Severity || o.Acknowledged != s.Acknowledged || o.Updates != max(s.Updates, 0):
			d.kind, d.worse = changed, o.Severity > s.Severity
		case o.Suppressed != s.Suppressed || o.Cause != cause:
			d.kind = suppressed
		default:
			return
		}
	}
	c.differs[o.EventID] = d
}

// end returns all differences at the end of the list. Those that were there before keep when they were seen and read.
func (c *comparison) end(before map[int64]difference, now time.Time) map[int64]difference {
	for id, s := range c.stored {
		d := difference{kind: missing, severity: s.Severity, revision: s.Revision}
		d.adds.add(-1, s.Severity, s.Acknowledged)
		c.differs[id] = d
	}
	for id, d := range c.differs {
		if old, known := before[id]; known && d.same(old) {
			c.differs[id] = old
			continue
		}
		d.seen, d.due = now, now.Add(d.grace())
		c.differs[id] = d
	}
	return c.differs
}

// dueNow returns the differences to read, the most urgent first, at most limit, and when the next one is due; zero for none. All of them with
// force, which is for what wasn't read yet.
func dueNow(differs map[int64]difference, now time.Time, force bool, limit int) (ids []int64, next time.Time) {
	for id, d := range differs {
		switch {
		case !d.due.After(now) || force && d.asked == 0:
			ids = append(ids, id)
		case next.IsZero() || d.due.Before(next):
			next = d.due
		}
	}
	slices.SortFunc(ids, func(a, b int64) int {
		x, y := differs[a], differs[b]
		return cmp.Or(cmp.Compare(x.kind, y.kind), cmp.Compare(y.severity, x.severity), cmp.Compare(b, a))
	})
	if len(ids) > limit {
		ids, next = ids[:limit], now
	}
	return ids, next
}

// found is how a difference is marked that has lasted, or that must have been told long ago by Zabbix's clock.
func (d difference) found(now time.Time) alert.Found {
	lasted := now.Sub(d.seen) >= grace
	switch {
	case d.kind == missing && lasted:
		return alert.FoundRecovery
	case d.kind == changed && lasted:
		return alert.FoundUpdate
	case d.kind == unknown && !d.hidden && (lasted || now.Sub(d.opened) >= grace):
		return alert.FoundProblem
	}
	return ""
}

// lookup is how a difference is read. old problems, and those that Zabbix made no message about (leftOut), are to be known without being
// posted; reported ones are posted already.
func (d difference) lookup(key alert.Key, now time.Time, old, reported, leftOut bool) Lookup {
	l := Lookup{Key: key, Found: d.found(now)}
	switch {
	case d.kind == missing:
		l.Quiet = !reported // nobody was told that it opened
	case leftOut && !reported || old && d.kind == unknown:
		l.Quiet, l.Found = true, ""
	case old && !d.worse:
		l.Quiet = true
	}
	return l
}

// agree reports whether Zabbix's counts are those of the store, and whether the store has its newest problems open, but for the differences
// that are settled.
func agree(z zabbix.OpenCounts, states []store.OpenState, differs map[int64]difference) bool {
	var c tally
	newest := make(map[string]bool, len(z.Newest))
	for _, id := range z.Newest {
		newest[strconv.FormatInt(id, 10)] = true
	}
	for _, s := range states {
		delete(newest, s.EventID)
		c.add(1, s.Severity, s.Acknowledged)
	}
	for id, d := range differs {
		if d.asked >= settled {
			delete(newest, strconv.FormatInt(id, 10))
			c.plus(d.adds)
		}
	}
	return len(newest) == 0 && c == tally{z.Total, z.Acknowledged, z.Severities}
}

// silent returns the problems whose suppression or cause differs between Zabbix's lists and the store.
func silent(z zabbix.OpenCounts, states []store.OpenState) map[int64]difference {
	inZabbix := make(map[int64]bool, len(z.Suppressed))
	for _, id := range z.Suppressed {
		inZabbix[id] = true
	}
	oldest, oldestSymptom := int64(0), int64(0) // the first that the lists would have
	if z.MoreSuppressed {
		oldest = slices.Min(z.Suppressed)
	}
	if z.MoreSymptoms {
		oldestSymptom = slices.Min(slices.Collect(maps.Keys(z.Causes)))
	}
	differs := map[int64]difference{}
	for _, s := range states {
		id, err := strconv.ParseInt(s.EventID, 10, 64)
		if err != nil {
			continue
		}
		cause, _ := strconv.ParseInt(s.Cause, 10, 64)
		if id >= oldest && inZabbix[id] != s.Suppressed || z.Causes != nil && id >= oldestSymptom && z.Causes[id] != cause {
			differs[id] = difference{kind: suppressed, severity: s.Severity, hidden: inZabbix[id], revision: s.Revision}
		}
	}
	return differs
}
