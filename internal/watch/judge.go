package watch

import (
	"slices"
	"time"

	"nms-alert-relay/internal/lang"
	"nms-alert-relay/internal/zabbix"
)

// Kind is a kind of trouble that keeps a source from reporting.
type Kind string

// The kinds.
const (
	Alerts    Kind = "alerts"     // Zabbix gave up on messages
	MediaType Kind = "media_type" // our media type is disabled or was deleted
	Action    Kind = "action"     // the action is disabled, or lacks operations
	Found     Kind = "found"      // only reconciliation finds problems and recoveries
	Server    Kind = "server"     // the Zabbix server doesn't run, although its frontend answers
	Reconcile Kind = "reconcile"  // its open problems aren't compared, so that what its messages miss isn't found
	Gone      Kind = "gone"       // open problems that Zabbix doesn't show aren't closed; alert_relay_gone_held counts them
)

// Kinds is all of them.
var Kinds = [...]Kind{Alerts, MediaType, Action, Found, Server, Reconcile, Gone}

// Verdict is what a look says about one kind.
type Verdict int

// The verdicts.
const (
	Unknown Verdict = iota // Zabbix doesn't show it: nothing begins or ends
	Fine
	Trouble
)

// Finding is what a look found of one kind.
type Finding struct {
	Verdict Verdict
	Count   int    // of messages or problems; 0 where nothing is counted
	Detail  string // untrusted text in it. Of Fine, how the trouble ended, if that is known
	Sample  bool   // Detail is one of many: another one isn't worth an edit
}

const (
	// alertWindow is how long a failed alert counts. Zabbix makes an alert before it tries to send it, and may try for minutes.
	alertWindow = 15 * time.Minute
	// foundWindow and foundLimit are how many problems and recoveries only reconciliation may find in which time.
	foundWindow, foundLimit = 10 * time.Minute, 3
	// staleAfter is how old the last comparison of open problems may be, or staleRounds intervals.
	staleAfter, staleRounds = 15 * time.Minute, 3
)

// recognise marks the media type with this id as ours if none is: it was renamed, and Zabbix doesn't show its script.
func recognise(s zabbix.Sending, id string) zabbix.Sending {
	if _, shown := s.OurMediaType(); shown {
		return s
	}
	s.MediaTypes = slices.Clone(s.MediaTypes)
	for i, m := range s.MediaTypes {
		s.MediaTypes[i].Ours = m.ID == id
	}
	return s
}

// judgeMediaType judges whether our media type is there and enabled. id is its id in an earlier look, "" for none. Zabbix shows either all
// media types or none.
func judgeMediaType(s zabbix.Sending, id string, l lang.Lang) Finding {
	ours, shown := s.OurMediaType()
	switch {
	case shown && ours.Disabled:
		return Finding{Verdict: Trouble, Detail: l.T("its media type %q is disabled", ours.Name)}
	case shown:
		return Finding{Verdict: Fine}
	case id != "" && len(s.MediaTypes) > 0:
		return Finding{Verdict: Trouble, Detail: l.T("its media type for the relay was deleted")}
	default:
		return Finding{}
	}
}

// judgeAction judges whether an enabled action sends problems, recoveries and updates by our media type. An operation that sends by all
// media of its recipients may be ours: then there is no trouble. One that isn't shown may have been deleted, or be hidden: nobody knows.
func judgeAction(s zabbix.Sending, l lang.Lang) Finding {
	ours, shown := s.OurMediaType()
	if !shown || len(s.Actions) == 0 {
		return Finding{}
	}
	sends := func(types []string) bool {
		return slices.Contains(types, ours.ID) || slices.Contains(types, zabbix.AllMedia)
	}
	var silent, incomplete []string
	for _, a := range s.Actions {
		named := slices.Contains(slices.Concat(a.Problem, a.Recovery, a.Update), ours.ID)
		switch {
		case !a.Disabled && sends(a.Problem) && sends(a.Recovery) && sends(a.Update):
			return Finding{Verdict: Fine}
		case !named:
		case a.Disabled:
			silent = append(silent, l.T("%q is disabled", a.Name))
		case !sends(a.Problem):
			silent = append(silent, l.T("%q has no operation for problems", a.Name))
		case !sends(a.Recovery):
			incomplete = append(incomplete, l.T("%q has no recovery operation", a.Name))
		default:
			incomplete = append(incomplete, l.T("%q has no update operation", a.Name))
		}
	}
	switch {
	case len(incomplete) > 0:
		return Finding{Verdict: Trouble, Detail: l.T("its action %s", l.Some(incomplete, 3))}
	case len(silent) > 0:
		return Finding{Verdict: Trouble, Detail: l.T("its action %s", l.Some(silent, 3))}
	default:
		return Finding{}
	}
}

