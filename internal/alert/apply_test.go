package alert

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// at is a number of seconds after the problem began.
func at(seconds int) time.Time { return epoch.Add(time.Duration(seconds) * time.Second) }

func event4711(kind Kind, sent int) Event {
	return Event{Key: Key{"main", "4711"}, Kind: kind, Origin: OriginTrigger, ReceivedAt: at(sent).Add(300 * time.Millisecond),
		SentAt: at(sent), At: at(sent), Opened: epoch}
}

func withSeverity(e Event, s Severity) Event {
	e.Severity = &s
	return e
}

func withAck(e Event, acked bool) Event {
	e.Acknowledged = &acked
	return e
}

func problemEvent() Event {
	e := withAck(withSeverity(event4711(KindProblem, 2), Average), false)
	e.At = epoch
	e.Facts = Facts{Name: "Link down", OpData: "down", TriggerID: "13", ItemID: "21", ItemName: "Link",
		Hosts: []Host{{ID: "1", Host: "sw1", Name: "Core", IP: "10.0.0.1"}}, Tags: []Tag{{"service", "net"}, {"scope", ""}}}
	return e
}

func recoveryEvent(end, sent int) Event {
	e := withAck(withSeverity(event4711(KindRecovery, sent), Average), false)
	e.At, e.Resolved, e.ResolvedAt = at(end), true, at(end)
	e.Facts = Facts{Name: "Link down", OpData: "up", Tags: []Tag{{"scope", ""}}}
	return e
}

func updateEvent(when, sent int, u Update) Event {
	e := event4711(KindUpdate, sent)
	u.At = at(when)
	e.At, e.Update = u.At, &u
	return e
}

func answer4711(when int, o Observation) Event {
	o.At = at(when)
	return Event{Key: Key{"main", "4711"}, Kind: KindObservation, ReceivedAt: o.At, Observation: &o}
}

func action4711(when int, u Update) Event {
	u.At = at(when)
	return Event{Key: Key{"main", "4711"}, Kind: KindAction, ReceivedAt: u.At, SentAt: u.At, At: u.At, Update: &u}
}

func inZone(e Event, offset time.Duration) Event {
	e.At, e.Opened = e.At.Add(offset), e.Opened.Add(offset)
	e.ReceivedAt = e.ReceivedAt.Add(40 * time.Millisecond)
	if e.Update != nil {
		u := *e.Update
		u.At = u.At.Add(offset)
		if !u.Actions.SuppressUntil.IsZero() {
			u.Actions.SuppressUntil = u.Actions.SuppressUntil.Add(offset)
		}
		e.Update = &u
	}
	return e
}

// story applies events in order. It checks that every other order (of up to 5 events) and every repetition result in
// the same problem.
func story(t *testing.T, events ...Event) Problem {
	t.Helper()
	p := fold(t, events)
	want := canonical(p)
	require.Equal(t, want, canonical(fold(t, slices.Concat(events, events))), "every event twice")
	if len(events) > 5 {
		return p
	}
	for _, order := range permutations(len(events)) {
		shuffled := make([]Event, len(events))
		for i, j := range order {
			shuffled[i] = events[j]
		}
		require.Equal(t, want, canonical(fold(t, shuffled)), "order %v", order)
	}
	return p
}

func permutations(n int) [][]int {
	if n == 0 {
		return [][]int{{}}
	}
	var all [][]int
	for _, rest := range permutations(n - 1) {
		for i := range n {
			all = append(all, slices.Insert(slices.Clone(rest), i, n-1))
		}
	}
	return all
}

// lines are a short form of the timeline.
func lines(p Problem) (out []string) {
	for _, e := range p.Timeline {
		s := string(e.Kind)
		if u := e.Update; u != nil {
			s = strings.Join(strings.Fields(fmt.Sprintf("%s %s%s: %s %s", s, u.Actor.Name, u.Actor.Email, u.Text(), u.AckID)), " ")
		}
		out = append(out, s)
	}
	return out
}

var bob = Actor{Name: "Bob Builder (bob)"}

