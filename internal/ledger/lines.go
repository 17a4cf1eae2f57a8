package ledger

import (
	"slices"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/store"
)

// addLines adds a member's new timeline entries that its group posts in its thread.
func (r *roomDraft) addLines(post *draftPost) {
	g := r.groupOf(post)
	if g == nil {
		return
	}
	p := r.problem(post.Key)
	post.Lines = unpostedLines(post.Lines, g)
	var added []int
	for _, e := range p.Timeline {
		if e.Seq > post.FromSeq && isLine(e, r.room) {
			added = append(added, e.Seq)
		}
	}
	slices.Sort(added)
	for _, seq := range added {
		r.touch(g)
		if g.Lines == g.LinesPosted {
			g.LinesSince = r.now
		}
		g.Lines++
		g.LinesAt = r.now
		post.Lines = append(post.Lines, store.Line{Seq: seq, N: g.Lines})
	}
	post.FromSeq = p.LastSeq()
}

// isLine reports whether a group posts a member's entry in its thread: a nudge, and what people write. The rest is in
// its message.
func isLine(e alert.Entry, room string) bool {
	return e.Nudge != nil && e.Nudge.For(room) || e.Update != nil && e.Update.Text() != ""
}

// unpostedLines returns the lines that a group hasn't posted yet.
func unpostedLines(lines []store.Line, g *store.Group) []store.Line {
	return slices.DeleteFunc(slices.Clone(lines), func(l store.Line) bool { return l.N <= g.LinesPosted })
}
