package command

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/binding"
	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/render"
	"nms-alert-relay/internal/route"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/text"
	"nms-alert-relay/internal/webex"
)

// Routing explains where problems go and when: route.Router.
type Routing interface {
	Explain(p alert.Problem, sendTo string, now time.Time) ([]route.Step, []route.Target)
	Timing(room, rule string) route.Timing
	Rests(b route.Binding) string
}

// answerWhy explains where problems went, and what the rooms got.
func answerWhy(ctx context.Context, e *Executor, s scope, _ Request, targets []target, room render.Room) (reply, outcome string, err error) {
	keys := make([]alert.Key, 0, len(targets))
	for _, t := range targets {
		keys = append(keys, t.Key)
	}
	posts, err := e.o.Store.PostsOf(ctx, keys)
	if err != nil {
		return "", "", err
	}
	texts := make([]string, 0, len(targets))
	for _, t := range targets {
		text, err := e.why(ctx, s, t, posts[t.Key], room)
		if err != nil {
			return "", "", err
		}
		texts = append(texts, text)
	}
	return joined(texts), "explained", nil
}

// why explains one problem.
func (e *Executor) why(ctx context.Context, s scope, t target, posts []store.Post, room render.Room) (string, error) {
	p, now := t.Problem, time.Now()
	moment := func(at time.Time) string { return render.Moment(at, now, room.Location) }
	routed := routedAt(p, posts)
	steps, _ := s.Routing.Explain(p, "", routed)
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\n**Routes**, by today's configuration, at the time of its first event (%s):\n", titled(p.Key, p.Name, s.Several), moment(routed))
	for _, step := range steps {
		if config.MadeInChat(step.Route) && !slices.ContainsFunc(step.Rooms, s.sees) {
			continue // who subscribed is nobody else's business
		}
		b.WriteString("\n- " + stepWords(step, s.sees))
	}
	var stats store.Stats
	if slices.ContainsFunc(posts, store.Post.Pending) {
		var err error
		if stats, err = e.o.Store.Stats(ctx); err != nil {
			return "", err
		}
	}
	hidden := 0
	for _, post := range posts {
		if !s.sees(post.Room) {
			if !config.MadeInChat(post.Route) {
				hidden++
			}
			continue
		}
		f := fate{post: post, problem: p, timing: e.o.Mutes.Muting(s.Routing.Timing(post.Room, post.Route), post.Route), now: now, moment: moment, queue: stats.Rooms[post.Room].Pending}
		if post.Group > 0 {
			group, err := e.o.Store.Group(ctx, post.Group)
			if err != nil && !store.Lasting(err) {
				return "", err
			}
			f.group = group
		}
		if settings, ok := s.Settings(post.Room, post.Route); ok {
			f.left, f.tell = settings.LeftOut(p.Timeline), settings.Tell
		} else {
			f.unconfigured = true
		}
		fmt.Fprintf(&b, "\n\n**%s**, by %s:\n", webex.EscapeMarkdown(s.roomName(post.Room)), ruleWords(post.Route))
		for _, line := range f.lines() {
			b.WriteString("\n- " + line)
		}
	}
	if hidden > 0 {
		fmt.Fprintf(&b, "\n\nIt went to %s too, whose messages you can't see from here.", counted(hidden, "other room"))
	}
	return b.String(), nil
}

// routedAt is when the problem's rooms were decided first.
func routedAt(p alert.Problem, posts []store.Post) (at time.Time) {
	for _, post := range posts {
		if joined := cmp.Or(post.ReceivedAt, post.JoinedAt); !joined.IsZero() && (at.IsZero() || joined.Before(at)) {
			at = joined
		}
	}
	return cmp.Or(at, p.OpenedAt, p.ChangedAt)
}

// sees reports whether the person may learn from here what a room got.
func (s scope) sees(room string) bool {
	return s.isHere(room) || s.Direct && !strings.HasPrefix(room, personRoom("")) && may(s.roleIn(room), Show)
}

// roomName returns the name of a room for people.
func (s scope) roomName(room string) string {
	if s.isHere(room) && binding.IsSpace(room) {
		return "this space"
	}
	return bareRoom(room)
}

// bareRoom is a room's configured name, or what it is.
func bareRoom(room string) string {
	if binding.IsSpace(room) {
		return "a bound space"
	}
	return strings.TrimPrefix(room, config.PersonRoom)
}

func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func ruleWords(rule string) string {
	switch rule {
	case "":
		return "the default rooms"
	case route.SendTo:
		return "the address in Zabbix's media (Send to)"
	}
	if config.MadeInChat(rule) {
		return "the " + rule
	}
	return "route `" + webex.EscapeCode(rule) + "`"
}