func TestProblemAndRecovery(t *testing.T) {
	p, c := Apply(Problem{}, problemEvent())
	require.Equal(t, Change{Visible: true, Headline: true, Opened: true, Changed: true}, c)
	require.Equal(t, StateOpen, p.State)
	require.True(t, p.Open())
	require.EqualValues(t, 1, p.Revision)
	p, c = Apply(p, recoveryEvent(60, 63))
	require.Equal(t, Change{Headline: true, Visible: true, Resolved: true, Changed: true}, c)
	require.False(t, p.Open())

	p = story(t, problemEvent(), recoveryEvent(60, 63))
	require.Equal(t, StateResolved, p.State)
	require.Equal(t, epoch, p.OpenedAt)
	require.Equal(t, at(60), p.ResolvedAt)
	require.Equal(t, []Tag{{"service", "net"}, {"scope", ""}}, p.Tags, "some are missing from a recovery")
	require.Equal(t, "down", p.OpData)
	require.Equal(t, "up", p.RecoveredOpData)
	require.Equal(t, []string{"opened", "resolved"}, lines(p))
}

func TestRecoveryWithoutProblem(t *testing.T) {
	p := story(t, recoveryEvent(60, 63))
	require.Equal(t, StateResolved, p.State)
	require.False(t, p.Announced)
	require.Equal(t, []string{"resolved"}, lines(p))
	require.Empty(t, p.OpData, "the value at the recovery isn't the one at the start")
}

func TestRepeatedProblemIsDuplicate(t *testing.T) {
	p, _ := Apply(Problem{}, problemEvent())
	step := problemEvent() // a later step of an escalation: evaluated again, and now with the tag of the relay's answer
	step.SentAt, step.ReceivedAt, step.ActionID = at(62), at(62), "9"
	step.Facts.Tags = append(slices.Clone(step.Facts.Tags), Tag{"relay_link", "https://relay.example.com/m/1"})
	step.Facts.OpData = "evaluated later"
	for name, e := range map[string]Event{"a retry": problemEvent(), "another recipient": inZone(problemEvent(), 9*time.Hour), "a step": step} {
		again, c := Apply(p, e)
		require.True(t, c.Duplicate, name)
		require.False(t, c.Visible || c.Opened, name)
		require.Equal(t, p.Timeline, again.Timeline, name)
		require.Equal(t, p.Revision, again.Revision, name)
		require.Equal(t, p.Facts, again.Facts, name)
		require.Equal(t, epoch, again.OpenedAt, name)
	}
	_, c := Apply(p, problemEvent())
	require.False(t, c.Changed, "the same to the byte changes nothing at all")
}

func TestManualCloseInEitherOrder(t *testing.T) {
	closing := updateEvent(60, 65, Update{Actor: bob, Message: "replaced the fan", Actions: Actions{Ack: true, Comment: true, Close: true}})
	closing.Resolved, closing.ResolvedAt = true, at(65)
	p := story(t, problemEvent(), closing, recoveryEvent(65, 65))
	require.Equal(t, StateResolved, p.State)
	require.Equal(t, at(65), p.ResolvedAt)
	require.ElementsMatch(t, []string{"opened", "update Bob Builder (bob): replaced the fan", "resolved"}, lines(p))
}

func TestUpdateAfterRecoveryReopensNothing(t *testing.T) {
	late := updateEvent(100, 104, Update{Actor: bob, Message: "post mortem follows", Actions: Actions{Comment: true}})
	p := story(t, problemEvent(), recoveryEvent(60, 63), late) // even one without the resolved state
	require.Equal(t, StateResolved, p.State)
	require.Equal(t, at(60), p.ResolvedAt)
	require.Len(t, p.Timeline, 3)
	unresolved := answer4711(30, Observation{Severity: Average, Opened: epoch}) // answered before it ended
	require.Equal(t, StateResolved, story(t, problemEvent(), recoveryEvent(60, 63), unresolved).State)
}

