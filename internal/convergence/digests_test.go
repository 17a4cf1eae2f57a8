package convergence

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/delivery"
	"nms-alert-relay/internal/render"
	"nms-alert-relay/internal/simulator/webexsim"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/webex"
)

// membersOf returns the posts of a digest, and their problems.
func (h held) membersOf(id int64) (posts []store.Post, problems []alert.Problem) {
	for key, all := range h.posts {
		for _, p := range all {
			if p.Group == id {
				posts, problems = append(posts, p), append(problems, h.problems[key])
			}
		}
	}
	return posts, problems
}

// checkMember checks that a post belongs in its digest, and that the digest is live or a dead letter with a reason.
func (w *world) checkMember(h held, p alert.Problem, post store.Post, where string) {
	g, ok := h.groups[post.Group]
	switch {
	case !ok || g.Room != post.Room:
		w.fault("%s is in digest %d, which isn't one of that room: %+v", where, post.Group, g)
	case post.LeftGroup != 0 && (h.groups[post.LeftGroup].Kind != store.GroupCause || g.Kind != store.GroupStorm):
		w.fault("%s is in digest %d, though it had left digest %d", where, post.Group, post.LeftGroup)
	case post.RootID != "" || post.CardID != "":
		w.fault("%s is in digest %d and has a message of its own: %+v", where, post.Group, post)
	case g.State == store.PostDead:
		if !slices.ContainsFunc(h.dead, func(l store.DeadLetter) bool {
			return l.Kind == store.LetterDigest && l.Number == g.ID && l.Room == g.Room && l.Reason != ""
		}) {
			w.fault("digest %d is dead without a dead letter that has the reason", g.ID)
		}
		post.LastError = g.LastError
		w.checkFallback(h, p, post)
	case g.Pending():
		w.fault("%s is in digest %d, which is behind: %+v", where, g.ID, g)
	case g.Kind == store.GroupCause && p.Open() && !under(h, g, p):
		w.fault("%s is shown as a symptom of %s, and isn't one of an open cause", where, g.Name)
	case p.Open() && p.Severity >= w.stormIn(g.Room).Individual:
		w.fault("%s is in digest %d, though it is %s", where, g.ID, p.Severity.Title())
	}
}

// checkGroup checks that a digest's message, with its thread, shows the current state of each of its problems, and no
// others.
func (w *world) checkGroup(h held, g store.Group) {
	if g.State == store.PostDead {
		return
	}
	where := fmt.Sprintf("digest %d in %s", g.ID, g.Room)
	posts, problems := h.membersOf(g.ID)
	if len(posts)+g.Left != g.Joined {
		w.fault("%s: %d joined, %d left and %d are in it", where, g.Joined, g.Left, len(posts))
	}
	m, ok := w.sim.Message(g.MessageID)
	switch {
	case g.MessageID == "" && len(posts) == 0:
		return // all members left before it was posted
	case !ok || m.ParentID != "" && g.Kind != store.GroupCause:
		w.fault("%s has no message: %+v", where, g)
		return
	case w.erased[m.ID]:
		return // nothing has changed since somebody deleted it
	case g.Hash == "" && len(posts) == 0:
		return // Webex said that the message was gone, when the bot wasn't in the room, and nothing is left to post anew
	case m.Deleted:
		w.fault("%s: its message was deleted, but by nobody", where)
		return
	}
	w.checkNames(h, g, posts, m, where)
	w.checkCounts(g, problems, m, where)
	if g.Kind != store.GroupCause {
		w.checkActedOn(h, g, where)
	}
	w.checkWords(h, g, posts, where)
}

