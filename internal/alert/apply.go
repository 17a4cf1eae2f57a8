package alert

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// Apply returns the problem after an event, and what changed. It is pure. Events in any order, with any repetition,
// make the same problem, except for Revision, Entry.Seq and ChangedAt, which follow the order of arrival.
//
// Where events can disagree, Problem.Merge keeps the best value by an order that doesn't depend on arrival, and the
// rest is derived:
//   - Facts by rank: the API's answer, then the problem, an update, the recovery.
//   - States that change (severity, acknowledged, suppressed) from the event that was sent last.
//   - A resolution is final, since Zabbix never reopens an event. Only a problem that was gone from Zabbix, and is
//     known to it again, opens again.
//   - All reports of one update are merged into one timeline entry.
func Apply(p Problem, e Event) (Problem, Change) {
	was := p
	started := !e.Opened.IsZero() || e.Kind == KindObservation
	e = normalise(e)
	if p.Key == (Key{}) {
		p.Key = e.Key
	}
	known := p.knows(e)
	p.mergeStates(e)
	p.mergeTimes(e, started)
	bookkeeping := p.mergeEventFacts(e) || p.Merge.States != was.Merge.States
	bookkeeping = p.mergeSendTo(e) || bookkeeping
	changed := p.addReports(reportsOf(e))
	changed = p.mergeNudge(e) || changed
	p.derive()
	if changed || p.timelineStale(was) {
		p.rebuildTimeline()
	}

	c := Change{Changed: bookkeeping || changed}
	c.Visible = was.Revision == 0 || !was.looksSame(p)
	c.Headline = c.Visible && (was.Revision == 0 || !was.sameHeadline(p))
	c.Acted = p.actedSince(was.Merge.Seq)
	c.Opened = was.State != StateOpen && p.State == StateOpen
	c.Resolved = was.State != StateResolved && p.State == StateResolved
	c.Duplicate = !c.Visible && known
	if o := e.Observation; o != nil && !o.Quiet && p.foundNow(was, o.Found) {
		c.Found = o.Found
	}
	if c.Visible {
		p.Revision++
		p.ChangedAt = e.ReceivedAt
		c.Changed = true
	}
	return p, c
}

// normalise makes times comparable and fills in missing ones.
func normalise(e Event) Event {
	e.ReceivedAt, e.SentAt, e.At = normal(e.ReceivedAt), normal(e.SentAt), normal(e.At)
	e.Opened, e.ResolvedAt = normal(e.Opened), normal(e.ResolvedAt)
	if e.Kind == KindObservation {
		o := Observation{}
		if e.Observation != nil {
			o = *e.Observation
		}
		o.At, o.Opened, o.ResolvedAt = normal(o.At), normal(o.Opened), normal(o.ResolvedAt)
		o.At = cmp.Or(o.At, e.SentAt, e.ReceivedAt)
		e.Observation, e.SentAt, e.At, e.Exact = &o, o.At, o.At, true
		e.Opened, e.ResolvedAt, e.Resolved = o.Opened, o.ResolvedAt, o.Resolved
		if o.Gone {
			e.Opened, e.Resolved = time.Time{}, false
		}
	}
	if e.Update != nil {
		u := *e.Update
		u.At = cmp.Or(normal(u.At), e.At, e.SentAt, e.ReceivedAt)
		e.Update, e.At = &u, cmp.Or(e.At, u.At)
	}
	e.SentAt = cmp.Or(e.SentAt, e.ReceivedAt, e.At)
	e.At = cmp.Or(e.At, e.SentAt)
	e.ReceivedAt = cmp.Or(e.ReceivedAt, e.SentAt)
	switch e.Kind {
	case KindProblem, KindOccurrence:
		e.Opened = cmp.Or(e.Opened, e.At)
	case KindRecovery:
		e.Resolved = true
		e.ResolvedAt = cmp.Or(e.ResolvedAt, e.At)
	}
	return e
}