func TestLatestEventDecidesStates(t *testing.T) {
	worse := withAck(withSeverity(updateEvent(20, 25, Update{Actor: bob, Actions: Actions{Ack: true, Severity: &SeverityChange{Average, High}}}), High), true)
	p := story(t, problemEvent(), worse)
	require.Equal(t, High, p.Severity)
	require.True(t, p.Acknowledged)
	require.Equal(t, bob, p.AcknowledgedBy().Actor)

	unack := withAck(withSeverity(updateEvent(30, 33, Update{Actor: bob, Actions: Actions{Unack: true}}), High), false)
	p = story(t, problemEvent(), worse, unack)
	require.False(t, p.Acknowledged)

	stale := answer4711(10, Observation{Severity: Average, Opened: epoch})
	require.Equal(t, High, story(t, problemEvent(), worse, stale).Severity)
	fresh := answer4711(40, Observation{Severity: Disaster, Opened: epoch})
	p = story(t, problemEvent(), worse, fresh)
	require.Equal(t, Disaster, p.Severity)
	require.False(t, p.Acknowledged)
}

func TestUpdateSentToSeveralRecipients(t *testing.T) {
	u := updateEvent(20, 25, Update{Actor: bob, Message: "on it", Actions: Actions{Comment: true}})
	hidden := inZone(u, 9*time.Hour)
	hidden.Update.Actor.Name = HiddenAuthor
	first, _ := Apply(Problem{}, u)
	_, c := Apply(first, hidden)
	require.True(t, c.Duplicate)

	first, _ = Apply(Problem{}, hidden)
	require.Empty(t, first.Timeline[0].Update.Actor.Name, "the placeholder isn't a name")
	named, c := Apply(first, u)
	require.True(t, c.Visible, "now the room can show who it was")
	require.Equal(t, bob, named.Timeline[0].Update.Actor)
	require.Equal(t, 1, named.Timeline[0].Seq)

	p := story(t, u, hidden, inZone(u, -3*time.Hour-30*time.Minute))
	require.Len(t, p.Timeline, 1)

	until := updateEvent(20, 25, Update{Actions: Actions{Suppress: true, SuppressUntil: at(3600)}})
	require.Len(t, story(t, until, inZone(until, 9*time.Hour)).Timeline, 1, "an end of suppression is in the recipient's time zone too")
}

func TestDifferentUpdatesStaySeparate(t *testing.T) {
	p := story(t,
		updateEvent(20, 25, Update{Message: "on it", Actions: Actions{Comment: true}}),
		updateEvent(21, 25, Update{Message: "on it", Actions: Actions{Comment: true}}),
		updateEvent(20, 25, Update{Message: "on it!", Actions: Actions{Comment: true}}),
		updateEvent(20, 25, Update{Message: "on it", Actions: Actions{Comment: true, Ack: true}}),
	)
	require.Len(t, p.Timeline, 4)
}

// The relay acknowledged for Alice; Zabbix's user is the relay's own.
var (
	signed = "on it\n(Alice Example, alice@example.com)"
	alice  = Actor{Name: "Alice Example", Email: "alice@example.com"}
	own    = action4711(20, Update{Actor: alice, Message: signed, Comment: "on it", Actions: Actions{Ack: true, Comment: true}})
	echo   = updateEvent(19, 24, Update{Actor: Actor{Name: "relay"}, Message: signed, Actions: Actions{Ack: true, Comment: true}})
	api    = answer4711(30, Observation{Severity: Average, Opened: epoch, Acknowledged: true, Updates: []Update{
		{AckID: "31", At: at(19), Exact: true, Actor: Actor{Name: "relay"}, Message: signed, Actions: Actions{Ack: true, Comment: true}},
	}})
)

