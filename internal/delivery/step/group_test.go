package step

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/webex"
)

// aStorm is an hour-old digest of 20 problems that is up to date.
func aStorm(change func(g *store.Group)) store.Group {
	g := store.Group{
		ID: 1, Room: "noc", Kind: store.GroupStorm, OpenedAt: noon.Add(-time.Hour), JoinedAt: noon.Add(-time.Hour), Joined: 20, JoinedRevision: 20, Revision: 20, Open: true,
		GroupCursor: store.GroupCursor{State: store.PostLive, MessageID: "M", Hash: "H", Shown: 20, Complete: true, SpokeAt: noon.Add(-time.Hour)},
	}
	change(&g)
	return g
}

// behind changes a member, the given time ago.
func behind(g *store.Group, ago time.Duration) {
	g.Revision, g.PendingSince = g.Revision+1, noon.Add(-ago)
}

// lines gives members lines that aren't posted; the first and the last came the given times ago.
func lines(g *store.Group, first, last time.Duration) {
	g.Lines, g.LinesPosted, g.LinesSince, g.LinesAt = 7, 4, noon.Add(-first), noon.Add(-last)
}

func TestNextGroup(t *testing.T) {
	flap := func(g *store.Group) { g.Kind, g.Name = store.GroupFlap, "7" }
	for name, c := range map[string]struct {
		change func(g *store.Group)
		o      Openings
		want   Op
		in     time.Duration // how long an OpWait lasts
	}{
		"nothing is left to do": {func(*store.Group) {}, Openings{}, OpNone, 0},
		"a dead letter":         {func(g *store.Group) { behind(g, time.Hour); g.State = store.PostDead }, Openings{}, OpNone, 0},
		"a failure backs off":   {func(g *store.Group) { behind(g, time.Hour); g.NotBefore = noon.Add(time.Second) }, Openings{}, OpWait, time.Second},
		"the first message waits until no post has joined for a second": {func(g *store.Group) {
			g.MessageID, g.Shown, g.JoinedAt, g.OpenedAt = "", 0, noon.Add(-400*time.Millisecond), noon.Add(-time.Second)
		}, Openings{}, OpWait, 600 * time.Millisecond},
		"the first message waits three seconds at most": {func(g *store.Group) {
			g.MessageID, g.Shown, g.JoinedAt, g.OpenedAt = "", 0, noon, noon.Add(-3*time.Second)
		}, Openings{}, OpGroup, 0},
		"all left before it was posted":               {func(g *store.Group) { g.MessageID = "" }, Openings{}, OpNone, 0},
		"a change is shown":                           {func(g *store.Group) { behind(g, time.Second) }, Openings{}, OpGroupEdit, 0},
		"changes within a second share an edit":       {func(g *store.Group) { behind(g, 300*time.Millisecond) }, Openings{}, OpWait, 700 * time.Millisecond},
		"each edit doubles the wait for the next one": {func(g *store.Group) { behind(g, time.Minute); g.Edits, g.SpokeAt = 4, noon }, Openings{}, OpWait, 32 * time.Second},
		"a shorter wait if posts joined": {func(g *store.Group) {
			behind(g, time.Minute)
			g.Edits, g.SpokeAt, g.JoinedAt, g.JoinedRevision = 4, noon.Add(-time.Second), noon, g.Revision
		}, Openings{}, OpWait, 2 * time.Second},
		"a shorter wait if a post joined that was planned before the group was read": {func(g *store.Group) {
			behind(g, time.Minute)
			g.Edits, g.SpokeAt, g.JoinedAt, g.JoinedRevision = 4, noon.Add(-time.Second), noon.Add(-time.Minute), g.Revision
		}, Openings{}, OpWait, 2 * time.Second},
		"no shorter wait for a post that the message shows, by whatever clock": {func(g *store.Group) {
			behind(g, time.Minute)
			g.Edits, g.SpokeAt, g.JoinedAt = 4, noon.Add(-time.Second), noon
		}, Openings{}, OpWait, 31 * time.Second},
		"a longer wait with each edit while posts go on joining": {func(g *store.Group) {
			behind(g, time.Minute)
			g.Edits, g.SpokeAt, g.JoinedAt, g.JoinedRevision = 2, noon.Add(-3*time.Second), noon, g.Revision
		}, Openings{}, OpWait, time.Second},
		"ten seconds at most while posts go on joining": {func(g *store.Group) {
			behind(g, time.Minute)
			g.Edits, g.SpokeAt, g.JoinedAt, g.JoinedRevision = 4, noon.Add(-10*time.Second), noon, g.Revision
		}, Openings{}, OpGroupEdit, 0},
		"a shorter wait if one left": {func(g *store.Group) {
			behind(g, time.Minute)
			g.Edits, g.SpokeAt, g.LeftAt, g.LeftRevision = 4, noon.Add(-time.Second), noon, g.Revision
		}, Openings{}, OpWait, 2 * time.Second},
		"a resolution doesn't wait":                             {func(g *store.Group) { behind(g, time.Minute); g.Edits, g.SpokeAt, g.Open = 8, noon, false }, Openings{}, OpGroupEdit, 0},
		"nine edits used: a line in the thread":                 {func(g *store.Group) { behind(g, time.Hour); g.Edits = 9 }, Openings{}, OpGroupLine, 0},
		"the tenth edit is for the end":                         {func(g *store.Group) { behind(g, time.Hour); g.Edits, g.Open = 9, false }, Openings{}, OpGroupEdit, 0},
		"there is no eleventh edit":                             {func(g *store.Group) { behind(g, time.Hour); g.Edits, g.Open = 10, false }, Openings{}, OpGroupLine, 0},
		"a digest that wrongly says resolved is edited at once": {func(g *store.Group) { behind(g, 0); g.Edits, g.SpokeAt, g.SaysResolved = 5, noon, true }, Openings{}, OpGroupEdit, 0},
		"and posted again with no edit left":                    {func(g *store.Group) { behind(g, 0); g.Edits, g.SaysResolved = 10, true }, Openings{}, OpGroupDrop, 0},
		"a list follows when no post joins any more": {func(g *store.Group) {
			g.Complete, g.JoinedAt, g.OpenedAt = false, noon.Add(-time.Second), noon.Add(-2*time.Second)
		}, Openings{}, OpWait, 500 * time.Millisecond},
		"a list follows after a minute at most":          {func(g *store.Group) { g.Complete, g.JoinedAt, g.OpenedAt = false, noon, noon.Add(-time.Minute) }, Openings{}, OpGroupList, 0},
		"a new list after posts joined":                  {func(g *store.Group) { g.Complete, g.Listed, g.JoinedAt = false, 19, noon.Add(-3*time.Second) }, Openings{}, OpGroupList, 0},
		"no list after it became a dead letter":          {func(g *store.Group) { g.Complete, g.Listed, g.ListDeadAt = false, 20, noon }, Openings{}, OpNone, 0},
		"a list after a dead one, if posts joined since": {func(g *store.Group) { g.Complete, g.Listed, g.ListDeadAt = false, 19, noon }, Openings{}, OpGroupList, 0},
		"reminders within five seconds share a reply":    {func(g *store.Group) { lines(g, 10*time.Second, 2*time.Second) }, Openings{}, OpWait, 3 * time.Second},
		"however long the message itself has been behind": {func(g *store.Group) {
			behind(g, time.Hour)
			g.Edits, g.SpokeAt = 8, noon
			lines(g, 2*time.Second, 2*time.Second)
		}, Openings{}, OpWait, 3 * time.Second},
		"reminders wait a minute at most":                   {func(g *store.Group) { lines(g, time.Minute, 0) }, Openings{}, OpGroupNudge, 0},
		"flapping: posted at once":                          {func(g *store.Group) { flap(g); g.MessageID, g.Shown, g.JoinedAt, g.OpenedAt = "", 0, noon, noon }, Openings{}, OpGroup, 0},
		"flapping: not posted right after it resolved":      {func(g *store.Group) { flap(g); g.MessageID, g.Shown, g.Open = "", 0, false }, Openings{Resolved: noon.Add(-time.Second)}, OpWait, 5 * time.Second},
		"flapping: resolved for six seconds is resolved":    {func(g *store.Group) { flap(g); behind(g, 6*time.Second); g.Open, g.Edits, g.SpokeAt = false, 5, noon }, Openings{Resolved: noon.Add(-6 * time.Second)}, OpGroupEdit, 0},
		"flapping: resolved for less isn't resolved":        {func(g *store.Group) { flap(g); behind(g, time.Minute); g.Open = false }, Openings{Resolved: noon.Add(-time.Second)}, OpWait, 5 * time.Second},
		"flapping: a count waits":                           {func(g *store.Group) { flap(g); behind(g, time.Minute); g.Edits, g.SpokeAt = 2, noon }, Openings{}, OpWait, 40 * time.Second},
		"flapping: an opening that stays is notified":       {flap, Openings{Down: noon.Add(-5 * time.Second)}, OpGroupAgain, 0},
		"flapping: not in the opening's first five seconds": {flap, Openings{Down: noon}, OpWait, 5 * time.Second},
		"flapping: open again after resolved, immediately":  {func(g *store.Group) { flap(g); behind(g, 0); g.Edits, g.SaysResolved, g.SpokeAt = 7, true, noon }, Openings{Down: noon}, OpGroupEdit, 0},
	} {
		t.Run(name, func(t *testing.T) {
			s := NextGroup(aStorm(c.change), Doubt{}, c.o, noon)
			require.Equal(t, c.want, s.Op)
			if s.Op == OpWait {
				require.Equal(t, c.in, s.Until.Sub(noon))
			}
		})
	}
}

