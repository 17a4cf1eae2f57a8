package step

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/webex"
)

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

// aProblem returns an open problem of a revision with this number of timeline entries.
func aProblem(revision int64, entries int) alert.Problem {
	p := alert.Problem{
		Key: alert.Key{Source: "main", EventID: "4711"}, State: alert.StateOpen, Severity: alert.High,
		Revision: revision, OpenedAt: noon,
	}
	for i := range entries {
		e := alert.Entry{Seq: i + 1, Key: fmt.Sprint("e", i), Kind: alert.EntryUpdate, At: noon, Update: &alert.Update{At: noon, Message: fmt.Sprint("word ", i)}}
		if i == 0 {
			e.Kind, e.Update = alert.EntryOpened, nil
		}
		p.Timeline = append(p.Timeline, e)
	}
	return p
}

func resolved(p alert.Problem) alert.Problem {
	p.State, p.ResolvedAt = alert.StateResolved, noon
	p.Revision++
	p.Timeline = append(p.Timeline[:len(p.Timeline):len(p.Timeline)], alert.Entry{Seq: p.LastSeq() + 1, Kind: alert.EntryResolved, At: noon})
	return p
}

// pressing is a problem whose first update was made by a button of this card.
func pressing(p alert.Problem, card string) alert.Problem {
	p.Timeline = slices.Clone(p.Timeline)
	p.Timeline[1].Update = &alert.Update{At: noon, Message: "word 1", Card: card}
	return p
}

func owned(p alert.Problem) alert.Problem {
	p.Owner.Email = "alice@example.com"
	return p
}

func suppressed(p alert.Problem) alert.Problem {
	p.Suppressed = true
	return p
}

func aRoom(p config.Presentation) Room {
	return Room{Name: "noc", Line: p == config.PresentLine, AsCard: p == config.PresentCard, Debounce: 2 * time.Second}
}