func TestOwnActionAppearsOnceUnderThePersonsName(t *testing.T) {
	p := story(t, problemEvent(), own, echo, inZone(echo, 9*time.Hour), api)
	require.Equal(t, []string{"opened", "update Alice Examplealice@example.com: on it 31"}, lines(p))
	u := p.Timeline[1].Update
	require.Equal(t, at(19), u.At, "Zabbix's time")
	require.Equal(t, "ack:31", p.Timeline[1].Key)
	require.Equal(t, 2, p.Timeline[1].Seq)
	require.True(t, p.Acknowledged)

	for _, order := range permutations(3) {
		events := []Event{own, echo, api}
		q, _ := Apply(Problem{}, problemEvent())
		for i, j := range order {
			var c Change
			q, c = Apply(q, events[j])
			entry := q.Timeline[1]
			require.Len(t, q.Timeline, 2)
			require.Equal(t, 2, entry.Seq, "it keeps its place, so that no room gets it twice")
			require.Equal(t, i > 0 && !c.Visible, c.Duplicate)
		}
	}
}

func TestActionWithoutEffectIsLeftOutByZabbix(t *testing.T) {
	// The relay acknowledged and commented. It was acknowledged already, so Zabbix recorded the comment alone.
	recorded := answer4711(30, Observation{Opened: epoch, Updates: []Update{{AckID: "31", At: at(19), Message: signed, Actions: Actions{Comment: true}}}})
	p := story(t, problemEvent(), own, recorded)
	require.Len(t, p.Timeline, 2)
	require.Equal(t, Actions{Comment: true}, p.Timeline[1].Update.Actions)
	require.Equal(t, alice, p.Timeline[1].Update.Actor)
}

func TestActionAndEchoFarApartAreTwoUpdates(t *testing.T) {
	far := updateEvent(300, 304, Update{Message: signed, Actions: Actions{Ack: true, Comment: true}})
	require.Len(t, story(t, problemEvent(), own, far).Timeline, 3)
}

func TestTwoActionsWithTheSameWords(t *testing.T) {
	second := action4711(80, Update{Actor: Actor{Name: "Carol", Email: "carol@example.com"}, Message: signed, Actions: Actions{Ack: true, Comment: true}})
	both := answer4711(100, Observation{Opened: epoch, Updates: []Update{
		{AckID: "31", At: at(19), Message: signed, Actions: Actions{Ack: true, Comment: true}},
		{AckID: "32", At: at(81), Message: signed, Actions: Actions{Ack: true, Comment: true}},
	}})
	p := story(t, problemEvent(), own, second, both, echo)
	require.Len(t, p.Timeline, 3)
	for _, e := range p.Timeline[1:] {
		want := map[string]string{"31": "alice@example.com", "32": "carol@example.com"}[e.Update.AckID]
		require.Equal(t, want, e.Update.Actor.Email)
	}
}

func TestSeqIsNotReused(t *testing.T) {
	// Two updates, until the API shows that both are the one of 19 s.
	blank := updateEvent(25, 26, Update{})
	p := fold(t, []Event{problemEvent(), echo, blank})
	require.Len(t, p.Timeline, 3)
	p, _ = Apply(p, answer4711(30, Observation{Opened: epoch, Updates: []Update{
		{AckID: "31", At: at(19), Message: signed, Actions: Actions{Ack: true, Comment: true}},
		{AckID: "32", At: at(25), Message: "x", Actions: Actions{Comment: true}},
	}}))
	require.Equal(t, []string{"opened", "update relay: " + strings.ReplaceAll(signed, "\n", " ") + " 31", "update : x 32"}, lines(p))
	p, _ = Apply(p, updateEvent(200, 204, Update{Message: "new", Actions: Actions{Comment: true}}))
	require.Equal(t, 4, p.Timeline[3].Seq)
}

func TestAPICompletesIncompleteUpdate(t *testing.T) {
	p := story(t, problemEvent(), updateEvent(24, 24, Update{}), api)
	require.Len(t, p.Timeline, 2)
	require.Equal(t, signed, p.Timeline[1].Update.Message)
	alone := story(t, problemEvent(), updateEvent(24, 24, Update{}))
	require.Len(t, alone.Timeline, 2, "without the API, the incomplete update stays")
}

