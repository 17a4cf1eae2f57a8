package alert

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"nms-alert-relay/internal/testrace"
)

// A problem with hundreds of updates stays small, and keeps the ones that explain its state.
func TestTimelineIsBounded(t *testing.T) {
	testrace.Skip(t)
	p, _ := Apply(Problem{}, problemEvent())
	do := func(i int, u Update) { p, _ = Apply(p, updateEvent(i, i+2, u)) }
	do(10, Update{Message: "first", Actions: Actions{Comment: true}})
	do(20, Update{Actor: bob, Actions: Actions{Ack: true}})
	const comments = 700
	for i := range comments {
		do(100+i, Update{Message: fmt.Sprint("comment ", i), Actions: Actions{Comment: true}})
	}
	all := updates(p)
	require.LessOrEqual(t, len(all), keepFirst+keepNewest+1)
	require.Equal(t, "first", all[0].Update.Message)
	require.Equal(t, fmt.Sprint("comment ", comments-1), all[len(all)-1].Update.Message)
	require.Equal(t, bob, p.AcknowledgedBy().Actor)
	require.Equal(t, EntryOpened, p.Timeline[0].Kind)

	again, c := Apply(p, updateEvent(180, 182, Update{Message: "comment 80", Actions: Actions{Comment: true}}))
	require.True(t, c.Duplicate || !c.Visible, "a dropped entry isn't posted again")
	require.Equal(t, p.Revision, again.Revision)
}

// Which entries are dropped doesn't depend on the order of arrival.
func TestBoundedTimelineInAnyOrder(t *testing.T) {
	testrace.Skip(t)
	first, newest := keepFirst, keepNewest
	keepFirst, keepNewest = 1, 3
	t.Cleanup(func() { keepFirst, keepNewest = first, newest })
	rapid.Check(t, func(t *rapid.T) {
		events := []Event{problemEvent()}
		for i := range rapid.IntRange(3, 12).Draw(t, "n") {
			u := Update{Message: rapid.SampledFrom([]string{"", "on it", "done"}).Draw(t, "message"), Actions: Actions{Comment: true}}
			u.Actions.Ack, u.Actions.Unack = rapid.Bool().Draw(t, "ack"), rapid.Bool().Draw(t, "unack")
			if rapid.Bool().Draw(t, "api") {
				o := Observation{Severity: Average, Opened: epoch}
				for id := range rapid.IntRange(1, 6).Draw(t, "ids") {
					o.Updates = append(o.Updates, Update{AckID: fmt.Sprint(id), At: at(17 * id), Exact: true, Message: "on it", Actions: Actions{Comment: true}})
				}
				events = append(events, answer4711(300+i, o))
				continue
			}
			when := rapid.IntRange(1, 200).Draw(t, "when")
			events = append(events, updateEvent(when, when+2, u))
		}
		want := canonical(fold(t, events))
		shuffled := rapid.Permutation(events).Draw(t, "order")
		got := canonical(fold(t, append(shuffled, events[len(events)-1])))
		if d := cmp.Diff(want, got, cmp.AllowUnexported(report{})); d != "" {
			t.Fatalf("another order has another result: %s", d)
		}
	})
}

// An acknowledgement that was withdrawn isn't the current one.
func TestAcknowledgedBy(t *testing.T) {
	ack := func(when int, who string) Event {
		return updateEvent(when, when+1, Update{Actor: Actor{Name: who}, Message: "on my way", Actions: Actions{Ack: true, Comment: true}})
	}
	unack := func(when int) Event {
		return updateEvent(when, when+1, Update{Actor: Actor{Name: "carol"}, Actions: Actions{Unack: true}})
	}
	status := withAck(event4711(KindProblem, 90), true)
	for name, c := range map[string]struct {
		events []Event
		want   string
	}{
		"nobody":                          {nil, ""},
		"alice":                           {[]Event{ack(10, "alice")}, "alice"},
		"withdrawn without a text":        {[]Event{ack(10, "alice"), unack(20)}, ""},
		"withdrawn, then bob":             {[]Event{ack(10, "alice"), unack(20), ack(30, "bob")}, "bob"},
		"two in a row":                    {[]Event{ack(10, "alice"), ack(30, "bob")}, "bob"},
		"withdrawn, then by a status":     {[]Event{ack(10, "alice"), unack(20), status}, ""},
		"acknowledged by a status, alone": {[]Event{status}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			p := story(t, append([]Event{problemEvent()}, c.events...)...)
			got := ""
			if by := p.AcknowledgedBy(); by != nil {
				got = by.Actor.Name
			}
			require.Equal(t, c.want, got)
		})
	}
}

// A problem keeps a bounded number of {ALERT.SENDTO}, the same in any order of arrival.
func TestSendToIsBounded(t *testing.T) {
	var first []string
	for range 20 {
		var p Problem
		for _, n := range rand.Perm(3 * maxSendTo) {
			p.mergeSendTo(Event{Kind: KindProblem, SendTo: fmt.Sprintf(" room %03d", n)})
		}
		require.Len(t, p.SendTo, maxSendTo)
		if first == nil {
			first = p.SendTo
		}
		require.Equal(t, first, p.SendTo)
	}
}

// However many comments arrive, the newest of each action is kept, since it explains the problem's state.
func TestActionsOutliveComments(t *testing.T) {
	for _, bit := range []int{BitClose, BitAck, BitSuppress, BitUnack, BitSeverity} {
		var reports []report
		for n := range 3 * (keepFirst + keepNewest) {
			c := report{At: int64(n), Bits: BitComment, Comment: fmt.Sprint(n)}
			if n == keepFirst+5 || n == keepFirst+9 {
				c.Bits |= bit
			}
			reports = append(reports, c)
		}
		var acts []int64
		for _, c := range bounded(reports) {
			if c.Bits&bit != 0 {
				acts = append(acts, c.At)
			}
		}
		require.Equal(t, []int64{int64(keepFirst + 9)}, acts)
	}
}
