package alert

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

var epoch = time.Date(2026, 11, 24, 13, 0, 0, 0, time.UTC)

// canonical is a problem without the fields that depend on the order of arrival.
func canonical(p Problem) Problem {
	p.Revision, p.ChangedAt, p.Merge.Seq = 0, time.Time{}, 0
	p.Timeline = slices.Clone(p.Timeline)
	for i := range p.Timeline {
		p.Timeline[i].Seq = 0
	}
	slices.SortFunc(p.Timeline, func(a, b Entry) int { return strings.Compare(a.Key, b.Key) })
	p.Merge.Reports = slices.Clone(p.Merge.Reports)
	for i := range p.Merge.Reports {
		p.Merge.Reports[i].Seq = 0
	}
	return p
}

// fold applies events as the ledger does, storing the problem as JSON in between.
func fold(t interface{ Fatalf(string, ...any) }, events []Event) Problem {
	var p Problem
	for _, e := range events {
		before, _ := json.Marshal(p)
		next, c := Apply(p, e)
		if after, _ := json.Marshal(p); string(before) != string(after) {
			t.Fatalf("Apply changed the problem it was given:\n%s\n%s", before, after)
		}
		checkStep(t, p, next, c)
		raw, err := json.Marshal(next)
		if err != nil {
			t.Fatalf("a problem can't be stored: %v", err)
		}
		p = Problem{}
		if err := json.Unmarshal(raw, &p); err != nil {
			t.Fatalf("a problem can't be read back: %v", err)
		}
		if d := cmp.Diff(next, p, cmp.Comparer(func(a, b report) bool { a.Change, b.Change = nil, nil; return a == b })); d != "" {
			t.Fatalf("a problem changed by being stored: %s", d)
		}
	}
	return p
}

func checkStep(t interface{ Fatalf(string, ...any) }, was, p Problem, c Change) {
	if c.Visible != (p.Revision == was.Revision+1) || (!c.Visible && p.Revision != was.Revision) {
		t.Fatalf("revision %d → %d, visible %v", was.Revision, p.Revision, c.Visible)
	}
	if c.Visible && c.Duplicate {
		t.Fatalf("a duplicate is visible")
	}
	if !was.looksSame(p) && !c.Visible {
		t.Fatalf("a visible difference isn't reported:\n%s", cmp.Diff(was, p, cmp.AllowUnexported(report{})))
	}
	if c.Headline && !c.Visible {
		t.Fatalf("the headline changed without a visible change")
	}
	if d := cmp.Diff(headlineOf(was), headlineOf(p)); d != "" && !c.Headline {
		t.Fatalf("a headline changed without Change.Headline: %s", d)
	}
	if was.State == StateResolved && p.State != StateResolved && !was.Gone {
		t.Fatalf("reopened")
	}
	seen := map[int]bool{}
	keys := map[string]bool{}
	for i, e := range p.Timeline {
		if e.Seq <= 0 || seen[e.Seq] || keys[e.Key] || e.Seq > p.Merge.Seq || (i > 0 && p.Timeline[i-1].Seq >= e.Seq) {
			t.Fatalf("timeline: seq %d, key %q: %+v", e.Seq, e.Key, p.Timeline)
		}
		seen[e.Seq], keys[e.Key] = true, true
	}
	for _, e := range p.Timeline { // a new entry can't have been posted yet
		if e.Seq <= was.Merge.Seq && !slices.ContainsFunc(was.Timeline, func(o Entry) bool { return o.Seq == e.Seq }) {
			t.Fatalf("seq %d was used before", e.Seq)
		}
	}
}

// headline is the part of a problem that a digest shows, in its message or in the list in its thread.
type headline struct {
	Title, Service, Trigger string
	Hosts                   []string
	State                   State
	Severity                Severity
	Suppressed, Acked       bool
	AckedBy                 Actor
	Opened, Resolved        time.Time
}

func headlineOf(p Problem) headline {
	h := headline{
		p.Name, p.Service, p.TriggerName + p.TriggerID, nil, p.State, p.Severity, p.Suppressed, p.Acknowledged, Actor{}, p.OpenedAt, p.ResolvedAt,
	}
	for _, host := range p.Hosts {
		h.Hosts = append(h.Hosts, host.Label(), host.Host)
	}
	if by := p.AcknowledgedBy(); by != nil {
		h.AckedBy = by.Actor
	}
	return h
}

