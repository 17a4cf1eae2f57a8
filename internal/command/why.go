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
	"nms-alert-relay/internal/lang"
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
	Rests(b route.Binding) lang.Phrase
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
		text, err := e.why(ctx, s, t, posts[t.Key])
		if err != nil {
			return "", "", err
		}
		texts = append(texts, text)
	}
	return joined(room.Lang, texts), "explained", nil
}

// why explains one problem.
func (e *Executor) why(ctx context.Context, s scope, t target, posts []store.Post) (string, error) {
	p, now := t.Problem, time.Now()
	say := s.voice()
	routed := routedAt(p, posts)
	steps, _ := s.Routing.Explain(p, "", routed)
	var b strings.Builder
	b.WriteString(titled(p.Key, p.Name, s.Several) + "\n\n" + say.T("**Routes**, by today's configuration, at the time of its first event (%s):", say.moment(routed, now)) + "\n")
	for _, step := range steps {
		if config.MadeInChat(step.Route) && !slices.ContainsFunc(step.Rooms, s.sees) {
			continue // who subscribed is nobody else's business
		}
		b.WriteString("\n- " + stepWords(say.Lang, step, s.sees))
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
		f := fate{post: post, problem: p, timing: e.o.Mutes.Muting(s.Routing.Timing(post.Room, post.Route), post.Route), now: now, say: say, queue: stats.Rooms[post.Room].Pending}
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
		b.WriteString("\n\n" + say.T("**%s**, by %s:", webex.EscapeMarkdown(s.roomName(post.Room)), ruleWords(say.Lang, post.Route)) + "\n")
		for _, line := range f.lines() {
			b.WriteString("\n- " + line)
		}
	}
	if hidden > 0 {
		b.WriteString("\n\n" + say.T("It went to %s too, whose messages you can't see from here.", otherRooms(say.Lang, hidden)))
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
	return s.isHere(room) || s.Direct && !strings.HasPrefix(room, config.PersonRoom) && may(s.roleIn(room), Show)
}

// roomName returns the name of a room for people.
func (s scope) roomName(room string) string {
	if s.isHere(room) && binding.IsSpace(room) {
		return s.voice().T("this space")
	}
	return bareRoom(s.voice().Lang, room)
}

// bareRoom is a room's configured name, or what it is.
func bareRoom(l lang.Lang, room string) string {
	if binding.IsSpace(room) {
		return l.T("a bound space")
	}
	return strings.TrimPrefix(room, config.PersonRoom)
}

func otherRooms(l lang.Lang, n int) string { return l.N(n, "%d other room", "%d other rooms") }

func ruleWords(l lang.Lang, rule string) string {
	switch rule {
	case "":
		return l.T("the default rooms")
	case route.SendTo:
		return l.T("the address in Zabbix's media (Send to)")
	}
	if config.MadeInChat(rule) {
		return l.T("the %s", rule)
	}
	return l.T("route `%s`", webex.EscapeCode(rule))
}

// stepWords is a line about one route. It names only the rooms that the person may see.
func stepWords(l lang.Lang, step route.Step, sees func(room string) bool) string {
	mark := "➖"
	if step.Matched {
		mark = "✅"
	}
	line := fmt.Sprintf("%s `%s`: %s", mark, webex.EscapeCode(step.Route), webex.EscapeMarkdown(text.Cut(text.Line(step.Reason.In(l)), 300)))
	if !step.Matched || len(step.Rooms) == 0 {
		return line
	}
	var rooms []string
	for _, room := range step.Rooms {
		if sees(room) {
			rooms = append(rooms, "**"+webex.EscapeMarkdown(bareRoom(l, room))+"**")
		}
	}
	if hidden := len(step.Rooms) - len(rooms); hidden > 0 {
		rooms = append(rooms, otherRooms(l, hidden))
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
	say          voice
}

func (f fate) lines() []string {
	lines := []string{f.shown()}
	if f.unconfigured {
		lines = append(lines, f.say.T("⚠️ The room isn't configured any more."))
	}
	post := f.post
	if post.Attempts > 0 && post.State != store.PostDead {
		line := f.say.N(post.Attempts, "⚠️ %d attempt in a row failed. The last error: %s", "⚠️ %d attempts in a row failed. The last error: %s", failureWords(f.say.Lang, post.LastError, post.TrackingID))
		if post.NotBefore.After(f.now) {
			line += f.say.T(" The next attempt is at %s.", f.moment(post.NotBefore))
		}
		lines = append(lines, line)
	}
	if post.Edits > 0 {
		lines = append(lines, f.say.N(post.Edits, "✏️ Its message was edited %d time, of %d that Webex allows.", "✏️ Its message was edited %d times, of %d that Webex allows.", webex.MaxEdits))
	}
	if post.LeftGroup > 0 {
		lines = append(lines, f.say.T("↗️ It left a message that it shared, because somebody acted on it or it became severe."))
	}
	if f.left > 0 {
		lines = append(lines, f.say.N(f.left, "🔇 %d change was not posted in the thread: the route tells only %s.", "🔇 %d changes were not posted in the thread: the route tells only %s.", webex.EscapeMarkdown(strings.Join(f.tell, ", "))))
	}
	return append(lines, f.clocks()...)
}

func (f fate) moment(t time.Time) string { return f.say.moment(t, f.now) }

// tracked names the last call.
func tracked(l lang.Lang, id string) string {
	if id == "" {
		return ""
	}
	return l.T(" (tracking id of the last call `%s`)", webex.EscapeCode(id))
}

func failureWords(l lang.Lang, reason, trackingID string) string {
	line := webex.EscapeMarkdown(text.Cut(text.Line(cmp.Or(reason, l.T("unknown"))), 300))
	if trackingID != "" {
		line += l.T(" (tracking id `%s`)", webex.EscapeCode(trackingID))
	}
	return line + "."
}

// shown says what the room shows of the problem, or why nothing.
func (f fate) shown() string {
	say, post, p := f.say, f.post, f.problem
	switch {
	case post.State == store.PostDead:
		return say.T("🛑 Webex refused it for good (%s): %s It is a dead letter.", f.moment(post.DeadAt), failureWords(say.Lang, post.LastError, post.TrackingID))
	case post.Group > 0:
		return f.grouped()
	case post.RootID != "" && post.Pending():
		return say.T("🕓 Its message isn't up to date: %s.", f.pending())
	case post.RootID != "":
		return say.T("✅ Its message shows the present") + f.at(lang.Key(", since %s"), post.DeliveredAt) + tracked(say.Lang, post.TrackingID) + "."
	case post.TellAfter.Equal(store.Never) && p.State == alert.StateResolved:
		return say.T("🔇 Not posted: it was known before this room got it, or nothing was new about it, until it resolved") + f.at(lang.Key(" at %s"), p.ResolvedAt) + "."
	case post.TellAfter.Equal(store.Never):
		return say.T("🔇 Not posted: it was known before this room got it, or nothing is new about it. It is posted once somebody reports a change.")
	case p.HeldBack:
		return say.T("🔇 Not posted: only the API reported it so far, and a maintenance holds it back in Zabbix.")
	case post.HoldUntil.After(f.now):
		return say.T("🕓 Not posted before %s: so far only an update of it arrived, which waits for its problem.", f.moment(post.HoldUntil))
	case post.TellAfter.After(f.now) && p.State != alert.StateResolved:
		return say.T("🕓 Not posted before %s: %s.", f.moment(post.TellAfter), f.held())
	case post.Pending():
		return say.T("🕓 Not posted yet: %s.", f.pending())
	case p.State == alert.StateResolved && !post.TellAfter.IsZero():
		return say.T("🔇 Not posted: it resolved") + f.at(lang.Key(" at %s"), p.ResolvedAt) + say.T(", within %s.", f.held())
	}
	return say.T("🔇 Not posted: nothing about it is to be posted in this room.")
}

func (f fate) at(words lang.Key, t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return f.say.Of(words, f.moment(t))
}

// pending says what a post waits for.
func (f fate) pending() string {
	post := f.post
	switch {
	case post.Attempts > 0:
		return f.say.T("sending it failed")
	case post.NotBefore.After(f.now):
		return f.say.T("it is sent at %s", f.moment(post.NotBefore))
	}
	return f.say.N(int(f.queue), "it has waited for its turn since %[2]s: %[1]d message to this room due, at the pace that Webex allows", "it has waited for its turn since %[2]s: %[1]d messages to this room due, at the pace that Webex allows", f.moment(post.PendingSince))
}

// held says what holds a post back: the route's delay, its mute, the room's quiet hours.
func (f fate) held() string {
	var reasons []string
	end := cmp.Or(f.post.ReceivedAt, f.post.JoinedAt).Add(f.timing.Delay)
	muted := f.timing.Muted.After(f.now) && !f.timing.Muted.Before(end)
	switch {
	case muted:
		reasons, end = append(reasons, f.say.T("the mute of its route")), f.timing.Muted
	case f.timing.Delay > 0:
		reasons = append(reasons, f.say.T("the route's delay of %s", config.Duration(f.timing.Delay).String()))
	}
	if f.timing.Quiet != nil && f.problem.Severity < f.timing.Quiet.Below && f.post.TellAfter.After(end.Add(time.Minute)) {
		reasons = append(reasons, f.say.T("the room's quiet hours"))
	}
	if len(reasons) == 0 {
		return f.say.T("a delay, a mute or quiet hours that aren't there any more")
	}
	return strings.Join(reasons, f.say.T(" and "))
}

// grouped says which message the problem shares.
func (f fate) grouped() string {
	say, g := f.say, f.group
	what := say.T("a message with other problems, which is gone")
	switch g.Kind {
	case store.GroupStorm:
		what = say.N(g.Joined, "the message of a storm with %d problem, because the room was too far behind", "the message of a storm with %d problems, because the room was too far behind")
	case store.GroupFlap:
		what = say.N(g.Joined, "the message of a flapping trigger with %d opening", "the message of a flapping trigger with %d openings")
	case store.GroupCause:
		what = say.N(g.Joined, "a message in the thread of its cause with %d symptom", "a message in the thread of its cause with %d symptoms")
	}
	switch {
	case g.State == store.PostDead:
		return say.T("🛑 It shares %s. Webex refused that for good: %s It is a dead letter.", what, failureWords(say.Lang, g.LastError, g.TrackingID))
	case g.MessageID == "" && g.ID > 0:
		what += say.T(". That isn't posted yet")
	}
	if g.Attempts > 0 {
		return say.N(g.Attempts, "⚠️ It shares %[2]s. %[1]d attempt in a row failed. The last error: %[3]s", "⚠️ It shares %[2]s. %[1]d attempts in a row failed. The last error: %[3]s", what, failureWords(say.Lang, g.LastError, g.TrackingID))
	}
	return say.T("👥 It shares %s.", what)
}

// clocks says when the problem escalates and reminds, or why it doesn't.
func (f fate) clocks() (lines []string) {
	post := f.post
	if !post.EscalateAt.IsZero() {
		lines = append(lines, f.say.T("⏫ It escalates at %s unless somebody acknowledges it.", f.moment(post.EscalateAt)))
	}
	if !post.RemindAt.IsZero() {
		lines = append(lines, f.say.T("⏰ The next reminder is at %s unless somebody acknowledges it.", f.moment(post.RemindAt)))
	}
	if line := lapseWords(f.say, f.problem, f.timing.AckExpires, f.now); line != "" {
		lines = append(lines, line)
	}
	if len(lines) > 0 || len(f.timing.Escalate) == 0 && f.timing.Remind == 0 || !f.problem.Open() {
		return lines
	}
	p := f.problem
	for _, c := range []struct {
		holds bool
		why   lang.Key
	}{
		{p.Acknowledged, lang.Key("it is acknowledged")},
		{p.Cancelled, lang.Key("Zabbix cancelled its escalation")},
		{p.HeldBack || p.SuppressedAt(f.now), lang.Key("it is suppressed")},
		{post.State == store.PostDead, lang.Key("Webex refused its message")},
		{len(f.timing.Escalate) > 0 && post.Escalated >= len(f.timing.Escalate), lang.Key("it took every step")},
	} {
		if c.holds {
			return append(lines, f.say.T("⏸️ It doesn't escalate or remind: %s.", f.say.Of(c.why)))
		}
	}
	return lines
}
