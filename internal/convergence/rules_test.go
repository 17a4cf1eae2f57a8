package convergence

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/store"
)

// resolvedEarly reports whether a problem resolved before it was due in its room.
func resolvedEarly(p alert.Problem, post store.Post) bool {
	return p.State == alert.StateResolved && !post.TellAfter.IsZero() && p.ResolvedAt.Before(post.TellAfter)
}

// checkRules checks the rules of rooms and routes.
func (w *world) checkRules(folded map[alert.Key]*expected, h held) {
	for key, posts := range h.posts {
		for _, post := range posts {
			w.checkUntold(h, folded[key], post)
			w.checkEscalation(h, folded[key], post)
			if at := w.asksAt(post); !at.IsZero() {
				w.fault("nobody was asked about the acknowledgement of %s in %s, due at %s", key, post.Room, at)
			}
		}
	}
	w.checkFlapping(folded, h)
	w.checkNudges(folded, h)
}

// asksAt is when the room of a post asks whether somebody is still on its problem; zero for never, or if it has asked.
func (w *world) asksAt(post store.Post) time.Time {
	if post.State == store.PostDead || post.Fresh() && post.FromSeq == 0 {
		return time.Time{}
	}
	found, err := w.life.db.Problems(context.Background(), []alert.Key{post.Key})
	if err != nil {
		panic(err)
	}
	return found[post.Key].AskAt(w.router.Timing(post.Room, post.Route).AckExpires, time.Now())
}

// nudgeSigns are the first characters of reminders, escalations and questions.
const nudgeSigns = "⏰⏫❓"

// checkNudges checks that a room has at most one line per escalation. If a problem was acknowledged in between, only
// its newest escalation is kept.
func (w *world) checkNudges(folded map[alert.Key]*expected, h held) {
	for _, t := range folded {
		if slices.ContainsFunc(t.states, func(s state) bool {
			_, unattended := s.problem.Unattended(s.at)
			return s.problem.Announced && s.problem.Open() && !unattended
		}) {
			return
		}
	}
	for _, room := range rooms {
		steps, said := 0, 0
		for _, p := range h.problems {
			for _, e := range p.Timeline {
				if e.Kind == alert.EntryEscalated && e.Nudge.For(room) {
					steps++
				}
			}
		}
		for _, m := range w.sim.Timeline(room) {
			if m.ParentID != "" && !m.Deleted && m.Card == nil && !w.excused(m.ID, map[string]int{}) {
				said += strings.Count(m.Text, "⏫")
			}
		}
		if said > steps {
			w.fault("%s has %d lines about escalations, expected at most %d", room, said, steps)
		}
	}
}

// late bounds the time in which the relay receives an event and acts on it; 0 if it was down or couldn't write.
func (w *world) late() time.Duration {
	if w.has(crash, restart, diskFull) {
		return 0
	}
	return 3*time.Second + 20*w.Disk
}

// checkUntold checks that a problem that resolved before it was due isn't in the room.
func (w *world) checkUntold(h held, t *expected, post store.Post) {
	p := h.problems[post.Key]
	if w.late() == 0 || !resolvedEarly(p, post) || w.has(erase) {
		return
	}
	m, posted := w.sim.Message(cmp.Or(post.RootID, h.groups[post.Group].MessageID))
	if posted && slices.ContainsFunc(t.states, func(s state) bool {
		return s.problem.State == alert.StateResolved && s.at.Add(w.late()).Before(post.TellAfter)
	}) {
		w.fault("%s resolved at %v, before it was due in %s at %v, but it was posted at %v", post.Key, p.ResolvedAt, post.Room, post.TellAfter, m.Created)
	}
}

// checkEscalation checks that an unacknowledged problem has a post in the room that it escalates to, and that an
// acknowledged one has none.
func (w *world) checkEscalation(h held, t *expected, post store.Post) {
	p := h.problems[post.Key]
	steps := w.router.Timing(post.Room, post.Route).Escalate
	ignored := !slices.ContainsFunc(t.states, func(s state) bool {
		_, unattended := s.problem.Unattended(s.at)
		return s.problem.Announced && !unattended
	})
	for _, step := range steps {
		for _, room := range step.Rooms {
			if p.Open() && p.Announced && ignored && !slices.ContainsFunc(h.posts[p.Key], func(o store.Post) bool { return o.Room == room }) {
				w.fault("nobody acknowledged %s in %s, but %s doesn't have it: %+v", p.Key, post.Room, room, post)
			}
		}
	}
	for _, e := range p.Timeline {
		if e.Nudge == nil || w.late() == 0 {
			continue
		}
		before := e.At.Add(-w.late())
		runs, known := false, false
		for _, s := range t.states {
			if s.at.Before(before) { // the newest of these, and all after it
				runs = false
			}
			if s.at.Before(e.At) {
				_, due := s.problem.Unattended(e.At)
				if e.Kind == alert.EntryAsked {
					due = s.problem.Acknowledged
				}
				runs, known = runs || due, true
			}
		}
		if known && !runs {
			w.fault("%s was attended or suppressed at %v, but the relay nudged: %+v", p.Key, e.At, e.Nudge)
		}
	}
}

