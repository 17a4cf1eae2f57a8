package convergence

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/simulator/webexsim"
	"nms-alert-relay/internal/simulator/zabbixsim"
	"nms-alert-relay/internal/store"
)

// differences compares what the relay knows, and what each room shows, with what Zabbix holds, fact by fact.
func (z *simulated) differences() (all []string) {
	differ := func(p zabbixsim.Problem, format string, args ...any) {
		all = append(all, fmt.Sprintf("problem %d: ", p.ID)+fmt.Sprintf(format, args...))
	}
	ctx := context.Background()
	states, err := z.life.db.OpenStates(ctx, source, time.Now())
	if err != nil {
		panic(err)
	}
	known := map[string]store.OpenState{}
	for _, s := range states {
		known[s.EventID] = s
	}
	h := z.read(z.checkJournal())
	for _, p := range z.Problems() {
		id := strconv.FormatInt(p.ID, 10)
		open := p.RecoveryID == 0 && !p.Orphaned
		s, ok := known[id]
		delete(known, id)
		if ok != open {
			differ(p, "open in Zabbix: %v, in the store: %v", open, ok)
			continue
		}
		suppressed := p.Suppressed || time.Now().Before(p.Maintained)
		cause, _ := strconv.ParseInt(s.Cause, 10, 64)
		want := []any{p.Severity, p.Acked, len(p.Acks), suppressed, p.CauseID}
		if got := []any{s.Severity, s.Acknowledged, max(0, s.Updates), s.Suppressed, cause}; open && !slices.Equal(want, got) {
			differ(p, "severity, acknowledged, updates, suppressed, cause: expected %v, got %v", want, got)
		}
		key := alert.Key{Source: source, EventID: id}
		if open && len(h.posts[key]) == 0 && !h.problems[key].HeldBack {
			differ(p, "it has no post")
		}
		for _, post := range h.posts[key] {
			z.compareRoom(p, open, suppressed, post, h, func(format string, args ...any) {
				differ(p, "in %s: %s", post.Room, fmt.Sprintf(format, args...))
			})
		}
	}
	for id := range known {
		all = append(all, "problem "+id+" is open in the store, but not in Zabbix")
	}
	return all
}

// eventIDs finds the problems of a simulated Zabbix in a text. No other number of a run has four digits.
var eventIDs = regexp.MustCompile(`\b4[789]\d\d\b`)

// homes returns the messages that show a problem in a room, without those that a lost answer may have left there.
func (z *simulated) homes(id, room string, h held) (found []webexsim.MessageView) {
	for _, m := range z.sim.Timeline(room) {
		grouped := slices.ContainsFunc(slices.Collect(maps.Values(h.groups)), func(g store.Group) bool { return g.MessageID == m.ID })
		if _, notice := h.notices[m.ID]; notice || m.Deleted || m.ParentID != "" && !grouped {
			continue
		}
		for line := range strings.Lines(m.Text) {
			if !strings.HasPrefix(line, "🔗") && slices.Contains(eventIDs.FindAllString(line, -1), id) { // that names the cause
				found = append(found, m)
				break
			}
		}
	}
	return z.owned(found)
}

// owned drops the messages that the relay may have repeated: all but the newest.
func (z *simulated) owned(messages []webexsim.MessageView) (left []webexsim.MessageView) {
	for i, m := range messages {
		if i == len(messages)-1 || !z.excused(m.ID, map[string]int{}) {
			left = append(left, m)
		}
	}
	return left
}

// compareRoom compares what a room shows of a problem.
func (z *simulated) compareRoom(p zabbixsim.Problem, open, suppressed bool, post store.Post, h held, differ func(string, ...any)) {
	id := strconv.FormatInt(p.ID, 10)
	homes := z.homes(id, post.Room, h)
	if len(homes) == 0 && (!open || h.problems[post.Key].HeldBack) {
		return // resolved before it was found, or a maintenance has held it back from the start
	}
	if len(homes) != 1 {
		differ("it is in %d messages: %+v", len(homes), homes)
		return
	}
	home := homes[0]
	z.compareThread(p, home, differ)
	if home.ParentID != "" { // the symptoms of a cause
		shown := !regexp.MustCompile(`(?m)^✅.*\(` + id + `\)|✅ \S+ \(` + id + `\)`).MatchString(home.Text)
		if shown != open {
			differ("open: %v, but its cause's thread has %s", open, home.Text)
		}
		return
	}
	if strings.Contains(home.Text, "Flapping") {
		line := regexp.MustCompile(`(?m)^.*:\d\d ` + id + ` · (.*)$`).FindStringSubmatch(home.Text)
		if line != nil && strings.HasPrefix(line[1], "open") != open || line == nil && open {
			differ("open: %v, but shown as flapping in %s", open, home.Text)
		}
		return
	}
	headline, _, _ := strings.Cut(home.Text, p.Trigger.Name)
	for word, expected := range map[string]bool{"resolved": !open, "acknowledged": open && p.Acked, "suppressed": open && suppressed, p.Severity.Title(): true} {
		switch {
		case expected && word == "suppressed" && home.Card != nil:
			continue // a card isn't replaced to say that
		case p.Orphaned && word == p.Severity.Title():
			continue // its severity isn't read any more
		}
		if strings.Contains(headline, word) != expected {
			differ("%q expected: %v, got %s", word, expected, headline)
		}
	}
}

// compareThread requires a problem's last comment in its message or below it, and no comment twice below it. A room with lines shows none.
func (z *simulated) compareThread(p zabbixsim.Problem, home webexsim.MessageView, differ func(string, ...any)) {
	last := ""
	for _, a := range p.Acks {
		last = cmp.Or(a.Message, last)
	}
	for remark, id := range z.remarks {
		if id != p.ID || home.RoomID == webexsim.RoomID("line") {
			continue
		}
		var with []webexsim.MessageView
		for _, m := range z.sim.Timeline(home.RoomID) {
			if m.ParentID != "" && !m.Deleted && m.Card == nil && strings.Contains(m.Text, remark) {
				with = append(with, m)
			}
		}
		if n := len(z.owned(with)); n > 1 || n == 0 && remark == last && !strings.Contains(home.Text, remark) {
			differ("%q is %d times in its thread", remark, n)
		}
	}
}
