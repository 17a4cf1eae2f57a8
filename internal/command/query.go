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
	filter := store.Filter{Open: true, Severity: f.Severity, Host: f.Host, Acknowledged: f.Acknowledged, Search: f.Text}
	if !s.Direct {
		filter.Room = s.Room
	}
	found, err := e.o.Store.FindProblems(ctx, filter)
	if err != nil {
		return "", err
	}
	if s.Direct && !s.everywhere() {
		keys := make([]alert.Key, 0, len(found))
		for _, problem := range found {
			keys = append(keys, problem.Key)
		}
		posts, err := e.o.Store.PostsOf(ctx, keys)
		if err != nil {
			return "", err
		}
		seen := found[:0]
		for _, problem := range found {
			if may(s.roleFor(posts[problem.Key]), Problems) {
				seen = append(seen, problem)
			}
		}
		found = seen
	}
	total := len(found)
	return e.o.Renderer.Problems(found[:min(total, mostListed)], total, p.room, time.Now()), nil
}

// show answers the command show: whole problems, as many as fit into one message.
func (e *Executor) show(targets []target, p place) string {
	const between = "\n\n---\n\n"
	var b strings.Builder
	for i, t := range targets {
		text := e.o.Renderer.Show(t.Problem, p.room, time.Now())
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
