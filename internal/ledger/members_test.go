package ledger

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/store"
)

// severity is an update that changes the severity of a problem.
func severity(id int, from, to alert.Severity) alert.Event {
	e := of(event(alert.KindUpdate, 0), id)
	e.Severity = &to
	e.Update = &alert.Update{Actions: alert.Actions{Severity: &alert.SeverityChange{Old: from, New: to}}}
	return e
}

// storm is a world with a digest of 30 problems, which its room shows.
func storm(t *testing.T) *world {
	w := grouped(t)
	w.plan(w.at(0, problems(1, 30, alert.Average)...)...)
	w.groups[0].MessageID, w.groups[0].Shown, w.groups[0].PendingSince = "M", 1, time.Time{}
	return w
}

// Problems that left a digest never join one again, even if they are no longer severe before delivery begins with them.
// They are pending from the moment they left.
func TestLeaversJoinNoDigestAgain(t *testing.T) {
	for name, c := range map[string]struct {
		posted, together bool // the digest is posted; the problems change again in the batch of the next storm
	}{
		"a storm while they change again": {posted: true, together: true},
		"a storm after that":              {posted: true},
		"their digest isn't posted yet":   {},
	} {
		t.Run(name, func(t *testing.T) {
			w := storm(t)
			if !c.posted {
				w.groups[0].MessageID, w.groups[0].Shown = "", 0
			}
			var rise, fall []alert.Event
			for id := 1; id <= 20; id++ {
				rise, fall = append(rise, severity(id, alert.Average, alert.Disaster)), append(fall, severity(id, alert.Disaster, alert.Average))
			}
			w.plan(w.at(5*time.Second, rise...)...)
			left := w.now
			next := problems(40, 20, alert.Average)
			if c.together {
				next = append(next, fall...)
			} else {
				w.plan(w.at(6*time.Second, fall...)...)
			}
			w.plan(w.at(7*time.Second, next...)...)
			for id := 1; id <= 20; id++ {
				require.Zero(t, w.postOf(id).Group)
				require.Equal(t, left, w.postOf(id).PendingSince)
			}
			require.EqualValues(t, 1, w.postOf(40).Group)
		})
	}
}

// A member that becomes severe and resolves in one batch stays: it needs no notification any more.
func TestASevereMemberThatIsResolvedStays(t *testing.T) {
	w := storm(t)
	w.plan(w.at(5*time.Second, severity(1, alert.Average, alert.Disaster), of(recovered(0), 1))...)
	require.EqualValues(t, 1, w.postOf(1).Group)
	require.EqualValues(t, 2, w.groups[0].Revision)
}

// Members leave a digest that is a dead letter as they leave any other: a disaster among them is posted at once, not when
// an operator replays the digest. The revision rises, since a replay may post the digest before the fold commits.
func TestMembersLeaveADeadDigest(t *testing.T) {
	w := storm(t)
	w.groups[0].State = store.PostDead
	w.plan(w.at(5*time.Second, severity(1, alert.Average, alert.Disaster), of(commented(0, "on it"), 2), of(recovered(0), 3))...)
	for id, group := range map[int]int64{1: 0, 2: 0, 3: 1} {
		require.Equal(t, group, w.postOf(id).Group, "problem %d", id)
		require.Equal(t, group == 0, w.postOf(id).Pending(), "problem %d", id)
	}
	g := w.groups[0]
	require.Equal(t, []any{int64(2), int64(2), 2}, []any{g.Revision, g.LeftRevision, g.Left})
	require.EqualValues(t, 2, w.postOf(1).LeftRevision)
}

// A digest that changes again before its room shows it has been pending since the first change.
func TestADigestIsPendingSinceItsFirstChange(t *testing.T) {
	w := storm(t)
	w.plan(w.at(5*time.Second, of(recovered(0), 1))...)
	since := w.now
	w.plan(w.at(7*time.Second, of(recovered(0), 2))...)
	require.EqualValues(t, 3, w.groups[0].Revision)
	require.Equal(t, since, w.groups[0].PendingSince)
}

// Problems that somebody acted on before they were posted get messages of their own, unless they are more than the
// threshold.
func TestActedOnBeforeTheFirstMessage(t *testing.T) {
	for _, c := range []struct{ acted, members int }{{10, 20}, {11, 30}} {
		w := grouped(t)
		events := problems(1, 30, alert.Average)
		for id := 1; id <= c.acted; id++ {
			events = append(events, of(commented(0, "on it"), id))
		}
		w.plan(w.at(0, events...)...)
		require.Len(t, w.groups, 1)
		require.Equal(t, c.members, w.groups[0].Joined, "%d acted on", c.acted)
	}
}

// If a trigger's openings of the last minutes arrive in one batch, one message names all of those that flap.
func TestFlappingThatArrivesAtOnce(t *testing.T) {
	w := grouped(t)
	w.now = epoch.Add(10 * time.Minute)
	var backlog []alert.Event
	for n := range 6 {
		e, over := of(opened(), n+1), of(recovered(0), n+1)
		e.Facts.TriggerID, over.Facts.TriggerID, e.Severity = "17", "17", new(alert.High)
		e.Opened = epoch.Add(time.Duration(n) * time.Minute)
		e.At, over.ResolvedAt, e.ReceivedAt, over.ReceivedAt = e.Opened, e.Opened.Add(30*time.Second), w.now, w.now
		backlog = append(backlog, e, over)
	}
	w.plan(backlog...)
	require.Len(t, w.groups, 1)
	require.Equal(t, store.GroupFlap, w.groups[0].Kind)
	require.Equal(t, 4, w.groups[0].Joined)
}