// knows reports whether the same event arrived before, perhaps from another sender. Updates are recognised by their
// reports.
func (p *Problem) knows(e Event) bool {
	switch {
	case e.Cancelled:
		return p.Merge.Cancelled != 0
	case e.Kind == KindProblem || e.Kind == KindOccurrence:
		return p.Merge.Problem
	case e.Kind == KindRecovery:
		return p.Merge.Recovery
	default:
		return true
	}
}

// mergeStates merges an event's values of the states that change.
func (p *Problem) mergeStates(e Event) {
	m := &p.Merge
	switch {
	case e.Kind == KindSymptom:
		p.Symptoms = p.Symptoms.plus(e.Symptoms)
		return
	case e.Kind == KindClock:
		m.Clock = max(m.Clock, micro(e.At))
		return
	case e.Cancelled:
		m.Cancelled = least(m.Cancelled, micro(e.At))
		m.Released = max(m.Released, micro(e.SentAt))
	case e.Kind == KindProblem || e.Kind == KindOccurrence:
		m.Problem = true
		m.Alive = max(m.Alive, micro(e.SentAt))
	}
	m.Recovery = m.Recovery || e.Kind == KindRecovery
	if found := e.Kind == KindObservation && e.Observation.Found == FoundRecovery; e.Resolved {
		m.FoundEnd, m.SeenEnd = m.FoundEnd || found, m.SeenEnd || !found
	}
	m.Resolved = m.Resolved || e.Resolved
	if e.Kind == KindObservation {
		p.mergeObservation(e)
		return
	}
	actions := Actions{}
	if e.Update != nil {
		actions = e.Update.Actions
	}
	switch {
	case e.Severity != nil:
		s := latestOf(e, int(*e.Severity))
		if e.Origin == OriginService && actions.Severity == nil {
			// Events of a service's problem repeat its initial severity.
			s.Seen, s.At = micro(e.Opened), micro(e.Opened)
		}
		improve(&m.Severity, s)
	case actions.Severity != nil:
		improve(&m.Severity, latestOf(e, int(actions.Severity.New)))
	}
	switch {
	case e.Acknowledged != nil:
		improve(&m.Ack, latestOf(e, number(*e.Acknowledged)))
	case actions.Ack != actions.Unack:
		improve(&m.Ack, latestOf(e, number(actions.Ack)))
	}
	if actions.Suppress != actions.Unsuppress {
		m.mergeSuppressed(e, actions.Suppress, actions.SuppressUntil)
	}
	if e.Kind == KindAction && e.Update != nil && e.Update.Owner != nil {
		improve(&m.Owner, ownershipOf(e.Update.Owner, e.Update.At))
	}
	if id := e.Facts.CauseEventID; id != "" {
		improve(&m.Cause, latestOf(e, id))
	}
	if cause := e.Facts.RootCause; cause != "" {
		improve(&m.RootCause, latestOf(e, cause))
	}
}

// mergeObservation merges the states that the API returned.
func (p *Problem) mergeObservation(e Event) {
	m, o := &p.Merge, e.Observation
	improve(&m.Observation, observed{micro(o.At), o.Gone, o.Suppressed && !o.ByHand, o.ManualClose, len(o.Updates), o.TriggerGone && !o.Resolved, o.CanSuppress})
	if o.Gone {
		m.GoneAt = least(m.GoneAt, micro(o.At))
		return
	}
	m.Confirmed, m.FoundOpen = true, m.FoundOpen || o.Found == FoundProblem
	improve(&m.Severity, latestOf(e, int(o.Severity)))
	improve(&m.Ack, latestOf(e, number(o.Acknowledged)))
	m.mergeSuppressed(e, o.Suppressed, o.SuppressedUntil)
	improve(&m.Cause, latestOf(e, o.CauseEventID))
}

func (m *Merge) mergeSuppressed(e Event, suppressed bool, until time.Time) {
	s := latestOf(e, number(suppressed))
	s.Until = micro(until)
	improve(&m.Suppressed, s)
}

