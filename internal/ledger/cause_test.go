package ledger

import (
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/store"
)

// symptom returns a new problem that Zabbix ranks as a symptom of another.
func symptom(id, cause int, severity alert.Severity) alert.Event {
	e := problems(id, 1, severity)[0]
	e.Facts.CauseEventID = strconv.Itoa(cause)
	return e
}

// ranked returns an answer of the API with a problem's cause; 0 for none.
func ranked(id, cause int) alert.Event {
	severity := alert.Average
	e := of(opened(), id)
	o := &alert.Observation{At: e.At, Severity: severity}
	if cause != 0 {
		o.CauseEventID = strconv.Itoa(cause)
	}
	e.Kind, e.Observation, e.Severity, e.Facts = alert.KindObservation, o, nil, alert.Facts{}
	return e
}

// ranks plans an answer of the API about a problem's cause.
func (w *world) ranks(after time.Duration, id, cause int) Outcome {
	events := w.at(after, ranked(id, cause))
	events[0].Observation.At = w.now
	return w.plan(events...)
}

// posted is a world whose room shows problems.
func posted(t *testing.T, n int) *world {
	w := grouped(t)
	for id := 1; id <= n; id++ {
		w.plan(w.at(0, problems(id, 1, alert.Average)...)...)
		p := w.postOf(id)
		p.Claimed, p.RootID, p.Delivered, p.PendingSince = true, "ROOT"+strconv.Itoa(id), p.Desired, time.Time{}
	}
	return w
}

// under is the name of the group that shows a problem; "" for a message of its own.
func (w *world) under(id int) string {
	if g := w.postOf(id).Group; g != 0 {
		return string(w.groups[g-1].Kind) + " " + w.groups[g-1].Name
	}
	return ""
}

// A symptom of a problem that the room shows shares a message in its thread with the cause's other symptoms. From the
// severity for individual messages on it has a message of its own.
func TestASymptomIsShownUnderItsCause(t *testing.T) {
	w := posted(t, 1)
	w.plan(w.at(time.Minute, symptom(2, 1, alert.High))...)
	w.plan(w.at(2*time.Minute, symptom(3, 1, alert.Average), symptom(4, 1, alert.Disaster))...)
	require.Equal(t, "cause main/1", w.under(2))
	require.Equal(t, "cause main/1", w.under(3))
	require.Empty(t, w.under(4))
	require.True(t, w.postOf(4).Pending())
	require.Len(t, w.groups, 1)
	require.EqualValues(t, 2, w.groups[0].Revision)

	severe := of(commented(0, "on it"), 2)
	severe.Severity = new(alert.Severity)
	*severe.Severity = alert.Disaster
	w.plan(w.at(3*time.Minute, severe)...)
	require.Empty(t, w.under(2), "it became a disaster")
}

// A message about symptoms is edited for each of them. Before Webex allows no more edits, further symptoms get the next message.
func TestSymptomsGetAnotherMessage(t *testing.T) {
	w := posted(t, 1)
	w.plan(w.at(time.Minute, symptom(2, 1, alert.Average))...)
	w.groups[0].MessageID, w.groups[0].Edits = "M", symptomEdits-1
	w.plan(w.at(2*time.Minute, symptom(3, 1, alert.Average))...)
	require.Len(t, w.groups, 1)
	w.groups[0].Edits = symptomEdits
	w.plan(w.at(3*time.Minute, symptom(4, 1, alert.Average))...)
	require.Len(t, w.groups, 2)
	require.Equal(t, "cause main/1", w.under(4))
}

