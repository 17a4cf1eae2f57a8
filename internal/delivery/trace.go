package delivery

import (
	"cmp"
	"time"

	"nms-alert-relay/internal/delivery/step"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/tracing"
	"nms-alert-relay/internal/webex"
)

// traced is what the trace of a task's calls needs.
type traced struct {
	causes []store.Cause
	route  string
	last   *tracing.Span // of the last call; nil while tracing is off
}

// beginCall begins the span of a call for a task.
func (b *bot) beginCall(t *task, s step.Step, attempts int, at time.Time) *tracing.Span {
	if b.Trace == nil {
		return nil
	}
	about := tracing.About{Room: t.Room, Route: t.Value.traced.route, Bot: b.name, Op: string(s.Op), Reason: string(s.Reason), Attempt: attempts + 1}
	switch w := t.Value; {
	case w.post != nil:
		about.Source, about.EventID = w.post.key.Source, w.post.key.EventID
	case w.group != nil:
		about.Group = w.group.id
	default:
		about.Notice = w.notice.id
	}
	return b.Trace.Call(callNames[s.Call()], at, about, t.Value.traced.causes...)
}

// callNames are the names of spans.
var callNames = [...]string{step.Post: "webex post", step.Edit: "webex edit", step.Reply: "webex reply", step.Attach: "webex attach", step.Remove: "webex delete"}

// resultOf is the word for a call's error in metrics and spans; "" for none.
func resultOf(err error) string {
	if err == nil {
		return ""
	}
	return cmp.Or(results[webex.ClassOf(err)], resultRefused)
}

// traceMember continues the trace of a problem that a digest's message shows for the first time; nil without a trace.
func (b *bot) traceMember(t *task, g store.Group, m store.Member, now time.Time) *tracing.Span {
	if b.Trace == nil || len(m.Causes) == 0 {
		return nil
	}
	span := b.Trace.Begin("shown in digest", m.JoinedAt, tracing.About{
		Source: m.Problem.Key.Source, EventID: m.Problem.Key.EventID, Room: t.Room, Route: m.Route, Bot: b.name, Group: g.ID, Kind: string(g.Kind),
	}, m.Causes...)
	span.LinkTo(t.Value.traced.last)
	span.EndAt(now, "")
	return span
}