func TestADueProbeIsAnEdit(t *testing.T) {
	require.Equal(t, OpGroupEdit, NextGroup(aStorm(func(*store.Group) {}), Doubt{Probe: ProbeDue}, Openings{}, noon).Op)
}

func TestAcceptedGroup(t *testing.T) {
	text := Text{Hash: "N", Complete: false, Resolved: true}
	g := aStorm(func(g *store.Group) {
		behind(g, time.Minute)
		lines(g, 0, 0)
		g.Attempts, g.LastError, g.Listed, g.Down, g.ListDeadAt = 3, "x", 20, true, noon
	})
	accepted := func(op Op) store.Group {
		after, _ := AcceptedGroup(Step{Op: op, Lines: 6}, g, Doubt{}, text, "new", noon)
		require.Zero(t, after.Attempts)
		require.Empty(t, after.LastError)
		return after
	}
	posted := accepted(OpGroup)
	require.Equal(t, "new", posted.MessageID)
	require.Equal(t, 20, posted.Listed, "its list is a dead letter")
	require.Equal(t, g.Revision, posted.Shown)
	require.Equal(t, g.Revision, posted.Notified)
	require.False(t, posted.Down)
	require.Equal(t, 6, posted.LinesPosted)
	edited := accepted(OpGroupEdit)
	require.Equal(t, []any{"M", "N", 1, true, g.Revision}, []any{edited.MessageID, edited.Hash, edited.Edits, edited.SaysResolved, edited.Shown})
	require.Equal(t, noon, edited.ListDeadAt)
	require.Equal(t, g.Shown, accepted(OpGroupNudge).Shown, "a reminder doesn't show the revision")
	require.Equal(t, 6, accepted(OpGroupNudge).LinesPosted)
	require.Equal(t, []any{4, true}, []any{edited.LinesPosted, edited.Down})
	require.Equal(t, g.Revision, accepted(OpGroupAgain).Notified)
	require.False(t, accepted(OpGroupAgain).Down)
	listed := accepted(OpGroupList)
	require.Equal(t, 20, listed.Listed)
	require.Zero(t, listed.ListDeadAt)
	require.Equal(t, g.Shown, listed.Shown)
	g.ListDeadAt = time.Time{}
	require.Zero(t, accepted(OpGroup).Listed, "its thread has no list yet")
}