func TestNextPost(t *testing.T) {
	open := aProblem(1, 1)
	acked := aProblem(2, 2)
	over := resolved(acked)
	live := func(c store.Cursor) store.Cursor { c.State = store.PostLive; return c }
	shown := live(store.Cursor{RootID: "m1", Shown: 1, ToldSeq: 1})
	withCard := shown
	withCard.CardID, withCard.CardActions, withCard.Delivered = "m2", "ack;severity=4", 1
	edited := withCard
	edited.Shown = 2
	lined := edited
	lined.ToldSeq = 2
	cardRoot := live(store.Cursor{RootID: "m1", CardID: "m1", CardActions: "ack;severity=4", Shown: 1, ToldSeq: 1, Delivered: 1})
	with := func(c store.Cursor, change func(*store.Cursor)) store.Cursor { change(&c); return c }

	cases := []struct {
		promise string
		p       alert.Problem
		c       store.Cursor
		present config.Presentation
		actions string
		dirty   time.Time // when it last changed; zero for long ago
		op      Op
		reason  Reason
		check   func(t *testing.T, s Step)
	}{
		{promise: "a new problem is posted at once", p: open, c: live(store.Cursor{}), actions: "ack", dirty: noon, op: OpRoot, reason: ReasonNew},
		{promise: "the card follows the root at once", p: open, c: shown, actions: "ack", dirty: noon, op: OpCard, reason: ReasonNewButtons},
		{promise: "without buttons there is no card", p: open, c: shown, op: OpNone, reason: ReasonCaughtUp},
		{promise: "a change waits for the debounce", p: acked, c: withCard, actions: "unack", dirty: noon.Add(-time.Second), op: OpWait, reason: ReasonDebounce,
			check: func(t *testing.T, s Step) { require.Equal(t, noon.Add(time.Second), s.Until) }},
		{promise: "then the root comes first", p: acked, c: withCard, actions: "unack", dirty: noon.Add(-2 * time.Second), op: OpEdit, reason: ReasonChanged},
		{promise: "then the lines of the thread", p: acked, c: edited, actions: "unack", op: OpLines, reason: ReasonTimeline,
			check: func(t *testing.T, s Step) { require.Len(t, s.Entries, 1); require.Equal(t, 2, s.Entries[0].Seq) }},
		{promise: "then the old card is deleted", p: acked, c: lined, actions: "unack", op: OpDelete, reason: ReasonNewButtons},
		{promise: "and the new card is posted", p: acked, c: with(lined, func(c *store.Cursor) { c.CardID, c.CardActions = "", "" }), actions: "unack", op: OpCard, reason: ReasonNewButtons},
		{promise: "a card with the right buttons stays", p: acked, c: lined, actions: "ack", op: OpNone, reason: ReasonCaughtUp},
		{promise: "a card with an old severity is deleted", p: func() alert.Problem { p := acked; p.Severity = alert.Disaster; return p }(), c: lined, actions: "ack", op: OpDelete, reason: ReasonNewButtons},
		{promise: "a card with another owner is deleted", p: owned(acked), c: lined, actions: "ack", op: OpDelete, reason: ReasonNewButtons},
		{promise: "a card that somebody pressed is deleted at once", p: pressing(acked, "m2"), c: withCard, actions: "ack", dirty: noon, op: OpDelete, reason: ReasonSpent},
		{promise: "and the rest waits for the debounce", p: pressing(acked, "m2"), c: with(withCard, func(c *store.Cursor) { c.CardID, c.CardActions = "", "" }), actions: "ack", dirty: noon, op: OpWait, reason: ReasonDebounce},
		{promise: "and the same card follows", p: pressing(acked, "m2"), c: with(lined, func(c *store.Cursor) { c.CardID, c.CardActions = "", "" }), actions: "ack", op: OpCard, reason: ReasonNewButtons},
		{promise: "a press on another room's card or an earlier one spends nothing", p: pressing(acked, "m3"), c: lined, actions: "ack", op: OpNone, reason: ReasonCaughtUp},
		{promise: "a resolution comes before a card that was pressed", p: pressing(over, "m2"), c: withCard, dirty: noon, op: OpEdit, reason: ReasonResolved},
		{promise: "a resolution waits for nothing", p: over, c: withCard, dirty: noon, op: OpEdit, reason: ReasonResolved},
		{promise: "a resolution is posted in the thread", p: over, c: with(withCard, func(c *store.Cursor) { c.Shown = 3; c.ToldSeq = 2 }), op: OpLines, reason: ReasonTimeline},
		{promise: "after a resolution the card is deleted", p: over, c: with(withCard, func(c *store.Cursor) { c.Shown = 3; c.ToldSeq = 3 }), op: OpDelete, reason: ReasonNoButtons},
		{promise: "with one edit left a change is posted in the thread only", p: acked, c: with(withCard, func(c *store.Cursor) { c.Edits = 9 }), actions: "ack", op: OpLines, reason: ReasonTimeline},
		{promise: "with the edits spent, a change without an entry isn't pending", p: aProblem(5, 2), c: with(lined, func(c *store.Cursor) { c.Edits = 9 }), actions: "ack", op: OpNone, reason: ReasonCaughtUp},
		{promise: "the last edit is the resolution's", p: over, c: with(withCard, func(c *store.Cursor) { c.Edits = 9 }), op: OpEdit, reason: ReasonResolved},
		{promise: "there is no eleventh edit", p: over, c: with(withCard, func(c *store.Cursor) { c.Edits = 10 }), op: OpLines, reason: ReasonTimeline},
		{promise: "nothing is sent before NotBefore", p: open, c: live(store.Cursor{NotBefore: noon.Add(time.Hour)}), op: OpWait, reason: ReasonBackoff},
		{promise: "a dead letter is never sent", p: open, c: store.Cursor{State: store.PostDead}, op: OpNone, reason: ReasonDead},
		{promise: "a room that is up to date gets no call", p: open, c: with(withCard, func(c *store.Cursor) { c.Delivered = 9 }), op: OpNone, reason: ReasonCaughtUp},
		{promise: "a refused card isn't retried until its buttons change", p: open, c: with(shown, func(c *store.Cursor) { c.CardActions = "ack;severity=4" }), actions: "ack", op: OpNone, reason: ReasonCaughtUp},
		{promise: "a card of an old root is replaced", p: open, c: with(shown, func(c *store.Cursor) { c.CardID = "m2" }), actions: "ack", op: OpDelete, reason: ReasonNewButtons},

		{promise: "card: the card is the root", p: open, c: live(store.Cursor{}), present: config.PresentCard, actions: "ack", op: OpRoot, reason: ReasonNew,
			check: func(t *testing.T, s Step) { require.True(t, s.AsCard) }},
		{promise: "card: with no buttons the root is plain", p: over, c: live(store.Cursor{}), present: config.PresentCard, op: OpRoot, reason: ReasonNew,
			check: func(t *testing.T, s Step) { require.False(t, s.AsCard) }},
		{promise: "card: comments are posted in its thread", p: acked, c: cardRoot, present: config.PresentCard, actions: "ack", op: OpLines, reason: ReasonTimeline},
		{promise: "card: it is replaced when its buttons change", p: acked, c: cardRoot, present: config.PresentCard, actions: "unack", op: OpDelete, reason: ReasonNewButtons},
		{promise: "card: it is replaced when its severity changes", p: func() alert.Problem { p := acked; p.Severity = alert.Disaster; return p }(), c: cardRoot, present: config.PresentCard, actions: "ack", op: OpDelete, reason: ReasonNewButtons},
		{promise: "card: a suppression doesn't replace it", p: suppressed(acked), c: with(cardRoot, func(c *store.Cursor) { c.ToldSeq = 2 }), present: config.PresentCard, actions: "ack", op: OpNone, reason: ReasonCaughtUp},
		{promise: "card: it stays while what it says of a suppression holds", p: suppressed(acked), c: with(cardRoot, func(c *store.Cursor) { c.ToldSeq, c.CardActions = 2, "ack;severity=4;suppressed" }), present: config.PresentCard, actions: "ack", op: OpNone, reason: ReasonCaughtUp},
		{promise: "card: it is replaced when the suppression that it shows is over", p: acked, c: with(cardRoot, func(c *store.Cursor) { c.ToldSeq, c.CardActions = 2, "ack;severity=4;suppressed" }), present: config.PresentCard, actions: "ack", op: OpDelete, reason: ReasonNewButtons},
		{promise: "card: what its own button did waits for nothing", p: pressing(acked, "m1"), c: cardRoot, present: config.PresentCard, actions: "ack", dirty: noon, op: OpLines, reason: ReasonTimeline},
		{promise: "card: a press doesn't replace it", p: pressing(acked, "m1"), c: with(cardRoot, func(c *store.Cursor) { c.ToldSeq = 2 }), present: config.PresentCard, actions: "ack", dirty: noon, op: OpNone, reason: ReasonCaughtUp},
		{promise: "card: a resolution posts a plain root first", p: over, c: cardRoot, present: config.PresentCard, op: OpRoot, reason: ReasonNoButtons,
			check: func(t *testing.T, s Step) { require.False(t, s.AsCard) }},
		{promise: "card: and deletes the card then", p: over, c: with(cardRoot, func(c *store.Cursor) { c.RootID, c.Shown, c.ToldSeq = "m9", 3, 3 }), present: config.PresentCard, op: OpDelete, reason: ReasonNoButtons},

		{promise: "line: it has no card", p: open, c: shown, present: config.PresentLine, actions: "ack", op: OpNone, reason: ReasonCaughtUp},
		{promise: "line: it is edited", p: acked, c: shown, present: config.PresentLine, actions: "ack", op: OpEdit, reason: ReasonChanged},
		{promise: "line: with its edits spent, changes are posted in its thread", p: acked, c: with(shown, func(c *store.Cursor) { c.Edits = 9 }), present: config.PresentLine, op: OpLines, reason: ReasonTimeline},
	}
	for _, tc := range cases {
		t.Run(tc.promise, func(t *testing.T) {
			present := tc.present
			if present == "" {
				present = config.PresentThread
			}
			post := store.Post{Key: tc.p.Key, Room: "noc", Desired: tc.p.Revision, PendingSince: noon.Add(-time.Hour), Cursor: tc.c}
			if !tc.dirty.IsZero() {
				post.PendingSince = tc.dirty
			}
			s := NextPost(tc.p, post, PostDoubt{}, aRoom(present), tc.actions, noon)
			require.Equal(t, tc.op, s.Op)
			require.Equal(t, tc.reason, s.Reason)
			if tc.check != nil {
				tc.check(t, s)
			}
		})
	}
}