// mergeTimes merges when the problem began and ended. started means that the event names the start itself.
func (p *Problem) mergeTimes(e Event, started bool) {
	class, received := rankOf(e), micro(e.ReceivedAt)
	if e.Exact {
		class += exact
	}
	if e.Kind == KindObservation {
		received = micro(e.At)
	}
	opened, ended := estimate{class, received, micro(e.Opened)}, estimate{class, received, micro(e.ResolvedAt)}
	if !started {
		opened.Class = rankNone // a guess, worse than any other event's
	}
	if opened.known() {
		improve(&p.Merge.Opened, opened)
	}
	if e.Resolved {
		if !ended.known() {
			ended = estimate{rankNone, received, micro(e.SentAt)}
		}
		improve(&p.Merge.ResolvedAt, ended)
	}
}

// mergeEventFacts merges the facts that describe the problem.
func (p *Problem) mergeEventFacts(e Event) bool {
	switch {
	case e.Kind == KindAction || e.Kind == KindNudge || e.Kind == KindClock || e.Kind == KindSymptom:
		return false // they bring no facts
	case e.Kind != KindObservation:
		return p.mergeFacts(e, e.Facts)
	case e.Observation.Gone:
		return false
	default:
		o := e.Observation
		return p.mergeFacts(e, Facts{
			Name: o.Name, Hosts: o.Hosts, Groups: o.Groups, Tags: o.Tags, OpData: o.OpData,
			TriggerID: o.TriggerID, ItemID: o.ItemID, ItemName: o.ItemName,
		})
	}
}

// maxSendTo is how many different {ALERT.SENDTO} of a problem are kept, maxSendToLength how long each may be.
const maxSendTo, maxSendToLength = 32, 1024

// mergeSendTo keeps a message's {ALERT.SENDTO}. Routing uses all of them, whichever event posts the problem. A
// recovery adds no room.
func (p *Problem) mergeSendTo(e Event) bool {
	to := strings.TrimSpace(e.SendTo)
	if to == "" || len(to) > maxSendToLength || e.Kind == KindRecovery {
		return false
	}
	i, known := slices.BinarySearch(p.SendTo, to)
	if known || i == maxSendTo {
		return false
	}
	all := slices.Insert(slices.Clone(p.SendTo), i, to)
	p.SendTo = all[:min(len(all), maxSendTo)] // the first by name, so that the order doesn't matter
	return true
}

// reportsOf returns an event's reports of updates.
func reportsOf(e Event) []report {
	switch {
	case e.Kind == KindObservation:
		reports := make([]report, 0, len(e.Observation.Updates))
		for _, u := range e.Observation.Updates {
			r := newReport(fromAPI, u, e.SentAt)
			r.Found = e.Observation.Found == FoundUpdate
			reports = append(reports, r)
		}
		return reports
	case e.Update == nil || e.Cancelled:
		return nil
	case e.Kind == KindAction:
		return []report{newReport(fromRelay, *e.Update, e.SentAt)}
	default:
		return []report{newReport(fromPayload, *e.Update, e.SentAt)}
	}
}

// derive computes everything that follows from Merge.
func (p *Problem) derive() {
	m := &p.Merge
	if p.Origin == "" && m.Confirmed {
		p.Origin = OriginTrigger
	}
	p.Observed = m.Observation.At != 0
	p.Announced = m.Problem || m.Confirmed
	// A problem is cancelled until Zabbix sends another message about it (its host is enabled again, or another
	// action continues), or until it resolves.
	p.Cancelled = m.Released != 0 && m.Released >= m.Alive && !m.Resolved
	p.Gone = !m.Resolved && (m.Superseded != 0 || p.canBeGone() && (m.Observation.Gone || m.Observation.Orphaned && m.GoneAt != 0))
	p.CanClose = m.Observation.CanClose && !p.Gone
	p.CanSuppress = m.Observation.CanSuppress && !p.Gone
	p.HeldBack = m.Observation.HeldBack && !m.Problem
	p.Severity = Severity(m.Severity.Value)
	p.Acknowledged = m.Ack.Value == 1
	p.Suppressed = m.Suppressed.Value == 1 && (m.Suppressed.Until == 0 || m.Suppressed.Until > m.Clock)
	p.SuppressedUntil = time.Time{}
	if p.Suppressed {
		p.SuppressedUntil = fromMicro(m.Suppressed.Until)
	}
	p.Owner = Owner{}
	if o := m.Owner.owner(); o != nil {
		p.Owner = *o
	}
	p.CauseEventID, p.RootCause = m.Cause.Value, m.RootCause.Value
	p.OpenedAt = m.Opened.time()
	p.ResolvedAt = time.Time{}
	switch {
	case p.Origin == OriginDiscovery || p.Origin == OriginAutoregistration:
		p.State = StateOccurred
	case m.Resolved || p.Gone:
		p.State = StateResolved
		p.ResolvedAt = p.endedAt()
	case p.Announced:
		p.State = StateOpen
	default:
		p.State = StateUnknown
	}
}

