package render

import (
	"slices"
	"strings"
	"time"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/lang"
	"nms-alert-relay/internal/webex"
)

// The kinds of nudges. A route's "tell" doesn't filter them: the route asks for them itself.
const (
	TellEscalated = "escalated"
	TellReminded  = "reminded"
	TellAsked     = "asked"
)

// nudge describes an escalation, a reminder or a question.
func (b *builder) nudge(out *Entry, n alert.Nudge) {
	switch n.Kind {
	case alert.EntryAsked:
		out.Emoji, out.Did = "❓", b.question(n)
		return
	case alert.EntryReminded:
		out.Emoji, out.Did = "⏰", b.stillOpen(formatDuration(b.lang, b.p.OpenedAt, n.At))
		return
	}
	out.Emoji, out.Did = "⏫", Text(b.lang.T("nobody acknowledged it for %s", formatDuration(b.lang, n.At.Add(-n.After), n.At)))
	if to := escalated(b.lang, n, b.room, func(rooms string) string { return string(limited(rooms, b.limit(maxLabel))) }); to != "" {
		out.Did = Text(to) + ": " + out.Did
	}
	if gaps := gapWords(b.lang, n); gaps != "" {
		out.Did += " · " + limited(gaps, b.limit(4*maxLabel))
	}
}

func (b *builder) stillOpen(after string) Text {
	if after == "" {
		return Text(b.lang.T("still open, and nobody has acknowledged it"))
	}
	return Text(b.lang.T("still open after %s, and nobody has acknowledged it", after))
}

// question asks whether somebody is still on an acknowledged problem.
func (b *builder) question(n alert.Nudge) Text {
	l := b.lang
	by := Text(l.T("Somebody"))
	if u := b.p.AcknowledgedBy(); u != nil && u.Actor.Name != "" {
		by = limited(u.Actor.Name, b.limit(maxLabel))
	}
	return Text(l.T("Still on it? %s acknowledged it, and nobody has acted on it for %s. To keep the acknowledgement, press the button or reply “ack” within %s",
		string(by), formatDuration(l, n.At.Add(-n.After), n.At), answerWithin(l, n)))
}

// answerWithin is how long there is for an answer.
func answerWithin(l lang.Lang, n alert.Nudge) string {
	return formatDuration(l, n.At, n.At.Add(alert.AnswerWithin))
}

// escalated describes the rooms between which a step escalates, as one of them reads it: "escalated to " and the
// other rooms, or "escalated from " and the room where it began; "" for a step within a room.
func escalated(l lang.Lang, n alert.Nudge, room string, limited func(string) string) string {
	switch {
	case n.Room != room && slices.Contains(n.Rooms, room):
		return l.T("escalated from %s", limited(n.Room))
	case len(n.Rooms) > 0:
		return l.T("escalated to %s", limited(strings.ReplaceAll(strings.Join(n.Rooms, ", "), alert.PersonRoom, "")))
	}
	return ""
}

// mentions returns the markdown that mentions the people named in the configuration. It contains no untrusted text.
func mentions(n alert.Nudge, room string) Markdown {
	var all []string
	for _, who := range n.MentionIn(room) {
		if who == alert.MentionAll {
			all = append(all, "<@all>")
		} else {
			all = append(all, webex.Mention(who, ""))
		}
	}
	return Markdown(strings.Join(all, " "))
}

// Timely reports whether a nudge is still due: it is for this room, and nobody has acted on the problem since.
func Timely(n alert.Nudge, p alert.Problem, room Room, now time.Time) bool {
	if n.Kind == alert.EntryAsked {
		asked := p.Asked()
		return n.For(room.Name) && asked != nil && asked.At.Equal(n.At)
	}
	from, unattended := p.Unattended(now)
	return n.For(room.Name) && unattended && !from.After(now) && !repeated(n, p, room.Name)
}

// repeated reports whether the same step of another room was posted in this room already: the rooms of a route escalate at
// nearly the same moment.
func repeated(n alert.Nudge, p alert.Problem, room string) bool {
	if n.Room == room {
		return false
	}
	return slices.ContainsFunc(p.Timeline, func(e alert.Entry) bool {
		o := e.Nudge
		if o == nil || o.Kind != n.Kind || o.Step != n.Step || o.After != n.After || !slices.Equal(o.Rooms, n.Rooms) {
			return false
		}
		before := n.At.Sub(o.At)
		return before >= 0 && before < time.Minute && (before > 0 || o.Room < n.Room)
	})
}

// mentioned makes sure that a reply has the mentions of its nudges: a custom template may lack them, and a long reply was cut.
func mentioned(reply string, lines []Entry) string {
	for _, e := range lines {
		m := string(e.Mention)
		if m == "" || strings.Contains(reply, m) {
			continue
		}
		if reply == "" {
			reply = e.Emoji + " " + e.Did.String()
		}
		reply = webex.CutMarkdown(reply, webex.MaxMessageBytes-len(m)-1) + "\n" + m
	}
	return reply
}

// escalation returns the note that the problem was escalated to this room; nil if it wasn't.
func (b *builder) escalation() *Entry {
	var last *alert.Entry
	for i := range b.p.Timeline {
		e := &b.p.Timeline[i]
		if n := e.Nudge; n != nil && e.Kind == alert.EntryEscalated && n.Room != b.room && slices.Contains(n.Rooms, b.room) && !repeated(*n, *b.p, b.room) && (last == nil || !e.At.Before(last.At)) {
			last = e
		}
	}
	if last == nil {
		return nil
	}
	out := b.entry(*last, time.Time{})
	return &out
}

var gapKeys = map[alert.GapReason]lang.Key{
	alert.GapNobody:     lang.Key("nobody is on duty in %s"),
	alert.GapUnwritable: lang.Key("the relay may not write to those on duty in %s"),
	alert.GapUnread:     lang.Key("who is on duty in %s isn't known: the calendar couldn't be read yet"),
	alert.GapNoSchedule: lang.Key("there is no schedule of duty %s any more"),
}

// gapWords says whom an escalation couldn't reach, and why.
func gapWords(l lang.Lang, n alert.Nudge) string {
	var gaps []string
	for _, g := range n.Gaps {
		if key, ok := gapKeys[g.Why]; ok {
			gaps = append(gaps, l.Of(key, g.Schedule+" ("+g.Layer+")"))
		}
	}
	return strings.Join(gaps, "; ")
}
