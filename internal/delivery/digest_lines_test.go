package delivery

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/render"
	"nms-alert-relay/internal/store"
)

// A reminder that is committed between the reads of a group and of its members is posted once.
func TestANudgeBetweenTwoReadsIsPostedOnce(t *testing.T) {
	inStorm(t, func(t *testing.T, w *world) {
		w.rain(0, 20, nil)
		w.pass(time.Minute)
		w.rain(0, 10, reminded)
		w.pass(4 * time.Second)
		late := 10
		betweenReads := func() {
			if time.Since(w.store.group(1).LinesAt) < 5*time.Second {
				return
			}
			w.store.set(func() { w.store.beforeMembers = nil })
			for ; late < 15; late++ {
				w.fold(late, reminded)
			}
		}
		w.store.set(func() { w.store.beforeMembers = betweenReads })
		w.pass(5 * time.Minute)
		require.Equal(t, 15, late)
		require.Equal(t, []string{"⏰ 15 problems still open, and nobody has acknowledged them"}, w.textsWith("noc", "⏰"))
		require.Zero(t, w.store.pending())
	})
}

// The fold commits the reminders of a large digest in several transactions. They share a reply, however long the message
// itself has waited for its next edit.
func TestRemindersOfSeveralFoldsShareAReply(t *testing.T) {
	inStorm(t, func(t *testing.T, w *world) {
		w.rain(0, 40, nil)
		for n := range 6 {
			w.pass(5 * time.Minute)
			w.rain(n, n+1, resolve)
		}
		w.pass(10 * time.Second)
		require.Equal(t, 6, w.store.group(1).Edits)
		w.rain(6, 7, resolve)
		w.pass(70 * time.Second)
		g := w.store.group(1)
		require.Equal(t, []any{6, true}, []any{g.Edits, g.Pending()}, "the message is behind")
		w.rain(10, 30, mentioned)
		w.pass(300 * time.Millisecond)
		w.rain(30, 40, mentioned)
		w.pass(5 * time.Minute)
		require.Equal(t, []string{"⏫ 30 problems open, and nobody acknowledged them for 15m <@all>"}, w.textsWith("noc", "⏫"))
		require.Zero(t, w.store.pending())
	})
}

// What people write about members of a digest is in its thread, with the problems.
func TestWordsInADigestsThread(t *testing.T) {
	inStorm(t, func(t *testing.T, w *world) {
		w.rain(0, 20, nil)
		w.pass(time.Minute)
		w.rain(0, 15, resolve)
		w.pass(time.Minute)
		w.rain(0, 1, say("replaced the PSU"))
		w.pass(2 * time.Second)
		w.rain(1, 3, say("planned work"))
		w.pass(time.Minute)
		replies := w.textsWith("noc", "planned work")
		require.Equal(t, []string{"About 0  \nmain/0 line: replaced the PSU\n\nAbout 1  \nmain/1 line: planned work\n\nAbout 2  \nmain/2 line: planned work"}, replies)
		require.Len(t, w.digestTexts("noc"), 1)
		require.Zero(t, w.store.pending())
	})
}

// Comments on problems whose digest isn't posted yet follow it; reminders that mention nobody don't.
func TestWordsBeforeTheDigest(t *testing.T) {
	inStorm(t, func(t *testing.T, w *world) {
		w.rain(0, 20, nil)
		w.rain(0, 20, resolve)
		w.rain(0, 20, say("planned work"))
		w.pass(time.Minute)
		require.Len(t, w.textsWith("noc", "planned work"), 1)
		require.Zero(t, w.store.pending())

		w.rain(30, 50, reminded)
		w.pass(time.Minute)
		require.Empty(t, w.textsWith("noc", "⏰"))
		require.Zero(t, w.store.pending())
	})
}

// Words that don't fit into one reply are in several, each once.
func TestManyWordsAreSeveralReplies(t *testing.T) {
	inStorm(t, func(t *testing.T, w *world) {
		w.rain(0, 40, nil)
		w.rain(0, 40, resolve)
		w.pass(time.Minute)
		for n := range 40 {
			w.rain(n, n+1, say(fmt.Sprintf("comment no. %d. %s", n, strings.Repeat("x", 500))))
		}
		w.pass(5 * time.Minute)
		for n := range 40 {
			require.Len(t, w.textsWith("noc", fmt.Sprintf("comment no. %d. ", n)), 1, n)
		}
		require.Len(t, w.textsWith("noc", "comment no. "), 4)
		require.Zero(t, w.store.pending())
	})
}

// A route that doesn't want comments has none in its digests either.
func TestARouteWithoutCommentsHasNoneInDigests(t *testing.T) {
	inStorm(t, func(t *testing.T, w *world) {
		w.rain(0, 20, nil)
		w.rain(0, 20, resolve)
		w.store.setPost(key(0), "noc", func(p *store.Post, _ groupDraft) { p.Route = "terse" })
		w.pass(time.Minute)
		w.rain(0, 2, say("planned work"))
		w.pass(time.Minute)
		require.Equal(t, []string{"About 1  \nmain/1 line: planned work"}, w.textsWith("noc", "planned work"))
		require.Zero(t, w.store.pending())
	})
}

// A digest that is posted again after a replay posts what people wrote while it was a dead letter.
func TestAReplayedDigestHasTheWords(t *testing.T) {
	inStorm(t, func(t *testing.T, w *world) {
		w.rain(0, 20, nil)
		w.webex.set(func(f *fakeWebex) { f.meet = func(aCall) *trouble { return &trouble{status: 400} } })
		w.pass(time.Minute)
		require.Equal(t, store.PostDead, w.store.group(1).State)
		w.rain(0, 20, resolve)
		w.rain(0, 1, say("replaced the PSU"))
		w.webex.set(func(f *fakeWebex) { f.meet = nil })
		w.replay("digest:1")
		w.pass(time.Minute)
		require.Len(t, w.textsWith("noc", "replaced the PSU"), 1)
		require.Zero(t, w.store.pending())
	})
}

// Whether a room was notified of an opening follows from the group's revision when it joined, not from any clock: a delay may
// have kept the post from joining for long.
func TestAnOpeningIsDownUntilTheRoomWasNotified(t *testing.T) {
	for notified, down := range map[int64]bool{4: true, 5: false} {
		joined := time.Unix(1000, 0)
		g := store.Group{Kind: store.GroupFlap, JoinedAt: joined.Add(time.Hour), Revision: 5, GroupCursor: store.GroupCursor{MessageID: "M", Notified: notified, Shown: notified, SpokeAt: joined.Add(time.Hour)}}
		m := members{digest: render.Digest{Flap: true}}
		m.add(store.Member{JoinedAt: joined, GroupRevision: 5, Problem: alert.Problem{State: alert.StateOpen}}, g, render.DigestItem{})
		require.Equal(t, down, !m.openings.Down.IsZero(), "notified up to revision %d", notified)
		require.Equal(t, down, len(m.joined) > 0, "the message shows revision %d", notified)
	}
}