// Which problem a symptom is shown under, by what the room shows of its cause.
func TestWhereASymptomIsShown(t *testing.T) {
	for name, c := range map[string]struct {
		cause string // event id
		prior func(w *world)
		under string
	}{
		"its cause is shown":           {"1", nil, "cause main/1"},
		"its cause waits to be posted": {"1", func(w *world) { w.postOf(1).Claimed, w.postOf(1).RootID, w.postOf(1).PendingSince = false, "", w.now }, "cause main/1"},
		"its cause isn't known":        {"99", nil, ""},
		"it is its own cause":          {"3", nil, ""},
		"it has no cause":              {"", nil, ""},
		"its cause was refused":        {"1", func(w *world) { w.postOf(1).State = store.PostDead }, ""},
		"its cause is in another room": {"1", func(w *world) { w.postOf(1).Room = "db" }, ""},
		"its cause is in a digest":     {"1", func(w *world) { w.postOf(1).Group = 1 }, ""},
		"its cause is delayed": {"1", func(w *world) {
			w.postOf(1).Claimed, w.postOf(1).RootID, w.postOf(1).TellAfter = false, "", w.now.Add(time.Hour)
		}, ""},
		"its cause is resolved":           {"1", func(w *world) { w.plan(w.at(0, of(recovered(0), 1))...) }, ""},
		"its cause is a symptom":          {"1", func(w *world) { w.ranks(time.Second, 1, 2) }, ""},
		"they are each other's symptoms":  {"1", func(w *world) { w.ranks(time.Second, 1, 3) }, ""},
		"its cause is a cause once again": {"1", func(w *world) { w.ranks(time.Second, 1, 2); w.ranks(2*time.Second, 1, 0) }, "cause main/1"},
	} {
		t.Run(name, func(t *testing.T) {
			w := posted(t, 2)
			if c.prior != nil {
				c.prior(w)
			}
			e := problems(3, 1, alert.Average)[0]
			e.Facts.CauseEventID = c.cause
			w.plan(w.at(time.Minute, e)...)
			require.Equal(t, c.under, w.under(3))
			require.Equal(t, c.under == "", w.postOf(3).Pending())
		})
	}
}

// A cause that resolves releases its open symptoms, each once. Resolved ones stay.
func TestAResolvedCauseReleasesItsSymptoms(t *testing.T) {
	w := posted(t, 1)
	w.plan(w.at(time.Minute, symptom(2, 1, alert.Average), symptom(3, 1, alert.Average), symptom(4, 1, alert.Average))...)
	w.plan(w.at(2*time.Minute, of(recovered(0), 3))...)
	w.plan(w.at(3*time.Minute, of(recovered(0), 1), of(recovered(0), 4))...)
	require.Empty(t, w.under(2))
	require.True(t, w.postOf(2).Pending())
	require.EqualValues(t, 1, w.postOf(2).LeftGroup)
	require.Equal(t, "cause main/1", w.under(3))
	require.Equal(t, "cause main/1", w.under(4), "it resolved in the same batch")
	require.Equal(t, 1, w.groups[0].Left)
}

// More symptoms than a storm's threshold that are released together share a digest.
func TestManyReleasedSymptomsShareADigest(t *testing.T) {
	w := posted(t, 1)
	for id := 2; id <= 21; id++ {
		w.plan(w.at(time.Minute, symptom(id, 1, alert.Average))...)
	}
	require.Len(t, w.groups, 1)
	note := of(commented(0, "on it"), 2) // in the same batch
	w.plan(w.at(time.Hour, of(recovered(0), 1), note)...)
	require.Len(t, w.groups, 2)
	for id := 2; id <= 21; id++ {
		require.Equal(t, "storm ", w.under(id))
		require.False(t, w.postOf(id).Pending())
	}
	require.Equal(t, []int{20, 20}, []int{w.groups[0].Left, w.groups[1].Joined})
}

// A symptom leaves when its rank changes, and stays when somebody acts on it.
func TestARankThatChanges(t *testing.T) {
	w := posted(t, 1)
	w.plan(w.at(time.Minute, symptom(2, 1, alert.Average), symptom(3, 1, alert.Average))...)
	w.plan(w.at(2*time.Minute, of(commented(0, "on it"), 3))...)
	require.Equal(t, "cause main/1", w.under(3), "acted on")
	w.ranks(3*time.Minute, 2, 0)
	require.Empty(t, w.under(2))
	require.Equal(t, "cause main/1", w.under(3))

	w.ranks(4*time.Minute, 1, 2)
	require.Empty(t, w.under(3), "its cause became a symptom itself")
	require.True(t, w.postOf(3).Pending())
}

// In a storm the digest shows a cause together with its symptoms. Symptoms of a cause that has its message already don't
// make a storm.
func TestSymptomsInAStorm(t *testing.T) {
	w := grouped(t)
	events := problems(1, 1, alert.Average)
	for id := 2; id <= 30; id++ {
		events = append(events, symptom(id, 1, alert.Average))
	}
	w.plan(w.at(0, events...)...)
	for id := 1; id <= 30; id++ {
		require.Equal(t, "storm ", w.under(id))
	}

	w = posted(t, 1)
	events = nil
	for id := 2; id <= 30; id++ {
		events = append(events, symptom(id, 1, alert.Average))
	}
	w.plan(w.at(time.Minute, events...)...)
	require.Len(t, w.groups, 1)
	require.Equal(t, "cause main/1", w.under(30))
}