// canBeGone reports whether the API's "no such event" is meaningful: only problems of triggers are looked up.
func (p *Problem) canBeGone() bool { return p.Origin == OriginTrigger || p.Origin == "" }

// endedAt is when the problem resolved or was first gone from Zabbix; zero for neither.
func (p *Problem) endedAt() time.Time {
	switch {
	case p.State == StateOccurred:
		return time.Time{}
	case p.Merge.Resolved:
		return p.Merge.ResolvedAt.time()
	case p.Merge.Superseded != 0:
		return fromMicro(p.Merge.Superseded)
	case p.canBeGone():
		return fromMicro(p.Merge.GoneAt)
	default:
		return time.Time{}
	}
}

// timelineStale reports whether the timeline entries other than updates and nudges differ from those of was.
func (p *Problem) timelineStale(was Problem) bool {
	return p.Announced != was.Announced || p.Origin != was.Origin || p.foundOpen() != was.foundOpen() || p.foundEnd() != was.foundEnd() ||
		(p.State == StateOccurred) != (was.State == StateOccurred) || p.Merge.Cancelled != was.Merge.Cancelled ||
		!p.OpenedAt.Equal(was.OpenedAt) || !p.endedAt().Equal(was.endedAt())
}

// foundOpen reports whether only reconciliation found the problem.
func (p *Problem) foundOpen() bool { return p.Merge.FoundOpen && !p.Merge.Problem }

// foundEnd reports whether only reconciliation found that it is resolved.
func (p *Problem) foundEnd() bool { return p.Merge.FoundEnd && !p.Merge.SeenEnd }

// foundNow reports whether an answer that reconciliation asked for brought what it was asked for.
func (p *Problem) foundNow(was Problem, found Found) bool {
	switch found {
	case FoundProblem:
		return p.foundOpen() && !was.foundOpen()
	case FoundRecovery:
		return p.foundEnd() && !was.foundEnd()
	case FoundUpdate:
		return p.Severity != was.Severity || p.Acknowledged != was.Acknowledged ||
			slices.ContainsFunc(p.Timeline, func(e Entry) bool { return e.Found && e.Update != nil && e.Seq > was.Merge.Seq })
	case FoundGone:
		return p.Gone && !was.Gone
	}
	return false
}

// looksSame reports whether a room would see no difference between p and o. Macros don't count: those that matter
// change together with something that counts.
func (p Problem) looksSame(o Problem) bool {
	return p.State == o.State && p.Origin == o.Origin && p.Severity == o.Severity && p.Acknowledged == o.Acknowledged &&
		p.Symptoms == o.Symptoms && p.Owner == o.Owner && p.Suppressed == o.Suppressed && p.SuppressedUntil.Equal(o.SuppressedUntil) && p.HeldBack == o.HeldBack &&
		p.Cancelled == o.Cancelled && p.Gone == o.Gone && p.Announced == o.Announced && p.CanClose == o.CanClose && p.CanSuppress == o.CanSuppress && p.CanUnsuppress() == o.CanUnsuppress() &&
		p.RecoveredOpData == o.RecoveredOpData && p.OpenedAt.Equal(o.OpenedAt) && p.ResolvedAt.Equal(o.ResolvedAt) &&
		p.Facts.looksSame(o.Facts) && slices.EqualFunc(p.Timeline, o.Timeline, Entry.looksSame)
}

