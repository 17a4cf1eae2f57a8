package command

import (
	"context"
	"fmt"
	"strings"
	"time"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/webex"
)

// mostListed is how many problems a list shows at most; it tells the total.
const mostListed = 50

// list answers the command problems: the open ones that the person may know of
// from here, the worst first.
func (e *Executor) list(ctx context.Context, s scope, f Filter, p place) (string, error) {
	filter := store.Filter{Open: true, Severity: f.Severity, Host: f.Host, Acknowledged: f.Acknowledged, Search: f.Text, Rooms: s.listed(), Limit: mostListed}
	found, err := e.o.Store.FindProblems(ctx, filter)
	if err != nil {
		return "", err
	}
	if len(found) == 0 && f.Plain != "" {
		filter.Search = f.Plain
		if found, err = e.o.Store.FindProblems(ctx, filter); err != nil {
			return "", err
		}
	}
	if wanted := f.wanted(); len(found) == 0 && wanted != "" {
		others, err := e.o.Store.CountProblems(ctx, store.Filter{Open: true, Rooms: filter.Rooms})
		if err != nil {
			return "", err
		}
		return noMatch(wanted, others), nil
	}
	total := len(found)
	if total == mostListed {
		if total, err = e.o.Store.CountProblems(ctx, filter); err != nil {
			return "", err
		}
	}
	return e.o.Renderer.Problems(found, max(total, len(found)), p.room, time.Now()), nil
}

// show answers the command show: whole problems, as many as fit into one message.
func (e *Executor) show(targets []target, gone map[alert.Key]bool, p place) string {
	const between = "\n\n---\n\n"
	var b strings.Builder
	for i, t := range targets {
		text := e.o.Renderer.Show(t.Problem, p.room, time.Now())
		if t.Problem.Superseded() {
			text += "\n\nℹ️ This problem is gone from Zabbix, and another one has its event id now."
		} else if gone[t.Key] {
			text += "\n\n" + notShown(t.Key, e.o.Several)
		}
		left := fmt.Sprintf("%s… and %d more: ask for fewer at once.", between, len(targets)-i)
		if i > 0 && b.Len()+len(between)+len(text)+len(left) > webex.MaxMessageBytes {
			b.WriteString(left)
			break
		}
		if i > 0 {
			b.WriteString(between)
		}
		b.WriteString(text)
	}
	return b.String()
}