// checkNames checks that a digest names each of its problems, and none with a message of its own. If no edit is
// left to remove one, the thread says so.
func (w *world) checkNames(h held, g store.Group, posts []store.Post, m webexsim.MessageView, where string) {
	thread := w.threadOf(g, m)
	listDead := slices.ContainsFunc(h.dead, func(l store.DeadLetter) bool { return l.Kind == store.LetterList && l.Number == g.ID && l.Reason != "" })
	named := func(id, host string) bool {
		label := host + " (" + id + ")"
		if host == "" {
			label, host = ": "+id, "-"
		}
		says := func(text string) bool { // a flapping message names its host once
			return strings.Contains(text, label) || g.Kind == store.GroupFlap && strings.Contains(text, id) && (host == "-" || strings.Contains(text, host))
		}
		if says(m.Text) || g.Edits >= webex.MaxEdits && strings.Contains(m.Text, id) { // the host became known too late
			return true
		}
		return slices.ContainsFunc(thread, func(r webexsim.MessageView) bool {
			return says(r.Text) || len(r.Files) > 0 && slices.ContainsFunc(strings.Split(string(r.Files[0].Content), "\r\n"), func(line string) bool {
				return strings.Contains(line, "  "+source+"/"+id+"  "+host+"  ")
			})
		})
	}
	mine := map[string]bool{}
	for _, p := range posts {
		mine[p.Key.EventID] = true
		if host := h.hostOf(p.Key); !named(p.Key.EventID, host) && !listDead {
			w.fault("%s names neither %s nor %q, and neither does a list in its thread (%+v): %s", where, p.Key, host, g, m.Text)
		}
	}
	for _, id := range problemIDs.FindAllString(m.Text, -1) {
		if mine[id] {
			continue
		}
		said := slices.ContainsFunc(thread, func(r webexsim.MessageView) bool {
			_, gone, _ := strings.Cut(r.Text, "Now in messages of their own")
			gone, _, _ = strings.Cut(gone, "\n")
			return strings.Contains(gone, id)
		})
		if g.Edits < webex.MaxEdits-1 || !said {
			w.fault("%s names %s, which left it, after %d edits (%d counted), and its thread doesn't say so: %s", where, id, m.Edits, g.Edits, m.Text)
		}
	}
}

var (
	noLonger  = regexp.MustCompile(`(?m)^Now in messages of their own.*\n`)
	atOnce    = regexp.MustCompile(`([\d,]+) problems? at once`)
	openOnes  = regexp.MustCompile(`· ([\d,]+) open`)
	opened    = regexp.MustCompile(`opened again (\d+) times`)
	ackedOnes = regexp.MustCompile(`, ([\d,]+) acknowledged`)
)