func TestMediaTypeWithFewerMacros(t *testing.T) {
	lean := updateEvent(19, 24, Update{Message: signed, Actions: Actions{Comment: true}}) // it has no {EVENT.UPDATE.ACTION}
	require.Len(t, story(t, problemEvent(), echo, lean, api).Timeline, 2)
}

func TestCauseIsFromTheAPI(t *testing.T) {
	e := answer4711(30, Observation{Opened: epoch, CauseEventID: "42", Updates: []Update{{AckID: "5", At: at(20), Actions: Actions{ToSymptom: true}}}})
	p := story(t, problemEvent(), e)
	require.Equal(t, "42", p.CauseEventID)
	require.True(t, p.Timeline[1].Update.Actions.ToSymptom)
	free := answer4711(50, Observation{Opened: epoch})
	require.Empty(t, story(t, problemEvent(), e, free).CauseEventID, "it is a cause again")
}

func TestLatestEventDecidesSuppression(t *testing.T) {
	suppress := updateEvent(20, 23, Update{Actions: Actions{Suppress: true, SuppressUntil: at(3600)}})
	forGood := updateEvent(40, 43, Update{Actions: Actions{Suppress: true}})
	unsuppress := updateEvent(30, 34, Update{Actions: Actions{Unsuppress: true}})
	p := story(t, problemEvent(), suppress)
	require.True(t, p.Suppressed)
	require.Equal(t, at(3600), p.SuppressedUntil)
	require.False(t, story(t, problemEvent(), suppress, unsuppress).Suppressed)
	p = story(t, problemEvent(), suppress, unsuppress, forGood)
	require.True(t, p.Suppressed)
	require.Zero(t, p.SuppressedUntil)
	over := answer4711(4000, Observation{Opened: epoch}) // no event says that it ended by time
	require.False(t, story(t, problemEvent(), suppress, over).Suppressed)
}

func TestMaintenanceHoldsBackUntilTheProblemEvent(t *testing.T) {
	comment := updateEvent(5, 8, Update{Message: "in the window", Actions: Actions{Comment: true}})
	window := answer4711(10, Observation{Opened: epoch, Suppressed: true})
	p := story(t, comment, window)
	require.True(t, p.HeldBack)
	require.Equal(t, StateOpen, p.State)
	late := problemEvent()
	late.SentAt = at(60)
	p = story(t, comment, window, late)
	require.False(t, p.HeldBack)
	byHand := answer4711(10, Observation{Opened: epoch, Suppressed: true, ByHand: true})
	require.False(t, story(t, comment, byHand).HeldBack, "a person suppressed it: no problem comes later")
	ended := answer4711(90, Observation{Opened: epoch})
	require.False(t, story(t, comment, window, ended).HeldBack)
}

func TestCancelledEscalation(t *testing.T) {
	note := withSeverity(event4711(KindUpdate, 90), Average)
	note.Cancelled = true
	p := story(t, problemEvent(), note)
	require.True(t, p.Cancelled)
	require.Equal(t, StateOpen, p.State)
	require.Equal(t, []string{"opened", "cancelled"}, lines(p))
	second := note
	second.At, second.SentAt = at(91), at(91) // by another action's escalation
	p = story(t, note, second)
	require.Equal(t, []string{"cancelled"}, lines(p))
	require.Equal(t, at(90), p.Timeline[0].At)
	require.False(t, p.Announced)
	_, c := Apply(p, second)
	require.True(t, c.Duplicate)
}

func TestGoneFromZabbix(t *testing.T) {
	gone := answer4711(500, Observation{Gone: true})
	p := story(t, problemEvent(), gone)
	require.True(t, p.Gone)
	require.Equal(t, StateResolved, p.State)
	require.Equal(t, at(500), p.ResolvedAt)
	require.Equal(t, Average, p.Severity, "a gone answer changes nothing else")
	require.Equal(t, []string{"opened", "resolved"}, lines(p))

	p = story(t, problemEvent(), recoveryEvent(60, 63), gone)
	require.False(t, p.Gone, "it was resolved before the housekeeper removed it")
	require.Equal(t, at(60), p.ResolvedAt)
	require.Len(t, p.Timeline, 3-1)

	back := answer4711(600, Observation{Opened: epoch, Severity: Average})
	p = story(t, problemEvent(), gone, back)
	require.False(t, p.Gone, "Zabbix knows it again, so it is open again")
	require.Equal(t, StateOpen, p.State)
	require.Zero(t, p.ResolvedAt)

	service := problemEvent()
	service.Origin = OriginService
	p = story(t, service, gone)
	require.Equal(t, StateOpen, p.State, "only problems of triggers are looked up")
}

