package alert

import (
	"slices"
	"strings"
	"time"
)

// Apply gives the problem after an event, and what changed. It is pure, and
// any order and repetition of a problem's events ends in the same problem (but
// for Revision, Entry.Seq and ChangedAt, which tell the order of arrival, and
// the order of the timeline with them).
//
// How: what can be told differently is kept as the best of all that was told,
// by an order that doesn't depend on arrival, in Problem.Merge; the rest
// follows from that.
//   - Facts are taken by rank: the API's answer, the problem, an update, the recovery.
//   - States that change (severity, acknowledged, suppressed) are as the latest
//     event saw them: by SentAt, not by arrival.
//   - That it is over is said once and for all: Zabbix never reopens an event. Only a
//     problem that was gone from Zabbix, and is known to it again, opens again.
//   - The tellings of one update are put together by looking at all of them.
func Apply(p Problem, e Event) (Problem, Change) {
	was := p
	told := !e.Opened.IsZero()
	e = normalise(e)
	if p.Key == (Key{}) {
		p.Key = e.Key
	}
	known := p.knew(e)
	bookkeeping := p.takeStates(e)
	bookkeeping = p.takeTimes(e, told) || bookkeeping
	bookkeeping = p.takeFacts(e) || bookkeeping
	bookkeeping = p.takeSendTo(e) || bookkeeping
	changed := p.takePieces(tellings(e))
	changed = p.takeNudge(e) || changed
	p.derive()
	if changed || p.timelineStale(was) {
		p.retell()
	}

	c := Change{Changed: bookkeeping || changed}
	c.Visible = was.Revision == 0 || !was.looksLike(p)
	c.Headline = c.Visible && (was.Revision == 0 || !was.sameHeadline(p))
	c.Acted = p.actedSince(was.Merge.Seq)
	c.Opened = was.State != StateOpen && p.State == StateOpen
	c.Resolved = was.State != StateResolved && p.State == StateResolved
	c.Duplicate = !c.Visible && known
	if c.Visible {
		p.Revision++
		p.ChangedAt = e.ReceivedAt
		c.Changed = true
	}
	return p, c
}

// normalise makes times comparable, and fills in those without which an event
// has no place in time.
func normalise(e Event) Event {
	e.ReceivedAt, e.SentAt, e.At = normal(e.ReceivedAt), normal(e.SentAt), normal(e.At)
	e.Opened, e.ResolvedAt = normal(e.Opened), normal(e.ResolvedAt)
	if e.Kind == KindObservation {
		o := Observation{}
		if e.Observation != nil {
			o = *e.Observation
		}
		o.At, o.Opened, o.ResolvedAt = normal(o.At), normal(o.Opened), normal(o.ResolvedAt)
		o.At = firstTime(o.At, e.SentAt, e.ReceivedAt)
		e.Observation, e.SentAt, e.At, e.Resolved = &o, o.At, o.At, o.Resolved && !o.Gone
	}
	if e.Update != nil {
		u := *e.Update
		u.At = firstTime(normal(u.At), e.At, e.SentAt, e.ReceivedAt)
		e.Update, e.At = &u, firstTime(e.At, u.At)
	}
	e.SentAt = firstTime(e.SentAt, e.ReceivedAt, e.At)
	e.At = firstTime(e.At, e.SentAt)
	e.ReceivedAt = firstTime(e.ReceivedAt, e.SentAt)
	switch e.Kind {
	case KindProblem, KindOccurrence:
		e.Opened = firstTime(e.Opened, e.At)
	case KindRecovery:
		e.Resolved = true
		e.ResolvedAt = firstTime(e.ResolvedAt, e.At)
	}
	return e
}

func firstTime(times ...time.Time) time.Time {
	for _, t := range times {
		if !t.IsZero() {
			return t
		}
	}
	return time.Time{}
}