func TestManyEntriesAreSplitIntoReplies(t *testing.T) {
	p := aProblem(2, 50)
	post := store.Post{Desired: 2, Cursor: store.Cursor{State: store.PostLive, RootID: "m", Shown: 2, ToldSeq: 1}}
	posted := 1
	for range 3 {
		s := NextPost(p, post, PostDoubt{}, aRoom(config.PresentThread), "", noon)
		require.Equal(t, OpLines, s.Op)
		require.LessOrEqual(t, len(s.Entries), maxLines)
		require.Equal(t, posted+1, s.Entries[0].Seq)
		post.Cursor, _ = AcceptedPost(s, p, post.Cursor, PostDoubt{}, aRoom(config.PresentThread), "", "x")
		posted = post.ToldSeq
	}
	require.Equal(t, 50, posted)
}

func TestAcceptedPost(t *testing.T) {
	p := aProblem(7, 3)
	room := aRoom(config.PresentThread)
	failed := store.Cursor{Attempts: 3, NotBefore: noon, LastError: "x", TrackingID: "y", Edits: 4, RootID: "old", Shown: 2, ToldSeq: 1}

	t.Run("a root includes all earlier entries", func(t *testing.T) {
		c, _ := AcceptedPost(Step{Op: OpRoot}, p, failed, PostDoubt{}, room, "ack", "m1")
		require.Equal(t, store.Cursor{RootID: "m1", Shown: 7, ToldSeq: 3}, c)
	})
	t.Run("a root can be the card", func(t *testing.T) {
		c, _ := AcceptedPost(Step{Op: OpRoot, AsCard: true}, p, failed, PostDoubt{}, room, "ack", "m1")
		require.Equal(t, store.Cursor{RootID: "m1", Shown: 7, ToldSeq: 3, CardID: "m1", CardActions: "ack;severity=4"}, c)
	})
	t.Run("an edit is counted and posts no line", func(t *testing.T) {
		c, _ := AcceptedPost(Step{Op: OpEdit}, p, failed, PostDoubt{}, room, "ack", "old")
		require.Equal(t, store.Cursor{RootID: "old", Shown: 7, ToldSeq: 1, Edits: 5}, c)
	})
	t.Run("an edited line includes all entries", func(t *testing.T) {
		c, _ := AcceptedPost(Step{Op: OpEdit}, p, failed, PostDoubt{}, aRoom(config.PresentLine), "", "old")
		require.Equal(t, 3, c.ToldSeq)
	})
	t.Run("lines count up to the last entry", func(t *testing.T) {
		c, _ := AcceptedPost(Step{Op: OpLines, Entries: p.Timeline[1:2]}, p, failed, PostDoubt{}, room, "", "m5")
		require.Equal(t, 2, c.ToldSeq)
		require.Equal(t, "old", c.RootID)
	})
	t.Run("deleting a card that is the root leaves no root", func(t *testing.T) {
		c, _ := AcceptedPost(Step{Op: OpDelete}, p, store.Cursor{RootID: "m1", CardID: "m1", CardActions: "ack;severity=4", ToldSeq: 2}, PostDoubt{}, room, "", "")
		require.Equal(t, store.Cursor{ToldSeq: 2}, c)
	})
	t.Run("deleting a card in the thread leaves the root", func(t *testing.T) {
		c, _ := AcceptedPost(Step{Op: OpDelete}, p, store.Cursor{RootID: "m1", CardID: "m2", CardActions: "ack"}, PostDoubt{}, room, "", "")
		require.Equal(t, store.Cursor{RootID: "m1"}, c)
	})
}