// checkFlapping checks that a trigger that opened and resolved again and again has one message after its first
// openings, and that no other problem is shown as flapping.
func (w *world) checkFlapping(folded map[alert.Key]*expected, h held) {
	f := w.Rules.Flapping
	if f.Count == 0 {
		return
	}
	type trigger struct {
		room    string
		opening int64
	}
	openings := map[trigger][]store.Post{}
	for _, posts := range h.posts {
		for _, p := range posts {
			if p.Opening != 0 {
				openings[trigger{p.Room, p.Opening}] = append(openings[trigger{p.Room, p.Opening}], p)
			}
		}
	}
	// before counts the openings within the window before one, by Zabbix's times.
	before := func(p store.Post, others []store.Post) (all []store.Post) {
		for _, o := range others {
			if since := p.OpenedAt.Sub(o.OpenedAt); o.Key != p.Key && since >= 0 && since < time.Duration(f.Window) {
				all = append(all, o)
			}
		}
		return all
	}
	for t, posts := range openings {
		for _, p := range posts {
			earlier := before(p, posts)
			if g := h.groups[p.Group]; g.Kind == store.GroupFlap && g.Joined == 1 && len(earlier) < int(f.Count)-1 {
				w.fault("%s is shown as flapping in %s after only %d openings in the window before it", p.Key, t.room, len(earlier))
			}
			if p.Group == 0 && p.LeftGroup == 0 && w.flapped(folded, h, p, earlier, posts) {
				w.fault("%s has a message of its own in %s, and its trigger opened %d times within %v before it", p.Key, t.room, len(earlier), f.Window)
			}
		}
	}
	w.checkFlapMessages(h)
}

// checkFlapMessages checks that a trigger gets another message only when the one before has few edits left or names many
// openings, or when it hadn't opened for a window.
func (w *world) checkFlapMessages(h held) {
	window := time.Duration(w.Rules.Flapping.Window)
	if window < 10*time.Minute || w.has(refuse, erase, expel, lose, fail, slow, crash) {
		return
	}
	newest := map[string]store.Group{} // by room and trigger
	for _, id := range slices.Sorted(maps.Keys(h.groups)) {
		g := h.groups[id]
		if g.Kind != store.GroupFlap || g.State == store.PostDead {
			continue
		}
		before, ok := newest[g.Room+g.Name]
		if newest[g.Room+g.Name] = g; ok && before.Edits < 8 && before.Joined < 100 && g.OpenedAt.Sub(before.JoinedAt) < window {
			w.fault("%s has another message of one trigger: %+v, %+v", g.Room, before, g)
		}
	}
}

// flapped reports whether the relay knew, when a post joined its room, that its trigger was flapping: enough earlier
// openings, each resolved.
func (w *world) flapped(folded map[alert.Key]*expected, h held, p store.Post, earlier, all []store.Post) bool {
	problem := h.problems[p.Key]
	if w.late() == 0 || len(earlier) < int(w.Rules.Flapping.Count)-1 || problem.ActedOn() || p.Severity >= w.Storm.Individual || !p.TellAfter.IsZero() ||
		slices.ContainsFunc(folded[p.Key].states, func(s state) bool { return s.problem.Severity >= w.Storm.Individual || s.problem.HeldBack }) {
		return false
	}
	for _, o := range all {
		known := o.Key == p.Key || o.JoinedAt.After(p.JoinedAt.Add(w.late()))
		for _, s := range folded[o.Key].states {
			known = known || !s.problem.Open() && s.at.Add(w.late()).Before(p.JoinedAt)
		}
		if !known || slices.ContainsFunc(earlier, func(e store.Post) bool { return e.Key == o.Key }) && o.JoinedAt.After(p.JoinedAt) {
			return false
		}
	}
	return true
}