func TestRefusedGroup(t *testing.T) {
	for name, c := range map[string]struct {
		op      Op
		doubt   Doubt
		status  int
		verdict Verdict
		check   func(t *testing.T, g store.Group, d Doubt)
	}{
		"429 changes nothing":   {OpGroup, Doubt{}, 429, Retry, nil},
		"5xx backs off":         {OpGroupEdit, Doubt{}, 503, Retry, func(t *testing.T, g store.Group, _ Doubt) { require.Equal(t, noon.Add(time.Minute), g.NotBefore) }},
		"a refused digest":      {OpGroup, Doubt{}, 400, Dead, nil},
		"404: the room is gone": {OpGroup, Doubt{}, 404, Gone, nil},
		"403: the room is gone": {OpGroupEdit, Doubt{}, 403, Gone, nil},
		"a digest that somebody deleted is posted again": {OpGroupEdit, Doubt{}, 404, Replan, func(t *testing.T, g store.Group, d Doubt) {
			require.Equal(t, OpGroup, NextGroup(g, d, Openings{}, noon).Op)
			require.Equal(t, "M", StoredGroup(g, d).MessageID, "the store keeps it until the repost")
			for _, status := range []int{401, 429, 503} {
				g, d, v := RefusedGroup(Step{Op: OpGroup}, g, d, &webex.Error{Status: status}, time.Minute, noon)
				require.Equal(t, Retry, v)
				require.Equal(t, "M", g.MessageID, "the next attempt looks for it again")
				require.Equal(t, Doubt{}, d)
			}
		}},
		"it is posted again once only":        {OpGroupEdit, Doubt{Reposted: true}, 404, Dead, nil},
		"a refused edit: the edits are spent": {OpGroupEdit, Doubt{}, 400, Replan, func(t *testing.T, g store.Group, _ Doubt) { require.Equal(t, webex.MaxEdits, g.Edits) }},
		"a refused reply is probed":           {OpGroupNudge, Doubt{}, 404, Replan, func(t *testing.T, _ store.Group, d Doubt) { require.Equal(t, ProbeDue, d.Probe) }},
		"a refused list is probed":            {OpGroupList, Doubt{}, 403, Replan, func(t *testing.T, _ store.Group, d Doubt) { require.Equal(t, ProbeDue, d.Probe) }},
		"a list refused again is a dead letter": {OpGroupList, Doubt{Probe: ProbeDone}, 403, GiveUp, func(t *testing.T, g store.Group, _ Doubt) {
			require.Equal(t, noon, g.ListDeadAt)
			require.NotEmpty(t, g.ListError)
			require.Empty(t, g.LastError)
			require.False(t, g.OwesList())
		}},
		"a reminder refused again is given up": {OpGroupNudge, Doubt{Probe: ProbeDone}, 400, GiveUp, func(t *testing.T, g store.Group, _ Doubt) { require.Equal(t, 6, g.LinesPosted) }},
		"that an opening stays down, refused again": {OpGroupAgain, Doubt{Probe: ProbeDone}, 400, GiveUp, func(t *testing.T, g store.Group, _ Doubt) {
			require.False(t, g.Down)
			require.Equal(t, g.Revision, g.Notified)
		}},
		"a last line refused again kills the digest": {OpGroupLine, Doubt{Probe: ProbeDone}, 400, Dead, nil},
	} {
		t.Run(name, func(t *testing.T) {
			g := aStorm(func(g *store.Group) {
				lines(g, 0, 0)
				g.Complete, g.Down = false, true
			})
			after, d, v := RefusedGroup(Step{Op: c.op, Lines: 6}, g, c.doubt, &webex.Error{Status: c.status}, time.Minute, noon)
			require.Equal(t, c.verdict, v)
			if c.check != nil {
				c.check(t, after, d)
			}
		})
	}
}