func refusal(status int) error {
	return &webex.Error{Op: "POST /messages", Status: status, Message: "no", TrackingID: "T"}
}

func TestRefusedPost(t *testing.T) {
	p := aProblem(7, 3)
	root := store.Cursor{State: store.PostLive, RootID: "m1", Shown: 6, ToldSeq: 3}
	lost := &webex.Error{Op: "PUT", Err: errors.New("timeout"), Unanswered: true}
	cases := []struct {
		promise string
		op      Op
		c       store.Cursor
		d       PostDoubt
		err     error
		verdict Verdict
		check   func(t *testing.T, c store.Cursor, d PostDoubt)
	}{
		{promise: "429: the cursor doesn't change", op: OpRoot, err: refusal(429), verdict: Retry,
			check: func(t *testing.T, c store.Cursor, _ PostDoubt) { require.Equal(t, root, c) }},
		{promise: "401: the cursor doesn't change", op: OpRoot, err: refusal(401), verdict: Retry,
			check: func(t *testing.T, c store.Cursor, _ PostDoubt) { require.Equal(t, root, c) }},
		{promise: "5xx backs off, and the wait is stored", op: OpRoot, err: refusal(503), verdict: Retry,
			check: func(t *testing.T, c store.Cursor, _ PostDoubt) {
				require.Equal(t, 1, c.Attempts)
				require.Equal(t, noon.Add(time.Minute), c.NotBefore)
				require.Contains(t, c.LastError, "503")
				require.Equal(t, "T", c.TrackingID)
			}},
		{promise: "an edit whose answer was lost is counted", op: OpEdit, err: lost, verdict: Retry,
			check: func(t *testing.T, c store.Cursor, _ PostDoubt) { require.Equal(t, 1, c.Edits) }},
		{promise: "an outage counts one edit only", op: OpEdit, c: store.Cursor{RootID: "m1", Attempts: 1, Edits: 3}, err: lost, verdict: Retry,
			check: func(t *testing.T, c store.Cursor, _ PostDoubt) { require.Equal(t, 3, c.Edits) }},
		{promise: "an outage leaves the resolution's edit", op: OpEdit, c: store.Cursor{RootID: "m1", Edits: 9}, err: lost, verdict: Retry,
			check: func(t *testing.T, c store.Cursor, _ PostDoubt) { require.Equal(t, 9, c.Edits) }},
		{promise: "a refused root is a dead letter", op: OpRoot, err: refusal(400), verdict: Dead},
		{promise: "404 for a post: the room is gone", op: OpRoot, err: refusal(404), verdict: Gone},
		{promise: "403 for a post: the room is gone", op: OpRoot, err: refusal(403), verdict: Gone},
		{promise: "403 for an edit: the room is gone", op: OpEdit, err: refusal(403), verdict: Gone},
		{promise: "a deleted root is posted again", op: OpEdit, err: refusal(404), verdict: Replan,
			check: func(t *testing.T, c store.Cursor, d PostDoubt) {
				require.Empty(t, c.RootID)
				require.True(t, d.Reposted)
			}},
		{promise: "a root is posted again once only", op: OpEdit, d: PostDoubt{Doubt: Doubt{Reposted: true}}, err: refusal(404), verdict: Dead},
		{promise: "a refused edit: the edits are spent", op: OpEdit, err: refusal(400), verdict: Replan,
			check: func(t *testing.T, c store.Cursor, _ PostDoubt) { require.Equal(t, webex.MaxEdits, c.Edits) }},
		{promise: "a refused reply: an edit probes the root", op: OpLines, err: refusal(400), verdict: Replan,
			check: func(t *testing.T, c store.Cursor, d PostDoubt) {
				require.Equal(t, ProbeDue, d.Probe)
			}},
		{promise: "404 for a reply to a live root: the room is gone", op: OpLines, d: PostDoubt{Doubt: Doubt{Probe: ProbeDone}}, err: refusal(404), verdict: Gone},
		{promise: "a refused reply to a live root is a dead letter", op: OpLines, d: PostDoubt{Doubt: Doubt{Probe: ProbeDone}}, err: refusal(400), verdict: Dead},
		{promise: "a refused reply without edits left: an edit probes the root", op: OpLines, c: store.Cursor{RootID: "m1", Edits: 9, Shown: 7}, err: refusal(404), verdict: Replan,
			check: func(t *testing.T, c store.Cursor, d PostDoubt) {
				require.Equal(t, "m1", c.RootID)
				require.Equal(t, ProbeDue, d.Probe)
			}},
		{promise: "a refused card of a live root is skipped", op: OpCard, d: PostDoubt{Doubt: Doubt{Probe: ProbeDone}}, err: refusal(400), verdict: Replan,
			check: func(t *testing.T, c store.Cursor, _ PostDoubt) {
				require.Equal(t, "m1", c.RootID)
				require.Equal(t, "ack;severity=4", c.CardActions)
			}},
		{promise: "a card that can't be deleted is as good as gone", op: OpDelete, c: store.Cursor{RootID: "m1", CardID: "m2", CardActions: "ack"}, err: refusal(403), verdict: Replan,
			check: func(t *testing.T, c store.Cursor, _ PostDoubt) {
				require.Empty(t, c.CardID)
				require.Equal(t, "m1", c.RootID)
			}},
	}
	for _, tc := range cases {
		t.Run(tc.promise, func(t *testing.T) {
			c := tc.c
			if c == (store.Cursor{}) {
				c = root
			}
			got, d, verdict := RefusedPost(Step{Op: tc.op}, p, c, tc.d, "ack", tc.err, time.Minute, noon)
			require.Equal(t, tc.verdict, verdict)
			if tc.check != nil {
				tc.check(t, got, d)
			}
		})
	}
}