// stepWords is a line about one route. It names only the rooms that the person may see.
func stepWords(step route.Step, sees func(room string) bool) string {
	mark := "➖"
	if step.Matched {
		mark = "✅"
	}
	line := fmt.Sprintf("%s `%s`: %s", mark, webex.EscapeCode(step.Route), webex.EscapeMarkdown(text.Cut(text.Line(step.Reason), 300)))
	if !step.Matched || len(step.Rooms) == 0 {
		return line
	}
	var rooms []string
	for _, room := range step.Rooms {
		if sees(room) {
			rooms = append(rooms, "**"+webex.EscapeMarkdown(bareRoom(room))+"**")
		}
	}
	if hidden := len(step.Rooms) - len(rooms); hidden > 0 {
		rooms = append(rooms, counted(hidden, "other room"))
	}
	return line + " → " + strings.Join(rooms, ", ")
}

// fate is what became of a problem in one room.
type fate struct {
	post         store.Post
	group        store.Group // zero if the post has a message of its own, or the group was pruned
	problem      alert.Problem
	timing       route.Timing
	left         int      // changes that the route doesn't post
	tell         []string // those that it does
	unconfigured bool
	queue        int64 // messages that the room is owed now
	now          time.Time
	moment       func(time.Time) string
}

func (f fate) lines() []string {
	lines := []string{f.shown()}
	if f.unconfigured {
		lines = append(lines, "⚠️ The room isn't configured any more.")
	}
	post := f.post
	if post.Attempts > 0 && post.State != store.PostDead {
		line := fmt.Sprintf("⚠️ %s in a row failed. The last error: %s", counted(post.Attempts, "attempt"), failureWords(post.LastError, post.TrackingID))
		if post.NotBefore.After(f.now) {
			line += " The next attempt is at " + f.moment(post.NotBefore) + "."
		}
		lines = append(lines, line)
	}
	if post.Edits > 0 {
		lines = append(lines, fmt.Sprintf("✏️ Its message was edited %s, of %d that Webex allows.", counted(post.Edits, "time"), webex.MaxEdits))
	}
	if post.LeftGroup > 0 {
		lines = append(lines, "↗️ It left a message that it shared, because somebody acted on it or it became severe.")
	}
	if f.left > 0 {
		lines = append(lines, fmt.Sprintf("🔇 %s not posted in the thread: the route tells only %s.", was(f.left, "change"), webex.EscapeMarkdown(strings.Join(f.tell, ", "))))
	}
	return append(lines, f.clocks()...)
}

func was(n int, what string) string {
	if n == 1 {
		return "1 " + what + " was"
	}
	return counted(n, what) + " were"
}

// tracked names the last call.
func tracked(id string) string {
	if id == "" {
		return ""
	}
	return " (tracking id of the last call `" + webex.EscapeCode(id) + "`)"
}

func failureWords(reason, trackingID string) string {
	line := webex.EscapeMarkdown(text.Cut(text.Line(cmp.Or(reason, "unknown")), 300))
	if trackingID != "" {
		line += " (tracking id `" + webex.EscapeCode(trackingID) + "`)"
	}
	return line + "."
}

// shown says what the room shows of the problem, or why nothing.
func (f fate) shown() string {
	post, p := f.post, f.problem
	switch {
	case post.State == store.PostDead:
		return fmt.Sprintf("🛑 Webex refused it for good (%s): %s It is a dead letter.", f.moment(post.DeadAt), failureWords(post.LastError, post.TrackingID))
	case post.Group > 0:
		return f.grouped()
	case post.RootID != "" && post.Pending():
		return "🕓 Its message isn't up to date: " + f.pending() + "."
	case post.RootID != "":
		return "✅ Its message shows the present" + at(", since ", f.moment, post.DeliveredAt) + tracked(post.TrackingID) + "."
	case post.TellAfter.Equal(store.Never) && p.State == alert.StateResolved:
		return "🔇 Not posted: it was known before this room got it, or nothing was new about it, until it resolved" + at(" at ", f.moment, p.ResolvedAt) + "."
	case post.TellAfter.Equal(store.Never):
		return "🔇 Not posted: it was known before this room got it, or nothing is new about it. It is posted once somebody reports a change."
	case p.HeldBack:
		return "🔇 Not posted: only the API reported it so far, and a maintenance holds it back in Zabbix."
	case post.HoldUntil.After(f.now):
		return "🕓 Not posted before " + f.moment(post.HoldUntil) + ": so far only an update of it arrived, which waits for its problem."
	case post.TellAfter.After(f.now) && p.State != alert.StateResolved:
		return "🕓 Not posted before " + f.moment(post.TellAfter) + ": " + f.held() + "."
	case post.Pending():
		return "🕓 Not posted yet: " + f.pending() + "."
	case p.State == alert.StateResolved && !post.TellAfter.IsZero():
		return "🔇 Not posted: it resolved" + at(" at ", f.moment, p.ResolvedAt) + ", within " + f.held() + "."
	}
	return "🔇 Not posted: nothing about it is to be posted in this room."
}