// Zabbix 6.0 keeps the event of a deleted trigger for some hours. Such a problem stays open until it is gone, and then stays gone, in
// whichever order the answers arrive. One whose trigger is there opens again.
func TestOrphanedEventStaysGone(t *testing.T) {
	orphaned, gone := answer4711(700, Observation{TriggerGone: true, ManualClose: true}), answer4711(500, Observation{Gone: true})
	require.Equal(t, StateOpen, story(t, problemEvent(), orphaned).State)
	p := story(t, problemEvent(), gone, orphaned)
	require.True(t, p.Gone)
	require.False(t, p.CanClose)
	require.Equal(t, StateResolved, p.State)
	require.Equal(t, StateOpen, story(t, problemEvent(), gone, answer4711(700, Observation{})).State)
}

func TestServiceSeverityFollowsItsUpdates(t *testing.T) {
	service := func(e Event) Event {
		e.Origin = OriginService
		return e
	}
	change := func(when, sent int, now Severity) Event {
		return service(withSeverity(updateEvent(when, sent, Update{Actions: Actions{Severity: &SeverityChange{Average, now}}}), now))
	}
	repeated := service(problemEvent()) // a step of the escalation: it has the initial severity
	repeated.SentAt, repeated.ReceivedAt = at(100), at(100)
	recovered := service(recoveryEvent(90, 95))
	recovered.Severity = nil
	worse, better := change(4, 5, Disaster), change(0, 8, High) // whose time goes back
	p := story(t, service(problemEvent()), worse, better, repeated, recovered)
	require.Equal(t, High, p.Severity)
	var changes []SeverityChange
	for _, e := range p.Timeline {
		if e.Update != nil {
			changes = append(changes, *e.Update.Actions.Severity)
		}
	}
	require.ElementsMatch(t, []SeverityChange{{Average, Disaster}, {Disaster, High}}, changes)
	same := change(4, 5, High) // nothing differs but the new severity
	require.Len(t, story(t, worse, same).Timeline, 2)
}

// A change of a service's severity of which nobody reported the earlier one doesn't invent it: its problem or another change is
// missing. Once that arrives, the earlier severity is known.
func TestServiceSeverityInventsNothing(t *testing.T) {
	service := func(e Event) Event {
		e.Origin = OriginService
		return e
	}
	change := func(sent int, now Severity) Event {
		return service(withSeverity(updateEvent(sent, sent, Update{Actions: Actions{Severity: &SeverityChange{Average, now}}}), now))
	}
	problem := service(problemEvent())
	for name, c := range map[string]struct {
		events []Event
		want   []SeverityChange
	}{
		"the problem and each change":            {[]Event{problem, change(5, High), change(9, Average)}, []SeverityChange{{Average, High}, {High, Average}}},
		"only a change":                          {[]Event{change(5, High)}, []SeverityChange{{UnknownSeverity, High}}},
		"only one back to the initial severity":  {[]Event{change(9, Average)}, []SeverityChange{{UnknownSeverity, Average}}},
		"one is missing":                         {[]Event{problem, change(9, Average)}, []SeverityChange{{UnknownSeverity, Average}}},
		"one in the middle is missing":           {[]Event{problem, change(5, High), change(13, High)}, []SeverityChange{{Average, High}, {UnknownSeverity, High}}},
		"the problem arrives after its change":   {[]Event{change(5, High), problem}, []SeverityChange{{Average, High}}},
		"the problem is missing, not the change": {[]Event{change(5, High), change(9, Disaster)}, []SeverityChange{{UnknownSeverity, High}, {High, Disaster}}},
	} {
		t.Run(name, func(t *testing.T) {
			var changes []SeverityChange
			p := story(t, c.events...)
			for _, e := range p.Timeline {
				if e.Update != nil {
					changes = append(changes, *e.Update.Actions.Severity)
				}
			}
			require.ElementsMatch(t, c.want, changes)
		})
	}
}