// tally is the count that a problem shows of its symptoms.
func (w *world) tally(id int) alert.Symptoms {
	return w.known.Problems[alert.Key{Source: "main", EventID: strconv.Itoa(id)}].Symptoms
}

// A cause counts its symptoms, those with messages of their own too, each once, and its room gets each change.
func TestACauseCountsItsSymptoms(t *testing.T) {
	w := posted(t, 2)
	shown := w.postOf(1).Desired
	w.plan(w.at(time.Minute, symptom(3, 1, alert.Average), symptom(4, 1, alert.Disaster), symptom(3, 1, alert.Average))...)
	require.Equal(t, alert.Symptoms{All: 2, Open: 2}, w.tally(1))
	require.Greater(t, w.postOf(1).Desired, shown)
	require.True(t, w.postOf(1).Pending())

	w.plan(w.at(2*time.Minute, of(recovered(0), 4), of(recovered(0), 4))...)
	require.Equal(t, alert.Symptoms{All: 2, Open: 1}, w.tally(1))
	w.ranks(3*time.Minute, 3, 2)
	require.Equal(t, alert.Symptoms{All: 1}, w.tally(1))
	require.Equal(t, alert.Symptoms{All: 1, Open: 1}, w.tally(2))
	w.ranks(4*time.Minute, 3, 0)
	require.Zero(t, w.tally(2))

	w.plan(w.at(5*time.Minute, symptom(5, 99, alert.Average), symptom(6, 6, alert.Average))...)
	require.Zero(t, w.tally(99), "it isn't known")
	require.Zero(t, w.tally(6), "it is no symptom of itself")
	w.plan(w.at(6*time.Minute, problems(99, 1, alert.Average)...)...)
	require.Equal(t, alert.Symptoms{All: 1, Open: 1}, w.tally(99), "it is known since")
}

// Symptoms that arrive before their cause are counted once it arrives, in whichever batches, each once.
func TestSymptomsBeforeTheirCause(t *testing.T) {
	cause := problems(9, 1, alert.Average)[0]
	resolved := of(recovered(0), 2)
	for name, c := range map[string]struct {
		batches [][]alert.Event
		want    alert.Symptoms
	}{
		"one":                            {[][]alert.Event{{symptom(2, 9, alert.High)}, {cause}}, alert.Symptoms{All: 1, Open: 1}},
		"two, one of which is resolved":  {[][]alert.Event{{symptom(2, 9, alert.High), symptom(3, 9, alert.High)}, {resolved}, {cause}}, alert.Symptoms{All: 2, Open: 1}},
		"in one batch":                   {[][]alert.Event{{symptom(2, 9, alert.High), cause}}, alert.Symptoms{All: 1, Open: 1}},
		"before, and in one batch":       {[][]alert.Event{{symptom(2, 9, alert.High)}, {symptom(3, 9, alert.High), cause, symptom(4, 9, alert.High)}}, alert.Symptoms{All: 3, Open: 3}},
		"it resolves in the cause's":     {[][]alert.Event{{symptom(2, 9, alert.High)}, {cause, resolved}}, alert.Symptoms{All: 1}},
		"its rank changed meanwhile":     {[][]alert.Event{{symptom(2, 9, alert.High)}, {afterwards(ranked(2, 1))}, {cause}}, alert.Symptoms{}},
		"its rank changes in one batch":  {[][]alert.Event{{symptom(2, 9, alert.High)}, {afterwards(ranked(2, 1)), cause}}, alert.Symptoms{}},
		"ranked by the API":              {[][]alert.Event{{problems(2, 1, alert.High)[0]}, {afterwards(ranked(2, 9))}, {cause}}, alert.Symptoms{All: 1, Open: 1}},
		"an update is known before that": {[][]alert.Event{{symptom(2, 9, alert.High)}, {of(commented(0, "on it"), 9)}, {cause}}, alert.Symptoms{All: 1, Open: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			w := posted(t, 1)
			for i, batch := range c.batches {
				w.plan(w.at(time.Duration(i+1)*time.Minute, batch...)...)
			}
			require.Equal(t, c.want, w.tally(9))
			w.plan(w.at(time.Duration(len(c.batches))*time.Minute, c.batches[len(c.batches)-1]...)...)
			require.Equal(t, c.want, w.tally(9), "nothing is counted twice")
		})
	}
}

// afterwards returns an answer of the API from after every event of a test.
func afterwards(e alert.Event) alert.Event {
	e.Observation.At = e.Observation.At.Add(2 * time.Hour)
	return e
}
