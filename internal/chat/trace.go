package chat

import (
	"errors"
	"time"

	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/tracing"
)

// traceRead makes the span of reading a command from Webex and deciding what it means.
func (in *Inbox) traceRead(a *arrival, began time.Time, err error) {
	if in.o.Trace == nil {
		return
	}
	about, failure := tracing.About{Bot: a.c.Bot, Command: a.c.ID, Attempt: a.c.Attempts + 1}, ""
	var unread *unreadError
	switch {
	case errors.As(err, &unread) && unread.ignored != "":
		about.Result = unread.ignored
	case err != nil:
		failure = "unread"
	}
	in.o.Trace.Begin("read and decide", began, about, store.Cause{Trace: a.c.Trace, At: a.c.CreatedAt}).End(failure)
}
