package reconcile

import (
	"time"

	"nms-alert-relay/internal/alert"
)

// Lookup is a read of a problem that differs between Zabbix and the store.
type Lookup struct {
	Key   alert.Key
	Found alert.Found // what it is, if the answer confirms that; "" for nothing to be marked
	Quiet bool        // see alert.Observation
}

// maxLookups is how many lookups of a source may wait, so that they don't delay the reads of problems that just changed.
const maxLookups = 2000

// LookUp schedules lookups. One whose problem is to be read anyway is left out.
func (q *Inquirer) LookUp(lookups []Lookup) {
	q.mu.Lock()
	defer q.mu.Unlock()
	now := time.Now()
	for _, l := range lookups {
		source, ok := q.sources.Get(l.Key.Source)
		if !ok || source.due.planned[l.Key] != nil || !source.due.add(l.Key, now) {
			continue
		}
		source.lookups[l.Key] = l
		source.wake()
	}
}

// LookingUp is how many lookups of a source wait for their answers.
func (q *Inquirer) LookingUp(name string) int {
	q.mu.Lock()
	defer q.mu.Unlock()
	source, ok := q.sources.Get(name)
	if !ok {
		return 0
	}
	return len(source.lookups)
}

// taken returns the lookup that a read answers; the zero one for an ordinary read.
func (q *Inquirer) taken(source *asked, key alert.Key) Lookup {
	q.mu.Lock()
	defer q.mu.Unlock()
	l := source.lookups[key]
	delete(source.lookups, key)
	return l
}

// putBack undoes taken, for an answer that couldn't be stored.
func (q *Inquirer) putBack(source *asked, l Lookup) {
	if l.Key == (alert.Key{}) {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	source.lookups[l.Key] = l
}

// mark marks the answer to a lookup. Of a deleted trigger, Zabbix 6.0 removes the problem at once and the event some hours later
// (measured): such an event of a problem that is no longer listed is gone.
func (l Lookup) mark(o alert.Observation) alert.Observation {
	if missing := l.Found == alert.FoundRecovery || l.Found == alert.FoundGone; missing && o.TriggerGone && !o.Resolved {
		o = alert.Observation{At: o.At, Gone: true}
	}
	switch {
	case l.Key == (alert.Key{}),
		l.Found == alert.FoundRecovery && !o.Resolved, // still open, or resolved by nothing that can be told
		o.Gone != (l.Found == alert.FoundGone):        // that it is gone is only believed where that was expected
		return o
	}
	o.Found, o.Quiet = l.Found, l.Quiet && !o.Gone
	return o
}
