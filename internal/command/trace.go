package command

import (
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/tracing"
	"nms-alert-relay/internal/zabbix"
)

// traceEnd makes the span of a whole command: from when the person wrote or pressed until it ended.
func (e *Executor) traceEnd(c store.Command, result string) {
	if e.o.Trace == nil {
		return
	}
	failure := ""
	if c.State == store.CommandFailed || c.State == store.CommandExpired {
		failure = string(c.State)
	}
	about := tracing.About{Command: c.ID, Bot: c.Bot, Room: c.Room, Action: c.Action, Result: result}
	e.o.Trace.Begin("command", c.CreatedAt, about, store.Cause{Trace: c.Trace, At: c.CreatedAt}).EndAt(c.DoneAt, failure)
}

// beginCall begins the span of a batch's call to Zabbix.
func (e *Executor) beginCall(b *batch, failures int) *tracing.Span {
	if e.o.Trace == nil {
		return nil
	}
	c, first := b.job.command(), b.attempts[0]
	about := tracing.About{Source: first.Key.Source, EventIDs: b.ids(), Command: c.ID, Room: c.Room, Action: c.Action, Attempt: failures + 1}
	return e.o.Trace.Call("zabbix event.acknowledge", first.StartedAt, about, store.Cause{Trace: c.Trace, At: c.CreatedAt})
}

// resultOf is the word for a call's error in spans; "" for none.
func resultOf(err error) string {
	if err == nil {
		return ""
	}
	return string(zabbix.KindOf(err))
}
