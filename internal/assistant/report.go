package assistant

import (
	"cmp"
	"slices"
	"time"

	"nms-alert-relay/internal/alert"
)

// Report is what happened in a time, and how things are at its end.
type Report struct {
	From, To   time.Time
	Now        time.Time // when it was made: what is open is open then
	During     Figures
	Before     Figures         // of the same time before
	Open       []alert.Problem // the worst first, then the oldest
	OpenCount  int             // Open may have only the worst of them
	Owners     []Owned         // of Open, the busiest first
	Noisy      []Noisy         // triggers, the noisiest first
	Ending     []alert.Problem // whose suppression ends within a day, the first first
	Unattended *alert.Problem  // open for longest without an acknowledgement, and not suppressed; nil for none
	Incomplete bool            // there was more than is counted
}

// Figures are counts and times of a period.
type Figures struct {
	Opened, Resolved int
	Ack, Resolve     Times // of what was acknowledged, or resolved, in the period
}

// Times are how long something took. Zero for nothing.
type Times struct {
	N            int
	Mean, Median time.Duration
}

// Owned is how many open problems somebody owns. Its zero Owner is nobody.
type Owned struct {
	Owner alert.Owner
	N     int
}

// Noisy is a trigger with the number of its problems that opened.
type Noisy struct {
	Name, Host string
	N          int
}

// endsWithin is how far ahead a report looks for suppressions that end.
const endsWithin = 24 * time.Hour

// Tally makes a report of problems that are added one by one, each once.
type Tally struct {
	from, to time.Time
	seen     map[alert.Key]bool
	open     []alert.Problem
	noisy    map[alert.TriggerKey]*Noisy
	periods  [2]period // during, before
}

type period struct {
	opened, resolved int
	ack, resolve     []time.Duration
}

// NewTally begins the report of a time.
func NewTally(from, to time.Time) *Tally {
	return &Tally{from: from, to: to, seen: map[alert.Key]bool{}, noisy: map[alert.TriggerKey]*Noisy{}}
}

// Since is from when on problems matter: the report compares with as long a time before.
func (t *Tally) Since() time.Time { return t.from.Add(-t.to.Sub(t.from)) }

// period returns the one in which a moment is; nil for neither.
func (t *Tally) period(at time.Time) *period {
	switch {
	case at.IsZero() || !at.Before(t.to) || at.Before(t.Since()):
		return nil
	case at.Before(t.from):
		return &t.periods[1]
	}
	return &t.periods[0]
}

// Add adds a problem, unless it was added before.
func (t *Tally) Add(p alert.Problem) {
	if t.seen[p.Key] || p.State != alert.StateOpen && p.State != alert.StateResolved {
		return
	}
	t.seen[p.Key] = true
	if p.State == alert.StateOpen {
		t.open = append(t.open, p)
	}
	if in := t.period(p.OpenedAt); in != nil {
		in.opened++
		if in == &t.periods[0] {
			t.noise(p)
		}
	}
	if at := acknowledgedAt(p); !at.IsZero() {
		if in := t.period(at); in != nil {
			in.ack = append(in.ack, max(0, at.Sub(p.OpenedAt)))
		}
	}
	if p.State == alert.StateResolved {
		if in := t.period(p.ResolvedAt); in != nil {
			in.resolved++
			if !p.Gone { // when it really ended isn't known
				in.resolve = append(in.resolve, max(0, p.ResolvedAt.Sub(p.OpenedAt)))
			}
		}
	}
}

func (t *Tally) noise(p alert.Problem) {
	key, ok := p.Trigger()
	if !ok {
		return
	}
	n := t.noisy[key]
	if n == nil { // a trigger's name may have the value in it: one of them stands for all
		n = &Noisy{Name: p.Name, Host: hostOf(p)}
		t.noisy[key] = n
	}
	n.N++
}

func hostOf(p alert.Problem) string {
	if len(p.Hosts) == 0 {
		return ""
	}
	return cmp.Or(p.Hosts[0].Name, p.Hosts[0].Host)
}

// acknowledgedAt is when somebody first acknowledged a problem; zero for never.
func acknowledgedAt(p alert.Problem) (first time.Time) {
	for _, e := range p.Timeline {
		if e.Update != nil && e.Update.Actions.Ack && (first.IsZero() || e.At.Before(first)) {
			first = e.At
		}
	}
	return first
}

// Report returns the report. open is how many problems are open in all; incomplete says that not all that ended were added.
func (t *Tally) Report(now time.Time, open int, incomplete bool) Report {
	r := Report{From: t.from, To: t.to, Now: now, Open: t.open, OpenCount: max(open, len(t.open)), Incomplete: incomplete}
	r.During, r.Before = t.periods[0].figures(), t.periods[1].figures()
	slices.SortFunc(r.Open, func(a, b alert.Problem) int {
		return cmp.Or(cmp.Compare(b.Severity, a.Severity), a.OpenedAt.Compare(b.OpenedAt), cmp.Compare(a.Key.String(), b.Key.String()))
	})
	owned := map[string]*Owned{}
	for _, p := range r.Open {
		o := owned[p.Owner.Email]
		if o == nil {
			o = &Owned{Owner: p.Owner}
			owned[p.Owner.Email] = o
		}
		o.N++
		if p.SuppressedAt(now) {
			if left := p.SuppressedUntil.Sub(now); left > 0 && left <= endsWithin {
				r.Ending = append(r.Ending, p)
			}
		} else if !p.Acknowledged && (r.Unattended == nil || p.OpenedAt.Before(r.Unattended.OpenedAt)) {
			r.Unattended = &p
		}
	}
	for _, o := range owned {
		r.Owners = append(r.Owners, *o)
	}
	slices.SortFunc(r.Owners, func(a, b Owned) int { return cmp.Or(cmp.Compare(b.N, a.N), cmp.Compare(a.Owner.Email, b.Owner.Email)) })
	slices.SortStableFunc(r.Ending, func(a, b alert.Problem) int { return a.SuppressedUntil.Compare(b.SuppressedUntil) })
	for _, n := range t.noisy {
		if n.N > 1 {
			r.Noisy = append(r.Noisy, *n)
		}
	}
	slices.SortFunc(r.Noisy, func(a, b Noisy) int {
		return cmp.Or(cmp.Compare(b.N, a.N), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Host, b.Host))
	})
	return r
}

func (p *period) figures() Figures {
	return Figures{Opened: p.opened, Resolved: p.resolved, Ack: timesOf(p.ack), Resolve: timesOf(p.resolve)}
}

func timesOf(all []time.Duration) (t Times) {
	if t.N = len(all); t.N == 0 {
		return t
	}
	slices.Sort(all)
	var sum float64
	for _, d := range all {
		sum += float64(d)
	}
	t.Mean = time.Duration(sum / float64(t.N))
	t.Median = all[t.N/2]
	if t.N%2 == 0 {
		t.Median = (all[t.N/2-1] + all[t.N/2]) / 2
	}
	return t
}