// sameHeadline reports whether p and o are the same in everything that a line in a group's message or list shows.
func (p Problem) sameHeadline(o Problem) bool {
	return p.Name == o.Name && (p.Name != "" || p.ItemName == o.ItemName) && p.Origin == o.Origin && p.Service == o.Service &&
		p.TriggerName == o.TriggerName && p.TriggerID == o.TriggerID &&
		p.State == o.State && p.OpenedAt.Equal(o.OpenedAt) && p.ResolvedAt.Equal(o.ResolvedAt) && p.Severity == o.Severity &&
		p.Suppressed == o.Suppressed && p.Owner == o.Owner && p.Acknowledged == o.Acknowledged && actorOf(p.AcknowledgedBy()) == actorOf(o.AcknowledgedBy()) &&
		slices.EqualFunc(p.Hosts, o.Hosts, func(a, b Host) bool { return a.Host == b.Host && a.Name == b.Name })
}

func actorOf(u *Update) Actor {
	if u == nil {
		return Actor{}
	}
	return u.Actor
}

// ActedOn reports whether somebody did something to this problem in particular.
func (p Problem) ActedOn() bool { return p.actedSince(0) }

// actedSince is ActedOn for the timeline after an entry.
func (p Problem) actedSince(seq int) bool {
	return slices.ContainsFunc(p.Timeline, func(e Entry) bool { return e.Seq > seq && e.Update != nil && !e.Update.Wide })
}

func (f Facts) looksSame(o Facts) bool {
	return f.Name == o.Name && f.OpData == o.OpData && f.TriggerID == o.TriggerID && f.TriggerName == o.TriggerName &&
		f.TriggerDescription == o.TriggerDescription && f.TriggerURL == o.TriggerURL && f.TriggerURLName == o.TriggerURLName &&
		f.ItemID == o.ItemID && f.ItemName == o.ItemName && f.Service == o.Service && f.RootCause == o.RootCause &&
		f.CauseEventID == o.CauseEventID && f.Object == o.Object && slices.Equal(f.Hosts, o.Hosts) &&
		slices.Equal(f.Groups, o.Groups) && f.GroupsSplit == o.GroupsSplit && sameTags(f.Tags, o.Tags)
}

// sameTags ignores the order, which Zabbix changes from message to message.
func sameTags(a, b []Tag) bool {
	if len(a) != len(b) {
		return false
	}
	if slices.Equal(a, b) {
		return true
	}
	a, b = slices.Clone(a), slices.Clone(b)
	slices.SortFunc(a, compareTags)
	slices.SortFunc(b, compareTags)
	return slices.Equal(a, b)
}

func (e Entry) looksSame(o Entry) bool {
	if e.Seq != o.Seq || e.Kind != o.Kind || e.Kind == EntryOpened && e.Found != o.Found || !e.At.Equal(o.At) || (e.Update == nil) != (o.Update == nil) || (e.Nudge == nil) != (o.Nudge == nil) {
		return false
	}
	if e.Nudge != nil {
		return e.Nudge.compare(*o.Nudge) == 0
	}
	if e.Update == nil {
		return true
	}
	a, b := e.Update.Actions, o.Update.Actions
	sameChange := a.Severity == b.Severity || (a.Severity != nil && b.Severity != nil && *a.Severity == *b.Severity)
	a.Severity, b.Severity = nil, nil
	sameOwner := ownershipOf(e.Update.Owner, e.At) == ownershipOf(o.Update.Owner, o.At)
	return sameChange && sameOwner && a == b && e.Update.Actor == o.Update.Actor && e.Update.Message == o.Update.Message &&
		e.Update.Comment == o.Update.Comment && e.Update.Card == o.Update.Card
}