// generator draws events of one problem from small sets of values, so that many are nearly equal.
type generator struct{ *rapid.T }

func (g generator) seconds(label string) time.Duration {
	return time.Duration(pick(g, label, 0, 1, 37, 74, 74, 130, 200)) * time.Second // 37 and 74: when ids 1 and 2 were
}

func pick[T any](g generator, label string, values ...T) T {
	return rapid.SampledFrom(values).Draw(g.T, label)
}

func (g generator) maybe(label string) bool { return rapid.Bool().Draw(g.T, label) }

func (g generator) actions() Actions {
	return pick(g, "actions",
		Actions{}, Actions{Ack: true}, Actions{Ack: true}, Actions{Close: true}, Actions{Unack: true}, Actions{Other: "did something new"},
		Actions{Ack: true, Severity: &SeverityChange{Old: Average, New: High}}, Actions{Severity: &SeverityChange{Old: High, New: Average}},
		Actions{Suppress: true}, Actions{Suppress: true, SuppressUntil: epoch.Add(time.Hour + g.seconds("until"))})
}

func (g generator) update() Update {
	u := Update{
		At:      epoch.Add(g.seconds("at")),
		Message: pick(g, "message", "", "on it", "on it "),
		Actions: g.actions(),
		Card:    pick(g, "card", "", "", "CARD"),
	}
	u.Actions.Comment = u.Message != "" && g.maybe("comment")
	return u
}

func (g generator) facts() Facts {
	f := Facts{
		Name:   pick(g, "name", "", "Link down", "Link down on sw1"),
		OpData: pick(g, "opdata", "", "1", "0"),
		Tags:   pick(g, "tags", nil, []Tag{{"a", "1"}, {"b", ""}}, []Tag{{"b", ""}, {"a", "1"}}, []Tag{{"b", ""}}),
		Hosts: pick(g, "hosts", nil, []Host{{ID: "1", Host: "sw1", IP: "10.0.0.1"}}, []Host{{Host: "sw1", IP: "10.0.0.2"}},
			[]Host{{ID: "1", Host: "sw1"}, {ID: "2", Host: "sw2"}}),
		CauseEventID: pick(g, "cause", "", "7", "8"),
		RootCause:    pick(g, "root", "", "disk", "disk, net"),
	}
	if g.maybe("macros") {
		f.Macros = map[string]string{"item.value": pick(g, "value", "1", "2"), pick(g, "macro", "x", "y"): pick(g, "z", "1", "2")}
	}
	return f
}