// A digest whose edit is refused while posts have joined that it doesn't name gets a list.
func TestARefusedEditOwesTheList(t *testing.T) {
	for _, joined := range []bool{true, false} {
		g := aStorm(func(g *store.Group) {
			behind(g, time.Minute)
			if joined {
				g.JoinedRevision = g.Revision
			}
		})
		after, _, v := RefusedGroup(Step{Op: OpGroupEdit}, g, Doubt{}, &webex.Error{Status: 400}, time.Minute, noon)
		require.Equal(t, Replan, v)
		require.Equal(t, joined, ShownGroup(after).Pending())
	}
}

// The dead letter of a digest stands for its list too.
func TestADeadDigestHasOneDeadLetter(t *testing.T) {
	g := DeadGroup(aStorm(func(g *store.Group) { g.ListDeadAt, g.ListError, g.ListTrackingID = noon, "refused", "T" }), Dead, "gone", "U", noon)
	require.Equal(t, store.PostDead, g.State)
	require.Equal(t, noon, g.DeadAt)
	require.Zero(t, g.ListDeadAt)
	require.Empty(t, g.ListError+g.ListTrackingID)
}

// An edit announces that it is the last one exactly if the one after it is kept for the resolution.
func TestTheLastEditIsAnnounced(t *testing.T) {
	for edits := range webex.MaxEdits {
		g := aStorm(func(g *store.Group) {
			behind(g, time.Hour)
			g.Edits, g.SpokeAt = edits, noon.Add(-time.Hour)
		})
		if NextGroup(g, Doubt{}, Openings{}, noon).Op != OpGroupEdit {
			continue
		}
		next, _ := AcceptedGroup(Step{Op: OpGroupEdit}, g, Doubt{}, Text{Hash: "H"}, "", noon)
		behind(&next, time.Hour)
		require.Equal(t, NextGroup(next, Doubt{}, Openings{}, noon.Add(time.Hour)).Op == OpGroupLine, LastEdit(g), "%d edits", edits)
	}
}

// A group whose message is missing and whose members have all left owes nothing, whatever its thread was owed.
func TestAnEmptyGroupOwesNothing(t *testing.T) {
	g := aStorm(func(g *store.Group) {
		behind(g, time.Minute)
		lines(g, 0, 0)
		g.Complete, g.Down = false, true
	})
	require.True(t, g.Pending())
	g, _, _ = RefusedGroup(Step{Op: OpGroupEdit}, g, Doubt{}, &webex.Error{Status: 404}, time.Minute, noon)
	g, d := EmptyGroup(g)
	g = StoredGroup(g, d)
	require.False(t, g.Pending())
	require.Equal(t, OpNone, NextGroup(g, d, Openings{}, noon).Op)
}