func at(before string, moment func(time.Time) string, t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return before + moment(t)
}

// pending says what a post waits for.
func (f fate) pending() string {
	post := f.post
	switch {
	case post.Attempts > 0:
		return "sending it failed"
	case post.NotBefore.After(f.now):
		return "it is sent at " + f.moment(post.NotBefore)
	}
	return fmt.Sprintf("it has waited for its turn since %s: %s to this room due, at the pace that Webex allows", f.moment(post.PendingSince), counted(int(f.queue), "message"))
}

// held says what holds a post back: the route's delay, its mute, the room's quiet hours.
func (f fate) held() string {
	var reasons []string
	end := cmp.Or(f.post.ReceivedAt, f.post.JoinedAt).Add(f.timing.Delay)
	muted := f.timing.Muted.After(f.now) && !f.timing.Muted.Before(end)
	switch {
	case muted:
		reasons, end = append(reasons, "the mute of its route"), f.timing.Muted
	case f.timing.Delay > 0:
		reasons = append(reasons, "the route's delay of "+config.Duration(f.timing.Delay).String())
	}
	if f.timing.Quiet != nil && f.problem.Severity < f.timing.Quiet.Below && f.post.TellAfter.After(end.Add(time.Minute)) {
		reasons = append(reasons, "the room's quiet hours")
	}
	if len(reasons) == 0 {
		return "a delay, a mute or quiet hours that aren't there any more"
	}
	return strings.Join(reasons, " and ")
}

// grouped says which message the problem shares.
func (f fate) grouped() string {
	g := f.group
	what := "a message with other problems, which is gone"
	switch g.Kind {
	case store.GroupStorm:
		what = fmt.Sprintf("the message of a storm with %s, because the room was too far behind", counted(g.Joined, "problem"))
	case store.GroupFlap:
		what = fmt.Sprintf("the message of a flapping trigger with %s", counted(g.Joined, "opening"))
	case store.GroupCause:
		what = fmt.Sprintf("a message in the thread of its cause with %s", counted(g.Joined, "symptom"))
	}
	switch {
	case g.State == store.PostDead:
		return fmt.Sprintf("🛑 It shares %s. Webex refused that for good: %s It is a dead letter.", what, failureWords(g.LastError, g.TrackingID))
	case g.MessageID == "" && g.ID > 0:
		what += ". That isn't posted yet"
	}
	if g.Attempts > 0 {
		return fmt.Sprintf("⚠️ It shares %s. %s in a row failed. The last error: %s", what, counted(g.Attempts, "attempt"), failureWords(g.LastError, g.TrackingID))
	}
	return "👥 It shares " + what + "."
}

// clocks says when the problem escalates and reminds, or why it doesn't.
func (f fate) clocks() (lines []string) {
	post := f.post
	if !post.EscalateAt.IsZero() {
		lines = append(lines, "⏫ It escalates at "+f.moment(post.EscalateAt)+" unless somebody acknowledges it.")
	}
	if !post.RemindAt.IsZero() {
		lines = append(lines, "⏰ The next reminder is at "+f.moment(post.RemindAt)+" unless somebody acknowledges it.")
	}
	if line := lapseWords(f.problem, f.timing.AckExpires, f.now, f.moment); line != "" {
		lines = append(lines, line)
	}
	if len(lines) > 0 || len(f.timing.Escalate) == 0 && f.timing.Remind == 0 || !f.problem.Open() {
		return lines
	}
	p := f.problem
	for _, c := range []struct {
		holds bool
		why   string
	}{
		{p.Acknowledged, "it is acknowledged"},
		{p.Cancelled, "Zabbix cancelled its escalation"},
		{p.HeldBack || p.SuppressedAt(f.now), "it is suppressed"},
		{post.State == store.PostDead, "Webex refused its message"},
		{len(f.timing.Escalate) > 0 && post.Escalated >= len(f.timing.Escalate), "it took every step"},
	} {
		if c.holds {
			return append(lines, "⏸️ It doesn't escalate or remind: "+c.why+".")
		}
	}
	return lines
}