func (g generator) event() Event {
	kinds := []Kind{KindProblem, KindUpdate, KindUpdate, KindRecovery, KindObservation, KindObservation, KindAction, KindAction, KindNudge, KindClock}
	e := Event{Key: Key{"main", "4711"}, Kind: pick(g, "kind", kinds...)}
	e.ReceivedAt = epoch.Add(g.seconds("received"))
	e.SentAt = e.ReceivedAt.Add(-time.Duration(pick(g, "age", 0, 0, 2)) * time.Second)
	zone := time.Duration(pick(g, "zone", 0, 0, 1, 36, -17)) * 15 * time.Minute
	e.At = epoch.Add(g.seconds("at"))
	switch e.Kind {
	case KindObservation:
		o := Observation{
			At: e.ReceivedAt, Gone: pick(g, "gone", false, false, true), TriggerGone: g.maybe("orphaned"), Severity: pick(g, "sev", Average, High),
			Acknowledged: g.maybe("acked"), Suppressed: g.maybe("suppressed"), ByHand: g.maybe("byhand"),
			Resolved: g.maybe("resolved"), ManualClose: g.maybe("manual"), CanSuppress: g.maybe("can suppress"), Opened: pick(g, "opened", time.Time{}, epoch),
			Name: pick(g, "oname", "", "Link down"), Hosts: pick(g, "ohosts", nil, []Host{{ID: "1", Host: "sw1"}, {ID: "2", Host: "sw2"}}),
		}
		if o.Resolved {
			o.ResolvedAt = e.At
		}
		o.Found = pick(g, "found", "", "", FoundProblem, FoundRecovery, FoundUpdate, FoundGone)
		o.Quiet = g.maybe("quiet")
		if g.maybe("until") {
			o.SuppressedUntil = epoch.Add(time.Hour + g.seconds("ends"))
		}
		for _, id := range rapid.SliceOfNDistinct(rapid.IntRange(1, 6), 0, 4, rapid.ID[int]).Draw(g.T, "acks") {
			o.Updates = append(o.Updates, g.acknowledgement(id))
		}
		e.Observation = &o
		return e
	case KindClock:
		e.At = epoch.Add(time.Hour + g.seconds("clock")) // about when suppressions end
		return e
	case KindNudge:
		e.Nudge = &Nudge{
			Kind: pick(g, "nudge", EntryEscalated, EntryReminded), Room: pick(g, "room", "noc", "db"), Step: pick(g, "step", 0, 1),
			At: e.At, After: time.Duration(pick(g, "after", 1, 2)) * time.Minute, Mention: pick(g, "mention", nil, []string{MentionAll}),
		}
		if e.Nudge.Kind == EntryEscalated {
			e.Nudge.Rooms = pick(g, "to", nil, []string{"leads"}, []string{"leads", "boss"})
		}
		return e
	case KindAction:
		u := g.update()
		u.Actor = Actor{Name: "Alice", Email: pick(g, "email", "alice@example.com", "bob@example.com")}
		u.Comment = pick(g, "comment", "", "on it")
		u.Actions.Other = ""
		u.Owner = pick(g, "owner", nil, nil, &Owner{}, &Owner{Email: "alice@example.com", Name: "Alice"}, &Owner{Email: "bob@example.com"})
		e.Update, e.At = &u, u.At
		return e
	case KindUpdate:
		if rapid.IntRange(0, 9).Draw(g.T, "cancelled") == 0 {
			e.Cancelled = true
			break
		}
		u := g.update()
		u.At = u.At.Add(zone)
		e.ReceivedAt = e.ReceivedAt.Add(time.Duration(pick(g, "later", 0, 0, 15, 60, 65)) * time.Minute)
		u.Actor.Name = pick(g, "author", "", HiddenAuthor, "Bob Builder (bob)")
		if !u.Actions.SuppressUntil.IsZero() {
			u.Actions.SuppressUntil = u.Actions.SuppressUntil.Add(zone)
		}
		e.Update, e.At = &u, u.At
		e.Resolved = g.maybe("over")
	case KindProblem:
		e.At = e.At.Add(zone)
		e.Opened = e.At
	case KindRecovery:
		e.Resolved, e.ResolvedAt = true, e.At.Add(zone)
	}
	e.Origin = pick(g, "origin", OriginTrigger, OriginTrigger, OriginService)
	e.Exact = g.maybe("exact")
	e.SendTo = pick(g, "sendto", "", "noc", " noc", "db, lab")
	e.Facts = g.facts()
	if g.maybe("hasseverity") {
		s := pick(g, "severity", Average, High, Disaster)
		e.Severity = &s
	}
	if g.maybe("hasack") {
		acked := g.maybe("acked")
		e.Acknowledged = &acked
	}
	return e
}

// acknowledgement is the API's answer for one id: always the same, except that the author may be hidden.
func (g generator) acknowledgement(id int) Update {
	u := Update{
		AckID: fmt.Sprint(id), At: epoch.Add(time.Duration(id*37%150) * time.Second), Exact: true,
		Actions: Actions{Ack: id%2 == 0, Close: id%3 == 0},
		Actor:   Actor{Name: pick(g, "ackname", "", "Bob Builder (bob)")},
	}
	if id%4 != 0 {
		u.Message, u.Actions.Comment = "on it", true
	}
	if id == 5 {
		u.Actions.Severity = &SeverityChange{Old: Average, New: High}
	}
	return u
}

func TestAnyOrderAndRepetitionGiveTheSameProblem(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := generator{t}
		events := make([]Event, rapid.IntRange(1, 9).Draw(t, "n"))
		for i := range events {
			events[i] = g.event()
		}
		want := canonical(fold(t, events))
		shuffled := rapid.Permutation(events).Draw(t, "order")
		for range rapid.IntRange(0, 4).Draw(t, "repeats") {
			shuffled = append(shuffled, rapid.SampledFrom(events).Draw(t, "again"))
		}
		got := canonical(fold(t, shuffled))
		if d := cmp.Diff(want, got, cmp.AllowUnexported(report{})); d != "" {
			t.Fatalf("another order results in another problem: %s", d)
		}
	})
}