// For any changes and any presentation, planning ends within a few calls. The room then shows the current state, or
// its edits are spent and the thread has the rest.
func TestPlanningConverges(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		room := aRoom(rapid.SampledFrom([]config.Presentation{config.PresentThread, config.PresentCard, config.PresentLine}).Draw(t, "presentation"))
		p := aProblem(1, 1)
		actions := "ack"
		post := store.Post{Key: p.Key, Desired: 1, Cursor: store.Cursor{State: store.PostLive}}
		now := noon
		ids := 0
		edits, lines := map[string]int{}, map[int]int{}
		for range rapid.IntRange(1, 40).Draw(t, "rounds") {
			switch rapid.IntRange(0, 5).Draw(t, "change") {
			case 0:
				p.Revision++
				p.Timeline = append(p.Timeline, alert.Entry{Seq: p.LastSeq() + 1, Kind: alert.EntryUpdate, Update: &alert.Update{Message: "x"}})
			case 1:
				p.Revision++
				p.Severity = alert.Severity(rapid.IntRange(0, 5).Draw(t, "severity"))
			case 2:
				if p.Open() {
					p.Revision++
					actions = rapid.SampledFrom([]string{"ack", "unack", ""}).Draw(t, "actions")
				}
			case 3:
				if p.Open() && rapid.IntRange(0, 9).Draw(t, "end") == 0 {
					p, actions = resolved(p), ""
				}
			case 4:
				p.Revision++
			case 5:
				p = nudged(p, alert.Nudge{Kind: alert.EntryEscalated, Room: rapid.SampledFrom([]string{"noc", "db"}).Draw(t, "room"), Mention: rapid.SampledFrom([][]string{nil, {"all"}}).Draw(t, "mention")})
			}
			post.Desired = p.Revision
			post.PendingSince = now
			for calls := 0; ; calls++ {
				if calls > 6+len(p.Timeline)/maxLines {
					t.Fatalf("no end: %+v", post.Cursor)
				}
				s := NextPost(p, post, PostDoubt{}, room, actions, now)
				if s.Op == OpWait {
					now = s.Until
					continue
				}
				if s.Op == OpNone {
					break
				}
				if s.Op == OpEdit {
					if edits[post.RootID]++; edits[post.RootID] > webex.MaxEdits {
						t.Fatal("an eleventh edit")
					}
					if post.RootID == post.CardID {
						t.Fatal("a card was edited")
					}
				}
				for _, e := range s.Entries {
					lines[e.Seq]++
				}
				ids++
				post.Cursor, _ = AcceptedPost(s, p, post.Cursor, PostDoubt{}, room, actions, fmt.Sprint("m", ids))
			}
			post.Cursor = CaughtUp(p, post, now)
			if post.Desired > post.Delivered {
				t.Fatal("still pending")
			}
			if post.RootID == "" || post.ToldSeq != p.LastSeq() {
				t.Fatalf("not every entry was posted: %+v", post.Cursor)
			}
			if plain := post.RootID != post.CardID; plain && post.Shown < p.Revision && post.Edits < editLimit(p) {
				t.Fatalf("the root is stale: %+v", post.Cursor)
			}
			if !p.Open() && post.CardID != "" {
				t.Fatal("a resolved problem has buttons")
			}
			for _, e := range p.Timeline {
				if lines[e.Seq] > 1 || lines[e.Seq] == 0 && e.Nudge != nil && e.Nudge.For(room.Name) && len(e.Nudge.Mention) > 0 {
					t.Fatalf("entry %d was posted in %d lines", e.Seq, lines[e.Seq])
				}
			}
			now = now.Add(time.Minute)
		}
	})
}