// checkCounts checks a digest's counts and layout. Without edits left, its thread has the current state.
func (w *world) checkCounts(g store.Group, problems []alert.Problem, m webexsim.MessageView, where string) {
	settings, _ := delivery.RoomsOf(w.cfg)(g.Room, "")
	all := render.Digest{Left: g.Left, Flap: g.Kind == store.GroupFlap, Symptoms: g.Kind == store.GroupCause}
	open, acked := 0, 0
	for _, p := range problems {
		all.Items = append(all.Items, w.render.DigestItem(p, render.Room{}))
		if p.Open() {
			open++
			if p.Acknowledged {
				acked++
			}
		}
	}
	over := len(problems) > 0 && open == 0
	limit := webex.MaxEdits
	if !over {
		limit--
	}
	newest := "" // summary in its thread, without the members that left
	for _, r := range w.threadOf(g, m) {
		if g.Kind == store.GroupCause && (!strings.Contains(r.Text, "ymptom") || !strings.Contains(r.Text, "Current state")) {
			continue
		}
		if len(r.Files) == 0 && !strings.ContainsAny(r.Text, nudgeSigns) && !comments.MatchString(r.Text) {
			newest = noLonger.ReplaceAllString(r.Markdown, "")
		}
	}
	if over && !strings.Contains(strings.ToLower(m.Text+newest), "resolved") {
		w.fault("all of %s is resolved but its messages don't say so: %s\n%s", where, m.Text, newest)
	}
	want, _ := w.render.Digest(all, settings.Room)
	all.Last = !over // the text of the last edit before that
	last, _ := w.render.Digest(all, settings.Room)
	if m.Markdown != want && (m.Markdown != last || g.Edits < limit) {
		all.Last, all.Account = false, true
		account, _ := w.render.Digest(all, settings.Room)
		if head, _, _ := strings.Cut(account, "\n\n"); g.Edits < limit || !strings.Contains(newest, head) {
			w.fault("%s isn't up to date (%d edits, %d counted):\nwant %s\ngot  %s\nand in its thread: %s", where, m.Edits, g.Edits, want, m.Markdown, newest)
		}
		return
	}
	if g.Kind == store.GroupCause {
		return
	}
	if g.Kind == store.GroupFlap {
		if found := opened.FindStringSubmatch(m.Text); len(problems)+g.Left > 1 && len(problems) > 0 && (found == nil || found[1] != strconv.Itoa(len(problems)+g.Left)) {
			w.fault("%s opened %d times but has another count: %s", where, len(problems)+g.Left, m.Text)
		}
		return
	}
	said := func(of *regexp.Regexp) int {
		n := 0
		if found := of.FindStringSubmatch(m.Text); found != nil {
			n, _ = strconv.Atoi(strings.ReplaceAll(found[1], ",", ""))
		}
		return n
	}
	if got, want := [3]int{said(atOnce), said(openOnes), said(ackedOnes)}, [3]int{len(problems), open, acked}; got != want {
		w.fault("%s counts (all, open, acknowledged) %v, expected %v: %s", where, got, want, m.Text)
	}
}

// checkActedOn checks that problems that people acted on one by one have left their digest, so that each has a
// thread of its own.
func (w *world) checkActedOn(h held, g store.Group, where string) {
	var acted []alert.Key
	all := 0 // with those that one command acted on together: the relay may have heard of that only later
	for key, p := range h.problems {
		updated := func(wide bool) bool {
			return slices.ContainsFunc(p.Timeline, func(e alert.Entry) bool { return e.Update != nil && (wide || !e.Update.Wide) })
		}
		if updated(true) {
			all++
		}
		if updated(false) {
			acted = append(acted, key)
		}
	}
	if all > w.stormIn(g.Room).Threshold {
		return // this many at once stay in it
	}
	for _, key := range acted {
		for _, p := range h.posts[key] {
			if p.Group == g.ID && h.problems[key].Open() {
				w.fault("somebody acted on %s, but it is still in %s", key, where)
			}
		}
	}
}

// checkWords checks that what people wrote about problems of a digest is in its thread, or in that of a message that the
// digest replaced. Webex may have refused a reply twice, which is then skipped.
func (w *world) checkWords(h held, g store.Group, posts []store.Post, where string) {
	refusals := len(slices.DeleteFunc(slices.Clone(w.Steps), func(s step) bool { return s.Kind != refuse }))
	var thread strings.Builder
	for _, m := range w.sim.Timeline(simRoom(g.Room)) {
		if m.ParentID != "" && !m.Deleted {
			thread.WriteString(m.Text + "\n")
		}
	}
	for _, p := range posts {
		for _, e := range h.problems[p.Key].Timeline {
			if e.Seq > p.FromSeq && (e.Nudge == nil || e.Nudge.For(g.Room)) {
				w.fault("%s provides for entries of %s up to %d, and there is %d", where, p.Key, p.FromSeq, e.Seq)
			}
			if e.Update == nil || refusals > 1 || strings.Contains(thread.String(), comments.FindString(e.Update.Text())) {
				continue
			}
			w.fault("%s: nothing in the room says %q, which is about %s", where, e.Update.Text(), p.Key)
		}
	}
}

// hostOf returns the host that a problem's payloads name, or "".
func (h held) hostOf(key alert.Key) string {
	if hosts := h.problems[key].Hosts; len(hosts) > 0 {
		return hosts[0].Host
	}
	return ""
}
