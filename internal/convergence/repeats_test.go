package convergence

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/simulator/webexsim"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/webex"
)

var problemIDs = regexp.MustCompile(`\b7\d{4}\b`)

// problemsIn returns the problems that a message is about: one, or those of a digest.
func problemsIn(m webexsim.MessageView) []int {
	var all []int
	for _, found := range problemIDs.FindAllString(m.Text+" "+m.Markdown+" "+string(m.Card), -1) {
		id, _ := strconv.Atoi(found)
		if n := id - 70001; !slices.Contains(all, n) {
			all = append(all, n)
		}
	}
	return all
}

func problemOf(key alert.Key) int {
	id, _ := strconv.Atoi(key.EventID)
	return id - 70001
}

// checkRepeats checks that each problem is in one live root message of a room, with one card. A second one is
// allowed if the answer to a post was lost, or arrived right before a kill.
func (w *world) checkRepeats(h held) {
	mine := map[string]bool{}
	for _, posts := range h.posts {
		for _, p := range posts {
			mine[p.RootID], mine[p.CardID] = true, true
		}
	}
	groups := map[string]store.Group{}
	for _, g := range h.groups {
		mine[g.MessageID], groups[g.MessageID] = true, g
	}
	inHand := map[string]int{} // kill and bot → messages whose answer arrived but wasn't saved
	for _, room := range append(slices.Clone(rooms), simRoom(config.PersonRoom+person)) {
		words := map[string][]string{}
		for _, m := range w.sim.Timeline(room) {
			if _, notice := h.notices[m.ID]; m.Deleted || mine[m.ID] || notice || w.ears.stays[m.ID] {
				continue
			}
			if isReply(m) {
				for _, said := range sayings(m, groups[m.ParentID]) {
					words[m.ParentID+said] = append(words[m.ParentID+said], m.ID)
				}
				continue
			}
			if len(problemsIn(m)) == 0 && w.ears.kept[m.ID] {
				continue // a notice that can't be edited is posted again, for example about a room that refuses
			}
			if excuse := w.excused(m.ID, inHand); !excuse {
				w.fault("%s has a message that no post, group or notice refers to (problems %v, card %v): %s %q", room, problemsIn(m), m.Card != nil, m.ID, m.Text)
			}
		}
		for said, ids := range words {
			excused := 0
			for _, id := range ids {
				if w.excused(id, map[string]int{}) {
					excused++
				}
			}
			if len(ids)-1 > excused {
				w.fault("%s is posted %d times in %s, and only %d repeats are excused", said, len(ids), room, excused)
			}
		}
	}
	for where, n := range inHand {
		if n > w.Workers {
			w.fault("%d messages were repeated for one kill (%s) with %d workers", n, where, w.Workers)
		}
	}
}

// isReply reports whether a message is a reply that nothing in the store refers to. One with a question has a card of its own.
func isReply(m webexsim.MessageView) bool {
	return m.ParentID != "" && (m.Card == nil || slices.ContainsFunc(strings.Split(m.Text, "\n"), func(line string) bool { return strings.HasPrefix(line, "❓") }))
}

func TestRepliesAreToldFromCards(t *testing.T) {
	card := json.RawMessage(`{}`)
	for _, c := range []struct {
		what string
		m    webexsim.MessageView
		want bool
	}{
		{"a problem", webexsim.MessageView{Text: "🔴 trouble", Card: card}, false},
		{"a problem that begins like a question", webexsim.MessageView{Text: "❓ trouble", Card: card}, false},
		{"a reply", webexsim.MessageView{ParentID: "1", Text: "⏫ escalated"}, true},
		{"a card in a thread", webexsim.MessageView{ParentID: "1", Text: "🔴 trouble", Card: card}, false},
		{"a question", webexsim.MessageView{ParentID: "1", Text: "❓ Still on it?", Card: card}, true},
		{"a question after other lines", webexsim.MessageView{ParentID: "1", Text: "⏫ escalated\n❓ Still on it?", Card: card}, true},
	} {
		if got := isReply(c.m); got != c.want {
			t.Errorf("%s: %v", c.what, got)
		}
	}
}

var comments = regexp.MustCompile(`(comment|on it,) \d+`)

// sayings returns the statements of a reply that must not repeat. In a digest's thread that is the whole text,
// unless different problems may have the same one.
func sayings(m webexsim.MessageView, of store.Group) []string {
	switch {
	case len(m.Files) > 0 && of.Left > 0: // members that joined since the last list may have left again
		return nil
	case len(m.Files) > 0: // without its time
		return []string{untimed.ReplaceAllString(string(m.Files[0].Content), "")}
	case of.ID != 0 && (comments.MatchString(m.Text) || !strings.ContainsAny(m.Text, nudgeSigns) && !strings.Contains(m.Text, "opened again")):
		return []string{m.Text}
	}
	return comments.FindAllString(m.Text, -1)
}

var untimed = regexp.MustCompile(`as of [^\r\n]*`)

// excused reports whether a message may be a repeat.
func (w *world) excused(id string, inHand map[string]int) bool {
	a, confirmed := w.ears.known[id]
	if !confirmed {
		return true // its answer was lost
	}
	for _, k := range w.kills {
		if k.life == a.life && k.at.Sub(a.at) < w.moment() {
			inHand[fmt.Sprintf("life %d, bot %d", a.life, a.bot)]++
			return true
		}
	}
	return false
}

// checkManners checks that the relay obeyed Webex's limits.
func (w *world) checkManners(h held) {
	for _, early := range w.ears.early {
		w.fault("a request was made during a wait: %s", early)
	}
	// Webex counts its answers. The relay received the same answers if none was lost or late.
	if s := w.sim.Stats(); w.Network == 0 && !w.forgot && !w.ears.fooled && !w.has(lose, slow, fail, crash) && s.TooEarly > 0 {
		w.fault("Webex counts %d requests that came too early", s.TooEarly)
	}
	for _, room := range w.sim.State().Rooms {
		for _, m := range room.Messages {
			if m.Edits > webex.MaxEdits {
				w.fault("%s was edited %d times", m.ID, m.Edits)
			}
		}
	}
	if !w.has(refuse, expel, erase) && len(h.dead) > 0 {
		w.fault("dead letters, but nothing was refused: %+v", h.dead)
	}
	if !w.has(refuse, expel, erase, lose, slow, fail, crash, diskFull) {
		if n := w.ears.refused[400] + w.ears.refused[403] + w.ears.refused[404]; n > 0 {
			w.fault("%d requests were refused, but by no step: %v", n, w.ears.refused)
		}
	}
}