func TestAProblemThatResolvedBeforeItsFirstMessageCostsOneCall(t *testing.T) {
	for _, present := range []config.Presentation{config.PresentThread, config.PresentCard, config.PresentLine} {
		p := resolved(aProblem(6, 5))
		post := store.Post{Key: p.Key, Desired: p.Revision, Cursor: store.Cursor{State: store.PostLive}}
		s := NextPost(p, post, PostDoubt{}, aRoom(present), "", noon)
		require.Equal(t, OpRoot, s.Op)
		post.Cursor, _ = AcceptedPost(s, p, post.Cursor, PostDoubt{}, aRoom(present), "", "m1")
		require.Equal(t, OpNone, NextPost(p, post, PostDoubt{}, aRoom(present), "", noon).Op)
	}
}

// A first card waits for the API's answer about its problem, for CardWait at most.
func TestACardWaitsForTheAPI(t *testing.T) {
	noon := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	p := alert.Problem{Key: alert.Key{Source: "main", EventID: "1"}, State: alert.StateOpen, Revision: 1, Announced: true}
	post := store.Post{Key: p.Key, Room: "noc", Desired: 1, PendingSince: noon, Cursor: store.Cursor{State: store.PostLive, RootID: "M1", Shown: 1}}
	room := Room{CardWait: 3 * time.Second}
	s := NextPost(p, post, PostDoubt{}, room, "ack", noon.Add(time.Second))
	require.Equal(t, Step{Op: OpWait, Reason: ReasonUnobserved, Until: noon.Add(room.CardWait)}, s)
	require.Equal(t, OpCard, NextPost(p, post, PostDoubt{}, room, "ack", noon.Add(room.CardWait)).Op, "Zabbix is unreachable: the card is posted anyway")
	p.Observed = true
	require.Equal(t, OpCard, NextPost(p, post, PostDoubt{}, room, "ack", noon.Add(time.Second)).Op)
}

