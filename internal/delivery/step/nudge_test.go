package step

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/store"
)

// nudged is a problem with a nudge as its newest entry.
func nudged(p alert.Problem, n alert.Nudge) alert.Problem {
	n.At = noon
	p.Revision++
	p.Timeline = append(p.Timeline[:len(p.Timeline):len(p.Timeline)], alert.Entry{Seq: p.LastSeq() + 1, Key: fmt.Sprint("nudge", p.LastSeq()), Kind: n.Kind, At: noon, Nudge: &n})
	return p
}

// linesOf plays a room until it is caught up, and returns the entries that were posted as lines.
func linesOf(t *testing.T, p alert.Problem, c store.Cursor, room Room) (seqs []int, last store.Cursor) {
	t.Helper()
	post := store.Post{Key: p.Key, Room: room.Name, Desired: p.Revision, PendingSince: noon.Add(-time.Hour), Cursor: c}
	for range 20 {
		s := NextPost(p, post, PostDoubt{}, room, "", noon)
		switch s.Op {
		case OpNone:
			return seqs, post.Cursor
		case OpLines:
			for _, e := range s.Entries {
				seqs = append(seqs, e.Seq)
			}
		}
		post.Cursor, _ = AcceptedPost(s, p, post.Cursor, PostDoubt{}, room, "", "m")
	}
	t.Fatal("planning doesn't end")
	return nil, c
}

// A nudge that mentions somebody is always a message of its own. One that mentions nobody is in a new root, or a line.
func TestNudgesArePostedAsLines(t *testing.T) {
	escalated := alert.Nudge{Kind: alert.EntryEscalated, Room: "noc", Rooms: []string{"leads"}, Mention: []string{"all"}}
	plain := alert.Nudge{Kind: alert.EntryEscalated, Room: "noc", Rooms: []string{"leads"}}
	reminded := alert.Nudge{Kind: alert.EntryReminded, Room: "noc"}
	commented := func(p alert.Problem) alert.Problem {
		p.Revision++
		p.Timeline = append(p.Timeline[:len(p.Timeline):len(p.Timeline)], alert.Entry{Seq: p.LastSeq() + 1, Kind: alert.EntryUpdate, At: noon, Update: &alert.Update{Message: "hm"}})
		return p
	}
	untold := store.Cursor{State: store.PostLive}
	shown := store.Cursor{State: store.PostLive, RootID: "m1", Shown: 1, ToldSeq: 1, Delivered: 1}
	spent := shown
	spent.Edits = 9
	room := func(name string, p config.Presentation) Room {
		r := aRoom(p)
		r.Name = name
		return r
	}
	noc, line := room("noc", config.PresentThread), room("noc", config.PresentLine)
	first := aProblem(1, 1)
	for promise, c := range map[string]struct {
		p    alert.Problem
		c    store.Cursor
		room Room
		want []int
	}{
		"a reminder goes to the thread":                         {nudged(first, reminded), shown, noc, []int{2}},
		"with later entries":                                    {commented(nudged(first, reminded)), shown, noc, []int{2, 3}},
		"a new root includes a nudge without mention":           {nudged(first, plain), untold, room("leads", config.PresentThread), nil},
		"a new root excludes a mention":                         {nudged(first, escalated), untold, room("leads", config.PresentThread), []int{2}},
		"a new root excludes the entries after a mention":       {commented(nudged(first, escalated)), untold, noc, []int{2, 3}},
		"a mention for another room is ignored":                 {nudged(first, escalated), untold, room("db", config.PresentThread), nil},
		"a card as root excludes a mention":                     {nudged(first, escalated), untold, room("leads", config.PresentCard), []int{2}},
		"line: an edit excludes a nudge":                        {nudged(first, reminded), shown, line, []int{2}},
		"line: an edit includes all other entries":              {commented(nudged(commented(first), reminded)), shown, line, []int{3}},
		"line: an edit excludes two nudges":                     {commented(nudged(commented(nudged(first, escalated)), reminded)), shown, line, []int{2, 4}},
		"line: a new line includes a nudge without mention":     {nudged(first, reminded), untold, line, nil},
		"line: with the edits spent, all entries go to threads": {commented(nudged(first, reminded)), spent, line, []int{2, 3}},
		"line: a nudge for another room is ignored":             {nudged(first, alert.Nudge{Kind: alert.EntryReminded, Room: "db"}), shown, line, nil},
	} {
		t.Run(promise, func(t *testing.T) {
			seqs, last := linesOf(t, c.p, c.c, c.room)
			require.Equal(t, c.want, seqs)
			require.Equal(t, c.p.LastSeq(), last.ToldSeq, "every entry counts as posted")
		})
	}
	// A root that is posted again doesn't repeat a mention.
	gone := shown
	gone.RootID, gone.ToldSeq = "", 2
	seqs, _ := linesOf(t, nudged(first, escalated), gone, noc)
	require.Empty(t, seqs)
}