// judgeAlerts judges the failed alerts.
func judgeAlerts(s zabbix.Sending, now time.Time) Finding {
	switch {
	case !s.FailedKnown:
		return Finding{}
	case len(s.Failed) == 0 || now.Sub(s.Failed[0].At) > alertWindow:
		return Finding{Verdict: Fine}
	}
	return Finding{Verdict: Trouble, Count: len(s.Failed), Detail: s.Failed[0].Error, Sample: true}
}

// alertsFrom is from when on failed alerts are read: from the beginning of the trouble, to count them, and at least those that still count.
func alertsFrom(since, now time.Time) time.Time {
	from := now.Add(-alertWindow)
	if !since.IsZero() && since.Add(-alertWindow).Before(from) {
		return since.Add(-alertWindow)
	}
	return from
}

// sample is how much only reconciliation had found by a time.
type sample struct {
	at    time.Time
	found int64
}

// history is the samples of the last foundWindow and the one before them, oldest first.
type history []sample

// add adds a sample and drops those that are too old.
func (h history) add(s sample) history {
	h = append(h, s)
	for len(h) > 1 && s.at.Sub(h[1].at) >= foundWindow {
		h = h[1:]
	}
	return h
}

// judgeFound judges what only reconciliation found. so is the count of a trouble that began already, 0 for none: it ends once nothing was
// found for a whole window.
func judgeFound(h history, so int) Finding {
	if len(h) < 2 {
		return Finding{}
	}
	first, before, last := h[0], h[len(h)-2], h[len(h)-1]
	n := int(last.found - first.found)
	switch {
	case so > 0 && n > 0:
		return Finding{Verdict: Trouble, Count: so + int(last.found-before.found)}
	case n >= foundLimit:
		return Finding{Verdict: Trouble, Count: n}
	case so > 0 && last.at.Sub(first.at) < foundWindow:
		return Finding{} // the relay started a moment ago
	default:
		return Finding{Verdict: Fine}
	}
}

// judgeCompared judges when open problems were last compared. began is when the relay started, interval that of comparisons, failure why the
// last one failed.
func judgeCompared(at, began time.Time, failure string, interval time.Duration, now time.Time) Finding {
	since := at
	if since.Before(began) {
		since = began
	}
	switch {
	case now.Sub(since) > max(staleAfter, staleRounds*interval):
		return Finding{Verdict: Trouble, Detail: failure}
	case at.Before(began):
		return Finding{} // not yet
	default:
		return Finding{Verdict: Fine}
	}
}

const (
	// pulseSilence is how long no internal item may get a value until the server counts as stopped.
	pulseSilence = 5 * time.Minute
	// pulseGap is the longest time between two values of a server whose items are judged, and pulseBeats how many of them must be seen.
	pulseGap, pulseBeats = 3 * time.Minute, 5
)

// pulse is what was seen of the internal items of a server. Its times are the relay's: the clocks may differ.
type pulse struct {
	newest time.Time // value, by Zabbix's clock
	seen   time.Time // when it was new
	beats  int       // values in a row, each within pulseGap of the one before
}

// next is the pulse after a look. alive is zero if Zabbix shows nothing.
func (p pulse) next(alive, now time.Time) pulse {
	switch {
	case alive.IsZero():
		return pulse{}
	case !alive.After(p.newest):
		return p
	case now.Sub(p.seen) > pulseGap:
		return pulse{newest: alive, seen: now, beats: 1}
	default:
		return pulse{newest: alive, seen: now, beats: p.beats + 1}
	}
}

// judge judges whether the server runs. Only items that had a value again and again, and then none of them, are a sign that it doesn't.
func (p pulse) judge(now time.Time) Finding {
	switch {
	case p.beats >= pulseBeats && now.Sub(p.seen) >= pulseSilence:
		return Finding{Verdict: Trouble}
	case p.beats >= 2 && now.Sub(p.seen) <= pulseGap:
		return Finding{Verdict: Fine}
	default:
		return Finding{}
	}
}
