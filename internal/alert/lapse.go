package alert

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// AnswerWithin is how long people have to answer the question whether they are still on it (EntryAsked). Without an answer the
// acknowledgement is taken back.
const AnswerWithin = 15 * time.Minute

// Asked is the question whether somebody is still on it, if nobody has done anything to the problem since; nil for none. What counts
// is the order of arrival, since Zabbix's clock may differ from the relay's.
func (p Problem) Asked() *Nudge {
	if p.State != StateOpen || !p.Acknowledged {
		return nil
	}
	var asked *Entry
	for i := range p.Timeline {
		if e := &p.Timeline[i]; e.Kind == EntryAsked && (asked == nil || e.Seq > asked.Seq) {
			asked = e
		}
	}
	if asked == nil || slices.ContainsFunc(p.Timeline, func(e Entry) bool { return e.Update != nil && e.Seq > asked.Seq }) {
		return nil
	}
	return asked.Nudge
}

// Asking are the moments at which people were asked about several problems: one message, with one answer.
type Asking struct{ From, To time.Time }

// String writes it for a button.
func (a Asking) String() string {
	return strconv.FormatInt(a.From.UnixMicro(), 36) + "-" + strconv.FormatInt(a.To.UnixMicro(), 36)
}

// ParseAsking reads what String wrote.
func ParseAsking(s string) (a Asking, ok bool) {
	from, to, _ := strings.Cut(s, "-")
	first, err := strconv.ParseInt(from, 36, 64)
	last, err2 := strconv.ParseInt(to, 36, 64)
	return Asking{time.UnixMicro(first).UTC(), time.UnixMicro(last).UTC()}, err == nil && err2 == nil && first <= last
}

// Is reports whether the question that a problem waits for was asked then.
func (a Asking) Is(p Problem) bool {
	n := p.Asked()
	return n != nil && n.At.UnixMicro() >= a.From.UnixMicro() && n.At.UnixMicro() <= a.To.UnixMicro()
}

// AskAt is when people are asked whether they are still on it: when the acknowledgement has lasted for a while in which nobody did
// anything to the problem, and no suppression holds it back. Zero means never, or that they have been asked.
func (p Problem) AskAt(expires time.Duration, now time.Time) time.Time {
	if expires <= 0 || p.State != StateOpen || !p.Acknowledged || p.HeldBack || p.Cancelled || p.Asked() != nil {
		return time.Time{}
	}
	last := p.OpenedAt
	for _, e := range p.Timeline {
		// An answer is never older than its question.
		if (e.Update != nil || e.Kind == EntryAsked) && e.At.After(last) {
			last = e.At
		}
	}
	at := last.Add(expires)
	if p.SuppressedAt(now) {
		if p.SuppressedUntil.IsZero() {
			return time.Time{}
		}
		if p.SuppressedUntil.After(at) {
			at = p.SuppressedUntil
		}
	}
	return at
}

// AttendedBy are the people to ask: who acknowledged the problem last, and who owns it, as far as their addresses are known.
func (p Problem) AttendedBy() (addresses []string) {
	if by := p.AcknowledgedBy(); by != nil && by.Actor.Email != "" {
		addresses = append(addresses, by.Actor.Email)
	}
	if p.Owner.Email != "" && !slices.Contains(addresses, p.Owner.Email) {
		addresses = append(addresses, p.Owner.Email)
	}
	return addresses
}