// Changes that keep coming share an edit, for maxDebounces at most.
func TestTheDebounceIsBounded(t *testing.T) {
	noon := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	post := store.Post{PendingSince: noon}
	require.Equal(t, noon.Add(2*time.Second), debounced(alert.Problem{}, post, 2*time.Second))
	require.Equal(t, noon.Add(5*time.Second), debounced(alert.Problem{ChangedAt: noon.Add(3 * time.Second)}, post, 2*time.Second))
	require.Equal(t, noon.Add(8*time.Second), debounced(alert.Problem{ChangedAt: noon.Add(time.Hour)}, post, 2*time.Second))
}

// After an edit whose answer was lost, the root's text is unknown: its old text may have to be sent again.
func TestALostEditForgetsTheHash(t *testing.T) {
	for _, err := range []error{&webex.Error{Unanswered: true, Message: "lost"}, &webex.Error{Status: 503, Message: "away"}} {
		c, _, verdict := RefusedPost(Step{Op: OpEdit}, alert.Problem{}, store.Cursor{RootID: "m1", RootHash: "known"}, PostDoubt{}, "", err, time.Second, time.Now())
		require.Equal(t, Retry, verdict)
		require.Empty(t, c.RootHash)
		require.Equal(t, "m1", c.RootID)
	}
}

// A card that is the root remembers whether it says that the problem is suppressed; one below a root says nothing of it.
func TestTheFaceOfACard(t *testing.T) {
	p := suppressed(aProblem(1, 1))
	for s, face := range map[Op]string{OpRoot: "ack;severity=4;suppressed", OpCard: "ack;severity=4"} {
		c, _ := AcceptedPost(Step{Op: s, AsCard: s == OpRoot}, p, store.Cursor{}, PostDoubt{}, aRoom(config.PresentCard), "ack", "m1")
		require.Equal(t, face, c.CardActions)
	}
}