// knew says whether the same event, told by somebody else or again, came
// before. Updates are known by their tellings.
func (p *Problem) knew(e Event) bool {
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

// takeStates takes what an event says of the states that change. It says
// whether anything changed, if only in the bookkeeping.
func (p *Problem) takeStates(e Event) bool {
	m := &p.Merge
	was := *m
	switch {
	case e.Kind == KindClock:
		m.Clock = max(m.Clock, micro(e.At))
		return m.Clock != was.Clock
	case e.Cancelled:
		m.Cancelled = firstKnown(m.Cancelled, micro(e.At))
		m.Released = max(m.Released, micro(e.SentAt))
	case e.Kind == KindProblem || e.Kind == KindOccurrence:
		m.Problem = true
		m.Alive = max(m.Alive, micro(e.SentAt))
	}
	m.Recovery = m.Recovery || e.Kind == KindRecovery
	m.Resolved = m.Resolved || e.Resolved

	changed := m.Cancelled != was.Cancelled || m.Released != was.Released || m.Alive != was.Alive || m.Problem != was.Problem || m.Recovery != was.Recovery || m.Resolved != was.Resolved
	set := func(state *seen, value int, until time.Time) {
		if take(state, seen{micro(e.SentAt), micro(e.At), rankOf(e), value, micro(until)}) {
			changed = true
		}
	}
	if o := e.Observation; o != nil && e.Kind == KindObservation {
		if o.Gone {
			m.GoneAt = firstKnown(m.GoneAt, micro(o.At))
		} else {
			m.Confirmed = true
			set(&m.Severity, int(o.Severity), time.Time{})
			set(&m.Ack, number(o.Acknowledged), time.Time{})
			set(&m.Suppressed, number(o.Suppressed), normal(o.SuppressedUntil))
			changed = take(&m.Cause, said{micro(e.SentAt), micro(e.At), rankOf(e), o.CauseEventID}) || changed
		}
		changed = take(&m.Observation, observed{micro(o.At), o.Gone, o.Suppressed && !o.ByHand, o.ManualClose}) || changed
		return changed || m.GoneAt != was.GoneAt || m.Confirmed != was.Confirmed
	}
	if e.Severity != nil {
		s := seen{micro(e.SentAt), micro(e.At), rankOf(e), int(*e.Severity), 0}
		if e.Origin == OriginService && !e.changesSeverity() {
			// A service's problem goes on telling the severity that it began with.
			s.Seen, s.At = micro(e.Opened), micro(e.Opened)
		}
		changed = take(&m.Severity, s) || changed
	}
	if e.Acknowledged != nil {
		set(&m.Ack, number(*e.Acknowledged), time.Time{})
	}
	if e.Update != nil {
		a := e.Update.Actions
		if a.Severity != nil && e.Severity == nil {
			set(&m.Severity, int(a.Severity.New), time.Time{})
		}
		if e.Acknowledged == nil && a.Ack != a.Unack {
			set(&m.Ack, number(a.Ack), time.Time{})
		}
		if a.Suppress != a.Unsuppress {
			set(&m.Suppressed, number(a.Suppress), normal(a.SuppressUntil))
		}
	}
	if id := e.Facts.CauseEventID; id != "" {
		changed = take(&m.Cause, said{micro(e.SentAt), micro(e.At), rankOf(e), id}) || changed
	}
	if cause := e.Facts.RootCause; cause != "" {
		changed = take(&m.RootCause, said{micro(e.SentAt), micro(e.At), rankOf(e), cause}) || changed
	}
	return changed
}

func (e Event) changesSeverity() bool { return e.Update != nil && e.Update.Actions.Severity != nil }

func number(b bool) int {
	if b {
		return 1
	}
	return 0
}

// takeTimes takes when the problem began and ended. told says that the event itself named the
// start.
func (p *Problem) takeTimes(e Event, told bool) bool {
	class := rankOf(e)
	if e.Exact {
		class += exact
	}
	received := micro(e.ReceivedAt)
	opened, ended := clock{class, received, micro(e.Opened)}, clock{class, received, micro(e.ResolvedAt)}
	if !told {
		opened.Class = rankNone // a guess: worse than what any other event tells
	}
	if o := e.Observation; o != nil && e.Kind == KindObservation {
		class, received = rankObservation+exact, micro(o.At)
		opened, ended = clock{}, clock{class, received, micro(o.ResolvedAt)}
		if !o.Gone {
			opened = clock{class, received, micro(o.Opened)}
		}
	}
	changed := opened.known() && take(&p.Merge.Opened, opened)
	if e.Resolved {
		if !ended.known() {
			ended = clock{rankNone, received, micro(e.SentAt)}
		}
		changed = take(&p.Merge.ResolvedAt, ended) || changed
	}
	return changed
}

// takeFacts takes what describes the problem.
func (p *Problem) takeFacts(e Event) bool {
	switch {
	case e.Kind == KindAction || e.Kind == KindNudge || e.Kind == KindClock:
		return false // the relay knew them already
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

// maxSendTo is how many different {ALERT.SENDTO} of a problem are kept, and maxSendToLength how long each may be.
const maxSendTo, maxSendToLength = 32, 1024

// takeSendTo keeps where a message was sent to: where a problem goes is decided with all of them,
// whoever brings the news. A recovery opens no room to it.
func (p *Problem) takeSendTo(e Event) bool {
	to := strings.TrimSpace(e.SendTo)
	if to == "" || len(to) > maxSendToLength || e.Kind == KindRecovery {
		return false
	}
	i, known := slices.BinarySearch(p.SendTo, to)
	if known || i == maxSendTo {
		return false
	}
	all := slices.Insert(slices.Clone(p.SendTo), i, to)
	p.SendTo = all[:min(len(all), maxSendTo)] // the first by name: the same in any order
	return true
}

// tellings are the updates that an event tells.
func tellings(e Event) []piece {
	switch {
	case e.Kind == KindObservation:
		pieces := make([]piece, 0, len(e.Observation.Updates))
		for _, u := range e.Observation.Updates {
			pieces = append(pieces, newPiece(asked, u, e.SentAt))
		}
		return pieces
	case e.Update == nil || e.Cancelled:
		return nil
	case e.Kind == KindAction:
		return []piece{newPiece(did, *e.Update, e.SentAt)}
	default:
		return []piece{newPiece(told, *e.Update, e.SentAt)}
	}
}

// derive works out everything that follows from the bookkeeping.
func (p *Problem) derive() {
	m := &p.Merge
	if p.Origin == "" && m.Confirmed {
		p.Origin = OriginTrigger
	}
	p.Observed = m.Observation.At != 0
	p.Announced = m.Problem || m.Confirmed
	// A problem counts as cancelled until Zabbix sends another message of it (its host is enabled
	// again, or another action continues), or until it is resolved.
	p.Cancelled = m.Released != 0 && m.Released >= m.Alive && !m.Resolved
	p.Gone = !m.Resolved && (m.Superseded != 0 || p.canBeGone() && m.Observation.Gone)
	p.CanClose = m.Observation.CanClose && !m.Observation.Gone
	p.HeldBack = m.Observation.HeldBack && !m.Problem
	p.Severity = Severity(m.Severity.Value)
	p.Acknowledged = m.Ack.Value == 1
	p.Suppressed = m.Suppressed.Value == 1 && (m.Suppressed.Until == 0 || m.Suppressed.Until > m.Clock)
	p.SuppressedUntil = time.Time{}
	if p.Suppressed {
		p.SuppressedUntil = fromMicro(m.Suppressed.Until)
	}
	p.CauseEventID, p.RootCause = m.Cause.Text, m.RootCause.Text
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

// canBeGone says whether the API's "no such event" means anything: it is asked
// for problems of triggers only.
func (p *Problem) canBeGone() bool { return p.Origin == OriginTrigger || p.Origin == "" }

// endedAt is when the problem ended, or was first gone from Zabbix; zero for neither.
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

// timelineStale says whether the timeline says something else than the problem
// that was changed from was.
func (p *Problem) timelineStale(was Problem) bool {
	return p.Announced != was.Announced || p.Origin != was.Origin ||
		(p.State == StateOccurred) != (was.State == StateOccurred) || p.Merge.Cancelled != was.Merge.Cancelled ||
		!p.OpenedAt.Equal(was.OpenedAt) || !p.endedAt().Equal(was.endedAt())
}

// looksLike says whether a room would see no difference between p and o.
// Macros aren't looked at: they come with something that is, or don't matter.
func (p Problem) looksLike(o Problem) bool {
	return p.State == o.State && p.Origin == o.Origin && p.Severity == o.Severity && p.Acknowledged == o.Acknowledged &&
		p.Suppressed == o.Suppressed && p.SuppressedUntil.Equal(o.SuppressedUntil) && p.HeldBack == o.HeldBack &&
		p.Cancelled == o.Cancelled && p.Gone == o.Gone && p.Announced == o.Announced && p.CanClose == o.CanClose &&
		p.RecoveredOpData == o.RecoveredOpData && p.OpenedAt.Equal(o.OpenedAt) && p.ResolvedAt.Equal(o.ResolvedAt) &&
		p.Facts.looksLike(o.Facts) && slices.EqualFunc(p.Timeline, o.Timeline, Entry.looksLike)
}

// sameHeadline reports whether p and o are the same in everything that a line in a group's message or list shows.
func (p Problem) sameHeadline(o Problem) bool {
	return p.Name == o.Name && (p.Name != "" || p.ItemName == o.ItemName) && p.Origin == o.Origin && p.Service == o.Service &&
		p.TriggerName == o.TriggerName && p.TriggerID == o.TriggerID &&
		p.State == o.State && p.OpenedAt.Equal(o.OpenedAt) && p.ResolvedAt.Equal(o.ResolvedAt) && p.Severity == o.Severity &&
		p.Suppressed == o.Suppressed && p.Acknowledged == o.Acknowledged && actorOf(p.AcknowledgedBy()) == actorOf(o.AcknowledgedBy()) &&
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

// actedSince is ActedOn of what is in the timeline after an entry.
func (p Problem) actedSince(seq int) bool {
	return slices.ContainsFunc(p.Timeline, func(e Entry) bool { return e.Seq > seq && e.Update != nil && !e.Update.Wide })
}

func (f Facts) looksLike(o Facts) bool {
	return f.Name == o.Name && f.OpData == o.OpData && f.TriggerID == o.TriggerID && f.TriggerName == o.TriggerName &&
		f.TriggerDescription == o.TriggerDescription && f.TriggerURL == o.TriggerURL && f.TriggerURLName == o.TriggerURLName &&
		f.ItemID == o.ItemID && f.ItemName == o.ItemName && f.Service == o.Service && f.RootCause == o.RootCause &&
		f.CauseEventID == o.CauseEventID && f.Object == o.Object && slices.Equal(f.Hosts, o.Hosts) &&
		slices.Equal(f.Groups, o.Groups) && f.GroupsSplit == o.GroupsSplit && sameTags(f.Tags, o.Tags)
}

// sameTags compares without order: Zabbix changes it from message to message.
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

func (e Entry) looksLike(o Entry) bool {
	if e.Seq != o.Seq || e.Kind != o.Kind || !e.At.Equal(o.At) || (e.Update == nil) != (o.Update == nil) || (e.Nudge == nil) != (o.Nudge == nil) {
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
	return sameChange && a == b && e.Update.Actor == o.Update.Actor && e.Update.Message == o.Update.Message &&
		e.Update.Comment == o.Update.Comment
}
