package command

import (
	"context"
	"strings"
	"time"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/lang"
	"nms-alert-relay/internal/render"
	"nms-alert-relay/internal/webex"
)

// answerHistory shows the earlier problems of the problems' triggers.
func answerHistory(ctx context.Context, e *Executor, s scope, _ Request, targets []target, room render.Room) (reply, outcome string, err error) {
	room.MayRead = s.mayRead
	var triggers []alert.TriggerKey
	for _, t := range targets {
		if trigger, ok := t.Problem.Trigger(); ok {
			triggers = append(triggers, trigger)
		}
	}
	known, err := e.o.Store.TriggerStats(ctx, triggers)
	if err != nil {
		return "", "", err
	}
	texts := make([]string, 0, len(targets))
	for _, t := range targets {
		trigger, _ := t.Problem.Trigger()
		texts = append(texts, e.o.View().Renderer.History(t.Problem, known[trigger], room, time.Now()))
	}
	return joined(room.Lang, texts), "shown", nil
}

// joined joins the replies about several problems, as many as fit into one message.
func joined(l lang.Lang, texts []string) string {
	const between = "\n\n---\n\n"
	var b strings.Builder
	for i, text := range texts {
		if left := l.T("… and %d more. Ask for fewer at once.", len(texts)-i); i > 0 && b.Len()+len(between)*2+len(text)+len(left) > webex.MaxMessageBytes {
			b.WriteString(between + left)
			break
		}
		if i > 0 {
			b.WriteString(between)
		}
		b.WriteString(text)
	}
	return b.String()
}
