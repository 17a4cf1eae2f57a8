package incident

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/lang"
	"nms-alert-relay/internal/store"
)

// Op is what the loop does next for an incident.
type Op string

const (
	OpNone   Op = ""
	OpMake   Op = "make the space"
	OpGiveUp Op = "give up making the space"
	OpSay    Op = "say"    // enqueue a message
	OpShow   Op = "show"   // have a problem shown in the space
	OpInvite Op = "invite" // add a person to the space
	OpJoin   Op = "join"   // a problem that came again
	OpRemind Op = "remind" // of an update
	OpReview Op = "review" // post the review
	OpGraph  Op = "graph"  // post a graph with the review
	OpLeave  Op = "leave"  // leave the space
	OpClose  Op = "close"  // nothing more happens
)

// Step is the next thing to do for an incident.
type Step struct {
	Op      Op
	Message Message       // of OpSay, OpRemind and OpReview
	Key     alert.Key     // of OpShow and OpGraph
	Problem alert.Problem // of OpJoin
	Who     store.Someone // of OpInvite
	Search  bool          // of OpMake: an earlier call may have made the space
	Why     string        // of OpGiveUp
}

// giveUpAfter is how long making a space is tried while Webex doesn't answer.
const giveUpAfter = 30 * time.Minute

// inviteTries is how often an invitation is tried while Webex doesn't answer.
const inviteTries = 8

// Next decides what to do next for an incident. It is called again after each step, until there is none. again are problems that came
// again, sent reports whether the review has reached its room.
func Next(f Facts, again []alert.Problem, sent bool, s Settings, now time.Time) Step {
	if !f.Closed.IsZero() {
		return Step{}
	}
	for _, m := range Messages(f, s, now) {
		if f.Shown[m.Name] != m.digest() {
			return Step{Op: OpSay, Message: m}
		}
	}
	switch {
	case f.Refused != "":
		return Step{Op: OpClose}
	case f.RoomID == "" && now.Sub(f.Incident.Opened) > giveUpAfter && f.LastError != "":
		return Step{Op: OpGiveUp, Why: s.lang(f.Incident).T("Webex didn't do it for %s: %s", span(s.lang(f.Incident), giveUpAfter), f.LastError)}
	case f.RoomID == "" && now.Before(f.NotBefore):
		return Step{}
	case f.RoomID == "":
		return Step{Op: OpMake, Search: f.Tries > 0}
	}
	if f.Reachable() {
		for _, p := range f.Problems {
			if !p.Posted && p.Parted.IsZero() {
				return Step{Op: OpShow, Key: p.Key}
			}
		}
		if who, ok := f.toInvite(); ok && !now.Before(f.NotBefore) {
			return Step{Op: OpInvite, Who: who}
		}
	}
	switch f.State() {
	case Open:
		if m, due := f.reminder(s, now); due {
			return Step{Op: OpRemind, Message: m}
		}
		if len(again) > 0 && f.EndedAt.IsZero() && len(f.Problems) < MaxProblems {
			return Step{Op: OpJoin, Problem: again[0]}
		}
	case Resolved:
		if len(again) > 0 && f.EndedAt.IsZero() && len(f.Problems) < MaxProblems {
			return Step{Op: OpJoin, Problem: again[0]}
		}
		return f.ending(sent, s, now)
	}
	return Step{}
}

// toInvite returns the next person to invite.
func (f Facts) toInvite() (store.Someone, bool) {
	for _, p := range invited(f.Incident) {
		if n, _ := f.invitations(p.Email); n <= f.Again[p.Email] {
			return p, true
		}
	}
	return store.Someone{}, false
}

// reminder returns the reminder to post an update, if it is due.
func (f Facts) reminder(s Settings, now time.Time) (Message, bool) {
	last := f.LastUpdate()
	if f.RemindedAt.After(last) {
		last = f.RemindedAt
	}
	if s.UpdateEvery <= 0 || now.Sub(last) < s.UpdateEvery {
		return Message{}, false
	}
	return f.reminderMessage(s, now), true
}

// ending returns the next step of an incident that is resolved.
func (f Facts) ending(sent bool, s Settings, now time.Time) Step {
	byHand := !f.EndedAt.IsZero()
	switch {
	case f.Reviewed.IsZero() && (byHand || now.Sub(f.ResolvedAt()) >= s.ReviewAfter):
		return Step{Op: OpReview, Message: f.reviewMessage(s, now)}
	case f.Reviewed.IsZero() || !sent:
		return Step{}
	case len(f.Graphs) > 0 && f.Reachable():
		return Step{Op: OpGraph, Key: f.Graphs[0]}
	case !byHand && now.Sub(f.Reviewed) < s.CloseAfter:
		return Step{}
	case s.Leave && f.Reachable():
		if now.Before(f.NotBefore) {
			return Step{}
		}
		return Step{Op: OpLeave}
	}
	return Step{Op: OpClose}
}

// Reopen makes an incident one that goes on: a problem joined it.
func Reopen(i *store.Incident) {
	i.Reviewed, i.EndedAt, i.Ended, i.Posting, i.Graphs = time.Time{}, time.Time{}, store.Someone{}, 0, nil
}

// Join adds a problem. It reports whether that changed something.
func Join(i *store.Incident, key alert.Key, now time.Time) bool {
	n := slices.IndexFunc(i.Problems, func(p store.IncidentProblem) bool { return p.Key == key })
	switch {
	case n >= 0 && i.Problems[n].Parted.IsZero():
		return false
	case n >= 0:
		i.Problems[n].Parted, i.Problems[n].Joined = time.Time{}, now
	default:
		i.Problems = append(i.Problems, store.IncidentProblem{Key: key, Joined: now})
	}
	Reopen(i)
	return true
}

// Part takes a problem out. It reports whether that changed something.
func Part(i *store.Incident, key alert.Key, now time.Time) bool {
	n := slices.IndexFunc(i.Problems, func(p store.IncidentProblem) bool { return p.Key == key && p.Parted.IsZero() })
	if n >= 0 {
		i.Problems[n].Parted = now
	}
	return n >= 0
}

// maxNamed bounds the people whom the message about invitations names.
const maxNamed = 20

// refused returns who couldn't be invited, with the reasons.
func (f Facts) refused(l lang.Lang) (lines []string) {
	if more := f.Invite[len(invited(f.Incident)):]; len(more) > 0 {
		names := make([]string, 0, len(more))
		for _, p := range more {
			names = append(names, nameAndAddress(p))
		}
		said := l.Some(names, maxNamed)
		if len(f.Invite) == maxWanted { // AddInvited counts no more
			said = l.T("%s and at least %d more", l.Some(names[:maxNamed], maxNamed), len(names)-maxNamed)
		}
		lines = append(lines, l.T("%s: I invite at most %d people to an incident", said, MaxInvited))
	}
	failed := 0
	for _, p := range invited(f.Incident) {
		if _, e := f.invitations(p.Email); e.Text != "" {
			if failed++; failed <= maxNamed {
				lines = append(lines, fmt.Sprintf("%s: %s", cmp.Or(Label(p), p.Email), e.Text))
			}
		}
	}
	if failed > maxNamed {
		lines = append(lines, l.T("… and %d more", failed-maxNamed))
	}
	return lines
}