func TestOccurrences(t *testing.T) {
	e := Event{Key: Key{"main", "52"}, Kind: KindOccurrence, Origin: OriginDiscovery, ReceivedAt: at(3), SentAt: at(3), At: epoch,
		Opened: epoch, Facts: Facts{Name: "Discovery: 10.0.0.1 is UP"}}
	p := story(t, e)
	require.Equal(t, StateOccurred, p.State)
	require.False(t, p.Open())
	require.True(t, p.Announced)
	require.Equal(t, []string{"occurred"}, lines(p))
}

func TestAPIConfirmsOrphanUpdate(t *testing.T) {
	p, c := Apply(Problem{}, echo)
	require.Equal(t, StateUnknown, p.State)
	require.False(t, p.Announced || c.Opened)
	p, c = Apply(p, api)
	require.True(t, c.Opened)
	require.True(t, p.Announced && p.Observed)
	require.Equal(t, OriginTrigger, p.Origin)
	require.Equal(t, []string{"update relay: " + strings.ReplaceAll(signed, "\n", " ") + " 31", "opened"}, lines(p))
	p, c = Apply(p, problemEvent())
	require.False(t, c.Opened)
	require.Len(t, p.Timeline, 2, "opened once")
}

func TestHostsFromAPIAddressesFromPayload(t *testing.T) {
	more := answer4711(10, Observation{Opened: epoch, Hosts: []Host{{ID: "1", Host: "sw1", Name: "Core"}, {ID: "2", Host: "sw2"}},
		ItemID: "99", ItemName: "Other", OpData: "up again", Groups: []string{"Net"}, ManualClose: true})
	p := story(t, problemEvent(), more, answer4711(20, *more.Observation))
	require.Equal(t, []Host{{ID: "1", Host: "sw1", Name: "Core", IP: "10.0.0.1"}, {ID: "2", Host: "sw2"}}, p.Hosts)
	require.Equal(t, "21", p.ItemID, "the first of the expression")
	require.Equal(t, "down", p.OpData, "the API evaluates its own when it answers")
	require.Equal(t, []string{"Net"}, p.Groups)
	require.True(t, p.CanClose)
	require.Equal(t, "Core", p.Hosts[0].Label())
	require.Equal(t, "sw2", p.Hosts[1].Label())
}

func TestRepeatedAnswerChangesNothing(t *testing.T) {
	p, _ := Apply(Problem{}, problemEvent())
	p, _ = Apply(p, api)
	later := *api.Observation
	later.Tags = []Tag{{"scope", ""}, {"service", "net"}} // in another order
	again, c := Apply(p, answer4711(90, later))
	require.True(t, c.Duplicate)
	require.True(t, c.Changed)
	require.Equal(t, p.Revision, again.Revision)
}

func TestSeverityTitles(t *testing.T) {
	var titles []string
	for _, s := range Severities {
		titles = append(titles, s.Title())
	}
	require.Equal(t, []string{"Not classified", "Information", "Warning", "Average", "High", "Disaster"}, titles)
}

// A time after its event's arrival counts as the time of arrival.
func TestNoTimeIsInTheFuture(t *testing.T) {
	for _, c := range []struct{ at, received, want int64 }{
		{1_000_000, 2_000_000, 1_000_000}, {2_000_000, 2_000_000, 2_000_000}, {3_000_000, 2_000_000, 2_000_000}, {90_000_000_000, 2_000_000, 2_000_000},
		{3_000_000, 0, 3_000_000}, // stored before arrivals were
	} {
		require.Equal(t, c.want, estimate{At: c.at, Received: c.received}.time().UnixMicro())
	}
}
